"""What optimizers, schedules, trainers and clipping must not take: one error in one wording on both sides, no trace."""

import copy
import inspect
import re

import numpy as np
import pytest

import scratch
import torch_impl
from handgrad import catalogue
from parity_tests.catalogue.tables import SIDES
from parity_tests.refusals.test_errors import Y2, Bench, X, outcome

OTHER = {id(scratch): torch_impl, id(torch_impl): scratch}
OPTIMIZERS = [name for name in scratch.optim.__all__ if name != "Optimizer"]
SCHEDULES = [name for name in scratch.schedulers.__all__ if name != "LRScheduler"]


def other(b):
    return OTHER[id(b.side)]


def ordinary(kind, side):
    """A parameter that the optimizer takes."""
    if kind == "SparseAdam":
        return next(iter(side.Embedding(3, 2, sparse=True, rng=0).parameters()))
    return side.Parameter(np.ones((2, 2), np.float32))


def twice(side, kind):
    parameter = ordinary(kind, side)
    return getattr(side, kind)([parameter, parameter])


# what is given to every optimizer for its parameters
PARAMS = {
    "nothing": lambda side, kind: getattr(side, kind)(),
    "None": lambda side, kind: getattr(side, kind)(None),
    "a number": lambda side, kind: getattr(side, kind)(5),
    "text": lambda side, kind: getattr(side, kind)("weight"),
    "bytes": lambda side, kind: getattr(side, kind)(b"weight"),
    "a model": lambda side, kind: getattr(side, kind)(side.MLP([2, 1], rng=0)),
    "a row of modules": lambda side, kind: getattr(side, kind)(side.Sequential(side.Linear(2, 1))),
    "modules": lambda side, kind: getattr(side, kind)([side.ReLU()]),
    "an array": lambda side, kind: getattr(side, kind)(X),
    "arrays": lambda side, kind: getattr(side, kind)([X]),
    "a single parameter": lambda side, kind: getattr(side, kind)(ordinary(kind, side)),
    "an empty list": lambda side, kind: getattr(side, kind)([]),
    "an empty iterator": lambda side, kind: getattr(side, kind)(iter(())),
    "a set": lambda side, kind: getattr(side, kind)({ordinary(kind, side)}),
    "a dict of parameters": lambda side, kind: getattr(side, kind)({"weight": ordinary(kind, side)}),
    "a single group": lambda side, kind: getattr(side, kind)({"params": [ordinary(kind, side)]}),
    "names and parameters": lambda side, kind: getattr(side, kind)(side.MLP([2, 1], rng=0).named_parameters()),
    "a group beside a parameter": lambda side, kind: getattr(side, kind)([{"params": [p := ordinary(kind, side)]}, p]),
    "a parameter beside a group": lambda side, kind: getattr(side, kind)([p := ordinary(kind, side), {"params": [p]}]),
    "a group without parameters": lambda side, kind: getattr(side, kind)([{"lr": 0.1}]),
    "a group of None": lambda side, kind: getattr(side, kind)([{"params": None}]),
    "a group of a model": lambda side, kind: getattr(side, kind)([{"params": side.MLP([2, 1], rng=0)}]),
    "a parameter twice": lambda side, kind: twice(side, kind),
    "lr of None": lambda side, kind: getattr(side, kind)([ordinary(kind, side)], lr=None),
    "lr in a list": lambda side, kind: getattr(side, kind)([ordinary(kind, side)], lr=[0.1]),
    "lr as a truth": lambda side, kind: getattr(side, kind)([ordinary(kind, side)], lr=True),
    "too many options": lambda side, kind: getattr(side, kind)([ordinary(kind, side)], *[0.1] * 20),
    "one option twice": lambda side, kind: getattr(side, kind)([ordinary(kind, side)], 0.1, lr=0.1),
    "an unknown option": lambda side, kind: getattr(side, kind)([ordinary(kind, side)], rate=0.1),
    "an unknown option of a group": lambda side, kind: getattr(side, kind)(
        [{"params": [ordinary(kind, side)], "rate": 0.1}]
    ),
    "a step of a number": lambda side, kind: getattr(side, kind)([ordinary(kind, side)]).step(5),
    "zero_grad of text": lambda side, kind: getattr(side, kind)([ordinary(kind, side)]).zero_grad("no"),
    "a state that is None": lambda side, kind: getattr(side, kind)([ordinary(kind, side)]).load_state_dict(None),
}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_every_optimizer_refuses_alike(kind):
    ours, theirs = ({case: outcome(act, side, kind) for case, act in PARAMS.items()} for side in (scratch, torch_impl))
    assert ours == theirs
    for case, said in ours.items():
        assert said.startswith(("TypeError: ", "ValueError: ")), (case, said)
        assert kind in said, case
        assert "\n" not in said, case


