"""Functions that only train: `train(X, y, lr, epochs)` makes weights, moves them in its loop, and returns them.

Such a function becomes the method of an object, and what stands when its loop begins the object's attributes: that is
a class that only trains, which `trained` reads. Its loop is cut to one turn.

    def train(X, y, lr, epochs):              def train(self, X, y, lr, epochs):
        W = np.zeros(X.shape[1])                  W = np.zeros(X.shape[1])
        for _ in range(epochs):                   self.W = W; del W
            W -= lr * X.T @ (X @ W - y)           for _ in [*range(epochs)][:1]:
        return W                                      self.W -= lr * X.T @ (X @ self.W - y)
                                                  return self.W

Weights that it is given, `gradient_descent(X, y, theta, alpha, iterations)`, are attributes from the start. So are
functions that it is given, the cost and its gradient: they are those of the module.
"""

import ast
import copy
import inspect
import itertools
import re
import types
from collections.abc import Iterator
from typing import Any

import numpy as np

from handgrad.check import conventions, source, statics
from handgrad.check.conventions import bare, role
from handgrad.check.inputs import part
from handgrad.check.readings import initial
from handgrad.check.subject import inner, required

NAMES = rf"({conventions.STEPS})\w*|{'|'.join(conventions.TRAINERS)}|{conventions.MODELS}"
"""What functions are called that train, lower-case."""
COUNTER = r"epochs?|it(er(ation)?s?)?|steps?|turns?|rounds?"
"""And what counts the turns of a loop."""


def objects(f: Any) -> Iterator[Any]:
    """Objects that train as a function does; none for a function of another kind."""
    f = inner(f)
    whole = source.tree(f) if isinstance(f, types.FunctionType) else None
    if whole is None or not isinstance(whole.body[0], ast.FunctionDef):
        return
    if not re.fullmatch(NAMES, bare(f.__name__)):
        return
    node = whole.body[0]
    names = [p.name for p in required(f)]
    given = {n: found for n in names if (found := _functions(n, f, node))}
    for kept in initial(f):
        held = {n: kept[bare(n)] for n in names if bare(n) in kept}
        held |= {n: conventions.width(n) for n in names if n not in held and role(n) == "sizes"}
        weights = [n for n in names if n not in held and part(n) in ("weight", "bias") and role(n) in ("data", "kept")]
        weights = [n for n in weights if not re.fullmatch(conventions.BATCH, bare(n))]
        ways = itertools.product(itertools.product(*given.values()), _arrays(weights), (True, False))
        for functions, arrays, cost in ways:
            made = _object(f, node, held | arrays | dict(zip(given, functions, strict=True)), cost)
            if made is not None:
                yield made


def _functions(name: str, f: types.FunctionType, node: ast.FunctionDef) -> list[Any]:
    """The functions of the module that an argument may stand for: of its name, else costs, or gradients, that take as
    many arguments as it is called with."""
    calls = [
        n for n in ast.walk(node) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == name
    ]
    theirs = {n: g for n, g in statics.space(f).items() if isinstance(g, types.FunctionType) and g is not f}
    if not calls or name in theirs:
        return [theirs[name]] if calls else []
    pattern = "grad" if "grad" in bare(name) else "cost|loss"
    fits = [g for n, g in theirs.items() if re.search(pattern, n.lower()) and len(required(g)) == len(calls[0].args)]
    return [g for g in fits if not re.fullmatch(NAMES, bare(g.__name__))][:3]


