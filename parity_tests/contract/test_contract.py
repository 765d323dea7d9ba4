"""The house rules: who imports whom, what both sides have in common, what they print, how weights move across."""

import ast
import inspect
import pathlib
import subprocess
import sys
from graphlib import TopologicalSorter

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

import contract
import contract.protocols
import scratch
import torch_impl
from parity_tests.catalogue.tables import DTYPES, OPS, SIDES

ROOT = pathlib.Path(scratch.__file__).parent.parent
OWN = {"contract", "scratch", "torch_impl", "handgrad", "benchmarks", "docs", "parity_tests"}
ALLOWED = {
    "contract": {"contract"},
    "scratch": {"contract", "scratch"},
    "torch_impl": {"contract", "torch_impl"},
    "handgrad": {"contract", "handgrad", "scratch", "torch_impl"},
}
FOREIGN = {"contract": {"numpy"}, "scratch": {"numpy"}, "torch_impl": {"numpy", "torch"}}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module]
        yield from (name.partition(".")[0] for name in names)


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_import_rule(package):
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        found = set(imports(path))
        allowed = ALLOWED[package] | ({"benchmarks"} if path.name == "bench.py" else set())
        assert found & OWN <= allowed, path
        if package in FOREIGN:
            assert found - OWN - set(sys.stdlib_module_names) <= FOREIGN[package], path


def imported_by(path, modules):
    """The modules of this project that a file imports, wherever in it: at the head, in a function, from a package."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, path  # a name that starts with a dot would be missed here
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in modules else node.module for name in inner)


@pytest.mark.parametrize("package", ["contract", "scratch", "torch_impl", "handgrad", "benchmarks", "docs"])
def test_no_import_goes_in_a_circle(package):
    """Not even one that a function closes when it is called."""
    files = {path: path.relative_to(ROOT).with_suffix("") for path in (ROOT / package).rglob("*.py")}
    modules = {".".join(name.parts).removesuffix(".__init__"): path for path, name in files.items()}
    graph = {name: set(imported_by(path, modules)) & modules.keys() - {name} for name, path in modules.items()}
    TopologicalSorter(graph).prepare()


def test_judge_imports_neither_side():
    for path in (ROOT / "handgrad" / "judge").rglob("*.py"):
        assert not set(imports(path)) & {"scratch", "torch_impl", "torch"}, path


@pytest.mark.parametrize(("package", "own"), [("contract.checks", {"contract"}), ("scratch", {"contract", "scratch"})])
def test_an_import_loads_numpy_and_nothing_else(package, own):
    loaded = "{n.partition('.')[0] for n, m in sys.modules.items() if getattr(m, '__file__', None)}"
    check = f"import sys; before = {loaded}; import {package}; print(*sorted({loaded} - before))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) - set(sys.stdlib_module_names) == {"numpy", *own}


@pytest.mark.parametrize(
    ("code", "unloaded"),
    [
        ("import handgrad.cli", ["numpy", "torch", "sklearn", "matplotlib"]),
        ("import torch_impl", ["scratch", "handgrad"]),
        ("import handgrad.vectors", ["torch", "torch_impl", "matplotlib"]),
        ("import handgrad.pytest_plugin", ["numpy", "torch", "handgrad.check"]),
    ],
)
def test_what_an_import_loads(code, unloaded):
    check = f"import sys; {code}; print([name for name in {unloaded} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["MLP", "Trainer", "Parameter"])
def test_constructors_take_the_same_arguments(name):
    """Same names, order and defaults; the PyTorch side may take more at the end (device, compile)."""
    ours = inspect.signature(getattr(scratch, name)).parameters
    theirs = list(inspect.signature(getattr(torch_impl, name)).parameters.values())[: len(ours)]
    assert [(p.name, p.default) for p in ours.values()] == [(p.name, p.default) for p in theirs]


OPS_AND_LOSSES = sorted(
    name
    for name, kind in vars(scratch).items()
    if isinstance(kind, type) and issubclass(kind, (scratch.Module, scratch.Loss, scratch.PairLoss))
)


CONSTRUCTED = [n for n in OPS_AND_LOSSES if n not in ("Identity", "Loss", "MLP", "Module", "PairLoss")]


@pytest.mark.parametrize("name", CONSTRUCTED)
def test_every_constructor_has_one_signature(name):
    """Names, places and defaults, so that whatever Python itself refuses is refused alike."""
    kind = torch_impl.modules.OWN.get(name) or getattr(torch.nn, name)
    ours, theirs = inspect.signature(getattr(scratch, name)), torch_impl.signatures.signature(kind)
    assert [(p.name, p.kind, p.default) for p in ours.parameters.values()] == [
        (p.name, p.kind, p.default) for p in theirs.parameters.values()
    ]


@pytest.mark.parametrize("given", ["nothing", "an unknown option", "too many", "an option twice"])
def test_what_python_itself_refuses_is_refused_in_the_same_words(given):
    """Of every op and loss, but for the class: Python names the one that `__init__` is inherited from.

    The binder is made anew: those in use were made when torch_impl was imported.
    """
    args, options = {
        "nothing": ((), {}),
        "an unknown option": ((), {"nonsense": 1}),
        "too many": ((1,) * 20, {}),
        "an option twice": ((1,), None),
    }[given]
    for name in CONSTRUCTED:
        ours, kind = getattr(scratch, name), torch_impl.modules.OWN.get(name) or getattr(torch.nn, name)
        signature = inspect.signature(ours)
        twice = {next(iter(signature.parameters), "nonsense"): 1}
        bind, given_options = torch_impl.signatures.binder(kind), twice if options is None else options
        try:
            bound = signature.bind(*args, **given_options)
        except TypeError:
            with pytest.raises(TypeError) as own:
                ours(*args, **given_options)
            with pytest.raises(TypeError) as theirs:
                bind(*args, **given_options)
            assert str(theirs.value).startswith((f"{name}()", f"{name}.__init__()"))
            assert str(theirs.value).partition("(")[2] == str(own.value).partition("(")[2]
        else:
            bound.apply_defaults()
            assert bind(*args, **given_options) == dict(bound.arguments)


def test_the_contract_gives_its_protocols_by_name():
    assert all(getattr(contract, name) is getattr(contract.protocols, name) for name in contract.__all__)
    with pytest.raises(AttributeError, match=r"^module 'contract' has no attribute 'Nonsense'$"):
        contract.Nonsense  # noqa: B018  # asking is what raises


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_optimizers_take_torchs_arguments(name):
    """Every option of torch that has a meaning without GPU and autograd flags, with the same default."""
    absent = {"foreach", "differentiable", "fused", "capturable"}
    theirs = inspect.signature(getattr(torch.optim, name)).parameters
    ours = inspect.signature(getattr(scratch, name)).parameters
    assert {n: p.default for n, p in theirs.items() if n not in absent} == {n: p.default for n, p in ours.items()}


@pytest.mark.parametrize(
    "name", ["LeakyReLU", "MSELoss", "L1Loss", "BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "NLLLoss"]
)
def test_ops_take_torchs_arguments(name):
    absent = {"inplace", "size_average", "reduce"}  # in place is against the contract; the others are deprecated
    theirs = inspect.signature(getattr(torch.nn, name)).parameters
    ours = inspect.signature(getattr(scratch, name)).parameters
    assert {n: p.default for n, p in theirs.items() if n not in absent} == {n: p.default for n, p in ours.items()}


@pytest.mark.parametrize("op", OPS)
def test_both_sides_print_alike(op):
    printed = {repr(OPS[op].build(side, np.float32)) for side in SIDES.values()}
    assert len(printed) == 1


def test_mlp_prints_as_torch_prints_it():
    expected = """\