def positional(constructor):
    parameters = list(inspect.signature(constructor).parameters.values())
    return [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.default is not p.empty]


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_options_have_places(kind):
    """The same on both sides, as in torch.optim: every prefix of them."""
    places = positional(getattr(scratch, kind))
    assert len(places) > 1
    for number in range(len(places) + 1):
        given = [place.default for place in places[:number]]
        groups = [
            getattr(side, kind)([ordinary(kind, side)], *given).state_dict()["param_groups"] for side in SIDES.values()
        ]
        for name in groups[0][0]:
            assert groups[0][0][name] == groups[1][0][name]


# what takes True or False, by name, and how it is made with the option given
TRUTHS = {
    **{
        (kind, option.name): lambda side, kind=kind, **o: getattr(side, kind)(
            [ordinary(kind, side)], **({"momentum": 0.5} if kind == "SGD" else {}), **o
        )
        for kind in OPTIMIZERS
        for option in inspect.signature(getattr(scratch, kind)).parameters.values()
        if isinstance(option.default, bool)
    },
    **{
        ("OneCycleLR", name): lambda side, **o: side.OneCycleLR(
            side.SGD([side.Parameter(X)], momentum=0.5), 0.5, total_steps=9, **o
        )
        for name in ("cycle_momentum", "three_phase")
    },
    ("clip_grad_norm_", "error_if_nonfinite"): lambda side, **o: side.clip_grad_norm_([side.Parameter(X)], 1.0, **o),
    ("SGD.zero_grad", "set_to_none"): lambda side, **o: side.SGD([side.Parameter(X)]).zero_grad(**o),
    ("Linear.zero_grad", "set_to_none"): lambda side, **o: side.Linear(2, 1, rng=0).zero_grad(**o),
    ("Linear.train", "mode"): lambda side, **o: side.Linear(2, 1, rng=0).train(**o),
    ("MLP", "bias"): lambda side, **o: side.MLP([2, 1], rng=0, **o),
}
ARGUMENTS = {
    "BatchNorm1d": (3,),
    "Bilinear": (2, 2, 2),
    "Embedding": (3, 2),
    "GroupNorm": (2, 4),
    "LayerNorm": (3,),
    "Linear": (2, 2),
    "Parameter": (X,),
    "RMSNorm": (3,),
}
for name in scratch.__all__:
    if inspect.isclass(getattr(scratch, name)) and name not in (*OPTIMIZERS, "OneCycleLR", "MLP"):
        for option in inspect.signature(getattr(scratch, name)).parameters.values():
            if isinstance(option.default, bool):
                TRUTHS[name, option.name] = lambda side, name=name, **o: getattr(side, name)(
                    *ARGUMENTS.get(name, ()), **o
                )


@pytest.mark.parametrize(("owner", "option"), TRUTHS)
def test_a_truth_is_true_or_false(owner, option):
    """Every such option of every class and function takes both, and NumPy's, and nothing else."""
    make = TRUTHS[owner, option]
    for given in ("no", "True", "", 0, 1, 1.0, None, [], np.array(True), np.int64(1)):
        ours, theirs = (
            outcome(lambda side, given=given: make(side, **{option: given}), side) for side in SIDES.values()
        )
        assert ours == theirs
        start = owner.split(".")[0]
        assert ours == f"TypeError: {start}: {option} must be True or False; got {given!r}", given
    for given in (True, False, np.True_, np.False_):
        for side in SIDES.values():
            made = make(side, **{option: given})
            kept = getattr(made, "defaults", {}).get(option, bool(given))
            assert kept is bool(given)


