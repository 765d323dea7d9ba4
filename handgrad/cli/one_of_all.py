"""`handgrad` as one of the processes of `compare --all`: when that one was killed, it ends as after SIGTERM."""

import os
import signal
import sys

from handgrad.cli import main
from handgrad.stopping import end_with_the_starter


def end_with_the_command() -> None:
    end_with_the_starter(lambda: os.kill(os.getpid(), signal.SIGTERM))


if __name__ == "__main__":
    end_with_the_command()
    sys.exit(main())
