"""Kernels in bfloat16 and float16: correct ones are held, what is planted is refused, and no tolerance is chosen."""

import doctest
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import torch_impl
from handgrad import assert_certified
from handgrad.check import CheckError, certified
from handgrad.check.certified import judge
from handgrad.judge.ball import NUMBERS, Ball, Format
from handgrad.judge.kernel import LAYERS, LOSSES, OPTIMIZERS
from parity_tests.meta.half_precision import BETWEEN, case, main

F = torch.nn.functional
DTYPES = ["bfloat16", "float16"]
ARGUMENTS = {
    "GroupNorm": (2, 10),
    "Linear": (40, 3),
    "Threshold": (0.5, 20.0),
    **dict.fromkeys(("BatchNorm1d", "LayerNorm", "RMSNorm"), (10,)),
    **dict.fromkeys(("LogSoftmax", "Softmax", "Softmin"), (-1,)),
}
both = pytest.mark.parametrize("dtype", DTYPES)
every = pytest.mark.parametrize("kind", [*LAYERS, *LOSSES])


def op(kind, dtype):
    torch.manual_seed(0)
    return getattr(torch.nn, kind)(*ARGUMENTS.get(kind, ())).to(getattr(torch, dtype))


class Widened(torch.nn.Module):
    """An op in float32, between arrays in half precision: a kernel that rounds once, forward and backward.

    `wrong` is what becomes of the output, and of the gradient.
    """

    def __init__(self, inner, forward=lambda y: y, backward=lambda g: g):
        super().__init__()
        self.inner, self.wrong = inner, (forward, backward)
        for name, parameter in inner.named_parameters():
            self.register_parameter(name, parameter)

    def forward(self, x, *target):
        wide = {name: parameter.float() for name, parameter in self.named_parameters() if "." not in name}
        wide |= {name: b.float() if b.is_floating_point() else b.clone() for name, b in self.inner.named_buffers()}
        targets = [t.float() if t.is_floating_point() else t for t in target]
        inner = x.float()
        inner.register_hook(self.wrong[1])
        y = torch.func.functional_call(self.inner, wide, (inner, *targets))
        return self.wrong[0](y).to(x.dtype)


@every
@both
def test_a_kernel_that_rounds_once_is_held(kind, dtype):
    verdicts = assert_certified(Widened(op(kind, dtype)), like=op(kind, dtype), dtype=dtype)
    assert len(verdicts) == 4
    assert sum(v.skipped for v in verdicts) <= 0.1 * sum(v.numbers for v in verdicts)


def changed(y, factor):
    """The value alone: the gradient stays that of y."""
    return (factor * y).detach() + (y - y.detach())


@every
@both
def test_what_is_planted_is_refused(kind, dtype):
    """Zero, twice, minus, and off by four roundings: of the output alone, and of the gradient alone."""
    like = op(kind, dtype)
    for factor in (0.0, 2.0, -1.0, 1 + 4 * 2.0 ** -NUMBERS[dtype].digits):
        forward = Widened(like, forward=lambda y, by=factor: changed(y, by))
        backward = Widened(like, backward=lambda g, by=factor: by * g)
        for planted, names in (
            (forward, "(output|loss) is wrong"),
            (backward, "gradient of the (input|loss) is wrong"),
        ):
            with pytest.raises(AssertionError, match=names) as caught:
                assert_certified(planted, like=like, dtype=dtype)
            assert str(caught.value).count(" is wrong") == 1


# --- nets, what a layer keeps, and optimizers ------------------------------------------------------------------------


def net(dtype):
    torch.manual_seed(0)
    nn = torch.nn
    inner = nn.Sequential(nn.RMSNorm(8), nn.Tanh(), nn.Softmax(-1))
    return nn.Sequential(nn.Linear(10, 8), nn.GELU(), inner, nn.Linear(8, 3)).to(getattr(torch, dtype))


class Fused(torch.nn.Module):
    """A net whose layers are one kernel: nothing between them is rounded."""

    def __init__(self, layers):
        super().__init__()
        for name, layer in layers.named_children():
            self.add_module(name, layer)

    def forward(self, x):
        own = {name: parameter.float() for name, parameter in self.named_parameters()}
        layers = torch.nn.Sequential(*self.children())
        return torch.func.functional_call(layers, own, (x.float(),)).to(x.dtype)


