"""How small an error the judge sees: one entry of one weight gradient of a whole net, off by a relative error.

`python -m parity_tests.meta.sensitivity` prints the share of entries in which it is seen, beside
`torch.testing.assert_close` with its default tolerances. Nets and data are ordinary (drawn from a normal distribution):
with the edge generator's extremes the question would be how often a gradient overflows.
"""

import argparse
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

import scratch
from handgrad.judge import judge_net

ERRORS = (1e-3, 1e-5, 1e-8, 1e-12)
Array = npt.NDArray[np.floating]


def nets(
    dtype: npt.DTypeLike, count: int, seed: int
) -> Iterator[tuple[scratch.MLP, scratch.CrossEntropyLoss, Array, Array]]:
    """Random MLPs of width up to 24, depth up to 4 and batch up to 16, each with a batch."""
    for i in range(count):
        rng = np.random.default_rng([seed, i])
        sizes = rng.integers(1, 25, rng.integers(2, 6)).tolist()
        sizes[-1] = max(sizes[-1], 2)
        batch = int(rng.integers(1, 17))
        model = scratch.MLP(sizes, str(rng.choice(["relu", "tanh", "sigmoid", "leaky_relu"])), dtype=dtype, rng=rng)
        x = rng.normal(size=(batch, sizes[0])).astype(dtype)
        yield model, scratch.CrossEntropyLoss(), x, rng.integers(0, sizes[-1], batch)


def seen(dtype: npt.DTypeLike, error: float, count: int, seed: int = 0) -> tuple[int, int, int]:
    """(entries tried, seen by the judge, seen by assert_close): per net, one non-zero entry of each weight gradient.

    A gradient that is exactly 0 (a dead unit's) has no relative error and is not drawn.
    """
    tried = judge = close = 0
    for i, (model, loss, x, y) in enumerate(nets(dtype, count, seed)):
        rng = np.random.default_rng([seed, i, 1])
        output = model.forward(x)
        value = loss.forward(output, y)
        grad_input = model.backward(loss.backward())
        right = dict(model.named_gradients())
        for name, gradient in right.items():
            entries = np.flatnonzero(gradient)
            if name.endswith("bias") or not entries.size:
                continue
            wrong = gradient.copy()
            index = np.unravel_index(rng.choice(entries), gradient.shape)
            wrong[index] *= 1 + error
            if wrong[index] == gradient[index]:
                continue  # the error rounds away: there is nothing to see
            tried += 1
            verdict = judge_net(model, loss, x, y, output, value, grad_input, {**right, name: wrong})
            judge += not verdict.held
            close += not _assert_close(wrong, gradient)
    return tried, judge, close


def _assert_close(actual: Array, expected: Array) -> bool:
    try:
        torch.testing.assert_close(torch.from_numpy(actual), torch.from_numpy(expected))
    except AssertionError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("count", nargs="?", type=int, default=400, help="nets per row")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print("| dtype | relative error | entries | seen by the judge | by assert_close |\n|---|---|---|---|---|")
    for dtype in (np.float32, np.float64):
        for error in ERRORS:
            tried, judge, close = seen(dtype, error, arguments.count, arguments.seed)
            if tried:
                print(f"| {np.dtype(dtype)} | {error:g} | {tried} | {judge / tried:.1%} | {close / tried:.1%} |")


if __name__ == "__main__":
    main()
