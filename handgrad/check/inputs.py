"""Inputs, when the user gives none: a few draws, each made for another kind of mistake.

The first and the last draw are multiples of 1/128: the same in float32 and float64, and short enough to paste. On such
a grid much is exact that else cancels, as (x + 1e4) − 1e4 in float32; so the others have full mantissas. One draw also
moves the parameters from what they are: ones, zeros and equal numbers hide what is forgotten.

What shapes the code takes is found by trying `layouts`: rows, columns, a single sample, sequences, images; and, for
a function that is given its weights, the shapes that these can have with them.
"""

import functools
import inspect
import itertools
import math
import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from handgrad.check.conventions import TURNS, bare
from handgrad.check.subject import Array, Case, CheckError, Subject, numbers, one_line
from handgrad.judge import structure

Shape = tuple[int, ...]
Rng = np.random.Generator


def spread(rng: Rng, shape: Shape, width: int = 256) -> Array:
    """Distinct odd multiples of 1/128 between −2 and 2, so that no number is 0; repeated only if many."""
    count = math.prod(shape)
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

TIED = "ties and zeros"
WIDEST = 16.0

STYLES: dict[str, Callable[[Rng, Shape], Array]] = {
    "normal": spread,
    "one row": lambda rng, shape: fine(rng, shape, 2),
    "wide": lambda rng, shape: fine(rng, shape, WIDEST),
    TIED: ties,
}
GRID = ("normal", TIED)  # the rest have full mantissas
MOVED = "wide"  # with moved parameters
BEYOND = "wide"
REPEATED = (MOVED, TIED)  # with indices, and classes, that are there twice

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

# And what a loss that nothing is known of may be made for, the strictest first.
KINDS = (
    *(("probability", "rows"), ("probability", "class"), ("any", "rows"), ("any", "class"), ("probability", "one-hot")),
    *(("any", "one-hot"), ("probability", "binary"), ("any", "binary"), ("any", "sign"), ("any", "real")),
    *(("rows", "rows"), ("rows", "one-hot"), ("probability", "class column"), ("any", "class column")),
    *(
        ("positive", "real"),
        ("probability", "column rows"),
        ("any", "column one-hot"),
        ("probability", "column one-hot"),
    ),
    *(("any", "turned rows"), ("any", "turned one-hot"), ("probability", "turned one-hot")),
    *(("probability", "column class"), ("any", "column class"), ("any", "probability"), ("any", "labels")),
    *(("any", "row sign"), ("any", "whole column"), ("probability", "binary row"), ("any", "binary row")),
    ("any", "classes"),
)


BELOW = ("labels", "sign", "row sign", "real")
"""Targets of which some are below 0."""
ODD = ("class column", "whole column", "column class", "labels", "binary row", "row sign")

LARGEST = 2**24  # numbers of an input: the code runs thousands of times on it
DEEPEST = 16  # axes


def allowed(shape: Any, dtype: Any, seed: Any) -> None:
    """CheckError for options of a check that mean nothing."""
    if isinstance(shape, list) and shape and all(isinstance(s, tuple) for s in shape):
        for one in shape:
            allowed(one, dtype, seed)
        return
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


class Spec(NamedTuple):
    """One argument as it is drawn: floats of a shape, or whole numbers below `top`; `batch` is the axis of samples."""

    shape: Shape
    batch: int | None = 0
    top: int = 0

    def of(self, shape: Shape) -> "Spec":
        """The same in another shape, which may lack the axis of samples."""
        return self._replace(shape=shape, batch=self.batch if (self.batch or 0) < len(shape) else None)


Asked = tuple[tuple[str, Shape], ...]
"""The shapes that a user gave for the targets."""


@dataclass(frozen=True)
class Layout:
    """How all arguments are drawn, but the target, which follows what is predicted."""

    specs: Mapping[str, Spec]
    domain: str = "any"
    target: str = "rows"
    prediction: Shape | None = None
    asked: Asked = ()

    @property
    def one(self) -> bool:
        """Whether it is one sample, which hides what is summed over the samples."""
        batches = [s.shape[s.batch] for s in self.specs.values() if s.batch is not None]
        return bool(self.specs) and max(batches, default=1) == 1

    @property
    def single(self) -> bool:
        return self.one or self.scalar_bias

    @property
    def vector(self) -> bool:
        """Whether the input is a vector."""
        return len(next(iter(self.specs.values())).shape) == 1 if self.specs else False

    def lone(self, targets: Iterable[Shape]) -> bool:
        """Whether one number is the target of a batch of rows or columns."""
        rows = any(s.batch is not None and len(s.shape) == 2 and s.shape[s.batch] > 1 for s in self.specs.values())
        return rows and any(math.prod(s) == 1 for s in targets)

    @property
    def odd(self) -> bool:
        """Whether the target is one that few losses take, and others by chance, as a column of classes."""
        return self.target in ODD

    @property
    def scalar_bias(self) -> bool:
        """Whether a single number stands for a bias, beside weights of one output."""
        return len(self.specs) > 1 and () in [spec.shape for spec in self.specs.values()]

    @property
    def column(self) -> bool:
        return bool(self.specs) and next(iter(self.specs.values())).shape[1:] in ((1,), ())

    def __str__(self) -> str:
        return ", ".join(f"{name} {spec.shape}" for name, spec in self.specs.items())


PARTS = {
    "weight": r"w(eights?|ts?)?\w*|\w*weights?\d*|kernels?|filters?|u[a-z]*\d*|u_\w+|theta|coefs?|wx|wh|whh|wxh|m"
    r"|matrix|embeddings?|\w*vectors|table|why|nn_params|params?|thetas",
    "bias": r"b(ias(es)?)?\w*|\w*bias(es)?\d*|intercept",
    "scale": r"gamma\w*|beta\w*|scale|shift|g",
    "hidden": r"h\d*|prev_\w+|h_?prev\w*|\w*_prev|c|c_?prev|s_?prev|hprev|hidden\w*|state|h0|c0|a0|h_?t_?1|last_h"
    r"|a_prev_?t?",
}


WEIGHTS = {"weight", "bias", "scale"}
INDEX = r"(\w+_)?(idxs?|index|indices|ids?)"
"""What rows of a table are called by."""