def hooked(layers, name, hook):
    layers.get_parameter(name).register_hook(hook)
    return layers


WRONG_NETS = {
    "another activation": (lambda n: torch.nn.Sequential(n[0], torch.nn.ReLU(), *n[2:]), "output is wrong"),
    "a gradient twice": (lambda n: hooked(n, "0.weight", lambda g: 2 * g), "gradient of 0.weight is wrong"),
    "a gradient of zeros": (lambda n: hooked(n, "2.0.weight", lambda g: 0 * g), "gradient of 2.0.weight is wrong"),
    "another sign": (lambda n: hooked(n, "3.bias", lambda g: -g), "gradient of 3.bias is wrong"),
}


@both
def test_a_net_may_write_between_its_layers_or_not(dtype):
    assert assert_certified(net(dtype), like=net(dtype), dtype=dtype)
    assert assert_certified(Fused(net(dtype)), like=net(dtype), dtype=dtype)


@both
def test_a_model_of_torch_impl_may_be_in_half_precision(dtype):
    model = torch_impl.MLP([10, 8, 3], activation="gelu", rng=0)
    model.module.to(getattr(torch, dtype))
    assert assert_certified(model, like=model, dtype=dtype)


@both
@pytest.mark.parametrize("wrong", WRONG_NETS)
def test_a_wrong_net_is_refused(wrong, dtype):
    plant, words = WRONG_NETS[wrong]
    with pytest.raises(AssertionError, match=words):
        assert_certified(plant(net(dtype)), like=net(dtype), dtype=dtype)


class Forgetful(torch.nn.BatchNorm1d):
    def forward(self, x):
        y = super().forward(x)
        self.running_mean.data *= 2  # which the backward pass needs at the version that it had
        return y


@both
def test_what_a_layer_keeps_is_judged(dtype):
    like = op("BatchNorm1d", dtype)
    assert_certified(like, like=like, dtype=dtype, products=dtype)
    with pytest.raises(AssertionError, match="running_mean is wrong"):
        assert_certified(Forgetful(10).to(getattr(torch, dtype)), like=like, dtype=dtype, products=dtype)


@both
def test_parameters_may_be_float32(dtype):
    layer = torch.nn.LayerNorm(10)
    assert_certified(layer, like=layer, dtype=dtype, products=dtype)
    hooked(layer, "weight", lambda g: g * (1 + 2.0**-10))
    with pytest.raises(AssertionError, match="gradient of weight is wrong"):
        assert_certified(layer, like=layer, dtype=dtype)


class Moved:
    """An optimizer whose parameters move `factor` times as far."""

    def __init__(self, optimizer, factor):
        self.optimizer, self.factor = optimizer, factor
        self.param_groups, self.state = optimizer.param_groups, optimizer.state

    @torch.no_grad()
    def step(self):
        (p,) = self.param_groups[0]["params"]
        old = p.clone()
        self.optimizer.step()
        p.copy_(old + self.factor * (p - old))


@both
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_step_of_an_optimizer(kind, dtype):
    """PyTorch's is held, to the letter; no move, twice the move and the way back are refused."""
    torch.manual_seed(0)
    like = getattr(torch.optim, kind)

    def made():
        weights = (torch.randn(20) / 64).to(getattr(torch, dtype))
        return like([torch.nn.Parameter(weights)], lr=1.0 if kind == "Adadelta" else 0.125)

    assert len(assert_certified(made(), like=like, dtype=dtype, products=dtype)) == 4
    for factor in (0.0, 2.0, -1.0):
        with pytest.raises(AssertionError, match="new parameter 0 is wrong"):
            assert_certified(Moved(made(), factor), like=like, dtype=dtype, products=dtype)


def test_a_state_that_is_not_kept_is_refused():
    adam = torch.optim.Adam([torch.nn.Parameter(torch.ones(3, dtype=torch.bfloat16))])
    adam.register_step_post_hook(lambda optimizer, *_: [s["exp_avg"].zero_() for s in optimizer.state.values()])
    with pytest.raises(AssertionError, match="new exp_avg of parameter 0 is wrong"):
        assert_certified(adam, like=torch.optim.Adam, products="bfloat16")