def over(side):
    parameters = [side.Parameter(np.ones(2, np.float32)) for _ in range(2)]
    return side.SGD([{"params": parameters[:1]}, {"params": parameters[1:], "lr": 0.5}], lr=0.25, momentum=0.9)


def raising(step):
    raise OSError("no such rate")


def late(step):
    return 1.0 if step < 2 else raising(step)


def tired():
    """A rate that is there for the first step 0, and not when a sequence comes to it and starts again."""
    steps = []

    def rate(step):
        steps.append(step)
        return raising(step) if steps.count(0) > 1 else 1.0

    return rate


class OneByOne:
    """An iterator that reads the same every time."""

    def __init__(self, *entries):
        self.entries = iter(entries)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.entries)

    def __repr__(self):
        return "one by one"


# what is refused of schedules: a constructor
BAD_SCHEDULES = {
    "no optimizer": lambda side, o: side.StepLR(None, 2),
    "no arguments": lambda side, o: side.StepLR(),
    "no step size": lambda side, o: side.StepLR(o),
    "a function that is none": lambda side, o: side.LambdaLR(o, 5),
    "functions of which one is none": lambda side, o: side.LambdaLR(o, [len, "0.5"]),
    "a function too few": lambda side, o: side.LambdaLR(o, [len]),
    "a function that raises": lambda side, o: side.LambdaLR(o, raising),
    "a function of text": lambda side, o: side.LambdaLR(o, lambda step: None),
    "a rate that is a truth": lambda side, o: side.LambdaLR(o, [lambda step: np.ones(2)] * 2),
    "milestones that are none": lambda side, o: side.MultiStepLR(o, 5),
    "milestones as text": lambda side, o: side.MultiStepLR(o, "12"),
    "broken milestones": lambda side, o: side.MultiStepLR(o, [1.5]),
    "milestones below 0": lambda side, o: side.MultiStepLR(o, [3, -1]),
    "last_epoch below -1": lambda side, o: side.ExponentialLR(o, 0.5, last_epoch=-2),
    "a broken last_epoch": lambda side, o: side.StepLR(o, 2, last_epoch=1.5),
    "last_epoch without a start": lambda side, o: side.LinearLR(o, last_epoch=3),
    "a cycle's last_epoch without a start": lambda side, o: side.OneCycleLR(o, 0.5, total_steps=9, last_epoch=3),
    "a cycle on another's start": lambda side, o: (
        side.StepLR(o, 3),
        side.OneCycleLR(o, 0.5, total_steps=9, last_epoch=3),
    ),
    "max_lr as text": lambda side, o: side.OneCycleLR(o, "0.5", total_steps=9),
    "max_lr of None": lambda side, o: side.OneCycleLR(o, None, total_steps=9),
    "a max_lr as text": lambda side, o: side.OneCycleLR(o, [0.5, "0.1"], total_steps=9),
    "div_factor of 0": lambda side, o: side.OneCycleLR(o, 0.5, total_steps=9, div_factor=0),
    "final_div_factor as text": lambda side, o: side.OneCycleLR(o, 0.5, total_steps=9, final_div_factor="1"),
    "a rise of one step": lambda side, o: side.OneCycleLR(o, 0.5, total_steps=10, pct_start=0.1),
    "max_momentum as text": lambda side, o: side.OneCycleLR(o, 0.5, total_steps=9, max_momentum="0.9"),
    "base_momentum of None": lambda side, o: side.OneCycleLR(o, 0.5, total_steps=9, base_momentum=None),
    "min_lr as text": lambda side, o: side.ReduceLROnPlateau(o, min_lr="0"),
    "min_lr in two": lambda side, o: side.ReduceLROnPlateau(o, min_lr=[0.1, None]),
    "schedules that are none": lambda side, o: side.SequentialLR(o, 5, []),
    "one schedule": lambda side, o: side.SequentialLR(o, side.StepLR(o, 2), []),
    "an optimizer among schedules": lambda side, o: side.SequentialLR(o, [o], []),
    "the other side's schedule": lambda side, o: side.SequentialLR(
        o, [OTHER[id(side)].StepLR(over(OTHER[id(side)]), 2)], []
    ),
    "a schedule twice": lambda side, o: side.SequentialLR(o, [s := side.StepLR(o, 2), s], [3]),
    "milestones of a sequence as text": lambda side, o: side.SequentialLR(
        o, [side.StepLR(o, 2), side.StepLR(o, 3)], "3"
    ),
    "milestones of a sequence, one by one": lambda side, o: side.SequentialLR(
        o, [side.StepLR(o, 2), side.StepLR(o, 3)], OneByOne(3)
    ),
    "a sequence's broken milestone": lambda side, o: side.SequentialLR(
        o, [side.StepLR(o, 2), side.StepLR(o, 3)], [2.5]
    ),
    "a sequence within, not first": lambda side, o: side.SequentialLR(
        o, [side.StepLR(o, 2), side.SequentialLR(o, [side.StepLR(o, 2)], [])], [2]
    ),
    "a rise of no steps, not first": lambda side, o: side.SequentialLR(
        o, [side.StepLR(o, 2), side.LinearLR(o, total_iters=0)], [2]
    ),
}


