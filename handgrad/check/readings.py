"""The ways in which the user's code can be read: what runs it forward, what asks it for its gradient, with what.

A `Reading` is one such way, in plain terms; whether it is the right one is found by trying (`read`). Each function of
`READERS` knows one convention and yields its readings, the likeliest first.
"""

import copy
import functools
import inspect
import itertools
import operator
import re
import types
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from handgrad.check import architectures, containers, conventions, held, shapes, source, statics
from handgrad.check.conventions import bare, is_upstream, role
from handgrad.check.held import Namespace
from handgrad.check.inputs import UNROLLED, WEIGHTS, part
from handgrad.check.subject import CheckError, attribute, inner, required

Slot = tuple[str, Any]
"""What is passed for a parameter: ("argument", name), ("upstream", i), ("cache", None), ("output", None), …; or
("tuple", slots)."""
BINDINGS = 24  # ways to call one backward that are tried


@dataclass(frozen=True)
class Argument:
    name: str
    role: str = "data"
    value: Any = None  # of one that is fixed


@dataclass(frozen=True)
class Step:
    """A call of a method or a function."""

    name: str
    slots: tuple[Slot, ...]
    named: tuple[tuple[str, Slot], ...] = ()

    @cached_property
    def flat(self) -> tuple[Slot, ...]:
        """All that is passed, the parts of tuples one by one."""
        every = (*self.slots, *(slot for _, slot in self.named))
        return tuple(part for kind, what in every for part in (what if kind == "tuple" else [(kind, what)]))

    @cached_property
    def kinds(self) -> set[str]:
        return {kind for kind, _ in self.flat}

    @cached_property
    def upstreams(self) -> int:
        """How many gradients from above it takes."""
        return sum(kind == "upstream" for kind, _ in self.flat)

    @cached_property
    def together(self) -> int:
        """Of how many parts its tuples are; 0: it takes none."""
        return max((len(what) for kind, what in self.slots if kind == "tuple"), default=0)


@dataclass(frozen=True)
class Reading:
    """One way to run the code forward and to ask it for its gradient."""

    name: str
    kind: str
    source: Any
    root: Any
    arguments: tuple[Argument, ...]
    forward: Step
    backward: Step | None = None  # None: forward itself returns the gradients behind its output
    loss: Step | None = None  # of the outputs and the target
    formulas: bool = False  # the loss is one of the formulas, by trying
    own: bool = False  # forward gives the loss that the code itself computes
    formula: Callable[[Any, Any], Any] | None = None
    said: str = ""
    reduction: str = ""  # of an output that is a row of losses: "sum" or "mean"
    tensors: bool = False  # the code computes on torch tensors
    row: bool = False  # of a vector, backward takes and returns rows
    guessed: bool = False  # what is passed for several arguments, nothing says
    marks: bool = False  # the gradients are attributes of the tensors themselves: out.g, x.g
    composite: bool = False
    single: bool = False  # one sample is what a backward is for
    updates: bool = False  # backward returns the weights after a step at rate 1
    carried: tuple[int, ...] = ()  # which of what forward returned are states that a next step takes
    predicted: int | None = None  # which of what forward returns is the output, where backward is given the others
    made: dict[str, tuple[int, ...]] = field(default_factory=dict)  # shapes of arguments, as the file makes them
    counts: tuple[int, ...] = ()  # whole numbers of the module that a loss may be divided by
    itself: bool = False  # the target is the input, as of an autoencoder
    built: tuple[int, ...] = ()  # the shape of the inputs that the object has been told
    kept: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def takes_upstream(self) -> bool:
        return self.marks or (self.backward is not None and "upstream" in self.backward.kinds)

    @cached_property
    def behind_loss(self) -> bool:
        """Whether the gradients are what is returned behind the loss."""
        return self.backward is None or self.backward == self.loss

    @cached_property
    def target(self) -> str | None:
        return next((a.name for a in self.arguments if a.role == "target"), None)

    @cached_property
    def against(self) -> str:
        """What a formula holds the output against."""
        return self.arguments[0].name if self.itself else self.target or ""


def signature(f: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        parameters = list(inspect.signature(inner(f)).parameters.values())
    except (ValueError, TypeError):
        return [inspect.Parameter("x", inspect.Parameter.POSITIONAL_ONLY)]
    return [p for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)] or (
        [inspect.Parameter("x", inspect.Parameter.POSITIONAL_ONLY)]
        if any(p.kind is p.VAR_POSITIONAL for p in parameters)
        else []
    )


def _needed(p: inspect.Parameter) -> bool:
    return p.default is inspect.Parameter.empty


def _roles(parameters: list[inspect.Parameter]) -> dict[str, str]:
    """What each argument of a forward is. Of two, neither of which is a prediction, the second may be a target."""
    found = {p.name: role(p.name, first=i == 0) for i, p in enumerate(parameters)}
    if len(parameters) == 1 and found[parameters[0].name] == "target":
        found[parameters[0].name] = "data"
    return found


def forward_step(
    name: str,
    f: Callable[..., Any],
    targets: bool = False,
    apart: bool = False,
    given: Collection[str] = (),
    states: bool = False,
) -> tuple[Step, tuple[Argument, ...]]:
    """How to call a forward: its needed arguments, and, with `targets`, a target that is None by default, with `states`
    the states that are; with `apart`, a state that it takes apart, as `h, c = state`, as several arguments. `given` are
    kept parameters."""
    parts = _parts(f) if apart else {}
    parameters = [p for p in signature(f) if _needed(p)]
    extra = [p for p in signature(f) if not _needed(p) and p.default is None and role(p.name) == "target" and targets]
    extra += _states(f) if states else []
    weighed = [p for p in signature(f) if _is_penalty(p)] if targets else []
    kinds = _roles([p for p in parameters if not _is_option(p, parameters)]) | dict.fromkeys(
        (p.name for p in extra if role(p.name) != "target"), "data"
    )
    slots: list[Slot] = []
    arguments: list[Argument] = []
    named: list[tuple[str, Slot]] = []
    kinds |= {n: "data" for n in source.computed(f) if kinds.get(n) == "kept"}
    flat = "sizes" in kinds.values() and any(re.fullmatch(UNROLLED, bare(n)) for n in kinds)
    for p in [*parameters, *extra]:
        kind = kinds.get(p.name, "target")
        slot: Slot = ("argument", p.name)
        if flat and not re.fullmatch(UNROLLED, bare(p.name)) and part(p.name) in WEIGHTS:
            slot = ("fixed", 0.5)  # beside weights that are one vector, beta is the weight of a penalty
        elif bare(p.name) in given:
            slot = ("kept", p.name)
        elif _is_option(p, parameters):
            slot = ("fixed", OPTION)
        elif kind in conventions.FIXED:
            slot = ("fixed", 0.1 if kind == "rate" else conventions.FIXED[kind])
        elif kind == "options":
            slot = ("fixed", conventions.Settings())
        elif kind == "sizes":
            slot = ("size", conventions.width(p.name))
        elif kind == "kept":
            slot = ("kept", p.name)
        elif p.name in parts:
            slot = ("tuple", tuple(("argument", n) for n in parts[p.name]))
            arguments += [Argument(n) for n in parts[p.name]]
        else:
            arguments.append(Argument(p.name, kind))
        if p.kind is p.KEYWORD_ONLY or not _needed(p):
            named.append((p.name, slot))
        else:
            slots.append(slot)
    named += [(p.name, ("fixed", conventions.FIXED["reg"])) for p in weighed]
    return Step(name, tuple(slots), tuple(named)), tuple(arguments)