def part(name: str) -> str:
    """What an argument of a function with its weights is: data, a weight, a bias, a scale, a hidden state."""
    n = bare(name)
    if re.fullmatch(r"x\w*|a_?prev|inputs?|a|z", n):
        return "data"
    return next((kind for kind, pattern in PARTS.items() if re.fullmatch(pattern, n)), "data")


def layouts(
    names: list[str],
    widths: list[int],
    shapes: tuple[Shape, ...] | None,
    tables: list[Shape],
    made_for: tuple[int, ...] = (),
) -> Iterator[Layout]:
    """Shapes for the float arguments, the likeliest first. `shapes` are given by the user; `tables`, of parameters;
    the object says itself that it is `made_for` a shape, of one sample or of a batch."""
    if not names:
        yield Layout({})
        return
    if made_for and shapes is None and len(names) == 1:
        yield Layout({names[0]: Spec((2, *made_for))})
        yield Layout({names[0]: Spec(made_for, None)})
    if shapes is not None and len(shapes) == len(names):
        axes = [s[0] for s in shapes if s]
        samples = max(axes, key=axes.count, default=1)  # and the first axis of w (3,), beside x (6, 3), is none of them
        of = {n: Spec(s, 0 if s[:1] == (samples,) else None) for n, s in zip(names, shapes, strict=True)}
        yield Layout(of)
        return
    first = [shapes[0]] if shapes else None
    kinds = [part(n) for n in names]
    if len(names) == 1:
        yield from (Layout({names[0]: spec}) for spec in _singles(widths, first))
        for spec in _indices(tables):
            yield Layout({names[0]: spec})
        yield from (Layout({names[0]: Spec((), None, spec.top)}) for spec in _indices(tables) if tables)  # one word
        for top, w in itertools.product(dict.fromkeys(max(s) for s in tables), (2, 4)):
            yield Layout({names[0]: Spec((5, w), 0, top)})  # the words around another one
        return
    whole = [n for n in names if re.fullmatch(INDEX, bare(n))]
    if tables and 0 < len(whole) < len(names):  # rows of a table, beside numbers of as many samples
        for spec, w in itertools.product(_indices(tables), widths):
            yield Layout({n: spec if n in whole else Spec((*spec.shape, w)) for n in names})
    parts = {"weight", "bias", "scale"} & set(kinds)
    if parts and not tables:
        yield from _with_weights(names, kinds, first)
    if tables and not first:
        yield from _with_states(names, widths)
    for spec in _singles(widths, first):
        yield Layout(dict.fromkeys(names, spec) | _observed(names, spec))
    for spec in list(_singles(widths, first))[:12]:
        others = [spec, *(spec.of((spec.shape[0], w)) for w in widths), *(Spec((w,), None) for w in widths)]
        others += [Spec((w, 1), None) for w in widths] + [spec.of((w, spec.shape[-1])) for w in widths]
        if len(spec.shape) == 3:  # of a sequence: a number for every time, as weights of attention; or one vector
            others += [spec.of(spec.shape[:2]), spec.of(spec.shape[::2])]
        for combination in itertools.islice(itertools.product(dict.fromkeys(others), repeat=len(names) - 1), 200):
            specs = dict(zip(names, (spec, *combination), strict=True))
            if len({specs[n] for n in names[1:] if re.fullmatch(r"prev\w*|\w+_prev", bare(n))}) < 2:
                yield Layout(specs)  # the states of one cell have one shape
    for spec in _indices(tables):
        for w in widths:
            for other in (Spec((1, w), None), Spec((w, 1), None)) if len(names) > 1 else ():
                yield Layout({names[0]: spec} | dict.fromkeys(names[1:], other))  # a step of a recurrent net
            for other in (
                spec,
                Spec((w, 1), None),
                Spec((w,), None),
                Spec((spec.shape[0], w)),
                Spec((spec.shape[0], 4, w)),
            ):
                yield Layout(dict(zip(names, (*[spec] * (len(names) - 1), other), strict=True)))
    if not parts or tables:
        yield from _with_weights(names, kinds, first)


def regressions(names: list[str], products: list[tuple[str, str]], rows: bool) -> Iterator[Layout]:
    """Layouts of a loss whose samples X @ w says which argument is: the rest has a number for each row, as weights of
    the samples. Where its code goes along `rows`, w is a matrix first."""
    for data, weight in products[:1]:
        others = [n for n in names if n not in (data, weight)]
        if not others or any(part(n) in ("hidden", "scale") for n in others):
            return
        n, d, k = 5, 3, 4
        for w in ((d, k), (d,)) if rows else ((d,), (d, k)):
            beside = {m: Spec(w[1:], None) if part(m) == "bias" else Spec((n,)) for m in others}
            of = {data: Spec((n, d)), weight: Spec(w, None)} | beside
            yield Layout({m: of[m] for m in names})


def in_order(subject: Subject, shapes: tuple[Shape, ...] | None) -> tuple[tuple[Shape, ...] | None, Asked]:
    """Of the shapes that a user gave those of what is drawn, and those of the targets. CheckError for another number
    of them: no argument is drawn in a shape that nobody gave."""
    free = [n for n in subject.arguments if n not in subject.targets]
    if shapes is None or len(shapes) in (1, len(free)):
        return shapes, ()
    if len(shapes) != len(subject.arguments):
        one = f"one for {free[0]}, or " if free else ""
        names = ", ".join(subject.arguments)
        raise CheckError(f"{subject.name}: {len(shapes)} shapes were given; give {one}one for each of ({names})")
    of = dict(zip(subject.arguments, shapes, strict=True))
    return tuple(of[n] for n in free), tuple((n, of[n]) for n in subject.targets)


UNROLLED = r"(nn_?|\w*_)?params?(_?(vec(tor)?|flat|unrolled))?|theta(_?(vec|flat|unrolled))?"
"""What the weights of a net are called that are one vector, as an optimizer takes them."""


def _observed(names: list[str], spec: Spec) -> dict[str, Spec]:
    """What is seen beside parameters in a vector: there is more of it, as a filter takes many steps."""
    flat = [n for n in names if re.fullmatch(UNROLLED, bare(n))]
    return {n: Spec((5,)) for n in names if n not in flat} if flat and len(spec.shape) == 1 else {}


MASK = r"r|\w*mask\w*|rated|observed|known"
"""What says with 0 and 1 which numbers of a matrix are there."""


