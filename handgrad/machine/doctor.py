"""What this machine is, and what on it slows either side down: `handgrad doctor`.

Three tables: `SECTIONS` finds facts, `MEANINGS` says what an environment variable does, `ADVICE` turns what was found
into one line each. What cannot be found on a machine is left out; nothing here is an error.
"""

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
from rich.table import Table

from handgrad.machine.environment import cpu_model, usable_cores
from handgrad.machine.throughput import AS_FOUND, KERNELS, SHARE, UNSET, measure
from handgrad.terminal import Terminal

Section = dict[str, Any]

OURS, THEIRS = "numpy matrix product", "torch matrix product"
NOTICEABLE = 0.05  # of a rate: less is noise
FULL_SHARE = 0.85  # of a core; a measurement that got less was disturbed


@dataclass(frozen=True)
class Findings:
    """All that was found: the set variables, the facts by section, the rates."""

    variables: Mapping[str, str]
    facts: Mapping[str, Section]
    rates: Mapping[str, float] = field(default_factory=dict)

    def get(self, section: str, name: str, default: Any = None) -> Any:
        return self.facts.get(section, {}).get(name, default)

    def to_json(self) -> dict[str, Any]:
        variables = {name: {"value": value, "meaning": meaning(name)} for name, value in self.variables.items()}
        return {**self.facts, "variables": variables, "rates": dict(self.rates), "advice": advise(self)}


def diagnose() -> Findings:
    """Look at this machine and measure it: about 5 seconds."""
    rates = measure()
    facts = {title: _section(find) for title, find in SECTIONS.items()}
    return Findings({name: value for name, value in sorted(os.environ.items()) if meaning(name)}, facts, rates)


# --- facts ------------------------------------------------------------------------------------------------------------


def _section(find: Callable[[], Section]) -> Section:
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
        "oneDNN": ("on" if mkldnn.enabled else "off") if mkldnn.is_available() else "not built in",  # type: ignore[no-untyped-call]
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


# --- environment variables --------------------------------------------------------------------------------------------

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


# --- advice: what was found in, a line or nothing out -----------------------------------------------------------------


def kernels(found: Findings) -> str | None:
    present = [f"{name}={found.variables[name]}" for name in KERNELS if found.variables.get(name)]
    if not present:
        return None
    head, them = f"{' and '.join(present)} {_are(present)} set", "it" if len(present) == 1 else "them"
    as_found, unset = found.rates.get(AS_FOUND), found.rates.get(UNSET)
    if not as_found or not unset:
        return f"{head}: NumPy's matrix products use other kernels than it would choose; unset {them}"
    ratio = as_found / unset
    if ratio < 1 - NOTICEABLE:
        return f"{head}: NumPy's matrix products run at {ratio:.2f} of their speed without {them}; unset {them}"
    if ratio > 1 + NOTICEABLE:
        return f"{head}: NumPy's matrix products run at {ratio:.2f} of their speed without {them}; leave {them} set"
    return f"{head}: NumPy's matrix products are as fast without {them} on this machine"


THREADS = {
    "OMP_NUM_THREADS": "torch and BLAS use",
    "OPENBLAS_NUM_THREADS": "NumPy's BLAS uses",
    "MKL_NUM_THREADS": "torch's BLAS uses",
}


def _threads(name: str) -> Callable[[Findings], str | None]:
    def advice(found: Findings) -> str | None:
        text = found.variables.get(name)
        if text is None:
            return None
        first = text.split(",")[0].strip()  # OpenMP takes a number for each level of nesting
        if not first.isdecimal() or int(first) < 1:
            return f"{name}={text} is not a number of threads, and is ignored; unset it"
        cores, count = _cores(found), int(first)
        if count > cores:
            return f"{name}={text} is set for {_plural(cores, 'usable core')}: threads wait for each other; unset it"
        if count < cores:
            return f"{name}={text} is set: {THREADS[name]} {count} of {_plural(cores, 'core')}; unset it for large nets"
        return None

    return advice


def quota(found: Findings) -> str | None:
    allowed, cores = found.get("processor", "core quota"), found.get("processor", "usable cores", 1)
    if allowed is None or allowed >= cores:
        return None
    whole = max(int(allowed), 1)
    if found.variables.get("OMP_NUM_THREADS") == str(whole):
        return None
    return (
        f"this container may use {allowed:g} cores' time and sees {cores}: threads are stopped in the middle of their "
        f"work; set OMP_NUM_THREADS={whole}"
    )


