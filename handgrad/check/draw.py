"""Inputs, when the user gives none: a few draws, each made for another kind of mistake.

The first and the last draw are multiples of 1/128: the same in float32 and float64, and short enough to paste. On such
a grid much is exact that else cancels, as (x + 1e4) − 1e4 in float32; so the others have full mantissas. One draw also
moves the parameters from what they are: ones, zeros and equal numbers hide what is forgotten.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from handgrad.check.subject import Array, Case, CheckError, Subject, numbers, one_line
from handgrad.judge import structure

Shape = tuple[int, ...]
Rng = np.random.Generator


def spread(rng: Rng, shape: Shape, width: int = 256) -> Array:
    """Distinct odd multiples of 1/128 between −2 and 2, so that no number is 0; repeated only if many."""
    count = int(np.prod(shape))
    grid = (2 * np.arange(width) - width + 1) / 128
    return rng.choice(grid, count, replace=count > width).reshape(shape)


def fine(rng: Rng, shape: Shape, top: float) -> Array:
    """Numbers of either sign with full mantissas, from top/64 to top."""
    return np.asarray(rng.choice([-1.0, 1.0], shape) * rng.uniform(top / 64, top, shape))


def ties(rng: Rng, shape: Shape) -> Array:
    """Zeros of both signs and small whole numbers, many of them equal."""
    values = rng.choice([0.0, -0.0, 0.0, 1.0, -1.0, 2.0], shape)
    if values.size:
        values.flat[0] = 0.0
    return np.asarray(values)


DOMAINS: dict[str, Callable[[Array], Array]] = {
    "any": lambda a: a,
    "positive": lambda a: np.abs(a) + 0.5,
    "probability": lambda a: 0.5 + 0.4375 * np.tanh(a),
}
"""Where the function is defined: all numbers, those above 0, those inside (0, 1)."""

STYLES: dict[str, Callable[[Rng, Shape], Array]] = {
    "normal": spread,
    "one row": lambda rng, shape: fine(rng, shape, 2),
    "wide": lambda rng, shape: fine(rng, shape, 16),
    "ties and zeros": ties,
}
GRID = ("normal", "ties and zeros")  # the rest have full mantissas
MOVED = "wide"  # with moved parameters

# What the losses that PyTorch has a name for take: domain of the input, kind of target.
LOSSES = (
    ("bcewithlogits", "any", "probability"),
    ("bce|binary_?cross", "probability", "probability"),
    ("multi_?label_?margin", "any", "labels"),
    ("multi_?label_?soft", "any", "probability"),
    ("soft_?margin|hinge|ranking", "any", "sign"),
    ("cosine", "any", "row sign"),
    ("gaussian", "positive", "rows"),
    ("poisson", "any", "rows"),
    ("cross_?entropy|nll|multi_?margin", "any", "class"),
    ("", "any", "rows"),
    ("", "any", "class"),
    ("", "probability", "rows"),
)


LARGEST = 2**24  # numbers of an input: the code runs thousands of times on it
DEEPEST = 16  # axes


def allowed(shape: Any, dtype: Any, seed: Any) -> None:
    """CheckError for options of a check that mean nothing."""
    if shape is not None and not (isinstance(shape, tuple) and all(_is_whole(n) and n >= 1 for n in shape)):
        raise CheckError(f"shape must be a tuple of whole numbers >= 1; got {shape!r}")
    if shape is not None and (math.prod(map(int, shape)) > LARGEST or len(shape) > DEEPEST):
        raise CheckError(f"shape must have at most {DEEPEST} axes and {LARGEST:,} numbers; it is larger")
    if dtype is not None:
        try:
            known = np.dtype(dtype) in (np.dtype(np.float32), np.dtype(np.float64))
        except TypeError:
            known = False
        if not known:
            raise CheckError(f"dtype must be float32 or float64; got {getattr(dtype, '__name__', dtype)!r}")
    if not (_is_whole(seed) and seed >= 0):
        raise CheckError(f"seed must be a whole number >= 0; got {seed!r}")


def _is_whole(n: Any) -> bool:
    return isinstance(n, int | np.integer) and not isinstance(n, bool)


def upstream(rng: Rng, shape: Shape) -> Array:
    """The gradient from above: numbers between 1/4 and 2, of either sign. A single one is 1, as a loss has it."""
    if shape == ():
        return np.ones(())
    return np.asarray(rng.choice([-1.0, 1.0], shape) * rng.integers(8, 65, shape) / 32)


def given(subject: Subject, inputs: Any) -> Iterator[Case]:
    """The cases the user gave: an array, a tuple with one array per argument, or a list of either."""
    for number, entry in enumerate(inputs if isinstance(inputs, list) else [inputs]):
        arrays = [_array(a) for a in (entry if isinstance(entry, tuple) else (entry,))]
        if len(arrays) != len(subject.arguments):
            names = ", ".join(subject.arguments)
            raise CheckError(
                f"{subject.name} takes ({names}); inputs has {len(arrays)} arrays, give a tuple of one each"
            )
        label = "given inputs" if number == 0 and not isinstance(inputs, list) else f"given inputs {number}"
        case = _case(subject, label, arrays)
        _run(subject, case)
        yield case


def cases(subject: Subject, shape: Shape | None, seed: int, like: str = "") -> Iterator[Case]:
    """One case per style. CheckError where the op takes none of the shapes that are tried."""
    first, domain, target = _fitting(subject, shape, seed, like)

    def parameters() -> Iterator[tuple[str, Array]]:
        return ((name, np.asarray(a, np.float64)) for name, a in subject.parameters.items())

    for number, (style, make) in enumerate(STYLES.items()):
        at = (1, *first[1:]) if style == "one row" else first
        if style == "one row" and (len(first) < 2 or first[0] == 1):
            continue
        rng = np.random.default_rng([seed, number])
        case = _case(subject, style, _arguments(subject, rng, at, make, domain, target, style in GRID))
        if style == MOVED:
            # Zeros leave 0, all others keep their sign: a variance stays one.
            case.values.update({n: a + spread(rng, a.shape) * np.where(a == 0, 0.25, a / 4) for n, a in parameters()})
        try:
            subject.forward(case, case.values)
        except Exception as error:
            if style == "normal":
                raise CheckError(f"{subject.name}.forward failed: {one_line(error)}") from error
            continue  # one row, or numbers out of the op's domain, is the op's to refuse
        yield case


def _fitting(subject: Subject, shape: Shape | None, seed: int, like: str) -> tuple[Shape, str, str]:
    """The first shape, domain and kind of target for which the op gives finite numbers."""
    errors: list[str] = []
    rows = [row for row in LOSSES if re.search(row[0], like.lower() or subject.name.lower())]
    kinds = [(domain, target) for _, domain, target in rows] if subject.loss else [(d, "") for d in DOMAINS]
    if subject.loss and not (like or structure.side_of(subject.source) in ("torch", "scratch")):
        # Of whom nothing is known may be meant for probabilities and clip the rest; those suit every loss.
        kinds = [("probability", target) for _, target in kinds] + kinds
    for at in [shape] if shape is not None else _shapes(subject):
        for domain, target in kinds:
            arrays = _arguments(subject, np.random.default_rng([seed, 0]), at, spread, domain, target)
            case = _case(subject, "normal", arrays)
            try:
                if np.isfinite(subject.forward(case, case.values)).all():
                    return at, domain, target
                errors.append(f"for an input of shape {at} the output is not finite")
            except Exception as error:
                errors.append(f"for an input of shape {at}: {one_line(error)}")
    raise CheckError(f"{subject.name}.forward refuses every drawn input; {errors[0]}. Give a shape, or the inputs")


def _shapes(subject: Subject) -> Iterator[Shape]:
    """Batches of the widths that the op may have: what it calls its input's width, the axes of its weights, 3."""
    own = getattr(subject.source, "__dict__", {})
    named = [own[n] for n in ("in_features", "input_size", "n_in", "fan_in", "in_dim", "normalized_shape") if n in own]
    widths = [n for n in named if isinstance(n, int)] + [n[-1] for n in named if isinstance(n, tuple) and n]
    for name in subject.parameters:
        shape = subject.parameters[name].shape
        widths += [shape[1], shape[0]] if len(shape) == 2 else list(shape[-1:])
    for array in own.values():
        if isinstance(array, np.ndarray) and array.ndim == 2 and array.dtype.kind == "f":
            widths += list(array.shape)
    for width in dict.fromkeys([*widths, 3]):
        yield (4, width)
    yield (5,)


