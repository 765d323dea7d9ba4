"""Bad arguments of the activations: the same error in the same words on both sides."""

import numpy as np
import pytest

from parity_tests.catalogue.tables import SIDES

X = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
NAN = float("nan")


def made(name, *args, **options):
    return lambda side: getattr(side, name)(*args, **options)


def called(name, x, *args, **options):
    return lambda side: getattr(side, name)(*args, **options)(x)


# what is done → (error, words it must contain)
BAD = {
    "slope not a number": (made("LeakyReLU", "0.1"), TypeError, ["negative_slope", "'0.1'"]),
    "NaN slope": (made("LeakyReLU", NAN), ValueError, ["negative_slope", "finite", "nan"]),
    "infinite slope": (made("LeakyReLU", -np.inf), ValueError, ["negative_slope", "finite", "-inf"]),
    "alpha not a number": (made("ELU", None), TypeError, ["alpha", "None"]),
    "alpha is a truth value": (made("ELU", True), TypeError, ["alpha", "True"]),
    "CELU's alpha 0": (made("CELU", 0.0), ValueError, ["alpha must not be 0"]),
    "Softplus's beta 0": (made("Softplus", beta=0), ValueError, ["beta must not be 0"]),
    "Softplus's threshold": (made("Softplus", 1.0, "20"), TypeError, ["threshold", "'20'"]),
    "Threshold's threshold": (made("Threshold", "0.1", 0.0), TypeError, ["threshold", "'0.1'"]),
    "Threshold's value": (made("Threshold", 0.1, None), TypeError, ["value", "None"]),
    "Threshold without a value": (made("Threshold", 0.1), TypeError, ["value"]),
    "approximate": (made("GELU", "tanhh"), ValueError, ["approximate", "none, tanh", "did you mean 'tanh'"]),
    "Hardtanh's ends": (made("Hardtanh", 1.0, -1.0), ValueError, ["min_val=1.0", "max_val=-1.0"]),
    "Hardtanh's ends equal": (made("Hardtanh", max_val=-1.0), ValueError, ["min_val must be < max_val"]),
    "RReLU's ends": (made("RReLU", 0.5, 0.25), ValueError, ["lower=0.5", "upper=0.25"]),
    "Softshrink's λ": (made("Softshrink", -0.5), ValueError, ["lambd must be >= 0", "-0.5"]),
    "Hardshrink's λ": (made("Hardshrink", NAN), ValueError, ["lambd", "nan"]),
    "no parameters": (made("PReLU", 0), ValueError, ["num_parameters must be >= 1", "0"]),
    "half a parameter": (made("PReLU", 1.5), TypeError, ["num_parameters", "1.5"]),
    "init": (made("PReLU", init="0.25"), TypeError, ["init", "'0.25'"]),
    "PReLU's dtype": (made("PReLU", dtype=np.int32), TypeError, ["float32 or float64", "int32"]),
    "channels": (called("PReLU", X, 4), ValueError, ["num_parameters=4", "(5, 3)", "channels=3"]),
    "channels of one sample": (called("PReLU", X[0], 3), ValueError, ["num_parameters=3", "(3,)", "channels=1"]),
    "another dtype than the slopes": (called("PReLU", X.astype(float)), TypeError, ["float32", "float64"]),
    "odd halves": (called("GLU", X), ValueError, ["dim=-1", "even", "(5, 3)"]),
    "halves of half an axis": (made("GLU", 0.5), TypeError, ["dim", "0.5"]),
    "halves of no axis": (called("GLU", X, 2), IndexError, ["dim=2", "(5, 3)"]),
    "halves of a number": (called("GLU", X[0, 0:1].reshape(())), IndexError, ["dim=-1", "()"]),
    "dim of a softmin": (called("Softmin", X, -3), IndexError, ["dim=-3", "(5, 3)"]),
    "dim not whole": (made("Softmin", 1.0), TypeError, ["dim", "1.0"]),
    "a softmax along an axis to be guessed": (made("Softmax"), TypeError, ["dim"]),
    "in place": (made("ReLU6", inplace=True), TypeError, ["ReLU6() takes no arguments"]),
    "deprecated name": (made("Hardtanh", min_value=-2.0), TypeError, ["min_value"]),
    "integers": (called("Mish", X.astype(int)), TypeError, ["float32 or float64", "int64"]),
    "a list": (called("GELU", [1.0]), TypeError, ["NumPy array", "list"]),
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


@pytest.mark.parametrize("side", SIDES)
def test_threshold_and_glu_have_no_name(side):
    """Threshold's numbers have no defaults; GLU would halve the width that the next layer expects."""
    for name in ("threshold", "glu"):
        with pytest.raises(ValueError, match="activation must be one of"):
            SIDES[side].MLP([3, 2], name)
