import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="medium",
    app_title="Lesson 001: five steps, and a loss that falls for the wrong reason",
)


@app.cell
def _():
    import marimo as mo
    import notebook
    import numpy as np
    import practice
    import torch

    from handgrad.experiments import EXPERIMENTS
    from handgrad.experiments.quartic import quartic
    from handgrad.report import plots

    return EXPERIMENTS, notebook, mo, np, practice, plots, quartic, torch


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    # Lesson 001: five steps, and a loss that falls for the wrong reason

    The second article (T. Sarkar, *Building and experimenting with neural networks in PyTorch*, and its notebook)
    trains a 5-8-4-1 net on 100 points of five features: zero the gradients, go forward, compute the loss, go
    backward, step. It watches the probabilities part, mixes two activations, and writes a loss of its own, mean((y
    − t)⁴).

    Its curves all fall. Two of them, as this lesson shows, fall on the wrong task, and no error was printed.

    **Move the sliders**: the width of the first hidden layer, the learning rate, and the training step at which the
    bars below show the 100 probabilities.
    """)
    return


@app.cell
def _(mo):
    moments = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
    width = mo.ui.slider(steps=[1, 2, 4, 8, 16, 32], value=8, label="width", show_value=True, debounce=True)
    lr = mo.ui.slider(steps=[0.01, 0.04, 0.1, 0.3, 1.0], value=0.1, label="lr", show_value=True, debounce=True)
    step = mo.ui.slider(steps=moments, value=1000, label="step", show_value=True)
    mo.hstack([width, lr, step], wrap=True, justify="start")
    return lr, moments, step, width


@app.cell
def _(EXPERIMENTS, notebook, lr, moments, width):
    data = EXPERIMENTS["five-features"].data(0)
    bars = notebook.film("five-features", moments, at=data.x_train, hidden=(width.value, 4), lr=lr.value)
    return bars, data


@app.cell
def _(bars, notebook, data, np, plots, step):
    def probabilities(figure):
        axes = figure.add_subplot(
            xlabel="point, those of class 1 at the right", ylabel="probability of class 1", ylim=(0, 1)
        )
        order = np.argsort(data.y_train[:, 0], kind="stable")
        ours, theirs = (bars.answer(side, step.value)[order, 0] for side in notebook.SIDES)
        zeros = int((data.y_train == 0).sum())
        for start, stop in ((0, zeros), (zeros, 100)):
            label = f"NumPy, class {int(start > 0)}"
            face = plots.NUMPY if start else "none"
            axes.bar(range(start, stop), ours[start:stop], color=face, edgecolor=plots.NUMPY, label=label, alpha=0.75)
        axes.plot(range(100), theirs, ".", color=plots.TORCH, markersize=5, label="PyTorch")
        figure.legend(loc="outside upper left", ncols=3, borderaxespad=0)

    notebook.show(
        notebook.picture(notebook.draw((7.5, 3.2), probabilities), f"The 100 probabilities after {step.value} steps."),
        notebook.curves(bars.run, "Binary cross-entropy of all 100 points, step by step."),
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## The five steps, visibly

    The same five lines on both sides. The article's own ten losses came from a start nobody can repeat (no seed),
    and from targets of another shape; ours start elsewhere and fall alike. All hundred points make one batch here,
    and only therefore are five steps an *epoch*, as the article says.
    """)
    return


@app.cell
def _(notebook, data, mo, np):
    x, y = data.x_train.astype(np.float32), data.y_train.astype(np.float32)

    def ten_epochs(side):
        model = side.MLP([5, 8, 4, 1], output_activation="sigmoid", rng=0)
        loss, optimizer = side.BCELoss(), side.SGD(model.parameters(), lr=0.1)
        losses = []
        for _ in range(10):
            optimizer.zero_grad()
            output = model.forward(x)
            losses.append(float(loss.forward(output, y)))
            model.backward(loss.backward())
            optimizer.step()
        return losses

    first_ten = notebook.both(ten_epochs)
    mo.show_code()
    return first_ten, x, y


@app.cell
def _(notebook, first_ten):
    source_ten = (0.705, 0.703, 0.702, 0.700, 0.698, 0.696, 0.694, 0.693, 0.691, 0.689)
    _rows = zip(range(1, 11), source_ten, first_ten["NumPy"], first_ten["PyTorch"], strict=True)
    notebook.show(
        notebook.table(
            ("epoch", "the source printed", *notebook.SIDES),
            [(e, f"{s:.3f}", f"{n:.6f}", f"{t:.6f}") for e, s, n, t in _rows],
        ),
        "<p>Over 20 seeds of ours the loss after these ten steps is .617 to .717, median .676.</p>",
    )
    return (source_ten,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## One activation, or two at once

    The article's playful net feeds the first layer to ReLU *and* to tanh and adds the two. On both sides here that
    is `Parallel(ReLU(), Tanh())`.
    """)
    return


@app.cell
def _(bars, notebook):
    mixed = notebook.run("relu-tanh")
    plain = notebook.run(
        "five-features",
        lr=0.04,
        epochs=100,
        printed="loss 0.68863",
        band="final loss .465 to .696, median .596; ≤ .65 in 16 of 20 seeds",
        expect=notebook.at_most("final_loss", 0.65),
    )
    notebook.show(
        notebook.results(
            {
                "yours, by the sliders": bars.run,
                "relu + tanh, lr 0.04, 100 epochs": mixed,
                "relu alone, the same": plain,
            }
        )
    )
    return mixed, plain


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## A dead unit, in print

    The notebook prints the gradient of the second hidden layer, and its fourth row is nothing but zeros. Nobody
    remarks on it: that unit's input to ReLU is negative for all hundred points, so it gives 0 whatever comes in,
    and no gradient passes. A step leaves its weights as they are. Here is the first seed whose net starts with such
    a unit:
    """)
    return


