"""Which floating-point flags a caller is told of: those that the numbers earned. All products stand here.

NumPy looks at the processor's flags after every operation and reports them as the caller's `np.errstate` wants it.
Overflow, division by zero and invalid operations are reported from here as from anywhere. Two things are not:

- Underflow. e^−100 is 0 in float32, and that is the right answer: what is rounded to 0, or to fewer digits, is as
  close as the format allows. `without_underflow` goes round everything that a caller can enter: `Module` and the
  losses put it round `forward` and `backward` of every subclass by themselves, the functions carry it.
- What a product did not earn. Kernels of BLAS read whole vectors, past the end of short arrays, and what happens to lie
  there sets flags: OpenBLAS on AVX-512 reports "invalid value" for finite matrices. So every product is a `product`.
"""

import functools
import threading
import types
from collections.abc import Callable
from contextvars import Context, ContextVar
from typing import Any, ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
R = TypeVar("R")

# Where NumPy keeps what np.errstate sets: the one variable that np.seterr sets in an empty context. As long as nobody
# has touched it, underflow is ignored anyway.
_context = Context()
_context.run(np.seterr, under="ignore")
(_STATE,) = _context
_UNTOUCHED = Context().run(lambda: _STATE.get())
_ENTERED = ContextVar("underflow is not reported", default=False)


def without_underflow(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, which reports no underflow. Inside of one such function the next costs a look, and no more."""

    @functools.wraps(function)
    def entered(*args: P.args, **kwargs: P.kwargs) -> R:
        if _STATE.get() is _UNTOUCHED or _ENTERED.get():
            return function(*args, **kwargs)
        token = _ENTERED.set(True)
        try:
            with np.errstate(under="ignore"):
                return function(*args, **kwargs)
        finally:
            _ENTERED.reset(token)

    return entered


def methods_without_underflow(kind: type, *names: str) -> None:
    """Put `without_underflow` round those of the methods `names` that the class `kind` defines itself."""
    for name in names:
        if isinstance(method := vars(kind).get(name), types.FunctionType):
            setattr(kind, name, without_underflow(method))


class _Noted(threading.local):
    """A context, one for every thread, in which NumPy notes the flags of a product instead of reporting them."""

    def __init__(self) -> None:
        flags: dict[str, int] = {}
        context = Context()  # a new one, in which underflow is ignored
        context.run(np.seterr, over="call", invalid="call", divide="ignore")
        context.run(np.seterrcall, flags.setdefault)
        self.both: tuple[Callable[..., Any], dict[str, int]] = context.run, flags


_noted = _Noted()
_LARGEST = np.full((1, 1), np.finfo(np.longdouble).max)
_INFINITE = np.full((1, 1), np.inf, np.longdouble)


def product(a: Any, b: Any, out: Any = None) -> Any:
    """a @ b, of arrays with one axis or more, into `out` if there is one. The caller's `np.errstate` is told of
    overflow and of invalid operations that the numbers account for, and of nothing else.

    Up to two axes it is `a.dot(b)`: the same call of BLAS, and less work on the way to it.
    """
    run, flags = _noted.both
    result = run(a.dot, b, out) if a.ndim < 3 and b.ndim < 3 else run(np.matmul, a, b, out)
    if flags:
        flags.clear()
        _report(a, b, result)
    return result


def _report(a: Any, b: Any, result: Any) -> None:
    """Report what is earned, by products that do overflow or are invalid, and for which NumPy does not ask BLAS.

    Overflow: sums over the finite numbers alone that are not finite. Invalid: a NaN where neither the row of `a` nor
    the column of `b` has one.
    """
    if np.isfinite(result).all():
        return
    run, flags = _noted.both
    sums = run(np.matmul, *(np.where(np.isfinite(x), x, 0).astype(x.dtype) for x in (a, b)))
    flags.clear()
    rows, columns = np.isnan(a).any(-1), np.isnan(b).any(-2 if b.ndim > 1 else -1)
    if a.ndim > 1 and b.ndim > 1:
        rows, columns = rows[..., np.newaxis], columns[..., np.newaxis, :]
    if not np.isfinite(sums).all():
        _LARGEST @ _LARGEST
    if (np.isnan(result) & ~(rows | columns)).any():
        _INFINITE @ (0 * _LARGEST)


def norm(a: Any) -> Any:
    """√Σa² over all entries, in a's dtype."""
    flat = a.ravel("K")
    return np.sqrt(product(flat, flat))


def told_if_it_shows(compute: Callable[[], Any]) -> Any:
    """The array that `compute` returns. What happens on the way is told if the array has an infinity or a NaN: then
    `compute` is called again. So a margin of −∞ that counts as 0 is told to nobody, and one of ∞ is.
    """
    with np.errstate(all="ignore"):
        result = compute()
    return result if np.isfinite(result).all() else compute()
