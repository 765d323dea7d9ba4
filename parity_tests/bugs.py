"""A catalogue of bugs as people really write them, each planted into the hand-written side while a test runs.

A bug is a change of text in one or more functions of `scratch`: the same few characters that a person would get wrong.
`planted` compiles the changed text and swaps the function's code object, so every importer of the function sees it, and
puts the right one back afterwards. A text that no longer stands in the source, or stands there twice, is an error: the
catalogue cannot fall out of step with the code unnoticed.

`kind` names the scenarios to try first (`scenarios.TESTS`), `hint` a part of the name of the one that is made for the
bug, `pattern` what the judge's text of the failure must contain. Where it is empty no pattern of the judge fits, or
what refuses the bug is a plain assertion.
"""

import inspect
import textwrap
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from typing import Any

import scratch


@dataclass(frozen=True)
class Edit:
    """In the function at `target`, a dotted path inside `scratch`, `old` was written as `new`."""

    target: str
    old: str
    new: str


@dataclass(frozen=True)
class Bug:
    """`why` says how a person comes to write it."""

    family: str
    why: str
    edits: tuple[Edit, ...]
    kind: str = "ops"
    hint: str = ""
    pattern: str = ""


@contextmanager
def planted(bug: Bug) -> Iterator[None]:
    """While inside, the hand-written side has the bug."""
    changed: dict[str, list[Edit]] = {}
    for edit in bug.edits:
        changed.setdefault(edit.target, []).append(edit)
    functions = {target: reduce(getattr, target.split("."), scratch) for target in changed}
    wrong = {target: _compiled(functions[target], edits) for target, edits in changed.items()}
    right = {target: function.__code__ for target, function in functions.items()}
    try:
        for target, function in functions.items():
            function.__code__ = wrong[target]
        yield
    finally:
        for target, function in functions.items():
            function.__code__ = right[target]


def _compiled(function: Any, edits: list[Edit]) -> types.CodeType:
    """The function's code with the edits made. A ValueError names a text that is not there exactly once."""
    source = textwrap.dedent(inspect.getsource(function))
    for edit in edits:
        if source.count(edit.old) != 1:
            raise ValueError(f"{edit.target} has {source.count(edit.old)} times, not once: {edit.old!r}")
        source = source.replace(edit.old, edit.new)
    module = compile(source, f"<{edits[0].target} with a planted bug>", "exec", dont_inherit=True)
    code: types.CodeType = next(c for c in module.co_consts if isinstance(c, types.CodeType))
    return code


def _edit(target: str, old: str, new: str) -> tuple[Edit, ...]:
    return (Edit(target, old, new),)


LINEAR, FORWARD = "Linear.backward_parameters", "Linear.forward"
DW = "(x.reshape(rows, self.in_features).T @ deltas).T"
DB = "np.ones(rows, deltas.dtype) @ deltas"
SQUARE = "self.in_features == self.out_features"
ONE_ENTRY = "(np.arange(self.weight.data.size) == 1).reshape(self.weight.shape)"


def _dw(new: str) -> tuple[Edit, ...]:
    return _edit(LINEAR, DW, new)


def _db(new: str) -> tuple[Edit, ...]:
    return _edit(LINEAR, DB, new)


def _relu(new: str) -> tuple[Edit, ...]:
    return _edit("ReLU.backward", "zero_where(x <= 0, grad_output)", new)


AFFINE: dict[str, Bug] = {
    "weight gradient averaged": Bug(
        "1/N", "the loss has its 1/N already", _dw(f"{DW} / max(rows, 1)"), hint="[Linear(3", pattern="ratio 1/N"
    ),
    "bias gradient averaged": Bug(
        "bias", "np.mean(delta, axis=0), as in many tutorials", _db("deltas.mean(0)"), hint="[Linear(3", pattern="1/N"
    ),
    "bias gradient forgotten": Bug(
        "bias",
        "only the weights are thought of",
        _edit(LINEAR, "if self.bias is not None:", "if False:"),
        hint="[Linear(3",
        pattern="no gradient was computed",
    ),
    "bias gradient of the last sample": Bug(
        "bias",
        "a loop over samples that assigns",
        _db("deltas[-1]"),
        hint="[Linear(3",
        pattern="missing bias sum: the last",
    ),
    "bias gradient of the first sample": Bug(
        "bias",
        "the rows are taken to be equal",
        _db("deltas[0]"),
        hint="[Linear(3",
        pattern="missing bias sum: the first",
    ),
    "bias gradient summed over the outputs": Bug("bias", "axis 1 for axis 0", _db("deltas.sum(1)"), hint="[Linear(3"),
    "bias gradient summed over the outputs where square": Bug(
        "bias",
        "axis 1 for axis 0, and the shape happens to fit",
        _db(f"deltas.sum(1) if rows == self.out_features else {DB}"),
        hint="[Linear(3",
    ),
    "bias gradient not summed": Bug(
        "bias", "left to broadcasting", _db("deltas"), hint="[Linear(3", pattern="missing sum over the batch"
    ),
    "bias gradient with keepdims": Bug(
        "bias",
        "the bias was (1, out) once",
        _db("deltas.sum(0, keepdims=True)"),
        hint="[Linear(3",
    ),
    "bias gradient squeezed": Bug(
        "only batch 1", "squeeze takes the batch axis too when it is 1", _db("np.atleast_2d(deltas.squeeze()).sum(0)")
    ),
    "bias gradient of a batch of one": Bug(
        "only batch 1",
        "a short cut for one sample that copies the wrong sign",
        _db(f"-deltas[0] if rows == 1 else {DB}"),
        pattern="constant ratio −1",
    ),
    "weight gradient transposed where square": Bug(
        "transpose",
        "xᵀδ for δᵀx, and the layer is square",
        _dw(f"{DW}.T if {SQUARE} else {DW}"),
        "nets",
        pattern="the transpose of the reference",
    ),
    "weight gradient transposed": Bug(
        "transpose", "(in, out) weights remembered", _dw(DW[:-2]), hint="[Linear(3", pattern="the transpose"
    ),
    "input gradient by Wᵀ where square": Bug(
        "transpose",
        "δWᵀ for δW, and the layer is square",
        _edit("Linear.backward", "self.weight.data", f"(self.weight.data.T if {SQUARE} else self.weight.data)"),
        "nets",
    ),
    "forward by W where square": Bug(
        "transpose",
        "x W for x Wᵀ, and the layer is square",
        _edit(FORWARD, "self.weight.data.T", f"(self.weight.data if {SQUARE} else self.weight.data.T)"),
        "nets",
    ),
    "reshape for transpose": Bug(
        "transpose",
        "the shapes are right, the numbers are not",
        _edit(FORWARD, "self.weight.data.T", "self.weight.data.reshape(self.in_features, self.out_features)"),
    ),
    "bias forgotten in forward": Bug("bias", "x Wᵀ and nothing else", _edit(FORWARD, "y += self.bias.data", "pass")),
    "bias added twice": Bug("bias", "folded into a product and added", _edit(FORWARD, "+= ", "+= 2 * ")),
    "bias subtracted": Bug("sign", "a threshold in the old books", _edit(FORWARD, "+= ", "-= ")),
    "no bias, a bias all the same": Bug(
        "bias",
        "the path without bias is never run",
        _edit(FORWARD, "if self.bias is not None:", "if self.bias is None:\n        y += 1\n    else:"),
        hint="bias=False",
    ),
    "gradient descends twice": Bug(
        "sign", "the minus of θ − lr·g in the gradient as well", _dw(f"-{DW}"), hint="[Linear(3", pattern="ratio −1"
    ),
    "last sample dropped": Bug(
        "off by one",
        "range(n − 1)",
        _dw(DW.replace("in_features)", "in_features)[:-1]").replace("deltas", "deltas[:-1]")),
    ),
    "input gradient from the next weights": Bug(
        "order",
        "W has a step taken before δW is computed",
        _edit("Linear.backward", "self.weight.data", "(self.weight.data - 1e-3 * self.weight.grad)"),
    ),
    "Fortran upstream misread": Bug(
        "only strided",
        "memory order is taken for index order",
        _edit(LINEAR, "grad_output.reshape(", 'np.ravel(grad_output, "K").reshape('),
    ),
    "Fortran input misread": Bug(
        "only strided",
        "memory order is taken for index order",
        _dw(DW.replace("x.reshape(", 'np.ravel(x, "K").reshape(')),
    ),
    "strides dropped": Bug(
        "only strided",
        "a pointer goes to C, the strides do not",
        _edit(
            FORWARD,
            "y = x @",
            "y = (x if x.flags.forc or x.base is None or not x.size else np.resize(x.base, x.shape)) @",
        ),
    ),
    "empty batch without gradient": Bug(
        "empty batch",
        "an early return leaves None where PyTorch has zeros",
        _edit(LINEAR, "deltas =", "if rows == 0:\n        return\n    deltas ="),
        pattern="no gradient was computed",
    ),
    "unbatched sample read as a batch": Bug(
        "unbatched",
        "rows = len(x)",
        _edit(LINEAR, "math.prod(x.shape[:-1])", "len(x)"),
    ),
    "outer axes dropped": Bug(
        "unbatched",
        "only two axes were ever seen",
        _edit(LINEAR, "math.prod(x.shape[:-1])", "(x.shape[0] if x.ndim > 1 else 1)"),
        hint="test_more_leading_axes[Linear(3, 4)",
    ),
    "one output squeezed": Bug(
        "only width 1",
        "a convenience for regression",
        _edit(
            FORWARD, "return self._remember(y, x)", "return self._remember(y.squeeze(-1) if y.shape[-1] == 1 else y, x)"
        ),
    ),
    "one input broadcast": Bug(
        "only width 1",
        "with one feature x Wᵀ is x·W, and the sum is forgotten",
        _dw(f"{DW} if self.in_features > 1 else (deltas * x.reshape(rows, 1)).mean(0)[:, None]"),
    ),
    "matmul in float32": Bug(
        "only float64",
        "a cast for speed",
        _edit(
            FORWARD,
            "x @ self.weight.data.T",
            "(x.astype(np.float32) @ self.weight.data.T.astype(np.float32)).astype(x.dtype)",
        ),
        hint="test_forward_and_backward[Linear(3, 4)-float64",
    ),
    "weight gradient in float32": Bug(
        "only float64",
        "a cast for speed",
        _dw(f"{DW}.astype(np.float32).astype(x.dtype)"),
        hint="test_forward_and_backward[Linear(3, 4)-float64",
    ),
    "bias gradient upcast": Bug(
        "only float32", "np.ones is float64", _db("np.ones(rows) @ deltas"), hint="[Linear(3", pattern="a silent cast"
    ),
    "weight gradient through float16": Bug(
        "only float32", "a leftover of mixed precision", _dw(f"{DW}.astype(np.float16).astype(x.dtype)")
    ),
    "1e-3 in one entry, float32": Bug(
        "one entry",
        "one lane of a kernel is wrong",
        _dw(f"({DW} * (1 + 1e-3 * {ONE_ENTRY} * (x.itemsize == 4))).astype(x.dtype)"),
        pattern="one number of the tensor only",
        hint="test_forward_and_backward[Linear(3, 4)-float32",
    ),
    "1e-5 in one entry": Bug(
        "one entry",
        "one lane of a kernel is wrong",
        _dw(f"({DW} * (1 + 1e-5 * {ONE_ENTRY} * (x.itemsize == 8))).astype(x.dtype)"),
        "nets",
        pattern="one number of the tensor only",
        hint="test_whole_net[relu, cross-entropy-float64",
    ),
    "1e-8 in one entry": Bug(
        "one entry",
        "one lane of a kernel is wrong",
        _dw(f"({DW} * (1 + 1e-8 * {ONE_ENTRY})).astype(x.dtype)"),
        "nets",
        pattern="one number of the tensor only",
        hint="test_whole_net[relu, cross-entropy-float64",
    ),
    "1e-8 in one entry of the bias": Bug(
        "one entry",
        "one lane of a kernel is wrong",
        _db(f"({DB} * (1 + 1e-8 * (np.arange(self.out_features) == 0))).astype(deltas.dtype)"),
        "nets",
        pattern="one number of the tensor only",
        hint="test_whole_net[relu, cross-entropy-float64",
    ),
    "1e-6 in the last row": Bug(
        "one entry",
        "the remainder of a blocked loop",
        _dw(f"({DW} * (1 + 1e-6 * (np.arange(self.out_features) == self.out_features - 1))[:, None]).astype(x.dtype)"),
        "nets",
        pattern="only at index 3 of axis 0",
        hint="test_whole_net[relu, cross-entropy-float64",
    ),
    "1e-6 in the last column": Bug(
        "one entry",
        "the remainder of a blocked loop",
        _dw(f"({DW} * (1 + 1e-6 * (np.arange(self.in_features) == self.in_features - 1))).astype(x.dtype)"),
        "nets",
        pattern="only at index 3 of axis 1",
        hint="test_whole_net[relu, cross-entropy-float64",
    ),
    "the seventeenth row": Bug(
        "only large sizes",
        "blocks of sixteen, and the rest is forgotten",
        _dw(f"{DW} * (np.arange(self.out_features) < 16)[:, None].astype(x.dtype)"),
    ),
    "gradient clipped": Bug(
        "only large values",
        "a clip against explosions left in the layer",
        _dw(f"np.clip({DW}, -1e3, 1e3)"),
    ),
    "NaN swept away": Bug(
        "NaN",
        "nan_to_num makes the crash go away",
        _edit(FORWARD, "y = x @", "y = np.nan_to_num(x) @"),
        hint="not_a_number",
    ),
    "weight decay in the gradient": Bug(
        "weight decay",
        "the layer regularises, and the optimizer again",
        _dw(f"({DW} + 0.01 * self.weight.data).astype(x.dtype)"),
        hint="[Linear(3",
        pattern="off by 0.01 × the parameter",
    ),
    "input swapped for upstream": Bug(
        "caches",
        "the wrong one of two variables of one shape",
        _edit(LINEAR, "deltas = grad_output", f"deltas = (x if {SQUARE} else grad_output)"),
        "nets",
    ),
}

