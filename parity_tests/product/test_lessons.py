"""The lessons run headless and keep what they promise; with settings that cannot keep a promise, they say so."""

import importlib.util
import pathlib
import subprocess
import sys
from types import SimpleNamespace

import pytest

import scratch

# Looked for, not imported: the worker that runs another file need not wait two seconds for it.
if importlib.util.find_spec("marimo") is None:
    pytest.skip("marimo is not installed: pip install -e '.[lessons]'", allow_module_level=True)

ROOT = pathlib.Path(scratch.__file__).parent.parent
LESSONS = sorted((ROOT / "lessons").glob("lesson_*.py"))

UNTAUGHT = {"lr": 0.0001, "width": 1, "step": 0}
"""Settings with which nothing is learnt."""

# lesson → its controls with other settings, under which it does not reach what is expected; two stand for all
BROKEN = {
    "lesson_000_one_layer": {"moments": (0, 500)} | UNTAUGHT,
    "lesson_002_strip_and_circle": {"moments": (0, 500), "epochs": 1} | UNTAUGHT,
}


def run(name, monkeypatch, **defs):
    """Outputs of all cells and the definitions of a lesson, run afresh, with some definitions replaced."""
    monkeypatch.syspath_prepend(str(ROOT / "lessons"))
    return importlib.import_module(name).app.run(defs=defs)


def broken(promises):
    return [text for text, kept in promises.items() if not kept]


@pytest.mark.parametrize("name", [path.stem for path in LESSONS])
def test_promises(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    there = sorted(path for path in (ROOT / "lessons").iterdir() if path.suffix == ".py" or not path.is_dir())
    outputs, defs = run(name, monkeypatch)
    assert broken(defs["promises"]) == []
    assert len(defs["promises"]) >= 9
    pages = [output.text for output in outputs if output is not None]
    assert sum(page.count("<svg") for page in pages) >= 3
    assert not any("Traceback" in page for page in pages)
    assert list(tmp_path.iterdir()) == []  # a lesson writes nothing
    assert there == sorted(path for path in (ROOT / "lessons").iterdir() if path.suffix == ".py" or not path.is_dir())


@pytest.mark.parametrize("name", BROKEN)
def test_other_settings(name, monkeypatch):
    controls = {k: v if k == "moments" else SimpleNamespace(value=v) for k, v in BROKEN[name].items()}
    _, defs = run(name, monkeypatch, **controls)
    missed = broken(defs["promises"])
    assert any("expected" in text for text in missed), missed
    assert not any("parity" in text for text in missed)  # what is not learnt is computed rightly all the same


def test_marimo_finds_no_fault():
    command = [sys.executable, "-m", "marimo", "check", "--strict", *map(str, LESSONS)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_lists_them():
    page = (ROOT / "docs" / "lessons.md").read_text(encoding="utf-8")
    assert [path.name for path in LESSONS if f"../lessons/{path.name}" not in page] == []
    assert len(LESSONS) == 6
