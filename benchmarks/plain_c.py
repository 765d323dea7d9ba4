"""The written-out step as plain C: a table turns every NumPy call that occurs in it into a loop.

What a step costs without NumPy's calls is seen by leaving them out. The program of `scratch.unroll` is executed once,
line by line, so that shape, strides and dtype of every array are known; each line then becomes loops over these arrays.
"""

import ast
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from scratch.flags import product
from scratch.trainer import Trainer
from scratch.unroll.write import Text

Array = npt.NDArray[Any]

FORMULAS = {
    "add": "{0} + {1}",
    "subtract": "{0} - {1}",
    "multiply": "{0} * {1}",
    "divide": "{0} / {1}",
    "negative": "-{0}",
    "absolute": "fabs({0})",
    "exp": "exp({0})",
    "log": "log({0})",
    "log1p": "log1p({0})",
    "sqrt": "sqrt({0})",
    "maximum": "({0} > {1} || {0} != {0}) ? {0} : {1}",  # a NaN stays
    "less_equal": "{0} <= {1}",
    "greater_equal": "{0} >= {1}",
    "bitwise_and": "{0} & {1}",
    "invert": "{0} ^ 1",  # of truth values
    "clip": "({0} < {1}) ? {1} : ({0} > {2}) ? {2} : {0}",
    "copyto": "{0}",
}
"""A number of the result from the operands' numbers, which have one type. <tgmath.h> takes expf for a float."""

SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Eq: "==", ast.Lt: "<"}
CASTS = {"float": "(double)", "np.float32": "(float)", "np.float64": "(double)", "math.sqrt": "sqrt"}
TYPES = {"f4": "float", "f8": "double", "i4": "int32_t", "i8": "int64_t", "u8": "uint64_t", "b1": "uint8_t"}
HEAD = ["#include <math.h>", "#include <stdint.h>", "#include <tgmath.h>"]


class PlainCError(RuntimeError):
    """There is no C of this step. The message is one line."""


class Place(NamedTuple):
    """Numbers in memory: its name, offset and strides in bytes, C's type."""

    memory: str
    offset: int
    strides: tuple[int, ...]
    type: str

    def at(self, counters: Sequence[str], *further: str) -> str:
        steps = [f"{stride} * {i}" for stride, i in zip(self.strides, counters, strict=True) if stride]
        return f"(*({self.type} *)({' + '.join([self.memory, str(self.offset), *steps, *further])}))"


