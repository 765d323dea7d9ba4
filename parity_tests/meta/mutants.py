"""Mutation testing: run mutmut over both sides, and hold every surviving mutant against the list of equivalent ones.

A mutant is one small change of the code. One that no test notices is either a hole in the tests or equivalent: another
way to write the same program. `equivalent_mutants.toml` lists the equivalent ones, each with the reason. A survivor
that is not listed fails the run, and so does a listed change that did not survive: the list holds no more than it must.

Run by `make mutants`; `make mutants ARGS="scratch.optim.* contract.checks.*"` tries those modules alone. Settings are
in pyproject.toml, examples in conftest's profile "mutants".
"""

import os
import pathlib
import shutil
import subprocess
import sys
import time
import tomllib
from collections import Counter
from typing import NamedTuple

LISTED = pathlib.Path(__file__).with_name("equivalent_mutants.toml")
NOTICED = {"killed", "timeout", "segfault"}


class Change(NamedTuple):
    """A mutant by what it changes, which stays the same when mutants are numbered anew."""

    file: str
    function: str
    was: str
    now: str

    def __str__(self) -> str:
        return f"{self.file}: {self.function}\n    - {self.was}\n    + {self.now}"


def equivalent() -> dict[Change, str]:
    """The listed changes with their reasons. ValueError for one that is listed twice."""
    reasons: dict[Change, str] = {}
    for entry in tomllib.loads(LISTED.read_text(encoding="utf-8"))["equivalent"]:
        for was, now in entry["changes"]:
            change = Change(entry["file"], entry["function"], was, now)
            if change in reasons:
                raise ValueError(f"{LISTED.name} lists a change twice: {change}")
            reasons[change] = entry["why"]
    return reasons


def run(workers: int, names: list[str]) -> None:
    """Make all mutants, in the folder mutants/, and try those with `names` (patterns; all without any).

    SystemExit where mutmut cannot, as when a test fails anyway.
    """
    shutil.rmtree("mutants", ignore_errors=True)
    mutmut = pathlib.Path(sys.executable).with_name("mutmut")
    environment = {**os.environ, "HYPOTHESIS_PROFILE": "mutants"}
    done = subprocess.run(
        [mutmut, "run", "--max-children", str(workers), *names],
        env=environment,
        stdout=None if sys.stdout.isatty() else subprocess.PIPE,  # its counter is for a terminal
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit((done.stdout or "") + "mutmut could not run")


def results() -> tuple[Counter[str], set[Change], set[tuple[str, str]]]:
    """How many mutants met which end, those that no test noticed, and the functions of all that were tried by file."""
    from mutmut.mutation.data import SourceFileMutationData
    from mutmut.stats import status_by_exit_code
    from mutmut.utils.file_utils import walk_mutatable_files

    ends: Counter[str] = Counter()
    survivors, tried = set(), set()
    for path in walk_mutatable_files():
        data = SourceFileMutationData(path=path)
        data.load()
        for name, code in data.exit_code_by_key.items():
            if code is None:  # not asked for
                continue
            end = status_by_exit_code[code]
            ends[end] += 1
            tried.add((str(path), function_of(name)))
            if end not in NOTICED:
                survivors.add(change(name, str(path)))
    return ends, survivors, tried


def function_of(name: str) -> str:
    """The function or method whose change mutmut calls `name`."""
    from mutmut.utils.format_utils import orig_function_and_class_names_from_key

    function, owner = orig_function_and_class_names_from_key(name)
    return f"{owner}.{function}" if owner else function


def change(name: str, path: str) -> Change:
    """The change that mutmut calls `name`."""
    from mutmut.mutation.diff_apply import get_diff_for_mutant

    lines = get_diff_for_mutant(name, path=path).splitlines()[2:]  # after the two lines that name the file
    was, now = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    return Change(path, function_of(name), was, now)


def main(workers: int, names: list[str]) -> int:
    """Run, report, and return 0 if the survivors are those listed, 1 otherwise."""
    start = time.monotonic()
    run(workers, names)
    ends, survivors, tried = results()
    listed = {change for change in equivalent() if not names or (change.file, change.function) in tried}
    for title, changes in (
        ("No test noticed", survivors - listed),
        (f"In {LISTED.name} but noticed by a test, or not a change that mutmut makes", listed - survivors),
    ):
        if changes:
            print(f"\n{title} ({len(changes)}):", *sorted(changes), sep="\n")
    counts = ", ".join(f"{count} {end}" for end, count in ends.most_common())
    print(
        f"\n{ends.total()} mutants in {time.monotonic() - start:.0f} s: {counts}; {len(listed)} changes are equivalent"
    )
    return int(survivors != listed)


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]), sys.argv[2:]))