@app.cell
def _(notebook, np, x, y):
    def second_layer(side, seed):
        model = side.MLP([5, 8, 4, 1], output_activation="sigmoid", rng=seed)
        loss, optimizer = side.BCELoss(), side.SGD(model.parameters(), lr=0.1)
        weight = model.layers[2].weight
        before = weight.data.copy()
        loss.forward(model.forward(x), y)
        model.backward(loss.backward())
        optimizer.step()
        return before, weight.grad, weight.data.copy()

    dead_seed = next(s for s in range(1000) if not second_layer(notebook.SIDES["NumPy"], s)[1].any(axis=1).all())
    one_step = notebook.both(lambda side: second_layer(side, dead_seed))
    dead_row = int(np.argmin(np.abs(one_step["NumPy"][1]).sum(axis=1)))

    def _row(values):
        return np.array2string(values, precision=4, suppress_small=True, max_line_width=200)

    _before, _gradient, _after = one_step["NumPy"]
    notebook.show(
        f"<p>Seed {dead_seed}, unit {dead_row}; NumPy's numbers, and PyTorch's are zero in the same places.</p>",
        notebook.table(
            ("unit", "gradient of its 8 weights", "moved by the step"),
            [(i, _row(_gradient[i]), "yes" if (_after[i] != _before[i]).any() else "no") for i in range(4)],
        ),
    )
    return dead_row, one_step


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## The trap: (200, 1) against (200,)

    For its regression the notebook hands targets of shape (200,) to outputs of shape (200, 1). Subtracting them
    gives 200 × 200 numbers, every output against every target. Plain PyTorch computes on; for `MSELoss` it warns,
    for a loss one writes oneself it says nothing. What does the net learn? The mean over all pairs is var(t) plus
    the mean of (yᵢ − mean(t))²: *always answer the mean*. The shown loss cannot fall below the variance of the
    targets, and the true one stays there.
    """)
    return


@app.cell
def _(EXPERIMENTS, notebook, np, torch):
    import torch_impl

    twenty = EXPERIMENTS["regression"].data(0)
    inputs = torch.tensor(twenty.x_train.astype(np.float32))
    column = torch.tensor(twenty.y_train.astype(np.float32))  # (200, 1)
    flat = column[:, 0]  # (200,)
    variance = float(column.var(unbiased=False))

    def squares(output, target):
        return torch.nn.functional.mse_loss(output, target)

    def fourth_powers(output, target):
        return ((output - target) ** 4).mean()

    def plain_torch(loss, target, steps=200):
        model = torch_impl.MLP([20, 40, 40, 1], rng=0).module
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        shown, true = [], []
        for _ in range(steps):
            optimizer.zero_grad()
            output = model(inputs)
            value = loss(output, target)
            value.backward()
            optimizer.step()
            shown.append(value.item())
            true.append(squares(output, column).item())
        return shown, true

    (broadcast_shown, broadcast_true), warning = notebook.warned(lambda: plain_torch(squares, flat))
    right, no_warning = notebook.warned(lambda: plain_torch(squares, column)[1])
    (quartic_shown, quartic_true), quartic_warning = notebook.warned(lambda: plain_torch(fourth_powers, flat))
    quartic_right, _ = notebook.warned(lambda: plain_torch(fourth_powers, column)[1])

    _steps = range(1, 201)
    _curves = {
        "shown by the wrong net": (_steps, broadcast_shown),
        "its true MSE": (_steps, broadcast_true),
        "shapes right": (_steps, right),
        "variance of the targets": ((1, 200), (variance, variance)),
    }
    notebook.show(
        notebook.picture(
            notebook.lines("step", "mean squared error", _curves), "Same net, same start. The wrong curve falls, too."
        ),
        notebook.said(f"MSELoss: {warning}\nmean((y − t)⁴): {quartic_warning or 'no word'}"),
        notebook.table(
            ("loss trained on", "true MSE, (200,)", "true MSE, (200, 1)", "variance"),
            [
                ("MSE", f"{broadcast_true[-1]:.5f}", f"{right[-1]:.5f}", f"{variance:.5f}"),
                ("quartic", f"{quartic_true[-1]:.5f}", f"{quartic_right[-1]:.5f}", f"{variance:.5f}"),
            ],
        ),
        "<p>In PyTorch 2.13 with its own start, the notebook's two runs end at .14257 and .14255 (variance .14540); "
        "with the shapes right, at .13463 and .13584.</p>",
    )
    return (
        broadcast_shown,
        broadcast_true,
        no_warning,
        quartic_right,
        quartic_shown,
        quartic_true,
        quartic_warning,
        right,
        variance,
        warning,
    )


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    **Refused here**, by every elementwise loss of both sides, the article's quartic loss included; and the same two
    runs with the shapes right:
    """)
    return


