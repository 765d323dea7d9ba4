"""How source 003's claims are measured: rules of the plane and what can go wrong with them."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from contract import Array
from docs.writers.articles.claim import Side, net, refused, steps, text
from handgrad.experiments import EXPERIMENTS, data
from handgrad.experiments.overrides import with_overrides
from handgrad.experiments.own import find
from handgrad.training.train import lattice

RULES = {
    "binary": ("and", "or", "xor", "stripe", "square", "disc"),
    "four classes": ("squares", "circles", "quadrants"),
    "regression": ("prod", "sum-squares", "polynom"),
}


def plane(_: Side) -> str:
    found = EXPERIMENTS["xor"].data(0).x_train
    return f"{found.shape}, from {found.min():.3f} to {found.max():.3f}, {found.dtype}"


def shares(_: Side) -> str:
    """Over 20 seeds, so of 50,000 points."""
    found = [f"{n} {np.mean([EXPERIMENTS[n].data(s).y_train.mean() for s in range(20)]):.3f}" for n in RULES["binary"]]
    return ", ".join(found)


def classes(_: Side) -> str:
    found = []
    for name in RULES["four classes"]:
        labels = np.concatenate([EXPERIMENTS[name].data(seed).y_train for seed in range(20)])
        found.append(f"{name} {text(np.bincount(labels.astype(int)) / len(labels), 3)}")
    return "; ".join(found)


def numbers(_: Side) -> str:
    found = []
    for name in RULES["regression"]:
        y = np.concatenate([EXPERIMENTS[name].data(seed).y_train for seed in range(20)])
        found.append(f"{name} from {y.min():.2f} to {y.max():.2f}, sd {y.std():.3f}")
    return "; ".join(found)


def kinds(_: Side) -> str:
    found = {n: EXPERIMENTS[n].data(0).y_train for n in ("xor", "quadrants", "prod")}
    return "; ".join(f"{name} {y.shape} {y.dtype}" for name, y in found.items())


def small_sample(side: Side) -> str:
    """The net's outputs are as many as there are classes, not as many as the sample happens to hold."""
    recipe = EXPERIMENTS["circles"]
    labels = data.circles_rule(np.full((4, 2), 0.1))
    outputs = net(side, (2, *recipe.hidden, len(recipe.data(0).classes or ()))).forward(np.zeros((1, 2))).shape[1]
    return f"a sample of {len(set(labels.tolist()))} class, {outputs} outputs"


def the_ray(side: Side) -> str:
    point = np.array([[-1.0, 0.0]])
    by_formula = int(2 * (np.arctan2(point[0, 1], point[0, 0]) / np.pi + 1))
    here = data.quadrants_rule(point)
    loss = side.CrossEntropyLoss()
    words = refused(lambda: loss.forward(np.zeros((1, 4)), np.array([by_formula])))
    return f"formula {by_formula}, here {here[0]}; {words}"


def unknown(_: Side) -> str:
    return refused(lambda: find("triangle")).split("; ")[-1]


def grid(side: Side) -> str:
    x = EXPERIMENTS["xor"].data(0).x_train
    points = lattice(x)
    inside = ((points >= x.min(0)) & (points <= x.max(0))).all(axis=1).mean()
    outputs = net(side, (2, 6, 1)).forward(points)
    return f"{len(points):,} points, outputs {outputs.shape}; {inside:.2f} of them inside of the data's range"


def shapes(side: Side) -> str:
    model = net(side, (2, 3, 5, 6))
    return ", ".join(
        f"{name.removeprefix('layers.')} {parameter.shape}" for name, parameter in model.named_parameters()
    )


def _count(module: Any) -> int:
    return len(list(module.named_parameters()))


