"""The references of the normalizing layers: groups of numbers with mean 0 and variance 1, then a learned w and b.

Everything is computed on `rows`, one group each, with n numbers. A program may go several ways to the same numbers:

**Mean and variance.** By sums, as here, or by running updates μ ← μ + (x − μ)/k, M ← M + (x − μ_old)(x − μ) (Welford;
PyTorch's layer and group norm, in chunks that are then merged). An update of μ rounds three times on numbers of at
most X = max |x|, and contracts what was wrong before: |δμ| ≤ γ_{3n} X. The terms of M are (k − 1)/k (x_k − μ_{k−1})²,
so that the mean of |x_k − μ_{k−1}| is at most √(2v): moving the means costs 2√(2v) δμ + δμ², rounding γ_{n+6} v.

**y.** w (x − μ)/σ + b, or α x + (b − α μ) with α = w/σ, where α x and α μ cancel: three roundings on
|α| (|x| + |μ|), one more on |b| and on y.

**dL/dx** with g = w dL/dy: (g − mean(g) − x̂ mean(g x̂))/σ, or g/σ + β x + (−β μ − mean(g)/σ) with
β = (μ Σg − Σg x)/(nσ³), where Σg x and μ Σg cancel: γ_{n+6} Σ|g| (|x| + |μ|)/σ in Σ g x̂, and ten roundings on
|β| (|x| + |μ|) and on each of the three parts. A product that underflows on the way is multiplied by at most σ⁻³; in
dL/dw = Σ dL/dy x̂ = (Σ dL/dy x − μ Σ dL/dy)/σ by 1/σ.
"""

import math
from typing import Any, Self

import numpy as np

from handgrad.judge.ball import Ball, settle
from handgrad.judge.rules.rule import Gradients, Leaf, Parameters, given

__all__ = ["BatchNorm1d", "GroupNorm", "LayerNorm", "RMSNorm"]

Shape = tuple[int, ...]


