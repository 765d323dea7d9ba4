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

from handgrad.check.certified import STYLES, TARGETS, inside, judge, judge_step
from handgrad.judge import Verdict
from handgrad.judge.ball import NUMBERS, Format, Numbers
from handgrad.judge.kernel import LAYERS, LOSSES, OPTIMIZERS

Array = npt.NDArray[Any]

WRITTEN = "mean and 1/σ are written between the forward and the backward pass"
BETWEEN = {
    "BatchNorm1d": WRITTEN,
    "GLU": "σ(b) and the products, by a kernel each",
    "GroupNorm": WRITTEN,
    "LayerNorm": WRITTEN,
    "LogSigmoid": "its backward reads an exponential that the forward has written",
    "LogSoftmax": "x − max is written before the logarithm of the sum is subtracted",
    "PReLU": "products are written before they are added up to the gradient of the slope",
    "Sigmoid": "its float16 backward multiplies in float16",
    "Softsign": "a quotient of two tensors, made by three kernels",
    "Tanhshrink": "a difference of two tensors",
    **dict.fromkeys(LOSSES, "values are written before they are averaged, and a gradient before it is multiplied"),
}
"""What PyTorch rounds between the operations of an op, and so is judged with `products` in the short format."""
SHORT_SUMS = {
    "CrossEntropyLoss": "the values of the samples are added up",
    "LayerNorm": "the gradients of weight and bias are",
    "NLLLoss": "the values of the samples are",
}
"""What PyTorch adds up in the short format, and so is judged with `accumulate` in it."""

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
    "BCELoss": lambda r: {"reduction": r.choice(["mean", "sum"])},
    "BCEWithLogitsLoss": lambda r: {"reduction": r.choice(["mean", "sum"])},
    "CrossEntropyLoss": lambda r: {"reduction": r.choice(["mean", "sum"]), "label_smoothing": r.choice([0.0, 0.125])},
    "HingeEmbeddingLoss": lambda r: {"margin": r.choice([1.0, 0.5]), "reduction": r.choice(["mean", "sum"])},
    "KLDivLoss": lambda r: {"reduction": r.choice(["batchmean", "sum"])},
    "HuberLoss": lambda r: {"reduction": r.choice(["mean", "sum"]), "delta": r.choice([1.0, 0.3])},
    "L1Loss": lambda r: {"reduction": r.choice(["mean", "sum"])},
    "MSELoss": lambda r: {"reduction": r.choice(["mean", "sum"])},
    "NLLLoss": lambda r: {"reduction": r.choice(["mean", "sum"])},
    "PReLU": lambda r: {"init": r.choice([0.25, -1.0])},
    "PoissonNLLLoss": lambda r: {"reduction": r.choice(["mean", "sum"]), "full": r.choice([False, True])},
    "SmoothL1Loss": lambda r: {"reduction": r.choice(["mean", "sum"]), "beta": r.choice([1.0, 0.3])},
    "SoftMarginLoss": lambda r: {"reduction": r.choice(["mean", "sum"])},
}


ARGUMENTS: Mapping[str, Callable[[random.Random, int], tuple[Any, ...]]] = {
    "GroupNorm": lambda r, n: (r.choice([g for g in (1, 2, 4, 8) if n % g == 0]), n),
    "Linear": lambda r, n: (n, r.choice([1, 4, 31])),
    **dict.fromkeys(("BatchNorm1d", "LayerNorm", "RMSNorm"), lambda r, n: (n,)),
    **dict.fromkeys(("LogSoftmax", "Softmax", "Softmin"), lambda r, n: (-1,)),
}