def unrolled(names: list[str], sizes: list[int]) -> Iterator[Layout]:
    """Layouts with all weights in one vector, as long as those of one or two layers of these sizes are."""
    flat = [n for n in names if re.fullmatch(UNROLLED, bare(n))]
    sizes = list(dict.fromkeys(sizes))[:3]
    if len(flat) != 1 or len(sizes) < 2:
        return
    lengths = []
    for i, h, o in (*itertools.permutations(sizes, 3), *((a, b, a) for a, b in itertools.permutations(sizes, 2))):
        lengths += [h * (i + 1) + o * (h + 1), h * i + o * h]
    for i, o in itertools.permutations(sizes, 2):
        lengths += [i * o, (i + 1) * o]
    masks = [n for n in names if n not in flat]
    if masks and all(re.fullmatch(MASK, bare(n)) for n in masks):  # of two matrices whose product is masked
        for a, b, k in itertools.permutations(sizes, 3):
            yield Layout({n: Spec(((a + b) * k,), None) if n in flat else Spec((a, b), 0, 2) for n in names})
    n = next(n for n in itertools.count(BATCH + 1) if n not in sizes)
    for d, length in itertools.product(sizes, dict.fromkeys(lengths)):
        for spec in (Spec((n, d)), Spec((d, n), 1)):
            yield Layout({name: Spec((length,), None) if name in flat else spec for name in names})


def as_made(names: list[str], made: Mapping[str, Shape]) -> Iterator[Layout]:
    """Layouts with the parameters as the file itself makes them, their long axes shortened."""
    lengths = dict.fromkeys(n for s in made.values() for n in s)
    taken = {n for n in lengths if n <= LONG}
    free = (n for n in itertools.count(3) if n not in taken)
    axes = {n: n if n in taken else next(free) for n in lengths}
    batch = next(n for n in itertools.count(BATCH) if n not in axes.values())
    own = {n: Spec(tuple(axes[a] for a in s), None) for n, s in made.items()}
    data = [n for n in names if n not in made]
    if all(part(n) == "data" for n in data):
        for d in axes.values():
            for spec in (Spec((d, batch), 1), Spec((batch, d)), Spec((d,), None), Spec((d, 1), None)):
                yield Layout({n: own.get(n, spec) for n in names})


def alike(layout: Layout, made: Mapping[str, Shape]) -> bool:
    """Whether parameters have as many axes as the file gives them, and those of length 1 in the same places.

    A bias that is made as a column is none of shape (): a gradient of that shape would be right for it.
    """
    pairs = [(layout.specs[n].shape, s) for n, s in made.items() if n in layout.specs]
    return all([a == 1 for a in ours] == [a == 1 for a in theirs] for ours, theirs in pairs)


def as_returned(layout: Layout, returned: Mapping[str, Shape]) -> Layout | None:
    """The layout with the shapes that parameters have by their gradients; None: these are no shapes of parameters, as
    one with an axis of samples is, which a sum was forgotten over."""
    first, spec = next(iter(layout.specs.items()), ("", Spec(())))
    sampled = any(s.batch is not None for n, s in layout.specs.items() if part(n) in WEIGHTS)
    if not returned or spec.batch is None or first in returned or sampled:
        return None
    for name, shape in returned.items():
        behind = len(spec.shape) - len(shape)
        samples = (1,) * behind + shape if behind >= 0 else ()
        broadcasts = behind >= 0 and all(n in (1, m) for n, m in zip(samples, spec.shape, strict=True))
        if name not in layout.specs or part(name) not in WEIGHTS or not broadcasts or samples[spec.batch] != 1:
            return None
    return replace(layout, specs={**layout.specs, **{n: Spec(s, None) for n, s in returned.items()}})


LONG = 10  # an axis as long may be one of classes, of which the code knows how many there are


BATCH = 4


def _singles(widths: list[int], first: list[Shape] | None) -> Iterator[Spec]:
    """One input: rows, columns, a single sample, sequences, images."""
    if first is not None:
        yield from (Spec(s) for s in first)
        yield from (Spec(s, len(s) - 1) for s in first)
        return
    some = list(dict.fromkeys([*widths, 3]))
    n = BATCH if BATCH not in some else BATCH + 1
    yield from (Spec((BATCH, w)) for w in some)
    yield from (Spec((w, n), 1) for w in some)
    yield Spec((BATCH, 1))
    yield Spec((5,))
    yield from (Spec((w,), None) for w in some)
    yield from (Spec((w, 1), None) for w in some)
    yield from (Spec((1, w), 0) for w in some)
    yield from (Spec((2, n, w)) for w in some)
    yield from (Spec((2, w, 4, 4)) for w in some)
    yield from (Spec((2, 4, 4, w)) for w in some)
    yield from (Spec(s, None) for w in some for s in ((w, 4, 4), (4, 4, w)))
    yield from (Spec(s, None) for s in ((6, 6), (8, 8), (4, 4)))
    yield from (Spec((n, 2, w), 1) for w in some)
    yield from (Spec((2, w, 6)) for w in some)
    yield Spec((2, 1, n, n))
    yield from (Spec((n, w, 1), None) for w in some)
    yield from (Spec((2, w, r, r)) for r in widths if 4 < r <= 16 for w in some if w != r)
    root = [math.isqrt(w) for w in some if math.isqrt(w) ** 2 == w and w > 3]
    yield from (Spec((2, 1, r, r)) for r in root)
    yield from (Spec((w,), None) for w in (2, 4, 6))  # of a, b = x
    yield Spec((), None)
    yield Spec((1,), None)
    yield Spec((1, 1), None)


def _with_states(names: list[str], widths: list[int]) -> Iterator[Layout]:
    """An input and the states of a cell, all of one width: in rows, in columns, of one sample; or a sequence."""
    if not all(part(n) == "hidden" or re.fullmatch(r"[hcsa]_(in|old|t)\w*", bare(n)) for n in names[1:]):
        return
    n = next(n for n in itertools.count(BATCH) if n not in widths)
    forms: list[tuple[Callable[[int], Shape], int | None]] = [
        (lambda w: (n, w), 0),
        (lambda w: (w, n), 1),
        (lambda w: (w,), None),
        (lambda w: (w, 1), None),
    ]
    pairs = list(itertools.permutations(dict.fromkeys([*widths, 3]), 2))
    for (shape, batch), (d, h) in itertools.product(forms, pairs):
        yield Layout({names[0]: Spec(shape(d), batch)} | dict.fromkeys(names[1:], Spec(shape(h), batch)))
    for d, h in pairs:  # of a whole sequence, the states before its first step
        yield Layout({names[0]: Spec((2, n, d))} | dict.fromkeys(names[1:], Spec((2, h))))


