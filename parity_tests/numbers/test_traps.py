"""`np.seterr(all="raise")` in the caller, and warnings as errors: whatever is finite is computed without a word.

Underflow is told by nothing, and overflow, division by zero and invalid operations by nothing whose outputs and
gradients are finite. All of it runs a second time on a BLAS that sets every flag at every product (`noisy_blas.py`).
"""

import itertools
import os
import pathlib
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest

import scratch
from handgrad import judge
from handgrad.check import check_gradients
from handgrad.experiments import EXPERIMENTS
from handgrad.training.train import prepare, train
from parity_tests.catalogue.tables import DTYPES, LOSSES, ODD_OPS, OPS, OPTIMIZERS
from parity_tests.numbers import test_normalization
from parity_tests.support import noisy_blas
from parity_tests.support.samples import as_tuple, loss_arrays

RNG = np.random.default_rng
ROOT = pathlib.Path(__file__).parents[2]
NOISY = "LD_PRELOAD" in os.environ
SIZES = [0.0, 1e-310, 1e-160, 1e-45, 1e-38, 1e-30, 1e-3, 1.0, 20.0, 88.0, 100.0, 1e4, 1e18, 1e30, 3e38, 1.7e308]
SQUARES = ("Norm", "Cosine", "Ada", "Adam", "RMSprop", "Muon", "LBFGS", " net,")
"""Where squares are part of the result: what is finite behind an infinite one is wrong, and told."""
LOGARITHMS = ("LogSoftmax", "CE")
"""Where the logarithm of a share, −2·(the largest number), is itself a result that overflows."""


@dataclass(frozen=True)
class Far:
    """A draw of numbers of a few sizes, with signs, for the suite's tables."""

    seed: int
    largest: float  # of SIZES, in the dtype
    style: str = "normal"

    @staticmethod
    def of(name, dtype, seed):
        """For a row of `ALL`: as large as its formula allows."""
        largest = float(np.finfo(np.float32 if name.startswith("Muon") else dtype).max)  # it computes in bfloat16
        if any(part in name for part in SQUARES):
            largest = largest**0.5 / 100
        elif name.startswith(LOGARITHMS):
            largest /= 4
        return Far(seed, largest)

    def array(self, shape, dtype, number=0):
        rng = RNG([self.seed, number])
        sizes = rng.choice([size for size in SIZES if size <= self.largest], rng.integers(1, 5))
        with np.errstate(all="ignore"):
            return (rng.choice(sizes, shape) * rng.choice([-1.0, 1.0], shape)).astype(dtype)


def gradients_of(model):
    return [parameter.grad for parameter in model.parameters()]


def op(build, inputs, dtype, draw):
    model = build(dtype)
    output = model.forward(*inputs(dtype, draw))
    grads = model.backward(draw.array(output.shape, dtype, 7))
    return [output, *as_tuple(grads), *gradients_of(model)]


def loss(row, reduction, dtype, draw):
    criterion = row.build(scratch, 4, dtype, reduction)
    value = criterion.forward(*loss_arrays(row, draw, 3, 4, (), dtype))
    return [value, *as_tuple(criterion.backward(draw.array(value.shape, dtype, 7) if reduction == "none" else None))]


def optimizer(kind, options, dtype, draw):
    parameter = scratch.Parameter(draw.array((3, 4), dtype, 1))
    stepped = getattr(scratch, kind)([parameter], **options)
    for step in range(3):
        parameter.grad = draw.array((3, 4), dtype, step + 2)
        stepped.step()
    return [parameter.data, *(entry for entry in stepped.state[parameter].values() if entry is not None)]


def sparse_adam(dtype, draw):
    table = scratch.Embedding(5, 3, sparse=True, dtype=dtype, rng=0)
    stepped = scratch.SparseAdam(table.parameters())
    for step in range(3):
        stepped.zero_grad()
        table.forward(np.array([0, step, 4]))
        table.backward(draw.array((3, 3), dtype, step))
        stepped.step()
    return [table.weight.data]


def lbfgs(search, dtype, draw):
    """Of ½Σ(θ − t)² with targets of many sizes, small ones also beside each other."""
    parameter = scratch.Parameter(np.zeros((3, 4), dtype))
    target = np.minimum(draw.array((3, 4), dtype), dtype(100))
    stepped = scratch.LBFGS([parameter], lr=0.5, max_iter=4, line_search_fn=search)

    def closure():
        criterion = scratch.MSELoss("sum")
        value = criterion.forward(parameter.data, target)
        parameter.grad = criterion.backward()
        return value

    return [stepped.step(closure), stepped.step(closure), parameter.data]