MLP(
  (layers): Sequential(
    (0): Linear(in_features=2, out_features=5, bias=True)
    (1): LeakyReLU(negative_slope=0.01)
    (2): Linear(in_features=5, out_features=1, bias=True)
    (3): Sigmoid()
  )
)"""
    for side in SIDES.values():
        assert repr(side.MLP([2, 5, 1], "leaky_relu", "sigmoid")) == expected


def test_optimizers_print_the_same_options():
    for name, options in [("SGD", {"lr": 0.1, "momentum": 0.9}), ("Adam", {"lr": 0.1})]:
        ours, theirs = (
            repr(getattr(side, name)([side.Parameter(np.ones(2))], **options)).splitlines() for side in SIDES.values()
        )
        own = getattr(scratch, name)([scratch.Parameter(np.ones(2))]).defaults
        also = [line for line in theirs if ":" in line and line.split(":")[0].strip() not in own]  # foreach, fused, …
        assert ours == [line for line in theirs if line not in also]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", sorted(scratch.ACTIVATIONS))
def test_one_seed_draws_one_model(activation, dtype):
    assert scratch.ACTIVATIONS.keys() == torch_impl.ACTIVATIONS.keys()
    ours, theirs = (side.MLP([3, 4, 2], activation, "tanh", dtype=dtype, rng=7) for side in SIDES.values())
    assert repr(ours) == repr(theirs)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for name, weight in ours.state_dict().items():
        assert weight.dtype == dtype
        np.testing.assert_array_equal(weight, theirs.state_dict()[name])


@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_move_bit_for_bit(dtype, tmp_path):
    """Across the sides, into and out of an ordinary nn.Module, and through a safetensors file."""
    ours, theirs = (side.MLP([3, 4, 2], dtype=dtype, rng=seed) for seed, side in enumerate(SIDES.values()))
    theirs.load_state_dict(ours.state_dict())
    save_file(theirs.state_dict(), tmp_path / "weights.safetensors")
    loaded = scratch.MLP([3, 4, 2], dtype=dtype)
    loaded.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    module = torch_impl.MLP([3, 4, 2], dtype=dtype).module
    module.load_state_dict({name: torch.from_numpy(array) for name, array in loaded.state_dict().items()})
    for name, weight in ours.state_dict().items():
        np.testing.assert_array_equal(weight, module.state_dict()[name].numpy())


@pytest.mark.parametrize("side", SIDES)
def test_what_is_handed_out_stays(side):
    """state_dict, named_gradients, outputs and input gradients are copies that later calls do not touch."""
    side = SIDES[side]
    rng = np.random.default_rng(0)
    model = side.MLP([3, 4, 2], rng=0)
    x, upstream = rng.normal(size=(5, 3)).astype(np.float32), rng.normal(size=(5, 2)).astype(np.float32)
    state, output, grad_input = model.state_dict(), model.forward(x), model.backward(upstream)
    gradients = dict(model.named_gradients())
    held = [*state.values(), output, grad_input, *gradients.values()]
    before = [array.copy() for array in held]
    for _ in range(3):
        model.forward(-x)
        model.backward(2 * upstream)
        side.SGD(model.parameters(), lr=1.0).step()
    for array, copy in zip(held, before, strict=True):
        np.testing.assert_array_equal(array, copy)


UNFIT = {
    "of another shape": lambda a: a[:1],
    "of another dtype": lambda a: a.astype(np.float64),
    "whole numbers": lambda a: a.astype(int),
    "in another byte order": lambda a: a.astype(">f4"),
    "a list": lambda a: a.tolist(),
    "a number": lambda a: 1.0,
}


@pytest.mark.parametrize("attribute", ["data", "grad"])
@pytest.mark.parametrize("given", UNFIT)
def test_what_does_not_fit_a_parameter_is_refused_at_once(attribute, given):
    """In the same words, and the parameter is as it was."""
    before, words = np.arange(6, dtype=np.float32).reshape(3, 2), set()
    for side in SIDES.values():
        parameter = side.Parameter(before)
        parameter.grad = -before
        with pytest.raises((TypeError, ValueError), match=r"^Parameter: (data|gradient) ") as caught:
            setattr(parameter, attribute, UNFIT[given](before))
        words.add(str(caught.value))
        np.testing.assert_array_equal(parameter.data, before)
        np.testing.assert_array_equal(parameter.grad, -before)
    assert len(words) == 1


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("attribute", ["data", "grad"])
def test_a_parameter_keeps_no_array_of_the_callers(side, attribute):
    given = np.ones((3, 2), np.float32)
    parameter = SIDES[side].Parameter(np.zeros((3, 2), np.float32))
    setattr(parameter, attribute, given)
    given[...] = 7
    np.testing.assert_array_equal(getattr(parameter, attribute), np.ones((3, 2)))


@pytest.mark.parametrize("side", SIDES)
def test_gradients_accumulate_until_zero_grad(side):
    side = SIDES[side]
    rng = np.random.default_rng(0)
    model = side.MLP([3, 4, 2], "tanh", dtype=np.float64, rng=0)
    assert all(gradient is None for _, gradient in model.named_gradients())
    model.forward(rng.normal(size=(5, 3)))
    model.backward(upstream := rng.normal(size=(5, 2)))
    once = dict(model.named_gradients())
    model.backward(upstream)
    for name, twice in model.named_gradients():
        np.testing.assert_array_equal(twice, 2 * once[name])  # g + g rounds nowhere
    model.zero_grad(set_to_none=False)
    for name, gradient in model.named_gradients():
        np.testing.assert_array_equal(gradient, np.zeros_like(once[name]), strict=True)
    model.zero_grad()
    assert all(gradient is None for _, gradient in model.named_gradients())


@pytest.mark.parametrize("side", SIDES)
def test_train_and_eval_reach_every_module(side):
    model = SIDES[side].MLP([3, 4, 2])
    assert model.training is True
    assert model.eval() is model
    assert (model.training, model.layers[0].training) == (False, False)
    assert model.train().layers[0].training is True


# inductor calls a C++ compiler for each of its kernels, seconds each time: one kernel, the sum over a batch, will do.
@pytest.mark.parametrize(("backend", "sizes"), [("aot_eager", [3, 4, 2]), ("inductor", [3, 2])])
def test_compiled_model_is_the_same_model(backend, sizes):
    """aot_eager runs torch.compile's tracing and autograd without a C++ compiler, inductor the whole of it."""
    import torch._inductor.config

    from handgrad.judge import judge_net

    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    plain = torch_impl.MLP(sizes, rng=0)
    compiled = torch_impl.MLP(sizes, rng=0, compile=backend)
    # The processor's own word is taken for its vector instructions; inductor else compiles a program to try each.
    with torch._inductor.config.patch({"cpp.vec_isa_ok": True}):
        for model in (plain, compiled):
            loss = torch_impl.CrossEntropyLoss()
            assert judge_net(model, loss, x, np.array([0, 1, 1, 0, 1])).held
