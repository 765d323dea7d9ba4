"""A catalogue of bugs as people really write them: the suite plants each one into `scratch`, the hunt into a copy.

One module per family of what they are planted into: a new bug is a new row there. `bug` says what a row means.
"""

from handgrad.bugs.activations import ACTIVATIONS
from handgrad.bugs.adaptive import ADAPTIVE
from handgrad.bugs.bug import Bug, Edit, changed, functions_of, planted
from handgrad.bugs.init import INIT
from handgrad.bugs.layers import LAYERS
from handgrad.bugs.likelihoods import LIKELIHOODS
from handgrad.bugs.linear import LINEAR_LAYER
from handgrad.bugs.losses import LOSSES
from handgrad.bugs.margins import MARGINS
from handgrad.bugs.modules import MODULES
from handgrad.bugs.normalization import NORMALIZATION
from handgrad.bugs.optimizers import OPTIMIZERS
from handgrad.bugs.rectifiers import RECTIFIERS
from handgrad.bugs.schedules import SCHEDULES
from handgrad.bugs.smooth import SMOOTH
from handgrad.bugs.training import TRAINING

__all__ = ["BUGS", "Bug", "Edit", "changed", "functions_of", "planted"]

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
