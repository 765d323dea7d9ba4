"""A campaign: `python -m parity_tests.meta.fuzz 100000` plays programs until so many calls have been compared."""

import argparse
import random
import secrets
import sys
from collections import Counter
from time import perf_counter

import torch
from hypothesis import HealthCheck, Phase, given, seed, settings

from parity_tests.meta.fuzz.play import CLASSES, Finding, Program, play, smallest
from parity_tests.meta.fuzz.programs import programs
from parity_tests.meta.fuzz.subjects import SUBJECTS

CHUNK = 500  # programs at a time: hypothesis remembers every one that it has drawn


class Count:
    """Outcomes of calls by class, and one example of every fault."""

    def __init__(self) -> None:
        self.accepted = self.refused = 0
        self.kinds: Counter[str] = Counter()
        self.faults: Counter[tuple[str, ...]] = Counter()
        self.examples: dict[tuple[str, ...], tuple[str, Finding]] = {}

    @property
    def calls(self) -> int:
        return self.accepted + self.refused + sum(self.kinds.values())

    def add(self, name: str, program: Program) -> None:
        played = play(program, SUBJECTS[name].sides)
        self.accepted += played.accepted
        self.refused += played.refused - sum(
            f.kind in ("unreadable on both sides", "other words") for f in played.findings
        )
        for finding in played.findings:
            self.kinds[finding.kind] += 1
            self.faults[finding.key] += 1
            if finding.key not in self.examples:
                self.examples[finding.key] = (name, finding)


def chunk(count: Count, names: list[str], number: int) -> None:
    @seed(number)
    @settings(
        max_examples=CHUNK,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(programs(names))
    def one(drawn: tuple[str, Program]) -> None:
        count.add(*drawn)

    one()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m parity_tests.meta.fuzz", description=__doc__)
    parser.add_argument("calls", type=int, nargs="?", default=10_000, help="how many calls to compare (default 10000)")
    parser.add_argument("--seed", type=int, help="draw what that seed draws (default: anew)")
    parser.add_argument("--only", default="", help="names of subjects, between commas")
    given_ = parser.parse_args(arguments)
    torch.set_num_threads(1)
    names = [name for name in given_.only.split(",") if name] or list(SUBJECTS)
    start, first = perf_counter(), secrets.randbelow(2**32) if given_.seed is None else given_.seed
    numbers = random.Random(first)
    count = Count()
    while count.calls < given_.calls:
        chunk(count, names, numbers.getrandbits(32))
    for key, times in count.faults.most_common():
        name, finding = count.examples[key]
        print(f"{times} times, {name}: {smallest(finding, SUBJECTS[name].sides)}\n")
    print(f"{count.calls:,} calls, seed {first}, {perf_counter() - start:,.0f} s")
    print(f"  accepted alike            {count.accepted:8,}\n  refused in the same words {count.refused:8,}")
    for kind in CLASSES:
        print(f"  {kind:<25} {count.kinds[kind]:8,}")
    return 1 if count.kinds else 0


if __name__ == "__main__":
    sys.exit(main())
