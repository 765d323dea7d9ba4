"""An installation without PyTorch: what checks and judges works, the rest names the package that it needs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import handgrad

ROOT = Path(handgrad.__file__).parent.parent
WITHOUT = ("torch", "matplotlib", "sklearn", "scipy", "jinja2", "threadpoolctl", "hypothesis")

# One process for all commands: each prints its exit code, and what it said.
START = """
import contextlib, io, json, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in WITHOUT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

WITHOUT, COMMANDS = json.loads(sys.argv[1])
sys.meta_path.insert(0, Absent())
from handgrad.cli import main

for command in COMMANDS:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = main(command.split())
    print(json.dumps([code, said.getvalue()]))
"""

OWN = """
import numpy as np

class Cube:
    def forward(self, x):
        self.x = x
        return x**3

    def backward(self, grad_output):
        return {factor} * self.x**2 * grad_output

{name} = Cube
"""

# command → exit code and words of its answer
COMMANDS = {
    "check right.py:Right": (0, ["agree"]),
    "check wrong.py:Wrong": (1, ["WRONG"]),
    "check scratch.Linear(3,2)": (0, ["certified bounds"]),
    "check torch.nn.SiLU": (2, ["cannot be imported", "no module 'torch'"]),
    "vectors Linear --out vectors": (0, ["Linear-float32.safetensors"]),
    "judge vectors/Linear-float32.safetensors": (0, ["held"]),
    "list": (0, ["digits"]),
    "explain Huber": (0, ["torch.nn.HuberLoss", "np.clip(d, -delta, delta)", "of bound"]),
    "compare xor": (
        2,
        ["compare needs", "which is not installed: pip install", "check, explain, judge, list and vectors"],
    ),
    "trace xor": (2, ["trace needs torch"]),
    "unroll xor": (2, ["unroll needs torch"]),
    "hunt 1 --hint 1": (0, ["Activations are not all alike"]),
    "hunt gated-1 --hint 1": (2, ["hunt needs torch"]),
    "sweep xor --lr 1,2": (2, ["sweep needs"]),
    "doctor": (2, ["doctor needs"]),
    "bench --quick": (2, ["bench needs"]),
    "distributed xor": (2, ["distributed needs torch"]),
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("core")
    for name, factor in {"right": 3, "wrong": 2}.items():
        (folder / f"{name}.py").write_text(OWN.format(factor=factor, name=name.capitalize()), encoding="utf-8")
    command = [sys.executable, "-c", START, json.dumps([WITHOUT, list(COMMANDS)])]
    done = subprocess.run(command, cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(zip(COMMANDS, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("command", COMMANDS)
def test_without_pytorch(command, answers):
    expected, words = COMMANDS[command]
    code, said = answers[command]
    assert code == expected, said
    assert all(word in said for word in words), said
    if code == 2:
        assert said.startswith("handgrad: error: ")
        assert said.count("\n") == 1