def _arguments(
    subject: Subject,
    rng: Rng,
    shape: Shape,
    make: Callable[[Rng, Shape], Array],
    domain: str,
    target: str,
    grid: bool = True,
) -> list[Array]:
    def drawn() -> Array:
        numbers = DOMAINS[domain](make(rng, shape))
        return np.asarray(np.round(128 * numbers) / 128 if grid else numbers)

    first, rest = drawn(), subject.arguments[1:]
    constant = targets(subject)
    return [
        first,
        *(TARGETS[target](rng, shape) if name in constant else drawn() for name in rest),
    ]


def targets(subject: Subject) -> tuple[str, ...]:
    """The arguments of a loss that are constants: the second of two; of more, the one that is called target."""
    if not subject.loss:
        return ()
    rest = subject.arguments[1:]
    return tuple(name for name in rest if name == "target") or rest


def _rows(rng: Rng, shape: Shape) -> Array:
    """Probabilities that sum to 1 along the last axis: a target that every loss on floats can take."""
    if not shape or shape[-1] == 1:
        return np.asarray(rng.integers(16, 112, shape) / 128)
    cuts = np.sort(rng.integers(0, 129, (*shape[:-1], shape[-1] - 1)), axis=-1)
    edges = np.concatenate([np.zeros((*shape[:-1], 1)), cuts, np.full((*shape[:-1], 1), 128)], axis=-1)
    return np.asarray(np.diff(edges, axis=-1) / 128)


