"""The references of losses of two classes."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt

from handgrad.judge.ball import EXP, LOG, WIDEN, Ball, Float64, Format, settle
from handgrad.judge.rules.layers import sigmoid
from handgrad.judge.rules.losses.functions import relu, softplus, step
from handgrad.judge.rules.losses.loss import Loss, SampleLoss, Upstream, optional, undecided
from handgrad.judge.rules.rule import ProbabilityGradient

__all__ = ["BCELoss", "BCEWithLogitsLoss", "HingeEmbeddingLoss", "MultiLabelSoftMarginLoss", "SoftMarginLoss"]


class Weighted(Loss):
    """An elementwise loss with a weight that broadcasts over the input. "mean" still divides by the element count."""

    def __init__(self, reduction: str, weight: npt.NDArray[Any] | None) -> None:
        super().__init__(reduction)
        self.weight = weight
        if weight is not None:
            self.amplified = 1 + np.abs(weight.astype(np.float64))

    @classmethod
    def read(cls, module: Any) -> Self:
        return cls(module.reduction, optional(module.weight))

    def weigh(self, terms: Ball, others: Any = 0.0) -> Ball:
        """w · term. A program may multiply by w first: what underflows then is off by η times the `others` to come."""
        if self.weight is None:
            return terms
        weighed = terms * terms.format.exact(self.weight)
        return Ball(weighed.mid, weighed.rad + 2 * terms.format.eta * others, terms.format)


C = 1e-12
"""The least p (1 − p) that BCELoss divides by."""
C_ERROR = 1 - float(np.float32(C)) / C + 2.0**-50


def _bce_slope(p: Float64, t: Float64) -> Float64:
    return (p - t) / np.maximum(p * (1 - p), C)


class BCELoss(Weighted):
    """l = −w (t·max(log p, −100) + (1 − t)·max(log(1 − p), −100)), p in [0, 1]."""

    FLOOR = -100.0

    def terms(self) -> Ball:
        """Both logarithms at the ends of p's interval inside [0, 1]; the floor is 1-Lipschitz.

        log costs 8u |log|. 1 − p may be rounded before the logarithm (off by u absolutely) or not (log1p).
        """
        f, t = self.z.format, self.t
        p = self._probability()
        low = np.where(p.rad > 0, np.maximum(p.mid - p.rad, 0) * (1 - 2.0**-52), p.mid)
        high = np.where(p.rad > 0, np.minimum((p.mid + p.rad) * (1 + 2.0**-52), 1), p.mid)
        log_p = _between(np.log(p.mid), np.log(low), np.log(high), self.FLOOR, LOG * f.u, 0.0, f)
        log_q = _between(np.log1p(-p.mid), np.log1p(-high), np.log1p(-low), self.FLOOR, LOG * f.u, f.u, f)
        log_p, log_q = undecided(log_p, np.isinf(p.rad)), undecided(log_q, np.isinf(p.rad))
        one = f.exact(np.ones(()))
        return self.weigh(-(t * log_p + (one - t) * log_q), (1 + np.abs(t.mid)) * (1 + log_p.reach + log_q.reach))

    def derivative(self) -> Ball:
        """w (p − t) / max(p (1 − p), c), c = 1e-12 as it is or, as PyTorch has it in every dtype, in float32.

        For 0 <= t <= 1 it grows with p: as (1 − t)/(1 − p) − t/p where p (1 − p) >= c, else as (p − t)/c, and there is
        no jump. So an interval's ends go to the ends. From its own p a program rounds the two differences, the product
        and the quotient, 5u; c, rounded or not, moves the value by at most as much relatively.

        The form w ((1 − t)/(1 − p) − t/p) has terms that cancel when 0 < t < 1: four roundings each of
        (|1 − t| p + |t| (1 − p)) / (p (1 − p)).
        """
        f, t, (low, mid, high) = self.z.format, self.t.mid, self._interval()
        least = np.maximum(self._least(), C * (1 - C_ERROR))
        self.amplified = (1 if self.weight is None else 1 + np.abs(self.weight.astype(np.float64))) * (1 + 1 / least)
        split = (np.abs(1 - t) * high + np.abs(t) * (1 - low)) / least
        ends = [_bce_slope(p, t) for p in (low, mid, high)]
        return self._between(ends, 5, 4 * f.u * split)

    def by_logit(self) -> Ball:
        """The same times p (1 − p), for a p that a sigmoid computed: w (p − t) min(1, p (1 − p)/c).

        The sigmoid's derivative is made of the very p that the loss was given, so the two are no more independent than
        that: a quotient by p (1 − p) and a product with it cancel but for their roundings, three more. In the interval
        p − t grows, and where p (1 − p) < c, at both ends of [0, 1], the value is between p − t and 0.
        """
        f, t, (low, mid, high) = self.z.format, self.t.mid, self._interval()
        split = np.abs(1 - t) * high + np.abs(t) * (1 - low)
        ends = [p - t for p in (low, high)]
        outside = self._least() < C * (1 + C_ERROR)
        ends = [np.where(outside, np.minimum(ends[0], 0), ends[0]), np.where(outside, np.maximum(ends[1], 0), ends[1])]
        middle = (mid - t) * np.minimum(1, mid * (1 - mid) / C)
        return self._between([ends[0], middle, ends[1]], 8, 4 * f.u * split)

    def backward(self, upstream: Upstream = None) -> Ball:
        grad = super().backward(upstream)
        by_logit = self.scaled(self.by_logit(), upstream)
        return ProbabilityGradient(grad.mid, grad.rad, grad.format, self.z, by_logit)

    def _interval(self) -> tuple[Float64, Float64, Float64]:
        """The ends and the centre of p inside [0, 1], because PyTorch refuses the rest; 1 − 2⁻⁵² rounds outwards."""
        p = self.z
        exact = p.rad == 0
        low = np.where(exact, p.mid, (p.mid - p.rad) * (1 - 2.0**-52))
        high = np.where(exact, p.mid, (p.mid + p.rad) * (1 + 2.0**-52))
        return np.clip(low, 0.0, 1.0), np.clip(p.mid, 0.0, 1.0), np.clip(high, 0.0, 1.0)

    def _least(self) -> Float64:
        """The least p (1 − p) in the interval."""
        low, _, high = self._interval()
        return np.minimum(low * (1 - low), high * (1 - high))

    def _between(self, values: list[Float64], roundings: int, split: Float64) -> Ball:
        """The ball of the interval `values` (its lowest, centre and highest) and of what a program loses."""
        f, t = self.z.format, self.t.mid
        low, mid, high = values
        relative = roundings * f.u + np.where(self._least() < C * (1 + C_ERROR), C_ERROR, 0.0)
        size = np.maximum(np.abs(low), np.abs(high))
        rad = np.maximum(high - mid, mid - low) * WIDEN + relative * size + 2 * f.eta
        rad = rad + np.where((t > 0) & (t < 1), split, 0.0)
        # A target outside [0, 1] has no such order.
        lost = np.isinf(self.z.rad) | np.isinf(self.t.rad) | (t < 0) | (t > 1)
        return self.weigh(undecided(settle(f, mid, rad, size + rad), lost))

    def _probability(self) -> Ball:
        """The input; only its part inside [0, 1] matters, because PyTorch refuses the rest."""
        return Ball(np.clip(self.z.mid, 0.0, 1.0), self.z.rad, self.z.format)


class BCEWithLogitsLoss(Weighted):
    """l = w ((1 − t) z + (1 + (q − 1) t) · softplus(−z)) with q = pos_weight."""

    def __init__(self, reduction: str, weight: npt.NDArray[Any] | None, pos_weight: npt.NDArray[Any] | None) -> None:
        super().__init__(reduction, weight)
        self.pos_weight = pos_weight

    @classmethod
    def read(cls, module: Any) -> Self:
        return cls(module.reduction, optional(module.weight), optional(module.pos_weight))

    def terms(self) -> Ball:
        """The three forms in use, with s = log1p(e^{−|z|}) ≥ 0:

        (1 − t) z + c (max(−z, 0) + s) with c = 1 + (q − 1) t    PyTorch
        max(z, 0) − z t + s                                      the textbook, q = 1
        q t·softplus(−z) + (1 − t)·softplus(z)                   two logarithms

        In each, every summand is at most A = (|z| + s) (1 + |t| + |q t|) and has at most 7 roundings behind it: three
        in c, product, weight and two additions. s alone costs 8u for exp, 8u for log1p and τ for a flushed exp.
        The true slope is (q t + 1 − t) σ(z) − q t, its own slope at most |q t + 1 − t| / 4.
        """
        f, z, t, q = self.z.format, self.z, self.t, self._positive()
        s = np.log1p(np.exp(-np.abs(z.mid)))
        c = 1 + (q - 1) * t.mid
        # The centre avoids the first form's cancellation: it must be at least as good as the best program.
        mid = np.where(z.mid < 0, -q * t.mid * z.mid + c * s, (1 - t.mid) * z.mid + c * s)
        slope = np.abs(c * _sigmoid(z.mid) - q * t.mid)
        move = z.rad * (slope + np.minimum(np.abs(c) * z.rad / 4, np.abs(c) + np.abs(q * t.mid))) * WIDEN
        factors = 1 + np.abs(t.mid) + np.abs(q * t.mid)
        size = (z.reach + s) * factors
        rad = move + f.u * (8 * size + (EXP + LOG) * s * factors) + (f.tau + 4 * f.eta) * factors + t.rad
        poison = z.mid + t.mid + q
        return self.weigh(settle(f, mid, rad, size + rad, poison), 1 + size)

    def derivative(self) -> Ball:
        """w ((q t + 1 − t) σ(z) − q t). Written (1 − t) σ(z) − q t σ(−z) it costs 4u |q t| more."""
        f, t = self.z.format, self.t
        one, positive = f.exact(np.ones(())), f.exact(self._positive()) * t
        if self.pos_weight is None:
            positive = t
        both = positive + one - t
        d = both * sigmoid(self.z) - positive
        return self.weigh(Ball(d.mid, d.rad + 4 * f.u * np.abs(positive.mid), f))

    def _positive(self) -> Float64:
        return np.ones(()) if self.pos_weight is None else self.pos_weight.astype(np.float64)


class MultiLabelSoftMarginLoss(SampleLoss, BCEWithLogitsLoss):
    """l = −Σ_c w_c (t_c log σ(z_c) + (1 − t_c) log σ(−z_c)) / C, one per row: BCEWithLogitsLoss, averaged over rows."""

    @classmethod
    def read(cls, module: Any) -> Self:
        return cls(module.reduction, optional(module.weight), None)

    def share(self) -> int:
        return max(self.z.shape[-1], 1)


class SoftMarginLoss(Loss):
    """l = softplus(v), v = −t z.

    PyTorch's form, log1p(eᵛ) with the derivative −t eᵛ/(1 + eᵛ), is infinite where eᵛ overflows: undecided there.
    """

    def terms(self) -> Ball:
        v = -(self.t * self.z)
        return undecided(softplus(v), self.overflows(v))

    def derivative(self) -> Ball:
        v = -(self.t * self.z)
        return undecided(-self.t * sigmoid(v), self.overflows(v))

    def overflows(self, v: Ball) -> npt.NDArray[np.bool_]:
        """Where exp's 8u may carry eᵛ past the largest number."""
        f = v.format
        lost: npt.NDArray[np.bool_] = np.exp(v.mid + v.rad) * (1 + EXP * f.u) > f.max
        return lost