OPTION = 3
"""A number that is written as one beside arrays, as the exponent of a power: at 2 and at 1 faults of it are hidden."""


def _is_option(p: inspect.Parameter, beside: list[inspect.Parameter]) -> bool:
    """Whether an argument is said to be a number, `power: float`, where others are said to be arrays."""
    arrays = any(re.search("array|tensor", str(q.annotation), re.IGNORECASE) for q in beside)
    return arrays and (p.annotation in (int, float) or p.annotation in ("int", "float"))


def _is_penalty(p: inspect.Parameter) -> bool:
    """Whether an argument weighs a penalty that is off by default: of that nothing would be seen."""
    return type(p.default) in (int, float) and p.default == 0 and role(p.name) == "reg" and bare(p.name) != "mu"


def _parts(f: Callable[..., Any]) -> dict[str, tuple[str, ...]]:
    """The states among the arguments that a forward takes apart, and the names of their parts."""
    theirs = [p.name for p in signature(f) if _needed(p)]
    found = {n: parts for n, parts in source.unpacked(f).items() if n in theirs[1:] and re.fullmatch(STATE, bare(n))}
    return {n: tuple(m if m not in theirs else f"{n}_{m}" for m in parts) for n, parts in found.items()}


def _states(f: Callable[..., Any]) -> list[inspect.Parameter]:
    """The states that a forward starts at 0 where it is given none, as `h_prev=None`: at 0 nothing is seen of what
    meets them."""
    return [p for p in signature(f) if p.default is None and part(p.name) == "hidden" and role(p.name) != "target"]


STATE = r"\w*(state|hidden|hc|mem|cache)\w*|h\w*|\w*prev\w*|carry"
"""What a state is called, or running statistics, which may be a tuple."""


def forward_steps(
    name: str, f: Callable[..., Any], targets: bool = False, given: Collection[str] = ()
) -> Iterator[tuple[Step, tuple[Argument, ...]]]:
    """The ways to call a forward: as it is by default, and with the flags on that a backward needs."""
    step, arguments = forward_step(name, f, targets, given=given)
    if _states(f):
        yield forward_step(name, f, targets, given=given, states=True)
    if _parts(f):
        yield forward_step(name, f, targets, apart=True)
    yield step, arguments
    flags = f"{conventions.CACHING}|{conventions.TRAINING}"
    on = [p.name for p in signature(f) if p.default is False and re.fullmatch(flags, bare(p.name))]
    if on:
        yield replace(step, named=(*step.named, *((n, ("fixed", True)) for n in on))), arguments


def backward_steps(
    name: str,
    f: Callable[..., Any],
    arguments: tuple[Argument, ...],
    kept: tuple[str, ...] = (),
    shared: set[str] | None = None,
    passed: dict[str, Slot] | None = None,
) -> Iterator[tuple[Step, tuple[Argument, ...]]]:
    """The ways to call a backward, and the arguments that it needs beside those of forward."""
    parameters = [p for p in signature(f) if _needed(p) or (_wanted(p) and p.name not in (shared or ()))]
    known = passed or {}
    ways = [[known[p.name]] if p.name in known else _choices(p, arguments, parameters, kept) for p in parameters]
    apart = source.unpacked(f)
    for p, choices in zip(parameters, ways, strict=True):  # (dh, dc) = dstate: what comes back to a tuple is one
        if p.name in apart and all(map(is_upstream, (p.name, *apart[p.name]))):
            choices.insert(0, ("upstreams", len(apart[p.name])))
        if not _needed(p) and role(p.name) == "target" and any(_needed(q) and is_upstream(q.name) for q in parameters):
            choices.insert(0, ("left out", None))  # all layers of a net have it, and the last alone uses it
    for combination in itertools.islice(itertools.product(*ways), BINDINGS):
        data = [slot for slot in combination if slot[0] == "argument"]
        if len(set(data)) < len(data):
            continue  # backward(x_real, x_fake) is that of no forward(x)
        slots: list[Slot] = []
        named: list[tuple[str, Slot]] = []
        new: list[Argument] = []
        ups = 0
        for p, (kind, what) in zip(parameters, combination, strict=True):
            if kind == "upstream":
                what, ups = ups, ups + 1
            if kind == "upstreams":
                parts = tuple(("upstream", ups + i) for i in range(what))
                kind, what, ups = "tuple", parts, ups + len(parts)
            if kind == "new":
                new.append(Argument(what, "target"))
                kind = "argument"
            if _needed(p) and p.kind is not p.KEYWORD_ONLY:
                slots.append((kind, what))
            elif kind != "left out":
                named.append((p.name, (kind, what)))
        yield Step(name, tuple(slots), tuple(named)), tuple(new)


def _wanted(p: inspect.Parameter) -> bool:
    kind = role(p.name)
    return kind in ("rate", "cache") or (kind == "target" and p.default is None) or is_upstream(p.name)


