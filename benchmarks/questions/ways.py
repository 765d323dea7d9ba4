"""What does it cost to write a line of the hand-written side in another way? Each pair is timed on the same arrays."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import scratch
from benchmarks.nets import Case
from benchmarks.parity import ParityError
from benchmarks.questions.format import ratio_cell, time_cell
from benchmarks.questions.question import Question, Settings, Table
from benchmarks.questions.timed import time_works
from benchmarks.result import Row, seconds_of
from benchmarks.timing import Work
from scratch.activations.functions import zero_where
from scratch.optim.optimizer import pieces

Array = npt.NDArray[Any]
SHAPES = ((100, 2, 5), (256, 784, 512))  # batch, inputs and outputs of a layer


class Arrays(NamedTuple):
    """Of a layer: input, weight as `scratch.Linear` has it, and by rows; output, upstream gradient; classes."""

    x: Array
    weight: Array
    rows: Array
    y: Array
    delta: Array
    target: Array


class Way(NamedTuple):
    """One line as it stands in scratch/ and as it could be. Their results are sums of `terms` products, or exact."""

    what: str
    kept: tuple[str, Callable[[Arrays], Any]]
    other: tuple[str, Callable[[Arrays], Any]]
    terms: Callable[[Arrays], int] = lambda a: 0


def classes_last(a: Arrays) -> Array:
    """Softmax cross-entropy's gradient, sample by sample in memory."""
    shifted = a.y - a.y.max(1, keepdims=True)
    p = np.exp(shifted - np.log(np.exp(shifted).sum(1, keepdims=True)))
    p[np.arange(len(p)), a.target] -= 1
    return np.asarray(p)


def classes_first(a: Arrays) -> Array:
    columns = np.ascontiguousarray(a.y.T)
    shifted = columns - columns.max(0)
    p = np.exp(shifted - np.log(np.exp(shifted).sum(0)))
    p[a.target, np.arange(len(a.y))] -= 1
    return np.asarray(p.T)


def adam(whole: bool) -> Callable[[Arrays], Array]:
    """Adam's lines on the weight's size, from zeros; at once, or in the pieces of `scratch.optim`."""

    def update(a: Arrays) -> Array:
        arrays = (a.weight.copy("K"), a.weight, np.zeros_like(a.weight), np.zeros_like(a.weight))
        for p, g, m, v in (arrays,) if whole else pieces(*arrays):
            m *= 0.9
            m += 0.1 * g
            v *= 0.999
            v += 0.001 * g * g
            p -= 0.01 * m / (np.sqrt(v) / 0.03 + 1e-8)
        return arrays[0]

    return update


WAYS = (
    Way(
        "y = x Wᵀ",
        ("W by columns", lambda a: a.x @ a.weight.T),
        ("W by rows", lambda a: a.x @ a.rows.T),
        lambda a: a.x.shape[1],
    ),
    Way(
        "dW = δᵀ x",
        ("x.T.dot(δ).T", lambda a: a.x.T.dot(a.delta).T),
        ("δ.T @ x", lambda a: a.delta.T @ a.x),
        lambda a: len(a.x),
    ),
    Way(
        "db = Σ δ",
        ("ones.dot(δ)", lambda a: np.ones(len(a.delta), a.delta.dtype).dot(a.delta)),
        ("δ.sum(0)", lambda a: a.delta.sum(0)),
        lambda a: len(a.delta),
    ),
    Way("ReLU", ("y.clip(0, inf)", lambda a: a.y.clip(0, np.inf)), ("maximum(y, 0)", lambda a: np.maximum(a.y, 0))),
    Way(
        "ReLU's gradient",
        ("bits masked", lambda a: zero_where(a.y <= 0, a.delta)),
        ("where", lambda a: np.where(a.y <= 0, 0, a.delta)),
    ),
    Way(
        "δ where y > 0",
        ("bits masked", lambda a: zero_where(a.y <= 0, a.delta)),
        ("δ * (y > 0)", lambda a: a.delta * (a.y > 0)),
    ),
    Way(
        "softmax − one-hot",
        ("classes first", classes_first),
        ("samples first", classes_last),
        lambda a: 8 * a.y.shape[1],  # exp, log, two sums and differences, of numbers up to some ten
    ),
    Way("Adam's lines", ("in pieces", adam(whole=False)), ("at once", adam(whole=True))),
)


def cases(quick: bool) -> list[Case]:
    named = [(way, shape) for shape in SHAPES for way in range(len(WAYS))]
    return [{"name": f"{WAYS[way].what}, {sizes(shape)}", "way": way, "shape": list(shape)} for way, shape in named]


def sizes(shape: tuple[int, ...]) -> str:
    batch, fan_in, fan_out = shape
    return f"{fan_in}→{fan_out}, batch {batch}"


@np.errstate(all="ignore")  # the products are NumPy's own: see scratch.flags
def measure(case: Case, settings: Settings) -> Row:
    way, (batch, fan_in, fan_out) = WAYS[case["way"]], case["shape"]
    rng = np.random.default_rng(0)
    weight = scratch.Linear(fan_in, fan_out, rng=0).weight.data
    x, delta = (rng.standard_normal((batch, n), np.float32) for n in (fan_in, fan_out))
    arrays = Arrays(x, weight, np.ascontiguousarray(weight), x @ weight.T, delta, rng.integers(0, fan_out, batch))
    hold(way, arrays)
    works: dict[str, Work] = {name: partial(call, arrays) for name, call in (way.kept, way.other)}
    return time_works(works, settings)


def hold(way: Way, arrays: Arrays) -> None:
    """Both ways compute the same: exactly, or as two sums of n products do, |a − b| ≤ 2 n u Σ|products|.

    Cauchy-Schwarz bounds Σ|products| by the largest norms of a row of each factor. Raises ParityError.
    """
    kept, other = (np.asarray(call(arrays), float) for _, call in (way.kept, way.other))
    n, u = way.terms(arrays), float(np.finfo(np.float32).eps) / 2
    norms = [max(np.linalg.norm(a, axis=i).max() for i in (0, 1)) for a in (arrays.x, arrays.weight, arrays.delta)]
    scale = max(norms[0] * max(norms[1:]), norms[2] * n**0.5)
    if not abs(kept - other).max() <= 2 * n * u * scale:
        raise ParityError(f"{way.what}: {way.kept[0]} and {way.other[0]} differ by {abs(kept - other).max():.3g}")


def tables(rows: list[Row]) -> list[Table]:
    cells = []
    for row in rows:
        kept, other = seconds_of(row)
        times = [kept, time_cell(row, kept), other, time_cell(row, other)]
        cells.append((row["case"]["name"], *times, ratio_cell(row, other, over=kept)))
    headings = ("line", "as it stands", "time", "in another way", "time", "other / ours")
    return [Table("the same line, written in two ways", headings, cells, once=True)]


WAYS_QUESTION = Question(
    "ways",
    "The same line, written in another way",
    "A ratio above 1 says that the way that stands in `scratch/` is the faster one on arrays of that size.",
    cases,
    measure,
    tables,
    lambda rows: None,
    processes=1,
    in_quick=False,
)