def affinity(found: Findings) -> str | None:
    cores, machine = found.get("processor", "usable cores"), found.get("processor", "logical cores")
    if not cores or not machine or cores >= machine:
        return None
    return f"this process may run on {cores} of the machine's {machine} logical cores (its affinity, see taskset)"


def busy(found: Findings) -> str | None:
    share = found.rates.get(SHARE)
    if share is None or share >= FULL_SHARE:
        return None
    return f"the measurement got {share:.2f} of a core: other processes run; its rates are too low, repeat it later"


def governor(found: Findings) -> str | None:
    if found.get("processor", "governor") != "powersave":
        return None
    return "the processor's governor is powersave: short work may run at a low clock; choose performance to measure"


def _set_to(name: str, slow: Callable[[str], bool], consequence: str) -> Callable[[Findings], str | None]:
    """A variable that costs where `slow` says so of its value."""

    def advice(found: Findings) -> str | None:
        text = found.variables.get(name)
        return f"{name}={text} is set: {consequence}; unset it" if text is not None and slow(text) else None

    return advice


def _any(text: str) -> bool:
    return text != ""


def _on(text: str) -> bool:
    return text not in ("", "0")


def _older(text: str) -> bool:
    return text != "" and not text.upper().startswith("AVX512")


def preload(found: Findings) -> str | None:
    libraries = found.variables.get("LD_PRELOAD")
    if not libraries:
        return None
    return f"LD_PRELOAD={libraries} is set: other libraries stand in for the usual ones; measure without it too"


def _torch_to_numpy(found: Findings) -> float | None:
    """Rate of torch's matrix product by that of NumPy's, with the kernels that OpenBLAS itself would choose."""
    ours, theirs = found.rates.get(OURS), found.rates.get(THEIRS)
    as_found, unset = found.rates.get(AS_FOUND), found.rates.get(UNSET)
    if not ours or not theirs:
        return None
    return theirs / ours * (as_found / unset if as_found and unset else 1.0)


def amd(found: Findings) -> str | None:
    """MKL's AVX-512 kernels are for Intel's processors: on AMD it takes those for AVX2."""
    ratio, blas = _torch_to_numpy(found), str(found.get("libraries", "torch's BLAS", ""))
    if ratio is None or ratio > 0.75 or not blas.startswith("mkl") or "AMD" not in found.get("processor", "model", ""):
        return None
    return (
        f"torch multiplies with MKL, which runs on this AMD processor at {ratio:.2f} of NumPy's OpenBLAS; "
        "no setting of torch changes that"
    )


def slow_numpy(found: Findings) -> str | None:
    ratio = _torch_to_numpy(found)
    if ratio is None or ratio < 4:
        return None
    return f"NumPy's matrix products run at {1 / ratio:.2f} of torch's: its BLAS is slow; install NumPy's own wheel"


def runtimes(found: Findings) -> str | None:
    several = sorted(name for name in found.facts.get("libraries", {}) if re.match(r"lib(gomp|iomp|omp)", name))
    if len(several) < 2:
        return None
    return f"{len(several)} OpenMP runtimes are loaded ({', '.join(several)}): their threads fight for the cores"


def precision(found: Findings) -> str | None:
    mode = found.get("torch", "float32 matmul precision", "highest")
    if mode == "highest":
        return None
    return f'float32 matmul precision is "{mode}": fewer bits, and the judge\'s float32 bounds do not hold on a GPU'


def tf32(found: Findings) -> str | None:
    on = [name for name, value in found.facts.get("gpu", {}).items() if name.startswith("TF32") and value == "on"]
    if not on or found.variables.get("NVIDIA_TF32_OVERRIDE") == "0":
        return None
    return f"{' and '.join(on)} {_are(on)} on: about 10 bits of float32's 24; turn it off to compare with NumPy"


def deterministic(found: Findings) -> str | None:
    if found.get("torch", "deterministic algorithms", "off") == "off":
        return None
    return "torch uses deterministic algorithms only, some of which are slower"


def onednn(found: Findings) -> str | None:
    state = found.get("torch", "oneDNN", "on")
    return None if state == "on" else f"oneDNN is {state}: torch's layers run on slower kernels"


def denormals(found: Findings) -> str | None:
    if found.get("torch", "denormals", "kept") == "kept":
        return None
    return "torch flushes denormals to zero: faster on tiny numbers, and not what NumPy computes"