def _indices(tables: list[Shape]) -> Iterator[Spec]:
    """Whole numbers, for a table of embeddings."""
    for top in dict.fromkeys([min(max(s, default=3), 12) for s in tables] + [min(s, default=3) for s in tables] + [3]):
        if top > 1:
            yield Spec((5,), 0, top)
            yield Spec((2, 3), 0, top)


def _with_weights(names: list[str], kinds: list[str], first: list[Shape] | None) -> Iterator[Layout]:
    """Data and the weights, biases and scales that go with it."""
    n, d, h, m = BATCH, 3, 5, 7  # more than two outputs, as classes; of channels two are enough
    weights = [i for i, k in enumerate(kinds) if k == "weight"]
    count = len(weights)
    dims = [d, *([h] * (count - 1)), m] if count else [d]
    datas = [(n, d), (d, n), (d,), (d, 1), (2, n, d), (2, d, 4, 4), (2, 4, 4, d), (d, 4, 4), (4, 4), (2, d, 6)]
    for late, data in itertools.product((False, True), first or datas):
        column = data in ((d, n), (d, 1))
        chained = [(dims[i + 1], dims[i]) if column else (dims[i], dims[i + 1]) for i in range(count)]
        tries: list[tuple[Shape, ...]] = [tuple(chained), tuple((b, a) for a, b in chained)]
        if len(data) >= 3 or data == (4, 4):
            kernels: list[Shape] = [(2, d, 3, 3), (3, 3, d, 2), (d, 3, 3), (3, 3), (2, 2), (2, d, 3), (2, 3, 3)]
            tries = [*(tries[:1] if len(data) == 3 else []), *((kernel,) * count for kernel in kernels), tries[0]]
        if count == 1:
            tries += [((d,),), ((d, 1),), ((1, d),), ((1,),), ((),), ((26,),), ((d + 1,),)]
        if "hidden" in kinds:
            recurrent: list[tuple[Shape, ...]] = [
                ((d, h), (h, h)),
                ((d, 4 * h), (h, 4 * h)),
                ((d, 3 * h), (h, 3 * h)),
                ((h, d), (h, h)),
            ]
            recurrent += [((d, h), (h, h), (h, m)), ((h, d), (h, h), (m, h)), ((h, d + h),) * 4, ((d + h, h),) * 4]
            recurrent += [
                ((h, d + h), *((h, d + h),) * 3, (m, h)),
                ((d, h),) * 3 + ((h, h),) * 3,
                ((4 * h, d), (4 * h, h)),
            ]
            recurrent += [((h, h), (h, d)), ((h, h), (h, d), (m, h)), ((d + h, h),), ((h, d + h),), ((d + h, 4 * h),)]
            tries = [*(ws for ws in recurrent if len(ws) == count), *tries]
        if late:
            if count < 2:
                continue
            pool = [(d, h), (h, h), (h, d), (h, m), (m, h), (d, m), (d, 4 * h), (h, 4 * h), (h, d + h), (m, d)]
            pool += [(4 * h, d), (4 * h, h)]
            tries = list(itertools.islice(itertools.product(pool, repeat=count), 1500))
        for ws in dict.fromkeys(tries):
            yield from _biased(names, kinds, data, ws, (n, h), column)


def _biased(names: list[str], kinds: list[str], data: Shape, ws: Any, hidden: Shape, column: bool) -> Iterator[Layout]:
    """For one choice of the weights: the shapes that biases, scales and hidden states may have beside them."""
    n, h = hidden
    widths = data[1] if len(data) > 3 and data[1] == 3 else data[-1] if data else 1
    if column:
        widths = data[0]
    last: dict[str, Callable[[int], Shape]] = {
        "": lambda o: (o,),
        "row": lambda o: (1, o),
        "column": lambda o: (o, 1),
        "none": lambda _: (),
        "deep": lambda o: (1, 1, 1, o),
    }
    outputs = [w for k, w in zip([k for k in kinds if k == "weight"], ws, strict=False) if len(w) > 1 and 1 not in w]
    styles = ["column", "", "row", "none"] if column else ["", "row", "column", "none", "deep"]
    has_small = any(k in ("bias", "scale") for k in kinds)
    n = data[0] if len(data) == 3 else n
    states = [(h, n), (h, 1)] if column else [(n, h), (h,), (h, 1), (data[1], h) if len(data) == 3 else (1, h)]
    if "bias" in kinds and outputs:  # one number as the bias of several outputs hides that it is one sum for all
        styles.remove("none")
    for style in styles if has_small else [""]:
        for ends in (-1, 0) if has_small and ws else (-1,):
            for state in states if "hidden" in kinds else [()]:
                specs: dict[str, Spec] = {}
                index = 0
                for name, kind in zip(names, kinds, strict=True):
                    if kind == "weight":
                        specs[name] = Spec(ws[index], None)
                        index += 1
                    elif kind == "bias":
                        w = ws[max(index - 1, 0)] if ws else (widths,)
                        out = (w[ends] if not column or ends == 0 else w[0]) if w else 1
                        specs[name] = Spec(last[style](out), None)
                    elif kind == "scale":
                        specs[name] = Spec(last[style](widths) if style != "deep" else (1, widths, 1, 1), None)
                    elif kind == "hidden":
                        specs[name] = Spec(state, 1 if column else 0 if len(state) > 1 else None)
                    else:
                        specs[name] = Spec(data, 1 if column else 0 if len(data) > 1 else None)
                yield Layout(specs)


# --- drawing ----------------------------------------------------------------------------------------------------------


