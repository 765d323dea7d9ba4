import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="medium",
    app_title="Lesson 003: twelve rules of the plane",
)


@app.cell
def _():
    import marimo as mo
    import notebook
    import numpy as np
    import practice
    import torch

    import scratch
    import torch_impl
    from handgrad.experiments import EXPERIMENTS
    from handgrad.experiments.own import find
    from handgrad.report import plots

    return EXPERIMENTS, notebook, find, mo, np, practice, plots, scratch, torch, torch_impl


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    # Lesson 003: twelve rules of the plane

    The fourth source (*takeawildguess*) wraps a small net into a class and gives it twelve rules to learn from 2500
    points of the square [−2, 2]²: six of yes or no, three of four classes, three numbers. Three runs are printed,
    all 2-6-1 or 2-6-4 with ReLU and Adam, 200 epochs of 25 batches.

    Here are all twelve, and what is behind the printed lines: weights that were shown before training, a list that
    hides a net's parameters, a class that exists on one ray only.
    """)
    return


@app.cell
def _(EXPERIMENTS, notebook, plots):
    rules = [name for name, recipe in EXPERIMENTS.items() if recipe.source == "003"]

    def gallery(figure):
        for axes, name in zip(figure.subplots(3, 4, sharex=True, sharey=True).flat, rules, strict=True):
            data = EXPERIMENTS[name].data(0)
            x, y = data.x_train[:900], data.y_train[:900]
            value = y if y.ndim == 1 else y[:, 0]
            if data.classes is None:
                axes.scatter(*x.T, c=value, s=4, cmap="cividis")
            else:
                for kind in range(len(data.classes)):
                    look = {"c": plots.CLASS_COLOURS[kind], "marker": plots.CLASS_MARKERS[kind]}
                    axes.scatter(*x[value == kind].T, s=5, linewidths=0, **look)
            axes.set_title(name, fontsize=11)
            axes.set_aspect("equal")
            axes.grid(False)

    notebook.show(notebook.picture(notebook.draw((7.5, 6.2), gallery), "The twelve rules, 900 points each."))
    return (rules,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    **Choose a rule and move the sliders**: hidden units, learning rate, and the training step of the maps. They
    reach beyond the square the points come from: there the net was taught nothing.
    """)
    return


@app.cell
def _(mo, rules):
    moments = (0, 10, 25, 50, 100, 200, 500, 1000, 2000, 5000)
    rule = mo.ui.dropdown(rules, value="xor", label="rule")
    width = mo.ui.slider(steps=[1, 2, 3, 4, 6, 8, 16], value=6, label="width", show_value=True, debounce=True)
    lr = mo.ui.slider(
        steps=[0.0001, 0.001, 0.003, 0.01, 0.03, 0.1], value=0.01, label="lr", show_value=True, debounce=True
    )
    step = mo.ui.slider(steps=moments, value=5000, label="step", show_value=True)
    mo.hstack([rule, width, lr, step], wrap=True, justify="start")
    return lr, moments, rule, step, width


@app.cell
def _(notebook, lr, moments, rule, width):
    taught = notebook.film(rule.value, moments, hidden=(width.value,), lr=lr.value)
    return (taught,)


@app.cell
def _(notebook, rule, step, taught):
    notebook.show(
        notebook.shelf(*(notebook.plane(taught, side, step.value) for side in notebook.SIDES)),
        notebook.curves(taught.run, "Loss of each batch of 100."),
        notebook.results({f"{rule.value}, by the sliders": taught.run}),
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    The three printed runs and the other nine, as measured with the source's settings. Choose one above to run it on
    both sides.
    """)
    return


@app.cell
def _(EXPERIMENTS, notebook, rules):
    notebook.show(
        notebook.table(
            ("rule", "the source printed", "measured over 20 seeds"),
            [(name, EXPERIMENTS[name].printed, EXPERIMENTS[name].band) for name in rules],
        )
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Five steps, in batches

    Batches are taken in order, 100 points each, and the source keeps the loss of the *last batch* of an epoch as
    the epoch's loss. That is a figure about 100 points, taken before their step. Ours is that of all 2500, after
    the epoch.
    """)
    return


