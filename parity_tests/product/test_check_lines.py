"""The line that a wrong gradient comes from: bugs planted in plain layers, and the line that is named.

A row is a bug: code, what is right in it, what stands there instead, and what is suggested. One body runs over the
table.
"""

from pathlib import Path
from types import FunctionType

import pytest

from handgrad.check import check_file, check_gradients
from handgrad.check.files import run_file

LINEAR = """
class Layer:
    def __init__(self):
        self.W, self.b = np.linspace(-1, 1, 12).reshape(3, 4), np.linspace(0, 1, 4)
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = np.sum(dout, axis=0)
        return dout @ self.W.T
"""
STEP = """
class Layer:
    def __init__(self):
        self.W, self.b = np.linspace(-1, 1, 12).reshape(3, 4), np.zeros((1, 4))
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, grad, lr):
        dx = grad @ self.W.T
        self.W -= lr * (self.x.T @ grad)
        self.b -= lr * grad.sum(axis=0, keepdims=True)
        return dx
"""
RELU = """
class Layer:
    def forward(self, x):
        self.x = x
        return np.maximum(x, 0)
    def backward(self, dout):
        dx = dout.copy()
        dx[self.x <= 0] = 0
        return dx
"""
SIGMOID = """
class Layer:
    def forward(self, x):
        self.x = x
        self.y = 1 / (1 + np.exp(-x))
        return self.y
    def backward(self, dout):
        grad = self.y * (1 - self.y)
        return dout * grad
"""
SOFTMAX = """
class Layer:
    def forward(self, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.s = e / e.sum(axis=1, keepdims=True)
        return self.s
    def backward(self, dout):
        inner = np.sum(dout * self.s, axis=1, keepdims=True)
        return self.s * (dout - inner)
"""
MEAN = """
class Loss:
    def forward(self, pred, target):
        self.diff = pred - target
        return np.mean(self.diff ** 2)
    def backward(self):
        return 2 * self.diff / self.diff.size
"""
CROSS = """
def loss(x, y):
    N = x.shape[0]
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    p = e / np.sum(e, axis=1, keepdims=True)
    dx = p.copy()
    dx[np.arange(N), y] -= 1
    dx /= N
    return -np.sum(np.log(p[np.arange(N), y])) / N, dx
"""
NORM = """
class Layer:
    def __init__(self):
        self.gamma, self.beta, self.eps = np.ones(3), np.zeros(3), 1e-5
    def forward(self, x):
        self.xc = x - x.mean(axis=0)
        self.std = np.sqrt(np.mean(self.xc ** 2, axis=0) + self.eps)
        self.xhat = self.xc / self.std
        return self.gamma * self.xhat + self.beta
    def backward(self, dout):
        N = dout.shape[0]
        self.dgamma = np.sum(dout * self.xhat, axis=0)
        self.dbeta = np.sum(dout, axis=0)
        dxhat = dout * self.gamma
        dvar = np.sum(dxhat * self.xc * -0.5 * self.std ** -3, axis=0)
        dmu = -np.sum(dxhat / self.std, axis=0)
        return dxhat / self.std + 2 * dvar * self.xc / N + dmu / N
"""
TABLE = """
class Embedding:
    def __init__(self):
        self.W = np.linspace(-1, 1, 15).reshape(5, 3)
    def forward(self, idx):
        self.idx = idx
        return self.W[idx]
    def backward(self, dout):
        dW = np.zeros_like(self.W)
        np.add.at(dW, self.idx, dout)
        self.dW = dW
"""
CELL = """
def step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)
    return next_h, (x, prev_h, Wx, Wh, next_h)
def step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    dz = dnext_h * (1 - next_h ** 2)
    return dz @ Wx.T, dz @ Wh.T, x.T @ dz, prev_h.T @ dz, dz.sum(axis=0)
"""
PARTS = """
def affine_forward(x, w, b):
    return x @ w + b, (x, w)
def affine_backward(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout, dout.sum(0)
"""
NET = """
class Net:
    def __init__(self):
        self.W1, self.b1 = np.linspace(-1, 1, 12).reshape(3, 4), np.zeros((1, 4))
        self.W2, self.b2 = np.linspace(-1, 2, 8).reshape(4, 2), np.zeros((1, 2))
    def forward(self, X):
        self.z1 = X @ self.W1 + self.b1
        self.a1 = np.tanh(self.z1)
        return self.a1 @ self.W2 + self.b2
    def loss(self, X, y):
        return 0.5 * np.sum((self.forward(X) - y) ** 2)
    def backprop(self, X, y):
        dz2 = self.forward(X) - y
        self.dW2 = self.a1.T @ dz2
        self.db2 = np.sum(dz2, axis=0, keepdims=True)
        dz1 = (dz2 @ self.W2.T) * (1 - self.a1 ** 2)
        self.dW1 = X.T @ dz1
        self.db1 = np.sum(dz1, axis=0, keepdims=True)
"""
TRAIN = """
def train(X, y, lr=0.1, epochs=100):
    W = np.zeros(X.shape[1])
    for _ in range(epochs):
        e = X @ W - y
        loss = (e**2).sum() / 2
        W -= lr * X.T @ e
    return W
"""
MADE = """
class Regression:
    def __init__(self, X, y):
        self.X, self.y, self.w, self.b = X, y, np.zeros(X.shape[1]), 0.0
    def loss(self):
        return ((self.X @ self.w + self.b - self.y) ** 2).mean() / 2
    def fit(self):
        rate, epochs = 0.1, 100
        for _ in range(epochs):
            e = self.X @ self.w + self.b - self.y
            self.w = self.w - rate * self.X.T @ e / len(e)
            self.b = self.b - rate * e.mean()
"""

