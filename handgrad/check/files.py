"""What the command line names, checked: `path/to/mine.py:MyLayer`, `torch.nn.SiLU`, `torch.nn.Linear(3, 4)`."""

import ast
import difflib
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from handgrad.check import draw
from handgrad.check.gradients import check_gradients
from handgrad.check.report import GradientCheck
from handgrad.check.subject import CheckError, one_line
from handgrad.check.surroundings import kept

GRADIENT_NAMES = ("{}_grad", "grad_{}", "d{}", "d_{}", "{}_backward", "{}_prime", "{}_derivative")


def check_file(
    target: str,
    like: str | None = None,
    shape: str | None = None,
    dtype: str | None = None,
    seed: int = 0,
) -> GradientCheck:
    """Check what `target` names: `mine.py:MyLayer`, `mine.py:MyLayer(3, 4)` or, for a function, `mine.py:f,grad_f`.

    `like` names the reference in the same way or by its import path; `shape` is "4,3". CheckError in one line for
    everything that cannot be used.
    """
    drawn = parse_shape(shape)
    draw.allowed(drawn, dtype, seed)
    try:
        with kept(seed):
            op = load(target)
            reference = None if like is None else load(like, alone=True)
            found = check_gradients(op, None, reference, shape=drawn, dtype=dtype, seed=seed)
    except CheckError:
        raise
    except BaseException as error:  # whatever the user's code raises, KeyboardInterrupt too: nothing was checked
        raise CheckError(f"{target} cannot be checked: {one_line(error)}") from error
    found.imports, found.op = _pasted(target, op)
    if like is not None:
        imports, found.reference = _pasted(like, reference)
        found.imports += imports
    return found


def _pasted(target: str, found: Any) -> tuple[list[str], str]:
    """How Python code has what a target names: import lines, and the expression."""
    place, colon, name = target.partition(":")
    if not colon:
        head = target.partition("(")[0]
        return [f"import {head.rpartition('.')[0]}"], target
    if isinstance(found, tuple):
        name = ", ".join(f.__name__ for f in found)
        return [f"from {Path(place).stem} import {name}"], f"({name})"
    return [f"from {Path(place).stem} import {name.partition('(')[0]}"], name


def parse_shape(text: str | None) -> tuple[int, ...] | None:
    """ "4,3" → (4, 3)."""
    if text is None:
        return None
    parts = [part.strip() for part in text.strip("() ").split(",") if part.strip()]
    if not parts or not all(part.isdecimal() and len(part) <= DIGITS and int(part) >= 1 for part in parts):
        raise CheckError(f"shape must be whole numbers >= 1 with commas between, as in 4,3; got {_cut(text)!r}")
    return tuple(map(int, parts))


DIGITS = 20  # of a whole number: Python itself refuses to read more than 4,300


def _cut(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"


def load(target: str, alone: bool = False) -> Any:
    """The object that a target names; `Name(1, 2)` is called, a function comes with its gradient, unless `alone`."""
    place, colon, name = target.partition(":")
    if place.endswith(".py") or colon:
        module = run_file(place)
        if not name:
            raise CheckError(f"{place}: name what to check, as in {place}:MyLayer; it has {_listed(module)}")
    else:
        module, name = _import(target)
    if "," in name and "(" not in name:
        f, _, derivative = name.partition(",")
        return (_member(module, f.strip()), _member(module, derivative.strip()))
    head, bracket, _ = name.partition("(")
    found = _member(module, head)
    if bracket:
        return _called(found, name)
    if callable(found) and not isinstance(found, type) and not hasattr(found, "backward") and colon:
        beside = [pattern.format(head) for pattern in GRADIENT_NAMES]
        if gradient := next((g for g in beside if callable(getattr(module, g, None))), None):
            return (found, getattr(module, gradient))
        if not alone and not hasattr(found, "forward"):
            raise CheckError(f"{head} is a function: name its gradient too, as in {target},{beside[0]}")
    return found


def run_file(path: str) -> ModuleType:
    """The module in a file. Its own folder is on the path while it runs."""
    file = Path(path)
    try:
        there, folder = file.is_file(), file.is_dir()
    except OSError as error:
        raise CheckError(f"{path} cannot be read: {error.strerror}") from error
    if not there:
        raise CheckError(
            f"{path or '.'} is a folder: name a Python file in it" if folder else f"there is no file {path}"
        )
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise CheckError(f"{path} must be a Python file (.py)")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.resolve().parent))
    try:
        # From the source: a cache beside it is stale for a second after a change.
        exec(compile(file.read_bytes(), str(file), "exec"), vars(module))
    except BaseException as error:
        raise CheckError(f"{path} cannot be run: {one_line(error)}") from error
    finally:
        sys.path.pop(0)
    return module


def _import(target: str) -> tuple[Any, str]:
    """`torch.nn.SiLU` → (the module torch.nn, "SiLU"); with arguments the name keeps them."""
    head, bracket, rest = target.partition("(")
    parts = head.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        try:
            owner: Any = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError as error:
            if error.name is None or not head.startswith(error.name):
                raise CheckError(f"{target} cannot be imported: {one_line(error)}") from error
            continue
        except BaseException as error:
            raise CheckError(f"{target} cannot be imported: {one_line(error)}") from error
        for part in parts[cut:-1]:
            owner = _member(owner, part)
        return owner, parts[-1] + bracket + rest
    raise CheckError(f"{target!r} names nothing: give path/to/file.py:Name, or an import path as torch.nn.SiLU")


def _member(owner: Any, name: str) -> Any:
    if hasattr(owner, name):
        return getattr(owner, name)
    near = difflib.get_close_matches(name, dir(owner), n=1)
    hint = f" (did you mean {near[0]}?)" if near else f"; it has {_listed(owner)}"
    raise CheckError(f"{getattr(owner, '__name__', owner)} has no {name!r}{hint}")


def _names(owner: Any) -> list[str]:
    own = getattr(owner, "__name__", None)
    return [n for n, v in vars(owner).items() if not n.startswith("_") and getattr(v, "__module__", None) == own]


def _listed(owner: Any) -> str:
    names = _names(owner)
    return ", ".join(names[:8]) + (", …" if names[8:] else "") if names else "nothing that can be checked"


def _called(kind: Any, text: str) -> Any:
    """`Name(1, bias=False)`: called with literals, nothing else is run."""
    try:
        call = ast.parse(text, mode="eval").body
        assert isinstance(call, ast.Call)
        assert isinstance(call.func, ast.Name)
        arguments = [ast.literal_eval(a) for a in call.args]
        assert all(k.arg for k in call.keywords)
        named = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
    except (SyntaxError, ValueError, TypeError, AssertionError, RecursionError, MemoryError) as error:
        raise CheckError(
            f"{_cut(text)!r} must be a name with plain arguments, as in Linear(3, 4, bias=False)"
        ) from error
    try:
        return kind(*arguments, **named)
    except (Exception, SystemExit, GeneratorExit) as error:
        raise CheckError(f"{_cut(text)} failed: {one_line(error)}") from error
