"""The references of losses of class scores of which one is right: cross entropy and NLL."""

import math
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from handgrad.judge.ball import WIDEN, Ball, Float64, settle
from handgrad.judge.rules.activations.softmax import log_softmax
from handgrad.judge.rules.losses.loss import Loss, Upstream, optional

__all__ = ["CrossEntropyLoss", "NLLLoss"]


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
            optional(module.weight),
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
        rad = p + f.sums(terms, self.roundings) * size + under
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
            nan = self.nothing or (total.mid == 0 and total.rad == 0)
            return Ball(np.asarray(np.nan if nan else 0.0), np.asarray(0.0 if nan else np.inf), f)
        mean = total / self.divisor
        return Ball(mean.mid, mean.rad + under.sum(), f)  # a program may divide every Q by D

    @property
    def nothing(self) -> bool:
        """Whether a mean divides by an exact 0, because the weights of all targets are 0.

        The loss is NaN, 0/0 in Σ w_t log p, and so is the gradient by what is asked for, 0 · 1/0; in ignored rows it
        is 0.
        """
        return self.reduction == "mean" and bool(self.divisor.mid == 0 and self.divisor.rad == 0)

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
        self.right = ~self.ignored[:, None] & (t[:, None] == np.arange(C))
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
            + f.sums(self.classes, self.roundings + 2) * p.reach * S
            + f.gamma(self.roundings + 2) * np.abs(Q)
            + relative * size
        )
        # S, a sum, has every entry's underflow.
        under = self._underflow(self._others(upstream, scale))
        rad = inner * np.abs(scale.mid) * WIDEN + under + under.sum(-1, keepdims=True)
        asked = np.broadcast_to(~self.ignored[:, None], mid.shape)
        return self._unmoved(self._masked(mid * scale.mid, rad, upstream, scale, size, asked))

    def _masked(
        self, mid: Float64, rad: Float64, upstream: Upstream, scale: Ball, size: Float64, asked: npt.NDArray[np.bool_]
    ) -> Ball:
        """The gradient as (rows, C): exactly 0 in ignored rows, undecided where a row or the scale is.

        NaN where it is `asked` for and divided by `nothing`.

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
        if self.nothing:
            lost = np.broadcast_to(lost, asked.shape)
            return Ball(np.where(asked & ~lost, np.nan, 0.0), np.where(lost, np.inf, 0.0), f)
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
        return self._unmoved(self._masked(mid, rad, upstream, scale, size, self.right))


def _largest(upstream: Upstream) -> float:
    return 1.0 if upstream is None else float(np.abs(np.asarray(upstream, dtype=np.float64)).max(initial=0.0))
