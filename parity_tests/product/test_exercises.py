"""`handgrad exercise`: every task is refused as unsolved, every solution is right, a usual slip gets a useful hint."""

import json
import re
from pathlib import Path

import pytest

from handgrad import cli
from handgrad.exercises import EXERCISES, attempt
from handgrad.exercises.attempt import QUESTIONS

BY_NAME = {exercise.name: exercise for exercise in EXERCISES}

SLIPS = {
    "relu": ("(self.x > 0)", "self.x", "slope of the function|1 where|two values"),
    "leaky-relu": ("np.where(self.x > 0, 1, self.slope)", "(self.x > 0)", "below zero"),
    "sigmoid": ("self.y * (1 - self.y)", "self.y", "look for y"),
    "tanh": ("1 - self.y**2", "1 - np.tanh(self.y)**2", "which one did forward keep"),
    "softplus": ("np.exp(-self.x)", "np.exp(self.x)", "derivative of what is inside"),
    "silu": ("self.s + self.x * self.s * (1 - self.s)", "self.s", "each of them gives a term"),
    "gelu": ("self.P + self.x * density", "self.P", "each of them gives a term"),
    "softmax": (
        "(grad_output - (grad_output * self.y).sum(axis=-1, keepdims=True))",
        "(1 - self.y) * grad_output",
        "all",
    ),
    "log-softmax": ("- np.exp(self.y) * grad_output.sum(axis=-1, keepdims=True)", "- np.exp(self.y)", "every output"),
    "swiglu": ("[by_a, by_b]", "[by_b, by_a]", "hold b"),
    "linear-input": ("grad_output @ self.weight", "grad_output @ (2 * self.weight)", "one factor everywhere"),
    "linear-weight": ("grad_output.T @ self.x", "grad_output.T @ self.x / len(self.x)", "what is a sum here"),
    "linear-bias": ("grad_output.sum(axis=0)", "grad_output[0]", "who shares"),
    "dropout": ("grad_output * self.mask / (1 - self.p)", "grad_output / (1 - self.p)", "multiplication"),
    "embedding": (
        "np.add.at(self.grad_weight, self.indices, grad_output)",
        "self.grad_weight[self.indices] = grad_output",
        "twice",
    ),
    "layer-norm": (
        "g - g.mean(axis=-1, keepdims=True) - self.hat * along",
        "g - g.mean(axis=-1, keepdims=True)",
        "three paths",
    ),
    "rms-norm": (" - self.hat * (g * self.hat).mean(axis=-1, keepdims=True)", "", "each of them gives a term"),
    "batch-norm": ("g - g.mean(axis=0) -", "g -", "moves the outputs of all samples"),
    "two-layer-net": ("* (1 - self.h**2)", "", "one function at a time"),
    "mse": ("2 * self.d / self.d.size", "self.d / self.d.size", "which constant"),
    "l1": ("np.sign(self.d) / self.d.size", "np.sign(self.d)", "a count"),
    "huber": ("np.clip(self.d, -1, 1)", "self.d", "each branch"),
    "bce": ("(self.p - self.t)", "(self.t - self.p)", "minus"),
    "bce-with-logits": ("- self.t)", ")", "denominator"),
    "nll": ("-1 / len(gradient)", "1 / len(gradient)", "minus"),
    "cross-entropy": ("gradient / len(gradient)", "gradient", "what is a sum here, and what a mean"),
    "label-smoothing": ("+= 1 - self.smoothing", "= 1 - self.smoothing", "add up to 1"),
    "momentum": ("before + grad", "before + (1 - self.momentum) * grad", "remembers"),
    "nesterov": ("(grad + self.momentum * self.momentum_buffer)", "self.momentum_buffer", "which buffer"),
    "rmsprop": ("grad**2", "grad", "squares"),
    "adam": ("self.exp_avg / (1 - beta1**self.step)", "self.exp_avg", "start at zero"),
    "adamw": ("decayed = (1 - self.lr * self.weight_decay) * param", "decayed = param", "what does the decay act on"),
    "clip-grad-norm": ("min(1, max_norm / (total + 1e-6))", "max_norm / (total + 1e-6)", "small gradients stay"),
    "hessian-vector-product": (" - by_h * 2 * h * r_h", "", "term for every factor"),
}
"""What a student writes in place of what is right, and what the first hint must say."""


