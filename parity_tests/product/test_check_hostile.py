"""`handgrad check` of code that raises, exits, prints or returns nonsense: one line, exit code 2, never a verdict."""

import json
import os
import random
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from handgrad import check_gradients, cli
from handgrad.check import CheckError

BASE = """
import os, sys
import numpy as np

class Base:
    def forward(self, x):
        self.x = x
        return np.sin(x)

    def backward(self, g):
        return g * np.cos(self.x)

class Odd(BaseException):
    pass

class Unreadable(Exception):
    def __str__(self):
        raise ValueError
"""

RAISED = [
    "ValueError('a\\nb\\x1b[31m')",
    "SystemExit(0)",
    "KeyboardInterrupt()",
    "GeneratorExit()",
    "Odd()",
    "Unreadable()",
]
PLACES = {
    "the module": "raise {}",
    "the constructor": "class Mine(Base):\n    def __init__(self): raise {}",
    "the constructor with arguments": "class Mine(Base):\n    def __init__(self, n=3): raise {}",
    "forward": "class Mine(Base):\n    def forward(self, x): raise {}",
    "backward": "class Mine(Base):\n    def backward(self, g): raise {}",
    "a property": "class Mine(Base):\n    @property\n    def forward(self): raise {}",
    "a copy": "class Mine(Base):\n    def __deepcopy__(self, memo): raise {}",
    "any attribute": "class Mine(Base):\n    def __getattr__(self, name): raise {}",
    "a conversion": "class Out:\n    def __array__(self, *a, **k): raise {}\n"
    "class Mine(Base):\n    def forward(self, x): return Out()",
    "the gradient's conversion": "class Out:\n    def __array__(self, *a, **k): raise {}\n"
    "class Mine(Base):\n    def backward(self, g): return Out()",
    "the module's attributes": "def __getattr__(name): raise {}",
}


@pytest.fixture
def check(tmp_path, monkeypatch, capfd):
    """Run the command on a file with `code`; its exit code, standard output, and standard error."""
    monkeypatch.chdir(tmp_path)

    def run(code, *arguments, target="Mine"):
        (tmp_path / "mine.py").write_text(BASE + code)
        code = cli.main(["check", f"mine.py:{target}", *arguments])
        return code, *capfd.readouterr()

    return run


def refused(answer):
    code, out, err = answer
    return (code, out, err.count("\n")) == (2, "", 1) and err.startswith("handgrad: error: ") and "\x1b" not in err


@pytest.mark.parametrize("raised", RAISED)
@pytest.mark.parametrize("place", PLACES)
def test_what_the_code_raises_is_one_line(place, raised, check):
    target = "Mine(3)" if place == "the constructor with arguments" else "Mine"
    answer = check(PLACES[place].format(raised), target=target)
    assert refused(answer), answer
    assert raised.partition("(")[0] in answer[2] or place == "any attribute"


@pytest.mark.parametrize("error", [SystemExit(0), GeneratorExit(), ValueError("no")])
def test_the_function_raises_a_check_error(error):
    class Raises:
        def forward(self, x):
            raise error

    Raises.backward = Raises.forward
    with pytest.raises(CheckError, match=type(error).__name__):
        check_gradients(Raises)


@pytest.mark.parametrize("method", ["forward", "backward"])
def test_ctrl_c_in_a_test_stays_ctrl_c(method):
    class Raises:
        def forward(self, x):
            return x

        def backward(self, g):
            return g

    def interrupt(self, x):
        raise KeyboardInterrupt

    setattr(Raises, method, interrupt)
    with pytest.raises(KeyboardInterrupt):
        check_gradients(Raises)


# What forward or backward returns instead of an array of floats, and words of the one line.
NONSENSE = {
    "None": "NoneType",
    "'text'": "str",
    "b'text'": "bytes",
    "object()": "object",
    "{'k': x}": "dict",
    "[[1], [1, 2]]": "list",
    "('a', 'b')": "tuple",
    "iter([1])": "list_iterator",
    "x * 1j": "complex128",
    "x.astype(object)": "of object",
    "x.astype('S3')": "|S",
    "np.ma.masked_array(x, x > 0)": "MaskedArray",
    "np.datetime64('2020')": "datetime64",
    "(lambda: 0)": "function",
}


@pytest.mark.parametrize("value", NONSENSE)
def test_an_output_that_is_no_array_of_numbers(value, check):
    answer = check(f"class Mine(Base):\n    def forward(self, x): return {value}")
    assert refused(answer), answer
    assert NONSENSE[value] in answer[2]


HOLDS = ("{'k': x}", "[[1], [1, 2]]", "('a', 'b')")  # in which a gradient is looked for


