"""The NumPy side of a run as one script that needs NumPy and nothing else, and ends on the same numbers."""

import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from contract import Array, Target
from handgrad.machine.environment import one_thread
from handgrad.training.prepared import Prepared
from handgrad.training.train import batches, evaluate, output_of
from scratch.trainer import Trainer
from scratch.unroll import UnrollError, copied, written
from scratch.unroll.alone import Alone, alone
from scratch.unroll.write import Text

EMBEDDED = 4000  # numbers at most that stand in the script itself; more are put into a file beside it
WIDTH = 116
HEAD = """\
import math
import os
{imports}
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before NumPy is there: on several threads sums are rounded in another order

import numpy as np

np.seterr(all="ignore")  # e⁻¹⁰⁰ is 0 in float32, and that is the right answer
"""

LOADED = """\
with np.load(Path(__file__).with_suffix(".npz")) as _file:
    arrays = dict(_file)"""


@dataclass(frozen=True)
class Script:
    """Its text, and the arrays that are to stand beside it, as an .npz file of the script's name; none if there are
    few numbers."""

    text: str
    beside: dict[str, npt.NDArray[Any]]


def script(prepared: Prepared, command: str) -> Script:
    """Train the NumPy side of `prepared`, and write the script that does the same.

    It is executed before it is returned: weights, losses and accuracies at its end are those of the training, to the
    last bit. Raises UnrollError for what cannot be written out.
    """
    trainer = prepared.trainers["scratch"]
    assert isinstance(trainer, Trainer)
    x, y = prepared.cast["x_train"], prepared.cast["y_train"]
    with one_thread(), np.errstate(all="ignore"):
        programs = alone(trainer, ((x[rows], y[rows]) for rows in batches(prepared)))
        made = _Script(prepared, programs)
        body, beside = made.body(), made.beside
        _prove(body, beside, prepared, made)
    imports = "from functools import cache\n" * (not made.plain) + "from pathlib import Path\n" * bool(beside)
    return Script("\n".join([*made.title(command), "", HEAD.format(imports=imports), body]), beside)


def npz(arrays: dict[str, npt.NDArray[Any]]) -> bytes:
    """The content of an .npz file of these arrays."""
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    return content.getvalue()


