"""What objects keep and hand out: options, defaults, children, copies; and what only one of the sides has."""

import copy
import inspect
import re

import numpy as np
import pytest
import torch

import scratch
import torch_impl
from parity_tests.catalogue.tables import DTYPES, OPS, SIDES

F32 = np.float32
RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 3)).astype(F32)
Y = RNG.normal(size=(5, 2)).astype(F32)
WEIGHT = np.array([0.5, 2.0, 1.0], F32)
LINEAR = {"weight": np.ones((2, 3), F32), "bias": np.ones(2, F32)}  # a direction for a Linear(3, 2)

# Every option of every op and loss, each unlike its default. The judge reads what an object does from its attributes:
# that they are what was asked for is seen here.
OPTIONS = {
    "LeakyReLU": {"negative_slope": 0.25},
    "Softmax": {"dim": 0},
    "LogSoftmax": {"dim": 0},
    "MSELoss": {"reduction": "sum"},
    "L1Loss": {"reduction": "sum"},
    "BCELoss": {"weight": WEIGHT, "reduction": "sum"},
    "BCEWithLogitsLoss": {"weight": WEIGHT, "reduction": "sum", "pos_weight": WEIGHT + 1},
    "CrossEntropyLoss": {"weight": WEIGHT, "ignore_index": 1, "reduction": "sum", "label_smoothing": 0.25},
    "NLLLoss": {"weight": WEIGHT, "ignore_index": 1, "reduction": "sum"},
    "Linear": {"in_features": 3, "out_features": 2},
}


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", OPTIONS)
def test_options_are_kept(name, side):
    made = getattr(SIDES[side], name)(**OPTIONS[name])
    for option, value in OPTIONS[name].items():
        np.testing.assert_array_equal(getattr(made, option), value)


@pytest.mark.parametrize("name", [name for name in OPTIONS if name not in {"Softmax", "LogSoftmax", "Linear"}])
def test_ops_start_from_torchs_defaults(name):
    theirs = inspect.signature(getattr(torch.nn, name)).parameters
    for side in SIDES.values():
        made = getattr(side, name)()
        for option in OPTIONS[name]:
            assert getattr(made, option) == theirs[option].default


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_optimizers_start_from_torchs_defaults(name):
    theirs = inspect.signature(getattr(torch.optim, name)).parameters
    for side in SIDES.values():
        optimizer = getattr(side, name)([side.Parameter(np.ones(2))])
        for option in theirs.keys() & optimizer.defaults.keys():
            assert optimizer.param_groups[0][option] == theirs[option].default


def test_models_start_from_the_same_defaults():
    for side in SIDES.values():
        assert repr(side.MLP([3, 4, 2])) == repr(torch_impl.MLP([3, 4, 2], "relu", None, True))
        for model in (side.MLP([3, 4, 2]), side.Linear(3, 2)):
            assert {weight.dtype for weight in model.state_dict().values()} == {np.dtype(F32)}
        bare = side.MLP([3, 4, 2], bias=False)
        assert list(bare.state_dict()) == ["layers.0.weight", "layers.2.weight"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_seed_draws_one_layer(dtype):
    ours, theirs = (side.Linear(3, 4, dtype=dtype, rng=1).state_dict() for side in SIDES.values())
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], strict=True)
    a, b = (torch_impl.Linear(3, 4).state_dict() for _ in range(2))  # no seed, no repetition
    assert (a["weight"] != b["weight"]).any()


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_layers_without_inputs_start_from_zero():
    for side in SIDES.values():
        for model in (side.Linear(0, 2, rng=0), side.MLP([0, 2], rng=0)):
            np.testing.assert_array_equal(model.forward(X[:, :0]), np.zeros((5, 2), F32))


def test_weights_and_their_gradients_lie_by_columns():
    """In the order in which x Wᵀ reads them: a matter of speed alone."""
    layer = scratch.Linear(3, 2)
    layer.backward(np.ones_like(layer.forward(X)))
    for array in (layer.weight.data, layer.weight.grad):
        assert array.flags.f_contiguous


