"""Losses: each one a formula and, right under it, its derivative with respect to the input.

One file per family: `regression`, `binary`, `classes`, `distributions`, `pairs`; what they share is in `loss`.
"""

from scratch.losses.binary import BCELoss, BCEWithLogitsLoss, HingeEmbeddingLoss, SoftMarginLoss
from scratch.losses.classes import (
    ClassLoss,
    CrossEntropyLoss,
    MultiLabelMarginLoss,
    MultiLabelSoftMarginLoss,
    MultiMarginLoss,
    NLLLoss,
)
from scratch.losses.distributions import GaussianNLLLoss, KLDivLoss, PoissonNLLLoss
from scratch.losses.loss import Loss, PairLoss, Target
from scratch.losses.pairs import CosineEmbeddingLoss, MarginRankingLoss
from scratch.losses.regression import HalfSquaredError, HuberLoss, L1Loss, MSELoss, SmoothL1Loss

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "ClassLoss",
    "CosineEmbeddingLoss",
    "CrossEntropyLoss",
    "GaussianNLLLoss",
    "HalfSquaredError",
    "HingeEmbeddingLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "Loss",
    "MSELoss",
    "MarginRankingLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "NLLLoss",
    "PairLoss",
    "PoissonNLLLoss",
    "SmoothL1Loss",
    "SoftMarginLoss",
    "Target",
]
