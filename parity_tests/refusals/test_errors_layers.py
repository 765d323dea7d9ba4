"""Bad arguments of the layers: the same error in the same words on both sides."""

import numpy as np
import pytest

from handgrad import catalogue
from parity_tests.catalogue.tables import SIDES, refused

X = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
ROWS = np.array([[0, 1], [2, 2]])


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
    **refused(catalogue.LAYERS),
    "f of another width": (in_a_row(4, 4), ValueError, ["Linear", "in_features=3"]),
    "x and f(x) of two widths": (in_a_row(2), ValueError, ["Residual", "(5, 3)", "(5, 2)", "equal"]),
    "x and f(x) that broadcast": (in_a_row(1), ValueError, ["Residual", "(5, 3)", "(5, 1)"]),
    "x and f(x) of two dtypes": (
        lambda side: side.Residual(side.Embedding(3, 2)).forward(ROWS),
        TypeError,
        ["Residual: input must be float32; got int64"],
    ),
    "a way around nothing": (lambda side: side.Residual(), ValueError, ["Residual", "no module"]),
    "a pair's upstream": (
        backward("Bilinear", (X, X), X, 3, 3, 4),
        ValueError,
        ["grad_output has shape (5, 3)", "(5, 4)"],
    ),
    "a pair, backward first": (lambda side: side.Bilinear(1, 1, 1).backward(X), RuntimeError, ["backward", "before"]),
    "a step with a row past the end": (trained(ROWS + 1), IndexError, ["Embedding", "0..2", "got 3 at index (1, 0)"]),
    "a step with rows of floats": (trained(X[:2, :2]), TypeError, ["Embedding", "integers", "float32"]),
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