@pytest.mark.parametrize("side", SIDES)
def test_a_model_hands_out_its_parts(side):
    side = SIDES[side]
    model = side.MLP([3, 4, 2], rng=0)
    assert model.name == "MLP"
    assert [name for name, _ in model.named_children()] == ["layers"]
    assert [repr(child) for _, child in model.named_children()] == [repr(model.layers)]
    assert [name for name, _ in model.layers.named_children()] == ["0", "1", "2"]
    assert repr(model.layers[1]) == repr(side.ReLU())
    np.testing.assert_array_equal(model.layers[2].weight.data, model.state_dict()["layers.2.weight"])
    assert isinstance(model.layers[2].weight.data, np.ndarray)
    assert model.layers[2].weight.shape == (2, 4)
    assert model.layers[0].in_features == 3
    shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
    assert shapes == {name: weight.shape for name, weight in model.state_dict().items()}


@pytest.mark.parametrize("side", SIDES)
def test_objects_are_called_as_torch_calls_them(side):
    side = SIDES[side]
    model, loss = side.MLP([3, 2], rng=0), side.MSELoss()
    np.testing.assert_array_equal(model(X), model.forward(X))
    assert loss(model(X), Y) == loss.forward(model(X), Y)


@pytest.mark.parametrize("side", SIDES)
def test_a_buffer_prints_its_numbers(side):
    (buffer, *_) = [buffer for _, buffer in SIDES[side].BatchNorm1d(2).named_buffers()]
    assert buffer.shape == (2,)
    assert repr(buffer) == "array([0., 0.], dtype=float32)"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", SIDES)
def test_parameter(side, dtype):
    """A copy of what it is made from, with a gradient that is None until there is one."""
    side, given = SIDES[side], WEIGHT.astype(dtype)
    parameter = side.Parameter(given)
    given[0] = 7
    np.testing.assert_array_equal(parameter.data, WEIGHT.astype(dtype), strict=True)
    assert parameter.grad is None
    parameter.grad = given
    np.testing.assert_array_equal(parameter.grad, given, strict=True)
    parameter.grad = None
    assert parameter.grad is None
    assert repr(parameter).startswith("Parameter containing:\n")
    assert "0.5" in repr(parameter)


@pytest.mark.parametrize("side", SIDES)
def test_a_parameter_learns_unless_it_is_frozen(side):
    data = np.ones(2)
    given = (), (True,), (False,), (np.False_,)
    assert [SIDES[side].Parameter(data, *frozen).requires_grad for frozen in given] == [True, True, False, False]


@pytest.mark.parametrize("side", SIDES)
def test_an_optimizer_forgets_gradients(side):
    side = SIDES[side]
    a, b = (side.Parameter(X) for _ in range(2))
    optimizer = side.SGD([a, b])
    a.grad = X
    optimizer.zero_grad(set_to_none=False)
    np.testing.assert_array_equal(a.grad, np.zeros_like(X), strict=True)
    assert b.grad is None
    optimizer.zero_grad()
    assert a.grad is None


def test_losses_print_alike():
    assert {repr(side.MSELoss()) for side in SIDES.values()} == {"MSELoss()"}


@pytest.mark.parametrize("side", SIDES)
def test_a_loss_is_differentiated_as_often_as_one_likes(side):
    loss = SIDES[side].MSELoss()
    loss.forward(X, X + 1)
    np.testing.assert_array_equal(loss.backward(), loss.backward())


@pytest.mark.parametrize("side", SIDES)
def test_a_trainer_takes_its_own_arrays(side):
    """Data made ready once by `asarray` trains as arrays do."""
    side = SIDES[side]
    values = []
    for prepare in (False, True):
        model = side.MLP([3, 2], rng=0)
        trainer = side.Trainer(model, side.MSELoss(), side.SGD(model.parameters(), lr=0.1))
        assert (trainer.model, type(trainer.loss).__name__) == (model, type(side.MSELoss()).__name__)
        x, y = (trainer.asarray(a) for a in (X, Y)) if prepare else (X, Y)
        np.testing.assert_array_equal(trainer.to_numpy(trainer.asarray(X)), X, strict=True)
        values.append([trainer.step(x, y) for _ in range(2)])
    assert values[0] == values[1]
    assert {type(value) for value in values[0]} == {float}