# Code, what is right in it, what stands there, and the statement that is suggested.
BUGS = {
    "no axis": (LINEAR, "np.sum(dout, axis=0)", "np.sum(dout)", "self.db = np.sum(dout, axis=0)"),
    "a mean": (LINEAR, "np.sum(dout, ", "np.mean(dout, ", "self.db = np.sum(dout, axis=0)"),
    "a sign": (LINEAR, "= self.x.T @ dout", "= -self.x.T @ dout", "self.dW = self.x.T @ dout"),
    "a divisor": (LINEAR, "return dout @ self.W.T", "return dout @ self.W.T / 3", "return dout @ self.W.T"),
    "a comparison": (RELU, "self.x <= 0", "self.x >= 0", "dx[self.x < 0] = 0"),
    "another array": (RELU, "self.x <= 0", "dout <= 0", "dx[self.x <= 0] = 0"),
    "the input for the output": (
        SIGMOID,
        "self.y * (1 - self.y)",
        "self.x * (1 - self.x)",
        "grad = self.y * (1 - self.y)",
    ),
    "an axis": (
        SOFTMAX,
        "dout * self.s, axis=1",
        "dout * self.s, axis=0",
        "inner = np.sum(dout * self.s, axis=1, keepdims=True)",
    ),
    "a factor": (SOFTMAX, "dout * self.s, ", "dout, ", "inner = np.sum(dout * self.s, axis=1, keepdims=True)"),
    "the rows for all numbers": (MEAN, "self.diff.size", "len(self.diff)", "return 2 * self.diff / self.diff.size"),
    "a number": (MEAN, "return 2 * ", "return ", "return 2 * (self.diff / self.diff.size)"),
    "set, not added": (CROSS, "] -= 1", "] = -1", "dx[np.arange(N), y] += -1"),
    "the number of samples": (CROSS, "dx /= N", "dx /= 1", "dx /= 1 * N"),
    "a power": (NORM, "** -3", "** -1", "dvar = np.sum(dxhat * self.xc * -0.5 * self.std ** (-3), axis=0)"),
    "a minus": (NORM, "dmu = -np", "dmu = np", "dmu = -np.sum(dxhat / self.std, axis=0)"),
    "a term": (NORM, " + dmu / N", "", "return dxhat / self.std + 2 * dvar * self.xc / N + dmu / N"),
    "in a loop that trains": (TRAIN, "lr * X.T @ e", "lr * X.T @ e / len(e)", "W -= lr * X.T @ e"),
    "in a class that is made of its data": (MADE, "e.mean()", "e.sum()", "self.b = self.b - rate * e.mean()"),
    "rows that repeat": (
        TABLE,
        "np.add.at(dW, self.idx, dout)",
        "dW[self.idx] += dout",
        "np.add.at(dW, self.idx, dout)",
    ),
    "the state before": (CELL, "1 - next_h ** 2", "1 - prev_h ** 2", "dz = dnext_h * (1 - next_h ** 2)"),
    "before the activation": (NET, "1 - self.a1", "1 - self.z1", "dz1 = (dz2 @ self.W2.T) * (1 - self.a1 ** 2)"),
    "no hidden derivative": (
        NET,
        "(dz2 @ self.W2.T) * (1 - self.a1 ** 2)",
        "dz2 @ self.W2.T",
        "dz1 = dz2 @ self.W2.T * (1 - self.a1 ** 2)",
    ),
    "in a tuple": (PARTS, "dout.sum(0)", "dout.sum()", "return dout @ w.T, x.T @ dout, dout.sum(axis=0)"),
    "after its own update": (
        STEP,
        "dx = grad @ self.W.T\n        self.W -= lr * (self.x.T @ grad)\n",
        "self.W -= lr * (self.x.T @ grad)\n        dx = grad @ self.W.T\n",
        "this line at the end of its block",
    ),
}
TARGETS = {MEAN: "Loss", CROSS: "loss", TABLE: "Embedding", CELL: "step_forward,step_backward", NET: "Net"}
TARGETS |= {PARTS: "affine_forward,affine_backward", TRAIN: "train", MADE: "Regression"}


def placed(tmp_path: Path, code: str) -> Path:
    file = tmp_path / "mine.py"
    file.write_text(f"import numpy as np\n{code}", encoding="utf-8")
    return file