def draw(layout: Layout, rng: Rng, style: str) -> dict[str, Array]:
    """Arrays for the arguments of a layout, in one of the styles."""
    found: dict[str, Array] = {}
    for name, spec in layout.specs.items():
        shape = single(spec) if style == "one row" else spec.shape
        found[name] = np.asarray(rng.integers(0, spec.top, shape)) if spec.top else STYLES[style](rng, shape)
        others = [found[n] for n in found if n != name and layout.specs[n] == spec]
        if spec.top and spec.batch is not None:
            _repeat(found[name], style)
            for _ in others[: spec.top - 1]:  # a pair, or three, of rows of one table are not one row
                found[name] = np.where(np.any([found[name] == a for a in others], 0), found[name] + 1, found[name])
                found[name] %= spec.top
        if style == TIED and spec.batch is not None and not spec.top:
            _set_apart(found[name], others, spec.batch)
    floats = {n: _domain(layout.domain, a, style in GRID) for n, a in found.items() if not layout.specs[n].top}
    return found | floats


def _repeat(rows: Array, style: str) -> None:
    """Let two samples share a row of the table, and one take a row twice: dW[rows] += … adds only one of them."""
    samples = rows.reshape(len(rows), -1)  # a view
    if style in REPEATED and len(samples) > 1:
        samples[1, 0] = samples[0, 0]
    if style == TIED:
        samples[0, -1] = samples[0, 0]


def _set_apart(a: Array, others: list[Array], batch: int) -> None:
    """Let no sample of several numbers be that of another input: at a distance of 0 the formula of its derivative is
    0/0, which is no mistake that a seed should decide on."""
    for sample, *theirs in zip(*(np.moveaxis(each, batch, 0) for each in (a, *others)), strict=True):
        while sample.size > 1 and any(np.array_equal(np.abs(sample), np.abs(other)) for other in theirs):
            sample.flat[-1] = np.abs(sample.flat[-1]) + 1


def _domain(domain: str, a: Array, grid: bool) -> Array:
    if domain == "rows":
        if a.ndim and a.shape[-1] == 1:
            raise ValueError("of one class alone every probability is 1, which hides what a gradient makes of it")
        e = np.exp(np.clip(a, -3, 3))
        return np.asarray(e / e.sum(axis=-1, keepdims=True))
    a = DOMAINS[domain](a)
    return np.asarray(np.round(128 * a) / 128 if grid else a)


def single(spec: Spec) -> Shape:
    """The shape with one sample."""
    return spec.shape if spec.batch is None else (*spec.shape[: spec.batch], 1, *spec.shape[spec.batch + 1 :])


def _rows(rng: Rng, shape: Shape) -> Array:
    """Probabilities that sum to 1 along the last axis: a target that every loss on floats can take."""
    if not shape or shape[-1] == 1:
        return np.asarray(rng.integers(16, 112, shape) / 128)
    cuts = np.sort(rng.integers(0, 129, (*shape[:-1], shape[-1] - 1)), axis=-1)
    edges = np.concatenate([np.zeros((*shape[:-1], 1)), cuts, np.full((*shape[:-1], 1), 128)], axis=-1)
    return np.asarray(np.diff(edges, axis=-1) / 128)


def _classes(rng: Rng, shape: Shape, axis: int = -1) -> Array:
    rest = list(shape or (2,))
    top = rest.pop(axis if axis == -1 or len(shape) < 3 else 1)
    if top == 1:
        raise ValueError("of one class alone every target is 0, which hides what a gradient makes of its target")
    if not rest:
        return np.asarray(rng.integers(0, top, ()))
    found = _two(np.asarray(rng.integers(0, top, rest)))
    if found.size > 1 and found.max() < top - 1:  # code that counts the classes as Y.max() + 1 counts all
        found.flat[-1] = top - 1
    return found


def _share(classes: Array) -> None:
    """Let two of three or more samples be of one class: grad[classes] += … adds only one of them. The largest stays.
    The least does not count: below the first of several thresholds nothing changes."""
    found, often = np.unique(classes, return_counts=True)
    if classes.size > 2 and len(found) > 1 and not (often[1:] > 1).any():
        classes.flat[np.argmin(classes)] = classes.max()


def _several(rng: Rng, shape: Shape) -> Array:
    """Classes of one sample, as the words around another."""
    if len(shape) != 1:
        raise ValueError("several classes are those of one sample")
    return _two(np.asarray(rng.integers(0, shape[0], 3)))


def _two(found: Array) -> Array:
    """Whole numbers that are not all equal: of equal ones a gradient is right for a target that is only broadcast."""
    if found.size > 1 and (found == found.flat[0]).all():
        found.flat[0] = 0 if found.flat[0] else 1
    return found


def _hot(rng: Rng, shape: Shape) -> Array:
    if not shape or shape[-1] == 1:
        return np.asarray(rng.integers(0, 2, shape).astype(np.float64))
    return np.eye(shape[-1])[rng.integers(0, shape[-1], shape[:-1])]


def _turned(make: Callable[[Rng, Shape], Array]) -> Callable[[Rng, Shape], Array]:
    return lambda rng, shape: np.ascontiguousarray(make(rng, shape[::-1]).T)


TARGETS: dict[str, Callable[[Rng, Shape], Array]] = {
    "class": lambda rng, shape: _classes(rng, shape, 1 if len(shape) > 2 else -1),
    "probability": lambda rng, shape: rng.integers(0, 129, shape) / 128,
    "rows": _rows,
    "sign": lambda rng, shape: rng.choice([-1.0, 1.0], shape),
    "row sign": lambda rng, shape: np.asarray(rng.choice([-1.0, 1.0], shape[:-1])),
    "labels": lambda rng, shape: rng.integers(-1, shape[-1] if shape else 1, shape),
    "one-hot": _hot,
    "binary": lambda rng, shape: rng.integers(0, 2, shape).astype(np.float64),
    "binary row": lambda rng, shape: _two(rng.integers(0, 2, shape[:1])),
    "real": lambda rng, shape: rng.integers(-256, 257, shape) / 128,
    "classes": _several,
    "class column": lambda rng, shape: _classes(rng, shape).reshape(*shape[:-1], 1),
    "whole column": lambda rng, shape: _two(rng.integers(0, 2, (*shape[:-1], 1))),
    "column rows": _turned(_rows),
    "column one-hot": _turned(_hot),
    "turned rows": lambda rng, shape: _rows(rng, shape[::-1]),  # of outputs that are columns: the code takes y.T
    "turned one-hot": lambda rng, shape: _hot(rng, shape[::-1]),
    "column class": lambda rng, shape: _classes(rng, shape[::-1]),
}


