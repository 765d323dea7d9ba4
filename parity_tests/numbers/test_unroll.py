"""The step written out is `Trainer`'s step: to the last bit, whatever changes between steps, and with its errors."""

import copy
import re
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import scratch
from parity_tests.catalogue.tables import DTYPES, LOSSES, ODD_OPS, OPS, OPTIMIZERS
from scratch.trainer import Trainer
from scratch.unroll import UnrollError, unroll


@pytest.fixture
def stepped(monkeypatch):
    """The trainers that made a step of their own, one entry a step."""
    found, real = [], Trainer.step

    def step(self, x, y):
        found.append(self)
        return real(self, x, y)

    monkeypatch.setattr(Trainer, "step", step)
    return found


def numbers(trainer):
    """Everything that a step leaves behind, as bytes."""
    arrays = dict(trainer.model.state_dict()) | {f"∂{n}": g for n, g in trainer.model.named_gradients()}
    for i, state in trainer.optimizer.state_dict()["state"].items():
        arrays |= {f"{name} of {i}": value for name, value in state.items()}
    for module in every(trainer.model):
        if hasattr(module, "rng"):
            arrays[repr(module)] = np.frombuffer(repr(module.rng.bit_generator.state).encode(), np.uint8)
            drawn = vars(module).get("mask", vars(module).get("slopes"))
            arrays[f"{module!r} drew"] = None if drawn is None else drawn
    return {n: None if a is None else (np.asarray(a).dtype, np.asarray(a).tobytes()) for n, a in arrays.items()}


def every(module):
    yield module
    for _, child in module.named_children():
        yield from every(child)


def follow(stepped, build, batches, change=lambda trainer, number: None, own=1):
    """`unroll(trainer).step` beside `Trainer.step`. At most `own` of its steps may be left to its trainer."""
    theirs = build()
    ours = copy.deepcopy(theirs)
    program = unroll(ours)
    for number, (x, y) in enumerate(batches):
        for trainer in (theirs, ours):
            change(trainer, number)
        before = x.copy(), y.copy()
        values = [np.float64(side.step(x, y)).tobytes() for side in (theirs, program)]
        assert values[0] == values[1], f"the loss of step {number}"
        left, right = numbers(theirs), numbers(ours)
        assert left.keys() == right.keys()
        assert [name for name in left if left[name] != right[name]] == [], f"after step {number}"
        assert before[0].tobytes() == x.tobytes()
        assert before[1].tobytes() == y.tobytes()
    assert sum(trainer is ours for trainer in stepped) <= own
    return program


def classes(batch, width, dtype, count, seed=0):
    rng = np.random.default_rng(seed)
    return [(rng.normal(size=(batch, 3)).astype(dtype), rng.integers(0, width, batch)) for _ in range(count)]


def values(kind, shape, dtype, rng):
    """A target of this kind; `shape` is that of the input."""
    unit = rng.random(shape)
    made = {
        "float": rng.normal(size=shape),
        "probability": unit,
        "binary": (unit > 0.5) * 1.0,
        "class probabilities": unit / unit.sum(-1, keepdims=True),
        "log probability": np.log(unit / unit.sum(-1, keepdims=True)),
        "count": rng.integers(0, 4, shape) * 1.0,
        "sign": np.where(unit > 0.5, 1.0, -1.0),
        "sign or 0": rng.integers(-1, 2, shape) * 1.0,
    }
    if kind in made:
        return made[kind].astype(dtype)
    return rng.integers(0, shape[1], shape[:1] if kind == "class" else shape)


def optimizer(name, model):
    kind, options = OPTIMIZERS[name]
    return getattr(scratch, kind)(model.parameters(), **options)


def in_turn(names):
    """Each with one of the two dtypes: which it is, no op of one line knows."""
    return [(name, DTYPES[i % 2]) for i, name in enumerate(names)]


