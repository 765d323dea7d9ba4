"""`python -m handgrad` is the command `handgrad`."""

import sys

if not sys.flags.safe_path:
    # `python -m` puts the current folder first: a scratch.py of the user's would stand before our own.
    sys.path.append(sys.path.pop(0))

from handgrad.cli import main

sys.exit(main())
