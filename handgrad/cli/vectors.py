"""`handgrad vectors`."""

from pathlib import Path
from typing import Annotated

import typer

from handgrad.cli.options import DTYPES, Dtype
from handgrad.errors import BadInputError, refusing
from handgrad.terminal import printable


def vectors_command(
    ops: Annotated[list[str] | None, typer.Argument(metavar="[OP]...", help="As in torch.nn: ReLU, Linear.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="The whole catalogue.")] = False,
    dtype: Dtype = None,
    out: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("vectors"),
) -> int:
    """Write test vectors of an op, to try another implementation on: inputs and right answers, edge cases among them.

    A file for each dtype, OP-DTYPE.safetensors, with a case for kinks, signed zeros, saturation, large, tiny and
    subnormal numbers, one row, an empty batch, and options. `handgrad judge` takes them as they are.
    """
    from handgrad.files import output_folder
    from handgrad.vectors import OPS, vectors, write
    from handgrad.vectors.ops import known

    if everything == bool(ops):
        raise BadInputError("give the names of ops, or --all for the whole catalogue")
    names = OPS if everything else list(dict.fromkeys(ops or ()))
    with refusing(kinds=(ValueError,)):
        for name in names:
            known(name)
    files = {(name, each): f"{name}-{each}.safetensors" for name in names for each in ([dtype] if dtype else DTYPES)}
    with refusing(f"--out {out}", kinds=()):
        output_folder(out, tuple(files.values()))
        for (name, each), file in files.items():
            cases = vectors(name, each)
            write(out / file, cases)
            print(printable(f"{out / file}  {len(cases)} cases"), flush=True)
    return 0