# --- what is trained: every optimizer, layer, loss -------------------------------------------------------------------


@pytest.mark.parametrize(("name", "dtype"), in_turn(OPTIMIZERS))
def test_every_optimizer(stepped, name, dtype):
    def build():
        model = scratch.MLP((3, 5, 4), bias=OPTIMIZERS[name][0] != "Muon", dtype=dtype, rng=1)
        return scratch.Trainer(model, scratch.CrossEntropyLoss(), optimizer(name, model))

    turns = name.startswith(("RAdam", "ASGD"))  # its formula is another one after some steps
    follow(stepped, build, classes(6, 4, dtype, 10 if turns else 4), own=1 + turns)


@pytest.mark.parametrize(("name", "dtype"), in_turn(name for name in OPS if name != "Flatten(0)"))  # leaves no rows
def test_every_layer(stepped, name, dtype):
    """Between two Linear layers, so that it has a gradient to hand on."""
    width = OPS[name].width or 4

    def build():
        layer = OPS[name].build(scratch, dtype)
        output = layer.forward(np.zeros((6, width), dtype)).reshape(6, -1)
        model = scratch.Sequential(
            scratch.Linear(3, width, dtype=dtype, rng=1), layer, scratch.Linear(output.shape[1], 2, dtype=dtype, rng=2)
        )
        return scratch.Trainer(model, scratch.MSELoss(), scratch.SGD(model.parameters(), lr=0.1))

    rng = np.random.default_rng(0)
    batches = [tuple(rng.normal(size=(6, n)).astype(dtype) for n in (3, 2)) for _ in range(4)]
    follow(stepped, build, batches)


NORMALIZED = {
    "BatchNorm1d": lambda d: scratch.BatchNorm1d(4, dtype=d),
    "BatchNorm1d by count": lambda d: scratch.BatchNorm1d(4, momentum=None, dtype=d),
    "BatchNorm1d without statistics": lambda d: scratch.BatchNorm1d(4, track_running_stats=False, dtype=d),
    "BatchNorm1d, evaluation": lambda d: scratch.BatchNorm1d(4, dtype=d).eval(),
    "LayerNorm": lambda d: scratch.LayerNorm(4, dtype=d),
    "RMSNorm": lambda d: scratch.RMSNorm(4, dtype=d),
    "GroupNorm": lambda d: scratch.GroupNorm(2, 4, dtype=d),
    "PReLU(4)": lambda d: scratch.PReLU(4, dtype=d),
    "RReLU, Dropout": lambda d: scratch.Sequential(scratch.RReLU(rng=3), scratch.Dropout(0.3, rng=4)),
    "one ReLU twice": lambda d: twice(scratch.ReLU()),
}


def twice(layer, *before):
    return scratch.Sequential(*before, layer, scratch.Linear(4, 4, rng=5), layer)


@pytest.mark.parametrize("loss", ["CrossEntropyLoss", "BCELoss"])
@pytest.mark.parametrize("name", NORMALIZED)
def test_layers_with_a_state_of_their_own(stepped, name, loss):
    """BCELoss looks at what it is given after they have changed theirs."""

    def build():
        layers = [scratch.Linear(3, 4, rng=1), NORMALIZED[name](np.float32), scratch.Linear(4, 4, rng=2)]
        model = scratch.Sequential(*layers, *([scratch.Sigmoid()] if loss == "BCELoss" else []))
        return scratch.Trainer(model, getattr(scratch, loss)(), optimizer("SGD", model))

    rng = np.random.default_rng(0)
    kind = "class" if loss == "CrossEntropyLoss" else "probability"
    batches = [(rng.normal(size=(6, 3)).astype("f"), values(kind, (6, 4), np.float32, rng)) for _ in range(5)]
    follow(stepped, build, batches)


OUTPUTS = {"probability": "sigmoid", "positive": "softplus"}