def _arrays(names: list[str]) -> Iterator[dict[str, Any]]:
    """Weights and biases of these names: of one layer, or of several; with a column for each output, or a row."""
    weights = [n for n in names if part(n) == "weight"]
    count = len(weights)
    sizes = [3, *[4] * (count - 1), 2]
    chain: list[tuple[int, ...]] = list(itertools.pairwise(sizes))
    ways: list[tuple[list[tuple[int, ...]], tuple[int, ...]]] = [([(3,)], ()), ([(3, 1)], ()), ([(1, 3)], ())]
    ways += [([(4,)], ()), ([(4, 1)], ())]  # beside a column of ones
    ways = ways if count == 1 else []
    ways += [(chain, (1, 0)), (chain, (0,)), ([s[::-1] for s in chain], (0, 1)), ([s[::-1] for s in chain], (0,))]
    for shapes, like in ways if names else [([], ())]:
        found: dict[str, Any] = {}
        outputs = [s[-1] if shapes == chain else s[0] for s in shapes]
        for name in names:
            if part(name) == "weight":
                shape = shapes[len([n for n in found if part(n) == "weight"])]
                found[name] = np.linspace(-0.5, 0.75, int(np.prod(shape))).reshape(shape)
            elif not like:
                found[name] = 0.25
            else:
                n = outputs[min(len([m for m in found if part(m) == "bias"]), count - 1)] if outputs else 1
                row = {(1, 0): (1, n), (0,): (n,), (0, 1): (n, 1)}[like]
                found[name] = np.linspace(-0.25, 0.5, n).reshape(row)
        yield found


def _object(f: types.FunctionType, node: ast.FunctionDef, held: dict[str, Any], cost: bool) -> Any:
    """The object of a class whose method is the function, and that keeps what is `held`; None: it has no loop. With
    `cost`, the loop says the module's own cost."""
    method = _method(f, node, held, cost)
    if method is None:
        return None
    vars(method)[AGAIN] = lambda edited: _method(f, edited, held, cost)
    found = type(f.__name__, (), {method.__name__: method})()
    vars(found).update(copy.deepcopy(held))
    return found


AGAIN = "_handgrad_again"
"""What makes the method once more, of another tree of the function."""


def _method(
    f: types.FunctionType, node: ast.FunctionDef, held: dict[str, Any], cost: bool
) -> types.FunctionType | None:
    """The function of a tree as the method of one turn; None: it has no loop."""
    whole = copy.deepcopy(node)
    at = next((i for sure in (True, False) for i, s in enumerate(whole.body) if _is_epochs(s, sure)), None)
    cut = at is not None
    if at is None:  # one turn already, through the samples
        at = next((i for i, s in enumerate(whole.body) if isinstance(s, ast.For)), None)
    if at is None or any(isinstance(n, ast.Global | ast.Nonlocal) for n in ast.walk(whole)):
        return None
    arguments = [a.arg for a in (*whole.args.posonlyargs, *whole.args.args, *whole.args.kwonlyargs)]
    before, loop, after = whole.body[:at], whole.body[at], whole.body[at + 1 :]
    later = {n.id for s in (loop, *after) for n in ast.walk(s) if isinstance(n, ast.Name)}
    stored = [n for s in before for n in _stored(s) if n in later and n not in arguments]
    local = [n for n in dict.fromkeys(stored) if role(n) != "rate" and not re.fullmatch(conventions.TURNS, bare(n))]
    mine = _Attributes({*held})
    before = [mine.visit(s) for s in before]
    theirs = _Attributes({*held, *local})
    before = [theirs.visit(s) if isinstance(s, ast.FunctionDef) else s for s in before]
    own = [line for n in local for line in ast.parse(f"self.{n} = {n}\ndel {n}").body]
    loop, after = theirs.visit(loop), [theirs.visit(s) for s in after]
    made_here = [n for s in loop.body for n in _stored(s)]
    if cost and not any(re.fullmatch(conventions.LOSSES, bare(n)) for n in made_here):
        names = {bare(n): f"self.{n}" if n in (*held, *local) else n for n in (*arguments, *made_here, *local)}
        loop.body += [ast.copy_location(s, loop.body[-1]) for s in _cost(f, names)]
    _Rates({f"self.{n}" for n in (*held, *local)}, statics.space(f), {*arguments, *made_here, *local}).visit(loop)
    if cut:
        loop = _once(loop)
    for line in own:
        for n in ast.walk(line):
            ast.copy_location(n, loop)
    whole.body = [*before, *own, loop, *after]
    for args in (whole.args.posonlyargs, whole.args.args, whole.args.kwonlyargs):
        args[:] = [ast.arg(a.arg) for a in args if a.arg not in held]
    (whole.args.posonlyargs or whole.args.args).insert(0, ast.arg("self"))
    whole.args.kwonlyargs.append(ast.arg(RATE))
    whole.args.kw_defaults.append(None)
    whole.args.defaults = [ast.Constant(None) for _ in whole.args.defaults]
    whole.args.kw_defaults = [d and ast.Constant(None) for d in whole.args.kw_defaults]
    whole.decorator_list, whole.returns = [], None
    whole.name = f.__name__ + "_" * (f.__name__ in (*held, *local))
    first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    ast.increment_lineno(whole, f.__code__.co_firstlineno - first)
    module = ast.fix_missing_locations(ast.Module([whole], []))
    made: dict[str, Any] = {}
    exec(compile(module, f.__code__.co_filename, "exec"), f.__globals__, made)
    method: types.FunctionType = made[whole.name]
    method.__defaults__, method.__kwdefaults__ = f.__defaults__, {**(f.__kwdefaults__ or {}), RATE: 1.0}
    return method


