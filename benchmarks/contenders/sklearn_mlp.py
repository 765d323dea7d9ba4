"""scikit-learn's MLPClassifier, one `partial_fit` per step."""

from typing import Any

import numpy as np

from benchmarks.nets import Array, Problem


class SklearnMLP:
    """`MLPClassifier(solver="sgd")` without weight decay and shuffling, its batch the whole of what it is given.

    Its Adam adds ε before the bias correction, which is another computation: it is not timed.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def absent(self, problem: Problem) -> str:
        if problem.net.sizes[-1] == 2:
            return "its net for two classes has one output"
        return "its Adam puts ε elsewhere" if problem.optimizer == "Adam" else ""

    def prepare(self, problem: Problem) -> None:
        from sklearn.neural_network import MLPClassifier  # seconds, in each process that does not time it

        self.names = list(problem.weights)
        self.x, self.y = problem.x, problem.y.ravel().astype(np.int64)
        self.net = MLPClassifier(
            problem.net.sizes[1:-1],
            solver="sgd",
            alpha=0.0,
            batch_size=problem.net.batch,
            learning_rate_init=problem.options["lr"],
            momentum=problem.options.get("momentum", 0.0),
            nesterovs_momentum=False,
            shuffle=False,
        )
        self.net.partial_fit(self.x, self.y, classes=np.arange(max(problem.net.sizes[-1], 2)))
        for i, (name, w) in enumerate(problem.weights.items()):
            own = self.net.intercepts_ if name.endswith("bias") else self.net.coefs_
            own[i // 2][...] = w.T
        del self.net._optimizer  # its momentum is of the step just undone; the next partial_fit makes a new one

    def step(self) -> float:
        self.net.partial_fit(self.x, self.y)
        return float(self.x.dtype.type(self.net.loss_))  # it adds up the loss of float32 numbers in float64

    def state(self) -> dict[str, Array]:
        pairs = zip(self.net.coefs_, self.net.intercepts_, strict=True)
        return dict(zip(self.names, (a.T.copy() for pair in pairs for a in pair), strict=True))

    def forward(self) -> Any:
        raise NotImplementedError("it shows probabilities, not the outputs before them")
