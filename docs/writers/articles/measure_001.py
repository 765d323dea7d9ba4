"""How source 001's claims are measured: small nets of five features and of twenty."""

from typing import Any

import numpy as np

from docs.writers.articles.claim import Side, net, refused, steps, text
from handgrad.experiments.data import five_features, twenty_features
from handgrad.experiments.table import relu_and_tanh
from scratch.flags import product

FIVE = five_features(0)
SIZES = (5, 8, 4, 1)
LISTED = {
    "losses": ("BCELoss", "CrossEntropyLoss", "MSELoss", "L1Loss", "SmoothL1Loss", "NLLLoss", "KLDivLoss"),
    "optimizers": ("SGD", "Adam", "Adadelta", "Adagrad", "SparseAdam", "LBFGS", "RMSprop"),
}


def probabilities(side: Side, seed: int = 0) -> Any:
    return net(side, SIZES, "relu", "sigmoid", seed)


def data(_: Side) -> str:
    return f"x {FIVE.x_train.shape}, y {FIVE.y_train.shape}, mean(y) = {FIVE.y_train.mean():.2f}"


def untrained(side: Side) -> str:
    found = probabilities(side).forward(FIVE.x_train)
    return f"first ten {text(found[:10, 0])}; all from {found.min():.3f} to {found.max():.3f}"


def hidden_gradient(side: Side) -> str:
    """The seed is the first from 0 on with a unit of the second hidden layer that is off for all points."""
    for seed in range(100):
        model, loss = probabilities(side, seed), side.BCELoss()
        weight = dict(model.named_parameters())["layers.2.weight"]
        before = weight.grad
        loss.forward(model.forward(FIVE.x_train), FIVE.y_train)
        model.backward(loss.backward())
        off = np.flatnonzero(~weight.grad.any(axis=1))
        if len(off):
            return f"{before} before; then {weight.grad.shape}, row {off[0]} all zeros (seed {seed})"
    raise AssertionError("no seed has a dead unit")


def one_step(side: Side) -> str:
    model = probabilities(side)
    weight = dict(model.named_parameters())["layers.2.weight"]
    start = weight.data.copy()
    loss = side.BCELoss()
    loss.forward(model.forward(FIVE.x_train), FIVE.y_train)
    model.backward(loss.backward())
    gradient = weight.grad.copy()
    side.SGD(model.parameters(), lr=0.1).step()
    off = np.abs(weight.data - (start - 0.1 * gradient)).max()
    entry = f"w {start[0, 0]:.6f}, g {gradient[0, 0]:.6f}, w′ {weight.data[0, 0]:.6f}"
    return f"{entry}; w′ − (w − 0.1 g) is at most {off:.0e} over all 32"


def ten_epochs(side: Side) -> str:
    model = probabilities(side)
    losses = steps(side, model, side.BCELoss(), side.SGD(model.parameters(), lr=0.1), FIVE.x_train, FIVE.y_train, 10)
    return " ".join(f"{loss:.3f}" for loss in losses)


def bars(side: Side) -> str:
    """How sure the net is of the right class, before training and after each 40 of 200 epochs."""
    sure: list[float] = []
    model = probabilities(side)
    optimizer = side.SGD(model.parameters(), lr=0.1)
    for _ in range(6):
        found = model.forward(FIVE.x_train)
        sure.append(float(np.where(FIVE.y_train > 0.5, found, 1 - found).mean()))
        steps(side, model, side.BCELoss(), optimizer, FIVE.x_train, FIVE.y_train, 40)
    return f"mean probability of the right class every 40 epochs: {text(sure, 3)}"


def lower_rate(side: Side) -> str:
    model = probabilities(side)
    losses = steps(side, model, side.BCELoss(), side.SGD(model.parameters(), lr=0.04), FIVE.x_train, FIVE.y_train, 800)
    found = model.forward(FIVE.x_train)
    return f"loss {losses[-1]:.3f}, accuracy {((found > 0.5) == (FIVE.y_train > 0.5)).mean():.2f}"


def funky_and_plain(side: Side) -> str:
    made: dict[str, list[float]] = {"relu + tanh": [], "relu": []}
    for seed in range(5):
        options = {"dtype": np.float64, "rng": np.random.default_rng(seed)}
        for name, model in (("relu + tanh", relu_and_tanh(side, SIZES, options)), ("relu", probabilities(side, seed))):
            optimizer = side.SGD(model.parameters(), lr=0.04)
            losses = steps(side, model, side.BCELoss(), optimizer, FIVE.x_train, FIVE.y_train, 100)
            made[name].append(losses[-1])
    return "; ".join(f"{name} {text(losses, 3)}" for name, losses in made.items()) + " for seeds 0 to 4"


def device(side: Side) -> str:
    return f"parameters live on: {getattr(probabilities(side), 'device', 'cpu')}"


def backward_twice(side: Side) -> str:
    model = probabilities(side)
    output = model.forward(FIVE.x_train)
    bias = dict(model.named_parameters())["layers.4.bias"]
    sums = []
    for _ in range(2):
        model.backward(np.ones_like(output))
        sums.append(float(bias.grad[0]))
    return f"backward twice after one forward is accepted and adds: {sums[0]:.4f}, {sums[1]:.4f}"


def shown(side: Side) -> str:
    return repr(probabilities(side)).replace("\n", " ").replace("  ", " ")


