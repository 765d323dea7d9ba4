"""`handgrad judge`."""

from pathlib import Path
from typing import Annotated

import typer

from handgrad.terminal import printable


def judge_command(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="As handgrad vectors writes them.")],
    json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> int:
    """Judge numbers that any program computed: the outputs, gradients or optimizer step of a known op in FILE.

    FILE is safetensors: the arrays by name, and op and options in the metadata (docs/vectors.md). Exit code 0: every
    number held. 1: some are wrong; the text says where and probably why. 2: a file cannot be read or judged.
    """
    from handgrad.vectors import judge_file
    from handgrad.vectors.answer import to_json

    answers = [judge_file(file) for file in files]
    print(to_json(answers) if json else printable("\n".join(answer.render() for answer in answers)))
    return max(answer.exit_code for answer in answers)
