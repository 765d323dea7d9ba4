"""What the command line names, checked: `path/to/mine.py:MyLayer`, `torch.nn.SiLU`, `torch.nn.Linear(3, 4)`."""

import ast
import contextlib
import difflib
import importlib
import importlib.util
import inspect
import io
import json
import linecache
import re
import sys
import types
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from handgrad.check import conventions, statics
from handgrad.check import inputs as drawn_inputs
from handgrad.check.gradients import INPUTS, check_gradients
from handgrad.check.readings import of_parts, of_same_arguments
from handgrad.check.report import GradientCheck
from handgrad.check.subject import CheckError, instance, one_line
from handgrad.check.surroundings import kept


def check_file(
    target: str,
    like: str | None = None,
    shape: str | list[str] | None = None,
    dtype: str | None = None,
    seed: int = 0,
    inputs: str | None = None,
    only: str | None = None,
) -> GradientCheck:
    """Check what `target` names: `mine.py:MyLayer`, `mine.py:MyLayer(3, 4)` or, for a function, `mine.py:f,grad_f`.

    `like` and `inputs` name the reference and the inputs in the same way or by an import path; `shape` is "4,3", or a
    list with one such text per argument; `only` names the variables that are looked at. CheckError in one line for
    everything that cannot be used.
    """
    drawn = parse_shapes(shape)
    drawn_inputs.allowed(drawn, dtype, seed)
    names = tuple(part.strip() for part in (only or "").split(",") if part.strip())
    try:
        with kept(seed):
            op = load(target)
            reference = None if like is None else load(like, alone=True)
            given = None if inputs is None else _given(inputs)
            found = check_gradients(op, given, reference, shape=drawn, dtype=dtype, seed=seed, only=names)
    except CheckError:
        raise
    except BaseException as error:  # whatever the user's code raises, KeyboardInterrupt too: nothing was checked
        raise CheckError(f"{target} cannot be checked: {one_line(error)}") from error
    found.imports, found.op = _pasted(target, op)
    if like is not None:
        imports, found.reference = _pasted(like, reference, alone=True)
        found.imports += imports
    if inputs is not None and found.again.startswith(INPUTS):
        imports, expression = _pasted(inputs, given := load(inputs, alone=True), alone=True)
        found.imports += imports
        found.again = found.again.replace(INPUTS, f"{expression}()" if callable(given) else expression, 1)
    if target.partition(":")[0] in SCRIPTS:
        found.remarks.append(f"{target.partition(':')[0]} is a script: only its definitions were run")
    return found


SCRIPTS: set[str] = set()
"""Files of which only the definitions were run."""


def _given(name: str) -> Any:
    """The inputs that a file holds under a name, or that a function of that name makes."""
    value = load(name, alone=True)
    value = value() if callable(value) else value
    if isinstance(value, tuple | list):
        return type(value)(np.asarray(v) if isinstance(v, list) else v for v in value)
    return value


def _pasted(target: str, found: Any, alone: bool = False) -> tuple[list[str], str]:
    """How Python code has what a target names: import lines, and the expression."""
    place, colon, name = target.partition(":")
    if not colon:
        head = target.partition("(")[0]
        return [f"import {head.rpartition('.')[0]}"], target
    file = Path(place)
    if place in SCRIPTS or _package(file)[0] or _relative(file):  # an import would train, or knows no such module
        return ["from handgrad.check.files import load"], f"load({target!r}{', alone=True' if alone else ''})"
    beside = [] if file.parent == Path() else ["import sys", f"sys.path.insert(0, {str(file.parent)!r})"]
    kept = re.fullmatch(r"(\w+)((?:\.\w+)*(?:\(.*\))?)\.\w+(\s*,\s*[\w.]+)?", name)
    if kept is not None:  # of one object: what forward keeps, backward finds
        names = [f"op.{f.__name__}" for f in (found if isinstance(found, tuple) else (found,))]
        bound = isinstance(found[0] if isinstance(found, tuple) else found, types.MethodType)
        call = "()" if bound and not kept[2].endswith(")") else ""
        made = [*beside, f"from {file.stem} import {kept[1]}", f"op = {kept[1]}{kept[2]}{call}"]
        return made, names[0] if len(names) == 1 else f"({', '.join(names)})"
    if isinstance(found, tuple) and not name.endswith(")") and ("," in name or not alone):
        names = [n.strip() for n in name.split(",")] if "," in name else [f.__name__ for f in found]
        return [*beside, f"from {file.stem} import {', '.join(names)}"], f"({', '.join(names)})"
    return [*beside, f"from {file.stem} import {name.partition('(')[0]}"], name


