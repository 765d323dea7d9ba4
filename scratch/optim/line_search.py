"""A step length that satisfies the strong Wolfe conditions."""

from collections.abc import Callable
from typing import Any

import numpy as np

from scratch.flags import product
from scratch.module import Array

Evaluate = Callable[[Any], tuple[float, Array]]
"""Loss and flat gradient at the point a step of the given length away."""

SUFFICIENT, CURVATURE = 1e-4, 0.9  # c₁ and c₂


def strong_wolfe(
    evaluate: Evaluate, t: Any, d: Array, f: float, g: Array, slope: Any, tolerance: float, max_ls: int
) -> tuple[float, Array, Any, int]:
    r"""A step t along d with φ(t) = f(x + td) low enough and flat enough:

        φ(t) ≤ φ(0) + c₁tφ′(0)   (sufficient decrease)       |φ′(t)| ≤ c₂|φ′(0)|   (curvature)

    First t grows until such a point is found or lies in between (the bracket); then the bracket is narrowed, each trial
    at the minimum of the cubic through values and slopes of its ends. Trials that twice come close to an end are moved
    a tenth of the bracket inside. Returns φ(t), the gradient there, t, and how often φ was evaluated. `f`, `g` and
    `slope` belong to t = 0; with `max_ls` used up the better end of the bracket is returned.
    Source: Nocedal, Wright, Numerical optimization (2006), algorithms 3.5 and 3.6, as PyTorch has them.
    """
    longest = np.abs(d).max()
    f_new, g_new = evaluate(t)
    slope_new = product(g_new, d)
    evaluations, iteration = 1, 0
    before: tuple[Any, ...] = (0, f, g, slope)
    bracket: list[tuple[Any, ...]] = []
    done = False
    while iteration < max_ls:
        now = (t, f_new, g_new, slope_new)
        if f_new > (f + SUFFICIENT * t * slope) or (iteration > 1 and f_new >= before[1]):
            bracket = [before, now]
            break
        if abs(slope_new) <= -CURVATURE * slope:
            bracket, done = [now], True
            break
        if slope_new >= 0:
            bracket = [before, now]
            break
        bounds = (t + 0.01 * (t - before[0]), t * 10)
        t = cubic_minimum(before[0], before[1], before[3], t, f_new, slope_new, bounds)
        before = now
        f_new, g_new = evaluate(t)
        slope_new = product(g_new, d)
        evaluations, iteration = evaluations + 1, iteration + 1
    if iteration == max_ls:
        bracket = [(0, f, g, slope), (t, f_new, g_new, slope_new)]

    stuck = False
    low, high = (0, 1) if bracket[0][1] <= bracket[-1][1] else (1, 0)
    while not done and iteration < max_ls:
        ends = [bracket[0][0], bracket[1][0]]
        if abs(ends[1] - ends[0]) * longest < tolerance:
            break
        (t1, f1, _, slope1), (t2, f2, _, slope2) = bracket
        t = cubic_minimum(t1, f1, slope1, t2, f2, slope2)
        tenth = 0.1 * (max(ends) - min(ends))
        if min(max(ends) - t, t - min(ends)) < tenth:
            if stuck or t >= max(ends) or t <= min(ends):
                near_top = abs(t - max(ends)) < abs(t - min(ends))
                t = max(ends) - tenth if near_top else min(ends) + tenth
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        f_new, g_new = evaluate(t)
        slope_new = product(g_new, d)
        evaluations, iteration = evaluations + 1, iteration + 1
        if f_new > (f + SUFFICIENT * t * slope) or f_new >= bracket[low][1]:
            bracket[high] = (t, f_new, g_new, slope_new)
            low, high = (0, 1) if bracket[0][1] <= bracket[1][1] else (1, 0)
            continue
        if abs(slope_new) <= -CURVATURE * slope:
            done = True
        elif slope_new * (bracket[high][0] - bracket[low][0]) >= 0:
            bracket[high] = bracket[low]
        bracket[low] = (t, f_new, g_new, slope_new)
    t, f_new, g_new = bracket[low][:3]
    return f_new, g_new, t, evaluations


def cubic_minimum(
    x1: Any, f1: float, slope1: Any, x2: Any, f2: float, slope2: Any, bounds: tuple[Any, Any] | None = None
) -> Any:
    r"""The minimum of the cubic with values f and slopes f′ at x₁ and x₂, kept between `bounds` (default: x₁ and x₂).

    With d₁ = f₁′ + f₂′ − 3(f₁ − f₂)/(x₁ − x₂) and d₂ = √(d₁² − f₁′f₂′), its derivative vanishes for x₁ ≤ x₂ at
    x₂ − (x₂ − x₁)(f₂′ + d₂ − d₁)/(f₂′ − f₁′ + 2d₂). Without a real root there is no minimum: the middle is taken.
    Source: Nocedal, Wright, Numerical optimization (2006), eq. 3.59.
    """
    low, high = bounds or ((x1, x2) if x1 <= x2 else (x2, x1))
    if x1 > x2:
        (x1, f1, slope1), (x2, f2, slope2) = (x2, f2, slope2), (x1, f1, slope1)
    d1 = slope1 + slope2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1**2 - slope1 * slope2
    if not square >= 0:
        return (low + high) / 2
    d2 = np.sqrt(square)
    return min(max(x2 - (x2 - x1) * ((slope2 + d2 - d1) / (slope2 - slope1 + 2 * d2)), low), high)
