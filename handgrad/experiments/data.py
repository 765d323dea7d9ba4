"""The data of every experiment, as its source makes it: float64 features, targets in the shape the loss wants.

One function per recipe, each taking the run's seed; one that makes points takes their number too. Data that its source
fixes (the 300 moons, the digits) ignores the seed, so that runs with different seeds differ in weights and batches
alone; unseeded data is drawn by `RandomState(seed)`, which gives what `np.random.seed(seed)` and the global functions
would.

Every array is made here, in memory, or ships inside scikit-learn: nothing is downloaded.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from contract import Array, Target
from handgrad.experiments.encoding import Number, Standard
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
    names = tuple(f"pixel {row},{column}" for row in range(8) for column in range(8))
    return Data(
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        classes=tuple(str(digit) for digit in range(10)),
        features=names,
        image=(8, 8),
        inputs=tuple(Number(name, Standard(exponent=4)) for name in names),  # x/2⁴
    )


def moons(seed: int, points: int = 300) -> Data:
    """Two interleaved half-circles with noise 0.2: train, validation and test are a third each, by position.

    Source 000 seeds NumPy's global generator with 0 and calls `make_moons` without a `random_state`; the state passed
    here gives the same points.
    """
    from sklearn.datasets import make_moons

    x, y = make_moons(points, noise=0.20, random_state=np.random.RandomState(0))
    y, first, second = y.astype(np.int64), points // 3, 2 * (points // 3)
    return Data(
        x_train=x[:first],
        y_train=y[:first],
        x_val=x[first:second],
        y_val=y[first:second],
        x_test=x[second:],
        y_test=y[second:],
        classes=("upper moon", "lower moon"),
        features=("x0", "x1"),
    )


def line(seed: int, points: int = 100) -> Data:
    """Points in the unit square, split by x0 − x1 < 0.3; one-hot targets `(points, 2)`, column 0 for "below"."""
    x = np.random.RandomState(seed).random_sample((points, 2))
    below = x[:, 0] - x[:, 1] < 0.3
    targets = np.array([below, ~below]).T.astype(np.float64)
    return Data(x_train=x, y_train=targets, classes=("x0 - x1 < 0.3", "x0 - x1 >= 0.3"), features=("x0", "x1"))


def circle(seed: int, points: int = 1000) -> Data:
    """Points in the unit square; +1 inside the circle of radius 0.4 about (0.5, 0.5), −1 outside; `(points, 1)`."""
    x = np.random.RandomState(seed).random_sample((points, 2))
    inside = np.linalg.norm(x - 0.5, axis=1) < 0.40
    targets = np.where(inside, 1.0, -1.0)[:, np.newaxis]
    return Data(x_train=x, y_train=targets, classes=("outside", "inside"), features=("x0", "x1"))


def five_features(seed: int, points: int = 100) -> Data:
    """Source 001's points of 5 features, 3 of them informative and 2 redundant; targets `(points, 1)`.

    Nothing is held out. The source fixes `random_state=101`.
    """
    from sklearn.datasets import make_classification

    x, y = make_classification(points, 5, n_informative=3, random_state=101)
    return Data(
        x_train=x,
        y_train=y.astype(np.float64)[:, np.newaxis],
        classes=("0", "1"),
        features=tuple(f"x{i}" for i in range(5)),
    )


def twenty_features(seed: int, points: int = 200) -> Data:
    """Source 001's linear function of 20 features with noise 0.01; targets `(points, 1)`.

    Both are divided by their largest value (not their largest absolute value), as there. The source's targets have the
    shape `(200,)`, which its losses spread against outputs `(200, 1)` to 40,000 differences: here the shapes are equal.
    """
    from sklearn.datasets import make_regression

    x, y = make_regression(
        n_samples=points,
        n_features=20,
        n_informative=20,
        n_targets=1,
        noise=0.01,
        shuffle=False,
        random_state=np.random.RandomState(seed),
    )
    return Data(x_train=x / x.max(), y_train=(y / y.max())[:, np.newaxis], features=tuple(f"x{i}" for i in range(20)))


def binary(rule: Callable[[Array, Array], npt.NDArray[np.bool_]]) -> Callable[[Array], Target]:
    """Targets `(n, 1)` of a rule of source 003: 1 where it holds of (x1, x2), else 0."""
    return lambda x: rule(x[:, :1], x[:, 1:]).astype(np.float64)


def four_classes(value: Callable[[Array, Array], Array]) -> Callable[[Array], Target]:
    """Class indices `(n,)` of source 003: the whole part of a number from 0 to 4, and 3 where it is 4 itself.

    The source clamps its plotting grid so, but not its training points; here both are.
    """
    return lambda x: np.minimum(value(x[:, 0], x[:, 1]).astype(np.int64), 3)


def number(value: Callable[[Array, Array], Array]) -> Callable[[Array], Target]:
    """Targets `(n, 1)` of a regression of source 003."""
    return lambda x: value(x[:, :1], x[:, 1:])


and_rule = binary(lambda x1, x2: (x1 > 0) & (x2 > 0))
or_rule = binary(lambda x1, x2: (x1 > 0) | (x2 > 0))
xor_rule = binary(lambda x1, x2: x1 * x2 > 0)
stripe_rule = binary(lambda x1, x2: np.abs(x1 - x2) <= 1)
square_rule = binary(lambda x1, x2: np.abs(x1) + np.abs(x2) <= 1)
disc_rule = binary(lambda x1, x2: x1**2 + x2**2 <= 1)
squares_rule = four_classes(lambda x1, x2: np.abs(x1) + np.abs(x2))
circles_rule = four_classes(lambda x1, x2: (x1**2 + x2**2) / 2)
quadrants_rule = four_classes(lambda x1, x2: 2 * (np.arctan2(x2, x1) / np.pi + 1))  # from the negative x1-axis on
prod_rule = number(lambda x1, x2: x1 * x2 / 4)
sum_squares_rule = number(lambda x1, x2: (x1**2 + x2**2) / 4)
polynom_rule = number(lambda x1, x2: (x1**2 - 3 * x1 * x2 - x2**2) / 4)


def plane(rule: Callable[[Array], Target], classes: tuple[str, ...] | None) -> Callable[[int], Data]:
    """The data of source 003: points uniform on [−2, 2]², labelled by `rule`. The source holds nothing out."""

    def data(seed: int, points: int = 2500) -> Data:
        x: npt.NDArray[np.float64] = 2 * (2 * np.random.RandomState(seed).random_sample((points, 2)) - 1)
        return Data(x_train=x, y_train=rule(x), classes=classes, features=("x1", "x2"))

    return data


def point(inputs: tuple[float, ...], targets: tuple[float, ...]) -> Callable[[int], Data]:
    """The data of source 004: one point and what it shall become."""

    def data(seed: int) -> Data:
        names = tuple(f"x{i}" for i in range(len(inputs)))
        return Data(x_train=np.array([inputs]), y_train=np.array([targets]), features=names)

    return data


def bundled(name: str) -> Callable[[int], Data]:
    """Real data inside scikit-learn ("iris", "wine", "breast_cancer", "diabetes"): a quarter held out, standardised.

    The split is fixed, so that results can be compared between seeds; of classes a quarter of each is held out. The
    target of diabetes, `(n, 1)`, is standardised too: a test loss of 1 is that of always answering the mean.
    """

    def data(seed: int) -> Data:
        from sklearn import datasets
        from sklearn.model_selection import train_test_split

        bunch = getattr(datasets, f"load_{name}")()
        number = name == "diabetes"
        target = bunch.target[:, np.newaxis] if number else bunch.target.astype(np.int64)
        strata = None if number else bunch.target
        x_train, x_test, y_train, y_test = train_test_split(
            bunch.data.astype(np.float64), target, test_size=0.25, stratify=strata, random_state=0
        )
        target_standard = standards(y_train)[0] if number else None
        if number:
            y_train, y_test = standardised(y_train, y_test)
        found, names = standards(x_train), tuple(map(str, bunch.feature_names))
        classes = None if number else tuple(map(str, bunch.target_names))
        return Data(
            x_train=applied(found, x_train),
            y_train=y_train,
            x_test=applied(found, x_test),
            y_test=y_test,
            classes=classes,
            features=names,
            inputs=tuple(Number(name, standard) for name, standard in zip(names, found, strict=True)),
            target=target_standard,
        )

    return data


def standardised(train: Array, test: Array) -> tuple[Array, Array]:
    """Columns moved and scaled to mean 0 and standard deviation 1 of the training rows; a constant column to 0."""
    found = standards(train)
    return applied(found, train), applied(found, test)


def standards(train: Array) -> list[Standard]:
    """How each column of the training rows is moved and scaled.

    A column counts as constant where its entries are equal: the mean of ten times 0.1 is not 0.1, and the deviation
    from it not 0.
    """
    _, exponent = np.frexp(np.abs(train).max(axis=0))
    with np.errstate(under="ignore"):  # beside 1e308, 1e-20 is 0
        train = np.ldexp(train, -exponent)
        constant = train.min(axis=0) == train.max(axis=0)
        mean, scale = np.where(constant, train[0], train.mean(axis=0)), np.where(constant, 1.0, train.std(axis=0))
    return [Standard(int(e), float(m), float(s)) for e, m, s in zip(exponent, mean, scale, strict=True)]


def applied(found: Sequence[Standard], x: Array) -> Array:
    """Columns `(n, features)`, each by its own standard."""
    return np.stack([standard.of(column) for standard, column in zip(found, x.T, strict=True)], axis=1)
