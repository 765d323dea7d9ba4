import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="medium",
    app_title="Lesson 000: one layer, looked into",
)


@app.cell
def _():
    import marimo as mo
    import notebook
    import numpy as np
    import practice
    import torch

    from handgrad.judge import StepJudge
    from scratch.flags import product

    return StepJudge, notebook, mo, np, practice, product, torch


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    # Lesson 000: one layer, looked into

    The first article (A. Abades Grimes, *From logistic regression to MLPs, 1*) builds the smallest classifier there
    is, softmax(x Wᵀ + b) with two inputs and two classes, and looks at its insides: names, values, gradients. It
    stops before training. Here the same layer stands on both sides, written by hand in NumPy and as PyTorch; then
    both are trained.

    **Move the sliders.** Width 0 is the article's layer without softmax (logistic regression); any other width adds
    two hidden layers of that many units. Step is the moment of training that the maps show.
    """)
    return


@app.cell
def _(mo):
    moments = (0, 1, 2, 5, 10, 20, 50, 100, 200, 300, 500)
    width = mo.ui.slider(steps=[0, 1, 2, 4, 8, 16, 32], value=16, label="width", show_value=True, debounce=True)
    lr = mo.ui.slider(steps=[0.001, 0.003, 0.01, 0.03, 0.1], value=0.01, label="lr", show_value=True, debounce=True)
    step = mo.ui.slider(steps=moments, value=500, label="step", show_value=True)
    mo.hstack([width, lr, step], wrap=True, justify="start")
    return lr, moments, step, width


@app.cell
def _(notebook, lr, moments, width):
    moons = notebook.film("moons", moments, hidden=(width.value,) * 2 if width.value else (), lr=lr.value)
    return (moons,)


@app.cell
def _(notebook, moons, step):
    notebook.show(notebook.shelf(*(notebook.plane(moons, _side, step.value) for _side in ("NumPy", "PyTorch"))))
    return


@app.cell
def _(notebook, moons):
    notebook.show(
        notebook.curves(moons.run, "Loss of each batch of 20. Two correct programs: one line on top of the other.")
    )
    return


@app.cell
def _(notebook, moons):
    logistic = notebook.run("moons-logistic")
    notebook.show(notebook.results({"yours, by the sliders": moons.run, "no hidden layer": logistic}))
    return (logistic,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    A straight line gets 87 of the 100 held-out points right, whatever the start: its loss is convex. The bent line
    of the hidden layers gets 96 to 99. That is the article's announced second part, in two numbers.

    ## The printed numbers, without training

    The article prints W, b, five random inputs and what came out. The same weights, put into both sides:
    """)
    return


@app.cell
def _(notebook, mo, np):
    W = np.array([[-0.7289, 2.0885], [-0.7081, -0.0942]], np.float32)
    b = np.array([-0.3124, -0.0223], np.float32)
    points = np.array(
        [[0.8958, -0.0290], [0.8017, -0.5530], [-0.3895, 1.6482], [0.2550, -1.1994], [0.2616, -0.5097]], np.float32
    )
    printed = np.array([0.4080, 0.1804, 0.9650, 0.0515, 0.1965])  # probability of class 0

    nets = {}
    for _name, _side in notebook.SIDES.items():
        nets[_name] = _side.MLP([2, 2], output_activation="softmax")
        nets[_name].load_state_dict({"layers.0.weight": W, "layers.0.bias": b})
    outputs = {_name: _net.forward(points)[:, 0] for _name, _net in nets.items()}

    # Everything was printed with four decimals. A logit then moves by up to d(|W| + |x| + 1) and d² from each product,
    # a probability of two by a quarter of what the two logits move, and it was rounded itself.
    _logits = notebook.DIGITS * (np.abs(W).sum() + 2 * np.abs(points).sum(axis=1) + 2) + 4 * notebook.DIGITS**2
    allowed = _logits / 4 + notebook.DIGITS

    mo.show_code()
    return W, allowed, b, outputs, printed


