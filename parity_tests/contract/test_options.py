"""Every option of every op and loss has an effect, and the same one on both sides: a knob that does nothing is a bug.

The options are read from the signatures of the hand-written side, so that a new one cannot be forgotten here. For
optimizers the same is in `test_optimizers`.
"""

import functools
import inspect
from typing import Any

import numpy as np
import pytest

import scratch
from handgrad import catalogue
from handgrad.judge import judge_backward, judge_forward, judge_loss
from parity_tests.catalogue.tables import CHANGES, NEEDS, SIDES, STARTS, shape_of

KINDS = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)  # what a container holds is no option

ROWS = [
    (name, option, i) for name, options in CHANGES.items() for option, to in options.items() for i in range(len(to))
]


@functools.cache
def documented() -> dict[str, set[str]]:
    """The options of every op and loss that `scratch` exports."""
    public = {name: getattr(scratch, name) for name in scratch.__all__}
    bases = (scratch.Module, scratch.Loss, scratch.PairLoss)
    signatures = {
        name: inspect.signature(kind).parameters.values()
        for name, kind in public.items()
        if inspect.isclass(kind) and issubclass(kind, bases) and kind not in bases
    }
    return {name: {p.name for p in own if p.kind in KINDS} for name, own in signatures.items()}


def test_every_documented_option_is_in_the_table():
    assert {name: set(options) for name, options in CHANGES.items()} == {n: o for n, o in documented().items() if o}


def two_inputs(options: dict[str, Any]) -> tuple[Any, ...]:
    rng, dtype = np.random.default_rng(0), options.get("dtype", np.float32)
    return tuple(rng.normal(size=(5, options[f"in{i}_features"])).astype(dtype) for i in (1, 2))


# The inputs of the layers that take no row of numbers.
ODD_INPUTS: dict[str, Any] = {
    "Bilinear": two_inputs,
    "Embedding": lambda options: (np.array([[0, 1], [2, 3], [2, 2]]),),
    "Flatten": lambda options: (np.arange(24, dtype=np.float32).reshape(2, 3, 4),),
}


def op_results(side: Any, name: str, options: dict[str, Any], judged: bool = True) -> dict[str, Any]:
    """Output and gradients of an op, judged."""
    model = getattr(side, name)(**options)
    if "Norm" in name:  # whose w = 1 and b = 0 are as good as none
        model.load_state_dict({n: a if "track" in n else a + a.dtype.type(0.5) for n, a in model.state_dict().items()})
    if name in ODD_INPUTS:
        return model_results(model, ODD_INPUTS[name](options), judged)
    widths = ("in_features", "num_features", "num_channels", "normalized_shape")
    features = next((options[name] for name in widths if name in options), options.get("sizes", (3,))[0])
    shape = shape_of(name, 5, features)
    rng = np.random.default_rng(0)
    scales = np.logspace(-1, 1.5, shape[0])[:, np.newaxis]  # for the activations that differ only near 0, or far off
    x = (scales * rng.normal(size=shape)).astype(options.get("dtype", np.float32))
    return model_results(model, (x,), judged)


def model_results(model: Any, inputs: tuple[Any, ...], judged: bool) -> dict[str, Any]:
    output = model.forward(*inputs)
    grad_output = np.random.default_rng(1).normal(size=output.shape).astype(output.dtype)
    model.zero_grad()
    gradients = model.backward(grad_output)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    results = {"output": output, **{f"gradient of input {i}": g for i, g in enumerate(gradients)}}
    results |= dict(model.named_gradients())
    results |= {name: buffer.data.copy() for name, buffer in model.named_buffers()}
    rows = {f"rows of {name}": parameter.rows for name, parameter in model.named_parameters()}
    results |= {name: mask for name, mask in rows.items() if mask is not None}
    x = inputs if len(inputs) > 1 else inputs[0]
    for verdict in (judge_forward(model, x), judge_backward(model, x, grad_output)) if judged else ():
        assert verdict.held, verdict.render()
    return results


def loss_results(
    side: Any, name: str, options: dict[str, Any], judged: bool = True, dtype: Any = np.float64
) -> dict[str, Any]:
    """Value and gradients of a loss, judged. Class losses get every class as a target."""
    loss = getattr(side, name)(**options)
    rng = np.random.default_rng(0)
    x, other, classes = rng.random((6, 3)), rng.random((6, 3)), np.array([0, 1, 2, 2, 1, 0])
    signs = np.where(rng.random((6, 3)) < 0.5, -1.0, 1.0)
    kinds = {
        "class": classes,
        "sign": signs,
        "row sign": signs[:, 0],
        "labels": np.tile([0, 2, -1], (6, 1)),
        "count": np.floor(5 * other),  # Stirling's terms begin above 1
        "positive": rng.random((6, 3)),
    }
    rest = [kinds.get(kind, other) for kind in catalogue.LOSSES[name].inputs[1:]]
    arrays = tuple(a.astype(dtype) if a.dtype.kind == "f" else a for a in (x, *rest))
    value = loss.forward(*arrays)
    grad_output = np.ones(np.shape(value))
    if judged:
        verdict = judge_loss(loss, *arrays, grad_output=grad_output)
        assert verdict.held, verdict.render()
    gradients = loss.backward(grad_output)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    return {"value": np.asarray(value), **{f"gradient {i}": gradient for i, gradient in enumerate(gradients)}}


def same(a: Any, b: Any) -> bool:
    return a is not None and b is not None and a.dtype == b.dtype and np.array_equal(a, b)


@pytest.mark.parametrize("others", ["at their defaults", "changed as well"])
@pytest.mark.parametrize(("name", "option", "row"), ROWS)
def test_every_option_has_an_effect(name, option, row, others):
    """Whatever the other options are, changing one changes the same of output and gradients on both sides."""
    results = op_results if issubclass(getattr(scratch, name), scratch.Module) else loss_results
    base = dict(STARTS.get(name, {}))
    if others == "changed as well":
        base.update({other: values[0] for other, values in CHANGES[name].items() if other != option})
    base.update(NEEDS.get((name, option), {}))
    effects = {}
    for side_name, side in SIDES.items():
        before = results(side, name, base)
        after = results(side, name, {**base, option: CHANGES[name][option][row]})
        effects[side_name] = {key: not same(before.get(key), after.get(key)) for key in {**before, **after}}
    assert any(effects["scratch"].values())
    assert effects["scratch"] == effects["torch"]


def test_a_dead_knob_is_seen(monkeypatch):
    """An option that is accepted and not used, by op and judge alike."""

    def deaf(kind):
        return type("LeakyReLU", (kind,), {"__init__": lambda self, negative_slope=0.01: kind.__init__(self)})

    monkeypatch.setattr(scratch, "LeakyReLU", deaf(scratch.LeakyReLU))
    with pytest.raises(AssertionError, match="any"):
        test_every_option_has_an_effect("LeakyReLU", "negative_slope", 0, "at their defaults")
