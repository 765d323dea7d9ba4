"""The layers: maps with parameters, and what stands between them."""

from typing import TYPE_CHECKING

from scratch.layers import batch_norm, bilinear, dropout, embedding, flatten, linear, normalization
from scratch.layers.batch_norm import *
from scratch.layers.bilinear import *
from scratch.layers.dropout import *
from scratch.layers.embedding import *
from scratch.layers.flatten import *
from scratch.layers.linear import *
from scratch.layers.normalization import *

if not TYPE_CHECKING:  # which reads the stars themselves, and no list that is not written out
    __all__ = [
        *batch_norm.__all__,
        *bilinear.__all__,
        *dropout.__all__,
        *embedding.__all__,
        *flatten.__all__,
        *linear.__all__,
        *normalization.__all__,
    ]
