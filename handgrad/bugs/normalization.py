"""Bugs in the normalizing layers and their running statistics."""

from handgrad.bugs.bug import Bug, Edit, edit

STANDARDIZED, BACKWARD = "layers.normalization.standardized", "layers.normalization.standardized_backward"

SCALED = "layers.normalization.Normalization.scaled_backward"

NORMALIZATION: dict[str, Bug] = {
    "norm: mean taken for a constant": Bug(
        "chain rule",
        "x moves its own mean",
        edit(BACKWARD, "g - mean(g, axes) - ", "g - "),
        hint="[LayerNorm-",
    ),
    "norm: variance taken for a constant": Bug(
        "chain rule",
        "x moves its own variance",
        edit(BACKWARD, " - x_hat * mean(g * x_hat, axes)", ""),
        hint="[LayerNorm-",
    ),
    "norm: E[x²] − μ²": Bug(
        "stability",
        "one pass instead of two",
        edit(STANDARDIZED, "v = mean(d * d, axes)", "v = mean(x * x, axes) - mu * mu"),
        hint="[LayerNorm of many",
    ),
    "norm: ε outside the root": Bug(
        "constant",
        "σ + ε, as Adam has it",
        edit(STANDARDIZED, "1 / np.sqrt(v + eps)", "1 / (np.sqrt(v) + eps)"),
        hint="[LayerNorm of two axes",
    ),
    "norm: unbiased variance": Bug(
        "1/N",
        "n − 1, as in statistics",
        edit(STANDARDIZED, "v = mean(d * d, axes)", "v = mean(d * d, axes) * (x.size / max(x.size - 1, 1))"),
        hint="[LayerNorm-",
    ),
    "norm: σ² for σ": Bug(
        "derivative",
        "the root forgotten",
        edit(STANDARDIZED, "1 / np.sqrt(v + eps)", "1 / (v + eps)"),
        hint="[LayerNorm-",
    ),
    "norm: weight forgotten on the way back": Bug(
        "chain rule",
        "g is dL/dy, not dL/dx̂",
        edit(
            SCALED,
            "return g * shaped(self.weight.data, shape)",
            "return g",
        ),
        hint="[LayerNorm-",
    ),
    "norm: weight gradient without x̂": Bug(
        "derivative",
        "the bias's",
        edit(SCALED, "(g * x_hat).sum(axes)", "g.sum(axes)"),
        hint="[LayerNorm-",
    ),
    "norm: bias gradient averaged": Bug(
        "1/N",
        "mean for sum",
        edit(SCALED, "np.asarray(g.sum(axes))", "np.asarray(g.mean(axes))"),
        hint="[LayerNorm-",
    ),
    "layer norm: over the batch": Bug(
        "axis",
        "batch normalization",
        edit("LayerNorm._axes", "tuple(range(-len(self.normalized_shape), 0))", "(0,)"),
        hint="[LayerNorm-",
    ),
    "layer norm: the last axis alone": Bug(
        "axis",
        "a shape of one axis was thought of",
        edit("LayerNorm._axes", "tuple(range(-len(self.normalized_shape), 0))", "(-1,)"),
        hint="[LayerNorm of two axes",
    ),
    "rms norm: root taken for a constant": Bug(
        "chain rule",
        "x moves its own root mean square",
        edit("RMSNorm.backward", "(g - x_hat * mean(g * x_hat, axes))", "g"),
        hint="[RMSNorm-",
    ),
    "rms norm: sum of squares": Bug(
        "1/N",
        "the norm",
        edit("RMSNorm.forward", "mean(x * x, axes)", "(x * x).sum(axes, keepdims=True)"),
        hint="[RMSNorm-",
    ),
    "rms norm: LayerNorm's ε": Bug(
        "option range",
        "1e-5 for None",
        edit("RMSNorm.forward", "float(np.finfo(x.dtype).eps) if", "1e-5 if"),
        hint="[RMSNorm-",
    ),
    "group norm: every n-th channel": Bug(
        "axis",
        "the axes of channels and groups swapped",
        edit(
            "layers.normalization.grouped",
            "x.reshape(len(x), groups, math.prod(x.shape[1:]) // groups)",
            "x.reshape(len(x), math.prod(x.shape[1:]) // groups, groups).swapaxes(1, 2)",
        ),
        hint="[GroupNorm-",
    ),
    "group norm: statistics taken for constants": Bug(
        "chain rule",
        "as after eval() of batch normalization",
        edit(
            "GroupNorm.backward",
            "standardized_backward(grouped(g, groups), grouped(x_hat, groups), reciprocal, (2,))",
            "grouped(g, groups) * reciprocal",
        ),
        hint="[GroupNorm-",
    ),
    "batch norm: biased running variance": Bug(
        "statistics",
        "the batch's own",
        edit("BatchNorm1d.track", "v * (count / (count - 1))", "v"),
        hint="[BatchNorm1d-training",
    ),
    "batch norm: momentum the other way": Bug(
        "statistics",
        "momentum as optimizers have it",
        (
            Edit("BatchNorm1d.track", "running.data *= 1 - f", "running.data *= f"),
            Edit("BatchNorm1d.track", "+= f * new", "+= (1 - f) * new"),
        ),
        hint="[BatchNorm1d options-training",
    ),
    "batch norm: counted after": Bug(
        "statistics",
        "the mean of batches divides by one more",
        edit("BatchNorm1d.track", "1 / float(self", "1 / float(1 + self"),
        hint="[BatchNorm1d cumulative-training",
    ),
    "batch norm: counted twice": Bug(
        "statistics",
        "in forward and in track",
        edit("BatchNorm1d.track", "num_batches_tracked.data += 1", "num_batches_tracked.data += 2"),
        hint="[BatchNorm1d-training",
    ),
    "batch norm: the batch's statistics in evaluation": Bug(
        "statistics",
        "eval() forgotten",
        edit("BatchNorm1d.forward", "by_batch = self.training or self.running_mean is None", "by_batch = True"),
        hint="[BatchNorm1d-evaluation",
    ),
    "batch norm: running statistics differentiated": Bug(
        "chain rule",
        "they are constants",
        edit("BatchNorm1d.backward", "if by_batch else", "if True else"),
        hint="[BatchNorm1d-evaluation",
    ),
    "batch norm: running variance without ε": Bug(
        "constant",
        "the batch's has one",
        edit("BatchNorm1d.forward", "np.sqrt(self.running_var.data + self.eps)", "np.sqrt(self.running_var.data)"),
        hint="[BatchNorm1d options-evaluation",
    ),
    "batch norm: a refused batch is counted": Bug(
        "refusal",
        "looked at too late, as in PyTorch",
        (Edit("Trainer.step", "buffer.data[...] = data", "pass"),),
        hint="test_a_refused_batch",
    ),
}