ACTIVATIONS: dict[str, Bug] = {
    "relu: >= at 0": Bug("ties", "x >= 0 in backward", _relu("zero_where(x < 0, grad_output)"), hint="[ReLU"),
    "relu: mask on the wrong side": Bug("mask", "x > 0 and x <= 0 mixed up", _relu("zero_where(x > 0, grad_output)")),
    "relu: mask by multiplication": Bug(
        "mask", "∞·0 is NaN", _relu("grad_output * (x > 0)"), hint="test_infinite_upstream"
    ),
    "relu: mask from the upstream gradient": Bug(
        "mask", "g > 0 for x > 0 (as deconvnets do on purpose)", _relu("zero_where(grad_output <= 0, grad_output)")
    ),
    "relu: mask from both": Bug(
        "mask", "guided backpropagation left on", _relu("zero_where((x <= 0) | (grad_output <= 0), grad_output)")
    ),
    "relu: no derivative": Bug(
        "derivative", "forgotten in backward", _relu("grad_output"), "nets", pattern="missing activation derivative"
    ),
    "relu: mask in memory order": Bug(
        "only strided",
        "the mask is raveled as it lies",
        _relu('zero_where(np.ravel(x <= 0, "K").reshape(x.shape), grad_output)'),
    ),
    "relu: derivative ½ at 0": Bug(
        "ties", "the mean of both sides", _relu("(grad_output * ((x > 0) + 0.5 * (x == 0))).astype(x.dtype)")
    ),
    "relu: tiny gradients cut": Bug(
        "only tiny values",
        "a threshold against noise",
        _relu("zero_where((x <= 0) | (abs(grad_output) < 1e-30), grad_output)"),
        pattern="all zeros",
    ),
    "relu: −0 becomes 0": Bug(
        "ties",
        "np.where(x > 0, x, 0), where PyTorch keeps the sign",
        _edit("ReLU.forward", "x.clip(0, np.inf)", "np.where((x > 0) | np.isnan(x), x, x.dtype.type(0))"),
        hint="relu at the kink",
    ),
    "relu: NaN becomes 0": Bug(
        "NaN",
        "a loop with if x > 0, or nan_to_num",
        _edit("ReLU.forward", "x.clip(0, np.inf)", "np.where(np.isnan(x), x.dtype.type(0), x.clip(0, np.inf))"),
        hint="test_what_is_not_a_number_goes_the_same_way[ReLU",
    ),
    "relu: capped at 6": Bug(
        "only large values", "ReLU6 copied from a mobile net", _edit("ReLU.forward", "np.inf", "6"), hint="[ReLU"
    ),
    "relu: forward in place": Bug(
        "in place", "out=x saves memory", _edit("ReLU.forward", "x.clip(0, np.inf)", "np.clip(x, 0, np.inf, out=x)")
    ),
    "relu: backward in place": Bug(
        "in place",
        "grad_output[x <= 0] = 0",
        _edit("ReLU.backward", "return", "grad_output[x <= 0] = 0\n    return"),
        hint="[ReLU",
    ),
    "leaky: slope on the wrong side": Bug(
        "mask",
        "the arguments of np.where mixed up",
        _edit(
            "LeakyReLU.backward",
            "grad_output, self.negative_slope * grad_output",
            "self.negative_slope * grad_output, grad_output",
        ),
        hint="[LeakyReLU",
    ),
    "leaky: >= at 0": Bug(
        "ties", "x >= 0 in backward", _edit("LeakyReLU.backward", "x > 0", "x >= 0"), hint="[LeakyReLU"
    ),
    "leaky: 0 for the slope": Bug(
        "derivative",
        "relu's backward copied",
        _edit("LeakyReLU.backward", "self.negative_slope * grad_output", "0 * grad_output"),
        hint="[LeakyReLU",
    ),
    "leaky: the default slope": Bug(
        "option ignored",
        "0.01 written in",
        _edit("LeakyReLU.backward", "self.negative_slope * grad_output", "0.01 * grad_output"),
        hint="[LeakyReLU",
    ),
    "leaky: maximum of x and a·x": Bug(
        "option range",
        "the same for slopes up to 1, and not at ∞·0",
        _edit(
            "LeakyReLU.forward", "np.where(x > 0, x, self.negative_slope * x)", "np.maximum(x, self.negative_slope * x)"
        ),
        hint="test_what_is_not_a_number_goes_the_same_way[LeakyReLU",
    ),
    "leaky: mask from the output": Bug(
        "derivative",
        "y > 0 where x > 0 only if the slope is positive",
        _edit(
            "LeakyReLU.forward",
            "self.negative_slope * x), x)",
            "self.negative_slope * x), np.where(x > 0, x, self.negative_slope * x))",
        ),
        hint="[LeakyReLU",
        pattern="missing activation derivative",
    ),
    "sigmoid: derivative at the input": Bug(
        "derivative",
        "x (1 − x), with the input remembered",
        _edit("Sigmoid.forward", "(y, y)", "(y, x)"),
        hint="[Sigmoid",
    ),
    "sigmoid: derivative of the output": Bug(
        "derivative",
        "σ′(y) for σ′(x)",
        _edit("Sigmoid.backward", "y * (1 - y)", "sigmoid(y) * (1 - sigmoid(y))"),
        hint="[Sigmoid",
    ),
    "sigmoid: no derivative": Bug(
        "derivative",
        "forgotten in backward",
        _edit("Sigmoid.backward", " * (y * (1 - y))", " + 0"),
        "nets",
        hint="test_whole_net[sigmoid",
        pattern="missing activation derivative",
    ),
    "sigmoid: half a derivative": Bug(
        "derivative", "σ for σ(1 − σ)", _edit("Sigmoid.backward", "(y * (1 - y))", "y"), hint="[Sigmoid"
    ),
    "sigmoid: the derivative of tanh": Bug(
        "derivative", "1 − y² copied", _edit("Sigmoid.backward", "(y * (1 - y))", "(1 - y * y)"), hint="[Sigmoid"
    ),
    "sigmoid: plus for minus": Bug("sign", "y (1 + y)", _edit("Sigmoid.backward", "1 - y", "1 + y"), hint="[Sigmoid"),
    "sigmoid: eˣ/(1 + eˣ)": Bug(
        "stability",
        "∞/∞ for large x",
        _edit("activations.sigmoid", "np.where(x >= 0, 1, e) / (1 + e)", "np.exp(x) / (1 + np.exp(x))"),
        hint="[Sigmoid",
        pattern="NaN or infinity",
    ),
    "sigmoid: 1/(1 + e⁻ˣ)": Bug(
        "stability",
        "right in the end, but it overflows on the way and warns",
        _edit("activations.sigmoid", "np.where(x >= 0, 1, e) / (1 + e)", "1 / (1 + np.exp(-x))"),
        hint="test_no_overflow_on_the_way[Sigmoid",
    ),
    "sigmoid: input clipped": Bug(
        "stability",
        "np.clip(x, −30, 30) against the overflow warning",
        _edit("activations.sigmoid", "e = np", "x = np.clip(x, -30, 30)\n    e = np"),
        hint="[Sigmoid",
    ),
    "tanh: square forgotten": Bug("derivative", "1 − y", _edit("Tanh.backward", "y * y", "y"), hint="[Tanh"),
    "tanh: derivative at the input": Bug(
        "derivative", "1 − x²", _edit("Tanh.forward", "(y, y)", "(y, x)"), hint="[Tanh"
    ),
    "tanh: derivative of the output": Bug(
        "derivative", "1 − tanh²(y)", _edit("Tanh.backward", "y * y", "np.tanh(y) ** 2"), hint="[Tanh"
    ),
    "tanh: the derivative of sigmoid": Bug(
        "derivative", "y (1 − y) copied", _edit("Tanh.backward", "1 - y * y", "y * (1 - y)"), hint="[Tanh"
    ),
    "tanh: no derivative": Bug(
        "derivative",
        "forgotten in backward",
        _edit("Tanh.backward", " * (1 - y * y)", " + 0"),
        "nets",
        hint="test_whole_net[tanh, cross",
        pattern="missing activation derivative",
    ),
    "tanh: from exponentials": Bug(
        "stability",
        "∞/∞ for large x",
        _edit("Tanh.forward", "np.tanh(x)", "(np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))"),
        hint="[Tanh",
    ),
    "tanh: 2σ(2x) − 1": Bug(
        "stability",
        "right, and it cancels near 0",
        _edit("Tanh.forward", "np.tanh(x)", "2 * sigmoid(2 * x) - 1"),
        hint="[Tanh",
    ),
    "tanh: output buffer reused": Bug(
        "in place",
        "one buffer for all calls",
        _edit(
            "Tanh.forward",
            "y = np.tanh(x)",
            "y = np.tanh(x, out=self._memory[2][0] if self._memory and self._memory[0] == x.shape else None)",
        ),
        "contract",
        hint="test_an_output_stays[Tanh",
    ),
    "softmax: along the batch": Bug(
        "axis",
        "axis 0 in both directions, which no numerical derivative shows",
        _edit("Softmax.forward", "x.max(self.dim", "x.max(0")
        + _edit("Softmax.forward", "e.sum(self.dim", "e.sum(0")
        + _edit("Softmax.backward", ".sum(self.dim", ".sum(0"),
        hint="[Softmax",
    ),
    "softmax: axis −1 always": Bug(
        "axis",
        "dim is ignored in both directions",
        _edit("Softmax.forward", "x.max(self.dim", "x.max(-1")
        + _edit("Softmax.forward", "e.sum(self.dim", "e.sum(-1")
        + _edit("Softmax.backward", ".sum(self.dim", ".sum(-1"),
        hint="[Softmax(dim=0)",
    ),
    "softmax: largest not subtracted": Bug(
        "stability",
        "e¹⁰⁰⁰ overflows",
        _edit("Softmax.forward", "x - x.max(self.dim, keepdims=True, initial=-np.inf)", "x"),
        hint="[Softmax(dim=-1)",
        pattern="NaN or infinity",
    ),
    "softmax: largest of the whole batch": Bug(
        "stability",
        "x.max() without an axis: rows far below it are 0/0",
        _edit("Softmax.forward", "x.max(self.dim, keepdims=True, initial=-np.inf)", "x.max(initial=-np.inf)"),
        hint="[Softmax(dim=-1)",
        pattern="NaN or infinity",
    ),
    "softmax: 1e-8 in the denominator": Bug(
        "stability",
        "against division by 0",
        _edit("Softmax.forward", "e.sum(self.dim, keepdims=True)", "(e.sum(self.dim, keepdims=True) + 1e-8)"),
        hint="test_forward_and_backward[Softmax(dim=-1)-float64",
    ),
    "softmax: sum term forgotten": Bug(
        "softmax",
        "y·g",
        _edit("Softmax.backward", " - (grad_output * y).sum(self.dim, keepdims=True)", ""),
        hint="[Softmax",
    ),
    "softmax: diagonal only": Bug(
        "softmax",
        "the derivative of sigmoid, y (1 − y)",
        _edit(
            "Softmax.backward", "grad_output - (grad_output * y).sum(self.dim, keepdims=True)", "grad_output * (1 - y)"
        ),
        hint="[Softmax",
    ),
    "softmax: sum of g for sum of g·y": Bug(
        "softmax", "log-softmax's sum", _edit("Softmax.backward", "(grad_output * y)", "grad_output"), hint="[Softmax"
    ),
    "softmax: backward along the batch": Bug(
        "axis", "axis 0 in one direction", _edit("Softmax.backward", ".sum(self.dim", ".sum(0"), hint="[Softmax(dim=-1)"
    ),
    "softmax: keepdims forgotten": Bug(
        "axis",
        "broadcasts the sums of the rows along the columns, if it is square",
        _edit("Softmax.backward", ", keepdims=True", ", keepdims=grad_output.shape[0] != grad_output.shape[-1]"),
        hint="[Softmax(dim=-1)",
    ),
    "log_softmax: logarithm of softmax": Bug(
        "stability",
        "log 0 far from the largest",
        _edit(
            "activations.log_softmax",
            "shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))",
            "np.log(np.exp(shifted) / np.exp(shifted).sum(axis, keepdims=True))",
        ),
        hint="[LogSoftmax",
        pattern="NaN or infinity",
    ),
    "log_softmax: largest not subtracted": Bug(
        "stability",
        "e¹⁰⁰⁰ overflows",
        _edit("activations.log_softmax", "x - x.max(axis, keepdims=True, initial=-np.inf)", "x"),
        hint="[LogSoftmax",
        pattern="NaN or infinity",
    ),
    "log_softmax: 1e-8 inside the logarithm": Bug(
        "stability",
        "against log 0",
        _edit(
            "activations.log_softmax",
            "np.exp(shifted).sum(axis, keepdims=True)",
            "np.exp(shifted).sum(axis, keepdims=True) + 1e-8",
        ),
        hint="test_forward_and_backward[LogSoftmax(dim=-1)-float64",
    ),
    "log_softmax: y for eʸ": Bug(
        "softmax",
        "softmax and its logarithm mixed up",
        _edit("LogSoftmax.backward", "np.exp(y)", "y"),
        hint="[LogSoftmax",
    ),
    "log_softmax: sum of g forgotten": Bug(
        "softmax",
        "g − p is cross-entropy's",
        _edit("LogSoftmax.backward", " * grad_output.sum(self.dim, keepdims=True)", ""),
        hint="[LogSoftmax",
    ),
    "log_softmax: mean of g for the sum": Bug(
        "sum and mean",
        "mean for sum",
        _edit("LogSoftmax.backward", "grad_output.sum", "grad_output.mean"),
        hint="[LogSoftmax",
    ),
    "log_softmax: −1 always": Bug(
        "axis",
        "dim is ignored",
        _edit("LogSoftmax.forward", "log_softmax(x, self.dim)", "log_softmax(x, -1)"),
        hint="[LogSoftmax(dim=0)",
    ),
}

