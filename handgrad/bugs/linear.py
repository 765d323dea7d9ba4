"""Bugs in the linear layer: gradients of weight, bias and input, and shapes."""

from handgrad.bugs.bug import Bug, Edit, edit

LINEAR, FORWARD = "Linear.backward_parameters", "Linear.forward"
DW = "product(x.reshape(rows, self.in_features).T, deltas).T"
DB = "product(ones(rows, deltas.dtype), deltas)"
SQUARE = "self.in_features == self.out_features"
ONE_ENTRY = "(np.arange(self.weight.data.size) == 1).reshape(self.weight.shape)"


def _dw(new: str) -> tuple[Edit, ...]:
    return edit(LINEAR, DW, new)


def _db(new: str) -> tuple[Edit, ...]:
    return edit(LINEAR, DB, new)


LINEAR_LAYER: dict[str, Bug] = {
    "weight gradient averaged": Bug(
        "1/N", "the loss has its 1/N already", _dw(f"{DW} / max(rows, 1)"), hint="[Linear(3", pattern="ratio 1/N"
    ),
    "bias gradient averaged": Bug(
        "bias", "np.mean(delta, axis=0), as in many tutorials", _db("deltas.mean(0)"), hint="[Linear(3", pattern="1/N"
    ),
    "bias gradient forgotten": Bug(
        "bias",
        "only the weights are thought of",
        edit(LINEAR, "if self.bias is not None:", "if False:"),
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
        edit("Linear.backward", "self.weight.data", f"(self.weight.data.T if {SQUARE} else self.weight.data)"),
        "nets",
    ),
    "forward by W where square": Bug(
        "transpose",
        "x W for x Wᵀ, and the layer is square",
        edit(FORWARD, "self.weight.data.T", f"(self.weight.data if {SQUARE} else self.weight.data.T)"),
        "nets",
    ),
    "reshape for transpose": Bug(
        "transpose",
        "the shapes are right, the numbers are not",
        edit(FORWARD, "self.weight.data.T", "self.weight.data.reshape(self.in_features, self.out_features)"),
    ),
    "bias forgotten in forward": Bug("bias", "x Wᵀ and nothing else", edit(FORWARD, "y += self.bias.data", "pass")),
    "bias added twice": Bug("bias", "folded into a product and added", edit(FORWARD, "+= ", "+= 2 * ")),
    "bias subtracted": Bug("sign", "a threshold in the old books", edit(FORWARD, "+= ", "-= ")),
    "no bias, a bias all the same": Bug(
        "bias",
        "the path without bias is never run",
        edit(FORWARD, "if self.bias is not None:", "if self.bias is None:\n        y += 1\n    else:"),
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
        edit("Linear.backward", "self.weight.data", "(self.weight.data - 1e-3 * self.weight.grad)"),
    ),
    "Fortran upstream misread": Bug(
        "only strided",
        "memory order is taken for index order",
        edit(LINEAR, "grad_output.reshape(", 'np.ravel(grad_output, "K").reshape('),
    ),
    "Fortran input misread": Bug(
        "only strided",
        "memory order is taken for index order",
        _dw(DW.replace("x.reshape(", 'np.ravel(x, "K").reshape(')),
    ),
    "strides dropped": Bug(
        "only strided",
        "a pointer goes to C, the strides do not",
        edit(
            FORWARD,
            "y = product(x,",
            "y = product(x if x.flags.forc or x.base is None or not x.size else np.resize(x.base, x.shape),",
        ),
    ),
    "empty batch without gradient": Bug(
        "empty batch",
        "an early return leaves None where PyTorch has zeros",
        edit(LINEAR, "deltas =", "if rows == 0:\n        return\n    deltas ="),
        pattern="no gradient was computed",
    ),
    "unbatched sample read as a batch": Bug(
        "unbatched",
        "rows = len(x)",
        edit(LINEAR, "math.prod(x.shape[:-1])", "len(x)"),
    ),
    "outer axes dropped": Bug(
        "unbatched",
        "only two axes were ever seen",
        edit(LINEAR, "math.prod(x.shape[:-1])", "(x.shape[0] if x.ndim > 1 else 1)"),
        hint="test_more_leading_axes[Linear(3, 4)",
    ),
    "one output squeezed": Bug(
        "only width 1",
        "a convenience for regression",
        edit(
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
        edit(
            FORWARD,
            "product(x, self.weight.data.T)",
            "product(x.astype(np.float32), self.weight.data.T.astype(np.float32)).astype(x.dtype)",
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
        "only float32",
        "np.ones is float64",
        _db("product(np.ones(rows), deltas)"),
        hint="[Linear(3",
        pattern="a silent cast",
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
        hint="forward_and_backward[Linear(70, 33)",
    ),
    "gradient clipped": Bug(
        "only large values",
        "a clip against explosions left in the layer",
        _dw(f"np.clip({DW}, -1e3, 1e3)"),
    ),
    "NaN swept away": Bug(
        "NaN",
        "nan_to_num makes the crash go away",
        edit(FORWARD, "y = product(x,", "y = product(np.nan_to_num(x),"),
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
        edit(LINEAR, "deltas = grad_output", f"deltas = (x if {SQUARE} else grad_output)"),
        "nets",
    ),
    "linear takes any dtype": Bug(
        "refusals",
        "NumPy promotes silently",
        edit(FORWARD, 'checks.float_array(self.name, "input", x, self.weight.data.dtype)', "pass"),
        "refusals",
        hint="float64 input of a float32 layer",
    ),
}
