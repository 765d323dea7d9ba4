"""The benchmark: who is timed, what an interval is, what two results say of each other. No test looks at a time."""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import scratch
from benchmarks import command, machine, page, pictures, prediction, run, statistics, winners
from benchmarks import plain_c as plain_c_module
from benchmarks.contenders import CONTENDERS, EVERYWHERE, OURS, TORCH, WRITTEN_OUT, is_own, take_own
from benchmarks.contenders.hand_written import HandWritten
from benchmarks.html_page import html_page
from benchmarks.nets import DTYPES, NETS, OPTIMIZERS, Net, Problem, case_of
from benchmarks.parity import ParityError, Reference
from benchmarks.questions import QUESTIONS, Settings, memory, processes, which
from benchmarks.questions.format import digits
from benchmarks.result import add, load, main_variant, rows_of, seconds_of
from benchmarks.sections import sections
from benchmarks.timing import Budget
from handgrad.cli import main
from handgrad.machine.environment import cpu_model, same_imports, usable_cores
from scratch.unroll import copied, written

ROOT = Path(__file__).parents[2]
TINY = Net((2, 3, 2), 4)
BINARY = Net((2, 3, 1), 4)
SHORT = Budget(block=1e-4, rounds=6, seconds=0.2, fewest=6)


class Still:
    """A probe that is never disturbed."""

    def disturbed(self):
        return False


SETTINGS = Settings(threads=1, quick=True, judge=True, contenders=(), probe=Still())


@pytest.fixture
def short(monkeypatch):
    """Hardly any measuring, and whatever number of threads this process has."""
    monkeypatch.setattr("benchmarks.questions.question.QUICK", SHORT)
    monkeypatch.setattr("benchmarks.timing.assert_threads", lambda threads: None)
    monkeypatch.setattr("benchmarks.timing.cores_used", lambda call: 1.0)


def test_the_table_of_nets():
    assert [net.name for net in NETS] == [
        "2-5-2, batch 100",
        "2-8-4-1, batch 32",
        "64-32-10, batch 32",
        "784-128-10, batch 32",
        "784-256-128-10, batch 128",
        "784-512-512-10, batch 256",
        "1024-1024-1024-10, batch 512",
        "784-2048-2048-10, batch 1024",
    ]
    assert [net.loss for net in NETS] == ["CrossEntropyLoss", "BCEWithLogitsLoss", *["CrossEntropyLoss"] * 6]
    # By hand: 2·4·(2·3 + 3·2) forward, the same for dW, and 2·4·3·2 for the one dx.
    assert TINY.flops == 96 + 96 + 48
    assert TINY.parameters == 17


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("net", [TINY, BINARY], ids=lambda net: net.loss)
def test_contenders_hold(net, dtype, optimizer):
    problem = Problem(net, optimizer, dtype)
    reference = Reference(problem)
    for name, contender in CONTENDERS.items():
        if not contender.absent(problem) and "compile" not in name:
            contender.prepare(problem)
            reference.judge(contender)


@pytest.mark.parametrize("name", [OURS, TORCH])
def test_outputs_hold(name):
    problem = Problem(TINY)
    CONTENDERS[name].prepare(problem)
    Reference(problem).judge_forward(CONTENDERS[name])


class Wrong(HandWritten):
    """Its state is what `change` makes of it."""

    def __init__(self, change):
        super().__init__("wrong")
        self.change = change

    def state(self):
        return self.change(super().state())


class Forgetful(HandWritten):
    """Loses the optimizer's state."""

    def step(self):
        options = self.optimizer.param_groups[0]
        options = {name: value for name, value in options.items() if name in ("lr", "momentum", "betas", "eps")}
        self.optimizer = type(self.optimizer)(self.model.parameters(), **options)
        return scratch.Trainer(self.model, self.loss, self.optimizer).step(self.x, self.y)


class OtherLoss(HandWritten):
    """Returns a loss that is a millionth too large."""

    def step(self):
        return super().step() * (1 + 1e-6)


def one_ulp_matters(state):
    return {name: w * np.asarray(1 + 1e-6, w.dtype) for name, w in state.items()}


