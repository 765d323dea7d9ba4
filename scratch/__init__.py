"""The hand-written side: a multilayer perceptron in NumPy, every derivative written out.

It imports NumPy and nothing else. Names, arguments, defaults, shapes and semantics are those of `torch.nn`,
`torch.nn.init` and `torch.optim`.
"""

from scratch import init
from scratch.activations import ACTIVATIONS, Identity, LeakyReLU, LogSoftmax, ReLU, Sigmoid, Softmax, Tanh
from scratch.linear import Linear
from scratch.losses import BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, L1Loss, Loss, MSELoss, NLLLoss
from scratch.mlp import MLP
from scratch.module import Module, Parallel, Parameter, Sequential
from scratch.optim import SGD, Adam, Optimizer
from scratch.second_order import hessian_vector_product
from scratch.trainer import Trainer

__all__ = [
    "ACTIVATIONS",
    "MLP",
    "SGD",
    "Adam",
    "BCELoss",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "Identity",
    "L1Loss",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "Loss",
    "MSELoss",
    "Module",
    "NLLLoss",
    "Optimizer",
    "Parallel",
    "Parameter",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "Trainer",
    "hessian_vector_product",
    "init",
]