def case(seed: int, index: int) -> tuple[str, Verdict]:
    """One case and its verdict."""
    pick, rng = random.Random(f"{seed}/{index}"), np.random.default_rng([seed, index])
    torch.manual_seed(index)
    kind = pick.choice([*LAYERS, *LOSSES, *OPTIMIZERS, "Sequential"])
    dtype = pick.choice(["bfloat16", "float16"])
    numbers = NUMBERS[dtype]
    if kind in OPTIMIZERS:
        return optimizer_case(index, kind, dtype, pick, rng)
    rows, features = pick.choice([1, 2, 5, 16, 33]), pick.choice([1, 3, 8, 24, 65, 256])
    if kind in ("BatchNorm1d", "GLU", "GroupNorm"):  # no group has one number alone, and an axis is halved
        rows, features = rows + 1, 2 * features
    op, options = drawn(kind, pick, features)
    op = op.to(getattr(torch, dtype)).train(pick.random() < 0.5)
    style = pick.choice([*STYLES, *STYLES, "large", "tiny"])
    x = _draw(style, rng, (rows, features), numbers)
    arrays = (numbers.round(inside(kind, x)),)
    if kind in LOSSES:
        target = TARGETS.get(kind, lambda rng, shape: _draw(style, rng, shape, numbers))(rng, (rows, features))
        arrays = (*arrays, numbers.round(target) if target.dtype.kind == "f" else target)
    parts = options if kind == "Sequential" else [kind]
    products = dtype if any(part in BETWEEN for part in parts) else "float32"
    verdict = judge(op, op, Format.half(dtype, products, dtype if kind in SHORT_SUMS else "float32"), arrays, index)
    return f"case {index}: {kind}({options}) in {dtype}, {rows} × {features}, {style}", verdict


def optimizer_case(
    index: int, kind: str, dtype: str, pick: random.Random, rng: np.random.Generator
) -> tuple[str, Verdict]:
    """The last of a few steps. PyTorch writes the state between the operations of a step."""
    options = {"lr": pick.choice([0.1, 0.01, 1e-3]), "foreach": pick.random() < 0.5, "maximize": pick.random() < 0.2}
    if kind == "RAdam":  # in float16, where ε is 0, that of all tensors at once makes NaN of 0/0 before it masks it
        options["foreach"] = False
    options |= STEPS.get(kind, lambda r: {})(pick)
    sizes = [(), (3,), (5, 8), (1, 130)]
    weights = [
        torch.nn.Parameter((torch.randn(size) * 10.0 ** pick.randint(-2, 1)).to(getattr(torch, dtype)))
        for size in sizes
    ]
    optimizer = getattr(torch.optim, kind)(weights, **options)
    steps, style = pick.choice([1, 2, 5]), pick.choice([*STYLES, "tiny"])
    for _ in range(steps):
        like = getattr(torch.optim, kind)
        verdict = judge_step(
            optimizer, like, Format.half(dtype, dtype), rng, lambda rng, shape: _draw(style, rng, shape, NUMBERS[dtype])
        )
    return f"case {index}: {kind}({options}) in {dtype}, step {steps}, {style}", verdict


STEPS: Mapping[str, Callable[[random.Random], dict[str, Any]]] = {
    "Adagrad": lambda r: {"weight_decay": r.choice([0, 0.01]), "lr_decay": r.choice([0, 0.1])},
    "Adam": lambda r: {"weight_decay": r.choice([0, 0.01]), "amsgrad": r.choice([False, True])},
    "AdamW": lambda r: {"weight_decay": r.choice([0, 0.01]), "betas": r.choice([(0.9, 0.999), (0.5, 0.75)])},
    "NAdam": lambda r: {"weight_decay": r.choice([0, 0.01]), "decoupled_weight_decay": r.choice([False, True])},
    "RMSprop": lambda r: {"momentum": r.choice([0, 0.9]), "centered": r.choice([False, True])},
    "SGD": lambda r: {"momentum": 0.9, "nesterov": r.choice([False, True]), "weight_decay": r.choice([0, 0.01])},
}


def drawn(kind: str, pick: random.Random, features: int) -> tuple[Any, Any]:
    """An op with drawn options and weights, or a net of a few; and what was drawn."""
    if kind != "Sequential":
        options = OPTIONS.get(kind, lambda r: {})(pick)
        op = getattr(torch.nn, kind)(*ARGUMENTS.get(kind, lambda r, n: ())(pick, features), **options)
        if kind.endswith("Norm") or kind == "BatchNorm1d":
            for parameter in op.parameters():
                torch.nn.init.normal_(parameter)
        return op, options
    width, kinds = pick.choice([2, 8, 20]), pick.choices(BESIDE, k=pick.choice([1, 2, 3]))
    inner = [drawn(k, pick, width)[0] for k in kinds]
    return torch.nn.Sequential(torch.nn.Linear(features, width), *inner, torch.nn.Linear(width, 3)), kinds


BESIDE = [kind for kind in LAYERS if kind not in ("BatchNorm1d", "GLU", "GroupNorm", "Linear", *SHORT_SUMS)]
"""What stands between two Linear layers of a net, whatever the sizes."""


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