@app.cell
def _(EXPERIMENTS, notebook, mo, np):
    _data = EXPERIMENTS["xor"].data(0)
    x, y = _data.x_train.astype(np.float32), _data.y_train.astype(np.float32)

    def twenty_epochs(side):
        model = side.MLP([2, 6, 1], rng=0)
        loss, optimizer = side.BCEWithLogitsLoss(), side.Adam(model.parameters(), lr=0.01)
        last, whole = [], []
        for _ in range(20):
            for start in range(0, len(x), 100):
                batch = slice(start, start + 100)
                optimizer.zero_grad()
                output = model.forward(x[batch])
                value = loss.forward(output, y[batch])
                model.backward(loss.backward())
                optimizer.step()
            last.append(float(value))
            whole.append(float(loss.forward(model.forward(x), y)))
        return last, whole

    epoch_losses = notebook.both(twenty_epochs)
    mo.show_code()
    return epoch_losses, x, y


@app.cell
def _(notebook, epoch_losses):
    _curves = {
        "NumPy, all points": (range(1, 21), epoch_losses["NumPy"][1]),
        "PyTorch, all points": (range(1, 21), epoch_losses["PyTorch"][1]),
        "last batch, as in the source": (range(1, 21), epoch_losses["NumPy"][0]),
    }
    notebook.show(
        notebook.picture(notebook.lines("epoch", "loss of xor", _curves), "One epoch's loss, counted in two ways.")
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## The printed weights were never trained

    The source prints tensors beside the final loss, and a reader takes them for the result. Two clues say that they
    are the start. `nn.Linear` draws from U(−1/√fan, 1/√fan), and every printed weight is inside those bounds;
    training leaves them. (The text speaks of N(0, 1/fan) instead, which is not what the code does either.)
    """)
    return


@app.cell
def _(EXPERIMENTS, notebook, np, scratch, torch_impl):
    from dataclasses import replace

    from handgrad.training.train import prepare
    from handgrad.training.train import train as train_both

    bounds = {"hidden, fan 2": 1 / np.sqrt(2), "output, fan 6": 1 / np.sqrt(6)}
    printed_largest = {"hidden, fan 2": 0.6447, "output, fan 6": 0.3988}  # of xor's printed tensors

    def largest(trainer):
        state = trainer.model.state_dict()
        return dict(zip(bounds, (float(np.abs(state[f"layers.{i}.weight"]).max()) for i in (0, 2)), strict=True))

    _prepared = prepare(replace(EXPERIMENTS["xor"], epochs=20, judge_every=500))
    untrained = {side: largest(trainer) for side, trainer in _prepared.trainers.items()}
    train_both(_prepared)
    after_training = {side: largest(trainer) for side, trainer in _prepared.trainers.items()}

    drawn = scratch.Linear(6, 20000, rng=0).weight.data
    drawn_torch = torch_impl.Linear(6, 20000, rng=0).weight.data
    spread = {
        name: float(np.std(values, dtype=np.float64)) for name, values in (("NumPy", drawn), ("PyTorch", drawn_torch))
    }
    notebook.show(
        notebook.table(
            (
                "largest |weight| of xor's net",
                "bound of the start",
                "printed",
                "ours untrained",
                "ours after 20 epochs",
            ),
            [
                (
                    k,
                    f"{bounds[k]:.4f}",
                    printed_largest[k],
                    f"{untrained['scratch'][k]:.4f}",
                    f"{after_training['scratch'][k]:.4f}",
                )
                for k in bounds
            ],
        ),
        notebook.table(
            ("spread of 120,000 drawn weights, fan 6", *notebook.SIDES, "U(±1/√6)", "the text: 1/6"),
            [("standard deviation", *(f"{v:.4f}" for v in spread.values()), f"{1 / np.sqrt(18):.4f}", f"{1 / 6:.4f}")],
        ),
    )
    return after_training, bounds, printed_largest, spread, untrained


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Three traps

    **A plain list hides parameters.** Layers kept in a Python list compute as ever, but nobody finds their weights.
    Nothing is trained, nothing is said. In PyTorch a `ModuleList` or `Sequential` is the cure, on the hand-written
    side `Sequential`.
    """)
    return


