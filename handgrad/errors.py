"""Bad input of the user's: one error for all of it, whose message is the one line that is printed."""

from collections.abc import Iterator
from contextlib import contextmanager

REFUSALS = (ValueError, TypeError, MemoryError, RuntimeError)  # what both sides, the judge and the data raise


class BadInputError(Exception):
    """What the user gave cannot be used. The message is the one line that is printed."""


@contextmanager
def refusing(option: str = "", kinds: tuple[type[Exception], ...] = REFUSALS) -> Iterator[None]:
    """What fails in here, in one of these kinds, fails because of what the user gave: one line.

    So does a file that cannot be used; `option` is what gave its place.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None:  # no file of the user's: the terminal
            raise
        place = f"{option} cannot be written" if option else f"{error.filename} cannot be written"
        raise BadInputError(f"{place}: {error.strerror}" + (f" ({error.filename})" if option else "")) from error
    except kinds as error:
        raise BadInputError(str(error) or type(error).__name__) from error


LONGEST = 400  # characters of somebody else's message


def one_line(error: BaseException, *plain: type[BaseException]) -> str:
    """An exception in one line: its kind and its message, and of the kinds that are `plain` the message alone."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # it is a class of the user's, whose own code makes the message
        text = "its message cannot be read"
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
    if isinstance(error, plain):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
