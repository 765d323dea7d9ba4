"""What the five sources suggest or imply, and where to run it: each is a claim that stands above, or a run."""

from docs.writers.articles import measure_001, measure_003, source_000, source_002, source_004
from docs.writers.articles.claim import Claim

CLAIMS = {
    "linear-or-mlp": Claim(
        shows="a line against an MLP on the moons",
        printed="announced",
        experiments=("moons-logistic", "moons"),
        see=("handgrad compare moons-logistic", "handgrad compare moons"),
    ),
    "over-epochs": Claim(
        shows="probabilities untrained and over epochs",
        measure=measure_001.bars,
        see=("handgrad compare five-features --epochs 200",),
    ),
    "mix": Claim(
        shows="relu + tanh against plain",
        measure=measure_001.funky_and_plain,
        see=("handgrad compare relu-tanh", "handgrad compare five-features --epochs 100 --lr 0.04"),
    ),
    "own-loss": Claim(
        shows="quartic loss against MSE",
        experiments=("quartic", "regression"),
        see=("handgrad compare quartic", "own_loss.md"),
    ),
    "overlaid": Claim(
        shows="hand-written and torch loss curves in one picture",
        experiments=("line", "circle"),
        see=("handgrad compare line", "pictures.md"),
    ),
    "regions": Claim(
        shows="decision regions before and after", measure=source_002.before_after, see=("handgrad compare line",)
    ),
    "targets": Claim(
        shows="tanh with ±1 against sigmoid with 0/1", measure=source_002.targets, see=("handgrad compare circle",)
    ),
    "architectures": Claim(
        shows="twelve rules, other architectures",
        experiments=("stripe", "polynom"),
        see=("handgrad compare stripe --hidden 8,8", "handgrad compare --all"),
    ),
    "grid": Claim(
        shows="a grid of hyper-parameters",
        printed="32 models of Keras",
        measure=measure_003.pair,
        see=("handgrad sweep --preset grid", "sweep.md"),
        cannot="which five things its 2⁵ grid varied is not in the stored text",
    ),
    "effort": Claim(
        shows="what each library takes",
        see=("performance.md", "handgrad bench --quick"),
        cannot="its numbers are not in the stored text; TensorFlow and Keras are not timed here",
    ),
    "dead": Claim(
        shows="the rate of dead ReLUs, and the leaky remedy",
        measure=source_004.dead,
        see=("handgrad sweep dead-relu", "sweep.md"),
    ),
    "growing": Claim(
        shows="a net grown a piece at a time",
        measure=source_004.endings,
        see=("handgrad compare grow-1", "handgrad compare grow-8"),
    ),
    "overshoot": Claim(
        shows="one weight overshoots under momentum; its closed form",
        measure=source_004.overshoot,
        see=("handgrad compare grow-1", "handgrad trace grow-1 --step 5"),
    ),
    "broadcast": Claim(
        shows="the broadcast trap", measure=measure_001.unequal_shapes, see=("experiments.md",), trap=True
    ),
    "plain-list": Claim(
        shows="the trap of the plain list", measure=measure_003.in_a_list, see=("introspection.md",), trap=True
    ),
    "zero-grad": Claim(shows="zero_grad forgotten", measure=source_000.twice, see=("introspection.md",), trap=True),
}