@app.cell
def _(notebook, np, scratch, torch, torch_impl):
    class ListedTorch(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden = [torch.nn.Linear(2, 3), torch.nn.Linear(3, 5), torch.nn.Linear(5, 6)]

        def forward(self, x):
            for layer in self.hidden:
                x = layer(x)
            return x

    class ListedScratch(scratch.Module):
        def __init__(self):
            self.hidden = [scratch.Linear(2, 3, rng=0), scratch.Linear(3, 5, rng=0), scratch.Linear(5, 6, rng=0)]

        def forward(self, x):
            for layer in self.hidden:
                x = layer.forward(x)
            return x

    listed = {"NumPy": ListedScratch(), "PyTorch": torch_impl.Model(ListedTorch())}
    listed_works = {n: net.forward(np.ones((1, 2), np.float32)).shape for n, net in listed.items()}
    listed_found = {n: len(list(net.named_parameters())) for n, net in listed.items()}
    empty = {
        n: notebook.refused(ValueError, lambda n=n: notebook.SIDES[n].SGD(listed[n].parameters(), lr=0.1))
        for n in listed
    }

    shapes = notebook.both(
        lambda side: [
            (name, p.shape)
            for name, p in side.Sequential(*(side.Linear(*s) for s in ((2, 3), (3, 5), (5, 6)))).named_parameters()
        ]
    )
    notebook.show(
        "<p>With a list: "
        + ", ".join(f"{n} answers in shape {listed_works[n]} and finds {listed_found[n]} parameters" for n in listed)
        + ". Refused by the optimizer, which would have nothing to do:</p>",
        notebook.said("\n".join(f"{n}. {text}" for n, text in empty.items()), good=True),
        "<p>As a Sequential, the shapes of the source's table, (out, in):</p>",
        notebook.table(
            ("parameter", *notebook.SIDES),
            [(a, s, t) for (a, s), (_, t) in zip(shapes["NumPy"], shapes["PyTorch"], strict=True)],
        ),
    )
    return empty, listed_found, listed_works


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    **Class 4 of four.** `quadrants` counts the angle in quarter turns, int(2(atan2(x₂, x₁)/π + 1)). On the ray x₂ =
    0, x₁ < 0 the angle is π, and the answer is 4. The source clamps its plotting grid but not its training points;
    random ones hardly ever hit the ray, and the point that does stops the training.
    """)
    return


@app.cell
def _(notebook, np, torch):
    from handgrad.experiments.data import quadrants_rule

    ray = np.array([[-1.0, 0.0], [1.0, 1.0]])
    formula = (2 * (np.arctan2(ray[:, 1], ray[:, 0]) / np.pi + 1)).astype(np.int64)
    ours_on_ray = quadrants_rule(ray)
    plain_torch_ray = notebook.refused(
        IndexError, lambda: torch.nn.CrossEntropyLoss()(torch.zeros(2, 4), torch.tensor(formula))
    )
    class_four = notebook.both(
        lambda side: notebook.refused(
            IndexError, lambda: side.CrossEntropyLoss().forward(np.zeros((2, 4), np.float32), formula)
        )
    )
    notebook.show(
        notebook.table(
            ("point", "formula", "here"),
            [(p.tolist(), f, o) for p, f, o in zip(ray, formula, ours_on_ray, strict=True)],
        ),
        notebook.said(f"plain PyTorch. {plain_torch_ray}"),
        notebook.said("\n".join(f"{n}. {text}" for n, text in class_four.items()), good=True),
    )
    return class_four, formula, ours_on_ray, plain_torch_ray


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    **Sigmoid twice.** The source's `forward` returns two things, the activation and what went into it, and the loss
    must get the second: `BCEWithLogitsLoss` applies the sigmoid itself. Hand it the first, and a logit is never
    below 0 or above 1: the loss of a half-and-half task cannot fall below ½(log 2 + log(1 + 1/e)) = 0.503.
    """)
    return