def kinds(name: str, known: bool) -> list[tuple[str, str]]:
    """The domains and targets that a loss of this name is tried with; only those of PyTorch's where it is one."""
    rows = [(domain, target) for pattern, domain, target in LOSSES if re.search(pattern, name.lower())]
    if known:
        return rows
    named = [(d, t) for p, d, t in LOSSES if p and re.search(p, name.lower())]
    return list(dict.fromkeys([("probability", t) for _, t in named] + named + list(KINDS)))


def widths(source: Any, parameters: Mapping[str, Array]) -> list[int]:
    """The widths that an input may have: what the object calls so, the axes of its weights, other whole numbers."""
    own = getattr(source, "__dict__", {})
    named = [own[n] for n in WIDTHS if n in own]
    found = [n for n in named if isinstance(n, int)] + [n[-1] for n in named if isinstance(n, tuple | list) and n]
    for array in parameters.values():
        found += (
            [array.shape[1], array.shape[0]] if array.ndim == 2 else list(array.shape[-1:]) + list(array.shape[:-1])
        )
    for name, value in own.items():
        if type(value) is int and 1 < value <= 64 and not re.fullmatch(TURNS, bare(name)):
            found.append(value)
        if isinstance(value, list | tuple) and value and all(type(v) is int for v in value):
            found += value
    return [int(n) for n in dict.fromkeys(found) if isinstance(n, int | np.integer) and 0 < n <= 4096]


WINDOWED = r"pool|conv|window|patch"
"""What an object is called that looks at an image through a window."""


def _small(own: dict[str, Any], names: str) -> list[int]:
    found = [max(v) if isinstance(v, tuple) and v else v for n, v in own.items() if re.fullmatch(names, n)]
    return [n for n in found if type(n) is int and 0 < n < 8]


def windowed(source: Any, names: list[str], widths: list[int]) -> Iterator[Layout]:
    """Square images wide enough for two windows in a row, which overlap where their stride is less than their size."""
    own = getattr(source, "__dict__", {})
    if isinstance(source, types.FunctionType):
        own = {p.name: p.default for p in inspect.signature(source).parameters.values()}
    own = {bare(n): v for n, v in own.items()}
    sizes = [n for n in _small(own, r"\w*(size|kernel|filter|pool)\w*|k|f") if n > 1]
    steps = _small(own, r"strides?|s")
    kind = getattr(source, "__name__", type(source).__name__).lower()
    if len(names) != 1 or not sizes or not re.search(WINDOWED, kind) or re.search("[13]_?d", kind):
        return
    s = max(4, min(sizes) + max(steps, default=1))
    for w in dict.fromkeys([*widths, 3]):
        for spec in (Spec((2, w, s, s)), Spec((2, s, s, w)), Spec((w, s, s), None), Spec((s, s, w), None)):
            yield Layout({names[0]: spec})
    yield Layout({names[0]: Spec((s, s), None)})


def made_for(source: Any) -> Shape:
    """The shape of an input that the object itself names, as self.input_shape = (1, 5, 5); () if there is none."""
    shape = getattr(source, "__dict__", {}).get("input_shape")
    if not isinstance(shape, tuple | list) or len(shape) < 2:
        return ()
    return tuple(shape) if all(type(n) is int and 0 < n <= 64 for n in shape) else ()


WIDTHS = (
    "in_features",
    "input_size",
    "n_in",
    "fan_in",
    "in_dim",
    "normalized_shape",
    "input_dim",
    "n_inputs",
    "input_shape",
)


def build(subject: Subject, layout: Layout, style: str, rng: Rng) -> Case:
    """One case of a layout."""
    return _completed(subject, layout, style, rng, draw(layout, rng, style))


def first(subject: Subject, layout: Layout, seed: int) -> Case:
    """The first case of a layout. What is drawn for it is drawn once, whoever asks."""
    drawn = (tuple(layout.specs.items()), layout.domain, layout.target, layout.prediction, layout.asked)
    arrays = _first(*drawn, subject.targets, subject.predicts, seed)
    return case(subject, "normal", [arrays[name] for name in subject.arguments])


_GENERATOR = np.random.default_rng(0)  # to make one takes longer than to draw what is drawn


@functools.lru_cache(maxsize=4096)
def _first(
    specs: tuple[tuple[str, Spec], ...],
    domain: str,
    target: str,
    prediction: Shape | None,
    asked: Asked,
    targets: tuple[str, ...],
    predicts: str,
    seed: int,
) -> dict[str, Array]:
    arrays, state = _before_targets(specs, domain, seed)
    _GENERATOR.bit_generator.state = state
    layout = Layout(dict(specs), domain, target, prediction, asked)
    return arrays | _targets(targets, predicts, layout, "normal", _GENERATOR)


@functools.lru_cache(maxsize=1024)
def _before_targets(specs: tuple[tuple[str, Spec], ...], domain: str, seed: int) -> tuple[dict[str, Array], Any]:
    """The arguments but for the target, and the state in which drawing them leaves the generator."""
    _GENERATOR.bit_generator.state = _start(seed)
    return draw(Layout(dict(specs), domain), _GENERATOR, "normal"), _GENERATOR.bit_generator.state


@functools.cache
def _start(seed: int) -> Any:
    return np.random.default_rng([seed, 0]).bit_generator.state


def _completed(subject: Subject, layout: Layout, style: str, rng: Rng, arrays: dict[str, Array]) -> Case:
    arrays |= _targets(subject.targets, subject.predicts, layout, style, rng)
    return case(subject, style, [arrays[name] for name in subject.arguments])


def _targets(targets: tuple[str, ...], predicts: str, layout: Layout, style: str, rng: Rng) -> dict[str, Array]:
    """An array for each target."""
    found = {}
    for name in targets:
        shape = layout.prediction
        if shape is None:
            spec = layout.specs[predicts if predicts in layout.specs else next(iter(layout.specs))]
            shape = single(spec) if style == "one row" else spec.shape
        elif style == "one row":
            shape = (1, *shape[1:])
        found[name] = TARGETS[layout.target](rng, shape)
        if style in REPEATED and "class" in layout.target:
            _share(found[name])
        theirs = dict(layout.asked).get(name)
        if theirs is not None and found[name].shape != theirs and style != "one row":
            raise ValueError(f"{name} of shape {found[name].shape}, where {theirs} was given")
    return found


