"""One program, played on both sides: what each line gives, and whether that is as it should be.

A program is lines of Python in which `side` is `scratch` or `torch_impl`. On both sides each line must

- be accepted, with equal results: type, dtype, shape, and numbers that are the same or inside the judge's bounds;
- or be refused, with the same error in the same words, raised on purpose by the side's own code;
- leave the arrays that it is given as they are;
- and where it is refused, leave nothing: without its refused lines the program gives what it gives with them, bit by
  bit. Memory of the last forward, gradients, buffers, options, modes and random generators all show in what follows.
"""

import functools
import linecache
import math
import pathlib
import re
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import torch

import contract
from docs.writers.dictionary import measure
from handgrad.judge import Verdict, judge_backward, judge_forward, judge_loss, judge_optimizer, snapshot
from parity_tests.catalogue.tables import SIDES

OWN_FILES = tuple(str(pathlib.Path(package.__file__).parent) for package in (contract, *SIDES.values()))
PYTHONS_OWN = re.compile(r"^(\S+\(\)) (takes |missing |got an unexpected |got multiple |got some positional)")
"""How Python refuses a call whose arguments do not fit the signature: after the name of the function."""


@dataclass(frozen=True)
class Line:
    """`name = target(*arguments, **options)`, all of it source text; without a name the result is only looked at."""

    target: str
    arguments: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    name: str = ""

    def __str__(self) -> str:
        given = [*self.arguments, *(f"{key}={value}" for key, value in self.options)]
        call = f"{self.target}({', '.join(given)})"
        return f"{self.name} = {call}" if self.name else call


Program = tuple[Line, ...]
FILLS = ("side.init.", "setattr")
"""What writes into the array that it is given, or may."""


class Sub(np.ndarray[Any, Any]):
    """A subclass of arrays, as other libraries have them."""


def draw(kind: str, shape: tuple[int, ...], dtype: Any = "float32", seed: int = 0) -> Any:
    """An array of one of `handgrad.catalogue.row.KINDS`."""
    return measure.draw(kind, shape, dtype, np.random.default_rng(seed))


def readonly(array: Any) -> Any:
    array.flags.writeable = False
    return array


def first(model: Any) -> Any:
    """A model's first parameter."""
    return next(iter(model.parameters()), None) or missing("a parameter")


def missing(what: str) -> Any:
    raise NameError(what)


def far(array: Any) -> Any:
    """The same numbers, a thousand apart in memory."""
    wide = np.zeros((*array.shape, 1000), array.dtype)
    wide[..., 0] = array
    return wide[..., 0]


def edited(state: Any, *path: Any, to: Any) -> Any:
    """A nested state with one entry replaced."""
    if not path:
        return to
    key, *rest = path
    copied = list(state) if isinstance(state, list) else dict(state)
    copied[key] = edited(state[key], *rest, to=to) if rest else to
    return copied


TORCHS_ALONE = {"foreach", "fused", "capturable", "differentiable", "_get_lr_called_within_step", "_is_initial"}
"""What a state dict has on the torch side only."""


def told(state: Any) -> Any:
    """What the state dicts of both sides have, in one order."""
    if isinstance(state, list):
        return [told(entry) for entry in state]
    if not isinstance(state, dict):
        return state
    return {key: told(state[key]) for key in sorted(state, key=str) if key not in TORCHS_ALONE}


NAMESPACE: dict[str, Any] = {
    "np": np,
    "math": math,
    "Fraction": Fraction,
    "Decimal": Decimal,
    "Sub": Sub,
    "torch": torch,
    "draw": draw,
    "readonly": readonly,
    "far": far,
    "edited": edited,
    "first": first,
    "told": told,
}


@functools.cache
def compiled(source: str) -> Any:
    return compile(source, "<fuzz>", "eval")


