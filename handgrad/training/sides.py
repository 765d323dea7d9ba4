"""The two sides as they enter a run: built from one recipe, started from the same weights.

At the foot stands the proof, for the type checker, that both keep the protocols of `contract`.
"""

from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

import scratch
import torch_impl
from contract import Array, Loss, Model, Optimizer, PairLoss, PairModel, Trainer
from handgrad.experiments import Data, Experiment

SIDES: dict[str, ModuleType] = {"scratch": scratch, "torch": torch_impl}
WEIGHTED = ("CrossEntropyLoss", "NLLLoss")  # losses with a weight for each class


def layer_sizes(experiment: Experiment, data: Data) -> tuple[int, ...]:
    """Features, hidden widths, outputs: one output per class index, else one per target column."""
    if data.y_train.ndim == 1:
        outputs = len(data.classes) if data.classes else int(data.y_train.max()) + 1
    else:
        outputs = data.y_train.shape[1]
    return (data.x_train.shape[1], *experiment.hidden, outputs)


def build(side: str, experiment: Experiment, data: Data, device: str = "cpu") -> Trainer:
    """The trainer of one side ("scratch" or "torch"), with the weights that the experiment's seed gives.

    The NumPy side lives on the CPU whatever `device` says. Raises ValueError or TypeError for what a side refuses.
    """
    package = ops_of(side, experiment)
    dtype = np.dtype(experiment.dtype)
    rng = np.random.default_rng([experiment.seed, 0])  # 0: the stream of the weights, 1: that of the shuffles
    where = {"device": device} if side == "torch" else {}
    sizes, activations = layer_sizes(experiment, data), (experiment.activation, experiment.output_activation)
    options = {"dtype": dtype, "rng": rng, **where}
    if experiment.model is None:
        model = package.MLP(sizes, *activations, **options)
    else:
        model = experiment.model(package, sizes, options)
    if experiment.init == "normal":
        shapes = {name: weight.shape for name, weight in model.state_dict().items()}
        model.load_state_dict({name: rng.standard_normal(shape).astype(dtype) for name, shape in shapes.items()})
    weights = {} if experiment.class_weights is None else {"weight": balanced(experiment, data)}
    if experiment.own_loss is None:
        loss = _op(package, experiment.loss, scratch.Loss)(**weights, **where)
    else:
        loss = experiment.own_loss(side)
    optimizer = _op(package, experiment.optimizer, scratch.Optimizer)
    stepper = optimizer(model.parameters(), lr=experiment.lr, **experiment.optimizer_options)
    trainer: Trainer = package.Trainer(model, loss, stepper)
    return trainer


def ops_of(side: str, experiment: Experiment) -> Any:
    """A side's ops by name; in `scratch` the experiment's own are in their place.

    ValueError for a class that has no namesake there, and for a layer that the net would not be made of.
    """
    if side != "scratch" or not experiment.own_ops:
        return SIDES[side]
    for own in experiment.own_ops:
        name = own.__name__
        if not isinstance(namesake := getattr(scratch, name, None), type):
            raise ValueError(f"own_ops of {experiment.name}: scratch has no class {name!r} whose place it could take")
        if experiment.model is None and issubclass(namesake, scratch.Module) and namesake is not scratch.MLP:
            raise ValueError(f"own_ops of {experiment.name}: {name} needs model=, as an MLP is made of scratch's own")
    return SimpleNamespace(**vars(scratch) | {own.__name__: own for own in experiment.own_ops})


def balanced(experiment: Experiment, data: Data) -> Array:
    """The weight n/(C n_c) of every class `(C,)`, by the training rows: each class weighs as much as any other.

    C are the classes that are there; one that is not weighs 1. ValueError for a loss that takes none.
    """
    if experiment.loss not in WEIGHTED or experiment.own_loss is not None or data.y_train.ndim != 1:
        allowed = f"{' or '.join(WEIGHTED)}, on class numbers"
        raise ValueError(f"class_weights belong to {allowed}; the loss of {experiment.name} is {experiment.loss}")
    counts = np.bincount(data.y_train, minlength=layer_sizes(experiment, data)[-1])
    there = counts > 0
    weights = np.where(there, len(data.y_train) / (there.sum() * np.maximum(counts, 1)), 1.0)
    return weights.astype(experiment.dtype)


def _op(package: Any, name: str, kind: type) -> Any:
    """The loss or the optimizer of that class name. ValueError for any other name, such as that of a layer."""
    ours = getattr(scratch, name, None)  # a class; the torch side has functions that make the same
    if isinstance(ours, type) and issubclass(ours, kind):
        return getattr(package, name)
    raise ValueError(f"scratch has no {name!r} that is a {kind.__name__}")


def build_pair(experiment: Experiment, data: Data, device: str = "cpu") -> dict[str, Trainer]:
    """Both sides. The weights are drawn once, on the scratch side, and loaded into the torch side."""
    trainers = {side: build(side, experiment, data, device) for side in SIDES}
    trainers["torch"].model.load_state_dict(trainers["scratch"].model.state_dict())
    return trainers


if TYPE_CHECKING:

    def _scratch_keeps_the_contract(
        model: scratch.Module, loss: scratch.Loss, optimizer: scratch.Optimizer, trainer: scratch.Trainer
    ) -> tuple[Model, Loss, Optimizer, Trainer]:
        return model, loss, optimizer, trainer

    def _pairs_keep_the_contract(ours: scratch.PairLoss, theirs: torch_impl.PairLoss) -> tuple[PairLoss, PairLoss]:
        return ours, theirs

    def _two_inputs_keep_the_contract(
        ours: scratch.Bilinear, theirs: torch_impl.PairModel
    ) -> tuple[PairModel, PairModel]:
        return ours, theirs

    def _torch_keeps_the_contract(
        model: torch_impl.Model, loss: torch_impl.Loss, optimizer: torch_impl.Optimizer, trainer: torch_impl.Trainer
    ) -> tuple[Model, Loss, Optimizer, Trainer]:
        return model, loss, optimizer, trainer
