import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="medium",
    app_title="The first lesson: backprop by hand",
)


@app.cell
def _():
    import inspect
    import textwrap
    from math import tanh

    import marimo as mo
    import notebook
    import numpy as np
    import practice

    import scratch
    from handgrad import check_gradients

    return check_gradients, inspect, mo, notebook, np, practice, scratch, tanh, textwrap


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    # The first lesson: backprop by hand

    Backpropagation is the chain rule, walked from the loss back to each weight. This lesson walks it three times: for
    one neuron, for a net of two inputs, two hidden units and one output, and in code that you write. Each time
    **predict first**, then look.

    ## One neuron

    One input, one weight, one bias, and a target:

    z = w x + b,  y = tanh z,  L = (y − t)².

    Set the numbers. Then predict: which way does L go when w grows a little, and how fast? That is dL/dw.
    """)
    return


@app.cell
def _(mo):
    w = mo.ui.slider(-1, 1, 0.25, value=0.5, label="w", show_value=True)
    b = mo.ui.slider(-1, 1, 0.25, value=-0.25, label="b", show_value=True)
    x = mo.ui.slider(-2, 2, 0.5, value=1.5, label="x", show_value=True)
    t = mo.ui.slider(-1, 1, 0.25, value=1.0, label="t", show_value=True)
    guess = mo.ui.text(label="your dL/dw")
    mo.hstack([w, b, x, t, guess], wrap=True, justify="start")
    return b, guess, t, w, x


@app.cell
def _(b, mo, t, tanh, w, x):
    # forward
    z = w.value * x.value + b.value
    y = tanh(z)
    L = (y - t.value) ** 2

    # backward: dL/d… of every line above, from the last to the first
    dy = 2 * (y - t.value)  # L = (y − t)²
    dz = dy * (1 - y**2)  # y = tanh z
    dw, db = dz * x.value, dz  # z = w x + b
    mo.show_code()
    return L, db, dw, dy, dz, y, z


@app.cell
def _(L, db, dw, dy, dz, guess, notebook, practice, y, z):
    def answered(text):
        """What a guess is, and what is missing in it where that can be seen."""
        looks = {
            "dL/dw": dw,
            "dL/dw with the sign turned": -dw,
            "dL/dw without the 2 of the square": dw / 2,
            "dL/dz: the last factor, x, is missing": dz,
            "dL/dy: tanh′ and x are missing": dy,
            "dL/dw without tanh′ = 1 − y²": dw / (1 - y**2),
        }
        return practice.guessed(
            text, looks, "Type your number above. Where w grows by a small h, L grows by about h · dL/dw."
        )

    notebook.show(
        f"<p>{answered(guess.value)}</p>",
        "<details><summary>See it</summary>",
        notebook.table(
            ("forward", "", "backward", "", "because"),
            [
                ("z", f"{z:.4f}", "dL/dz", f"{dz:.4f}", "dL/dy · (1 − y²)"),
                ("y", f"{y:.4f}", "dL/dy", f"{dy:.4f}", "2 (y − t)"),
                ("L", f"{L:.4f}", "dL/dL", "1", "here it begins"),
                ("", "", "dL/dw", f"{dw:.4f}", "dL/dz · x"),
                ("", "", "dL/db", f"{db:.4f}", "dL/dz · 1"),
            ],
        ),
        "</details>",
    )
    return (answered,)


@app.cell
def _(L, b, dw, notebook, np, t, w, x):
    _w = np.linspace(w.value - 1.5, w.value + 1.5, 61)
    _loss = (np.tanh(_w * x.value + b.value) - t.value) ** 2
    _near = np.array([w.value - 0.6, w.value + 0.6])
    notebook.show(
        notebook.picture(
            notebook.lines("w", "L", {"the loss": (_w, _loss), "its slope dL/dw": (_near, L + dw * (_near - w.value))}),
            "The gradient is a slope: the straight line touches the loss at your w. Descent goes downhill.",
        )
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## The same lines in `scratch`

    Each line of the forward pass is a class there, and its `backward` is the line of the chain rule. It gets dL/dy of
    its own output and returns dL/dx of its own input. What it needs for that, it kept in `forward`.
    """)
    return


