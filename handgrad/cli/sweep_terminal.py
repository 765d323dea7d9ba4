"""What `handgrad sweep` shows in a terminal."""

import math
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import JustifyMethod
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from contract.names import SIDES
from handgrad.errors import refusing
from handgrad.experiments.own import OwnFile
from handgrad.files import REPORT, RESULT, output_folder
from handgrad.format import share
from handgrad.lock import locked
from handgrad.machine.environment import usable_cores
from handgrad.stopping import interruptible
from handgrad.sweep.dead_relu import disagreements, rates
from handgrad.sweep.outcome import ending
from handgrad.sweep.page import cell_words, judged, spread, write_page, written
from handgrad.sweep.plan import Plan, SweepRequest, plan
from handgrad.sweep.presets import DEAD_RELU, DEAD_RELU_SEEDS, NETS, PRESETS, asked, dead_relu
from handgrad.sweep.record import Outcome, Sweep
from handgrad.sweep.run import stored, sweep
from handgrad.sweep.summary import rows
from handgrad.sweep.text import value_words, words
from handgrad.terminal import REFRESH, Terminal

SHOWN = 40  # rows of the table in a terminal; the page and the JSON have all


@dataclass(frozen=True)
class SweepOptions:
    """What the command line said, parsed; None where it said nothing."""

    name: str | None
    preset: str | None
    axes: dict[str, tuple[Any, ...]]
    csv: OwnFile | None
    given: dict[str, Any]
    seed: int | None
    seeds: int | None
    metric: str | None
    device: str

    @property
    def folder(self) -> str:
        """Below `runs`, unless --out says otherwise."""
        name = self.preset or Path((self.csv and self.csv.path) or (self.name or "").rpartition(":")[2] or "").stem
        return f"sweep-{name}"


def planned(options: SweepOptions) -> Plan:
    """The sweep that the command line asks for. What cannot be run is refused in one line."""
    rest: dict[str, Any] = {"given": options.given, "seed": options.seed, "device": options.device}
    with refusing():
        if options.name == DEAD_RELU:
            return dead_relu(SweepRequest(None, {}, seeds=options.seeds or DEAD_RELU_SEEDS, **_alone(options, rest)))
        if options.name in PRESETS and options.preset is None:
            raise ValueError(f"{options.name} is a preset: handgrad sweep --preset {options.name}")
        rest |= {"axes": options.axes, "csv": options.csv}
        rest |= {key: value for key in ("seeds", "metric") if (value := getattr(options, key)) is not None}
        if options.name is not None or options.csv is not None:
            rest["name"] = options.name
        if options.preset is None:
            return plan(SweepRequest(**{"name": None, **rest}))
        if options.preset not in PRESETS:
            hint = " (dead-relu is a name: handgrad sweep dead-relu)" if options.preset == DEAD_RELU else ""
            raise ValueError(f"--preset must be one of {', '.join(PRESETS)}; got {options.preset!r}{hint}")
        return plan(asked(PRESETS[options.preset], **rest))


def _alone(options: SweepOptions, rest: dict[str, Any]) -> dict[str, Any]:
    """`rest`, if nothing was said that makes no sense for the dead ReLU."""
    others: dict[str, object] = {
        "--preset": options.preset,
        "--csv": options.csv,
        "--metric": options.metric,
    }
    of_recipe = {name: options.given.get(name) for name in ("loss", "class_weights", "optimizer_options")}
    others |= {f"--{name.replace('_', '-')}": value for name, value in {**options.axes, **of_recipe}.items()}
    if used := [option for option, value in others.items() if value is not None]:
        raise ValueError(f"{DEAD_RELU} is one net with a recipe of its own; {used[0]} does not go with it")
    return rest


def run(plan_: Plan, jobs: int | None, out: Path, resume: bool, command: str) -> int:
    """Do the sweep with everything a terminal shows of it. Returns the exit code."""
    console = Terminal()
    with refusing(f"--out {out}"), ExitStack() as held:
        output_folder(out, (REPORT, RESULT))
        held.enter_context(locked(out))
        kept = stored(plan_, out / RESULT) if resume else []
        found = _follow(plan_, kept, jobs or usable_cores(), out / RESULT, command, console)
        with interruptible(), console.status("writing the page"):
            write_page(found, out / REPORT)
    if "net" in plan_.axes:
        console.print(rates_table(found))
        for net, seed in disagreements(found):
            console.print(f"{net} from seed {seed} is dead on one side alone", style="bold red")
    else:
        console.print(summary_table(found))
    for outcome in found.failed[:1]:
        console.print(f"\n{_run_words(outcome)}, its first number outside the bounds:", soft_wrap=True)
        console.print(outcome.failure, soft_wrap=True)
    console.print(f"\nreport  {out / REPORT}\nresult  {out / RESULT}\n", soft_wrap=True)
    console.print(verdict(found), style=ending(found).style, soft_wrap=True)
    return ending(found).exit_code


