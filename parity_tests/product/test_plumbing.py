"""Numbers on their way: each reaches the line, the field and the page that carry its name, and no other.

Every number is given a value of its own where it is made, so that two which changed places are seen. Options are
followed the same way: each of them changes what it names, and all that it should.
"""

import io
import json
import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest
from rich.console import Console

import scratch
from handgrad import cli
from handgrad.cli.compare import seeds_table, summary_table, verdict
from handgrad.cli.distributed import distributed_table
from handgrad.cli.options import RECIPE
from handgrad.cli.sweep_terminal import summary_table as sweep_table
from handgrad.distributed.record import DistributedRun
from handgrad.experiments import EXPERIMENTS, Data, Expectation, Experiment
from handgrad.experiments.experiment import METRICS
from handgrad.judge import Ball, Format, Tally, Verdict
from handgrad.report.index import Finished as IndexRow
from handgrad.report.index import write_index
from handgrad.report.page import side_rows, write_report
from handgrad.report.result_json import result
from handgrad.sweep import run as sweep_run
from handgrad.sweep.page import write_page as write_sweep
from handgrad.trace.as_json import to_json as trace_json
from handgrad.trace.compute import Layer, Net, Tensor, Trace, Update
from handgrad.trace.line import Line, Number
from handgrad.trace.page import page as trace_page
from handgrad.trace.text import text as trace_text
from handgrad.training.outcome import Outcome
from handgrad.training.record import EpochRecord, Repeat
from handgrad.training.seeds import Request, repeats
from handgrad.training.sides import SIDES
from handgrad.training.train import batches, prepare, train
from parity_tests.product.test_report import fake_run
from parity_tests.product.test_sweep import made_up

NAMES = {"scratch": "NumPy", "torch": "PyTorch"}


def shown(*renderables) -> str:
    """What a wide terminal shows."""
    stream = io.StringIO()
    Console(file=stream, width=300, highlight=False).print(*renderables)
    return stream.getvalue()


def cells(table) -> dict[str, list[str]]:
    """Label → the cells beside it, of a table with lines between its columns."""
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown(table).splitlines() if "│" in line]
    return {row[0]: row[1:] for row in rows if row[0]}


