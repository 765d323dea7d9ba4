"""`python -m docs.writers.dictionary [--all]`: write `docs/dictionary/` and what was measured for it."""

import argparse
import json
import sys
from typing import Any

from docs.writers.dictionary import pages
from docs.writers.proof import NOT_ELEMENTWISE, prove, prove_code
from docs.writers.proof.code import NOT_RUN
from handgrad.dictionary.page import MEASURED, measurements
from handgrad.dictionary.source import Entry, entries, fingerprint
from handgrad.files import write_text


def main() -> int:
    parser = argparse.ArgumentParser(
        "python -m docs.writers.dictionary",
        description="Write docs/dictionary/. What changed is measured and drawn anew.",
    )
    parser.add_argument("--all", action="store_true", help="measure and draw every op anew")
    everything = parser.parse_args().all
    pages.FOLDER.mkdir(exist_ok=True)

    before, measured, failed = measurements(), {}, []
    for entry in entries():
        known = before.get(entry.name)
        try:
            if known is None or everything or known["source"] != fingerprint(entry):
                print(f"measuring {entry.name}", file=sys.stderr)
                known = _measure_and_draw(entry)
            measured[entry.name] = {**known, "proved": proved(entry)}
        except Exception as error:  # whatever an unfinished op does, the others are written
            failed.append(f"{entry.name}: {type(error).__name__}: {error}")
    lines = [f"{json.dumps(name)}: {json.dumps(found, ensure_ascii=False)}" for name, found in sorted(measured.items())]
    write_text(MEASURED, "{\n" + ",\n".join(lines) + "\n}\n")
    if failed:
        print("\n".join(["no page was written, as these could not be measured or proved:", *failed]), file=sys.stderr)
        return 1

    texts = pages.render(measured, pages.drawn())
    for name, text in texts.items():
        write_text(pages.FOLDER / name, text)
    for path in pages.FOLDER.iterdir():  # of ops that are no more
        if path.suffix in (".md", ".svg") and f"{path.stem}.md" not in texts:
            path.unlink()
    print(f"{len(texts)} pages in {pages.FOLDER}")
    return 0


def proved(entry: Entry) -> dict[str, list[str]]:
    """The derivatives of its docstring and its code, proved anew: the fingerprint leaves docstrings out."""
    if entry.family not in ("Activations", "Losses") or entry.name in NOT_ELEMENTWISE:
        return {}
    found = prove(entry.doc)
    if entry.name not in NOT_RUN:
        prove_code(entry.name, entry.doc)
        found["the code of backward"] = []
    return found


def _measure_and_draw(entry: Entry) -> dict[str, Any]:
    from docs.writers.dictionary.measure import measure  # loads torch
    from docs.writers.dictionary.pictures import picture

    found, svg, path = measure(entry), picture(entry), pages.FOLDER / f"{entry.name}.svg"
    path.unlink(missing_ok=True)
    if svg is not None:
        write_text(path, svg)
    return found


if __name__ == "__main__":
    sys.exit(main())
