"""The nets to hunt in: each is a file of the hand-written code that it is made of, and an experiment that trains it."""

import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import scratch
from handgrad.bugs import BUGS, Bug, Edit, functions_of
from handgrad.hunt.copies import copy, written
from handgrad.hunt.lessons import LESSONS

ALSO = {"types": ["SimpleNamespace"], "handgrad.experiments": ["Data", "Expectation", "Experiment"]}
FIXED = """    fixed = {name: value for name, value in options.items() if name != "rng"}  # where nothing is drawn
"""
TARGETS = {
    "classes": ("multiclass", "(x[:, 0] * x[:, 1] > 0).astype(int)", ', classes=("no", "yes")'),
    "yes or no": ("binary", "(x[:, :1] * x[:, 1:2] > 0).astype(float)", ', classes=("no", "yes")'),
    "numbers": ("regression", "x[:, :2] * x[:, 1:]", ""),
}
"""What a net is trained for: the task of its experiment, its targets, and what else is said of the data."""


@dataclass(frozen=True, eq=False)
class Net:
    """A net and how it is trained. Its layers are written as in the file."""

    layers: tuple[str, ...]
    loss: str
    optimizer: str
    lr: float
    options: Mapping[str, Any] = field(default_factory=dict)
    target: str = "numbers"

    @property
    def kinds(self) -> dict[str, type]:
        """The classes that its file has, by name, in the order of the file."""
        names = [*re.findall(r"\b[A-Z]\w+", " ".join(self.layers)), "Sequential", self.loss, self.optimizer, "Trainer"]
        return {name: getattr(scratch, name) for name in dict.fromkeys(names)}

    @property
    def parts(self) -> dict[str, str]:
        """What can be checked alone, by its class: the first of each kind as it stands in the net, and the loss."""
        calls = re.findall(r"\b([A-Z]\w+)(\([^()A-Z]*\))", " ".join(self.layers))
        first = {name: f"{name}{arguments}".removesuffix("()") for name, arguments in reversed(calls)}
        return {name: first[name] for name in self.kinds if name in first} | {self.loss: self.loss}

    @property
    def functions(self) -> frozenset[FunctionType]:
        """Those whose text is in its file."""
        return frozenset(function for kind in self.kinds.values() for function in copy(kind).functions)

    @property
    def bugs(self) -> list[str]:
        """The bugs of the catalogue that can be planted in its file: all their places are there, and they teach."""
        there = self.functions
        taught = (name for name, bug in BUGS.items() if bug.family in LESSONS)
        return [name for name in taught if there.issuperset(functions_of(BUGS[name]).values())]

    def part_of(self, bug: Bug) -> str:
        """The part that can be checked alone and has the bug; "" where the way they are put together has it."""
        changed = functions_of(bug).values()
        return next((name for name in self.parts if set(copy(self.kinds[name]).functions).issuperset(changed)), "")

    def code(self, edits: Iterable[Edit] = ()) -> str:
        """The file, right or with these edits."""
        changes: dict[FunctionType, list[Edit]] = {}
        for edit in edits:
            (function,) = functions_of(Bug("", "", (edit,))).values()
            changes.setdefault(function, []).append(edit)
        return f"{self._head()}\n\n{written(self.kinds.values(), changes, ALSO)}\n\n\n{self._recipe()}"

    def _head(self) -> str:
        return f'''"""A net in hand-written code: its layers, its loss, its optimizer and its training step.

{self}.

What is not written here (arguments, initial weights, refusals) a class has from its namesake in `scratch`, and that is
right. Of what is written here one place is wrong.
"""'''

    def __str__(self) -> str:
        return f"{', '.join(self.layers)}; {self.loss}; {self.optimizer}"

    def _recipe(self) -> str:
        """The end of the file: data, net and experiment."""
        task, target, classes = TARGETS[self.target]
        layers = "".join(f"\n        {_made(layer)}," for layer in self.layers)
        fixed = FIXED if "**fixed" in layers else ""
        return f'''def data(seed):
    x = np.random.default_rng(seed).normal(size=(60, 3))
    return Data(x_train=x, y_train={target}{classes})


def net(ops, sizes, options):
    """The net of the classes above; for PyTorch's side, of its."""
{fixed}    return ops.Sequential({layers}
    )


experiment = Experiment(
    name="net",
    task="{task}",
    data=data,
    model=net,
    own_ops=({", ".join(self.kinds)}),
    loss="{self.loss}",
    optimizer="{self.optimizer}",
    lr={self.lr},
    optimizer_options={dict(self.options)},
    dtype="float64",
    epochs=20,
    batch_size=20,
    expect=Expectation("loss_ratio", "max", 0.9, decides=False),
)

model = net(SimpleNamespace(**globals()), (), {{"dtype": np.float64, "rng": 0}})
'''


