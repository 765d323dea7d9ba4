"""`handgrad check`."""

from typing import Annotated

import typer

from handgrad.cli import options
from handgrad.cli.options import Dtype, option
from handgrad.errors import refusing
from handgrad.terminal import printable


def check_command(
    target: Annotated[
        str, typer.Argument(metavar="FILE:NAME", help="mine.py:MyLayer, mine.py:Dense(3, 4), mine.py:f,df")
    ],
    like: Annotated[
        str | None, typer.Option(metavar="NAME", help="The same by someone else, as torch.nn.SiLU.")
    ] = None,
    shape: Annotated[
        list[str] | None, typer.Option(metavar="N,N", help="Of the drawn input, as in 4,3; once for each argument.")
    ] = None,
    inputs: Annotated[
        str | None, typer.Option(metavar="FILE:NAME", help="The inputs: an array, a tuple of arrays, or a function.")
    ] = None,
    only: Annotated[str | None, typer.Option(metavar="NAME,…", help="Look at these variables alone.")] = None,
    dtype: Dtype = None,
    seed: Annotated[int, option("seed", options.seed, "N", "Of the drawn inputs.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> int:
    """Check the gradient of your own layer, loss, function or model against every oracle that applies.

    Exit code 0: it agrees. 1: it is wrong; the text says where and probably why. 2: bad input, or nothing can be told.
    """
    from handgrad.check import CheckError, check_file
    from handgrad.check.surroundings import prints_aside

    with refusing(kinds=(CheckError,)), prints_aside():
        found = check_file(target, like, shape, dtype, seed, inputs, only)
    print(found.to_json() if json else printable(found.render()))
    return found.exit_code