def _choices(
    p: inspect.Parameter, arguments: tuple[Argument, ...], beside: list[inspect.Parameter], kept: tuple[str, ...]
) -> list[Slot]:
    """What a parameter of a backward may be, the likeliest first."""
    name, kind = p.name, role(p.name)
    names = {bare(a.name): a for a in arguments}
    target = next((a.name for a in arguments if a.role == "target"), None)
    first: Slot = ("argument", arguments[0].name) if arguments else ("output", None)
    data: Slot = (
        "argument",
        next((a.name for a in arguments if a.role != "target"), arguments[0].name if arguments else ""),
    )
    if bare(name) in kept:
        return [("kept", name)]
    if _is_option(p, beside):
        return [("fixed", OPTION)]
    if bare(name) in names:
        same: Slot = ("argument", names[bare(name)].name)
        if len(beside) > 1 or len(arguments) > 1:
            return [same]
        # f(v) and df(v): v may be the input of both, or here the gradient from above.
        again: list[Slot] = [same, ("output", None)]
        return [("upstream", 0), *again] if is_upstream(name) else [*again, ("upstream", 0)]
    if kind == "rate":
        return [("rate", None)] if len(beside) > 1 or not is_upstream(name) else [("upstream", 0), ("rate", None)]
    if kind == "optimizer":
        return [("fixed", Plain())]
    if kind in ("flag", "off", "mode", "reg", "eps"):
        return [("fixed", conventions.FIXED[kind])]
    if kind == "cache":
        words = bare(name) == "context" and len(beside) > 1  # around the one in the middle
        return [("cache", None), ("new", name)] if words else [("cache", None)]
    if kind == "kept":
        return [("kept", name)]
    if is_upstream(name) and kind != "target":
        ways: list[Slot] = [("upstream", 0)]
        if target:
            ways += [first, ("output", None), ("held", "output")]
        if not _needed(p):
            ways = [("upstream", 0), ("left out", None)]
        return ways
    if kind == "target":
        found: list[Slot] = [("argument", target)] if target else [("new", name)]
        return [*found, ("upstream", 0), ("output", None)] if len(beside) == 1 else found
    if kind == "pred":
        alone: list[Slot] = [("upstream", 0)] if len(beside) == 1 else []  # adjoint(a)
        return [("output", None), data, *alone] if not target else [data, ("output", None)]
    if len(beside) > 1:
        later = [q for q in beside if is_upstream(q.name)] or re.fullmatch(r"x|inp(ut)?s?", bare(name))
        return [data, ("output", None)] if later else [("upstream", 0), data, ("output", None), ("cache", None)]
    return [data, ("output", None), ("upstream", 0)] if kind == "data" else [("upstream", 0), data, ("output", None)]


def _passed(f: Callable[..., Any], g: Callable[..., Any], arguments: tuple[Argument, ...]) -> dict[str, Slot]:
    """The parameters of a backward that forward returned, by their names or by how the file itself calls it."""
    names = [bare(n) for n in source.returned(f)]
    given = {bare(a.name) for a in arguments}
    theirs = [p.name for p in signature(g) if _needed(p)]
    found: dict[str, Slot] = {
        n: ("returned", names.index(bare(n))) for n in theirs if bare(n) in names and bare(n) not in given
    }
    if not found:
        called = source.passed(f, g, [p.name for p in signature(f)], theirs)
        found = {n: slot for n, slot in called.items() if slot[0] == "returned" and bare(n) not in given}
    alone = [n for n in theirs if role(n) == "target"]  # of bptt(x, y) that is y, whatever forward calls its output
    found = {n: slot for n, slot in found.items() if [n] != alone}
    return {n: slot for n, slot in found.items() if role(n) != "cache" and not is_upstream(n)}


def _defaults(f: Callable[..., Any], g: Callable[..., Any]) -> dict[str, Slot]:
    """The numbers that a backward asks for and forward has by default, as the width and the stride of a window."""
    own = {p.name: p.default for p in signature(f) if type(p.default) in (int, float)}
    return {p.name: ("fixed", own[p.name]) for p in signature(g) if _needed(p) and p.name in own}


OUTPUT = r"y(_?(hat|pred|t|s|out))?|probs?|preds?|outputs?"


def _predictions(f: Any, backward: Step, passed: dict[str, Slot], new: tuple[Argument, ...]) -> list[int | None]:
    """Which of what forward returned may be its output, the likeliest first. None: the first, and nothing is passed."""
    names = source.returned(f) if new and not passed else ()
    called = [i for i, n in enumerate(names) if i and re.fullmatch(OUTPUT, bare(n))]
    if len(called) == 1 and not re.fullmatch(OUTPUT, bare(names[0])):
        return [*called, None]  # of f, i, o, h, y = forward(x)
    taken = {i: n for n, (_, i) in passed.items() if ("returned", i) in backward.slots}
    ends = dict.fromkeys([max(taken), min(taken)]) if taken else ()
    found = sorted(ends, key=lambda i: role(taken[i]) != "pred")
    return [*dict.fromkeys([*found, 0])] if found else [None]  # the first of o, activations = forward(x)


class Plain:
    """Gradient descent with rate 1, where the code asks for an optimizer; in all else like `other`."""

    lr = learning_rate = 1.0

    def __init__(self, other: Any = None) -> None:
        self.other = other

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "other" not in vars(self):
            raise AttributeError(name)
        return self.update if re.fullmatch(conventions.UPDATES, name) else getattr(self.other, name)

    def update(self, w: Any, grad: Any, *_: Any, **__: Any) -> Any:
        """One parameter as a new array; a list or a dict of them in place, as nothing takes what is returned."""
        if not isinstance(w, list | dict):
            return w - grad
        for key in w if isinstance(w, dict) else range(len(w)):
            if isinstance(w, list) and isinstance(w[key], np.ndarray):
                w[key] -= grad[key]
            else:
                w[key] = w[key] - grad[key]
        return w

    step = __call__ = apply = get_update = update


# --- the readers ------------------------------------------------------------------------------------------------------


def of_object(op: Any) -> Iterator[Reading]:
    """An object with two methods, one of which is the gradient of the other; or with a loss beside them."""
    forwards, backwards = _methods(op, conventions.FORWARD), _methods(op, conventions.BACKWARD)
    if "calculate" in forwards:  # what is done with the losses that its forward gives
        forwards = ["calculate"]
    forwards, backwards = _whole(op, forwards), _whole(op, backwards)
    near = [_methods(op, (), like) for like in (conventions.FORTH, conventions.BACK)]
    if all(len(names) == 1 for names in (forwards or near[0], backwards or near[1])) or forwards or backwards:
        forwards, backwards = forwards or near[0], backwards or near[1]
    if not backwards:
        yield from (r for n in forwards[:2] for r in _flagged(_class(op), getattr(op, n), op, n))
    together = list(_together(op))
    if not backwards or (forwards and forwards[0] in ("predict", "query") and together and "query" not in forwards):
        yield from together
    beside = list(_beside(op, not (forwards and backwards)))
    name = _class(op)
    yield from (r for f in forwards[:2] for b in backwards[:3] if f != b for r in _of_all_outputs(op, f, b, name))
    couples = dict.fromkeys([*beside, *_couples(op, forwards, backwards)])
    # Its own loss tells more than a formula that is found by trying, if it says that gradients come with it.
    first = [r for r in together if backwards and len(source.returned(getattr(op, r.forward.name))) > 1]
    for r in (r for f, b in couples for r in _pair(op, op, f, b, name)):
        while r.formulas and first:
            yield first.pop(0)
        yield r
    if backwards:
        yield from together
    yield from (r for f in forwards[:2] for r in _behind(op, f, name))