@dataclass
class Outcome:
    """What one line gave: a result, or an error; or nothing, where what it needs was refused before."""

    result: Any = None
    error: Exception | None = None
    absent: bool = False
    wrote: str = ""  # the argument whose array it wrote into
    judge: Callable[[], Verdict] | None = None

    @property
    def text(self) -> str:
        """The error as Python prints it, without addresses; Python's own about arguments without the names of function
        and arguments, which for a method are those of the class that it is written in."""
        if self.error is None:
            return ""
        words = re.sub(r"0x[0-9a-f]+", "0x", str(self.error))
        if found := PYTHONS_OWN.match(words):
            words = re.sub(r"(missing \d+ .*?arguments?): .*", r"\1", words[found.end(1) :])
        return f"{type(self.error).__name__}: {words}"


class Stage:
    """One side with the names that a program has given so far, and what the judge has to know."""

    def __init__(self, side: str, judged: bool) -> None:
        self.side, self.judged = side, judged
        self.names: dict[str, Any] = {**NAMESPACE, "side": SIDES[side]}
        self.forwards: dict[str, tuple[Any, Any]] = {}  # arrays and output of a loss's or a model's last forward
        self.kept: list[tuple[Line, Any, bytes]] = []  # arrays that were handed out, and their bytes at the time

    def play(self, line: Line) -> Outcome:
        try:
            function = self.value(line.target)
            arguments = [self.value(text) for text in line.arguments]
            options = {key: self.value(text) for key, text in line.options}
        except Exception as error:  # a name that a refused line would have given, an argument that cannot be made
            return Outcome(absent=True, error=error)
        held = list(arrays([*arguments, *options.values()]))
        copies = [bits(array) for array in held]
        before = self.before(line)
        try:
            result = function(*arguments, **options)
        except Exception as error:
            outcome = Outcome(error=error)
        else:
            outcome = Outcome(result=frozen(result))
            self.kept += [(line, array, bits(array)) for array in arrays([result])]
            if line.name:
                self.names[line.name] = result
            if self.judged:
                outcome.judge = self.remembered(line, arguments, result, before)
        for array, copy in zip(held, copies, strict=True):
            if not line.target.startswith(FILLS) and bits(array) != copy:
                outcome.wrote = str(line)
        return outcome

    def value(self, text: str) -> Any:
        return eval(compiled(text), self.names)

    def before(self, line: Line) -> Any:
        """What an optimizer's step starts from."""
        return snapshot(self.names["o"]) if self.judged and line.target == "o.step" and "o" in self.names else None

    def remembered(self, line: Line, arguments: list[Any], result: Any, before: Any) -> Callable[[], Verdict] | None:
        """What a later line is judged by, and how this one is."""
        owner, _, method = line.target.partition(".")
        if line.target == "setattr" and arguments[0] is self.names.get("l"):
            self.forwards.pop("l", None)  # its last value is one of other options
        if method == "forward" and not arguments:
            self.forwards.pop(owner, None)  # called by names, and not judged
        if line.target == "o.step":
            return partial(judge_optimizer, self.names["o"], before, self.side)
        if owner not in ("m", "l") or (method in ("forward", "") and not arguments):
            return None
        if method in ("forward", ""):
            self.forwards[owner] = (tuple(plain(value) for value in arguments), result)
        if owner == "m" and method in ("forward", ""):
            inputs, _ = self.forwards["m"]
            return partial(judge_forward, self.names["m"], inputs if len(inputs) > 1 else inputs[0], result, self.side)
        if line.target == "l.backward" and "l" in self.forwards:
            inputs, value = self.forwards["l"]
            given = {"value": value, "grad": result, "grad_output": plain(arguments[0]) if arguments else None}
            return partial(judge_loss, self.names["l"], *inputs, **given, side=self.side)
        return None

    def last(self) -> list[Verdict]:
        """The gradients of a model, at the end: to judge them it is called once more."""
        if "m" not in self.forwards or not self.judged:
            return []
        inputs, output = self.forwards["m"]
        x = inputs[0] if len(inputs) == 1 else inputs
        upstream = np.random.default_rng(5).normal(size=output.shape).astype(output.dtype)
        return [judge_backward(self.names["m"], x, upstream, side=self.side)]


