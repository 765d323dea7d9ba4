"""constraints.txt fixes the version of everything that installing the project for its tests brings along."""

import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
LINES = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
PINS = [Requirement(line) for line in LINES if line and not line.startswith("#")]


def required(roots):
    """Canonical name → the requirements that name it, of all that `roots` bring along on this platform."""
    found, todo = {}, [(Requirement(text), "") for text in roots]
    while todo:
        requirement, extra = todo.pop()
        name = canonicalize_name(requirement.name)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        if (name, requirement) in found:
            continue
        found[name, requirement] = requirement
        for text in metadata.distribution(name).requires or ():
            todo += [(Requirement(text), extra) for extra in ("", *requirement.extras)]
    return {name: [r for n, r in found if n == name] for name, _ in found}


def exact(requirement):
    """Whether it leaves one version."""
    return [clause.operator for clause in requirement.specifier] == ["=="] and "*" not in str(requirement.specifier)


def test_everything_that_is_installed_for_the_tests_is_pinned():
    """A requirement that names one version pins as well: torch's for Linux with CUDA do, and differ by platform."""
    pins = {canonicalize_name(pin.name): pin.specifier for pin in PINS}
    found = required([*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]])
    assert len(found) > 50
    assert [name for name, by in found.items() if name not in pins and not any(map(exact, by))] == []
    installed = {name: metadata.version(name) for name in found if name in pins}
    assert {name: version for name, version in installed.items() if not pins[name].contains(version, True)} == {}


def test_every_pin_names_one_version_once():
    assert all(map(exact, PINS))
    names = [canonicalize_name(pin.name) for pin in PINS]
    assert sorted(names) == sorted(set(names))


def test_every_installed_package_says_that_it_is_typed():
    """A user's type checker ignores the annotations of a package without `py.typed`."""
    packages = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert len(packages) >= 5
    assert [name for name in packages if not (ROOT / name / "py.typed").exists()] == []
