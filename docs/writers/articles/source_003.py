"""The claims of source 003: twelve rules of the plane, one small net for each."""

from docs.writers.articles.claim import Claim
from docs.writers.articles.measure_003 import (
    classes,
    grid,
    in_a_list,
    initial,
    kinds,
    momentum,
    numbers,
    options,
    pair,
    plane,
    points,
    pre_activation,
    shapes,
    shares,
    small_sample,
    the_ray,
    trained,
    unknown,
)

EXPERIMENTS_PAGE = "experiments.md"

CLAIMS = {
    "plane": Claim(
        shows="points uniform on [−2, 2]²",
        measure=plane,
        see=("handgrad compare xor",),
        cannot="its points are unseeded; ours are of the run's seed",
    ),
    "binary": Claim(
        shows="six rules of two classes, and how often they hold",
        band=".249 .749 .500 .438 .125 .196",
        measure=shares,
        experiments=("and", "or", "xor", "stripe", "square", "disc"),
        see=("handgrad compare xor",),
    ),
    "classes": Claim(
        shows="three rules of four classes",
        band=".125 .375 .376 .124; .392 .393 .177 .038; .25 each",
        measure=classes,
        experiments=("squares", "circles", "quadrants"),
        see=("handgrad compare quadrants",),
    ),
    "numbers": Claim(
        shows="three regressions",
        band="sd .333, .421, 1.084",
        measure=numbers,
        experiments=("prod", "sum-squares", "polynom"),
        see=("handgrad compare prod",),
    ),
    "targets": Claim(
        shows="targets as integer columns, or floats for regression", measure=kinds, see=(EXPERIMENTS_PAGE,)
    ),
    "small-sample": Claim(
        shows="classes counted in the sample: a small one misses some",
        measure=small_sample,
        see=("handgrad compare circles",),
        trap=True,
    ),
    "the-ray": Claim(
        shows="quadrants: a fifth class on one ray, clamped on the grid and not in training",
        printed="4",
        measure=the_ray,
        see=(EXPERIMENTS_PAGE,),
        trap=True,
    ),
    "triangle": Claim(
        shows="a documented rule that does not exist passes silently",
        printed="UnboundLocalError later",
        measure=unknown,
        see=("handgrad list",),
        trap=True,
    ),
    "grid": Claim(
        shows="a grid of 101 × 101 over the data and a margin around it",
        printed="10,201 points, half of them outside (margin 1)",
        measure=grid,
        see=("handgrad compare xor", "pictures.md"),
    ),
    "options": Claim(
        shows="activation, optimizer, rate, batch, widths as options",
        measure=options,
        see=(
            "handgrad compare xor --hidden 8,8 --activation tanh --optimizer rmsprop --lr 0.005",
            "handgrad sweep --list",
        ),
    ),
    "points": Claim(
        shows="the number of points as an option",
        measure=points,
        see=("handgrad compare xor --points 500", EXPERIMENTS_PAGE),
    ),
    "momentum": Claim(
        shows="the optimizer's momentum as an option",
        measure=momentum,
        see=("handgrad compare xor --optimizer sgd --momentum 0.9", EXPERIMENTS_PAGE),
    ),
    "hyper-parameters": Claim(
        shows="hyper-parameters in pairs (sister posts): activation, width, depth, optimizer, rate, batch",
        printed="figures",
        measure=pair,
        see=("handgrad sweep --preset activation-width", "handgrad sweep --list", "sweep.md"),
        cannot="its numbers are in figures that the stored text does not have",
    ),
    "logits": Claim(
        shows="forward returns activation and pre-activation; the loss takes the latter",
        measure=pre_activation,
        see=("dictionary/CrossEntropyLoss.md", "handgrad trace quadrants"),
    ),
    "shapes": Claim(
        shows="shapes of a 2-3-5-6 net",
        printed="(3, 2) 3, (5, 3) 5, (6, 5) 6",
        measure=shapes,
        see=("introspection.md",),
    ),
    "plain-list": Claim(
        shows="layers in a plain list are not found",
        printed="ModuleList finds them",
        measure=in_a_list,
        see=("introspection.md", "../scratch/containers.py"),
        cannot="there is no ModuleList here; Sequential, Parallel and attributes hold layers",
        trap=True,
    ),
    "prod": Claim(
        shows="200 epochs of 2-6-1 on x1·x2/4", experiments=("prod",), see=("handgrad compare prod --seeds 20",)
    ),
    "xor": Claim(shows="the same net on xor", experiments=("xor",), see=("handgrad compare xor --seeds 20",)),
    "quadrants": Claim(
        shows="2-6-4 on the quadrants", experiments=("quadrants",), see=("handgrad compare quadrants --seeds 20",)
    ),
    "initial-shown": Claim(
        shows="tensors printed as if trained are the initial ones",
        measure=trained,
        see=("introspection.md", "handgrad compare xor"),
        cannot="its numbers are of unseeded weights",
        trap=True,
    ),
    "pictures": Claim(
        shows="scatter, loss over epochs, prediction over the plane with points, one line about the run",
        printed="figures",
        experiments=("quadrants",),
        see=("handgrad compare quadrants", "pictures.md"),
    ),
    "neuron-maps": Claim(
        shows="every neuron as a map over the plane, and one sample's way through the net, weights as coloured lines",
        printed="figures",
        experiments=("xor",),
        see=("handgrad compare xor", "handgrad trace xor", "pictures.md"),
        cannot="its drawing code is not in the repository: the pictures follow what the posts say of them",
    ),
    "libraries": Claim(
        shows="four libraries: TensorFlow 1, Keras, scikit-learn, PyTorch, and the effort of three of them",
        printed="no table; each has its own initial weights, batches and shuffles",
        see=("performance.md", "handgrad bench --question step"),
        cannot=(
            "TensorFlow and Keras are not installed here; timed instead from equal "
            "weights and batches: NumPy, PyTorch in four forms, JAX, scikit-learn"
        ),
    ),
    "no-imports": Claim(
        shows="a class of another name, in a file without imports",
        see=("handgrad list", "../handgrad/experiments/data.py"),
        trap=True,
        cannot="nothing to run: the file uses names it never imports. The twelve rules are written anew here",
    ),
    "initial-draw": Claim(
        shows="weights said to be N(0, 1/d), and drawn as U(±1/√d)",
        printed=".1667 claimed",
        band=".2356 = 1/√18",
        measure=initial,
        see=("dictionary/Linear.md", "../scratch/init.py"),
        trap=True,
    ),
    "lost-lines": Claim(
        shows=(
            "signature and snippet differ from the repository: else branches and the history's append are lost, "
            "keys renamed"
        ),
        see=("handgrad compare --help", EXPERIMENTS_PAGE),
        trap=True,
        cannot=(
            "a printing error of the text; here options and recipe stand in one table, and the docs' code is run "
            "by tests"
        ),
    ),
    "headings": Claim(
        shows="a heading says binary over four classes; a parameter nobody uses",
        see=("handgrad list",),
        trap=True,
        cannot="a slip of the text: nothing to compute. `handgrad list` gives each rule's kind of classes",
    ),
    "no-accuracy": Claim(
        shows="accuracy of a regression is never set",
        experiments=("prod",),
        see=("handgrad compare prod", "result.md"),
        trap=True,
    ),
}
