"""The contract that both sides keep. It imports NumPy and nothing else; `scratch` and `torch_impl` import it.

- `protocols`: what a model, a loss, an optimizer and a trainer can be asked.
- `checks`, `layer_checks`, `loss_checks`, `optimizer_checks`: every refusal of bad input, once for both sides.
- `names`: what the sides and the activations are called.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contract.protocols import (
        Array,
        Loss,
        Model,
        Optimizer,
        PairLoss,
        PairModel,
        Parameter,
        Target,
        Trainer,
    )

__all__ = ["Array", "Loss", "Model", "Optimizer", "PairLoss", "PairModel", "Parameter", "Target", "Trainer"]


def __getattr__(name: str) -> Any:
    """The protocols, imported when they are first asked for: whoever wants the names alone loads no NumPy."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from contract import protocols

    return getattr(protocols, name)
