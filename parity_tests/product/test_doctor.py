"""`handgrad doctor`: facts from files that stand for a machine, advice from findings. No test looks at a rate."""

import json
import sys

import pytest

from handgrad.cli import main
from handgrad.machine import advice, doctor, throughput
from handgrad.machine.advice import ADVICE, advise
from handgrad.machine.facts import SECTIONS, Findings, gpu, meaning, memory, processor
from handgrad.machine.throughput import AS_FOUND, SHARE, UNSET

FOUR = {"processor": {"usable cores": 4, "logical cores": 4, "model": "AMD EPYC"}}
BLAS = {"libraries": {"torch's BLAS": "mkl 2024.2"}}
OURS, THEIRS = advice.OURS, advice.THEIRS


def found(variables=None, facts=None, rates=None):
    return Findings(variables or {}, FOUR | (facts or {}), rates or {})


# Variables, facts, rates → the words that the one line of advice must hold; none: there is no advice.
CASES = [
    ({}, {}, {}, []),
    ({"OPENBLAS_CORETYPE": "Haswell"}, {}, {AS_FOUND: 52.0, UNSET: 100.0}, ["Haswell is set", "0.52", "unset it"]),
    ({"OPENBLAS_CORETYPE": "Zen"}, {}, {AS_FOUND: 120.0, UNSET: 100.0}, ["1.20", "leave it set"]),
    ({"OPENBLAS_CORETYPE": "Zen"}, {}, {AS_FOUND: 99.0, UNSET: 100.0}, ["as fast without it"]),
    ({"OPENBLAS_CORETYPE": "Zen"}, {}, {}, ["other kernels", "unset it"]),
    ({"OPENBLAS_CORETYPE": ""}, {}, {}, []),
    (
        {"OPENBLAS_CORETYPE": "Zen", "OPENBLAS_L2_SIZE": "512"},
        {},
        {},
        ["Zen and OPENBLAS_L2_SIZE=512 are", "unset them"],
    ),
    ({"OMP_NUM_THREADS": "1"}, {}, {}, ["OMP_NUM_THREADS=1", "1 of 4 cores"]),
    ({"OMP_NUM_THREADS": "4"}, {}, {}, []),
    ({"OMP_NUM_THREADS": "4,2"}, {}, {}, []),
    ({"OMP_NUM_THREADS": "8"}, {}, {}, ["4 usable cores", "unset it"]),
    ({"OMP_NUM_THREADS": "many"}, {}, {}, ["many is not a number"]),
    ({"OPENBLAS_NUM_THREADS": "2"}, {}, {}, ["NumPy's BLAS", "2 of 4"]),
    ({"MKL_NUM_THREADS": "2"}, {}, {}, ["torch's BLAS", "2 of 4"]),
    ({}, {"processor": {"usable cores": 4, "core quota": 2.5}}, {}, ["2.5 cores", "OMP_NUM_THREADS=2"]),
    ({}, {"processor": {"usable cores": 4, "core quota": 4.0}}, {}, []),
    ({}, {"processor": {"usable cores": 4, "logical cores": 16}}, {}, ["4 of the machine's 16"]),
    ({}, {"processor": {"governor": "powersave"}}, {}, ["powersave"]),
    ({}, {"processor": {"governor": "performance"}}, {}, []),
    ({}, {}, {SHARE: 0.5}, ["0.50 of a core", "repeat"]),
    ({}, {}, {SHARE: 0.99}, []),
    ({}, BLAS, {OURS: 200.0, THEIRS: 88.0}, ["AMD", "0.44"]),
    ({}, BLAS, {OURS: 100.0, THEIRS: 80.0, AS_FOUND: 100.0, UNSET: 200.0}, ["AMD", "0.40"]),
    ({}, BLAS, {OURS: 100.0, THEIRS: 90.0}, []),
    ({}, {"libraries": {"torch's BLAS": "open"}}, {OURS: 200.0, THEIRS: 88.0}, []),
    ({}, {}, {OURS: 2.0, THEIRS: 100.0}, ["0.02 of torch's", "install"]),
    (
        {},
        {"libraries": {"libgomp.so.1": "", "libiomp5.so": "", "libfoo.so": ""}},
        {},
        ["2 OpenMP", "libgomp.so.1, libio"],
    ),
    ({"OMP_WAIT_POLICY": "ACTIVE"}, {}, {}, ["spin"]),
    ({"OMP_WAIT_POLICY": "passive"}, {}, {}, []),
    ({"MKL_ENABLE_INSTRUCTIONS": "AVX2"}, {}, {}, ["newest instructions"]),
    ({"MKL_ENABLE_INSTRUCTIONS": "AVX512_E1"}, {}, {}, []),
    ({"MKL_CBWR": "COMPATIBLE"}, {}, {}, ["slower path"]),
    ({"MKL_DEBUG_CPU_TYPE": "5"}, {}, {}, ["does nothing"]),
    ({"ATEN_CPU_CAPABILITY": "default"}, {}, {}, ["older instructions"]),
    ({"NPY_DISABLE_CPU_FEATURES": "AVX512F"}, {}, {}, ["NumPy", "older instructions"]),
    ({"TORCHDYNAMO_DISABLE": "1"}, {}, {}, ["torch.compile"]),
    ({"TORCHDYNAMO_DISABLE": "0"}, {}, {}, []),
    ({"CUDA_LAUNCH_BLOCKING": "1"}, {}, {}, ["waits"]),
    ({"PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}, {}, {}, ["driver"]),
    ({"MALLOC_PERTURB_": "7"}, {}, {}, ["overwritten"]),
    ({"MALLOC_CHECK_": "3"}, {}, {}, ["checked"]),
    ({"PYTHONMALLOC": "pymalloc_debug"}, {}, {}, ["slow"]),
    ({"PYTHONMALLOC": "pymalloc"}, {}, {}, []),
    ({"PYTHONDEVMODE": "1"}, {}, {}, ["Python checks"]),
    ({"LD_PRELOAD": "libjemalloc.so"}, {}, {}, ["libjemalloc.so", "without it"]),
    ({}, {"torch": {"float32 matmul precision": "high"}}, {}, ['"high"', "bounds"]),
    ({}, {"gpu": {"TF32 in matrix products": "on", "TF32 in cuDNN": "on"}}, {}, ["matrix products and", "are on"]),
    ({"NVIDIA_TF32_OVERRIDE": "0"}, {"gpu": {"TF32 in cuDNN": "on"}}, {}, []),
    ({}, {"torch": {"deterministic algorithms": "on"}}, {}, ["deterministic"]),
    ({}, {"torch": {"oneDNN": "off"}}, {}, ["oneDNN is off"]),
    ({}, {"torch": {"denormals": "flushed to zero"}}, {}, ["denormals"]),
    ({}, {"torch": {"default dtype": "float64"}}, {}, ["float64"]),
    ({}, {"gpu": {"NVIDIA driver": "550.1"}, "torch": {"built for CUDA": "no"}}, {}, ["without CUDA"]),
    ({}, {"gpu": {"NVIDIA driver": "550.1"}, "torch": {"built for CUDA": "12.6"}}, {}, ["sees no GPU"]),
    ({}, {"gpu": {"NVIDIA driver": "550.1", "cuda:0": "H200"}}, {}, []),
    ({}, {"memory": {"available GiB": 0.4}}, {}, ["0.4 GiB"]),
    ({}, {"memory": {"available GiB": 8.0}}, {}, []),
]


@pytest.mark.parametrize(("variables", "facts", "rates", "words"), CASES)
def test_advice(variables, facts, rates, words):
    lines = advise(found(variables, facts, rates))
    assert len(lines) == (1 if words else 0), lines
    assert all(word in line for word in words for line in lines), lines


def test_every_check_has_a_case():
    spoke = {check for variables, facts, rates, _ in CASES for check in ADVICE if check(found(variables, facts, rates))}
    assert spoke == set(ADVICE)


def test_advice_on_nothing_found():
    assert advise(Findings({}, {}, {})) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("OPENBLAS_CORETYPE", "kernels"),
        ("OPENBLAS_VERBOSE", "OpenBLAS"),
        ("KMP_BLOCKTIME", "OpenMP"),
        ("MALLOC_ARENA_MAX", "memory"),
        ("TORCH_NCCL_DEBUG", "torch"),
        ("KMP_DUPLICATE_LIB_OK", ""),
        ("HOME", ""),
    ],
)
def test_meaning(name, words):
    assert words in meaning(name)
    assert bool(meaning(name)) == bool(words)