def written(name, folder, *replaced):
    """The student's file with the solution in it, or with a slip."""
    file = folder / BY_NAME[name].file
    text = BY_NAME[name].solution()
    if replaced:
        right, wrong = replaced
        assert BY_NAME[name].written().count(right) == 1, "the slip must be one place of what the student writes"
        text = text.replace(right, wrong)
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("name", BY_NAME)
def test_a_task_is_unsolved_until_it_is_right(name, tmp_path, capsys):
    exercise = BY_NAME[name]
    assert cli.main(["exercise", name, "--out", str(tmp_path)]) == 0
    file = tmp_path / exercise.file
    assert f"--check {file}" in capsys.readouterr().out
    task = file.read_text(encoding="utf-8")
    assert exercise.written() not in task
    for part in ("gets", "returns"):
        assert part in task
    assert cli.main(["exercise", name, "--check", str(file)]) == 2
    assert f"{exercise.hole} is still to be written" in capsys.readouterr().err
    file = written(name, tmp_path)
    assert cli.main(["exercise", name, "--check", str(file)]) == 0
    assert f"{name}: right" in capsys.readouterr().out


@pytest.mark.parametrize("name", BY_NAME)
def test_a_slip_is_wrong_and_gets_a_useful_hint(name, tmp_path):
    right, wrong, words = SLIPS[name]
    found = attempt(BY_NAME[name], written(name, tmp_path, right, wrong))
    assert (found.status, found.exit_code) == ("wrong", 1)
    question, number, formula = (found.hint(level) for level in (1, 2, 3))
    assert re.search(words, question, re.IGNORECASE), question
    assert right not in question + number
    assert "it should be" in number
    assert formula == BY_NAME[name].hints[1] not in (question, number)


def test_the_page_names_every_exercise_in_its_order():
    page = Path(__file__, "../../../docs/exercises.md").resolve().read_text(encoding="utf-8")
    table = page.partition("## In this order")[2].partition("## Options")[0]
    assert re.findall(r"`([\w-]+)`", table) == list(BY_NAME)


def test_every_exercise_has_a_slip_and_a_file_of_its_own():
    assert SLIPS.keys() == BY_NAME.keys()
    assert len({exercise.file for exercise in EXERCISES}) == len(EXERCISES) >= 30
    assert len({question for _, question in QUESTIONS}) == len(QUESTIONS)


