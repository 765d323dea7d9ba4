"""`handgrad doctor`."""

from pathlib import Path
from typing import Annotated

import typer

from handgrad.errors import BadInputError, refusing
from handgrad.terminal import Terminal


def doctor_command(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="With --json: where to write it.")] = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON, printed or written to FILE.")] = False,
) -> int:
    """Say what this machine is, how fast it multiplies, and what on it slows either side: five seconds.

    Exit code 0: advice is no error.
    """
    if file is not None and not json:
        raise BadInputError(f"{file} is where --json writes: handgrad doctor --json {file}")
    from json import dumps

    from handgrad.files import refuse_unwritable, write_text
    from handgrad.machine.doctor import diagnose, show, to_json

    with refusing(kinds=()):
        if file is not None:
            refuse_unwritable(file)
        found = diagnose()
        text = dumps(to_json(found), indent=1, ensure_ascii=False)
        if file is not None:
            write_text(file, text + "\n")
        elif json:
            print(text)
        else:
            show(found, Terminal())
    return 0
