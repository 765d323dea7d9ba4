"""Optimizers: the shared machinery in `optimizer.py`, then one file each."""

from scratch.optim.adadelta import Adadelta
from scratch.optim.adafactor import Adafactor
from scratch.optim.adagrad import Adagrad
from scratch.optim.adam import Adam
from scratch.optim.adamax import Adamax
from scratch.optim.adamw import AdamW
from scratch.optim.asgd import ASGD
from scratch.optim.lbfgs import LBFGS
from scratch.optim.muon import Muon
from scratch.optim.nadam import NAdam
from scratch.optim.optimizer import Optimizer
from scratch.optim.radam import RAdam
from scratch.optim.rmsprop import RMSprop
from scratch.optim.rprop import Rprop
from scratch.optim.sgd import SGD
from scratch.optim.sparse_adam import SparseAdam

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SparseAdam",
]
