"""The file of trained weights: both sides', and in its metadata all that is needed to use them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors

import handgrad
from contract import Array
from handgrad.errors import one_line
from handgrad.experiments import EXPERIMENTS
from handgrad.experiments.encoding import Dates, Encoding, Kinds, Number, Standard
from handgrad.experiments.score import threshold
from handgrad.files import WEIGHTS, write_bytes
from handgrad.tensors import packed
from handgrad.training.prepared import Prepared
from handgrad.training.sides import layer_sizes

VERSION = 1
OWN = "own"
KINDS: dict[str, Callable[..., Encoding]] = {kind.__name__: kind for kind in (Number, Kinds, Dates)}


@dataclass(frozen=True)
class Trained:
    """A trained net. `net` names an experiment whose net is no MLP, OWN one of the user's; "" is an MLP."""

    name: str
    sizes: tuple[int, ...]
    activation: str
    output_activation: str | None
    net: str
    loss: str
    dtype: str
    classes: tuple[str, ...] | None
    threshold: float  # above it a single output is the second class
    inputs: tuple[Encoding, ...]
    beside: tuple[str, ...]
    target: Standard | None
    states: Mapping[str, Mapping[str, Array]]  # side → state dict


def write(prepared: Prepared, path: Path) -> None:
    """Write both sides' weights as they are now, under `scratch/NAME` and `torch/NAME`. OSError where it cannot be."""
    experiment, data = prepared.experiment, prepared.data
    sizes = layer_sizes(experiment, data)
    features = data.features or tuple(f"x{place}" for place in range(sizes[0]))
    table = EXPERIMENTS.get(experiment.name)
    named = table is not None and table.model is experiment.model
    recipe = {
        "version": VERSION,
        "handgrad": handgrad.__version__,
        "name": experiment.name,
        "sizes": sizes,
        "activation": experiment.activation,
        "output_activation": experiment.output_activation,
        "net": "" if experiment.model is None else experiment.name if named else OWN,
        "loss": experiment.loss,
        "dtype": experiment.dtype,
        "classes": data.classes,
        "threshold": 0.0 if data.classes is None else threshold(experiment, data),
        "inputs": [{"kind": type(way).__name__, **asdict(way)} for way in data.inputs or tuple(map(Number, features))],
        "beside": data.beside,
        "target": None if data.target is None else asdict(data.target),
    }
    arrays = {
        f"{side}/{name}": np.ascontiguousarray(array)
        for side, trainer in prepared.trainers.items()
        for name, array in trainer.model.state_dict().items()
    }
    write_bytes(path, packed(arrays, {"recipe": json.dumps(recipe, ensure_ascii=False)}))


def read(run: Path) -> Trained:
    """The net of a run: of its folder, its result.json or its file of weights. ValueError in one line without one."""
    path = run / WEIGHTS if run.is_dir() else run if run.suffix == ".safetensors" else run.parent / WEIGHTS
    if not run.exists():
        raise ValueError(f"there is no run {run}")
    if not path.is_file():
        raise ValueError(f"{run} has no {WEIGHTS}: run handgrad compare again, which writes it beside result.json")
    try:
        with safetensors.safe_open(path, framework="np") as file:
            recipe = json.loads(file.metadata()["recipe"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # a file is not iterable
        if recipe["version"] != VERSION:
            raise ValueError(f"its version is {recipe['version']}, and this handgrad reads {VERSION}")
        return _trained(recipe, arrays)
    except Exception as error:  # of the library, or for whatever another program wrote
        raise ValueError(f"{path} is no file of weights that compare wrote: {one_line(error)}") from error


def _trained(recipe: Mapping[str, Any], arrays: Mapping[str, Array]) -> Trained:
    states: dict[str, dict[str, Array]] = {"scratch": {}, "torch": {}}
    for full, array in arrays.items():
        side, _, name = full.partition("/")
        states[side][name] = array
    plain = ("name", "activation", "output_activation", "net", "loss", "dtype", "threshold")
    return Trained(
        **{field: recipe[field] for field in plain},
        sizes=tuple(recipe["sizes"]),
        classes=None if recipe["classes"] is None else tuple(recipe["classes"]),
        inputs=tuple(_encoding(entry) for entry in recipe["inputs"]),
        beside=tuple(recipe["beside"]),
        target=None if recipe["target"] is None else Standard(**recipe["target"]),
        states=states,
    )


def _encoding(entry: Mapping[str, Any]) -> Encoding:
    fields: dict[str, Any] = {name: tuple(x) if isinstance(x, list) else x for name, x in entry.items()}
    kind = KINDS[fields.pop("kind")]
    if "standard" in fields:
        fields["standard"] = Standard(**fields["standard"])
    if "standards" in fields:
        fields["standards"] = tuple(Standard(**each) for each in fields["standards"])
    return kind(**fields)
