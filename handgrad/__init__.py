"""handgrad: hand-written NumPy backpropagation and PyTorch, behind one contract, held against each other by a judge."""

__version__ = "0.1.0"
