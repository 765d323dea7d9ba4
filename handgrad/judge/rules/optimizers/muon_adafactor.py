"""Optimizers that look at a whole parameter: their rules take balls of its shape."""

import numpy as np

from handgrad.judge.ball import Ball, Float64, Format, settle
from handgrad.judge.rules.optimizers.common import (
    Group,
    Rule,
    State,
    constant,
    direction,
    exact,
    on_the_way,
    power,
    running_mean,
    shrunk,
    stepped,
    wider,
    zeros,
)


def adafactor(group: Group, p: Ball, g: Ball, state: State) -> tuple[Ball, State, State]:
    """Adafactor (Shazeer & Stern 2018, algorithms 4 and 5, as PyTorch has them).

    ρ = min(lr, 1/√t);  α = max(ε₂, rms p) ρ;  β = 1 − t^κ;  r, c (or v, for a vector) running means of the means of d²;
    v = r cᵀ/max(mean r, ε₁);  w = d/√max(v, ε₁²);  p ← (1 − lr λ)p − α/max(1, rms(w)/d₀) w.

    Beyond ball arithmetic: the means of squares may be squares of a norm, 8u (two more roots, two more products); a
    reciprocal root may be within 2 ulp, and w d·(1/√v): 6u; α and the rms are float64 numbers of a sum in the format.
    """
    f = p.format
    eps1, eps2 = group["eps"]
    eps1 = float(np.finfo(f.dtype).eps) if eps1 is None else float(eps1)
    step, lr = stepped(state), float(group["lr"])
    d = direction(group, g)
    share = constant(f, power(exact(step), exact(float(group["beta2_decay"]))))
    ratio = exact(1) / exact(step).sqrt()
    rho = exact(lr) if lr <= float(ratio.mid) else ratio
    size = _rms(p)
    alpha, theta = _no_less(size, float(eps2)) * rho, p
    if weight_decay := float(group["weight_decay"]):
        theta = shrunk(p, lr * weight_decay)
    square = d * d
    new = {"step": f.exact(step)}
    between = {"rmsθ": size, "α": alpha, **on_the_way(p, g, theta, d)}
    if len(p.shape) > 1:
        rows, columns = _mean(square, -1), _mean(square, -2)
        row = _drawn(state.get("row_var", zeros(p[..., :1])), rows, share)
        column = _drawn(state.get("col_var", zeros(p[..., :1, :])), columns, share)
        new.update(row_var=row, col_var=column)
        least, mean = f.constant(eps1), _row_mean(row)
        v = row * column / mean.maximum(Ball(least.mid, least.rad, f))
        between |= {"mean_j": rows, "mean_i": columns, "mean_r": mean, "v": v}
    else:
        v = new["variance"] = _drawn(state.get("variance", zeros(p)), square, share)
    floor = f.constant(eps1 * eps1, roundings=1)
    root = v.maximum(Ball(np.full(p.shape, floor.mid), np.full(p.shape, floor.rad), f)).sqrt()
    w = d / root
    w = wider(w, 6 * f.u * w.reach)
    length = _rms(w)
    denominator = _no_less(length / exact(float(group["d"])), 1.0)
    update = constant(f, alpha / denominator) * w
    return theta - wider(update, 3 * f.u * update.reach), new, {**between, "u": w, "rmsu": length}


def _drawn(mean: Ball, towards: Ball, share: Ball) -> Ball:
    """m + s(x − m), or (1 − s)m + sx: 3us(|m| + |x|) and 2η apart."""
    f = mean.format
    drawn = mean + (towards - mean) * share
    return wider(drawn, 3 * f.u * float(share.reach) * (mean.reach + towards.reach) + 2 * f.eta)


def _mean(a: Ball, axis: int) -> Ball:
    """The mean of squares along an axis, which stays, as a mean or as ‖·‖²/n."""
    f, n = a.format, a.shape[axis]
    total = a.sum(axis)
    rad = total.rad / n + (8 + 2) * f.u * total.reach / n + 2 * f.eta
    return settle(f, np.expand_dims(total.mid / n, axis), np.expand_dims(rad, axis), np.expand_dims(total.reach, axis))


def _row_mean(row: Ball) -> Ball:
    """The mean over the rows, which stay as an axis."""
    f, n = row.format, row.shape[-2]
    total = row.sum(-2)
    rad = (total.rad + 2 * f.u * total.reach) / n + f.eta
    return settle(f, np.expand_dims(total.mid / n, -2), np.expand_dims(rad, -2), np.expand_dims(total.reach, -2))


def _no_less(a: Ball, least: float) -> Ball:
    """Python's max(least, a), which is `least` where a is NaN."""
    return exact(least) if np.isnan(a.mid) else a.maximum(exact(least))


def _rms(a: Ball) -> Ball:
    """‖a‖/√n, the norm in the format of a, the rest in float64."""
    f = a.format
    norm = (a * a).sum().sqrt()
    rad = norm.rad + 2 * f.u * norm.reach
    return Ball(norm.mid, rad, Format.of(np.float64)) / exact(a.size).sqrt()


BFLOAT16 = 2.0**-8  # unit roundoff of a format with 8 significant bits


