"""Refusals: every error about bad input, written once for both sides.

Each function returns None or raises one error that says what was wrong, what was given and what is allowed. None of
them changes anything, and callers call them before they change anything.
"""

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

Shape = tuple[int, ...]
DType = np.dtype[Any]
LARGEST, LARGEST_SINGLE = (float(np.finfo(dtype).max) for dtype in (np.float64, np.float32))
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def shown(given: Any) -> str:
    """What was given, short enough for one line: of an array its dtype and shape."""
    if isinstance(given, np.ndarray) and given.ndim:
        return f"a {given.dtype} array of shape {given.shape}"
    try:
        text = " ".join(repr(given).split())
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        text = f"a number of {given.bit_length()} bits" if isinstance(given, int) else type(given).__name__
    return text if len(text) <= 80 else f"{text[:60]}...{text[-10:]}"


def plain(value: Any) -> Any:
    """A NumPy scalar as the Python number that it is, alone and in a list or tuple; anything else as it is.

    Options are kept so: `np.float64(0.1) * x` would make float64 of a float32 array, and `0.1 * x` does not.
    """
    if isinstance(value, np.generic):
        return float(value) if isinstance(value, np.floating) else value.item()  # `longdouble.item()` is a longdouble
    return type(value)(map(plain, value)) if type(value) in (list, tuple) else value


def choice(owner: str, argument: str, given: Any, allowed: Iterable[str]) -> None:
    """`given` must be one of `allowed`; a ValueError names the nearest one."""
    names = list(allowed)
    if isinstance(given, str) and given in names:
        return
    near = difflib.get_close_matches(given, names, n=1) if isinstance(given, str) else []
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise ValueError(f"{owner}: {argument} must be one of {', '.join(names)}; got {shown(given)}{hint}")


def real(owner: str, argument: str, given: Any) -> None:
    """`given` must be a real number, or infinite, or NaN."""
    if isinstance(given, bool) or not isinstance(given, int | float | np.floating | np.integer):
        raise TypeError(f"{owner}: {argument} must be a number; got {shown(given)}")


def number(owner: str, argument: str, given: Any, low: float = -math.inf, below: float = math.inf) -> None:
    """`given` must be a real number with low <= given < below; NaN never is."""
    real(owner, argument, given)
    if not (low <= given < below and abs(float(given) if isinstance(given, np.number) else given) <= LARGEST):
        ends = [f">= {low:g}"] * (low > -math.inf) + [f"< {below:g}"] * (below < math.inf)
        bound = f" {' and '.join(ends) or 'a finite number'}"
        raise ValueError(f"{owner}: {argument} must be{bound}; got {shown(given)}")


def single(owner: str, argument: str, given: float) -> None:
    """Of a number: float32 has it too, as PyTorch gives it to float32 arrays as one of theirs."""
    if abs(given) > LARGEST_SINGLE:
        raise ValueError(f"{owner}: {argument} must be in the range of float32; got {shown(given)}")


def truth(owner: str, argument: str, given: Any) -> None:
    """An option that is True or False takes nothing else: "no" would be true."""
    if not isinstance(given, bool | np.bool_):
        raise TypeError(f"{owner}: {argument} must be True or False; got {shown(given)}")


def count(owner: str, argument: str, given: Any, low: int = 0, below: int = 2**31) -> None:
    """`given` must be a whole number with low <= given < below."""
    if isinstance(given, bool) or not isinstance(given, int | np.integer):
        raise TypeError(f"{owner}: {argument} must be a whole number; got {shown(given)}")
    if given < low:
        raise ValueError(f"{owner}: {argument} must be >= {low}; got {shown(int(given))}")
    if given >= below:
        raise ValueError(f"{owner}: {argument} must be < {below}; got {shown(int(given))}")


