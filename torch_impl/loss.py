"""The adapters that put any torch loss behind the contract."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from contract import checks, loss_checks
from torch_impl import modules, signatures
from torch_impl.parameter import Array, Device, numpy_dtype, to_numpy, to_tensor

Check = Callable[..., None]


def _numpy(a: Any) -> Any:
    return to_numpy(a) if isinstance(a, torch.Tensor) else a


def _elementwise(loss: Any, input: Any, target: Any, weights: tuple[str, ...] = ()) -> None:
    given = {name: _numpy(getattr(loss, name)) for name in weights}
    loss_checks.elementwise_loss(type(loss).__name__, input, target, loss.reduction, **given)


def _bce(loss: Any, input: Any, target: Any) -> None:
    _elementwise(loss, input, target, ("weight",))
    loss_checks.probabilities("BCELoss", input=input, target=np.asarray(target))


def _by_sample(loss: Any, input: Any, target: Any, weights: tuple[str, ...] = ()) -> None:
    _elementwise(loss, input, target, weights)
    loss_checks.has_axes(type(loss).__name__, input.shape)


def _class(loss: Any, input: Any, target: Any, probability_targets: bool) -> None:
    loss_checks.class_loss(
        type(loss).__name__,
        input,
        target,
        loss.reduction,
        _numpy(loss.weight),
        loss.ignore_index,
        probability_targets=probability_targets,
    )


def _multi_margin(loss: Any, input: Any, target: Any) -> None:
    loss_checks.multi_margin_loss(type(loss).__name__, input, target, loss.reduction, _numpy(loss.weight))


def _multi_label_margin(loss: Any, input: Any, target: Any) -> None:
    loss_checks.multi_label_margin_loss(type(loss).__name__, input, target, loss.reduction)


def _ranking(loss: Any, input1: Any, input2: Any, target: Any) -> None:
    loss_checks.pair(type(loss).__name__, input1, input2)
    loss_checks.elementwise_loss(type(loss).__name__, input1, target, loss.reduction)


def _cosine(loss: Any, input1: Any, input2: Any, target: Any) -> None:
    loss_checks.cosine_loss(type(loss).__name__, input1, input2, target, loss.reduction)


def _gaussian(loss: Any, input: Any, target: Any, var: Any) -> None:
    loss_checks.gaussian_nll_loss(type(loss).__name__, input, target, var, loss.reduction)


# What the hand-written side checks in a loss's forward, by the class of the loss. Torch broadcasts the arguments of the
# elementwise ones with no more than a warning.
ELEMENTWISE: dict[type[nn.Module], Check] = {
    nn.MSELoss: _elementwise,
    nn.L1Loss: _elementwise,
    nn.SmoothL1Loss: _elementwise,
    nn.HuberLoss: _elementwise,
    nn.BCELoss: _bce,
    nn.BCEWithLogitsLoss: partial(_elementwise, weights=("weight", "pos_weight")),
    nn.SoftMarginLoss: _elementwise,
    nn.HingeEmbeddingLoss: _elementwise,
    nn.MultiLabelSoftMarginLoss: partial(_by_sample, weights=("weight",)),
    nn.KLDivLoss: _elementwise,
    nn.PoissonNLLLoss: _elementwise,
    **{
        kind: _by_sample if kind.by_sample else _elementwise
        for kind in modules.OWN.values()
        if issubclass(kind, modules.Loss)
    },
}
PAIRS: dict[type[nn.Module], Check] = {
    nn.MarginRankingLoss: _ranking,
    nn.CosineEmbeddingLoss: _cosine,
    nn.GaussianNLLLoss: _gaussian,
}
LOSS_CHECKS: dict[type[nn.Module], Check] = {
    **ELEMENTWISE,
    **PAIRS,
    nn.CrossEntropyLoss: partial(_class, probability_targets=True),
    nn.NLLLoss: partial(_class, probability_targets=False),
    nn.MultiMarginLoss: _multi_margin,
    nn.MultiLabelMarginLoss: _multi_label_margin,
}


class Criterion:
    """A torch loss, reachable as `.module`, and what both adapters share. It computes on `device`.

    Arguments are checked in the words of the hand-written side, so that a shape torch would broadcast is refused here
    too. A module without a `reduction` is taken to return one number.
    """

    module: nn.Module

    def __init__(self, module: nn.Module, device: Device = "cpu") -> None:
        self.module, self.device = module, torch.device(device)
        self._memory: tuple[list[torch.Tensor], torch.Tensor, str] | None = None

    @property
    def name(self) -> str:
        return type(self.module).__name__

    @property
    def reduction(self) -> str:
        return str(getattr(self.module, "reduction", "mean"))

    def check(self, *arrays: Any) -> None:
        """Raise what the hand-written side would raise for these arguments."""
        if type(self.module) in LOSS_CHECKS:
            LOSS_CHECKS[type(self.module)](self.module, *arrays)
        elif self.own:
            loss_checks.own_loss(self.name, getattr(self.module, "target_like_input", True), *arrays)

    @property
    def own(self) -> bool:
        """A loss of the user's, and not an extension of one of torch's, which may check itself."""
        return not any(kind.__module__.startswith("torch.nn.modules.loss") for kind in type(self.module).__mro__)

    def leaf(self, a: Array) -> torch.Tensor:
        """`a` as a tensor that autograd differentiates by."""
        return to_tensor(a, self.device).contiguous().requires_grad_()  # nll_loss2d refuses other strides

    def differentiate(self, grad_output: Any) -> list[Array]:
        """The gradients of the last forward call's leaves."""
        checks.not_before_forward(self.name, self._memory)
        assert self._memory is not None
        leaves, value, reduction = self._memory
        shape, dtype = tuple(value.shape), numpy_dtype(value)
        upstream = loss_checks.loss_grad_output(self.name, grad_output, shape, reduction, dtype)
        gradients = torch.autograd.grad(value, leaves, to_tensor(upstream, self.device), retain_graph=True)
        return [to_numpy(gradient) for gradient in gradients]

    def __getstate__(self) -> dict[str, Any]:
        """For copies and pickles, which cannot take the graph of the last forward call with them."""
        return {**vars(self), "_memory": None}

    def __getattr__(self, name: str) -> Any:
        if name == "module":  # not yet set, while unpickling or copying
            raise AttributeError(name)
        return _numpy(getattr(self.module, name))

    def __setattr__(self, name: str, value: Any) -> None:
        """Options are the loss's own, checked as on the hand-written side."""
        if name in ("module", "device", "_memory") or (hasattr(type(self), name) and name != "reduction"):
            object.__setattr__(self, name, value)
            return
        if (kind := type(self.module)) in LOSS_CHECKS and hasattr(self.module, name):
            loss_checks.loss_attribute(self.name, name, value, reductions(kind))
        value = to_tensor(value, self.device) if isinstance(value, np.ndarray) else checks.plain(value)
        setattr(self.module, name, value)

    def __repr__(self) -> str:
        return repr(self.module)


