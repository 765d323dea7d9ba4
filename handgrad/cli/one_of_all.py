"""`handgrad` as one of the processes of `compare --all`: when that one was killed, it ends as after SIGTERM."""

import os
import signal
import sys
import threading

from handgrad.cli import main


def _end_with_the_parent() -> None:
    """Whoever started this process keeps standard input open; the system closes it where they are killed.

    Read past Python's buffer, whose lock this thread would hold when the process ends: Python aborts there.
    """
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    sys.exit(main())