def default_dtype(found: Findings) -> str | None:
    dtype = found.get("torch", "default dtype", "float32")
    return None if dtype == "float32" else f"torch's default dtype is {dtype}: nets made without a dtype are of it"


def unused_gpu(found: Findings) -> str | None:
    driver = found.get("gpu", "NVIDIA driver")
    if driver is None or any(name.startswith("cuda:") for name in found.facts.get("gpu", {})):
        return None
    if found.get("torch", "built for CUDA", "no") == "no":
        return "an NVIDIA GPU's driver is here, but this torch is built without CUDA; install one that is"
    return (
        f"an NVIDIA GPU's driver ({driver}) is here, but torch sees no GPU: CUDA_VISIBLE_DEVICES, or too old a driver"
    )


def little_memory(found: Findings) -> str | None:
    available = found.get("memory", "available GiB")
    if available is None or available >= 1:
        return None
    return f"only {available:g} GiB of memory are available: large nets will swap, or be killed"


ADVICE: tuple[Callable[[Findings], str | None], ...] = (
    kernels,
    *map(_threads, THREADS),
    quota,
    affinity,
    busy,
    governor,
    slow_numpy,
    amd,
    runtimes,
    _set_to(
        "OMP_WAIT_POLICY", lambda text: text.lower() == "active", "idle threads spin and take other libraries' time"
    ),
    _set_to(
        "MKL_ENABLE_INSTRUCTIONS", _older, "torch's matrix products may not use this processor's newest instructions"
    ),
    _set_to("MKL_CBWR", _any, "torch's matrix products take a slower path"),
    _set_to("MKL_DEBUG_CPU_TYPE", _any, "it does nothing since MKL 2020.1"),
    _set_to("ATEN_CPU_CAPABILITY", _older, "torch's own kernels use older instructions"),
    _set_to("NPY_DISABLE_CPU_FEATURES", _any, "NumPy's elementwise operations use older instructions"),
    _set_to("TORCHDYNAMO_DISABLE", _on, "torch.compile does nothing"),
    _set_to("CUDA_LAUNCH_BLOCKING", _on, "the GPU waits after every call"),
    _set_to("PYTORCH_NO_CUDA_MEMORY_CACHING", _on, "every GPU allocation asks the driver"),
    _set_to("MALLOC_PERTURB_", _on, "freed memory is overwritten"),
    _set_to("MALLOC_CHECK_", _on, "every allocation is checked"),
    _set_to("PYTHONMALLOC", lambda text: text.endswith("debug") or text == "malloc", "Python's allocations are slow"),
    _set_to("PYTHONDEVMODE", _on, "Python checks itself at every allocation"),
    preload,
    precision,
    tf32,
    deterministic,
    onednn,
    denormals,
    default_dtype,
    unused_gpu,
    little_memory,
)
"""What may be said, in the order in which it is said."""


def advise(found: Findings) -> list[str]:
    """One line for each thing to know or to change, the costliest first."""
    return [line for check in ADVICE if (line := check(found))]


def _cores(found: Findings) -> int:
    return int(found.get("processor", "usable cores", 1))


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'s' * (count != 1)}"


def _are(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"


# --- words ------------------------------------------------------------------------------------------------------------


def show(found: Findings, console: Terminal) -> None:
    """Everything on a page of the terminal's width, the advice last, where it is seen."""
    sections: dict[str, Mapping[str, Any]] = {
        **found.facts,
        "environment variables": {f"{name}={value}": meaning(name) for name, value in found.variables.items()},
        "measured on one thread": {name: _rate(name, rate) for name, rate in found.rates.items()},
    }
    for title, facts in sections.items():
        console.print(title, style="bold")
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(overflow="fold")
        table.add_column(overflow="fold")
        for name, value in facts.items():
            table.add_row(f"  {name}", str(value))
        console.print(table if facts else "  none")
    console.print("advice", style="bold")
    for line in advise(found) or ["nothing here slows either side down"]:
        table = Table(box=None, show_header=False, pad_edge=False, padding=0)
        table.add_row("  - ", line)
        console.print(table)


def _rate(name: str, rate: float) -> str:
    unit = "" if name == SHARE else " GFLOP/s" if "matrix product" in name else " · 10⁹ numbers/s"
    return f"{rate:.3g}{unit}"