def visible(a: Array) -> Array:
    """Weights; those that are made so small that a step of the differences is large beside them, as large as others."""
    top = np.abs(a).max(initial=0)
    return a / (2 * top) if a.ndim > 1 and 0 < top < SMALL else a


SMALL = 2.0**-6


def cases(subject: Subject, layout: Layout, seed: int, edges: Sequence[float] = ()) -> Iterator[Case]:
    """One case per style. One row, or numbers out of the op's domain, is the op's to refuse. Between every two of the
    edges there is one of the wide numbers."""
    sampled = [spec for spec in layout.specs.values() if spec.batch is not None]
    shapes: dict[str, Shape] = {}  # of the outputs
    for number, style in enumerate(STYLES):
        if style == "one row" and (
            getattr(subject, "batched", False)
            or layout.prediction is not None
            or "column" in layout.target  # whose samples are columns, of which it has as many
            or "turned" in layout.target
            or all(spec.shape == single(spec) for spec in sampled)
        ):
            continue
        rng = np.random.default_rng([seed, number])
        try:
            made = build(subject, layout, style, rng)
            if style == TIED and subject.targets:
                made = _certain(subject, layout, style, seed) or made
            if style == MOVED:
                _scatter(subject, layout, made, edges, rng)
                # Zeros leave 0, all others keep their sign: a variance stays one.
                for name, a in subject.parameters.items():
                    a = visible(np.asarray(a, np.float64))
                    # A parameter that is one number stays an array, in which a difference can move it.
                    made.values[name] = np.asarray(a + spread(rng, a.shape) * np.where(a == 0, 0.25, a / 4))
            shapes[style] = subject.forward(made, made.values).shape
            if 0 in shapes[style]:
                raise CheckError("the output has no numbers")
            if style == "one row" and len(shapes[style]) > 1 and shapes[style] == shapes["normal"]:
                continue  # it is no axis of samples: one of them was broadcast
        except Exception as error:
            if style == "normal":
                raise CheckError(f"{subject.name}: forward failed: {one_line(error)}") from error
            continue
        yield made
    if close := near(subject, layout, seed):
        yield close
    if subject.targets and layout.domain == "probability" and (far := _beyond(subject, layout, seed)):
        yield far
    if other := _other_targets(subject, layout, seed):
        yield other


def _scatter(subject: Subject, layout: Layout, made: Case, edges: Sequence[float], rng: Rng) -> None:
    """Put numbers between the edges; of a loss, half of them nearer and nearer to their targets."""
    for name, spec in layout.specs.items() if layout.domain == "any" else ():
        if not spec.top and part(name) == "data":
            made.values[name] = between(made.values[name], edges, rng)
    if subject.predicts not in made.values or layout.prediction is not None or layout.domain == "rows":
        return
    x = made.values[subject.predicts]
    for name in subject.targets:
        t = made.constants.get(name)
        if t is not None and t.dtype.kind == "f" and t.shape == x.shape and x.size > 1:
            away = x.flat[::2] - t.flat[::2]
            far = np.geomspace(1, 1 / CLOSEST, len(away)) * rng.uniform(0.5, 1, len(away))
            x.flat[::2] = t.flat[::2] + np.sign(away) * np.minimum(far, np.abs(away))


def between(a: Array, edges: Sequence[float], rng: Rng) -> Array:
    """The array with a number between every two neighbours of the edges, in as many places as it has."""
    ends = np.array([-WIDEST, *edges, WIDEST])
    gaps = rng.permutation(np.stack([ends[:-1], np.diff(ends)], 1))[: a.size] if len(edges) else np.zeros((0, 2))
    made = a.copy()
    made.flat[rng.permutation(a.size)[: len(gaps)]] = gaps[:, 0] + gaps[:, 1] * rng.uniform(1 / 8, 7 / 8, len(gaps))
    return made


CLOSEST = 64

CERTAIN = {"rows": "one-hot", "probability": "binary"}


def _certain(subject: Subject, layout: Layout, style: str, seed: int) -> Case | None:
    """A case whose targets are 0 and 1, for a loss that takes all between too: what its code does where one is exactly
    1 is seen nowhere else. t·log t gives no finite number there."""
    if layout.target not in CERTAIN:
        return None
    try:
        made = build(subject, replace(layout, target=CERTAIN[layout.target]), style, np.random.default_rng([seed, 3]))
        return made if np.isfinite(subject.forward(made, made.values)).all() else None
    except Exception:  # the code refuses it
        return None


def _other_targets(subject: Subject, layout: Layout, seed: int) -> Case | None:
    """A case whose targets are class numbers, for a loss that was given rows, or one-hot rows instead of class numbers:
    code that takes both may have a branch for each. It takes both if its value is the same, and if backward runs."""
    if layout.target not in BOTH or len(subject.targets) != 1 or not hasattr(subject, "reading"):
        return None
    (name,) = subject.targets
    shapes = [layout.prediction]
    if layout.target == "binary row":  # of how many classes is not said
        n = next(iter(layout.specs.values())).shape[0]
        shapes = [(n, k) for k in widths(subject.source, subject.parameters) if k > 1]
    for shape in shapes:
        try:
            at = replace(layout, target="one-hot", prediction=shape)
            rows = build(subject, at, "normal", np.random.default_rng([seed, 0]))
            hot = rows.constants[name]
            n, k = hot.shape
            if n in (1, k):  # one may be broadcast where the other is meant
                continue
            classes = replace(rows, constants={**rows.constants, name: hot.argmax(axis=1)})
            one, other = (subject.forward(c, c.values) for c in (rows, classes))
            # One of them sums more zeros, which moves last bits; another loss differs by more.
            if np.isfinite(one).all() and np.allclose(one, other, rtol=1e-12, atol=0):
                made = replace(rows, draw="one-hot rows") if BOTH[layout.target] else replace(classes, draw="classes")
                subject.backward(made, made.values, np.ones(np.shape(one)))
                return made
        except Exception:  # the code refuses one of them
            continue
    return None


BOTH = {"rows": False, "one-hot": False, "class": True, "binary row": True}
"""Targets for which there are others that say the same, and whether these are one-hot rows."""