def parse_shapes(text: str | list[str] | None) -> Any:
    """One shape, or a list with one for each argument."""
    if isinstance(text, list | tuple):
        shapes = [parse_shape(t) for t in text]
        return None if not shapes else shapes[0] if len(shapes) == 1 else shapes
    return parse_shape(text)


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
    module: Any
    if place.endswith(".py") or colon:
        module = run_file(place)
        if not name:
            raise CheckError(f"{place}: name what to check, as in {place}:MyLayer; it has {_listed(module)}")
    else:
        module, name = _import(target)
    owner, name = (module, name) if isinstance(module, type) else _owner(module, name)
    if owner is not module or isinstance(owner, type):
        return _method(owner, name, alone)
    if "," in name and "(" not in name:
        f, _, derivative = name.partition(",")
        return (_member(module, f.strip()), _member(module, derivative.strip()))
    head, bracket, _ = name.partition("(")
    found = _member(module, head)
    if bracket:
        return _called(found, name)
    pair = not any(hasattr(found, n) for n in ("backward", "defvjp"))
    if callable(found) and not isinstance(found, type) and pair and colon and not alone:
        if forward := _forward_of(head, module):
            return (forward, found)
        if gradient := _gradient_of(head, module):
            return (found, gradient)
    return found


def _gradient_of(name: str, owner: Any) -> Any:
    """The function beside it, of a module or a class, that is by its name the gradient of `name`."""
    beside = [pattern.format(name) for pattern in conventions.BESIDE]
    beside += [name.replace(a, b) for a, b in conventions.TURNED if a in name]
    return next((getattr(owner, g) for g in beside if g != name and callable(getattr(owner, g, None))), None)


def _forward_of(name: str, owner: Any) -> Any:
    """The function whose gradient is called `name`."""
    ways = [name.replace(b, a) for a, b in conventions.TURNED if b in name]
    for pattern in conventions.BESIDE:
        before, after = pattern.split("{}")
        if name.startswith(before) and name.endswith(after) and len(name) > len(before) + len(after):
            ways.append(name[len(before) : len(name) - len(after)])
    return next((getattr(owner, w) for w in ways if w != name and callable(getattr(owner, w, None))), None)


def _owner(module: Any, name: str) -> tuple[Any, str]:
    """`Net.f` → (Net, "f"), `Net(3).f,df` → (the object, "f,df"), any other name → (module, the name)."""
    dotted = re.fullmatch(r"(\w+(?:\.\w+)*(?:\(.*\))?)\.(\w+(?:\s*,\s*[\w.]+)?)", name)
    if dotted is None:
        return module, name
    head, bracket, _ = dotted[1].partition("(")
    owner = module
    for part in head.split("."):
        owner = _member(owner, part)
    return (_called(owner, f"{owner.__name__}{bracket}{dotted[1][len(head) + 1 :]}") if bracket else owner), dotted[2]


def _method(owner: Any, name: str, alone: bool) -> Any:
    """A method of a class or an object, with that beside it which is its gradient; `f,df` names both."""
    first, _, second = (part.strip() for part in name.partition(","))
    _member(owner, first)
    if isinstance(owner, type) and isinstance(inspect.getattr_static(owner, first), types.FunctionType):
        owner = instance(owner)
    found = _member(owner, first)
    if second or alone:
        return (found, _member(owner, second.rpartition(".")[2])) if second else found
    if forward := _forward_of(first, owner):
        return (forward, found)
    if gradient := _gradient_of(first, owner):
        return (found, gradient)
    if part := next((pair for pair in (*of_parts(owner), *of_same_arguments(owner)) if first in pair), None):
        return tuple(getattr(owner, n) for n in part)
    rest = conventions.BACKWARD if first in conventions.FORWARD else ()
    back = next((getattr(owner, b) for b in rest if b != first and callable(getattr(owner, b, None))), None)
    if back is None and isinstance(owner, type):
        pairs = [pair for pair in (*statics.of_losses(owner), *statics.of_forwards(owner)) if found in pair]
        return pairs[0] if pairs else found
    return found if back is None else (found, back)


