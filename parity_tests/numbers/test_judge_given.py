"""What is given to the judge is judged, what is not given is computed: every entry, every subset, every wrong value.

A thing is given right, and then wrong in every way its kind can be: other numbers, shape or dtype, no number at all,
a name that is missing, None or not the model's. Whatever else is given beside it, the judge must refuse it.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

import scratch
import torch_impl
from handgrad.judge import (
    StepJudge,
    judge_backward,
    judge_clip,
    judge_forward,
    judge_hvp,
    judge_loss,
    judge_net,
    judge_optimizer,
    judge_shards,
    snapshot,
)
from handgrad.judge.explain import reproduce
from parity_tests.catalogue.tables import DTYPES, OPTIMIZERS, SIDES

OTHER = {np.float32: np.float64, np.float64: np.float32}


@pytest.fixture(autouse=True)
def no_scripts() -> Iterator[None]:
    """How to show a failure again is another file's; here are hundreds."""
    token = reproduce._executing.set(True)
    yield
    reproduce._executing.reset(token)


@dataclass(frozen=True)
class Entry:
    """A public function of the judge with its right values; `needed` are those that it does not compute."""

    call: Any  # call(**values) -> Verdict
    right: dict[str, Any]
    needed: tuple[str, ...] = ()


def net(side: Any, dtype: Any) -> tuple[Any, Any, Any, Any]:
    rng = np.random.default_rng(0)
    model = side.Sequential(side.Linear(3, 2, dtype=dtype, rng=0), side.Tanh())
    return model, side.CrossEntropyLoss(), rng.normal(size=(5, 3)).astype(dtype), np.array([0, 1, 1, 0, 1])


def own(model):
    return {name: np.array(gradient) for name, gradient in model.named_gradients()}


def forward(side, dtype):
    model, _, x, _ = net(side, dtype)
    return Entry(lambda **values: judge_forward(model, x, **values), {"output": np.array(model.forward(x))})


def backward(side, dtype):
    model, _, x, _ = net(side, dtype)
    upstream = np.linspace(-1, 2, 10).reshape(5, 2).astype(dtype)
    model.forward(x)
    right = {"grad_input": np.array(model.backward(upstream)), "gradients": own(model)}
    return Entry(lambda **values: judge_backward(model, x, upstream, **values), right)


def backward_of_a_pair(side, dtype):
    model, (u, v) = side.Bilinear(3, 2, 4, dtype=dtype, rng=0), (np.ones((5, 3), dtype), np.full((5, 2), 2, dtype))
    upstream = np.linspace(-1, 2, 20).reshape(5, 4).astype(dtype)
    model.forward(u, v)
    right = {"grad_input": tuple(map(np.array, model.backward(upstream))), "gradients": own(model)}
    return Entry(lambda **values: judge_backward(model, (u, v), upstream, **values), right)


def backward_without_parameters(side, dtype):
    model, x = side.Tanh(), np.linspace(-2, 2, 6).astype(dtype)
    model.forward(x)
    right = {"grad_input": np.array(model.backward(np.ones_like(x)))}
    return Entry(lambda **values: judge_backward(model, x, np.ones_like(x), **values), right)


def backward_of_what_draws(side, dtype):
    """What is given belongs to the mask of the last forward call; what is computed draws another."""
    model = side.Sequential(side.Linear(3, 4, dtype=dtype, rng=0), side.Dropout(0.5, rng=1))
    x, upstream = np.ones((5, 3), dtype), np.linspace(1, 2, 20).reshape(5, 4).astype(dtype)

    def call(**values):
        model.zero_grad()
        model.forward(x)
        current = {"grad_input": np.array(model.backward(upstream)), "gradients": own(model)}
        for name, value in values.items():
            values[name] = value(current[name])
        return judge_backward(model, x, upstream, **values)

    return Entry(call, {"grad_input": lambda a: a, "gradients": lambda a: a})


def loss_of(name, *arrays, **options):
    def build(side, dtype):
        loss = getattr(side, name)(**options)
        cast = [a if a.dtype.kind == "i" else a.astype(dtype) for a in map(np.asarray, arrays)]
        value = loss.forward(*cast)
        gradient = loss.backward()
        right = {"value": value, "grad": gradient}
        return Entry(lambda **values: judge_loss(loss, *cast, **values), right)

    return build


