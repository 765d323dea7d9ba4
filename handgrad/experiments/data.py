"""The data of every experiment, as its source makes it: float64 features, targets in the shape the loss wants.

One function per recipe, each taking the run's seed. Data that its source fixes (the 300 moons, the digits) ignores the
seed, so that runs with different seeds differ in weights and batches alone; unseeded data is drawn by
`RandomState(seed)`, which gives what `np.random.seed(seed)` and the global functions would.

Every array is made here, in memory, or ships inside scikit-learn: nothing is downloaded.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from handgrad.contract import Array, Target
from handgrad.experiments.experiment import Data


def digits(seed: int) -> Data:
    """The 1,797 grey 8×8 digits inside scikit-learn, `(n, 64)`, divided by 16 into [0, 1].

    A quarter of every class is held out (450 digits). The split is fixed, so that test accuracies can be compared
    between seeds.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    x_train, x_test, y_train, y_test = train_test_split(
        bunch.data / 16.0, bunch.target.astype(np.int64), test_size=0.25, stratify=bunch.target, random_state=0
    )
    return Data(
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        classes=tuple(str(digit) for digit in range(10)),
        features=tuple(f"pixel {row},{column}" for row in range(8) for column in range(8)),
    )


def moons(seed: int) -> Data:
    """Two interleaved half-circles with noise 0.2, 300 points: train, validation and test are 100 each, by position.

    Source 000 seeds NumPy's global generator with 0 and calls `make_moons` without a `random_state`; the state passed
    here gives the same points.
    """
    from sklearn.datasets import make_moons

    x, y = make_moons(300, noise=0.20, random_state=np.random.RandomState(0))
    y = y.astype(np.int64)
    return Data(
        x_train=x[:100],
        y_train=y[:100],
        x_val=x[100:200],
        y_val=y[100:200],
        x_test=x[200:],
        y_test=y[200:],
        classes=("upper moon", "lower moon"),
        features=("x0", "x1"),
    )


def line(seed: int) -> Data:
    """100 points in the unit square, split by x0 − x1 < 0.3; one-hot targets `(100, 2)`, column 0 for "below"."""
    x = np.random.RandomState(seed).random_sample((100, 2))
    below = x[:, 0] - x[:, 1] < 0.3
    targets = np.array([below, ~below]).T.astype(np.float64)
    return Data(x_train=x, y_train=targets, classes=("x0 - x1 < 0.3", "x0 - x1 >= 0.3"), features=("x0", "x1"))


def circle(seed: int) -> Data:
    """1000 points in the unit square; +1 inside the circle of radius 0.4 about (0.5, 0.5), −1 outside; `(1000, 1)`."""
    x = np.random.RandomState(seed).random_sample((1000, 2))
    inside = np.linalg.norm(x - 0.5, axis=1) < 0.40
    targets = np.where(inside, 1.0, -1.0)[:, np.newaxis]
    return Data(x_train=x, y_train=targets, classes=("outside", "inside"), features=("x0", "x1"))


def xor_rule(x: Array) -> Target:
    """1 where x1·x2 > 0, else 0; `(n, 1)`."""
    return (x[:, :1] * x[:, 1:] > 0).astype(np.float64)


def quadrants_rule(x: Array) -> Target:
    """The quadrant int(2·(atan2(x2, x1)/π + 1)) of each point, counted from the negative x1-axis; `(n,)` int64.

    On the ray x2 = 0, x1 < 0 the angle is exactly π and the formula gives 4. The source clamps its plotting grid to the
    last class but not its training points; here both are.
    """
    quadrant = (2 * (np.arctan2(x[:, 1], x[:, 0]) / np.pi + 1)).astype(np.int64)
    return np.minimum(quadrant, 3)


def prod_rule(x: Array) -> Target:
    """x1·x2/4, between −1 and 1; `(n, 1)`."""
    return x[:, :1] * x[:, 1:] / 4


def plane(rule: Callable[[Array], Target], classes: tuple[str, ...] | None) -> Callable[[int], Data]:
    """The data of source 003: 2500 points uniform on [−2, 2]², labelled by `rule`. The source holds nothing out."""

    def data(seed: int) -> Data:
        x: npt.NDArray[np.float64] = 2 * (2 * np.random.RandomState(seed).random_sample((2500, 2)) - 1)
        return Data(x_train=x, y_train=rule(x), classes=classes, features=("x1", "x2"))

    return data