class _Script:
    """A script as it is made."""

    def __init__(self, prepared: Prepared, programs: Alone) -> None:
        self.prepared, self.programs, self.experiment = prepared, programs, prepared.experiment
        self.trainer = programs.start
        self.evaluations = {
            split: written(copied(self.trainer_in_evaluation()), *self.split(split), True)
            for split in ("train", "test")
            if f"x_{split}" in prepared.cast
        }
        self.texts = [*programs.texts(), *self.evaluations.values()]
        self.names: dict[str, str] = {}  # the expression in a trainer, by name
        for text in self.texts:
            for name, path in text.outside.items():
                if not path.startswith("vars(") and self.names.setdefault(name, path) != path:
                    raise UnrollError(f"unroll: {name} would be two things")
        self.values = {name: eval(path, {"trainer": self.trainer}) for name, path in self.names.items()}
        parameters = {id(parameter.data): i for i, parameter in enumerate(self.trainer.parameters)}
        self.weights = sorted(
            (name for name, value in self.values.items() if id(value) in parameters),
            key=lambda name: parameters[id(self.values[name])],
        )
        self.beside: dict[str, npt.NDArray[Any]] = {}
        variants = list(programs.steps.values())
        self.plain = programs.first is None and len(variants) == 1 and len(variants[0]) == 1

    def trainer_in_evaluation(self) -> Trainer:
        trainer = copied(self.trainer)
        trainer.model.eval()
        return trainer

    def split(self, split: str) -> tuple[Array, Target]:
        return self.prepared.cast[f"x_{split}"], self.prepared.cast[f"y_{split}"]

    # --- the text ---------------------------------------------------------------------------------------------------

    def title(self, command: str) -> list[str]:
        experiment = self.experiment
        parts = (repr(part).split("(")[0].strip() for part in (self.trainer.model, self.trainer.loss))
        words = [
            f"{experiment.name}: {experiment.title}, trained by NumPy alone.",
            "",
            f"{', '.join(parts)}, {self.trainer.optimizer.name}, {experiment.dtype}: {self.prepared.steps:,} steps.",
            "On one machine it ends on the numbers of `handgrad compare` with the same recipe, to the last bit.",
            f"Written by: {command}",
        ]
        return ['"""' + "\n".join(words).replace("\\", "\\\\").replace('"', "'"), '"""']

    def body(self) -> str:
        arrays = {name: array for name, array in self.prepared.cast.items() if name[2:] in self.evaluations}
        start, large = self.start(), {}
        embedded = {name: value for name, value in self.values.items() if name in start and start[name] is None}
        every = arrays | embedded
        if sum(array.size for array in every.values()) > EMBEDDED or not all(map(_plain, every.values())):
            large = every
        self.beside = large
        parts = [
            *self.functions(),
            *_heading("the data"),
            *([LOADED] if large else []),
            *(line for name, array in arrays.items() for line in _given(name, array, bool(large))),
            *_heading("before the first step"),
            *self.weights_at_start(start, bool(large)),
            *self.others(start, bool(large)),
            *_heading("training"),
            *self.loop(),
        ]
        return "\n".join(parts) + "\n"

    def functions(self) -> Iterator[str]:
        if all(text.flat for text in self.texts):
            yield "product = np.dot"
        else:
            yield "def product(a, b, out):"
            yield "    return a.dot(b, out) if a.ndim < 3 and b.ndim < 3 else np.matmul(a, b, out)"
        if self.programs.first is not None:
            yield from self.function("first_step", "step(x, y)", self.programs.first)
        for rows, texts in self.programs.steps.items():
            for i, text in enumerate(texts):
                yield from self.function(self.called(rows, i), "step(x, y)", text)
        for split, text in self.evaluations.items():
            yield from self.function(f"evaluation_{split}", "evaluate(x, y)", text)

    def function(self, name: str, signature: str, text: Text) -> Iterator[str]:
        yield from ("", "", *["@cache"] * (not self.plain), f"def {name}():")
        yield f'    """{text.title}"""'
        yield from text.function(signature, self.names)

    def called(self, rows: int, i: int) -> str:
        return f"step_of_{rows}" + (f"_{i + 1}" if i else "")

    def start(self) -> dict[str, str | None]:
        """How every array is made, by name; None where its numbers have to be written down.

        Weights are drawn as both sides draw them, where that gives these very numbers.
        """
        draws, width = np.random.default_rng([self.experiment.seed, 0]), 1
        found: dict[str, str | None] = {}
        for name in self.weights:
            array = self.values[name]
            width = array.shape[1] if array.ndim == 2 else width
            state = draws.bit_generator.state
            bound = 1 / math.sqrt(width)
            drawn = draws.uniform(-bound, bound, array.shape)
            if np.array_equal(drawn.astype(array.dtype), array):
                shown = f"draws.uniform(-1 / math.sqrt({width}), 1 / math.sqrt({width}), {array.shape})"
                found[name] = _laid(f"np.asarray({shown}, np.{array.dtype}", array)
            else:
                draws.bit_generator.state = state
                found[name] = None
        for name, value in self.values.items():
            if isinstance(value, np.ndarray) and found.get(name) is None:
                same = value.size > 0 and bool((value == value.flat[0]).all())
                number = f"{value.flat[0].item()!r}, " if same else ""
                made = f"np.full({value.shape}, {number}np.{value.dtype}" if same else None
                found[name] = _laid(made, value) if made and np.isfinite(value.flat[0]) else None
        return found

    def weights_at_start(self, start: dict[str, str | None], large: bool) -> Iterator[str]:
        if any("draws" in (start[name] or "") for name in self.weights):
            yield f"draws = np.random.default_rng([{self.experiment.seed}, 0])  # gives both sides their weights"
        for name in self.weights:
            made = start[name]
            yield from [f"{name} = {made}"] if made is not None else _given(name, self.values[name], large)

    def others(self, start: dict[str, str | None], large: bool) -> Iterator[str]:
        """The optimizer's options and state, and what else layers and the loss hold."""
        for name, value in self.values.items():
            if name in self.weights:
                continue
            if isinstance(value, dict):
                used = {key for text in self.texts for key in _keys(text, name)}
                entries = (f"{key!r}: {_entry(part)}" for key, part in value.items() if key in used)
                yield f"{name} = {{{', '.join(entries)}}}"
            elif isinstance(value, np.random.Generator):
                state = value.bit_generator.state
                yield f"{name} = np.random.Generator(np.random.{state['bit_generator']}())"
                yield f"{name}.bit_generator.state = {state!r}"
            elif isinstance(value, np.ndarray):
                yield from [f"{name} = {start[name]}"] if start[name] is not None else _given(name, value, large)
            else:
                raise UnrollError(f"unroll: {self.names[name]} is a {type(value).__name__}")

    def loop(self) -> Iterator[str]:
        experiment, prepared = self.experiment, self.prepared
        rows = len(prepared.data.x_train)
        yield "splits = {"
        for split in self.evaluations:
            called = "training" if split == "train" else split
            yield f"    {called!r}: (evaluation_{split}(), x_{split}, y_{split}),"
        yield "}"
        yield ""
        yield ""
        yield "def evaluated(epoch):"
        yield '    """Losses and accuracies over whole splits, with the weights as they are."""'
        yield "    found = {}"
        yield "    for split, (evaluate, x, y) in splits.items():"
        yield '        output, found[f"{split} loss"] = evaluate(x, y)'
        yield from (f"        {line}" for line in self.accuracy())
        yield '    shown = (f"{name} {value:.6g}" for name, value in found.items())'
        yield '    print(f"epoch {epoch}:", ", ".join(shown))'
        yield "    return found"
        yield ""
        yield ""
        first, steps = self.programs.first, self.programs.steps
        if self.plain:
            yield f"step = {self.called(next(iter(steps)), 0)}()"
        else:
            names = {n: ", ".join(self.called(n, i) for i in range(len(texts))) for n, texts in steps.items()}
            yield f"steps = {{{', '.join(f'{n}: [{made}]' for n, made in names.items())}}}  # by the rows of a batch"
        if experiment.shuffle:
            yield f"shuffles = np.random.default_rng([{experiment.seed}, 1])"
        stop = prepared.steps_per_epoch * prepared.batch_size
        size = prepared.batch_size
        yield "evaluated(0)"
        yield f"for epoch in range(1, {experiment.epochs + 1}):"
        if experiment.shuffle:
            yield f"    order = shuffles.permutation({rows})"
        yield f"    for start in range(0, {min(rows, stop)}, {size}):"
        piece = f"start : start + {size}"
        yield f"        rows = order[{piece}]" if experiment.shuffle else f"        rows = slice(start, start + {size})"
        if self.plain:
            yield "        loss = step(x_train[rows], y_train[rows])"
        else:
            yield "        x, y = x_train[rows], y_train[rows]"
            beginning = "[first_step] if epoch == 1 and start == 0 else " if first is not None else ""
            yield f"        for made in {beginning}steps[len(x)]:"
            yield "            loss = made()(x, y)"
            yield "            if loss is not None:  # else the formulas branch in another way for this step"
            yield "                break"
        yield "        if loss is None:"
        yield '            raise SystemExit("the step was not written for such numbers: write it anew")'
        yield f"    if epoch % {max(1, experiment.epochs // 10)} == 0 or epoch == {experiment.epochs}:"
        yield "        final = evaluated(epoch)"

    def accuracy(self) -> Iterator[str]:
        """How often the answer is the right class: as `handgrad.experiments.score` counts it."""
        data = self.prepared.data
        if data.classes is None:
            return
        y = data.y_train
        middle = (float(y.min()) + float(y.max())) / 2
        threshold = 0.0 if self.experiment.loss == "BCEWithLogitsLoss" else middle
        truth = "y" if y.ndim == 1 else f"(y[:, 0] > {middle})" if y.shape[1] == 1 else "y.argmax(1)"
        outputs = output_of(self.prepared.trainers["scratch"], self.prepared.cast["x_train"][:1]).shape[1]
        answer = "output.argmax(1)" if outputs > 1 else f"(output[:, 0] > {threshold})"
        yield f'found[f"{{split}} accuracy"] = float(np.mean({answer} == {truth}))'


