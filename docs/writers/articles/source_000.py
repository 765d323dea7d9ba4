"""The claims of source 000: one layer of two inputs and two classes, looked into."""

from typing import Any

import numpy as np

from contract import Array
from docs.writers.articles.claim import Claim, Side, refused, text
from handgrad.experiments.data import moons
from scratch.flags import product

W = np.array([[-0.7289, 2.0885], [-0.7081, -0.0942]])
B = np.array([-0.3124, -0.0223])
X = np.array([[0.8958, -0.0290], [0.8017, -0.5530], [-0.3895, 1.6482], [0.2550, -1.1994], [0.2616, -0.5097]])
PRINTED = np.array([[0.4080, 0.5920], [0.1804, 0.8196], [0.9650, 0.0350], [0.0515, 0.9485], [0.1965, 0.8035]])
LOOK = "introspection.md"


def layer(side: Side) -> Any:
    """softmax(x Wᵀ + b) with the weights that the source printed."""
    model = side.Sequential(side.Linear(2, 2, dtype=np.float64, rng=0), side.Softmax(dim=1))
    model.load_state_dict({"0.weight": W, "0.bias": B})
    return model


def gradients(side: Side, upstream: Array | None = None, times: int = 1) -> tuple[Any, Any]:
    """The layer and its weight's parameter after `times` backward passes of an upstream gradient."""
    model = layer(side)
    upstream = np.random.default_rng(0).standard_normal((5, 2)) if upstream is None else upstream
    for _ in range(times):
        model.forward(X)
        model.backward(upstream)
    return model, dict(model.named_parameters())["0.weight"]


def data(_: Side) -> str:
    x, y = moons(0).x_train, moons(0).y_train
    return f"X[0] = {text(x[0], 8)}; first ten labels {''.join(map(str, y[:10]))}; {moons(0).arrays()['x_test'].dtype}"


def split(_: Side) -> str:
    found = moons(0)
    labels = [y for y in (found.y_train, found.y_val, found.y_test) if y is not None]
    return f"{' / '.join(str(len(y)) for y in labels)} rows, {' / '.join(str(int(y.sum())) for y in labels)} of class 1"


def rows(side: Side) -> str:
    found = layer(side).forward(X)
    return f"{text(found)}; at most {np.abs(found - PRINTED).max():.1e} from the printed"


def convention(side: Side) -> str:
    model = side.Linear(2, 3, dtype=np.float64, rng=0)
    x = np.eye(2)
    off = np.abs(model.forward(x) - (product(x, model.weight.data.T) + model.bias.data)).max()
    return f"weight {model.weight.shape} = (out, in), bias {model.bias.shape}; y − (x Wᵀ + b) = {off:g}"


def before(side: Side) -> str:
    return ", ".join(f"{name}.grad = {parameter.grad}" for name, parameter in layer(side).named_parameters())


def upstream(side: Side) -> str:
    model, weight = gradients(side)
    return f"weight {text(weight.grad)}, bias {text(dict(model.named_parameters())['0.bias'].grad)}"


def invariant(side: Side) -> str:
    worst = 0.0
    for seed in range(20):
        _, weight = gradients(side, np.random.default_rng(seed).standard_normal((5, 2)))
        worst = max(worst, float(np.abs(weight.grad.sum(axis=0)).max()))
    return "columns of dL/dW sum to 0 within 1e-14, for 20 upstream gradients" if worst < 1e-14 else f"{worst}"


def zeroed(side: Side) -> str:
    model, weight = gradients(side)
    model.zero_grad(set_to_none=False)
    zeros = text(weight.grad)
    model.zero_grad()
    return f"zero_grad() gives {weight.grad}; zero_grad(set_to_none=False) gives {zeros}"


def scalar_only(side: Side) -> str:
    model, weight = gradients(side)
    shape = weight.grad.shape
    return f"a 5×2 upstream gives dL/dW {shape}; a wrong one: {refused(lambda: model.backward(np.ones(3)))}"


