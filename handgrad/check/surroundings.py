"""Where the user's code runs: what it prints goes aside, and what it changes around itself is put back."""

import contextlib
import os
import random
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np


@contextlib.contextmanager
def kept(seed: int) -> Iterator[None]:
    """Within, the global generators start from `seed`; afterwards they are as before, and so is all that is global.

    These are the generators of `random`, NumPy and PyTorch, NumPy's floating-point errors, the filters of warnings,
    `sys.path`, and PyTorch's number of threads, dtype and gradient mode.
    """
    with contextlib.ExitStack() as stack:
        stack.callback(random.setstate, random.getstate())
        stack.callback(np.random.set_state, np.random.get_state())  # noqa: NPY002 - the one that the user's code draws from
        stack.callback(sys.path.__setitem__, slice(None), list(sys.path))
        stack.enter_context(np.errstate(all="ignore"))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002 - the same
        if "torch" in sys.modules:
            from handgrad.check.torch_subject import kept as kept_by_torch

            stack.enter_context(kept_by_torch(seed))
        yield


Hook = Callable[[types.FrameType, str, Any], Any]


def profiled(watch: Hook) -> contextlib.AbstractContextManager[None]:
    """Within, `watch` sees each call and return, as `sys.setprofile` has it."""
    return _hooked(sys.getprofile, sys.setprofile, watch)


def traced(watch: Hook) -> contextlib.AbstractContextManager[None]:
    """Within, `watch` sees each call, and each line where it asks for them, as `sys.settrace` has it."""
    return _hooked(sys.gettrace, sys.settrace, watch)


@contextlib.contextmanager
def _hooked(known: Callable[[], Any], hook: Callable[[Any], None], watch: Hook) -> Iterator[None]:
    """Afterwards whoever watched before, as a debugger, goes on."""
    before = known()
    hook(watch)
    try:
        yield
    finally:
        hook(before)


@contextlib.contextmanager
def prints_aside() -> Iterator[None]:
    """Within, what is written to standard output goes to standard error: by `print`, a subprocess, or C code."""
    with contextlib.ExitStack() as stack:
        # Without one of the two there is nothing to turn.
        with contextlib.suppress(OSError, AttributeError):
            sys.stdout.flush()
            held = os.dup(1)
            stack.callback(os.close, held)
            os.dup2(2, 1)
            stack.callback(os.dup2, held, 1)
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        yield