MODULES: dict[str, Bug] = {
    "gradient overwritten": Bug(
        "accumulation",
        "= for +=",
        _edit("Parameter.accumulate", "gradient if self.grad is None else self.grad + gradient", "gradient"),
        hint="backward_twice",
    ),
    "gradient counted twice": Bug(
        "accumulation",
        "set, and then added",
        _edit("Parameter.accumulate", "gradient if self.grad", "gradient + gradient if self.grad"),
        hint="[Linear(3",
        pattern="constant ratio 2",
    ),
    "gradient averaged with the old": Bug(
        "accumulation",
        "a mean over backward calls",
        _edit("Parameter.accumulate", "self.grad + gradient", "(self.grad + gradient) / 2"),
        hint="backward_twice",
    ),
    "gradient added in place": Bug(
        "in place",
        "+= writes into the array that somebody kept",
        _edit(
            "Parameter.accumulate",
            "self.grad = gradient if self.grad is None else self.grad + gradient",
            "if self.grad is None:\n        self.grad = gradient\n    else:\n        self.grad += gradient",
        ),
        "contract",
    ),
    "parameter not copied": Bug(
        "aliasing",
        "training writes into the caller's array",
        _edit("Parameter.__init__", "np.array(data)", "data"),
        "optimizers",
    ),
    "state_dict of live arrays": Bug(
        "aliasing", "the checkpoint trains on", _edit("Module.state_dict", ".copy()", ""), "contract"
    ),
    "gradients handed out live": Bug(
        "aliasing",
        "clipping them in place changes the step",
        _edit("Module.named_gradients", "parameter.grad.copy()", "parameter.grad"),
        "contract",
    ),
    "load_state_dict keeps the arrays": Bug(
        "aliasing",
        "two models train one array",
        _edit("Module.load_state_dict", "parameter.data[...] =", "parameter.data ="),
        "contract",
    ),
    "load_state_dict transposes where square": Bug(
        "transpose",
        "a converter for (in, out) weights that goes by shape",
        _edit(
            "Module.load_state_dict",
            "= state[name]",
            "= state[name].T if state[name].T.shape == parameter.shape else state[name]",
        ),
        "contract",
    ),
    "load_state_dict by position": Bug(
        "order",
        "zip of values: a file sorts its keys",
        _edit(
            "Module.load_state_dict",
            "for name, parameter in own.items():\n        parameter",
            "for name, parameter in zip(state, own.values()):\n        parameter",
        ),
        "contract",
    ),
    "load_state_dict through float32": Bug(
        "only float64",
        "files are float32, are they not",
        _edit("Module.load_state_dict", "= state[name]", "= state[name].astype(np.float32)"),
        "contract",
    ),
    "zero_grad misses a parameter": Bug(
        "zero_grad",
        "range(len − 1)",
        _edit("Module.zero_grad", "in self.parameters()", "in list(self.parameters())[:-1]"),
        "contract",
    ),
    "zero_grad does nothing": Bug(
        "zero_grad",
        "a local name is set",
        _edit("Module.zero_grad", "parameter.grad = np", "gradient = np"),
        "contract",
    ),
    "zero_grad(set_to_none=False) sets None": Bug(
        "zero_grad",
        "the argument is ignored",
        _edit("Module.zero_grad", "not set_to_none and", "False and"),
        "contract",
    ),
    "zero_grad in place": Bug(
        "in place",
        "fill(0) empties the array that somebody kept",
        _edit(
            "Module.zero_grad",
            "parameter.grad = ",
            "parameter.grad = (parameter.grad.fill(0) or parameter.grad) if keep else ",
        ),
        "contract",
    ),
    "eval forgets": Bug(
        "caches",
        "no memory in eval mode, so backward takes the older one",
        _edit(
            "Module._remember",
            "self._memory =",
            "self._memory = self._memory if self._memory and not self.training else",
        ),
        "contract",
    ),
    "first forward remembered for ever": Bug(
        "caches",
        "if self._x is None",
        _edit(
            FORWARD,
            "(y, x)",
            "(y, x if self._memory is None or self._memory[2][0].shape != x.shape else self._memory[2][0])",
        ),
        "runs",
        hint="test_five_steps_side_by_side[relu, cross-entropy-SGD-float64",
    ),
    "activation's memory is stale": Bug(
        "caches",
        "if self._y is None",
        _edit(
            "Tanh.forward",
            "(y, y)",
            "(y, y if self._memory is None or self._memory[0] != y.shape else self._memory[2][0])",
        ),
        "runs",
        hint="tanh, tanh",
    ),
    "memory used up": Bug(
        "caches",
        "freed by backward, and backward is called again",
        _edit("Module._recall", "return values", "self._memory = None\n    return values"),
        hint="backward_twice",
    ),
    "layer overwrites its input": Bug(
        "in place",
        "the buffer of the input serves for the output of a square layer",
        _edit(FORWARD, "return self", f"if {SQUARE}:\n        x[...] = y\n    return self"),
        hint="[Linear(1, 1)",
    ),
    "output buffer reused": Bug(
        "in place",
        "one buffer for all calls",
        _edit(
            FORWARD,
            "return self._remember(y, x)",
            "if self._memory and self.buffer.shape == y.shape:\n"
            "        self.buffer[...] = y\n"
            "    else:\n"
            "        self.buffer = y\n"
            "    return self._remember(self.buffer, x)",
        ),
        "contract",
    ),
    "sequential: not reversed": Bug(
        "order",
        "reversed forgotten",
        _edit("Sequential.backward", "reversed(self.modules)", "self.modules"),
        hint="[Sequential",
    ),
    "sequential: first layer skipped": Bug(
        "order",
        "range(n, 0, −1)",
        _edit("Sequential.backward", "self.modules", "self.modules[1:]"),
        hint="[Sequential",
        pattern="no gradient was computed",
    ),
    "sequential: first layer skipped in training": Bug(
        "order",
        "nobody needs dL/dx, and its weights are forgotten too",
        _edit("Sequential.backward_parameters", "in self.modules[:1]", "in ()"),
        "runs",
        pattern="no gradient was computed",
    ),
    "sequential: the same gradient for all": Bug(
        "order",
        "the result is not passed on, where the shapes allow it",
        _edit(
            "Sequential.backward",
            "grad_output = module.backward(grad_output)",
            "grad_input = module.backward(grad_output)\n"
            "        grad_output = grad_output if grad_input.shape == grad_output.shape else grad_input",
        ),
        "nets",
    ),
    "parallel: gradient of one branch": Bug(
        "branches", "= for +=", _edit("Parallel.backward", "gradients[1:]", "gradients[2:]"), hint="[Parallel"
    ),
    "parallel: gradients averaged": Bug(
        "branches",
        "the mean over branches",
        _edit("Parallel.backward", "return total", "return total / len(gradients)"),
        pattern="constant ratio 1/2",
        hint="test_forward_and_backward[Parallel(ReLU, Tanh)-float64",
    ),
    "parallel: branches chained": Bug(
        "branches",
        "the gradient of one goes into the next",
        _edit(
            "Parallel.backward",
            "gradients = [branch.backward(grad_output) for branch in self.branches]",
            "gradients = [self.branches[0].backward(grad_output)]\n"
            "    for branch in self.branches[1:]:\n"
            "        gradients.append(branch.backward(gradients[-1]))",
        ),
        hint="[Parallel",
    ),
    "parallel: outputs averaged": Bug(
        "branches",
        "the mean for the sum",
        _edit("Parallel.forward", "(total)", "(total / len(outputs))"),
        hint="[Parallel",
        pattern="constant ratio 1/2",
    ),
    "parallel: sum in the first branch's memory": Bug(
        "aliasing",
        "no copy before +=",
        _edit("Parallel.forward", "outputs[0].copy()", "outputs[0]"),
        hint="test_branches_do_not_share",
    ),
    "parallel: gradients in the upstream": Bug(
        "aliasing",
        "no copy before +=",
        _edit("Parallel.backward", "gradients[0].copy()", "gradients[0]"),
        hint="test_branches_do_not_share",
    ),
    "train() stays at the top": Bug(
        "modes", "children are not told", _edit("Module.train", "child.train(mode)", "pass"), "contract"
    ),
    "MLP: activation after the last layer": Bug(
        "net", "a loop without an exception", _edit("MLP.__init__", "modules.pop()", "pass"), "contract"
    ),
    "MLP: output activation ignored": Bug(
        "option ignored",
        "an argument that goes nowhere",
        _edit("MLP.__init__", "if output_activation is not None:\n        modules", "if False:\n        modules"),
        "contract",
    ),
    "MLP: bias argument ignored": Bug(
        "option ignored",
        "an argument that goes nowhere",
        _edit("MLP.__init__", "bias, dtype, rng)", "True, dtype, rng)"),
        "contract",
    ),
    "MLP: every layer drawn from the seed anew": Bug(
        "init",
        "the seed is handed on, not the generator",
        _edit("MLP.__init__", "rng = np.random.default_rng(rng)", "pass"),
        "contract",
    ),
    "bias drawn first": Bug(
        "init",
        "the order of the attributes changed",
        _edit("Linear.reset_parameters", "in self.parameters()", "in reversed(list(self.parameters()))"),
        "contract",
        hint="test_linear_is_drawn",
    ),
    "bound 1/n": Bug(
        "init",
        "the root forgotten",
        _edit("Linear.reset_parameters", "math.sqrt(self.in_features)", "self.in_features"),
        "contract",
        hint="test_linear_is_drawn",
    ),
    "bound from the outputs": Bug(
        "init",
        "fan out for fan in",
        _edit("Linear.reset_parameters", "math.sqrt(self.in_features)", "math.sqrt(self.out_features)"),
        "contract",
        hint="test_linear_is_drawn",
    ),
    "fans swapped": Bug(
        "init",
        "weights were (in, out) once",
        _edit("init.fans", "shape[1] * receptive, shape[0] * receptive", "shape[0] * receptive, shape[1] * receptive"),
        "contract",
        hint="test_distribution",
    ),
    "gain of the slope": Bug(
        "init",
        "1 + a for 1 + a²",
        _edit("init.calculate_gain", "param**2", "param"),
        "contract",
        hint="test_leaky_gain",
    ),
    "kaiming uniform without √3": Bug(
        "init",
        "a standard deviation taken for a bound",
        _edit("init.kaiming_uniform_", "math.sqrt(3) * ", ""),
        "contract",
        hint="test_distribution",
    ),
    "xavier of one fan": Bug(
        "init",
        "√(6/fan_in)",
        _edit("init.xavier_uniform_", "sum(fans(_data(tensor).shape))", "fans(_data(tensor).shape)[0]"),
        "contract",
        hint="test_distribution",
    ),
}

