"""PyTorch's choices at the edges of the losses, one row each: both sides give exactly what torch 2.13 gives."""

import numpy as np
import pytest

import scratch
from parity_tests.catalogue.tables import DTYPES, SIDES

INF, NAN = np.inf, np.nan
LOG2 = np.log(2)
EPSILON = float(np.float32(1e-12))  # torch writes 1e-12 in single precision, for float64 too
UNIT = 1 / np.sqrt((1 + EPSILON) * (1 + EPSILON))  # 1/√(ab) of two unit vectors

# loss, options, arrays → a value per element or row, gradients for an upstream gradient of ones; None: not compared
EDGES = {
    "l1 of NaN": ("L1Loss", {}, [[NAN], [0.0]], [NAN], [0.0]),
    "smooth_l1 at ±β": ("SmoothL1Loss", {"beta": 0.5}, [[0.5, -0.5, 0.0], [0.0] * 3], [0.25, 0.25, 0], [1, -1, 0]),
    "smooth_l1 without options": ("SmoothL1Loss", {}, [[0.5, 1.5], [0.0] * 2], [0.125, 1], [0.5, 1]),
    "smooth_l1 inside": ("SmoothL1Loss", {"beta": 0.5}, [[0.25], [0.0]], [0.0625], [0.5]),
    "smooth_l1 far out": (
        "SmoothL1Loss",
        {"beta": 0.5},
        [[1e4, INF, -INF], [0.0] * 3],
        [9999.75, INF, INF],
        [1, 1, -1],
    ),
    "smooth_l1 of NaN": ("SmoothL1Loss", {}, [[NAN], [0.0]], [NAN], [NAN]),
    "smooth_l1 with β = 0": ("SmoothL1Loss", {"beta": 0.0}, [[0.0, 3.0, NAN], [0.0] * 3], [0, 3, NAN], [0, 1, 0]),
    "huber at ±δ": ("HuberLoss", {"delta": 0.5}, [[0.5, -0.5, 0.0], [0.0] * 3], [0.125, 0.125, 0], [0.5, -0.5, 0]),
    "huber without options": ("HuberLoss", {}, [[0.5, 1.5], [0.0] * 2], [0.125, 1], [0.5, 1]),
    "huber far out": ("HuberLoss", {"delta": 2.0}, [[1e4, INF, -INF], [0.0] * 3], [19998, INF, INF], [2, 2, -2]),
    "huber of NaN": ("HuberLoss", {}, [[NAN], [0.0]], [NAN], [NAN]),
    "half squared error": ("HalfSquaredError", {}, [[[3.0, 4.0], [0.0, NAN]], [[0.0, 0.0]] * 2], [12.5, NAN], None),
    "soft_margin at 0": ("SoftMarginLoss", {}, [[0.0, 0.0], [1.0, -1.0]], [LOG2, LOG2], [-0.5, 0.5]),
    "soft_margin, right and sure": ("SoftMarginLoss", {}, [[1e4, INF], [1.0, 1.0]], [0, 0], [0, 0]),
    "soft_margin, target 0": ("SoftMarginLoss", {}, [[3.0], [0.0]], [LOG2], [0.0]),
    "soft_margin of NaN": ("SoftMarginLoss", {}, [[NAN], [1.0]], [NAN], [NAN]),
    "hinge_embedding, alike": (
        "HingeEmbeddingLoss",
        {},
        [[0.0, -1.0, NAN, INF, -INF], [1.0] * 5],
        [0, -1, NAN, INF, -INF],
        [1] * 5,
    ),
    "hinge_embedding, at the margin": (
        "HingeEmbeddingLoss",
        {},
        [[0.0, 1.0, 2.0, -1.0], [-1.0] * 4],
        [1, 0, 0, 2],
        [-1, -1, 0, -1],
    ),
    "hinge_embedding, neither": ("HingeEmbeddingLoss", {}, [[0.0, 1.0, 2.0], [0.0] * 3], [1, 1, 2], [0, 0, 1]),
    "hinge_embedding, not numbers": (
        "HingeEmbeddingLoss",
        {},
        [[NAN, INF, -INF], [-1.0] * 3],
        [NAN, 0, INF],
        [0, 0, -1],
    ),
    "multi_margin, exactly met": ("MultiMarginLoss", {}, [[1.0, 0.0, 0.0, -1.0], 0], 0, [0, 0, 0, 0]),
    "multi_margin, missed": (
        "MultiMarginLoss",
        {},
        [[[1.0, 0.0, 0.5, -9.0]], [0]],
        [0.125],
        [[-0.25, 0, 0.25, 0]],
    ),
    "multi_margin, p = 2": (
        "MultiMarginLoss",
        {"p": 2},
        [[[1.0, 0.0, 0.5, -9.0]], [0]],
        [0.0625],
        [[-0.25, 0, 0.25, 0]],
    ),
    "multi_margin, weight": (
        "MultiMarginLoss",
        {"weight": np.array([4.0, 1.0])},
        [[[0.0, 0.0], [0.0, 0.0]], [0, 1]],
        [2, 0.5],
        [[-2, 2], [0.5, -0.5]],
    ),
    "multi_margin drops NaN": (
        "MultiMarginLoss",
        {},
        [[[0.0, NAN, 0.0, -9.0], [NAN, 0.0, 0.0, 0.0]], [0, 0]],
        [0.25, 0],
        [[-0.25, 0, 0.25, 0], [0, 0, 0, 0]],
    ),
    "multi_margin at inf": (
        "MultiMarginLoss",
        {},
        [[[INF, 0.0], [0.0, INF]], [0, 0]],
        [0, INF],
        [[0, 0], [-0.5, 0.5]],
    ),
    "multi_margin of one class": ("MultiMarginLoss", {}, [[[3.0]], [0]], [0], [[0]]),
    "multilabel_margin": (
        "MultiLabelMarginLoss",
        {},
        [[0.0, 0.0, 0.5, 1.0], [3, 0, -1, 1]],
        (0 + 0.5 + 1 + 1.5) / 4,
        [-0.5, 0.25, 0.5, -0.25],
    ),
    "multilabel_margin, exactly met": ("MultiLabelMarginLoss", {}, [[1.0, 0.0], [0, -1]], 0, [0, 0]),
    "multilabel_margin, one twice": ("MultiLabelMarginLoss", {}, [[0.0, 0.0], [1, 1]], 1, [1, -1]),
    "multilabel_margin, none": ("MultiLabelMarginLoss", {}, [[0.0, 5.0], [-1, 0]], 0, [0, 0]),
    "multilabel_margin drops NaN": ("MultiLabelMarginLoss", {}, [[NAN, 0.0], [1, -1]], 0, [0, 0]),
    "multilabel_margin of one class": ("MultiLabelMarginLoss", {}, [[3.0], [-1]], 0, [0]),
    "multilabel_soft_margin far out": (
        "MultiLabelSoftMarginLoss",
        {},
        [[[1e4, -1e4]], [[0.0, 1.0]]],
        [1e4],
        [[0.5, -0.5]],
    ),
    "multilabel_soft_margin at inf": (
        "MultiLabelSoftMarginLoss",
        {},
        [[[INF, -INF]], [[1.0, 0.0]]],
        [NAN],
        [[0, 0]],
    ),
    "kl_div, target 0": ("KLDivLoss", {}, [[-1.0, -INF], [0.0, 0.0]], [0, NAN], [0, 0]),
    "kl_div, probability 0": ("KLDivLoss", {}, [[-INF], [0.5]], [INF], [-0.5]),
    "kl_div, negative target": ("KLDivLoss", {}, [[-2.0], [-1.0]], [NAN], [1]),
    "kl_div, log target": (
        "KLDivLoss",
        {"log_target": True},
        [[-2.0, -INF, -1.0], [0.0, 0.0, -INF]],
        [2, INF, NAN],
        [-1, -1, 0],
    ),
    "poisson_nll": ("PoissonNLLLoss", {}, [[0.0, -1e4, -INF], [1.0] * 3], [1, 1e4, INF], [0, -1, -1]),
    "poisson_nll far out": ("PoissonNLLLoss", {}, [[1e4, INF], [1.0, 1.0]], [INF, NAN], [INF, INF]),
    "poisson_nll, rate": ("PoissonNLLLoss", {"log_input": False, "eps": 0.0}, [[1.0, 4.0], [0.0, 0.0]], [1, 4], [1, 1]),
    "poisson_nll, rate 0": ("PoissonNLLLoss", {"log_input": False, "eps": 0.0}, [[0.0], [1.0]], [INF], [-INF]),
    "poisson_nll, 0 at rate 0": ("PoissonNLLLoss", {"log_input": False, "eps": 0.0}, [[0.0], [0.0]], [NAN], [NAN]),
    "poisson_nll, rate 0 and torch's ε": (
        "PoissonNLLLoss",
        {"log_input": False},
        [[0.0], [1.0]],
        [-np.log(1e-8)],
        None,
    ),
    "poisson_nll, negative rate": ("PoissonNLLLoss", {"log_input": False, "eps": 0.0}, [[-1.0], [1.0]], [NAN], [2]),
    "poisson_nll, full up to 1": ("PoissonNLLLoss", {"full": True}, [[0.0, 0.0, 0.0], [0.0, 1.0, -3.0]], [1] * 3, None),
    "margin_ranking at the kink": (
        "MarginRankingLoss",
        {},
        [[0.0, 1.0, -1.0], [0.0] * 3, [1.0] * 3],
        [0, 0, 1],
        [-1, 0, -1],
        [1, 0, 1],
    ),
    "margin_ranking at its margin": (
        "MarginRankingLoss",
        {"margin": 0.5},
        [[0.5, -0.5, 0.75], [0.0] * 3, [1.0, -1.0, 1.0]],
        [0, 0, 0],
        [-1, 1, 0],
        [1, -1, 0],
    ),
    "margin_ranking, an infinite target": (
        "MarginRankingLoss",
        {},
        [[1.0, 0.0], [0.0, 1.0], [np.inf, np.inf]],
        [0, np.inf],
        [np.nan, -np.inf],
        [np.nan, np.inf],
    ),
    "margin_ranking, not numbers": (
        "MarginRankingLoss",
        {},
        [[NAN, INF, INF], [0.0, 0.0, INF], [1.0] * 3],
        [NAN, 0, NAN],
        [0, 0, 0],
        [0, 0, 0],
    ),
    "cosine_embedding, at right angles": (
        "CosineEmbeddingLoss",
        {},
        [[[1.0, 0.0]], [[0.0, 1.0]], [1.0]],
        [1],
        [[0, -UNIT]],
        [[-UNIT, 0]],
    ),
    "cosine_embedding at its margin": (
        "CosineEmbeddingLoss",
        {},
        [[[1.0, 0.0]], [[0.0, 1.0]], [-1.0]],
        [0],
        [[0, UNIT]],
        [[UNIT, 0]],
    ),
    "cosine_embedding, beyond": (
        "CosineEmbeddingLoss",
        {"margin": 0.5},
        [[[1.0, 0.0]], [[0.0, 1.0]], [-1.0]],
        [0],
        [[0, 0]],
        [[0, 0]],
    ),
    "cosine_embedding of nothing": (
        "CosineEmbeddingLoss",
        {},
        [[[0.0, 0.0]], [[0.0, 0.0]], [1.0]],
        [1],
        [[0, 0]],
        [[0, 0]],
    ),
    "cosine_embedding, neither": (
        "CosineEmbeddingLoss",
        {},
        [[[1.0, 2.0]], [[3.0, 4.0]], [0.5]],
        [0],
        [[0, 0]],
        [[0, 0]],
    ),
    "cosine_embedding, not numbers": (
        "CosineEmbeddingLoss",
        {},
        [[[INF, 0.0]], [[1.0, 0.0]], [1.0]],
        [NAN],
        [[NAN, NAN]],
        [[NAN, NAN]],
    ),
    "gaussian_nll": ("GaussianNLLLoss", {}, [[0.0, 2.0], [0.0, 0.0], [1.0, 1.0]], [0, 2], [0, 2], [0.5, -1.5]),
    "gaussian_nll, clamped": (
        "GaussianNLLLoss",
        {"eps": 1.0},
        [[2.0, 2.0], [0.0, 0.0], [0.0, 0.25]],
        [2, 2],
        [2, 2],
        [-1.5, -1.5],
    ),
    "gaussian_nll, not numbers": (
        "GaussianNLLLoss",
        {},
        [[0.0, 1.0, INF], [0.0] * 3, [NAN, INF, 1.0]],
        [NAN, INF, INF],
        [NAN, 0, INF],
        [NAN, 0, -INF],
    ),
    "gaussian_nll, one variance for a row": (
        "GaussianNLLLoss",
        {},
        [[[1.0, 3.0]], [[0.0, 0.0]], [1.0]],
        [[0.5, 4.5]],
        [[1, 3]],
        [-4],
    ),
    "gaussian_nll, a column": (
        "GaussianNLLLoss",
        {},
        [[[1.0, 3.0]], [[0.0, 0.0]], [[1.0]]],
        [[0.5, 4.5]],
        [[1, 3]],
        [[-4]],
    ),
    "gaussian_nll, one target and one variance for all": (
        "GaussianNLLLoss",
        {},
        [[[1.0, 3.0]], 0.0, 1.0],
        [[0.5, 4.5]],
        [[1, 3]],
        -4,
    ),
    "gaussian_nll, one for each column": (
        "GaussianNLLLoss",
        {},
        [[[1.0, 3.0], [1.0, 0.0]], [[0.0, 0.0]] * 2, [[1.0, 1.0]]],
        [[0.5, 4.5], [0.5, 0]],
        [[1, 3], [1, 0]],
        [[0, -3.5]],
    ),
}


