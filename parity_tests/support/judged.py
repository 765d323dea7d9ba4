"""Running a judged property over many drawn examples: every number inside its ball, and hardly any number skipped."""

import os
import zlib
from collections.abc import Callable
from typing import Any

from hypothesis import given, seed, settings

from handgrad.judge import Tally, Verdict

# The judge claims nothing where a partial result may overflow. A property that skips more than this has lost its point.
SKIPPED_SHARE = 0.05
ENOUGH = 20  # verdicts, to speak of a share: the profile "mutants" draws five examples


# A property is asked of every row of a table, hundreds of times: each row draws fewer examples than a property alone.
ROWS_SHARE = 4
FEWEST = 5


run_seed: Any = None
"""What `--hypothesis-seed` says; `conftest` puts it here."""


def judged(body: Callable[..., list[Verdict]], times: float = 1, **strategies: Any) -> Tally:
    """Call `body` with drawn arguments; all verdicts it returns must hold. Returns the tally of all examples.

    A property that is asked once, not of every row of a table, may draw so many `times` as many examples; one whose
    examples are many steps each, fewer.

    The judge must not skip everything: one example at least, hypothesis's first and simplest, is judged whole.

    Where a profile is derandomised, hypothesis would take its draws from the source of `example` and so the same ones
    for every row; with `--hypothesis-seed` it would take them from that alone. They come from the test's name as well:
    each row has draws of its own, the same in every run of one seed.
    """
    tally, whole = Tally(), 0
    examples = round(times * max(settings.default.max_examples // ROWS_SHARE, FEWEST))

    @settings(max_examples=examples, derandomize=False)
    @given(**strategies)
    def example(**drawn: Any) -> None:
        nonlocal whole
        verdicts = body(**drawn)
        for verdict in verdicts:
            assert verdict.held, verdict.render()
            tally.add(tally.steps, verdict)
        whole += any(verdict.numbers for verdict in verdicts) and not any(verdict.skipped for verdict in verdicts)

    if settings.default.derandomize or run_seed is not None:
        test, _, _ = os.environ["PYTEST_CURRENT_TEST"].rpartition(" ")
        example = seed(zlib.crc32(f"{test}{run_seed or ''}".encode()))(example)
    if settings.default.database is None:  # hypothesis would tokenise the source of `example` for a key to nothing
        example._hypothesis_internal_database_key = None
    example()
    assert whole, f"no example was judged whole: {tally.summary()}"
    few = tally.steps < ENOUGH or examples < FEWEST  # the steps of one example share its numbers
    assert few or tally.skipped <= SKIPPED_SHARE * tally.numbers, tally.summary()
    return tally
