"""What a run ran on: versions, processor, BLAS, threads, and the settings that change them."""

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "OPENBLAS_CORETYPE",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_CBWR",
    "ATEN_CPU_CAPABILITY",
    "NPY_DISABLE_CPU_FEATURES",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_TF32_OVERRIDE",
)
"""Environment variables that change how fast either side is, or how it rounds."""


def environment(device: str, dtype: str) -> dict[str, Any]:
    """Facts about this machine and process, as text and numbers. Each of VARIABLES that is set is there by its name."""
    import numpy as np
    import threadpoolctl
    import torch

    pools = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    own = [pool for pool in pools if "numpy" in pool["filepath"]]  # SciPy's wheel brings another, which no side uses
    facts: dict[str, Any] = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": cpu_model(),
        "cores": usable_cores(),
        "numpy": np.__version__,
        "numpy_blas": "; ".join(map(_blas, own or pools)) or "unknown",
        "torch": torch.__version__,
        "torch_cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "torch_threads": torch.get_num_threads(),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "dtype": dtype,
        "torch_device": device,
    }
    if torch.device(device).type == "cuda":
        facts["gpu"] = torch.cuda.get_device_name(device)
        facts["cuda"] = torch.version.cuda
    return facts | {name: os.environ[name] for name in VARIABLES if name in os.environ}


def same_imports() -> dict[str, str]:
    """Variables with which a new Python imports what this one does, whatever files the current folder holds."""
    return {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONSAFEPATH": "1"}


@contextmanager
def one_thread() -> Iterator[None]:
    """BLAS and PyTorch on one thread each.

    Nets of this size gain nothing from more, and where two libraries keep a pool of threads each, the pools fight for
    the cores: beside other busy processes that made a step of 0.2 ms take 39.
    """
    import torch
    from threadpoolctl import threadpool_limits

    threads = torch.get_num_threads()
    with threadpool_limits(1):
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def cpu_model() -> str:
    """The processor as the kernel calls it, else as Python does."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model"))]
    return models[0] if models else platform.processor() or platform.machine()


def usable_cores() -> int:
    """Cores this process may run on, which in a container are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _blas(pool: dict[str, Any]) -> str:
    kernel = f" ({pool['architecture']})" if pool.get("architecture") else ""
    return f"{pool['internal_api']} {pool['version'] or 'of unknown version'}{kernel}, threads: {pool['num_threads']}"
