"""Numbers that nobody asked for, ties that float32 does not hold, vectors without a direction, more axes, odd integers.

The reference is plain torch, called directly: torch.nn and autograd, in the same dtype. Where a number is infinite, NaN
or at a tie, both give the same; elsewhere they differ by a few roundings.
"""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

import scratch
from parity_tests.catalogue.tables import DTYPES, LOSSES, NOT_IN_TORCH, SIDES
from parity_tests.support.every import loss_case
from parity_tests.support.samples import as_tuple

INF, NAN = np.inf, np.nan
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def tensor(a):
    return torch.from_numpy(np.array(a, np.int64 if a.dtype.kind in "iu" else a.dtype))


def plain(kind, options, arrays, leaves, upstream=None):
    """Output and gradients by torch.nn and autograd alone."""
    options = {k: tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    tensors = [tensor(np.asarray(a)) for a in arrays]
    for i in leaves:
        tensors[i].requires_grad_()
    output = getattr(nn, kind)(**options)(*tensors)
    output.backward(torch.ones_like(output) if upstream is None else tensor(upstream))
    return [output.detach().numpy(), *(tensors[i].grad.numpy() for i in leaves)]


def ours(kind, options, arrays, upstream=None):
    made = getattr(scratch, kind)(**options)
    with np.errstate(all="ignore"):
        output = np.asarray(made.forward(*arrays))
        return [output, *as_tuple(made.backward(np.ones_like(output) if upstream is None else upstream))]


def alike(found, expected, ulps=4):
    """What is no number stands in the same places; numbers are equal to a few ulps of the largest beside them."""
    for a, b in zip(found, expected, strict=True):
        finite = np.isfinite(b)
        np.testing.assert_array_equal(a[~finite], b[~finite])
        size = np.abs(b[finite]).max(initial=0)
        np.testing.assert_allclose(a[finite], b[finite], rtol=0, atol=ulps * float(np.finfo(b.dtype).eps) * float(size))


def leaves_of(kind):
    if not issubclass(getattr(scratch, kind), scratch.PairLoss):
        return [0]
    return [0, 2] if kind == "GaussianNLLLoss" else [0, 1]


# --- bounds that float32 does not hold -------------------------------------------------------------------------------

TENTH = 0.1
# class, options → where x meets the bound
BOUNDS = {
    "hardtanh, below": ("Hardtanh", {"min_val": -TENTH}, -TENTH),
    "hardtanh, above": ("Hardtanh", {"max_val": TENTH}, TENTH),
    "relu6": ("ReLU6", {}, 6.0),
    "threshold": ("Threshold", {"threshold": TENTH, "value": 0.7}, TENTH),
    "threshold below 0": ("Threshold", {"threshold": -1 / 6, "value": 1 / 3}, -1 / 6),
    "hardshrink": ("Hardshrink", {"lambd": TENTH}, TENTH),
    "hardshrink, left": ("Hardshrink", {"lambd": TENTH}, -TENTH),
    "softshrink": ("Softshrink", {"lambd": 1 / 6}, 1 / 6),
    "softshrink, left": ("Softshrink", {"lambd": TENTH}, -TENTH),
    "softplus": ("Softplus", {"threshold": TENTH}, TENTH),
    "softplus of βx": ("Softplus", {"beta": 3.0, "threshold": TENTH}, TENTH / 3),
    "hardsigmoid, left": ("Hardsigmoid", {}, -3.0),
    "hardsigmoid, right": ("Hardsigmoid", {}, 3.0),
    "hardswish, left": ("Hardswish", {}, -3.0),
    "hardswish, right": ("Hardswish", {}, 3.0),
    **{name: (name, {}, 0.0) for name in ("ReLU", "LeakyReLU", "ELU", "CELU", "SELU")},
}


def around(bound, dtype):
    x = dtype(bound)
    return np.array([np.nextafter(x, dtype(-9)), x, np.nextafter(x, dtype(9))], dtype)


@each_dtype
@pytest.mark.parametrize("case", BOUNDS)
def test_a_bound_and_its_neighbours(case, dtype):
    kind, options, bound = BOUNDS[case]
    x = around(bound, dtype)
    expected = plain(kind, options, [x], [0])
    for side in (0, 1):
        found = ours(kind, options, [x]) if side == 0 else impl(kind, options, [x])
        # Torch writes the slope 1/6 of hardsigmoid in single precision, for float64 too.
        alike(found, expected, 2**28 if kind == "Hardsigmoid" and dtype == np.float64 else 4)
        np.testing.assert_array_equal(found[1] == 0, expected[1] == 0)


def impl(kind, options, arrays):
    made = getattr(SIDES["torch"], kind)(**options)
    output = np.asarray(made.forward(*arrays))
    return [output, *as_tuple(made.backward(np.ones_like(output)))]


# loss, options, arrays with the first at its bound
LOSS_BOUNDS = {
    "huber": ("HuberLoss", {"delta": TENTH}, lambda x: (x, 0 * x), TENTH),
    "huber, left": ("HuberLoss", {"delta": TENTH}, lambda x: (x, 0 * x), -TENTH),
    "huber, tiny δ": ("HuberLoss", {"delta": 1e-30}, lambda x: (x, 0 * x), 1e-30),
    "smooth l1": ("SmoothL1Loss", {"beta": TENTH}, lambda x: (x, 0 * x), TENTH),
    "smooth l1, tiny β": ("SmoothL1Loss", {"beta": 1e-15}, lambda x: (x, 0 * x), -1e-15),
    "hinge": ("HingeEmbeddingLoss", {"margin": TENTH}, lambda x: (x, -np.ones_like(x)), TENTH),
    "margin ranking": ("MarginRankingLoss", {"margin": TENTH}, lambda x: (x, 0 * x, np.ones_like(x)), TENTH),
    "gaussian, ε": ("GaussianNLLLoss", {"eps": TENTH}, lambda x: (0 * x + 1, 0 * x, x), TENTH),
    "multi margin": (
        "MultiMarginLoss",
        {"margin": TENTH},
        lambda x: (np.stack([x, 0 * x], 1), np.zeros(3, np.int64)),
        TENTH,
    ),
    "multi margin, p = 2": (
        "MultiMarginLoss",
        {"margin": 1 / 6, "p": 2},
        lambda x: (np.stack([x, 0 * x], 1), np.zeros(3, np.int64)),
        1 / 6,
    ),
}


@each_dtype
@pytest.mark.parametrize("case", LOSS_BOUNDS)
def test_a_bound_of_a_loss_and_its_neighbours(case, dtype):
    kind, options, build, bound = LOSS_BOUNDS[case]
    arrays, options = build(around(bound, dtype)), {**options, "reduction": "none"}
    expected = plain(kind, options, arrays, leaves_of(kind))
    found = ours(kind, options, arrays)
    alike(found, expected)
    for a, b in zip(found[1:], expected[1:], strict=True):
        np.testing.assert_array_equal(a == 0, b == 0)


# --- one entry that is no number, in every array of every loss -------------------------------------------------------

# Of SoftMarginLoss torch exponentiates first, and is NaN or ∞ where the hand-written side is right
# (`test_semantics_losses`).
OTHER_THAN_TORCH = {"SoftMarginLoss", *NOT_IN_TORCH}


@each_dtype
@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize(
    "loss", [name for name, row in LOSSES.items() if row.name not in OTHER_THAN_TORCH and row.var != "one"]
)
def test_one_entry_that_is_no_number(loss, reduction, dtype):
    """It makes the same numbers NaN or infinite as in torch, and no others: also where its weight or upstream is 0."""
    row = LOSSES[loss]
    options = row.options(3, dtype)
    for name, value in options.items():
        if isinstance(value, np.ndarray):
            options[name] = np.array([0.0, 1.0, 0.5], dtype)
    arrays = [a.astype(dtype) if a.dtype.kind == "f" else a for a in loss_case(loss, "scratch", 1, 4)[1]]
    if row.name == "GaussianNLLLoss":
        arrays[2] = np.abs(arrays[2]) + 1
    upstream = None
    if reduction == "none":
        upstream = np.ones_like(np.asarray(row.build(scratch, 3, dtype, "none").forward(*arrays)))
        upstream.reshape(-1)[::2] = 0
    for i, value in itertools.product(range(len(arrays)), (NAN, INF, -INF, 0.0)):
        if arrays[i].dtype.kind != "f" or (row.name == "BCELoss" and value != 0) or (row.var and i == 2 and value < 0):
            continue
        for place in {0, 1, 2, arrays[i].size - 1} & set(range(arrays[i].size)):
            changed = [a.copy() for a in arrays]
            changed[i].reshape(-1)[place] = value
            expected = plain(row.name, {**options, "reduction": reduction}, changed, leaves_of(row.name), upstream)
            alike(ours(row.name, {**options, "reduction": reduction}, changed, upstream), expected, 64)


@each_dtype
@pytest.mark.parametrize("loss", [name for name, row in LOSSES.items() if row.name in NOT_IN_TORCH])
def test_one_entry_that_is_no_number_without_torchs(loss, dtype):
    """Where torch has no such loss, its operations and autograd say what is NaN or infinite."""
    row = LOSSES[loss]
    for i, value in itertools.product((0, 1), (NAN, INF, -INF, 0.0)):
        arrays = [a.astype(dtype) for a in loss_case(loss, "scratch", 1, 4)[1]]
        arrays[i].reshape(-1)[1] = value
        found = []
        with np.errstate(all="ignore"):
            for side in SIDES.values():
                criterion = row.build(side, 3, dtype, "none")
                output = criterion.forward(*arrays)
                gradient = criterion.backward(np.ones_like(output))
                found.append([np.where(np.isfinite(a), 0, a) for a in (output, gradient)])
        for one, other in zip(*found, strict=True):
            np.testing.assert_array_equal(one, other)


CLASSES = {
    "an ignored row": ({"ignore_index": 1}, [[NAN, INF, 0.0], [1.0, 2.0, 0.5]], [1, 0]),
    "a masked class": ({}, [[0.0, -INF, 1.0], [1.0, 2.0, -INF]], [0, 1]),
    "a masked class with a weight of 0": (
        {"weight": np.array([1.0, 0.0, 2.0])},
        [[0.0, -INF, 1.0], [1.0, 2.0, -INF]],
        [0, 1],
    ),
    "all weights 0": ({"weight": np.zeros(3)}, [[0.0, 1.0, 2.0], [1.0, 2.0, 0.0]], [0, 1]),
    "weights that sum to 0": ({"weight": np.array([1.0, -1.0, 2.0])}, [[0.0, 1.0, 2.0], [1.0, 2.0, 0.0]], [0, 1]),
    "the target masked, weight 0": ({"weight": np.array([0.0, 1.0, 2.0])}, [[-INF, 0.0, 1.0], [1.0, 2.0, 0.0]], [0, 1]),
    "a row of −∞": ({}, [[-INF, -INF, -INF], [1.0, 2.0, 0.0]], [0, 1]),
    "class 0 ignored": ({"ignore_index": 0}, [[NAN, NAN, NAN], [1.0, 2.0, 0.0]], [0, 1]),
    "equal scores": ({}, [[2.0, 2.0, 2.0], [-INF, 0.0, 0.0]], [0, 1]),
}


@pytest.mark.parametrize("kind", ["CrossEntropyLoss", "NLLLoss", "MultiMarginLoss"])
@pytest.mark.parametrize("case", CLASSES)
def test_classes_that_nobody_asked_for(case, kind):
    for reduction, dtype in itertools.product(["mean", "sum", "none"], DTYPES):
        unasked_classes(case, kind, reduction, dtype)


def unasked_classes(case, kind, reduction, dtype):
    options, scores, target = CLASSES[case]
    if kind == "MultiMarginLoss" and "ignore_index" in options:
        return
    options = {k: v.astype(dtype) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    arguments = kind, {**options, "reduction": reduction}, [np.array(scores, dtype), np.array(target)]
    alike(ours(*arguments), plain(*arguments, [0]), 16)


def test_smoothed_labels_of_classes_without_weight_beside_an_ignored_row():
    """0/0 for the row that counts, 0 for the other."""
    options = {"weight": np.zeros(3), "label_smoothing": 0.25, "ignore_index": 1}
    arguments = "CrossEntropyLoss", options, [np.array([[0.0, 1.0, 2.0], [1.0, 2.0, 0.0]]), np.array([1, 0])]
    found, expected = ours(*arguments), plain(*arguments, [0])
    alike(found, expected, 16)
    np.testing.assert_array_equal(found[1][0], 0)


# --- vectors: zero, parallel, opposite -------------------------------------------------------------------------------

VECTORS = [
    [0.0, 0.0],
    [1.0, 0.0],
    [-1.0, 0.0],
    [0.0, 2.0],
    [3.0, 4.0],
    [-3.0, -4.0],
    [1e-20, 1e-20],
    [1e15, -1e15],
    [NAN, 0.0],
    [INF, 1.0],
]


@each_dtype
@pytest.mark.parametrize("margin", [0.0, 0.1, 1.0, -1.0])
@pytest.mark.parametrize("sign", [1.0, -1.0, 0.0])
def test_every_pair_of_vectors(sign, margin, dtype):
    """Without a direction, parallel, opposite, tiny, huge: where −1 and the margin meet the cosine, a kink."""
    x1, x2 = (np.array(a, dtype) for a in zip(*itertools.product(VECTORS, VECTORS), strict=True))
    arguments = "CosineEmbeddingLoss", {"margin": margin, "reduction": "none"}, [x1, x2, np.full(len(x1), sign, dtype)]
    found, expected = ours(*arguments), plain(*arguments, [0, 1])
    cos = plain("CosineEmbeddingLoss", {"reduction": "none"}, [x1, x2, np.ones(len(x1), dtype)], [0, 1])[0]
    decided = ~(np.abs(1 - cos - margin) < 8 * np.finfo(dtype).eps)  # at the margin one rounding decides
    with np.errstate(all="ignore"):  # what a gradient is a difference of
        sizes = [1.0, *(1 / np.sqrt((x * x).sum(-1, keepdims=True) + 1e-12) for x in (x1, x2))]
    for a, b, size in zip(found, expected, sizes, strict=True):
        a, b = a[decided], b[decided]
        numbers = np.isfinite(b)
        np.testing.assert_array_equal(a[~numbers], b[~numbers])
        bound = np.broadcast_to(np.asarray(size)[decided] if np.ndim(size) else size, b.shape)[numbers]
        assert (np.abs(a - b)[numbers] <= 16 * np.finfo(dtype).eps * bound).all()


# --- integers --------------------------------------------------------------------------------------------------------

INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", ">i4", ">u2"]


@pytest.mark.parametrize("integer", INTEGERS)
@pytest.mark.parametrize("kind", ["CrossEntropyLoss", "NLLLoss", "MultiMarginLoss", "MultiLabelMarginLoss"])
def test_every_integer_names_a_class(kind, integer):
    """200 classes, so that 8 bits with a sign do not hold them all; strided; ignored by a number no index can be."""
    scores = np.random.default_rng(0).normal(size=(6, 100))
    target = np.array([[0, 99, 1, 0, 50, 99], [7] * 6], integer).T[:, 0]
    if kind == "MultiLabelMarginLoss":
        target = np.tile(np.arange(100), (6, 1)).astype(integer)
        if np.dtype(integer).kind == "i":
            target[:, 5] = -1
    expected = plain(kind, {"reduction": "none"}, [scores, target.astype(np.int64)], [0])
    for options in (
        [{}] if "Margin" in kind else [{}, {"ignore_index": -100}, {"ignore_index": -1}, {"ignore_index": 255}]
    ):
        alike(ours(kind, {**options, "reduction": "none"}, [scores, target]), expected, 16)
    for wrong in (100, 127, 1 << 16, 1 << 24) if np.dtype(integer).itemsize > 2 else (100, 127):
        bad = target.copy()
        bad.reshape(-1)[-1] = wrong
        for side in SIDES.values():
            with pytest.raises(IndexError, match=f"got {wrong}"):
                getattr(side, kind)().forward(scores, bad)


@pytest.mark.parametrize("integer", INTEGERS)
def test_every_integer_looks_up_a_row(integer):
    """Row 0 is the padding; a table longer than 8 bits; negative numbers are refused, whatever they wrap to."""
    x = np.array([[0, 1, 99], [99, 0, 50]], integer, order="F")
    g = np.random.default_rng(1).normal(size=(2, 3, 4))
    for side in SIDES.values():
        layer = side.Embedding(300, 4, padding_idx=0, scale_grad_by_freq=True, dtype=np.float64, rng=0)
        module = nn.Embedding(300, 4, padding_idx=0, scale_grad_by_freq=True).double()
        module.load_state_dict({"weight": torch.from_numpy(np.array(layer.state_dict()["weight"]))})
        output = module(tensor(x))
        output.backward(torch.from_numpy(g))
        np.testing.assert_array_equal(layer.forward(x), output.detach().numpy())
        layer.backward(g)
        np.testing.assert_allclose(layer.weight.grad, module.weight.grad.numpy(), rtol=1e-15)
        if np.dtype(integer).kind == "i":
            x_bad = x.copy()
            x_bad[1, 2] = -1
            with pytest.raises(IndexError, match="got -1"):
                layer.forward(x_bad)


# --- more than two axes, and none of some ----------------------------------------------------------------------------

AXES = {
    "Softmax": [{"dim": d} for d in (-1, 0, 1, 2, -4)],
    "LogSoftmax": [{"dim": d} for d in (-1, 0, 1, 2, -4)],
    "Softmin": [{"dim": d} for d in (-1, 0, 1, 2, -4)],
    "GLU": [{"dim": d} for d in (-1, 0, 1, 2, -4)],
    "Linear": [{"in_features": 6, "out_features": 3}],
    "LayerNorm": [{"normalized_shape": (4, 6)}, {"normalized_shape": (2, 4, 6), "eps": 1.0}, {"normalized_shape": 6}],
    "RMSNorm": [{"normalized_shape": (4, 6)}, {"normalized_shape": (2, 4, 6)}],
    "GroupNorm": [{"num_groups": 1, "num_channels": 2}, {"num_groups": 2, "num_channels": 2}],
    "PReLU": [{"num_parameters": 2}, {}],
    "Flatten": [{}, {"start_dim": 2}, {"start_dim": 0, "end_dim": 1}],
    **{name: [{}] for name in ("Tanh", "ELU", "GELU", "Hardswish", "SELU", "Softplus")},
}


@pytest.mark.parametrize("order", ["C", "F", "every second"])
@pytest.mark.parametrize("shape", [(4, 2, 4, 6), (2, 2, 4, 6), (0, 2, 4, 6)])
@pytest.mark.parametrize("kind", AXES)
def test_four_axes(kind, shape, order):
    """However they lie in memory; and with an axis of length 0."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape)
    x = np.repeat(x, 2, 3)[..., ::2] if order == "every second" else np.array(x, order=order)
    for options in AXES[kind]:
        if kind == "GroupNorm" and not x.size:
            continue  # torch refuses an empty batch of these
        made = getattr(scratch, kind)(**options, **({"dtype": np.float64} if kind in WITH_DTYPE else {}))
        module = getattr(nn, kind)(**options).double()
        module.load_state_dict({name: torch.from_numpy(np.array(a)) for name, a in made.state_dict().items()})
        t = tensor(x).requires_grad_()
        expected = module(t)
        g = rng.normal(size=tuple(expected.shape))
        g = np.array(g, order="F") if order == "F" else g
        expected.backward(torch.from_numpy(g.copy()))
        found = [made.forward(x), made.backward(g), *(a for _, a in made.named_gradients())]
        wanted = [expected.detach(), t.grad, *(p.grad for p in module.parameters())]
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a, b.numpy(), rtol=1e-10, atol=1e-12)


WITH_DTYPE = ("Linear", "LayerNorm", "RMSNorm", "GroupNorm", "PReLU")


@pytest.mark.parametrize("loss", ["MSELoss", "L1Loss", "BCEWithLogitsLoss", "CrossEntropyLoss"])
@pytest.mark.parametrize("lead", [(3,), (2, 3), (2, 1, 3)])
@pytest.mark.parametrize("activation", ["identity", "sigmoid", "tanh", "softmax", "log_softmax"])
def test_hessian_products_of_more_axes(activation, lead, loss):
    """Hv by the R-operator is that of plain autograd, twice; rows of zeros and scores that are equal among them."""
    x = np.random.default_rng(0).normal(size=(*lead, 4))
    x[..., 0, :] = 0
    products = []
    for side in SIDES.values():
        model = side.MLP((4, 5, 3), activation, activation, dtype=np.float64, rng=1)
        y = np.random.default_rng(1).random((*lead, 3))
        vector = {name: np.sin(np.arange(a.size) + 1.0).reshape(a.shape) for name, a in model.state_dict().items()}
        products.append(side.hessian_vector_product(model, getattr(side, loss)(), x, y, vector))
    for name, product in products[0].items():
        np.testing.assert_allclose(product, products[1][name], rtol=1e-9, atol=1e-12, err_msg=name)


# --- norms of gradients ----------------------------------------------------------------------------------------------

GRADIENTS = {
    "all negative": [[-3.0, -4.0], [-1.0]],
    "zeros": [[0.0, -0.0], [0.0]],
    "one infinite": [[-INF, 1.0], [2.0]],
    "one NaN": [[NAN, 1.0], [-7.0]],
    "negative and larger than what is positive": [[-12.0, 3.0], [4.0]],
}


@each_dtype
@pytest.mark.parametrize("norm_type", [INF, 1.0, 2.0, 3.0, 0.5])
@pytest.mark.parametrize("case", GRADIENTS)
def test_norms_of_negative_gradients(case, norm_type, dtype):
    """The largest |g| and not the largest g; and a norm that is exactly met."""
    for side, max_norm in itertools.product(SIDES.values(), [0.0, 0.1, 4.0, 5.0, INF]):
        given, tensors = [], []
        for values in GRADIENTS[case]:
            given.append(side.Parameter(np.zeros(len(values), dtype)))
            given[-1].grad = np.array(values, dtype)
            tensors.append(torch.zeros(len(values), dtype=getattr(torch, np.dtype(dtype).name), requires_grad=True))
            tensors[-1].grad = torch.from_numpy(np.array(values, dtype))
        expected = nn.utils.clip_grad_norm_(tensors, max_norm, norm_type)
        with np.errstate(all="ignore"):
            found = side.clip_grad_norm_(given, max_norm, norm_type)
        alike([np.asarray(found, dtype)], [expected.numpy()], 8)
        for p, t in zip(given, tensors, strict=True):
            alike([p.grad], [t.grad.numpy()], 16)
