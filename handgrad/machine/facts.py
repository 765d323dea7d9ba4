"""Facts about this machine, by section, and what an environment variable does. What cannot be found is left out."""

import os
import platform
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl

from handgrad.machine.environment import cpu_model, usable_cores

Section = dict[str, Any]


@dataclass(frozen=True)
class Findings:
    """All that was found: the set variables, the facts by section, the rates."""

    variables: Mapping[str, str]
    facts: Mapping[str, Section]
    rates: Mapping[str, float] = field(default_factory=dict)

    def get(self, section: str, name: str, default: Any = None) -> Any:
        return self.facts.get(section, {}).get(name, default)


def section(find: Callable[[], Section]) -> Section:
    """What `find` finds, without what is unknown. A library that fails while asked is a fact too."""
    try:
        return {name: value for name, value in find().items() if value is not None}
    except Exception as error:
        return {"not known": f"{type(error).__name__}: {error}".splitlines()[0]}


def processor(root: Path = Path("/")) -> Section:
    """Model and cores: of the machine, of this process (affinity), and what a container's quota leaves of them."""
    info = _read(root / "proc/cpuinfo") or ""
    blocks = [dict(re.findall(r"^(physical id|core id)\s*:\s*(\d+)$", b, re.M)) for b in info.split("\n\n")]
    load = _read(root / "proc/loadavg")
    return {
        "model": cpu_model(),
        "physical cores": len({tuple(sorted(block.items())) for block in blocks if block}) or None,
        "logical cores": os.cpu_count(),
        "usable cores": usable_cores(),
        "core quota": _core_quota(root),
        "governor": _read(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "load average": float(load.split()[0]) if load else None,
        "system": platform.platform(),
    }


def _core_quota(root: Path) -> float | None:
    """Cores' worth of time that the control group allows, None for all."""
    if both := _read(root / "sys/fs/cgroup/cpu.max"):
        quota, _, period = both.partition(" ")
    else:
        quota = _read(root / "sys/fs/cgroup/cpu/cpu.cfs_quota_us") or ""
        period = _read(root / "sys/fs/cgroup/cpu/cpu.cfs_period_us") or ""
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() and int(period) else None


def memory(root: Path = Path("/")) -> Section:
    """In GiB: the machine's, what is available of it, and the control group's limit."""
    sizes = dict(re.findall(r"^(\w+):\s+(\d+) kB$", _read(root / "proc/meminfo") or "", re.M))
    in_gib = {name: round(int(size) / 2**20, 2) for name, size in sizes.items()}
    limit = _read(root / "sys/fs/cgroup/memory.max") or _read(root / "sys/fs/cgroup/memory/memory.limit_in_bytes") or ""
    limit_gib = int(limit) / 2**30 if limit.isdecimal() else None
    total = in_gib.get("MemTotal")
    return {
        "total GiB": total,
        "available GiB": in_gib.get("MemAvailable"),
        # No limit is written as a number too, near 2⁶³.
        "limit GiB": round(limit_gib, 2) if limit_gib is not None and (total is None or limit_gib < total) else None,
    }


def libraries() -> Section:
    """Every BLAS and OpenMP runtime in this process, its kernels and threads."""
    import torch

    found = {"NumPy": np.__version__}
    for pool in threadpoolctl.threadpool_info():
        name = Path(pool["filepath"]).name
        version = pool.get("version") or "of unknown version"
        kernels = f", {pool['architecture']} kernels" if pool.get("architecture") else ""
        threads = pool["num_threads"]
        text = f"{pool['internal_api']} {version}{kernels}, {threads} thread{'s' * (threads != 1)}"
        found[name] = text
    found["torch's BLAS"] = _torch_blas(torch.__config__.show())
    return found


def _torch_blas(built: str) -> str:
    found = re.search(r"BLAS_INFO=(\w+)", built)
    name = found[1] if found else "unknown"
    version = re.search(r"Math Kernel Library Version (\S+)", built)
    return f"{name} {version[1]}" if version and name == "mkl" else name


def pytorch() -> Section:
    """The build, and the settings of this process that change speed or rounding."""
    import torch

    mkldnn = torch.backends.mkldnn
    smallest = float((torch.full((8,), 1e-310, dtype=torch.float64) * 1.0).max())
    return {
        "version": torch.__version__,
        "CPU capability": torch.backends.cpu.get_cpu_capability(),
        # what torch has not annotated
        "oneDNN": ("on" if bool(mkldnn.enabled) else "off") if mkldnn.is_available() else "not built in",  # type: ignore[no-untyped-call]
        "threads": torch.get_num_threads(),
        "threads between ops": torch.get_num_interop_threads(),
        "default dtype": str(torch.get_default_dtype()).removeprefix("torch."),
        "deterministic algorithms": "on" if torch.are_deterministic_algorithms_enabled() else "off",
        "float32 matmul precision": torch.get_float32_matmul_precision(),
        "denormals": "flushed to zero" if smallest == 0 else "kept",
        "built for CUDA": torch.version.cuda or "no",
        "built for ROCm": torch.version.hip,
        "distributed": ", ".join(_backends()) or "no",
    }


def _backends() -> list[str]:
    import torch.distributed as dist

    if not dist.is_available():
        return []
    found = {"gloo": dist.is_gloo_available(), "nccl": dist.is_nccl_available(), "mpi": dist.is_mpi_available()}
    return [name for name, there in found.items() if there]


def gpu(root: Path = Path("/")) -> Section:
    """The devices that torch sees, the driver, and how float32 is multiplied there."""
    import torch

    driver = re.search(r"\s(\d+\.\d+(\.\d+)?)\s", _read(root / "proc/driver/nvidia/version") or "")
    found: Section = {"NVIDIA driver": driver[1] if driver else None}
    if torch.backends.mps.is_available():
        found["mps"] = "Apple GPU"
    if not torch.cuda.is_available():
        return found
    for i in range(torch.cuda.device_count()):
        p = torch.cuda.get_device_properties(i)
        found[f"cuda:{i}"] = f"{p.name}, {p.total_memory / 2**30:.0f} GiB, compute capability {p.major}.{p.minor}"
    for name, settings in (("matrix products", torch.backends.cuda.matmul), ("cuDNN", torch.backends.cudnn)):
        tf32 = settings.allow_tf32
        found[f"TF32 in {name}"] = "on" if tf32 else "off"
    return found


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


SECTIONS: dict[str, Callable[[], Section]] = {
    "processor": processor,
    "memory": memory,
    "libraries": libraries,
    "torch": pytorch,
    "gpu": gpu,
}
"""Title → what finds its facts."""


MEANINGS: dict[str, str] = {
    "OPENBLAS_CORETYPE": "kernels of another processor in NumPy's OpenBLAS",
    "OPENBLAS_L2_SIZE": "block sizes of OpenBLAS for another cache",
    "OPENBLAS_NUM_THREADS": "threads of NumPy's OpenBLAS",
    "OPENBLAS_*": "a setting of NumPy's OpenBLAS",
    "OMP_NUM_THREADS": "threads of torch, and of BLAS unless it has its own",
    "OMP_WAIT_POLICY": "whether idle threads spin or sleep",
    "OMP_*": "a setting of the OpenMP runtime",
    "GOMP_*": "a setting of GNU's OpenMP runtime",
    "KMP_DUPLICATE_LIB_OK": "",  # threadpoolctl sets it in every process that imports it
    "KMP_*": "a setting of Intel's OpenMP runtime",
    "MKL_NUM_THREADS": "threads of MKL, which multiplies for torch",
    "MKL_ENABLE_INSTRUCTIONS": "the newest instructions MKL may use",
    "MKL_CBWR": "MKL rounds alike on every processor, more slowly",
    "MKL_DEBUG_CPU_TYPE": "ignored by MKL since 2020.1",
    "MKL_*": "a setting of MKL",
    "NUMEXPR_*": "a setting of numexpr, which neither side uses",
    "VECLIB_MAXIMUM_THREADS": "threads of Apple's Accelerate",
    "ATEN_CPU_CAPABILITY": "the newest instructions of torch's own kernels",
    "ONEDNN_*": "a setting of oneDNN inside torch",
    "DNNL_*": "a setting of oneDNN inside torch",
    "NPY_DISABLE_CPU_FEATURES": "instructions that NumPy must not use",
    "NPY_*": "a setting of NumPy",
    "TORCHDYNAMO_*": "a setting of torch.compile",
    "TORCHINDUCTOR_*": "a setting of torch.compile",
    "TORCH_LOGS": "torch writes what it does",
    "TORCH_*": "a setting of torch",
    "PYTORCH_NO_CUDA_MEMORY_CACHING": "every GPU allocation asks the driver",
    "PYTORCH_*": "a setting of torch",
    "NVIDIA_TF32_OVERRIDE": "0 forbids TF32 whatever torch says",
    "CUDA_LAUNCH_BLOCKING": "every GPU call waits for its end",
    "CUDA_VISIBLE_DEVICES": "the GPUs that torch may see",
    "CUBLAS_WORKSPACE_CONFIG": "scratch memory of cuBLAS, for repeatable sums",
    "MALLOC_PERTURB_": "fills memory when it is freed",
    "MALLOC_CHECK_": "checks the heap at every call",
    "MALLOC_*": "how memory is taken from the system",
    "LD_PRELOAD": "libraries loaded before all others",
    "PYTHONMALLOC": "Python's allocator",
    "PYTHONDEVMODE": "Python checks itself",
}
"""Name, or pattern of names, of the variables that are looked at, and what each does. The first that fits counts."""


def meaning(name: str) -> str:
    """What the variable does; empty for one that has no part in this."""
    return next((text for pattern, text in MEANINGS.items() if fnmatchcase(name, pattern)), "")
