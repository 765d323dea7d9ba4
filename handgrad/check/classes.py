"""Classes that hold what others are given: turned into what the readers of `readings` know.

| class | becomes |
|---|---|
| `Value(number)` with operators and `backward()`, a scalar autograd | a function of five numbers to all its operators |
| `Affine(W, b)`, made of its parameters | objects with parameters of the shapes that these may have |
| `Net(x, y)` with `feedforward()` and `backprop()` | the same net with `forward(x)` and `backward(y)` |
| `LstmNode(lstm_param, lstm_state)`, made of objects of other classes | one of these made of sizes |
| a cell whose methods are given a dict of parameters | the same cell, which keeps them |
| a `Function` with `forward(ctx, x)` and `backward(ctx, grad)` | an object that keeps the context |
| a `Function` that keeps its inputs when it is called | an object whose forward calls it |
| a `jax.custom_vjp` | an object with its function and its two rules |
| a cost with `fn(a, y)` and `delta(z, a, y)` | a loss of z, behind the activation of its module |
"""

import dis
import inspect
import itertools
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from handgrad.check import autograds, conventions, held
from handgrad.check import shapes as found_shapes
from handgrad.check.conventions import bare, role
from handgrad.check.inputs import part
from handgrad.check.subject import Array, attribute, inner, required

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "__add__": lambda a, b: a + b,
    "__mul__": lambda a, b: a * b,
    "__sub__": lambda a, b: a - b,
    "__truediv__": lambda a, b: a / b,
    "__neg__": lambda a, b: -a,
    "__radd__": lambda a, b: 3 + a,
    "__rmul__": lambda a, b: 3 * a,
    "__rsub__": lambda a, b: 3 - a,
    "__rtruediv__": lambda a, b: 3 / a,
    "__pow__": lambda a, b: a**3,
}
ANYWHERE = ("relu", "tanh", "sigmoid", "exp", "sin", "cos", "abs", "leaky_relu", "gelu", "silu", "square")
POSITIVE = ("log", "sqrt")  # of numbers above 0
Pair = tuple[Callable[..., Any], Callable[..., Any]]


def scalars(kind: type) -> Pair | None:
    """A scalar autograd as a function of five numbers and its gradient; None for any other class.

    Each operator is an output of its own, alone and with what it is given used again outside of it, before and after,
    as a grad is to add up. So are sums and products from which paths of unequal length lead back, as nodes have an
    order.
    """
    leaf = autograds.leaves_of(kind)
    if leaf is None or not all(callable(getattr(kind, n, None)) for n in ("__add__", "__mul__")):
        return None
    if len(required(kind.backward)) != 1:  # type: ignore[attr-defined]
        return None
    try:
        made = leaf(0.5)
        if not (np.shape(made.data) == np.shape(made.grad) == ()):
            return None
    except Exception:  # it takes no number, or keeps it elsewhere
        return None

    def power(a: Any, b: Any) -> Any:
        """Of a base above 0, and an exponent that leaves the other outputs as visible."""
        return (a * a + leaf(0.5)) ** (b * leaf(0.125))

    methods = [n for n in ANYWHERE + POSITIVE if _alone(kind, n)]
    operators = [f for n, f in OPERATORS.items() if callable(getattr(kind, n, None))]
    operators += [*(_method(n) for n in methods), *([power] if _takes(power, leaf) else [])]
    outputs = [_sum, _square, _unequal, _of_both, *(use for op in operators for use in _uses(op))]
    if callable(getattr(kind, "__sub__", None)):  # on either side of 0
        outputs += [_of_difference(_method(n)) for n in methods if n in ANYWHERE]

    def f(x: Array) -> Array:
        leaves = [leaf(v) for v in x.tolist()]
        return np.array([output(*leaves).data for output in outputs], x.dtype)

    def gradient(x: Array, dout: Array) -> Array:
        total = np.zeros(len(x))
        for output, u in zip(outputs, dout, strict=True):
            leaves = [leaf(v) for v in x.tolist()]
            output(*leaves).backward()
            total += u * np.array([autograds.came_back(v) for v in leaves], np.float64)
        return total.astype(x.dtype)

    f.__name__ = kind.__name__
    gradient.__name__ = "backward"
    return f, gradient


def _method(name: str) -> Callable[..., Any]:
    return lambda a, b: getattr(a, name)()


