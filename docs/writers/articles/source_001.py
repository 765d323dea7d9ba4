"""The claims of source 001: classification and regression with small nets, and what a shape can break."""

from docs.writers.articles.claim import Claim
from docs.writers.articles.measure_001 import (
    LISTED,
    backward_twice,
    bars,
    data,
    dense,
    device,
    epochs,
    five_steps,
    funky_and_plain,
    hidden_gradient,
    listed,
    lower_rate,
    one_step,
    positional,
    shown,
    small_net,
    spread,
    ten_epochs,
    unequal_shapes,
    unreduced,
    untrained,
)

LOOK, EXPERIMENTS_PAGE = "introspection.md", "experiments.md"

CLAIMS = {
    "five-data": Claim(
        shows="100 points of 5 features, 3 informative, seed 101", measure=data, see=("handgrad compare five-features",)
    ),
    "pairs": Claim(
        shows="scatter of every pair of the five features (10 panels)",
        printed="a figure",
        experiments=("five-features",),
        see=("handgrad compare five-features", "pictures.md"),
    ),
    "cuda": Claim(
        shows="whether CUDA is there",
        printed="True",
        measure=device,
        cannot="the hand-written side computes on the CPU alone; this page was measured there",
        see=("handgrad doctor", "handgrad compare five-features --device cuda"),
    ),
    "architecture": Claim(
        shows=(
            "5-8-4-1 with ReLU and Sigmoid; print(model) lists attributes in the order of assignment, where one "
            "ReLU serves twice"
        ),
        measure=shown,
        see=(LOOK,),
    ),
    "untrained": Claim(
        shows="probabilities and loss before training",
        printed=".5926 .5854 .5369 … .5883; loss 0.707131",
        measure=untrained,
        see=("handgrad trace five-features --json step.json",),
        cannot="its ten numbers are of unseeded weights; the loss came from the broadcast below",
    ),
    "dead-row": Claim(
        shows=(
            "gradient of the second hidden layer: None, then 4×8 with a row of zeros, a unit that is off for all points"
        ),
        measure=hidden_gradient,
        see=("trace.md", "handgrad trace five-features"),
    ),
    "golden-step": Claim(
        shows="one step of SGD: weights, gradient, new weights",
        printed="w′ = w − 0.1 g to 4 digits",
        measure=one_step,
        see=("handgrad trace five-features --step 1 --entry layers.2.weight[0,0]",),
    ),
    "ten-epochs": Claim(
        shows="ten epochs at lr 0.1",
        printed=".705 .703 .702 .700 .698 .696 .694 .693 .691 .689",
        band="after 10: .647 / .686 / .711 (min / median / max of 20 seeds)",
        measure=ten_epochs,
        see=("handgrad compare five-features --epochs 10",),
    ),
    "thousand": Claim(
        shows="1000 epochs and the loss curve",
        printed="a figure",
        experiments=("five-features",),
        see=("handgrad compare five-features",),
    ),
    "bars": Claim(
        shows="bars of the 100 probabilities before training and every 20 epochs",
        printed="11 charts",
        measure=bars,
        see=("handgrad compare five-features --epochs 200", "pictures.md"),
    ),
    "helper": Claim(
        shows="a training helper, 800 epochs at lr 0.04",
        band="loss .195 / .229 / .267, accuracy .90 (20 seeds)",
        measure=lower_rate,
        see=("handgrad compare five-features --epochs 800 --lr 0.04",),
    ),
    "relu-tanh": Claim(
        shows="relu(h) + tanh(h) in one net", experiments=("relu-tanh",), see=("handgrad compare relu-tanh",)
    ),
    "mix-or-plain": Claim(
        shows="the mix against ReLU alone, 100 epochs at lr 0.04",
        printed="0.48408 and 0.68863",
        band=".378 / .476 / .658 and .543 / .616 / .685 (20 seeds)",
        measure=funky_and_plain,
        see=(
            "handgrad compare relu-tanh --seeds 20",
            "handgrad compare five-features --epochs 100 --lr 0.04 --seeds 20",
        ),
    ),
    "twenty-data": Claim(
        shows="200 points of a linear function of 20 features, divided by the largest value",
        measure=dense,
        see=("handgrad compare regression",),
        cannot="the source's points are unseeded; ours are of the run's seed",
    ),
    "regression": Claim(
        shows="20-40-40-1 with mean squared error, 200 epochs",
        experiments=("regression",),
        see=("handgrad compare regression",),
    ),
    "quartic": Claim(
        shows="the same with a loss of one's own, mean((o − t)⁴)",
        experiments=("quartic",),
        see=("handgrad compare quartic", "own_loss.md"),
    ),
    "lists": Claim(
        shows="losses and optimizers that the text names",
        printed=", ".join(name for group in LISTED.values() for name in group),
        measure=listed,
        see=("dictionary/README.md",),
    ),
    "five-steps": Claim(
        shows="a training step is five calls",
        measure=five_steps,
        see=("../scratch/trainer.py", "../torch_impl/trainer.py"),
    ),
    "small-net": Claim(
        shows="3-5-1 by hand with (in, out) weights (a sister notebook)",
        printed="0.9865",
        measure=small_net,
        see=("dictionary/Linear.md",),
        cannot=(
            "0.9865 is of torch's generator with seed 7; the hand-written side draws its own numbers and does "
            "not copy that generator's"
        ),
    ),
    "derivatives": Claim(
        shows=(
            "autograd of x³ − 7x² + 11x and of 3u²v − 4v³; a second backward without a kept graph raises (a "
            "sister notebook)"
        ),
        printed="−5, −4; 12, 0",
        measure=backward_twice,
        see=("checking.md", "own_loss.md"),
        cannot=(
            "the hand-written side differentiates nets layer by layer and has no autograd for formulas; "
            "`handgrad check` judges a gradient that you wrote"
        ),
    ),
    "broadcast": Claim(
        shows="outputs (200, 1) against targets (200,): silently 40,000 differences",
        printed="a falling curve",
        measure=unequal_shapes,
        see=(EXPERIMENTS_PAGE, "dictionary/MSELoss.md"),
        trap=True,
    ),
    "wrong-objective": Claim(
        shows="what that trains on: each output against every target, so towards their mean",
        band="seed 0: .14257 as there, .13463 with equal shapes (torch's weights)",
        measure=spread,
        see=(EXPERIMENTS_PAGE,),
        trap=True,
    ),
    "two-objectives": Claim(
        shows="a flattened output in one place, a column in another: two objectives under an old torch",
        measure=unreduced,
        see=("dictionary/BCELoss.md",),
        trap=True,
    ),
    "positional": Claim(
        shows="`make_regression` with positional arguments no longer runs",
        measure=positional,
        see=(EXPERIMENTS_PAGE,),
        trap=True,
    ),
    "close-to": Claim(
        shows="untrained outputs called close to 1 and close to .5",
        printed=".5 to .6",
        measure=untrained,
        see=("handgrad trace five-features --json step.json",),
        trap=True,
    ),
    "an-epoch": Claim(
        shows="five steps called an epoch, which holds for one batch only",
        measure=epochs,
        see=("handgrad compare five-features --batch-size 20",),
        trap=True,
    ),
}
