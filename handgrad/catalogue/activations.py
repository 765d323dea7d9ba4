"""The rows of the activations."""

import numpy as np

from handgrad.catalogue.row import NAN, NUMBER, Op, Options, Page, Refused, Vectors, X, call


def _vectors(
    *kinks: float, shape: tuple[int, ...] = (4,), options: Options | None = None, **variants: Options
) -> Vectors:
    return Vectors(options or {}, variants, shape, kinks or (-1.0, 0.0, 1.0))


def _curve(*points: float, span: tuple[float, float] = (-4.0, 4.0), **arguments: float) -> Page:
    return Page(arguments, ("wide",), (256, 64), (None,), span=span, points=points)


def _across(*row: float | None, width: int = 8, **arguments: int) -> Page:
    """One number of a row is varied, the others stay."""
    return Page(arguments, ("moderate",), (256, width), row)


LAST = {"dim": -1}
FIRST = {"first-axis": {"dim": 0}}

ACTIVATIONS: dict[str, Op] = {
    "CELU": Op(
        {"CELU": call().but("NaN"), "CELU(0.3)": call(0.3).but("NaN")},
        changes={"alpha": [0.5]},
        vectors=_vectors(alpha={"alpha": 0.3}),
        page=_curve(),
        bad={"CELU's alpha 0": Refused(call(0.0), ValueError, ["alpha must not be 0"])},
    ),
    "ELU": Op(
        {"ELU": call().but("NaN"), "ELU(2.1)": call(2.1).but("NaN"), "ELU(-1)": call(-1.0).but("NaN")},
        changes={"alpha": [0.5]},
        vectors=_vectors(alpha={"alpha": 2.1}),
        page=_curve(),
        bad={
            "alpha not a number": Refused(call(None), TypeError, ["alpha", "None"]),
            "alpha is a truth value": Refused(call(True), TypeError, ["alpha", "True"]),
        },
    ),
    "GELU": Op(
        {"GELU": call().but("inf", "both"), "GELU(tanh)": call(approximate="tanh")},
        changes={"approximate": ["tanh"]},
        vectors=_vectors(tanh={"approximate": "tanh"}),
        page=_curve(),
        bad={
            "approximate": Refused(call("tanhh"), ValueError, ["approximate", "none, tanh", "did you mean 'tanh'"]),
            "a list": Refused(call(), TypeError, ["NumPy array", "list"], ([1.0],)),
        },
    ),
    "GLU": Op(
        {"GLU": call().of(8), "GLU(dim=-1), two": call(dim=-1).of(2)},
        changes={"dim": [0]},
        shape=(4, 6),
        vectors=_vectors(shape=(8,)),
        page=_across(1.0, None),
        bad={
            "odd halves": Refused(call(), ValueError, ["dim=-1", "even", "(5, 3)"], (X,)),
            "halves of half an axis": Refused(call(0.5), TypeError, ["dim", "0.5"]),
            "halves of no axis": Refused(call(2), IndexError, ["dim=2", "(5, 3)"], (X,)),
            "halves of a number": Refused(call(), IndexError, ["dim=-1", "()"], (NUMBER,)),
        },
    ),
    "Hardshrink": Op(
        {
            "Hardshrink": call().but("NaN"),
            "Hardshrink(0.1)": call(0.1).but("NaN"),
            "Hardshrink(-1)": call(-1.0).but("NaN"),
        },
        changes={"lambd": [0.2]},
        vectors=_vectors(-0.5, 0.0, 0.5, lambd={"lambd": 0.1}),
        page=_curve(-0.5, 0.5, span=(-2.0, 2.0)),
        bad={"Hardshrink's λ": Refused(call(NAN), ValueError, ["lambd", "nan"])},
    ),
    "Hardsigmoid": Op(vectors=_vectors(-3.0, 0.0, 3.0), page=_curve(-3.0, 3.0, span=(-5.0, 5.0))),
    "Hardswish": Op(
        {"Hardswish": call().but("NaN")},
        vectors=_vectors(-3.0, 0.0, 3.0),
        page=_curve(-3.0, 3.0, span=(-5.0, 5.0)),
    ),
    "Hardtanh": Op(
        {"Hardtanh": call().but("NaN"), "Hardtanh(0, 0.1)": call(0.0, 0.1).but("NaN")},
        changes={"min_val": [-0.5], "max_val": [0.5]},
        vectors=_vectors(ends={"min_val": 0.0, "max_val": 0.5}),
        page=_curve(-1.0, 1.0, span=(-3.0, 3.0)),
        bad={
            "Hardtanh's ends": Refused(call(1.0, -1.0), ValueError, ["min_val=1.0", "max_val=-1.0"]),
            "Hardtanh's ends equal": Refused(call(max_val=-1.0), ValueError, ["min_val must be < max_val"]),
            "deprecated name": Refused(call(min_value=-2.0), TypeError, ["min_value"]),
        },
    ),
    "Identity": Op(vectors=_vectors(), page=_curve()),
    "LeakyReLU": Op(
        {
            "LeakyReLU": call(),
            "LeakyReLU(0.3)": call(0.3),
            "LeakyReLU(0)": call(0.0),
            "LeakyReLU(-2)": call(-2.0),
        },
        changes={"negative_slope": [0.3, 0.0, -1.0]},
        vectors=_vectors(0.0, slope={"negative_slope": 0.3}, negative={"negative_slope": -2.0}),
        page=_curve(0.0),
        bad={
            "slope not a number": Refused(call("0.1"), TypeError, ["negative_slope", "'0.1'"]),
            "NaN slope": Refused(call(NAN), ValueError, ["negative_slope", "finite", "nan"]),
            "infinite slope": Refused(call(-np.inf), ValueError, ["negative_slope", "finite", "-inf"]),
        },
    ),
    "LogSigmoid": Op(vectors=_vectors(), page=_curve()),
    "LogSoftmax": Op(
        {"LogSoftmax(dim=-1)": call(dim=-1), "LogSoftmax(dim=0)": call(dim=0)},
        start=LAST,
        changes={"dim": [0, -2]},
        vectors=Vectors(LAST, FIRST),
        page=_across(None, 0.0, 1.0, dim=-1),
    ),
    "Mish": Op(
        vectors=_vectors(),
        page=_curve(),
        bad={"integers": Refused(call(), TypeError, ["float32 or float64", "int64"], (X.astype(int),))},
    ),
    "PReLU": Op(
        {"PReLU": call(), "PReLU(init=-1.5)": call(init=-1.5)},
        changes={"num_parameters": [3], "init": [0.5], "dtype": [np.float64]},
        vectors=_vectors(0.0, channels={"num_parameters": 4}),
        page=_curve(0.0),
        bad={
            "no parameters": Refused(call(0), ValueError, ["num_parameters must be >= 1", "0"]),
            "half a parameter": Refused(call(1.5), TypeError, ["num_parameters", "1.5"]),
            "init": Refused(call(init="0.25"), TypeError, ["init", "'0.25'"]),
            "PReLU's dtype": Refused(call(dtype=np.int32), TypeError, ["float32 or float64", "int32"]),
            "channels": Refused(call(4), ValueError, ["num_parameters=4", "(5, 3)", "channels=3"], (X,)),
            "channels of one sample": Refused(call(3), ValueError, ["num_parameters=3", "(3,)", "channels=1"], (X[0],)),
            "another dtype than the slopes": Refused(call(), TypeError, ["float32", "float64"], (X.astype(float),)),
        },
    ),
    "RReLU": Op(
        {"RReLU": call(rng=10), "RReLU(-1, 2)": call(-1.0, 2.0, rng=11), "RReLU, evaluation": call().eval()},
        start={"rng": 0},
        changes={"lower": [0.2], "upper": [0.5], "rng": [1]},
        vectors=_vectors(0.0, evaluation={"training": False}),
        page=_curve(0.0),
        bad={"RReLU's ends": Refused(call(0.5, 0.25), ValueError, ["lower=0.5", "upper=0.25"])},
    ),
    "ReLU": Op(vectors=_vectors(0.0), page=_curve(0.0)),
    "ReLU6": Op(
        {"ReLU6": call().but("NaN")},
        vectors=_vectors(0.0, 6.0),
        page=_curve(0.0, 6.0, span=(-2.0, 8.0)),
        bad={"in place": Refused(call(inplace=True), TypeError, ["ReLU6() takes no arguments"])},
    ),
    "SELU": Op({"SELU": call().but("NaN")}, vectors=_vectors(0.0), page=_curve(0.0)),
    "SiLU": Op(vectors=_vectors(), page=_curve(span=(-6.0, 6.0))),
    "Sigmoid": Op(vectors=_vectors(), page=_curve(span=(-6.0, 6.0))),
    "Softmax": Op(
        {"Softmax(dim=-1)": call(dim=-1), "Softmax(dim=0)": call(dim=0)},
        start=LAST,
        changes={"dim": [0]},
        vectors=Vectors(LAST, FIRST),
        page=_across(None, 0.0, 1.0, dim=-1),
        bad={"a softmax along an axis to be guessed": Refused(call(), TypeError, ["dim"])},
    ),
    "Softmin": Op(
        {"Softmin(dim=-1)": call(dim=-1), "Softmin(dim=0)": call(dim=0)},
        start=LAST,
        changes={"dim": [0]},
        vectors=Vectors(LAST, FIRST),
        page=_across(None, 0.0, 1.0, dim=-1),
        bad={
            "dim of a softmin": Refused(call(-3), IndexError, ["dim=-3", "(5, 3)"], (X,)),
            "dim not whole": Refused(call(1.0), TypeError, ["dim", "1.0"]),
        },
    ),
    "Softplus": Op(
        {
            "Softplus": call(),
            "Softplus(beta=0.3)": call(0.3),
            "Softplus(beta=-2)": call(-2.0),
            "Softplus(threshold=1)": call(threshold=1.0),
        },
        changes={"beta": [2.0], "threshold": [0.5]},
        vectors=_vectors(0.0, 20.0, beta={"beta": 0.3}, threshold={"threshold": 1.0}),
        page=_curve(20.0),
        bad={
            "Softplus's beta 0": Refused(call(beta=0), ValueError, ["beta must not be 0"]),
            "Softplus's threshold": Refused(call(1.0, "20"), TypeError, ["threshold", "'20'"]),
        },
    ),
    "Softshrink": Op(
        {
            "Softshrink": call().but("NaN"),
            "Softshrink(0)": call(0.0).but("NaN"),
            "Softshrink(1.1)": call(1.1).but("NaN"),
        },
        changes={"lambd": [0.2]},
        vectors=_vectors(-0.5, 0.0, 0.5, lambd={"lambd": 1.1}),
        page=_curve(-0.5, 0.5, span=(-2.0, 2.0)),
        bad={"Softshrink's λ": Refused(call(-0.5), ValueError, ["lambd must be >= 0", "-0.5"])},
    ),
    "Softsign": Op({"Softsign": call().but("inf", "-inf", "both")}, vectors=_vectors(), page=_curve()),
    "SwiGLU": Op(
        {"SwiGLU": call().of(8), "SwiGLU(dim=-1), two": call(dim=-1).of(2)},
        changes={"dim": [0]},
        shape=(4, 6),
        degree=2,
        vectors=_vectors(shape=(8,)),
        page=_across(None, 1.0),
        bad={
            "odd halves of a SwiGLU": Refused(call(), ValueError, ["SwiGLU", "dim=-1", "even", "(5, 3)"], (X,)),
            "a SwiGLU along half an axis": Refused(call(0.5), TypeError, ["SwiGLU", "dim", "0.5"]),
            "a SwiGLU along no axis": Refused(call(2), IndexError, ["SwiGLU", "dim=2", "(5, 3)"], (X,)),
        },
    ),
    "Tanh": Op(vectors=_vectors(), page=_curve()),
    "Tanhshrink": Op(vectors=_vectors(), page=_curve()),
    "Threshold": Op(
        {"Threshold(0.5, -7)": call(0.5, -7.0), "Threshold(-1, 0.1)": call(-1.0, 0.1)},
        start={"threshold": 0.1, "value": 0.2},
        changes={"threshold": [0.5], "value": [1.0]},
        vectors=_vectors(0.5, options={"threshold": 0.5, "value": -7.0}, negative={"threshold": -1.0, "value": 0.1}),
        page=_curve(1.0, threshold=1.0, value=0.5),
        bad={
            "Threshold's threshold": Refused(call("0.1", 0.0), TypeError, ["threshold", "'0.1'"]),
            "Threshold's value": Refused(call(0.1, None), TypeError, ["value", "None"]),
            "Threshold without a value": Refused(call(0.1), TypeError, ["value"]),
        },
    ),
}
