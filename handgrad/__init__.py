"""handgrad: hand-written NumPy backpropagation and PyTorch, behind one contract, held against each other by a judge.

`check_gradients` and `assert_parity` hold a user's own gradient against every oracle that applies (`docs/checking.md`).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handgrad.check import GradientCheck, assert_certified, assert_gradients, assert_parity, check_gradients

__all__ = ["GradientCheck", "assert_certified", "assert_gradients", "assert_parity", "check_gradients"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """The public functions, imported when they are first asked for: `import handgrad` stays light."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from handgrad import check

    return getattr(check, name)