@app.cell
def _(notebook, np, quartic):
    _output, _target = np.zeros((200, 1), np.float32), np.zeros(200, np.float32)
    refusals = {}
    for _name, _side in notebook.SIDES.items():
        for _loss in (_side.MSELoss(), _side.BCELoss(), quartic(notebook.KEYS[_name])):
            refusals[_name, _loss.name] = notebook.refused(
                ValueError, lambda loss=_loss: loss.forward(_output, _target)
            )
    regression, quartic_run = notebook.run("regression"), notebook.run("quartic")
    notebook.show(
        notebook.said("\n".join(f"{name}. {text}" for (name, _), text in refusals.items()), good=True),
        notebook.results({"20-40-40-1, MSE": regression, "the same, quartic": quartic_run}),
    )
    return quartic_run, refusals, regression


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Predict, then write it

    **Predict**: the outputs have the shape (200, 1), the targets (200,). How many differences does a loss that
    broadcasts average over?

    **Write**: `backward` of the article's own loss, mean((y − t)⁴), for shapes that are equal.
    """)
    return


@app.cell
def _(mo, np, practice):
    task = practice.Practice(
        looks={
            "200 × 200: every output against every target": 40000.0,
            "the number of points: what was meant, and what equal shapes give": 200.0,
            "the numbers on both sides together": 400.0,
        },
        hint="Type your number above. Write the two shapes below each other, from the right.",
        ops=("MSELoss", "BCELoss", "ReLU"),
        start="""\
class Quartic:
    def forward(self, y, t):
        self.d = y - t
        return (self.d**4).mean()

    def backward(self):
        raise NotImplementedError("dL/dy, of self.d")
""",
        fill="return 4 * self.d**3 / self.d.size",
        slip="return 4 * self.d**3",
        inputs=(np.array([[0.5], [-1.0], [2.0]]), np.array([[1.0], [0.25], [-0.5]])),
    )
    guess, editor = task.asked("how many differences")
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
    **And one that age brought.** The notebook gives `make_regression` its arguments by position; today's
    scikit-learn refuses that. Here they have names.
    """)
    return


@app.cell
def _(notebook):
    from sklearn.datasets import make_regression

    positional = notebook.refused(TypeError, lambda: make_regression(200, 20, 20, 1, noise=0.01, shuffle=False))
    notebook.show(notebook.said(positional))
    return (positional,)


@app.cell
def _(
    learnt,
    bars,
    notebook,
    broadcast_shown,
    broadcast_true,
    dead_row,
    first_ten,
    mixed,
    no_warning,
    np,
    one_step,
    plain,
    positional,
    quartic_right,
    quartic_run,
    quartic_shown,
    quartic_true,
    quartic_warning,
    refusals,
    regression,
    right,
    source_ten,
    variance,
    warning,
):
    promises = {
        "parity held in every judged step of all five runs": all(
            r.parity for r in (bars.run, mixed, plain, regression, quartic_run)
        ),
        "all five runs reach what is expected of them": all(
            notebook.met(r) for r in (bars.run, mixed, plain, regression, quartic_run)
        ),
        "untrained, every probability is near ½: between .4 and .65": all(
            0.4 < bars.answer(n, 0).min() and bars.answer(n, 0).max() < 0.65 for n in notebook.SIDES
        ),
        "ten epochs: the loss falls in each, on both sides, as in print": all(
            (np.diff(losses) < 0).all() for losses in (*first_ten.values(), source_ten)
        ),
        "a dead unit has a gradient of zeros and is not moved, on both sides": all(
            not g[dead_row].any() and (w[dead_row] == b[dead_row]).all() for b, g, w in one_step.values()
        ),
        "broadcast: the shown loss falls, and never below the variance": (
            broadcast_shown[0] > broadcast_shown[-1] > variance and quartic_shown[0] > quartic_shown[-1]
        ),
        "broadcast: the true loss ends higher than with the shapes right, for both losses": (
            broadcast_true[-1] > right[-1] and quartic_true[-1] > quartic_right[-1]
        ),
        "plain PyTorch warns for MSELoss, and says nothing for a loss of one's own": (
            "broadcasting" in warning and not no_warning and not quartic_warning
        ),
        "both sides refuse (200, 1) against (200,) in all three losses": all(
            "(200, 1)" in text and "(200,)" in text for text in refusals.values()
        ),
        "scikit-learn refuses the notebook's call": "positional" in positional,
    } | learnt
    notebook.checklist(promises)
    return


if __name__ == "__main__":
    app.run()
