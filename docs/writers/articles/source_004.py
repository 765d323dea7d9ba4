"""The claims of source 004: a net that grows from one weight, trained on one point."""

from typing import Any

import numpy as np

from docs.writers.articles.claim import Claim, Side, refused, steps, text
from handgrad.experiments import EXPERIMENTS
from handgrad.training.sides import build
from scratch.flags import product

LOOK, EXPERIMENTS_PAGE = "introspection.md", "experiments.md"
RUNS = 1000  # seeds of the dead unit


def key(side: Side) -> str:
    return "scratch" if side.__name__ == "scratch" else "torch"


def momentum(side: Side, model: Any, lr: float = 0.1) -> Any:
    return side.SGD(model.parameters(), lr=lr, momentum=0.9)


def flags(side: Side) -> str:
    model = side.Sequential(side.Linear(2, 3, rng=0), side.Linear(3, 1, rng=1), side.LeakyReLU())
    return f"training {model.training}, after eval() {model.eval().training}, after train() {model.train().training}"


def leaky(side: Side) -> str:
    return text(side.LeakyReLU().forward(np.array([-1.0, 5.0])))


def around_step(side: Side) -> str:
    model = side.Linear(2, 1, dtype=np.float64, rng=0)
    loss, optimizer, x, y = side.MSELoss(), momentum(side, model), np.ones((1, 2)), np.full((1, 1), 5.0)
    loss.forward(model.forward(x), y)
    model.backward(loss.backward())
    before = model.weight.grad.copy()
    optimizer.step()
    return f"{text(before)} before the step, {text(model.weight.grad)} after it"


def groups(side: Side) -> str:
    """The options that both sides have; torch's own (foreach, fused …) choose an implementation."""
    model = side.Linear(2, 1, rng=0)
    group = momentum(side, model, 0.01).param_groups[0]
    names = ("lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize")
    more = sorted(set(group) - {*names, "params"})
    text_of = ", ".join(f"{name} {group[name]}" for name in names)
    return f"{text_of}; and {', '.join(more) or 'nothing else'}"


def one_target(side: Side) -> str:
    """One target for three outputs, spread by the caller: equal to a target for each."""
    losses = []
    for goal in (np.full((1, 3), 5.0), np.broadcast_to(np.array([[5.0]]), (1, 3))):
        model = side.Linear(2, 3, dtype=np.float64, rng=0)
        losses.append(steps(side, model, side.MSELoss(), momentum(side, model), np.ones((1, 2)), goal.copy(), 100)[-1])
    loss = side.MSELoss()
    words = refused(lambda: loss.forward(np.zeros((1, 3)), np.array([[5.0]])))
    single = float(loss.forward(np.zeros((1, 3)), np.array(5.0)))
    return f"spread by you, the same ({losses[0] == losses[1]}); one number gives {single:g}; left to the loss: {words}"


def row_vectors(side: Side) -> str:
    model = side.Linear(2, 3, dtype=np.float64, rng=0)
    x = np.array([1.0, 2.0])
    off = np.abs(model.forward(x) - (product(model.weight.data, x) + model.bias.data)).max()
    return f"x Wᵀ + b of a row is W x + b of a column: apart {off:.0e}"


def dead(side: Side) -> str:
    counts = []
    for activation in ("ReLU", "LeakyReLU"):
        count = 0
        for seed in range(RUNS):
            model = side.Sequential(
                side.Linear(1, 1, bias=False, dtype=np.float64, rng=seed), getattr(side, activation)()
            )
            loss = side.MSELoss()
            loss.forward(model.forward(np.ones((1, 1))), np.full((1, 1), 5.0))
            model.backward(loss.backward())
            count += not dict(model.named_parameters())["0.weight"].grad.any()
        counts.append(count)
    return f"{counts[0]} of {RUNS} start dead with ReLU, {counts[1]} of {RUNS} with LeakyReLU"


def endings(side: Side) -> str:
    """The last outputs of the nets that grow, as the experiments build them, seed 0."""
    found = []
    for number in range(1, 9):
        recipe = EXPERIMENTS[f"grow-{number}"]
        data = recipe.data(0)
        trainer = build(key(side), recipe, data)
        x, y = (trainer.asarray(array.astype(np.float32)) for array in (data.x_train, data.y_train))
        for _ in range(100):
            trainer.step(x, y)
        found.append(text(trainer.model.forward(data.x_train.astype(np.float32)).ravel(), 3))
    return ", ".join(found)


def wrong_input(side: Side) -> str:
    model = side.Linear(1, 1, rng=0)
    return refused(lambda: model.forward(np.ones(2, np.float32)))


