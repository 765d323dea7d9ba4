"""`python -m docs.writers.articles [--all] [--runs FOLDER]`: write `docs/sources.md` and `docs/sources.json`."""

import argparse
import json
import platform
import sys
from pathlib import Path
from typing import Any

from docs.writers.articles import CLAIMS, page
from handgrad.files import write_text


def main() -> int:
    parser = argparse.ArgumentParser(
        "python -m docs.writers.articles",
        description="Write docs/sources.md. Claims are measured every time, an experiment where its recipe changed.",
    )
    parser.add_argument("--all", action="store_true", help="measure every experiment anew (minutes)")
    parser.add_argument(
        "--runs", type=Path, metavar="FOLDER", help="take results that `handgrad compare --all` just wrote there"
    )
    given = parser.parse_args()
    import numpy as np
    import torch

    from docs.writers.articles.measure import experiments, measured, recipe, trained  # loads torch

    before, claims, found, failed = page.load(), {}, {}, []
    for number, table in CLAIMS.items():
        for name, claim in table.items():
            key = f"{number}/{name}"
            if claim.measure is None:
                continue
            try:
                claims[key] = measured(key, claim)
            except Exception as error:  # whatever one claim does, all that failed are named
                failed.append(f"{key}: {type(error).__name__}: {error}")
    for name, experiment in experiments().items():
        known = before["experiments"].get(name)
        if known is not None and not given.all and known["recipe"] == recipe(experiment):
            found[name] = known
            continue
        print(f"measuring {name}", file=sys.stderr)
        try:
            found[name] = trained(experiment, given.runs)
        except Exception as error:  # told at the end, with the others that failed
            failed.append(f"{name}: {type(error).__name__}: {error}")
    if failed:
        print("\n".join(["nothing was written, as these could not be measured:", *failed]), file=sys.stderr)
        return 1
    on = f"Python {platform.python_version()}, NumPy {np.__version__}, PyTorch {torch.__version__}"
    parts: dict[str, dict[str, Any]] = {"claims": claims, "experiments": found}
    lines = []
    for part, values in parts.items():
        rows = [f"  {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in sorted(values.items())]
        lines.append(f" {json.dumps(part)}: {{\n" + ",\n".join(rows) + "\n }")
    text = "{\n" + f' "on": {json.dumps(on)},\n' + ",\n".join(lines) + "\n}\n"
    write_text(page.DOCS / page.VALUES, text)
    write_text(page.DOCS / page.PAGE, page.render(page.load()))
    print(f"{sum(map(len, CLAIMS.values()))} claims in {page.DOCS / page.PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