def whole_net(side, dtype):
    model, loss, x, y = net(side, dtype)
    output = np.array(model.forward(x))
    value = loss.forward(output, y)
    right = {
        "output": output,
        "value": value,
        "grad_input": np.array(model.backward(loss.backward())),
        "gradients": own(model),
    }
    return Entry(lambda **values: judge_net(model, loss, x, y, **values), right)


def hvp(side, dtype):
    model, loss, x, y = net(side, dtype)
    vector = {name: np.ones(p.data.shape, dtype) for name, p in model.named_parameters()}
    product = {name: np.array(a) for name, a in side.hessian_vector_product(model, loss, x, y, vector).items()}
    return Entry(lambda **values: judge_hvp(model, loss, x, y, vector, **values), {"product": product})


def shards(side, dtype):
    model, loss, x, y = net(side, dtype)
    pieces, values, parts = [(x[:2], y[:2]), (x[2:4], y[2:4])], [], []
    for own_x, own_y in pieces:
        model.zero_grad()
        values.append(loss.forward(model.forward(own_x), own_y))
        model.backward(loss.backward())
        parts.append(own(model))
    right = {"values": tuple(values), "gradients": {name: (parts[0][name] + parts[1][name]) / 2 for name in parts[0]}}
    state = model.state_dict()
    return Entry(lambda **values: judge_shards(model, loss, state, pieces, **values), right, ("values", "gradients"))


ENTRIES = {
    "judge_forward": forward,
    "judge_backward": backward,
    "judge_backward, two inputs": backward_of_a_pair,
    "judge_backward, no parameters": backward_without_parameters,
    "judge_backward, a drawn mask": backward_of_what_draws,
    "judge_loss": loss_of("CrossEntropyLoss", np.array([[1.0, 2.0], [3.0, -1.0]]), [0, 1]),
    "judge_loss, an array": loss_of("MSELoss", np.array([1.0, 2.0]), np.array([3.0, 0.5]), reduction="mean"),
    "judge_loss, two inputs": loss_of("MarginRankingLoss", [1.0, 2.0], [0.5, 3.0], [1.0, 1.0], margin=0.3),
    "judge_net": whole_net,
    "judge_hvp": hvp,
    "judge_shards": shards,
}


def wrong(value: Any, dtype: Any) -> Iterator[tuple[str, Any]]:
    """Every way in which a right value of its kind can be wrong."""
    if callable(value):
        yield "other numbers", lambda a: {n: 2 * g for n, g in a.items()} if isinstance(a, dict) else 2 * a
    elif isinstance(value, dict):
        for name, part in value.items():
            for kind, bad in wrong(part, dtype):
                yield f"{name}: {kind}", {**value, name: bad}
            yield f"{name}: missing", {other: g for other, g in value.items() if other != name}
            yield f"{name}: None", {**value, name: None}
        yield "a name that is no parameter", {**value, "nobody": np.ones(2, dtype)}
        yield "nothing", {}
    elif isinstance(value, tuple):
        for i, part in enumerate(value):
            for kind, bad in wrong(part, dtype):
                yield f"{i}: {kind}", (*value[:i], bad, *value[i + 1 :])
            yield f"{i}: None", (*value[:i], None, *value[i + 1 :])
    else:
        a = np.asarray(value)
        yield "1000 times", (1000 * a).astype(dtype)[()]
        yield "zeros", np.zeros_like(a)
        yield "NaN", np.full_like(a, np.nan)
        yield "another shape", np.stack([a, a])
        yield "another dtype", a.astype(OTHER[dtype])[()]
        yield "whole numbers", a.astype(np.int64)[()]
        yield "complex", a.astype(np.complex128)[()]
        yield "text", "1.0"
        yield "nothing", np.zeros(0, dtype)
        if not a.shape and dtype is np.float32:
            yield "a Python float of more digits", float(a) + 1e-12


def subsets(entry: Entry) -> list[tuple[str, ...]]:
    names = [name for name in entry.right if name not in entry.needed]
    chosen = itertools.chain.from_iterable(itertools.combinations(names, n) for n in range(len(names) + 1))
    return [(*entry.needed, *subset) for subset in chosen]


# Both sides and both formats; of their four pairs two, because the judge never looks at a side's name.
PAIRS = [("scratch", np.float64), ("torch", np.float32)]


