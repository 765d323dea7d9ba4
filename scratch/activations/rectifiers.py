"""Piecewise linear activations: the derivative is a number on each side of a kink, and one of the two at it."""

from typing import Any

import numpy as np
import numpy.typing as npt

from contract import checks
from scratch.activations.functions import zero_where
from scratch.init import Rng
from scratch.module import Array, Module, Parameter

__all__ = ["Hardtanh", "Identity", "LeakyReLU", "PReLU", "RReLU", "ReLU", "ReLU6", "Threshold"]

ZERO, INFINITY = np.zeros((), np.float32), np.full((), np.inf, np.float32)
"""As arrays: a clip of a small array takes half its time to make them of numbers."""


class Identity(Module, hands_on=True):
    """y = x, so dL/dx = g. Arguments are accepted and ignored, as in PyTorch."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        return self._remember(x)

    def backward(self, grad_output: Array) -> Array:
        self._recall(grad_output)
        return grad_output


class ReLU(Module, hands_on=True):
    """y = max(x, 0); f′ = 1 for x > 0, else 0, and 0 at the kink x = 0. −0 stays −0, NaN stays NaN and passes g.

    x > 0 is y > 0, so y is kept for the backward pass, as the next layer keeps it, and x is not.

    Source: V. Nair, G. Hinton, Rectified linear units improve restricted Boltzmann machines, ICML 2010.
    """

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        y: Array = x.clip(ZERO, INFINITY)
        return self._remember(y, y)

    def backward(self, grad_output: Array) -> Array:
        (y,) = self._recall(grad_output)
        return zero_where(y <= 0, grad_output)


class Hardtanh(Module, hands_on=True):
    """y = min(max(x, min_val), max_val); f′ = 1 for min_val < x < max_val, else 0, and 0 at both kinks.

    Raises ValueError unless min_val < max_val.
    """

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        checks.activation(self.name, {"min_val": min_val, "max_val": max_val})
        self.min_val, self.max_val = min_val, max_val

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        return self._remember(x.clip(self.min_val, self.max_val), x, self.min_val, self.max_val)

    def backward(self, grad_output: Array) -> Array:
        x, low, high = self._recall(grad_output)
        return zero_where((x <= low) | (x >= high), grad_output)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}"


class ReLU6(Module, hands_on=True):
    """y = min(max(x, 0), 6), Hardtanh between 0 and 6; f′ = 1 for 0 < x < 6, else 0, and 0 at both kinks.

    Source: A. Krizhevsky, Convolutional deep belief networks on CIFAR-10 (2010).
    """

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        return self._remember(x.clip(0.0, 6.0), x)

    def backward(self, grad_output: Array) -> Array:
        (x,) = self._recall(grad_output)
        return zero_where((x <= 0) | (x >= 6), grad_output)


class Threshold(Module, hands_on=True):
    """y = x for x > threshold, else `value`; f′ = 1 or 0, and 0 at the threshold, where y may jump."""

    def __init__(self, threshold: float, value: float) -> None:
        checks.activation(self.name, {"threshold": threshold, "value": value})
        self.threshold, self.value = threshold, value

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        return self._remember(np.where(x <= self.threshold, x.dtype.type(self.value), x), x, self.threshold)

    def backward(self, grad_output: Array) -> Array:
        x, threshold = self._recall(grad_output)
        return zero_where(x <= threshold, grad_output)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, value={self.value}"


class LeakyReLU(Module):
    """y = x for x > 0, a·x otherwise; f′ = 1 or a, and a at the kink. `negative_slope` is a.

    Source: A. Maas, A. Hannun, A. Ng, Rectifier nonlinearities improve neural network acoustic models, ICML 2013.
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        checks.activation(self.name, {"negative_slope": negative_slope})
        self.negative_slope = negative_slope

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        return self._remember(np.where(x > 0, x.dtype.type(1), self.negative_slope) * x, x, self.negative_slope)

    def backward(self, grad_output: Array) -> Array:
        x, slope = self._recall(grad_output)
        return np.where(x > 0, grad_output.dtype.type(1), slope) * grad_output

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}"