TARGETS: dict[str, Callable[[Rng, Shape], Array]] = {
    "class": lambda rng, shape: rng.integers(0, shape[1 if len(shape) > 1 else 0], shape[:1] if len(shape) > 1 else ()),
    "probability": lambda rng, shape: rng.integers(0, 129, shape) / 128,
    "rows": _rows,
    "sign": lambda rng, shape: rng.choice([-1.0, 1.0], shape),
    "row sign": lambda rng, shape: np.asarray(rng.choice([-1.0, 1.0], shape[:-1])),
    "labels": lambda rng, shape: rng.integers(-1, shape[-1], shape),
}


def _case(subject: Subject, draw: str, arrays: list[Array]) -> Case:
    named: Mapping[str, Array] = dict(zip(subject.arguments, arrays, strict=True))
    free = {name: a for name, a in named.items() if a.dtype.kind == "f" and name not in targets(subject)}
    if not free:
        raise CheckError(f"{subject.name}: inputs must have floats; got {', '.join(str(a.dtype) for a in arrays)}")
    values = {name: np.array(a, np.float64) for name, a in {**free, **subject.parameters}.items()}
    return Case(draw, subject.arguments, values, {name: a for name, a in named.items() if name not in free})


def _array(value: Any) -> Array:
    return np.array(
        numbers(value.detach().cpu().numpy() if hasattr(value, "detach") else value, "inputs must be arrays of numbers")
    )


def _run(subject: Subject, case: Case) -> None:
    try:
        subject.forward(case, case.values)
    except Exception as error:
        shapes = ", ".join(str(case.values.get(n, case.constants.get(n, np.zeros(0))).shape) for n in case.arguments)
        raise CheckError(f"{subject.name}.forward failed for inputs of shape {shapes}: {one_line(error)}") from error
