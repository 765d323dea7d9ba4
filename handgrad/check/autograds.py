"""A tensor autograd, a class with `data`, `grad`, operators and `backward()` on arrays, as a function and its gradient.

Every operator that the class has is given a matrix of its own, called after it, so that a wrong gradient names its
operator. The leaves are parts of that matrix: two rows and two rows, or three and one, two columns and one, or three
rows and one number where it is to broadcast.
"""

import contextlib
import inspect
import itertools
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.check.subject import Array, required

SHAPE = (4, 3)
Leaves = Callable[[Array], list[Array]]
Way = Callable[[type, Any, Array], None]


def _whole(x: Array) -> list[Array]:
    return [x]


def _halves(x: Array) -> list[Array]:
    return [x[:2], x[2:]]


def _square(x: Array) -> list[Array]:
    return [x[:3], x[1:]]  # of square matrices a transpose that is forgotten raises nothing


def _block(x: Array) -> list[Array]:
    return [x[:3]]  # nor does an axis that is another one


def _row(x: Array) -> list[Array]:
    return [x[:3], x[3]]


def _kept_row(x: Array) -> list[Array]:
    return [x[:3], x[3:]]


def _column(x: Array) -> list[Array]:
    return [x[:, :2], x[:, 2:]]


def _number(x: Array) -> list[Array]:
    return [x[:3], x[3, 0]]


def _positive(x: Array) -> list[Array]:
    return [x * x + 0.5]


def _divisor(x: Array) -> list[Array]:
    return [x[:2], x[2:] * x[2:] + 0.5]


def _methods(*names: str) -> Callable[..., Any]:
    """A call of the first of these methods that the class has."""

    def call(a: Any, *others: Any) -> Any:
        name = next(n for n in names if callable(getattr(type(a), n, None)))
        return getattr(a, name)(*others)

    return call


def _along(name: str, axis: int, **options: Any) -> Callable[[Any], Any]:
    """A reduction along an axis, however the class calls that."""

    def call(a: Any) -> Any:
        f = getattr(a, name)
        named = [p for p in inspect.signature(f).parameters if p in ("axis", "dim")]
        return f(**{named[0]: axis}, **options) if named else f(axis, **options)

    return call


def _twice(a: Any, b: Any) -> Any:
    """What is used twice, on paths of unequal length."""
    product = multiplied(a, b)
    return _added(multiplied(product, a), product)


def _again(leaf: Callable[[Array], Any], f: Callable[..., Any], leaves: Leaves) -> Callable[..., Any]:
    """An operator of the same leaves twice, as what comes back to a leaf adds up, joined by what the class has."""

    def negated(a: Any, b: Any) -> Any:
        return _subtracted(a, _subtracted(leaf(np.zeros(np.shape(b.data))), b))

    for join in (_added, multiplied, negated):

        def call(*mine: Any, join: Callable[..., Any] = join) -> Any:
            return join(f(*mine), f(*mine))

        if _runs(leaf, "", call, leaves):
            return call
    return f


_added = _methods("__add__", "add")
multiplied = _methods("__mul__", "mul")
_subtracted = _methods("__sub__", "sub")
_matmul = _methods("__matmul__", "matmul", "dot", "mm", "mat_mul")
ANYWHERE = ("relu", "tanh", "sigmoid", "exp", "sin", "cos", "abs", "leaky_relu", "gelu", "silu", "square", "softplus")
OPERATORS: tuple[tuple[str, Callable[..., Any], Leaves], ...] = (
    ("add", _added, _halves),
    ("mul", multiplied, _halves),
    ("sub", _subtracted, _halves),
    ("div", _methods("__truediv__", "div", "truediv"), _divisor),
    ("matmul", _matmul, _square),
    ("matmul_itself", lambda a: _matmul(a, a), _block),
    ("neg", _methods("__neg__", "neg"), _whole),
    ("power", lambda a: a**3, _whole),
    ("power_of_both", lambda exponent, base: base**exponent, _divisor),
    *((n, _methods(n), _whole) for n in ANYWHERE),
    *((n, _methods(n), _positive) for n in ("log", "sqrt")),
    ("softmax", _methods("softmax"), _block),
    ("log_softmax", _methods("log_softmax", "logsoftmax"), _block),
    ("sum_all", _methods("sum"), _whole),
    ("sum_rows", _along("sum", 0), _block),
    ("sum_columns", _along("sum", 1), _block),
    ("sum_kept", _along("sum", 1, keepdims=True), _block),
    ("mean_all", _methods("mean"), _whole),
    ("mean_rows", _along("mean", 0), _block),
    ("max_all", _methods("max"), _whole),
    ("transpose", lambda a: a.T if hasattr(a, "T") else a.transpose(), _whole),
    ("reshape", lambda a: a.reshape(3, 4), _whole),
    ("number_plus", lambda a: 3 + a, _whole),
    ("number_times", lambda a: 3 * a, _whole),
    ("number_minus", lambda a: 3 - a, _whole),
    ("number_by", lambda a: 3 / a, _positive),
    ("add_row", _added, _row),
    ("mul_row", multiplied, _row),
    ("add_kept_row", _added, _kept_row),
    ("mul_kept_row", multiplied, _kept_row),
    ("add_column", _added, _column),
    ("mul_column", multiplied, _column),
    ("sub_column", _subtracted, _column),
    ("add_number", _added, _number),
    ("mul_number", multiplied, _number),
    ("used_twice", _twice, _halves),
)
BROADCAST = (_row, _kept_row, _column, _number)
REQUIRES = ("requires_grad", "requires_gradient", "autograd", "req_grad", "require_grad", "track", "track_grad")