def html_rows(page: str) -> list[list[str]]:
    """The text of every cell, row by row."""
    rows = re.findall(r"<tr\b.*?</tr>", page, re.DOTALL)
    found = [re.findall(r"<t[hd]\b[^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    return [[" ".join(unescape(re.sub(r"<[^>]*>", " ", cell)).split()) for cell in row] for row in found]


# --- a run ------------------------------------------------------------------------------------------------------------

RECORD = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")


def numbered():
    """A run in which no two numbers are the same, and where each of them must be found: side → field → number."""
    run = fake_run("digits", steps=8, epochs=1)
    expected = {}
    for i, (name, side) in enumerate(run.sides.items(), 1):
        ends = dict(zip(RECORD, (0.0311 * i, 0.0457 * i, 0.4513 * i, 0.3391 * i), strict=True))
        side.epochs = [EpochRecord(0, *(0.9 + 0.01 * i + 0.001 * k for k in range(4))), EpochRecord(1, **ends)]
        side.tally = Tally(steps=3 + i, numbers=70_000 + i, skipped=500 + i, worst=0.125 + 0.25 * i)
        side.seconds = [0.001 * i] * 8
        side.losses = [10.0 * i + step for step in range(8)]
        expected[name] = {
            **ends,
            "steps": side.tally.steps,
            "numbers": side.tally.numbers,
            "skipped": side.tally.skipped,
            "worst": side.tally.worst,
        }
    return run, expected


TERMINAL = {
    "training loss": lambda e: f"{e['train_loss']:.6g}",
    "test loss": lambda e: f"{e['test_loss']:.6g}",
    "training accuracy": lambda e: f"{100 * e['train_accuracy']:.2f} %",
    "test accuracy": lambda e: f"{100 * e['test_accuracy']:.2f} %",
    "steps judged": lambda e: f"{e['steps']} of 8",
    "numbers judged": lambda e: f"{e['numbers']:,}",
    "largest error / bound": lambda e: f"{e['worst']:.3g}",
}


def test_the_terminals_table_of_a_run():
    run, expected = numbered()
    found = cells(summary_table(Outcome.of(run)))
    heading = shown(summary_table(Outcome.of(run))).splitlines()[1]
    assert [cell.strip() for cell in heading.split("┃")[1:-1]] == ["digits", "NumPy", "PyTorch"]
    for label, write in TERMINAL.items():
        assert found[label] == [write(expected[side]) for side in NAMES], label
    (skipped,) = (row for label, row in found.items() if "skipped" in label)
    assert all(f"{expected[side]['skipped']:,}" in cell for side, cell in zip(NAMES, skipped, strict=True))
    assert found["time per step"] == ["1,000 µs", "2,000 µs"]


@pytest.mark.parametrize("culprit", SIDES)
def test_the_terminal_blames_the_side_that_failed(culprit):
    run, _ = numbered()
    run.sides[culprit].tally.wrong_steps = 1
    assert cells(summary_table(Outcome.of(run)))["parity"] == [
        "FAILED" if name == culprit else "held" for name in NAMES
    ]
    assert f"parity failed on {NAMES[culprit]};" in verdict(Outcome.of(run))
    found = result(Outcome.of(run))
    assert {name: side["parity"]["held"] for name, side in found["sides"].items()} == {
        name: name != culprit for name in NAMES
    }
    row = next(row for row in side_rows(Outcome.of(run)) if row.name == "Parity")
    assert row.cells == ["FAILED" if name == culprit else "held" for name in NAMES]


JSON = {
    "final_loss": "train_loss",
    "test_loss": "test_loss",
    "train_accuracy": "train_accuracy",
    "test_accuracy": "test_accuracy",
    "reached": "test_accuracy",  # what the expectation of digits speaks about
    "parity.steps": "steps",
    "parity.numbers": "numbers",
    "parity.skipped": "skipped",
    "parity.worst": "worst",
}


@pytest.mark.parametrize("side", SIDES)
def test_the_json_of_a_run(side):
    run, expected = numbered()
    found = result(Outcome.of(run))["sides"][side]
    for path, field in JSON.items():
        value = found
        for key in path.split("."):
            value = value[key]
        assert value == expected[side][field], path
    assert found["seconds_per_step"] == np.median(run.sides[side].seconds)
    assert found["seconds_total"] == pytest.approx(sum(run.sides[side].seconds))
    assert found["losses"] == run.sides[side].losses
    assert found["epochs"] == [vars(record) for record in run.sides[side].epochs]
    assert found["confusion"] == run.sides[side].confusion.tolist()


PAGE = {
    "Training loss": lambda e: f"{e['train_loss']:.6g}",
    "Test loss": lambda e: f"{e['test_loss']:.6g}",
    "Training accuracy": lambda e: f"{100 * e['train_accuracy']:.2f} %",
    "Test accuracy": lambda e: f"{100 * e['test_accuracy']:.2f} %",
    "Steps judged": lambda e: str(e["steps"]),
    "Numbers judged": lambda e: f"{e['numbers']:,}",
    "Numbers skipped": lambda e: f"{e['skipped']:,}",
    "Closest approach": lambda e: f"{e['worst']:.3g}",
}


def test_the_page_of_a_run(tmp_path):
    run, expected = numbered()
    write_report(Outcome.of(run), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    rows = html_rows(page)
    (head,) = (row for row in rows if row[-2:] == list(NAMES.values()) and len(row) == 3)
    assert head[1:] == ["NumPy", "PyTorch"]
    for label, write in PAGE.items():
        (row,) = (row for row in rows if row and re.fullmatch(rf"{label}\b.*", row[0]) and len(row) == 3)
        assert row[1:] == [write(expected[side]) for side in NAMES], label


# --- over seeds, and over experiments ---------------------------------------------------------------------------------


def seeded():
    """Three repeats: side → its numbers, ascending, with another spread on each side."""
    run, _ = numbered()
    values = {"scratch": [0.21, 0.52, 0.93], "torch": [0.14, 0.45, 0.86]}
    curves = {side: [0.1, 0.2] for side in NAMES}
    run.repeats = [Repeat(k, True, {side: values[side][k] for side in NAMES}, curves) for k in range(3)]
    return run, values


def test_the_table_over_seeds():
    run, values = seeded()
    run.experiment = replace(run.experiment, expect=replace(run.experiment.expect, value=0.5))
    found = cells(seeds_table(Outcome.of(run)))
    for i, label in enumerate(("smallest", "median", "largest")):
        assert found[f"{label} test accuracy"] == [f"{100 * values[side][i]:.2f} %" for side in NAMES]
    assert found["test accuracy ≥ 0.5"] == ["2 of 3", "1 of 3"]
    assert result(Outcome.of(run))["repeats"] == [
        {
            "seed": k,
            "parity": True,
            "values": (of := {side: values[side][k] for side in NAMES}),
            "met": {side: run.experiment.expect.met(of[side]) for side in NAMES},
        }
        for k in range(3)
    ]


def test_the_index_over_experiments(tmp_path):
    outcomes = []
    for i, name in enumerate(("digits", "iris"), 1):
        sides = {
            side: {"reached": 0.1 * i + 0.01 * k, "parity": {"numbers": 1000 * i + k}} for k, side in enumerate(NAMES)
        }
        found = {"passed": i == 1, "parity": True, "interrupted": False, "undecided": "", "repeats": [], "sides": sides}
        outcomes.append(IndexRow(EXPERIMENTS[name], found, 10.0 * i))
    write_index(outcomes, tmp_path / "index.html", "handgrad compare --all", 30.0, False)
    rows = {row[0].split()[0]: row for row in html_rows((tmp_path / "index.html").read_text()) if row and row[0]}
    for i, name in enumerate(("digits", "iris"), 1):
        row = " | ".join(rows[name])
        assert row.index(f"{10 * i:.2f} %") < row.index(f"{10 * i + 1:.2f} %")  # NumPy, then PyTorch
        assert f"{2000 * i + 1:,} numbers" in row
        assert ("passed" in row, "FAILED" in row) == (i == 1, i == 2)


# --- a sweep ----------------------------------------------------------------------------------------------------------


def test_a_sweep_in_its_json_its_table_and_its_page(tmp_path):
    found = made_up({"width": (2, 4)}, lambda cell, seed: 0.01 * cell["width"])
    found.outcomes = [
        replace(
            outcome,
            values={
                metric: {side: 0.001 * (100 * i + 10 * m + k) for k, side in enumerate(NAMES, 1)}
                for m, metric in enumerate(METRICS, 1)
            },
            stuck={"scratch": i == 1, "torch": False},
            steps=10 * i,
            judged=5 * i,
            numbers=1000 * i,
            worst=0.1 * i,
        )
        for i, outcome in enumerate(found.outcomes, 1)
    ]
    sweep_run.write(found, tmp_path / "result.json")
    written = json.loads((tmp_path / "result.json").read_text())
    for outcome, row in zip(found.outcomes, written["runs"], strict=True):
        assert row == {**vars(outcome)}
    values = {outcome.cell["width"]: outcome.values["final_loss"] for outcome in found.outcomes}
    by_width = cells(sweep_table(found))
    for width, pair in values.items():
        assert by_width[str(width)][:2] == [f"{pair[side]:.4g}" for side in NAMES]
    write_sweep(found, tmp_path / "report.html")
    rows = html_rows((tmp_path / "report.html").read_text())
    for width, pair in values.items():
        (row,) = (row for row in rows if str(width) in row[:3] and any(f"{pair['torch']:.4g}" in c for c in row))
        assert [f"{pair[side]:.4g}" for side in NAMES] == [c.split()[0] for c in row if re.match(r"0\.\d+( |$)", c)][:2]


# --- a trace ----------------------------------------------------------------------------------------------------------

SYMBOLS = ("x", "weight", "y", "dL/dy", "dL/dweight", "dL/dx")


def numbered_trace():
    """A trace in which every tensor of every side is one number of its own."""
    numbers = iter(np.float32(2) ** 3 + np.arange(1, 200, dtype=np.float32) / 8)

    def tensor(symbol, name=""):
        ours, theirs, mid, rad = (next(numbers).reshape(1, 1) for _ in range(4))
        return Tensor(symbol, name, ours, theirs, Ball(mid.astype(float), rad.astype(float), Format.of(np.float32)))

    def layer(name):
        tensors = (tensor(symbol, f"{name}.weight" if "weight" in symbol else "") for symbol in SYMBOLS)
        return Layer(name, "Linear", f"formula of {name}", tuple(tensors), scratch.Linear)

    verdicts = {
        side: Verdict(side=side, failures=[], numbers=k, skipped=0, worst=0.1) for k, side in enumerate(NAMES, 41)
    }
    return Trace(
        experiment="line",
        step=3,
        rows=1,
        loss="the loss",
        target=tensor("t"),
        value=tensor("L"),
        layers=(layer("0"), layer("2")),
        optimizer="the optimizer",
        updates=(
            Update(
                "0.weight", "SparseAdam", {"lr": 0.5}, (tensor("m"),), (tensor("m"), tensor("v")), tensor("new weight")
            ),
        ),
        buffers=(tensor("mean", "0.mean"),),
        verdicts=verdicts,
        program="the program",
        net=Net({}, None, {"0": ("2",), "2": (None,)}),
        loss_op=scratch.MSELoss,
        optimizer_op=scratch.Adam,
    )


def tensors_of(trace):
    updates = [t for u in trace.updates for t in (*u.before, *u.after, u.new)]
    return [*(t for layer in trace.layers for t in layer.tensors), trace.target, trace.value, *updates, *trace.buffers]


def test_a_trace_in_its_json():
    trace = numbered_trace()
    found = json.loads(trace_json(trace))
    assert [found[key] for key in ("experiment", "step", "rows", "held")] == ["line", 3, 1, True]
    flat = [t for layer in found["layers"] for t in layer["tensors"]] + [
        found["loss"]["target"],
        found["loss"]["value"],
    ]
    flat += [t for u in found["updates"] for t in (*u["state_before"], *u["state_after"], u["new"])] + found["buffers"]
    assert found["updates"][0]["options"] == {"lr": 0.5}
    assert found["written_out"] == "the program"
    assert [layer["output_goes_to"] for layer in found["layers"]] == [["2"], [None]]
    for tensor, row in zip(tensors_of(trace), flat, strict=True):
        wanted = {"numpy": tensor.ours, "torch": tensor.theirs, "reference": tensor.ball.mid, "radius": tensor.ball.rad}
        assert {key: row[key] for key in wanted} == {key: value.tolist() for key, value in wanted.items()}
        assert (row["symbol"], row["parameter"], row["ulps_apart"], row["error_over_bound"]) == (
            *(tensor.symbol, tensor.name, tensor.ulps, tensor.ratio),
        )


def test_a_trace_in_its_text_and_on_its_page():
    trace = numbered_trace()
    text, page = trace_text(trace), trace_page(trace)
    for tensor in tensors_of(trace):
        if tensor.symbol == "dL/dx" or (tensor.symbol == "x" and tensor is not trace.layers[0].tensors[0]):
            continue  # shown once, as the y or the dL/dy of its neighbour
        ours, theirs = (f"{value.item(): .6e}" for value in (tensor.ours, tensor.theirs))
        assert re.search(
            rf"  {re.escape(tensor.symbol)}( before| after)? \(1×1\).*\n.*\n *{re.escape(ours)} +{re.escape(theirs)} ",
            text,
        )
        pair = [f"{value.item():.7g}" for value in (tensor.ours, tensor.theirs)]
        assert re.search(rf"<td[^>]*>{re.escape(pair[0])}<small>{re.escape(pair[1])}</small><small>\+[\d,]+ ulp<", page)


def test_an_entry_of_a_trace():
    terms = [
        Line(f"term {i}", Number(1.5 + i, 2.5 + i, 3.5 + i, 0.5), factor=Number(4.0 + i, 5.0, 6.0, 0.0), times=f"x{i}")
        for i in range(2)
    ]
    entry = Line("the entry", Number(21.0, 22.0, 23.0, 0.25), "the sum", tuple(terms))
    found = json.loads(trace_json(numbered_trace(), entry))["entry"]
    assert [found[key] for key in ("numpy", "torch", "reference", "radius", "total")] == [21.0, 22.0, 23.0, 0.25, 18.5]
    assert [term["torch"] for term in found["terms"]] == [2.5, 3.5]
    assert [term["factor"]["numpy"] for term in found["terms"]] == [4.0, 5.0]
    text = trace_text(numbered_trace(), entry)
    for label, value in (("NumPy", 21), ("PyTorch (autograd)", 22), ("the judge", 23), ("sum, rounded once", "18.5")):
        assert re.search(rf"^{re.escape(label)} +{value}\b", text, re.MULTILINE), label
    assert "23 ± 0.25" in text
    assert re.search(r"term 1 +2\.5 +3\.5 +4\.5 ± 0\.5, NumPy and PyTorch outside +x1 = 5 +18\.5$", text, re.MULTILINE)
    page = unescape(trace_page(numbered_trace(), entry))
    assert re.search(r"rounded once: 18.5 .* NumPy: 21 .* PyTorch \(autograd\): 22 .*\s*the judge: 23 ± 0.25", page)


# --- a distributed run ------------------------------------------------------------------------------------------------


def test_the_table_of_a_distributed_run():
    run = DistributedRun()
    run.losses, run.seconds, run.apart, run.equal = [0.75, 0.5, 0.25], 0.006, 3e-7, 2
    run.tallies = {
        "torch": Tally(steps=3, numbers=111, skipped=1, worst=0.25),
        "scratch": Tally(steps=2, numbers=222, skipped=2, worst=0.75),
    }
    ranks = type("Ranks", (), {"world": 2, "backend": "gloo", "rank": 0})()
    found = cells(distributed_table("line", run, ranks))
    for label, row in {
        "loss of the first step": ["0.75"],
        "loss of the last step": ["0.25"],
        "time per step": ["2,000 µs"],
        "averaged through": ["gloo"],
        "weights equal on all ranks": ["2 of 3 steps"],
        "gradients apart / largest": ["3.0e-07"],
        "steps judged": ["3 of 3", "2 of 3"],
        "numbers judged": ["111", "222"],
        "largest error / bound": ["0.25", "0.75"],
    }.items():
        assert [cell for cell in found[label] if cell] == row, label


# --- what the runner does ---------------------------------------------------------------------------------------------


def drawn(seed, points=24):
    """Data that depend on the seed, with another rule on each split: a loss taken from the wrong one is seen."""
    rng = np.random.default_rng(seed)
    parts = {}
    for split, shift in (("train", 0.0), ("val", 0.7), ("test", 1.9)):
        x = rng.normal(size=(points, 3)) + shift
        parts |= {f"x_{split}": x, f"y_{split}": (x.sum(axis=1) > shift).astype(np.int64)}
    return Data(classes=("below", "above"), **parts)


def with_dropout_and_batch_norm(ops, sizes, options):
    """A net that computes something else in training than in evaluation, twice over."""
    where = {key: value for key, value in options.items() if key != "rng"}
    layers = [ops.Linear(3, 4, **options), ops.BatchNorm1d(4, **where), ops.ReLU(), ops.Dropout(0.5, rng=1)]
    return ops.Sequential(*layers, ops.Linear(4, 2, **options))


TINY = Experiment(
    name="tiny",
    task="multiclass",
    data=drawn,
    hidden=(4,),
    loss="CrossEntropyLoss",
    optimizer="Adam",
    lr=0.05,
    epochs=2,
    batch_size=8,
    shuffle=True,
    expect=Expectation("test_loss", "max", 10.0),
)


def test_every_step_trains_and_every_measurement_evaluates():
    """The mode of each net whenever it runs, and that measuring leaves running statistics and generators alone."""
    experiment = replace(TINY, model=with_dropout_and_batch_norm)
    prepared = prepare(experiment)
    inside, modes = [None], []
    for side, trainer in prepared.trainers.items():

        def step(x, y, side=side, original=trainer.step):
            inside[0] = side
            try:
                return original(x, y)
            finally:
                inside[0] = None

        trainer.step = step

        def forward(x, trainer=trainer, original=trainer.model.forward):
            modes.append((inside[0] is not None, trainer.model.training))
            return original(x)

        if side == "scratch":
            trainer.model.forward = forward
        else:
            trainer.model.module.register_forward_pre_hook(
                lambda module, _: modes.append((inside[0] is not None, module.training))
            )
    train(prepared, pictures=False)
    steps = [training for stepping, training in modes if stepping]
    measurements = [training for stepping, training in modes if not stepping]
    assert len(steps) == 2 * prepared.steps
    assert all(steps)
    assert measurements
    assert not any(measurements)
    assert all(trainer.model.training for trainer in prepared.trainers.values())


def test_losses_and_accuracies_are_those_of_their_split():
    prepared = prepare(replace(TINY, epochs=1))
    run = train(prepared, pictures=False)
    for name, trainer in prepared.trainers.items():
        for split in ("train", "test"):
            x, y = prepared.cast[f"x_{split}"], prepared.cast[f"y_{split}"]
            output = trainer.model.forward(x)
            final = run.sides[name].final
            assert getattr(final, f"{split}_loss") == float(trainer.loss.forward(output, y))
            assert getattr(final, f"{split}_accuracy") == (output.argmax(axis=1) == y).mean()
        first, final = run.sides[name].epochs
        assert len({first.train_loss, first.test_loss, final.train_loss, final.test_loss}) == 4
        assert run.sides[name].measured("loss_ratio") == final.train_loss / first.train_loss
        answer, truth = trainer.model.forward(prepared.cast["x_test"]).argmax(axis=1), prepared.data.y_test
        counts = [[((truth == row) & (answer == column)).sum() for column in range(2)] for row in range(2)]
        assert run.sides[name].confusion.tolist() == counts


def test_every_stream_of_random_numbers_is_its_own():
    """The seed moves data, weights and order, each of them; weights and order come from two streams."""
    first, again, other = (prepare(replace(TINY, seed=seed)) for seed in (0, 0, 1))

    def drawn_by(prepared):
        order = np.concatenate(list(batches(prepared)))
        weights = prepared.trainers["scratch"].model.state_dict()["layers.0.weight"]
        return {"data": prepared.data.x_train, "weights": weights, "order": order}

    for name, value in drawn_by(first).items():
        np.testing.assert_array_equal(value, drawn_by(again)[name])
        assert not np.array_equal(value, drawn_by(other)[name]), name
    rows = len(first.data.x_train)
    order = drawn_by(first)["order"]
    assert not np.array_equal(order[:rows], order[rows:])  # a new order every epoch
    assert not np.array_equal(order[:rows], np.random.default_rng([0, 0]).permutation(rows))  # the weights' stream
    bound = 1 / np.sqrt(first.data.x_train.shape[1])
    of_the_order = np.random.default_rng([0, 1]).uniform(-bound, bound, (4, 3)).astype(np.float32)
    assert not np.array_equal(drawn_by(first)["weights"], of_the_order)


# --- every option changes what it names -------------------------------------------------------------------------------

OWN = """
from parity_tests.product.test_plumbing import TINY as experiment
"""

# Option of `compare`, and the parts of the result that it changes on both sides; all else stays as it was.
OPTIONS = {
    "--epochs 3": {"losses", "epochs", "steps"},
    "--lr 0.5": {"losses", "epochs"},
    "--batch-size 6": {"losses", "epochs", "steps"},
    "--points 40": {"losses", "epochs", "first", "steps"},
    "--optimizer sgd": {"losses", "epochs", "numbers"},  # there is no state of Adam's to judge
    "--optimizer-options betas=(0.5,0.9)": {"losses", "epochs"},
    "--momentum 0.5 --optimizer sgd": {"losses", "epochs", "numbers"},
    "--weight-decay 0.5": {"losses", "epochs"},
    "--loss MultiMarginLoss": {"losses", "epochs", "first"},
    "--class-weights balanced": {"losses", "epochs", "first"},
    "--hidden 5": {"losses", "epochs", "first", "numbers"},
    "--activation tanh": {"losses", "epochs", "first"},
    "--seed 4": {"losses", "epochs", "first"},
    "--dtype float64": {"losses", "epochs", "first"},
    "--judge-every 4": {"judged"},
}


@pytest.fixture
def compared(tmp_path, monkeypatch):
    """Run `handgrad compare` of the tiny experiment without drawing, and take its result apart: side → part → value."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("handgrad.report.write_report", lambda run, path: None)
    (tmp_path / "mine.py").write_text(OWN)

    def compare(*options):
        assert cli.main(["compare", "mine.py:experiment", *options, "--out", "out"]) == 0
        found = json.loads((tmp_path / "out" / "result.json").read_text())
        parts = {}
        for name, side in found["sides"].items():
            judged = side["parity"]["steps"]
            parts[name] = {
                "losses": side["losses"][1:],
                "epochs": side["epochs"][1:],
                "first": side["epochs"][0],
                "steps": found["steps_done"],
                "judged": len(side["losses"]) - judged,
                "numbers": side["parity"]["numbers"] // judged,
            }
        return parts, found

    return compare


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_of_compare_changes_what_it_names_and_no_more(option, compared, capsys):
    base, _ = compared()
    changed, _ = compared(*option.split())
    for side in SIDES:
        different = {part for part in base[side] if changed[side][part] != base[side][part]}
        assert different == OPTIONS[option], side


def test_the_options_of_compare_are_all_there():
    assert {option.split()[0] for option in OPTIONS} == {f"--{field.replace('_', '-')}" for field in RECIPE}


GIVEN = {"epochs": 1, "dtype": "float64", "lr": 0.2, "hidden": (3,), "batch_size": 5, "activation": "tanh"}


def test_a_repeat_is_the_run_of_its_seed_with_the_same_options(compared, tmp_path, capsys):
    """`--seeds` in another process gives the numbers that `--seed` gives here."""
    request = Request("mine.py:experiment", None, GIVEN, "cpu")
    options = ["--epochs", "1", "--dtype", "float64", "--lr", "0.2", "--hidden", "3", "--batch-size", "5"]
    seen = set()
    for repeat in repeats(request, [6, 7], 1):
        _, found = compared(*options, "--activation", "tanh", "--seed", str(repeat.seed))
        assert repeat.values == {name: side["reached"] for name, side in found["sides"].items()}
        assert repeat.curves["torch"] == [record["test_loss"] for record in found["sides"]["torch"]["epochs"]]
        seen.add(json.dumps(found["sides"]["scratch"]["losses"]))
    assert len(seen) == 2


def test_a_run_of_a_sweep_is_the_run_of_its_seed_with_the_same_options(compared, capsys):
    request = Request("mine.py:experiment", None, {"epochs": 1, "lr": 0.2, "judge_every": 2}, "cpu")
    outcome = sweep_run.one(({"lr": 0.2}, request, 6))
    _, found = compared("--epochs", "1", "--lr", "0.2", "--judge-every", "2", "--seed", "6")
    sides = found["sides"]
    for metric in ("test_accuracy", "train_accuracy", "final_loss", "test_loss"):
        assert outcome.values[metric] == {name: side[metric] for name, side in sides.items()}, metric
    assert outcome.values["loss_ratio"] == {
        name: side["epochs"][-1]["train_loss"] / side["epochs"][0]["train_loss"] for name, side in sides.items()
    }
    assert (outcome.cell, outcome.seed, outcome.parity) == ({"lr": 0.2}, 6, True)
    assert outcome.steps == found["steps_done"]
    assert outcome.judged == sides["scratch"]["parity"]["steps"] < outcome.steps
    assert outcome.numbers == sum(side["parity"]["numbers"] for side in sides.values())
    assert outcome.worst == max(side["parity"]["worst"] for side in sides.values())
    assert outcome.stuck == {"scratch": False, "torch": False}