def muon(group: Group, p: Ball, g: Ball, state: State) -> tuple[Ball, State, State]:
    """Muon (Jordan et al. 2024, as PyTorch has it).

    B ← μB + (1 − μ)g;  U = orthogonal(μB + (1 − μ)g) with nesterov, of B without;  p ← (1 − lr λ)p − lr s U.

    The buffer is judged as closely as anywhere. U is computed in bfloat16, whose rounding an iteration amplifies by up
    to sup|f′| = 3.4 (see `orthogonal`). A radius of 1, the size of U's singular values, tells nothing any more: the new
    parameters are then left undecided, and counted. Measured on normal matrices from (1, 1) to (128, 64): one of
    ns_steps is always decided (R = 0.07 to 0.18), two are for vectors (0.71) and from (32, 16) on (0.85 to 0.47), three
    and more never, and so not the usual five. No tighter derivation can change that much: a singular value near 0 does
    grow by 3.4 an iteration and its rounding noise with it, 3.4⁵·2⁻⁸ = 1.9 after five. What those give is held by what
    can be told: the buffer, matrices of which no sum rounds (equal to the bit), and the singular values of U.
    """
    f = p.format
    momentum, lr = float(group["momentum"]), float(group["lr"])
    buffer = running_mean(momentum, state.get("momentum_buffer", zeros(p)), g)
    ahead = _ahead(momentum, buffer, g) if group["nesterov"] else buffer
    mid, radius = orthogonal(ahead, tuple(group["ns_coefficients"]), int(group["ns_steps"]), float(group["eps"]))
    rows, columns = p.shape
    scale = exact(rows) / exact(columns)
    scale = scale.maximum(exact(1)).sqrt()
    if group["adjust_lr_fn"] == "match_rms_adamw":
        scale = exact(0.2) * exact(max(rows, columns)).sqrt()
    theta = shrunk(p, lr * float(group["weight_decay"]))
    u = settle(f, mid, np.full(p.shape, radius), np.abs(mid) + radius)
    between = {"B̂": ahead, "U": u, "s": scale, "θ₁": theta}
    return theta - constant(f, exact(lr) * scale) * u, {"momentum_buffer": buffer}, between


def _ahead(momentum: float, buffer: Ball, g: Ball) -> Ball:
    """μB + (1 − μ)g, or g + μ(B − g): the running mean the other way round."""
    return running_mean(1 - momentum, g, buffer) if momentum < 1 else buffer


def orthogonal(b: Ball, coefficients: tuple[float, ...], steps: int, eps: float) -> tuple[Float64, float]:
    """The iteration X ← aX + (bA + cA²)X, A = XXᵀ, from X = B/max(‖B‖, ε), and how far bfloat16 may be from it.

    The distance is one Frobenius norm R ≥ every entry. With w = 2⁻⁸, s = ‖X‖₂ + R and φ = ‖X‖ + R:

    - start: B, ‖B‖ and the quotient are rounded, and the rounding of B moves the norm: 4w, plus B's own radius;
    - an iteration acts on singular values as f(x) = ax + bx³ + cx⁵, which is odd. The Fréchet derivative's entries in
      the singular bases are (f(x) ± f(y))/(x ± y), differences of f over intervals in [−s, s] (Daleckii, Krein): R
      grows by at most L = sup|f′| there;
    - its own roundings: A by w sφ, which the polynomial carries on with |b| + 2|c|s² and X with s; the polynomial by
      w (|b|sφ + 2|c|s³φ), carried on with s; the result by w (|a| + |b|s² + |c|s⁴)φ. Sums are in single precision:
      n·2⁻²⁴ of the same terms, less than another tenth for n < 10⁴. All in all 1.1 wφ (|a| + 3|b|s² + 5|c|s⁴).

    Nothing is claimed where the norm's squares may leave the range of single precision, and from R = 1 on.
    """
    a, c3, c5 = coefficients
    norm = float(np.linalg.norm(b.mid))
    if not (norm < 1e18 and (norm > 1e-18 or eps > 1e-17)):
        return np.zeros(b.shape), np.inf
    length = max(norm, eps)
    x = b.mid / length
    radius = 4.1 * BFLOAT16 * float(np.linalg.norm(x)) + 2 * float(np.linalg.norm(b.rad)) / length + 1e-30
    for _ in range(steps):
        s, size = float(np.linalg.norm(x, 2)) + radius, float(np.linalg.norm(x)) + radius
        inside = [y for y in (-3 * c3 / (10 * c5) if c5 else 0.0,) if 0 < y < s * s]
        slope = max(abs(a + 3 * c3 * y + 5 * c5 * y * y) for y in (0.0, s * s, *inside))
        own = 1.1 * BFLOAT16 * size * (abs(a) + 3 * abs(c3) * s**2 + 5 * abs(c5) * s**4)
        radius = slope * radius + own
        gram = x @ x.T
        x = a * x + (c3 * gram + c5 * gram @ gram) @ x
        if not radius < 1:
            return np.zeros(b.shape), np.inf
    return x, radius


RULES: dict[str, Rule] = {"Adafactor": adafactor, "Muon": muon}
WHOLE: tuple[Rule, ...] = (
    adafactor,
    muon,
)