def leaves_of(kind: type) -> Callable[[Any], Any] | None:
    """How a class with `backward` makes a leaf that is to have a gradient, of a number or an array; None if it needs
    more than that."""
    if [p.name for p in required(kind)[1:] if p.name not in REQUIRES] or not callable(getattr(kind, "backward", None)):
        return None
    if not required(kind):
        return None
    named = inspect.signature(kind).parameters
    options = [n for n in named if n in REQUIRES]

    def leaf(a: Any) -> Any:
        dtype = np.asarray(a).dtype
        floats = dtype.kind in "fc"
        given = dict.fromkeys(options, floats) | ({} if floats or "dtype" not in named else {"dtype": dtype})
        made = kind(np.array(a) if isinstance(a, np.ndarray) else a, **given)
        for name in REQUIRES:
            if floats and getattr(made, name, None) is False:  # it is set when it is made
                with contextlib.suppress(AttributeError):
                    setattr(made, name, True)
        return made

    return leaf


def way(kind: type, leaf: Callable[[Any], Any]) -> Way | None:
    """How the backward of an autograd on arrays is started; None of a class that is none."""
    try:
        made = leaf(np.ones(SHAPE))
        reduces = any(callable(getattr(kind, n, None)) for n in ("__matmul__", "matmul", "dot", "mm", "sum"))
        if np.shape(made.data) != SHAPE or not hasattr(made, "grad") or not reduces:
            return None
    except Exception:  # it takes no array, or keeps it elsewhere
        return None
    runs = itertools.islice((o for o in OPERATORS if o[2] not in BROADCAST and _runs(leaf, *o)), 3)
    of = [[_right_shapes(kind, leaf, back, *o) for back in WAYS] for o in runs]
    started = [sum(right) for right in zip(*of, strict=True)] or [0]
    return WAYS[started.index(max(started))] if any(started) else None


def tensors(kind: type) -> tuple[Callable[..., Any], Callable[..., Any]] | None:
    """A tensor autograd as a function of one matrix for each operator, and its gradient; None for any other class."""
    leaf = leaves_of(kind)
    if leaf is None or (back := way(kind, leaf)) is None:
        return None
    runs = [o for o in OPERATORS if o[2] not in BROADCAST and _runs(leaf, *o)]
    runs = [o for o in runs if not o[0].startswith("number") or _raises_nothing(kind, leaf, back, *o)]
    # An exponent need not have a gradient.
    runs = [o for o in runs if o[0] != "power_of_both" or _right_shapes(kind, leaf, back, *o)]
    for shape in BROADCAST:
        mine = [o for o in OPERATORS if o[2] is shape and _runs(leaf, *o) and _raises_nothing(kind, leaf, back, *o)]
        if _broadcasts(kind) or any(_right_shapes(kind, leaf, back, *o) for o in mine):
            runs += mine  # else it makes no claim to broadcast this
    known = [(n, _again(leaf, f, leaves), leaves) for n, f, leaves in runs]
    summed = back is ones  # then only a sum has a gradient
    last: dict[str, tuple[bytes, Array]] = {}

    def outputs(name: str, f: Callable[..., Any], leaves: Leaves, x: Array) -> Array:
        key = x.dtype.char.encode() + x.tobytes()
        if name not in last or last[name][0] != key:
            out = np.ravel(f(*map(leaf, leaves(x))).data)
            last[name] = key, out.sum(keepdims=True) if summed else out
        return last[name][1]

    def f(*xs: Array) -> Array:
        if any(x.shape != SHAPE for x in xs):
            raise ValueError(f"each operator takes a matrix of shape {SHAPE}")
        return np.concatenate([outputs(*operator, x) for operator, x in zip(known, xs, strict=True)])

    def gradient(*given: Array) -> tuple[Any, ...]:
        *xs, dout = given
        found, at = [], 0
        for (_, operator, leaves), x in zip(known, xs, strict=True):
            mine = [leaf(a) for a in leaves(x)]
            out = operator(*mine)
            size = 1 if summed else np.size(out.data)
            u = dout[at : at + size]
            back(kind, out, u[:1] if summed else u.reshape(np.shape(out.data)))
            found.append(_joined(mine, x, leaves) * (u[0] if summed else 1))
            at += size
        return tuple(found)

    names = [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n, _, _ in known]
    upstream = inspect.Parameter("dout", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    f.__signature__ = inspect.Signature(names)  # type: ignore[attr-defined]  # a function may have one
    gradient.__signature__ = inspect.Signature([*names, upstream])  # type: ignore[attr-defined]
    f.__name__, gradient.__name__ = kind.__name__, "backward"
    return f, gradient


def _array(kind: type, out: Any, u: Array) -> None:
    out.backward(**{_upstream(kind): np.array(u)})


def _tensor(kind: type, out: Any, u: Array) -> None:
    out.backward(**{_upstream(kind): kind(np.array(u))})


def _weighted(kind: type, out: Any, u: Array) -> None:
    if u.size == 1 and u.ravel()[0] == 1:
        out.backward()
    else:
        weighted = multiplied(out, kind(np.array(u)))
        (weighted if np.ndim(out.data) == 0 else _methods("sum")(weighted)).backward()


def ones(kind: type, out: Any, u: Array) -> None:
    out.backward()


def _upstream(kind: Any) -> str:
    """What backward calls the upstream, "" if it takes none; a flag, as `retain_graph`, is none."""
    _, *given = inspect.signature(kind.backward).parameters.values()
    for p in given:
        named = p.default is p.empty or re.search(UPSTREAM, p.name.lower())
        flag = isinstance(p.default, bool) or p.annotation in (bool, "bool") or re.search(FLAG, p.name.lower())
        if named and not flag and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY):
            return p.name
    return ""


