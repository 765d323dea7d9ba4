"""Bugs in ReLU, LeakyReLU, Sigmoid, Tanh, Softmax and LogSoftmax: derivatives, kinks, formulas that overflow."""

from handgrad.bugs.bug import Bug, Edit, edit


def _relu(new: str) -> tuple[Edit, ...]:
    return edit("ReLU.backward", "zero_where(y <= 0, grad_output)", new)


ACTIVATIONS: dict[str, Bug] = {
    "relu: >= at 0": Bug("ties", "x >= 0 in backward", _relu("zero_where(y < 0, grad_output)"), hint="[ReLU"),
    "relu: mask on the wrong side": Bug("mask", "x > 0 and x <= 0 mixed up", _relu("zero_where(y > 0, grad_output)")),
    "relu: mask by multiplication": Bug(
        "mask", "∞·0 is NaN", _relu("grad_output * (y > 0)"), hint="test_infinite_upstream"
    ),
    "relu: mask from the upstream gradient": Bug(
        "mask", "g > 0 for x > 0 (as deconvnets do on purpose)", _relu("zero_where(grad_output <= 0, grad_output)")
    ),
    "relu: mask from both": Bug(
        "mask", "guided backpropagation left on", _relu("zero_where((y <= 0) | (grad_output <= 0), grad_output)")
    ),
    "relu: no derivative": Bug(
        "derivative", "forgotten in backward", _relu("grad_output"), "nets", pattern="missing activation derivative"
    ),
    "relu: mask in memory order": Bug(
        "only strided",
        "the mask is raveled as it lies",
        _relu('zero_where(np.ravel(y <= 0, "K").reshape(y.shape), grad_output)'),
    ),
    "relu: derivative ½ at 0": Bug(
        "ties", "the mean of both sides", _relu("(grad_output * ((y > 0) + 0.5 * (y == 0))).astype(y.dtype)")
    ),
    "relu: tiny gradients cut": Bug(
        "only tiny values",
        "a threshold against noise",
        _relu("zero_where((y <= 0) | (abs(grad_output) < 1e-30), grad_output)"),
        pattern="all zeros",
    ),
    "relu: −0 becomes 0": Bug(
        "ties",
        "np.where(x > 0, x, 0), where PyTorch keeps the sign",
        edit("ReLU.forward", "x.clip(ZERO, INFINITY)", "np.where((x > 0) | np.isnan(x), x, x.dtype.type(0))"),
        hint="relu at the kink",
    ),
    "relu: NaN becomes 0": Bug(
        "NaN",
        "a loop with if x > 0, or nan_to_num",
        edit("ReLU.forward", "x.clip(ZERO, INFINITY)", "np.where(np.isnan(x), x.dtype.type(0), x.clip(0, np.inf))"),
        hint="test_what_is_not_a_number_goes_the_same_way[ReLU",
    ),
    "relu: capped at 6": Bug(
        "only large values", "ReLU6 copied from a mobile net", edit("ReLU.forward", "INFINITY", "6"), hint="[ReLU"
    ),
    "relu: forward in place": Bug(
        "in place", "out=x saves memory", edit("ReLU.forward", "x.clip(ZERO, INFINITY)", "np.clip(x, 0, np.inf, out=x)")
    ),
    "relu: backward in place": Bug(
        "in place",
        "grad_output[x <= 0] = 0",
        edit("ReLU.backward", "return", "grad_output[y <= 0] = 0\n    return"),
        hint="[ReLU",
    ),
    "leaky: slope on the wrong side": Bug(
        "mask",
        "the arguments of np.where mixed up",
        edit(
            "LeakyReLU.backward",
            "grad_output.dtype.type(1), slope",
            "slope, grad_output.dtype.type(1)",
        ),
        hint="[LeakyReLU",
    ),
    "leaky: >= at 0": Bug(
        "ties", "x >= 0 in backward", edit("LeakyReLU.backward", "x > 0", "x >= 0"), hint="[LeakyReLU"
    ),
    "leaky: 0 for the slope": Bug(
        "derivative",
        "relu's backward copied",
        edit("LeakyReLU.backward", "type(1), slope", "type(1), 0"),
        hint="[LeakyReLU",
    ),
    "leaky: the default slope": Bug(
        "option ignored",
        "0.01 written in",
        edit("LeakyReLU.backward", "type(1), slope", "type(1), 0.01"),
        hint="[LeakyReLU",
    ),
    "leaky: maximum of x and a·x": Bug(
        "option range",
        "the same for slopes up to 1, and not at ∞·0",
        edit(
            "LeakyReLU.forward",
            "np.where(x > 0, x.dtype.type(1), self.negative_slope) * x",
            "np.maximum(x, self.negative_slope * x)",
        ),
        hint="test_what_is_not_a_number_goes_the_same_way[LeakyReLU",
    ),
    "leaky: mask from the output": Bug(
        "derivative",
        "y > 0 where x > 0 only if the slope is positive",
        edit(
            "LeakyReLU.forward",
            "self.negative_slope) * x, x,",
            "self.negative_slope) * x, np.where(x > 0, x, self.negative_slope * x),",
        ),
        hint="[LeakyReLU",
        pattern="missing activation derivative",
    ),
    "sigmoid: derivative at the input": Bug(
        "derivative",
        "x (1 − x), with the input remembered",
        edit("Sigmoid.forward", "(y, y)", "(y, x)"),
        hint="[Sigmoid",
    ),
    "sigmoid: derivative of the output": Bug(
        "derivative",
        "σ′(y) for σ′(x)",
        edit("Sigmoid.backward", "y * (1 - y)", "sigmoid(y) * (1 - sigmoid(y))"),
        hint="[Sigmoid",
    ),
    "sigmoid: no derivative": Bug(
        "derivative",
        "forgotten in backward",
        edit("Sigmoid.backward", " * (y * (1 - y))", " + 0"),
        "nets",
        hint="test_whole_net[sigmoid",
        pattern="missing activation derivative",
    ),
    "sigmoid: half a derivative": Bug(
        "derivative", "σ for σ(1 − σ)", edit("Sigmoid.backward", "(y * (1 - y))", "y"), hint="[Sigmoid"
    ),
    "sigmoid: the derivative of tanh": Bug(
        "derivative", "1 − y² copied", edit("Sigmoid.backward", "(y * (1 - y))", "(1 - y * y)"), hint="[Sigmoid"
    ),
    "sigmoid: plus for minus": Bug("sign", "y (1 + y)", edit("Sigmoid.backward", "1 - y", "1 + y"), hint="[Sigmoid"),
    "sigmoid: eˣ/(1 + eˣ)": Bug(
        "stability",
        "∞/∞ for large x",
        edit("activations.functions.sigmoid", "np.maximum(x >= 0, e) / (1 + e)", "np.exp(x) / (1 + np.exp(x))"),
        hint="[Sigmoid",
        pattern="NaN or infinity",
    ),
    "sigmoid: 1/(1 + e⁻ˣ)": Bug(
        "stability",
        "right in the end, but it overflows on the way and warns",
        edit("activations.functions.sigmoid", "np.maximum(x >= 0, e) / (1 + e)", "1 / (1 + np.exp(-x))"),
        hint="test_no_overflow_on_the_way[Sigmoid",
    ),
    "sigmoid: input clipped": Bug(
        "stability",
        "np.clip(x, −30, 30) against the overflow warning",
        edit("activations.functions.sigmoid", "e = np", "x = np.clip(x, -30, 30)\n    e = np"),
        hint="[Sigmoid",
    ),
    "tanh: square forgotten": Bug(
        "derivative", "e (1 + |y|) = 1 − |y|", edit("Tanh.backward", "y * (2 + y)", "y"), hint="[Tanh"
    ),
    "tanh: derivative at the input": Bug(
        "derivative", "1 − x²", edit("Tanh.forward", "(y, x, y)", "(y, y, x)"), hint="[Tanh"
    ),
    "tanh: derivative of the output": Bug(
        "derivative", "1 − tanh²(y)", edit("Tanh.forward", "(y, x, y)", "(y, y, np.tanh(y))"), hint="[Tanh"
    ),
    "tanh: the derivative of sigmoid": Bug(
        "derivative",
        "y (1 − y) copied",
        edit("Tanh.backward", "np.exp(-2 * np.minimum(np.abs(x), 400)) * (1 + y * (2 + y))", "y * (1 - y)"),
        hint="[Tanh",
    ),
    "tanh: no derivative": Bug(
        "derivative",
        "forgotten in backward",
        edit("Tanh.backward", " * (np.exp(-2 * np.minimum(np.abs(x), 400)) * (1 + y * (2 + y)))", " + 0"),
        "nets",
        hint="test_whole_net[tanh, cross",
        pattern="missing activation derivative",
    ),
    "tanh: from exponentials": Bug(
        "stability",
        "∞/∞ for large x",
        edit("Tanh.forward", "np.tanh(x)", "(np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))"),
        hint="[Tanh",
    ),
    "tanh: 2σ(2x) − 1": Bug(
        "stability",
        "right, and it cancels near 0",
        edit("Tanh.forward", "np.tanh(x)", "2 * sigmoid(2 * x) - 1"),
        hint="[Tanh",
    ),
    "tanh: output buffer reused": Bug(
        "in place",
        "one buffer for all calls",
        edit(
            "Tanh.forward",
            "y = np.tanh(x)",
            "y = np.tanh(x, out=self._memory[2][1] if self._memory and self._memory[0] == x.shape else None)",
        ),
        "contract",
        hint="test_an_output_stays[Tanh",
    ),
    "softmax: along the batch": Bug(
        "axis",
        "axis 0 in both directions, which no numerical derivative shows",
        edit("Softmax.forward", "x.max(along(x, self.dim)", "x.max(0")
        + edit("Softmax.forward", "e.sum(along(x, self.dim)", "e.sum(0")
        + edit("Softmax.backward", ".sum(dim", ".sum(0"),
        hint="[Softmax",
    ),
    "softmax: axis −1 always": Bug(
        "axis",
        "dim is ignored in both directions",
        edit("Softmax.forward", "x.max(along(x, self.dim)", "x.max(-1")
        + edit("Softmax.forward", "e.sum(along(x, self.dim)", "e.sum(-1")
        + edit("Softmax.backward", ".sum(dim", ".sum(-1"),
        hint="[Softmax(dim=0)",
    ),
    "softmax: largest not subtracted": Bug(
        "stability",
        "e¹⁰⁰⁰ overflows",
        edit("Softmax.forward", "x - x.max(along(x, self.dim), keepdims=True, initial=-np.inf)", "x"),
        hint="[Softmax(dim=-1)",
        pattern="NaN or infinity",
    ),
    "softmax: largest of the whole batch": Bug(
        "stability",
        "x.max() without an axis: rows far below it are 0/0",
        edit("Softmax.forward", "x.max(along(x, self.dim), keepdims=True, initial=-np.inf)", "x.max(initial=-np.inf)"),
        hint="[Softmax(dim=-1)",
        pattern="NaN or infinity",
    ),
    "softmax: 1e-8 in the denominator": Bug(
        "stability",
        "against division by 0",
        edit(
            "Softmax.forward",
            "e.sum(along(x, self.dim), keepdims=True)",
            "(e.sum(along(x, self.dim), keepdims=True) + 1e-8)",
        ),
        hint="test_forward_and_backward[Softmax(dim=-1)-float64",
    ),
    "softmax: sum term forgotten": Bug(
        "softmax",
        "y·g",
        edit("Softmax.backward", " - (grad_output * y).sum(dim, keepdims=True)", ""),
        hint="[Softmax",
    ),
    "softmax: diagonal only": Bug(
        "softmax",
        "the derivative of sigmoid, y (1 − y)",
        edit("Softmax.backward", "grad_output - (grad_output * y).sum(dim, keepdims=True)", "grad_output * (1 - y)"),
        hint="[Softmax",
    ),
    "softmax: sum of g for sum of g·y": Bug(
        "softmax", "log-softmax's sum", edit("Softmax.backward", "(grad_output * y)", "grad_output"), hint="[Softmax"
    ),
    "softmax: backward along the batch": Bug(
        "axis", "axis 0 in one direction", edit("Softmax.backward", ".sum(dim", ".sum(0"), hint="[Softmax(dim=-1)"
    ),
    "softmax: keepdims forgotten": Bug(
        "axis",
        "broadcasts the sums of the rows along the columns, if it is square",
        edit("Softmax.backward", ", keepdims=True", ", keepdims=grad_output.shape[0] != grad_output.shape[-1]"),
        hint="[Softmax(dim=-1)",
    ),
    "log_softmax: logarithm of softmax": Bug(
        "stability",
        "log 0 far from the largest",
        edit(
            "activations.functions.log_softmax",
            "shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))",
            "np.log(np.exp(shifted) / np.exp(shifted).sum(axis, keepdims=True))",
        ),
        hint="[LogSoftmax",
        pattern="NaN or infinity",
    ),
    "log_softmax: largest not subtracted": Bug(
        "stability",
        "e¹⁰⁰⁰ overflows",
        edit("activations.functions.log_softmax", "x - x.max(axis, keepdims=True)", "x"),
        hint="[LogSoftmax",
        pattern="NaN or infinity",
    ),
    "log_softmax: 1e-8 inside the logarithm": Bug(
        "stability",
        "against log 0",
        edit(
            "activations.functions.log_softmax",
            "np.exp(shifted).sum(axis, keepdims=True)",
            "np.exp(shifted).sum(axis, keepdims=True) + 1e-8",
        ),
        hint="test_forward_and_backward[LogSoftmax(dim=-1)-float64",
    ),
    "log_softmax: y for eʸ": Bug(
        "softmax",
        "softmax and its logarithm mixed up",
        edit("LogSoftmax.backward", "np.exp(y)", "y"),
        hint="[LogSoftmax",
    ),
    "log_softmax: sum of g forgotten": Bug(
        "softmax",
        "g − p is cross-entropy's",
        edit("LogSoftmax.backward", " * grad_output.sum(dim, keepdims=True)", ""),
        hint="[LogSoftmax",
    ),
    "log_softmax: mean of g for the sum": Bug(
        "sum and mean",
        "mean for sum",
        edit("LogSoftmax.backward", "grad_output.sum", "grad_output.mean"),
        hint="[LogSoftmax",
    ),
    "log_softmax: −1 always": Bug(
        "axis",
        "dim is ignored",
        edit("LogSoftmax.forward", "log_softmax(x, along(x, self.dim))", "log_softmax(x, -1)"),
        hint="[LogSoftmax(dim=0)",
    ),
}
