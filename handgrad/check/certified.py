"""`assert_certified`: a kernel in bfloat16 or float16 held against certified bounds, and no tolerance."""

import copy
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from handgrad.check.subject import CheckError
from handgrad.judge import Verdict, structure
from handgrad.judge.ball import NUMBERS, Format, Numbers
from handgrad.judge.kernel import Update, judge_criterion, judge_layer, judge_updates
from handgrad.judge.rules import losses

Array = npt.NDArray[Any]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]
Upstream = Callable[[tuple[int, ...]], Array]

STYLES: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "saturated": lambda rng, shape: rng.normal(size=shape) * 8,
    "many scales": lambda rng, shape: rng.normal(size=shape) * 10.0 ** rng.integers(-4, 3, shape),
    "ties": lambda rng, shape: rng.integers(-8, 9, shape) / 2,
}
"""What inputs are drawn from: among them are tails, zeros, and numbers that stand at a kink."""

TARGETS: dict[str, Draw] = {
    "BCELoss": lambda rng, shape: rng.integers(0, 5, shape) / 4,
    "BCEWithLogitsLoss": lambda rng, shape: rng.integers(0, 5, shape) / 4,
    "CrossEntropyLoss": lambda rng, shape: rng.integers(0, shape[-1], shape[:-1]),
    "HingeEmbeddingLoss": lambda rng, shape: rng.choice([-1.0, 1.0], shape),
    "KLDivLoss": lambda rng, shape: rng.integers(0, 9, shape) / 8,
    "MultiLabelSoftMarginLoss": lambda rng, shape: rng.choice([0.0, 1.0], shape),
    "NLLLoss": lambda rng, shape: rng.integers(0, shape[-1], shape[:-1]),
    "PoissonNLLLoss": lambda rng, shape: rng.integers(0, 9, shape) * 1.0,
    "SoftMarginLoss": lambda rng, shape: rng.choice([-1.0, 1.0], shape),
}
"""Where they are not drawn as the inputs are."""

PROBABILITIES = ("BCELoss",)
"""Losses whose inputs must be between 0 and 1."""

SHAPE = (6, 10)


def assert_certified(
    kernel: Any,
    like: Any,
    dtype: str = "bfloat16",
    accumulate: str = "float32",
    products: str | None = None,
    inputs: Any = None,
    seed: int = 0,
) -> list[Verdict]:
    """Raise AssertionError unless `kernel` computes the layer or loss `like` and its gradient, within certified bounds.

    The kernel keeps its arrays in `dtype`, "bfloat16" or "float16". Its sums, and the products in them, are formed in
    the format `accumulate`, and other operations in `products`, which is the same unless given; either may be `dtype`.
    In any order: what is written at the end is the ball's number, rounded once.

    `kernel` is an `nn.Module` or a function of tensors, differentiated by autograd (a function gets the parameters
    after x), or an object with `forward` and `backward` of NumPy arrays: float16, or float32 arrays of bfloat16
    numbers. `like` is a class of `torch.nn` or an instance with options, of a net `Sequential` and what is in it.
    `inputs`: x, or of a loss (x, target), in place of drawn ones. Returns the verdicts.

    `kernel` may also be an optimizer with its parameters, which are given drawn gradients and stepped, and `like` a
    class of `torch.optim`: each step is judged from the state before it, which is read under PyTorch's names.

    Raises:
        AssertionError: a number is outside of its bounds; the message names it.
        CheckError: (a ValueError) an op that is not covered, a format that is none, inputs that are not of it.

    >>> import torch
    >>> from handgrad import assert_certified
    >>> [verdict.held for verdict in assert_certified(torch.nn.functional.silu, like=torch.nn.SiLU)]
    [True, True, True, True]
    """
    __tracebackhide__ = True
    optimizer = hasattr(like, "step")
    reference = like if optimizer else _instance(like)
    try:
        numbers, format = NUMBERS[dtype], Format.half(dtype, products or accumulate, accumulate)
    except (KeyError, ValueError) as error:
        known = "dtype must be one of bfloat16, float16"
        raise CheckError(f"{known}; got {dtype!r}" if isinstance(error, KeyError) else str(error)) from None
    verdicts = []
    cases: Iterable[tuple[str, Callable[[], Verdict]]]
    if not optimizer:
        drawn = _inputs(reference, numbers, inputs, seed)
        cases = [(style, partial(judge, kernel, reference, format, arrays, seed)) for style, arrays in drawn]
    elif inputs is None:
        cases = [
            (f"{style}, step {i}", partial(judge_step, kernel, like, format, np.random.default_rng([seed, i]), draw))
            for i, (style, draw) in enumerate(STYLES.items(), 1)
        ]
    else:
        raise CheckError("inputs are no argument of an optimizer, whose gradients are drawn")
    for style, compute in cases:
        try:
            verdict = compute()
        except (TypeError, ValueError) as error:
            raise CheckError(str(error)) from error
        verdicts.append(verdict)
        if not verdict.held:
            raise AssertionError(f'{verdict.render()}\n  inputs     "{style}", {dtype}, sums in {accumulate}')
    return verdicts


