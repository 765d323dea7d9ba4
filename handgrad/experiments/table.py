"""The one table of experiments: name → data, recipe, what the source printed, and what must come out.

`printed` is the source's own result, from its one run. `band` is what this recipe gave over 20 seeds (0 to 19) of
weights, batches and, where the source does not fix it, data; both sides gave the same, but for the last digits or, in
accuracies, an example or two. `expect` is the bound that decides a run: one which the default seed meets, and which a
network that trained badly does not. Where a source's recipe misses its own bound for some seeds, the band says for how
many; so it does in plain PyTorch.
"""

from types import ModuleType
from typing import Any

from contract import Loss
from handgrad.experiments import data
from handgrad.experiments.data import circle, digits, line, moons
from handgrad.experiments.experiment import Data, Expectation, Experiment

__all__ = ["EXPERIMENTS", "Data", "Expectation", "Experiment"]


def relu_and_tanh(ops: ModuleType, sizes: tuple[int, ...], options: dict[str, Any]) -> Any:
    """Source 001's net with two activations at once: Linear, relu(h) + tanh(h), Linear, ReLU, Linear, Sigmoid."""
    features, first, second, outputs = sizes
    return ops.Sequential(
        ops.Linear(features, first, **options),
        ops.Parallel(ops.ReLU(), ops.Tanh()),
        ops.Linear(first, second, **options),
        ops.ReLU(),
        ops.Linear(second, outputs, **options),
        ops.Sigmoid(),
    )


def one_layer(activation: str | None, bias: bool) -> Any:
    """Source 004's first nets: one Linear, and an activation of that class name after it."""

    def model(ops: ModuleType, sizes: tuple[int, ...], options: dict[str, Any]) -> Any:
        layers = [ops.Linear(*sizes, bias=bias, **options)]
        return ops.Sequential(*layers, *([getattr(ops, activation)()] if activation else []))

    return model


def two_layers(ops: ModuleType, sizes: tuple[int, ...], options: dict[str, Any]) -> Any:
    """Source 004's last nets: two Linear with nothing between them, which are one linear map, and a LeakyReLU."""
    inner, outer = ops.Linear(*sizes[:2], **options), ops.Linear(*sizes[1:], **options)
    return ops.Sequential(inner, outer, ops.LeakyReLU())


def quartic(side: str) -> Loss:
    """Source 001's mean((output − target)⁴), on one side."""
    from handgrad.experiments.quartic import quartic  # it needs torch, which takes long to import

    return quartic(side)


def rule(
    name: str, title: str, kind: str, classes: tuple[str, ...] | None, expect: Expectation, **rest: Any
) -> Experiment:
    """A rule of source 003's plane, with the settings of its printed runs: 2-6-1 or 2-6-4, Adam, 200 epochs of 100."""
    task, loss = {
        "binary": ("binary", "BCEWithLogitsLoss"),
        "classes": ("multiclass", "CrossEntropyLoss"),
        "number": ("regression", "MSELoss"),
    }[kind]
    fields: dict[str, Any] = {
        "printed": "named, not printed",
        "judge_every": 10,
        "seconds": 12,
        "size": "2500 × 2",
        "data": data.plane(getattr(data, f"{name.replace('-', '_')}_rule"), classes),
        "hidden": (6,),
        "optimizer": "Adam",
        "lr": 0.01,
        "epochs": 200,
        "batch_size": 100,
        "drop_last": True,
    }
    return Experiment(name=name, title=title, source="003", task=task, loss=loss, expect=expect, **fields | rest)


def growing(number: int, title: str, sizes: tuple[int, ...], targets: tuple[float, ...], **rest: Any) -> Experiment:
    """One of source 004's eight nets: one point of ones and its targets, 100 steps of SGD with momentum."""
    fields: dict[str, Any] = {
        "data": data.point((1.0,) * sizes[0], targets),
        "hidden": sizes[1:-1],
        "activation": "identity",
        "lr": 0.1,
        "expect": Expectation("final_loss", "max", 0.01),
        "printed": "losses of 100 steps, unseeded",
        "seconds": 5,
    }
    return Experiment(
        name=f"grow-{number}",
        title=title,
        source="004",
        task="regression",
        size=f"1 × {sizes[0]}",
        loss="MSELoss",
        optimizer="SGD",
        optimizer_options={"momentum": 0.9},
        epochs=100,
        **fields | rest,
    )


