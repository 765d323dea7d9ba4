"""The reference of every loss, in balls: its value and, right under it, its gradient.

A rule is one class and one row of `RULES`, found by the class name of the loss it judges. `forward(input, target)`
gives the ball of the loss (an array for `reduction="none"`), `backward(upstream)` that of d loss / d input times the
upstream gradient, a scalar or, for "none", an array. Targets and weights are exact.

A program may fold the constant factors (1/N, the upstream gradient, a weight) into any of the products and in any
order: each factor is counted as one rounding, a division as two (it may be a multiplication by the reciprocal).
"""

import math
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from handgrad.judge import structure
from handgrad.judge.ball import EXP, LOG, WIDEN, Ball, Float64, Format, settle
from handgrad.judge.layers import sigmoid
from handgrad.judge.softmax import log_softmax

Upstream = npt.ArrayLike | None


class Loss:
    """Options that all losses have, and the reduction of elementwise ones."""

    # By how much a factor of the derivative may enlarge an underflow that came before it.
    amplified: Any = 1.0

    def __init__(self, reduction: str) -> None:
        self.reduction = reduction

    @classmethod
    def read(cls, module: Any) -> Self:
        return cls(module.reduction)

    def forward(self, input: Ball, target: npt.NDArray[Any]) -> Ball:
        """Elementwise losses: the terms, reduced. A 0-d target is one value for all outputs; else shapes are equal."""
        f = input.format
        if target.shape not in ((), input.shape):
            raise ValueError(f"the target's shape {target.shape} is not the output's {input.shape}")
        self.z = input
        self.t = f.exact(np.broadcast_to(target, input.shape))
        return self.reduce(self.terms())

    def terms(self) -> Ball:
        raise NotImplementedError

    def derivative(self) -> Ball:
        """d term / d input, element by element."""
        raise NotImplementedError

    def backward(self, upstream: Upstream = None) -> Ball:
        """derivative · g / N, and for a partial product that underflows, η times any product of the other factors."""
        f = self.z.format
        g = f.exact(np.ones(()) if upstream is None else np.asarray(upstream))
        d = self.derivative()
        scale = g
        if self.reduction == "mean" and self.z.size:
            scale = g / f.exact(np.asarray(float(self.z.size)))
        grad = d * scale
        rad = grad.rad + 2 * f.eta * (1 + d.reach) * (1 + g.reach) * self.amplified
        # A program may divide by N last: the product before it must not overflow.
        return settle(f, grad.mid, rad, np.maximum(grad.reach + rad, d.reach * g.reach))

    def reduce(self, terms: Ball) -> Ball:
        if self.reduction == "mean":
            return terms.mean()
        return terms.sum() if self.reduction == "sum" else terms


class MSELoss(Loss):
    """l = (z − t)²."""

    def terms(self) -> Ball:
        d = self.z - self.t
        return d * d

    def derivative(self) -> Ball:
        """2 (z − t): the factor 2 is exact."""
        d = self.z - self.t
        return d + d


class L1Loss(Loss):
    """l = |z − t|."""

    def terms(self) -> Ball:
        return abs(self.z - self.t)

    def derivative(self) -> Ball:
        """sign(z − t), 0 at an exact 0: a rounded difference keeps its sign. Open where 0 is inside the ball.

        The sign of NaN is 0 for PyTorch and NaN for NumPy: nothing is claimed.
        """
        z, t = self.z, self.t
        d = z.mid - t.mid
        sign = np.sign(d)
        rad = np.where((np.abs(d) <= z.rad * WIDEN) & (z.rad > 0), 1 + np.abs(sign), 0.0)
        lost = np.isnan(d) | np.isinf(z.rad) | np.isinf(t.rad)
        return Ball(np.where(lost, 0.0, sign), np.where(lost, np.inf, rad), z.format)