class PReLU(Module):
    """y = x for x > 0, w_c·x otherwise, with a learned slope w_c for every channel, or one for all.

    As for LeakyReLU dL/dx = g or w_c·g, the latter at the kink. The slope takes part where x ≤ 0, with
    ∂y/∂w_c = 0 or x:

        dL/dw_c = Σ g x   over all numbers of channel c with x ≤ 0.

    Channels are the second axis of an input with two axes or more. An input with fewer has none, and wants
    num_parameters=1, as in PyTorch. All slopes start as `init`.

    Raises ValueError for an input with another number of channels than `num_parameters`, unless that is 1, and
    TypeError for an input that is not of the slopes' dtype.
    Source: K. He, X. Zhang, S. Ren, J. Sun, Delving deep into rectifiers, ICCV 2015, section 2.1.
    """

    weight: Parameter

    def __init__(self, num_parameters: int = 1, init: float = 0.25, dtype: npt.DTypeLike = np.float32) -> None:
        checks.activation(self.name, {"num_parameters": num_parameters, "init": init})
        checks.float_dtype(self.name, dtype)
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(np.full(num_parameters, self.init, dtype))

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x, self.weight.data.dtype)
        checks.channels(self.name, x.shape, self.num_parameters)
        # (C, 1, …, 1) meets the second axis; one slope meets all.
        slope = self.weight.data.reshape(-1, *[1] * (x.ndim - 2)) if self.num_parameters > 1 else self.weight.data[0]
        return self._remember(np.where(x > 0, x.dtype.type(1), slope) * x, x, slope)

    def backward(self, grad_output: Array) -> Array:
        x, slope = self._recall(grad_output)
        terms = np.asarray(zero_where(x > 0, x) * zero_where(x > 0, grad_output))
        if self.num_parameters > 1:
            self.weight.accumulate(terms.sum(tuple(axis for axis in range(x.ndim) if axis != 1)))
        else:
            self.weight.accumulate(terms.sum().reshape(1))
        return np.where(x > 0, grad_output.dtype.type(1), slope) * grad_output

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class RReLU(Module):
    """y = x for x > 0, a·x otherwise, with a slope a ~ U(lower, upper) drawn anew for every number; f′ = 1 or a.

    In training every forward call draws `slopes`, an array of x's shape, from `rng`, and backward uses the same. After
    `eval()` a is the mean (lower + upper)/2. PyTorch's generator cannot be asked for NumPy's numbers; so the other side
    draws its slopes by NumPy as well, and one seed gives both the same.

    Raises ValueError unless lower <= upper.
    Source: B. Xu, N. Wang, T. Chen, M. Li, Empirical evaluation of rectified activations in convolutional network
    (2015), section 2.4.
    """

    slopes: Array | None = None

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, rng: Rng = None) -> None:
        checks.activation(self.name, {"lower": lower, "upper": upper})
        self.lower, self.upper = lower, upper
        self.rng = checks.generator(self.name, rng)

    def _kept(self) -> Any:
        return self._memory, self.slopes, self.rng.bit_generator.state

    def _give_back(self, kept: Any) -> None:
        self._memory, self.slopes, self.rng.bit_generator.state = kept

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        slope: Any = (self.lower + self.upper) / 2
        if self.training:
            vars(self)["slopes"] = slope = self.rng.uniform(self.lower, self.upper, x.shape).astype(x.dtype)
        off = x <= 0 if self.training else ~(x > 0)  # where x is NaN, PyTorch's evaluation applies the slope
        return self._remember(np.where(off, slope, x.dtype.type(1)) * x, off, slope)

    def backward(self, grad_output: Array) -> Array:
        off, slope = self._recall(grad_output)
        return np.asarray(np.where(off, slope, grad_output.dtype.type(1)) * grad_output)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}"