@app.cell
def _(notebook, np, x, y):
    def sigmoid_then(side, loss_name, activation):
        model = side.MLP([2, 6, 1], output_activation=activation, rng=0)
        loss = getattr(side, loss_name)()
        trainer = side.Trainer(model, loss, side.Adam(model.parameters(), lr=0.01))
        for _ in range(8):
            for start in range(0, len(x), 100):
                trainer.step(x[start : start + 100], y[start : start + 100])
        return float(loss.forward(model.forward(x), y))

    twice = notebook.both(lambda side: sigmoid_then(side, "BCEWithLogitsLoss", "sigmoid"))
    once = notebook.both(lambda side: sigmoid_then(side, "BCEWithLogitsLoss", None))
    probabilities = notebook.both(lambda side: sigmoid_then(side, "BCELoss", "sigmoid"))
    share = float(y.mean())
    sigmoid_floor = (1 - share) * np.log(2) + share * np.log1p(np.exp(-1))
    logits_refused = notebook.both(
        lambda side: notebook.refused(
            ValueError, lambda: side.BCELoss().forward(np.array([[1.5]], np.float32), np.array([[1.0]], np.float32))
        )
    )
    notebook.show(
        notebook.table(
            ("the loss gets", "loss", *notebook.SIDES, "floor"),
            [
                (
                    "sigmoid's output",
                    "BCEWithLogitsLoss",
                    *(f"{v:.4f}" for v in twice.values()),
                    f"{sigmoid_floor:.4f}",
                ),
                ("its input, the logits", "BCEWithLogitsLoss", *(f"{v:.4f}" for v in once.values()), "0"),
                ("sigmoid's output", "BCELoss", *(f"{v:.4f}" for v in probabilities.values()), "0"),
            ],
        ),
        "<p>Probabilities in place of logits cannot be seen; logits in place of probabilities can:</p>",
        notebook.said("\n".join(f"{n}. {text}" for n, text in logits_refused.items()), good=True),
    )
    return logits_refused, once, probabilities, sigmoid_floor, twice


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Predict, then write it

    **Predict**: the net's last output, before the sigmoid, is 0, and the rule holds (t = 1). What is dL/dz of the
    binary cross-entropy?

    **Write**: `backward` of that loss on the pre-activation z, the mean over N points.
    """)
    return


@app.cell
def _(mo, np, practice):
    task = practice.Practice(
        looks={
            "dL/dz = σ(z) − t": -0.5,
            "dL/dz with the sign turned": 0.5,
            "dL/dp = −1/p: the sigmoid is missing": -2.0,
            "(p − t) σ′: the sigmoid is differentiated twice": -0.125,
        },
        hint="Type your number above. σ(0) is ½.",
        ops=("BCEWithLogitsLoss", "BCELoss", "Sigmoid"),
        start="""\
class Binary:
    def forward(self, z, t):  # (N, 1) both, t of zeros and ones
        self.p, self.t = 1 / (1 + np.exp(-z)), t
        return (np.log(1 + np.exp(z)) - t * z).mean()

    def backward(self):
        raise NotImplementedError("dL/dz, of self.p and self.t")
""",
        fill="return (self.p - self.t) / self.t.size",
        slip="return (self.p - self.t) * self.p * (1 - self.p) / self.t.size",
        inputs=(np.array([[0.5], [-1.0], [2.0]]), np.array([[1.0], [0.0], [0.0]])),
    )
    guess, editor = task.asked("your dL/dz")
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
    **A rule that does not exist.** The source's docstring names a `triangle` its code has not; asked for it, the
    class goes on and fails later, elsewhere. Here:
    """)
    return


@app.cell
def _(notebook, find):
    triangle = notebook.refused(ValueError, lambda: find("triangle"))
    notebook.show(notebook.said(triangle, good=True))
    return (triangle,)


@app.cell
def _(
    learnt,
    after_training,
    notebook,
    bounds,
    class_four,
    empty,
    epoch_losses,
    formula,
    listed_found,
    listed_works,
    logits_refused,
    np,
    once,
    ours_on_ray,
    plain_torch_ray,
    printed_largest,
    probabilities,
    sigmoid_floor,
    spread,
    taught,
    triangle,
    twice,
    untrained,
):
    promises = {
        "parity held in every judged step": taught.run.parity,
        "the run reaches what is expected of it": notebook.met(taught.run),
        "the last batch's loss is not the epoch's, on either side": all(a != b for a, b in epoch_losses.values()),
        "the printed weights are inside the bounds of a start, and so are ours untrained": all(
            max(printed_largest[k], *(side[k] for side in untrained.values())) <= bounds[k] for k in bounds
        ),
        "trained, ours leave those bounds in both layers": all(
            side[k] > bounds[k] for k in bounds for side in after_training.values()
        ),
        "weights are spread like U(±1/√fan), not like N(0, 1/fan)": all(
            abs(v - 1 / np.sqrt(18)) < abs(v - 1 / 6) / 10 for v in spread.values()
        ),
        "a plain list computes, has no parameters, and the optimizer refuses it": all(
            shape == (1, 6) for shape in listed_works.values()
        )
        and not any(listed_found.values())
        and all("no parameter" in text for text in empty.values()),
        "the formula gives class 4 on the ray; here it is 3": formula[0] == 4 and ours_on_ray[0] == 3,
        "plain PyTorch and both sides refuse class 4 of four": "4" in plain_torch_ray
        and all("0..3" in text for text in class_four.values()),
        "sigmoid twice stays above its floor, once falls below it": all(
            twice[n] > sigmoid_floor > once[n] and sigmoid_floor > probabilities[n] for n in notebook.SIDES
        ),
        "logits are refused as probabilities on both sides": all("logits" in t for t in logits_refused.values()),
        "an unknown rule is refused by name": "triangle" in triangle,
    } | learnt
    notebook.checklist(promises)
    return


if __name__ == "__main__":
    app.run()
