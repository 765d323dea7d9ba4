"""How every public class and function is made and called well, and what is hostile: a new one is a new row here.

Arguments are source text. How ops are made comes from the tables that other tests and the dictionary go by:
`samples.SAMPLES`, and `STARTS` and `CHANGES` for every option with a few values.
"""

import inspect
from dataclasses import dataclass
from typing import Any

import numpy as np

import scratch
from handgrad.dictionary.samples import SAMPLES
from parity_tests.catalogue.tables import CHANGES, OPTIMIZERS, STARTS, shape_of
from parity_tests.meta.fuzz.play import Line

BOTH = ("scratch", "torch")


@dataclass(frozen=True)
class Subject:
    """`setup` is always good; then `make`; then any of `calls` in any order."""

    make: tuple[Line, ...]  # ways to make it, one is drawn
    options: tuple[tuple[str, tuple[str, ...]], ...] = ()  # of `make`, by name: the values to draw from
    setup: tuple[Line, ...] = ()
    calls: tuple[Line, ...] = ()
    sides: tuple[str, ...] = BOTH


def spelled(value: Any) -> str:
    """A value of a table as source text."""
    if isinstance(value, type):
        return f"np.{value.__name__}"
    if isinstance(value, np.ndarray):
        return f"np.array({value.tolist()}, '{value.dtype}')"
    return repr(value)


def line(target: str, *arguments: str, name: str = "", **options: Any) -> Line:
    return Line(target, arguments, tuple((key, spelled(value)) for key, value in options.items()), name)


SCALARS = (
    *("None", "True", "False", "'text'", "''", "'mean'", "b'bytes'", "-1", "0", "1", "2", "3", "10**400", "-(10**400)"),
    *("2**63", "0.5", "1.5", "-0.5", "1e-300", "1e300", "-0.0", "math.nan", "math.inf", "-math.inf", "1j"),
    *("np.float64(0.5)", "np.float32(0.5)", "np.float16(0.5)", "np.longdouble(0.5)", "np.int64(1)", "np.uint8(1)"),
    *("np.bool_(True)", "np.str_('text')", "np.float64(math.nan)", "np.array(0.5)", "np.array(1)", "np.array([0.5])"),
    *("np.array('text')", "np.ones((2, 2), 'float32')", "np.array([], 'float32')", "Fraction(1, 2)", "Decimal('0.5')"),
    *("[]", "()", "{}", "[0.5]", "[1, 2]", "(0.5, 0.9)", "(0.9, 0.5, 0.1)", "[None]", "(1, 'a')", "{'a': 1}", "{1, 2}"),
    *("object()", "int", "float", "np", "range(3)", "iter([1])", "torch.tensor(0.5)", "torch.float32", "..."),
)
"""What a number, a text or a truth value may be replaced by."""

CASTS = (
    *(
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "bool",
        "float16",
        "float32",
        "float64",
    ),
    *("longdouble", "complex64", "complex128", "object", "str", "S4", ">f4", ">f8", ">i8", ">i4", "M8[s]", "m8[s]"),
)
ARRAYS = (
    *(f"{{0}}.astype('{dtype}')" for dtype in CASTS),
    *("{0}.tolist()", "{0}.sum()", "np.array({0}.sum())", "{0}.ravel()", "{0}[0]", "{0}[:0]", "{0}[..., :0]"),
    *("{0}[np.newaxis]", "{0}[..., np.newaxis]", "{0}[:-1]", "{0}[..., :-1]", "{0}[:1]", "{0}.T", "memoryview({0})"),
    *(
        "{0}[::-1]",
        "{0}[..., ::-1]",
        "np.asfortranarray({0})",
        "readonly({0})",
        "far({0})",
        "np.repeat({0}, 2, 0)[::2]",
    ),
    *("np.broadcast_to({0}[:1], {0}.shape)", "np.ma.masked_array({0})", "{0}.view(Sub)", "{0}.view(np.recarray)"),
    *("np.ma.masked_array({0}, mask={0} > 0)", "np.concatenate([{0}, {0}], -1)", "np.concatenate([{0}, {0}])"),
    *("np.empty({0}.shape, 'i4,f4')", "torch.tensor({0})", "np.asmatrix({0}) if {0}.ndim < 3 else None"),
    *("{0} * 0", "{0} - {0}", "-{0}", "{0} + 7", "{0} * 127"),
)
"""What an array may be replaced by, besides `SCALARS`."""
FLOATS = ("{0} * math.nan", "{0} / 0.0", "-{0} / 0.0", "{0} * {0}.dtype.type(1e30)", "{0} * {0}.dtype.type(1e-30)")
"""What an array of floats may be replaced by, too."""

