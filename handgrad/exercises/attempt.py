"""A student's file, judged by what judges everything else: the check of gradients, and the judge of steps."""

import ast
import inspect
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import scratch
from handgrad.check import CheckError, check_file
from handgrad.check.files import load
from handgrad.check.subject import one_line
from handgrad.check.surroundings import kept
from handgrad.exercises.table import Exercise
from handgrad.judge import Verdict, judge_clip, judge_hvp
from handgrad.vectors.answer import judge_case
from handgrad.vectors.case import Case

Arrays = dict[str, Any]

QUESTIONS = (
    ("^the output", "The output itself is not that of the task: forward was given, and stays as it is."),
    (
        "no gradient|is None|it is missing|^None",
        "Something was not computed: read again what is to be set and what returned.",
    ),
    (r"constant ratio −1$|opposite sign", "Every sign is turned. Which minus was lost, or is one too many?"),
    ("constant ratio .*(N|outputs)", "Off by one factor, and it is a count. What is a sum here, and what a mean?"),
    ("constant ratio", "Off by one factor everywhere. Which constant stands before a term?"),
    ("product rule", "How many factors of y depend on x? Each of them gives a term."),
    ("upstream gradient itself", "grad_output comes back as it went in. What is the slope of the function itself?"),
    ("upstream gradient is ignored", "Scale grad_output by 2: your answer has to double."),
    ("only the diagonal", "One input of a row: does it move one output, or all of them?"),
    ("at the output|given the input", "A slope is a function of x or of y. Which one did forward keep?"),
    ("transpose", "Write the shape under every factor of your product."),
    ("sum over the batch|bias sum|broadcast", "Who shares this number? Its gradient is a sum over all of them."),
    ("swapped", "Two gradients have one shape. Which is whose?"),
    ("NaN", "Some number is not finite. Where do you divide, or take a logarithm?"),
    ("all zeros", "Nothing comes back at all. Is it set, and is it this call's?"),
    ("kink|only exactly here", "Look at what happens exactly at the kink, and beside it."),
    ("weight_decay|off by .* the parameter", "What does the decay act on, and how often?"),
    ("state lost|momentum is ignored", "It is right for the first step. What has to be remembered until the next?"),
    ("nesterov", "Which buffer moves the weights, and how often does it count?"),
    ("unchanged", "The weights have not moved."),
    (
        "missing f″|missing R|second derivative",
        "The product rule has a term for every factor. Count them, line by line.",
    ),
)
"""By the pattern that the judge names, or by what is wrong: a question. The first that fits is asked."""


@dataclass(frozen=True)
class Attempt:
    """What was found: `status` is "solved", "wrong", "unsolved" or "cannot tell"."""

    exercise: Exercise
    file: Path
    status: str
    tensor: str = ""  # that is wrong
    pattern: str = ""
    number: str = ""  # the worst one, beside what it should be
    text: str = ""  # all that the judge says

    @property
    def exit_code(self) -> int:
        return {"solved": 0, "wrong": 1}.get(self.status, 2)

    def hint(self, level: int) -> str:
        """1 asks a question, 2 says what is wrong, 3 nearly all."""
        idea, formula = self.exercise.hints
        if self.status == "unsolved":
            return (idea, formula, formula)[level - 1]
        named = self.pattern not in ("", "unknown")
        if level == 1:
            said = f"{self.tensor}; {self.pattern}"
            return next((question for regex, question in QUESTIONS if re.search(regex, said)), idea)
        if level == 2:
            return f"{self.pattern}; {self.number}" if named else self.number
        return formula


def attempt(exercise: Exercise, file: Path) -> Attempt:
    """Judge a student's file. CheckError in one line for one that cannot be read, run or called."""
    if unsolved(exercise, file):
        return Attempt(exercise, file, "unsolved")
    if exercise.family != "steps":
        return _gradient(exercise, file)
    given = load(f"{file}:{exercise.what}", alone=True)
    judged = {"clip_grad_norm": _clipping, "hessian_vector_product": _curvature}.get(exercise.what)
    try:
        with kept(seed=0):
            verdicts = judged(given) if judged else _steps(exercise, given)
    except (Exception, SystemExit) as error:  # of the student's code
        raise CheckError(f"{file}: {exercise.hole} failed: {one_line(error)}") from error
    wrong = next((v for v in verdicts if not v.held), None)
    if wrong is None:
        return Attempt(exercise, file, "solved")
    first = wrong.failures[0]
    number = _number(first.index, first.value, first.reference)
    return Attempt(exercise, file, "wrong", first.tensor, first.problem or first.pattern, number, first.render())


