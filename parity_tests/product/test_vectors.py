"""Numbers of any origin: `judge` accepts what `vectors` writes, and refuses a wrong number in it and every bad file."""

import copy
import json
import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch

import scratch
from handgrad import cli
from handgrad.vectors import OPS, Case, judge_file, read, vectors, write
from handgrad.vectors.answer import FIELDS, judge_case
from handgrad.vectors.make import SAMPLES
from parity_tests.catalogue.tables import DTYPES
from parity_tests.support.every import classes
from scratch.flags import product

HERE = Path(__file__).parent
EDGES = {"kinks", "signed-zeros", "saturated", "large", "tiny", "subnormal", "one-row", "empty"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Every test writes below a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_catalogue_is_whole():
    every = classes(scratch.Module, scratch.Loss, scratch.PairLoss, scratch.Optimizer)
    assert set(OPS) == set(SAMPLES) == every - {"MLP", "Parallel", "Residual", "Sequential"}


@pytest.mark.parametrize("op", OPS)
def test_right_answers_are_accepted_and_a_wrong_number_is_refused(op, folder):
    for dtype in DTYPES:
        cases = vectors(op, dtype)
        write(folder / "file", cases)
        answer = judge_file(folder / "file")
        assert answer.passed
        assert answer.total.numbers > 20
        assert answer.total.skipped <= 0.02 * answer.total.numbers
        assert {judged.case.name: judged.case.options for judged in answer.cases} == {
            case.name: case.options for case in cases
        }
        if issubclass(getattr(scratch, op), scratch.Module):
            _has_every_edge_case({case.name: case for case in cases})
        for case in cases:
            if case.name in ("normal", "third-step", "evaluation"):
                for name in judge_case(case).judged:
                    verdict = judge_case(spoilt(case, name)).verdict
                    assert name in {failure.tensor for failure in verdict.failures}, (case.name, name)


def test_vectors_are_the_same_file_whenever_they_are_written(folder):
    for name in "ab":
        write(folder / name, vectors("Linear", "float32"))
    assert (folder / "a").read_bytes() == (folder / "b").read_bytes()


def _has_every_edge_case(cases):
    assert cases.keys() >= EDGES
    first = [next(a for name, a in cases[case].arrays.items() if "input" in name) for case in ("one-row", "empty")]
    assert [len(array) for array in first] == [1, 0]


def spoilt(case, name):
    """The case with one number of an answer moved by a thousandth."""
    array = np.array(case.arrays[name])
    i = np.unravel_index(np.abs(array).argmax(), array.shape)
    array[i] = array[i] + max(1e-3 * abs(array[i]), 1e-3) if array.dtype.kind == "f" else array[i] + 1
    return replace(case, arrays={**case.arrays, name: array})


def relu(**arrays):
    """A right file, with some arrays another."""
    x = np.array([-1.0, 0.0, 2.0], np.float32)
    own = {"input": x, "output": np.maximum(x, 0), "grad_output": x + 5, "grad_input": (x + 5) * (x > 0)}
    return Case("ReLU", {}, {name: a for name, a in {**own, **arrays}.items() if a is not None})


def linear(options=None, **arrays):
    rng = np.random.default_rng(0)
    x, w, b, d = (rng.normal(size=shape).astype(np.float32) for shape in [(4, 3), (2, 3), (2,), (4, 2)])
    own = {
        "input": x,
        "weight": w,
        "bias": b,
        "output": product(x, w.T) + b,
        "grad_output": d,
        "grad_input": product(d, w),
    }
    own |= {"grad_weight": product(d.T, x), "grad_bias": d.sum(0)}
    options = {"in_features": 3, "out_features": 2} if options is None else options
    return Case("Linear", options, {name: a for name, a in {**own, **arrays}.items() if a is not None})


def step(options=None, **arrays):
    """Plain SGD with lr 0.5."""
    p, g = np.ones(3, np.float32), np.arange(3, dtype=np.float32)
    own = {"param": p, "grad": g, "new_param": p - g / 2}
    return Case("SGD", {"lr": 0.5} if options is None else options, {**own, **arrays})


def written(case):
    write(Path("file"), [case])


def raw(metadata, **arrays):
    safetensors.numpy.save_file(arrays or {"input": np.zeros(2)}, "file", metadata)


def cut(bytes_):
    written(relu())
    Path("file").write_bytes(Path("file").read_bytes()[:bytes_])


def header(text, data=b""):
    Path("file").write_bytes(struct.pack("<Q", len(text)) + text.encode() + data)


F16, F32, F64 = (np.zeros(2, dtype) for dtype in (np.float16, np.float32, np.float64))
BAD = {
    "nothing there": (lambda: None, ["cannot be read: No such file"]),
    "a name too long": (lambda: None, ["cannot be read: File name too long"]),
    "a folder": (lambda: Path("file").mkdir(), ["no file"]),
    "empty": (lambda: Path("file").write_bytes(b""), ["no safetensors file"]),
    "a pickle": (lambda: torch.save({"input": torch.zeros(2)}, "file"), ["no safetensors file"]),
    "an array of NumPy's": (lambda: (np.save("a", F32), Path("a.npy").rename("file")), ["no safetensors file"]),
    "cut in its header": (lambda: cut(40), ["no safetensors file"]),
    "cut in its numbers": (lambda: cut(-4), ["no safetensors file"]),
    "a huge header": (lambda: Path("file").write_bytes(b"\xff" * 64), ["no safetensors file"]),
    "no JSON in its header": (lambda: header("{oh no"), ["no safetensors file"]),
    "bfloat16": (
        lambda: safetensors.torch.save_file({"input": torch.zeros(2, dtype=torch.bfloat16)}, "file", {"op": "ReLU"}),
        ["no safetensors file that NumPy can read"],
    ),
    "no arrays": (lambda: header('{"__metadata__":{"op":"ReLU"}}'), ["no arrays"]),
    "no metadata": (lambda: safetensors.numpy.save_file({"input": F32}, "file"), ["no 'op'"]),
    "an unknown op": (lambda: raw({"op": "RELU"}), ["'RELU'", "did you mean 'ReLU'", "Tanh"]),
    "no op at all": (lambda: raw({"op": ""}), ["op must be one of"]),
    "a container": (lambda: raw({"op": "Sequential"}), ["op must be one of", "'Sequential'"]),
    "unknown metadata": (lambda: raw({"op": "ReLU", "option": "{}"}), ["'option'", "op, options"]),
    "metadata of no case": (lambda: raw({"op": "ReLU", "a/options": "{}"}), ["'a/options'", "'a/'"]),
    "options that are no JSON": (lambda: raw({"op": "ReLU", "options": "{'a': 1}"}), ["not JSON"]),
    "deep JSON": (lambda: raw({"op": "ReLU", "options": "[" * 10**5}), ["not JSON"]),
    "options in a list": (lambda: raw({"op": "ReLU", "options": "[1]"}), ["JSON object", "[1]"]),
    "an option that is NaN": (lambda: raw({"op": "SGD", "options": '{"lr": NaN}'}), ["NaN is no number"]),
    "an option that is infinite": (lambda: written(step({"lr": 1e999})), ["Infinity is no number"]),
    "an option beyond all numbers": (
        lambda: raw({"op": "SGD", "options": '{"lr": 1e999}'}, param=F32, grad=F32),
        ["lr"],
    ),
    "an option out of range": (lambda: written(step({"lr": -1})), ["lr must be >= 0", "-1"]),
    "an option of the wrong kind": (lambda: written(step({"lr": "1"})), ["lr must be a number", "'1'"]),
    "an unknown option": (lambda: written(step({"momentun": 1})), ["'momentun'", "did you mean 'momentum'"]),
    "an option of none": (lambda: written(replace(relu(), options={"slope": 1})), ["ReLU has no options", "'slope'"]),
    "an array as an option": (lambda: written(step({"params": [1]})), ["option must be one of", "'params'"]),
    "a missing option": (lambda: written(linear({"in_features": 3})), ["'out_features' is missing"]),
    "training, but how": (
        lambda: written(replace(relu(), options={"training": 1})),
        ["training must be True or False"],
    ),
    "sizes beyond memory": (
        lambda: written(linear({"in_features": 10**9, "out_features": 10**9})),
        ["weight has shape (2, 3)", "(1000000000, 1000000000)"],
    ),
    "a missing input": (lambda: written(relu(input=None)), ["'input' is missing", "output"]),
    "a missing statistic": (
        lambda: raw({"op": "BatchNorm1d", "options": '{"num_features": 2, "affine": false}'}, input=np.zeros((3, 2))),
        ["missing running_mean", "missing running_var"],
    ),
    "a missing parameter": (lambda: written(linear(bias=None)), ["'bias' is missing", "weight"]),
    "a parameter too many": (
        lambda: written(linear({"in_features": 3, "out_features": 2, "bias": False})),
        ["no array 'bias'", "weight"],
    ),
    "a weight the other way": (lambda: written(linear(weight=np.zeros((3, 2), np.float32))), ["(3, 2)", "(2, 3)"]),
    "an input too wide": (lambda: written(linear(input=np.zeros((4, 5), np.float32))), ["(4, 5)", "in_features=3"]),
    "an input of another dtype": (lambda: written(linear(input=np.zeros((4, 3)))), ["float32", "float64"]),
    "float16": (lambda: written(relu(input=F16)), ["float32 or float64", "float16"]),
    "float16 parameters": (lambda: written(linear(weight=np.zeros((2, 3), np.float16))), ["float32 or float64"]),
    "whole numbers": (lambda: written(relu(input=np.arange(3))), ["float32 or float64", "int64"]),
    "an upstream gradient of another shape": (lambda: written(relu(grad_output=F32)), ["grad_output", "(2,)", "(3,)"]),
    "no upstream gradient": (lambda: written(relu(grad_output=None)), ["grad_input", "without grad_output"]),
    "nothing to judge": (lambda: written(relu(output=None, grad_input=None)), ["nothing to judge", "grad_input"]),
    "no number to judge": (
        lambda: raw({"op": "ReLU"}, input=F32[:0], output=F32[:0]),
        ["nothing could be judged", "no number"],
    ),
    "only infinite numbers": (
        lambda: raw({"op": "ReLU"}, input=F32 + np.float32(np.inf), output=F32),
        ["nothing could be judged", "2 numbers"],
    ),
    "a misspelt array": (lambda: written(relu(grad_inptu=F32)), ["no array 'grad_inptu'", "grad_input"]),
    "no mask": (lambda: raw({"op": "Dropout"}, input=F32, output=F32), ["'mask' is missing"]),
    "a mask of another shape": (lambda: raw({"op": "Dropout"}, input=F32, output=F32, mask=F32[:1]), ["mask", "(1,)"]),
    "a mask that is scaled": (lambda: raw({"op": "Dropout"}, input=F32, output=F32, mask=F32 + 2), ["mask must be 1"]),
    "slopes of another dtype": (lambda: raw({"op": "RReLU"}, input=F32, output=F32, slopes=F64), ["slopes", "float64"]),
    "a target of another shape": (lambda: raw({"op": "MSELoss"}, input=F32, target=F32[:1], output=F32), ["target"]),
    "a class that is none": (
        lambda: raw({"op": "CrossEntropyLoss"}, input=np.zeros((1, 2)), target=np.array([7]), output=F64),
        ["class indices", "7"],
    ),
    "a weight where none is": (
        lambda: raw({"op": "MSELoss"}, input=F32, target=F32, output=F32, weight=F32),
        ["MSELoss has no weight"],
    ),
    "no upstream gradient of a loss": (
        lambda: raw({"op": "MSELoss", "options": '{"reduction": "none"}'}, input=F32, target=F32, grad_input=F32),
        ["without grad_output"],
    ),
    "an upstream gradient of another dtype": (
        lambda: raw({"op": "MSELoss"}, input=F32, target=F32, grad_input=F32, grad_output=np.array(1.0)),
        ["grad_output must be float32", "float64"],
    ),
    "no gradient": (lambda: raw({"op": "SGD"}, param=F32, new_param=F32), ["'grad' is missing"]),
    "a gradient of another shape": (lambda: written(step(grad=F32)), ["(2,)", "(3,)"]),
    "half a state": (
        lambda: raw({"op": "Adam"}, param=F32, grad=F32, exp_avg=F32, new_param=F32),
        ["missing step", "exp_avg_sq"],
    ),
    "a state of another shape": (
        lambda: raw({"op": "SGD", "options": '{"momentum": 1}'}, param=F32, grad=F32, momentum_buffer=F32[:1]),
        ["momentum_buffer", "(1,)"],
    ),
    "no rows": (lambda: raw({"op": "SparseAdam"}, param=np.zeros((2, 2)), grad=np.zeros((2, 2))), ["'rows'"]),
    "a move without its length": (lambda: raw({"op": "LBFGS"}, param=F32, grad=F32, new_param=F32), ["without t"]),
    "half a history": (
        lambda: raw({"op": "LBFGS"}, param=F32, grad=F32, old_dirs=np.zeros((1, 2), np.float32), new_d=F32),
        ["'new_ro' is missing"],
    ),
    "one bad case of two": (
        lambda: raw({"op": "ReLU"}, **{"a/input": F32, "a/output": F32, "b/input": F32}),
        ["case 'b'", "nothing to judge"],
    ),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
def test_a_bad_file_is_one_line_and_exit_code_2(kind, options, capsys):
    make, words = BAD[kind]
    make()
    name = "file" * 100 if kind == "a name too long" else "file"
    assert cli.main(["judge", name, *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"handgrad: error: {name}: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err


WRONG = {
    "a gradient": (linear(grad_bias=np.zeros(2, np.float32)), ["grad_bias is wrong", "all zeros"]),
    "twice the gradient": (linear(grad_weight=2 * linear().arrays["grad_weight"]), ["constant ratio 2"]),
    "another shape": (relu(output=F32), ["output is wrong", "(2,), not (3,)"]),
    "another dtype": (relu(output=relu().arrays["output"].astype(np.float64)), ["float64, not float32"]),
    "whole numbers": (relu(output=np.array([0, 0, 2])), ["int64, not float32"]),
    "a step uphill": (step(new_param=np.array([1, 1.5, 2], np.float32)), ["new_param is wrong", "opposite sign"]),
    "NaN": (relu(grad_input=np.full(3, np.nan, np.float32)), ["grad_input is wrong", "NaN"]),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_answer_is_exit_code_1(kind, capsys):
    case, words = WRONG[kind]
    written(case)
    assert cli.main(["judge", "file"]) == 1
    out, err = capsys.readouterr()
    assert err == ""
    for word in ["is WRONG in 1 of 1 case", *words]:
        assert word in out
    assert cli.main(["judge", "file", "--json"]) == 1
    content = json.loads(capsys.readouterr().out)
    assert not content["passed"]
    assert content["files"][0]["cases"][0]["failures"]


def test_what_is_not_given_is_said(capsys):
    written(linear(grad_weight=None, grad_bias=None, output=None))
    assert cli.main(["judge", "file"]) == 0
    out = capsys.readouterr().out
    assert "judged     grad_input\n" in out
    assert "not given  output, grad_weight, grad_bias\n" in out


def test_many_files_and_json(capsys):
    """Every field is on the page, and a wrong file among right ones is seen."""
    write(Path("right"), [relu()])
    write(Path("wrong"), [replace(relu(), name="a"), replace(relu(output=F32), name="b")])
    assert cli.main(["judge", "right", "wrong", "--json"]) == 1
    content = json.loads(capsys.readouterr().out)
    page = (HERE.parents[1] / "docs" / "vectors.md").read_text(encoding="utf-8")

    def fields(value):
        if isinstance(value, dict):
            yield from value
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from fields(inner)

    assert set(FIELDS) < set(fields(content))
    for field in set(fields(content)):
        assert f"`{field}`" in page
    assert [(file["file"], file["passed"]) for file in content["files"]] == [("right", True), ("wrong", False)]
    assert [case["passed"] for case in content["files"][1]["cases"]] == [True, False]
    assert content["files"][0]["numbers"] == 6
    assert (content["version"], content["passed"]) == (1, False)


def torch_silu():
    x = torch.tensor([-2.0, 0.0, 3.0], requires_grad=True)
    y = torch.nn.functional.silu(x)
    y.backward(torch.ones(3))
    return "SiLU", {}, {"input": x, "output": y, "grad_output": torch.ones(3), "grad_input": x.grad}


def torch_batch_norm():
    layer, x, d = torch.nn.BatchNorm1d(3, momentum=None), torch.randn(4, 3, requires_grad=True), torch.randn(4, 3)
    layer(torch.randn(5, 3))
    before = {name: a.clone() for name, a in layer.state_dict().items()}
    y = layer(x)
    y.backward(d)
    after = {f"new_{name}": a for name, a in layer.named_buffers()}
    gradients = {f"grad_{name}": p.grad for name, p in layer.named_parameters()}
    arrays = {**before, **after, **gradients, "input": x, "output": y, "grad_output": d, "grad_input": x.grad}
    return "BatchNorm1d", {"num_features": 3, "momentum": None}, arrays


def torch_embedding():
    layer, x, d = torch.nn.Embedding(5, 3, padding_idx=2), torch.tensor([[1, 2], [1, 4]]), torch.randn(2, 2, 3)
    y = layer(x)
    y.backward(d)
    arrays = {"input": x, "weight": layer.weight, "output": y, "grad_output": d, "grad_weight": layer.weight.grad}
    return "Embedding", {"num_embeddings": 5, "embedding_dim": 3, "padding_idx": 2}, arrays


def torch_cross_entropy():
    x, target, weight = torch.randn(4, 3, requires_grad=True), torch.tensor([0, 2, 1, 1]), torch.rand(3)
    loss = torch.nn.CrossEntropyLoss(weight, ignore_index=2, label_smoothing=0.2)(x, target)
    loss.backward()
    arrays = {"input": x, "target": target, "weight": weight, "output": loss, "grad_input": x.grad}
    return "CrossEntropyLoss", {"ignore_index": 2, "label_smoothing": 0.2}, arrays


def torch_step(make):
    """The third step of an optimizer, its state under PyTorch's own names."""
    p = torch.nn.Parameter(torch.randn(3, 2))
    optimizer = make([p])

    def closure():
        p.grad = 2 * p.detach() + 0.1 * p.detach() ** 3
        return (p.detach() ** 2 + 0.025 * p.detach() ** 4).sum()

    for _ in range(3):
        before, state = p.detach().clone(), copy.deepcopy(optimizer.state_dict()["state"].get(0, {}))
        optimizer.step(closure)
    return before, state, p, optimizer.state_dict()["state"][0]


def torch_nadam():
    before, state, p, after = torch_step(lambda params: torch.optim.NAdam(params, weight_decay=0.1))
    answers = {f"new_{name}": a for name, a in after.items()}
    return "NAdam", {"weight_decay": 0.1}, {"param": before, "grad": p.grad, **state, "new_param": p, **answers}


def torch_lbfgs():
    before, _, p, after = torch_step(lambda params: torch.optim.LBFGS(params, lr=0.5, max_iter=1))
    arrays = {"param": before, "grad": after["prev_flat_grad"].reshape(3, 2), "t": torch.tensor(after["t"])}
    arrays |= {name: torch.stack(after[name]) for name in ("old_dirs", "old_stps")}
    arrays |= {"new_ro": torch.stack(after["ro"]), "new_H_diag": after["H_diag"], "new_d": after["d"], "new_param": p}
    return "LBFGS", {"lr": 0.5, "max_iter": 1}, arrays


@pytest.mark.parametrize(
    "compute",
    [torch_silu, torch_batch_norm, torch_embedding, torch_cross_entropy, torch_nadam, torch_lbfgs],
    ids=lambda compute: compute.__name__,
)
def test_plain_pytorchs_numbers_and_names(compute, capsys):
    """Written by its own writer, with its own metadata."""
    torch.manual_seed(0)
    op, options, arrays = compute()
    plain = {name: a.detach().contiguous() for name, a in arrays.items()}
    safetensors.torch.save_file(plain, "file", {"format": "pt", "op": op, "options": json.dumps(options)})
    assert cli.main(["judge", "file"]) == 0
    assert "not given" not in capsys.readouterr().out


def test_vectors_writes_what_was_asked_for(folder, capsys):
    assert cli.main(["vectors", "ReLU", "Adam", "--dtype", "float32", "--out", "here"]) == 0
    assert sorted(path.name for path in (folder / "here").iterdir()) == [
        "Adam-float32.safetensors",
        "ReLU-float32.safetensors",
    ]
    assert "ReLU-float32.safetensors" in capsys.readouterr().out
    assert cli.main(["judge", *map(str, (folder / "here").iterdir())]) == 0
    assert {case.arrays["input"].dtype for case in read(folder / "here" / "ReLU-float32.safetensors")} == {F32.dtype}
    assert cli.main(["vectors", "ReLU"]) == 0
    assert len(list((folder / "vectors").iterdir())) == 2


def test_all_is_every_op(folder, monkeypatch):
    monkeypatch.setattr("handgrad.vectors.vectors", lambda op, dtype: [relu()])
    assert cli.main(["vectors", "--all"]) == 0
    assert len(list((folder / "vectors").iterdir())) == 2 * len(OPS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["vectors"], ["--all"]),
        (["vectors", "ReLU", "--all"], ["--all"]),
        (["vectors", "Rely"], ["'Rely'", "did you mean 'ReLU'"]),
        (["vectors", "ReLU", "--dtype", "float16"], ["--dtype", "float32, float64"]),
        (["vectors", "ReLU", "--out", "taken"], ["--out taken"]),
        (["judge"], ["FILE"]),
    ],
)
def test_bad_arguments(arguments, words, folder, capsys):
    (folder / "taken").write_text("a file where a folder should be")
    assert cli.main(arguments) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    for word in words:
        assert word in err


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
@pytest.mark.parametrize(("bug", "code"), [("", 0), ("weight", 1)])
def test_a_layer_in_c(bug, code, folder, capsys):
    """A program that knows nothing of us reads the vectors and writes its answers."""
    source = (HERE / "linear.c").read_text()
    assert source.count("\n") < 60
    if bug:
        right = "dx.numbers[n * I + i] += d.numbers[n * O + o] * w.numbers[o * I + i]"
        assert source.count(right) == 1
        source = source.replace(right, right.replace("w.numbers[o * I + i]", "w.numbers[o * I]"))
    (folder / "linear.c").write_text(source)
    subprocess.run(["cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-O1", "-o", "linear", "linear.c"], check=True)
    write(folder / "in", vectors("Linear", "float32"))
    subprocess.run(["./linear", "in", "out"], check=True)
    assert cli.main(["judge", "out"]) == code
    out = capsys.readouterr().out
    assert "judged     output, grad_weight, grad_input\n" in out
    assert ("grad_input is wrong" in out) == bool(bug)