def _heading(title: str) -> list[str]:
    return ["", "", f"# --- {title} ".ljust(WIDTH, "-"), ""]


def _keys(text: Text, name: str) -> set[str]:
    """What a text looks up in the dict of that name."""
    return {key for line in [*text.setup, *text.body] for key in re.findall(rf"\b{re.escape(name)}\['(\w+)'\]", line)}


def _entry(value: Any) -> str:
    if isinstance(value, np.ndarray):
        assert not value.any()  # state starts at zero, or with the first step
        return _laid(f"np.zeros({value.shape}, np.{value.dtype}", value)
    return repr(value)


def _laid(made: str, array: npt.NDArray[Any]) -> str:
    """The call with the memory order of `array`."""
    columns = array.ndim > 1 and array.flags.f_contiguous and not array.flags.c_contiguous
    return made + (', order="F")' if columns else ")")


def _given(name: str, array: npt.NDArray[Any], large: bool) -> Iterator[str]:
    """An array by its numbers, which stand here or in the file beside the script."""
    if large:
        yield f'{name} = arrays["{name}"]'
        return
    yield f"{name} = np.array("
    yield "    ["
    line = "       "
    for number in array.ravel():
        shown = f" {_digits(number)},"
        if len(line) + len(shown) > WIDTH:
            yield line
            line = "       "
        line += shown
    yield line
    yield "    ],"
    yield f"    np.{array.dtype},"
    shape = f").reshape({array.shape}" if array.ndim != 1 else ""
    yield _laid(shape, array).replace(', order="F")', ').copy("F")') if shape else ")"


