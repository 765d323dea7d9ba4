"""`python -m docs.writers.accuracy`: measure, and write docs/accuracy.json, docs/accuracy.md and its picture.

Without options all 2³² float32 numbers, about three CPU-hours; Ctrl-C and the same command again go on where it
stopped, and rows that are finished are in the data.
`--every 1021` takes every 1021st, and all that bfloat16 has, in a few CPU-minutes; `--samples` measures the ops of
several numbers alone, in one; `--page` writes the page alone.
"""

import argparse
import sys
from pathlib import Path

from docs.writers.accuracy.data import data, finished, merge
from docs.writers.accuracy.page import PAGE, PICTURE, page, picture
from docs.writers.accuracy.run import run
from docs.writers.accuracy.samples import samples
from docs.writers.accuracy.truth import ROWS
from handgrad.ending import INTERRUPTED, TERMINATED
from handgrad.files import write_text
from handgrad.stopping import Terminated, terminable


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m docs.writers.accuracy", description=__doc__)
    parser.add_argument("--every", type=positive, default=1, help="take every so many-th float32 number (default: all)")
    parser.add_argument("--op", action="append", default=[], choices=list(ROWS), help="this row alone")
    parser.add_argument("--workers", type=positive, default=2, help="processes (default: 2)")
    parser.add_argument("--samples", action="store_true", help="measure the ops of several numbers alone")
    parser.add_argument("--page", action="store_true", help="write the page from the committed data")
    given = parser.parse_args()
    stopped = None
    if given.samples:
        merge(samples=samples())
    elif not given.page:
        folder = Path("runs", "atlas", f"every-{given.every}")
        try:
            with terminable():
                merge(**run(given.every, folder, tuple(given.op), given.workers))
            if not given.op:
                merge(samples=samples())
        except KeyboardInterrupt as stop:
            stopped = stop
            merge(**finished(given.every, folder))
            print(
                "Stopped: rows that are finished are in the data. The same command goes on from here.", file=sys.stderr
            )
    result = data()
    write_text(PICTURE, picture(result))
    write_text(PAGE, page(result))
    print(PAGE)
    if stopped:
        sys.exit(TERMINATED if isinstance(stopped, Terminated) else INTERRUPTED)


if __name__ == "__main__":
    main()