class Normalization(Leaf):
    """What LayerNorm, GroupNorm and BatchNorm1d share. `module` is looked at in every call: it may change its mode."""

    centred = True

    def __init__(self, name: str, module: Any) -> None:
        super().__init__(name)
        self.module = module
        self.updated: dict[str, Ball] = {}

    @classmethod
    def read(cls, module: Any, name: str) -> Self:
        return cls(name, module)

    def follow(self, module: Any) -> None:
        self.module = module

    def rows(self, a: Ball) -> Ball:
        """(groups, numbers of a group)."""
        raise NotImplementedError

    def back(self, a: Ball) -> Ball:
        """The way back to the input's shape."""
        raise NotImplementedError

    def sharing(self, a: Ball) -> Ball:
        """(numbers of w, places that share one of them)."""
        raise NotImplementedError

    def parameter_shape(self) -> Shape:
        """The shape in which w and b meet the input."""
        raise NotImplementedError

    def epsilon(self, x: Ball) -> float:
        return float(self.module.eps)

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        self.shape, self.shapes, self.updated = x.shape, dict[str, Shape](), {}
        self.weight, self.bias = (self.read_parameter(x, parameters, which) for which in ("weight", "bias"))
        if not x.size:
            self.count(x, parameters)
            return x
        self.x = self.rows(x)
        self.moments(self.x, parameters)
        f = x.format
        self.inverse = reciprocal_root(self.variance, f.constant(self.epsilon(x)))
        self.far = self.rows(x).reach + self.mu.reach  # |x| + |μ|
        hat = (self.x - self.mu) * self.inverse
        self.x_hat = wider(hat, 4 * f.u * self.far * self.inverse.reach, self.far * self.inverse.reach)
        full = y = self.back(self.x_hat)
        alpha: Any = 1.0
        if self.weight is not None:
            y, alpha = full * self.weight, self.weight.reach
        if self.bias is not None:
            y = y + self.bias
        apart = self.back(self.spread(self.inverse.reach)).mid * alpha
        shift = 0.0 if self.bias is None else self.bias.reach
        return wider(y, 4 * f.u * apart + 2 * f.u * shift, apart + shift)

    def read_parameter(self, x: Ball, parameters: Parameters, which: str) -> Ball | None:
        if getattr(self.module, which, None) is None:
            return None
        value = given(parameters, self.parameter(which))
        self.shapes[which] = value.shape
        return x.format.exact(value.reshape(self.parameter_shape()))

    def moments(self, x: Ball, parameters: Parameters) -> None:
        """Set μ and v, (groups, 1)."""
        f, n = x.format, x.shape[1]
        if n == 1:  # μ = x to the last bit, so x − μ and v are 0 whatever x is, unless v is a difference of squares
            lost = np.isinf(x.rad) | (x.reach**2 > f.max)
            self.x = self.mu = Ball(np.where(lost, 0.0, x.mid), np.where(lost, np.inf, 0.0), f)
            self.variance = Ball(0 * x.mid, self.mu.rad, f)
            return
        largest = x.reach.max(1, keepdims=True)
        delta = f.sums(3 * n) * largest
        mu = x.sum(axis=1).reshape(-1, 1) / f.exact(np.asarray(float(n)))
        self.mu = wider(mu, delta)
        d = x - self.mu
        v = (d * d).sum(axis=1).reshape(-1, 1) / f.exact(np.asarray(float(n)))
        apart = 2 * np.sqrt(2 * v.reach) * delta + delta**2 + f.sums(n, 6) * v.reach
        # Merging the chunks' means multiplies a difference of them, squared, by up to n/4.
        self.variance = wider(v, apart, max(n, 4) * largest**2)

    def count(self, x: Ball, parameters: Parameters) -> None:
        """Batch normalization counts its batches."""

    def backward(self, grad: Ball, gradients: Gradients) -> Ball:
        if not grad.size:
            for which, shape in self.shapes.items():
                # PyTorch's group norm gives NaN for samples without places: nothing is claimed.
                rad = np.full(shape, np.inf if self.shape[0] else 0.0)
                gradients[self.parameter(which)] = Ball(np.zeros(shape), rad, grad.format)
            return grad
        f = grad.format
        full = self.back(self.x_hat)
        far = self.back(self.spread(self.inverse.reach)).mid
        if self.bias is not None:
            self.keep(gradients, "bias", self.sharing(grad).sum(axis=1))
        if self.weight is not None:
            terms = self.sharing(grad * full)
            apart = self.sharing(Ball(grad.reach * far, np.zeros(grad.shape), f)).mid.sum(1)
            lost = 4 * terms.shape[1] * f.eta * (1 + self.inverse.reach.max())  # products that underflow, over σ
            early = self.sharing(Ball(grad.reach * self.back(self.spread(1.0)).mid, np.zeros(grad.shape), f)).mid.sum(1)
            top = np.maximum(apart, early)  # σ may divide the sum
            self.keep(gradients, "weight", wider(terms.sum(axis=1), f.sums(terms.shape[1], 6) * apart + lost, top))
        self.upstream = self.rows(grad).reach
        if self.weight is not None:
            grad = grad * self.weight
        return self.back(self.input_gradient(self.rows(grad)))

    def spread(self, scale: Any) -> Ball:
        """(|x| + |μ|) · scale in rows, as something to bring into another shape."""
        return Ball(self.far * scale, np.zeros(self.far.shape), self.x.format)

    def keep(self, gradients: Gradients, which: str, ball: Ball) -> None:
        gradients[self.parameter(which)] = ball.reshape(*self.shapes[which])

    def input_gradient(self, g: Ball) -> Ball:
        """dL/dx from dL/dx̂, in rows."""
        f, n = g.format, self.x.shape[1]
        count = f.exact(np.asarray(float(n)))
        product = (g * self.x_hat).sum(axis=1).reshape(-1, 1)
        apart = (g.reach * self.far).sum(1, keepdims=True) * self.inverse.reach
        along = wider(product, f.sums(n, 6) * apart, apart) / count
        total = g.sum(axis=1).reshape(-1, 1) / count if self.centred else f.exact(np.zeros((len(g.mid), 1)))
        inside = g - total - self.x_hat * along if self.centred else g - self.x_hat * along
        parts = g.reach + total.reach + (self.x_hat.reach + self.far * self.inverse.reach) * along.reach
        lost = 4 * n * f.eta * (1 + self.inverse.reach) ** 3 * (1 + self.far) * (1 + g.reach)
        # Σ g x and μ Σg come before they are multiplied by w and σ⁻³, and β x after.
        early = (np.maximum(g.reach, self.upstream) * self.far).sum(1, keepdims=True)
        cube = np.maximum(self.inverse.reach, 1) ** 3
        top = np.maximum(parts * self.inverse.reach, early * np.maximum(cube, self.inverse.reach**3 * self.far))
        return wider(inside * self.inverse, 10 * f.u * parts * self.inverse.reach + lost, top)


