"""What the hand-written side has: its ops by family, their docstrings, their code, a fingerprint of it."""

import ast
import hashlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import scratch
from handgrad.dictionary.samples import sample

ROOT = Path(scratch.__file__).parent.parent

FAMILIES = {  # the first module path that an op's own begins with
    "Activations": ("scratch.activations",),
    "Layers": ("scratch.layers", "scratch.containers"),
    "Losses": ("scratch.losses",),
    "Optimizers": ("scratch.optim",),
    "Schedules": ("scratch.schedulers",),
    "Clipping": ("scratch.clip",),
    "Initial values": ("scratch.init",),
}
TORCH = {
    "Activations": "torch.nn",
    "Layers": "torch.nn",
    "Losses": "torch.nn",
    "Optimizers": "torch.optim",
    "Schedules": "torch.optim.lr_scheduler",
    "Clipping": "torch.nn.utils",
    "Initial values": "torch.nn.init",
}

TORCH_LACKS = ("HalfSquaredError", "LogCoshLoss", "Parallel", "Residual", "SwiGLU")
"""Ops under whose name PyTorch has nothing."""

NOT_OPS = {
    "ACTIVATIONS": "a table of names",
    "Buffer": "an array that a layer keeps and nobody trains",
    "LRScheduler": "what all schedules share",
    "Loss": "what all losses share",
    "MLP": "a net of several ops",
    "Module": "what all layers share",
    "Optimizer": "what all optimizers share",
    "PairLoss": "what all losses of two inputs share",
    "Parameter": "an array and its gradient",
    "Trainer": "the loop around the ops",
    "hessian_vector_product": "see docs/second_order.md",
    "init": "a module; its functions are ops",
    "fans": "of scratch.init: counts, and fills nothing",
}
"""Public names without a page, and why."""

BASES = {"Parameter", "Buffer", "Module", "Criterion", "Loss", "PairLoss", "Optimizer", "LRScheduler", "MLP"}
"""What many ops share belongs to no page, and a change of it makes none stale."""

METHODS = (
    *("forward", "backward", "backward_parameters", "scaled", "scaled_backward"),
    *("update", "get_lr", "advance", "step", "direction", "better"),
)
"""What is shown of a class, where the class or a base that is an op has it: the formula and its derivative."""

GAP = "   "
END = rf"(?<! )[.:](?:\s|$)|,\s+which\b|,?{GAP}"
"""Where a formula ends: with its sentence, its line, or where an explanation begins."""


@dataclass(frozen=True)
class Code:
    """A function of a file, without its docstring. No line numbers: what stands above it in the file may grow."""

    title: str
    path: str
    text: str


@dataclass(frozen=True)
class Entry:
    """An op of the hand-written side."""

    name: str
    family: str
    op: Any

    @property
    def torch(self) -> str:
        """The same in PyTorch by its full name, or nothing."""
        return "" if self.name in TORCH_LACKS else f"{TORCH[self.family]}.{self.name}"

    @property
    def call(self) -> str:
        """The op with its arguments and defaults, without their types."""
        signature = inspect.signature(self.op)
        bare = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
        package = "scratch.init" if self.family == "Initial values" else "scratch"
        text = str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))
        return f"{package}.{self.name}{text}".replace("<class 'numpy.float32'>", "np.float32")

    @property
    def doc(self) -> str:
        return inspect.getdoc(self.op) or ""

    @property
    def lead(self) -> str:
        """The docstring's first sentence, and for an optimizer the line that updates θ."""
        paragraph = " ".join(self.doc.split("\n\n")[0].split("\n"))
        sentence = re.split(r"(?<=[\w)’″′²₁₂ˣ`])[.:](?:\s+(?=[A-ZΣ−`])|$)", paragraph)[0]
        updates = re.findall(r"^ +(θ ← .*?)(?:\s{3,}.*)?$", self.doc, re.MULTILINE)
        sentence = sentence.rstrip(".:")
        return f"{sentence}: {updates[-1].rstrip(',;')}" if updates and "θ ←" not in sentence else sentence

    @property
    def formula(self) -> str:
        """The lead, and the first derivative that the docstring writes out, if the lead does not have it."""
        if re.search("[∂′]|dL/d", self.lead):
            return self.lead
        docs = "\n\n".join([*(inspect.getdoc(part) or "" for part in self.mentioned()), self.doc])
        text = re.sub(r"\s*\n", " ", re.sub(r"\n(\s*\n|\s{4,})", GAP, docs))
        found = re.search(rf"(∂value/∂\S+ = |f′ = |dL/d\w+ = )(?:\{{[^}}]*\}}|.)*?(?={END})", text)
        return f"{self.lead}; {found.group()}" if found else self.lead

    def mentioned(self) -> list[Any]:
        """The functions and classes of its own module that the docstring sends the reader to."""
        names = dict.fromkeys(re.findall(r"`(\w+)`", self.doc))
        parts = (getattr(inspect.getmodule(self.op), name, None) for name in names)
        return [part for part in parts if _counts(part) and not _is_op(part)]

    def functions(self) -> list[Code]:
        """The code of the functions mentioned."""
        return [_code(part.__name__, part) for part in self.mentioned() if inspect.isfunction(part)]

    @property
    def path(self) -> str:
        return _path(self.op)

    def code(self) -> list[Code]:
        if not inspect.isclass(self.op):
            return [_code(self.name, self.op)]
        found = []
        for method in METHODS:
            owner = next((kind for kind in self.op.__mro__ if method in vars(kind)), None)
            if owner is not None and owner.__module__.startswith("scratch.") and owner.__name__ not in BASES:
                found.append(_code(f"{owner.__name__}.{method}", vars(owner)[method]))
        return found

    def helpers(self) -> list[Code]:
        """The functions of this package that the code shown calls, checks left out."""
        module = inspect.getmodule(self.op)
        words = {word for code in self.code() for word in re.findall(r"\w+", code.text)}
        used = {word: getattr(module, word, None) for word in sorted(words)}
        shown = [self.op, *self.mentioned()]
        return [_code(name, o) for name, o in used.items() if inspect.isfunction(o) and _counts(o) and o not in shown]


