"""Programs drawn from the table of subjects: good and hostile arguments, in any order."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

import scratch
from parity_tests.meta.fuzz.play import Line, Program
from parity_tests.meta.fuzz.subjects import ARRAYS, DTYPES, FLOATS, SCALARS, STATES, SUBJECTS, Subject

Pick = Callable[[Sequence[Any]], Any]
CALLS = 5

PYTHONS = ("dict", "draw", "getattr", "np.array", "repr", "told")
"""Python's own functions: what they are given wrongly is not our affair."""


def hostile(text: str, pick: Pick, option: str = "") -> str:
    """Something else in the place of a good argument."""
    forms: tuple[str, ...] = ()
    if text.startswith(("draw(", "np.array(", "np.ones")):
        forms = ARRAYS + (() if "'class'" in text or "'index'" in text or "'labels'" in text else FLOATS)
    elif ".state_dict()" in text or text.startswith("{k"):
        forms = STATES
    elif option == "dtype":
        forms = DTYPES
    if forms and pick((True, True, True, False)):
        return pick(forms).format(text)
    chosen: str = pick(SCALARS)
    return "0" if (option, chosen) == ("rng", "None") else chosen  # of fresh entropy no two runs are alike


def mutated(line: Line, pick: Pick) -> Line:
    """One thing wrong with a call: a value, a name, or how many arguments there are."""
    if line.target in PYTHONS:
        return line
    arguments, options = list(line.arguments), dict(line.options)
    if line.target == "setattr":  # only the value is ours
        return replace(line, arguments=(*arguments[:2], hostile(arguments[2], pick)))
    how = pick(("value",) * 6 + ("fewer", "more", "unknown"))
    if how == "value" and (places := [*range(len(arguments)), *options]):
        place = pick(places)
        if isinstance(place, int):
            arguments[place] = hostile(arguments[place], pick)
            if line.target == "t.step" and "torch" in arguments[place]:  # a native array of one side
                return line
        else:
            options[place] = hostile(options[place], pick, place)
    elif how == "fewer" and arguments:
        arguments.pop()
    elif how == "more":
        arguments.append(pick(SCALARS))
    else:
        options["nonsense"] = pick(SCALARS)
    return replace(line, arguments=tuple(arguments), options=tuple(options.items()))


def constructor(subject: Subject, pick: Pick) -> Line:
    """With a few good options, by name or by place, or with one of all that is hostile."""
    line = pick(subject.make)
    options = dict(line.options)
    for _ in range(pick((0, 1, 2)) if subject.options else 0):
        name, texts = pick(subject.options)
        options[name] = pick(texts)
    how = pick(("good", "by place", "option", "any"))
    if how == "option" and subject.options:
        name, texts = pick(subject.options)
        options[name] = hostile(pick(texts), pick, name)
    line = replace(line, options=tuple(options.items()))
    if how == "by place":
        return by_place(line)
    return mutated(line, pick) if how == "any" else line


def by_place(line: Line) -> Line:
    """The options that come next in the signature of the hand-written side, without their names."""
    function = getattr(scratch, line.target.removeprefix("side."), None)
    arguments, options = list(line.arguments), dict(line.options)
    names = list(inspect.signature(function).parameters) if function else []
    for name in names[len(arguments) :]:
        if name not in options:
            break
        arguments.append(options.pop(name))
    return replace(line, arguments=tuple(arguments), options=tuple(options.items()))


def program(subject: Subject, pick: Pick) -> Program:
    lines = [*subject.setup, constructor(subject, pick)]
    for _ in range(pick(range(1, CALLS + 1))):
        call = pick(subject.calls)
        lines.append(mutated(call, pick) if pick((True, False, False)) else call)
    return (*lines, *probes(subject))


def probes(subject: Subject) -> Program:
    """Good calls at the end, which see whatever a refusal has left."""
    last = {}
    for call in subject.calls:
        if call.target not in ("m.train", "m.eval", "m.zero_grad", "m", "l"):
            last.setdefault((call.target, call.arguments[1:2] if call.target in ("getattr", "setattr") else ""), call)
    return tuple(sorted(last.values(), key=lambda call: call.target == "setattr"))[:6]


@st.composite
def programs(draw: Any, names: Sequence[str] = tuple(SUBJECTS)) -> tuple[str, Program]:
    """A subject's name and a program about it.

    Hypothesis draws the seed alone: of its own picks it repeats and varies a few, where a campaign wants all alike.
    """
    pick = draw(st.randoms(use_true_random=True)).choice
    name = pick(names)
    return name, program(SUBJECTS[name], pick)