class LayerNorm(Normalization):
    """One group is the last axes, those of `normalized_shape`, of one sample."""

    def parameter_shape(self) -> Shape:
        return tuple(self.module.normalized_shape)

    def rows(self, a: Ball) -> Ball:
        n = math.prod(self.parameter_shape())
        return a.reshape(a.size // n, n)

    def back(self, a: Ball) -> Ball:
        return a.reshape(*self.shape)

    def sharing(self, a: Ball) -> Ball:
        return self.rows(a).transpose()


class RMSNorm(LayerNorm):
    """As LayerNorm with μ = 0 and the mean square for v."""

    centred = False

    def epsilon(self, x: Ball) -> float:
        eps = self.module.eps
        return float(np.finfo(x.format.dtype).eps if eps is None else eps)

    def moments(self, x: Ball, parameters: Parameters) -> None:
        f, n = x.format, x.shape[1]
        self.mu = f.exact(np.zeros((len(x.mid), 1)))
        self.variance = (x * x).sum(axis=1).reshape(-1, 1) / f.exact(np.asarray(float(n)))

    def input_gradient(self, g: Ball) -> Ball:
        """As x Σ g x · r⁻³/n, where r⁻³ alone may underflow for a large x: η Σ|g||x| |x|/n."""
        f, n = g.format, self.x.shape[1]
        lost = 2 * f.eta * (g.reach * self.far).sum(1, keepdims=True) * self.far / n * (1 + f.sums(n, 6))
        return wider(super().input_gradient(g), lost)


class GroupNorm(Normalization):
    """One group is C/num_groups channels of one sample of shape (N, C, …)."""

    def parameter_shape(self) -> Shape:
        return (int(self.module.num_channels), *[1] * (len(self.shape) - 2))

    def rows(self, a: Ball) -> Ball:
        groups = a.shape[0] * int(self.module.num_groups)
        return a.reshape(groups, a.size // groups)

    def back(self, a: Ball) -> Ball:
        return a.reshape(*self.shape)

    def sharing(self, a: Ball) -> Ball:
        return by_channel(a)


class BatchNorm1d(Normalization):
    """One group is one channel of all samples; after `eval()` μ and v are the running ones, exact and constant.

    Running ones move to (1 − f) r + f · new: three roundings, and two of n/(n − 1).
    """

    def parameter_shape(self) -> Shape:
        return (int(self.module.num_features), *[1] * (len(self.shape) - 2))

    def rows(self, a: Ball) -> Ball:
        return by_channel(a)

    def back(self, a: Ball) -> Ball:
        samples, channels, *rest = self.shape
        return a.reshape(channels, samples, *rest).moveaxis(0, 1)

    def sharing(self, a: Ball) -> Ball:
        return by_channel(a)

    def moments(self, x: Ball, parameters: Parameters) -> None:
        f = x.format
        tracked = getattr(self.module, "running_mean", None) is not None
        self.by_batch = bool(self.module.training) or not tracked
        if not self.by_batch:
            self.mu, self.variance = (
                f.exact(given(parameters, self.parameter(which)).reshape(-1, 1))
                for which in ("running_mean", "running_var")
            )
            return
        super().moments(x, parameters)
        if not (self.module.training and tracked):
            return
        self.count(x, parameters)
        n, momentum = x.shape[1], self.module.momentum
        batches = int(given(parameters, self.parameter("num_batches_tracked"))) + 1
        share = 1 / batches if momentum is None else float(momentum)
        unbiased = self.variance * f.constant(n / (n - 1), roundings=2)
        for which, new in (("running_mean", self.mu), ("running_var", unbiased)):
            old = f.exact(given(parameters, self.parameter(which)))
            rest = f.constant(1.0) - f.constant(share, roundings=1)  # of f as it is, or as it is rounded
            moved = rest * old + f.constant(share, roundings=1) * new.reshape(-1)
            self.updated[which] = moved

    def count(self, x: Ball, parameters: Parameters) -> None:
        if self.module.training and getattr(self.module, "num_batches_tracked", None) is not None:
            batches = float(given(parameters, self.parameter("num_batches_tracked"))) + 1
            self.updated["num_batches_tracked"] = x.format.exact(np.asarray(batches))

    def input_gradient(self, g: Ball) -> Ball:
        return super().input_gradient(g) if self.by_batch else g * self.inverse


def reciprocal_root(v: Ball, eps: Ball) -> Ball:
    """1/√(v + ε) for v ≥ 0, a sum of squares: exact at both ends of the interval, and seven roundings.

    Where a square may overflow v is undecided, and so is this: a program may have 1/∞ = 0 or, from ∞ − ∞ in v, NaN.
    """
    f = v.format
    low = (np.maximum(v.mid - v.rad, 0) + np.maximum(eps.mid - eps.rad, 0)) * (1 - 2 * f.u)
    high = (v.mid + v.rad + eps.mid + eps.rad) * (1 + 2 * f.u)
    decided = (low > 0) & ~np.isinf(v.rad)
    top = 1 / np.sqrt(np.where(decided, low, 1.0))
    mid = 1 / np.sqrt(np.where(decided, v.mid + eps.mid, np.where(np.isnan(v.mid), np.nan, 1.0)))
    rad = np.maximum(top - mid, mid - 1 / np.sqrt(high)) + 7 * f.u * top
    return settle(f, mid, np.where(decided, rad, np.inf), top + rad)


def by_channel(a: Ball) -> Ball:
    """(C, everything else) of (N, C, …)."""
    channels = a.shape[1]
    return a.moveaxis(1, 0).reshape(channels, a.size // channels)


def wider(b: Ball, extra: Any, top: Any = 0.0) -> Ball:
    """More radius; `top` is the largest magnitude on another way to the same number."""
    rad = b.rad + extra
    return settle(b.format, b.mid, rad, np.maximum(np.abs(b.mid) + rad, top))
