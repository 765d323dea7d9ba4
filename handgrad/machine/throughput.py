"""How fast this machine multiplies, on one thread: what `handgrad doctor` measures in less than 5 seconds.

`python -m handgrad.machine.throughput SECONDS` prints the rate of NumPy's matrix product in a fresh process.
"""

import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from time import perf_counter, process_time

import numpy as np

from handgrad.machine.environment import same_imports

KERNELS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""They replace what OpenBLAS would choose for this processor; a fresh process without them is measured beside."""

AS_FOUND, UNSET = "numpy matrix product, as found", "numpy matrix product, unset"
SHARE = "share of a core"
SIZE = 640  # of the square matrices: 0.5 GFLOP a product, large enough for the full rate
NUMBERS = 2**16  # of an elementwise product: three arrays of float32 lie in a core's own cache
HERE_SECONDS, CHILD_SECONDS = 1.5, 0.25
CHILDREN_SECONDS = 3.0  # for all fresh processes, which on a busy machine are slow to start


def measure() -> dict[str, float]:
    """GFLOP/s of a matrix product and 10⁹ numbers/s of an elementwise one, float32, one thread, medians of turns.

    Where a variable of `KERNELS` is set, NumPy's product also in fresh processes with and without them, in turn.
    """
    import torch

    from handgrad.machine.environment import one_thread

    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((SIZE, SIZE), np.float32) for _ in range(2))
    v, w = (rng.standard_normal(NUMBERS, np.float32) for _ in range(2))
    c, o = np.empty_like(a), np.empty_like(v)
    ta, tb, tc, tv, tw, to = (torch.from_numpy(x.copy()) for x in (a, b, c, v, w, o))
    product, elementwise = 2e-9 * SIZE**3, 1e-9 * NUMBERS
    turns: dict[str, tuple[Callable[[], object], int, float]] = {
        "numpy matrix product": (lambda: np.matmul(a, b, out=c), 1, product),
        "torch matrix product": (lambda: torch.mm(ta, tb, out=tc), 1, product),
        "numpy elementwise": (lambda: np.multiply(v, w, out=o), 50, elementwise),
        "torch elementwise": (lambda: torch.mul(tv, tw, out=to), 50, elementwise),
    }
    with one_thread():
        seconds, share = _in_turn({name: (call, times) for name, (call, times, _) in turns.items()}, HERE_SECONDS)
    rates = {name: work / statistics.median(seconds[name]) for name, (_, _, work) in turns.items()}
    rates[SHARE] = share
    if any(name in os.environ for name in KERNELS):
        rates |= _fresh_processes()
    return {name: float(f"{rate:.4g}") for name, rate in rates.items()}


@np.errstate(all="ignore")  # some kernels of BLAS set flags that nothing earned: see scratch.flags
def _in_turn(
    turns: Mapping[str, tuple[Callable[[], object], int]], budget: float
) -> tuple[dict[str, list[float]], float]:
    """Seconds of one call, sample by sample, everyone in turn; and processor time over time while measuring."""
    seconds: dict[str, list[float]] = {name: [] for name in turns}
    for call, _ in turns.values():
        call()
    begin, processor_begin = perf_counter(), process_time()
    while not all(seconds.values()) or perf_counter() - begin < budget:  # one turn at least, however busy the machine
        for name, (call, times) in turns.items():
            start = perf_counter()
            for _ in range(times):
                call()
            seconds[name].append((perf_counter() - start) / times)
    return seconds, (process_time() - processor_begin) / (perf_counter() - begin)


def product_rate(seconds: float) -> float:
    """GFLOP/s of NumPy's float32 matrix product as this process has it."""
    a = np.random.default_rng(0).standard_normal((SIZE, SIZE), np.float32)
    c = np.empty_like(a)
    found, _ = _in_turn({"": (lambda: np.matmul(a, a, out=c), 1)}, seconds)
    return 2e-9 * SIZE**3 / statistics.median(found[""])


def _fresh_processes() -> dict[str, float]:
    """NumPy's product in new processes, with the variables of `KERNELS` as found and without, twice each, in turn.

    Where one cannot be started or takes too long, what there is by then of both, or nothing.
    """
    rates: dict[str, list[float]] = {AS_FOUND: [], UNSET: []}
    end = perf_counter() + CHILDREN_SECONDS
    command = [sys.executable, "-m", "handgrad.machine.throughput", str(CHILD_SECONDS)]
    one = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    try:
        for name in (AS_FOUND, UNSET, UNSET, AS_FOUND):
            drop = KERNELS if name == UNSET else ()
            variables = {key: value for key, value in os.environ.items() if key not in drop} | one | same_imports()
            left = max(end - perf_counter(), 0.01)
            answer = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=left, check=True)
            rates[name].append(float(answer.stdout))
    except (OSError, subprocess.SubprocessError, ValueError):
        pass
    return {name: statistics.median(found) for name, found in rates.items()} if all(rates.values()) else {}


if __name__ == "__main__":
    print(product_rate(float(sys.argv[1])))
