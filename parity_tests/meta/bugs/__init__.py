"""A catalogue of bugs as people really write them, each planted into the hand-written side while a test runs.

One module per family of what they are planted into: a new bug is a new row there. `bug` says what a row means.
"""

from parity_tests.meta.bugs.activations import ACTIVATIONS
from parity_tests.meta.bugs.adaptive import ADAPTIVE
from parity_tests.meta.bugs.bug import Bug, Edit, functions_of, planted
from parity_tests.meta.bugs.init import INIT
from parity_tests.meta.bugs.layers import LAYERS
from parity_tests.meta.bugs.likelihoods import LIKELIHOODS
from parity_tests.meta.bugs.linear import LINEAR_LAYER
from parity_tests.meta.bugs.losses import LOSSES
from parity_tests.meta.bugs.margins import MARGINS
from parity_tests.meta.bugs.modules import MODULES
from parity_tests.meta.bugs.normalization import NORMALIZATION
from parity_tests.meta.bugs.optimizers import OPTIMIZERS
from parity_tests.meta.bugs.rectifiers import RECTIFIERS
from parity_tests.meta.bugs.schedules import SCHEDULES
from parity_tests.meta.bugs.smooth import SMOOTH
from parity_tests.meta.bugs.training import TRAINING

__all__ = ["BUGS", "Bug", "Edit", "functions_of", "planted"]

BUGS: dict[str, Bug] = {
    **LINEAR_LAYER,
    **LAYERS,
    **NORMALIZATION,
    **ACTIVATIONS,
    **RECTIFIERS,
    **SMOOTH,
    **MODULES,
    **INIT,
    **LOSSES,
    **LIKELIHOODS,
    **MARGINS,
    **OPTIMIZERS,
    **ADAPTIVE,
    **SCHEDULES,
    **TRAINING,
}