def _class(op: Any) -> str:
    return op.__name__ if isinstance(op, type) else type(op).__name__


def _whole(op: Any, names: list[str]) -> list[str]:
    """The methods but for those that the first of them calls: with an activation and its gradient, which may be right,
    a layer would be passed whose own backward is wrong."""
    called, left = set[str](), names[:1]
    while left:
        f = attribute(op, left.pop())
        code = getattr(getattr(f, "__func__", f), "__code__", None)
        new = set(code.co_names if code else ()) - called
        called |= new
        left += [n for n in new if isinstance(attribute(op, n), types.MethodType)]
    return [n for n in names if n == names[0] or n not in called]


def _methods(op: Any, names: Collection[str], like: str = "") -> list[str]:
    """The methods that are called so, whatever their case and underscores, in the order of the names; or `like` it."""
    own = [n for n in dir(op) if not n.startswith("__")]
    if like:
        return [n for n in own if re.fullmatch(like, bare(n)) and _has(op, n)]
    written = {n.replace("_", "").lower(): n for n in own if len(n) > 2 and not n.startswith("_")}
    found = (n if _has(op, n) else written.get(n.replace("_", "").lower(), "") for n in names)
    return [n for n in dict.fromkeys(found) if n and _has(op, n)]


def of_methods(f: Any, g: Any) -> Iterator[Reading]:
    """Two methods of one object: what the first keeps, the second finds."""
    op = getattr(f, "__self__", None)
    if isinstance(f, types.MethodType) and op is getattr(g, "__self__", None) and not isinstance(op, type):
        yield from _pair(op, op, f.__name__, g.__name__, f"{type(op).__name__}.{f.__name__}")


def of_method(f: Any) -> Iterator[Reading]:
    """A method that returns its loss and the gradients."""
    op = getattr(f, "__self__", None)
    if isinstance(f, types.MethodType) and not isinstance(op, type):
        yield from _loss_with_gradients(op, f.__name__, f"{type(op).__name__}.{f.__name__}")


def of_pairs(op: Any) -> list[tuple[Any, Any]]:
    """The methods of a class of functions, each with the one beside it that is by its name its gradient."""
    names = [n for n in dir(op) if not n.startswith("_") and _has(op, n)]
    ways = ((n, pattern.format(n)) for n in names for pattern in conventions.BESIDE)
    found = {n: g for n, g in reversed([*ways]) if g in names and g != n}
    return [(getattr(op, n), getattr(op, found[n])) for n in names if n in found]


def _beside(op: Any, alone: bool) -> Iterator[tuple[str, str]]:
    """A method and its gradient by its name, `costFunction` and `costFunctionPrime`; a loss and a gradient of the same
    arguments; where they are `alone`, policy_forward and policy_backward: else they may be parts of a forward."""
    names = [n for n in dir(op) if not n.startswith("_") and _has(op, n)]
    for n in names:
        for pattern in conventions.BESIDE:
            if pattern.format(n) in names and n in conventions.LOSS:
                yield n, pattern.format(n)
        for forth, back in conventions.TURNED if alone else ():
            if forth in n and n != forth and (turned := n.replace(forth, back)) in names:
                yield n, turned
    yield from of_same_arguments(op)
    yield from of_parts(op)


def of_same_arguments(op: Any) -> Iterator[tuple[str, str]]:
    """A loss and a gradient of the same arguments; the one other method of these arguments, if no loss is called so."""
    names = [n for n in dir(op) if not n.startswith("_") and _has(op, n)]
    needed = {n: [p.name for p in signature(getattr(op, n)) if _needed(p)] for n in names}
    for b in (b for b in conventions.GRADIENTS if b in names):
        same = [n for n in names if needed[n] == needed[b] and n not in (*conventions.BACKWARD, *conventions.TRAINERS)]
        losses = [n for n in conventions.LOSS if n in same]
        yield from ((n, b) for n in losses or (same if len(same) == 1 and len(needed[b]) > 1 else []))


def of_parts(op: Any) -> Iterator[tuple[str, str]]:
    """The loss of one of several nets and its gradient: `d_loss(real, fake)` and `backward_d(real, fake)`."""
    names = [n for n in dir(op) if not n.startswith("_") and _has(op, n)]
    for n in names:
        stem = re.fullmatch(OF_A_PART, bare(n))
        for b in (b for b in names if stem and bare(b) in (f"backward_{stem[1]}", f"{stem[1]}_backward")):
            mine, theirs = ([p.name for p in required(getattr(op, m))] for m in (n, b))
            if mine == theirs:
                yield n, b


OF_A_PART = r"(\w+?)_?loss"
"""What the loss of one of several nets is called."""


def _couples(op: Any, forwards: list[str], backwards: list[str]) -> Iterator[tuple[str, str]]:
    """The pairs that are tried: the first names, and others beside them."""
    late = {"train", "train_step", "update", "learn", "step_backward", "adjust", "train_on_batch", "_backward"}
    backwards = [b for b in backwards if not (b in conventions.TRAINERS and _loops(getattr(op, b)))]
    early = [b for b in backwards if b not in late] or backwards
    yield from ((f, b) for b in early[:3] for f in forwards[:4] if f != b)


def _loops(f: Any) -> bool:
    """Whether a method makes as many turns as it likes: their number is none of the arguments that it needs."""
    code = getattr(getattr(f, "__func__", f), "__code__", None)
    names = {*code.co_varnames, *code.co_names} - {p.name for p in required(f)} if code else ()
    return any(re.fullmatch(conventions.TURNS, bare(n)) for n in names)


def _has(op: Any, name: str) -> bool:
    if name == "__call__":
        call = next((vars(k)["__call__"] for k in type(op).__mro__ if "__call__" in vars(k)), None)
        # One that only hands on to forward is forward again, with names that may say less of the arguments.
        code = getattr(call, "__code__", None)
        again = code is not None and code.co_names == ("forward",) and callable(attribute(op, "forward"))
        return call is not None and not again and not isinstance(op, type)
    if not callable(attribute(op, name)):
        return False
    value = inspect.getattr_static(op, name, None)
    return not isinstance(op, type) or isinstance(value, staticmethod | classmethod)


