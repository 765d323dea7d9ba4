"""What the code of `scratch` computes, as formulas: its source, executed once more with a NumPy that computes nothing.

A number is a SymPy expression, a comparison chooses between two of them, and `np.where`, `np.maximum` or a mask make a
`Switch` of that. So `backward`, line by line as it stands, becomes the formula of the derivative, and can be proved to
be that of the formula in the docstring.
"""

import builtins
import functools
import importlib
import inspect
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import sympy

import scratch
from docs.writers.proof import algebra
from docs.writers.proof.algebra import Equal, Expr, Switch

LETTERS = dict(
    zip(
        ("alpha", "lambd", "negative_slope", "beta", "delta", "margin", "eps", "weight", "pos_weight", "init"),
        ("α", "λ", "a", "β", "δ", "Δ", "ε", "w", "c", "w_c"),
        strict=True,
    )
)
LETTERS |= {"lower": "a", "upper": "a", "ALPHA": "α", "LAMBDA": "λ"}
LETTERS |= {name: name for name in ("threshold", "value", "min_val", "max_val")}
"""What the docstrings call an option, or a constant of the class."""


class Truth:
    """A comparison: `choose(a, b)` is a where it holds, else b."""

    def __init__(self, choose: Callable[[Expr, Expr], Expr]) -> None:
        self.choose = choose

    def __and__(self, other: "Truth") -> "Truth":
        return Truth(lambda yes, no: self.choose(other.choose(yes, no), no))

    def __or__(self, other: "Truth") -> "Truth":
        return Truth(lambda yes, no: self.choose(yes, other.choose(yes, no)))

    def __invert__(self) -> "Truth":
        return Truth(lambda yes, no: self.choose(no, yes))

    def __bool__(self) -> bool:
        raise TypeError("the code branches where it depends on the numbers")


class Number:
    """A number of any array."""

    shape: tuple[int, ...] = ()
    size, ndim = 1, 0

    def __init__(self, formula: Expr) -> None:
        self.formula = formula

    @property
    def dtype(self) -> Any:
        return types.SimpleNamespace(type=lambda value: Number(exact(value)))

    def __add__(self, other: Any) -> "Number":
        return Number(self.formula + exact(other))

    def __sub__(self, other: Any) -> "Number":
        return Number(self.formula - exact(other))

    def __rsub__(self, other: Any) -> "Number":
        return Number(exact(other) - self.formula)

    def __mul__(self, other: Any) -> "Number":
        return Number(self.formula * exact(other))

    def __truediv__(self, other: Any) -> "Number":
        return Number(self.formula / exact(other))

    def __rtruediv__(self, other: Any) -> "Number":
        return Number(exact(other) / self.formula)

    __radd__, __rmul__ = __add__, __mul__

    def __abs__(self) -> "Number":
        return Number(algebra.absolute(self.formula))

    def __neg__(self) -> "Number":
        return Number(-self.formula)

    def __gt__(self, other: Any) -> Truth:
        return Truth(lambda yes, no: Switch(self.formula - exact(other), yes, no, no))

    def __lt__(self, other: Any) -> Truth:
        return Truth(lambda yes, no: Switch(exact(other) - self.formula, yes, no, no))

    def __ge__(self, other: Any) -> Truth:
        below: Truth = self < other
        return ~below

    def __le__(self, other: Any) -> Truth:
        above: Truth = self > other
        return ~above

    def __eq__(self, other: object) -> Any:
        return Truth(functools.partial(Equal, self.formula, exact(other)))

    def __ne__(self, other: object) -> Any:
        return ~(self == other)

    __hash__ = None  # type: ignore[assignment]  # `==` gives a formula: it cannot be a key

    def clip(self, low: Any, high: Any) -> "Number":
        result = self.formula
        if low is not None:
            result = algebra.maximum(result, exact(low))
        return Number(result if high is None else algebra.minimum(result, exact(high)))

    def same(self, *args: Any) -> "Number":
        return self

    sum = reshape = copy = astype = same


