"""Measure claims and experiments on both sides. What does not hold is not written: an ArithmeticError says what."""

import json
import warnings
from hashlib import sha256
from pathlib import Path
from typing import Any

from docs.writers.articles.claim import Claim
from docs.writers.articles.table import CLAIMS
from handgrad.experiments import EXPERIMENTS, Experiment
from handgrad.machine.environment import one_thread
from handgrad.report.result_json import CODE
from handgrad.training.sides import SIDES

NAMES = sorted({name for claims in CLAIMS.values() for claim in claims.values() for name in claim.experiments})
"""The experiments that some claim shows."""


def measured(key: str, claim: Claim) -> dict[str, str]:
    """Side → what it does. ArithmeticError where the sides must agree and do not."""
    assert claim.measure is not None
    with warnings.catch_warnings(), one_thread():
        warnings.simplefilter("error")
        texts = {name: claim.measure(side) for name, side in SIDES.items()}
    if not claim.differs and len(set(texts.values())) > 1:
        raise ArithmeticError(f"{key}: the sides differ: {' | '.join(texts.values())}")
    return texts


def recipe(experiment: Experiment) -> str:
    """A digest of what an experiment is, without its functions."""
    words = {"printed", "band", "seconds", "title"}
    fields = {name: value for name, value in vars(experiment).items() if name not in CODE and name not in words}
    text = json.dumps(fields, sort_keys=True, default=str) + str(experiment.expect)
    return sha256(text.encode()).hexdigest()[:16]


def trained(experiment: Experiment, runs: Path | None = None) -> dict[str, Any]:
    """What an experiment reached on both sides: of the result that stands in the folder `runs`, else run here and now.

    ArithmeticError where parity failed or the expectation was missed.
    """
    found = (runs and _stored(experiment, runs)) or _run(experiment)
    if not found["passed"]:
        raise ArithmeticError(
            f"{experiment.name}: a run that does not pass is no result: handgrad compare {experiment.name}"
        )
    return {
        "recipe": recipe(experiment),
        "metric": experiment.expect.metric,
        "numbers": {name: side["parity"]["numbers"] for name, side in found["sides"].items()},
        "reached": {name: side["reached"] for name, side in found["sides"].items()},
    }


def _stored(experiment: Experiment, runs: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads((runs / experiment.name / "result.json").read_text(encoding="utf-8"))
        same = not found["overrides"] and not found["interrupted"]
        same &= all(
            found["experiment"][name] == getattr(experiment, name) for name in ("seed", "dtype", "epochs", "lr")
        )
        return found if same and "--device" not in found["command"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _run(experiment: Experiment) -> dict[str, Any]:
    from handgrad.report.result_json import result
    from handgrad.training.outcome import Outcome
    from handgrad.training.train import prepare, train

    return result(Outcome.of(train(prepare(experiment), f"handgrad compare {experiment.name}", pictures=False)))


def experiments() -> dict[str, Experiment]:
    return {name: EXPERIMENTS[name] for name in NAMES}