def options_of(optimizer):
    """All that the groups hold beside their parameters."""
    return [copy.deepcopy({k: v for k, v in group.items() if k != "params"}) for group in optimizer.param_groups]


@pytest.mark.parametrize("case", BAD_SCHEDULES)
def test_a_refused_schedule_leaves_no_trace(case):
    outcomes = []
    for side in SIDES.values():
        optimizer = over(side)
        optimizer.step()
        built_first = any(word in case for word in ("another's", "sequence", "schedule", "not first"))
        if built_first:  # what a schedule writes that is made before the refused one stays
            side.StepLR(optimizer, 3)
        before = options_of(optimizer)
        outcomes.append(outcome(BAD_SCHEDULES[case], side, optimizer))
        for now, kept in zip(options_of(optimizer), before, strict=True):
            assert now == {**kept, "lr": now["lr"]} if "no steps" in case else now == kept
    swapped = [said.replace("torch_impl", "scratch").replace(" of torch", " of scratch") for said in outcomes]
    assert len(set(swapped)) == 1, outcomes
    assert outcomes[0] != "no error"
    assert "\n" not in outcomes[0]


def test_a_refused_sequence_leaves_its_schedules_alone():
    """Each had been taken back by a step, and the first started again, before that one's function raised."""
    for side in SIDES.values():
        optimizer = over(side)
        optimizer.step()
        parts = [side.LambdaLR(optimizer, [tired(), tired()]), side.StepLR(optimizer, 2)]
        before = copy.deepcopy([part.state_dict() for part in parts])
        assert outcome(side.SequentialLR, optimizer, parts, [2]) == "OSError: no such rate"
        assert [part.state_dict() for part in parts] == before


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"step_size": 3}, "got multiple values for argument 'step_size'"),
        ({"size": 3}, "got an unexpected keyword argument 'size'"),
    ],
)
def test_python_says_what_is_wrong_with_arguments(given, said):
    with pytest.raises(TypeError, match=rf"^StepLR\.__init__\(\) {said}$"):
        torch_impl.StepLR(over(torch_impl), 2, **given)


BAD_STEPS = {
    "beyond the end": (lambda side, o: side.OneCycleLR(o, 0.5, total_steps=2), ()),
    "a function that raises": (lambda side, o: side.LambdaLR(o, late), ()),
    "a function that gives text": (lambda side, o: side.LambdaLR(o, lambda step: 1.0 if step < 2 else "1"), ()),
    "one of a sequence": (
        lambda side, o: side.SequentialLR(o, [side.StepLR(o, 2), side.LambdaLR(o, late)], [1]),
        (),
    ),
    "one of a sequence whose turn it is": (
        lambda side, o: side.SequentialLR(o, [side.StepLR(o, 2), side.LambdaLR(o, [tired(), tired()])], [2]),
        (),
    ),
    "an argument": (lambda side, o: side.StepLR(o, 2), (5,)),
    "no number to watch": (lambda side, o: side.ReduceLROnPlateau(o), ()),
    "two numbers to watch": (lambda side, o: side.ReduceLROnPlateau(o), (1.0, 2.0)),
    "text to watch": (lambda side, o: side.ReduceLROnPlateau(o), ("1.0",)),
    "None to watch": (lambda side, o: side.ReduceLROnPlateau(o), (None,)),
    "a truth to watch": (lambda side, o: side.ReduceLROnPlateau(o), (True,)),
    "two numbers in a list to watch": (lambda side, o: side.ReduceLROnPlateau(o), ([1.0, 2.0],)),
}


