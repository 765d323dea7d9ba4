"""What both sides compute, measured: the worst error of each against the judge, and the values at special points."""

import inspect
import math
import platform
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

import scratch
import torch_impl
from handgrad.dictionary.samples import PARTS, sample
from handgrad.dictionary.source import Entry, fingerprint
from handgrad.judge import Verdict, judge_backward, judge_clip, judge_forward, judge_loss, judge_optimizer, snapshot
from handgrad.judge.ball import Ball
from handgrad.judge.verdict import watched
from handgrad.machine.environment import cpu_model

Numbers = npt.NDArray[Any]
SIDES: dict[str, Any] = {"scratch": scratch, "torch": torch_impl}
DTYPES = (np.float32, np.float64)
STEPS = 60


@dataclass
class Error:
    """The errors of one tensor on one side in one dtype, over all calls."""

    ulps: list[Numbers] = field(default_factory=list)
    share: float = 0.0  # of the radius: 1 is the bound

    def add(self, v: Numbers, reference: Ball) -> None:
        sure = np.isfinite(reference.mid) & np.isfinite(reference.rad)
        gap, rad = np.abs(v - reference.mid)[sure], reference.rad[sure]
        unit = np.abs(np.spacing(reference.mid[sure].astype(reference.format.dtype))).astype(np.float64)
        self.ulps.append(gap / unit)
        self.share = max(self.share, float((gap[rad > 0] / rad[rad > 0]).max(initial=0.0)))

    def row(self) -> dict[str, Any]:
        ulps = np.concatenate(self.ulps)
        most, worst = np.quantile(ulps, 0.99, method="inverted_cdf"), ulps.max()
        return {"most": _short(most), "worst": _short(worst), "share": _short(self.share)}


def measure(entry: Entry) -> dict[str, Any]:
    """Everything `measured.json` holds about an op. Nothing but numbers, texts and lists of them."""
    import torch

    found: dict[str, Any] = {"source": fingerprint(entry)}
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}, PyTorch {torch.__version__}"
    with np.errstate(all="ignore"):
        if errors := _errors(entry):
            found["errors"] = errors
        if points := _points(entry):
            found["points"] = points
        if entry.family == "Schedules":
            ours, theirs = (rates(entry, package) for package in SIDES.values())
            found["rates"] = {"numbers": len(ours), "equal": sum(a == b for a, b in zip(ours, theirs, strict=True))}
        if entry.family == "Initial values" and entry.name != "calculate_gain":
            found["draws"] = {side: [_short(number(drawn(entry, side))) for number in STATISTICS] for side in SIDES}
    return {**found, "on": f"{versions}, {cpu_model()}"}


def build(entry: Entry, package: Any, dtype: npt.DTypeLike) -> Any:
    """The layer or loss of the sample on one side; the parameters are drawn on the hand-written side."""
    if entry.name in PARTS:
        parts = (_construct(package, part, {"in_features": 8, "out_features": 8}, dtype) for part in PARTS[entry.name])
        return getattr(package, entry.name)(*parts)
    op = _construct(package, entry.name, sample(entry.name).arguments, dtype)
    if isinstance(op, torch_impl.Model):
        op.load_state_dict(build(entry, scratch, dtype).state_dict())
    return op


def _construct(package: Any, name: str, arguments: Mapping[str, Any], dtype: npt.DTypeLike) -> Any:
    """With those of the arguments, a dtype and a seed that the op has."""
    known = inspect.signature(getattr(scratch, name)).parameters
    given = {"dtype": dtype, "rng": 1, **arguments}
    return getattr(package, name)(**{key: value for key, value in given.items() if key in known})