class Translation:
    """A program as C text, `source`. The arrays lie in the C file: `owners`, by their names there."""

    def __init__(self, text: Text, trainer: Trainer, x: Array, y: Array) -> None:
        self.values: dict[str, Any] = {"np": np, "math": math, "product": product, "trainer": trainer, "x": x, "y": y}
        self.owners: dict[str, Array] = {}
        self.lines: list[str] = []
        self.left = {f"{holder}[{key!r}]": value for holder, key, value in text.stores}
        self.numbers: dict[
            str, tuple[str, float]
        ] = {}  # those that a step leaves for the next: C's name, and the first
        for name, path in text.outside.items():
            self.values[name] = eval(path, self.values)
        for line in text.setup:
            exec(line, self.values)
        arrays = [value for value in self.values.values() if isinstance(value, np.ndarray) and value.flags.writeable]
        before = [array.copy() for array in arrays]
        for node in ast.parse("\n".join(text.body)).body:
            self.statement(node)
        for array, data in zip(arrays, before, strict=True):
            array[...] = data
        self.lines += [f"{name} = {self.left[place]};" for place, (name, _) in self.numbers.items()]
        self.lines.append(f"return {self.number(ast.parse(text.returns, mode='eval').body)};")
        memory = [f"_Alignas(64) char {name}[{max(a.nbytes, 1)}];" for name, a in self.owners.items()]
        numbers = [f"static double {name} = {first!r};" for name, first in self.numbers.values()]
        self.source = "\n".join([*HEAD, *memory, *numbers, "double step(void) {", *self.lines, "}", ""])

    # --- lines of the program -------------------------------------------------------------------------------------

    def statement(self, node: ast.stmt) -> None:
        match node:
            case ast.With(body=body):
                for inner in body:
                    self.statement(inner)
                return
            case ast.If(test=test):  # where the program does not hold
                self.lines.append(f"if ({self.number(test)}) return NAN;")
                return
        exec(ast.unparse(node), self.values)
        match node:
            case ast.Expr(value=ast.Call(args=args, keywords=options) as call):
                self.call(call, self.array(next((o.value for o in options if o.arg == "out"), args[0])))
            case ast.Assign(targets=[ast.Subscript(value=cell, slice=ast.Tuple(elts=[]))], value=new):
                self.lines.append(f"{self.place(self.array(cell)).at(())} = {self.number(new)};")
            case ast.Assign(targets=[ast.Subscript(value=flat, slice=index)], value=new):
                self.picked(self.array(flat), self.array(index), self.array(new), "{0} = {1};")
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self.made(name, self.values[name], value)
            case _:
                raise PlainCError(f"no C for {ast.unparse(node)!r}")

    def made(self, name: str, made: Any, node: ast.expr) -> None:
        """A number or an array that the step makes."""
        match node:
            case ast.Call(func=ast.Attribute(value=ufunc, attr="reduce")) if not isinstance(made, np.ndarray):
                self.values[name] = np.array(made)
                self.reduce(ast.unparse(ufunc), self.array(node.args[0]), self.values[name], "0", None)
            case ast.Call(func=ast.Attribute(value=flat, attr="take"), args=[index]):
                self.picked(self.array(flat).reshape(-1), self.array(index), made, "{1} = {0};")
            case ast.Subscript(value=flat, slice=index) if isinstance(made, np.ndarray):
                self.picked(self.array(flat), self.array(index), made, "{1} = {0};")
            case ast.Call() if isinstance(made, np.ndarray) and made.base is None:
                self.call(node, made)
            case _ if not isinstance(made, np.ndarray):
                self.lines.append(
                    f"{'float' if isinstance(made, np.float32) else 'double'} {name} = {self.number(node)};"
                )

    def call(self, node: ast.Call, out: Array) -> None:
        """A call that fills an array."""
        options = {o.arg: ast.unparse(o.value) for o in node.keywords}
        match node.func:
            case ast.Name(id="product"):
                self.product(self.array(node.args[0]), self.array(node.args[1]), out)
            case ast.Attribute(value=ufunc, attr="reduce"):
                start = options.get("initial", "0").replace("np.inf", "INFINITY")
                self.reduce(ast.unparse(ufunc), self.array(node.args[0]), out, start, int(ast.unparse(node.args[1])))
            case ast.Attribute(attr="copyto"):
                self.elementwise("copyto", [self.array(node.args[1])], out, out.dtype)
            case ast.Attribute(value=owner, attr="clip"):
                self.elementwise("clip", [self.array(a) for a in (owner, *node.args)], out, out.dtype)
            case ast.Attribute(attr=name):
                ufunc, given = getattr(np, name), [self.array(a) for a in node.args]
                kinds = ufunc.resolve_dtypes((*(a.dtype for a in given), None))
                self.elementwise(ufunc.__name__, given, out, kinds[0])

    def elementwise(self, name: str, given: list[Array], out: Array, kind: np.dtype[Any]) -> None:
        if name not in FORMULAS or (name == "invert" and kind.kind != "b"):
            raise PlainCError(f"no C for np.{name} of {kind}")
        numbers = (f"({TYPES[kind.str[1:]]}){{{n}}}" for n in range(1, len(given) + 1))
        views = [np.broadcast_to(a, out.shape) for a in given]
        self.loops(out.shape, [out, *views], f"{{0}} = {FORMULAS[name].format(*numbers)};")

    def product(self, a: Array, b: Array, out: Array) -> None:
        """out[i, j] = Σ_k a[i, k] b[k, j]; the innermost loop is the one in which most numbers are neighbours."""
        a, out = np.atleast_2d(a), np.atleast_2d(out)
        self.loops(out.shape, [out], "{0} = 0;")
        shape = (*out.shape, len(b))
        views = [np.broadcast_to(v, shape) for v in (out[:, :, None], a[:, None, :], b.T[None, :, :])]
        near = [sum(v.strides[axis] in (0, v.itemsize) for v in views) for axis in range(3)]
        order = sorted(range(3), key=lambda axis: (near[axis], shape[axis] > 4, axis == 1))
        self.loops(shape, views, "{0} += {1} * {2};", order)

    def reduce(self, name: str, given: Array, out: Array, start: str, axis: int | None) -> None:
        """Over all axes, or over one, which is then the outermost loop."""
        self.loops(out.shape, [out], f"{{0}} = {start};")
        if axis is not None and out.ndim < given.ndim:
            out = np.expand_dims(out, axis)
        order = sorted(range(given.ndim), key=lambda i: i != axis)
        formula = FORMULAS[name.removeprefix("np.")].format("{0}", "{1}")
        self.loops(given.shape, [np.broadcast_to(out, given.shape), given], f"{{0}} = {formula};", order)

    def picked(self, flat: Array, index: Array, other: Array, formula: str) -> None:
        """Between `flat[index]` and `other`."""
        if flat.ndim != 1:
            raise PlainCError("numbers are picked from an array of several axes")
        start = self.place(flat)._replace(strides=())
        self.loops(index.shape, [index, other], formula.format(start.at((), f"{flat.strides[0]} * {{0}}"), "{1}"))

    # --- C --------------------------------------------------------------------------------------------------------

    def loops(self, shape: tuple[int, ...], arrays: list[Array], formula: str, order: Sequence[int] = ()) -> None:
        """Nested loops over `shape`, or in the order in which the first array lies; neighbouring axes become one."""
        lie = sorted(range(len(shape)), key=lambda axis: -abs(arrays[0].strides[axis]))
        axes: list[tuple[int, list[int]]] = []
        for axis in (axis for axis in order or lie if shape[axis] != 1):
            size, strides = shape[axis], [a.strides[axis] for a in arrays]
            if axes and axes[-1][1] == [stride * size for stride in strides]:
                size *= axes.pop()[0]
            axes.append((size, strides))
        counters = [f"i{depth}" for depth in range(len(axes))]
        self.lines += [f"for (long {i} = 0; {i} < {size}; {i}++)" for i, (size, _) in zip(counters, axes, strict=True)]
        places = [self.place(a)._replace(strides=tuple(s[n] for _, s in axes)) for n, a in enumerate(arrays)]
        self.lines.append(f"    {formula.format(*(place.at(counters) for place in places))}")

    def place(self, array: Array) -> Place:
        owner = array
        while isinstance(owner.base, np.ndarray):
            owner = owner.base
        name = next((name for name, one in self.owners.items() if one is owner), f"m{len(self.owners)}")
        self.owners[name] = owner
        start = array.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
        return Place(name, start, array.strides, TYPES[array.dtype.str[1:]])

    def array(self, node: ast.expr) -> Array:
        return np.asarray(eval(ast.unparse(node), self.values))

    def number(self, node: ast.expr) -> str:
        """An expression of numbers."""
        match node:
            case ast.Name(id=name):
                array = self.values[name]
                return self.place(array).at(()) if isinstance(array, np.ndarray) else name
            case ast.Subscript():  # an option, or a count that the step leaves for the next
                place = ast.unparse(node)
                first = float(eval(place, self.values))
                if place not in self.left:
                    return repr(first)
                return self.numbers.setdefault(place, (f"count{len(self.numbers)}", first))[0]
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                return f"pow({self.number(left)}, {self.number(right)})"
            case ast.BinOp(left=left, op=op, right=right) | ast.Compare(left=left, ops=[op], comparators=[right]):
                return f"({self.number(left)} {SIGNS[type(op)]} {self.number(right)})"
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return f"!{self.number(operand)}"
            case ast.Call(args=[argument]):
                return f"{CASTS[ast.unparse(node.func)]}({self.number(argument)})"
            case ast.Constant(value=int() | float() as value):
                return repr(float(value))
        raise PlainCError(f"no C for {ast.unparse(node)!r}")