def generator(owner: str, given: Any) -> np.random.Generator:
    """What numbers are drawn from: a generator as it is, else one of this seed, or of fresh entropy for None."""
    try:
        if not isinstance(given, bool | np.bool_ | float):
            return np.random.default_rng(given)
    except (TypeError, ValueError):
        pass
    raise TypeError(
        f"{owner}: rng must be a seed (a whole number >= 0), a numpy.random.Generator or None; got {shown(given)}"
    )


def float_dtype(owner: str, given: Any) -> None:
    """A model's dtype: float32 or float64."""
    try:
        dtype: Any = np.dtype(given)
    except (TypeError, ValueError):
        dtype = shown(given)
    if dtype not in FLOATS:
        raise TypeError(f"{owner}: dtype must be float32 or float64; got {dtype}")


def array(owner: str, argument: str, given: Any) -> None:
    """A plain array, or one in a file. What other subclasses mean by + or by a mean, PyTorch does not."""
    if type(given) is np.ndarray or isinstance(given, np.memmap):
        return
    plain, hint = ("plain ", " (convert with np.asarray)") if isinstance(given, np.ndarray) else ("", "")
    raise TypeError(f"{owner}: {argument} must be a {plain}NumPy array; got {type(given).__name__}{hint}")


def float_array(owner: str, argument: str, given: Any, dtype: DType | None = None) -> None:
    """`given` must be a NumPy array of float32 or float64, and of `dtype` where the parameters fix one."""
    if type(given) is np.ndarray and (given.dtype in FLOATS if dtype is None else given.dtype == dtype):
        return  # every layer asks in every step: what fits costs one call
    array(owner, argument, given)
    same_dtype(owner, argument, given.dtype, dtype)


def same_dtype(owner: str, argument: str, given: DType, dtype: DType | None) -> None:
    """Nothing is converted silently: a float64 input of a float32 layer is refused, and so are integers."""
    if given != dtype if dtype is not None else given not in FLOATS:
        allowed = "float32 or float64" if dtype is None else dtype
        raise TypeError(f"{owner}: {argument} must be {allowed}; got {given} (convert with .astype)")


def features(owner: str, shape: Shape, in_features: int) -> None:
    """The last axis of a layer's input must have as many entries as the layer has input features."""
    if not shape or shape[-1] != in_features:
        last = f"{shape[-1]} features" if shape else "no axis"
        raise ValueError(f"{owner}: input of shape {shape} has {last}, but in_features={in_features}")


def axis(owner: str, shape: Shape, dim: int) -> None:
    """`dim` must be an axis of the input; a number without axes counts as having one, as in PyTorch."""
    if not -max(len(shape), 1) <= dim < max(len(shape), 1):
        raise IndexError(f"{owner}: dim={dim} is no axis of an input of shape {shape}")


def channels(owner: str, shape: Shape, num_parameters: int) -> None:
    """One learned slope for all, or one per entry of the input's second axis."""
    found = shape[1] if len(shape) > 1 else 1
    if num_parameters not in (1, found):
        raise ValueError(
            f"{owner}: num_parameters={num_parameters}, but an input of shape {shape} has channels={found} (its second "
            "axis, 1 if there is none)"
        )


def halves(owner: str, shape: Shape, dim: int) -> None:
    """`dim` is an axis of the input and has an even size: it is cut in two."""
    if not shape:
        raise IndexError(f"{owner}: dim={dim} is no axis of an input of shape ()")
    axis(owner, shape, dim)
    if shape[dim] % 2:
        raise ValueError(f"{owner}: the size of dim={dim} must be even to be halved; the input has shape {shape}")


def same_branches(owner: str, shapes: list[Shape]) -> None:
    """Outputs that are summed have one shape."""
    if any(shape != shapes[0] for shape in shapes):
        raise ValueError(f"{owner}: the branches' outputs must have one shape to be summed; got {shapes}")


def modules(owner: str, given: Iterable[object], kinds: tuple[type, ...]) -> None:
    """A container holds modules."""
    for i, entry in enumerate(given):
        if not isinstance(entry, kinds):
            raise TypeError(f"{owner}: entry {i} must be a module; got {described(entry, kinds[0])}")