def _guessed(f: Callable[..., Any], arguments: tuple[Argument, ...], kept: Collection[str] = ()) -> bool:
    """Whether several arguments of a backward have names that say nothing."""
    known = {*(bare(a.name) for a in arguments), *kept}
    names = [p.name for p in signature(f) if _needed(p)]
    new = [n for n in names if bare(n) not in known]
    if len(names) > 1 and any(re.fullmatch(r"z\d*|net_?in\w*", bare(n)) for n in new):
        return True  # it is in the place of a value before the activation, perhaps
    return (
        len(
            [n for n in new if role(n) == "data" and not is_upstream(n) and not re.fullmatch(conventions.DATA, bare(n))]
        )
        > 1
    )


def _pair(op: Any, root: Any, f: str, b: str, name: str) -> Iterator[Reading]:
    for forward, arguments in forward_steps(f, getattr(op, f)):
        yield from _paired(op, root, forward, arguments, b, name)
    plain, with_target = (forward_step(f, getattr(op, f), targets=targets) for targets in (False, True))
    if with_target[1] != plain[1] and not any(is_upstream(p.name) for p in required(getattr(op, b))):
        yield from _paired(op, root, *with_target, b, name)  # forward(x, targets=None), which returns a loss too


def _paired(op: Any, root: Any, forward: Step, arguments: tuple[Argument, ...], b: str, name: str) -> Iterator[Reading]:
    f = forward.name
    two = len([a for a in arguments if a.role in ("data", "pred", "target")]) == 2
    shared = {p.name for p in signature(getattr(op, f))}
    variables = [_all_data(arguments)] if two and any(a.role == "target" for a in arguments) else []
    passed = _passed(getattr(op, f), getattr(op, b), arguments)
    known = _defaults(getattr(op, f), getattr(op, b)) | passed
    ways = (
        (o, way)
        for o in (*variables, *_orders(arguments))
        for way in backward_steps(b, getattr(op, b), o, (), shared, known)
    )
    for order, (backward, new) in ways:
        for predicted in _predictions(getattr(op, f), backward, passed, new):
            up = any(kind in ("upstream", "tuple") for kind, _ in backward.slots)
            guess = order in variables or [a.role for a in order] != [a.role for a in arguments]
            if guess and up != (order in variables):
                continue  # with a gradient from above all arguments are variables; without, one is the target
            loss = "upstream" not in backward.kinds and two and not new
            base = Reading(
                name,
                "loss" if loss or (two and any(a.role == "target" for a in order) and len(order) == 2) else "layer",
                op,
                root,
                (*order, *new),
                forward,
                backward,
                said=_said(f, backward, (*order, *new)),
                guessed=not passed and _guessed(getattr(op, b), order),
                predicted=predicted,
            )
            if not new:
                yield base
                if not backward.slots and not backward.named:
                    yield replace(base, marks=True, tensors=True, said="gradients are attributes of the tensors")
                continue
            base = _before_another(base, getattr(op, f), getattr(op, b))
            methods = [n for n in conventions.LOSS if _has(op, n) and n != f]
            for own in [*_kept_losses(op), *methods[:2]]:
                for step in _loss_steps(own, operator.attrgetter(own)(op)):
                    yield replace(base, loss=step, kind="net", said=f"{base.said}, as the gradient of {own}")
            yield replace(base, formulas=True, kind="net")


def _of_all_outputs(op: Any, f: str, b: str, name: str) -> Iterator[Reading]:
    """A net whose loss is given all that its forward returned, as a variational autoencoder: `recon, mu, logvar =
    forward(x)`, `loss(recon, x, mu, logvar, beta)`, and a backward of these or of none."""
    ends = [bare(n) for n in source.ends(getattr(op, f))]
    forward, arguments = forward_step(f, getattr(op, f))
    if len(ends) < 2 or ends.count("") > 1:
        return

    def slot(p: inspect.Parameter) -> Slot | None:
        n = bare(p.name)
        own = next((a.name for a in arguments if bare(a.name) == n), None)
        if n in ends:
            return "returned", ends.index(n)
        if own is not None:
            return "argument", own
        if "" in ends and (role(n) == "pred" or re.fullmatch(conventions.DECODED, n)):
            return "returned", ends.index("")
        if re.fullmatch(conventions.WEIGHED, n):
            return "fixed", conventions.FIXED["reg"]
        data = re.fullmatch(conventions.DATA, n) and len(arguments) == 1
        return ("argument", arguments[0].name) if data else None

    def step(g: str) -> Step | None:
        needed = [p for p in signature(getattr(op, g)) if _needed(p)] if required(getattr(op, g)) else []
        slots = [slot(p) for p in needed]
        free = [i for i in range(len(ends)) if ("returned", i) not in slots]
        if len(free) == slots.count(None):  # of another name, as logvar and log_var: the rest in their order
            slots = [s or ("returned", free.pop(0)) for s in slots]
        return None if None in slots else Step(g, tuple(s for s in slots if s is not None))

    backward = step(b)
    losses = [n for n in dir(op) if re.fullmatch(conventions.WHOLE_LOSS, bare(n)) and n not in (f, b)]
    for own in (n for n in losses if _has(op, n)):
        loss = step(own)
        if backward is None or loss is None or sum(kind == "returned" for kind, _ in loss.slots) < 2:
            continue
        said = f"{_said(f, backward, arguments) or f'{f}, {b}'}, as the gradient of {own}"
        predicted = ends.index("") if "" in ends else 0
        yield Reading(name, "net", op, op, arguments, forward, backward, loss, said=said, predicted=predicted)


def _before_another(base: Reading, f: Any, g: Any) -> Reading:
    """One step of a recurrent net, of which another follows: `y, h, cache = forward(x, h)` and `backward(y, target,
    dh_next, cache)`. What comes back from the next step is no gradient of the output, but of the states."""
    backward = base.backward
    if backward is None or "upstream" not in backward.kinds or "argument" not in backward.kinds:
        return base
    parts = base.forward.together
    ends = source.ends(f)
    flat = [(n, i) for i, n in enumerate(n for end in ends for n in ((end,) * max(parts, 1) if end == "" else (end,)))]
    states = [i for n, i in flat if i and role(n) != "cache" and role(n) != "pred"] if ends else []
    states = states or [i for n, i in flat if i and role(n) != "cache"]
    caches = [i for n, i in flat if role(n) == "cache"]
    if len(states) != backward.upstreams or len(caches) > 1:
        return base

    def slot(s: Slot) -> Slot:
        kind, what = s
        if kind == "tuple":
            return kind, tuple(slot(part) for part in what)
        if kind == "cache" and caches:
            return "returned", caches[0]
        return ("next", what) if kind == "upstream" else ("returned", 0) if kind == "output" else s

    slots = tuple(slot(s) for s in backward.slots)
    named = tuple((n, slot(s)) for n, s in backward.named)
    said = base.said.replace("gradients from above", "gradient from above").replace(
        "gradient from above", "gradient from the next step"
    )
    return replace(
        base, backward=replace(backward, slots=slots, named=named), carried=tuple(states), predicted=0, said=said
    )