@pytest.mark.parametrize(("side", "dtype"), PAIRS)
@pytest.mark.parametrize("entry", ENTRIES)
def test_what_is_given_is_judged(entry, side, dtype):
    given = ENTRIES[entry](SIDES[side], dtype)
    passed, tried = [], 0
    for subset in subsets(given):
        right = {name: given.right[name] for name in subset}
        verdict = given.call(**right)
        assert verdict.held, f"{subset}\n{verdict.render()}"
        for name in subset:
            # All kinds of mistakes where a thing is given alone; else the plainest.
            thorough = len(subset) == max(1, len(given.needed))
            kinds = itertools.islice(wrong(given.right[name], dtype), None if thorough else 1)
            for kind, bad in kinds:
                tried += 1
                if given.call(**{**right, name: bad}).held:
                    passed.append((subset, name, kind))
    assert tried
    assert passed == []


def test_a_wrong_number_of_values_is_refused():
    entry = backward_of_a_pair(scratch, np.float32)
    for bad in (entry.right["grad_input"][0], entry.right["grad_input"][:1], [], "both"):
        assert not entry.call(grad_input=bad).held
    entry = ENTRIES["judge_loss, two inputs"](scratch, np.float32)
    for bad in (entry.right["grad"][0], entry.right["grad"][:1], ()):
        assert not entry.call(grad=bad).held


def test_a_python_float_is_a_number_of_the_format():
    """As PyTorch's `item()` and `Trainer.step` give it; and a NaN, which no format lacks."""
    entry = whole_net(scratch, np.float32)
    assert entry.call(value=float(entry.right["value"])).held
    loss, x = scratch.MSELoss(), np.full(2, np.nan, np.float32)
    assert judge_loss(loss, x, x, value=float("nan")).held


def test_what_cannot_be_computed_is_asked_for():
    module, loss, x, y = torch.nn.Linear(3, 2), torch.nn.MSELoss(), np.ones((4, 3), np.float32), np.ones((4, 2), "f")
    with pytest.raises(TypeError, match=r"Linear has no backward for arrays, .* is not given: output$"):
        judge_forward(module, x)
    with pytest.raises(TypeError, match=r"not given: grad_input, gradients$"):
        judge_backward(module, x, y)
    with pytest.raises(TypeError, match=r"not given: value, grad_input, gradients$"):
        judge_net(module, loss, x, y, output=y)
    with pytest.raises(TypeError, match=r"MSELoss has no backward for arrays, .* is not given: grad$"):
        judge_loss(loss, y, y, value=np.float32(0))


@pytest.mark.parametrize("held", [None, "absent"])
def test_a_frozen_parameter_needs_no_gradient(held):
    model, loss, x, y = net(torch_impl, np.float32)
    model.module[0].weight.requires_grad_(False)
    model.forward(x)
    loss.forward(model.forward(x), y)
    model.backward(loss.backward())
    gradients = {name: p.grad for name, p in model.named_parameters()}
    if held:
        del gradients["0.weight"]
    assert judge_net(model, loss, x, y, gradients=gradients).held
    assert judge_net(model, loss, x, y).held
    gradients["0.weight"] = np.ones((2, 3), np.float32)
    assert not judge_net(model, loss, x, y, gradients=gradients).held


# --- what a step leaves in parameters, gradients and state -----------------------------------------------------------


def moved(a: Any) -> Any:
    return a + np.asarray(1, a.dtype)


def stepped(side, dtype, kind, options, change):
    """The verdict on a step and `change(optimizer, parameters)` after it; the third parameter has no gradient."""
    shapes = [(3, 2)] * 3
    rng = np.random.default_rng(1)
    parameters = [side.Parameter(rng.normal(size=shape).astype(dtype)) for shape in shapes]
    optimizer = getattr(side, kind)(parameters, **options)
    for step in range(3):
        for p in parameters[: 2 if step == 2 else 3]:
            p.grad = rng.normal(size=p.data.shape).astype(dtype)
        if step == 2:
            parameters[2].grad = None
            before = snapshot(optimizer)
        optimizer.step()
    change(optimizer, parameters)
    return judge_optimizer(optimizer, before)


def infinite(optimizer, parameters):
    parameters[2].data = np.full_like(parameters[2].data, np.inf)