STATES = (
    *("{{k: v for k, v in list({0}.items())[1:]}}", "{{**{0}, 'foo': np.zeros(2, 'float32')}}", "{{**{0}, 1: 2}}"),
    *("{{k: v[np.newaxis] for k, v in {0}.items()}}", "{{k: v.tolist() for k, v in {0}.items()}}", "{0}.items()"),
    *("{{k: v.T for k, v in {0}.items()}}", "{{k: None for k in {0}}}", "list({0}.values())", "list({0}.items())"),
    *(f"{{{{k: v.astype('{dtype}') for k, v in {{0}}.items()}}}}" for dtype in CASTS),
    *("{{k: v.view(Sub) for k, v in {0}.items()}}", "{{k: np.ma.masked_array(v) for k, v in {0}.items()}}"),
    *(
        "{{k: far(v) for k, v in {0}.items()}}",
        "{{k: readonly(v) for k, v in {0}.items()}}",
        "{{k: v + 1 for k, v in {0}.items()}}",
    ),
    *("{{k: np.asfortranarray(v) for k, v in {0}.items()}}", "{{k: v * math.nan for k, v in {0}.items()}}"),
    *(
        "dict(reversed(list({0}.items())))",
        "{{k.upper(): v for k, v in {0}.items()}}",
        "{{k: torch.tensor(v) for k, v in {0}.items()}}",
    ),
)
"""What a state dict of arrays may be replaced by."""

DTYPES = (
    "'float32'",
    "'float64'",
    "np.float32",
    "np.float64",
    "np.dtype('float64')",
    "float",
    "'f4'",
    "'>f4'",
    "'float16'",
    "'int64'",
    "'flaot'",
)