def _kept_losses(op: Any) -> Iterator[str]:
    """The loss of an object that a net keeps, as self.cost: it has a gradient of its own that backward may ask for."""
    for name in vars(op) if hasattr(op, "__dict__") else ():
        kept = getattr(op, name)
        if re.fullmatch(conventions.KEPT_LOSS, bare(name)) and any(_has(kept, b) for b in conventions.BACKWARD):
            yield from (f"{name}.{n}" for n in conventions.FORWARD if n != "__call__" and _has(kept, n))


def _loss_steps(name: str, f: Callable[..., Any]) -> Iterator[Step]:
    """A loss of the outputs and the target, in the order that its names say, or of the inputs and the target."""
    parameters = [p for p in signature(f) if _needed(p) or role(p.name) == "target"]
    if not 1 <= len(parameters) <= 4:
        return
    kinds = [role(p.name) for p in parameters]
    slots: list[Slot] = []
    for p, kind in zip(parameters, kinds, strict=True):
        if kind == "kept":
            slots.append(("kept", p.name))
        elif kind in conventions.FIXED and kind != "one":
            slots.append(("fixed", conventions.FIXED[kind]))
        elif kind == "target" and ("target", None) not in slots:
            slots.append(("target", None))
        elif kind == "data":
            slots.append(("first", None))
        else:
            slots.append(("output", None))
    if ("target", None) not in slots and len(slots) == 2:
        slots = [("output", None), ("target", None)]
    yield Step(name, tuple(slots))
    if len(slots) == 2 and ("first", None) in slots:
        yield Step(name, tuple(("output", None) if s == ("first", None) else s for s in slots))


def _orders(arguments: tuple[Argument, ...]) -> Iterator[tuple[Argument, ...]]:
    """Which of two arguments is the target. Names decide, else both are tried; beside a weight it is none."""
    roles = [a.role for a in arguments]
    weights = any(part(a.name) in WEIGHTS for a in arguments) and "target" not in roles
    if len(arguments) != 2 or weights or sorted(roles) in (["pred", "target"], ["data", "target"]):
        yield arguments
        return
    weak = [bare(a.name) == "y" for a in arguments]
    ways = [("pred", "target"), ("target", "pred")]
    if roles == ["target", "target"] and weak[0] != weak[1]:
        ways = ways[:1] if weak[0] else ways[1:]  # (y, t): y is what is predicted
    elif roles != ["target", "target"]:
        yield arguments
    for way in ways:
        yield tuple(replace(a, role=r) for a, r in zip(arguments, way, strict=True))


def _all_data(arguments: tuple[Argument, ...]) -> tuple[Argument, ...]:
    return tuple(replace(a, role="data") for a in arguments)


def with_given(reading: Reading, given: Mapping[str, Any]) -> Reading:
    """The reading with what the user gave by name: arrays are arguments, lists and dicts of arrays are parameters, and
    all else, as a mode or a number, is passed on as it is."""
    arguments = {a.name: a for a in reading.arguments}
    root = reading.root
    lists = {n: v for n, v in given.items() if _of_arrays(v) and role(n) != "options" and isinstance(root, Namespace)}
    if lists:
        root = _with(copy.deepcopy(root), {bare(n): v for n, v in lists.items()})
    options = {n for n, v in given.items() if n not in lists and not _is_array(v) and n not in arguments}

    def slot(p: inspect.Parameter, found: Slot | None) -> Slot | None:
        if p.name in lists:
            return ("kept", p.name)
        if p.name in options:
            return ("fixed", given[p.name])
        return ("argument", p.name) if p.name in given else found

    def step(of: Step, f: Callable[..., Any]) -> Step:
        by_name = dict(of.named)
        parameters = signature(f)
        positional = [p for p in parameters if _needed(p) and p.kind is not p.KEYWORD_ONLY]
        slots = [slot(p, s) or s for p, s in zip(positional, of.slots, strict=True)]
        others = {p.name: slot(p, by_name.get(p.name)) for p in parameters if p not in positional}
        return replace(of, slots=tuple(slots), named=tuple((n, s) for n, s in others.items() if s is not None))

    def of(name: str) -> Any:
        return root.functions[name] if isinstance(root, Namespace) else operator.attrgetter(name)(root)

    forward = step(reading.forward, of(reading.forward.name))
    backward = reading.backward and step(reading.backward, of(reading.backward.name))
    passed = [what for kind, what in (*forward.flat, *(backward.flat if backward else ())) if kind == "argument"]
    made = {n: arguments.get(n) or Argument(n, role(n) if role(n) == "target" else "data") for n in passed}
    return replace(reading, root=root, forward=forward, backward=backward, arguments=tuple(made.values()))


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or (isinstance(value, list) and held.is_listed(value)) or held.is_tensor(value)


def _of_arrays(value: Any) -> bool:
    """Whether it is a list or a dict of arrays, or of such."""
    parts = list(value.values()) if isinstance(value, dict) else value
    return isinstance(parts, list | tuple) and bool(parts) and all(_is_array(v) or _of_arrays(v) for v in parts)


def _said(f: str, b: Step, arguments: tuple[Argument, ...]) -> str:
    """How backward is called, where that is not its plain form."""
    words = {"upstream": "gradient from above", "output": "output", "cache": "cache", "rate": "rate 1", "fixed": ""}
    words |= {"returned": "what forward returned", "tuple": "gradients from above"}
    told = [words.get(kind, str(what)) or str(what) for kind, what in (*b.slots, *(s for _, s in b.named))]
    told = [t for t, _ in itertools.groupby(told)]
    plain = (f, b.name) == ("forward", "backward") and told in ([], ["gradient from above"])
    return "" if plain else f"{f}, {b.name}({', '.join(told)})"


def _together(op: Any) -> Iterator[Reading]:
    """A method that returns its loss and the gradients."""
    costs = [n for n in dir(op) if re.fullmatch(conventions.COSTS, bare(n)) and _has(op, n)]
    costs = [n for n in costs if len(source.returned(getattr(op, n))) > 1]
    for n in dict.fromkeys([*conventions.TOGETHER, *costs]):
        beside = _beside_loss(getattr(op, n)) if _has(op, n) else []
        if beside and all(re.fullmatch(conventions.PREDICTED, bare(m)) for m in beside):
            continue
        if _has(op, n) and len(signature(getattr(op, n))) >= 1:
            yield from _loss_with_gradients(op, n, _class(op))