SMOOTHED = "even * weight * kept"
MEMORY = "losses.Loss._reduce"
RECALL = "losses.Loss._recall"
CE = "CrossEntropyLoss.forward"

LOSSES: dict[str, Bug] = {
    "mean forgotten in the gradient": Bug(
        "1/N",
        "the value has its 1/N, the gradient does not",
        _edit(RECALL, "upstream / count if count", "upstream if count"),
        "losses",
        hint="test_value_and_gradient[MSE-mean-float64",
        pattern="constant ratio N·outputs = 20",
    ),
    "mean over the batch": Bug(
        "sum and mean",
        "N for N·C: mean(sum(…, axis=1))",
        _edit(MEMORY, "values.size if", "len(np.atleast_1d(values)) if"),
        "losses",
        hint="test_value_and_gradient[MSE-mean-float64",
        pattern="constant ratio outputs = 4",
    ),
    "sum is a mean": Bug(
        "sum and mean",
        'reduction="sum" is not looked at',
        _edit(MEMORY, 'self.reduction == "sum"', "False"),
        "losses",
        hint="test_value_and_gradient[MSE-sum-float64",
        pattern="constant ratio 1/N·outputs",
    ),
    "mean is a sum": Bug(
        "sum and mean",
        "values.sum() and a comment that says mean",
        _edit(MEMORY, 'self.reduction == "sum"', "True"),
        "losses",
        hint="test_value_and_gradient[MSE-mean-float64",
        pattern="constant ratio N·outputs = 20",
    ),
    "gradient of the mean over the batch": Bug(
        "1/N",
        "value and gradient divided by different numbers",
        _edit("MSELoss.backward", "2 * u", "2 * u * difference.shape[-1]"),
        "losses",
        hint="test_value_and_gradient[MSE-mean-float64",
        pattern="constant ratio outputs = 4",
    ),
    "mse: factor 2 forgotten": Bug(
        "factor 2",
        "the ½ of the textbook",
        _edit("MSELoss.backward", "2 * u", "u"),
        "losses",
        hint="test_value_and_gradient[MSE-mean-float64",
        pattern="constant ratio 1/2",
    ),
    "mse: ½ in the value only": Bug(
        "factor 2",
        "half of the textbook",
        _edit("MSELoss.forward", "difference * difference", "difference * difference / 2"),
        "losses",
        hint="test_value_and_gradient[MSE-mean-float64",
        pattern="constant ratio 1/2",
    ),
    "mse: ½ in both": Bug(
        "factor 2",
        "the textbook's loss, consistent in itself",
        _edit("MSELoss.forward", "difference * difference", "difference * difference / 2")
        + _edit("MSELoss.backward", "2 * u", "u"),
        "losses",
        hint="test_value_and_gradient[MSE-mean-float64",
        pattern="constant ratio 1/2",
    ),
    "mse: t − x": Bug(
        "sign",
        "target − output, and the square hides it",
        _edit("MSELoss.forward", "input - target", "target - input"),
        "losses",
        hint="test_value_and_gradient[MSE-mean-float64",
        pattern="constant ratio −1",
    ),
    "mse: shapes broadcast": Bug(
        "broadcast",
        "(N, 1) against (N,)",
        _edit("MSELoss.forward", "checks.elementwise_loss(self.name, input, target, self.reduction)", "pass"),
        "refusals",
        hint="(N, 1) against (N,)",
    ),
    "l1: 1 at 0": Bug(
        "ties",
        "x >= t",
        _edit("L1Loss.backward", "sign(difference)", "np.where(difference >= 0, 1, -1).astype(difference.dtype)"),
        "losses",
        hint="[L1",
    ),
    "l1: d/|d|": Bug(
        "ties",
        "0/0",
        _edit("L1Loss.backward", "sign(difference)", "(difference / np.abs(difference))"),
        "losses",
        hint="[L1",
        pattern="NaN or infinity",
    ),
    "upstream ignored for none": Bug(
        "reduction none",
        "backward() without an argument is all that was tried",
        _edit(RECALL, "1 if grad_output is None else grad_output", "np.ones(shape)"),
        "losses",
        hint="[MSE-none",
    ),
    "scalar upstream ignored": Bug(
        "reduction none",
        "a loss is always the end of the graph",
        _edit(RECALL, "1 if grad_output is None", '1 if grad_output is None or self.reduction != "none"'),
        "losses",
        hint="test_scalar_upstream",
    ),
    "float64 count": Bug(
        "only float32",
        "np.float64(n) is no Python number: it promotes",
        _edit(MEMORY, "count = values.dtype.type(values.size", "count = np.float64(values.size"),
        "losses",
        hint="test_value_and_gradient[MSE-mean-float32",
        pattern="a silent cast",
    ),
    "float32 difference": Bug(
        "only float64",
        "a cast for speed",
        _edit("MSELoss.forward", "input - target", "(input - target).astype(np.float32).astype(input.dtype)"),
        "losses",
        hint="test_value_and_gradient[MSE-mean-float64",
    ),
    "first batch remembered": Bug(
        "caches",
        "if self._memory is None",
        _edit(
            "MSELoss.forward", "return", "difference = self._memory[1][0] if self._memory else difference\n    return"
        ),
        "runs",
        hint="tanh, tanh",
    ),
    "all ignored is 0/0": Bug(
        "ignore_index",
        "upstream / 0",
        _edit(RECALL, "upstream / count if count else np.zeros_like(upstream)", "upstream / count"),
        "losses",
        pattern="NaN or infinity",
        hint="test_value_and_gradient[CE ignore_index",
    ),
    "bce: no clamp": Bug(
        "stability",
        "log 0",
        _edit("BCELoss.forward", "np.maximum(np.log(input), -100)", "np.log(input)"),
        "losses",
        hint="[BCE-",
        pattern="NaN or infinity",
    ),
    "bce: probabilities clipped": Bug(
        "stability",
        "Keras's 1e-7 for PyTorch's −100",
        _edit("BCELoss.forward", "np.log(input)", "np.log(np.maximum(input, 1e-7))"),
        "losses",
        hint="[BCE-",
    ),
    "bce: gradient clamped at 1e-7": Bug(
        "stability",
        "another ε than the reference's",
        _edit("BCELoss.backward", "SMALLEST_VARIANCE", "1e-7"),
        "losses",
        hint="[BCE-",
    ),
    "bce: gradient not clamped": Bug(
        "stability",
        "division by p (1 − p) = 0",
        _edit("BCELoss.backward", "np.maximum(p * (1 - p), SMALLEST_VARIANCE)", "(p * (1 - p))"),
        "losses",
        hint="[BCE-",
        pattern="NaN or infinity",
    ),
    "bce: gradient of the logits": Bug(
        "derivative",
        "p − t belongs to sigmoid and loss together",
        _edit("BCELoss.backward", " / np.maximum(p * (1 - p), SMALLEST_VARIANCE)", ""),
        "losses",
        hint="[BCE-",
    ),
    "bce: logarithms swapped": Bug(
        "sign",
        "t log(1 − p)",
        _edit("BCELoss.forward", "(target - 1) * log_q - target * log_p", "(target - 1) * log_p - target * log_q"),
        "losses",
        hint="[BCE-",
    ),
    "bce: weight forgotten in the gradient": Bug(
        "weight",
        "only the value is weighted",
        _edit("BCELoss.backward", "gradient if self.weight is None else gradient * self.weight", "gradient"),
        "losses",
        hint="[BCE weight",
    ),
    "bce: divided by the weights": Bug(
        "weight",
        "as cross-entropy does",
        _edit(
            "BCELoss.forward",
            "self._reduce(values, input, target)",
            "self._reduce(values, input, target, "
            "total_weight=None if self.weight is None else np.broadcast_to(self.weight, input.shape).sum())",
        ),
        "losses",
        hint="[BCE weight",
        pattern="constant ratio",
    ),
    "bce-logits: log(1 + e⁻ˣ)": Bug(
        "stability",
        "overflows for large negative x",
        _edit(
            "BCEWithLogitsLoss.forward",
            "np.log1p(np.exp(-np.abs(input))) + np.maximum(-input, 0)",
            "np.log1p(np.exp(-input))",
        ),
        "losses",
        hint="[BCEWithLogits-",
        pattern="NaN or infinity",
    ),
    "bce-logits: pos_weight on the negatives": Bug(
        "weight",
        "1 − t for t",
        _edit("BCEWithLogitsLoss.forward", "(self.pos_weight - 1) * target", "(self.pos_weight - 1) * (1 - target)"),
        "losses",
        hint="[BCEWithLogits pos_weight",
    ),
    "bce-logits: pos_weight as weight": Bug(
        "weight",
        "everything is multiplied",
        _edit("BCEWithLogitsLoss.forward", "((self.pos_weight - 1) * target + 1)", "self.pos_weight"),
        "losses",
        hint="[BCEWithLogits pos_weight",
    ),
    "bce-logits: pos_weight forgotten in the gradient": Bug(
        "weight",
        "only the value is weighted",
        _edit("BCEWithLogitsLoss.backward", "self.pos_weight is None", "True"),
        "losses",
        hint="[BCEWithLogits pos_weight",
    ),
    "bce-logits: pos_weight on one term": Bug(
        "weight",
        "t for c·t in the second place",
        _edit("BCEWithLogitsLoss.backward", "sigmoid(x) - positive", "sigmoid(x) - target"),
        "losses",
        hint="[BCEWithLogits pos_weight",
    ),
    "bce-logits: weight forgotten in the gradient": Bug(
        "weight",
        "only the value is weighted",
        _edit("BCEWithLogitsLoss.backward", "gradient if self.weight is None else gradient * self.weight", "gradient"),
        "losses",
        hint="[BCEWithLogits weight",
    ),
    "bce-logits: t − σ": Bug(
        "sign",
        "the sign of the update in the gradient",
        _edit("BCEWithLogitsLoss.backward", "sigmoid(x) - target", "target - sigmoid(x)"),
        "losses",
        hint="test_value_and_gradient[BCEWithLogits-mean-float64",
        pattern="constant ratio −1",
    ),
    "bce-logits: σ twice": Bug(
        "derivative",
        "the model had a sigmoid once",
        _edit("BCEWithLogitsLoss.backward", "sigmoid(x) - target", "sigmoid(sigmoid(x)) - target"),
        "losses",
        hint="[BCEWithLogits-",
    ),
    "ce: classes from 1": Bug(
        "off by one",
        "labels 1…C",
        _edit(
            "losses.ClassLoss._weighted_one_hot", "np.arange(scores.shape[-1])", "np.arange(1, scores.shape[-1] + 1)"
        ),
        "losses",
        hint="[CE-",
    ),
    "ce: divided by N, weights or not": Bug(
        "weight",
        "Σ w_t is forgotten",
        _edit(CE, "total = q.sum()", "total = None"),
        "losses",
        hint="[CE weight",
        pattern="constant ratio",
    ),
    "ce: weights left out of the divisor": Bug(
        "weight",
        "the rows that are not ignored are counted",
        _edit(CE, "total = q.sum()", "total = np.count_nonzero(target != self.ignore_index)"),
        "losses",
        hint="[CE weight",
        pattern="constant ratio",
    ),
    "ce: ignored rows in the divisor": Bug(
        "ignore_index",
        "len(target)",
        _edit(CE, "total = q.sum()", "total = q.sum() if self.weight is not None else target.size"),
        "losses",
        hint="[CE ignore_index",
        pattern="constant ratio",
    ),
    "ce: ignored rows in the gradient": Bug(
        "ignore_index",
        "p − onehot, the textbook's",
        _edit("CrossEntropyLoss.backward", "np.exp(log_p) * q.sum(-1, keepdims=True)", "np.exp(log_p)"),
        "losses",
        hint="[CE ignore_index",
    ),
    "ce: ignore_index not looked at": Bug(
        "ignore_index",
        "−100 matches no class anyway",
        _edit("losses.ClassLoss._weighted_one_hot", "one_hot[..., self.ignore_index] = 0", "pass"),
        "losses",
        hint="[CE ignore_index",
    ),
    "ce: weight forgotten": Bug(
        "weight",
        "an argument that goes nowhere",
        _edit(
            "losses.ClassLoss._weighted_one_hot", "one_hot if self.weight is None else one_hot * self.weight", "one_hot"
        ),
        "losses",
        hint="[CE weight",
    ),
    "ce: ε for ε/C": Bug(
        "label smoothing",
        "not shared among the classes",
        _edit(CE, "self.label_smoothing / log_p.shape[-1]", "self.label_smoothing"),
        "losses",
        hint="[CE label",
    ),
    "ce: ε/(C − 1)": Bug(
        "label smoothing",
        "another paper's smoothing",
        _edit(CE, "log_p.shape[-1]", "max(log_p.shape[-1] - 1, 1)"),
        "losses",
        hint="[CE label",
    ),
    "ce: 1 for 1 − ε": Bug(
        "label smoothing",
        "the label keeps its whole weight",
        _edit(CE, "q = (1 - smoothing) * q + even", "q = q + even"),
        "losses",
        hint="[CE label",
    ),
    "ce: smoothing forgets the weights": Bug(
        "label smoothing",
        "ε/C for ε/C·w",
        _edit(CE, SMOOTHED, "even * kept"),
        "losses",
        hint="[CE all",
    ),
    "ce: smoothing weights by the label": Bug(
        "label smoothing",
        "w_t for w_c",
        _edit(CE, SMOOTHED, "even * q.sum(-1, keepdims=True)"),
        "losses",
        hint="[CE all",
    ),
    "ce: smoothing of ignored rows": Bug(
        "label smoothing",
        "the mask is on the other term",
        _edit(CE, SMOOTHED, "even * weight"),
        "losses",
        hint="[CE all",
    ),
    "ce: smoothing of class probabilities forgotten": Bug(
        "label smoothing",
        "they are soft already",
        _edit(CE, "((1 - smoothing) * classes_last(target) + even)", "classes_last(target)"),
        "losses",
        hint="[CE probabilities weight",
    ),
    "ce: class probabilities divided by the weights": Bug(
        "weight",
        "as for class indices",
        _edit(CE, "-(q * log_p).sum(-1), None", "-(q * log_p).sum(-1), q.sum()"),
        "losses",
        hint="[CE probabilities",
        pattern="constant ratio",
    ),
    "ce: unnormalised class probabilities": Bug(
        "softmax",
        "p − q, where Σ q is not 1",
        _edit("CrossEntropyLoss.backward", "q.sum(-1, keepdims=True)", "(q.sum(-1, keepdims=True) != 0)"),
        "losses",
        hint="[CE probabilities",
    ),
    "ce: −∞·0": Bug(
        "stability",
        "onehot · log p",
        _edit(CE, "zero_where(q == 0, log_p)", "log_p"),
        "losses",
        hint="test_loss[cross-entropy, -inf for another",
    ),
    "ce: 1e-12 inside the logarithm": Bug(
        "stability",
        "against log 0",
        _edit(
            CE,
            "log_p = log_softmax(classes_last(input), -1)",
            "log_p = np.log(np.exp(log_softmax(classes_last(input), -1)) + 1e-12)",
        ),
        "losses",
        hint="[CE-",
    ),
    "ce: 1/N forgotten in the gradient": Bug(
        "1/N",
        "p − y and no more",
        _edit(
            "CrossEntropyLoss.backward", "u[..., np.newaxis] * (", "(1 if np.ndim(u) == 0 else u[..., np.newaxis]) * ("
        ),
        "losses",
        hint="test_value_and_gradient[CE-mean-float64",
        pattern="constant ratio N = 5",
    ),
    "ce: softmax along the batch": Bug(
        "axis",
        "axis 0",
        _edit(CE, "log_softmax(classes_last(input), -1)", "log_softmax(classes_last(input), 0)"),
        "losses",
        hint="[CE-",
    ),
    "ce: softmax twice": Bug(
        "softmax",
        "probabilities taken for logits",
        _edit(
            CE, "log_softmax(classes_last(input), -1)", "log_softmax(np.exp(log_softmax(classes_last(input), -1)), -1)"
        ),
        "losses",
        hint="[CE-",
    ),
    "ce: gradient − p": Bug(
        "sign",
        "onehot − p",
        _edit("CrossEntropyLoss.backward", "u[..., np.newaxis]", "-u[..., np.newaxis]"),
        "losses",
        hint="test_value_and_gradient[CE-mean-float64",
        pattern="constant ratio −1",
    ),
    "ce: swapaxes for moveaxis": Bug(
        "axis",
        "the same for one trailing axis only",
        _edit("losses.classes.classes_last", "np.moveaxis(x, 1, -1)", "x.swapaxes(1, -1)"),
        "losses",
        hint="test_classes_on_axis_one_of_many[CE-(2, 3)",
    ),
    "ce: swapaxes on the way back": Bug(
        "axis",
        "the same for one trailing axis only",
        _edit("losses.classes.classes_second", "np.moveaxis(x, -1, 1)", "x.swapaxes(1, -1)"),
        "losses",
        hint="test_classes_on_axis_one_of_many[CE-(2, 3)",
    ),
    "ce: reshape for moveaxis": Bug(
        "axis",
        "the shapes are right, the numbers are not",
        _edit(
            "losses.classes.classes_second",
            "np.moveaxis(x, -1, 1)",
            "x.reshape(x.shape[:1] + x.shape[-1:] + x.shape[1:-1])",
        ),
        "losses",
        hint="test_classes_on_axis_one_of_many[CE-(2, 3)",
    ),
    "ce: one sample": Bug(
        "unbatched",
        "the axis of the batch is taken for granted",
        _edit("CrossEntropyLoss.backward", "np.exp(log_p) *", "(np.exp(log_p) if ndim > 1 else log_p) *"),
        "losses",
        hint="[CE-",
    ),
    "nll: divided by N": Bug(
        "weight",
        "Σ w_t is forgotten",
        _edit("NLLLoss.forward", "total_weight=q.sum()", "total_weight=None"),
        "losses",
        hint="[NLL weight",
        pattern="constant ratio",
    ),
    "nll: weight forgotten in the gradient": Bug(
        "weight",
        "−1/N at the label",
        _edit("NLLLoss.backward", "np.newaxis] * q", "np.newaxis] * (q != 0)"),
        "losses",
        hint="[NLL weight",
    ),
    "nll: wrong sign": Bug(
        "sign",
        "the negative of negative log-likelihood",
        _edit("NLLLoss.backward", "-u[", "u["),
        "losses",
        hint="test_value_and_gradient[NLL-mean-float64",
        pattern="constant ratio −1",
    ),
    "nll: takes the logarithm": Bug(
        "softmax",
        "probabilities expected, log-probabilities given",
        _edit("NLLLoss.forward", "zero_where(q == 0, scores)", "zero_where(q == 0, np.log(np.abs(scores) + 1e-30))"),
        "losses",
        hint="[NLL-",
    ),
}