def draw(kind: str, shape: tuple[int, ...], dtype: npt.DTypeLike, rng: np.random.Generator) -> Numbers:
    """An array of one of the catalogue's `KINDS`."""
    rows, classes = shape[0], shape[-1]
    if kind == "wide":
        size = math.prod(shape)
        even = np.linspace(-12, 12, size // 2)
        scaled = rng.standard_normal(size - even.size) * 10 ** rng.uniform(-6, 3, size - even.size)
        return np.concatenate([even, scaled]).reshape(shape).astype(dtype)
    makers: dict[str, Callable[[], Any]] = {
        "real": lambda: rng.standard_normal(shape),
        "moderate": lambda: 3 * rng.standard_normal(shape),
        "probability": lambda: rng.random(shape),
        "positive": lambda: rng.uniform(0.05, 4, shape),
        "log probability": lambda: scratch.LogSoftmax(-1).forward(2 * rng.standard_normal(shape)),
        "count": lambda: rng.integers(0, 10, shape).astype(float),
        "binary": lambda: rng.integers(0, 2, shape).astype(float),
        "sign": lambda: rng.choice([-1.0, 1.0], shape),
        "row sign": lambda: rng.choice([-1.0, 1.0], rows),
        "class": lambda: rng.integers(0, classes, rows),
        "labels": lambda: np.where(
            np.arange(classes) < 3, rng.permuted(np.tile(np.arange(classes), (rows, 1)), axis=1), -1
        ),
        "index": lambda: rng.integers(0, 7, (rows, 4)),
    }
    drawn = np.asarray(makers[kind]())
    return drawn.astype(dtype) if drawn.dtype.kind == "f" else drawn


def _errors(entry: Entry) -> list[dict[str, Any]]:
    """One row for each tensor, dtype and side."""
    judged = JUDGED.get(entry.family)
    if judged is None:
        return []
    rows = []
    for dtype in DTYPES:
        for side, package in SIDES.items():
            found: dict[str, Error] = {}

            def watch(tensor: str, v: Numbers, reference: Ball, found: dict[str, Error] = found) -> None:
                found.setdefault(_plain(tensor), Error()).add(v, reference)

            with watched(watch):
                judged(entry, package, dtype)
            for tensor, error in found.items():
                if sum(part.size for part in error.ulps) and tensor != "step":
                    rows.append({"tensor": tensor, "dtype": np.dtype(dtype).name, "side": side, **error.row()})
    return rows


def _plain(tensor: str) -> str:
    """Without numbers and names of single parameters."""
    text = re.sub(r" of (parameter \d+|all)$", "", re.sub(r"gradient of parameter \d+", "gradients", tensor))
    return re.sub(r"\[\d+\]", "", re.sub(r"^(new (parameter \d+|all)|parameters, which.*)$", "new parameters", text))


def _short(value: float) -> float:
    return float(f"{value:.3g}")


def _judge_layer(entry: Entry, package: Any, dtype: npt.DTypeLike) -> None:
    row, rng, model = sample(entry.name), np.random.default_rng(0), build(entry, package, dtype)
    arrays = [draw(kind, row.shape, dtype, rng) for kind in row.inputs]
    output = model.forward(*arrays)
    upstream = rng.standard_normal(output.shape).astype(dtype)
    x: Any = arrays[0] if len(arrays) == 1 else tuple(arrays)
    _hold(judge_forward(model, x), judge_backward(model, x, upstream))


def _judge_loss(entry: Entry, package: Any, dtype: npt.DTypeLike) -> None:
    row, rng = sample(entry.name), np.random.default_rng(0)
    loss = build(entry, package, dtype)
    for _ in range(8):
        _hold(judge_loss(loss, *(draw(kind, row.shape, dtype, rng) for kind in row.inputs)))


def _judge_optimizer(entry: Entry, package: Any, dtype: npt.DTypeLike) -> None:
    def judged(optimizer: Any, closure: Callable[[], Any]) -> None:
        before = snapshot(optimizer)
        optimizer.step(closure)
        _hold(judge_optimizer(optimizer, before))

    descend(entry, package, dtype, judged)


def descend(entry: Entry, package: Any, dtype: npt.DTypeLike, step: Callable[[Any, Any], None]) -> Numbers:
    """The path of `STEPS` steps down a ravine, ½(x² + 16y²)."""
    start, slopes = np.array([[-2.0, 0.8]], dtype), np.array([[1.0, 16.0]], dtype)
    place = _table if entry.name == "SparseAdam" else _parameter
    parameter, give = place(package, start)
    optimizer = getattr(package, entry.name)([parameter], **sample(entry.name).arguments)
    path = [start]

    def closure() -> float:
        give(slopes * parameter.data)
        return float((slopes * parameter.data**2).sum() / 2)

    for _ in range(STEPS):
        closure()
        step(optimizer, closure)
        path.append(np.array(parameter.data))
    return np.concatenate(path)


def _parameter(package: Any, start: Numbers) -> tuple[Any, Callable[[Numbers], None]]:
    """A parameter, and a function that gives it its gradient."""
    parameter = package.Parameter(start)
    return parameter, lambda gradient: setattr(parameter, "grad", gradient)


def _table(package: Any, start: Numbers) -> tuple[Any, Callable[[Numbers], None]]:
    """The same with the row of a table, whose gradient comes from looking it up."""
    table = package.Embedding(*start.shape, sparse=True, dtype=start.dtype)
    table.load_state_dict({"weight": start})
    (parameter,) = table.parameters()

    def give(gradient: Numbers) -> None:
        table.zero_grad()
        table.forward(np.array([0]))
        table.backward(gradient)

    return parameter, give


def _judge_clip(entry: Entry, package: Any, dtype: npt.DTypeLike) -> None:
    if entry.name != "clip_grad_norm_":  # the other one rounds nothing
        return
    rng = np.random.default_rng(0)
    for scale in (0.01, 0.1, 1.0, 10.0):
        before = [(scale * rng.standard_normal(shape)).astype(dtype) for shape in ((4, 3), (5,))]
        parameters = [package.Parameter(np.zeros_like(gradient)) for gradient in before]
        for parameter, gradient in zip(parameters, before, strict=True):
            parameter.grad = gradient
        total = package.clip_grad_norm_(parameters, 1.0)
        _hold(judge_clip(parameters, before, total, 1.0))


def _hold(*verdicts: Verdict) -> None:
    """What is outside of its bound is no number for a dictionary."""
    for verdict in verdicts:
        if not verdict.held:
            raise ArithmeticError(verdict.render())


JUDGED: dict[str, Callable[[Entry, Any, npt.DTypeLike], None]] = {
    "Activations": _judge_layer,
    "Layers": _judge_layer,
    "Losses": _judge_loss,
    "Optimizers": _judge_optimizer,
    "Clipping": _judge_clip,
}

STATISTICS: tuple[Callable[[Numbers], Any], ...] = (np.mean, np.std, np.min, np.max)


def drawn(entry: Entry, side: str) -> Numbers:
    """A weight of 300 × 200 as the function fills it: by NumPy, or by torch's own generator."""
    import torch

    arguments, shape = dict(sample(entry.name).arguments), (300, 200)
    if side == "scratch":
        random = {"rng": 0} if "rng" in inspect.signature(entry.op).parameters else {}
        return np.asarray(entry.op(np.empty(shape), **arguments, **random))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return np.asarray(getattr(torch.nn.init, entry.name)(torch.empty(shape, dtype=torch.float64), **arguments))


def rates(entry: Entry, package: Any) -> list[float]:
    """The rate of each of `STEPS` steps; a number that gets better for 20 steps is what a plateau is told of."""
    optimizer = package.SGD([package.Parameter(np.ones(2))], lr=0.1, momentum=0.9)
    options = dict(sample(entry.name).arguments)
    if entry.name == "SequentialLR":
        options["schedulers"] = [package.LinearLR(optimizer, total_iters=10), package.CosineAnnealingLR(optimizer, 50)]
    schedule = getattr(package, entry.name)(optimizer, **options)
    found = [optimizer.param_groups[0]["lr"]]
    for i in range(STEPS):
        optimizer.step()
        schedule.step(*([max(1.0 - i / 20, 0.0)] if entry.name == "ReduceLROnPlateau" else []))
        found.append(optimizer.param_groups[0]["lr"])
    return found


def _points(entry: Entry) -> list[list[str]]:
    """Rows of texts: the point, then value and derivative of one side and of the other, in float32."""
    row = sample(entry.name)
    if entry.family == "Activations" and row.row == (None,):
        places: list[Any] = [*sorted({-math.inf, -0.0, math.inf, *row.points}), math.nan]
        places.insert(places.index(-0.0) + 1, 0.0)
        return [[written(x), *_at(entry, (x,))] for x in places]
    return [[", ".join(map(written, point)), *_at(entry, point)] for point in row.points]


def _at(entry: Entry, point: tuple[float, ...]) -> list[str]:
    """A loss of one number, an activation of 16 equal ones: torch computes eight at a time by a kernel of their own."""
    cells: list[str] = []
    for package in SIDES.values():
        op = build(entry, package, np.float32)
        arrays = [np.full((1, 1) if entry.family == "Losses" else 16, x, np.float32) for x in point]
        value = op.forward(*arrays)
        slope = op.backward(None if entry.family == "Losses" else np.ones_like(value))
        cells += [written(float(np.ravel(a)[0])) for a in (value, slope)]
    return cells


def written(value: float) -> str:
    text = f"{value:.8g}".replace("inf", "∞").replace("nan", "NaN").replace("-", "−")
    return re.sub(r"e([−+])0*(\d)", r"e\1\2", text)