def judge(kernel: Any, like: Any, format: Format, arrays: tuple[Array, ...], seed: int = 0) -> Verdict:
    """The verdict on one call of the kernel, for numbers of the format, and on its derivative."""
    if structure.is_known(kernel):
        kernel = structure.unwrap(kernel)  # of a model of torch_impl, the module
    numbers, rng = format.storage or format.numbers, np.random.default_rng([seed, 1])
    formulas = copy.deepcopy(structure.unwrap(like))
    formulas = formulas.float() if hasattr(formulas, "float") else formulas  # its options, weights among them
    by_hand = callable(getattr(kernel, "forward", None)) and callable(getattr(kernel, "backward", None))
    compute = _by_hand if by_hand else _by_autograd
    made = compute(kernel, like, numbers, arrays, lambda shape: numbers.round(rng.normal(size=shape)))
    name = getattr(kernel, "__name__", type(kernel).__name__)
    if len(arrays) == 2:
        return judge_criterion(formulas, format, made.x, made.target, made.output, made.gradient, name)
    return judge_layer(
        formulas,
        format,
        made.x,
        made.output,
        made.upstream,
        made.gradient,
        made.parameters,
        made.gradients,
        made.buffers,
        name,
    )


def judge_step(kernel: Any, like: Any, format: Format, rng: np.random.Generator, draw: Draw) -> Verdict:
    """The verdict on one step of an optimizer from where it stands, with gradients that are drawn."""
    import torch

    numbers = format.storage or format.numbers
    kind = getattr(like, "__name__", type(like).__name__)
    if not (hasattr(kernel, "param_groups") and hasattr(kernel, "state")):
        raise CheckError(f"kernel must be an optimizer with param_groups and state, as like={kind} is; got {kernel!r}")
    places = [(dict(group), p) for group in kernel.param_groups for p in group["params"]]

    def state(p: Any) -> dict[str, Any]:
        kept = {name: value for name, value in kernel.state[p].items() if value is not None}
        return {"parameter": p.detach().clone()} | {
            name: value.clone() if isinstance(value, torch.Tensor) else value for name, value in kept.items()
        }

    for _, p in places:
        p.grad = torch.from_numpy(numbers.round(draw(rng, tuple(p.shape)))).to(p.dtype)
    before = [(state(p), p.grad.clone()) for _, p in places]  # PyTorch's Nesterov overwrites gradients
    kernel.step()
    updates = [
        Update(f"parameter {i}", group, *was, state(p))
        for i, ((group, p), was) in enumerate(zip(places, before, strict=True))
    ]
    return judge_updates(kind, format, updates, type(kernel).__name__)


@dataclass
class _Made:
    """What went into a kernel and what came out, as its own tensors or arrays."""

    x: Any
    output: Any
    gradient: Any
    target: Any = None
    upstream: Any = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    gradients: Mapping[str, Any] = field(default_factory=dict)
    buffers: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)  # before and after


def _by_hand(kernel: Any, like: Any, numbers: Numbers, arrays: tuple[Array, ...], upstream: Upstream) -> _Made:
    """Of an object that computes with NumPy arrays."""
    held = np.float16 if numbers.name == "float16" else np.float32

    def give(array: Array) -> Array:
        return array.astype(held) if array.dtype.kind == "f" else array.copy()

    own = dict(structure.named_parameters(kernel)) if hasattr(kernel, "named_parameters") else {}
    if missing := [name for name, _ in structure.named_parameters(like) if name not in own]:
        raise CheckError(f"{type(kernel).__name__} has no parameter called {missing[0]}, as {type(like).__name__} has")
    if hasattr(kernel, "zero_grad"):  # else gradients add up from call to call
        kernel.zero_grad()
    before = {name: structure.copy(buffer) for name, buffer in structure.named_buffers(kernel)}
    output = kernel.forward(*map(give, arrays))
    if len(arrays) == 2:
        return _Made(give(arrays[0]), output, kernel.backward(), target=give(arrays[1]))
    grad_output = give(upstream(np.shape(output)))
    gradient = kernel.backward(grad_output.copy())
    parameters, gradients = ({name: getattr(p, what) for name, p in own.items()} for what in ("data", "grad"))
    now = dict(structure.named_buffers(kernel))
    buffers = {name: (was, now.get(name)) for name, was in before.items()}
    return _Made(give(arrays[0]), output, gradient, None, grad_output, parameters, gradients, buffers)


