"""The pytest plugin as a user meets it, and what a check looks like outside of the command line."""

import importlib
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest

import handgrad
from handgrad import assert_gradients, check_gradients
from handgrad.check import CheckError

pytest_plugins = "pytester"

ROOT = Path(handgrad.__file__).parent.parent
INSTALLED = "handgrad" in {entry.name for entry in entry_points(group="pytest11")}
LOAD = () if INSTALLED else ("-p", "handgrad.pytest_plugin")
RIGHT, WRONG = (np.sin, np.cos), (np.sin, np.sin)

TESTS = """
import numpy as np

def test_right(gradcheck):
    found = gradcheck((np.sin, np.cos))
    assert found.status == "agree"
    print("drawn from", found.draws)

def test_wrong(gradcheck):
    gradcheck((np.sin, np.sin), np.linspace(-1, 1, 5))

def test_no_op(gradcheck):
    gradcheck(None)
"""


def test_the_entry_point_is_the_plugin():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    (module,) = declared.values()
    assert {"gradcheck", "pytest_addoption"} <= set(vars(importlib.import_module(module)))


def test_the_fixture_asserts_and_its_failure_is_the_report(pytester):
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_inprocess(*LOAD, "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, failed=2)
    text = str(result.stdout)
    report = check_gradients(WRONG, np.linspace(-1, 1, 5)).render()
    for line in report.splitlines()[:4]:
        assert line.strip() in text
    assert "CheckError" in text
    assert "assertions.py" not in text  # the report, and no frames of ours
    listed = pytester.runpytest_inprocess(*LOAD, "--fixtures", "-p", "no:cacheprovider")
    listed.stdout.fnmatch_lines(["gradcheck*"])


@pytest.mark.parametrize(("cases", "checks"), [("1", 1), ("4", 1), ("9", 3)])
def test_the_option_says_how_many_cases_are_drawn(cases, checks, pytester, monkeypatch):
    seeds = []

    def check(*args, seed, **options):
        seeds.append(seed)
        return check_gradients(*args, seed=seed, **options)

    monkeypatch.setattr("handgrad.check.assertions.check_gradients", check)
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_inprocess(
        *LOAD, "--handgrad-cases", cases, "-k", "test_right", "-p", "no:cacheprovider"
    )
    result.assert_outcomes(passed=1, deselected=2)
    assert seeds == list(range(checks))


@pytest.mark.parametrize("cases", ["0", "-1", "many", "1e3", "10000000"])
def test_a_bad_count_is_a_usage_error(cases, pytester):
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_inprocess(*LOAD, f"--handgrad-cases={cases}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*--handgrad-cases: must be a whole number from 1 to 1000000; got '{cases}'"])


def test_the_assertion():
    assert assert_gradients(RIGHT).status == "agree"
    with pytest.raises(AssertionError, match=r"(?s)WRONG, the gradient of x.*oracle"):
        assert_gradients(WRONG)
    with pytest.raises(AssertionError, match="WRONG, the output"):
        assert_gradients(RIGHT, reference=np.cos)
    for cases in (0, True, 1.5, "4"):
        with pytest.raises(CheckError, match="cases must be a whole number >= 1"):
            assert_gradients(RIGHT, cases=cases)


def test_cases_find_what_one_check_does_not():
    """Wrong in a corner that the cases of the first seed do not reach."""

    def seen(cases):
        drawn = []

        def gradient(x):
            drawn.append(np.array(x))
            return np.cos(x)

        assert_gradients((np.sin, gradient), cases=cases)
        return {x.tobytes() for x in drawn}

    assert seen(None) < seen(8)


def test_it_shows_itself():
    found = check_gradients(WRONG)
    assert repr(found) == str(found) == found.render()
    html = found._repr_html_()
    assert html.startswith('<b style="color: #d62728">')
    assert found.render().splitlines()[0] in html
    named = handgrad.GradientCheck("<script>&", "layer")
    assert "<script>" not in named._repr_html_()
    assert "&lt;script&gt;&amp;" in named._repr_html_()


def test_every_field_of_the_json_is_on_its_page():
    page = (ROOT / "docs" / "check_json.md").read_text(encoding="utf-8")
    found = check_gradients(WRONG).as_dict()
    assert (found["version"], found["passed"]) == (1, False)
    assert check_gradients(RIGHT).as_dict()["passed"]
    for entry in (found, *found["oracles"], *found["findings"]):
        for field in entry:
            assert f"`{field}`" in page
