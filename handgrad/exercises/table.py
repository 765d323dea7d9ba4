"""The exercises, in the order in which they are best done: a row names what is left out, its judge, and two hints.

What is to be written stands solved, once, in a file beside this one. A task is that code without its main body.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

HOLES = ("backward", "update")
"""The methods that are left out of a class; of a function its whole body is."""


@dataclass(frozen=True)
class Exercise:
    """One exercise: `name` on the command line, `what` of the file `family` is left out, and two hints for it."""

    name: str
    family: str
    what: str
    hints: tuple[str, str]  # an idea, and nearly the formula
    like: str | None = None  # the same in `scratch`, for the check of a gradient
    only: str | None = None  # the variables that are asked for; None: all
    optimizer: str | None = None  # its name in `scratch`, for the judge of a step
    options: Mapping[str, Any] = field(default_factory=dict)  # of it that the class does not have

    @property
    def file(self) -> str:
        """The name of the student's file."""
        return f"{self.name.replace('-', '_')}.py"

    @property
    def title(self) -> str:
        """The first line of the task."""
        return (ast.get_docstring(self._node()) or "").split("\n")[0]

    @property
    def hole(self) -> str:
        """What is to be written, by name."""
        return self._hole().name

    def task(self) -> str:
        """The student's file."""
        hole, lines = self._hole(), self._source().split("\n")
        first = hole.body[ast.get_docstring(hole) is not None]  # statement after a docstring
        lines[first.lineno - 1 : hole.end_lineno] = [
            f'{" " * first.col_offset}raise NotImplementedError("{hole.name} is yours to write")'
        ]
        return self._with_head("\n".join(lines))

    def solution(self) -> str:
        """The student's file, solved."""
        return self._with_head(self._source())

    def written(self) -> str:
        """What was to be written, alone."""
        hole = self._hole()
        return "\n".join(self._source().split("\n")[hole.lineno - 1 : hole.end_lineno])

    def _node(self) -> ast.ClassDef | ast.FunctionDef:
        node = ast.parse(self._source()).body[0]
        assert isinstance(node, ast.ClassDef | ast.FunctionDef)
        return node

    def _hole(self) -> ast.FunctionDef:
        node = self._node()
        if isinstance(node, ast.FunctionDef):
            return node
        return next(n for n in ast.walk(node) if isinstance(n, ast.FunctionDef) and n.name in HOLES)

    def _source(self) -> str:
        return _definitions(self.family)[self.what]

    def _with_head(self, code: str) -> str:
        imports = ["import math", "", "import numpy as np"] if "math." in code else ["import numpy as np"]
        head = f'"""Exercise {self.name}: write {self.hole}, then  handgrad exercise {self.name} --check"""'
        return "\n".join([head, "", *imports, "", "", code, ""])


@cache
def _definitions(family: str) -> dict[str, str]:
    """The classes and functions of a file, by name."""
    text = Path(__file__).with_name(f"{family}.py").read_text(encoding="utf-8")
    nodes = [n for n in ast.parse(text).body if isinstance(n, ast.ClassDef | ast.FunctionDef)]
    return {n.name: ast.get_source_segment(text, n) or "" for n in nodes}


def _activation(name: str, what: str, *hints: str, like: str = "") -> Exercise:
    return Exercise(name, "activations", what, (hints[0], hints[1]), like or f"scratch.{what}()")


def _layer(name: str, what: str, like: str | None, *hints: str, only: str | None = None) -> Exercise:
    return Exercise(name, "layers", what, (hints[0], hints[1]), like, only)


def _loss(name: str, what: str, *hints: str, like: str = "") -> Exercise:
    return Exercise(name, "losses", what, (hints[0], hints[1]), like or f"scratch.{what}()")


def _optimizer(name: str, what: str, *hints: str, optimizer: str = "", **options: Any) -> Exercise:
    return Exercise(name, "steps", what, (hints[0], hints[1]), optimizer=optimizer or what, options=options)


