"""Helpers for the lesson notebooks: training that stops for pictures, tables, and refusals.

Nothing here trains by itself: `handgrad.training.train` does, judged as in `handgrad compare`. Nothing here writes a
file.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import marimo as mo
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

import scratch
import torch_impl
from contract import Array
from handgrad.experiments import EXPERIMENTS, Expectation
from handgrad.experiments.score import class_scores, true_classes
from handgrad.machine.environment import one_thread
from handgrad.report import plots
from handgrad.report.plots import plain_number as number
from handgrad.report.plots import styled
from handgrad.training.outcome import Outcome
from handgrad.training.record import Run
from handgrad.training.train import lattice, prepare, train

SIDES = {"NumPy": scratch, "PyTorch": torch_impl}
KEYS = {"NumPy": "scratch", "PyTorch": "torch"}  # the sides' names in a run
DIGITS = 5e-5  # how far a number printed with four decimals can be from the one that was printed

STYLE = """<style>
.notebook { --ink: light-dark(#1b2027, #e8ebef); --muted: light-dark(#5a636e, #a3adb8); --grid: light-dark(#d5dae1, #353c46);
  --numpy: light-dark(#0072b2, #56b4e9); --torch: light-dark(#d55e00, #f5863a); --good: light-dark(#00734f, #4fd0a3);
  --bad: light-dark(#b3261e, #ff8f85); color: var(--ink); max-width: 100%; }
.notebook figure { margin: 0.5rem 0; max-width: 44rem; }
.notebook svg { display: block; width: 100%; height: auto; }
.notebook figcaption, .notebook small { color: var(--muted); font-size: 0.9rem; line-height: 1.4; }
.notebook .scroll { overflow-x: auto; }
.notebook table { width: max-content; border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.92rem; }
.notebook th, .notebook td { max-width: 17rem; padding: 0.35rem 0.9rem 0.35rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--grid); }
.notebook th { font-weight: 600; }
.notebook pre { margin: 0.3rem 0; padding: 0.6rem 0.8rem; border-left: 4px solid var(--bad); background: none;
  white-space: pre-wrap; overflow-wrap: anywhere; font-size: 0.86rem; line-height: 1.45; }
.notebook pre.good { border-color: var(--good); }
.notebook ul { list-style: none; padding: 0; } .notebook li::before { content: "✓ "; color: var(--good); font-weight: 700; }
.notebook li.bad::before { content: "✗ "; color: var(--bad); }
.notebook .shelf { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); gap: 0.5rem 1.2rem; }
</style>"""  # noqa: E501  # one rule, one line


# --- training -------------------------------------------------------------------------------------------------------


def run(name: str, **changes: Any) -> Run:
    """The experiment `name` of `handgrad list`, with `changes` to its recipe, trained and judged on both sides.

    Only every 500th step and the last are judged, unless `judge_every` says otherwise: a reader waits.
    """
    return train(prepare(replace(EXPERIMENTS[name], **{"judge_every": 500} | changes)), pictures=False)


@dataclass(frozen=True)
class Film:
    """A run, and what both nets answered at some moments of it."""

    run: Run
    moments: tuple[int, ...]  # steps done; 0 is the untrained net
    answers: dict[str, list[Array]]  # side → for each moment the outputs on `at`
    at: Array

    def answer(self, side: str, moment: int) -> Array:
        """The outputs of "NumPy" or "PyTorch" after `moment` steps."""
        return self.answers[KEYS[side]][self.moments.index(moment)]


def film(name: str, moments: Sequence[int], at: Array | None = None, **changes: Any) -> Film:
    """Train as `run` does, and keep both nets' outputs on `at` (over the plane, if None) at each moment."""
    prepared = prepare(replace(EXPERIMENTS[name], **{"judge_every": 500} | changes))
    points = lattice(prepared.data.x_train) if at is None else at
    answers: dict[str, list[Array]] = {side: [] for side in prepared.trainers}

    def keep() -> None:
        for side, trainer in prepared.trainers.items():
            answers[side].append(trainer.model.forward(points.astype(prepared.experiment.dtype)).astype(np.float64))

    def on_step(run: Run) -> None:
        if len(run.divergence) in moments:
            keep()

    keep()
    done = train(prepared, on_step=on_step, pictures=False)
    return Film(done, tuple(moments), answers, points)


def at_most(metric: str, value: float) -> Expectation:
    """What a recipe of a lesson's own has to reach."""
    return Expectation(metric, "max", value)


def at_least(metric: str, value: float) -> Expectation:
    """The same, from the other side."""
    return Expectation(metric, "min", value)


def both(work: Callable[[Any], Any]) -> dict[str, Any]:
    """What `work` makes of each side: of the package `scratch`, and of `torch_impl`, which has the same names."""
    with one_thread():  # of nets this small, threads only wait for each other
        return {name: work(side) for name, side in SIDES.items()}


def refused(error: type[Exception], call: Callable[[], Any]) -> str:
    """What `call` says when it refuses, with the name of the error; "" where it does not refuse."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a warning is what torch says where it should refuse
        try:
            call()
        except error as refusal:
            return f"{type(refusal).__name__}: {refusal}"
    return ""


def warned(call: Callable[[], Any]) -> tuple[Any, str]:
    """What `call` returns, and the first warning it gave; "" where it gave none."""
    with warnings.catch_warnings(record=True) as caught, one_thread():
        warnings.simplefilter("always")
        value = call()
    return value, (f"{caught[0].category.__name__}: {caught[0].message}" if caught else "")


# --- what is shown --------------------------------------------------------------------------------------------------


def show(*parts: str) -> mo.Html:
    """Parts of a page, in the notebook's style."""
    return mo.Html(f'{STYLE}<div class="notebook">{"".join(parts)}</div>')


_drawn = iter(range(10**9))


def picture(figure: Figure, label: str) -> str:
    """A figure with a caption, which a screen reader reads too."""
    svg = plots.to_svg(figure, f"p{next(_drawn)}", label)
    return f"<figure>{svg}<figcaption>{escape(label)}</figcaption></figure>"


def shelf(*parts: str) -> str:
    """Pictures beside each other, below each other on a narrow screen."""
    return f'<div class="shelf">{"".join(parts)}</div>'


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table. Texts are shown as they are."""
    cells = ["".join(f"<td>{escape(str(cell))}</td>" for cell in row) for row in rows]
    titles = "".join(f'<th scope="col">{escape(title)}</th>' for title in head)
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    return f'<div class="scroll"><table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>'


def said(text: str, good: bool = False) -> str:
    """What a program said: a failure, or (good) a refusal."""
    return f'<pre class="{"good" if good else "bad"}">{escape(text)}</pre>'


def checklist(promises: Mapping[str, bool]) -> mo.Html:
    """Each promise of the lesson, and whether it was kept with the settings above."""
    items = "".join(f'<li class="{"good" if kept else "bad"}">{escape(text)}</li>' for text, kept in promises.items())
    return show(f"<ul>{items}</ul>")


def measured(run: Run) -> list[str]:
    """What the run's expectation speaks about, on each side."""
    reached = [side.reached for side in Outcome.of(run).sides.values()]
    return ["–" if value is None else number(value, 4) for value in reached]


def results(runs: Mapping[str, Run]) -> str:
    """Source, band and both sides, a line for each run. Whether the expectation is met is `met`'s to say."""
    rows = []
    for title, done in runs.items():
        recipe = done.experiment
        parity = "held" if done.parity else "FAILED"
        rows.append((title, recipe.printed, recipe.band, str(recipe.expect), *measured(done), parity))
    return table(("net", "the source printed", "measured over 20 seeds", "expected", *SIDES, "parity"), rows)


def met(done: Run) -> bool:
    """Whether both sides of a run keep its expectation."""
    return Outcome.of(done).met


def curves(done: Run, label: str) -> str:
    """The loss of every step, both sides on top of each other."""
    ours, theirs = (np.asarray(side.losses) for side in done.sides.values())
    return picture(plots.loss_curves(ours, theirs), label)


def plane(film: Film, side: str, moment: int) -> str:
    """What one side answers over the plane of its two inputs after `moment` steps."""
    data, answer = film.run.data, film.answer(side, moment)
    label = f"{side} after {moment} step{'s' * (moment != 1)}"
    if data.classes is None:
        targets = data.y_train[:, 0]
        limits = (float(targets.min()), float(targets.max()))
        return picture(plots.surface(film.at, answer[:, 0], data.x_train, targets, limits, data.features), label)
    scores, labels = class_scores(film.run.experiment, data, answer), true_classes(data, data.y_train)
    figure = plots.class_regions(film.at, scores, data.x_train, labels, data.classes, data.features)
    return picture(figure, label)


@styled
def lines(
    x_label: str, y_label: str, curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], log: bool = False
) -> Figure:
    """Curves by name: x and y of each. Names that begin with a side's have its colour; the others are dark and grey."""
    figure = Figure(figsize=(5.6, 3.7), layout="constrained")
    axes = figure.add_subplot(xlabel=x_label, ylabel=y_label)
    spare = iter((plots.INK, plots.MUTED, plots.CLASS_COLOURS[1], plots.CLASS_COLOURS[0]))
    for name, (x, y) in curves.items():
        side = next((key for title, key in KEYS.items() if name.startswith(title)), None)
        look: dict[str, Any] = (
            {"color": next(spare), "linewidth": 1.8, "zorder": 1.9} if side is None else plots.SIDE_LINES[side]
        )
        axes.plot(x, y, label=name, **look)
    if log:
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 200 else (1,), numticks=9))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    columns = 1 if max(map(len, curves)) > 26 else 2
    figure.legend(loc="outside upper left", ncols=columns, borderaxespad=0)
    return figure


@styled
def draw(size: tuple[float, float], paint: Callable[[Figure], None]) -> Figure:
    """A figure of that many inches which `paint` fills, in the house's style."""
    figure = Figure(figsize=size, layout="constrained")
    paint(figure)
    return figure