@pytest.mark.parametrize(("name", "dtype"), in_turn(name for name, row in LOSSES.items() if not row.pair))
def test_every_loss(stepped, name, dtype):
    row = LOSSES[name]

    reduction = "mean" if dtype is np.float32 else "sum"

    def build():
        model = scratch.MLP((3, 5, 4), "tanh", OUTPUTS.get(row.input), dtype=dtype, rng=1)
        return scratch.Trainer(model, row.build(scratch, 4, dtype, reduction), scratch.SGD(model.parameters(), lr=0.1))

    rng = np.random.default_rng(0)
    batches = [(rng.normal(size=(6, 3)).astype(dtype), values(row.target, (6, 4), dtype, rng)) for _ in range(3)]
    follow(stepped, build, batches)


@pytest.mark.parametrize("name", [name for name in ODD_OPS if name.startswith("Embedding")])
def test_a_table_of_vectors(stepped, name):
    def build():
        layer = ODD_OPS[name].build(scratch, np.float32)
        model = scratch.Sequential(layer, scratch.Linear(layer.embedding_dim, 2, rng=1))
        return scratch.Trainer(model, scratch.CrossEntropyLoss(), optimizer("Adam", model))

    rng = np.random.default_rng(0)
    batches = [(rng.integers(0, ODD_OPS[name].rows, 6), rng.integers(0, 2, 6)) for _ in range(4)]
    follow(stepped, build, batches)


@given(
    hidden=st.lists(st.integers(1, 5), max_size=3),
    activation=st.sampled_from(sorted(scratch.ACTIVATIONS)),
    name=st.sampled_from(sorted(name for name, (kind, _) in OPTIMIZERS.items() if kind != "Muon")),
    row=st.sampled_from([row for row in LOSSES.values() if not row.pair]),
    dtype=st.sampled_from(DTYPES),
    reduction=st.sampled_from(["mean", "sum"]),
    rates=st.lists(st.sampled_from([0.0, 1e-4, 0.01, 0.5]), min_size=3, max_size=5),
    scale=st.sampled_from([0.0, 1e-20, 1.0, 1e4]),
    seed=st.integers(0, 2**16),
)
def test_drawn_nets(hidden, activation, name, row, dtype, reduction, rates, scale, seed):
    """Whatever is put together, with another batch, another rate and now and then another shape in every step."""
    model = scratch.MLP((3, *hidden, 4), activation, OUTPUTS.get(row.input), dtype=dtype, rng=seed)
    theirs = scratch.Trainer(model, row.build(scratch, 4, dtype, reduction), optimizer(name, model))
    ours = copy.deepcopy(theirs)
    program = unroll(ours)
    rng = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        for number, rate in enumerate(rates):
            batch = 2 + (number + seed) // 3 % 2
            x, y = (scale * rng.normal(size=(batch, 3))).astype(dtype), values(row.target, (batch, 4), dtype, rng)
            for trainer in (theirs, ours):
                group(trainer, lr=rate)
            before = numbers(theirs)
            try:
                expected = theirs.step(x, y)
            except ValueError as error:  # probabilities of NaN, once the net has diverged
                with pytest.raises(ValueError, match=re.escape(str(error))):
                    program.step(x, y)
                assert numbers(ours) == before
                return
            assert np.float64(program.step(x, y)).tobytes() == np.float64(expected).tobytes()
            assert numbers(ours) == numbers(theirs)


# --- what changes between steps -------------------------------------------------------------------------------------


def group(trainer, **options):
    trainer.optimizer.param_groups[0].update(options)


def loaded(trainer):
    trainer.optimizer.load_state_dict(trainer.optimizer.state_dict())


def replaced_layer(trainer):
    first, _, *rest = trainer.model.layers.modules
    trainer.model.layers = scratch.Sequential(first, scratch.LeakyReLU(0.25), *rest)


def other_moment(trainer):
    for state in trainer.optimizer.state.values():
        if "exp_avg" in state:
            state["exp_avg"] = 2 * state["exp_avg"]