def test_work_is_never_overwritten(tmp_path, capsys):
    file = written("silu", tmp_path)
    before = file.read_bytes()
    assert cli.main(["exercise", "silu", "--out", str(tmp_path)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert file.read_bytes() == before


def test_the_list_says_what_is_solved(tmp_path, capsys):
    written("relu", tmp_path)
    written("tanh", tmp_path, *SLIPS["tanh"][:2])
    (tmp_path / "silu.py").write_text(BY_NAME["silu"].task(), encoding="utf-8")
    (tmp_path / "gelu.py").write_text("def", encoding="utf-8")
    assert cli.main(["exercise", "--out", str(tmp_path), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["exercises"]
    statuses = {row["name"]: row["status"] for row in rows if row["status"] is not None}
    assert statuses == {"relu": "solved", "tanh": "wrong", "silu": "unsolved", "gelu": "cannot run"}
    assert cli.main(["exercise", "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "1 of 34 solved" in shown
    assert [line.split()[0] for line in shown.splitlines()[: len(EXERCISES)]] == list(BY_NAME)


def test_hints_grow_and_the_solution_is_asked_for(tmp_path, capsys):
    file = written("silu", tmp_path, *SLIPS["silu"][:2])
    shown = []
    for level in ("1", "2", "3"):
        assert cli.main(["exercise", "silu", str(file), "--hint", level]) == 1
        shown.append(capsys.readouterr().out)
        assert BY_NAME["silu"].written() not in shown[-1]
    assert "product rule" not in shown[0]
    assert "the term x·h′(x) is missing" in shown[1]
    assert "should be" in shown[2]
    assert cli.main(["exercise", "silu", "--solution"]) == 0
    assert capsys.readouterr().out.rstrip() == BY_NAME["silu"].written()


def test_a_hint_before_the_first_line(tmp_path, capsys):
    cli.main(["exercise", "silu", "--out", str(tmp_path)])
    capsys.readouterr()
    assert cli.main(["exercise", "silu", "--out", str(tmp_path), "--hint", "1"]) == 2
    assert BY_NAME["silu"].hints[0] in capsys.readouterr().out


@pytest.mark.parametrize(("slip", "status"), [(False, "solved"), (True, "wrong")])
def test_json(slip, status, tmp_path, capsys):
    file = written("adam", tmp_path, *(SLIPS["adam"][:2] if slip else ()))
    assert cli.main(["exercise", "adam", str(file), "--check", "--json"]) == int(slip)
    found = json.loads(capsys.readouterr().out)
    assert found["status"] == status
    assert bool(found["hint"]) == slip == bool(found["wrong"])


def test_state_that_an_optimizer_does_not_keep_is_missed(tmp_path, capsys):
    file = written("adam", tmp_path, "self.exp_avg_sq = beta2 * self.exp_avg_sq", "_ = beta2 * self.exp_avg_sq")
    assert cli.main(["exercise", "adam", str(file), "--check"]) == 1
    assert "new_exp_avg_sq" in capsys.readouterr().out


BAD = {
    "name": (["sliu"], ["the exercise must be one of", "did you mean 'silu'"]),
    "no name": (["--check"], ["need the name"]),
    "no file": (["silu", "--check", "nowhere.py"], ["there is no file nowhere.py"]),
    "both": (["silu", "--check", "--solution"], ["--check or --solution"]),
    "file alone": (["silu", "mine.py"], ["--check", "mine.py"]),
    "json alone": (["silu", "--json"], ["--json"]),
    "hint": (["silu", "--hint", "4"], ["--hint", "from 1 to 3", "4"]),
    "cannot be run": (["silu", "--check", "FILE:def"], ["cannot be run", "mine.py, line 1"]),
    "no backward": (["silu", "--check", "FILE:class SiLU: pass"], ["mine.py: SiLU has no backward"]),
    "no update": (["adam", "--check", "FILE:class Adam: pass"], ["mine.py: Adam has no update"]),
    "no class": (["silu", "--check", "FILE:x = 1"], ["has no 'SiLU'"]),
    "no optimizer": (["adam", "--check", "FILE:x = 1"], ["has no 'Adam'"]),
    "raises": (["clip-grad-norm", "--check", "FILE:def clip_grad_norm(g, n): exit()"], ["failed", "SystemExit"]),
    "nonsense": (["clip-grad-norm", "--check", "FILE:def clip_grad_norm(g, n): return 1"], ["failed"]),
    "shape": (["hessian-vector-product", "--check", "FILE:def hessian_vector_product(*a): return 1"], ["failed"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line(case, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments, words = BAD[case]
    if arguments[-1].startswith("FILE:"):
        (tmp_path / "mine.py").write_text(arguments[-1].removeprefix("FILE:"), encoding="utf-8")
        arguments = [*arguments[:-1], "mine.py"]
    assert cli.main(["exercise", *arguments]) == 2
    found = capsys.readouterr()
    assert len(found.err.splitlines()) == 1
    assert all(word in found.err for word in words), found.err