@app.cell
def _(inspect, notebook, scratch, textwrap):
    def backward_of(op):
        own = [f for name, f in vars(op).items() if name.startswith("backward")]
        return "\n".join(textwrap.dedent(inspect.getsource(f)) for f in own)

    beside = {
        "dy = 2 * (y - t)": scratch.MSELoss,
        "dz = dy * (1 - y**2)": scratch.Tanh,
        "dw, db = dz * x, dz": scratch.Linear,
    }
    notebook.show(
        *(
            f"<p><b>{_line}</b> is <code>scratch.{_op.__name__}</code>:</p>{notebook.said(backward_of(_op), good=True)}"
            for _line, _op in beside.items()
        )
    )
    return backward_of, beside


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    `Linear` hands dL/dW to its weight (`accumulate`) in `backward_parameters`, and returns δ W. With one input, one
    output and one sample that is our line. `Tanh` writes 1 − y² as e^(−2|x|)(1 + |y|)²: the same number, which keeps
    its digits where y is near 1.

    ## A net: two inputs, two hidden units, one output

    z = W₁ x + b₁,  h = max(z, 0),  y = W₂ h + b₂,  L = (y − t)². The numbers are such that nothing is rounded.

    **Predict**: which two of the four weights of W₁ get a gradient of 0, and why? What sign has dL/dW₂[0], if y is
    too small?
    """)
    return


@app.cell
def _(mo, np):
    x2 = np.array([1.0, 2.0])
    W1, b1 = np.array([[0.5, 0.25], [-0.75, -0.25]]), np.array([0.5, 0.25])
    W2, b2 = np.array([1.0, -1.5]), 0.25
    t2 = 3.0

    # forward
    z2 = [W1[i, 0] * x2[0] + W1[i, 1] * x2[1] + b1[i] for i in (0, 1)]
    h2 = [max(z, 0) for z in z2]
    y2 = W2[0] * h2[0] + W2[1] * h2[1] + b2
    L2 = (y2 - t2) ** 2

    # backward
    dy2 = 2 * (y2 - t2)
    dW2, db2 = [dy2 * h2[0], dy2 * h2[1]], dy2
    dh2 = [dy2 * W2[0], dy2 * W2[1]]
    dz2 = [dh2[i] if z2[i] > 0 else 0.0 for i in (0, 1)]
    dW1, db1 = [[dz2[i] * x2[0], dz2[i] * x2[1]] for i in (0, 1)], dz2
    mo.show_code()
    return L2, W1, W2, b1, b2, dW1, dW2, db1, db2, dh2, dy2, dz2, h2, t2, x2, y2, z2


@app.cell
def _(L2, W1, W2, dW1, dW2, dh2, dy2, dz2, h2, notebook, np, x2, y2, z2):
    def net_picture(nodes, edges):
        """The net with a text in each node and on each edge."""
        places = {"x0": (0, 1), "x1": (0, 0), "h0": (1, 1), "h1": (1, 0), "y": (2, 0.5)}

        def paint(figure):
            axes = figure.add_subplot(xlim=(-0.35, 2.35), ylim=(-0.35, 1.35))
            axes.set_axis_off()
            boxes = {}
            for node, text in nodes.items():
                look = {"boxstyle": "round,pad=0.5", "facecolor": "none", "edgecolor": notebook.plots.MUTED}
                drawn = axes.text(*places[node], text, ha="center", va="center", fontsize=9, bbox=look)
                boxes[node] = drawn.get_bbox_patch()
            for (start, end), text in edges.items():
                a, b = np.array(places[start]), np.array(places[end])
                ends = {"patchA": boxes[start], "patchB": boxes[end], "shrinkA": 0, "shrinkB": 0}
                axes.annotate("", b, a, arrowprops={"arrowstyle": "-", "color": notebook.plots.MUTED} | ends)
                axes.text(*(a + 0.38 * (b - a) + (0, 0.03)), text, ha="center", va="bottom", fontsize=9)

        return notebook.draw((6.4, 3.2), paint)

    _ends = [(f"x{j}", f"h{i}") for i in (0, 1) for j in (0, 1)] + [("h0", "y"), ("h1", "y")]
    _forward = net_picture(
        {"x0": f"x0 = {x2[0]:g}", "x1": f"x1 = {x2[1]:g}"}
        | {f"h{i}": f"z{i} = {z2[i]:g}\nh{i} = {h2[i]:g}" for i in (0, 1)}
        | {"y": f"y = {y2:g}\nL = {L2:g}"},
        dict(zip(_ends, [f"{v:g}" for v in [*W1.ravel(), *W2]], strict=True)),
    )
    _backward = net_picture(
        {"x0": "x0", "x1": "x1"}
        | {f"h{i}": f"dL/dh{i} = {dh2[i]:g}\ndL/dz{i} = {dz2[i]:g}" for i in (0, 1)}
        | {"y": f"dL/dy = {dy2:g}"},
        dict(zip(_ends, [f"{v + 0.0:g}" for v in [*dW1[0], *dW1[1], *dW2]], strict=True)),
    )
    notebook.show(
        notebook.picture(_forward, "Forward: the weights on the lines, what comes out in the boxes."),
        "<details><summary>See the way back</summary>",
        notebook.picture(
            _backward, "Backward: on each line dL/d(its weight), which is dL/d(where it ends) times what entered."
        ),
        "<p>Unit 1 is off: z1 is negative, so ReLU passes nothing back, and both weights into it get 0. The weight"
        " out of it gets dL/dy · h1 = 0 too. y is too small, so dL/dy is negative, and every weight that pushes y up"
        " has a negative gradient.</p></details>",
    )
    return


@app.cell
def _(W1, W2, b1, b2, dW1, dW2, db1, db2, dy2, notebook, np, t2, x2):
    def by_net(side):
        """All gradients of the same net, made of a side's parts."""
        net, loss = side.MLP([2, 2, 1], activation="relu", dtype=np.float64), side.MSELoss()
        net.load_state_dict(
            {"layers.0.weight": W1, "layers.0.bias": b1, "layers.2.weight": W2[None], "layers.2.bias": np.array([b2])}
        )
        loss.forward(net.forward(x2[None]), np.array([[t2]]))
        net.backward(loss.backward())
        return {name: np.asarray(p.grad) for name, p in net.named_parameters()}

    by_sides = notebook.both(by_net)
    by_hand = {
        "layers.0.weight": np.array(dW1),
        "layers.0.bias": np.array(db1),
        "layers.2.weight": np.array([dW2]),
        "layers.2.bias": np.array([db2]),
    }
    notebook.show(
        notebook.table(
            ("gradient of", "by hand", *notebook.SIDES),
            [(_name, _g.tolist(), *(by_sides[_s][_name].tolist() for _s in by_sides)) for _name, _g in by_hand.items()],
        ),
        f"<p>One step of descent with lr = 0.05 takes dL/db₂ = {dy2:g} times 0.05 off b₂, and so on for each.</p>",
    )
    return by_hand, by_sides