class _Weighted(Loss):
    """An elementwise loss with a weight that broadcasts over the input. "mean" still divides by the element count."""

    def __init__(self, reduction: str, weight: npt.NDArray[Any] | None) -> None:
        super().__init__(reduction)
        self.weight = weight
        if weight is not None:
            self.amplified = 1 + np.abs(weight.astype(np.float64))

    @classmethod
    def read(cls, module: Any) -> Self:
        return cls(module.reduction, _optional(module.weight))

    def weigh(self, terms: Ball, others: Any = 0.0) -> Ball:
        """w · term. A program may multiply by w first: what underflows then is off by η times the `others` to come."""
        if self.weight is None:
            return terms
        weighed = terms * terms.format.exact(self.weight)
        return Ball(weighed.mid, weighed.rad + 2 * terms.format.eta * others, terms.format)


class BCELoss(_Weighted):
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
        log_p, log_q = _undecided(log_p, p), _undecided(log_q, p)
        one = f.exact(np.ones(()))
        return self.weigh(-(t * log_p + (one - t) * log_q), (1 + np.abs(t.mid)) * (1 + log_p.reach + log_q.reach))

    def derivative(self) -> Ball:
        """w (p − t) / max(p (1 − p), 1e-12), the constant as it is or, as PyTorch has it in every dtype, in float32.

        The form w ((1 − t)/(1 − p) − t/p) has terms that cancel when 0 < t < 1: four roundings each of
        (|1 − t| p + |t| (1 − p)) / (p (1 − p)).
        """
        f, t = self.z.format, self.t
        p = self._probability()
        one = f.exact(np.ones(()))
        product = p * (one - p)
        floor = Ball(np.asarray(1e-12), np.asarray(1e-12 - float(np.float32(1e-12)) + f.u * 1e-12), f)
        least = np.maximum(product.mid - product.rad, 0)
        mid = np.maximum(product.mid, floor.mid)
        top = np.maximum(product.mid + product.rad, floor.mid + floor.rad)
        low = np.maximum(least, floor.mid - floor.rad)
        below = Ball(mid, np.maximum(top - mid, mid - low), f)
        self.amplified = (1 if self.weight is None else 1 + np.abs(self.weight.astype(np.float64))) * (1 + 1 / low)
        quotient = (p - t) / below
        split = (abs(one - t).reach * p.reach + np.abs(t.mid) * (one - p).reach) / low
        soft = (t.mid > 0) & (t.mid < 1)
        return self.weigh(Ball(quotient.mid, quotient.rad + np.where(soft, 4 * f.u * split, 0.0), f))

    def _probability(self) -> Ball:
        """The input; only its part inside [0, 1] matters, because PyTorch refuses the rest."""
        return Ball(np.clip(self.z.mid, 0.0, 1.0), self.z.rad, self.z.format)


class BCEWithLogitsLoss(_Weighted):
    """l = w ((1 − t) z + (1 + (q − 1) t) · softplus(−z)) with q = pos_weight."""

    def __init__(self, reduction: str, weight: npt.NDArray[Any] | None, pos_weight: npt.NDArray[Any] | None) -> None:
        super().__init__(reduction, weight)
        self.pos_weight = pos_weight

    @classmethod
    def read(cls, module: Any) -> Self:
        return cls(module.reduction, _optional(module.weight), _optional(module.pos_weight))

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


