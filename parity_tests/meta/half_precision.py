"""False alarms in half precision: PyTorch's own kernels in bfloat16 and float16, and every verdict of "wrong" counted.

    python -m parity_tests.meta.half_precision 100000 --seed 0
    python -m parity_tests.meta.half_precision --case 4711 --seed 0          one case again

A case is one op with drawn options, sizes and numbers, forward and backward on a CPU, in one of the two formats. Sums
are in float32. Most of PyTorch's kernels compute all else in float32 too and round what they write; `BETWEEN` lists
those that round in between. Case `i` of a seed is always the same. Exit code 0 without alarms, 1 with one.
"""

import argparse
import random
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from handgrad.check.certified import STYLES, TARGETS, judge
from handgrad.judge import Verdict
from handgrad.judge.ball import NUMBERS, Format, Numbers
from handgrad.judge.kernel import LAYERS, LOSSES

Array = npt.NDArray[Any]

BETWEEN = {
    "LogSigmoid": "its backward reads an exponential that the forward has written",
    "Sigmoid": "its float16 backward multiplies in float16",
    "Softsign": "a quotient of two tensors, made by three kernels",
    "Tanhshrink": "a difference of two tensors",
    **dict.fromkeys(LOSSES, "values are written before they are averaged, and a gradient before it is multiplied"),
}
"""What PyTorch rounds between the operations of an op, and so is judged with `products` in the short format."""

OPTIONS: Mapping[str, Callable[[random.Random], dict[str, Any]]] = {
    "CELU": lambda r: {"alpha": r.choice([1.0, 0.3, 2.5, -1.0])},
    "ELU": lambda r: {"alpha": r.choice([1.0, 0.3, 2.5, -1.0])},
    "GELU": lambda r: {"approximate": r.choice(["none", "tanh"])},
    "Hardshrink": lambda r: {"lambd": r.choice([0.5, 0.125, 3.0])},
    "Hardtanh": lambda r: {"min_val": r.choice([-1.0, -0.25, 0.0]), "max_val": r.choice([1.0, 0.5])},
    "LeakyReLU": lambda r: {"negative_slope": r.choice([0.01, 0.25, 0.3, -2.0])},
    "Softplus": lambda r: {"beta": r.choice([1.0, 0.5, 2.0, 0.3]), "threshold": r.choice([20.0, 8.0])},
    "Softshrink": lambda r: {"lambd": r.choice([0.5, 0.125, 3.0])},
    "Threshold": lambda r: {"threshold": r.choice([0.0, 0.5, -1.0]), "value": r.choice([0.0, 20.0, -7.0])},
    "BCEWithLogitsLoss": lambda r: {"reduction": r.choice(["mean", "sum"])},
    "CrossEntropyLoss": lambda r: {"reduction": r.choice(["mean", "sum"])},
    "HuberLoss": lambda r: {"reduction": r.choice(["mean", "sum"]), "delta": r.choice([1.0, 0.3])},
    "L1Loss": lambda r: {"reduction": r.choice(["mean", "sum"])},
    "MSELoss": lambda r: {"reduction": r.choice(["mean", "sum"])},
    "SmoothL1Loss": lambda r: {"reduction": r.choice(["mean", "sum"]), "beta": r.choice([1.0, 0.3])},
    "SoftMarginLoss": lambda r: {"reduction": r.choice(["mean", "sum"])},
}


def case(seed: int, index: int) -> tuple[str, Verdict]:
    """One case and its verdict."""
    pick, rng = random.Random(f"{seed}/{index}"), np.random.default_rng([seed, index])
    kind, dtype = pick.choice([*LAYERS, *LOSSES]), pick.choice(["bfloat16", "float16"])
    numbers = NUMBERS[dtype]
    rows, features = pick.choice([1, 2, 5, 16, 33]), pick.choice([1, 3, 8, 24, 65, 256])
    options = OPTIONS.get(kind, lambda r: {})(pick)
    arguments = (features, pick.choice([1, 4, 31])) if kind == "Linear" else ()
    op = getattr(torch.nn, kind)(*arguments, **options).to(getattr(torch, dtype))
    style = pick.choice([*STYLES, *STYLES, "large", "tiny"])
    arrays = (numbers.round(_draw(style, rng, (rows, features), numbers)),)
    if kind in LOSSES:
        target = TARGETS.get(kind, lambda rng, shape: _draw(style, rng, shape, numbers))(rng, (rows, features))
        arrays = (*arrays, numbers.round(target) if target.dtype.kind == "f" else target)
    products = dtype if kind in BETWEEN else "float32"
    verdict = judge(op, op, Format.half(dtype, products), arrays, index)
    return f"case {index}: {kind}({options}) in {dtype}, {rows} × {features}, {style}", verdict


def _draw(style: str, rng: np.random.Generator, shape: tuple[int, ...], numbers: Numbers) -> Array:
    """As `assert_certified` draws, or near the ends of the format's range."""
    if style == "large":
        return np.clip(rng.normal(size=shape), -1, 1) * numbers.max * 10.0 ** -rng.integers(0, 4)
    if style == "tiny":
        return rng.normal(size=shape) * 2.0**numbers.least * 10.0 ** rng.integers(-3, 3)
    return STYLES[style](rng, shape)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cases", type=int, nargs="?", default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", type=int, help="this one alone")
    given = parser.parse_args(arguments)
    torch.manual_seed(given.seed)
    numbers = skipped = alarms = 0
    for index in range(given.cases) if given.case is None else [given.case]:
        what, verdict = case(given.seed, index)
        numbers, skipped = numbers + verdict.numbers, skipped + verdict.skipped
        if not verdict.held:
            alarms += 1
            print(f"{what}\n{verdict.render()}\n", flush=True)
    share = 100 * skipped / numbers if numbers else 0
    cases = given.cases if given.case is None else 1
    print(f"{cases:,} cases, {numbers:,} numbers, {share:.2g} % skipped, {alarms} alarms")
    return int(alarms > 0)


if __name__ == "__main__":
    sys.exit(main())