def test_torchs_kernels_raise_no_alarm(capsys):
    assert main(["150"]) == 0
    assert "150 cases" in capsys.readouterr().out


@pytest.mark.parametrize("kind", BETWEEN)
def test_what_torch_rounds_in_between_is_refused_as_one_rounding(kind):
    """So the list has no op that rounds once."""
    like = op(kind, "float16")

    def judged():
        for seed in range(40):
            assert_certified(like, like=like, dtype="float16", seed=seed)

    with pytest.raises(AssertionError, match="is wrong"):
        judged()


class Adding(torch.nn.Module):
    """A Linear that adds in the format of its arrays, product by product."""

    def __init__(self, inner):
        super().__init__()
        self.weight, self.bias = inner.weight, inner.bias

    def forward(self, x):
        total = self.bias.expand(*x.shape[:-1], -1)
        for j in range(x.shape[-1]):
            total = total + x[..., j, None] * self.weight[:, j]
        return total


@both
def test_sums_in_the_short_format_are_told_from_sums_in_float32(dtype):
    like = op("Linear", dtype)
    assert_certified(Adding(like), like=like, dtype=dtype, accumulate=dtype)
    with pytest.raises(AssertionError, match="output is wrong"):
        assert_certified(Adding(like), like=like, dtype=dtype, accumulate="float32")


class SiLU:
    """By hand, with arrays."""

    def forward(self, x):
        self.dtype, self.x = x.dtype, x.astype(np.float64)
        self.s = 1 / (1 + np.exp(-self.x))
        return self.written(self.x * self.s)

    def backward(self, grad_output):
        return self.written(grad_output * self.s * (1 + self.x * (1 - self.s)))

    def written(self, y):
        return NUMBERS["float16" if self.dtype == np.float16 else "bfloat16"].round(y).astype(self.dtype)


@both
def test_arrays_of_numpy(dtype):
    assert assert_certified(SiLU(), like=torch.nn.SiLU, dtype=dtype)
    wrong = SiLU()
    wrong.backward = lambda g: wrong.written(g * wrong.s)
    with pytest.raises(AssertionError, match="SiLU: gradient of the input is wrong"):
        assert_certified(wrong, like=torch.nn.SiLU, dtype=dtype)


class Slope:
    """PReLU by hand: what it adds to the gradient of its slope is added up until `zero_grad`."""

    def __init__(self):
        self.weight = SimpleNamespace(data=np.array([0.25], np.float16))
        self.zero_grad()

    def named_parameters(self):
        return [("weight", self.weight)]

    def zero_grad(self):
        self.weight.grad = np.zeros(1, np.float16)

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.weight.data * x)

    def backward(self, grad_output):
        terms = np.where(self.x > 0, 0, grad_output.astype(np.float32) * self.x)
        self.weight.grad = self.weight.grad + terms.sum(keepdims=True).reshape(1).astype(np.float16)
        return np.where(self.x > 0, grad_output, self.weight.data * grad_output)


def test_gradients_of_one_call_are_not_added_to_those_of_the_next():
    assert assert_certified(Slope(), like=torch.nn.PReLU, dtype="float16")


def test_a_function_gets_the_parameters():
    assert assert_certified(F.linear, like=torch.nn.Linear(9, 4))
    with pytest.raises(AssertionError, match="gradient of bias is wrong\n  problem    it is None"):
        assert_certified(lambda x, w, b: F.linear(x, w, b.detach()), like=torch.nn.Linear(9, 4))


def test_given_inputs_alone_are_judged():
    x = torch.tensor([[4.0, -4.0]], dtype=torch.bfloat16)
    (verdict,) = assert_certified(torch.tanh, like=torch.nn.Tanh, inputs=x)
    assert verdict.numbers == 4
    assert "loses 8 bits at x = " in verdict.notes[0]


@pytest.mark.parametrize(
    ("words", "kernel", "options"),
    [
        ("its dtype is float32, not bfloat16", lambda x: torch.relu(x).float(), {}),
        ("its shape is .60,., not .6, 10.", lambda x: torch.relu(x).flatten(), {}),
        ("its dtype is float16, not bfloat16", lambda x: torch.relu(x).half(), {}),
    ],
)
def test_a_result_of_another_kind_is_refused(words, kernel, options):
    with pytest.raises(AssertionError, match=words):
        assert_certified(kernel, like=torch.nn.ReLU, **options)