UPSTREAM = r"grad|^g[yo]?$|^[uv]$|^d([a-z]|_.*|out|loss|elta)?$|out|upstream|seed|err|adjoint|cotangent|incoming|init"
FLAG = r"graph|retain|accum|keep|free|clear|zero|visit|verbose|debug"
"""Names of what backward is told, and does not hand on."""
WAYS = (_array, _tensor, _weighted, ones)
"""How backward starts with an upstream: given it as it is, as a tensor, of a sum with weights, or of ones alone."""


def _started(leaf: Callable[[Array], Any], f: Callable[..., Any], leaves: Leaves) -> tuple[list[Any], Any]:
    mine = [leaf(a) for a in leaves(np.linspace(-1, 1.75, 12).reshape(SHAPE))]
    return mine, f(*mine)


def _runs(leaf: Callable[[Array], Any], name: str, f: Callable[..., Any], leaves: Leaves) -> bool:
    """Whether the class has an operator."""
    try:
        mine, out = _started(leaf, f, leaves)
        np.ravel(out.data).astype(np.float64)
    except Exception:  # another signature, or no such operator
        return False
    return isinstance(out, type(mine[0]))


def _raises_nothing(kind: type, leaf: Any, way: Any, name: str, f: Callable[..., Any], leaves: Leaves) -> bool:
    try:
        _, out = _started(leaf, f, leaves)
        way(kind, out, np.ones(np.shape(out.data)) / 2)
    except Exception:  # it starts in another way, or refuses what it was given
        return False
    return True


def _right_shapes(kind: type, leaf: Any, way: Any, name: str, f: Callable[..., Any], leaves: Leaves) -> bool:
    """Whether backward runs in a way, and gives each leaf a gradient of its own shape."""
    if way in (_array, _tensor) and not _upstream(kind):
        return False
    if not _raises_nothing(kind, leaf, way, name, f, leaves):
        return False
    mine, out = _started(leaf, f, leaves)
    way(kind, out, np.ones(np.shape(out.data)) / 2)
    return all(m.grad is not None and np.shape(came_back(m)) == np.shape(m.data) for m in mine)


def _broadcasts(kind: type) -> bool:
    """Whether its module, or itself, has a function that says so."""
    space = getattr(getattr(kind, "backward", None), "__globals__", {})
    return any("broadcast" in n.lower() and callable(v) for n, v in (*space.items(), *vars(kind).items()))


def came_back(leaf: Any) -> Array:
    """The gradient of a leaf, which may be a tensor itself; 0 where nothing came back."""
    g = leaf.grad
    if type(g) in type(leaf).__mro__[:-1]:
        g = g.data
    return np.zeros(np.shape(leaf.data)) if g is None else np.asarray(g)


PLACES: dict[Leaves, tuple[Any, ...]] = {
    _whole: (slice(4),),
    _positive: (slice(4),),
    _halves: (slice(2), slice(2, 4)),
    _divisor: (slice(2), slice(2, 4)),
    _square: (slice(3), slice(1, 4)),
    _block: (slice(3),),
    _row: (slice(3), 3),
    _kept_row: (slice(3), slice(3, 4)),
    _column: (np.s_[:, :2], np.s_[:, 2:]),
    _number: (slice(3), (3, 0)),
}
"""Where in the matrix the leaves are."""


def _joined(mine: list[Any], x: Array, leaves: Leaves) -> Array:
    """The gradients of the leaves as one of the matrix that they are parts of."""
    total = np.zeros(x.shape)
    places = PLACES[leaves]
    for tensor, start, place in zip(mine, leaves(x), places, strict=True):
        g = came_back(tensor)
        if g.shape != start.shape:
            return g
        inner = leaves is _positive or (leaves is _divisor and place != places[0])  # of x² + ½
        total[place] += g * 2 * x[place] if inner else g
    return total