def _made(layer: str) -> str:
    """A layer made of a side's ops, each with the options that it takes."""

    def call(found: re.Match[str]) -> str:
        name, arguments = found.groups()
        takes = inspect.signature(getattr(scratch, name)).parameters
        more = ("**options" if "rng" in takes else "**fixed") if "dtype" in takes else ""
        return f"{name}({', '.join(filter(None, (arguments, more)))})"

    return re.sub(r"\b([A-Z]\w+\()", r"ops.\1", re.sub(r"\b([A-Z]\w+)\(([^()]*)\)", call, layer))


NETS = {
    "classifier": Net(
        layers=("Linear(3, 5)", "Tanh()", "Linear(5, 2)"),
        loss="CrossEntropyLoss",
        optimizer="SGD",
        options={"momentum": 0.9},
        lr=0.3,
        target="classes",
    ),
    "binary": Net(
        layers=("Linear(3, 5)", "SiLU()", "Linear(5, 5)", "GELU()", "Linear(5, 1)"),
        loss="BCEWithLogitsLoss",
        optimizer="Adam",
        lr=0.03,
        target="yes or no",
    ),
    "regression": Net(
        layers=("Linear(3, 5)", "ELU()", "Linear(5, 5)", "LeakyReLU(0.1)", "Linear(5, 2)"),
        loss="HuberLoss",
        optimizer="RMSprop",
        options={"momentum": 0.5},
        lr=0.01,
    ),
    "normed": Net(
        layers=("Linear(3, 5)", "LayerNorm(5)", "ReLU()", "Linear(5, 2)"),
        loss="MSELoss",
        optimizer="AdamW",
        options={"weight_decay": 0.1},
        lr=0.03,
    ),
    "batches": Net(
        layers=("Linear(3, 5)", "BatchNorm1d(5)", "Sigmoid()", "Linear(5, 2)"),
        loss="SmoothL1Loss",
        optimizer="NAdam",
        lr=0.03,
    ),
    "gated": Net(
        layers=("Linear(3, 8)", "GLU(-1)", "RMSNorm(4)", "Linear(4, 2)"),
        loss="MSELoss",
        optimizer="SGD",
        options={"momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
        lr=0.1,
    ),
    "likelihood": Net(
        layers=("Linear(3, 5)", "Softplus()", "Linear(5, 2)", "LogSoftmax(-1)"),
        loss="NLLLoss",
        optimizer="Adagrad",
        lr=0.1,
        target="classes",
    ),
    "branches": Net(
        layers=("Linear(3, 5)", "Parallel(ReLU(), Tanh())", "Linear(5, 5)", "Mish()", "Linear(5, 2)"),
        loss="L1Loss",
        optimizer="RAdam",
        lr=0.1,
    ),
    "residual": Net(
        layers=("Linear(3, 5)", "Residual(Linear(5, 5), SELU())", "Linear(5, 1)", "Sigmoid()"),
        loss="BCELoss",
        optimizer="Adamax",
        lr=0.03,
        target="yes or no",
    ),
    "mixture": Net(
        layers=("Linear(3, 4)", "Softmax(-1)", "Linear(4, 2)", "Hardtanh()"),
        loss="HuberLoss",
        optimizer="Adadelta",
        lr=1.0,
    ),
}
