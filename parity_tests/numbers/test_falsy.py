"""0, 0.0, False, "" and an empty tuple are values, not the absence of one: `if option:` must be `is not None`.

Every option of every op and loss is set to every such value. Both sides refuse it in the same words, or both take it
and agree with plain torch, called directly: output, gradients and running state. And 0 is another value than the
default, wherever the default is not 0.
"""

import inspect
import math

import numpy as np
import pytest
import torch

import scratch
import torch_impl
from parity_tests.catalogue.tables import LOSSES, NEEDS, NOT_IN_TORCH, SIDES, STARTS, shape_of
from parity_tests.contract.test_options import documented
from parity_tests.support.every import everything, loss_case
from parity_tests.support.samples import as_tuple
from scratch import init
from torch_impl import modules

FALSY = [0, 0.0, -0.0, False, "", (), np.float32(0)]
OWN = {  # options that are arrays or sizes: nothing in them is nothing, too
    **{name: [np.zeros(3), np.array([0.0, 0.5, 2.0])] for name in ("weight", "pos_weight")},
    "sizes": [(3, 0, 2), (0, 2), (3, 0), (0, 0)],
    "padding_idx": [0, -4],
    "p": [0, 0.0, 1, 1.0],
    "momentum": [None],
}
DRAWN = {"Dropout", "AlphaDropout", "RReLU", "MLP", *NOT_IN_TORCH}  # torch has other numbers, or none

PAIRS = [(name, option) for name, options in documented().items() for option in sorted(options)]


def made(side, name, options):
    return getattr(SIDES[side], name)(**options)


def arrays_of(name, options):
    """Rows from tiny to large ones, so that an ε of 0 is another than the default's."""
    if not issubclass(getattr(scratch, name), scratch.Module):
        row = next(row for row, entry in LOSSES.items() if entry.name == name)
        arrays = list(loss_case(row, "scratch", 1, 6)[1])
        if name in ("CrossEntropyLoss", "NLLLoss", "MultiMarginLoss"):
            arrays[1] = np.array([0, 1, 2, 2, 1, 0])
        if name == "PoissonNLLLoss":
            arrays[0] = np.abs(arrays[0]) * [1e-9, 1, 1]
        if name == "GaussianNLLLoss":
            arrays[2] = np.abs(arrays[2]) + 1e-8
        return tuple(arrays)
    if name == "Embedding":
        return (np.array([[0, 1], [3, 3], [2, 0]]) % max(options.get("num_embeddings", 1), 1),)
    if name == "Bilinear":
        return tuple(np.random.default_rng(i).normal(size=(5, options[f"in{i}_features"])) for i in (1, 2))
    features = options.get("sizes", (options.get("in_features", 3),))[0]
    shape = shape_of(name, 4, features)
    scales = np.array([1e-7, 1e-2, 1, 10])[: shape[0]].reshape(-1, *[1] * (len(shape) - 1))
    return (scales * np.random.default_rng(0).normal(size=shape) + (name == "RMSNorm") * 1e-9,)


def results_of(model, arrays):
    output = np.array(model.forward(*arrays))
    upstream = np.random.default_rng(1).normal(size=output.shape)
    gradients = as_tuple(model.backward(upstream))
    if isinstance(model, scratch.Module | torch_impl.Model):
        return everything(model, output, *gradients)
    return {f"gradient {i}": np.asarray(g) for i, g in enumerate((output, *gradients))}