SGD, ADAM = "SGD.update", "Adam.update"
DIRECTION = "opposite sign"
BUFFER = '(1 - group["dampening"]) * gradient'
DENOMINATOR = 'np.sqrt(v) / math.sqrt(1 - beta2**t) + group["eps"]'


def _adam_denominator(new: str) -> tuple[Edit, ...]:
    return _edit(ADAM, DENOMINATOR, new)


OPTIMIZERS: dict[str, Bug] = {
    "sgd: uphill": Bug(
        "sign", "+= for −=", _edit(SGD, "-= group", "+= group"), "optimizers", hint="test_steps[SGD-", pattern=DIRECTION
    ),
    "sgd: first buffer dampened": Bug(
        "momentum",
        "the formula for all steps, where PyTorch has an exception",
        _edit(SGD, "np.array(gradient)", f"np.array({BUFFER})"),
        "optimizers",
        hint="[SGD dampening",
    ),
    "sgd: dampening ignored": Bug(
        "momentum",
        "an argument that goes nowhere",
        _edit(SGD, BUFFER, "gradient"),
        "optimizers",
        hint="test_steps[SGD dampening-float64",
        pattern="dampening is ignored",
    ),
    "sgd: lr inside the buffer": Bug(
        "momentum",
        "Sutskever's form: the same until lr changes",
        _edit(SGD, "np.array(gradient)", 'np.array(group["lr"] * gradient)')
        + _edit(SGD, BUFFER, f'group["lr"] * {BUFFER}')
        + _edit(
            SGD,
            "parameter.data -= ",
            'gradient = gradient / group["lr"] if momentum else gradient\n    parameter.data -= ',
        ),
        "optimizers",
        hint="[SGD momentum",
    ),
    "sgd: buffer averaged": Bug(
        "momentum",
        "Adam's (1 − β)",
        _edit(SGD, BUFFER, "(1 - momentum) * gradient"),
        "optimizers",
        hint="[SGD momentum",
    ),
    "sgd: momentum ignored": Bug(
        "momentum",
        "the buffer is kept and not used",
        _edit(SGD, "else buffer", "else gradient"),
        "optimizers",
        hint="test_steps[SGD momentum-float64",
        pattern="momentum is ignored",
    ),
    "sgd: buffer aliases the gradient": Bug(
        "aliasing",
        "no copy at the first step",
        _edit(SGD, "np.array(gradient)", "gradient"),
        "optimizers",
        hint="[SGD momentum",
    ),
    "sgd: buffer rebound": Bug(
        "momentum",
        "a new array each step, and the state keeps the first",
        _edit(SGD, 'state["momentum_buffer"] *= momentum', 'buffer = momentum * state["momentum_buffer"]')
        + _edit(SGD, f'state["momentum_buffer"] += {BUFFER}', f"gradient = buffer + {BUFFER}")
        + _edit(SGD, 'gradient = gradient + momentum * buffer if group["nesterov"] else buffer', "pass"),
        "optimizers",
        hint="[SGD momentum",
    ),
    "sgd: nesterov ignored": Bug(
        "nesterov",
        "an argument that goes nowhere",
        _edit(SGD, 'gradient + momentum * buffer if group["nesterov"] else buffer', "buffer"),
        "optimizers",
        pattern="nesterov the other way",
        hint="test_state_moves_across[SGD nesterov-float64",
    ),
    "sgd: nesterov looks back": Bug(
        "nesterov",
        "b + μg for g + μb",
        _edit(SGD, "gradient + momentum * buffer", "buffer + momentum * gradient"),
        "optimizers",
        hint="[SGD nesterov",
    ),
    "sgd: nesterov with the old buffer": Bug(
        "nesterov",
        "the look ahead before the buffer is renewed",
        _edit(SGD, "gradient + momentum * buffer", "gradient + momentum * (buffer - gradient)"),
        "optimizers",
        hint="[SGD nesterov",
    ),
    "sgd: decay before maximize": Bug(
        "weight decay",
        "the decay is negated as well",
        _edit(
            SGD,
            'gradient + group["weight_decay"]',
            'gradient + (-1 if group["maximize"] else 1) * group["weight_decay"]',
        ),
        "optimizers",
        hint="test_steps[SGD all options-float64",
        pattern="weight_decay has the opposite sign",
    ),
    "sgd: decay twice": Bug(
        "weight decay",
        "λ‖θ‖² for ½λ‖θ‖²",
        _edit(SGD, '+ group["weight_decay"]', '+ 2 * group["weight_decay"]'),
        "optimizers",
        hint="[SGD weight_decay",
    ),
    "sgd: decay ignored": Bug(
        "weight decay",
        "an argument that goes nowhere",
        _edit(SGD, 'if group["weight_decay"]', "if False"),
        "optimizers",
        hint="test_steps[SGD weight_decay-float64",
        pattern="weight_decay is ignored",
    ),
    "sgd: decay subtracted": Bug(
        "weight decay",
        "the minus of the update in the decay as well",
        _edit(SGD, 'gradient + group["weight_decay"]', 'gradient - group["weight_decay"]'),
        "optimizers",
        hint="test_steps[SGD weight_decay-float64",
        pattern="weight_decay has the opposite sign",
    ),
    "sgd: decay decoupled": Bug(
        "weight decay",
        "the same without momentum",
        _edit(
            SGD,
            'gradient = gradient + group["weight_decay"] * parameter.data',
            'parameter.data *= 1 - group["lr"] * group["weight_decay"]',
        ),
        "optimizers",
        hint="[SGD all options",
    ),
    "sgd: decay in place": Bug(
        "in place",
        "g += λθ changes the gradient that others read",
        _edit(SGD, "gradient = gradient + group", "gradient += group"),
        "optimizers",
        hint="[SGD weight_decay",
    ),
    "sgd: maximize in place": Bug(
        "in place", "g *= −1", _edit(SGD, "gradient = -gradient", "gradient *= -1"), "optimizers", hint="[SGD maximize"
    ),
    "sgd: maximize ignored": Bug(
        "sign",
        "an argument that goes nowhere",
        _edit(SGD, 'if group["maximize"]', "if False"),
        "optimizers",
        hint="test_steps[SGD maximize-float64",
        pattern="opposite sign (maximize)",
    ),
    "sgd: lr of the first group": Bug(
        "groups",
        "self.lr",
        _edit("Optimizer.step", "parameter.grad, group", "parameter.grad, self.param_groups[0]"),
        "optimizers",
        hint="test_parameter_groups",
    ),
    "sgd: lr from the constructor": Bug(
        "groups",
        "a schedule has no effect",
        _edit("Optimizer.step", "parameter.grad, group", "parameter.grad, {**group, 'lr': self.defaults['lr']}"),
        "optimizers",
        hint="test_parameter_groups",
        pattern="the step is 2 × too short",
    ),
    "group options overridden by defaults": Bug(
        "groups",
        "the order of two ** unpackings",
        _edit(
            "Optimizer.__init__", '"params": members, **defaults, **options', '"params": members, **options, **defaults'
        ),
        "optimizers",
        hint="test_parameter_groups",
    ),
    "second group not stepped": Bug(
        "groups",
        "return inside the loop",
        _edit("Optimizer.step", "for group in self.param_groups:", "for group in self.param_groups[:1]:"),
        "optimizers",
        hint="test_parameter_groups",
        pattern="unchanged",
    ),
    "last parameter not stepped": Bug(
        "groups",
        "range(len − 1)",
        _edit("Optimizer.step", 'in group["params"]', 'in group["params"][:-1]'),
        "optimizers",
        hint="test_parameter_groups",
        pattern="unchanged",
    ),
    "decay without a gradient": Bug(
        "weight decay",
        "None is taken for zeros",
        _edit(
            "Optimizer.step",
            "if parameter.grad is not None:\n                self",
            "if parameter.grad is None:\n"
            "                self.update(parameter, 0 * parameter.data, group, self.state.setdefault(parameter, {}))\n"
            "            else:\n                self",
        ),
        "optimizers",
        hint="test_steps[SGD weight_decay-float64",
    ),
    "state shared by parameters of one shape": Bug(
        "shared state",
        "a dict keyed by shape",
        _edit(
            "Optimizer.step",
            "self.state.setdefault(parameter, {})",
            "self.state.setdefault(next(p for p in self.parameters() if p.shape == parameter.shape), {})",
        ),
        "optimizers",
        hint="test_parameter_groups[Adam",
    ),
    "state_dict of live state": Bug(
        "aliasing",
        "the checkpoint trains on",
        _edit("Optimizer.state_dict", "else _copied(value)", "else value"),
        "optimizers",
        hint="handed_over_as_copies",
    ),
    "load_state_dict keeps the state's arrays": Bug(
        "aliasing",
        "training writes into the checkpoint",
        _edit("Optimizer.load_state_dict", "else _copied(value)", "else value"),
        "optimizers",
        hint="handed_over_as_copies",
    ),
    "load_state_dict forgets the state": Bug(
        "checkpoint",
        "only the options are restored",
        _edit(
            "Optimizer.load_state_dict", 'for number, entries in state["state"].items()', "for number, entries in ()"
        ),
        "optimizers",
        hint="test_a_loaded_optimizer_goes_on",
    ),
    "load_state_dict forgets the options": Bug(
        "checkpoint",
        "only the state is restored",
        _edit("Optimizer.load_state_dict", "group.update(", "dict(group).update("),
        "optimizers",
        hint="takes_over_the_options",
    ),
    "load_state_dict starts counting anew": Bug(
        "checkpoint",
        "step is no array and is left out",
        _edit("Optimizer.load_state_dict", "int(value) if", "0 if"),
        "optimizers",
        hint="test_state_moves_across",
    ),
    "optimizer's zero_grad misses a parameter": Bug(
        "zero_grad",
        "range(len − 1)",
        _edit("Optimizer.zero_grad", "in self.parameters()", "in self.parameters()[:-1]"),
        "runs",
        pattern="accumulated",
    ),
    "optimizer's zero_grad does nothing": Bug(
        "zero_grad",
        "a local name is set",
        _edit("Optimizer.zero_grad", "parameter.grad = np", "gradient = np"),
        "runs",
        pattern="accumulated",
    ),
    "adam: ε inside the root": Bug(
        "epsilon",
        "√(v̂ + ε)",
        _adam_denominator('np.sqrt(v / (1 - beta2**t) + group["eps"])'),
        "optimizers",
        hint="[Adam-",
    ),
    "adam: ε before the correction": Bug(
        "epsilon",
        "TensorFlow's ε̂",
        _adam_denominator('(np.sqrt(v) + group["eps"]) / math.sqrt(1 - beta2**t)'),
        "optimizers",
        hint="[Adam-",
    ),
    "adam: ε forgotten": Bug(
        "epsilon",
        "nothing was ever 0",
        _adam_denominator("np.sqrt(v) / math.sqrt(1 - beta2**t)"),
        "optimizers",
        hint="[Adam-",
    ),
    "adam: ε as a floor": Bug(
        "epsilon",
        "max(√v̂, ε)",
        _adam_denominator('np.maximum(np.sqrt(v) / math.sqrt(1 - beta2**t), group["eps"])'),
        "optimizers",
        hint="[Adam eps",
    ),
    "adam: first moment not corrected": Bug(
        "bias correction", "lr·m", _edit(ADAM, "lr / (1 - beta1**t) * m", "lr * m"), "optimizers", hint="[Adam-"
    ),
    "adam: second moment not corrected": Bug(
        "bias correction", "√v", _adam_denominator('np.sqrt(v) + group["eps"]'), "optimizers", hint="[Adam-"
    ),
    "adam: correction outside the root": Bug(
        "bias correction",
        "√v/(1 − β₂ᵗ)",
        _adam_denominator('np.sqrt(v) / (1 - beta2**t) + group["eps"]'),
        "optimizers",
        hint="[Adam-",
    ),
    "adam: steps counted from 0": Bug(
        "bias correction",
        "t after the update: 1 − β⁰ = 0",
        _edit(ADAM, 't, m, v = state["step"],', 't, m, v = state["step"] - 1,'),
        "optimizers",
        hint="[Adam-",
    ),
    "adam: steps counted from 1": Bug(
        "bias correction",
        "t + 1 after the increment",
        _edit(ADAM, 't, m, v = state["step"],', 't, m, v = state["step"] + 1,'),
        "optimizers",
        hint="[Adam-",
    ),
    "adam: betas swapped": Bug(
        "moments", "(0.999, 0.9)", _edit(ADAM, "(beta1, beta2)", "(beta2, beta1)"), "optimizers", hint="[Adam-"
    ),
    "adam: root forgotten": Bug(
        "moments", "m̂/v̂", _adam_denominator('v / (1 - beta2**t) + group["eps"]'), "optimizers", hint="[Adam-"
    ),
    "adam: |g| for g²": Bug(
        "moments",
        "Adamax mixed in",
        _edit(ADAM, "(1 - beta2) * gradient * gradient", "(1 - beta2) * np.abs(gradient)"),
        "optimizers",
        hint="[Adam-",
    ),
    "adam: 1 − β₂ forgotten": Bug(
        "moments",
        "v = β₂v + g²",
        _edit(ADAM, "(1 - beta2) * gradient * gradient", "gradient * gradient"),
        "optimizers",
        hint="[Adam-",
    ),
    "adam: lerp the wrong way": Bug(
        "moments",
        "(1 − β₁)m + β₁g",
        _edit(ADAM, "m *= beta1", "m *= 1 - beta1") + _edit(ADAM, "(1 - beta1) * gradient", "beta1 * gradient"),
        "optimizers",
        hint="[Adam-",
    ),
    "adam: v of the raw gradient": Bug(
        "weight decay",
        "m has the decay, v has not",
        _edit(ADAM, "lr, (beta1", "raw = gradient\n    lr, (beta1")
        + _edit(ADAM, "(1 - beta2) * gradient * gradient", "(1 - beta2) * raw * raw"),
        "optimizers",
        hint="[Adam weight_decay",
    ),
    "adam: 1 − β in single precision": Bug(
        "only float64",
        "float32(1) − float32(0.999) is off by 1e-5",
        _edit(ADAM, "(1 - beta2) * gradient", "float(np.float32(1) - np.float32(beta2)) * gradient"),
        "optimizers",
        hint="[Adam-float64",
    ),
    "adam: amsgrad of the corrected v": Bug(
        "amsgrad",
        "the largest v̂, as in the paper's text",
        _edit(ADAM, 'np.maximum(state["max_exp_avg_sq"], v,', 'np.maximum(state["max_exp_avg_sq"], v / (1 - beta2**t),')
        + _adam_denominator('np.sqrt(v) / (1 if group["amsgrad"] else math.sqrt(1 - beta2**t)) + group["eps"]'),
        "optimizers",
        hint="[Adam amsgrad",
    ),
    "adam: amsgrad not kept": Bug(
        "amsgrad",
        "the largest is computed and not stored",
        _edit(ADAM, ', out=state["max_exp_avg_sq"])', ")"),
        "optimizers",
        hint="[Adam amsgrad",
    ),
    "adam: amsgrad ignored": Bug(
        "amsgrad",
        "an argument that is stored and not used",
        _edit(ADAM, "v = np.maximum", "np.maximum"),
        "optimizers",
        hint="test_steps[Adam amsgrad-float64",
        pattern="amsgrad the other way",
    ),
    "adam: decay after the step": Bug(
        "weight decay",
        "off by lr²λ only",
        _edit(ADAM, "parameter.data *= 1 - lr * decay", "pass")
        + _edit(
            ADAM,
            "/ denominator",
            "/ denominator\n    parameter.data *= 1 - lr * decay * group['decoupled_weight_decay']",
        ),
        "optimizers",
        hint="[Adam decoupled-float64",
    ),
    "adam: decay without lr": Bug(
        "weight decay",
        "(1 − λ)θ, as the paper has it",
        _edit(ADAM, "1 - lr * decay", "1 - decay"),
        "optimizers",
        hint="[Adam decoupled",
    ),
    "adam: decay coupled": Bug(
        "weight decay",
        "Adam for AdamW",
        _edit(ADAM, 'if decay and group["decoupled_weight_decay"]', "if False"),
        "optimizers",
        hint="test_steps[Adam decoupled-float64",
        pattern="decoupled_weight_decay the other way",
    ),
    "adam: decay in both forms": Bug(
        "weight decay", "if for elif", _edit(ADAM, "elif decay", "if decay"), "optimizers", hint="[Adam decoupled"
    ),
    "adam: decay twice": Bug(
        "weight decay",
        "λ‖θ‖² for ½λ‖θ‖²",
        _edit(ADAM, "gradient + decay", "gradient + 2 * decay"),
        "optimizers",
        hint="[Adam weight_decay",
    ),
    "adam: maximize after the decay": Bug(
        "weight decay",
        "the decay is negated as well",
        _edit(ADAM, "gradient + decay", 'gradient + (-1 if group["maximize"] else 1) * decay'),
        "optimizers",
        hint="[Adam maximize",
    ),
    "adam: first moment of −g only": Bug(
        "moments",
        "m takes the gradient from before the negation",
        _edit(ADAM, "(1 - beta1) * gradient", '(1 - beta1) * (-gradient if group["maximize"] else gradient)'),
        "optimizers",
        hint="[Adam maximize",
        pattern="opposite sign (maximize)",
    ),
    "adam: one counter for all parameters": Bug(
        "shared state",
        "self.t += 1 inside the loop over parameters",
        _edit(ADAM, 'state["step"] += 1', 'self.t = getattr(self, "t", 0) + 1\n    state["step"] = self.t'),
        "optimizers",
        hint="test_steps[Adam-float64",
        pattern="the step counter went to",
    ),
    "adam: counter outside the state": Bug(
        "shared state",
        "right until a checkpoint is loaded",
        _edit(
            ADAM, 't, m, v = state["step"],', 'parameter.t = getattr(parameter, "t", 0) + 1\n    t, m, v = parameter.t,'
        ),
        "optimizers",
        hint="test_state_moves_across",
    ),
    "trainer: zero_grad after backward": Bug(
        "trainer",
        "all gradients gone before the step",
        _edit("Trainer.step", "self.optimizer.step()", "self.optimizer.zero_grad()\n    self.optimizer.step()"),
        "runs",
        pattern="no gradient was computed",
    ),
    "trainer: zero_grad forgotten": Bug(
        "trainer",
        "the classic",
        _edit("Trainer.step", "self.optimizer.zero_grad()", "pass"),
        "runs",
        pattern="accumulated",
    ),
    "trainer: zero_grad too early": Bug(
        "trainer",
        "a refused batch loses the gradients",
        _edit("Trainer.step", "output = self", "self.optimizer.zero_grad()\n    output = self"),
        "refusals",
    ),
    "trainer: step before backward": Bug(
        "trainer",
        "two lines swapped: the step takes the old gradients",
        _edit("Trainer.step", "self.optimizer.zero_grad()", "self.optimizer.step()\n    self.optimizer.zero_grad()")
        + _edit("Trainer.step", "self.optimizer.step()\n    return", "return"),
        "runs",
        pattern="unchanged",
    ),
    "trainer: two steps": Bug(
        "trainer",
        "a closure is called once more",
        _edit("Trainer.step", "self.optimizer.step()", "self.optimizer.step()\n    self.optimizer.step()"),
        "runs",
        hint="test_five_steps_side_by_side[tanh, tanh, MSE-SGD-float64",
        pattern="the step is 2 × too long",
    ),
    "trainer: loss after the update": Bug(
        "trainer",
        "computed once more at the end",
        _edit("Trainer.step", "return float(value)", "return float(self.loss.forward(self.model.forward(x), y))"),
        "runs",
    ),
    "trainer: loss summed over the batch": Bug(
        "trainer",
        "value · len(x), to be divided by the number of samples later",
        _edit("Trainer.step", "float(value)", "float(value) * len(x)"),
        "runs",
        hint="test_five_steps_side_by_side[relu, cross-entropy-SGD-float64",
        pattern="constant ratio N = 5",
    ),
    "trainer: backward(loss)": Bug(
        "trainer",
        "the value goes where the upstream gradient belongs",
        _edit("Trainer.step", "self.loss.backward()", "self.loss.backward(value)"),
        "runs",
        hint="test_five_steps_side_by_side[relu, cross-entropy-SGD-float64",
        pattern="constant ratio",
    ),
    "trainer: gradient of the target": Bug(
        "sign",
        "loss(y, output): the square hides it",
        _edit(
            "Trainer.step",
            "self.loss.forward(output, y)",
            "self.loss.forward(*((y, output) if y.dtype == output.dtype else (output, y)))",
        ),
        "runs",
        hint="test_five_steps_side_by_side[tanh, tanh, MSE-SGD-float64",
        pattern="constant ratio −1",
    ),
    "linear takes any dtype": Bug(
        "refusals",
        "NumPy promotes silently",
        _edit(FORWARD, 'checks.float_array(self.name, "input", x, self.weight.data.dtype)', "pass"),
        "refusals",
    ),
    "upstream of any shape": Bug(
        "refusals",
        "NumPy broadcasts silently",
        _edit("Module._recall", "checks.grad_output(self.name, grad_output, shape, dtype)", "pass"),
        "refusals",
    ),
}

BUGS: dict[str, Bug] = {**AFFINE, **ACTIVATIONS, **MODULES, **LOSSES, **OPTIMIZERS}
