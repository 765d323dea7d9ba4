"""What the PyTorch side does with modules that the hand-written side has not, and with the device of each."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

import scratch
import torch_impl
from parity_tests.catalogue.tables import SIDES

X = np.ones((5, 3), np.float32)


def test_a_layer_that_is_torchs_alone_takes_its_arguments_a_dtype_and_a_seed():
    """The Linear layers within are drawn one after another, as the hand-written side draws its own."""
    options = {"nhead": np.int64(2), "dim_feedforward": 3, "dropout": 0.0}
    layer = torch_impl.TransformerEncoderLayer(np.int64(4), dtype=np.float64, rng=7, **options)
    assert (layer.self_attn.num_heads, layer.dtype) == (2, np.float64)
    rng = np.random.default_rng(7)
    for name, sizes in (("self_attn.out_proj", (4, 4)), ("linear1", (4, 3)), ("linear2", (3, 4))):
        drawn = scratch.Linear(*sizes, dtype=np.float64, rng=rng).state_dict()
        for tensor in ("weight", "bias"):
            np.testing.assert_array_equal(layer.state_dict()[f"{name}.{tensor}"], drawn[tensor])
    with pytest.raises(TypeError, match=r"^TransformerEncoderLayer: dtype must be float32 or float64; got float16$"):
        torch_impl.TransformerEncoderLayer(4, dtype=np.float16, **options)
    assert torch_impl.TransformerEncoderLayer(4, **options).dtype == np.float32


DRAWN = {
    "Linear": (3, 2),
    "Bilinear": (3, 2, 2),
    "Embedding": (4, 2, 1),  # the row of zeros that pads among them
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_seed_draws_what_it_draws_on_the_hand_written_side(name):
    ours, theirs = (getattr(side, name)(*DRAWN[name], rng=3).state_dict() for side in SIDES.values())
    assert ours.keys() == theirs.keys()
    for tensor, array in ours.items():
        np.testing.assert_array_equal(theirs[tensor], array, strict=True)


MADE = {
    "an activation": lambda device: torch_impl.ReLU(device=device),
    "a layer": lambda device: torch_impl.Linear(3, 2, device=device),
    "a layer of torch's alone": lambda device: torch_impl.Conv1d(1, 1, 1, device=device),
    "one without parameters": lambda device: torch_impl.Identity(device=device),
    "a container": lambda device: torch_impl.Sequential(nn.Tanh(), torch_impl.ReLU(device=device)),
}


@pytest.mark.parametrize("case", MADE)
def test_a_module_is_where_it_was_put(case):
    """Tensors of the device "meta" have no numbers, and every machine has it."""
    made = MADE[case]("meta")
    assert made.device == torch.device("meta")
    assert {tensor.device for tensor in made.module.parameters()} <= {torch.device("meta")}


@pytest.mark.parametrize("case", MADE)
def test_a_device_that_is_not_there_is_named(case):
    """Also where there is no tensor to move."""
    with pytest.raises(ValueError, match=r"^device='cuda:99' is not available: "):
        MADE[case]("cuda:99")


def test_a_container_takes_modules_of_both_kinds():
    np.testing.assert_array_equal(torch_impl.Sequential(nn.Tanh(), torch_impl.ReLU()).forward(-X), 0 * X)


def test_a_module_of_ones_own_meets_its_own_dtype_alone():
    """Torch would multiply float64 by float32 and go on; the ReLU in front takes either."""

    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = nn.Parameter(torch.ones(3))

        def forward(self, x):
            return x * self.factor

    net = torch_impl.Model(nn.Sequential(nn.ReLU(), Scale()))
    np.testing.assert_array_equal(net.forward(X), X)
    with pytest.raises(TypeError, match=r"^Scale: input must be float32; got float64 \(convert with \.astype\)$"):
        net.forward(X.astype(float))


def test_a_state_lies_by_rows_however_the_tensors_lie():
    layer = nn.Linear(3, 2)
    layer.weight = nn.Parameter(torch.arange(6.0).reshape(3, 2).T)
    weight = torch_impl.Model(layer).state_dict()["weight"]
    assert weight.flags.c_contiguous
    np.testing.assert_array_equal(weight, [[0, 2, 4], [1, 3, 5]])


def test_a_whole_number_as_a_target_serves_all_outputs_without_a_warning():
    """Torch warns of a target that it has to broadcast."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch_impl.MSELoss().forward(3 * X, np.array(1)) == 4


def test_a_signature_is_read_once(monkeypatch):
    """At the first call of a constructor; later calls find it."""
    binders = {}
    monkeypatch.setattr(torch_impl.signatures, "BINDERS", binders)
    torch_impl.Linear(3, 2)
    first = dict(binders)
    assert torch_impl.Linear(3, 2).forward(X).shape == (5, 2)
    assert binders == first == {nn.Linear: first[nn.Linear]}


def test_only_an_optimizer_of_torchs_is_put_behind_the_contract():
    with pytest.raises(TypeError, match=r"^Optimizer: optimizer must be an optimizer of torch\.optim; got int$"):
        torch_impl.Optimizer(5)


def test_an_option_that_only_torch_has_is_true_or_false():
    parameters = [torch_impl.Parameter(X)]
    assert torch_impl.SGD(parameters, foreach=True).defaults["foreach"] is True
    with pytest.raises(TypeError, match=r"^SGD: foreach must be True or False; got 'yes'$"):
        torch_impl.SGD(parameters, foreach="yes")


@pytest.mark.parametrize("groups", [{}, {"nesterov": True}], ids=["by default", "in a group"])
@pytest.mark.parametrize("nesterov", [False, True])
def test_nesterovs_gradients_stay_on_every_device(nesterov, groups):
    """Torch's way over many tensors at once, which a GPU would take, adds the momentum to p.grad itself."""
    parameter = torch_impl.Parameter(np.ones(3, np.float32))
    parameter.grad = X[0]
    optimizer = torch_impl.SGD([{"params": [parameter], **groups}], lr=0.1, momentum=0.5, nesterov=nesterov)
    assert optimizer.defaults["foreach"] is (False if nesterov or groups else None)
    optimizer.step()
    np.testing.assert_array_equal(parameter.grad, X[0])
