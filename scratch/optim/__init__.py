"""Optimizers: the shared machinery in `optimizer.py`, then one file each."""

from scratch.optim.adam import Adam
from scratch.optim.optimizer import Optimizer
from scratch.optim.sgd import SGD

__all__ = ["SGD", "Adam", "Optimizer"]