def machine(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


CORE = "processor : {0}\nmodel name : X\nphysical id : 0\ncore id : {1}\n"


@pytest.mark.parametrize(
    ("files", "facts"),
    [
        ({}, {"physical cores": None, "core quota": None, "governor": None, "load average": None}),
        ({"proc/cpuinfo": "\n".join(CORE.format(i, i // 2) for i in range(4))}, {"physical cores": 2}),
        ({"proc/cpuinfo": "processor : 0\nBogoMIPS : 50\n"}, {"physical cores": None}),
        ({"proc/loadavg": "1.25 0 0 1/2 3"}, {"load average": 1.25}),
        ({"sys/fs/cgroup/cpu.max": "max 100000\n"}, {"core quota": None}),
        ({"sys/fs/cgroup/cpu.max": "150000 100000\n"}, {"core quota": 1.5}),
        (
            {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"},
            {"core quota": None},
        ),
        (
            {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"},
            {"core quota": 0.5},
        ),
        ({"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n"}, {"governor": "powersave"}),
    ],
)
def test_processor(tmp_path, files, facts):
    given = processor(machine(tmp_path, files))
    assert {name: given[name] for name in facts} == facts


MEMINFO = "MemTotal:       16777216 kB\nMemFree:  1 kB\nMemAvailable:    8388608 kB\nHugePages_Total:  0\n"


@pytest.mark.parametrize(
    ("files", "total", "available", "limit"),
    [
        ({}, None, None, None),
        ({"proc/meminfo": MEMINFO}, 16.0, 8.0, None),
        ({"proc/meminfo": MEMINFO, "sys/fs/cgroup/memory.max": "max\n"}, 16.0, 8.0, None),
        ({"proc/meminfo": MEMINFO, "sys/fs/cgroup/memory.max": f"{2**32}\n"}, 16.0, 8.0, 4.0),
        ({"proc/meminfo": MEMINFO, "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{2**62}\n"}, 16.0, 8.0, None),
    ],
)
def test_memory(tmp_path, files, total, available, limit):
    assert list(memory(machine(tmp_path, files)).values()) == [total, available, limit]


def test_gpu_driver(tmp_path):
    version = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\n"
    assert gpu(machine(tmp_path, {"proc/driver/nvidia/version": version}))["NVIDIA driver"] == "550.54.15"


def test_a_section_that_fails_is_a_fact(monkeypatch):
    def broken():
        raise RuntimeError("no\nsuch thing")

    monkeypatch.setitem(SECTIONS, "torch", broken)
    monkeypatch.setattr(doctor, "measure", dict)
    assert doctor.diagnose().facts["torch"] == {"not known": "RuntimeError: no"}


@pytest.fixture
def short(monkeypatch, tmp_path):
    """Hardly any measuring, on a machine whose variables are known, in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(throughput, "HERE_SECONDS", 0.01)
    monkeypatch.setattr(throughput, "CHILD_SECONDS", 0.01)
    monkeypatch.setattr(throughput, "SIZE", 16)
    for name in throughput.KERNELS:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_the_page(short, capsys):
    short.setenv("COLUMNS", "80")
    short.setenv("MKL_CBWR", "COMPATIBLE")
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    for words in (
        *SECTIONS,
        "environment variables",
        "MKL_CBWR=COMPATIBLE",
        "measured on one thread",
        "advice",
        "unset it",
    ):
        assert words in text
    assert UNSET not in text


def test_json(short, capsys, tmp_path):
    short.setenv("OMP_NUM_THREADS", "100")
    assert main(["doctor", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert set(printed) == {*SECTIONS, "variables", "rates", "advice"}
    assert printed["variables"]["OMP_NUM_THREADS"] == {"value": "100", "meaning": meaning("OMP_NUM_THREADS")}
    assert any(line.startswith("OMP_NUM_THREADS=100") for line in printed["advice"])
    assert {OURS, THEIRS, "numpy elementwise", "torch elementwise", SHARE} == set(printed["rates"])
    assert main(["doctor", "--json", "here.json"]) == 0
    assert capsys.readouterr().out == ""
    assert set(json.loads((tmp_path / "here.json").read_text(encoding="utf-8"))) == set(printed)


def test_kernels_are_measured_in_fresh_processes(short):
    short.setattr(throughput, "CHILDREN_SECONDS", 60)
    short.setenv("OPENBLAS_L2_SIZE", "512")
    measured = throughput.measure()
    assert measured[AS_FOUND] > 0
    assert measured[UNSET] > 0
    short.setattr(sys, "executable", "no-such-python")
    assert UNSET not in throughput.measure()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["here.json"], ["--json here.json"]), (["--json", "no/such/folder.json"], ["no/such/folder.json"])],
)
def test_refusals(short, capsys, arguments, words):
    assert main(["doctor", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert all(word in error for word in words)


def test_a_busy_machine_measures_one_turn_at_least():
    calls = []
    seconds, _ = throughput._in_turn({"a": (lambda: calls.append("a"), 1), "b": (lambda: calls.append("b"), 2)}, 0.0)
    assert (len(seconds["a"]), len(seconds["b"]), len(calls)) == (1, 1, 5)