def _follow(plan_: Plan, kept: list[Outcome], jobs: int, path: Path, command: str, console: Terminal) -> Sweep:
    """Run it with a live bar, and a line for each run that fails parity."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed:,}/{task.total:,} runs"),
    )
    times = (TimeElapsedColumn(), TimeRemainingColumn(), TextColumn("{task.fields[note]}", markup=False))
    runs = len(plan_.cells) * len(plan_.seeds)
    with Progress(*columns, *times, console=console, auto_refresh=False) as progress:
        task, shown = progress.add_task("sweep", total=runs, completed=len(kept), note=""), 0.0

        def done(found: Sweep, outcome: Outcome) -> None:
            nonlocal shown
            if not outcome.parity:
                line = f"{_run_words(outcome)}: parity FAILED"
                progress.console.print(line, style="bold red", soft_wrap=True)
            now = time.monotonic()
            if now - shown < REFRESH and len(found.outcomes) < runs:
                return
            shown = now
            values = " / ".join(_value(found, value) for value in outcome.values[plan_.metric].values())
            progress.update(task, completed=len(found.outcomes), note=f"{_run_words(outcome)}: {values}")
            progress.refresh()

        return sweep(plan_, jobs, path, command, kept, done)


def _value(found: Sweep, value: float | None) -> str:
    return written(found, float("nan") if value is None else value)


def _run_words(outcome: Outcome) -> str:
    cell = ", ".join(f"{words(name)} {value_words(value)}" for name, value in outcome.cell.items())
    return f"{cell}, seed {outcome.seed}"


def summary_table(found: Sweep) -> Table:
    """Every combination, the best first."""
    plan_, table = found.plan, Table(header_style="bold", title=found.plan.metric.replace("_", " "))
    for name in plan_.varied:
        table.add_column(name.partition("_")[0])  # batch_size: six of them have to fit into 80 characters
    for name in SIDES.values():
        table.add_column(name, justify="right")
    table.add_column("parity")
    ranked = rows(found)
    for row in ranked[:SHOWN]:
        cells = [value_words(row.cell[name]) for name in plan_.varied]
        cells += ["\n".join(filter(None, texts)) for texts in spread(found, row).values()]
        parity = f"{'held' if row.parity else 'FAILED'}\n{row.held} of {row.runs}"
        table.add_row(*cells, Text(parity, style="green" if row.parity else "bold red"))
    notes = [judged(found)]
    if len(plan_.seeds) > 1:
        notes.insert(0, f"median over {len(plan_.seeds)} seeds, smallest to largest")
    if len(ranked) > SHOWN:
        notes.append(f"the best {SHOWN} of {len(ranked)}; the report has all")
    table.caption = "; ".join(notes)
    return table


def rates_table(found: Sweep) -> Table:
    """Dead runs of both nets on both sides, beside the theory."""
    table = Table(header_style="bold", caption=judged(found))
    for name in ("net", "side", "dead", "share", "95 % interval", "theory", "theory inside"):
        table.add_column(name, justify="left" if name in ("net", "side", "theory inside") else "right")
    for rate in rates(found):
        low, high = rate.interval
        cells = (f"{rate.dead} of {rate.runs}", share(rate.share), f"{share(low)} to {share(high)}", share(rate.theory))
        table.add_row(rate.net.replace("_", " "), SIDES[rate.side], *cells, "yes" if rate.consistent else "no")
    return table


def verdict(found: Sweep) -> str:
    """The whole sweep in one line."""
    done, kept = len(found.outcomes), f", {found.kept:,} of them before" if found.kept else ""
    parity = f"parity failed in {len(found.failed):,} of" if found.failed else "parity held in"
    text = f"{ending(found).word}: {parity} {done:,} runs on both sides"
    if done < found.runs:
        text += f"; {found.runs - done:,} are left, --resume does them"
    if "net" in found.plan.axes:
        text += f"; the sides {'agree about every seed' if not disagreements(found) else 'disagree'}"
    elif ranked := rows(found):
        text += f"; best: {cell_words(found, ranked[0])}, {written(found, ranked[0].median['scratch'])}"
    return f"{text} ({found.seconds:.0f} s{kept})"


def show_presets() -> None:
    """The table of `handgrad sweep --list`."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("preset", "source", "of", "values", "runs"):
        justify: JustifyMethod = "right" if heading == "runs" else "left"
        table.add_column(heading, no_wrap=heading in ("preset", "source", "runs"), justify=justify)
    for name, preset in PRESETS.items():
        values = "; ".join(f"{words(axis)} {', '.join(map(value_words, some))}" for axis, some in preset.axes.items())
        runs = preset.seeds * math.prod(map(len, preset.axes.values()))
        table.add_row(name, preset.source, preset.name, values, str(runs))
    table.add_row(DEAD_RELU, "004", ", ".join(NETS.values()), f"net {', '.join(NETS)}", str(2 * DEAD_RELU_SEEDS))
    Terminal().print(table)
