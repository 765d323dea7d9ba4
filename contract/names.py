"""What the sides and the activations are called."""

from typing import Any

SIDES = {"scratch": "NumPy", "torch": "PyTorch"}
"""The sides by their keys in code and in `result.json`, and what people read for them."""

ACTIVATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "identity": ("Identity", {}),
    "relu": ("ReLU", {}),
    "relu6": ("ReLU6", {}),
    "leaky_relu": ("LeakyReLU", {}),
    "prelu": ("PReLU", {}),
    "rrelu": ("RReLU", {}),
    "hardtanh": ("Hardtanh", {}),
    "elu": ("ELU", {}),
    "celu": ("CELU", {}),
    "selu": ("SELU", {}),
    "gelu": ("GELU", {}),
    "gelu_tanh": ("GELU", {"approximate": "tanh"}),
    "silu": ("SiLU", {}),
    "mish": ("Mish", {}),
    "softplus": ("Softplus", {}),
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "logsigmoid": ("LogSigmoid", {}),
    "hardsigmoid": ("Hardsigmoid", {}),
    "hardswish": ("Hardswish", {}),
    "softsign": ("Softsign", {}),
    "tanhshrink": ("Tanhshrink", {}),
    "hardshrink": ("Hardshrink", {}),
    "softshrink": ("Softshrink", {}),
    "softmax": ("Softmax", {"dim": -1}),
    "log_softmax": ("LogSoftmax", {"dim": -1}),
    "softmin": ("Softmin", {"dim": -1}),
}
"""What `MLP` accepts as `activation` and `output_activation`, the names of `torch.nn.functional`: class and options.

Not among them: Threshold, whose numbers have no defaults, and the gates, which halve the width.
"""