WRONG = {
    "weights a millionth too large": (Wrong(one_ulp_matters), "SGD", "float32"),
    "a silent cast": (Wrong(lambda s: {n: w.astype(np.float32) for n, w in s.items()}), "SGD", "float64"),
    "momentum forgotten": (Forgetful("forgetful"), "momentum", "float32"),
    "moments forgotten": (Forgetful("forgetful"), "Adam", "float64"),
    "another loss": (OtherLoss("other"), "SGD", "float64"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_contender_is_refused(case):
    contender, optimizer, dtype = WRONG[case]
    problem = Problem(TINY, optimizer, dtype)
    contender.prepare(problem)
    with pytest.raises(ParityError, match="the judge refused"):
        Reference(problem).judge(contender)


def test_a_wrong_contender_is_not_timed(short, monkeypatch):
    backward = scratch.ReLU.backward
    monkeypatch.setattr(scratch.ReLU, "backward", lambda self, grad_output: 2 * backward(self, grad_output))
    row = QUESTIONS["step"].measure(case_of(Problem(TINY)), SETTINGS)
    assert row["refused"] == [OURS]
    assert "the judge refused NumPy" in row["not_timed"][OURS]
    assert OURS not in row["seconds"]
    assert TORCH in row["seconds"]


TWO_CORES = pytest.mark.skipif(usable_cores() < 2, reason="a core for each of two processes")


@pytest.mark.parametrize(
    "name",
    ["step", "floor", "phases", "forward", "scaling", "crossover", pytest.param("processes", marks=TWO_CORES)],
)
def test_a_row_becomes_tables_and_a_picture(name, short):
    """What was measured is in the table, and the picture's text depends on nothing else."""
    question = QUESTIONS[name]
    case = question.cases(True)[0]
    case = {**case, "sizes": list(TINY.sizes), "batch": 4}
    settings = Settings(1, True, True, EVERYWHERE, Still())
    row = {"case": case, **json.loads(json.dumps(question.measure(case, settings)))}
    assert all(len(process) >= 6 for samples in seconds_of(row).values() for process in samples)
    tables = question.tables([row])
    assert all(len(cells) == len(table.headings) for table in tables for cells in table.cells)
    assert any(cells for table in tables for cells in table.cells)
    figures = [question.picture([row]) for _ in range(2)]
    texts = [pictures.svg(figure) for figure in figures if figure]
    assert texts[0] == texts[1]


def test_no_contender_looks_like_another():
    markers = [pictures.look(name)["marker"] for name in (*CONTENDERS, "mine")]
    assert len(set(markers)) == len(CONTENDERS) + 1


def test_processes_that_are_not_timed(monkeypatch):
    """Too few cores, a refusal by the judge, another contender asked for; and a failure in its own words."""
    case = QUESTIONS["processes"].cases(True)[0]
    row = processes.measure(case, replace(SETTINGS, threads=4096))
    assert "2 × 4096 cores are needed" in row["not_timed"][processes.ALL]
    assert processes.tables([{"case": case, **row}])[0].cells[0][2:] == ("—", "—", "—")
    assert processes.picture([{"case": case, **row}]) is None
    assert processes.measure(case, replace(SETTINGS, contenders=("scikit-learn",)))["not_timed"] == {}
    monkeypatch.setattr(processes, "usable", lambda: [0, 1])
    monkeypatch.setattr(processes, "ranks", lambda job: {"refusal": "the gradient is wrong"})
    row = processes.measure(case, SETTINGS)
    assert row["refused"] == [processes.ALL]
    assert "the gradient is wrong" in row["not_timed"][processes.ALL]
    monkeypatch.undo()
    error = "Traceback\n  raise\nValueError: no such net\nChildFailedError:\n"
    answer = subprocess.CompletedProcess([], 1, stderr=error)
    monkeypatch.setattr(processes.subprocess, "run", lambda *_, **__: answer)
    with pytest.raises(machine.NotAsAskedError, match="2 processes did not train: ValueError: no such net"):
        processes.ranks({"threads": 1})


def test_interval_covers_the_median():
    """In 2000 samples of a lopsided distribution, the 95 % interval holds the true median at least 93 % of the time:
    0.93 is four standard errors (√(0.95·0.05/2000) = 0.0049) below."""
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(2000):
        low, high = statistics.median_interval(rng.exponential(size=40))
        inside += low <= np.log(2) <= high
    assert 0.93 < inside / 2000


@pytest.mark.parametrize(
    ("n", "ranks"),
    [
        (5, None),
        (6, (1, 6)),
        (9, (2, 8)),
        (20, (6, 15)),
        (40, (14, 27)),
    ],  # Conover, table A3 and the sign test's tables
)
def test_ranks_of_the_interval(n, ranks):
    found = statistics.median_interval(np.arange(1.0, n + 1))
    assert found == (ranks or (0.0, np.inf))


def test_dirty_samples_have_no_part_in_an_estimate():
    clean = [[1.0] * 6 + [-9.0] * 3]
    assert statistics.time_of(clean) == statistics.Estimate(1, 1, 1)
    assert statistics.ratio_of(clean, [[2.0] * 9]) == statistics.Estimate(0.5, 0.5, 0.5)
    assert statistics.time_of([[1.0] * 2 + [-9.0] * 5]) == statistics.Estimate(9, 1, 9, clean=False)
    assert statistics.time_of([[1.0] * 5]) is None
    # The interval spans what the processes say.
    assert statistics.time_of([[1.0] * 6, [2.0] * 6]) == statistics.Estimate(1.5, 1, 2)


def test_fits():
    sizes = np.array([1e3, 1e5, 1e7])
    overhead, rate = statistics.overhead_and_rate(sizes, 1e-5 + sizes * 1e-10)
    np.testing.assert_allclose([overhead, rate], [1e-5, 1e-10])
    slope, intercept = statistics.line([0.0, 1.0, 2.0, 3.0], [1.0, 3.0, 5.0, 7.0])
    np.testing.assert_allclose([slope.value, slope.low, slope.high, intercept.value], [2, 2, 2, 1])


def test_threads_and_kernels_are_asserted(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    with pytest.raises(machine.NotAsAskedError, match=r"asked for 1 thread, but found .*7"):
        machine.assert_threads(1)
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott9")
    with pytest.raises(machine.NotAsAskedError, match="should be unset"):
        machine.assert_kernels("unset")
    pool = {"internal_api": "openblas", "filepath": "numpy.libs/x", "architecture": "Haswell"}
    monkeypatch.setattr(machine, "threadpool_info", lambda: [pool])
    with pytest.raises(machine.NotAsAskedError, match="Prescott9"):
        machine.assert_kernels("as found")


def test_a_process_gets_the_variables_of_its_variant():
    given = {"OPENBLAS_CORETYPE": "Haswell", "OPENBLAS_L2_SIZE": "512", "HOME": "x"}
    unset = machine.process_environment("unset", 1, given)
    assert not set(machine.KERNEL_VARIABLES) & set(unset)
    assert (unset["HOME"], unset["OMP_NUM_THREADS"]) == ("x", "1")
    found = machine.process_environment("as found", 2, given)
    assert (found["OPENBLAS_CORETYPE"], found["OPENBLAS_NUM_THREADS"]) == ("Haswell", "2")


def test_jobs(monkeypatch):
    """Each row in a first process, judged; some in a second, not judged; the user's variables only where they are."""
    for name in machine.KERNEL_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    found = run.jobs(run.Plan(("step", "memory")))
    assert [(job.question.name, len(job.cases), job.first) for job in found] == [
        ("step", 48, True),
        ("step", 16, False),
        *[("memory", 1, True)] * 12,
    ]
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    found = run.jobs(run.Plan(("step",), quick=True))
    assert [(job.variant, len(job.cases)) for job in found] == [("unset", 5), ("as found", 4)]


def test_memory_is_told_twice():
    """Of the first steps, which make programs and states, and of those after; an older result has the first alone."""
    cases = QUESTIONS["memory"].cases(True)
    assert [case["contender"] for case in cases] == [OURS, WRITTEN_OUT, TORCH]
    figures = dict(zip(memory.SIDES, ((12, 8), (40, 6), (10, 10)), strict=True))
    rows = [
        {"case": case, **{peak: 2**20 * n for peak, n in zip(memory.PEAKS, figures[case["contender"]], strict=True)}}
        for case in cases
    ]
    first, later = memory.tables(rows)
    assert first.cells[0][1:] == ("12 MiB", "40 MiB", "10 MiB", "1.20", "4.00")
    assert later.cells[0][1:] == ("8 MiB", "6 MiB", "10 MiB", "0.80", "0.60")
    assert [bar.get_height() for bar in memory.picture(rows).axes[0].patches] == [8, 6, 10]
    older = [{key: row[key] for key in ("case", "added_bytes")} for row in (rows[0], rows[2])]
    (table,) = memory.tables(older)
    assert table.cells[0][1:] == ("12 MiB", "10 MiB", "1.20")
    assert [bar.get_height() for bar in memory.picture(older).axes[0].patches] == [12, 10]
    assert memory.tables(rows[:1])[0].cells[0][1:] == ("12 MiB", "—")


def test_processes_join():
    """A contender that failed in a process has no samples there, and the others stay in step."""
    case = {"name": "a net"}
    found = {"questions": {}}
    for seconds in ({"a": [[1.0] * 6]}, {"a": [[2.0] * 6], "b": [[6.0] * 6]}):
        add(found, "step", "unset", {"case": case, "seconds": seconds, "dirty": 1, "blocks": 6})
    (row,) = found["questions"]["step"]["unset"]
    assert row["seconds"] == {"a": [[1.0] * 6, [2.0] * 6], "b": [[], [6.0] * 6]}
    assert (row["dirty"], row["blocks"]) == (2, 12)
    assert statistics.ratio_of(row["seconds"]["b"], row["seconds"]["a"]) == statistics.Estimate(3, 3, 3)


# --- two results ------------------------------------------------------------------------------------------------------


def result(numpy, torch=2e-5, **more):
    rng = np.random.default_rng(0)
    noise = 1 + 0.004 * rng.standard_normal(15)
    row = {
        "case": {"name": "a net"},
        "seconds": {OURS: [(numpy * noise).tolist()], TORCH: [(torch * noise).tolist()]},
    }
    environment = {"numpy": "2", "probe_seconds": 1e-4}
    return {
        "format": 1,
        "machine": "m",
        "threads": 1,
        "budget": "b",
        "environments": {"unset": environment},
        "questions": {"step": {"unset": [row]}},
        **more,
    }


PAIRS = {
    "the same": (result(1e-5), result(1e-5), 0, "0 changed for real"),
    "NumPy slower": (result(1e-5), result(1.5e-5), 1, "NumPy became slower in 1"),
    "NumPy faster": (result(1.5e-5), result(1e-5), 0, "1 changed for real"),
    "another slower": (result(1e-5), result(1e-5, torch=3e-5), 0, "NumPy became slower in 0"),
    "a slower hour": (result(1e-5), result(1.3e-5, torch=2.6e-5), 0, "1 changed for real; NumPy became slower in 0"),
    "slower by little": (result(1e-5), result(1.02e-5), 0, "0 changed for real"),
    "another machine": (result(1e-5), result(1e-5, machine="n"), 0, "machine: m → n"),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_compare(pair, tmp_path, capsys):
    before, after, code, words = PAIRS[pair]
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    for path, content in zip(paths, (before, after), strict=True):
        path.write_text(json.dumps(content))
    assert main(["bench", "compare", *map(str, paths)]) == code
    assert words in capsys.readouterr().out


BAD = {
    "missing": (None, "cannot be read"),
    "text": ("hello", "it is not JSON"),
    "other JSON": ("[1]", "all of it must be an object"),
    "another format": ('{"format": 99}', "format must be 1; got 99"),
    "no questions": ('{"format": 1, "environments": {}}', "it has no 'questions'"),
    "no time": (json.dumps(result(1e-5)).replace("1e-05", "x"), "must be a time"),
    "nothing in common": (json.dumps(result(1e-5) | {"questions": {}}), "no time in common"),
}


@pytest.mark.parametrize("case", BAD)
def test_compare_refuses(case, tmp_path, capsys):
    text, words = BAD[case]
    good, bad = tmp_path / "a.json", tmp_path / "b.json"
    good.write_text(json.dumps(result(1e-5)))
    if text is not None:
        if case == "no time":
            broken = result(1e-5)
            broken["questions"]["step"]["unset"][0]["seconds"][OURS] = [["soon"]]
            text = json.dumps(broken)
        bad.write_text(text)
    assert main(["bench", "compare", str(good), str(bad)]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert words in captured.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--question", "steps"], "did you mean 'step'"),
        (["--contender", "torches"], "did you mean 'torch'"),
        (["--threads", "0"], "--threads"),
        (["--question", "step", "--quick", "--threads", "4096"], "cores can be used"),
    ],
)
def test_bad_input_is_one_line(arguments, words, tmp_path, capsys):
    assert main(["bench", *arguments, "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert words in error


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_is_not_stale():
    found = page.results()
    assert page.page(found, page.WHY.read_text()) == (page.DOCS / "performance.md").read_text()
    drawn = {f"{stem}-{name}" for stem, result in found.items() for name in result["questions"]}
    assert {path.stem for path in page.PICTURES.glob("*.svg")} <= drawn


def test_committed_results_are_small():
    for path in page.RESULTS.glob("*.json"):
        assert path.stat().st_size < 500_000, path


def test_the_page_shows_a_result():
    text = page.page({"m-1": result(1e-5, started="2026-01-02T03:04:05+00:00", questions={})}, "Because.")
    assert "## m, 2026-01-02, 1 thread" in text
    assert text.endswith("Because.\n")
    case = case_of(Problem(TINY))
    rows = [{"case": case, "seconds": {OURS: [[1e-5] * 6], TORCH: [[3e-5] * 6]}}]
    shown = result(1e-5, started="2026-01-02", questions={"step": {"unset": rows}})
    assert "| 2-3-2, batch 4 | 10.0 µs | 3.00 (3.00–3.00) |" in page.page({"m-1": shown}, "")


BAD_ROWS = {
    "another question": ({"questions": {"steps": {"unset": []}}}, "KeyError('steps')"),
    "no sizes": ({"questions": {"step": {"unset": [{"case": {"name": "x"}}]}}}, "did not write: KeyError"),
    "no start": ({"environments": {}, "threads": None}, "did not write"),
}


def test_a_page_for_the_browser(tmp_path, capsys):
    """Every number of the tables is there as it stands in docs/performance.md, and nothing is loaded."""
    path = page.RESULTS / "nvidia-h200-2026-11-29.json"
    assert main(["bench", "page", str(path), "--out", str(tmp_path / "a.html")]) == 0
    assert f"page      {tmp_path / 'a.html'}" in capsys.readouterr().out
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    for section in sections(load(path)):
        for _, table in section.tables:
            assert all(f">{cell}</t" in text for cells in table.cells for cell in cells)
    assert text.count("<svg") == 1
    assert not re.search(r"""(src|href)=["'](?!#|data:)""", text)
    said = page.page({"x": load(path)}, "")
    assert all(f"| {' | '.join(cells)} |" in said for _, table in section.tables for cells in table.cells)


def test_the_page_begins_with_who_wins_where():
    rows = [{"case": case_of(Problem(TINY)), "seconds": {OURS: [[1e-5] * 6], TORCH: [[3e-5] * 6]}, "refused": ["x"]}]
    shown = result(1e-5, started="2026-01-02", command="handgrad bench", complete=False)
    text = html_page(shown | {"questions": {"step": {"unset": rows}}})
    lead = re.search(r'<p class="lead">(.*?)</p>', text)[1]
    assert lead == "Fastest: NumPy on 2-3-2 (SGD, float32)."
    assert "Refused by the judge: x" in text
    assert "Interrupted" in text
    whole = html_page(shown | {"complete": True, "questions": {}})
    assert "Measured on m." in whole
    assert "Nobody was refused" in whole
    assert "Interrupted" not in whole


@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_page_refuses(case, tmp_path, capsys):
    more, words = BAD_ROWS[case]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(result(1e-5, started="2026-01-02", command="x", complete=True) | more))
    assert main(["bench", "page", str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert words in captured.err
    assert not path.with_suffix(".html").exists()
    before = path.read_bytes()
    assert main(["bench", "page", str(path), "--out", str(path)]) == 2
    assert "--out must be another file" in capsys.readouterr().err
    assert path.read_bytes() == before


# --- a run ------------------------------------------------------------------------------------------------------------


BENCH = ["bench", "--quick", "--question", "step"]


@pytest.fixture
def quick(monkeypatch):
    """Workers that measure nothing: all that a row is, but its times."""
    monkeypatch.setattr(run, "WORKER", ("-m", "parity_tests.support.bench_worker"))


def stopped_after(rows, number, monkeypatch):
    """A signal while that row is written, at this very moment, however busy the machine is."""
    write, written = run._write, []

    def write_and_stop(path, result):
        written.append(write(path, result))
        if len(written) == rows:
            signal.raise_signal(number)

    monkeypatch.setattr(run, "_write", write_and_stop)


def without_start(folder):
    return {**load(folder / "result.json"), "started": "", "command": ""}


def test_an_interrupted_run_keeps_what_it_has(tmp_path, capsys, monkeypatch):
    """Measured by a process as it is: exit code 130, a file with the first row, no process left behind."""
    stopped_after(1, signal.SIGINT, monkeypatch)
    assert main([*BENCH, "--contender", OURS, "--out", str(tmp_path)]) == 130
    assert "what was measured is kept" in capsys.readouterr().err
    found = load(tmp_path / "result.json")
    assert not found["complete"]
    assert len(list(rows_of(found))) == 1
    assert not list(tmp_path.glob(".*"))


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_keeps_what_it_has_and_goes_on(number, code, tmp_path, capsys, monkeypatch):
    """--resume measures what is missing, and nothing else."""
    assert main([*BENCH, "--out", str(tmp_path / "whole")]) == 0
    here = tmp_path / "here"
    with monkeypatch.context() as patched:
        stopped_after(2, number, patched)
        assert main([*BENCH, "--out", str(here)]) == code
    assert "what was measured is kept, and --resume goes on" in capsys.readouterr().err
    found = load(here / "result.json")
    assert not found["complete"]
    assert len(list(rows_of(found))) == 2
    assert not list(here.glob(".*"))
    assert main([*BENCH, "--out", str(here), "--resume"]) == 0
    assert without_start(here) == without_start(tmp_path / "whole")
    monkeypatch.setattr(run, "_rows", lambda *_: pytest.fail("it is measured again"))
    assert main([*BENCH, "--out", str(here), "--resume"]) == 0


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--threads", "2"], "its threads is 1, here it is 2"),
        (["--contender", OURS], "its contenders is [], here it is"),
        ("2", "numpy was 3, and is 2"),
        ("damaged", "is no result of handgrad bench"),
    ],
)
def test_a_result_of_another_plan_or_machine_does_not_go_on(change, words, tmp_path, capsys, monkeypatch):
    with monkeypatch.context() as patched:
        stopped_after(1, signal.SIGINT, patched)
        main([*BENCH, "--out", str(tmp_path)])
    path = tmp_path / "result.json"
    if change == "2":
        path.write_text(path.read_text().replace('"numpy":"2"', '"numpy":"3"'))
    elif change == "damaged":
        path.write_text(path.read_text()[:-9])
    capsys.readouterr()
    before = path.read_bytes()
    assert main([*BENCH, *(change if isinstance(change, list) else []), "--out", str(tmp_path), "--resume"]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert path.read_bytes() == before


def test_what_is_left_of_a_full_run(monkeypatch):
    """Cases that two processes measure: the second one's are left where only the first one's are there."""
    for name in machine.KERNEL_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    todo, found = run.jobs(run.Plan(("step",))), {"questions": {}}
    assert [len(job.cases) for job in run.remaining(todo, found)] == [48, 16]
    for number, job in enumerate(todo):
        for case in job.cases[:-1] if number else job.cases:
            add(found, "step", "unset", {"case": case})
        assert [len(job.cases) for job in run.remaining(todo, found)] == ([1] if number else [16])


def test_a_worker_ends_with_whoever_started_it():
    """It would go on measuring for minutes, beside the run that goes on."""
    case = QUESTIONS["step"].cases(True)[0]
    job = {"question": "step", "variant": "unset", "cases": [case] * 99, "threads": 1, "quick": False, "judge": False}
    command = [sys.executable, *run.WORKER]
    variables = {**os.environ, **machine.process_environment("unset", 1, os.environ), **same_imports()}
    text = json.dumps({**job, "contenders": ()}) + "\n"
    assert (
        subprocess.run(command, env=variables, input=text, text=True, capture_output=True, check=False).returncode == 1
    )


WAITING = """
import os, sys, time
from handgrad.stopping import end_with_the_starter
sys.stdin.readline()
end_with_the_starter(lambda: os._exit(1))
time.sleep(0.1)  # it waits for the end of standard input by then
"""


def test_a_worker_that_is_done_ends_in_peace():
    """While whoever started it lives, and keeps its standard input open: Python aborted, and the run had failed."""
    pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "env": {**os.environ, **same_imports()}}
    with subprocess.Popen([sys.executable, "-c", WAITING], text=True, **pipes) as worker:
        worker.stdin.write("\n")
        worker.stdin.flush()
        assert (worker.wait(), worker.stderr.read()) == (0, "")


# --- plain C --------------------------------------------------------------------------------------------------------


@pytest.fixture
def plain_c():
    contender = CONTENDERS["plain C"]
    if contender.absent(Problem(TINY)):
        pytest.skip("there is no C compiler")
    return contender


@pytest.mark.parametrize("net", NETS[:3], ids=lambda net: net.name)
def test_plain_c_is_right(plain_c, net):
    plain_c.prepare(Problem(net, "Adam"))
    Reference(Problem(net, "Adam")).judge(plain_c)


@pytest.mark.parametrize("name", ["subtract", "clip", "bitwise_and", "exp"])
def test_a_wrong_loop_is_refused(plain_c, monkeypatch, name):
    monkeypatch.setitem(plain_c_module.FORMULAS, name, "{0}")
    plain_c.prepare(Problem(NETS[2]))
    with pytest.raises(ParityError, match="refused plain C"):
        Reference(Problem(NETS[2])).judge(plain_c)


def test_what_has_no_c_is_named():
    model = scratch.MLP([2, 3, 2], activation="tanh", rng=0)
    trainer = scratch.Trainer(model, scratch.CrossEntropyLoss(), scratch.SGD(model.parameters()))
    x, y = np.ones((4, 2), np.float32), np.array([0, 1, 1, 0])
    with pytest.raises(plain_c_module.PlainCError, match=r"^no C for np\.tanh of float32$"):
        plain_c_module.Translation(written(copied(trainer), x, y), trainer, x, y)


def test_without_a_compiler_plain_c_is_not_timed(short, monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    settings = replace(SETTINGS, contenders=(OURS, "plain C"))
    row = QUESTIONS["step"].measure(case_of(Problem(TINY)), settings)
    assert row["not_timed"] == {"plain C": "there is no C compiler: no-such-compiler is not found"}
    assert list(row["seconds"]) == [OURS]


# --- a contender of one's own ---------------------------------------------------------------------------------------


@pytest.fixture
def mine(tmp_path):
    """The class of docs/own_contender.md, in a file; the table of contenders is as before afterwards."""
    text = (ROOT / "docs" / "own_contender.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "mine.py").write_text(code, encoding="utf-8")
    yield f"{tmp_path / 'mine.py'}:Step", code
    for name in [name for name in CONTENDERS if is_own(name)]:
        del CONTENDERS[name]


def test_the_contender_of_the_page_is_judged_and_timed(mine, short):
    name, _ = mine
    take_own([OURS, name])
    settings = replace(SETTINGS, contenders=(OURS, name))
    row = QUESTIONS["step"].measure(case_of(Problem(TINY)), settings)
    assert set(row["seconds"]) == {OURS, name}
    other = QUESTIONS["step"].measure(case_of(Problem(BINARY, "Adam")), settings)
    assert other["not_timed"] == {name: "only SGD and CrossEntropyLoss"}
    said = winners.sentence([row | {"case": case_of(Problem(TINY))}])
    who = r"(NumPy|nobody by more than the noise|.*mine.py:Step)"
    assert re.fullmatch(rf"Fastest: {who} on 2-3-2 \(SGD, float32\)\.", said)
    lines = winners.table({"questions": {"step": {"fixed": [row | {"case": {"name": "tiny"}}]}}}).splitlines()
    assert lines[0].startswith("question,variant,case,contender,seconds")
    assert lines[1].endswith(",1,1,1")
    assert len(lines) == 3


def test_the_sentence_says_who_is_fastest_where():
    def row(net, optimizer, **seconds):
        return {
            "case": case_of(Problem(net, optimizer)),
            "seconds": {name: [[s * (1 + i % 3 / 100) for i in range(9)]] for name, s in seconds.items()},
        }

    rows = [
        row(NETS[3], "SGD", NumPy=1.0, torch=1.0),
        row(NETS[0], "SGD", NumPy=1.0, torch=2.0),
        row(NETS[1], "SGD", NumPy=1.0, torch=2.0),
        row(NETS[1], "Adam", NumPy=1.0, torch=2.0),
        row(NETS[2], "SGD", NumPy=3.0, torch=2.0),
        row(TINY, "SGD", NumPy=1.0),
    ]
    said = (
        "Fastest: NumPy on 2-5-2 and 2-8-4-1 (SGD, float32); 2-8-4-1 (Adam, float32), and torch on 64-32-10 "
        "(SGD, float32), and nobody by more than the noise on 784-128-10 (SGD, float32)."
    )
    assert winners.sentence(rows) == said
    assert winners.sentence(rows[5:]) == ""
    everywhere = [row(net, "Adam", NumPy=1.0, torch=2.0) for net in NETS]
    most = [row(net, "SGD", NumPy=1.0, torch=0.5 if net is NETS[4] else 2.0) for net in NETS]
    said = (
        "Fastest: NumPy on all but 784-256-128-10 (SGD, float32); all nets (Adam, float32), and torch on "
        "784-256-128-10 (SGD, float32)."
    )
    assert winners.sentence([*everywhere, *most]) == said


@pytest.mark.parametrize("columns", ["80", "300"])
def test_no_number_is_broken(columns, monkeypatch, capsys):
    """Where the table is too wide, it has a line for each number."""
    monkeypatch.setenv("COLUMNS", columns)
    step = load(ROOT / "benchmarks" / "results" / "amd-epyc-2026-11-21.json")["questions"]["step"]
    table = QUESTIONS["step"].tables(step[main_variant(step)])[0]
    run.Terminal().print(run._rich(table, "", run.Terminal()))
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= int(columns)
    for cells in table.cells:
        assert all(cell in printed for cell in cells if cell != "—")


def test_a_wrong_contender_of_ones_own_is_refused(mine, short, tmp_path, capsys):
    _, code = mine
    (tmp_path / "wrong.py").write_text(code.replace("delta /= len(z)", "delta /= len(z) - 1"), encoding="utf-8")
    name = f"{tmp_path / 'wrong.py'}:Step"
    take_own([name])
    row = QUESTIONS["step"].measure(case_of(Problem(TINY)), replace(SETTINGS, contenders=(name,)))
    assert row["refused"] == [name]
    assert "the judge refused" in row["not_timed"][name]
    (tmp_path / "broken.py").write_text("1 / 0", encoding="utf-8")
    for given, words in {
        "no.py:Step": "there is no file no.py",
        f"{tmp_path / 'mine.py'}:Stop": "name a class with step() and weights()",
        f"{tmp_path / 'mine.py'}": "got ''; it has Step",
        f"{tmp_path / 'broken.py'}:Step": "ZeroDivisionError",
    }.items():
        assert main(["bench", "--contender", given]) == 2
        assert words in capsys.readouterr().err


# --- who would be fastest -------------------------------------------------------------------------------------------

COSTS = {OURS: (1e-5, 1e-5, 1e-10, 1e-11), TORCH: (1e-4, 2e-5, 1e-10, 5e-12)}
"""Seconds per step, layer, element and operation: NumPy ahead on small nets, torch on large ones."""


def stepped(net, drawn=False, **seconds):
    """A row of whole steps, with the times that COSTS say unless others are given."""
    counts = (1, len(net.sizes) - 1, net.batch * sum(net.sizes[1:]) + net.parameters, net.flops)
    times = {name: sum(c * n for c, n in zip(own, counts, strict=True)) for name, own in COSTS.items()} | seconds
    samples = {name: [[time * (1 + i / 1e6) for i in range(-4, 5)]] for name, time in times.items()}
    return {"case": case_of(Problem(net), drawn=drawn), "seconds": samples}


def which_result(rows, **more):
    environment = {"numpy": np.__version__, "torch": torch.__version__}
    here = {"machine": cpu_model(), "started": "2026-01-02T03", "environments": {"unset": environment}}
    return result(1e-5, **here, complete=True, questions={"which": {"unset": rows}}) | more


ROUNDED = 2.0**-30
"""The times are exact but for roundings, which a least-squares fit of four numbers leaves far below this."""
FITTED_ROWS = [stepped(net) for net in which.FITTED]


def test_costs_are_found_again():
    models = prediction.fitted(FITTED_ROWS)
    for name, costs in COSTS.items():
        least = np.multiply(costs, 1 - 4e-6)  # of the shortest blocks
        np.testing.assert_allclose(models[name].costs, least, rtol=ROUNDED)
        assert models[name].miss == pytest.approx(1, abs=ROUNDED)
    assert list(prediction.predicted(models, NETS[0])) == [OURS, TORCH]
    assert list(prediction.predicted(models, NETS[-1])) == [TORCH, OURS]
    # Drawn nets, and nets too few, teach nothing.
    assert prediction.fitted([stepped(net, drawn=True) for net in which.FITTED]) == {}
    assert prediction.fitted(FITTED_ROWS[:3]) == {}


def test_predictions_are_tried():
    """A wrong one counts as wrong, and one within the noise as right."""
    drawn = [
        stepped(NETS[0], True),
        stepped(NETS[-1], True),
        stepped(NETS[0], True, **{TORCH: 1e-6}),
        stepped(NETS[0], True, **{OURS: 1e-6, TORCH: 1e-6}),
    ]
    trials = prediction.tried(prediction.fitted(FITTED_ROWS), [*FITTED_ROWS, *drawn])
    assert [(trial.said, trial.fastest, trial.right) for trial in trials] == [
        (OURS, [OURS], True),
        (TORCH, [TORCH], True),
        (OURS, [TORCH], False),
        (OURS, [OURS, TORCH], True),
    ]
    assert trials[2].lost > 20
    assert which.hits(trials).startswith("3 of 4 predictions right")
    assert which.hits(trials).endswith(f"(always saying {TORCH}: 3)")
    costs, tried = which.tables([*FITTED_ROWS, *drawn])
    assert costs.cells[0][1:] == ("10.0 µs", "10.0 µs", "0.10 µs", "100", "0%")
    assert tried.cells[2] == (NETS[0].name, OURS, tried.cells[0][2], TORCH, digits(trials[2].lost))


def test_nets_are_drawn():
    full, quick = (which.cases(quick) for quick in (False, True))
    assert [case["drawn"] for case in full] == [False] * len(quick) + [True] * which.TRIALS
    assert len({case["name"] for case in full}) == len(full)
    assert which.drawn(3, seed=1) == which.drawn(3, seed=1) != which.drawn(3)
    assert all(net.flops <= which.LARGEST for net in which.drawn())


def test_a_drawn_net_is_timed_and_predicted(short):
    case = case_of(Problem(TINY), drawn=True)
    row = {"case": case, **which.measure(case, replace(SETTINGS, contenders=(OURS, TORCH)))}
    (trial,) = prediction.tried(prediction.fitted(FITTED_ROWS), [row])
    assert trial.said == OURS
    assert set(trial.fastest) <= {OURS, TORCH}


WHICH = {
    "a small net": (["2-5-2", "--batch", "100"], {}, "SGD, float32: NumPy is predicted to be fastest; torch takes 4."),
    "a large net": (["784-2048-2048-10", "--batch", "1024"], {}, "torch is predicted to be fastest; NumPy takes 1."),
    "too close": (["2-5-2"], {OURS: COSTS[TORCH]}, "NumPy and torch are predicted to be about as fast as each other"),
    "beyond": (["8-4096-4096-8"], {}, "Beyond what was timed, in operations: "),
    "tried": (["2-5-2"], {"drawn": True}, "Tried in the same run: 1 of 1 predictions right"),
    "elsewhere": (["2-5-2"], {"machine": "a Cray"}, f"This machine is another one: {cpu_model()}"),
}


@pytest.mark.parametrize("case", WHICH)
def test_which(case, tmp_path, capsys, monkeypatch):
    arguments, other, words = WHICH[case]
    for name in COSTS.keys() & other.keys():
        monkeypatch.setitem(COSTS, name, other[name])
    rows = [stepped(net) for net in which.FITTED] + [stepped(NETS[0], True)] * ("drawn" in other)
    more = {"machine": other["machine"]} if "machine" in other else {}
    path = tmp_path / "a.json"
    path.write_text(json.dumps(which_result(rows, **more)))
    assert main(["bench", "which", *arguments, "--result", str(path)]) == 0
    printed = capsys.readouterr().out
    assert words in printed
    assert f"From 16 nets, timed on {more.get('machine', cpu_model())}" in printed
    assert ("another one" in printed) == (case == "elsewhere")


def test_which_measures_once_for_a_machine(tmp_path, capsys, monkeypatch):
    """The first time; where the file is of another machine or version, or was interrupted; and never otherwise."""
    monkeypatch.chdir(tmp_path)
    runs = []

    def measured(plan, found, path, console):
        runs.append(plan)
        found.update(which_result(FITTED_ROWS))
        path.write_text(json.dumps(found))

    monkeypatch.setattr(command, "measure", measured)
    for change in ({}, None, {"machine": "a Cray"}, {"complete": False}, {"environments": {"unset": {"numpy": "1"}}}):
        path = tmp_path / "runs" / "bench" / "which.json"
        if change:
            path.write_text(json.dumps(which_result(FITTED_ROWS, **change)))
        before = len(runs)
        assert main(["bench", "which", "2-5-2"]) == 0
        assert len(runs) - before == (change is not None), change
        assert "runs/bench/which.json" in capsys.readouterr().out
    assert set(runs) == {run.Plan(("which",), quick=True)}


@pytest.mark.parametrize(
    ("arguments", "rows", "words"),
    [
        (["784"], [], "SIZES must be widths >= 1 with hyphens between, as in 784-128-10; got '784'"),
        (["2-0-1"], [], "SIZES must be"),
        (["2-5-2", "--batch", "0"], [], "--batch must be a whole number >= 1"),
        (["2-5-2"], FITTED_ROWS[:3], "too few steps to predict from"),
        (["2-5-2"], [{"case": {"name": "x"}, "seconds": {}}], "did not write: KeyError('optimizer')"),
        (["2-5-2"], None, "cannot be read"),
    ],
)
def test_which_refuses(arguments, rows, words, tmp_path, capsys):
    path = tmp_path / "a.json"
    if rows is not None:
        path.write_text(json.dumps(which_result(rows)))
    assert main(["bench", "which", *arguments, "--result", str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert words in captured.err