def _number(index: tuple[int, ...], value: float, expected: float) -> str:
    return f"at {list(index)} yours is {value:.6g}, it should be {expected:.6g}"


def unsolved(exercise: Exercise, file: Path) -> bool:
    """Whether the file still says that its body is to be written. CheckError where it has no such method."""
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except OSError as error:
        raise CheckError(f"{file} cannot be read: {error.strerror}") from error
    except (SyntaxError, ValueError) as error:
        raise CheckError(f"{file} cannot be run: {one_line(error)}") from error
    nodes = list(ast.walk(tree))
    if not any(exercise.hole in (getattr(n, "name", ""), getattr(n, "attr", ""), getattr(n, "id", "")) for n in nodes):
        kinds = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == exercise.what]
        if kinds and not kinds[-1].bases:  # nor is it inherited
            raise CheckError(f"{file}: {exercise.what} has no {exercise.hole}")
    holes = [n for n in nodes if isinstance(n, ast.FunctionDef) and n.name == exercise.hole]
    return any(isinstance(n, ast.Raise) and "NotImplementedError" in ast.unparse(n) for h in holes for n in ast.walk(h))


def _gradient(exercise: Exercise, file: Path) -> Attempt:
    found = check_file(f"{file}:{exercise.what}", exercise.like, dtype="float64", only=exercise.only)
    worst = found.findings[0] if found.findings else None
    status = {"agree": "solved", "wrong": "wrong"}.get(found.status, "cannot tell")
    if worst is None:
        return Attempt(exercise, file, status, text=found.render())
    number = worst.problem or _number(worst.index, worst.value, worst.expected)
    return Attempt(exercise, file, status, worst.tensor, worst.pattern, number, found.render())


def _draw(*shape: int, seed: int) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


def _steps(exercise: Exercise, kind: type) -> list[Verdict]:
    """Three steps, each from the student's own numbers before it: a mistake is reported where it is made."""
    made, verdicts, param = kind(), [], _draw(2, 3, seed=0)
    options = {name: getattr(made, name) for name in inspect.signature(kind).parameters} | dict(exercise.options)
    for step in range(3):
        grad, before = _draw(2, 3, seed=step + 1), _state(made)
        new = np.asarray(made.update(param.copy(), grad.copy()))
        after = {f"new_{name}": array for name, array in _state(made).items()}
        arrays = {"param": param, "grad": grad, **(before if step else {}), "new_param": new, **after}
        judged = judge_case(Case(str(exercise.optimizer), options, arrays))
        for name in judged.not_given:
            judged.verdict.refuse(name, "it is missing")
        # A wrong state makes wrong weights: the state comes first.
        judged.verdict.failures.sort(key=lambda failure: failure.tensor == "new_param")
        verdicts.append(judged.verdict)
        if not judged.verdict.held:
            break
        param = new
    return verdicts


STATE = ("step", "momentum_buffer", "square_avg", "exp_avg", "exp_avg_sq")
"""What the optimizers of the exercises keep, under PyTorch's names."""


def _state(made: Any) -> Arrays:
    kept = {name: getattr(made, name, None) for name in STATE}
    return {name: np.array(value, np.float64) for name, value in kept.items() if value is not None}


def _clipping(clip: Any) -> list[Verdict]:
    """A long gradient, and one that is short enough already."""
    verdicts = []
    for max_norm in (1.0, 100.0):
        before = [_draw(2, 3, seed=0), _draw(4, seed=1)]
        held = [scratch.Parameter(np.zeros_like(g)) for g in before]
        total, grads = clip([g.copy() for g in before], max_norm)
        for parameter, grad in zip(held, grads, strict=True):
            parameter.grad = np.asarray(grad)
        verdicts.append(judge_clip(held, before, np.float64(total), max_norm))
    return verdicts


def _curvature(product: Any) -> list[Verdict]:
    """On the net of the task, whose twin in `scratch` has the names that the judge goes by."""
    net = scratch.MLP([3, 4, 2], activation="tanh", bias=False, dtype=np.float64, rng=0)
    names = [name for name, _ in net.named_parameters()]
    weights = tuple(p.data.copy() for _, p in net.named_parameters())
    x, target = _draw(5, 3, seed=1), _draw(5, 2, seed=2)
    vector = tuple(_draw(*w.shape, seed=3 + i) for i, w in enumerate(weights))
    found = product(x.copy(), target.copy(), weights, tuple(v.copy() for v in vector))
    given = dict(zip(names, found, strict=True))
    return [judge_hvp(net, scratch.MSELoss(), x, target, dict(zip(names, vector, strict=True)), given)]