def dense(_: Side) -> str:
    found = twenty_features(0)
    peak = f"max x {found.x_train.max():g}, min {found.x_train.min():.2f}; max y {found.y_train.max():g}"
    return f"x {found.x_train.shape}, y {found.y_train.shape}; {peak}"


def listed(side: Side) -> str:
    """Each loss of one prediction, and whether a step of each optimizer brings a loss down."""
    p, classes = np.array([[0.2, 0.7, 0.1], [0.5, 0.3, 0.2]]), np.array([1, 0])
    true = np.eye(3)[classes]
    arrays = {"CrossEntropyLoss": (np.log(p), classes), "NLLLoss": (np.log(p), classes), "KLDivLoss": (np.log(p), true)}
    batch_mean = {"KLDivLoss": {"reduction": "batchmean"}}
    values = [
        float(getattr(side, name)(**batch_mean.get(name, {})).forward(*arrays.get(name, (p, true))))
        for name in LISTED["losses"]
    ]
    fell = [name for name in LISTED["optimizers"] if _falls(side, name)]
    return f"losses {text(values)}; a step brings the loss down: {', '.join(fell)}"


def _falls(side: Side, name: str) -> bool:
    """Whether one step of the optimizer moves row 0 of a table nearer to 0."""
    table = side.Embedding(2, 3, sparse=name == "SparseAdam", dtype=np.float64, rng=0)
    loss, optimizer = side.MSELoss(), getattr(side, name)(table.parameters(), lr=0.01)

    def evaluate() -> float:
        optimizer.zero_grad()
        value = float(loss.forward(table.forward(np.array([0])), np.zeros((1, 3))))
        table.backward(loss.backward())
        return value

    before = evaluate()
    optimizer.step(evaluate) if name == "LBFGS" else optimizer.step()
    return evaluate() < before


def five_steps(side: Side) -> str:
    """The step that `Trainer` makes, written out, against the trainer's."""
    x, y = FIVE.x_train, FIVE.y_train
    by_hand, by_trainer = probabilities(side), probabilities(side)
    steps(side, by_trainer, side.BCELoss(), side.SGD(by_trainer.parameters(), lr=0.1), x, y, 1)
    loss, optimizer = side.BCELoss(), side.SGD(by_hand.parameters(), lr=0.1)
    optimizer.zero_grad()
    output = by_hand.forward(x)
    loss.forward(output, y)
    by_hand.backward(loss.backward())
    optimizer.step()
    ours, theirs = by_hand.state_dict(), by_trainer.state_dict()
    equal = all((ours[name] == theirs[name]).all() for name in ours)
    return "zero_grad, forward, loss, backward, step: the trainer's weights bit for bit" if equal else "other weights"


def small_net(side: Side) -> str:
    """3-5-1 with sigmoids, weights from N(0, 1): its W1 is (in, out), which is our weight transposed."""
    rng = np.random.default_rng(7)
    features, W1, W2, B1, B2 = (rng.standard_normal(shape) for shape in ((1, 3), (3, 5), (5, 1), (1, 5), (1, 1)))
    model = net(side, (3, 5, 1), "sigmoid", "sigmoid")
    names = ("layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias")
    model.load_state_dict(dict(zip(names, (W1.T, B1[0], W2.T, B2[0]), strict=True)))

    def sigmoid(z: Any) -> Any:
        return 1 / (1 + np.exp(-z))

    output, transposed = model.forward(features), sigmoid(product(sigmoid(product(features, W1) + B1), W2) + B2)
    same = np.abs(output - transposed).max() < 1e-15
    return f"output {output[0, 0]:.4f}; with (in, out) weights the same within 1e-15: {same}"


def unequal_shapes(side: Side) -> str:
    loss = side.MSELoss()
    return refused(lambda: loss.forward(np.zeros((200, 1)), np.zeros(200)))


def spread(side: Side) -> str:
    """The wrong objective of source 001, written out on purpose: outputs (200, 1) against targets (1, 200)."""
    found = twenty_features(0)
    ends = []
    for wrong in (False, True):
        model, loss = net(side, (20, 40, 40, 1)), side.MSELoss()
        optimizer = side.SGD(model.parameters(), lr=0.01)
        # The mean over all pairs (i, j) of (o_i − t_j)² has the gradient of (o_i − mean(t))²
        goal = np.full_like(found.y_train, found.y_train.mean()) if wrong else found.y_train
        steps(side, model, loss, optimizer, found.x_train, goal, 200)
        ends.append(float(loss.forward(model.forward(found.x_train), found.y_train)))
    return (
        f"true MSE after 200 epochs {ends[1]:.4f} as there, {ends[0]:.4f} with equal shapes; var(y) "
        f"{found.y_train.var():.4f}"
    )


def unreduced(side: Side) -> str:
    loss = side.BCELoss()
    return refused(lambda: loss.forward(np.full((100, 1), 0.5), np.zeros(100)))


def positional(_: Side) -> str:
    from sklearn.datasets import make_regression

    return refused(lambda: make_regression(200, 20, 20, 1, noise=0.01)).split("But")[0]


def epochs(_: Side) -> str:
    """With batches an epoch is as many of the five steps as there are batches."""
    from dataclasses import replace

    from handgrad.experiments import EXPERIMENTS
    from handgrad.training.train import prepare

    recipe = EXPERIMENTS["five-features"]
    counts = [prepare(replace(recipe, batch_size=size)).steps_per_epoch for size in (None, 20)]
    return f"{counts[0]} step per epoch with all 100 points in a batch, {counts[1]} with 20"