def run_file(path: str, whole: bool = False) -> ModuleType:
    """The module in a file. Its own folder, and the current one, are on the path while it runs.

    A file of a package is run as that package's module. Of a notebook, and of a script that trains as it is run, only
    the definitions are, unless the `whole` file is asked for.
    """
    file = Path(path)
    try:
        there, folder = file.is_file(), file.is_dir()
    except OSError as error:
        raise CheckError(f"{path} cannot be read: {error.strerror}") from error
    if not there:
        raise CheckError(
            f"{path or '.'} is a folder: name a Python file in it" if folder else f"there is no file {path}"
        )
    if file.suffix not in (".py", ".ipynb"):
        raise CheckError(f"{path} must be a Python file (.py) or a notebook (.ipynb)")
    package, top = _package(file)
    if not package and (deep := _relative(file)):  # a folder is a package without an __init__.py too
        folders = file.resolve().parents[:deep]
        package, top = ".".join(f.name for f in reversed(folders)), folders[-1].parent
    name = f"{package}.{file.stem}" if package else file.stem
    module = ModuleType(name)
    module.__file__, module.__package__ = str(file), package
    before, given, sys.argv = list(sys.path), sys.argv, [str(file)]  # it may read options of its own
    sys.path[:0] = [str(top), str(Path.cwd()), *map(str, _beside(file))]
    if package:  # and last its own folder: a file of a package too is run from there, and imports what is beside it
        sys.path += map(str, file.resolve().parents[: package.count(".") + 1])
    try:
        if package:
            importlib.import_module(package)
        parts = list(_cells(file)) if file.suffix == ".ipynb" else [(str(file), file.read_bytes())]
        trees = {name: ast.parse(text, name) for name, text in parts}
        if file.suffix == ".ipynb" or (not whole and any(map(_trains, trees.values()))):
            SCRIPTS.add(path)
            with _started(module, str(file)):
                for part, tree in trees.items():
                    _define(tree, module, part)
        else:
            for part, tree in trees.items():
                exec(compile(tree, part, "exec"), vars(module))
    except ModuleNotFoundError as error:
        raise CheckError(f"{path} cannot be run: it needs {error.name}, which is not installed here") from error
    except BaseException as error:
        raise CheckError(f"{path} cannot be run: {one_line(error)}") from error
    finally:
        sys.path[:], sys.argv = before, given
    return module


def _package(file: Path) -> tuple[str, Path]:
    """The package that a file belongs to, "" if none, and the folder to import it from."""
    names: list[str] = []
    folder = file.resolve().parent
    while (folder / "__init__.py").is_file() and folder.name.isidentifier():
        names.insert(0, folder.name)
        folder = folder.parent
    return ".".join(names), folder if names else file.resolve().parent


def _relative(file: Path) -> int:
    """How many folders up a module imports from: 1 for `from .a import b`, and 0 where it names no such module."""
    return max((n.level for n in _imports(file) if isinstance(n, ast.ImportFrom)), default=0)


def _beside(file: Path) -> list[Path]:
    """The folders in which a folder is that the file is in and imports from, as `from net.sums import add` in net/."""
    names = {a.name for n in _imports(file) if isinstance(n, ast.Import) for a in n.names}
    names |= {n.module for n in _imports(file) if isinstance(n, ast.ImportFrom) and n.module and not n.level}
    tops = {name.partition(".")[0] for name in names}
    return [folder.parent for folder in file.resolve().parents if folder.name in tops]


def _imports(file: Path) -> list[ast.Import | ast.ImportFrom]:
    if file.suffix != ".py":
        return []
    try:
        nodes = ast.walk(ast.parse(file.read_bytes()))
    except (SyntaxError, ValueError):  # said where it is run
        return []
    return [n for n in nodes if isinstance(n, ast.Import | ast.ImportFrom)]


def _cells(file: Path) -> Iterator[tuple[str, str]]:
    """The cells of a notebook that hold code, without its commands; each has a name, by which its lines are known."""
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    for number, cell in enumerate(cells, 1):
        if cell.get("cell_type") == "code":
            lines = "".join(cell["source"]).split("\n")
            text = "\n".join("" if re.match(r"\s*[%!?]", line) else line for line in lines)
            try:
                ast.parse(text)
            except SyntaxError:
                continue
            name = f"{file}, cell {number}"
            linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
            yield name, text


def _trains(tree: ast.Module) -> bool:
    """Whether a file does more than define: a loop, or a call of its own functions or of its objects' methods."""
    own = {n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    made = {t.id for n in tree.body if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)}
    for node in tree.body:
        if isinstance(node, ast.For | ast.While):
            return True
        if _registers(node, own):
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            f = node.value.func
            if isinstance(f, ast.Name) and f.id in own:
                return True
            if isinstance(f, ast.Attribute) and isinstance(f.value, ast.Name) and f.value.id in made:
                return True
        if isinstance(node, ast.Assign) and any(name in own for name in _called_to_train(node)):
            return True
    return False