def values(name: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The options of an op or loss, each with a few good values."""
    start = STARTS.get(name, {})
    names = {**{key: [value] for key, value in start.items()}, **CHANGES.get(name, {})}
    return tuple((key, tuple(spelled(value) for value in names[key])) for key in names)


def made(name: str) -> Line:
    """`m = side.Linear(in_features=3, ...)`."""
    return line(f"side.{name}", name="m", **STARTS.get(name, {}))


def op_inputs(name: str) -> list[tuple[str, ...]]:
    kinds = SAMPLES[name].inputs if name in SAMPLES else ("real",)
    shape = shape_of(name, 5, 3)
    if name == "Bilinear":
        return [tuple(f"draw('real', (5, {n}), '{dtype}', {n})" for n in (3, 2)) for dtype in ("float32", "float64")]
    if name == "Embedding":
        return [("np.array([[0, 1], [2, 3], [2, 2]])",), ("np.array([1, 0], 'uint8')",)]
    kind = "real" if kinds[0] == "wide" else kinds[0]
    return [(f"draw('{kind}', {shape}, '{dtype}', {i})",) for i, dtype in enumerate(("float32", "float64", "float32"))]


def model(name: str, make: tuple[Line, ...] = (), parts: tuple[Line, ...] = ()) -> Subject:
    inputs = op_inputs(name)
    gradient = "draw('real', y.shape, y.dtype, 7)"
    state = "m.state_dict()"
    first = "first(m)"
    calls = (
        *(line("m.forward", *given, name="y") for given in inputs),
        line("m", *inputs[0], name="y"),
        line("m.backward", gradient),
        line("m.backward", gradient),
        Line(
            "m.forward",
            (),
            tuple(zip(("input1", "input2") if name == "Bilinear" else ("x",), inputs[0], strict=True)),
            "y",
        ),
        Line("m.backward", (), (("grad_output", gradient),)),
        line("m.train"),
        line("m.train", "True"),
        Line("m.train", (), (("mode", "False"),)),
        line("m.eval"),
        line("m.zero_grad"),
        line("m.zero_grad", "False"),
        line("m.state_dict"),
        line("m.load_state_dict", state),
        line("dict", "m.named_gradients()"),
        line("repr", "m"),
        *(
            (
                line("setattr", first, "'grad'", f"np.ones_like({first}.data)"),
                line("setattr", first, "'data'", f"np.ones_like({first}.data)"),
                line("getattr", first, "'grad'"),
                line("setattr", first, "'requires_grad'", "False"),
            )
            if name in WITH_PARAMETERS
            else ()
        ),
    )
    start = line("draw", "'real'", "(5, 3)", name="y")
    return Subject(make or (made(name),), values(name), (*parts, start), calls)


WITH_PARAMETERS = (
    *("BatchNorm1d", "Bilinear", "Embedding", "GroupNorm", "LayerNorm", "Linear", "MLP", "PReLU", "RMSNorm"),
    *("Parallel", "Residual", "Sequential"),
)


def loss(name: str) -> Subject:
    kinds = SAMPLES[name].inputs
    kind_of_pair = len(kinds) > 2
    places = [
        [f"draw('{kind}', (5, 3), '{dtype}', {i})" for i, kind in enumerate(kinds)] for dtype in ("float32", "float64")
    ]
    calls = (
        *(line("l.forward", *given, name="v") for given in places),
        line("l", *places[0], name="v"),
        *([] if kind_of_pair else [Line("l.forward", (), (("input", places[0][0]), ("target", places[0][1])), "v")]),
        line("setattr", "l", "'reduction'", "'sum'"),
        line("l.backward"),
        line("l.backward", "np.ones(np.shape(v), 'float32')"),
        line("repr", "l"),
        line("getattr", "l", "'reduction'"),
    )
    make = Line(f"side.{name}", (), tuple((key, spelled(value)) for key, value in STARTS.get(name, {}).items()), "l")
    return Subject((make,), values(name), (line("draw", "'real'", "(5, 3)", name="v"),), calls)


def public(kind: type) -> list[str]:
    """The public classes of a kind, without the bases that users derive from."""
    names = [name for name in scratch.__all__ if isinstance(getattr(scratch, name), type)]
    return [n for n in names if issubclass(getattr(scratch, n), kind) and n not in BASES]


BASES = ("Module", "Loss", "PairLoss", "Optimizer", "LRScheduler")

NOISY = ("side.Dropout(rng=2)", "side.RReLU(rng=3)", "side.BatchNorm1d(4)")
SEQUENTIAL = ("side.Linear(3, 4, rng=0)", "side.Tanh()", "side.Linear(4, 2, rng=1)")
CONTAINERS: dict[str, tuple[Line, ...]] = {
    "Sequential": (
        Line("side.Sequential", SEQUENTIAL, (), "m"),
        Line("side.Sequential", (*SEQUENTIAL[:2], *NOISY, SEQUENTIAL[2]), (), "m"),
    ),
    "Residual": (
        Line("side.Residual", ("side.Linear(3, 4, rng=0)", "side.Tanh()", "side.Linear(4, 3, rng=1)"), (), "m"),
        Line("side.Residual", ("side.Linear(3, 4, rng=0)", *NOISY, "side.Linear(4, 3, rng=1)"), (), "m"),
    ),
    "Parallel": (
        Line("side.Parallel", ("side.Linear(3, 2, rng=0)", "side.Linear(3, 2, rng=1)"), (), "m"),
        Line(
            "side.Parallel", ("side.RReLU(rng=0)", "side.Sequential(side.Dropout(rng=1), side.BatchNorm1d(3))"), (), "m"
        ),
    ),
}

PARAMETERS = (
    line("side.Parameter", "draw('real', (3, 2), 'float32', 1)", name="p"),
    line("side.Parameter", "draw('real', (2, 2), 'float32', 2)", name="q"),
)
GRADIENTS = (
    line("setattr", "p", "'grad'", "draw('real', (3, 2), 'float32', 3)"),
    line("setattr", "q", "'grad'", "draw('real', (2, 2), 'float32', 4)"),
)


READ = (
    line("np.array", "p.data"),
    line("np.array", "q.data"),
    line("getattr", "p", "'grad'"),
    line("getattr", "q", "'grad'"),
)
"""What shows that parameters and gradients are as they were."""


def optimizer(name: str) -> Subject:
    """Over two matrices; SparseAdam over the table of an Embedding."""
    options: dict[str, list[str]] = {}
    for kind, given in OPTIMIZERS.values():
        for key, value in given.items() if kind == name else ():
            options.setdefault(key, []).append(spelled(value))
    options.setdefault("lr", ["0.1"])
    rows = name == "SparseAdam"
    table = line("side.Embedding", "4", "3", name="e", sparse=True, rng=0)
    backward = (line("e.forward", "np.array([0, 2])"), line("e.backward", "draw('real', (2, 3))"))
    state = "o.state_dict()"
    calls = (
        line("o.step", "lambda: 1.0") if name == "LBFGS" else line("o.step"),
        line("o.step", "lambda: 1.0"),
        *(backward if rows else GRADIENTS),
        line("setattr", "p", "'grad'", "None"),
        line("o.zero_grad"),
        line("o.zero_grad", "False"),
        line("told", "o.state_dict()"),
        line("o.load_state_dict", state),
        *READ,
    )
    chosen = tuple((key, tuple(texts)) for key, texts in options.items())
    lr = (("lr", "0.1"),)
    params = (
        ("[e.weight]", "[{'params': [e.weight], 'lr': 0.5}]")
        if rows
        else ("[p, q]", "[{'params': [p]}, {'params': q, 'lr': 0.5}]")
    )
    makes = tuple(Line(f"side.{name}", (given,), lr, "o") for given in (params[:1] if name == "LBFGS" else params))
    return Subject(makes, chosen, (*PARAMETERS, *GRADIENTS, *((table, *backward) if rows else ())), calls)


SGD = line("side.SGD", "[{'params': [p]}, {'params': [q], 'lr': 0.5}]", name="o", lr=0.1, momentum=0.9)


def schedule(name: str) -> Subject:
    own = {
        "LambdaLR": {"lr_lambda": "lambda step: 0.9**step"},
        "SequentialLR": {"schedulers": "[a, b]", "milestones": "[2]"},
        "ReduceLROnPlateau": {"factor": "0.5", "patience": "0"},
    }
    options = own.get(name) or {key: spelled(value) for key, value in SAMPLES[name].arguments.items()}
    calls = (
        line("s.step", "1.0") if name == "ReduceLROnPlateau" else line("s.step"),
        line("s.step", "2.0") if name == "ReduceLROnPlateau" else line("s.step"),
        line("o.step"),
        line("s.get_last_lr"),
        line("told", "s.state_dict()"),
        line("s.load_state_dict", "s.state_dict()"),
        line("told", "o.state_dict()"),
    )
    make = Line(f"side.{name}", ("o",), tuple(options.items()), "s")
    values = tuple((key, (text,)) for key, text in options.items())
    parts = (line("side.StepLR", "o", "1", name="a"), line("side.ExponentialLR", "o", "0.5", name="b"))
    setup = (*PARAMETERS, *GRADIENTS, SGD, *(parts if name == "SequentialLR" else ()))
    return Subject((make,), values, setup, calls)


def init(name: str) -> Subject:
    """On the hand-written side alone: torch has its own."""
    parameters = inspect.signature(getattr(scratch.init, name)).parameters.values()
    options = {p.name: spelled(p.default) for p in parameters if p.default is not p.empty}
    options |= {key: spelled(value) for key, value in SAMPLES[name].arguments.items()}
    options |= {"rng": "0"} if "rng" in options else {}
    if name == "calculate_gain":
        make: tuple[Line, ...] = (Line("side.init.calculate_gain", ("'leaky_relu'",), tuple(options.items()), "r"),)
    else:
        make = tuple(
            Line(f"side.init.{name}", (given,), tuple(options.items()), "r")
            for given in ("p", "draw('real', (3, 4), 'float64')")
        )
    return Subject(make, tuple((key, (text,)) for key, text in options.items()), PARAMETERS, READ, ("scratch",))


def clip(name: str) -> Subject:
    options = {key: spelled(value) for key, value in SAMPLES[name].arguments.items()}
    if name == "clip_grad_norm_":
        options |= {"norm_type": "2.0", "error_if_nonfinite": "False"}
    make = tuple(Line(f"side.{name}", (given,), tuple(options.items()), "r") for given in ("[p, q]", "p", "iter([q])"))
    return Subject(make, (), (*PARAMETERS, *GRADIENTS), READ)


INIT = [
    name
    for name, kind in vars(scratch.init).items()
    if inspect.isfunction(kind) and kind.__module__ == "scratch.init" and name[0] != "_"
]

SUBJECTS: dict[str, Subject] = {
    **{name: model(name, CONTAINERS.get(name, ())) for name in public(scratch.Module)},
    **{name: loss(name) for name in [*public(scratch.Loss), *public(scratch.PairLoss)]},
    **{name: optimizer(name) for name in public(scratch.Optimizer)},
    **{name: schedule(name) for name in [*public(scratch.LRScheduler)]},
    **{name: init(name) for name in INIT if name != "fans"},
    "fans": Subject((line("side.init.fans", "(2, 3)", name="r"),), sides=("scratch",), calls=(line("repr", "r"),)),
    **{name: clip(name) for name in ("clip_grad_norm_", "clip_grad_value_")},
    "Parameter": Subject(
        (
            line("side.Parameter", "draw('real', (3, 2))", name="p"),
            line("side.Parameter", "draw('real', (3,), 'float64')", name="p"),
        ),
        calls=(
            line("setattr", "p", "'grad'", "draw('real', p.shape, p.data.dtype, 3)"),
            line("setattr", "p", "'grad'", "None"),
            line("setattr", "p", "'data'", "draw('real', p.shape, p.data.dtype, 4)"),
            line("getattr", "p", "'grad'"),
            line("np.array", "p.data"),
            line("getattr", "p", "'shape'"),
        ),
    ),
    "Buffer": Subject(
        (line("side.Buffer", "draw('real', (3,))", name="b"),), calls=(line("repr", "b"),), sides=("scratch",)
    ),
    "hessian_vector_product": Subject(
        (
            line(
                "side.hessian_vector_product",
                *("m", "l", "draw('real', (5, 3))", "draw('real', (5, 2), seed=1)"),
                "{k: draw('real', v.shape, seed=2) for k, v in m.state_dict().items()}",
                name="hv",
            ),
        ),
        setup=(line("side.MLP", "(3, 4, 2)", "'tanh'", name="m", rng=0), line("side.MSELoss", name="l")),
        calls=(line("dict", "m.named_gradients()"), line("m.state_dict")),
    ),
    "Trainer": Subject(
        (line("side.Trainer", "m", "l", "o", name="t"),),
        setup=(
            line("side.MLP", "(3, 4, 2)", "'tanh'", name="m", rng=0),
            line("side.MSELoss", name="l"),
            line("side.SGD", "m.parameters()", name="o", lr=0.1, momentum=0.9),
        ),
        calls=(
            line("t.step", "draw('real', (5, 3))", "draw('real', (5, 2), seed=1)"),
            line("t.step", "draw('real', (5, 3), seed=2)", "draw('real', (5, 2), seed=3)"),
            line("t.step", "t.asarray(draw('real', (5, 3)))", "t.asarray(draw('real', (5, 2), seed=1))"),
            line("m.state_dict"),
            line("told", "o.state_dict()"),
            line("dict", "m.named_gradients()"),
        ),
    ),
    "Module": Subject(
        (line("side.Module", name="m"),),
        calls=(
            line("m.forward", "draw('real', (5, 3))"),
            line("m.backward", "draw('real', (5, 3))"),
            line("m.state_dict"),
        ),
        sides=("scratch",),
    ),
    "Loss": Subject(
        (line("side.Loss", name="l"), line("side.Loss", "'sum'", name="l")),
        calls=(line("l.forward", "draw('real', (5, 3))", "draw('real', (5, 3))"), line("l.backward")),
        sides=("scratch",),
    ),
    "PairLoss": Subject(
        (line("side.PairLoss", name="l"), line("side.PairLoss", "'none'", name="l")),
        calls=(line("l.forward", *["draw('real', (5, 3))"] * 3), line("l.backward")),
        sides=("scratch",),
    ),
    "Optimizer": Subject(
        (line("side.Optimizer", "[p, q]", "{'lr': 0.1}", name="o"),),
        setup=(*PARAMETERS, *GRADIENTS),
        calls=(line("o.step"), line("o.zero_grad"), line("told", "o.state_dict()")),
        sides=("scratch",),
    ),
    "LRScheduler": Subject(
        (line("side.LRScheduler", "o", name="s"),),
        setup=(*PARAMETERS, SGD),
        calls=(line("told", "o.state_dict()"), line("s.step")),
        sides=("scratch",),
    ),
}