def _uses(op: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """An operator alone, and with what it is given used again outside of it, behind it and before."""
    yield lambda a, b, *others: op(a, b)
    yield lambda a, b, *others: op(a, b) * a + b
    yield lambda a, b, *others: a + b * op(a, b)


def _of_difference(op: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, b, c, d, e: op(e - d, a)


def _sum(a: Any, *others: Any) -> Any:
    return a + a


def _square(a: Any, *others: Any) -> Any:
    return a * a


def _unequal(a: Any, b: Any, c: Any, d: Any, e: Any) -> Any:
    once = a * b + c
    return (once * once + a) * d + once


def _of_both(a: Any, b: Any, c: Any, d: Any, e: Any) -> Any:
    once = a * b + c
    return (once * once + a + d) * (once + e)


def _takes(op: Callable[..., Any], leaf: Callable[[Any], Any]) -> bool:
    """Whether two values may be given to an operator, and its backward runs."""
    try:
        a: Any = leaf(0.5)
        out: Any = op(a, leaf(0.75))
        out.backward()
        return bool(np.isfinite(float(out.data))) and isinstance(out, type(a))
    except Exception:  # it takes a number
        return False


def _alone(kind: type, name: str) -> bool:
    """Whether it is a method of the class that is given nothing."""
    f = getattr(kind, name, None)
    return inspect.isfunction(f) and [p.name for p in required(f)] == ["self"]


SHAPES: tuple[tuple[dict[str, tuple[int, ...]], ...], ...] = (
    ({"weight": (3, 4), "bias": (4,)}, {"weight": (3, 4), "bias": (1, 4)}, {"weight": (4, 3), "bias": (4, 1)}),
    ({"weight": (4, 3), "bias": (4,)}, {"weight": (4, 3), "bias": (1, 4)}),
    ({"weight": (2, 3, 3, 3), "bias": (2,)}, {"weight": (3, 3, 3, 2), "bias": (2,)}),
    ({"scale": (3,), "bias": (3,)}, {"scale": (1, 3), "bias": (1, 3)}),
)
RECURRENT = tuple({"x": (3, 4 * gates), "h": (4, 4 * gates), "b": (4 * gates,)} for gates in (1, 4, 3))
"""Of Wx, Wh and b: a recurrent cell, one with the four gates of an LSTM, and one with the three of a GRU."""


def with_parameters(kind: type) -> Iterator[Any]:
    """Objects of a class that is made of its parameters: `Affine(W, b)`, `BatchNorm(gamma, beta)`, `RNN(Wx, Wh, b)`."""
    needed = [p.name for p in required(kind)]
    parts = [part(n) for n in needed]
    if not needed or not set(parts) <= {"weight", "bias", "scale"}:
        return
    ways: list[list[tuple[int, ...]]] = []
    for shapes in itertools.chain(*SHAPES):
        if set(parts) <= set(shapes) and len(set(parts)) == len(parts):
            ways.append([shapes[p] for p in parts])
    kinds = [bare(n).rstrip("0123456789_")[-1:] for n in needed]
    if len({kinds.count(k) for k in "xhb"}) == 1 and set(kinds) == set("xhb"):  # two of each, in both directions
        ways += [[shapes[k] for k in kinds] for shapes in RECURRENT]
    found = []
    for way in ways:
        arrays = [np.linspace(-1, 1.25, int(np.prod(s))).reshape(s) for s in way]
        try:
            found.append(kind(*arrays))
        except (Exception, SystemExit, GeneratorExit):  # it wants parameters of other shapes
            continue
    # A cell with gates may be made of the parameters of one with more or fewer, and refuses every input then.
    yield from sorted(found, key=lambda made: not _steps(made)) if set(kinds) == set("xhb") else found


def _steps(cell: Any) -> bool:
    """Whether a recurrent cell takes samples, or a sequence of them, with states of its width."""
    count = len(required(getattr(cell, "forward", cell)))
    for inputs in ([np.ones((2, 3)), *[np.ones((2, 4))] * (count - 1)], [np.ones((2, 5, 3))]):
        try:
            held.copied(cell).forward(*inputs)
        except Exception:  # it takes others
            continue
        return True
    return False


FORTH = tuple(n for n in conventions.FORWARD if n != "__call__")


def with_objects(kind: type) -> Any:
    """An object of a class that is made of others of its module, and these of sizes: `LstmNode(lstm_param, lstm_state)`
    of an `LstmParam(mem_cell_ct, x_dim)`. None for any other class."""
    space = getattr(inspect.getattr_static(kind, "__init__"), "__globals__", {})
    classes = {bare(n).replace("_", ""): v for n, v in space.items() if isinstance(v, type) and v is not kind}
    parts = [classes.get(bare(p.name).replace("_", "")) for p in required(kind)]
    known = [part for part in parts if part is not None]
    if not parts or len(known) < len(parts):
        return None
    try:
        return kind(*(part(*(conventions.width(p.name) for p in required(part))) for part in known))
    except (Exception, SystemExit, GeneratorExit):  # these are made of something else
        return None


def with_dict(op: Any) -> Iterator[Any]:
    """An object that keeps the dict of parameters which its forward and its backward are given: `node.forward(x, h, c,
    params)` with `params["W_f"]["value"]`."""
    if isinstance(op, type):
        return
    forth, back = ([n for n in names if inspect.ismethod(attribute(op, n))] for names in (FORTH, conventions.BACKWARD))
    for f, g in itertools.product(forth, back):
        mine, theirs = ([p.name for p in required(getattr(op, n))] for n in (f, g))
        shared = [n for n in mine if role(n) == "kept" and n in theirs and not hasattr(op, n)]
        if len(shared) != 1 or f == g:
            continue
        name = shared[0]
        found = found_shapes.parameters(getattr(op, f), getattr(op, g), name, [n for n in mine if n != name])
        if found is None:
            continue
        made = held.copied(op)
        vars(made)[name] = found
        own = {n: _without(getattr(type(op), n), name) for n in (f, g)}
        made.__class__ = type(type(op).__name__, (type(op),), own)
        yield made
        return


def _without(method: Any, name: str) -> Any:
    """A method that takes one argument less: that is an attribute."""
    signature = inspect.signature(method)
    place = list(signature.parameters).index(name) - 1

    def call(self: Any, *given: Any, **named: Any) -> Any:
        return method(self, *given[:place], vars(self)[name], *given[place:], **named)

    call.__signature__ = signature.replace(  # type: ignore[attr-defined]  # inspect reads it, mypy knows no function with one
        parameters=[p for p in signature.parameters.values() if p.name != name]
    )
    call.__wrapped__ = method  # type: ignore[attr-defined]  # by it inspect finds the source, which is the method's
    return call


def _trains(f: Any) -> bool:
    """Whether a method makes turns, of which it knows the number."""
    names = (*f.__code__.co_varnames, *f.__code__.co_names)
    return f.__name__ in conventions.TRAINERS and any(re.fullmatch(conventions.TURNS, bare(n)) for n in names)


def with_data(kind: type) -> Any:
    """An object of a class that is made of its data and trains on it: its calls take none. None for any other class."""
    needed = [p.name for p in required(kind)]
    steps = [n for n in conventions.BACKWARD if _alone(kind, n) and not _trains(getattr(kind, n))]
    names = [n for n in FORTH if _alone(kind, n)], steps
    if len(needed) != 2 or not all(names) or role(needed[0], first=True) != "data":
        return None
    forward, backward = names[0][0], names[1][0]
    for shape in ((5, 1), (5, 2), (5,)):
        x, y = np.linspace(-1, 1, 15).reshape(5, 3), np.linspace(0.125, 0.875, int(np.prod(shape))).reshape(shape)
        try:
            made = kind(x, y)
            getattr(made, forward)()
            places = [next(n for n, v in vars(made).items() if v is a) for a in (x, y)]
        except (Exception, SystemExit):  # it wants another target, or keeps copies
            continue
        break
    else:
        return None

    def run(self: Any, x: Any) -> Any:
        setattr(self, places[0], x)
        return getattr(self, forward)()

    def back(self: Any, y: Any) -> Any:
        setattr(self, places[1], y)
        return getattr(self, backward)()

    made.__class__ = type(kind.__name__, (kind,), {"forward": run, "backward": back})
    return made


def layer(name: str, forward: Any, backward: Any, *arguments: Sequence[inspect.Parameter]) -> Any:
    """An object of a class `name` with these two methods, which say that they take these arguments."""
    me = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    for f, named in zip((forward, backward), arguments, strict=False):  # without arguments a method has its own
        f.__signature__ = inspect.Signature([me, *named])
    return type(name, (), {"forward": forward, backward.__name__: backward})()


CONTEXT = r"ctx|context|c|cxt"


class Context:
    """What `forward(ctx, …)` keeps for `backward(ctx, …)`."""

    def __init__(self) -> None:
        self.saved: tuple[Any, ...] = ()

    def save_for_backward(self, *values: Any) -> None:
        self.saved = self.saved_tensors = self.saved_values = self.saved_variables = self.saved_arrays = values


def with_context(op: Any) -> Any:
    """An object of a `Function` whose `forward(ctx, x)` and `backward(ctx, grad)` are given a context; else None."""
    try:
        made = op if not isinstance(op, type) else op()
    except Exception:  # it is made of its inputs: its methods are static
        made = op
    forth, back = getattr(made, "forward", None), getattr(made, "backward", None)
    if not (inspect.isroutine(forth) and inspect.isroutine(back)):
        return None
    given, above = required(forth), required(back)
    if len(given) < 2 or len(above) < 2 or not all(re.fullmatch(CONTEXT, bare(p[0].name)) for p in (given, above)):
        return None
    space = getattr(inner(forth), "__globals__", {})
    own = [v for n, v in space.items() if isinstance(v, type) and re.fullmatch(r"\w*(ctx|context)", n.lower())]
    kind = op.__name__ if isinstance(op, type) else type(op).__name__

    def forward(self: Any, *x: Any) -> Any:
        self.ctx = _context([*own, *([op] if isinstance(op, type) else [])])
        return forth(self.ctx, *x)

    def backward(self: Any, *grad: Any) -> Any:
        return back(self.ctx, *grad)

    return layer(kind, forward, backward, given[1:], above[1:])


def with_call(op: Any) -> Any:
    """An object that is called, and keeps what its backward needs only then; its tensors hold `data`. Else None."""
    call = next((vars(k)["__call__"] for k in type(op).__mro__ if "__call__" in vars(k)), None)
    forth = getattr(op, "forward", None)
    if not (inspect.isfunction(call) and inspect.ismethod(forth) and inspect.ismethod(getattr(op, "backward", None))):
        return None
    if not any(i.opname == "STORE_ATTR" for i in dis.get_instructions(call)):
        return None
    kinds = [
        v
        for n, v in call.__globals__.items()
        if isinstance(v, type) and re.fullmatch(r"(as_?)?(variable|tensor)", n.lower())
    ]

    def forward(self: Any, *x: Any) -> Any:
        out = self.op(*(kinds[0](a) for a in x)) if kinds else self.op(*x)
        return getattr(out, "data", out) if type(out) in kinds else out

    def backward(self: Any, *grad: Any) -> Any:
        return self.op.backward(*grad)

    made = layer(type(op).__name__, forward, backward, required(forth), required(op.backward))
    made.op = op
    return made


def with_vjp(op: Any) -> Any:
    """A `jax.custom_vjp` as an object: its function, and what `defvjp` was given. Else None."""
    if type(op).__name__ != "custom_vjp" or not all(callable(getattr(op, n, None)) for n in ("fun", "fwd", "bwd")):
        return None
    jax = sys.modules["jax"]

    def forward(self: Any, *x: Any) -> Any:
        self.x = x
        with jax.enable_x64(True):
            return np.asarray(op.fun(*map(jax.numpy.asarray, x)))

    def backward(self: Any, dout: Any) -> Any:
        with jax.enable_x64(True):
            _, kept = op.fwd(*map(jax.numpy.asarray, self.x))
            return tuple(map(np.asarray, op.bwd(kept, jax.numpy.asarray(dout))))

    return layer(getattr(op.fun, "__name__", "custom_vjp"), forward, backward, required(op.fun))


def _context(kinds: list[type]) -> Any:
    """A context of the module's own class, else one of the class of the function, else one that keeps anything."""
    for kind in kinds:
        try:
            made = kind()
        except Exception:  # it is made of more
            continue
        if callable(getattr(made, "save_for_backward", None)):
            return made
    return Context()


BEFORE = r"z\w*|net_?in\w*|pre_?act\w*|logits?|weighted_\w+"
"""What a value before the activation is called."""
ACTIVATIONS = ("sigmoid", "sigma", "logistic", "activation", "sigmoid_vec")


def with_activation(op: Any) -> Iterator[tuple[Any, str]]:
    """A cost whose gradient is that of z, before the activation, as a loss of z; and how it is read."""
    forth, back = ([n for n in names if hasattr(op, n)] for names in (FORTH, conventions.BACKWARD))
    for f, b in itertools.product(forth, back):
        cost, delta = getattr(op, f), getattr(op, b)
        if f == b or not (inspect.isroutine(cost) and inspect.isroutine(delta)):
            continue
        mine, theirs = ([p.name for p in required(g)] for g in (cost, delta))
        new = [n for n in theirs if n not in mine]
        if len(mine) != 2 or len(new) != 1 or len(theirs) != 3 or not re.fullmatch(BEFORE, bare(new[0])):
            continue
        space = getattr(inner(cost), "__globals__", {})
        name = next((n for n in ACTIVATIONS if callable(space.get(n))), "sigmoid")
        kind = op.__name__ if isinstance(op, type) else type(op).__name__
        yield (
            _behind(kind, cost, delta, space.get(name, _sigmoid), theirs.index(new[0])),
            (f"{f} of {mine[0]} = {name}({new[0]}), {b}({', '.join(theirs)})"),
        )


def _sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def _behind(kind: str, cost: Any, delta: Any, activation: Any, place: int) -> Any:
    def forward(self: Any, z: Any, y: Any) -> Any:
        return cost(activation(z), y)

    def backward(self: Any, z: Any, y: Any) -> Any:
        given = [activation(z), y]
        return delta(*given[:place], z, *given[place:])

    return layer(kind, forward, backward)
