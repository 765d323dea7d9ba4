"""What on this machine slows either side down: from what was found to one line each.

`ADVICE` is the table: each entry takes the findings and gives a line or None.
"""

import re
from collections.abc import Callable

from handgrad.machine.facts import Findings
from handgrad.machine.throughput import AS_FOUND, KERNELS, SHARE, UNSET

OURS, THEIRS = "numpy matrix product", "torch matrix product"
NOTICEABLE = 0.05  # of a rate: less is noise
FULL_SHARE = 0.85  # of a core; a measurement that got less was disturbed


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
