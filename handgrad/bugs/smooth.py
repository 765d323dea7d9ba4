"""Bugs in the smooth relatives of the rectifier, in what is made from the sigmoid, in softmin and in gates."""

from handgrad.bugs.bug import Bug, edit

SMOOTH: dict[str, Bug] = {
    "elu: α forgotten in backward": Bug(
        "option ignored", "f′ = eˣ", edit("ELU.backward", "alpha * np.exp", "np.exp"), hint="[ELU(2.1)"
    ),
    "elu: y for y + α": Bug(
        "derivative", "f′ from the output, half", edit("ELU.backward", "np.exp(", "np.expm1("), hint="[ELU-"
    ),
    "elu: 1 at 0": Bug("ties", "x >= 0 in backward", edit("ELU.backward", "x > 0, 1", "x >= 0, 1"), hint="[ELU(2.1)"),
    "elu: −1 forgotten": Bug("constant", "eˣ for eˣ − 1", edit("ELU.forward", "np.expm1", "np.exp"), hint="[ELU-"),
    "elu: exponential of the positive": Bug(
        "stability",
        "np.where computes both sides",
        edit("ELU.forward", "not_positive(x)", "x"),
        hint="test_no_overflow_on_the_way[ELU-",
    ),
    "celu: x/α forgotten": Bug(
        "option ignored",
        "ELU's formula",
        edit("CELU.forward", "self._exponent(x, self.alpha)", "not_positive(x)"),
        hint="[CELU(0.3)",
    ),
    "celu: the derivative of elu": Bug(
        "derivative",
        "α e^{x/α}: the inner 1/α forgotten",
        edit("CELU.backward", "np.exp(", "alpha * np.exp("),
        hint="[CELU(0.3)",
    ),
    "celu: x/α forgotten in backward": Bug(
        "option ignored",
        "in one of two places",
        edit("CELU.backward", "self._exponent(x, alpha)", "not_positive(x)"),
        hint="[CELU(0.3)",
    ),
    "celu: α forgotten outside": Bug(
        "option ignored", "e^{x/α} − 1", edit("CELU.forward", "self.alpha * np.expm1", "np.expm1"), hint="[CELU(0.3)"
    ),
    "selu: λ on the left only": Bug(
        "constant", "x for λx", edit("SELU.forward", "self.LAMBDA * np.maximum(x, 0),", "x,"), hint="[SELU-"
    ),
    "selu: λ forgotten in backward": Bug(
        "constant",
        "1 on the right",
        edit("SELU.backward", "self.LAMBDA, below", "x.dtype.type(1), below"),
        hint="[SELU-",
    ),
    "selu: constants of five digits": Bug(
        "constant",
        "from a blog post",
        edit("SELU.forward", "self.LAMBDA * self.ALPHA", "1.0507 * 1.6733"),
        hint="[SELU-",
    ),
    "selu: λ at 0": Bug("ties", "x >= 0 in backward", edit("SELU.backward", "x > 0", "x >= 0"), hint="[SELU-"),
    "gelu: product rule forgotten": Bug(
        "product rule", "Φ alone", edit("GELU.backward", "r - np.abs(z) / math.sqrt(2 * math.pi)", "r"), hint="[GELU-"
    ),
    "gelu: φ without x": Bug(
        "product rule", "one factor lost", edit("GELU.backward", "np.abs(z) / math", "1 / math"), hint="[GELU-"
    ),
    "gelu: √π for √2π": Bug(
        "constant",
        "the density's factor",
        edit("GELU.backward", "np.abs(z) / math.sqrt(2 * math.pi)", "np.abs(z) / math.sqrt(math.pi)"),
        hint="[GELU-",
    ),
    "gelu: density of N(0, ½)": Bug(
        "constant", "e^{−x²}", edit("activations.functions.bell", "-0.5 * square", "-square"), hint="[GELU-"
    ),
    "gelu: approximate ignored": Bug(
        "option ignored", "always Φ", edit("GELU.forward", 'self.approximate == "none"', "True"), hint="[GELU(tanh)"
    ),
    "gelu: tanh form for all": Bug(
        "option ignored",
        "the faster one, by default",
        edit("GELU.forward", 'self.approximate == "none"', "False"),
        hint="[GELU-",
    ),
    "gelu, tanh: 0.044715 in the slope": Bug(
        "constant", "3 · 0.044715 forgotten", edit("GELU.backward", "0.134145", "0.044715"), hint="[GELU(tanh)"
    ),
    "gelu, tanh: σ(1.702 x)": Bug(
        "constant",
        "the other approximation",
        edit("GELU.forward", "sigmoids(twice_v)", "sigmoids(1.702 * z)"),
        hint="[GELU(tanh)",
    ),
    "gelu, tanh: v for 2v": Bug(
        "constant",
        "½(1 + tanh v) taken for σ(v)",
        edit("GELU.forward", "(2 * math.sqrt", "(math.sqrt"),
        hint="[GELU(tanh)",
    ),
    "gelu, tanh: x³ overflows": Bug(
        "stability", "∞ · 0 in the slope", edit("GELU.backward", "z.clip(-40, 40)", "z"), hint="test_far_out"
    ),
    "silu: product rule forgotten": Bug(
        "product rule", "σ alone", edit("SiLU.backward", "s * (1 + z * rest)", "s"), hint="[SiLU-"
    ),
    "silu: σ for 1 − σ": Bug("derivative", "σ′ = σ²", edit("SiLU.backward", "z * rest", "z * s"), hint="[SiLU-"),
    "silu: σ′ without σ": Bug(
        "derivative",
        "σ′ = 1 − σ",
        edit("SiLU.backward", "s * (1 + z * rest)", "s + z * rest"),
        hint="[SiLU-",
    ),
    "silu: output for input": Bug(
        "caches",
        "y is remembered, as for sigmoid",
        edit("SiLU.forward", "x.dtype), z, s", "x.dtype), z * s, s"),
        hint="[SiLU-",
    ),
    "mish: σ forgotten": Bug("chain rule", "softplus′ = 1", edit("Mish.backward", "z * s * ", "z * "), hint="[Mish-"),
    "mish: 1 − t for 1 − t²": Bug(
        "derivative", "tanh′, half", edit("Mish.backward", "(root * root)", "(1 - t)"), hint="[Mish-"
    ),
    "mish: product rule forgotten": Bug(
        "product rule",
        "t alone",
        edit("Mish.backward", "t + z * s * (root * root)", "t"),
        hint="[Mish-",
    ),
    "mish: log(1 + eˣ)": Bug(
        "stability",
        "as in the paper",
        edit("Mish.forward", "t = s * (1 + q) / (1 + q * q)", "t = np.tanh(np.log(1 + np.exp(z)))"),
        hint="test_no_overflow_on_the_way[Mish-",
    ),
    "softplus: 1/β forgotten": Bug(
        "option ignored",
        "log(1 + e^{βx})",
        edit("Softplus.forward", " / self.beta", ""),
        hint="[Softplus(beta=0.3)",
        pattern="constant ratio",
    ),
    "softplus: β in the derivative": Bug(
        "chain rule",
        "1/β forgotten, β not",
        edit("Softplus.backward", "sigmoid(z) *", "self.beta * sigmoid(z) *"),
        hint="[Softplus(beta=0.3)",
        pattern="constant ratio",
    ),
    "softplus: β forgotten in backward": Bug(
        "option ignored",
        "σ(x): z is not what is remembered",
        edit("Softplus.forward", ", z, linear)", ", x, linear)"),
        hint="[Softplus(beta=0.3)",
    ),
    "softplus: threshold of x": Bug(
        "option ignored",
        "βx > threshold meant",
        edit("Softplus.forward", "linear = z >", "linear = x >"),
        hint="[Softplus(beta=0.3)",
    ),
    "softplus: threshold ignored": Bug(
        "option ignored",
        "smooth everywhere",
        edit("Softplus.forward", "linear = z >", "linear = z > 1e9 *"),
        hint="[Softplus(threshold=1)",
    ),
    "softplus: no gradient past the threshold": Bug(
        "mask",
        "the linear part forgotten in backward",
        edit("Softplus.backward", "np.where(linear, grad_output,", "np.where(linear, grad_output.dtype.type(0),"),
        hint="[Softplus-",
    ),
    "softplus: log(1 + eˣ)": Bug(
        "stability",
        "as it stands in the paper",
        edit(
            "activations.functions.softplus", "np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))", "np.log(1 + np.exp(x))"
        ),
        hint="test_no_overflow_on_the_way[Softplus-",
    ),
    "logsigmoid: logarithm of σ": Bug(
        "stability",
        "log 0 far out on the left",
        edit("LogSigmoid.forward", "np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))", "np.log(1 / (1 + np.exp(-x)))"),
        hint="[LogSigmoid-",
        pattern="NaN or infinity",
    ),
    "logsigmoid: σ for 1 − σ": Bug(
        "derivative",
        "the sign inside forgotten",
        edit("LogSigmoid.backward", "sigmoid(-x)", "sigmoid(x)"),
        hint="[LogSigmoid-",
    ),
    "logsigmoid: the derivative of sigmoid": Bug(
        "derivative",
        "1/σ forgotten",
        edit("LogSigmoid.backward", "sigmoid(-x)", "sigmoid(x) * sigmoid(-x)"),
        hint="[LogSigmoid-",
    ),
    "logsigmoid: plus for minus": Bug(
        "sign",
        "softplus(x) = max(x, 0) + …",
        edit("LogSigmoid.forward", "- np.log1p", "+ np.log1p"),
        hint="[LogSigmoid-",
    ),
    "hardsigmoid: 0.2 x + 0.5": Bug(
        "constant",
        "another library's hard sigmoid",
        edit("Hardsigmoid.forward", "(x + 3).clip(0, 6) / 6", "(0.2 * x + 0.5).clip(0, 1)"),
        hint="[Hardsigmoid-",
    ),
    "hardsigmoid: 1/6 forgotten": Bug(
        "constant",
        "the clip's derivative alone",
        edit("Hardsigmoid.backward", "grad_output / 6", "grad_output"),
        hint="[Hardsigmoid-",
        pattern="missing activation derivative",
    ),
    "hardsigmoid: ±3 pass": Bug(
        "ties",
        ">= and <=",
        edit("Hardsigmoid.backward", "(x > -3) & (x < 3)", "(x >= -3) & (x <= 3)"),
        hint="[Hardsigmoid-",
    ),
    "hardsigmoid: flat on the right only": Bug(
        "mask",
        "one of two comparisons forgotten",
        edit("Hardsigmoid.backward", "(x > -3) & (x < 3)", "x < 3"),
        hint="[Hardsigmoid-",
    ),
    "hardswish: product rule forgotten": Bug(
        "product rule",
        "x · h′ is missing",
        edit("Hardswish.backward", "2 * near + 3", "near + 3"),
        hint="[Hardswish-",
    ),
    "hardswish: 6 for 3": Bug(
        "mask", "the clip's bounds for those of x", edit("Hardswish.backward", "x >= 3", "x >= 6"), hint="[Hardswish-"
    ),
    "hardswish: relu6(x)": Bug(
        "constant", "+ 3 forgotten", edit("Hardswish.forward", "(x + 3)", "x"), hint="[Hardswish-"
    ),
    "hardswish: −3 passes": Bug(
        "ties", "< for <=", edit("Hardswish.backward", "x <= -3", "x < -3"), hint="[Hardswish-"
    ),
    "softsign: not squared": Bug(
        "derivative",
        "the outer derivative forgotten",
        edit("Softsign.backward", "inverse * inverse", "inverse"),
        hint="[Softsign-",
    ),
    "softsign: |x| forgotten in backward": Bug(
        "mask",
        "1/(1 + x)²",
        edit("Softsign.forward", "inverse = 1 / (1 + np.abs(x))", "inverse = 1 / (1 + x)"),
        hint="[Softsign-",
    ),
    "softsign: √(1 + x²)": Bug(
        "constant",
        "another S",
        edit("Softsign.forward", "x / (1 + np.abs(x))", "x / np.sqrt(1 + x * x)"),
        hint="[Softsign-",
    ),
    "tanhshrink: the derivative of tanh": Bug(
        "derivative", "1 − tanh²", edit("Tanhshrink.backward", "t * t", "1 - t * t"), hint="[Tanhshrink-"
    ),
    "tanhshrink: y² for tanh²": Bug(
        "caches",
        "the output is remembered, as for tanh",
        edit("Tanhshrink.forward", "x - t), t)", "x - t), x - t)"),
        hint="[Tanhshrink-",
    ),
    "tanhshrink: tanh x − x": Bug(
        "sign",
        "shrunk the wrong way",
        edit("Tanhshrink.forward", "near == x, fraction, x - t", "near == x, -fraction, t - x"),
        hint="[Tanhshrink-",
        pattern="constant ratio −1",
    ),
    "softmin: minus forgotten in backward": Bug(
        "chain rule",
        "softmax's gradient",
        edit("Softmin.backward", "-super()", "super()"),
        hint="[Softmin(dim=-1)",
        pattern="constant ratio −1",
    ),
    "softmin: softmax": Bug("sign", "minus forgotten", edit("Softmin.forward", "(-x)", "(x)"), hint="[Softmin(dim=-1)"),
    "softmin: 1 − softmax": Bug(
        "sign",
        "the complement",
        edit("Softmin.forward", "super().forward(np.asarray(-x))", "1 - super().forward(x)"),
        hint="[Softmin(dim=-1)",
    ),
    "glu: halves swapped": Bug("order", "the gate comes first", edit("GLU.forward", "a, b =", "b, a ="), hint="[GLU"),
    "swiglu: halves swapped": Bug(
        "order",
        "the second half is the gate, as in GLU",
        edit("SwiGLU.forward", "a, b =", "b, a ="),
        hint="test_forward_and_backward[SwiGLU-",
    ),
    "glu: a forgotten": Bug("product rule", "dL/db = g σ′", edit("GLU.backward", " * a],", "],"), hint="[GLU-"),
    "glu: σ for σ′": Bug(
        "derivative", "the gate's derivative forgotten", edit("GLU.backward", "s * sigmoid(-b)", "s"), hint="[GLU-"
    ),
    "glu: gradients of the halves swapped": Bug(
        "order",
        "b's first",
        edit(
            "GLU.backward",
            "[grad_output * s, grad_output * (s * sigmoid(-b)) * a]",
            "[grad_output * (s * sigmoid(-b)) * a, grad_output * s]",
        ),
        hint="[GLU-",
    ),
    "glu: last axis always": Bug(
        "axis", "only dim=-1 was tried", edit("GLU.forward", "x, 2, self.dim", "x, 2, -1"), hint="[glu along"
    ),
    "glu: tanh gate": Bug(
        "constant", "as in an LSTM's candidate", edit("GLU.forward", "s = sigmoid(b)", "s = np.tanh(b)"), hint="[GLU-"
    ),
}
