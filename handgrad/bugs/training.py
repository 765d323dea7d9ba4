"""Bugs in the training step: its five calls and their order."""

from handgrad.bugs.bug import Bug, edit

TRAINING: dict[str, Bug] = {
    "trainer: zero_grad after backward": Bug(
        "trainer",
        "all gradients gone before the step",
        edit("Trainer.step", "self.optimizer.step()", "self.optimizer.zero_grad()\n    self.optimizer.step()"),
        "runs",
        pattern="no gradient was computed",
    ),
    "trainer: zero_grad forgotten": Bug(
        "trainer",
        "the classic",
        edit("Trainer.step", "self.optimizer.zero_grad()", "pass"),
        "runs",
        pattern="accumulated",
    ),
    "trainer: zero_grad too early": Bug(
        "trainer",
        "a refused batch loses the gradients",
        edit("Trainer.step", "output = self", "self.optimizer.zero_grad()\n        output = self"),
        "refusals",
        hint="(N,) against (N, 1) in a step",
    ),
    "trainer: step before backward": Bug(
        "trainer",
        "two lines swapped: the step takes the old gradients",
        edit("Trainer.step", "self.optimizer.zero_grad()", "self.optimizer.step()\n    self.optimizer.zero_grad()")
        + edit("Trainer.step", "else:\n        self.optimizer.step()\n    return", "return"),
        "runs",
        pattern="unchanged",
    ),
    "trainer: two steps": Bug(
        "trainer",
        "a closure is called once more",
        edit("Trainer.step", "self.optimizer.step()", "self.optimizer.step()\n    self.optimizer.step()"),
        "runs",
        hint="test_five_steps_side_by_side[tanh, tanh, MSE-SGD-float64",
        pattern="the step is 2 × too long",
    ),
    "trainer: loss after the update": Bug(
        "trainer",
        "computed once more at the end",
        edit("Trainer.step", "return float(value)", "return float(self.loss.forward(self.model.forward(x), y))"),
        "runs",
    ),
    "trainer: loss summed over the batch": Bug(
        "trainer",
        "value · len(x), to be divided by the number of samples later",
        edit("Trainer.step", "float(value)", "float(value) * len(x)"),
        "runs",
        hint="test_five_steps_side_by_side[relu, cross-entropy-SGD-float64",
        pattern="constant ratio N = 5",
    ),
    "trainer: backward(loss)": Bug(
        "trainer",
        "the value goes where the upstream gradient belongs",
        edit("Trainer.step", "self.loss.backward()", "self.loss.backward(value)"),
        "runs",
        hint="test_five_steps_side_by_side[relu, cross-entropy-SGD-float64",
        pattern="constant ratio",
    ),
    "trainer: gradient of the target": Bug(
        "sign",
        "loss(y, output): the square hides it",
        edit(
            "Trainer.step",
            "self.loss.forward(output, y)",
            "self.loss.forward(*((y, output) if y.dtype == output.dtype else (output, y)))",
        ),
        "runs",
        hint="test_five_steps_side_by_side[tanh, tanh, MSE-SGD-float64",
        pattern="constant ratio −1",
    ),
}
