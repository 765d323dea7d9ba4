"""The experiment that a command line names."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from handgrad.errors import BadInputError, refusing

if TYPE_CHECKING:
    from handgrad.experiments import Experiment
    from handgrad.experiments.own import OwnFile


def own_file(path: str | None, target: str | None, missing: str | None, leave_out: str | None) -> "OwnFile | None":
    """The user's file with its options. BadInputError for an option of it without the file."""
    from handgrad.experiments.own import OwnFile

    if path is not None:
        names = tuple(name.strip() for name in (leave_out or "").split(",") if name.strip())
        return OwnFile(path, target, missing or "refuse", names)
    for option, value in (("--target", target), ("--missing", missing), ("--leave-out", leave_out)):
        if value is not None:
            raise BadInputError(f"{option} belongs to --csv FILE; got {value!r} alone")
    return None


def experiment(name: str | None, given: Mapping[str, Any], csv: "OwnFile | None" = None) -> "Experiment":
    """The experiment with the fields that the user gave. BadInputError for what is not there or cannot be changed."""
    from handgrad.experiments.overrides import with_overrides
    from handgrad.experiments.own import find

    with refusing():
        return with_overrides(find(name, csv), given)
