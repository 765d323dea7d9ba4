"""What the process runs on, asserted and not hoped for: cores, threads, kernels; and a probe for disturbances."""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from scratch.flags import product

KERNEL_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""They replace what OpenBLAS would choose for this processor, and can halve its speed."""

VARIANTS = ("unset", "as found")
"""A process without these variables, and one with them as the user's environment has them."""


class NotAsAskedError(RuntimeError):
    """The process does not run as it was told to: its times would answer another question."""


def process_environment(variant: str, threads: int, given: Mapping[str, str]) -> dict[str, str]:
    """The variables for a fresh process of a variant, with every library on `threads` threads."""
    drop = KERNEL_VARIABLES if variant == "unset" else ()
    found = {name: value for name, value in given.items() if name not in drop}
    counts = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    one = {"XLA_FLAGS": f"{given.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".strip()}
    cpu = {"JAX_PLATFORMS": "cpu"}  # jax.jit is timed beside NumPy, and would take a GPU where it finds one
    return found | dict.fromkeys(counts, str(threads)) | (one if threads == 1 else {}) | cpu


def pin(threads: int) -> None:
    """Keep this process, and the threads that it starts from now on, to the last `threads` cores it may use."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < threads:
            raise NotAsAskedError(f"{threads} threads were asked for, but {len(cores)} cores can be used")
        os.sched_setaffinity(0, cores[-threads:])


def assert_threads(threads: int) -> None:
    """Every library that multiplies matrices reports as many threads as were asked for."""
    import torch  # not at the top: a process pins itself before it loads what starts threads, and takes two seconds

    found = {f"{pool['internal_api']} {Path(pool['filepath']).name}": pool["num_threads"] for pool in threadpool_info()}
    found["torch"] = torch.get_num_threads()
    if any(count != threads for count in found.values()):
        raise NotAsAskedError(f"the benchmark asked for {threads} thread{'s' * (threads != 1)}, but found {found}")


def assert_kernels(variant: str) -> str:
    """The architecture whose kernels NumPy's OpenBLAS uses ("" for another BLAS); it must be the one asked for."""
    pools = [pool for pool in threadpool_info() if pool["internal_api"] == "openblas"]
    own = [pool for pool in pools if "numpy" in pool["filepath"]] or pools
    kernels = str(own[0].get("architecture", "")) if own else ""
    if variant == "unset" and (left := [name for name in KERNEL_VARIABLES if name in os.environ]):
        raise NotAsAskedError(f"{', '.join(left)} should be unset, and is not")
    asked = os.environ.get("OPENBLAS_CORETYPE", "")
    if own and asked and asked.lower() != kernels.lower():
        raise NotAsAskedError(f"OPENBLAS_CORETYPE={asked} asks for kernels that OpenBLAS did not take: {kernels}")
    return kernels


def cores_used(work: Callable[[], Any], seconds: float = 0.05) -> float:
    """Processor time over time, while `work` repeats: what a library says of its threads and what it does are two."""
    processor, start = time.process_time(), time.perf_counter()
    while time.perf_counter() - start < seconds:
        work()
    return (time.process_time() - processor) / (time.perf_counter() - start)


class Probe:
    """A fixed piece of work beside each block: where it takes longer than it did, the machine was disturbed.

    Half of it is Python, half a matrix product on all threads, so that it sees a slower core, a stolen one, and threads
    that are slow to find each other.
    """

    LIMIT = 1.25
    """A block is dirty if the probe before or after it takes this much longer than its calibration."""

    def __init__(self) -> None:
        self._a = np.ones((192, 192), np.float32)
        self.usual = float(np.quantile([self.seconds() for _ in range(200)], 0.25))

    def seconds(self) -> float:
        start = time.perf_counter()
        product(self._a, self._a)
        sum(range(4000))
        return time.perf_counter() - start

    def disturbed(self) -> bool:
        return self.seconds() > self.LIMIT * self.usual