@app.cell
def _(W1, W2, b1, b2, by_hand, notebook, np, t2, x2):
    def loss_after(lr):
        """L where every weight has moved by −lr times its gradient."""
        moved = [a - lr * by_hand[n] for n, a in zip(by_hand, (W1, b1, W2[None], np.array([b2])), strict=True)]
        return float((moved[2] @ np.maximum(moved[0] @ x2 + moved[1], 0) + moved[3] - t2)[0] ** 2)

    rates = np.linspace(0, 0.12, 49)
    descent = [loss_after(_lr) for _lr in rates]
    notebook.show(
        notebook.picture(
            notebook.lines("lr × 1000", "L after one step", {"along the gradient": (1000 * rates, descent)}),
            "Downhill at first; a step that is too long ends higher than it began.",
        )
    )
    return descent, rates


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Write it yourself

    A layer y = x Wᵀ + b for a whole batch: x (N, 2), W (2, 2), b (2,). `backward` has three slips. Repair them,
    one at a time, and read the answer: it says which number is wrong, what it should be, and, where it can, why.

    Two things are new with a batch. Every sample used the same W and the same b, so their gradients are **sums over the
    samples**. And the sums are matrix products: look at the shapes.
    """)
    return


@app.cell
def _(mo):
    START = """\
class Layer:
    def __init__(self):
        self.W, self.b = np.array([[0.5, 0.25], [-0.75, 1.0]]), np.array([0.5, -0.25])

    def forward(self, x):
        self.x = x
        return x @ self.W.T + self.b

    def backward(self, grad):
        self.dW = grad.T @ self.x / len(self.x)
        self.db = grad[0]
        return grad @ self.W.T
