"""Which class a network answers, how sure it is, and how often it is right."""

import numpy as np
import numpy.typing as npt

from contract import Array, Target
from handgrad.experiments.experiment import Data, Experiment

Classes = npt.NDArray[np.int64]


def true_classes(data: Data, target: Target) -> Classes:
    """The class `(n,)` of every target: an index as it is, one column by its two values, else the largest column."""
    if target.ndim == 1:
        return np.asarray(target, np.int64)
    if target.shape[1] == 1:
        return np.asarray(target[:, 0] > _middle(data), np.int64)
    return np.asarray(target.argmax(axis=1), np.int64)


def predicted_classes(experiment: Experiment, data: Data, output: Array) -> Classes:
    """The class index `(n,)` a network answers with outputs `(n, outputs)`.

    Several outputs: the largest. One output: class 1 where a logit is positive, or where an output trained on numbers
    (0 and 1, or −1 and 1) is above their middle.
    """
    return answered(output, threshold(experiment, data))


def threshold(experiment: Experiment, data: Data) -> float:
    """Above it a single output answers class 1."""
    return 0.0 if experiment.loss == "BCEWithLogitsLoss" else _middle(data)


def answered(output: Array, threshold: float) -> Classes:
    """The class `(n,)` of outputs `(n, outputs)`: the largest, or whether the only one is above the threshold."""
    if output.shape[1] > 1:
        return np.asarray(output.argmax(axis=1), np.int64)
    return np.asarray(output[:, 0] > threshold, np.int64)


def class_scores(experiment: Experiment, data: Data, output: Array) -> Array:
    """Outputs `(n, outputs)` as one score in [0, 1] per class, `(n, classes)`.

    Logits become probabilities. Outputs trained on numbers (0 and 1, −1 and 1) are placed between those.
    """
    if experiment.loss == "CrossEntropyLoss":
        powers = np.exp(output - output.max(axis=1, keepdims=True))
        scores: Array = powers / powers.sum(axis=1, keepdims=True)
    elif experiment.loss == "NLLLoss":
        scores = np.exp(output)
    elif experiment.loss == "BCEWithLogitsLoss":
        scores = 0.5 * (1.0 + np.tanh(0.5 * output))  # the logistic function, without overflow
    else:
        low, high = float(data.y_train.min()), float(data.y_train.max())
        scores = np.clip((output - low) / (high - low or 1.0), 0.0, 1.0)
    return scores if scores.shape[1] > 1 else np.concatenate([1.0 - scores, scores], axis=1)


def confusion_matrix(truth: Classes, answer: Classes, classes: int) -> npt.NDArray[np.int64]:
    """Counts `(classes, classes)`: rows are true classes, columns those answered; the trace counts right answers."""
    return np.bincount(truth * classes + answer, minlength=classes**2).reshape(classes, classes)


def _middle(data: Data) -> float:
    """Half way between the two numbers that stand for the two classes."""
    return (float(data.y_train.min()) + float(data.y_train.max())) / 2
