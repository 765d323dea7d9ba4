"""The sweeps of source 003's sister posts, and the dead ReLU of source 004.

Posts 11 and 12 of that series give the pairs and the lists of values (learning rates as 1, 5 and 10, which we take for
thousandths); 11 is about classes, 12 about `prod`. Which rule 11 used, how long each model was trained, and over which
"other ranges" 12 went on is not said in what we have of them: we take `quadrants`, the one of the article itself, 50
epochs, the smallest of their list, and a decade more on either side. Both trained Keras models, whose initial weights
are others. Post 13 trained 2⁵ models for 200 epochs each; which five things it varied is not said there, so they are
ours.
"""

from dataclasses import dataclass
from typing import Any

from handgrad.sweep.plan import Plan, SweepRequest, rehearsed, seeds_from, settings
from handgrad.training.seeds import Request

ACTIVATION, WIDTH, DEPTH = ("sigmoid", "tanh", "relu"), (2, 4, 8, 16), (1, 2, 3)
OPTIMIZER, LR, BATCH = ("SGD", "Adam", "RMSprop", "Adagrad"), (0.001, 0.005, 0.01), (50, 100, 250)
DEAD_RELU, DEAD_RELU_SEEDS = "dead-relu", 200
NETS = {"relu": "grow-2", "leaky_relu": "grow-3"}
"""The two nets of source 004 that the rate is measured on: one weight, no bias, [1] → [5]."""


@dataclass(frozen=True)
class Preset:
    """A sweep with a name: the experiment, the axes, and how long and often each combination is trained."""

    source: str
    name: str  # of the experiment
    axes: dict[str, tuple[Any, ...]]
    epochs: int = 50
    seeds: int = 3
    metric: str = "final_loss"


def _pair(post: int, name: str, **axes: tuple[Any, ...]) -> Preset:
    return Preset(f"003, post {post}", name, axes)


LR_FIXED = (0.01,)

PRESETS: dict[str, Preset] = {
    "activation-width": _pair(11, "quadrants", activation=ACTIVATION, width=WIDTH),
    "activation-depth": _pair(11, "quadrants", activation=ACTIVATION, depth=DEPTH),
    "width-depth": _pair(11, "quadrants", width=WIDTH, depth=DEPTH),
    "optimizer-lr": _pair(11, "quadrants", optimizer=OPTIMIZER, lr=LR),
    "optimizer-batch": _pair(11, "quadrants", optimizer=OPTIMIZER, lr=LR_FIXED, batch_size=BATCH),
    "optimizer-width": _pair(11, "quadrants", optimizer=OPTIMIZER, lr=LR_FIXED, width=WIDTH),
    "prod-activation-width": _pair(12, "prod", activation=ACTIVATION, width=WIDTH),
    "prod-optimizer-lr": _pair(12, "prod", optimizer=OPTIMIZER, lr=LR),
    "prod-sgd-lr": _pair(12, "prod", optimizer=("SGD",), lr=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5)),
    "prod-optimizer-lr-wide": _pair(12, "prod", optimizer=OPTIMIZER, lr=(0.0001, 0.001, 0.01, 0.1)),
    "grid": Preset(
        "003, post 13",
        "quadrants",
        {
            "activation": ("sigmoid", "relu"),
            "width": (4, 16),
            "depth": (1, 2),
            "optimizer": ("SGD", "Adam"),
            "lr": (0.001, 0.01),
        },
        epochs=200,
        seeds=1,
    ),
}


def asked(preset: Preset, **rest: Any) -> SweepRequest:
    """The preset as what a user could have typed, with `rest` in place of its own."""
    given = {"epochs": preset.epochs, **rest.pop("given", {})}
    own: dict[str, Any] = {"name": preset.name, "seeds": preset.seeds, "metric": preset.metric}
    return SweepRequest(**{**own, **rest, "axes": {**preset.axes, **rest.get("axes", {})}, "given": given})


def dead_relu(asked: SweepRequest) -> Plan:
    """Source 004's variant 2 and, as the cure, variant 3, from `asked.seeds` seeds.

    The weight comes from U(−1, 1). Where it is not positive the ReLU is off for the one input there is, its derivative
    is 0, and no step changes anything: in theory half of all runs. A LeakyReLU has no such place.
    """
    from handgrad.experiments import EXPERIMENTS
    from handgrad.experiments.overrides import with_overrides

    first = asked.seed or 0
    seeds = seeds_from(first, asked.seeds)
    requests = {net: Request(name, None, dict(asked.given), asked.device) for net, name in NETS.items()}
    cells = tuple(rehearsed({"net": net}, request, first)[0] for net, request in requests.items())
    experiment = with_overrides(EXPERIMENTS[NETS["relu"]], dict(asked.given))
    return Plan(
        title="dead ReLU: one weight, from 1 to 5",
        experiment=experiment,
        axes={"net": tuple(NETS)},
        cells=cells,
        seeds=seeds,
        metric="final_loss",
        settings=settings(experiment, asked) | {"experiment": DEAD_RELU},
    )
