"""How a command ends: one word, one colour and one exit code, the same for every command."""

from dataclasses import dataclass

INTERRUPTED = 130  # exit code: 128 + SIGINT


@dataclass(frozen=True)
class Ending:
    """Whether everything that decides held, and whether Ctrl-C came first."""

    held: bool
    interrupted: bool = False

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
        return INTERRUPTED if self.interrupted else 0 if self.held else 1