def _beside_loss(f: Any) -> list[str]:
    """What is returned beside a loss, where it has a name."""
    return [n for label, n in source.labelled(f).items() if label not in ("return", "return.0")]


def _behind(op: Any, f: str, name: str) -> Iterator[Reading]:
    """A method that is given what forward returned and the target, and returns the loss and the gradients of the
    parameters: `logits = forward(x)` and `loss_and_grad(logits, y)`."""
    forward, arguments = forward_step(f, getattr(op, f))
    methods = [n for n in dir(op) if re.fullmatch(conventions.TOGETHER_BEHIND, bare(n)) and n != f and _has(op, n)]
    for n in methods:
        kinds = {role(p.name): p.name for p in required(getattr(op, n))}
        if kinds.keys() != {"pred", "target"} or any(a.role == "target" for a in arguments):
            continue
        if not re.search("grad|back", bare(n)) and not any(map(is_upstream, _beside_loss(getattr(op, n)))):
            continue  # what it returns beside the loss may be probabilities, or an accuracy
        step = next(_loss_steps(n, getattr(op, n)))
        target = Argument(kinds["target"], "target")
        said = f"{f}, {n} of its output, which returns the loss and its gradients"
        yield Reading(name, "net", op, op, (*arguments, target), forward, step, step, said=said)


def _loss_with_gradients(op: Any, method: str, name: str) -> Iterator[Reading]:
    forward, arguments = forward_step(method, getattr(op, method), targets=True)
    for order in _orders(arguments):
        yield Reading(name, "net", op, op, order, forward, said=f"{method} returns the loss and its gradients")


def _flagged(name: str, f: Callable[..., Any], root: Any, called: str) -> Iterator[Reading]:
    """A function or a method that has a flag for its derivative: by its input, or by its output; of a loss by what is
    predicted, `mse(y_true, y_pred, prime=False)`."""
    flags = [p.name for p in signature(f) if not _needed(p) and p.default in (False, 0, None)]
    for flag in (n for n in flags if bare(n) in conventions.FLAGS):
        forward, arguments = forward_step(called, f)
        on = (flag, ("fixed", True))
        if len(arguments) > 1:
            backward = replace(forward, named=(*forward.named, on))
            for order in _orders(arguments):
                yield Reading(name, "function", f, root, order, forward, backward, said=f"{name}(…, {flag}=True)")
            continue
        slot = ("argument", arguments[0].name) if arguments else ("output", None)
        for what in (slot, ("output", None)):
            said = f"{name}(…, {flag}=True) of the {'output' if what[0] == 'output' else 'input'}"
            backward = Step(called, (what,), (on,))
            yield Reading(name, "function", f, root, arguments, forward, backward, said=said)


def of_functions(f: Callable[..., Any], g: Callable[..., Any] | None) -> Iterator[Reading]:
    """A function and its gradient; or, alone, a function that returns both, or that has a flag for its derivative."""
    name = getattr(inner(f), "__name__", type(f).__name__)
    space = statics.space(f)
    for kept in _initial(space, [f, g]):
        yield from _of_functions(f, g, name, space, kept)


def _of_functions(
    f: Callable[..., Any], g: Callable[..., Any] | None, name: str, space: dict[str, Any], kept: dict[str, Any]
) -> Iterator[Reading]:
    if g is None:
        yield from _flagged(name, f, Namespace(f=f), "f")
        turns = [p for p in signature(f) if role(p.name) == "rate" or re.fullmatch(conventions.TURNS, bare(p.name))]
        counts = [p for p in turns if re.fullmatch(conventions.TURNS, bare(p.name))]
        if (turns and re.match(conventions.STEPS, bare(name))) or (
            counts and re.fullmatch(conventions.MODELS, bare(name))
        ):
            return
        forward, arguments = forward_step("f", f, targets=True, given=kept)
        root = _with(Namespace(f=f), kept)
        loss = any(a.role == "target" for a in arguments)
        only_forth = re.fullmatch(conventions.FORTH, bare(name)) and not re.search("back|bwd|bprop|grad", bare(name))
        if only_forth and not loss:  # what it returns beside the output is what another function will need
            raise CheckError(f"{name} is a forward: name its backward behind it, as a pair: {name},NAME")
        every = [_all_data(arguments)] if loss else []
        for order in (*_orders(arguments), *every):
            said = f"{name} returns its value and its gradients"
            yield Reading(name, "function", f, root, order, forward, said=said)
        return
    functions: dict[str, Any] = {"f": f, "g": g}
    losses = [n for n, v in space.items() if isinstance(v, types.FunctionType) and _is_loss(n) and v not in (f, g)]
    for i, n in enumerate(losses[:3]):
        functions[f"loss{i}"] = space[n]
    root = _with(Namespace(**functions), kept)
    for forward, arguments in forward_steps("f", f, given=kept):
        yield from _of_pair(f, g, name, space, kept, forward, arguments, losses, root)


def _of_pair(
    f: Callable[..., Any],
    g: Callable[..., Any],
    name: str,
    space: dict[str, Any],
    kept: dict[str, Any],
    forward: Step,
    arguments: tuple[Argument, ...],
    losses: list[str],
    root: Namespace,
) -> Iterator[Reading]:
    ways = [arguments] if not losses or len(arguments) != 2 else [*_orders(arguments)]
    passed = _passed(f, g, arguments)
    made = _made(space, [f, g], {a.name for a in arguments})
    counts = tuple(held.counts(g)) if isinstance(g, types.FunctionType) else ()
    shared = {p.name for p in signature(f)}
    orders = list(_orders(arguments)) if len(arguments) == 2 else ways
    known = _defaults(f, g) | passed
    calls = ((o, way) for o in orders for way in backward_steps("g", g, o, tuple(kept), shared, known))
    for order, (backward, new) in calls:
        for predicted in _predictions(f, backward, passed, new):
            said = _said(name, replace(backward, name=getattr(g, "__name__", "gradient")), (*order, *new))
            base = Reading(
                name,
                "function",
                f,
                root,
                (*order, *new),
                forward,
                backward,
                said=said,
                guessed=not passed and _guessed(g, order, kept),
                predicted=predicted,
                made=made,
                counts=counts,
            )
            if not new:
                yield base
                yield replace(base, marks=True, tensors=True, said="gradients are attributes of the tensors")
                continue
            base = _before_another(base, f, g)
            after = f"{base.said}, which returns the weights after a step"
            bases = [base, replace(base, updates=True, said=after)] if "rate" in backward.kinds else [base]
            for way in bases:
                for i, n in enumerate(losses[:3]):
                    for step in _loss_steps(f"loss{i}", space[n]):
                        yield replace(way, loss=step, said=f"{way.said}, as the gradient of {n}")
                yield replace(way, formulas=True)


