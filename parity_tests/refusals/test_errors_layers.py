"""Bad arguments of the layers: the same error in the same words on both sides."""

import numpy as np
import pytest

from parity_tests.catalogue.tables import SIDES

X = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
ROWS = np.array([[0, 1], [2, 2]])
NAN = float("nan")


def made(name, *args, **options):
    return lambda side: getattr(side, name)(*args, **options)


def called(name, inputs, *args, **options):
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    return lambda side: getattr(side, name)(*args, **options).forward(*inputs)


def backward(name, x, grad_output, *args):
    def act(side):
        layer = getattr(side, name)(*args)
        layer.forward(*x)
        layer.backward(grad_output)

    return act


def in_a_row(*names):
    return lambda side: side.Residual(*(side.Linear(3, width) for width in names)).forward(X)


def trained(x):
    """A step on a net that begins with a table."""

    def act(side):
        model = side.Sequential(side.Embedding(3, 2, rng=0), side.Flatten(), side.Linear(4, 1, rng=1))
        loss, optimizer = side.MSELoss(), side.SGD(model.parameters(), lr=0.1)
        side.Trainer(model, loss, optimizer).step(x, np.zeros((2, 1), np.float32))

    return act


# what is done → (error, words it must contain)
BAD = {
    "p above 1": (made("Dropout", 1.5), ValueError, ["p must be a probability in [0, 1]", "1.5"]),
    "p below 0": (made("AlphaDropout", -0.25), ValueError, ["p must be a probability", "-0.25"]),
    "p is NaN": (made("Dropout", NAN), ValueError, ["p", "finite", "nan"]),
    "p is text": (made("Dropout", "0.5"), TypeError, ["p must be a number", "'0.5'"]),
    "p is a truth value": (made("AlphaDropout", True), TypeError, ["p", "True"]),
    "dropout in place": (made("Dropout", inplace=True), TypeError, ["inplace"]),
    "dropout of integers": (called("Dropout", X.astype(int)), TypeError, ["float32 or float64", "int64"]),
    "start_dim not whole": (made("Flatten", 1.0), TypeError, ["start_dim", "1.0"]),
    "end_dim not whole": (made("Flatten", 0, None), TypeError, ["end_dim", "None"]),
    "flatten from no axis": (called("Flatten", X[0]), IndexError, ["start_dim=1", "(3,)"]),
    "flatten to no axis": (called("Flatten", X, 0, 2), IndexError, ["end_dim=2", "(5, 3)"]),
    "flatten a number": (called("Flatten", X[0, 0:1].reshape(())), IndexError, ["start_dim=1", "()"]),
    "flatten backwards": (called("Flatten", X, -1, 0), ValueError, ["start_dim=-1 comes after end_dim=0", "(5, 3)"]),
    "f of another width": (in_a_row(4, 4), ValueError, ["Linear", "in_features=3"]),
    "x and f(x) of two widths": (in_a_row(2), ValueError, ["Residual", "(5, 3)", "(5, 2)", "equal"]),
    "x and f(x) that broadcast": (in_a_row(1), ValueError, ["Residual", "(5, 3)", "(5, 1)"]),
    "x and f(x) of two dtypes": (
        lambda side: side.Residual(side.Embedding(3, 2)).forward(ROWS),
        TypeError,
        ["Residual: input must be float32; got int64"],
    ),
    "a way around nothing": (made("Residual"), ValueError, ["Residual", "no module"]),
    "no features": (made("Bilinear", 0, 2, 3), ValueError, ["in1_features must be >= 1", "0"]),
    "no second features": (made("Bilinear", 2, 0, 3), ValueError, ["in2_features must be >= 1", "0"]),
    "half an output": (made("Bilinear", 2, 3, 1.5), TypeError, ["out_features", "1.5"]),
    "Bilinear's dtype": (made("Bilinear", 2, 3, 4, dtype=int), TypeError, ["float32 or float64", "int64"]),
    "first input": (called("Bilinear", (X, X), 2, 3, 4), ValueError, ["input1", "3 features", "in1_features=2"]),
    "second input": (called("Bilinear", (X, X), 3, 2, 4), ValueError, ["input2", "3 features", "in2_features=2"]),
    "first input of three axes": (
        called("Bilinear", (X[:, np.newaxis], X[:, np.newaxis]), 2, 3, 4),
        ValueError,
        ["(5, 1, 3) has 3 features"],
    ),
    "first input's dtype": (called("Bilinear", (X.astype(float), X), 3, 3, 4), TypeError, ["input1", "float32"]),
    "an input without axes": (
        called("Bilinear", (X[0, 0:1].reshape(()), X), 3, 3, 4),
        ValueError,
        ["input1", "no axis"],
    ),
    "batches that broadcast": (called("Bilinear", (X, X[:1]), 3, 3, 4), ValueError, ["(5, 3)", "(1, 3)", "all axes"]),
    "more axes": (called("Bilinear", (X, X[np.newaxis]), 3, 3, 4), ValueError, ["(5, 3)", "(1, 5, 3)"]),
    "second input's dtype": (called("Bilinear", (X, X.astype(float)), 3, 3, 4), TypeError, ["input2", "float32"]),
    "a list": (called("Bilinear", (X, [1.0]), 3, 1, 4), TypeError, ["input2", "NumPy array", "list"]),
    "a pair's upstream": (
        backward("Bilinear", (X, X), X, 3, 3, 4),
        ValueError,
        ["grad_output has shape (5, 3)", "(5, 4)"],
    ),
    "a pair, backward first": (lambda side: side.Bilinear(1, 1, 1).backward(X), RuntimeError, ["backward", "before"]),
    "negative rows": (made("Embedding", -1, 2), ValueError, ["num_embeddings must be >= 0", "-1"]),
    "rows not whole": (made("Embedding", 3.0, 2), TypeError, ["num_embeddings", "3.0"]),
    "width not whole": (made("Embedding", 3, "2"), TypeError, ["embedding_dim", "'2'"]),
    "padding past the rows": (made("Embedding", 3, 2, 3), ValueError, ["padding_idx must be < num_embeddings=3", "3"]),
    "padding before the rows": (made("Embedding", 3, 2, -4), ValueError, ["padding_idx must be >= -3", "-4"]),
    "padding not whole": (made("Embedding", 3, 2, 1.0), TypeError, ["padding_idx", "1.0"]),
    "frequency not a truth value": (
        made("Embedding", 3, 2, scale_grad_by_freq=1),
        TypeError,
        ["scale_grad_by_freq must be True or False", "1"],
    ),
    "max_norm": (made("Embedding", 3, 2, max_norm=1.0), TypeError, ["max_norm"]),
    "norm_type": (made("Embedding", 3, 2, norm_type=1.0), TypeError, ["norm_type"]),
    "a table's dtype": (made("Embedding", 3, 2, dtype=np.float16), TypeError, ["float32 or float64", "float16"]),
    "a row past the end": (called("Embedding", ROWS, 2, 3), IndexError, ["0..1", "got 2 at index (1, 0)"]),
    "a negative row": (called("Embedding", ROWS - 1, 3, 3), IndexError, ["0..2", "got -1 at index (0, 0)"]),
    "a row of none": (called("Embedding", ROWS[:1, :1], 0, 3), IndexError, ["0..-1", "got 0"]),
    "rows of floats": (called("Embedding", X, 3, 2), TypeError, ["Embedding", "integers", "float32"]),
    "rows of truth values": (called("Embedding", X > 0, 3, 2), TypeError, ["integers", "bool"]),
    "a list of rows": (called("Embedding", [1], 3, 2), TypeError, ["NumPy array", "list"]),
    "whole numbers in a net of numbers": (called("Linear", ROWS, 2, 2), TypeError, ["Linear", "float32", "int64"]),
    "a step with a row past the end": (trained(ROWS + 1), IndexError, ["Embedding", "0..2", "got 3 at index (1, 0)"]),
    "a step with rows of floats": (trained(X[:2, :2]), TypeError, ["Embedding", "integers", "float32"]),
}

BAD |= {
    f"{name}: {option}": (made(name, *arguments, **{option: given}), TypeError, [name, option, repr(given)])
    for name, arguments, option, given in (
        ("LayerNorm", (3,), "elementwise_affine", 1),
        ("LayerNorm", (3,), "bias", 0),
        ("GroupNorm", (1, 3), "eps", "1e-5"),
        ("GroupNorm", (1, 3), "affine", 1),
        ("GroupNorm", (1, 3), "bias", 0),
        ("BatchNorm1d", (3,), "eps", "1e-5"),
        ("BatchNorm1d", (3,), "bias", 0),
    )
}

BAD |= {
    f"{name} of whole numbers": (made(name, *arguments, dtype=int), TypeError, [name, "float32 or float64", "int64"])
    for name, arguments in (("LayerNorm", (3,)), ("RMSNorm", (3,)), ("GroupNorm", (1, 3)), ("BatchNorm1d", (3,)))
}


@pytest.mark.parametrize("case", BAD)
def test_one_error_on_both_sides(case):
    act, kind, words = BAD[case]
    messages = []
    for side in SIDES.values():
        with pytest.raises(kind) as caught:
            act(side)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    for message in messages:
        assert "\n" not in message
        for word in words:
            assert word in message
