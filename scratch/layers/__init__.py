"""The layers: maps with parameters, and what stands between them."""

from scratch.layers.batch_norm import BatchNorm1d
from scratch.layers.bilinear import Bilinear
from scratch.layers.dropout import AlphaDropout, Dropout
from scratch.layers.embedding import Embedding
from scratch.layers.flatten import Flatten
from scratch.layers.linear import Linear
from scratch.layers.normalization import GroupNorm, LayerNorm, RMSNorm

__all__ = [
    "AlphaDropout",
    "BatchNorm1d",
    "Bilinear",
    "Dropout",
    "Embedding",
    "Flatten",
    "GroupNorm",
    "LayerNorm",
    "Linear",
    "RMSNorm",
]