@app.cell
def _(allowed, notebook, outputs, printed):
    _rows = zip(printed, outputs["NumPy"], outputs["PyTorch"], allowed, strict=True)
    notebook.show(
        notebook.table(
            ("printed", *notebook.SIDES, "off by", "four decimals allow"),
            [
                (f"{p:.4f}", f"{n:.6f}", f"{t:.6f}", notebook.number(abs(n - p), 2), notebook.number(a, 2))
                for p, n, t, a in _rows
            ],
        )
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Gradients: none, some, twice, none

    Before a backward pass there is no gradient. `backward` takes *any* upstream gradient dL/dy, not only a loss's;
    the article feeds random numbers. Look at the columns of dW: they cancel, for every upstream gradient, as
    softmax's outputs always sum to 1. A second backward *adds*. And then the trap: the article prints zeros after
    `zero_grad`; since PyTorch 2.0 you get None, here as there. The zeros are still to be had.
    """)
    return


@app.cell
def _(W, b, notebook, np, product):
    _rng = np.random.default_rng(0)
    x7, upstream = (_rng.standard_normal((7, 2)).astype(np.float32) for _ in range(2))

    def life_of_a_gradient(side):
        net = side.MLP([2, 2], output_activation="softmax")
        net.load_state_dict({"layers.0.weight": W, "layers.0.bias": b})
        weight, seen = net.layers[0].weight, {}
        seen["before backward"] = weight.grad
        output = net.forward(x7)
        net.backward(upstream)
        seen["after backward"] = weight.grad
        seen["sum of each column"] = weight.grad.sum(axis=0)
        net.forward(x7)
        net.backward(upstream)
        seen["after a second backward"] = weight.grad
        net.zero_grad(set_to_none=False)
        seen["zero_grad(set_to_none=False)"] = weight.grad
        net.zero_grad()
        seen["zero_grad()"] = weight.grad
        # A column is a sum of 14 products of an input and a logit's gradient, made of p and u in 5 roundings.
        size = np.abs(upstream) + np.abs(upstream * output).sum(axis=1, keepdims=True)
        size = product(np.abs(x7).T, output * size)
        return seen, size.sum(axis=1) * (14 + 5) * np.finfo(np.float32).eps

    lives = notebook.both(life_of_a_gradient)
    column_bound = lives["NumPy"][1]
    gradients = {_name: _life[0] for _name, _life in lives.items()}

    def _written(value):
        return "None" if value is None else np.array2string(value, precision=4, suppress_small=True)

    notebook.show(
        notebook.table(
            ("gradient of W", *notebook.SIDES),
            [(key, *(_written(gradients[name][key]) for name in notebook.SIDES)) for key in gradients["NumPy"]],
        )
    )
    return column_bound, gradients


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Five visible steps, and one forgotten

    One training step is five lines, the same on both sides. Leave the first of them out, and every step follows the
    sum of all gradients so far: the net swings like a pendulum instead of settling.
    """)
    return


@app.cell
def _(notebook, mo, np):
    from handgrad.experiments import EXPERIMENTS

    _data = EXPERIMENTS["moons"].data(0)
    x, y = _data.x_train.astype(np.float32), _data.y_train

    def five_steps(side, zero=True, steps=60):
        model = side.MLP([2, 2], rng=0)
        loss, optimizer = side.CrossEntropyLoss(), side.SGD(model.parameters(), lr=0.3)
        losses = []
        for _ in range(steps):
            if zero:
                optimizer.zero_grad()
            output = model.forward(x)
            losses.append(float(loss.forward(output, y)))
            model.backward(loss.backward())
            optimizer.step()
        return losses

    kept = notebook.both(five_steps)
    forgotten = notebook.both(lambda side: five_steps(side, zero=False))
    mo.show_code()
    return forgotten, kept, x, y


