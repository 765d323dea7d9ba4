"""What stands in the text of a file: its functions, and the lines that are code."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef
Defined = dict[str, ast.ClassDef | Function]


def refuse_missing(file: Path, planted: str, right: str) -> None:
    """ValueError for a file that does not write out a class or function that the task's file has.

    What is missing would be inherited, and what is handed on answered, by the right code: that mends nothing. A file
    that cannot be read is left to what runs it.
    """
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    before, after = map(ast.parse, (planted, right))
    own, given, mended = (defined(each.body) for each in (tree, before, after))
    elsewhere = {"super", "scratch"} | (_of_scratch(tree) - _of_scratch(before) - _of_scratch(after))
    for name, node in given.items():
        if name not in own:
            raise ValueError(f"{name} is no longer in the file: mend it there")
        allowed = _names(node) | _names(mended.get(name, node))
        if isinstance(node, Function) and (named := elsewhere & _names(own[name]) - allowed):
            raise ValueError(f"{name} hands its work on to {min(named)}: mend it in the file")


def defined(body: Iterable[ast.stmt], prefix: str = "") -> Defined:
    """The classes, methods and functions of a file, by name; not those whose name is given to something else after."""
    found: Defined = {}
    for node in _statements(body):
        for name in (f"{prefix}{name}" for name in _bound(node)):
            for gone in [known for known in found if f"{known}.".startswith(f"{name}.")]:
                del found[gone]
        if isinstance(node, ast.ClassDef | Function):
            found[prefix + node.name] = node
        if isinstance(node, ast.ClassDef):
            found |= defined(node.body, f"{prefix}{node.name}.")
    return found


def code_lines(text: str) -> set[int]:
    """The lines of a file, from 1, that are neither blank nor a comment nor of a docstring."""
    told = (n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))
    docstrings = {line for node in told for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    lines = enumerate(map(str.strip, text.splitlines()), 1)
    return {number for number, line in lines if line and not line.startswith("#")} - docstrings


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements in order, those within an if, a with or a try too."""
    for node in body:
        yield node
        if not isinstance(node, ast.ClassDef | Function):
            yield from _statements(child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt))


def _bound(node: ast.stmt) -> list[str]:
    """The names that a statement gives, as GLU or GLU.backward."""
    match node:
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            return [node.name]
        case ast.Assign():
            targets = [n for t in node.targets for n in (t.elts if isinstance(t, ast.Tuple | ast.List) else [t])]
            return [ast.unparse(target) for target in targets]
        case ast.Delete():
            return [ast.unparse(target) for target in node.targets]
        case ast.AnnAssign(value=ast.expr()):
            return [ast.unparse(node.target)]
        case ast.Import() | ast.ImportFrom():
            return [alias.asname or alias.name for alias in node.names]
    return []


def _of_scratch(tree: ast.Module) -> set[str]:
    """The names that a file has from `scratch`, as it calls them."""
    imports = [(n, getattr(n, "module", "")) for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    named = ((module or alias.name, alias.asname or alias.name) for n, module in imports for alias in n.names)
    return {name for source, name in named if source.partition(".")[0] == "scratch"}


def _names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
