"""The command line: a file for each command, `app` around them, `options` for what several of them take.

Exit codes: 0 all is well, 1 parity or the expectation failed, 2 bad input, 130 Ctrl-C. Bad input of every kind is one
line on standard error. What takes long to import (torch, scikit-learn, matplotlib) is imported by the command that
needs it.
"""

from handgrad.cli.app import main

__all__ = ["main"]
