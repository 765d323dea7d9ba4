"""The references of the activations, a file for each family, as in `scratch/activations`."""

from typing import Any

from handgrad.judge.rules.activations import gates, rectifiers, shrinkage, sigmoids, smooth, softmax

RULES: dict[str, Any] = {
    name: getattr(family, name)
    for family in (gates, rectifiers, shrinkage, sigmoids, smooth, softmax)
    for name in family.__all__
}
