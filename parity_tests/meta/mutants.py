"""Mutation testing: run mutmut over both sides, and hold every surviving mutant against the list of equivalent ones.

A mutant is one small change of the code. One that no test notices is either a hole in the tests or equivalent: another
way to write the same program. `equivalent_mutants.toml` lists the equivalent ones, each with the reason. A survivor
that is not listed fails the run, and so does a listed change that did not survive: the list holds no more than it must.

Run by `make mutants`; `make mutants ARGS="scratch.optim.* contract.checks.*"` tries those modules alone, and
`make mutants ARGS=--go-on` goes on with a run that ended early, or after tests were added: it tries what was never
tried, what stands in a function that changed since, and what survived without being listed. Settings are in
pyproject.toml, examples in conftest's profile "mutants".
"""

import os
import pathlib
import shutil
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

LISTED = pathlib.Path(__file__).with_name("equivalent_mutants.toml")
NOTICED = {"killed", "timeout", "segfault"}
GO_ON = "--go-on"
STATS = pathlib.Path("mutants/mutmut-stats.json")


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


def run(workers: int, names: list[str], *, go_on: bool = False) -> None:
    """Make all mutants, in the folder mutants/, and try those with `names` (patterns; all without any).

    SystemExit where mutmut cannot, as when a test fails anyway.
    """
    if go_on:
        forget_unlisted_survivors()
        STATS.unlink(missing_ok=True)  # a test may call other functions than it did
    else:
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


def forget_unlisted_survivors() -> None:
    """Mark them as never tried: those alone, and what is new, mutmut tries when it goes on."""
    listed = set(equivalent())
    for data in tried_by_file():
        for name, code in data.exit_code_by_key.items():
            if code is not None and end_of(code) not in NOTICED and change(name, str(data.path)) not in listed:
                data.exit_code_by_key[name] = None
        if data.exit_code_by_key:
            data.save()


def tried_by_file() -> Iterator[Any]:
    """What mutmut keeps of each file's mutants, of those files whose mutants it has made."""
    from mutmut.mutation.data import SourceFileMutationData
    from mutmut.utils.file_utils import walk_mutatable_files

    for path in walk_mutatable_files():
        data = SourceFileMutationData(path=path)
        data.load()
        yield data


def end_of(code: int) -> str:
    """What mutmut calls the end of a test run with this exit code."""
    from mutmut.stats import status_by_exit_code

    return str(status_by_exit_code[code])


def results() -> tuple[Counter[str], set[Change], set[tuple[str, str]]]:
    """How many mutants met which end, those that no test noticed, and the functions of all that were tried by file."""
    ends: Counter[str] = Counter()
    survivors, tried = set(), set()
    for data in tried_by_file():
        path = str(data.path)
        for name, code in data.exit_code_by_key.items():
            if code is None:  # not asked for
                continue
            ends[end_of(code)] += 1
            tried.add((path, function_of(name)))
            if end_of(code) not in NOTICED:
                survivors.add(change(name, path))
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
    go_on = GO_ON in names
    names = [name for name in names if name != GO_ON]
    run(workers, names, go_on=go_on)
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