def weights(trainer):
    trainer.model.load_state_dict({name: 0.5 * value for name, value in trainer.model.state_dict().items()})


def look(trainer):
    trainer.model.eval()
    trainer.model.forward(np.ones((2, 3), np.float32))
    trainer.model.train()


def forget(trainer):
    trainer.optimizer.zero_grad()
    trainer.model.layers[0].weight.grad = np.ones((5, 3), np.float32)


def step_of_its_own(trainer):
    type(trainer).step(trainer, np.ones((2, 3), np.float32), np.array([0, 1]))


# What is done before step number n, to an MLP of leaky ReLU with dropout and Adam; how many steps are the trainer's
CHANGES = {
    "a learning rate for every step": (lambda t, n: group(t, lr=0.1 / (n + 1)), 1),
    "betas for every step": (lambda t, n: group(t, betas=(0.9 - n / 100, 0.9)), 1),
    "a learning rate of NumPy's": (lambda t, n: n == 3 and group(t, lr=np.float64(0.05)), 2),
    "a whole learning rate": (lambda t, n: n == 3 and group(t, lr=1), 1),
    "weight decay": (lambda t, n: n == 3 and group(t, weight_decay=0.1), 2),
    "weight decay of −0": (lambda t, n: n == 3 and group(t, weight_decay=-0.0), 1),
    "maximize": (lambda t, n: group(t, maximize=n > 2), 1),
    "amsgrad": (lambda t, n: n == 3 and group(t, amsgrad=True), 2),
    "eval and train": (lambda t, n: t.model.train(n % 2 == 0), 2),
    "an option of a layer": (lambda t, n: n == 3 and setattr(t.model.layers[1], "negative_slope", 0.3), 1),
    "a slope of −0": (lambda t, n: setattr(t.model.layers[1], "negative_slope", [0.0, -0.0][n % 2]), 2),
    "an option of the loss": (lambda t, n: n == 3 and setattr(t.loss, "reduction", "sum"), 1),
    "another loss": (lambda t, n: n == 3 and setattr(t, "loss", scratch.NLLLoss()), 1),
    "another layer": (lambda t, n: n == 3 and replaced_layer(t), 1),
    "a frozen parameter": (lambda t, n: n == 3 and t.model.layers[0].weight.requires_grad_(False), 1),
    "a parameter that learns again": (lambda t, n: t.model.layers[0].weight.requires_grad_(n % 2 == 0), 2),
    "weights": (lambda t, n: n == 3 and weights(t), 1),
    "the optimizer's state": (lambda t, n: n == 3 and loaded(t), 1),
    "one array of the state": (lambda t, n: n == 3 and other_moment(t), 1),
    "no state": (lambda t, n: n == 3 and t.optimizer.state.clear(), 2),
    "gradients": (lambda t, n: forget(t), 1),
    "a forward of another batch": (lambda t, n: look(t), 1),
    "a step of its own": (lambda t, n: step_of_its_own(t), 7),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_changes_between_steps_acts_at_once(stepped, name):
    change, own = CHANGES[name]

    def build():
        model = scratch.MLP((3, 5, 4), "leaky_relu", rng=1)
        layers = model.layers.modules
        model.layers = scratch.Sequential(*layers[:2], scratch.Dropout(0.3, rng=2), layers[2], scratch.LogSoftmax(-1))
        return scratch.Trainer(model, scratch.CrossEntropyLoss(), scratch.Adam(model.parameters(), lr=0.1))

    follow(stepped, build, classes(6, 4, np.float32, 7), change, own)


def test_what_changes_is_not_made_anew_but_found(monkeypatch):
    """Shapes and options that come back have their program; a learning rate never needs another."""
    import scratch.unroll as module

    made, real = [], module.written
    monkeypatch.setattr(module, "written", lambda *given: made.append(0) or real(*given))
    model = scratch.MLP((3, 5, 4), rng=1)
    trainer = scratch.Trainer(model, scratch.CrossEntropyLoss(), scratch.SGD(model.parameters(), lr=0.1))
    program = unroll(trainer)
    for number in range(12):
        group(trainer, lr=0.1 / (number + 1))
        trainer.loss.label_smoothing = [0.0, 0.1][number // 2 % 2]
        for x, y in classes(5 + number % 2, 4, np.float32, 2, number):
            program.step(x, y)
    assert len(made) == 4


def test_a_batch_of_the_programs_own_memory():
    """A gradient given as a batch: the second branch's is written before the first branch has read the batch."""
    sides = []
    for wrap in (lambda trainer: trainer, unroll):
        branches = scratch.Parallel(scratch.Linear(3, 6, rng=1), scratch.Linear(3, 6, rng=2))
        trainer = trained(scratch.Sequential(branches, scratch.Linear(6, 4, rng=3)))
        side, (x, y) = wrap(trainer), (np.ones((6, 3), np.float32, order="F"), np.ones((6, 4), np.float32))
        losses = [side.step(x, y)]
        for _ in range(3):
            losses.append(side.step(branches.modules[1].weight.grad, y))
        sides.append((losses, numbers(trainer)))
    assert sides[0] == sides[1]


ODD = {
    "one layer twice": lambda: trained(twice(scratch.Linear(4, 4, rng=1), scratch.Linear(3, 4, rng=2))),
    "two groups": lambda: grouped(scratch.MLP((3, 5, 4), rng=0)),
    "a frozen layer that is not stepped": lambda: half(scratch.MLP((3, 5, 4), rng=0)),
    "one generator for three layers": lambda: trained(random_layers(np.random.default_rng(3))),
    "more numbers than fit a piece": lambda: trained(
        scratch.Sequential(
            scratch.Linear(3, 200, rng=1), scratch.Linear(200, 200, rng=2), scratch.Linear(200, 4, rng=3)
        ),
        kind=scratch.Adam,
    ),
}


def grouped(net):
    groups = [{"params": list(net.layers[0].parameters()), "lr": 0.5}, {"params": list(net.layers[2].parameters())}]
    return scratch.Trainer(net, scratch.MSELoss(), scratch.Adam(groups, lr=0.1, weight_decay=0.1))


def half(net):
    net.layers[0].requires_grad_(False)
    return trained(net, parameters=net.layers[2].parameters())


def random_layers(rng):
    layers = [scratch.Dropout(rng=rng), scratch.RReLU(rng=rng), scratch.AlphaDropout(rng=rng)]
    return scratch.Sequential(scratch.Linear(3, 5, rng=1), *layers, scratch.Linear(5, 4, rng=2))


@pytest.mark.parametrize("shape", [(6,), (6, 2)])
@pytest.mark.parametrize("name", ODD)
def test_odd_trainers(stepped, name, shape):
    rng = np.random.default_rng(0)
    batches = [tuple(rng.normal(size=(*shape, n)).astype("f") for n in (3, 4)) for _ in range(3)]
    follow(stepped, ODD[name], batches)


LAYOUTS = {
    "rows": lambda a: a,
    "columns": np.asfortranarray,
    "every second number": lambda a: np.repeat(a, 2, -1)[..., ::2],
    "backwards": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "read only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_memory_of_the_batch(stepped, layout):
    def build():
        model = scratch.MLP((3, 5, 4), rng=1)
        return scratch.Trainer(model, scratch.CrossEntropyLoss(), optimizer("Adam", model))

    gaps = layout in ("every second number", "backwards")
    batches = [(LAYOUTS[layout](x), LAYOUTS[layout](y)) for x, y in classes(6, 4, np.float32, 3)]
    follow(stepped, build, batches, own=3 if gaps else 1)


# --- flags, errors, refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["warn", "raise"])
@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e25, np.inf, np.nan])
def test_the_caller_is_told_of_the_same_flags(scale, how):
    told = []
    for wrap in (lambda trainer: trainer, unroll):
        model = scratch.MLP((3, 5, 4), "tanh", rng=1)
        side = wrap(scratch.Trainer(model, scratch.MSELoss(), scratch.SGD(model.parameters(), lr=0.1)))
        x, y = np.ones((6, 3), np.float32), np.zeros((6, 4), np.float32)
        side.step(x, y)
        with warnings.catch_warnings(record=True) as caught, np.errstate(all=how):
            warnings.simplefilter("always")
            try:
                side.step(np.float32(scale) * x, np.float32(scale) * np.ones_like(y))
                side.step(x, y)
            except FloatingPointError as error:
                caught.append(error)
        told.append([str(getattr(entry, "message", entry)) for entry in caught])
    assert told[0] == told[1]


@pytest.mark.parametrize("overflow", ["forward", "loss", "backward"])
def test_what_an_error_of_numpys_leaves(overflow):
    """Everything as it was, unless the backward pass has begun: then what `Trainer` leaves, without the gradients."""
    left = []
    for wrap in (lambda trainer: trainer, unroll):
        layers = [
            scratch.Linear(3, 4, rng=1),
            scratch.BatchNorm1d(4),
            scratch.Dropout(rng=2),
            scratch.Linear(4, 4, rng=3),
        ]
        model = scratch.Sequential(*layers)
        trainer = scratch.Trainer(model, scratch.MSELoss(), scratch.SGD(model.parameters(), lr=0.1))
        side = wrap(trainer)
        x, y = np.random.default_rng(0).normal(size=(6, 3)).astype("f"), np.ones((6, 4), np.float32)
        side.step(x, y)
        if overflow == "forward":
            x = x * np.float32(1e30)
        elif overflow == "loss":
            y = y * np.float32(1e30)
        else:
            model[1].weight.data *= np.float32(1e30)
            model[3].weight.data *= np.float32(1e-25)
            y = y * np.float32(1e18)
        before = numbers(trainer)
        with np.errstate(all="raise"), pytest.raises(FloatingPointError):
            side.step(x, y)
        if overflow == "backward":
            trainer.optimizer.zero_grad()
            before = {name: value for name, value in numbers(trainer).items() if "drew" not in name}
        left.append(before)
    assert left[0] == left[1]
    assert left[1].items() <= numbers(trainer).items()


# What is wrong with x or y of a net of 3 inputs and 4 classes
WRONG = {
    "x has too many columns": lambda x, y: (np.ones((6, 4), np.float32), y),
    "x is float64": lambda x, y: (x.astype(float), y),
    "x is a list": lambda x, y: (x.tolist(), y),
    "x is masked": lambda x, y: (np.ma.array(x), y),
    "y is short": lambda x, y: (x, y[:5]),
    "y is of floats": lambda x, y: (x, y.astype(np.float32)),
    "a class too many": lambda x, y: (x, y + 1),
    "a negative class": lambda x, y: (x, y - 1),
    "no rows": lambda x, y: (x[:0], y[:0]),
}


@pytest.mark.parametrize("steps", [0, 2])
@pytest.mark.parametrize("name", WRONG)
def test_bad_input_has_the_errors_of_the_trainer_and_changes_nothing(name, steps):
    """Before there is a program, and when there is one."""
    model = scratch.Sequential(
        scratch.Linear(3, 4, rng=1), scratch.BatchNorm1d(4), scratch.Dropout(rng=2), scratch.Linear(4, 4, rng=3)
    )
    trainer = scratch.Trainer(model, scratch.CrossEntropyLoss(), scratch.SGD(model.parameters(), momentum=0.9))
    program = unroll(trainer)
    x, y = np.ones((6, 3), np.float32), np.array([0, 1, 2, 3, 0, 1])
    for _ in range(steps):
        program.step(x, y)
    before = numbers(trainer)
    errors = []
    for side in (copy.deepcopy(trainer), program):
        with pytest.raises((ValueError, TypeError, IndexError)) as caught:
            side.step(*WRONG[name](x, y))
        errors.append((type(caught.value), str(caught.value)))
    assert errors[0] == errors[1]
    assert numbers(trainer) == before


class Own(scratch.Module):
    def __init__(self):
        self.inner = scratch.Linear(3, 4, rng=1)

    def forward(self, x):
        return self._remember(self.inner.forward(x))

    def backward(self, grad_output):
        return self.inner.backward(grad_output)


class OwnLoss(scratch.MSELoss):
    pass


class OwnSGD(scratch.SGD):
    pass


def trained(model=None, loss=scratch.MSELoss, kind=scratch.SGD, parameters=None):
    model = model or scratch.Linear(3, 4, rng=1)
    return scratch.Trainer(model, loss(), kind(parameters or model.parameters(), lr=0.1))


REFUSED = {
    "a module of one's own": (lambda: trained(Own()), "model is a Own; what it reads in a step is not known"),
    "a loss of one's own": (lambda: trained(loss=OwnLoss), "loss is a OwnLoss; what it reads"),
    "an optimizer of one's own": (lambda: trained(kind=OwnSGD), "optimizer is a OwnSGD; what it reads"),
    "a sparse table": (
        lambda: trained(scratch.Embedding(3, 4, sparse=True, rng=1), kind=scratch.SparseAdam),
        "weight is a RowParameter of an Embedding(sparse=True)",
    ),
    "a parameter that nobody steps": (
        lambda: trained(net := scratch.MLP((3, 5, 4), rng=1), parameters=net.layers[2].parameters()),
        "layers.0.weight learns but is not the optimizer's, and its gradients would add up; freeze it by",
    ),
    "a method replaced": (
        lambda: replaced_method(trained()),
        "forward is a function; what it reads in a step is not known",
    ),
    "no trainer": (lambda: scratch.Linear(3, 4), "unroll: trainer must be a Trainer; got Linear"),
}


def replaced_method(trainer):
    vars(trainer.model)["forward"] = lambda x: x
    return trainer


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_written_out_is_refused_by_name(name):
    build, words = REFUSED[name]
    with pytest.raises(TypeError) as caught:
        unroll(build())
    assert words in str(caught.value)


def test_what_came_to_be_there_since_is_refused_and_nothing_changes():
    trainer = trained()
    program = unroll(trainer)
    x, y = np.ones((6, 3), np.float32), np.ones((6, 4), np.float32)
    program.step(x, y), program.step(x, y)
    vars(trainer.model)["forward"] = lambda x: x
    before = numbers(trainer)
    with pytest.raises(UnrollError, match="forward is a function"):
        program.step(x, y)
    assert numbers(trainer) == before


# Code that a program could hold only by freezing what it read; `np` is the NumPy on record, `x` an array of data
FROZEN = {
    "a mask": ("x[x > 0]", "a mask"),
    "an index": ("x[int(x.sum())]", "a number that depends on the data"),
    "a length": ("np.zeros(int(x.sum()))", "np.zeros is handed a number"),
    "a repeat": ("range(int(x.sum()))", "behind the record's back"),
    "where it is": ("np.nonzero(x)", "shape of np.nonzero's result depends on the data"),
    "which are": ("np.where(x)", "shape of np.where's result depends on the data"),
    "a list": ("x.tolist()", "read by .tolist"),
    "an item": ("x.item(0)", "read by .item"),
    "a table": ("{1: 2}[float(x.sum())]", "looked up in a table"),
    "NumPy itself": ("real.exp(x)", ""),
    "math itself": ("real_math.sqrt(x.sum())", "behind the record's back"),
    "a shape": ("x.reshape(int(x.sum()), -1)", "reshape() is handed a number"),
    "sorted in place": ("x.sort()", "changes an array"),
}


@pytest.mark.parametrize("name", FROZEN)
def test_nothing_is_read_behind_the_records_back(name):
    import math

    from scratch.unroll.record import Record, Stage

    record = Record()
    stage = Stage(record)
    x = record.array(np.array([1.0, 0.5, -0.5]), path="x")
    known = {"np": stage.numpy(), "math": stage.math(), "x": x, "real": np, "real_math": math}
    code, words = FROZEN[name]
    with pytest.raises((UnrollError, TypeError)) as caught:
        eval(code, {"__builtins__": stage.builtins(), **known})
    assert words in str(caught.value)


def test_a_program_that_differs_by_one_bit_is_refused(monkeypatch):
    import scratch.unroll as module

    real = module.written

    def wrong(*given):
        text = real(*given)
        before, text.source = text.source, text.source.replace("np.subtract(b, ", "np.subtract(np.nextafter(b, 9), ")
        assert text.source != before
        return text

    monkeypatch.setattr(module, "written", wrong)
    trainer = trained()
    before = numbers(trainer)
    with pytest.raises(UnrollError, match=r"bias\.data of the step written out is not that of Trainer"):
        unroll(trainer).step(np.ones((6, 3), np.float32), np.ones((6, 4), np.float32))
    assert numbers(trainer) == before


def test_what_was_recorded_is_let_go(monkeypatch):
    """A record is full of circles, and would keep every array of the step until the garbage collector comes."""
    import scratch.unroll as module
    from scratch.unroll.record import Array, Record

    records = []

    class Kept(Record):
        def __init__(self):
            super().__init__()
            records.append(self)

    monkeypatch.setattr(module, "Record", Kept)
    unroll(trained()).source(np.ones((6, 3), np.float32), np.ones((6, 4), np.float32))
    (record,) = records
    arrays = [v for op in record.ops for v in (*op.given, op.result) if isinstance(v, Array)]
    assert len(arrays) > 20
    assert not any("value" in vars(array) for array in arrays)


def test_equal_counts_are_computed_with_once(stepped):
    """Adam's corrections by β₁ᵗ and β₂ᵗ: once for all parameters that count the same, and apart where they do not."""

    def build():
        model = scratch.MLP((3, 5, 4), rng=1)
        return scratch.Trainer(model, scratch.CrossEntropyLoss(), scratch.Adam(model.parameters(), lr=0.1))

    def earlier(trainer, number):
        if number == 3:
            trainer.optimizer.state[trainer.model.layers[2].bias]["step"] += 5

    batches = classes(6, 4, np.float32, 6)
    text = follow(stepped, build, batches, earlier, own=2).source(*batches[0])
    assert text.count("math.sqrt(1 - (betas_1 ** ") == 2


# --- the text ---------------------------------------------------------------------------------------------------------


def test_the_text_reads_from_top_to_bottom():
    model = scratch.MLP((2, 3, 2), rng=0)
    trainer = scratch.Trainer(model, scratch.CrossEntropyLoss(), scratch.SGD(model.parameters(), lr=0.1))
    before = numbers(trainer)
    text = unroll(trainer).source(np.ones((4, 2), np.float32), np.array([0, 1, 1, 0]))
    assert numbers(trainer) == before
    parts = [
        "0: Linear",
        "forward",
        "1: ReLU",
        "2: Linear",
        "loss: CrossEntropyLoss(), forward",
        "backward",
        "update of",
    ]
    assert [text.index(part) for part in parts] == sorted(text.index(part) for part in parts)
    for line in (
        "product(x, ",
        "out=z0)",
        "np.add(z0, b0, out=z0)  # y += self.bias.data",
        "grad_z2",
        "grad_W0",
        "lr = ",
    ):
        assert line in text