def integers(side: Side) -> str:
    logits, loss = np.array([[1.0, 0.0], [0.0, 2.0]]), side.CrossEntropyLoss()
    kinds = (np.int8, np.int32, np.int64, np.uint8)
    values = {f"{float(loss.forward(logits, np.array([0, 1], kind))):.6f}" for kind in kinds}
    return f"int8, int32, int64 and uint8 labels give one loss: {', '.join(sorted(values))}"


def twice(side: Side) -> str:
    once, again = gradients(side)[1].grad, gradients(side, times=2)[1].grad
    return f"dL/dW[0,0] {once[0, 0]:.4f} after one backward, {again[0, 0]:.4f} after two"


def looked_into(side: Side) -> str:
    model = layer(side)
    weight = dict(model.named_parameters())["0.weight"]
    names = [name for name, _ in model.named_parameters()]
    many = len(list(model.parameters()))
    return f"{names}, list(parameters()) of {many}, shape {weight.shape}, data {text(weight.data)}"


CLAIMS = {
    "moons-data": Claim(
        shows="300 half-moon points with noise 0.2, drawn from the global generator with seed 0",
        printed="a scatter plot; no numbers",
        measure=data,
        see=("handgrad compare moons",),
        cannot="the experiment's data are float64 and cast to the run's dtype, its labels int64; any integers would do",
    ),
    "moons-split": Claim(
        shows="100 each for training, validation and test, by position", measure=split, see=("handgrad compare moons",)
    ),
    "moons-plot": Claim(
        shows="scatter of the training points in the colours of their classes",
        printed="a figure",
        experiments=("moons",),
        see=("handgrad compare moons", "pictures.md"),
    ),
    "layer": Claim(
        shows=(
            "softmax(x Wᵀ + b) from N(0, 1) weights, parameters made by hand; training was announced for a second part"
        ),
        experiments=("moons-logistic",),
        see=("handgrad compare moons-logistic",),
    ),
    "convention": Claim(
        shows="formula with Wᵀx, code with x Wᵀ and W stored as (out, in)",
        measure=convention,
        see=("dictionary/Linear.md",),
    ),
    "five-rows": Claim(
        shows="softmax of five points under the printed weights",
        printed=(
            "rows .4080 .5920 / .1804 .8196 / .9650 .0350 / .0515 .9485 / .1965 .8035 (its inputs are rounded to "
            "4 digits)"
        ),
        measure=rows,
        see=(LOOK, "../parity_tests/numbers/test_golden.py"),
    ),
    "grad-none": Claim(shows="no gradient before a backward", printed="None", measure=before, see=(LOOK,)),
    "upstream": Claim(
        shows="any upstream gradient for an output that is no scalar",
        printed="weight .4015 −.0854 / −.4015 .0854, bias −.8066 .8066",
        measure=upstream,
        see=(LOOK, "dictionary/Softmax.md"),
        cannot=(
            "the printed values need the random points and upstream of that run, which the source does not give; "
            "ours are of its five points"
        ),
    ),
    "row-sum": Claim(
        shows="with softmax the gradient summed over the outputs is 0 whatever the upstream",
        printed="two rows that are each other's negative",
        measure=invariant,
        see=(LOOK, "dictionary/Softmax.md"),
    ),
    "looking": Claim(
        shows="names, shapes and values of parameters, as attributes and in a loop",
        measure=looked_into,
        see=(LOOK,),
        cannot=(
            "whether a tensor is a leaf belongs to a recorded graph: the hand-written side has none; the "
            "source's own line for it is lost"
        ),
    ),
    "zero-grad": Claim(
        shows="gradients after zero_grad",
        printed="zeros (PyTorch before 2.0)",
        measure=zeroed,
        see=(LOOK,),
        trap=True,
    ),
    "upstream-shape": Claim(
        shows="backward with a gradient of the output's shape, where a scalar's is not enough",
        measure=scalar_only,
        see=(LOOK,),
        trap=True,
    ),
    "int32": Claim(
        shows="int32 labels, where torch's own losses take only int64",
        measure=integers,
        see=("dictionary/CrossEntropyLoss.md",),
        trap=True,
    ),
    "accumulate": Claim(
        shows="gradients add up until zero_grad", measure=twice, see=(LOOK, "dictionary/SGD.md"), trap=True
    ),
}
