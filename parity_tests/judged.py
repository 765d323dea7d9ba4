"""Running a judged property over many drawn examples: every number inside its ball, and hardly any number skipped."""

from collections.abc import Callable
from typing import Any

from hypothesis import given

from handgrad.judge import Tally, Verdict

# The judge claims nothing where a partial result may overflow. A property that skips more than this has lost its point.
SKIPPED_SHARE = 0.05
ENOUGH = 20  # verdicts, to speak of a share: the profile "mutants" draws five examples


def judged(body: Callable[..., list[Verdict]], **strategies: Any) -> Tally:
    """Call `body` with drawn arguments; all verdicts it returns must hold. Returns the tally of all examples."""
    tally = Tally()

    @given(**strategies)
    def example(**drawn: Any) -> None:
        for verdict in body(**drawn):
            assert verdict.held, verdict.render()
            tally.add(tally.steps, verdict)

    example()
    assert tally.numbers > 0
    assert tally.steps < ENOUGH or tally.skipped <= SKIPPED_SHARE * tally.numbers, tally.summary()
    return tally