def _is_loss(name: str) -> bool:
    return name in conventions.LOSS or bool(
        re.fullmatch(r"(\w+_)?(cost|loss)(_function|_fn|_func|_value)?", name.lower())
    )


def initial(f: Any) -> list[dict[str, Any]]:
    """What a function is given that its module makes: parameters, and the widths of a net."""
    return _initial(statics.space(f), [f])


def _initial(space: dict[str, Any], functions: list[Any]) -> list[dict[str, Any]]:
    """Parameters that the module's own function makes, for the arguments that are such: of one output, or of two; and
    the widths of a net that these are made of."""
    every = dict.fromkeys(p.name for f in functions if f is not None for p in signature(f) if _may_be_kept(p))
    makers = [v for n, v in space.items() if _makes_parameters(n, v) and v not in functions]
    ways = architectures.given(list(every), makers, [f for f in functions if f is not None], space)
    return [kept for sizes in ways for kept in _initial_of(list(every), makers, functions, space, sizes)]


def _initial_of(
    every: list[str], makers: list[Any], functions: list[Any], space: dict[str, Any], sizes: dict[str, Any]
) -> list[dict[str, Any]]:
    """The same for a net of these widths."""
    code = containers.nodes(functions)
    listed = [n for n in every if part(n) in WEIGHTS or bare(n) == "layers"]
    flat = {n for f in functions if f is not None for n in source.computed(f)}
    held_in = [n for n in every if role(n) == "kept" or (n in listed and containers.is_list(n, code))]
    names = [n for n in held_in if n not in flat or containers.holds(n, code)]
    named = [n for n in every if part(n) in WEIGHTS and n not in names and _has_maker(n, makers)]
    names = [n for n in (*names, *named) if bare(n) not in sizes]
    if not names:
        return [sizes]
    lists = list(containers.made(names, code))
    found = []
    for make, made in _makes(makers, sizes):
        own = source.named(make, made)
        theirs = {bare(n): own[bare(n)] if len(names) > 1 and bare(n) in own else made for n in names}
        if not lists or all(type(v) is type(lists[0][n]) for n, v in theirs.items()):
            found.append(theirs | sizes)  # and no dict for what is gone through as a list
    if named and not (found and all(isinstance(found[0][bare(n)], dict | list) for n in named)):
        return _initial_of(
            [n for n in every if n not in named], makers, functions, space, sizes
        )  # arrays by themselves
    if not found and len(names) == 1 and all(f is not None for f in functions):
        f, g = functions
        beside = [p.name for p in signature(f) if _needed(p) and bare(p.name) not in {bare(names[0]), *sizes}]
        cell = shapes.parameters(f, g, names[0], beside) if len(functions) == 2 else None
        if cell is not None and not any(re.search(r"\d", key) for key in cell):
            return [{bare(names[0]): cell} | sizes]
    if not found and lists:
        return [kept | sizes for kept in lists]
    held_here = [v for v in space.values() if isinstance(v, dict | list) and v and held.places({"": v})]
    if held_here and not found:
        found.append({bare(name): space.get(name, held_here[0]) for name in names} | sizes)
    return found or [{bare(name): {} for name in names} | sizes]


def _makes_parameters(name: str, f: Any) -> bool:
    return isinstance(f, types.FunctionType) and re.match(conventions.INITIAL, name, re.IGNORECASE) is not None


def _has_maker(name: str, makers: list[Any]) -> bool:
    """Whether a function is called after what it makes: thetas_init, initialize_weights."""
    return any(re.search(rf"(^|_){re.escape(bare(name))}(_|$)", bare(make.__name__)) for make in makers)


def _may_be_kept(p: inspect.Parameter) -> bool:
    return _needed(p) or p.default is None


def _makes(makers: list[Any], widths: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """What each of the functions that make parameters made: of the widths of a net, where these are known."""
    for make in makers:
        drawn = [p.name for p in required(make) if re.fullmatch(GENERATOR, bare(p.name))]
        if drawn:
            make = functools.partial(make, **{n: np.random.default_rng(0) for n in drawn})
        needed = [bare(p.name) for p in required(make)]
        ways: list[list[Any]] = [[[3, 4, 1]], [3, 4, 1], [[3, 4, 2]], [3, 4, 2], [3, 4, 2, 2], [3, 2], [3], []]
        if widths.keys() & set(needed) and all(n in widths or role(n) in ("eps", "half", "rate") for n in needed):
            ways = [[copy.deepcopy(widths.get(n, 0.5)) for n in needed]]
        for sizes in ways:
            if len(sizes) == len(needed):
                try:
                    yield make, make(*sizes)
                except Exception:  # it is made for other sizes
                    continue


GENERATOR = r"rng|gen(erator)?|random_state"
"""What a generator of random numbers is called that a function is given."""


def of_triple(init: Any, f: Any, g: Any) -> Iterator[Reading]:
    """Functions that make the parameters of a layer, apply it to them, and give its vector-Jacobian product, as
    `init, apply, vjp = Dense(4)`."""
    names = [p.name for p in required(f)]
    name = next((n for n in names if role(n) == "kept"), names[0] if names else "")
    for width in (3, (3,), (4, 3)):
        try:
            made = init(np.random.default_rng(0), width)
        except Exception:  # it takes a width of another kind
            continue
        made = made[1] if isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], tuple) else made
        yield from _of_functions(f, g, f.__name__, statics.space(f), {bare(name): made})
        return


def _made(space: dict[str, Any], beside: list[Any], names: set[str]) -> dict[str, tuple[int, ...]]:
    """The shapes that the file itself gives to arguments that are weights: how it makes them is their own truth."""
    weights = {n for n in names if part(n) in WEIGHTS}

    def shapes(of: dict[str, Any]) -> dict[str, tuple[int, ...]]:
        theirs: dict[str, Any] = {n: of[n] if n in of else of.get(bare(n)) for n in weights}
        return {n: np.shape(v) for n, v in theirs.items() if held.is_array(v) or held.is_number(v)}

    found = shapes(space)
    if found.keys() == weights:
        return found
    makers = [v for n, v in space.items() if _makes_parameters(n, v)]
    for make, made in _makes(makers, {}):
        own = source.named(make, made) if make not in beside else {}
        theirs = shapes(own)
        if weights and theirs.keys() == weights:
            return theirs
    theirs = {n: s for n in weights if (s := source.vectors(beside[0]).get(bare(n)))}
    return theirs if not found and theirs.keys() == weights else found


def _with(root: Namespace, kept: dict[str, Any]) -> Namespace:
    root.globals.update(kept)
    return root