def _by_autograd(kernel: Any, like: Any, numbers: Numbers, arrays: tuple[Array, ...], upstream: Upstream) -> _Made:
    """Of a module or function of tensors."""
    import torch

    dtype = getattr(torch, numbers.name)

    def give(array: Array) -> torch.Tensor:
        tensor = torch.from_numpy(array.copy())
        return tensor.to(dtype) if array.dtype.kind == "f" else tensor

    if not callable(kernel):
        raise CheckError(f"kernel must be a module, a function or an object with forward and backward; got {kernel!r}")
    if module := isinstance(kernel, torch.nn.Module):
        own = dict(kernel.named_parameters())
    else:
        own = {name: p.detach().to(dtype).requires_grad_() for name, p in like.named_parameters()}
    held = dict(kernel.named_buffers()) if module else {}
    before = {
        name: (held[name] if name in held else buffer.to(dtype) if buffer.is_floating_point() else buffer).clone()
        for name, buffer in (like.named_buffers() if isinstance(like, torch.nn.Module) else ())
    }
    for parameter in own.values():
        parameter.grad = None
    x, *target = map(give, arrays)
    output = kernel(x.requires_grad_(), *target, *([] if module else own.values()))
    if not isinstance(output, torch.Tensor):
        raise CheckError(f"the kernel must return a tensor; got {type(output).__name__}")
    grad_output = None if target else give(upstream(tuple(output.shape)))
    if output.requires_grad:  # else nothing is differentiated, and that is refused
        torch.autograd.backward(output, grad_output)
    gradients = {name: parameter.grad for name, parameter in own.items()}
    buffers = {name: (was, held.get(name)) for name, was in before.items()}
    return _Made(x, output, x.grad, target[0] if target else None, grad_output, own, gradients, buffers)


def _instance(like: Any) -> Any:
    if not inspect.isclass(like):
        return like
    try:
        return like()
    except TypeError as error:
        hint = f"give an instance in place of the class: {error}"
        raise CheckError(f"like={like.__name__} needs arguments; {hint}") from None


def _inputs(like: Any, numbers: Numbers, inputs: Any, seed: int) -> list[tuple[str, tuple[Array, ...]]]:
    """What the kernel is called with: of a loss input and target."""
    kind = structure.class_name(like)
    is_loss = kind in losses.RULES
    if inputs is not None:
        arrays = inputs if isinstance(inputs, tuple) else (inputs,)
        if len(arrays) != 1 + is_loss:
            raise CheckError(
                f"inputs must be {'a pair (x, target)' if is_loss else 'x alone'}; got {len(arrays)} arrays"
            )
        return [("given", tuple(_exact(array, numbers) for array in arrays))]
    shape = (*SHAPE[:-1], *_features(like))
    drawn: list[tuple[str, tuple[Array, ...]]] = []
    for number, (style, draw) in enumerate(STYLES.items()):
        rng = np.random.default_rng([seed, number])
        x = numbers.round(inside(kind, draw(rng, shape)))
        target = TARGETS.get(kind, draw)(rng, shape)
        target = numbers.round(target) if target.dtype.kind == "f" else target
        drawn.append((style, (x, target) if is_loss else (x,)))
    return drawn


def inside(kind: str, x: Array) -> Array:
    """Any numbers, brought to where the loss is defined."""
    return (1 + x / (1 + np.abs(x))) / 2 if kind in PROBABILITIES else x


def _features(like: Any) -> tuple[int, ...]:
    """What the layer, or the first layer of a net that says so, takes along the last axes."""
    for part in [like, *(part for _, part in structure.children(like))] if hasattr(like, "children") else [like]:
        for name in ("in_features", "normalized_shape", "num_channels", "num_features"):
            if size := getattr(part, name, None):
                return tuple(size) if isinstance(size, tuple) else (int(size),)
    return SHAPE[-1:]


def _exact(given: Any, numbers: Numbers) -> Array:
    array = structure.array(given.detach().float() if "bfloat16" in str(getattr(given, "dtype", "")) else given)
    if array.dtype.kind in "iu":
        return array
    array = array.astype(np.float64)
    off = numbers.round(array) != array
    if off.any():
        raise CheckError(f"inputs must be numbers of {numbers.name}; got {float(array[off].flat[0])!r}")
    return array