@pytest.mark.parametrize("name", BUGS)
def test_the_line_of_a_bug_is_named(name, tmp_path):
    code, right, wrong, edit = BUGS[name]
    assert code.count(right) == 1
    file = placed(tmp_path, code.replace(right, wrong))
    found = check_file(f"{file}:{TARGETS.get(code, 'Layer')}")
    assert found.status == "wrong", found.render()
    first = found.lines[0]
    bad, good = (text.split("\n") for text in (code.replace(right, wrong), code))
    planted = next(i for i, (a, b) in enumerate(zip(bad, good, strict=True)) if a != b)
    assert (first.line, first.edit, first.rights) == (planted + 2, edit, ())
    assert f"  likeliest  mine.py:{first.line}: {first.code}\n" in found.render()
    assert f"with  {edit}  every gradient would be right" in found.render()
    assert found.as_dict()["lines"][0] == {
        "file": str(file),
        "line": planted + 2,
        "code": " ".join(bad[planted].split()),
        "edit": edit,
        "rights": [],
    }


def test_of_two_bugs_each_line_is_named(tmp_path):
    """No single edit makes all right: what each makes right is said."""
    code = LINEAR.replace("= self.x.T @ dout", "= -self.x.T @ dout").replace("np.sum(dout, axis=0)", "np.sum(dout)")
    found = check_file(f"{placed(tmp_path, code)}:Layer")
    assert {(s.line, s.rights) for s in found.lines} == {(10, ("W",)), (11, ("b",))}
    assert found.render().count("not all, would be right") == 2
    assert "  or         mine.py:" in found.render()


TANH = """
class Layer:
    def forward(self, inp):
        self.inp = inp
        return inp + np.tanh(inp + inp ** 3)
    def backward(self, dout):
        inp = self.inp
        return (1 + (1 - np.tanh(inp + inp ** 3) ** 2) * (1 + inp * inp)) * dout
"""
RUNNING = """
class Layer:
    def __init__(self):
        self.running_var = np.ones(3)
    def forward(self, x):
        var = x.var(0)
        self.running_var = 0.5 * self.running_var + 0.5 * var
        self.xhat = (x - x.mean(0)) / np.sqrt(var + 1e-5)
        return self.xhat
    def backward(self, g):
        return (g - g.mean(0) - self.xhat * (g * self.xhat).mean(0)) / np.sqrt(self.running_var + 1e-5)
"""
NONE = {
    "a factor of 3 is missing, which is the drawn width too": TANH,
    "running statistics, which are for later": RUNNING,
    "two edits apart": SOFTMAX.replace("(dout - inner)", "(1 - self.s) * dout"),
    "no backward of its own": SIGMOID.replace("dout * grad", "np.cos(dout)"),
}


@pytest.mark.parametrize("name", NONE)
def test_where_no_edit_helps_nothing_is_said(name, tmp_path):
    found = check_file(f"{placed(tmp_path, NONE[name])}:Layer")
    assert found.status == "wrong"
    assert found.lines == []
    assert "likeliest" not in found.render()


def test_a_right_gradient_has_no_line(tmp_path):
    assert check_file(f"{placed(tmp_path, LINEAR)}:Layer").as_dict()["lines"] == []


ENDLESS = """
def after(i):
    return i + 1
def f(x):
    return x ** 3
def f_grad(x):
    print("once more")
    i, total = 0, np.zeros_like(x)
    while i != 3:
        total = total + x
        i = after(i)
    return total * x * x
"""


def test_the_users_code_is_as_before_and_an_edit_that_never_ends_is_left(tmp_path, capsys):
    """`i - 1` for `i + 1` runs for ever. What is tried prints nothing, and the functions have their own code again."""
    module = run_file(str(placed(tmp_path, ENDLESS)))
    codes = {n: f.__code__ for n, f in vars(module).items() if isinstance(f, FunctionType)}
    found = check_gradients((module.f, module.f_grad), shape=(2, 2))
    assert [s.edit for s in found.lines] == ["return total * x"]
    assert all(vars(module)[n].__code__ is code for n, code in codes.items())
    assert len(codes) == 3
    assert capsys.readouterr().out.count("once more") < 1_000


def test_code_without_a_source_has_no_line():
    space = {}
    exec("def f(x): return x * x\ndef g(x): return 3 * x", space)
    found = check_gradients((space["f"], space["g"]))
    assert (found.status, found.lines) == ("wrong", [])


def test_a_file_that_changed_after_its_import_has_no_line(tmp_path):
    """The line would be one of other code."""
    file = placed(tmp_path, SIGMOID.replace("1 - self.y)", "1 + self.y)"))
    module = run_file(str(file))
    assert [s.line for s in check_gradients(module.Layer).lines] == [8 + 1]
    file.write_text("import numpy as np\n" + SIGMOID.replace("1 - self.y)", "2 * self.y)"), encoding="utf-8")
    assert check_gradients(module.Layer).lines == []


def test_of_a_script_that_trains_the_line_is_named_too(tmp_path):
    """Only its definitions are run, each by itself: a call of what is imported compiles to other code then."""
    code = "def f(x): return np.tanh(x)\ndef f_grad(x):\n    y = np.tanh(x)\n    return 1 + y**2\nwhile True: f(1)\n"
    assert [s.edit for s in check_file(f"{placed(tmp_path, code)}:f").lines] == ["return 1 - y ** 2"]
