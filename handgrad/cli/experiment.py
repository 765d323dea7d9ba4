"""The experiment that a command line names."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from handgrad.errors import refusing

if TYPE_CHECKING:
    from handgrad.experiments import Experiment


def experiment(
    name: str | None, given: Mapping[str, Any], csv: str | None = None, target: str | None = None
) -> "Experiment":
    """The experiment with the fields that the user gave. BadInputError for what is not there or cannot be changed."""
    from handgrad.experiments.overrides import with_overrides
    from handgrad.experiments.own import find

    with refusing():
        return with_overrides(find(name, csv, target), given)