def clip(order, dtype, draw):
    parameters = [scratch.Parameter(draw.array(shape, dtype)) for shape in ((3, 4), (1,), (5,))]
    for i, parameter in enumerate(parameters):
        parameter.grad = draw.array(parameter.shape, dtype, i)
    norm = scratch.clip_grad_norm_(parameters, 1e-3, order)
    scratch.clip_grad_value_(parameters, 1e-4)
    return [norm, *(parameter.grad for parameter in parameters)]


INITS = {
    "uniform_": lambda a: scratch.init.uniform_(a, -1e-310, 1e-310, rng=0),
    "normal_": lambda a: scratch.init.normal_(a, 0.0, 1e-42, rng=0),
    "trunc_normal_": lambda a: scratch.init.trunc_normal_(a, 0.0, 1e-42, -1e-42, 1e-41, rng=0),
    "trunc_normal_ far": lambda a: scratch.init.trunc_normal_(a, 0.0, 1.0, 30.0, 31.0, rng=0),
    "constant_": lambda a: scratch.init.constant_(a, 1e-310),
    "eye_": scratch.init.eye_,
    "xavier_uniform_": lambda a: scratch.init.xavier_uniform_(a, 1e-300, rng=0),
    "xavier_normal_": lambda a: scratch.init.xavier_normal_(a, 1e-300, rng=0),
    "kaiming_uniform_": lambda a: scratch.init.kaiming_uniform_(a, 1e100, nonlinearity="leaky_relu", rng=0),
    "kaiming_normal_": lambda a: scratch.init.kaiming_normal_(a, 1e100, nonlinearity="leaky_relu", rng=0),
    "orthogonal_": lambda a: scratch.init.orthogonal_(a, 1e-310, rng=0),
    "sparse_": lambda a: scratch.init.sparse_(a, 0.3, 1e-42, rng=0),
}
"""`eye_` of nothing small, the others of numbers that float32 rounds to 0 or to fewer digits."""


def trained(activation, criterion, target, dtype, draw):
    """A step, and the Hessian of its loss times a vector."""
    model = scratch.MLP((3, 4, 4), activation, "sigmoid" if criterion == "BCELoss" else None, dtype=dtype, rng=0)
    chosen = getattr(scratch, criterion)()
    x, y = draw.array((5, 3), dtype), target(dtype)
    vector = {name: draw.array(weight.shape, dtype, 3) for name, weight in model.state_dict().items()}
    products = scratch.hessian_vector_product(model, chosen, x, y, vector)
    value = scratch.Trainer(model, chosen, scratch.Adam(model.parameters())).step(x, y)
    return [value, *products.values(), *gradients_of(model), *(p.data for p in model.parameters())]


TARGETS = {
    "MSELoss": lambda dtype: RNG(1).normal(size=(5, 4)).astype(dtype),
    "L1Loss": lambda dtype: RNG(1).normal(size=(5, 4)).astype(dtype),
    "BCELoss": lambda dtype: RNG(1).random((5, 4)).astype(dtype),
    "BCEWithLogitsLoss": lambda dtype: RNG(1).random((5, 4)).astype(dtype),
    "CrossEntropyLoss": lambda dtype: np.arange(5) % 4,
}

ALL = {
    **{
        name: partial(
            op,
            lambda dtype, row=row: row.build(scratch, dtype),
            lambda dtype, draw, row=row: [draw.array((4, row.width or 6), dtype)],
        )
        for name, row in OPS.items()
    },
    **{
        name: partial(
            op,
            lambda dtype, row=row: row.build(scratch, dtype),
            lambda dtype, draw, row=row: row.inputs(draw, (4,), dtype),
        )
        for name, row in ODD_OPS.items()
    },
    **{
        f"{name}, {'training' if training else 'evaluation'}": partial(
            op,
            lambda dtype, name=name, training=training: test_normalization.build("scratch", name, dtype).train(
                training
            ),
            lambda dtype, draw, name=name: [draw.array(test_normalization.shape_of(name, 4), dtype)],
        )
        for name in test_normalization.NORMS
        for training in ((True, False) if name.startswith("BatchNorm") else (True,))
    },
    **{
        f"{name}, {reduction}": partial(loss, row, reduction)
        for name, row in LOSSES.items()
        for reduction in ("mean", "sum", "none")
    },
    **{name: partial(optimizer, kind, options) for name, (kind, options) in OPTIMIZERS.items()},
    "SparseAdam": sparse_adam,
    "LBFGS": partial(lbfgs, None),
    "LBFGS strong_wolfe": partial(lbfgs, "strong_wolfe"),
    **{f"clip to norm {order}": partial(clip, order) for order in (2.0, 1.0, 0.0, 0.5, 3.0, "inf", "-inf")},
    **{name: lambda dtype, draw, fill=fill: [fill(np.zeros((3, 4), dtype))] for name, fill in INITS.items()},
    **{
        f"{activation} net, {name}": partial(trained, activation, name, target)
        for name, target in TARGETS.items()
        for activation in ("relu", "sigmoid", "tanh")
    },
}


