"""Bugs in the piecewise linear activations with a bound, a threshold or a slope of their own, and in shrinkage."""

from handgrad.bugs.bug import Bug, edit

RECTIFIERS: dict[str, Bug] = {
    "hardtanh: < and > at the kinks": Bug(
        "ties",
        "both ends taken as inside",
        edit("Hardtanh.backward", "(x <= low) | (x >= high)", "(x < low) | (x > high)"),
        hint="[Hardtanh-",
    ),
    "hardtanh: ±1 in backward": Bug(
        "option ignored",
        "the defaults written out",
        edit("Hardtanh.backward", "(x <= low) | (x >= high)", "np.abs(x) >= 1"),
        hint="[Hardtanh(0",
    ),
    "hardtanh: symmetric": Bug(
        "option ignored",
        "min_val is taken for −max_val",
        edit("Hardtanh.forward", "clip(self.min_val, self.max_val)", "clip(-self.max_val, self.max_val)"),
        hint="[Hardtanh(0",
    ),
    "hardtanh: upper end in the output only": Bug(
        "mask",
        "ReLU's backward is copied",
        edit("Hardtanh.backward", "(x <= low) | (x >= high)", "x <= low"),
        hint="[Hardtanh-",
    ),
    "relu6: the kink at 6 passes": Bug(
        "ties", "x > 6 is off", edit("ReLU6.backward", "x >= 6", "x > 6"), hint="[ReLU6-"
    ),
    "relu6: −6 … 6": Bug("mask", "hardtanh scaled by 6", edit("ReLU6.forward", "0.0, 6.0", "-6.0, 6.0"), hint="[ReLU6"),
    "relu6: 1 for 6": Bug("mask", "the last argument forgotten", edit("ReLU6.forward", "6.0", "1.0"), hint="[ReLU6"),
    "threshold: passes at the threshold": Bug(
        "ties", "x >= threshold", edit("Threshold.backward", "x <=", "x <"), hint="[Threshold(-1"
    ),
    "threshold: 0 in backward": Bug(
        "option ignored", "ReLU's mask", edit("Threshold.backward", "x <= threshold", "x <= 0"), hint="[Threshold(-1"
    ),
    "threshold: value for threshold": Bug(
        "mask",
        "the two arguments mixed up",
        edit("Threshold.backward", "x <= threshold", "x <= self.value"),
        hint="[Threshold(0",
        pattern="missing activation derivative",
    ),
    "threshold: clips": Bug(
        "option ignored",
        "maximum(x, threshold), without a jump",
        edit("Threshold.forward", "self.value", "self.threshold"),
        hint="[Threshold(0",
    ),
    "prelu: slope's gradient over all numbers": Bug(
        "mask",
        "Σ g x, wherever x is",
        edit("PReLU.backward", "zero_where(x > 0, x) * zero_where(x > 0, grad_output)", "x * grad_output"),
        hint="[PReLU-",
    ),
    "prelu: slope's gradient without x": Bug(
        "derivative",
        "∂(w x)/∂w taken for 1",
        edit("PReLU.backward", "zero_where(x > 0, x) * ", ""),
        hint="[PReLU-",
    ),
    "prelu: slope's gradient averaged": Bug(
        "sum and mean",
        "mean over the numbers that share it",
        edit("PReLU.backward", "terms.sum()", "terms.mean()"),
        hint="[PReLU-",
        pattern="constant ratio 1/N·outputs",
    ),
    "prelu: slope not in the gradient": Bug(
        "derivative", "as ReLU", edit("PReLU.backward", "type(1), slope", "type(1), 0"), hint="[PReLU-"
    ),
    "prelu: slope's gradient by row": Bug(
        "axis",
        "axis 0 are the channels",
        edit("PReLU.backward", "if axis != 1", "if axis != 0"),
        hint="test_prelu_with_channels",
    ),
    "prelu: channels on the last axis": Bug(
        "axis", "as a bias is added", edit("PReLU.forward", "*[1] * (x.ndim - 2)", ""), hint="test_prelu_channels"
    ),
    "prelu: 1 at 0": Bug(
        "ties",
        "x >= 0 in backward",
        edit("PReLU.backward", "np.where(x > 0, grad", "np.where(x >= 0, grad"),
        hint="[PReLU-",
    ),
    "rrelu: new slopes in backward": Bug(
        "caches",
        "drawn again",
        edit(
            "RReLU.backward",
            "np.where(off, slope,",
            "np.where(off, np.asarray(self.rng.uniform(self.lower, self.upper, off.shape), grad_output.dtype),",
        ),
        hint="[RReLU-",
    ),
    "rrelu: mean slope in backward": Bug(
        "derivative",
        "evaluation's gradient",
        edit("RReLU.backward", "np.where(off, slope,", "np.where(off, (self.lower + self.upper) / 2,"),
        hint="[RReLU-",
    ),
    "rrelu: the same slope for all": Bug(
        "random",
        "the shape is not given",
        edit(
            "RReLU.forward", "self.upper, x.shape).astype(x.dtype)", "self.upper, ()).astype(x.dtype) * np.ones_like(x)"
        ),
        hint="test_rrelu_draws",
    ),
    "rrelu: lower slope in evaluation": Bug(
        "option ignored",
        "the mean forgotten",
        edit("RReLU.forward", "(self.lower + self.upper) / 2", "self.lower"),
        hint="[RReLU, evaluation",
    ),
    "rrelu: random in evaluation": Bug(
        "modes",
        "the mode is not looked at",
        edit("RReLU.forward", "if self.training:", "if True:"),
        hint="[RReLU, evaluation",
    ),
    "hardshrink: λ passes": Bug(
        "ties",
        "x < λ in one of two comparisons",
        edit("Hardshrink.forward", "(x <= self.lambd)", "(x < self.lambd)"),
        hint="[Hardshrink-",
    ),
    "hardshrink: soft": Bug(
        "derivative",
        "moved by λ as well",
        edit("Hardshrink.forward", "zero_where(small, x)", "zero_where(small, x - np.sign(x) * self.lambd)"),
        hint="[Hardshrink-",
    ),
    "hardshrink: the default λ": Bug(
        "option ignored",
        "0.5 written out",
        edit("Hardshrink.forward", "(x >= -self.lambd) & (x <= self.lambd)", "np.abs(x) <= 0.5"),
        hint="[Hardshrink(0.1)",
    ),
    "hardshrink: the left side off": Bug(
        "mask",
        "one of two comparisons forgotten",
        edit("Hardshrink.forward", "(x >= -self.lambd) & ", ""),
        hint="[Hardshrink-",
    ),
    "hardshrink: gradient everywhere": Bug(
        "mask",
        "y = x, so f′ = 1",
        edit("Hardshrink.backward", "zero_where(small, grad_output)", "grad_output"),
        hint="[Hardshrink-",
        pattern="missing activation derivative",
    ),
    "softshrink: mask on the wrong side": Bug(
        "mask",
        "small for large",
        edit("Softshrink.backward", "zero_where(small, grad_output)", "zero_where(~small, grad_output)"),
        hint="[Softshrink-",
    ),
    "softshrink: the left side moved away": Bug(
        "sign",
        "x − λ on both sides",
        edit("Softshrink.forward", "x + self.lambd", "x - self.lambd"),
        hint="[Softshrink-",
    ),
    "softshrink: λ passes": Bug(
        "ties",
        "x < λ in one of two comparisons",
        edit("Softshrink.forward", "(x <= self.lambd)", "(x < self.lambd)"),
        hint="[Softshrink-",
    ),
    "softshrink: hard": Bug(
        "derivative",
        "not moved",
        edit("Softshrink.forward", "np.where(x > 0, x - self.lambd, x + self.lambd)", "x"),
        hint="[Softshrink-",
    ),
}
