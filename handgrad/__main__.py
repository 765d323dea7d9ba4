"""`python -m handgrad` is the command `handgrad`."""

import sys

from handgrad.cli import main

sys.exit(main())