def cast(array, dtype):
    array = np.asarray(array)
    return array.astype(dtype) if array.dtype.kind == "f" else array


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("case", EDGES)
def test_edge(case, side, dtype):
    """Exact, but for logarithms, which are right to 2 ulp."""
    name, options, arrays, value, *gradients = EDGES[case]
    options = {k: cast(v, dtype) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    criterion = getattr(SIDES[side], name)(reduction="none", **options)
    with np.errstate(all="ignore"):
        given = criterion.forward(*(cast(a, dtype) for a in arrays))
        computed = criterion.backward(np.ones(np.shape(given), dtype))
    assert given.dtype == dtype
    np.testing.assert_array_max_ulp(given, np.asarray(value, dtype), 2)
    for g, expected in zip(computed if isinstance(computed, tuple) else (computed,), gradients, strict=True):
        if expected is not None:
            np.testing.assert_array_equal(g, np.asarray(expected, dtype))


MEANS = {
    "kl_div: over all elements": ("KLDivLoss", "mean", [[[0.0, -2.0], [-4.0, 0.0]], [[1.0, 1.0], [1.0, 1.0]]], 1.5),
    "kl_div: over the batch": ("KLDivLoss", "batchmean", [[[0.0, -2.0], [-4.0, 0.0]], [[1.0, 1.0], [1.0, 1.0]]], 3.0),
    "kl_div: one sample is a batch of its length": ("KLDivLoss", "batchmean", [[0.0, -2.0], [1.0, 1.0]], 1.0),
    "kl_div: no axis": ("KLDivLoss", "batchmean", [-2.0, 1.0], 2.0),
    "half squared error: over the samples": ("HalfSquaredError", "mean", [[[3.0, 4.0], [0.0, 1.0]], 0.0], 6.5),
    "half squared error: sum": ("HalfSquaredError", "sum", [[[3.0, 4.0], [0.0, 1.0]], 0.0], 13.0),
    "multi_margin: not over the weights": ("MultiMarginLoss", "mean", [[[0.0, 0.0], [0.0, 0.0]], [0, 1]], 0.5),
    "multilabel_margin: over the samples": (
        "MultiLabelMarginLoss",
        "mean",
        [[[0.0, 0.0]] * 2, [[0, -1], [-1, 0]]],
        0.25,
    ),
}


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("case", MEANS)
def test_what_a_mean_divides_by(case, side):
    name, reduction, arrays, value = MEANS[case]
    assert getattr(SIDES[side], name)(reduction=reduction).forward(*map(np.asarray, arrays)) == value


@pytest.mark.parametrize("dtype", DTYPES)
def test_soft_margin_where_torch_overflows(dtype):
    """Torch exponentiates −tx before its logarithm; here it does not overflow, and the gradient is −t, not NaN."""
    ours, theirs = (side.SoftMarginLoss(reduction="none") for side in SIDES.values())
    x, t = np.array([-1e4, 1e4], dtype), np.array([1.0, -1.0], dtype)
    np.testing.assert_array_equal(ours.forward(x, t), [1e4, 1e4])
    np.testing.assert_array_equal(ours.backward(np.ones(2, dtype)), [-1, 1])
    np.testing.assert_array_equal(theirs.forward(x, t), [INF, INF])
    np.testing.assert_array_equal(theirs.backward(np.ones(2, dtype)), [NAN, NAN])


@pytest.mark.parametrize("dtype", DTYPES)
def test_half_squared_error_is_mse_times_half_the_outputs(dtype):
    """The converter note of its docstring. C = 4 and N = 2: every factor is a power of two."""
    rng = np.random.default_rng(0)
    y, t = rng.normal(size=(2, 2, 4)).astype(dtype)
    for side in SIDES.values():
        mse, half, total = side.MSELoss(), side.HalfSquaredError(), side.HalfSquaredError(reduction="sum")
        values = [loss.forward(y, t) for loss in (mse, half, total)]
        np.testing.assert_allclose(values[1:], [2 * values[0], 4 * values[0]], rtol=8 * np.finfo(dtype).eps)
        np.testing.assert_array_equal(half.backward(), 2 * mse.backward())
        np.testing.assert_array_equal(total.backward(), y - t)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("smoothing", [0.0, 0.25])
def test_a_mean_over_nothing_keeps_the_dtype(smoothing, dtype):
    """Every target is ignored: 0/0 is the NaN of the input's dtype."""
    x, targets = np.ones((1, 5), dtype), np.zeros(1, int)
    for side in SIDES.values():
        value = side.CrossEntropyLoss(ignore_index=0, label_smoothing=smoothing).forward(x, targets)
        assert (np.isnan(value), value.dtype) == (True, dtype)


@pytest.mark.parametrize("upstream", [None, 2.0, -1.0])
@pytest.mark.parametrize(
    ("loss", "options"),
    [
        ("NLLLoss", {}),
        ("CrossEntropyLoss", {}),
        ("CrossEntropyLoss", {"label_smoothing": 0.25}),
        ("CrossEntropyLoss", {"label_smoothing": 1.0}),
    ],
)
def test_weights_that_cancel(loss, options, upstream):
    """Their sum is 0, and value and gradient ∞, with the sign that the upstream gradient gives it, or NaN."""
    x, targets = np.log(np.array([[0.25, 0.75], [0.5, 0.5]])), np.array([0, 1])
    results = []
    for side in SIDES.values():
        criterion = getattr(side, loss)(weight=np.array([1.0, -1.0]), **options)
        value = criterion.forward(x, targets)
        results.append([value, criterion.backward(*([] if upstream is None else [np.array(upstream)]))])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not np.isfinite(results[0][1]).all()


def test_no_warning_on_ordinary_values():
    """Every loss of the hand-written side at large, tiny and zero arguments: nothing to warn of."""
    x = np.array([[1e4, -1e4, 0.0, 1e-30]], np.float32)
    sign = np.ones_like(x)
    for name in ("SmoothL1Loss", "HuberLoss", "SoftMarginLoss", "HingeEmbeddingLoss", "MultiLabelSoftMarginLoss"):
        loss = getattr(scratch, name)()
        loss.forward(x, sign)
        loss.backward()
    for target in (np.array([0]), np.array([3])):
        scratch.MultiMarginLoss(p=2).forward(x, target)
    scratch.KLDivLoss().forward(-np.abs(x), np.array([[0.0, 1.0, 0.5, 0.0]], np.float32))
    scratch.GaussianNLLLoss().forward(x, sign, np.zeros_like(x))


QUIET = {
    "margin_ranking, an infinite target",
    "kl_div, target 0",
    "kl_div, probability 0",
    "kl_div, negative target",
    "poisson_nll, rate 0",
    "poisson_nll, 0 at rate 0",
    "poisson_nll, negative rate",
    "multilabel_soft_margin at inf",
}


@pytest.mark.parametrize("case", sorted(QUIET))
def test_no_warning_where_an_edge_is_expected(case):
    """log 0, 0·∞ and ∞ − ∞ that the losses between distributions meet by design: every warning is an error here."""
    name, options, arrays, *_ = EDGES[case]
    loss = getattr(scratch, name)(reduction="none", **options)
    loss.backward(np.ones_like(loss.forward(*map(np.asarray, arrays))))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", SIDES)
def test_one_number_is_a_variance_too(side, dtype):
    """As an array without axes, which it is taken for: its gradient is one number, summed over all that it serves."""
    x, t = np.array([[1.0, 3.0]], dtype), np.zeros((1, 2), dtype)
    results = []
    for var in (2.0, np.array(2.0, dtype)):
        loss = SIDES[side].GaussianNLLLoss()
        results.append((loss.forward(x, t, var), *loss.backward()))
    for number, array in zip(*results, strict=True):
        np.testing.assert_array_equal(number, array)
        assert number.dtype == dtype
    assert results[0][2] == (0.5 / 2 - 1 / 8 + 0.5 / 2 - 9 / 8) / 2