"""
    REPAIRS = (
        ("grad @ self.W.T", "grad @ self.W", "y = x Wᵀ goes forward, so W goes back"),
        (" / len(self.x)", "", "a sum, no mean"),
        ("grad[0]", "grad.sum(axis=0)", "of all samples, not of the first"),
    )
    editor = mo.ui.code_editor(START, language="python", label="your layer")
    mo.vstack([editor])
    return REPAIRS, START, editor


@app.cell
def _(editor, notebook, np, practice):
    def judged(code):
        """What the check says of the class that stands in a text."""
        return practice.judged(code, "Layer", np.array([[0.5, -1.0], [1.5, 0.25], [-0.75, 1.0]]))

    _found = judged(editor.value)
    notebook.show(notebook.said(str(_found), good=getattr(_found, "status", "") == "agree"))
    return (judged,)


@app.cell
def _(REPAIRS, START, judged, notebook):
    _code, verdicts = START, [judged(START)]
    for _wrong, _right, _ in REPAIRS:
        _code = _code.replace(_wrong, _right)
        verdicts.append(judged(_code))
    _rows = [
        (_place + 1, _wrong, _right, _why, str(verdicts[_place + 1]).split(";")[0])
        for _place, (_wrong, _right, _why) in enumerate(REPAIRS)
    ]
    notebook.show(
        "<details><summary>See the repairs</summary>",
        notebook.table(("", "the slip", "repaired", "because", "what the check says then"), _rows),
        "</details>",
    )
    return (verdicts,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    That was all of it. Thirty-four such holes, from ReLU to Adam and a Hessian-vector product, are in
    `handgrad exercise`; one step on paper, with fractions, is in `handgrad worksheet`; other people's slips are in
    `handgrad hunt`. Last, what this lesson promised, checked:
    """)
    return


@app.cell
def _(
    L,
    L2,
    answered,
    b,
    backward_of,
    beside,
    by_hand,
    by_sides,
    check_gradients,
    descent,
    dw,
    dy2,
    dz,
    notebook,
    np,
    t,
    verdicts,
    w,
    x,
    z2,
):
    def _loss(a):
        return (np.tanh(a * x.value + b.value) - t.value) ** 2

    def _slope(a):
        y = np.tanh(a * x.value + b.value)
        return 2 * (y - t.value) * (1 - y**2) * x.value

    _at = np.array([w.value])
    _said = [str(v) for v in verdicts]
    promises = {
        "the check agrees with the chain rule of the neuron": bool(
            check_gradients((_loss, _slope), _at, dtype="float64")
        ),
        "the neuron's lines give that loss and that slope": [f"{v:.12g}" for v in (L, dw)]
        == [f"{f(w.value):.12g}" for f in (_loss, _slope)],
        "a right guess is called right": answered(f"{dw:.6f}").endswith(" is dL/dw"),
        "a guess that forgets the last factor is told so": "x, is missing" in answered(f"{dz:.6f}"),
        "each line stands beside the class that has it": all(
            "def backward" in backward_of(op) for op in beside.values()
        ),
        "by hand, NumPy and PyTorch have the same gradients, without any rounding": all(
            np.array_equal(side[name], g) for side in by_sides.values() for name, g in by_hand.items()
        ),
        "the unit that is off passes nothing back": z2[1] < 0 and not by_hand["layers.0.weight"][1].any(),
        "y was too small, and its gradient is negative": bool(dy2 < 0),
        "a small step lowers the loss, a long one raises it": bool(min(descent) < descent[0] == L2 < descent[-1]),
        "three slips are WRONG, and so are two and one; none is right": [text.count("WRONG") for text in _said]
        == [1, 1, 1, 0]
        and verdicts[-1].status == "agree",
        "the causes are named: a transposed weight, a mean for the sum, one sample's row": all(
            cause in text
            for cause, text in zip(("W is transposed", "constant ratio 1/N", "first sample's row"), _said, strict=False)
        ),
    }
    notebook.checklist(promises)
    return (promises,)


if __name__ == "__main__":
    app.run()
