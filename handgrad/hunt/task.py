"""What the pages beside the files have in common."""

from collections.abc import Mapping


def tools(commands: Mapping[str, str]) -> str:
    """Commands, each with what it is for, as a block of code."""
    width = max(map(len, commands))
    return "\n".join(f"    {command:{width}}   # {why}" for command, why in commands.items())


def rules(key: int | str, file: str) -> str:
    """How a guess is made, and what it costs."""
    commands = {
        f"handgrad hunt {key} --line 23": "is it this line?",
        f"handgrad hunt {key} --check {file}": "is it repaired?",
        f"handgrad hunt {key} --hint 1": "2 and 3 say more",
        f"handgrad hunt {key} --story": "at the end: what it was, and what it teaches",
    }
    return f"""{tools(commands)}

The bug is worth 10 points: 2 less for hint 1, 4 for hint 2, 6 for hint 3, 1 less for each wrong guess, none once
the story was read. `handgrad hunt --score`, here or in the folder above, shows them; `hunt.json` keeps them."""
