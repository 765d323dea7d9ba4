"""The claims of source 002: a strip and a circle, beside a hand-written net."""

import warnings
from typing import Any

import numpy as np

from docs.writers.articles.claim import Claim, Side, net, steps, text
from handgrad.experiments.data import circle, line
from handgrad.training.train import lattice

EXPERIMENTS_PAGE = "experiments.md"


def strip(_: Side) -> str:
    shares = [float(line(seed).y_train[:, 0].mean()) for seed in range(20)]
    return (
        f"x {line(0).x_train.shape}, y {line(0).y_train.shape}; share below the line {np.mean(shares):.3f} "
        f"(20 seeds; exact .755)"
    )


def shape(side: Side) -> str:
    model = net(side, (2, 5, 2), "relu", "sigmoid")
    return f"prediction {model.forward(line(0).x_train).shape}; {len(list(model.parameters()))} parameters"


def point_by_point(side: Side) -> str:
    """One call for each point of a coarse grid, against one call for all."""
    model = net(side, (2, 5, 2), "relu", "sigmoid")
    grid = np.stack(np.meshgrid(np.arange(0, 1, 0.05), np.arange(0, 1, 0.05)), axis=-1).reshape(-1, 2)
    singly = np.stack([model.forward(point) for point in grid])
    off = np.abs(singly - model.forward(grid)).max()
    return (
        f"{len(grid)} single calls, output {model.forward(grid[0]).shape}; apart from one batch by less than "
        f"1e-14: {off < 1e-14}"
    )


def one_or_many(side: Side) -> str:
    layer = side.Linear(2, 3, dtype=np.float64, rng=0)
    return f"one sample: {layer.forward(np.ones(2)).shape}, a batch: {layer.forward(np.ones((7, 2))).shape}"


def disc(_: Side) -> str:
    found = circle(0)
    y = found.y_train
    kinds = sorted(set(y.ravel().tolist()))
    return f"x {found.x_train.shape}, targets {kinds} of shape {y.shape}; share inside {(y > 0).mean():.3f} (area .503)"


def convention(side: Side) -> str:
    rng = np.random.default_rng(0)
    output, target = rng.random((100, 2)), rng.random((100, 2))
    gradients = []
    for loss in (side.MSELoss(), side.HalfSquaredError(), side.HalfSquaredError(reduction="sum")):
        loss.forward(output, target)
        gradients.append(loss.backward())
    mean, half_mean, half_sum = (float(gradient[0, 0] / (output - target)[0, 0]) for gradient in gradients)
    return (
        f"gradient / (y − t): MSELoss {mean:.4g}, ½‖y − t‖² averaged {half_mean:.4g}, summed {half_sum:.4g} "
        f"(N = 100, C = 2)"
    )


def same_path(side: Side) -> str:
    """lr 1 on MSELoss is lr 1 on the batch mean of the text's loss, and lr 0.01 on its sum, for two outputs."""
    data, ends = line(0), []
    for name, options, rate in (
        ("MSELoss", {}, 1.0), ("HalfSquaredError", {}, 1.0), ("HalfSquaredError", {"reduction": "sum"}, 0.01),
    ):  # fmt: skip
        model = net(side, (2, 5, 2), "relu", "sigmoid")
        optimizer = side.SGD(model.parameters(), lr=rate)
        steps(side, model, getattr(side, name)(**options), optimizer, data.x_train, data.y_train, 50)
        ends.append(model.forward(data.x_train))
    apart = max(float(np.abs(end - ends[0]).max()) for end in ends[1:])
    return f"after 50 epochs the three nets' outputs agree within 1e-10: {apart < 1e-10}"


def epoch_loss(side: Side) -> str:
    """The sum of 100 batch means over 1000 points, which is a tenth of their mean."""
    data = circle(0)
    model = net(side, (2, 4, 1), "tanh", "tanh")
    loss = side.MSELoss()
    batches = [slice(i, i + 10) for i in range(0, 1000, 10)]
    means = [float(loss.forward(model.forward(data.x_train[b]), data.y_train[b])) for b in batches]
    return f"untrained: {sum(means) / 1000:.4f} as in the source, {np.mean(means):.4f} as a mean"


def sign(side: Side) -> str:
    """Outputs are arrays on both sides of the contract, so np.sign warns about neither."""
    output: Any = net(side, (2, 4, 1), "tanh", "tanh").forward(circle(0).x_train)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        signs = np.sign(output)
    return f"np.sign of a {type(output).__name__}: no warning, values {sorted(set(signs.ravel().tolist()))}"