@pytest.mark.parametrize("op", OPS)
def test_gradients_of_parameters_alone(op):
    """`backward_parameters` leaves out the input's gradient and nothing else."""
    x = np.linspace(-1, 1, 5 * (OPS[op].width or 4), dtype=F32).reshape(5, -1)
    models = [OPS[op].build(scratch, F32) for _ in range(2)]
    models[0].backward(np.ones_like(models[0].forward(x)))
    models[1].backward_parameters(np.ones_like(models[1].forward(x)))
    for (name, gradient), (_, alone) in zip(*(model.named_gradients() for model in models), strict=True):
        np.testing.assert_array_equal(alone, gradient, err_msg=name)


def test_a_module_of_ones_own_may_come_first():
    """A module that defines `backward` alone can stand where only the parameters' gradients are asked for."""

    class Halve(scratch.Module):
        def forward(self, x):
            return self._remember(x / 2)

        def backward(self, grad_output):
            self.seen = grad_output
            return grad_output / 2

    halve = Halve()
    scratch.Sequential(halve).forward(X)
    halve.backward_parameters(X)
    assert halve.seen is X


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: scratch.Module().forward(X), "Module does not define forward"),
        (lambda: scratch.Module().backward(X), "Module does not define backward"),
        (lambda: scratch.Loss().forward(X, X), "Loss does not define forward"),
        (lambda: scratch.Loss().backward(), "Loss does not define backward"),
        (lambda: scratch.PairLoss().forward(X, X, X), "PairLoss does not define forward"),
        (lambda: scratch.PairLoss().backward(), "PairLoss does not define backward"),
        (
            lambda: scratch.LRScheduler(scratch.SGD([scratch.Parameter(X)], lr=0.1)).step(),
            "LRScheduler does not define get_lr",
        ),
        (
            lambda: scratch.Optimizer([p := scratch.Parameter(X)], {}).update(p, X, {}, {}),
            "Optimizer does not define update",
        ),
    ],
)
def test_what_a_subclass_must_define(act, message):
    with pytest.raises(NotImplementedError, match=f"^{message}$"):
        act()


def step_with(gradient):
    """One step of a float32 parameter of shape (5, 3) with what a layer of one's own took for its gradient."""
    parameter = scratch.Parameter(X)
    parameter.accumulate(gradient)
    scratch.SGD([parameter]).step()


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (
            lambda: step_with(X.astype(float)),
            TypeError,
            "SGD: gradient must be float32; got float64 (convert with .astype)",
        ),
        (
            lambda: step_with(X[0]),
            ValueError,
            "SGD: gradient has shape (3,), but its parameter has shape (5, 3)",
        ),
        (lambda: scratch.LeakyReLU("steep"), TypeError, "LeakyReLU: negative_slope must be a number; got 'steep'"),
        (lambda: scratch.LeakyReLU(np.inf), ValueError, "LeakyReLU: negative_slope must be a finite number; got inf"),
        (lambda: scratch.Softmax(1.5), TypeError, "Softmax: dim must be a whole number; got 1.5"),
        (lambda: scratch.Softmax(-65), ValueError, "Softmax: dim must be >= -64; got -65"),
        (lambda: scratch.LogSoftmax(1.5), TypeError, "LogSoftmax: dim must be a whole number; got 1.5"),
        (lambda: scratch.LogSoftmax(-65), ValueError, "LogSoftmax: dim must be >= -64; got -65"),
        (lambda: scratch.Linear(-1, 2), ValueError, "Linear: in_features must be >= 0; got -1"),
        (lambda: scratch.Linear(1, 2.5), TypeError, "Linear: out_features must be a whole number; got 2.5"),
    ],
)
def test_refusals_of_the_hand_written_side(act, error, message):
    """PyTorch refuses these in its own words, or later, or not at all."""
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        act()


def test_losses_at_the_edge_do_not_warn():
    """log 0 and 0/0 are expected there. Every warning is an error in these tests."""
    assert scratch.BCELoss().forward(np.array([0.0, 1.0]), np.array([1.0, 0.0])) == 100
    ignored = scratch.NLLLoss(ignore_index=0)
    assert np.isnan(ignored.forward(X, np.zeros(5, int)))
    np.testing.assert_array_equal(ignored.backward(), np.zeros_like(X))