def plain_results(name, options, state, arrays):
    """The same by torch.nn and autograd alone."""
    options = {
        key: torch.from_numpy(value.copy()) if isinstance(value, np.ndarray) else value
        for key, value in options.items()
        if key not in ("dtype", "rng")
    }
    with modules.zero_width():
        module = getattr(torch.nn, name)(**options).double()
    if state:
        module.load_state_dict({key: torch.from_numpy(np.array(a)) for key, a in state.items()})
    tensors = [torch.from_numpy(np.array(a)) for a in arrays]
    differentiable = [0, 2] if name == "GaussianNLLLoss" else [0, 1]
    is_loss = issubclass(getattr(torch.nn, name), torch.nn.modules.loss._Loss)
    pair = issubclass(getattr(scratch, name), scratch.PairLoss)
    leaves = [t for i, t in enumerate(tensors) if i in (differentiable if pair or not is_loss else [0])]
    leaves = [t.requires_grad_() for t in leaves if t.is_floating_point()]
    output = module(*tensors)
    output.backward(torch.from_numpy(np.random.default_rng(1).normal(size=tuple(output.shape))))
    found = [output.detach(), *(t.grad for t in leaves)]
    results = {f"gradient {i}": a.numpy() for i, a in enumerate(found)}
    if state is None:
        return results
    if name == "Embedding":
        results["gradient 1"] = np.zeros(arrays[0].shape)
    for key, parameter in module.named_parameters():
        gradient = parameter.grad
        results[key] = (gradient.to_dense() if gradient.is_sparse else gradient).numpy()
    return results | {f"state of {key}": tensor.detach().numpy() for key, tensor in module.state_dict().items()}


def close(found, expected):
    """The same formulas in float64 on a few numbers: what differs is a few roundings."""
    assert found.keys() - {key for key in found if key.startswith("rows")} == expected.keys() - {
        key for key in expected if key.startswith("rows")
    }
    for key, array in expected.items():
        assert np.asarray(found[key]).shape == np.asarray(array).shape, key
        np.testing.assert_allclose(found[key], array, rtol=1e-11, atol=1e-13, err_msg=key)


def base(name, option):
    options = {**STARTS.get(name, {}), **NEEDS.get((name, option), {})}
    if "dtype" in documented()[name]:
        options["dtype"] = np.float64
    if not issubclass(getattr(scratch, name), scratch.Module):
        options["reduction"] = "none"
    return options


def outcome(side, name, options):
    """(the object, or what refuses it)"""
    try:
        with np.errstate(all="ignore"):
            model = made(side, name, options)
            arrays = arrays_of(name, options)
            state = model.state_dict() if issubclass(getattr(scratch, name), scratch.Module) else None
            return results_of(model, arrays), state, arrays
    except (TypeError, ValueError, IndexError) as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize(("name", "option"), PAIRS)
def test_every_option_at_every_falsy_value(name, option):
    values = (
        (OWN.get(option) or FALSY) if option in ("weight", "pos_weight", "sizes") else [*FALSY, *OWN.get(option, [])]
    )
    if name == "Embedding" and option == "padding_idx":
        values = [v for v in values if not isinstance(v, float | np.floating)] + OWN[option]
    plain_default = None if name in DRAWN else outcome("scratch", name, base(name, option))
    changed = []
    for value in values:
        options = base(name, option) | {option: value}
        ours, theirs = (outcome(side, name, options) for side in SIDES)
        if isinstance(ours, str) or isinstance(theirs, str):
            assert ours == theirs, f"{option}={value!r}"
            continue
        close(ours[0], theirs[0])
        if name not in DRAWN:
            close(ours[0], plain_results(name, options, ours[1], ours[2]))
            default = plain_default[0]
            changed.append(
                default.keys() != ours[0].keys()
                or any(not np.array_equal(default[key], ours[0][key], equal_nan=True) for key in default)
            )
    if changed and (name, option) not in ALREADY_FALSY and option not in ("rng", "dtype", "reduction"):
        assert any(changed), f"{option} at {values} is as its default"


# Options whose default is 0, 0.0 or False, or that cannot be one of them.
ALREADY_FALSY = {
    *(("Embedding", "scale_grad_by_freq"), ("Embedding", "sparse"), ("CrossEntropyLoss", "label_smoothing")),
    *(("GaussianNLLLoss", "full"), ("PoissonNLLLoss", "full"), ("KLDivLoss", "log_target")),
    *(("CosineEmbeddingLoss", "margin"), ("MarginRankingLoss", "margin"), ("MultiMarginLoss", "p")),
}