def calls(owner: str, module: str, path: str, forwards: int, backwards: int) -> None:
    """What ran several times in forward runs as often in backward."""
    raise RuntimeError(
        f"{owner}: {path!r}, a {module}, ran {forwards} times in forward, and its backward {backwards} times; every "
        "call needs its backward, or a module of its own"
    )


def order_of_calls(owner: str, module: str, path: str) -> None:
    """Which of two calls a backward is of must be known."""
    raise RuntimeError(
        f"{owner}: {path!r}, a {module}, ran more than once in forward, and which call its backward is of cannot be "
        "told: go backward in the reverse order of forward, or use a module for each call"
    )


def not_before_forward(owner: str, remembered: Any) -> None:
    if remembered is None:
        raise RuntimeError(f"{owner}: backward() was called before forward()")


def grad_output(owner: str, given: Any, shape: Shape, dtype: DType) -> None:
    """The upstream gradient has the shape and dtype of the output it belongs to."""
    float_array(owner, "grad_output", given, dtype)
    given_shape = given.shape
    if given_shape != shape:
        raise ValueError(f"{owner}: grad_output has shape {given_shape}, but the output has shape {shape}")


def state_dict(
    owner: str, expected: Mapping[str, tuple[Shape, DType]], given: Mapping[str, Any], what: str = "parameter"
) -> None:
    """A state dict has exactly the expected names, shapes and dtypes; all that is wrong is said at once."""
    if not isinstance(given, Mapping):
        raise TypeError(f"{owner}: state dict must be a dict of arrays by name; got {type(given).__name__}")
    if wrong := misfits(expected, given):
        raise ValueError(f"{owner}: state dict does not fit, no {what} was changed: {wrong}")


def vector(owner: str, expected: Mapping[str, tuple[Shape, DType]], given: Any) -> None:
    """A direction in parameter space: under every parameter's name an array of its shape and dtype."""
    if not isinstance(given, Mapping):
        raise TypeError(f"{owner}: vector must be a dict of arrays by parameter name; got {type(given).__name__}")
    if wrong := misfits(expected, given):
        raise ValueError(f"{owner}: vector does not fit the parameters: {wrong}")


def misfits(expected: Mapping[str, tuple[Shape, DType]], given: Mapping[str, Any]) -> str:
    """What is wrong with named arrays, all at once; empty if nothing is."""
    wrong = [f"missing {name}" for name in expected if name not in given]
    wrong += [f"unexpected {name}" for name in given if name not in expected]
    for name, (shape, dtype) in expected.items():
        if name not in given:
            continue
        array = given[name]
        if type(array) is not np.ndarray and not isinstance(array, np.memmap):
            plain = "plain " * isinstance(array, np.ndarray)
            wrong.append(f"{name} must be a {plain}NumPy array, got {type(array).__name__}")
        elif array.shape != shape:
            transposed = " (its transpose fits: use .T)" if array.T.shape == shape else ""
            wrong.append(f"{name} has shape {array.shape}, expected {shape}{transposed}")
        elif array.dtype != dtype:
            wrong.append(f"{name} is {array.dtype}, expected {dtype} (convert with .astype)")
    return "; ".join(wrong)


def layer_sizes(owner: str, sizes: object) -> list[int]:
    """An MLP's sizes, listed: inputs, hidden widths, outputs."""
    if isinstance(sizes, str) or not isinstance(sizes, Iterable) or getattr(sizes, "shape", None) == ():
        raise TypeError(f"{owner}: sizes must be a sequence of whole numbers, as in (64, 32, 10); got {shown(sizes)}")
    listed = list(sizes)
    if len(listed) < 2:
        raise ValueError(f"{owner}: sizes must name at least inputs and outputs, as in (2, 1); got {listed}")
    for size in listed:
        count(owner, "sizes", size)
    return listed


ACTIVATION_OPTIONS = (
    *("alpha", "approximate", "beta", "dim", "init", "lambd", "lower", "max_val"),
    *("min_val", "negative_slope", "num_parameters", "threshold", "upper", "value"),
)


