"""What is computed: nets from toy to large, three optimizers, two dtypes; and a net's weights and data."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

import scratch

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Net:
    """A perceptron with ReLU between its layers, and the number of samples in its batch."""

    sizes: tuple[int, ...]
    batch: int

    @property
    def name(self) -> str:
        return f"{'-'.join(map(str, self.sizes))}, batch {self.batch}"

    @property
    def loss(self) -> str:
        """The loss from logits: binary cross-entropy for one output, softmax cross-entropy for more."""
        return "BCEWithLogitsLoss" if self.sizes[-1] == 1 else "CrossEntropyLoss"

    @property
    def products(self) -> list[tuple[int, int, int]]:
        """The matrix products of one step, (m, k, n) for (m, k) times (k, n): y = xWᵀ, dW = δᵀx and dx = δW.

        Nobody asks for the first layer's dx.
        """
        found = []
        for i, (fan_in, fan_out) in enumerate(pairwise(self.sizes)):
            found += [(self.batch, fan_in, fan_out), (fan_out, self.batch, fan_in)]
            found += [(self.batch, fan_out, fan_in)] * (i > 0)
        return found

    @property
    def flops(self) -> int:
        """Floating-point operations of these products, a multiplication and an addition counted as two."""
        return sum(2 * m * k * n for m, k, n in self.products)

    @property
    def parameters(self) -> int:
        return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(self.sizes))

    @property
    def layers(self) -> int:
        """Those with weights."""
        return len(self.sizes) - 1

    @property
    def elements(self) -> int:
        """Numbers that a step passes over beside its products: what each layer gives for the batch, and parameters."""
        return self.batch * sum(self.sizes[1:]) + self.parameters


NETS = (
    Net((2, 5, 2), 100),
    Net((2, 8, 4, 1), 32),
    Net((64, 32, 10), 32),
    Net((784, 128, 10), 32),
    Net((784, 256, 128, 10), 128),
    Net((784, 512, 512, 10), 256),
    Net((1024, 1024, 1024, 10), 512),
    Net((784, 2048, 2048, 10), 1024),
)

OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "SGD": ("SGD", {"lr": 0.01}),
    "momentum": ("SGD", {"lr": 0.01, "momentum": 0.9}),
    "Adam": ("Adam", {"lr": 0.001, "betas": (0.9, 0.999), "eps": 1e-8}),
}
"""Name → class and options, on both sides."""

DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class Problem:
    """A net with its optimizer and dtype, and the numbers that every contender starts from."""

    net: Net
    optimizer: str = "SGD"
    dtype: str = "float32"

    @property
    def name(self) -> str:
        return f"{self.net.name}, {self.optimizer}, {self.dtype}"

    @property
    def kind(self) -> str:
        """The optimizer's class."""
        return OPTIMIZERS[self.optimizer][0]

    @property
    def options(self) -> dict[str, Any]:
        return OPTIMIZERS[self.optimizer][1]

    @cached_property
    def weights(self) -> dict[str, Array]:
        return scratch.MLP(self.net.sizes, dtype=self.dtype, rng=0).state_dict()

    @cached_property
    def x(self) -> Array:
        """Normal numbers of either sign: ReLU lets one half through, and no product can be skipped."""
        return np.random.default_rng(1).standard_normal((self.net.batch, self.net.sizes[0])).astype(self.dtype)

    @cached_property
    def y(self) -> Array:
        rng = np.random.default_rng(2)
        if self.net.loss == "BCEWithLogitsLoss":
            return rng.integers(0, 2, (self.net.batch, 1)).astype(self.dtype)
        return rng.integers(0, self.net.sizes[-1], self.net.batch)


Case = dict[str, Any]
"""A row to be: JSON, with a `name` that is its own."""


def case_of(problem: Problem, **more: Any) -> Case:
    net = problem.net
    given = {"sizes": list(net.sizes), "batch": net.batch, "optimizer": problem.optimizer, "dtype": problem.dtype}
    return {"name": problem.name, **given, **more}


def problem_of(case: Case) -> Problem:
    return Problem(Net(tuple(case["sizes"]), case["batch"]), case["optimizer"], case["dtype"])
