"""The written-out step in plain C: what is left of a step without NumPy's calls."""

import ctypes
import os
import shutil
import subprocess
import tempfile
from contextvars import Context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contenders.hand_written import HandWritten
from benchmarks.nets import Array, Problem
from benchmarks.plain_c import PlainCError, Translation
from scratch.unroll import copied, written
from scratch.unroll.alone import with_zeros

FLAGS = ["-O3", "-march=native", "-std=gnu11", "-shared", "-fPIC", "-fno-strict-aliasing", "-fno-math-errno"]
FLAGS += ["-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math"]  # sums in any order, as BLAS takes them
LARGEST = 5_000_000  # floating-point operations of a step's products


class PlainC(HandWritten):
    """`benchmarks.plain_c` of the program of `scratch.unroll`, from an optimizer's state of zeros."""

    def absent(self, problem: Problem) -> str:
        if shutil.which(compiler()) is None:
            return f"there is no C compiler: {compiler()} is not found"
        return "" if problem.net.flops <= LARGEST else "its products are plain loops, for small nets alone"

    def prepare(self, problem: Problem) -> None:
        super().prepare(problem)
        trained = copied(self.trainer)
        trained.step(self.x, self.y)
        start = with_zeros(self.trainer, trained)
        text = Context().run(written, copied(start), self.x, self.y)
        self.compiled = Compiled(Translation(text, start, self.x, self.y))
        self.weights = {name: parameter.data for name, parameter in start.model.named_parameters()}

    def step(self) -> float:
        value: float = self.compiled.step()
        return value

    def state(self) -> dict[str, Array]:
        return {name: self.compiled.array(weight) for name, weight in self.weights.items()}

    def forward(self) -> Any:
        raise NotImplementedError("only whole steps are written in C")


def compiler() -> str:
    return os.environ.get("CC", "cc")


class Compiled:
    """A translation as machine code: `step()` trains in its own memory. PlainCError where it does not compile."""

    def __init__(self, made: Translation) -> None:
        with tempfile.TemporaryDirectory() as folder:
            source, library = Path(folder) / "step.c", Path(folder) / "step.so"
            source.write_text(made.source, encoding="utf-8")
            run = subprocess.run([compiler(), *FLAGS, "-o", library, source, "-lm"], capture_output=True, text=True)
            if run.returncode:
                first = next((line for line in run.stderr.splitlines() if "error" in line), "no message")
                raise PlainCError(f"{compiler()} does not compile the step: {first}")
            self.library = ctypes.CDLL(str(library))
        self.made = made
        self.step = self.library.step
        self.step.restype = ctypes.c_double
        for name, owner in made.owners.items():
            self.bytes(name)[: owner.nbytes] = owner.ravel("K").view(np.uint8)

    def bytes(self, name: str) -> Array:
        size = max(self.made.owners[name].nbytes, 1)
        return np.ctypeslib.as_array((ctypes.c_ubyte * size).in_dll(self.library, name))

    def array(self, array: Array) -> Array:
        """What has become of an array of the program."""
        place = self.made.place(array)
        lies = self.bytes(place.memory)[place.offset :]
        return np.ndarray(array.shape, array.dtype, lies.data, 0, array.strides).copy()