@pytest.mark.parametrize("value", [v for v in NONSENSE if v not in ("None", *HOLDS)])
def test_a_gradient_that_is_no_array_of_numbers(value, check):
    answer = check(f"class Mine(Base):\n    def backward(self, g):\n        x = self.x\n        return {value}")
    assert refused(answer), answer
    assert NONSENSE[value] in answer[2]


@pytest.mark.parametrize("value", ["1.0", "[1.0, 2.0]", "g[:1]", "g[..., None]", "np.zeros((0, 3))", "g * np.nan"])
def test_a_gradient_of_another_shape_is_wrong(value, check):
    code, out, err = check(f"class Mine(Base):\n    def backward(self, g): return {value}")
    assert (code, err) == (1, "")
    assert "WRONG, the gradient" in out


@pytest.mark.parametrize("value", ["None", "{}", "()", "{'a': None}", "[[1], [1, 2]]"])
def test_no_gradient_at_all_cannot_be_told(value, check):
    code, out, err = check(f"class Mine(Base):\n    def backward(self, g): return {value}")
    assert (code, err) == (2, "")
    assert "NOT checked: x" in out


# Outputs, gradients and objects that are unusual and right.
UNUSUAL = {
    "a matrix": "    def forward(self, x): return np.asmatrix(Base.forward(self, x))",
    "a list": "    def backward(self, g): return Base.backward(self, g).tolist()",
    "long doubles": "    def forward(self, x): return Base.forward(self, x).astype(np.longdouble)",
    "float16 gradients": "    def backward(self, g): return Base.backward(self, g).astype(np.float16)",
    "slots": "    __slots__ = ('x',)",
    "whole numbers": "    def forward(self, x): return np.sign(x).astype(int)\n    def backward(self, g): return 0 * g",
    "truth values": "    def forward(self, x): return x > 0.1\n    def backward(self, g): return 0 * g",
    "a repr that fails": "    def __repr__(self): raise ValueError",
    "writes into all": "    def backward(self, g):\n        r = Base.backward(self, g); g[:] = self.x[:] = 7; return r",
    "warns": "    def forward(self, x):\n        import warnings; warnings.warn(''); return Base.forward(self, x)",
    "generators": "    def forward(self, x):\n        np.random.seed(3); return Base.forward(self, x)",
    "errors raised": "    def forward(self, x):\n        np.seterr(all='raise'); return Base.forward(self, x)",
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_and_right(name, check):
    code, out, err = check(f"class Mine(Base):\n{UNUSUAL[name]}")
    assert (code, err) == (0, ""), out + err


# What is written to the file mine.py, and words of the one line.
FILES = {
    "latin": (b"x = '\xe9'\n", "cannot be run: SyntaxError"),
    "bytes": (bytes(range(256)), "cannot be run: SyntaxError"),
    "nul": (b"a = 1\0", "cannot be run: SyntaxError"),
    "no Python": (b"def (", "cannot be run: SyntaxError"),
    "empty": (b"", "no 'Mine'"),
    "exits": (b"import os, sys\nsys.exit()", "SystemExit"),
    "an import that fails": (b"import no_such_module", "it needs no_such_module, which is not installed here"),
    "a number": (b"Mine = 3", "forward and backward"),
    "a class that is none": (b"class Mine: pass", "forward and backward"),
    "too deep": (b"def f(): f()\nMine = f()", "RecursionError"),
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_not_what_is_asked(name, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    content, words = FILES[name]
    (tmp_path / "mine.py").write_bytes(content)
    answer = (cli.main(["check", "mine.py:Mine"]), *capfd.readouterr())
    assert refused(answer), answer
    assert words in answer[2]


TARGETS = [
    *("none.py:A", "folder:A", "folder", "text.txt:A", ":A", "..", ".", "mine.py", "mine.py:", "mine.py:Base("),
    *("mine.py:Base(1)(2)", "mine.py:Base(**{})", "mine.py:Base(open('x'))", "mine.py:Base,", "mine.py:,"),
    *("mine.py:\x1b[31m", "json", "json.dumps", "json.nothing", "no.such.thing", "sys.exit", "os._exit"),
    *("builtins.int", "raises.A", "exits.A"),
]
TARGETS += ["", f"{'a' * 300}.py:A", *(f"mine.py:Base({n})" for n in ("1" * 4301, "(" * 300, "-" * 3000 + "1"))]
OPTIONS = [
    *(("--shape", text) for text in ("", "0", "-1", "2,x", "1e3", "²", "9" * 4301, "99999,99999", ",".join("1" * 70))),
    *(("--seed", text) for text in ("", "-1", "1.5", "x", "²", "9" * 4301)),
    *(("--dtype", text) for text in ("", "int", "float16", "9" * 4301)),
    *(("--like", text) for text in TARGETS if text not in ("mine.py", "mine.py:")),
]


@pytest.mark.parametrize(
    "arguments", [*((t,) for t in TARGETS), *(("mine.py:Base", *o) for o in OPTIONS)], ids=lambda a: a[-1][:30]
)
def test_arguments_that_mean_nothing(arguments, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.txt").write_text("A = 1")
    (tmp_path / "mine.py").write_text(BASE)
    (tmp_path / "raises.py").write_text("1 / 0")
    (tmp_path / "exits.py").write_text("raise SystemExit(0)")
    answer = (cli.main(["check", *arguments]), *capfd.readouterr())
    assert refused(answer), answer


ARGUMENTS = {
    "shape": [(0,), (-1,), (2.5,), "4,3", 4, [4, 3], (10**5000,), (2**13, 2**13), (1,) * 40, (True,)],
    "seed": [-1, 1.5, "0", None, True, [1], float("nan")],
    "dtype": ["float16", "nonsense", int, object, 3, (1, 2)],
    "inputs": [object(), "x", {}, np.array([None]), np.ma.masked_array([1.0], [True]), 1j, ([[1.0], [1.0, 2.0]],)],
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in ARGUMENTS.items() for v in values])
def test_arguments_of_the_function_that_mean_nothing(name, value):
    with pytest.raises(CheckError) as error:
        check_gradients((np.sin, np.cos), **{name: value})
    assert "\n" not in str(error.value)


PRINTS = """
print("in the module")
class Mine(Base):
    def __init__(self): print("in the constructor")
    def forward(self, x):
        sys.stdout.write("in forward\\n")
        return super().forward(x)
    def backward(self, g):
        sys.stdout.flush()
        os.write(1, b"in backward\\n")
        os.system("echo in a shell") if not hasattr(Base, "once") else None
        Base.once = True
        return super().backward(g)
"""


@pytest.mark.parametrize("flag", [[], ["--json"]])
def test_prints_go_aside(flag, check):
    code, out, err = check(PRINTS, *flag)
    assert code == 0
    assert "in " not in out.replace("linear along", "")
    assert not flag or json.loads(out)["status"] == "agree"
    assert all(f"in {place}\n" in err for place in ("the module", "the constructor", "forward", "backward", "a shell"))


@pytest.mark.parametrize(("stdout", "flag"), [("full", ["--json"]), ("pipe", [])])
def test_an_answer_that_cannot_be_written(stdout, flag, tmp_path):
    (tmp_path / "mine.py").write_text(BASE)
    if stdout == "full" and not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    if stdout == "full":
        end = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, end = os.pipe()
        os.close(reader)
    command = [sys.executable, "-m", "handgrad", "check", "mine.py:Base", *flag]
    done = subprocess.run(command, stdout=end, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    os.close(end)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_json_has_no_tokens_but_json(check):
    def refuse(token):
        raise AssertionError(token)

    for code in ("g * np.nan", "g * np.inf", "g * -np.inf", "g"):
        _, out, _ = check(f"class Mine(Base):\n    def backward(self, g): return {code}", "--json")
        assert json.loads(out, parse_constant=refuse)["status"] == "wrong"


DISTURBS = textwrap.dedent("""
    import random, warnings, torch
    class Mine(Base):
        def forward(self, x):
            random.random(), np.random.rand(), torch.rand(1)
            return super().forward(x)
    random.seed(5), np.random.seed(5), torch.manual_seed(5), torch.set_default_dtype(torch.float64)
    np.seterr(all="raise"), warnings.simplefilter("error"), torch.set_num_threads(3), sys.path.append("/none")
    torch.set_grad_enabled(False)
""")


def test_what_the_code_changes_is_put_back(check):
    def state():
        return (
            random.getstate(),
            np.random.get_state()[1].tolist(),  # noqa: NPY002 - the one that users draw from
            torch.get_rng_state().tolist(),
            torch.get_default_dtype(),
            torch.get_num_threads(),
            torch.is_grad_enabled(),
            np.geterr(),
            list(warnings.filters),
            list(sys.path),
        )

    before = state()
    assert check(DISTURBS, "--like", "torch.sin")[0] == 0
    assert state() == before


def test_autograd_of_a_reference_needs_no_mode():
    for mode in (torch.no_grad(), torch.inference_mode()):
        with mode:
            assert check_gradients(torch.nn.Linear(3, 2), None, None)
            assert check_gradients((np.sin, lambda x: np.cos(x)), None, torch.sin)
