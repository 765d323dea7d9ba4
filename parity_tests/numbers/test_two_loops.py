"""L-BFGS's two loops in balls: what any program computes is inside, and after twenty pairs they still say something."""

import numpy as np
import pytest

from handgrad.judge.ball import Ball, Format, quiet
from handgrad.judge.rules.optimizers.two_loops import two_loops

F32 = Format.of(np.float32)
SIZE = 12


def numbers(pairs, seed=0):
    """A gradient, and pairs y = As of a badly scaled A: y, s, ρ, γ in float32."""
    rng = np.random.default_rng(seed)
    turned, _ = np.linalg.qr(rng.standard_normal((SIZE, SIZE)))
    steps = rng.standard_normal((pairs, SIZE)).astype(np.float32)
    scales = 10.0 ** rng.uniform(-1.5, 1.5, SIZE)
    scaled = (turned[:, None] * scales * turned).sum(-1)
    changes = (scaled * steps[:, None]).sum(-1).astype(np.float32)
    ro = 1 / (changes * steps).sum(-1)
    gamma = 1 / ro[-1] / (changes[-1] ** 2).sum()
    return [rng.standard_normal(SIZE).astype(np.float32), changes, steps, ro, np.float32(gamma)]


def loops(g, changes, steps, ro, gamma, order):
    """A program, in the dtype of its numbers, that adds up in that order."""

    def dot(a, b):
        return (a * b)[order].cumsum()[-1]

    q, sq, alphas, yr, betas = [-g], [], [], [], []
    for y, s, rho in reversed(list(zip(changes, steps, ro, strict=True))):
        sq.insert(0, dot(s, q[-1]))
        alphas.insert(0, sq[0] * rho)
        q.append(q[-1] - alphas[0] * y)
    r = [gamma * q[-1]]
    for y, s, rho, alpha in zip(changes, steps, ro, alphas, strict=True):
        yr.append(dot(y, r[-1]))
        betas.append(yr[-1] * rho)
        r.append(r[-1] + s * (alpha - betas[-1]))
    return q, sq, alphas, r, yr, betas


def assert_inside(found, computed):
    for balls, values in zip(found, computed, strict=True):
        for ball, value in zip(balls, values, strict=True):
            assert (np.abs(value - ball.mid) <= ball.rad).all()


def in_balls(given, share=0.0, which=range(5), form=F32):
    """The numbers, and around those that `which` names balls whose radii are so large a share of them."""
    arrays = [np.asarray(a, np.float64) for a in given]
    g, changes, steps, ro, gamma = ([a, share * np.abs(a) * (i in which)] for i, a in enumerate(arrays))
    lists = ([Ball(mid, rad, form) for mid, rad in zip(*some, strict=True)] for some in (changes, steps, ro))
    return [Ball(*g, form), *lists, Ball(*gamma, form)]


@pytest.mark.parametrize("pairs", [1, 5, 20])
def test_a_program_in_float32_is_inside_in_any_order(pairs):
    given = numbers(pairs)
    found, rng = two_loops(*in_balls(given)), np.random.default_rng(1)
    for _ in range(20):
        assert_inside(found, loops(*given, rng.permutation(SIZE)))
    assert (found.r[-1].rad < np.abs(found.r[-1].mid)).all()  # the sign of each entry of d is known


OPERANDS = ("gradient", "changes", "steps", "ro", "gamma")


@pytest.mark.parametrize("operand", [0, 1, 2, 3, 4], ids=OPERANDS)
@pytest.mark.parametrize("pairs", [2, 6])
def test_a_program_is_inside_from_wherever_in_one_ball_it_is_moved_most(operand, pairs):
    """Of each α, β and entry of d: the corner of the operand's balls that moves it most, as its slopes say."""
    exact, share, order = [np.asarray(a, np.float64) for a in numbers(pairs)], 1e-4, np.arange(SIZE)
    found = two_loops(*in_balls(exact, share, (operand,), Format.of(np.float64)))

    def made(value):
        return loops(*exact[:operand], value, *exact[operand + 1 :], order)

    def ends(computed):
        return np.concatenate([computed[2], computed[5], computed[3][-1]])

    here, start = exact[operand], ends(made(exact[operand]))
    slopes = []
    for index in np.ndindex(here.shape):
        moved = np.array(here)
        moved[index] *= 1 + 2.0**-30
        slopes.append(ends(made(moved)) - start)  # where it grows by a share of itself
    inner = share * (1 - 2.0**-20)  # so that what is rounded is inside still
    for slope in np.array(slopes).T:
        for sign in (1, -1):
            assert_inside(found, made(here * (1 + sign * inner * np.sign(slope.reshape(here.shape)))))


@quiet
def test_what_is_undecided_stays_so():
    """Where a number may pass the range, the centre is none, and no smaller radius can be claimed around it."""
    g, *others = numbers(3)
    for size, expected in ((np.inf, np.inf), (1e38, np.inf), (np.nan, 0.0)):
        broken = g.astype(np.float64)
        broken[2] = size
        found = two_loops(F32.exact(broken), *in_balls([g, *others])[1:])
        assert found.r[-1].rad[2] == expected
        assert np.isnan(found.r[-1].mid[2]) == np.isnan(size)
