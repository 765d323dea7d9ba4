"""Bugs in what layers are made of and joined by: parameters, memory, state dicts, containers, the MLP."""

from handgrad.bugs.bug import Bug, edit
from handgrad.bugs.linear import FORWARD, SQUARE

MODULES: dict[str, Bug] = {
    "gradient overwritten": Bug(
        "accumulation",
        "= for +=",
        edit("Parameter.accumulate", "gradient if self.grad is None else self.grad + gradient", "gradient"),
        hint="backward_twice_adds_the_same[Linear(3, 4)",
    ),
    "gradient counted twice": Bug(
        "accumulation",
        "set, and then added",
        edit("Parameter.accumulate", "gradient if self.grad", "gradient + gradient if self.grad"),
        hint="[Linear(3",
        pattern="constant ratio 2",
    ),
    "gradient averaged with the old": Bug(
        "accumulation",
        "a mean over backward calls",
        edit("Parameter.accumulate", "self.grad + gradient", "(self.grad + gradient) / 2"),
        hint="backward_twice_adds_the_same[Linear(3, 4)",
    ),
    "gradient added in place": Bug(
        "in place",
        "+= writes into the array that somebody kept",
        edit(
            "Parameter.accumulate",
            'object.__setattr__(self, "grad", gradient if self.grad is None else self.grad + gradient)',
            "total = gradient if self.grad is None else np.add(self.grad, gradient, self.grad); "
            'object.__setattr__(self, "grad", total)',
        ),
        "contract",
        hint="test_a_kept_gradient_stays",
    ),
    "parameter not copied": Bug(
        "aliasing",
        "training writes into the caller's array",
        edit("Parameter.__init__", "np.array(data)", "data"),
        "optimizers",
    ),
    "state_dict of live arrays": Bug(
        "aliasing", "the checkpoint trains on", edit("Module.state_dict", ".copy()", ""), "contract"
    ),
    "gradients handed out live": Bug(
        "aliasing",
        "clipping them in place changes the step",
        edit("Module.named_gradients", "parameter.grad.copy()", "parameter.grad"),
        "contract",
        hint="test_writing_into_what_was_handed_out",
    ),
    "load_state_dict keeps the arrays": Bug(
        "aliasing",
        "two models train one array",
        edit(
            "Module.load_state_dict", "value.data[...] = state[name]", 'object.__setattr__(value, "data", state[name])'
        ),
        "contract",
        hint="into_what_was_handed_in",
    ),
    "load_state_dict transposes where square": Bug(
        "transpose",
        "a converter for (in, out) weights that goes by shape",
        edit(
            "Module.load_state_dict",
            "= state[name]",
            "= state[name].T if state[name].T.shape == value.shape else state[name]",
        ),
        "contract",
        hint="test_square_weights_go_in_and_out",
    ),
    "load_state_dict by position": Bug(
        "order",
        "zip of values: a file sorts its keys",
        edit(
            "Module.load_state_dict",
            "for name, value in own.items():\n        value",
            "for name, value in zip(state, own.values()):\n        value",
        ),
        "contract",
    ),
    "load_state_dict through float32": Bug(
        "only float64",
        "files are float32, are they not",
        edit("Module.load_state_dict", "= state[name]", "= state[name].astype(np.float32)"),
        "contract",
    ),
    "zero_grad misses a parameter": Bug(
        "zero_grad",
        "range(len − 1)",
        edit("Module.zero_grad", "in self.parameters()", "in list(self.parameters())[:-1]"),
        "contract",
    ),
    "zero_grad does nothing": Bug(
        "zero_grad",
        "a local name is set",
        edit("Module.zero_grad", "parameter.grad = np", "gradient = np"),
        "contract",
    ),
    "zero_grad(set_to_none=False) sets None": Bug(
        "zero_grad",
        "the argument is ignored",
        edit("Module.zero_grad", "not set_to_none and", "False and"),
        "contract",
    ),
    "zero_grad in place": Bug(
        "in place",
        "fill(0) empties the array that somebody kept",
        edit(
            "Module.zero_grad",
            "parameter.grad = ",
            "parameter.grad = (parameter.grad.fill(0) or parameter.grad) if keep else ",
        ),
        "contract",
        hint="test_a_kept_gradient_stays",
    ),
    "eval forgets": Bug(
        "caches",
        "no memory in eval mode, so backward takes the older one",
        edit(
            "Module._remember",
            'self.__dict__["_memory"] = memory',
            'self.__dict__["_memory"] = memory = self._memory if self._memory and not self.training else memory',
        ),
        "contract",
        hint="in_eval_mode_too",
    ),
    "first forward remembered for ever": Bug(
        "caches",
        "if self._x is None",
        edit(
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
        edit(
            "Tanh.forward",
            "(y, x, y)",
            "(y, *((x, y) if self._memory is None or self._memory[0] != y.shape else self._memory[2]))",
        ),
        "runs",
        hint="tanh, tanh",
    ),
    "memory used up": Bug(
        "caches",
        "freed by backward, and backward is called again",
        edit("Module._recall", "return values", "self._memory = None\n    return values"),
        hint="backward_twice",
    ),
    "layer overwrites its input": Bug(
        "in place",
        "the buffer of the input serves for the output of a square layer",
        edit(FORWARD, "return self", f"if {SQUARE}:\n        x[...] = y\n    return self"),
        hint="[Linear(1, 1)",
    ),
    "output buffer reused": Bug(
        "in place",
        "one buffer for all calls",
        edit(
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
        edit("Sequential.backward", "reversed(self.modules)", "self.modules"),
        hint="[Sequential",
    ),
    "sequential: first layer skipped": Bug(
        "order",
        "range(n, 0, −1)",
        edit("Sequential.backward", "self.modules", "self.modules[1:]"),
        hint="[Sequential",
        pattern="no gradient was computed",
    ),
    "sequential: first layer skipped in training": Bug(
        "order",
        "nobody needs dL/dx, and its weights are forgotten too",
        edit("Sequential.backward_parameters", "in self.modules[:1]", "in ()"),
        "runs",
        pattern="no gradient was computed",
    ),
    "sequential: the same gradient for all": Bug(
        "order",
        "the result is not passed on, where the shapes allow it",
        edit(
            "Sequential.backward",
            "grad_output = module.backward(grad_output)",
            "grad_input = module.backward(grad_output)\n"
            "        grad_output = grad_output if grad_input.shape == grad_output.shape else grad_input",
        ),
        "nets",
    ),
    "parallel: gradient of one branch": Bug(
        "branches", "= for +=", edit("Parallel.backward", "gradients[1:]", "gradients[2:]"), hint="[Parallel"
    ),
    "parallel: gradients averaged": Bug(
        "branches",
        "the mean over branches",
        edit("Parallel.backward", "return total", "return total / len(gradients)"),
        pattern="constant ratio 1/2",
        hint="test_forward_and_backward[Parallel(ReLU, Tanh)-float64",
    ),
    "parallel: branches chained": Bug(
        "branches",
        "the gradient of one goes into the next",
        edit(
            "Parallel.backward",
            "gradients = [branch.backward(grad_output) for branch in reversed(self.modules)]",
            "gradients = [self.modules[0].backward(grad_output)]\n"
            "    for branch in self.modules[1:]:\n"
            "        gradients.append(branch.backward(gradients[-1]))",
        ),
        hint="[Parallel",
    ),
    "parallel: outputs averaged": Bug(
        "branches",
        "the mean for the sum",
        edit("Parallel.apply", "return total", "return total / len(outputs)"),
        hint="[Parallel",
        pattern="constant ratio 1/2",
    ),
    "parallel: sum in the first branch's memory": Bug(
        "aliasing",
        "no copy before +=",
        edit("Parallel.apply", "outputs[0].copy()", "outputs[0]"),
        hint="test_branches_do_not_share",
    ),
    "parallel: gradients in the upstream": Bug(
        "aliasing",
        "no copy before +=",
        edit("Parallel.backward", "gradients[0].copy()", "gradients[0]"),
        hint="test_branches_do_not_share",
    ),
    "train() stays at the top": Bug(
        "modes", "children are not told", edit("Module.train", "child.train(mode)", "pass"), "contract"
    ),
    "MLP: activation after the last layer": Bug(
        "net", "a loop without an exception", edit("MLP.__init__", "modules.pop()", "pass"), "contract"
    ),
    "MLP: output activation ignored": Bug(
        "option ignored",
        "an argument that goes nowhere",
        edit("MLP.__init__", "if output_activation is not None:\n        modules", "if False:\n        modules"),
        "contract",
        hint="[MLP-output_activation",
    ),
    "MLP: bias argument ignored": Bug(
        "option ignored",
        "an argument that goes nowhere",
        edit("MLP.__init__", "bias, dtype, rng)", "True, dtype, rng)"),
        "contract",
    ),
    "MLP: every layer drawn from the seed anew": Bug(
        "init",
        "the seed is handed on, not the generator",
        edit("MLP.__init__", "rng = checks.generator(self.name, rng)", "pass"),
        "contract",
        hint="one_seed_draws",
    ),
    "upstream of any shape": Bug(
        "refusals",
        "NumPy broadcasts silently",
        edit("Module._recall", "checks.grad_output(self.name, grad_output, shape, dtype)", "pass"),
        "refusals",
    ),
}