class CrossEntropyLoss(Loss):
    """L = −Σ_r Σ_c Q_rc log p_rc / D over rows r (samples, and positions of K-dimensional input), classes c on axis 1.

    Class indices: Q_rc = (1 − ε) w_t [c = t] + (ε / C) w_c, or 0 for the ignored index; D = Σ_r w_{t_r} over the rest.
    Probabilities T: Q_rc = w_c ((1 − ε) T_rc + ε / C), D = the number of rows. "sum" and "none" have D = 1.
    """

    log_input = False

    def __init__(
        self,
        reduction: str,
        weight: npt.NDArray[Any] | None = None,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(reduction)
        self.weight, self.ignore_index, self.label_smoothing = weight, ignore_index, label_smoothing

    @classmethod
    def read(cls, module: Any) -> Self:
        return cls(
            module.reduction,
            _optional(module.weight),
            int(module.ignore_index),
            float(getattr(module, "label_smoothing", 0.0)),
        )

    def forward(self, input: Ball, target: npt.NDArray[Any]) -> Ball:
        """Per row, C products and their sum: r = Σ|Q| ρ + γ_{C+k} Σ|Q| (|log p| + ρ), k roundings in Q.

        Over the rows one addition more each, and a division by D. With tiny weights or probabilities a product in Q may
        underflow, is off by η and then multiplied by the other factors, log p among them: `_underflow`.
        """
        if not input.shape:
            raise ValueError("cross entropy needs class scores, not a single number")
        self.axis = 1 if len(input.shape) > 1 else 0
        moved = input.moveaxis(self.axis, -1)
        self.rows_shape, self.classes = moved.shape[:-1], moved.shape[-1]
        self.z = moved.reshape(math.prod(self.rows_shape), self.classes)
        self.quantities(target)
        self.log_p, self.p = (self.z, self.z) if self.log_input else log_softmax(self.z)
        f, Q, log_p = self.z.format, self.Q, self.log_p
        touched = self.touched
        size = np.where(touched, np.abs(Q) * log_p.reach, 0.0)
        p = np.where(touched, np.abs(Q) * log_p.rad, 0.0).sum(-1) * WIDEN
        mid = -np.where(touched, Q * log_p.mid, 0.0).sum(-1)
        terms = int(touched.sum(-1).max(initial=0))
        size = size.sum(-1)
        under = np.where(touched, self._underflow(1 + log_p.reach), 0.0).sum(-1)
        rad = p + f.gamma(terms + self.roundings) * size + under
        # A program may mask an ignored row or multiply it by 0: with a NaN in it the two differ.
        poison = np.where(touched, log_p.mid, 0.0).sum(-1)
        lost = (np.isnan(log_p.mid) | np.isinf(log_p.rad)).any(-1) & ~np.isnan(poison)
        self.row_lost = lost
        # A program may sum all log p, weighted, before it multiplies by ε / C.
        plain = (self.smoothed * np.where(touched, log_p.reach, 0.0)).sum(-1)
        rows = settle(f, mid, np.where(lost, np.inf, rad), np.maximum(size + rad, plain), poison)
        if self.reduction == "none":
            return rows.reshape(*self.rows_shape)
        total = rows.sum(terms=int(np.count_nonzero(touched)))
        total = settle(f, total.mid, total.rad, np.maximum(total.reach, plain.sum()))
        if self.reduction == "sum":
            return total
        if self.divisor.mid == 0:
            nan = total.mid == 0 and total.rad == 0
            return Ball(np.asarray(np.nan if nan else 0.0), np.asarray(0.0 if nan else np.inf), f)
        mean = total / self.divisor
        return Ball(mean.mid, mean.rad + under.sum(), f)  # a program may divide every Q by D

    def quantities(self, target: npt.NDArray[Any]) -> None:
        """`Q` (rows, C), `divisor`, and `roundings`: how many a program may have made in an entry of Q.

        And of Q's factors, `factors`, what their products are at most, and `touched`, where none of them is 0: Q itself
        may be 0 there, because the reference underflows as well.
        """
        f, C, rows = self.z.format, self.classes, self.z.shape[0]
        w = np.ones(C) if self.weight is None else self.weight.astype(np.float64)
        e = self.label_smoothing
        self.smoothed = w if e else np.zeros(C)
        self.roundings = (self.weight is not None) + 4 * (e > 0)
        if target.dtype.kind == "f":
            if target.shape != (shape := (*self.rows_shape[:1], C, *self.rows_shape[1:])):
                raise ValueError(f"probability targets have shape {shape}, not {target.shape}")
            T = np.moveaxis(target.astype(np.float64), self.axis, -1).reshape(rows, C)
            wanted = T * (1 - e) + e / C
            self.Q = w * wanted
            self.factors = (1 + np.abs(w)) * (1 + np.abs(T))
            self.touched = (w != 0) & ((wanted != 0) | (T != 0))
            self.divisor = f.exact(np.asarray(float(rows)))
            self.ignored = np.zeros(rows, dtype=bool)
            return
        if target.shape != self.rows_shape:
            raise ValueError(f"class targets have shape {self.rows_shape}, not {target.shape}")
        t = target.reshape(rows).astype(np.int64)
        self.ignored = t == self.ignore_index
        if ((t < 0) | (t >= C))[~self.ignored].any():
            raise IndexError(f"a class target is outside 0 … {C - 1}")
        t = np.where(self.ignored, 0, t)
        keep = (~self.ignored).astype(np.float64)
        self.Q = np.tile(w * (e / C), (rows, 1)) if e else np.zeros((rows, C))
        self.Q[np.arange(rows), t] += (1 - e) * w[t]
        self.Q *= keep[:, None]
        self.factors = np.tile(1 + np.abs(w), (rows, 1))
        self.touched = (w != 0) & (keep[:, None] != 0) & ((e > 0) | (np.arange(C) == t[:, None]))
        if self.weight is None:
            self.divisor = f.exact(np.asarray(keep.sum()))
        else:
            self.divisor = f.exact(w[t] * keep).sum()

    def backward(self, upstream: Upstream = None) -> Ball:
        """dz_rc = (p_rc Σ_j Q_rj − Q_rc) · g_r / D.

        With S_r = Σ|Q_r| the radius is (r_p S + γ_{C+k+2} (p + r_p) S + γ_{k+2} |Q|) |g/D|: k roundings in Q, a product
        and the subtraction, C − 1 additions in S; and the relative error of g/D on both summands, because a program
        may compute it apart for each. Underflow costs η per product. An ignored row has gradient 0.
        """
        f, Q, scale = self.z.format, self.Q, self._row_scale(upstream)
        p, S = self.p, np.abs(Q).sum(-1, keepdims=True)
        mid = p.mid * Q.sum(-1, keepdims=True) - Q
        relative = scale.rad / np.where(scale.mid == 0, 1.0, np.abs(scale.mid))
        size = (p.reach * S + np.abs(Q)) * WIDEN
        inner = (
            p.rad * S
            + f.gamma(self.classes + self.roundings + 2) * p.reach * S
            + f.gamma(self.roundings + 2) * np.abs(Q)
            + relative * size
        )
        # S, a sum, has every entry's underflow.
        under = self._underflow(self._others(upstream, scale))
        rad = inner * np.abs(scale.mid) * WIDEN + under + under.sum(-1, keepdims=True)
        return self._unmoved(self._masked(mid * scale.mid, rad, upstream, scale, size))

    def _masked(self, mid: Float64, rad: Float64, upstream: Upstream, scale: Ball, size: Float64) -> Ball:
        """The gradient as (rows, C): exactly 0 in ignored rows, undecided where a row or the scale is.

        The scale is undecided where 1/D may overflow, and a program that multiplies by it has ∞ · 0 in an ignored row:
        nothing is claimed there either. But D = 0, where every row is ignored, leaves nothing to multiply by.
        """
        f, lost = self.z.format, self.row_lost[:, None]
        rad = np.where(lost | np.isinf(scale.rad), np.inf, rad)
        # A program may divide by D last: the product before it must not overflow.
        top = (1 + np.abs(scale.mid) + _largest(upstream)) * size + rad
        ball = settle(f, np.where(lost, 0.0, mid), rad, top)
        certain = np.isfinite(scale.rad) | (self.divisor.mid == 0)
        quiet = self.ignored[:, None] & ~lost & certain
        return Ball(np.where(quiet, 0.0, ball.mid), np.where(quiet, 0.0, ball.rad), f)

    def _row_scale(self, upstream: Upstream) -> Ball:
        """g_r / D as a column (rows, 1). A divisor of 0 (no rows, or weights 0) leaves the rest undecided."""
        f, rows = self.z.format, self.z.shape[0]
        g = f.exact(np.ones(()) if upstream is None else np.asarray(upstream))
        if self.reduction == "none":
            return f.exact(np.broadcast_to(g.mid, self.rows_shape)).reshape(rows, 1)
        if self.reduction == "mean":
            g = g / self.divisor
        return Ball(np.full((rows, 1), g.mid), np.full((rows, 1), g.rad), f)

    def _underflow(self, others: Any) -> Float64:
        """Of at most four products each is off by η when it underflows, and then multiplied by the factors to come.

        Any product of them is at most that of 1 + |factor| over all: those of Q, and `others`.
        """
        return np.asarray(4 * self.z.format.eta * self.factors * others)

    def _others(self, upstream: Upstream, scale: Ball) -> Float64:
        """The factors of the gradient beside Q and p: g, 1/D and g/D."""
        inverse = 0.0
        if self.reduction == "mean" and self.divisor.mid != 0:
            inverse = 1 / abs(float(self.divisor.mid))
        return np.asarray((1 + np.abs(scale.mid)) * (1 + _largest(upstream)) * (1 + inverse))

    def _unmoved(self, rows: Ball) -> Ball:
        return rows.reshape(*self.rows_shape, self.classes).moveaxis(-1, self.axis)


class NLLLoss(CrossEntropyLoss):
    """L = −Σ_r w_t x_{r,t} / D: cross entropy of log-probabilities, with gradient −Q_rc g_r / D."""

    log_input = True

    def backward(self, upstream: Upstream = None) -> Ball:
        """Roundings as in cross entropy, without the softmax; where Q is 0 so is the gradient, exactly."""
        f, Q, scale = self.z.format, self.Q, self._row_scale(upstream)
        size = np.abs(Q)
        mid = np.where(Q == 0, 0.0, -Q * scale.mid)
        rad = size * scale.rad * WIDEN + f.gamma(self.roundings + 2) * np.abs(mid)
        rad = rad + np.where(self.touched, self._underflow(self._others(upstream, scale)), 0.0)
        self.row_lost = np.zeros_like(self.row_lost)  # the gradient does not depend on the input
        return self._unmoved(self._masked(mid, rad, upstream, scale, size))


RULES: dict[str, type[Loss]] = {
    rule.__name__: rule for rule in (BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, L1Loss, MSELoss, NLLLoss)
}


def read_loss(loss: Any) -> Loss:
    """The rule of a loss, read by class name. Raises `TypeError` for a class without one."""
    module = structure.unwrap(loss)
    kind = structure.class_name(module)
    if kind not in RULES:
        raise structure.unknown("loss", kind, RULES)
    rule = RULES[kind].read(module)
    if rule.reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction is {rule.reduction!r}; allowed are 'mean', 'sum' and 'none'")
    return rule


def _optional(value: Any) -> npt.NDArray[Any] | None:
    return None if value is None else structure.array(value)


def _sigmoid(z: Float64) -> Float64:
    e = np.exp(-np.abs(z))
    return np.asarray(np.where(z >= 0, 1 / (1 + e), e / (1 + e)))


def _between(mid: Float64, low: Float64, high: Float64, floor: float, rel: float, absolute: float, f: Format) -> Ball:
    """max(log, floor) of an interval, a relative error on the logarithm and an absolute one inside it."""
    m, a, b = np.maximum(mid, floor), np.maximum(low, floor), np.maximum(high, floor)
    rad = np.maximum(b - m, m - a) + rel * np.maximum(np.abs(a), np.abs(b)) + absolute
    return Ball(m, rad, f)


def _largest(upstream: Upstream) -> float:
    return 1.0 if upstream is None else float(np.abs(np.asarray(upstream, dtype=np.float64)).max(initial=0.0))


def _undecided(ball: Ball, like: Ball) -> Ball:
    return Ball(ball.mid, np.where(np.isinf(like.rad), np.inf, ball.rad), ball.format)
