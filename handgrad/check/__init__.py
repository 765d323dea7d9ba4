"""For users' own gradients: every oracle that applies, and what they say of each other.

- `check_gradients(op, inputs=None, reference=None)` answers with a `GradientCheck`.
- `assert_gradients(op, inputs=None, reference=None)` is the same as an assertion, for tests, and the fixture
  `gradcheck` of the pytest plugin is that; `assert_parity(op, reference, inputs=None)` wants the reference's outputs.
- `check_file("mine.py:MyLayer", like="torch.nn.SiLU")` is what the command line calls.
"""

from handgrad.check.assertions import assert_gradients, assert_parity
from handgrad.check.certified import assert_certified
from handgrad.check.files import check_file
from handgrad.check.gradients import check_gradients
from handgrad.check.report import GradientCheck
from handgrad.check.subject import CheckError

__all__ = [
    "CheckError",
    "GradientCheck",
    "assert_certified",
    "assert_gradients",
    "assert_parity",
    "check_file",
    "check_gradients",
]