@app.cell
def _(notebook, forgotten, kept):
    _steps = range(1, 61)
    notebook.show(
        notebook.shelf(
            *(
                notebook.picture(notebook.lines("step", "loss", {_n: (_steps, _v[_n]) for _n in _v}, log=True), _title)
                for _v, _title in ((kept, "With zero_grad"), (forgotten, "zero_grad forgotten: the gradients pile up"))
            )
        )
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    Nothing raised, so nothing warns you. This project refuses it in two ways: `Trainer.step` runs all five lines
    and cannot forget one, and the judge, which computes what each gradient must be, names the mistake on either
    side:
    """)
    return


@app.cell
def _(StepJudge, notebook, x, y):
    def judged_without_zero_grad(side):
        model = side.MLP([2, 2], rng=0)
        loss, optimizer = side.CrossEntropyLoss(), side.SGD(model.parameters(), lr=0.3)
        judge = StepJudge(model, loss, optimizer)
        verdicts = []
        for _ in range(2):
            before = judge.before()
            value = float(loss.forward(model.forward(x), y))
            model.backward(loss.backward())
            optimizer.step()
            verdicts.append(judge.after(before, x, y, value))
        return verdicts

    verdicts = notebook.both(judged_without_zero_grad)
    stale = {_name: "\n".join(f.render() for f in _v[1].failures[:1]) for _name, _v in verdicts.items()}
    notebook.show(*(notebook.said(_text, good=True) for _text in stale.values()))
    return (stale,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Two traps that wait in part two

    **Softmax twice.** The article's net ends in softmax. `CrossEntropyLoss` applies one itself. Put together they
    train, but on the wrong thing: of two probabilities the larger is at most 1, so the loss
    cannot fall below log(1 + 1/e) = 0.3133.

    **int32 labels.** The article stores its labels as int32. PyTorch's loss does not take them.
    """)
    return


@app.cell
def _(notebook, np, torch, x, y):
    def ends_in(side, activation, loss_name, steps=300):
        model = side.MLP([2, 2], output_activation=activation, rng=0)
        loss, losses = getattr(side, loss_name)(), []
        trainer = side.Trainer(model, loss, side.SGD(model.parameters(), lr=1.0))
        for _ in range(steps):
            losses.append(trainer.step(x, y))
        return losses

    floor = np.log1p(np.exp(-1))
    double = notebook.both(lambda side: ends_in(side, "softmax", "CrossEntropyLoss"))
    single = notebook.both(lambda side: ends_in(side, None, "CrossEntropyLoss"))
    named = notebook.both(lambda side: ends_in(side, "log_softmax", "NLLLoss"))

    labels = y.astype(np.int32)
    plain = torch.nn.CrossEntropyLoss()
    torch_int32 = notebook.refused(RuntimeError, lambda: plain(torch.zeros(100, 2), torch.tensor(labels)))
    logits = np.zeros((100, 2), np.float32)
    int32 = notebook.both(lambda side: float(side.CrossEntropyLoss().forward(logits, labels)))
    int64 = notebook.both(lambda side: float(side.CrossEntropyLoss().forward(logits, labels.astype(np.int64))))

    _steps = range(1, 301)
    _curves = {
        "NumPy, softmax twice": (_steps, double["NumPy"]),
        "PyTorch, softmax twice": (_steps, double["PyTorch"]),
        "floor 0.3133": ((1, 300), (floor, floor)),
        "softmax once (both)": (_steps, single["NumPy"]),
    }
    notebook.show(
        notebook.picture(
            notebook.lines("step", "loss", _curves), "The same points, the same start: twice stays above."
        ),
        notebook.table(
            ("net ends in", "loss", *notebook.SIDES),
            [
                ("softmax", "CrossEntropyLoss", *(f"{double[n][-1]:.4f}" for n in notebook.SIDES)),
                ("nothing (logits)", "CrossEntropyLoss", *(f"{single[n][-1]:.4f}" for n in notebook.SIDES)),
                ("log_softmax", "NLLLoss", *(f"{named[n][-1]:.4f}" for n in notebook.SIDES)),
            ],
        ),
        "<p>Plain PyTorch and int32 labels:</p>",
        notebook.said(torch_int32),
        f"<p>Both sides here take them: the loss is {int32['NumPy']:.4f} and {int32['PyTorch']:.4f}, log 2.</p>",
    )
    return double, floor, int32, int64, named, single, torch_int32


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Predict, then write it

    The gradient of softmax and cross-entropy together is one of the shortest there are.

    **Predict**: a point has the probabilities p = (0.2, 0.8), and its class is 0. What is dL/dlogit₀?

    **Write**: `backward` of the cross-entropy of logits, the mean over N points. The check answers as you type.
    """)
    return


@app.cell
def _(mo, np, practice):
    task = practice.Practice(
        looks={
            "dL/dlogit₀ = p₀ − 1": -0.8,
            "p₀: the 1 of the class is missing": 0.2,
            "dL/dlogit₀ with the sign turned, which is dL/dlogit₁": 0.8,
            "dL/dp₀ = −1/p₀: the softmax is missing": -5.0,
        },
        hint="Type your number above. If the loss falls as logit₀ grows, it is negative.",
        ops=("CrossEntropyLoss", "Softmax", "Linear"),
        start="""\