def _cost(f: types.FunctionType, names: dict[str, str]) -> list[ast.stmt]:
    """The module's own cost of what the function has, as a local of its loop."""
    for name, g in statics.space(f).items():
        if isinstance(g, types.FunctionType) and g is not f and re.fullmatch(statics.LOSS, name.lower()):
            needed = [p.name for p in required(g)]
            given = [names.get(bare(n), "") for n in needed]
            if all(given) and (len(given) > 2 or "kept" in map(role, needed)):
                return ast.parse(f"{name}{VALUE} = {name}({', '.join(given)})").body
    return []


VALUE = "_value"
"""What the local that is the module's own cost ends on."""


def _is_epochs(s: ast.stmt, sure: bool) -> bool:
    """Whether a loop makes turns: `for epoch in …`, `range(n_iter)`, `while …`; not so `sure`, `range(1000)`."""
    if not isinstance(s, ast.For):
        return isinstance(s, ast.While)
    names = [n.id for n in ast.walk(s.iter) if isinstance(n, ast.Name)]
    counts = any(re.fullmatch(conventions.TURNS, bare(n)) for n in names)
    whole = isinstance(s.iter, ast.Call) and any(
        isinstance(a, ast.Constant) and type(a.value) is int and a.value > 1 for a in s.iter.args
    )
    counter = isinstance(s.target, ast.Name) and re.fullmatch(COUNTER, bare(s.target.id)) is not None
    return counts or counter or (whole and not sure)


def _once(loop: Any) -> ast.For:
    """The loop with one turn of it."""
    once = "[0]"
    target: ast.expr = ast.Name("_", ast.Store())
    if isinstance(loop, ast.For):
        once, target = f"[*{ast.unparse(loop.iter)}][:1]", loop.target
    turns = ast.parse(once, mode="eval").body
    made = ast.copy_location(ast.For(target, turns, loop.body, loop.orelse), loop)
    for n in ast.walk(turns):
        ast.copy_location(n, loop)
    return made


def _stored(s: ast.stmt) -> Iterator[str]:
    """The names that a statement assigns, those of loops and of functions within it left out."""
    queue: list[ast.AST] = [s]
    while queue:
        n = queue.pop(0)
        if isinstance(n, SCOPES):
            continue
        if isinstance(n, ast.For):
            queue += [*n.body, *n.orelse]
            continue
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store):
            yield n.id
        queue += list(ast.iter_child_nodes(n))


