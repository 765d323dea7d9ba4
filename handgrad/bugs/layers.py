"""Bugs in the layers beside Linear: dropout, Flatten, Residual, Bilinear, Embedding."""

from handgrad.bugs.bug import Bug, Edit, edit

LAYERS: dict[str, Bug] = {
    "dropout: kept numbers are not scaled": Bug(
        "dropout",
        "the first paper scales the weights in evaluation instead",
        edit("Dropout.forward", "1 / (1 - self.p) if", "1.0 if"),
        hint="[Dropout",
    ),
    "dropout: scaled by 1/p": Bug(
        "dropout",
        "p is what is kept, in other libraries",
        edit("Dropout.forward", "1 / (1 - self.p) if", "1 / self.p if"),
        hint="[Dropout(0.2)",
    ),
    "dropout: p is kept": Bug(
        "dropout", "mask < p, and the scale is right", edit("Dropout.forward", ">= self.p", "< self.p"), hint="one_seed"
    ),
    "dropout: drops in evaluation": Bug(
        "dropout",
        "eval() forgotten",
        edit("Dropout.forward", "not self.training or self.p == 0", "self.p == 0"),
        hint="[Dropout, evaluation",
    ),
    "dropout: backward without the mask": Bug(
        "dropout",
        "the scale alone",
        edit("Dropout.backward", "grad_output * factor", "grad_output * factor.max(initial=0)"),
        hint="[Dropout",
    ),
    "dropout: backward passes everything": Bug(
        "dropout",
        "evaluation's branch",
        edit("Dropout.backward", "grad_output if factor is None else np.asarray(grad_output * factor)", "grad_output"),
        hint="[Dropout",
    ),
    "dropout: one mask for all rows": Bug(
        "dropout",
        "drawn for the features, broadcast over the batch",
        edit(
            "Dropout.forward",
            "self.rng.random(x.shape) >= self.p",
            "(self.rng.random(x.shape[-1:]) >= self.p) & (x == x)",
        ),
        hint="how_often",
    ),
    "dropout: a fresh mask in backward": Bug(
        "dropout",
        "drawn where it is needed",
        edit(
            "Dropout.backward",
            "grad_output * factor",
            "grad_output * (self.rng.random(grad_output.shape) >= self.p) / (1 - self.p or 1)",
        ),
        hint="[Dropout",
    ),
    "dropout: selected, not multiplied": Bug(
        "not a number",
        "where instead of a product: a dropped infinity is 0",
        edit("Dropout.forward", "x * factor, factor", "np.where(factor > 0, x * factor, 0), factor"),
        hint="infinity",
    ),
    "alpha dropout: dropped to 0": Bug(
        "dropout",
        "Dropout with an affine map",
        edit("AlphaDropout.forward", "number(a * SATURATION + b)", "number(b)"),
        hint="AlphaDropout",
    ),
    "alpha dropout: shift of the wrong sign": Bug(
        "dropout", "b = a p α′", edit("AlphaDropout.forward", "b = -a * p", "b = a * p"), hint="AlphaDropout"
    ),
    "alpha dropout: variance without p": Bug(
        "dropout",
        "1 + α′² for 1 + p α′²",
        edit("AlphaDropout.forward", "1 + p * SATURATION**2", "1 + SATURATION**2"),
        hint="AlphaDropout",
    ),
    "alpha dropout: q for p": Bug(
        "dropout",
        "the paper's q is what is kept",
        edit("AlphaDropout.forward", "(1 - p) * (1 + p *", "p * (1 + (1 - p) *"),
        hint="AlphaDropout(0.1)",
    ),
    "alpha dropout: α for λα": Bug(
        "dropout", "SELU's own α", edit("AlphaDropout.forward", "number(a * SATURATION + b)", "number(a * -1.6733 + b)")
    ),
    "flatten: by columns": Bug(
        "order",
        "the memory's order instead of the axes'",
        edit("Flatten.forward", "*x.shape[end:])", '*x.shape[end:], order="A")'),
        hint="flatten",
    ),
    "flatten: up to the end": Bug(
        "an option", "end_dim is ignored", edit("Flatten.forward", "self.end_dim % axes + 1", "axes"), hint="flatten"
    ),
    "flatten: end_dim excluded": Bug(
        "an option",
        "as a slice's end",
        edit("Flatten.forward", "self.end_dim % axes + 1", "max(self.end_dim % axes, self.start_dim % axes + 1)"),
        hint="flatten",
    ),
    "flatten: keeps the batch axis": Bug(
        "an option",
        "start_dim is always 1",
        edit("Flatten.forward", "self.start_dim % axes", "1 % axes"),
        hint="flatten",
    ),
    "residual: not around": Bug(
        "missing term",
        "a Sequential",
        edit("Residual.apply", "np.asarray(x + y)", "y"),
        hint="Residual",
    ),
    "residual: dx without the way around": Bug(
        "missing term",
        "the chain's gradient alone",
        edit("Residual.backward", "grad_output + super", "super"),
        hint="Residual",
    ),
    "residual: the way around alone": Bug(
        "missing term",
        "the block's own gradient forgotten",
        edit(
            "Residual.backward",
            "return grad_output + super().backward(grad_output)",
            "super().backward(grad_output)\n    return grad_output",
        ),
        hint="Residual",
    ),
    "residual: upstream added in place": Bug(
        "in place",
        "+= writes into what it was given",
        edit(
            "Residual.backward",
            "return grad_output + super().backward(grad_output)",
            "grad_output += super().backward(grad_output)\n    return grad_output",
        ),
        hint="Residual",
    ),
    "bilinear: transposed where square": Bug(
        "transpose",
        "vᵀ W u",
        edit("Bilinear.forward", "v[:, np.newaxis, :]).reshape", "v[:, np.newaxis, :]).swapaxes(1, 2).reshape"),
        hint="Bilinear",
    ),
    "bilinear: gradients swapped": Bug(
        "order",
        "dv before du",
        edit(
            "Bilinear.backward",
            "du, dv = product(d, v[:, :, np.newaxis])[:, :, 0], product(u[:, np.newaxis, :], d)[:, 0, :]",
            "dv, du = product(d, v[:, :, np.newaxis])[:, :, 0], product(u[:, np.newaxis, :], d)[:, 0, :]",
        ),
        hint="Bilinear",
    ),
    "bilinear: du by u": Bug(
        "missing term",
        "the product rule's other factor",
        edit("Bilinear.backward", "product(d, v[:, :, np.newaxis])", "product(d, np.ones_like(v)[:, :, np.newaxis])"),
        hint="Bilinear",
    ),
    "bilinear: mean over the batch": Bug(
        "constant",
        "the loss has divided already",
        edit("Bilinear.backward", "product(deltas.T, products)", "(product(deltas.T, products) / max(len(u), 1))"),
        hint="Bilinear",
        pattern="constant ratio",
    ),
    "bilinear: bias gradient of one sample": Bug(
        "missing sum",
        "the batch is not summed",
        edit(
            "Bilinear.backward",
            "product(ones(len(u), deltas.dtype), deltas)",
            "deltas[-1] if len(u) else self.bias.data * 0",
        ),
        hint="Bilinear",
    ),
    "bilinear: bias forgotten": Bug(
        "missing term", "y without b", edit("Bilinear.forward", "y += self.bias.data", "pass"), hint="Bilinear"
    ),
    "bilinear: bound of both features": Bug(
        "initial weights",
        "fan-in is in1·in2, is it not",
        edit(
            "Bilinear.reset_parameters",
            "math.sqrt(self.in1_features)",
            "math.sqrt(self.in1_features * self.in2_features)",
        ),
        "contract",
        hint="Bilinear",
    ),
    "embedding: the last lookup wins": Bug(
        "accumulation",
        "gradient[rows] += g adds once to each row",
        edit(
            "Embedding.backward_parameters",
            "np.add.at(gradient, rows, grad_output.reshape(x.size, self.embedding_dim))",
            "gradient[rows] += grad_output.reshape(x.size, self.embedding_dim)",
        ),
        hint="Embedding",
    ),
    "embedding: padding learns": Bug(
        "an option",
        "padding_idx only initialises",
        edit(
            "Embedding.backward_parameters",
            "if padding_idx is not None:\n        gradient",
            "if False:\n        gradient",
        ),
        hint="Embedding padding_idx",
    ),
    "embedding: padding_idx 0 is none": Bug(
        "an option",
        "a truth value of a number",
        edit(
            "Embedding.backward_parameters",
            "if padding_idx is not None:\n        gradient",
            "if padding_idx:\n        gradient",
        ),
        hint="Embedding negative padding",
    ),
    "embedding: padding is not 0": Bug(
        "an option",
        "its row is drawn",
        edit("Embedding.reset_parameters", "if self.padding_idx is not None:", "if False:"),
        "contract",
        hint="Embedding",
    ),
    "embedding: a negative padding index kept": Bug(
        "an option",
        "row −1 has no name",
        edit("Embedding.__init__", "padding_idx % num_embeddings", "padding_idx"),
        hint="drawn_as_torch",
    ),
    "embedding: divided by the batch": Bug(
        "an option",
        "how often anything was looked up",
        edit(
            "Embedding.backward_parameters",
            "times.clip(1)[:, np.newaxis]",
            "np.full_like(times, max(x.size, 1))[:, np.newaxis]",
        ),
        hint="Embedding scale_grad",
    ),
    "embedding: frequency always": Bug(
        "an option",
        "the mean, asked for or not",
        edit("Embedding.backward_parameters", "if scale_grad_by_freq:", "if True:"),
        hint="Embedding",
    ),
    "embedding: frequency squared": Bug(
        "constant",
        "each of t terms is divided by t, and so is the sum",
        edit("Embedding.backward_parameters", "times.clip(1)", "(times.clip(1) ** 2)"),
        hint="Embedding scale_grad",
    ),
    "embedding: negative rows from the end": Bug(
        "refusal",
        "NumPy's index −1 is the last row",
        edit(
            "Embedding.forward",
            "layer_checks.indices(self.name, x, self.num_embeddings)",
            "layer_checks.index_type(self.name, x)",
        ),
        "refusals",
        hint="negative row",
    ),
    "embedding: a live row is handed out": Bug(
        "aliasing",
        "a view of the table for one index",
        edit(
            "Embedding.forward",
            "self.weight.data[x]",
            "self.weight.data[int(x)] if not x.ndim else self.weight.data[x]",
        ),
        hint="one_row_is_a_copy",
    ),
    "embedding: rows and columns": Bug(
        "two places",
        "take along the wrong axis where the table is square",
        (
            Edit(
                "Embedding.forward",
                "self.weight.data[x]",
                "self.weight.data.T[x] if self.embedding_dim == self.num_embeddings else self.weight.data[x]",
            ),
        ),
        hint="[Embedding(3, 3)",
    ),
    "sparse adam: rows from the gradient": Bug(
        "rows",
        "a row whose gradient is 0 was looked up all the same",
        edit("SparseAdam.update", "parameter.rows", "(gradient != 0).any(1)"),
        "optimizers",
        hint="moves_on",
    ),
    "sparse adam: all rows": Bug(
        "rows",
        "the others' gradient is 0, is it not",
        edit("SparseAdam.update", "parameter.rows", "np.ones_like(parameter.rows)"),
        "optimizers",
        hint="test_sparse_adam",
    ),
    "sparse adam: ε after the correction": Bug(
        "constant",
        "as in Adam",
        edit("SparseAdam.update", "np.sqrt(v) + group", "np.sqrt(v) + math.sqrt(1 - beta2**t) * group"),
        "optimizers",
        hint="by_hand",
    ),
    "sparse adam: no correction of v": Bug(
        "constant",
        "the root forgotten",
        edit("SparseAdam.update", " * math.sqrt(1 - beta2**t)", ""),
        "optimizers",
        hint="test_sparse_adam",
    ),
    "sparse adam: maximize ignored": Bug(
        "an option",
        "it descends",
        edit("SparseAdam.update", '-gradient[rows] if group["maximize"] else gradient[rows]', "gradient[rows]"),
        "optimizers",
        hint="test_sparse_adam::test_steps[maximize",
        pattern="maximize",
    ),
    "sparse adam: moments not kept": Bug(
        "state",
        "a copy was changed: an array of indices makes one",
        edit("SparseAdam.update", 'state["exp_avg"][rows], state["exp_avg_sq"][rows] = m, v', "pass"),
        "optimizers",
        hint="test_sparse_adam",
    ),
    "rows: not forgotten with the gradient": Bug(
        "rows",
        "zero_grad forgets the numbers only",
        edit("module.RowParameter.grad.fset", "value is None or not value.any()", 'not hasattr(self, "_grad")'),
        "optimizers",
        hint="rows_are_forgotten",
    ),
    "rows: the last lookup's": Bug(
        "rows",
        "accumulation adds gradients and replaces rows",
        edit("module.RowParameter.accumulate_rows", "self.rows | rows", "rows"),
        "optimizers",
        hint="rows_are_forgotten",
    ),
    "rows: the padding row too": Bug(
        "rows",
        "it has no gradient, but is looked up",
        edit("Embedding.backward_parameters", "used[padding_idx] = False", "pass"),
        "optimizers",
        hint="moves_on",
    ),
}