def test_options_in_a_state_dict_are_taken_over():
    """All of them: a state that lacks one is refused, for nobody could say which value it was trained with."""
    for side in SIDES.values():
        a, b = (side.SGD([side.Parameter(X)], lr=lr, momentum=lr) for lr in (0.1, 0.2))
        state = a.state_dict()
        state["param_groups"][0]["lr"] = 0.3
        b.load_state_dict(state)
        assert (b.param_groups[0]["lr"], b.param_groups[0]["momentum"]) == (0.3, 0.1)
        del state["param_groups"][0]["momentum"]
        with pytest.raises(ValueError, match=r"^SGD: param_groups\[0\] of the state dict lacks momentum$"):
            b.load_state_dict(state)


# The meta device has shapes and dtypes but no numbers: it stands for every device that is not the CPU.


class Between(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.relu = torch.nn.Linear(2, 2), torch.nn.ReLU()


def test_a_part_without_parameters_is_where_its_model_is():
    model = torch_impl.Model(Between().to("meta"))
    assert model.linear.device == model.relu.device == torch.device("meta")


def test_a_model_computes_where_it_lives():
    model = torch_impl.MLP([3, 4, 2], device="meta")
    layer = torch_impl.Linear(3, 2, device="meta")
    for each in (model, layer):
        assert each.device == torch.device("meta")
        with pytest.raises(NotImplementedError, match="meta"):  # it ran; only the copying out is refused
            each.forward(X)
        with pytest.raises(NotImplementedError, match="meta"):
            each.backward(Y)
    assert torch_impl.Parameter(X, device="meta").tensor.device == torch.device("meta")


def test_a_loss_computes_where_it_is_told_to():
    loss = torch_impl.BCELoss(WEIGHT, device="meta")
    also = torch_impl.BCELoss(weight=WEIGHT, device="meta")
    for each in (loss, also):
        assert each.module.weight.device == torch.device("meta")
    loss = torch_impl.MSELoss(reduction="none", device="meta")
    with pytest.raises(NotImplementedError, match="meta"):
        loss.forward(X, X)
    with pytest.raises(NotImplementedError, match="meta"):
        loss.backward(X)


def test_a_trainer_carries_data_to_the_model():
    model = torch_impl.MLP([3, 2], device="meta")
    trainer = torch_impl.Trainer(model, torch_impl.MSELoss(device="meta"), torch_impl.SGD(model.parameters(), lr=0.1))
    assert trainer.asarray(X).device == torch.device("meta")


def test_adapters_are_copied():
    model, loss = torch_impl.MLP([3, 2], rng=0), torch_impl.MSELoss()
    np.testing.assert_array_equal(copy.copy(model).forward(X), model.forward(X))
    assert copy.copy(loss).forward(X, X) == 0
    for kind in (torch_impl.Model, torch_impl.Loss):
        with pytest.raises(AttributeError, match=r"^module$"):
            _ = kind.__new__(kind).module


def test_a_module_that_ignores_its_input_has_gradient_zero():
    class Constant(torch.nn.Linear):
        def forward(self, x):
            return self.bias.expand(len(x), -1)

    model = torch_impl.Model(Constant(3, 2))
    model.forward(X)
    np.testing.assert_array_equal(model.backward(Y), np.zeros_like(X), strict=True)


def test_losses_take_torchs_arguments_without_the_deprecated_ones():
    made = torch_impl.NLLLoss(WEIGHT, 1)  # weight, ignore_index: no size_average between the two
    np.testing.assert_array_equal(made.weight, WEIGHT)
    assert made.ignore_index == 1
    assert torch_impl.Loss(torch.nn.MSELoss()).device == torch.device("cpu")


def test_names_that_torch_does_not_have():
    for name in ("Unheard", "Tensor"):
        with pytest.raises(AttributeError, match=f"^module 'torch_impl' has no attribute '{name}'$"):
            getattr(torch_impl, name)


def test_an_option_that_torch_does_not_have():
    message = "SGD.__init__() got an unexpected keyword argument 'nestrov'"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        torch_impl.SGD([torch_impl.Parameter(X)], nestrov=True)


# Hessian-vector products where nothing bends, where a parameter is not used, and on a device.


def test_a_product_where_no_gradient_moves():
    """L is linear in the weights, so the gradient is a constant; a sum's does not even look like a function of them."""

    class Total(torch.nn.Module):
        reduction = "sum"
        target_like_input = False

        def forward(self, input, target):
            return input.sum()

    losses = [(side, side.NLLLoss()) for side in SIDES.values()]
    for side, loss in [*losses, (torch_impl, torch_impl.Loss(Total()))]:
        product = side.hessian_vector_product(side.Linear(3, 2, rng=0), loss, X, np.arange(5) % 2, LINEAR)
        for name, array in product.items():
            np.testing.assert_array_equal(array, np.zeros_like(LINEAR[name]), strict=True)


def test_a_product_for_a_parameter_that_is_not_used():
    class Half(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)

        def forward(self, x):
            return torch.tanh(self.used(x))

    model = torch_impl.Model(Half())
    v = model.state_dict()
    product = torch_impl.hessian_vector_product(model, torch_impl.MSELoss(), X, Y, v)
    alone = torch_impl.Sequential(model.used, torch_impl.Tanh())
    of_used = {"0." + name: v["used." + name] for name in ("weight", "bias")}
    expected = torch_impl.hessian_vector_product(alone, torch_impl.MSELoss(), X, Y, of_used)
    for name in ("weight", "bias"):
        np.testing.assert_array_equal(product["used." + name], expected["0." + name])
        np.testing.assert_array_equal(product["unused." + name], np.zeros_like(v["unused." + name]), strict=True)


def test_a_product_is_computed_where_model_and_loss_live(monkeypatch):
    devices = []

    def to_tensor(a, device="not said"):
        devices.append(device)
        return torch.from_numpy(np.array(a))

    monkeypatch.setattr(torch_impl.second_order, "to_tensor", to_tensor)
    model = torch_impl.Linear(3, 2)
    torch_impl.hessian_vector_product(model, torch_impl.MSELoss(), X, Y, model.state_dict())
    assert devices == [torch.device("cpu")] * 4  # x, y and the two entries of the vector


def test_products_refuse_in_the_names_of_their_parts():
    def branches(side):
        return side.Parallel(side.Linear(3, 4), side.Linear(3, 2))

    v = branches(scratch).state_dict()
    messages = set()
    for side in SIDES.values():
        with pytest.raises(ValueError, match="one shape") as caught:
            side.hessian_vector_product(branches(side), side.MSELoss(), X, Y, v)
        messages.add(str(caught.value))
        with pytest.raises(TypeError, match=r"^Linear: input must be float32; got float16 \(convert with .astype\)$"):
            side.hessian_vector_product(side.Linear(3, 2), side.MSELoss(), X.astype(np.float16), Y, LINEAR)
    assert messages == {"Parallel: the branches' outputs must have one shape to be summed; got [(5, 4), (5, 2)]"}
    for model, loss, name in (
        (scratch.Module(), scratch.MSELoss(), "Module"),
        (scratch.Tanh(), scratch.Loss(), "Loss"),
    ):
        with pytest.raises(TypeError, match=f"^hessian_vector_product is not written for {name}; it knows "):
            scratch.hessian_vector_product(model, loss, X, Y, {})


def test_what_is_compiled(monkeypatch):
    """`compile` True is torch's own choice of a backend, a name that backend, False nothing."""
    calls = []
    monkeypatch.setattr(torch, "compile", lambda module, backend: calls.append((module, backend)) or module)
    plain = torch_impl.MLP([3, 2])
    assert plain.call is plain.module
    made = [torch_impl.MLP([3, 2], compile=compile) for compile in (True, "eager")]
    made.append(torch_impl.Model(torch.nn.Linear(3, 2), compile="eager"))
    assert calls == list(zip([model.module for model in made], ["inductor", "eager", "eager"], strict=True))


def test_a_model_is_compiled_only_on_request():
    module = torch.nn.ReLU()
    assert torch_impl.Model(module).call is module