def arrays(values: Iterable[Any]) -> Iterator[Any]:
    """Every array in arguments, nested ones too."""
    for value in values:
        if isinstance(value, np.ndarray) and value.dtype != object:
            yield value
        elif isinstance(value, dict):
            yield from arrays(value.values())
        elif isinstance(value, list | tuple):
            yield from arrays(value)


def plain(value: Any) -> Any:
    return np.array(value) if isinstance(value, np.ndarray) else value


def bits(array: Any) -> bytes:
    """Of a masked array too, masked numbers included."""
    return np.ndarray.tobytes(array)


def frozen(result: Any) -> Any:
    """A result as it is now: arrays are copied; of an object only its kind is looked at."""
    if isinstance(result, np.ndarray | np.generic):
        return np.array(result) if type(result) is np.ndarray else (type(result).__name__, np.array(result))
    if isinstance(result, dict):
        return {key: frozen(value) for key, value in result.items()}
    if isinstance(result, list | tuple):
        return type(result)(frozen(value) for value in result)
    return result if isinstance(result, bool | int | float | str | None) else object


CLASSES = {
    "unreadable": "refused, but not by an error of ours that says what was wrong",
    "unreadable on both sides": "the same on both sides",
    "one side": "refused by one side, accepted by the other",
    "other words": "refused by both sides in different words",
    "other results": "accepted by both sides with different results",
    "trace": "refused, and what follows is not as if it had never been called",
    "written": "an array that was given, or handed out before, was changed",
}
"""What a line must not do."""


@dataclass(frozen=True)
class Finding:
    kind: str  # one of CLASSES
    program: Program
    line: Line
    words: tuple[str, ...]

    @property
    def key(self) -> tuple[str, ...]:
        """Findings of one fault have one key, as a rule: the numbers and names that were given are left out."""
        plain = (re.sub(r"\(.*|got .*|'[^']*'|[\d.]+", "", text) for text in self.words)
        return (self.kind, re.sub(r"\d", "", self.line.target), *plain)

    def __str__(self) -> str:
        lines = [*("    " + str(line) for line in self.program), *("      " + text for text in self.words)]
        return "\n".join([f"{self.kind.upper()} at {self.line}", *lines])


@dataclass
class Played:
    """What a program gave."""

    accepted: int = 0
    refused: int = 0
    findings: list[Finding] = field(default_factory=list)


def play(program: Program, sides: tuple[str, ...] = tuple(SIDES)) -> Played:
    """Play a program, on both sides unless only one has what it calls."""
    played = Played()
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stages = {side: Stage(side, judged=len(sides) > 1) for side in sides}
        outcomes: list[dict[str, Outcome]] = []
        for i, line in enumerate(program):
            row = {side: stage.play(line) for side, stage in stages.items()}
            outcomes.append(row)
            errors = [outcome.error for outcome in row.values()]
            if all(outcome.absent for outcome in row.values()):
                continue
            played.refused += all(errors)
            played.accepted += not any(errors)
            found = [Finding(kind, program[: i + 1], line, words) for kind, words in wrong(line, row)]
            played.findings += found
            if (
                any(finding.kind in ("one side", "other results") for finding in found)
                or len(set(map(bool, errors))) > 1
            ):
                return played  # the sides are no longer in one state
        for stage in stages.values():
            for verdict in stage.last():
                if not verdict.held:
                    played.findings.append(Finding("other results", program, program[-1], (verdict.render(),)))
            for line, array, copy in stage.kept:
                if bits(array) != copy:
                    played.findings.append(Finding("written", program, line, (f"{stage.side}: what it gave",)))
        for side in sides:
            if any(row[side].error for row in outcomes):
                played.findings += traces(program, side, [row[side] for row in outcomes])
    return played