X = np.array([0.1])
REFUSED = {
    "an op that is not covered": (torch.nn.Bilinear(2, 2, 2), {}, "Bilinear is not judged in bfloat16; allowed are Ba"),
    "a net of one that is not": (torch.nn.Sequential(torch.nn.Dropout()), {}, "Dropout is not judged in bfloat16"),
    "another format": (torch.nn.ReLU, {"dtype": "float8"}, "dtype must be one of bfloat16, float16; got 'float8'"),
    "sums in the other one": (
        torch.nn.ReLU,
        {"accumulate": "float16"},
        "accumulate must be one of bfloat16, float32, float64; got 'float16'",
    ),
    "products in no format": (torch.nn.ReLU, {"products": "half"}, "products must be one of .*; got 'half'"),
    "a class that needs arguments": (torch.nn.Linear, {}, "like=Linear needs arguments; give an instance"),
    "numbers of another format": (torch.nn.ReLU, {"inputs": X}, "inputs must be numbers of bfloat16; got 0.1"),
    "a loss without a target": (torch.nn.MSELoss, {"inputs": X}, r"inputs must be a pair \(x, target\); got 1 array"),
    "no optimizer": (torch.optim.LBFGS, {}, "must be an optimizer with param_groups and state, as l"),
    "inputs of an optimizer": (torch.optim.SGD, {"inputs": X}, "inputs are no argument of an optimizer"),
    "an option between two formats": (torch.nn.Hardtanh(-0.1, 0.1), {}, "the option -0.1 is no number of bfloat16"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_judged_is_refused_by_name(name):
    like, options, words = REFUSED[name]
    with pytest.raises(CheckError, match=words):
        assert_certified(torch.nn.ReLU(), like=like, **options)


def test_an_optimizer_that_is_not_covered_is_refused_by_name():
    sgd = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1, dtype=torch.bfloat16))])
    with pytest.raises(CheckError, match="LBFGS is not judged in bfloat16; allowed are ASGD"):
        assert_certified(sgd, like=torch.optim.LBFGS)


def test_a_kernel_that_cannot_be_called_is_refused():
    with pytest.raises(CheckError, match="kernel must be a module, a function or an object"):
        assert_certified(3, like=torch.nn.ReLU)


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_rounded_as_torch_rounds_them(name):
    rng = np.random.default_rng(0)
    x = rng.normal(size=20_000) * 10.0 ** rng.integers(-46, 39, 20_000)
    half_way = np.concatenate([NUMBERS[n].round(x) * (1 + 2.0 ** -NUMBERS[n].digits) for n in DTYPES])
    x = np.concatenate([x, half_way, [0.0, -0.0, np.inf, -np.inf, np.nan, 65504, 65519, 65520]])
    with np.errstate(over="ignore"):
        x = x.astype(np.float32)  # which torch rounds once
    np.testing.assert_array_equal(NUMBERS[name].round(x), torch.from_numpy(x).to(getattr(torch, name)).double().numpy())


@both
def test_what_is_written_of_a_ball_is_inside_and_at_both_ends(dtype):
    f, rng = Format.half(dtype), np.random.default_rng(1)
    mid = rng.normal(size=500)
    rad = np.abs(mid) * 10.0 ** rng.uniform(-6, 0, 500)
    ball = f.stored(Ball(mid, rad, f))
    written = f.storage.round(mid + rad * rng.uniform(-1, 1, (200, 500)))
    distance = np.abs(written - mid)
    assert (distance <= ball.rad).all()
    ends = f.storage.round(np.stack([mid - rad, mid + rad]))
    assert (ball.rad <= np.abs(ends - mid).max(0) * (1 + 2.0**-40) + 2.0 ** (2 - f.storage.digits) * 1e-9).mean() > 0.99
    kept = f.stored(f.exact(f.storage.round(mid)))
    assert not kept.rad.any()


def test_the_example_of_the_module():
    assert doctest.testmod(certified) == (0, 3)


def test_one_case_again():
    (first, verdict), (second, again) = case(0, 7), case(0, 7)
    assert (first, verdict) == (second, again)
    assert judge(torch.nn.ReLU(), torch.nn.ReLU(), Format.half("float16"), (np.ones((2, 3)),)).held