def unbatched(side: Side) -> str:
    model = side.Linear(2, 3, dtype=np.float64, rng=0)
    one, batch = model.forward(np.ones(2)), model.forward(np.ones((1, 2)))
    return f"{one.shape} for one sample, {batch.shape} for a batch of one; equal: {bool((one == batch[0]).all())}"


def stacked(side: Side) -> str:
    inner, outer = (side.Linear(*sizes, dtype=np.float64, rng=0) for sizes in ((2, 3), (3, 1)))
    x = np.random.default_rng(0).standard_normal((5, 2))
    weight = product(outer.weight.data, inner.weight.data)
    bias = product(outer.weight.data, inner.bias.data) + outer.bias.data
    off = np.abs(side.Sequential(inner, outer).forward(x) - (product(x, weight.T) + bias)).max()
    return f"two layers, one weight {weight.shape}: the same within 1e-14: {off < 1e-14}"


def overshoot(side: Side) -> str:
    """One weight's error under momentum: e_{k+1} = (1 + μ − 2 lr) e_k − μ e_{k−1}, which swings around 0."""
    model = side.Linear(1, 1, bias=False, dtype=np.float64, rng=0)
    weight = dict(model.named_parameters())["weight"]
    optimizer, path = momentum(side, model), [float(weight.data[0, 0]) - 5]
    for _ in range(20):
        steps(side, model, side.MSELoss(), optimizer, np.ones((1, 1)), np.full((1, 1), 5.0), 1)
        path.append(float(weight.data[0, 0]) - 5)
    form = [path[0], (1 - 0.2) * path[0]]
    for _ in range(19):
        form.append((1 + 0.9 - 0.2) * form[-1] - 0.9 * form[-2])
    off = max(abs(a - b) for a, b in zip(path, form, strict=True))
    return f"beyond 5 by {max(path):.3f} after {int(np.argmax(path))} steps; closed form within 1e-12: {off < 1e-12}"


GROWN = tuple(f"grow-{number}" for number in range(1, 9))
CLAIMS = {
    "grown": Claim(
        shows="eight nets from one weight to two layers, 100 steps with momentum 0.9",
        experiments=GROWN,
        see=("handgrad compare grow-1", "handgrad compare grow-8"),
    ),
    "train-eval": Claim(shows="train() and eval()", measure=flags, see=(LOOK,)),
    "leaky": Claim(shows="leaky_relu of −1 and 5", printed="−0.01, 5", measure=leaky, see=("dictionary/LeakyReLU.md",)),
    "grads": Claim(
        shows="gradients before and after the step",
        printed="equal: a step touches no gradient",
        measure=around_step,
        see=(LOOK,),
    ),
    "groups": Claim(
        shows="the optimizer's groups",
        band="lr .01, momentum .9, dampening 0, weight_decay 0, nesterov and maximize False",
        measure=groups,
        differs="torch has more options, which choose an implementation and no result",
        see=(LOOK, "dictionary/SGD.md"),
    ),
    "one-target": Claim(
        shows="one target for all outputs or one each",
        measure=one_target,
        see=("dictionary/MSELoss.md", "handgrad compare grow-6"),
        cannot="a target with axes is not spread silently (see 001's trap); a single number, of shape (), is",
    ),
    "rows": Claim(shows="rows xᵀw against columns wᵀx", measure=row_vectors, see=("dictionary/Linear.md",)),
    "dead": Claim(
        shows="a ReLU that is dead from the start: no update in some runs",
        printed="some runs",
        band="95 of 200 dead in plain PyTorch (½ in theory), 0 of 200 leaky",
        measure=dead,
        see=("handgrad sweep dead-relu", "sweep.md", "handgrad compare grow-2 --seed 2"),
    ),
    "endings": Claim(
        shows="what each net answers at the end",
        band="plain PyTorch, seed 0: 5.0143, 0 (dead), 5.0034, 5.0234, 5.0332, [5.013, 6.054, 6.953], 10.041",
        measure=endings,
        see=("handgrad compare grow-6",),
        cannot="its answers are of unseeded weights",
    ),
    "wrong-input": Claim(
        shows="two numbers into a net of one input",
        printed="RuntimeError: mat1 and mat2 shapes cannot be multiplied (1x2 and 1x1)",
        measure=wrong_input,
        see=(EXPERIMENTS_PAGE,),
        trap=True,
    ),
    "unbatched": Claim(shows="one sample without a batch", measure=unbatched, see=("dictionary/Linear.md",), trap=True),
    "stacked": Claim(
        shows="two linear layers with nothing between are one",
        measure=stacked,
        see=("handgrad compare grow-7",),
        trap=True,
    ),
    "figures": Claim(
        shows="a list of the nets and figures",
        see=("handgrad list", "handgrad compare grow-1"),
        trap=True,
        cannot=(
            "both are missing in the stored text; the nets were read from its code, and the report draws each "
            "run's curves"
        ),
    ),
}