def _called_to_train(node: ast.stmt) -> list[str]:
    """The functions and methods that a statement calls, and that train by their names."""
    calls = [n.func for n in ast.walk(node) if isinstance(n, ast.Call)]
    names = [f.id if isinstance(f, ast.Name) else f.attr for f in calls if isinstance(f, ast.Name | ast.Attribute)]
    return [name for name in names if re.match(TRAINS, name)]


def _registers(node: ast.stmt, own: set[str]) -> bool:
    """Whether a statement hands definitions to a function, as register("relu", ReLU) does: that is one itself."""
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        return False
    f, given = node.value.func, node.value.args
    name = f.id if isinstance(f, ast.Name) else f.attr if isinstance(f, ast.Attribute) else TEXT
    plain = all(isinstance(a, ast.Constant) or (isinstance(a, ast.Name) and a.id in own) for a in given)
    return plain and any(isinstance(a, ast.Name) for a in given) and not re.match(f"{TRAINS}|test|print", name)


DEFINES = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef | ast.Try | ast.If | ast.With
TRAINS = (
    r"train|fit|learn|main|run|optimi[sz]e|solve|minimi[sz]e|gradient_descent|input|evaluate|sgd|build_model|nn_model"
)
"""Calls that a definition does not make."""


TEXT = "hello world"


def _open(path: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
    """A text that a script learns and that is not here is another one."""
    if set(mode) <= set("rt") and isinstance(path, str) and not Path(path).is_file():
        return io.StringIO(TEXT)
    return open(path, mode, *rest, **options)  # noqa: PTH123  # it stands in for open itself


@contextlib.contextmanager
def _started(module: ModuleType, file: str) -> Iterator[None]:
    """Within, the module is a script that was given the name of a text."""
    before, sys.argv = sys.argv, [file, "input.txt"]
    vars(module)["open"] = _open
    try:
        yield
    finally:
        sys.argv = before
        if vars(module).get("open") is _open:
            del module.open


def _define(tree: ast.Module, module: ModuleType, file: str) -> None:
    """Run imports, functions, classes, and what is assigned without training; what fails is left out."""
    own = {n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            if _called_to_train(node):
                continue
        elif not (isinstance(node, DEFINES) or _registers(node, own)):
            continue
        if isinstance(node, ast.If) and "__main__" in ast.unparse(node.test):
            continue
        try:
            exec(compile(ast.Module([node], []), file, "exec"), vars(module))
        except Exception as error:  # what it lacks may be a part of the script that is not needed here
            LEFT_OUT.setdefault(module, {}).update(dict.fromkeys(_defined(node), one_line(error)))


LEFT_OUT: weakref.WeakKeyDictionary[ModuleType, dict[str, str]] = weakref.WeakKeyDictionary()
"""The names that a script lacks, as what defines them raises, and what that is."""


def _defined(node: ast.stmt) -> list[str]:
    """The names that a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [a.asname or a.name.partition(".")[0] for a in node.names]
    return [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]


def _import(target: str) -> tuple[Any, str]:
    """`torch.nn.SiLU` → (the module torch.nn, "SiLU"); with arguments the name keeps them."""
    head, bracket, rest = target.partition("(")
    parts, absent = head.split("."), None
    for cut in range(len(parts) - 1, 0, -1):
        try:
            owner: Any = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError as error:
            if error.name is None or not head.startswith(error.name):
                raise CheckError(f"{target} cannot be imported: {one_line(error)}") from error
            absent = error.name
            continue
        except BaseException as error:
            raise CheckError(f"{target} cannot be imported: {one_line(error)}") from error
        for part in parts[cut:-1]:
            owner = _member(owner, part)
        return owner, parts[-1] + bracket + rest
    if absent == parts[0]:
        raise CheckError(f"{target} cannot be imported: there is no module {absent!r} here")
    raise CheckError(f"{target!r} names nothing: give path/to/file.py:Name, or an import path as torch.nn.SiLU")


def _member(owner: Any, name: str) -> Any:
    if hasattr(owner, name):
        return getattr(owner, name)
    if isinstance(owner, ModuleType) and (why := LEFT_OUT.get(owner, {}).get(name)):
        raise CheckError(f"{owner.__name__} has no {name!r}, as the line that defines it fails: {why}")
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