def exact(value: Any) -> Expr:
    """A number of the code as a formula; a float is the decimal fraction that it is written as, ∞ a bound far out."""
    if isinstance(value, Number):
        return value.formula
    if isinstance(value, Truth):
        return value.choose(sympy.Integer(1), sympy.Integer(0))
    number = float(value)
    return sympy.Rational(repr(number)) if np.isfinite(number) else sympy.Integer(10) ** 400


def _of(function: Callable[..., Expr]) -> Callable[..., Number]:
    return lambda *args, **options: Number(function(*map(exact, args)))


def _where(condition: Truth, yes: Any, no: Any) -> Number:
    return Number(condition.choose(exact(yes), exact(no)))


class _Numpy:
    """Of NumPy what the elementwise ops use; anything else is NumPy's own."""

    def __init__(self) -> None:
        vars(self).update(
            exp=_of(sympy.exp),
            log=_of(sympy.log),
            log1p=_of(lambda a: sympy.log(1 + a)),
            expm1=_of(lambda a: sympy.exp(a) - 1),
            tanh=_of(algebra.tanh),
            sinh=_of(algebra.sinh),
            abs=_of(algebra.absolute),
            maximum=_of(algebra.maximum),
            minimum=_of(algebra.minimum),
            subtract=_of(lambda a, b: a - b),
            zeros_like=_of(lambda a: sympy.Integer(0)),
            clip=lambda value, low, high: value.clip(low, high),
            where=_where,
            asarray=lambda value, dtype=None: value,
            broadcast_to=lambda value, shape: value,
            full=lambda shape, value, dtype: value if isinstance(value, Number) else np.full(shape, value, dtype),
            split=lambda pair, parts, axis: pair,
            concatenate=lambda parts, axis: tuple(parts),
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


_MATH = types.SimpleNamespace(pi=Number(sympy.pi), sqrt=_of(sympy.sqrt), log=_of(sympy.log))


class _Checks:
    """No number is refused; what a check returns is what it was given."""

    def __getattr__(self, name: str) -> Any:
        place = {"elementwise_loss": 2, "gaussian_nll_loss": 2, "loss_grad_output": 1}.get(name)
        return lambda *args, **options: None if place is None else args[place]


class _Base:
    """What `Module` and `Loss` do for an op: keep values from forward to backward."""

    name, training = "", False

    def __init__(self, reduction: str = "none") -> None:
        self.reduction = reduction

    def __init_subclass__(cls, **options: Any) -> None:
        pass

    def _remember(self, output: Any, *values: Any) -> Any:
        self._memory = values
        return output

    def _recall(self, grad_output: Any) -> tuple[Any, ...]:
        return self._memory

    def _reduce(self, values: Any, *memory: Any, **options: Any) -> Any:
        self._memory = memory
        return values


class _Loss(_Base):
    def _recall(self, grad_output: Any) -> tuple[Any, ...]:
        return (*self._memory, grad_output)


class _Data(list[Number]):
    """A parameter of one number."""

    dtype = None


class _Parameter:
    def __init__(self, data: Number) -> None:
        self.data = _Data([data])

    def accumulate(self, gradient: Number) -> None:
        self.grad = gradient


def _tail(x: Number) -> tuple[Number, Number]:
    """e^{−a²/2} and R with Φ(−a) = e^{−a²/2}·R for a = |x|, as `normal_tail` approximates them."""
    a = algebra.absolute(x.formula)
    e = sympy.exp(-(x.formula**2) / 2)
    return Number(e), Number(algebra.normal(-a) / e)


FUNCTIONS = {
    "zero_where": lambda off, x: _where(off, 0, x),  # which masks bits
    "normal_tail": _tail,  # which is a polynomial, right to a last bit
    "not_positive": lambda x: Number(algebra.minimum(x.formula, sympy.Integer(0))),
}
"""Functions that are no formula, and the formula that each computes. Their own tests hold them to it."""

STAND_INS: dict[str, Any] = {
    "numpy": _Numpy(),
    "math": _MATH,
    "contract": types.SimpleNamespace(checks=_Checks(), loss_checks=_Checks()),
    "scratch.module": types.SimpleNamespace(Array=Any, Module=_Base, Parameter=_Parameter),
    "scratch.flags": types.SimpleNamespace(told_if_it_shows=lambda compute: compute(), product=None),
    "scratch.init": types.SimpleNamespace(Rng=Any),
    "scratch.losses.loss": types.SimpleNamespace(Loss=_Loss, PairLoss=_Loss, Target=Any, kept=lambda weight: weight),
}


@functools.cache
def _module(name: str) -> Any:
    return execute(name, Path(importlib.import_module(name).__file__ or "").read_text(encoding="utf-8"))


def execute(name: str, source: str) -> Any:
    """The `source` of a file of `scratch`, executed with the stand-ins."""

    def load(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        if name in STAND_INS:
            return STAND_INS[name]
        if name == "numpy.typing" or not name.startswith("scratch"):
            return builtins.__import__(name, globals, locals, fromlist, level)
        return _module(name)

    module = types.ModuleType(name)
    vars(module)["__builtins__"] = {**vars(builtins), "__import__": load}
    exec(compile(source, name, "exec"), vars(module))
    if name == "scratch.activations.functions":
        vars(module).update(FUNCTIONS)
    return module


def formulas(name: str, module: Any = None, **options: Any) -> tuple[Expr, dict[str, Expr]]:
    """What forward of the op `name` computes, and backward for an upstream gradient g, by the variable.

    Options that are numbers are variables, called as in the docstrings, and so are x and the target t; others have
    their defaults or are given. `module` is its file, executed, if that is not as it stands.
    """
    kind = getattr(scratch, name)
    op_class = getattr(module or _module(kind.__module__), name)
    letters = {option: Number(algebra.real(letter)) for option, letter in LETTERS.items()}
    op = op_class(**{o: letters[o] for o in inspect.signature(kind).parameters if o in letters} | options)
    vars(op).update({constant: letters[constant] for constant in ("ALPHA", "LAMBDA") if hasattr(op, constant)})
    variables = VARIABLES.get(name, ("x", "t") if isinstance(op, _Loss) else ("x",))
    arrays = [Number(algebra.real(variable)) for variable in variables]
    y = op.forward(_Pair(arrays)) if name in GATES else op.forward(*arrays)
    found = op.backward(Number(algebra.real("g")))
    by = [v for v in variables if v != "t"]
    slopes = dict(zip(by, map(exact, found if isinstance(found, tuple) else (found,)), strict=True))
    for parameter in vars(op).values():
        if isinstance(parameter, _Parameter):
            slopes[str(exact(parameter.data[0]))] = exact(parameter.grad)
    return exact(y), slopes


class _Pair(list[Number]):
    """The two halves of a gate's input."""

    shape = (2,)


GATES = ("GLU", "SwiGLU")
VARIABLES = {
    **dict.fromkeys(GATES, ("a", "b")),
    "BCELoss": ("p", "t"),
    "MarginRankingLoss": ("x₁", "x₂", "t"),
    "GaussianNLLLoss": ("x", "t", "v"),
}
"""The arguments of forward, where they are not x, or x and t."""

VARIANTS: dict[str, list[dict[str, Any]]] = {
    "GELU": [{}, {"approximate": "tanh"}],
    "KLDivLoss": [{}, {"log_target": True}],
    "PoissonNLLLoss": [{}, {"log_input": False}],
    "PReLU": [{"num_parameters": 1}],
}
"""Options for each value that a docstring states, in their order, where there are several."""

ASSUMED = {"GaussianNLLLoss": ("v", "ε")}
"""The first is larger: below its clamp the variance has the gradient that it would have at it, as in PyTorch."""

NOT_RUN = {"BCELoss": "it is clamped, as PyTorch's, where the formula has no value"}
CUT_OFF = {"Tanhshrink": "its value is Lambert's continued fraction, cut off where a last bit is left"}
"""Ops whose value is not compared, but the derivative."""