@pytest.mark.parametrize("name", sorted(name for name, options in documented().items() if "rng" in options))
def test_the_seed_0_is_a_seed(name):
    """Twice the same numbers, other than those of seed 1, on both sides."""
    results = []
    for side in SIDES:
        for seed in (0, 0, 1):
            options = base(name, "rng") | {"rng": seed}
            found = outcome(side, name, options)[0]
            results.append(np.concatenate([np.ravel(found[key]) for key in sorted(found)]))
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[3], results[4])
    np.testing.assert_allclose(results[0], results[3], rtol=1e-11, atol=1e-13)
    assert (results[0] != results[2]).any()


# --- initial values --------------------------------------------------------------------------------------------------


def drawn(low, high):
    return np.random.default_rng(0).uniform(low, high, (6, 4))


KAIMING = math.sqrt(2) * math.sqrt(3 / 4)
# function, options → what is there, exactly
INIT = {
    "uniform between 0 and 0": ("uniform_", {"a": 0, "b": 0}, np.zeros((6, 4))),
    "uniform up to 0": ("uniform_", {"a": -1.0, "b": 0.0}, drawn(-1.0, 0.0)),
    "normal without spread": ("normal_", {"mean": 3.0, "std": 0}, np.full((6, 4), 3.0)),
    "normal around 0 without spread": ("normal_", {"mean": 0, "std": 0.0}, np.zeros((6, 4))),
    "truncated to 0": ("trunc_normal_", {"mean": 0.5, "a": 0.0, "b": 0.0}, np.zeros((6, 4))),
    "constant": ("constant_", {"val": 0}, np.zeros((6, 4))),
    "xavier uniform, gain 0": ("xavier_uniform_", {"gain": 0}, np.zeros((6, 4))),
    "xavier normal, gain 0": ("xavier_normal_", {"gain": 0.0}, np.zeros((6, 4))),
    "kaiming uniform, a = 0": ("kaiming_uniform_", {"a": 0}, drawn(-KAIMING, KAIMING)),
    "orthogonal, gain 0": ("orthogonal_", {"gain": 0}, np.zeros((6, 4))),
    "sparse without spread": ("sparse_", {"sparsity": 0.0, "std": 0.0}, np.zeros((6, 4))),
}


@pytest.mark.parametrize("case", INIT)
def test_initial_values_with_0(case):
    name, options, expected = INIT[case]
    seed = {"rng": 0} if "rng" in inspect.signature(getattr(init, name)).parameters else {}
    np.testing.assert_array_equal(getattr(init, name)(np.ones((6, 4)), **options, **seed), expected)
    if np.ptp(expected) == 0:  # nothing is drawn: torch's own does the same
        given = getattr(torch.nn.init, name)(torch.ones(6, 4, dtype=torch.float64), **options)
        np.testing.assert_array_equal(given.numpy(), expected)


def test_initial_values_on_one_side_of_0():
    """A bound of 0 bounds, a sparsity of 0 leaves no zero, a slope of 0 has the gain √2."""
    assert (init.trunc_normal_(np.ones((6, 4)), a=0, rng=0) > 0).all()
    assert (init.trunc_normal_(np.ones((6, 4)), b=0, rng=0) < 0).all()
    assert (init.trunc_normal_(np.ones((6, 4)), mean=0.0, a=5.0, b=6.0, rng=0) >= 5).all()
    assert init.sparse_(np.ones((6, 4)), 0, rng=0).all()
    assert init.calculate_gain("leaky_relu", 0) == torch.nn.init.calculate_gain("leaky_relu", 0) == math.sqrt(2)


DRAWING = sorted(
    name
    for name in dir(init)
    if name.endswith("_") and name[0] != "_" and "rng" in inspect.signature(getattr(init, name)).parameters
)


@pytest.mark.parametrize("name", DRAWING)
def test_the_seed_0_of_initial_values(name):
    options = {"sparsity": 0.0} if name == "sparse_" else {}
    one, two, other = (getattr(init, name)(np.ones((6, 4)), rng=seed, **options) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, two)
    assert (one != other).all()