EXERCISES = (
    _activation(
        "relu",
        "ReLU",
        "By the chain rule dL/dx = dL/dy · f′(x). What are the two values of f′?",
        "f′ is 1 where x > 0, else 0: let grad_output pass there alone.",
    ),
    _activation(
        "leaky-relu",
        "LeakyReLU",
        "As for ReLU, but below zero a part comes back too. How much?",
        "f′ is 1 where x > 0, else the slope.",
        like="scratch.LeakyReLU(0.1)",
    ),
    _activation(
        "sigmoid",
        "Sigmoid",
        "Differentiate (1 + e⁻ˣ)⁻¹ and look for y in what you get.",
        "σ′ = y(1 − y).",
    ),
    _activation("tanh", "Tanh", "Near 0 tanh x is x, so its slope there is 1.", "tanh′ = 1 − y²."),
    _activation(
        "softplus",
        "Softplus",
        "The derivative of a logarithm is 1 over what is inside, times the derivative of what is inside.",
        "eˣ/(1 + eˣ), which is the sigmoid of x.",
    ),
    _activation(
        "silu",
        "SiLU",
        "y is a product, and both of its factors depend on x.",
        "f′ = σ + x σ′ with σ′ = σ(1 − σ).",
    ),
    _activation(
        "gelu",
        "GELU",
        "As for SiLU: a product of two factors that depend on x. The derivative of Φ is the density φ.",
        "f′ = Φ(x) + x φ(x), φ(x) = e^(−x²/2)/√(2π).",
    ),
    _activation(
        "softmax",
        "Softmax",
        "Here one input moves every output of its row. So dL/dx_j is a sum over i of grad_i ∂y_i/∂x_j.",
        "∂y_i/∂x_j = y_i([i = j] − y_j), so dL/dx = y (grad − Σ grad y), with the sum along the row.",
        like="scratch.Softmax(-1)",
    ),
    _activation(
        "log-softmax",
        "LogSoftmax",
        "The derivative of log Σ e^x with respect to x_j is softmax_j, in every output of the row.",
        "dL/dx = grad − softmax(x) Σ grad, with the sum along the row.",
        like="scratch.LogSoftmax(-1)",
    ),
    _activation(
        "swiglu",
        "SwiGLU",
        "A product again: for dL/da hold b, for dL/db hold a.",
        "dL/da = grad b (σ + a σ(1 − σ)), dL/db = grad a σ, one beside the other.",
    ),
    _layer(
        "linear-input",
        "LinearInput",
        "scratch.Linear(3, 4, dtype='float64')",
        "y_nk = Σ_d x_nd W_kd. Which outputs does x_nd reach, and by which factor?",
        "dL/dx_nd = Σ_k grad_nk W_kd: a product of (N, K) and (K, D).",
        only="x",
    ),
    _layer(
        "linear-weight",
        "LinearWeight",
        "scratch.Linear(3, 4, bias=False, dtype='float64')",
        "y_nk = Σ_d x_nd W_kd. Every sample n uses the same W_kd, so its gradient is a sum over n.",
        "dL/dW_kd = Σ_n grad_nk x_nd: a product of (K, N) and (N, D).",
    ),
    _layer(
        "linear-bias",
        "Linear",
        "scratch.Linear(3, 4, dtype='float64')",
        "b_k is added to output k of every sample.",
        "dL/db_k = Σ_n grad_nk: the sum of grad_output over the samples.",
    ),
    _layer(
        "dropout",
        "Dropout",
        None,
        "Once the mask is drawn, the layer is a multiplication by a constant.",
        "The same factor comes back: mask/(1 − p).",
    ),
    _layer(
        "embedding",
        "Embedding",
        "scratch.Embedding(5, 3, dtype='float64')",
        "A row that was looked up twice reaches two outputs.",
        "Add row n of grad_output to row i_n of zeros; np.add.at adds each time where a number comes twice.",
    ),
    _layer(
        "layer-norm",
        "LayerNorm",
        "scratch.LayerNorm(4, dtype='float64')",
        "x reaches y directly, through the mean of its row, and through the variance of its row: three paths.",
        "With g = w grad: dL/dx = (g − mean(g) − x̂ mean(g x̂))/σ, the means along the row.",
    ),
    _layer(
        "rms-norm",
        "RMSNorm",
        "scratch.RMSNorm(4, eps=1e-5, dtype='float64')",
        "x reaches y directly and through the mean square of its row: two paths.",
        "With g = w grad: dL/dx = (g − x̂ mean(g x̂))/r, the mean along the row.",
    ),
    _layer(
        "batch-norm",
        "BatchNorm1d",
        "scratch.BatchNorm1d(3, dtype='float64')",
        "As LayerNorm, but mean and variance are those of a column: a sample moves the outputs of all samples.",
        "With g = w grad: dL/dx = (g − mean(g) − x̂ mean(g x̂))/σ, the means along the column.",
    ),
    _layer(
        "two-layer-net",
        "TwoLayerNet",
        None,
        "Go backwards, one function at a time: the second layer, tanh, the first layer.",
        "δ = (grad W₂)(1 − h²) is the gradient at the first layer's output; both layers are the linear exercises.",
    ),
    _loss(
        "mse",
        "MSELoss",
        "A mean over N·D numbers: each of them has a share of 1/(N·D).",
        "dL/dx = 2 (x − t)/(N·D).",
    ),
    _loss(
        "l1",
        "L1Loss",
        "|d| grows by 1 on one side of 0 and falls by 1 on the other.",
        "dL/dx = sign(x − t)/(N·D).",
    ),
    _loss(
        "huber",
        "HuberLoss",
        "Differentiate each branch; the branches meet at |d| = 1, not at d = 1.",
        "d where |d| ≤ 1, else its sign, over N·D.",
    ),
    _loss(
        "bce",
        "BCELoss",
        "Differentiate both logarithms, mind the minus inside the second, and bring them over one denominator.",
        "(p − t)/(p(1 − p)), over N·D.",
    ),
    _loss(
        "bce-with-logits",
        "BCEWithLogitsLoss",
        "BCELoss has p(1 − p) in its denominator, and σ′ = p(1 − p).",
        "(σ(x) − t)/(N·D).",
    ),
    _loss(
        "nll",
        "NLLLoss",
        "Only one number of each row is in L.",
        "Zeros, but −1/N at the class of each row.",
    ),
    _loss(
        "cross-entropy",
        "CrossEntropyLoss",
        "NLLLoss of LogSoftmax: put the two backward passes together, and the row's sum of the upstream is −1/N.",
        "(p − one-hot of the class)/N.",
    ),
    _loss(
        "label-smoothing",
        "LabelSmoothing",
        "As CrossEntropyLoss, with the target q in place of the row of 0 and 1. The entries of q add up to 1.",
        "(p − q)/N with q = s/C everywhere, and 1 − s more at the class.",
        like="scratch.CrossEntropyLoss(label_smoothing=0.1)",
    ),
    _optimizer(
        "momentum",
        "Momentum",
        "The buffer remembers all gradients so far, older ones less. What moves θ?",
        "b ← μ b + g without a factor 1 − μ, then θ − lr b.",
        optimizer="SGD",
    ),
    _optimizer(
        "nesterov",
        "Nesterov",
        "It steps where momentum would carry it next: the new buffer counts once more.",
        "After b ← μ b + g: θ − lr (g + μ b), with the new b.",
        optimizer="SGD",
        nesterov=True,
    ),
    _optimizer(
        "rmsprop",
        "RMSprop",
        "The mean is one of squares, so the step is over its root. Where does ε stand?",
        "s ← α s + (1 − α) g², then θ − lr g/(√s + ε).",
    ),
    _optimizer(
        "adam",
        "Adam",
        "The means start at zero. What do they lack after t steps, even if every gradient is the same?",
        "Divide m by 1 − β₁ᵗ and v by 1 − β₂ᵗ, with t = 1 at the first step; ε stands outside the root.",
    ),
    _optimizer(
        "adamw",
        "AdamW",
        "The decay does not pass through the means: it shrinks θ by itself.",
        "θ ← (1 − lr λ) θ, from which Adam's step is taken; g is not changed.",
    ),
    Exercise(
        "clip-grad-norm",
        "steps",
        "clip_grad_norm",
        (
            "One norm of everything: the direction of the whole gradient must stay. Small gradients stay as they are.",
            "T is the root of the sum of all squares; c = min(1, max_norm/(T + 1e-6)) scales every array.",
        ),
    ),
    Exercise(
        "hessian-vector-product",
        "steps",
        "hessian_vector_product",
        (
            "Write forward and backward as you would, and under each line its R, by the product rule.",
            "R{h} = (1 − h²) x V₁ᵀ; R{δ₁} = R{δW₂}(1 − h²) − 2 δW₂ h R{h}; R{dL/dW₂} = R{δ}ᵀ h + δᵀ R{h}.",
        ),
    ),
)