@cache
def entries() -> tuple[Entry, ...]:
    """Every op, family by family in the order of the alphabet. ValueError for a name that belongs nowhere."""
    public = {name: getattr(scratch, name) for name in vars(scratch)["__all__"]}
    public |= {
        name: op
        for name, op in vars(scratch.init).items()
        if inspect.isfunction(op) and op.__module__ == "scratch.init" and not name.startswith("_")
    }
    found = [Entry(name, _family(name, op), op) for name, op in public.items() if name not in NOT_OPS]
    order = list(FAMILIES)
    return tuple(sorted(found, key=lambda entry: (order.index(entry.family), entry.name.lower())))


def blocks(doc: str) -> list[str]:
    """A docstring's paragraphs in one line each, and its formulas, which are indented, as they are."""
    parts = re.split(r"\n\s*\n", doc.strip("\n"))
    formula = (all(line.startswith("    ") for line in part.split("\n")) for part in parts)
    return [part if kept else re.sub(r"\s*\n\s*", " ", part) for part, kept in zip(parts, formula, strict=True)]


def _is_op(part: Any) -> bool:
    return hasattr(scratch, part.__name__) or getattr(scratch.init, part.__name__, None) is part


def _family(name: str, op: Any) -> str:
    for family, modules in FAMILIES.items():
        if op.__module__.startswith(modules):
            return family
    raise ValueError(f"dictionary: {name} of {op.__module__} has no family; give it one in FAMILIES, or NOT_OPS a line")


def fingerprint(entry: Entry) -> str:
    """A hash of what was measured: the op's code, that of the bases and functions of `scratch` it uses, its sample.

    Docstrings do not count.
    """
    texts = sorted(_without_docstrings(inspect.getsource(part)) for part in {entry.op, *_reached(entry.op)})
    row = vars(sample(entry.name))
    texts += [f"{name}={value!r}" for name, value in row.items() if name != "arguments"]
    texts += [f"{name}={value!r}" for name, value in row["arguments"].items() if not callable(value)]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


@cache
def _reached(op: Any) -> tuple[Any, ...]:
    """The classes and functions of `scratch` that the code of `op` names, and those that theirs do."""
    found: dict[Any, None] = {}
    pending = [op]
    while pending:
        part = pending.pop()
        for name in sorted(_names(part)):
            used = getattr(inspect.getmodule(part), name, None)
            if _counts(used) and used not in found:
                found[used] = None
                pending.append(used)
    found.pop(op, None)
    return tuple(sorted(found, key=lambda part: (part.__module__, part.__qualname__)))


def _counts(part: Any) -> bool:
    own = inspect.isfunction(part) or inspect.isclass(part)
    return own and part.__module__.startswith("scratch.") and part.__name__ not in BASES


def _names(part: Any) -> Iterator[str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(part))))
    return (node.id for node in ast.walk(tree) if isinstance(node, ast.Name))


def _code(title: str, part: Any) -> Code:
    part = inspect.unwrap(part)
    return Code(title, _path(part), _without_docstrings(inspect.getsource(part)).rstrip())


def _path(part: Any) -> str:
    return Path(inspect.getfile(part)).relative_to(ROOT).as_posix()


def _without_docstrings(text: str) -> str:
    text = textwrap.dedent(text)
    lines = text.split("\n")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            docstring = node.body[0]
            assert docstring.end_lineno is not None
            for i in range(docstring.lineno - 1, docstring.end_lineno):
                lines[i] = "\0"
    return "\n".join(line for line in lines if line != "\0")