def loaded(i, change):
    """The state of parameter `i`, entry by entry, changed by way of the state dict."""

    def body(optimizer, parameters):
        state = optimizer.state_dict()
        entries = dict(state["state"])
        entries[i] = change(entries[i])
        optimizer.load_state_dict({**state, "state": entries})

    return body


STEPPED = dict(OPTIMIZERS.values())  # the last row of each, with the most options


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("kind", STEPPED)
def test_what_has_no_gradient_stays(kind, side):
    """Its numbers and its state: where either moves the step is wrong. And so is what is passed over."""
    go = lambda change: stepped(SIDES[side], np.float32, kind, STEPPED[kind], change)  # noqa: E731
    right = go(lambda optimizer, parameters: None)
    assert right.held, right.render()

    def move(i):
        def body(optimizer, parameters):
            parameters[i].data = moved(np.array(parameters[i].data))

        return body

    for i in range(3):
        assert not go(move(i)).held, i
    assert not go(infinite).held


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", ["SGD momentum", "Adam amsgrad", "RMSprop all options", "Adadelta", "NAdam", "ASGD"])
def test_every_entry_of_the_state_is_judged(name, side):
    """Of a parameter that was stepped and of one without a gradient: its numbers, and that it is there at all."""
    kind, options = OPTIMIZERS[name]
    go = lambda change: stepped(SIDES[side], np.float32, kind, options, change)  # noqa: E731
    seen = []
    go(lambda optimizer, parameters: seen.append(optimizer.state_dict()["state"]))
    for i, entry in enumerate(dict(seen[0]).get(k, {}) for k in (0, 2)):
        number = (0, 2)[i]
        for which in entry:
            other = loaded(
                number, lambda state, which=which: {**state, which: np.asarray(moved(np.asarray(state[which])))}
            )
            assert not go(other).held, (number, which)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", SIDES)
def test_every_part_of_a_clipping_is_judged(side, dtype):
    side = SIDES[side]
    rng = np.random.default_rng(0)

    def clip(change):
        parameters = [side.Parameter(np.zeros((2, 2), dtype)) for _ in range(3)]
        for p in parameters[:2]:
            p.grad = rng.normal(size=(2, 2)).astype(dtype)
        before = [None if p.grad is None else np.array(p.grad) for p in parameters]
        total = side.clip_grad_norm_(parameters, 0.5)
        return judge_clip(parameters, before, change(parameters, total), 0.5)

    def gradient(i, value):
        def change(parameters, total):
            parameters[i].grad = value
            return total

        return change

    right = clip(lambda parameters, total: total)
    assert right.held, right.render()
    for bad in (
        lambda t: 2 * t,
        lambda t: None,
        lambda t: np.asarray(t).astype(OTHER[dtype])[()],
        lambda t: float(t) + 1,
    ):
        assert not clip(lambda parameters, total, bad=bad: bad(total)).held
    assert not clip(gradient(0, np.ones((2, 2), dtype))).held
    assert not clip(gradient(0, None)).held
    assert not clip(gradient(2, np.zeros((2, 2), dtype))).held, "a gradient that appeared"


@pytest.mark.parametrize("side", SIDES)
def test_every_part_of_a_step_is_judged(side):
    side = SIDES[side]

    def step(change):
        model, loss, x, y = net(side, np.float32)
        trainer = side.Trainer(model, loss, side.Adam(model.parameters(), lr=0.1))
        judge = StepJudge(model, loss, trainer.optimizer)
        trainer.step(x, y)
        before = judge.before()
        value = change(model, trainer.step(x, y))
        return judge.after(before, x, y, value)

    right = step(lambda model, value: value)
    assert right.held, right.render()
    for bad in (lambda v: v + 5, lambda v: None, lambda v: np.float64(v), lambda v: v + 1e-12, lambda v: "1.0"):
        assert not step(lambda model, value, bad=bad: bad(value)).held

    def at(i, what, make):
        def change(model, value):
            p = list(model.parameters())[i]
            setattr(p, what, make(np.array(getattr(p, what))))
            return value

        return change

    for i in range(2):
        assert not step(at(i, "grad", lambda a: 1000 * a + 1)).held
        assert not step(at(i, "grad", lambda a: None)).held
        assert not step(at(i, "data", moved)).held