@pytest.mark.parametrize("case", BAD_STEPS)
def test_a_refused_step_leaves_no_trace(case):
    make, given = BAD_STEPS[case]
    outcomes = []
    for side in SIDES.values():
        optimizer = over(side)
        optimizer.step()
        schedule = make(side, optimizer)
        plateau = type(schedule).__name__ == "ReduceLROnPlateau"
        said = "no error"
        for step in range(5):
            optimizer.step()
            before = options_of(optimizer), copy.deepcopy(schedule.state_dict())
            wrong = step == 1 and (given or plateau)
            said = outcome(schedule.step, *(given if wrong else [1.0] if plateau else []))
            if said != "no error":
                assert (options_of(optimizer), schedule.state_dict()) == before
                break
        outcomes.append((step, said))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][1] != "no error"


def changed(name, value):
    return lambda state: {**state, name: value}


# what is done to the state of a schedule
BAD_STATES = {
    "a list": lambda state: [state],
    "None": lambda state: None,
    "nothing": lambda state: {},
    "an entry missing": lambda state: {k: v for k, v in state.items() if k != "last_epoch"},
    "an entry too many": changed("lr", 0.1),
    "last_epoch as text": changed("last_epoch", "3"),
    "a broken last_epoch": changed("last_epoch", 1.5),
    "rates of text": lambda state: {**state, "_last_lr": ["0.1", "0.1"]},
    "rates that are none": changed("_last_lr", 0.1),
    "a rate too few": lambda state: {**state, "_last_lr": state["_last_lr"][:1]},
}
OWN = {name: row.bad_state for name, row in catalogue.SCHEDULES.items() if row.bad_state}
"""Entries of one schedule, and what they must not be."""


def made(name, side, o):
    if name == "SequentialLR":
        return side.SequentialLR(o, [side.StepLR(o, 2), side.LinearLR(o)], [3])
    return getattr(side, name)(o, **catalogue.SCHEDULES[name].start)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedules_state_that_does_not_fit_is_refused_alike(name):
    """Of other kinds, of other groups and of every other schedule; then nothing is taken over."""
    all_said = []
    for side in SIDES.values():
        optimizer = over(side)
        optimizer.step()
        schedule = made(name, side, optimizer)
        state = schedule.state_dict()
        wrong = {case: change(state) for case, change in BAD_STATES.items()}
        wrong |= {
            f"{entry}: {value}": {**state, entry: value} for entry, bad in OWN.get(name, {}).items() for value in bad
        }
        for another in SCHEDULES:
            if another != name:
                taken = over(side)
                taken.step()
                wrong[another] = made(another, side, taken).state_dict()
        said = {}
        for case, given in wrong.items():
            said[case] = outcome(schedule.load_state_dict, given)
            assert re.match(rf"(TypeError|ValueError): {name}: ", said[case]), (case, said[case])
            assert "\n" not in said[case]
            assert schedule.state_dict() == state
        all_said.append(said)
    assert all_said[0] == all_said[1]


def trainer(b, **parts):
    given = {"model": b.model, "loss": b.trainer.loss, "optimizer": b.optimizer, **parts}
    return b.side.Trainer(*given.values())


