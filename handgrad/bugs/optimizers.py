"""Bugs in the optimizers: update rules, state, groups, checkpoints."""

from handgrad.bugs.bug import Bug, Edit, edit

SGD, ADAM = "SGD.update", "Adam.update"
DIRECTION = "opposite sign"
BUFFER = '(1 - group["dampening"]) * gradient'
DENOMINATOR = 'np.sqrt(v) / math.sqrt(1 - beta2**t) + group["eps"]'


def _adam_denominator(new: str) -> tuple[Edit, ...]:
    return edit(ADAM, DENOMINATOR, new)


OPTIMIZERS: dict[str, Bug] = {
    "sgd: uphill": Bug(
        "sign", "+= for −=", edit(SGD, "-= group", "+= group"), "optimizers", hint="test_steps[SGD-", pattern=DIRECTION
    ),
    "sgd: first buffer dampened": Bug(
        "momentum",
        "the formula for all steps, where PyTorch has an exception",
        edit(SGD, "np.array(gradient)", f"np.array({BUFFER})"),
        "optimizers",
        hint="[SGD dampening",
    ),
    "sgd: dampening ignored": Bug(
        "momentum",
        "an argument that goes nowhere",
        edit(SGD, BUFFER, "gradient"),
        "optimizers",
        hint="test_steps[SGD dampening-float64",
        pattern="dampening is ignored",
    ),
    "sgd: lr inside the buffer": Bug(
        "momentum",
        "Sutskever's form: the same until lr changes",
        edit(SGD, "np.array(gradient)", 'np.array(group["lr"] * gradient)')
        + edit(SGD, BUFFER, f'group["lr"] * {BUFFER}')
        + edit(
            SGD,
            "data -= ",
            'gradient = gradient / group["lr"] if momentum else gradient\n    data -= ',
        ),
        "optimizers",
        hint="[SGD momentum",
    ),
    "sgd: buffer averaged": Bug(
        "momentum",
        "Adam's (1 − β)",
        edit(SGD, BUFFER, "(1 - momentum) * gradient"),
        "optimizers",
        hint="[SGD momentum",
    ),
    "sgd: momentum ignored": Bug(
        "momentum",
        "the buffer is kept and not used",
        edit(SGD, "else buffer", "else gradient"),
        "optimizers",
        hint="test_steps[SGD momentum-float64",
        pattern="momentum is ignored",
    ),
    "sgd: buffer aliases the gradient": Bug(
        "aliasing",
        "no copy at the first step",
        edit(SGD, "np.array(gradient)", "gradient"),
        "optimizers",
        hint="in_place_is_that_of_this_step_alone[SGD momentum",
    ),
    "sgd: buffer rebound": Bug(
        "momentum",
        "a new array each step, and the state keeps the first",
        edit(SGD, 'state["momentum_buffer"] *= momentum', 'buffer = momentum * state["momentum_buffer"]')
        + edit(SGD, f'state["momentum_buffer"] += {BUFFER}', f"gradient = buffer + {BUFFER}")
        + edit(SGD, 'gradient = gradient + momentum * buffer if group["nesterov"] else buffer', "pass"),
        "optimizers",
        hint="[SGD momentum",
    ),
    "sgd: nesterov ignored": Bug(
        "nesterov",
        "an argument that goes nowhere",
        edit(SGD, 'gradient + momentum * buffer if group["nesterov"] else buffer', "buffer"),
        "optimizers",
        pattern="nesterov the other way",
        hint="[SGD nesterov",
    ),
    "sgd: nesterov looks back": Bug(
        "nesterov",
        "b + μg for g + μb",
        edit(SGD, "gradient + momentum * buffer", "buffer + momentum * gradient"),
        "optimizers",
        hint="[SGD nesterov",
    ),
    "sgd: nesterov with the old buffer": Bug(
        "nesterov",
        "the look ahead before the buffer is renewed",
        edit(SGD, "gradient + momentum * buffer", "gradient + momentum * (buffer - gradient)"),
        "optimizers",
        hint="[SGD nesterov",
    ),
    "sgd: decay before maximize": Bug(
        "weight decay",
        "the decay is negated as well",
        edit(
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
        edit(SGD, '+ group["weight_decay"]', '+ 2 * group["weight_decay"]'),
        "optimizers",
        hint="[SGD weight_decay",
    ),
    "sgd: decay ignored": Bug(
        "weight decay",
        "an argument that goes nowhere",
        edit(SGD, 'if group["weight_decay"]', "if False"),
        "optimizers",
        hint="test_steps[SGD weight_decay-float64",
        pattern="weight_decay is ignored",
    ),
    "sgd: decay subtracted": Bug(
        "weight decay",
        "the minus of the update in the decay as well",
        edit(SGD, 'gradient + group["weight_decay"]', 'gradient - group["weight_decay"]'),
        "optimizers",
        hint="test_steps[SGD weight_decay-float64",
        pattern="weight_decay has the opposite sign",
    ),
    "sgd: decay decoupled": Bug(
        "weight decay",
        "the same without momentum",
        edit(
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
        edit(SGD, "gradient = gradient + group", "gradient += group"),
        "optimizers",
        hint="[SGD weight_decay",
    ),
    "sgd: maximize in place": Bug(
        "in place", "g *= −1", edit(SGD, "gradient = -gradient", "gradient *= -1"), "optimizers", hint="[SGD maximize"
    ),
    "sgd: maximize ignored": Bug(
        "sign",
        "an argument that goes nowhere",
        edit(SGD, 'if group["maximize"]', "if False"),
        "optimizers",
        hint="test_steps[SGD maximize-float64",
        pattern="opposite sign (maximize)",
    ),
    "sgd: lr of the first group": Bug(
        "groups",
        "self.lr",
        edit("Optimizer.step", "parameter.grad, group", "parameter.grad, self.param_groups[0]"),
        "optimizers",
        hint="test_parameter_groups",
    ),
    "sgd: lr from the constructor": Bug(
        "groups",
        "a schedule has no effect",
        edit("Optimizer.step", "parameter.grad, group", "parameter.grad, {**group, 'lr': self.defaults['lr']}"),
        "optimizers",
        hint="test_parameter_groups",
        pattern="the step is 2 × too short",
    ),
    "group options overridden by defaults": Bug(
        "groups",
        "the order of two ** unpackings",
        edit("Optimizer.__init__", "{**self.defaults, **group}", "{**group, **self.defaults}"),
        "optimizers",
        hint="test_parameter_groups",
    ),
    "second group not stepped": Bug(
        "groups",
        "return inside the loop",
        edit("Optimizer.step", "for group in self.param_groups:", "for group in self.param_groups[:1]:"),
        "optimizers",
        hint="test_parameter_groups",
        pattern="unchanged",
    ),
    "last parameter not stepped": Bug(
        "groups",
        "range(len − 1)",
        edit("Optimizer.step", 'in group["params"]', 'in group["params"][:-1]'),
        "optimizers",
        hint="test_parameter_groups",
        pattern="unchanged",
    ),
    "decay without a gradient": Bug(
        "weight decay",
        "None is taken for zeros",
        edit(
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
        edit(
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
        edit("Optimizer.state_dict", "else _copied(value)", "else value"),
        "optimizers",
        hint="handed_over_as_copies",
    ),
    "load_state_dict keeps the state's arrays": Bug(
        "aliasing",
        "training writes into the checkpoint",
        edit("optim.optimizer._taken", "alike[...] = value", "alike = value"),
        "optimizers",
        hint="handed_over_as_copies",
    ),
    "load_state_dict forgets the state": Bug(
        "checkpoint",
        "only the options are restored",
        edit("Optimizer.load_state_dict", "for i, entry in entries.items()", "for i, entry in ()"),
        "optimizers",
        hint="test_a_loaded_optimizer_goes_on",
    ),
    "load_state_dict forgets the options": Bug(
        "checkpoint",
        "only the state is restored",
        edit("Optimizer.load_state_dict", "group.update(", "dict(group).update("),
        "optimizers",
        hint="takes_over_the_options",
    ),
    "load_state_dict starts counting anew": Bug(
        "checkpoint",
        "step is no array and is left out",
        edit("optim.optimizer._taken", "int(value)", "0"),
        "optimizers",
        hint="test_state_moves_across",
    ),
    "optimizer's zero_grad misses a parameter": Bug(
        "zero_grad",
        "range(len − 1)",
        edit("Optimizer.zero_grad", "in self.parameters()", "in self.parameters()[:-1]"),
        "runs",
        pattern="accumulated",
    ),
    "optimizer's zero_grad does nothing": Bug(
        "zero_grad",
        "a local name is set",
        edit("Optimizer.zero_grad", 'object.__setattr__(parameter, "grad", None)', "gradient = None"),
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
        "bias correction", "lr·m", edit(ADAM, "lr / (1 - beta1**t) * m", "lr * m"), "optimizers", hint="[Adam-"
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
        edit(ADAM, 't, largest = state["step"],', 't, largest = state["step"] - 1,'),
        "optimizers",
        hint="[Adam-",
    ),
    "adam: steps counted from 1": Bug(
        "bias correction",
        "t + 1 after the increment",
        edit(ADAM, 't, largest = state["step"],', 't, largest = state["step"] + 1,'),
        "optimizers",
        hint="[Adam-",
    ),
    "adam: betas swapped": Bug(
        "moments", "(0.999, 0.9)", edit(ADAM, "(beta1, beta2)", "(beta2, beta1)"), "optimizers", hint="[Adam-"
    ),
    "adam: root forgotten": Bug(
        "moments", "m̂/v̂", _adam_denominator('v / (1 - beta2**t) + group["eps"]'), "optimizers", hint="[Adam-"
    ),
    "adam: |g| for g²": Bug(
        "moments",
        "Adamax mixed in",
        edit(ADAM, "(1 - beta2) * g * g", "(1 - beta2) * np.abs(g)"),
        "optimizers",
        hint="[Adam-",
    ),
    "adam: 1 − β₂ forgotten": Bug(
        "moments",
        "v = β₂v + g²",
        edit(ADAM, "(1 - beta2) * g * g", "g * g"),
        "optimizers",
        hint="[Adam-",
    ),
    "adam: lerp the wrong way": Bug(
        "moments",
        "(1 − β₁)m + β₁g",
        edit(ADAM, "m *= beta1", "m *= 1 - beta1") + edit(ADAM, "(1 - beta1) * g", "beta1 * g"),
        "optimizers",
        hint="[Adam-",
    ),
    "adam: v of the raw gradient": Bug(
        "weight decay",
        "m has the decay, v has not",
        edit(ADAM, "lr, (beta1", "raw = gradient\n    lr, (beta1")
        + edit(ADAM, "(1 - beta2) * g * g", "(1 - beta2) * raw * raw"),
        "optimizers",
        hint="[Adam weight_decay",
    ),
    "adam: 1 − β in single precision": Bug(
        "only float64",
        "float32(1) − float32(0.999) is off by 1e-5",
        edit(ADAM, "(1 - beta2) * g", "float(np.float32(1) - np.float32(beta2)) * g"),
        "optimizers",
        hint="[Adam-float64",
    ),
    "adam: amsgrad of the corrected v": Bug(
        "amsgrad",
        "the largest v̂, as in the paper's text",
        edit(ADAM, "np.maximum(top[0], v,", "np.maximum(top[0], v / (1 - beta2**t),")
        + _adam_denominator('np.sqrt(v) / (1 if group["amsgrad"] else math.sqrt(1 - beta2**t)) + group["eps"]'),
        "optimizers",
        hint="[Adam amsgrad",
    ),
    "adam: amsgrad not kept": Bug(
        "amsgrad",
        "the largest is computed and not stored",
        edit(ADAM, ", out=top[0])", ")"),
        "optimizers",
        hint="[Adam amsgrad",
    ),
    "adam: amsgrad ignored": Bug(
        "amsgrad",
        "an argument that is stored and not used",
        edit(ADAM, "v = np.maximum", "np.maximum"),
        "optimizers",
        hint="test_steps[Adam amsgrad-float64",
        pattern="amsgrad the other way",
    ),
    "adam: decay after the step": Bug(
        "weight decay",
        "off by lr²λ only",
        edit(ADAM, "parameter.data *= 1 - lr * decay", "pass")
        + edit(
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
        edit(ADAM, "1 - lr * decay", "1 - decay"),
        "optimizers",
        hint="[Adam decoupled",
    ),
    "adam: decay coupled": Bug(
        "weight decay",
        "Adam for AdamW",
        edit(ADAM, 'if decay and group["decoupled_weight_decay"]', "if False"),
        "optimizers",
        hint="test_steps[Adam decoupled-float64",
        pattern="decoupled_weight_decay the other way",
    ),
    "adam: decay in both forms": Bug(
        "weight decay", "if for elif", edit(ADAM, "elif decay", "if decay"), "optimizers", hint="[Adam decoupled"
    ),
    "adam: decay twice": Bug(
        "weight decay",
        "λ‖θ‖² for ½λ‖θ‖²",
        edit(ADAM, "gradient + decay", "gradient + 2 * decay"),
        "optimizers",
        hint="[Adam weight_decay",
    ),
    "adam: maximize after the decay": Bug(
        "weight decay",
        "the decay is negated as well",
        edit(ADAM, "gradient + decay", 'gradient + (-1 if group["maximize"] else 1) * decay'),
        "optimizers",
        hint="[Adam maximize",
    ),
    "adam: first moment of −g only": Bug(
        "moments",
        "m takes the gradient from before the negation",
        edit(ADAM, "(1 - beta1) * g", '(1 - beta1) * (-g if group["maximize"] else g)'),
        "optimizers",
        hint="[Adam maximize",
        pattern="opposite sign (maximize)",
    ),
    "adam: one counter for all parameters": Bug(
        "shared state",
        "self.t += 1 inside the loop over parameters",
        edit(ADAM, 'state["step"] += 1', 'self.t = getattr(self, "t", 0) + 1\n    state["step"] = self.t'),
        "optimizers",
        hint="test_steps[Adam-float64",
        pattern="the step counter went to",
    ),
    "adam: counter outside the state": Bug(
        "shared state",
        "right until a checkpoint is loaded",
        edit(
            ADAM,
            't, largest = state["step"],',
            'parameter.t = getattr(parameter, "t", 0) + 1\n    t, largest = parameter.t,',
        ),
        "optimizers",
        hint="test_state_moves_across",
    ),
}