def wrong(line: Line, row: dict[str, Outcome]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What is wrong with a line's outcomes: a class and the words to print."""
    texts = tuple(f"{side}: {outcome.text or outcome.result!r}" for side, outcome in row.items())
    for outcome in row.values():
        if outcome.wrote:
            yield "written", texts
    if any(outcome.absent for outcome in row.values()):
        yield "one side", texts
        return
    bad = [outcome.error is not None and not readable(outcome.error, line) for outcome in row.values()]
    errors = [outcome.error for outcome in row.values()]
    if all(errors) and all(bad):
        yield ("unreadable on both sides" if len(bad) > 1 else "unreadable"), texts
    elif any(bad):
        yield "unreadable", texts
    elif any(errors) and not all(errors):
        yield "one side", texts
    elif all(errors) and len({outcome.text for outcome in row.values()}) > 1:
        yield "other words", texts
    elif not any(errors) and len(row) > 1:
        first, second = row.values()
        failed: list[str] = []
        if like := alike(first.result, second.result):
            judges = [outcome.judge for outcome in row.values() if outcome.judge]
            exact = not judges or (first.result is not None and identical(first.result, second.result))
            failed = [] if exact else [verdict.render() for judge in judges if not (verdict := judge()).held]
        if failed or not like:
            yield "other results", (*failed, *texts)


def readable(error: Exception, line: Line) -> bool:
    """One line, raised on purpose by our own code; or Python's own about the arguments of this very call."""
    if not str(error) or "\n" in str(error):
        return False
    if isinstance(error, TypeError) and (found := PYTHONS_OWN.match(str(error))):
        called = line.target.rpartition(".")[2]
        return {called, "forward" if called in ("m", "l") else "__init__", "__call__"} & set(
            re.findall(r"\w+", found[1])
        ) != set()
    last = traceback.extract_tb(error.__traceback__)[-1]
    source = linecache.getline(last.filename, last.lineno or 0).strip()
    return last.filename.startswith(OWN_FILES) and source.startswith("raise ")


def alike(a: Any, b: Any) -> bool:
    """The same kind, dtype and shape, the same keys; numbers in floats are the judge's."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        exact = a.dtype.kind != "f" or np.array_equal(a, b, equal_nan=True)
        return a.dtype == b.dtype and a.shape == b.shape and (exact if a.dtype.kind != "f" else True)
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(alike(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(alike, a, b))
    return type(a) is type(b) and (isinstance(a, float) or a == b)


def identical(a: Any, b: Any) -> bool:
    """Bit by bit."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and bits(a) == bits(b)
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(identical(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(identical, a, b))
    return type(a) is type(b) and (a == b or (isinstance(a, float) and math.isnan(a) and math.isnan(b)))


def traces(program: Program, side: str, outcomes: list[Outcome]) -> Iterator[Finding]:
    """The first line that gives something else where a line refused before it is left out."""
    for refused in [i for i, outcome in enumerate(outcomes) if outcome.error and not outcome.absent]:
        stage = Stage(side, judged=False)
        for i, (line, outcome) in enumerate(zip(program, outcomes, strict=True)):
            if i == refused:
                continue
            again = stage.play(line)
            if again.text != outcome.text or not identical(outcome.result, again.result):
                words = (
                    f"{side}: {outcome.text or outcome.result!r}",
                    f"without {program[refused]}: {again.text or again.result!r}",
                )
                yield Finding("trace", program[: i + 1], line, words)
                return


def smallest(finding: Finding, sides: tuple[str, ...] = tuple(SIDES)) -> Finding:
    """The same fault with as few lines as it takes."""
    for line in finding.program[-2::-1]:
        shorter = tuple(other for other in finding.program if other is not line)
        for other in play(shorter, sides).findings:
            if other.key == finding.key:
                finding = other
                break
    return finding