def activation(owner: str, options: Mapping[str, Any]) -> None:
    """The options of an activation: each on its own, then those that must fit together."""
    for name, given in options.items():
        if name == "dim":
            count(owner, name, given, low=-64)
        elif name == "num_parameters":
            count(owner, name, given, low=1)
        elif name == "approximate":
            choice(owner, name, given, ("none", "tanh"))
        else:
            number(owner, name, given, 0.0 if (owner, name) == ("Softshrink", "lambd") else -math.inf)
            single(owner, name, given)
            if given == 0 and (owner, name) in (("CELU", "alpha"), ("Softplus", "beta")):
                raise ValueError(f"{owner}: {name} must not be 0, it divides")
            if (owner, name) == ("CELU", "alpha") and abs(given) < 1 / LARGEST_SINGLE:
                raise ValueError(f"{owner}: {name} must not be so near 0, it divides; got {given!r}")
    if "min_val" in options and not options["min_val"] < options["max_val"]:
        raise ValueError(
            f"{owner}: min_val must be < max_val; got min_val={options['min_val']!r}, max_val={options['max_val']!r}"
        )
    if "lower" in options and not options["lower"] <= options["upper"]:
        raise ValueError(f"{owner}: lower must be <= upper; got lower={options['lower']!r}, upper={options['upper']!r}")


def described(given: object, kind: type) -> str:
    """What `given` is, and where it comes from if neither from where `kind` does nor from Python itself.

    Adapters go by the name of what they wrap, and subclasses of `kind` by its name: both sides say the same.
    """
    if isinstance(given, kind):
        return kind.__name__
    root, own = (cls.__module__.partition(".")[0] for cls in (type(given), kind))
    name = getattr(given, "name", None) if root == "torch_impl" else None
    here = ("builtins", own, f"{own}_impl")  # torch_impl's schedules are torch's
    return (name or type(given).__name__) + (f" of {root}" if root not in here else "")


def belongs(owner: str, argument: str, given: object, kind: type, words: str) -> None:
    """`given` is of this side: what another package calls by the same name does not fit."""
    if not isinstance(given, kind):
        raise TypeError(f"{owner}: {argument} must be {words}; got {described(given, kind)}")


def parameters(owner: str, given: Iterable[object], kind: type) -> None:
    """An optimizer steps Parameters."""
    for entry in given:
        if not isinstance(entry, kind):
            raise TypeError(f"{owner}: params must hold {kind.__name__} objects; got {described(entry, kind)}")


def gradient(owner: str, given: Any, shape: Shape, dtype: DType, argument: str = "gradient") -> None:
    """A gradient, or new data, has its parameter's shape and dtype."""
    float_array(owner, argument, given, dtype)
    if given.shape != shape:
        raise ValueError(f"{owner}: {argument} has shape {given.shape}, but its parameter has shape {shape}")


def distinct(owner: str, objects: Iterable[object], what: str) -> None:
    """No object twice (one memory would serve two places, one parameter would be stepped twice), and at least one."""
    listed = list(objects)
    if not listed:
        raise ValueError(f"{owner}: got no {what}")
    if len({id(entry) for entry in listed}) != len(listed):
        raise ValueError(f"{owner}: the same {what} was given twice")


def learns(owner: str, model: str, parameters: Iterable[Any]) -> None:
    """Of a training step's parameters, if there are any, one is not frozen."""
    there = False
    for parameter in parameters:
        if parameter.requires_grad:
            return
        there = True
    if there:
        raise RuntimeError(f"{owner}: no parameter of {model} has requires_grad=True, so there is nothing to learn")


def supported(owner: str, given: object, known: Iterable[type]) -> None:
    """`given` must be exactly of one of these classes: what a subclass computes is not known."""
    kinds = list(known)
    if type(given) not in kinds:
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise TypeError(f"{owner} is not written for {type(given).__name__}; it knows {names}")