class Loss(Criterion):
    """A torch loss of one input and a target, behind the contract."""

    def forward(self, input: Array, target: npt.NDArray[Any]) -> Any:
        self.check(input, target)
        leaf = self.leaf(input)
        value = self.run(leaf, to_tensor(target, self.device))
        self._memory = ([leaf], value, self.reduction)
        return to_numpy(value)[()]

    def run(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The loss on tensors. A target without axes serves all outputs, and reaches torch in the input's shape."""
        if type(self.module) in ELEMENTWISE:
            target = target.to(input.dtype)  # whole numbers, where they have been accepted
        if target.dim() == 0 and target.is_floating_point():
            target = target.expand_as(input)
        value: torch.Tensor = self.module(input, target)
        return value

    def backward(self, grad_output: Any = None) -> Array:
        (gradient,) = self.differentiate(grad_output)
        return gradient

    def __call__(self, input: Array, target: npt.NDArray[Any]) -> Any:
        return self.forward(input, target)


class PairLoss(Criterion):
    """A torch loss of three arrays, two of them differentiable, behind the contract.

    (input1, input2, target) for the losses of pairs, (input, target, var) for the Gaussian.
    """

    def forward(self, first: Array, second: Array, third: Any, /) -> Any:
        self.check(first, second, third)
        arrays = [first, np.asarray(second, first.dtype), np.asarray(third, first.dtype)]
        places = (0, 2) if isinstance(self.module, nn.GaussianNLLLoss) else (0, 1)
        tensors = [self.leaf(a) for a in arrays]
        # One target or one variance for all outputs; of a cosine it is one sample's own.
        cosine = isinstance(self.module, nn.CosineEmbeddingLoss)
        value = self.module(*(t if t.dim() or cosine else t.expand_as(tensors[0]) for t in tensors))
        self._memory = ([tensors[i] for i in places], value, self.reduction)
        return to_numpy(value)[()]

    def backward(self, grad_output: Any = None) -> tuple[Array, Array]:
        first, second = self.differentiate(grad_output)
        return first, second

    def __call__(self, first: Array, second: Array, third: Any, /) -> Any:
        return self.forward(first, second, third)


def reductions(kind: type[nn.Module]) -> tuple[str, ...]:
    return ("mean", "batchmean", "sum", "none") if kind is nn.KLDivLoss else ("mean", "sum", "none")


def make(kind: type[nn.Module], args: tuple[Any, ...], device: Device, options: Mapping[str, Any]) -> Loss | PairLoss:
    """The torch loss `kind` behind the contract, its options checked in the words of the hand-written side.

    `size_average` and `reduce`, which torch deprecates, do not exist here: neither as names nor as positions.
    """
    name = kind.__name__
    given = signatures.arguments(kind, args, dict(options))
    if kind in LOSS_CHECKS:  # torch looks at most options only when the loss is called
        checks.choice(name, "reduction", given["reduction"], reductions(kind))
        loss_checks.loss_options(name, **given)
    module = kind(
        **{name: to_tensor(a, device) if isinstance(a, np.ndarray) else checks.plain(a) for name, a in given.items()}
    )
    return (PairLoss if kind in PAIRS else Loss)(module, device)