def targets(side: Side) -> str:
    """tanh with targets ±1 and sigmoid with 0 and 1, from two starts: one gets stuck with either, one does not."""
    data, found = circle(0), []
    for seed in (0, 1):
        for output, goal, middle in (("tanh", data.y_train, 0.0), ("sigmoid", (data.y_train + 1) / 2, 0.5)):
            model = net(side, (2, 4, 1), "tanh", output, seed)
            optimizer = side.Adam(model.parameters(), lr=0.03)
            for start in [*range(0, 1000, 50)] * 30:
                batch = slice(start, start + 50)
                steps(side, model, side.MSELoss(), optimizer, data.x_train[batch], goal[batch], 1)
            right = (model.forward(data.x_train) > middle) == (data.y_train > 0)
            found.append(f"{output} {right.mean():.3f}")
    return f"accuracy after 30 epochs of Adam: {', '.join(found[:2])} from seed 0; {', '.join(found[2:])} from seed 1"


def before_after(side: Side) -> str:
    """The share of the grid on which the answer is "below the line", untrained and trained."""
    data = line(0)
    model = net(side, (2, 5, 2), "relu", "sigmoid")
    grid = lattice(data.x_train)
    shares = []
    for count in (0, 500):
        steps(side, model, side.MSELoss(), side.SGD(model.parameters(), lr=1.0), data.x_train, data.y_train, count)
        shares.append(float((model.forward(grid).argmax(axis=1) == 0).mean()))
    return f"share of {len(grid):,} grid points answered with class 0: {text(shares, 3)}"


CLAIMS = {
    "strip": Claim(
        shows="100 points of the unit square, split by x0 − x1 < 0.3, one-hot targets; drawn with the line",
        measure=strip,
        see=("handgrad compare line",),
        cannot="its points are unseeded; ours are of the run's seed",
    ),
    "net-2-5-2": Claim(
        shows="2-5-2 with ReLU and a sigmoid on both outputs",
        printed="shape [100, 2]",
        measure=shape,
        see=("handgrad compare line",),
    ),
    "boundary": Claim(
        shows="decision regions before and after training",
        measure=before_after,
        see=("handgrad compare line", "pictures.md"),
    ),
    "line": Claim(
        shows="500 epochs at lr 1: loss curve, accuracy",
        experiments=("line",),
        band="one of 20 seeds stuck at .72 in plain PyTorch",
        see=("handgrad compare line --seeds 20",),
    ),
    "disc": Claim(
        shows="1000 points in or out of a circle, targets ±1", measure=disc, see=("handgrad compare circle",)
    ),
    "circle": Claim(
        shows="2-4-1, tanh twice, batches of 10 in order, 500 epochs; data, boundary and loss drawn",
        experiments=("circle",),
        see=("handgrad compare circle",),
    ),
    "stateless": Claim(
        shows="a hand-written net: layers hold gradients, sigmoid and ReLU hold nothing, one sample at a time",
        measure=one_or_many,
        see=("dictionary/Linear.md", "dictionary/ReLU.md"),
        cannot=(
            "the companion notebook itself is not to be found; every op here remembers what its backward needs, "
            "and takes batches"
        ),
    ),
    "loss-convention": Claim(
        shows="text ½(y − t)², code MSELoss: other gradients",
        measure=convention,
        see=("dictionary/HalfSquaredError.md", "dictionary/MSELoss.md"),
        trap=True,
    ),
    "loss-rates": Claim(
        shows="which learning rates make the two one training",
        measure=same_path,
        see=("dictionary/HalfSquaredError.md",),
        trap=True,
    ),
    "epoch-loss": Claim(
        shows="the circle's epoch loss is a tenth of the mean batch loss",
        printed="about 0.10 at the start",
        band=".1003 to .1020",
        measure=epoch_loss,
        see=(EXPERIMENTS_PAGE,),
        trap=True,
    ),
    "sign": Claim(
        shows="np.sign of a torch tensor warns under NumPy 2",
        measure=sign,
        see=("../contract/protocols.py",),
        trap=True,
    ),
    "grid-calls": Claim(
        shows="a grid point by point or as one batch differs in the last digits",
        printed="10,000 single calls",
        measure=point_by_point,
        see=("handgrad compare line --dtype float64",),
        trap=True,
    ),
    "targets": Claim(
        shows="tanh with ±1 against sigmoid with 0 and 1",
        measure=targets,
        see=("handgrad compare circle", "handgrad compare disc"),
    ),
}