def in_a_list(side: Side) -> str:
    """Layers in a plain list are no attributes that a module walks; `Sequential` is."""
    layers = [side.Linear(a, b, dtype=np.float64, rng=0) for a, b in pairwise((2, 3, 1))]
    holder = side.Sequential()
    target = holder if side.__name__ == "scratch" else holder.module
    target.kept = [layer if side.__name__ == "scratch" else layer.module for layer in layers]
    whole = side.Sequential(*layers)
    return f"in a list {_count(holder)} parameters, in Sequential {_count(whole)}"


def trained(side: Side) -> str:
    """One weight of the xor net as drawn and after 25 steps of full batches."""
    found = EXPERIMENTS["xor"].data(0)
    model, loss = net(side, (2, 6, 1)), side.BCEWithLogitsLoss()
    weight = dict(model.named_parameters())["layers.0.weight"]
    drawn = float(weight.data[0, 0])
    steps(side, model, loss, side.Adam(model.parameters(), lr=0.01), found.x_train, found.y_train, 25)
    return f"first weight {drawn:.4f} as drawn, {float(weight.data[0, 0]):.4f} after 25 steps"


def pair(side: Side) -> str:
    """Accuracy on the quadrants for three activations and two widths, after 60 steps of full batches."""
    found, accuracies = EXPERIMENTS["quadrants"].data(0), []
    for activation in ("sigmoid", "tanh", "relu"):
        for width in (2, 8):
            model = net(side, (2, width, 4), activation)
            optimizer = side.Adam(model.parameters(), lr=0.05)
            steps(side, model, side.CrossEntropyLoss(), optimizer, found.x_train, found.y_train, 60)
            right = model.forward(found.x_train).argmax(axis=1) == found.y_train
            accuracies.append(f"{activation} {width}: {right.mean():.3f}")
    return ", ".join(accuracies)


def initial(side: Side) -> str:
    """Of a layer of six inputs: the standard deviation of the default draw."""
    weight = side.Linear(6, 2000, dtype=np.float64, rng=0).weight.data
    return f"standard deviation {weight.std():.4f}, largest {np.abs(weight).max():.4f} = 1/√6 at most"


def options(side: Side) -> str:
    names = ("sigmoid", "tanh", "relu", "softmax", "identity")
    optimizers = ("SGD", "Adam", "RMSprop", "Adagrad")
    there = all(name in side.ACTIVATIONS for name in names) and all(hasattr(side, name) for name in optimizers)
    return f"{len(names)} activations and {len(optimizers)} optimizers are there: {there}"


def points(_: Side) -> str:
    made = [with_overrides(EXPERIMENTS["xor"], {"points": n}).data(0).x_train for n in (500, 2500)]
    return f"--points 500 gives {made[0].shape}, the first of the 2500: {bool((made[0] == made[1][:500]).all())}"


def momentum(side: Side) -> str:
    """One step of lr 0.1 after a gradient of 1 that the buffer remembers."""
    recipe = with_overrides(EXPERIMENTS["xor"], {"optimizer": "SGD", "momentum": 0.9, "lr": 0.1})
    weight = side.Parameter(np.zeros(1))
    optimizer = side.SGD([weight], lr=recipe.lr, **recipe.optimizer_options)
    for _ in range(2):
        weight.grad = np.ones(1)
        optimizer.step()
    return f"two steps of --optimizer sgd --momentum 0.9 --lr 0.1 go {-float(weight.data[0]):.2f} = 0.1 (1 + 1.9)"


def pre_activation(side: Side) -> str:
    """The loss takes the net's logits; sigmoid and softmax are for looking at them."""
    x = np.random.default_rng(0).standard_normal((5, 2))
    logits: Array = net(side, (2, 6, 4)).forward(x)
    one: Callable[[Array], Array] = side.Softmax(dim=1).forward
    target = np.array([0, 1, 2, 3, 0])
    log_likelihood = -np.log(one(logits)[np.arange(5), target]).mean()
    off = abs(float(side.CrossEntropyLoss().forward(logits, target)) - log_likelihood)
    return f"cross-entropy of logits = −mean log softmax within 1e-14: {off < 1e-14}"