def near(subject: Subject, layout: Layout, seed: int) -> Case | None:
    """A case for a loss of inputs of one shape, near each other: a branch within a margin is taken there."""
    named = [n for n in layout.specs if not layout.specs[n].top and part(n) == "data"]
    together = [n for n in named if layout.specs[n] == layout.specs[named[0]]]
    if len(together) < 2:
        return None
    rng = np.random.default_rng([seed, len(STYLES) + 1])
    try:
        arrays = draw(layout, rng, "normal")
        start = arrays[together[0]]
        for number, n in enumerate(together[1:]):
            arrays[n] = start + _nearer(arrays[n] - start, layout.specs[n].batch, number)
        made = _completed(subject, layout, "near each other", rng, arrays)
        made.values.update((n, np.asarray(a, np.float64)) for n, a in subject.parameters.items())
        return made if subject.forward(made, made.values).size == 1 else None
    except Exception:  # the code refuses it, or knows no shape like this
        return None


def _nearer(apart: Array, batch: int | None, number: int) -> Array:
    """Differences whose length falls from sample to sample, by a factor of 16 in all. Of two inputs each is the nearer
    one in turn: a margin between their distances is met from both sides."""
    axes = tuple(i for i in range(apart.ndim) if i != batch)
    length = np.sqrt((apart**2).sum(axis=axes, keepdims=True)) + np.finfo(np.float64).tiny
    far = np.geomspace(1, 1 / 16, length.size)
    far *= np.where((np.arange(length.size) + number) % 2, 1.0, 0.5 if number else 0.7)
    return np.asarray(np.round(apart * np.minimum(1, far.reshape(length.shape) / length) * 4096) / 4096)


def _beyond(subject: Subject, layout: Layout, seed: int) -> Case | None:
    """A case far outside of (0, 1) for a loss that took probabilities only because it takes everything.

    Between 0 and 1 a Huber loss never leaves its parabola. A logarithm gives no finite number there, and a clipped
    probability moves nothing: such a loss has no such case.
    """
    at = replace(layout, domain="any")
    try:
        made = build(subject, at, BEYOND, np.random.default_rng([seed, len(STYLES)]))
        free = [name for name in made.arguments if name in made.values]
        if not np.isfinite(subject.forward(made, made.values)).all():
            return None
        for name in free:
            for i in np.ndindex(made.values[name].shape):
                sides = []
                for step in (-0.25, 0.25):
                    moved = made.values[name].copy()
                    moved[i] += step
                    sides.append(subject.forward(made, {**made.values, name: moved}))
                if not np.isfinite(sides).all() or np.array_equal(sides[0], sides[1]):
                    return None
    except Exception:  # the code refuses it: it is out of its domain
        return None
    return replace(made, draw=f"{BEYOND}, beyond 0 and 1")


def fitting(subject: Subject, shapes: tuple[Shape, ...] | None, seed: int, like: str) -> Layout:
    """The first layout, domain and kind of target for which the op gives finite numbers."""
    errors: list[str] = []
    names = [n for n in subject.arguments if n not in subject.targets]
    known = bool(like) or structure.is_known(subject.source)
    options = kinds(like or subject.name, known) if subject.targets else [(d, "rows") for d in DOMAINS]
    tables = [a.shape for a in subject.parameters.values() if a.ndim == 2]
    shapes, asked = in_order(subject, shapes)
    for layout in layouts(names, widths(subject.source, subject.parameters), shapes, tables):
        for domain, target in options:
            at = replace(layout, domain=domain, target=target, asked=asked)
            try:
                made = build(subject, at, "normal", np.random.default_rng([seed, 0]))
                if np.isfinite(subject.forward(made, made.values)).all():
                    return at
                errors.append(f"for {at} the output is not finite")
            except Exception as error:
                errors.append(f"for {at}: {one_line(error)}")
    raise CheckError(f"{subject.name}.forward refuses every drawn input; {errors[0]}. Give a shape, or the inputs")


GIVEN = "given inputs"


def given(subject: Subject, inputs: Any) -> Iterator[Case]:
    """The cases the user gave: an array, a tuple with one array per argument, a dict by their names, or a list of
    these."""
    for number, entry in enumerate(inputs if isinstance(inputs, list) else [inputs]):
        if isinstance(entry, Mapping):
            if missing := [n for n in subject.arguments if n not in entry]:
                given = ", ".join(map(str, entry))
                raise CheckError(
                    f"{subject.name} takes ({', '.join(subject.arguments)}); inputs has {given}, and no {missing[0]}"
                )
            entry = tuple(entry[n] for n in subject.arguments)
        arrays = [_array(a) for a in (entry if isinstance(entry, tuple) else (entry,))]
        if len(arrays) != len(subject.arguments):
            names = ", ".join(subject.arguments)
            raise CheckError(
                f"{subject.name} takes ({names}); inputs has {len(arrays)} arrays, give a tuple of one each"
            )
        label = GIVEN if number == 0 and not isinstance(inputs, list) else f"{GIVEN} {number}"
        made = case(subject, label, arrays)
        _run(subject, made)
        yield made


def case(subject: Subject, label: str, arrays: list[Array]) -> Case:
    named: Mapping[str, Array] = dict(zip(subject.arguments, arrays, strict=True))
    free = {name: a for name, a in named.items() if a.dtype.kind == "f" and name not in subject.targets}
    if not free and not subject.parameters and not hasattr(subject, "reading"):
        raise CheckError(f"{subject.name}: inputs must have floats; got {', '.join(str(a.dtype) for a in arrays)}")
    values = {name: np.array(a, np.float64) for name, a in {**free, **subject.parameters}.items()}
    return Case(label, subject.arguments, values, {name: a for name, a in named.items() if name not in free})


def _array(value: Any) -> Array:
    return np.array(
        numbers(value.detach().cpu().numpy() if hasattr(value, "detach") else value, "inputs must be arrays of numbers")
    )


def _run(subject: Subject, made: Case) -> None:
    try:
        subject.forward(made, made.values)
    except Exception as error:
        shapes = ", ".join(str(made.values.get(n, made.constants.get(n, np.zeros(0))).shape) for n in made.arguments)
        raise CheckError(f"{subject.name}.forward failed for inputs of shape {shapes}: {one_line(error)}") from error