def finite(arrays):
    return all(np.isfinite(array).all() for array in arrays)


@pytest.mark.parametrize("name", ALL)
def test_what_is_finite_is_computed_without_a_word_and_the_rest_is_told(name, monkeypatch):
    """The outputs of the modules inside of a net count as well. Whatever is not finite is told of."""
    outputs, checked = [], dict.fromkeys(DTYPES, 0)
    remember = scratch.Module._remember
    monkeypatch.setattr(scratch.Module, "_remember", lambda self, y, *m: outputs.append(y) or remember(self, y, *m))
    for dtype, seed in itertools.product(DTYPES, range(2 if NOISY else 5)):
        outputs.clear()
        with np.errstate(all="ignore"):
            expected = ALL[name](dtype, Far.of(name, dtype, seed))
        if not finite(expected):
            if not name.startswith("clip"):  # which says what it returns: an infinite norm
                with np.errstate(all="raise"), pytest.raises(FloatingPointError):
                    ALL[name](dtype, Far.of(name, dtype, seed))
        elif finite(outputs):
            checked[dtype] += 1
            for trap in ("raise", "warn"):
                with np.errstate(all=trap):
                    for array, copy in zip(ALL[name](dtype, Far.of(name, dtype, seed)), expected, strict=True):
                        np.testing.assert_array_equal(array, copy)
    assert NOISY or all(checked.values())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("trap", ["raise", "warn"])
def test_the_judge_and_the_check_say_nothing(trap, dtype):
    """Every entry, on numbers of all sizes; overflow and NaN included, which the judge computes with on purpose."""
    for seed in range(3):
        draw = Far(seed, 1e4)
        model = scratch.MLP((3, 4, 4), "tanh", dtype=dtype, rng=0)
        criterion, x, y = scratch.MSELoss(), draw.array((5, 3), dtype), draw.array((5, 4), dtype, 1)
        vector = {name: draw.array(weight.shape, dtype, 3) for name, weight in model.state_dict().items()}
        with np.errstate(all=trap):
            adam = scratch.Adam(model.parameters())
            steps = judge.StepJudge(model, criterion, adam)
            before = steps.before()
            value = scratch.Trainer(model, criterion, adam).step(x, y)
            verdicts = [
                steps.after(before, x, y, value),
                judge.judge_optimizer(adam, before.optimizer),
                judge.judge_forward(model, x),
                judge.judge_backward(model, x, y),
                judge.judge_loss(criterion, x, draw.array((5, 3), dtype, 4)),
                judge.judge_net(model, criterion, x, y),
                judge.judge_hvp(model, criterion, x, y, vector),
            ]
            before = [parameter.grad.copy() for parameter in model.parameters()]
            total = scratch.clip_grad_norm_(model.parameters(), 1.0)
            verdicts.append(judge.judge_clip(model.parameters(), before, total, 1.0))
            for verdict in verdicts:
                assert verdict.held, verdict.render()
    with np.errstate(all=trap):
        square = (lambda x: np.matmul(x, x.T), lambda x, g: np.matmul(g + g.T, x))
        assert check_gradients(square, RNG(0).normal(size=(3, 4)), dtype=dtype)
        assert not check_gradients((np.tanh, lambda x, g: g * np.tanh(x)), np.linspace(-9, 9, 5))


@pytest.mark.parametrize("trap", ["raise", "warn"])
def test_a_run_says_nothing(trap):
    """Five steps of both sides, judged and measured."""
    with np.errstate(all=trap):
        run = train(prepare(replace(EXPERIMENTS["xor"], epochs=1, batch_size=500)))
    assert all(side.tally.held for side in run.sides.values())


@pytest.mark.skipif(NOISY, reason="this is the second time")
def test_all_of_it_on_a_blas_that_sets_every_flag(tmp_path):
    library = noisy_blas.build(tmp_path)
    if library is None:
        pytest.skip("no C compiler, or no BLAS of NumPy's to be had")
    files = [str(ROOT / "parity_tests" / "numbers" / file) for file in ("test_flags.py", "test_traps.py")]
    # What one trap sees the other sees; and the source has no more products for it.
    others = ["-k", "not warn and not stands_elsewhere"]
    done = noisy_blas.run(["-m", "pytest", "-q", "-x", "-n0", *others, *files], library)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