def held_out(name: str, task: str, size: str, expect: Expectation, **rest: Any) -> Experiment:
    """Real data inside scikit-learn that no source trains on, standardised, a quarter of it held out."""
    fields: dict[str, Any] = {
        "data": data.bundled(name),
        "hidden": (16,),
        "loss": "CrossEntropyLoss",
        "optimizer": "Adam",
        "lr": 0.01,
        "epochs": 50,
        "batch_size": 16,
        "shuffle": True,
        "printed": "no source trains on these data",
        "seconds": 5,
    }
    return Experiment(name=name, source="scikit-learn", task=task, size=size, expect=expect, **fields | rest)


FOUR = ("0", "1", "2", "3")

_TABLE = (
    Experiment(
        name="digits",
        title="handwritten digits",
        source="scikit-learn",
        task="multiclass",
        size="1797 × 64",
        data=digits,
        hidden=(128, 64),
        activation="relu",
        loss="CrossEntropyLoss",
        optimizer="SGD",
        optimizer_options={"momentum": 0.9},
        lr=0.05,
        epochs=40,
        batch_size=32,
        shuffle=True,
        expect=Expectation("test_accuracy", "min", 0.97),
        printed="no source trains on these digits",
        band="test accuracy .971 to .982, median .978; ≥ .97 in 20 of 20 seeds",
        seconds=15,
    ),
    Experiment(
        name="moons",
        title="two half-moons, MLP",
        source="000",
        task="multiclass",
        size="300 × 2",
        data=moons,
        hidden=(16, 16),
        activation="relu",
        loss="CrossEntropyLoss",
        optimizer="Adam",
        lr=0.01,
        epochs=100,
        batch_size=20,
        shuffle=True,
        expect=Expectation("test_accuracy", "min", 0.95),
        printed="announced for a second part, not printed",
        band="test accuracy .96 to .99, median .98; ≥ .95 in 20 of 20 seeds",
        seconds=6,
    ),
    Experiment(
        name="moons-logistic",
        title="two half-moons, no hidden layer",
        source="000",
        task="multiclass",
        size="300 × 2",
        data=moons,
        hidden=(),
        activation="relu",
        loss="CrossEntropyLoss",
        optimizer="SGD",
        lr=1.0,
        epochs=300,
        batch_size=None,
        init="normal",
        expect=Expectation("test_accuracy", "min", 0.85),
        printed="five untrained outputs; no training",
        band="test accuracy .87 in 20 of 20 seeds: the loss is convex and every seed reaches its minimum",
        seconds=5,
    ),
    Experiment(
        name="line",
        title="x0 - x1 < 0.3",
        source="002",
        task="multiclass",
        size="100 × 2",
        data=line,
        hidden=(5,),
        activation="relu",
        output_activation="sigmoid",
        loss="MSELoss",
        optimizer="SGD",
        lr=1.0,
        epochs=500,
        batch_size=None,
        expect=Expectation("train_accuracy", "min", 0.97),
        printed="accuracy 0.99",
        band="train accuracy .97 to 1, median 1; ≥ .97 in 20 of 20 seeds",
        seconds=5,
    ),
    Experiment(
        name="circle",
        title="inside a circle or out",
        source="002",
        task="binary",
        size="1000 × 2",
        data=circle,
        hidden=(4,),
        activation="tanh",
        output_activation="tanh",
        loss="MSELoss",
        optimizer="SGD",
        lr=0.05,
        epochs=500,
        batch_size=10,
        expect=Expectation("train_accuracy", "min", 0.965),
        printed="accuracy 0.974",
        band="train accuracy .918 to .986, median .968; ≥ .965 in 12 of 20 seeds",
        seconds=35,
        seed=4,
        judge_every=10,
    ),
    Experiment(
        name="five-features",
        title="100 points of 5 features",
        source="001",
        task="binary",
        size="100 × 5",
        data=data.five_features,
        hidden=(8, 4),
        output_activation="sigmoid",
        loss="BCELoss",
        optimizer="SGD",
        lr=0.1,
        epochs=1000,
        expect=Expectation("final_loss", "max", 0.22),
        printed="loss 0.707 before training, 0.689 after 10 epochs",
        band="final loss .127 to .215, median .162, train accuracy .90 to .95; ≤ .22 in 20 of 20 seeds",
        seconds=8,
    ),
    Experiment(
        name="relu-tanh",
        title="the same points, relu(h) + tanh(h)",
        source="001",
        task="binary",
        size="100 × 5",
        data=data.five_features,
        hidden=(8, 4),
        activation="relu + tanh, then relu",
        output_activation="sigmoid",
        model=relu_and_tanh,
        loss="BCELoss",
        optimizer="SGD",
        lr=0.04,
        epochs=100,
        expect=Expectation("final_loss", "max", 0.6),
        printed="loss 0.48408 after 100 epochs; 0.68863 with relu alone",
        band="final loss .331 to .647, median .450; ≤ .6 in 19 of 20 seeds",
        seconds=4,
    ),
    Experiment(
        name="regression",
        title="linear function of 20 features",
        source="001",
        task="regression",
        size="200 × 20",
        data=data.twenty_features,
        hidden=(40, 40),
        loss="MSELoss",
        optimizer="SGD",
        lr=0.01,
        epochs=200,
        expect=Expectation("loss_ratio", "max", 0.97),
        printed="a falling curve of another loss (targets broadcast)",
        band="final loss .065 to .177, median .125, which is .70 to .963 of the first; ≤ .97 in 20 of 20 seeds",
        seconds=5,
    ),
    Experiment(
        name="quartic",
        title="the same, mean quartic error",
        source="001",
        task="regression",
        size="200 × 20",
        data=data.twenty_features,
        hidden=(40, 40),
        loss="MeanQuarticError",
        own_loss=quartic,
        optimizer="SGD",
        lr=0.01,
        epochs=200,
        expect=Expectation("loss_ratio", "max", 0.95),
        printed="a falling curve of another loss (targets broadcast)",
        band="final loss .016 to .085, median .048, which is .59 to .949 of the first; ≤ .95 in 20 of 20 seeds",
        seconds=5,
    ),
    rule(
        "and",
        "x1 > 0 and x2 > 0",
        "binary",
        ("no", "yes"),
        Expectation("train_accuracy", "min", 0.99),
        band="train accuracy .9984 to 1, median .9996; ≥ .99 in 20 of 20 seeds",
    ),
    rule(
        "or",
        "x1 > 0 or x2 > 0",
        "binary",
        ("no", "yes"),
        Expectation("train_accuracy", "min", 0.99),
        band="train accuracy .9988 to 1, median .9996; ≥ .99 in 20 of 20 seeds",
    ),
    rule(
        "xor",
        "x1·x2 > 0",
        "binary",
        ("x1·x2 <= 0", "x1·x2 > 0"),
        Expectation("train_accuracy", "min", 0.986),
        printed="loss 0.02488, accuracy 0.9980",
        band="train accuracy .830 (one seed gets stuck) to 1, median .997; ≥ .986 in 19 of 20 seeds",
        seconds=15,
        judge_every=1,
    ),
    rule(
        "stripe",
        "|x1 - x2| <= 1",
        "binary",
        ("outside", "inside"),
        Expectation("train_accuracy", "min", 0.99),
        band="train accuracy .995 to .9996, median .998; ≥ .99 in 20 of 20 seeds",
    ),
    rule(
        "square",
        "|x1| + |x2| <= 1",
        "binary",
        ("outside", "inside"),
        Expectation("train_accuracy", "min", 0.98),
        band="train accuracy .982 to .9996, median .998; ≥ .98 in 20 of 20 seeds",
    ),
    rule(
        "disc",
        "x1² + x2² <= 1",
        "binary",
        ("outside", "inside"),
        Expectation("train_accuracy", "min", 0.98),
        band="train accuracy .987 to .998, median .994; ≥ .98 in 20 of 20 seeds",
    ),
    rule(
        "squares",
        "four classes by |x1| + |x2|",
        "classes",
        FOUR,
        Expectation("train_accuracy", "min", 0.94),
        band="train accuracy .944 to .988, median .981; ≥ .94 in 20 of 20 seeds",
    ),
    rule(
        "circles",
        "four classes by (x1² + x2²)/2",
        "classes",
        FOUR,
        Expectation("train_accuracy", "min", 0.9),
        band="train accuracy .872 to .966, median .942; ≥ .9 in 18 of 20 seeds",
    ),
    rule(
        "quadrants",
        "quadrants of the plane",
        "classes",
        ("x1<0, x2<0", "x1>0, x2<0", "x1>0, x2>0", "x1<0, x2>0"),
        Expectation("train_accuracy", "min", 0.998),
        printed="loss 0.008349, accuracy 0.9984",
        band="train accuracy .996 to 1, median .999; ≥ .998 in 18 of 20 seeds",
        seconds=20,
        judge_every=1,
    ),
    rule(
        "prod",
        "regression on x1·x2/4",
        "number",
        None,
        Expectation("final_loss", "max", 0.0023),
        printed="loss 0.000740",
        band="final loss .00064 to .0038, median .0011; ≤ .0023 in 15 of 20 seeds",
        seconds=15,
        judge_every=1,
    ),
    rule(
        "sum-squares",
        "regression on (x1² + x2²)/4",
        "number",
        None,
        Expectation("final_loss", "max", 0.01),
        band="final loss .0014 to .0117, median .0043; ≤ .01 in 19 of 20 seeds",
    ),
    rule(
        "polynom",
        "regression on (x1² - 3x1·x2 - x2²)/4",
        "number",
        None,
        Expectation("final_loss", "max", 0.04),
        band="final loss .0078 to .0333, median .0147; ≤ .04 in 20 of 20 seeds",
    ),
    growing(
        1,
        "one weight: 1 to 5",
        (1, 1),
        (5.0,),
        model=one_layer(None, bias=False),
        band="final loss .00014 to .00028, median .00019; ≤ .01 in 20 of 20 seeds",
    ),
    growing(
        2,
        "one weight and ReLU",
        (1, 1),
        (5.0,),
        model=one_layer("ReLU", bias=False),
        band="≤ .01 in 13 of 20 seeds; in the others the unit is dead and the loss stays 25 (half of them, in theory)",
    ),
    growing(
        3,
        "one weight and LeakyReLU",
        (1, 1),
        (5.0,),
        model=one_layer("LeakyReLU", bias=False),
        band="final loss 5e-8 to .0023, median .00018; ≤ .01 in 20 of 20 seeds",
    ),
    growing(
        4,
        "weight, bias, LeakyReLU",
        (1, 1),
        (5.0,),
        model=one_layer("LeakyReLU", bias=True),
        band="final loss .00035 to .0026, median .00059; ≤ .01 in 20 of 20 seeds",
    ),
    growing(
        5,
        "two inputs",
        (2, 1),
        (5.0,),
        model=one_layer("LeakyReLU", bias=True),
        band="final loss .00002 to .0017, median .00058; ≤ .01 in 20 of 20 seeds",
    ),
    growing(
        6,
        "two inputs, three outputs",
        (2, 3),
        (5.0, 6.0, 7.0),
        model=one_layer("LeakyReLU", bias=True),
        band="final loss .00024 to .0029, median .00085; ≤ .01 in 20 of 20 seeds",
    ),
    growing(
        7,
        "two layers: [1, 1] to 10",
        (2, 3, 1),
        (10.0,),
        model=two_layers,
        lr=0.01,
        band="final loss 9e-8 to .0089, median .00074; ≤ .01 in 20 of 20 seeds",
    ),
    growing(
        8,
        "the same as one Sequential",
        (2, 3, 1),
        (10.0,),
        model=two_layers,
        lr=0.01,
        band="final loss 9e-8 to .0089, median .00074; ≤ .01 in 20 of 20 seeds",
    ),
    held_out(
        "iris",
        "multiclass",
        "150 × 4",
        Expectation("test_accuracy", "min", 0.94),
        band="test accuracy .947 to 1, median .974; ≥ .94 in 20 of 20 seeds",
        title="three kinds of iris",
    ),
    held_out(
        "wine",
        "multiclass",
        "178 × 13",
        Expectation("test_accuracy", "min", 0.97),
        band="test accuracy 1 in 20 of 20 seeds",
        title="three kinds of wine",
    ),
    held_out(
        "breast_cancer",
        "multiclass",
        "569 × 30",
        Expectation("test_accuracy", "min", 0.94),
        band="test accuracy .944 to .972, median .951; ≥ .94 in 20 of 20 seeds",
        title="malignant or benign",
        epochs=30,
        batch_size=32,
    ),
    held_out(
        "diabetes",
        "regression",
        "442 × 10",
        Expectation("test_loss", "max", 0.6),
        band="test loss .489 to .574, median .535; ≤ .6 in 20 of 20 seeds",
        title="progression after a year",
        loss="MSELoss",
        lr=0.003,
        epochs=30,
        batch_size=32,
    ),
)

EXPERIMENTS: dict[str, Experiment] = {experiment.name: experiment for experiment in _TABLE}