SCOPES = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.Lambda,
    ast.ClassDef,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
)


RATE = "learning_rate_"
"""What stands in the place of rates that the function's code gives as numbers."""


class _Rates(ast.NodeTransformer):
    """Rates that are numbers of the code, as in `W -= 0.1 * dW`, `update(params, grads, 0.1)`, of its module, or the
    default of what is called, become an argument."""

    def __init__(self, parameters: set[str], space: dict[str, Any], own: set[str]) -> None:
        self.parameters, self.space, self.own = parameters, space, own

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        if isinstance(node.op, ast.Add | ast.Sub) and self._is_parameter(node.target):
            node.value = self._at_rate(node.value)
        return self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> Any:
        v = node.value
        if isinstance(v, ast.BinOp) and isinstance(v.op, ast.Add | ast.Sub) and self._is_parameter(node.targets[0]):
            v.right = self._at_rate(v.right)
        return self.generic_visit(node)

    def _at_rate(self, node: ast.expr, first: bool = True) -> ast.expr:
        """A step with the rate in the place of its first factor, a number with a point, and of rates of the module."""
        if isinstance(node, ast.UnaryOp):
            node.operand = self._at_rate(node.operand, first)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.MatMult | ast.Div):
            scales = isinstance(node.op, ast.Mult)
            number = isinstance(node.left, ast.Constant) and type(node.left.value) is float
            node.left = _rate(node.left) if first and scales and number else self._at_rate(node.left, first)
            if not isinstance(node.op, ast.Div):
                node.right = self._at_rate(node.right, False)
        elif isinstance(node, ast.Name | ast.Attribute) and self._is_rate(node):
            return _rate(node)
        return node

    def _is_rate(self, node: ast.Name | ast.Attribute) -> bool:
        """Whether it is a rate of the module, or of a class of it, as Config.epsilon."""
        if isinstance(node, ast.Name):
            name, value = node.id, self.space.get(node.id, 0.0)
            known = node.id not in self.own
        else:
            name, owner = node.attr, self.space.get(getattr(node.value, "id", ""))
            value, known = getattr(owner, name, None), isinstance(owner, type)
        return known and type(value) in (int, float) and (role(name) == "rate" or bare(name) == "epsilon")

    def visit_Call(self, node: ast.Call) -> Any:
        g = self.space.get(node.func.id) if isinstance(node.func, ast.Name) else None
        if isinstance(g, types.FunctionType):
            for place, p in enumerate(inspect.signature(g).parameters.values()):
                named = [k for k in node.keywords if k.arg == p.name]
                if role(p.name) != "rate" or any(isinstance(a, ast.Starred) for a in node.args):
                    continue
                if place < len(node.args):
                    if isinstance(node.args[place], ast.Constant):
                        node.args[place] = _rate(node)
                elif not named and all(k.arg for k in node.keywords):
                    node.keywords.append(ast.copy_location(ast.keyword(p.name, _rate(node)), node))
                elif named and isinstance(named[0].value, ast.Constant):
                    named[0].value = _rate(node)
        return self.generic_visit(node)

    def _is_parameter(self, node: ast.AST) -> bool:
        while isinstance(node, ast.Subscript):
            node = node.value
        return ast.unparse(node) in self.parameters


def _rate(at: ast.AST) -> ast.expr:
    return ast.copy_location(ast.Name(RATE, ast.Load()), at)


class _Attributes(ast.NodeTransformer):
    """Names as attributes of `self`; in a function or a comprehension but for those that it binds itself."""

    def __init__(self, names: set[str]) -> None:
        self.names = names

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.Name) and node.id in self.names:
            return ast.copy_location(ast.Attribute(ast.Name("self", ast.Load()), node.id, node.ctx), node)
        if isinstance(node, SCOPES):
            own = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
            own |= {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}
            return _Attributes(self.names - own).generic_visit(node)
        return self.generic_visit(node)
