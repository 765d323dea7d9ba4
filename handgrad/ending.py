"""How a command ends: one word, one colour and one exit code, the same for every command."""

from dataclasses import dataclass

INTERRUPTED, TERMINATED = 130, 143  # exit codes: 128 + SIGINT, 128 + SIGTERM


@dataclass(frozen=True)
class Ending:
    """Whether everything that decides held, and whether Ctrl-C or SIGTERM (`terminated`) came first."""

    held: bool
    interrupted: bool = False
    terminated: bool = False

    @property
    def passed(self) -> bool:
        return self.held and not self.interrupted

    @property
    def word(self) -> str:
        return "INTERRUPTED" if self.interrupted else "PASSED" if self.held else "FAILED"

    @property
    def style(self) -> str:
        return "bold green" if self.passed else "bold red"

    @property
    def exit_code(self) -> int:
        if self.interrupted:
            return TERMINATED if self.terminated else INTERRUPTED
        return 0 if self.held else 1