class HingeEmbeddingLoss(Loss):
    """l = [t ≠ −1] z + [t ≠ 1] max(0, Δ − z)."""

    def __init__(self, reduction: str, margin: float) -> None:
        super().__init__(reduction)
        self.margin = margin

    @classmethod
    def read(cls, module: Any) -> Self:
        return cls(module.reduction, float(module.margin))

    def terms(self) -> Ball:
        """One subtraction, and an addition where t is neither 1 nor −1; adding 0 rounds nothing."""
        apart = relu(self.apart())
        near, far = self.t.mid != -1, self.t.mid != 1
        both = self.z + apart
        mid = np.where(near & far, both.mid, np.where(near, self.z.mid, apart.mid))
        rad = np.where(near & far, both.rad, np.where(near, self.z.rad, apart.rad))
        return Ball(mid, rad, self.z.format)

    def derivative(self) -> Ball:
        """[t ≠ −1] − [t ≠ 1][z ≤ Δ]: at an exact tie −1. At NaN PyTorch has 0 for the second: nothing is claimed."""
        near, far = self.t.mid != -1, self.t.mid != 1
        hinge = step(self.apart(), at_zero=1.0)
        return Ball(near - far * hinge.mid, np.where(far, hinge.rad, 0.0), self.z.format)

    def apart(self) -> Ball:
        """Δ − z: a rounded difference keeps its sign."""
        return self.z.format.constant(self.margin) - self.z


def _sigmoid(z: Float64) -> Float64:
    e = np.exp(-np.abs(z))
    return np.asarray(np.where(z >= 0, 1 / (1 + e), e / (1 + e)))


def _between(mid: Float64, low: Float64, high: Float64, floor: float, rel: float, absolute: float, f: Format) -> Ball:
    """max(log, floor) of an interval, a relative error on the logarithm and an absolute one inside it."""
    m, a, b = np.maximum(mid, floor), np.maximum(low, floor), np.maximum(high, floor)
    rad = np.maximum(b - m, m - a) + rel * np.maximum(np.abs(a), np.abs(b)) + absolute
    return Ball(m, rad, f)