class CrossEntropy:
    def forward(self, logits, target):  # (N, C), and N class numbers
        e = np.exp(logits)
        self.p, self.target = e / e.sum(axis=1, keepdims=True), target
        return -np.log(self.p[np.arange(len(target)), target]).mean()

    def backward(self):
        raise NotImplementedError("dL/dlogits, (N, C), of self.p and self.target")
""",
        fill="grad = self.p.copy()\ngrad[np.arange(len(grad)), self.target] -= 1\nreturn grad / len(grad)",
        slip="grad = self.p.copy()\ngrad[np.arange(len(grad)), self.target] -= 1\nreturn grad",
        inputs=(np.array([[0.5, -1.0], [1.5, 0.25], [-0.75, 1.0]]), np.array([0, 1, 1])),
    )
    guess, editor = task.asked("your dL/dlogit₀")
    mo.vstack([guess, editor])
    return editor, guess, task


@app.cell
def _(editor, guess, task):
    learnt = task.kept()
    task.shown(guess.value, editor.value)
    return (learnt,)


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    No program can see that probabilities were meant as logits: they are numbers like others. So the recipes of this
    project end in logits, and each loss says in its name what it wants. Last, what this lesson promised, checked:
    """)
    return


@app.cell
def _(
    learnt,
    allowed,
    notebook,
    column_bound,
    double,
    floor,
    forgotten,
    gradients,
    int32,
    int64,
    kept,
    logistic,
    moons,
    named,
    np,
    outputs,
    printed,
    single,
    stale,
    torch_int32,
):
    _grads = gradients.values()
    promises = {
        "parity held in every judged step of both runs": moons.run.parity and logistic.parity,
        "both runs reach what is expected of them": notebook.met(moons.run) and notebook.met(logistic),
        "the article's five outputs come out on both sides, as far as four decimals say": all(
            (np.abs(o - printed) <= allowed).all() for o in outputs.values()
        ),
        "no gradient before backward, None after zero_grad, zeros on request": all(
            g["before backward"] is None and g["zero_grad()"] is None and not g["zero_grad(set_to_none=False)"].any()
            for g in _grads
        ),
        "a second backward doubles the gradient": all(
            (g["after a second backward"] == 2 * g["after backward"]).all() for g in _grads
        ),
        "the columns of softmax's dW cancel": all(
            (np.abs(g["sum of each column"]) <= column_bound).all() for g in _grads
        ),
        "without zero_grad the loss ends higher than with it": all(forgotten[n][-1] > kept[n][-1] for n in kept),
        "the judge refuses the forgotten zero_grad": all("accumulated" in text for text in stale.values()),
        "softmax twice stays above its floor, softmax once falls below it": all(
            min(double[n]) > floor > single[n][-1] for n in double
        ),
        "log_softmax with NLLLoss is CrossEntropyLoss on logits": all(
            f"{named[n][-1]:.4f}" == f"{single[n][-1]:.4f}" for n in named
        ),
        "plain PyTorch refuses int32 labels, both sides here take them as they take int64": bool(torch_int32)
        and int32 == int64,
    } | learnt
    notebook.checklist(promises)
    return


if __name__ == "__main__":
    app.run()