def _digits(number: Any) -> str:
    """In as few digits as it can be read from."""
    text = str(number)
    return text if number.dtype.type(float(text)) == number else repr(number.item())


def _plain(array: npt.NDArray[Any]) -> bool:
    return array.dtype.kind in "iu" or (array.dtype.kind == "f" and bool(np.isfinite(array).all()))


# --- the proof ------------------------------------------------------------------------------------------------------


def _prove(body: str, beside: dict[str, npt.NDArray[Any]], prepared: Prepared, made: _Script) -> None:
    """UnrollError unless the script ends as the training did, to the last bit."""
    found: dict[str, Any] = {"np": np, "math": math, "cache": cache, "print": lambda *shown: None, "arrays": beside}
    exec(compile(body.replace(LOADED, ""), "<script>", "exec"), found)
    trainer = prepared.trainers["scratch"]
    for name in made.weights:
        expected = eval(made.names[name], {"trainer": trainer})
        if found[name].tobytes() != expected.tobytes():
            raise UnrollError(f"unroll: {name} at the end of the script is not that of the training")
    for split in made.evaluations:
        called = "training" if split == "train" else split
        expected = evaluate(prepared, trainer, split)
        ours = found["final"][f"{called} loss"], found["final"].get(f"{called} accuracy")
        if repr(ours) != repr(expected):
            raise UnrollError(
                f"unroll: the script ends on {called} loss and accuracy {ours}, the training on {expected}"
            )