TRAINING = {
    "a trainer of no model": lambda b: trainer(b, model=None),
    "a trainer of no loss": lambda b: trainer(b, loss=None),
    "a trainer of no optimizer": lambda b: trainer(b, optimizer=None),
    "a trainer in another order": lambda b: b.side.Trainer(b.trainer.loss, b.model, b.optimizer),
    "a trainer of parameters": lambda b: trainer(b, optimizer=list(b.model.parameters())),
    "a trainer of the other side's model": lambda b: trainer(b, model=other(b).MLP([3, 2], rng=0)),
    "a trainer of the other side's loss": lambda b: trainer(b, loss=other(b).MSELoss()),
    "a trainer of the other side's optimizer": lambda b: trainer(
        b, optimizer=other(b).SGD(other(b).MLP([3, 2], rng=0).parameters())
    ),
    "an optimizer of the other side's parameters": lambda b: b.side.SGD(other(b).MLP([3, 2], rng=0).parameters()),
    "a schedule of the other side's optimizer": lambda b: b.side.StepLR(over(other(b)), 2),
    "clipping the other side's parameters": lambda b: b.side.clip_grad_norm_(other(b).MLP([3, 2]).parameters(), 1.0),
    "a step of lists": lambda b: b.trainer.step(X.tolist(), Y2),
    "a step without targets": lambda b: b.trainer.step(X, None),
    "a step of text": lambda b: b.trainer.step(X, "y"),
    "data in a list": lambda b: b.trainer.asarray(X.tolist()),
    "no data": lambda b: b.trainer.asarray(None),
    "a gradient of another shape": lambda b: setattr(next(iter(b.model.parameters())), "grad", np.ones(3, np.float32)),
    "a gradient of another dtype": lambda b: setattr(next(iter(b.model.parameters())), "grad", np.ones((4, 3))),
    "a gradient in a list": lambda b: setattr(next(iter(b.model.parameters())), "grad", [[1.0] * 3] * 4),
    "clipping a model": lambda b: b.side.clip_grad_norm_(b.model, 1.0),
    "clipping nothing at all": lambda b: b.side.clip_grad_value_(None, 1.0),
    "clipping an array": lambda b: b.side.clip_grad_value_(X, 1.0),
    "a norm of a truth": lambda b: b.side.clip_grad_norm_(b.model.parameters(), 1.0, True),
}


@pytest.mark.parametrize("case", TRAINING)
def test_training_refuses_alike_and_changes_nothing(case):
    said = []
    for side in SIDES.values():
        bench = Bench(side)
        before = [array.copy() for array in bench.numbers()]
        said.append(outcome(TRAINING[case], bench))
        for array, kept in zip(bench.numbers(), before, strict=True):
            np.testing.assert_array_equal(array, kept)
    swapped = {
        re.sub(r" of (scratch|torch_impl)\b", " of the other side", text).replace(" Model of", " MLP of")
        for text in said
    }
    assert len(swapped) == 1, said
    assert said[0].startswith(("TypeError: ", "ValueError: ")), said


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("layer", ["Dropout", "AlphaDropout", "RReLU", "BatchNorm1d"])
def test_a_step_that_the_loss_refuses_draws_nothing(layer, side):
    """The layers have run before the loss sees its target."""

    def made():
        ops = SIDES[side]
        first = ops.BatchNorm1d(3) if layer == "BatchNorm1d" else getattr(ops, layer)(rng=5)
        model = ops.Sequential(first, ops.Residual(ops.Linear(3, 3, rng=0)))
        return ops.Trainer(model, ops.CrossEntropyLoss(), ops.SGD(model.parameters(), lr=0.1))

    x, y = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32), np.array([0, 1, 2, 0])
    one, other = made(), made()
    with pytest.raises(IndexError, match="class indices"):
        one.step(x, y + 7)
    for _ in range(2):
        assert one.step(x, y) == other.step(x, y)
    for name, array in other.model.state_dict().items():
        np.testing.assert_array_equal(one.model.state_dict()[name], array)


@pytest.mark.parametrize("side", SIDES)
def test_clipping_before_any_gradient_does_nothing(side):
    """As clipping by the norm, which is 0."""
    parameters = [SIDES[side].Parameter(X), SIDES[side].Parameter(X)]
    SIDES[side].clip_grad_value_(parameters, 0.5)
    SIDES[side].clip_grad_value_([], 0.5)
    assert float(SIDES[side].clip_grad_norm_(parameters, 0.5)) == 0
    assert [parameter.grad for parameter in parameters] == [None, None]
    parameters[1].grad = X
    SIDES[side].clip_grad_value_(parameters, 0.5)
    np.testing.assert_array_equal(parameters[1].grad, X.clip(-0.5, 0.5))
