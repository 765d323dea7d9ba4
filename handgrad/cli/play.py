"""`handgrad play`."""

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from handgrad.cli.options import (
    OPTIMIZERS,
    Parser,
    activation,
    optimizer,
    option,
    rate,
    seed,
    whole,
    widths,
)
from handgrad.errors import BadInputError
from handgrad.terminal import printable

if TYPE_CHECKING:
    from handgrad.play.server import Server

SETTINGS: dict[str, Parser] = {
    "hidden": widths,
    "activation": activation,
    "optimizer": optimizer,
    "lr": rate,
    "batch_size": whole,
    "seed": seed,
}
"""What can be changed on the board beside the data: the options of `compare`."""


def play_command(
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", help="The experiment to begin with; your own: mine.py:experiment.")
    ] = "moons",
    port: Annotated[
        int, option("port", partial(whole, low=0, high=65535), "N", "Where the page is served; 0: a port that is free.")
    ] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address and open nothing.")] = False,
    frames: Annotated[
        Any, option("frames", whole, "N", "Measure how long so many frames take, without a page, and end.")
    ] = None,
) -> int:
    """Play with both sides while they train, on a page of this machine's own: change the net, open any number.

    The page is served to this machine alone, and nothing is loaded from elsewhere. Ctrl-C ends it.
    """
    from handgrad.machine.environment import one_thread
    from handgrad.play.board import Board
    from handgrad.play.server import Server

    board = Board(name, SETTINGS, tuple(OPTIMIZERS))
    try:
        server = Server(board, port)
    except OSError as error:
        raise BadInputError(f"--port {port} cannot be used: {error.strerror}") from error
    try:
        with one_thread():
            if frames is not None:
                print(printable(_measured(server, frames)))
                return 0
            print(f"{server.url} (Ctrl-C ends it)", flush=True)
            if not no_browser:
                import webbrowser

                webbrowser.open(server.url)
            server.serve_forever()
    finally:
        server.end()
    return 0


def _measured(server: "Server", frames: int) -> str:
    """How long frames take, from a request to the last byte of its answer, in words."""
    from handgrad.play.measure import frame_times

    times, steps = frame_times(server, frames)
    ends = [sorted(times)[round((len(times) - 1) * part)] * 1e3 for part in (0.5, 0.99, 1)]
    return (
        f"{frames} frames: {ends[0]:.0f} ms at the median, {ends[1]:.0f} ms in 99 of 100, {ends[2]:.0f} ms at most; "
        f"{steps / frames:.0f} steps of both sides in each"
    )
