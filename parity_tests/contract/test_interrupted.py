"""What happens between forward and backward, or between two steps, leaves no trace: backward is that of the forward.

Every op and every loss, with every interruption, gives what its twin gives that nobody interrupted, to the last bit.
"""

import copy

import numpy as np
import pytest

import scratch
from parity_tests.catalogue.tables import CHANGES, DTYPES, LOSSES, NEEDS, SIDES, STARTS, shape_of
from parity_tests.support.every import EVERY, FIRST, classes, each_op, equal, everything, gradients_of, loss_case
from parity_tests.support.samples import as_tuple

each_side = pytest.mark.parametrize("side", SIDES)
each_loss = pytest.mark.parametrize("loss", LOSSES)


def upstream_of(output, seed=9):
    return np.asarray(np.random.default_rng(seed).normal(size=np.shape(output)), output.dtype)


def test_every_op_and_every_loss_has_a_row():
    containers = {"Sequential", "Parallel", "Residual", "MLP"}
    rows = " ".join(EVERY)
    assert {name for name in classes(scratch.Module) - containers if name not in rows} == set()
    assert {row.name for row in LOSSES.values()} == classes(scratch.Loss, scratch.PairLoss) - {"ClassLoss"}


# --- interruptions: (side, case, model, arguments of forward, output) → None -----------------------------------------


def refused(call, *arguments):
    with pytest.raises((TypeError, ValueError, IndexError)):
        call(*arguments)


def another_one(side, case, model, inputs, output):
    """Of the same class, with arrays of its own: nothing is kept by the class."""
    other = case.build(side, np.float64)
    other.backward(upstream_of(other.forward(*case.inputs(5, 3)), 4))


def a_copy(side, case, model, inputs, output):
    """Of the model as it stands, run on other numbers."""
    twin = copy.deepcopy(model)
    twin.backward(upstream_of(twin.forward(*case.inputs(5, 3)), 4))
    twin.load_state_dict({name: np.asarray(2 * array) for name, array in twin.state_dict().items()})


def backward_before(side, case, model, inputs, output):
    model.backward(upstream_of(output, 4))
    model.zero_grad()


def hessian_product(side, case, model, inputs, output):
    """On other numbers; what the hand-written side cannot differentiate twice it refuses before it does anything."""
    if case.odd:
        return
    vector = {name: np.ones_like(p.data) for name, p in model.named_parameters()}
    other = case.inputs(5, len(inputs[0]))[0]
    target = np.zeros_like(output)
    try:
        side.hessian_vector_product(model, side.MSELoss(), other, target, vector)
    except TypeError:
        assert side is scratch


INTERRUPTIONS = {
    "nothing": lambda side, case, model, inputs, output: None,
    "evaluation mode": lambda side, case, model, inputs, output: model.eval(),
    "gradients forgotten": lambda side, case, model, inputs, output: model.zero_grad(),
    "gradients set to zero": lambda side, case, model, inputs, output: model.zero_grad(set_to_none=False),
    "a refused forward": lambda side, case, model, inputs, output: refused(
        model.forward, *(x.astype(np.float16) for x in inputs)
    ),
    "a refused backward": lambda side, case, model, inputs, output: refused(model.backward, output[..., np.newaxis]),
    "the state taken": lambda side, case, model, inputs, output: [a.fill(0) for a in model.state_dict().values()],
    "printed": lambda side, case, model, inputs, output: repr(model),
    "another one": another_one,
    "a copy": a_copy,
    "backward before": backward_before,
    "a Hessian product": hessian_product,
}


def interrupted(side, op, interruption, training=True):
    """Gradients and state after forward, the interruption, and backward; then of one more step, in training."""
    case = EVERY[op]
    model = case.build(SIDES[side], np.float64)
    model.train(training and model.training)
    training = model.training
    inputs = case.inputs(1)
    output = model.forward(*inputs)
    kept = output.copy()
    interruption(SIDES[side], case, model, inputs, output)
    first = everything(model, output, *as_tuple(model.backward(upstream_of(kept))))
    model.train(training)
    model.zero_grad()
    output = model.forward(*case.inputs(2, 3))
    return first, everything(model, output, *as_tuple(model.backward(upstream_of(output))))


@each_op
def test_an_interruption_leaves_no_trace(op, side):
    expected = interrupted(side, op, INTERRUPTIONS["nothing"])
    for interruption in INTERRUPTIONS.values():
        for found, wanted in zip(interrupted(side, op, interruption), expected, strict=True):
            equal(found, wanted)


@each_op
def test_backward_goes_back_through_the_forward_of_its_mode(op, side):
    """Forward in evaluation, training switched on before backward: the mode of the forward call counts."""
    expected = interrupted(side, op, INTERRUPTIONS["nothing"], training=False)
    found = interrupted(side, op, lambda side, case, model, inputs, output: model.train(), training=False)
    for one, other in zip(found, expected, strict=True):
        equal(one, other)


@each_op
def test_an_evaluation_between_two_training_steps_changes_nothing(op, side):
    """Not the gradients, not the statistics, not what a generator draws next; and neither does another batch size."""
    case, ends = EVERY[op], []
    for evaluated in (False, True):
        model = case.build(SIDES[side], np.float64)
        training = model.training
        model.backward(upstream_of(model.forward(*case.inputs(1))))
        if evaluated:
            model.eval()
            model.forward(*case.inputs(3, 4))
            model.train(training)
        output = model.forward(*case.inputs(2, 3))
        ends.append(everything(model, output, *as_tuple(model.backward(upstream_of(output)))))
    equal(*ends)


@each_op
def test_only_the_last_forward_counts(op, side):
    """After two forward calls of other shapes, and after leftovers of a former step, backward is that of the last."""
    case, ends = EVERY[op], []
    for before in ([], [case.inputs(3, 7)], [case.inputs(3, 2), case.inputs(1)]):
        model = case.build(SIDES[side], np.float64)
        if op.startswith("BatchNorm") or getattr(model, "rng", None) is not None:
            model.eval()  # each call of training moves the statistics, or the generator
        for inputs in before:
            model.forward(*inputs)
        output = model.forward(*case.inputs(2, 3))
        ends.append(everything(model, output, *as_tuple(model.backward(upstream_of(output)))))
    equal(ends[1], ends[0])
    equal(ends[2], ends[0])


@each_op
def test_what_the_caller_writes_after_backward_reaches_nobody(op, side):
    """Into the arrays handed in and handed out: the parameters' gradients and the state stay."""
    case = EVERY[op]
    model = case.build(SIDES[side], np.float64)
    inputs = case.inputs(1)
    output = model.forward(*inputs)
    upstream = upstream_of(output)
    gradients = as_tuple(model.backward(upstream))
    expected = everything(model)
    for array in (*inputs, upstream, output, *gradients):
        array[...] = 1
    equal(everything(model), expected)


# --- options ---------------------------------------------------------------------------------------------------------

# What makes the parameters, or is drawn from: without a meaning once the op is made.
AT_CONSTRUCTION = {
    *("in_features", "out_features", "in1_features", "in2_features", "num_features", "num_channels", "num_parameters"),
    *("num_embeddings", "embedding_dim", "normalized_shape", "sizes", "activation", "output_activation"),
    *("affine", "elementwise_affine", "track_running_stats", "bias", "sparse", "init", "dtype", "rng"),
}
SWITCHED = [(n, option) for n, options in CHANGES.items() for option in options if option not in AT_CONSTRUCTION]


def switch(side, made, option, value):
    """On the torch side it is the module's own attribute, as torch's users write it."""
    if side == "torch":
        made = made.module
        if isinstance(value, np.ndarray):
            value = SIDES["torch"].loss.to_tensor(value)
    setattr(made, option, value)


def option_case(side, name, option, value=None):
    """The op or loss, with `option` at its start, or at `value`; and its arrays, of two calls."""
    options = {**STARTS.get(name, {}), **NEEDS.get((name, option), {})}
    if value is not None or option == "momentum":
        options |= {option: value} if value is not None else {}
    if name == "GroupNorm":
        options["num_channels"] = 6
    if issubclass(getattr(scratch, name), scratch.Module):
        op = EVERY[FIRST[name]]
        shape = shape_of(name, 4, options.get("num_channels", 3))
        rng = np.random.default_rng(0)
        calls = [(3 * rng.normal(size=shape),) for _ in range(2)]
        if op.odd:
            calls = [(rng.integers(0, 3, (4, 2)),) for _ in range(2)]
        if "dtype" in CHANGES[name]:
            options["dtype"] = np.float64
    else:
        row = next(row for row, entry in LOSSES.items() if entry.name == name)
        calls = [loss_case(row, side, seed, 6)[1] for seed in (1, 2)]
        options.setdefault("reduction", "none")
    return getattr(SIDES[side], name)(**options), calls


@each_side
@pytest.mark.parametrize(("name", "option"), SWITCHED)
def test_an_option_switched_after_forward_counts_from_the_next_forward(name, option, side):
    """As in torch, where autograd keeps what forward used."""
    value = next(v for v in CHANGES[name][option] if v is not None)
    op = issubclass(getattr(scratch, name), scratch.Module)
    plain, calls = option_case(side, name, option)
    switched, _ = option_case(side, name, option)
    results = []
    for made in (plain, switched):
        output = np.array(made.forward(*calls[0]))
        if made is switched:
            switch(side, made, option, value)
        found = [output, *as_tuple(made.backward(upstream_of(output)))]
        results.append(found + (list(gradients_of(made).values()) if op else []))
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)
    fresh, _ = option_case(side, name, option, value)
    fresh.forward(*calls[0])  # a generator draws as often
    if op:
        fresh.load_state_dict(switched.state_dict())
    results = []
    for made in (switched, fresh):
        if op:
            made.zero_grad()
        output = np.array(made.forward(*calls[1]))
        found = [output, *as_tuple(made.backward(upstream_of(output)))]
        results.append(found + (list(everything(made).values()) if op else []))
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)


# --- losses ----------------------------------------------------------------------------------------------------------


def loss_interruptions(side, loss, criterion, arrays, upstream):
    """One after the other, and after each the same gradients."""
    yield "nothing"
    refused(criterion.forward, *(a.astype(np.float16) for a in arrays))
    yield "a refused forward"
    refused(criterion.backward, np.ones((*np.shape(upstream), 2)))
    yield "a refused backward"
    other, others = loss_case(loss, side, 6, 4)
    other.backward(np.ones_like(other.forward(*others)))
    yield "another one"
    twin = copy.deepcopy(criterion)
    twin.backward(np.ones_like(twin.forward(*others)))
    yield "a copy"


@each_side
@each_loss
def test_an_interruption_of_a_loss_leaves_no_trace(loss, side):
    """Refused calls, other objects; and forward calls of other shapes before the last one."""
    for reduction in ("mean", "sum", "none"):
        interrupted_loss(loss, reduction, side)


def interrupted_loss(loss, reduction, side):
    criterion, arrays = loss_case(loss, side, 1, reduction=reduction)
    upstream = upstream_of(np.asarray(criterion.forward(*arrays)))
    expected = [gradient.copy() for gradient in as_tuple(criterion.backward(upstream))]
    for before in (loss_case(loss, side, 6, 4)[1], loss_case(loss, side, 7, 9)[1]):
        criterion.forward(*before)
    criterion.forward(*arrays)
    for what in loss_interruptions(side, loss, criterion, arrays, upstream):
        for gradient, wanted in zip(as_tuple(criterion.backward(upstream)), expected, strict=True):
            np.testing.assert_array_equal(gradient, wanted, err_msg=what, strict=True)


WEIGHTED = [(loss, o) for loss, row in LOSSES.items() for o in row.options(3, np.float64) if o.endswith("weight")]


@each_side
@pytest.mark.parametrize(("loss", "option"), WEIGHTED)
def test_a_weight_is_the_losss_own(loss, option, side):
    """What the caller writes into the array that the loss was made from does not reach it."""
    row = LOSSES[loss]
    options = row.options(3, np.float64)
    _, arrays = loss_case(loss, side, 1)
    given, untouched = (
        getattr(SIDES[side], row.name)(**options | {option: options[option].copy() if i else options[option]})
        for i in range(2)
    )
    options[option][...] = 7
    assert given.forward(*arrays) == untouched.forward(*arrays)
    np.testing.assert_array_equal(given.backward(), untouched.backward())


@pytest.mark.parametrize("dtype", DTYPES)
@each_side
@pytest.mark.parametrize("loss", ["MSE", "CE all options", "BCEWithLogits pos_weight"])
def test_a_hessian_product_between_the_two_halves_of_a_step(loss, side, dtype):
    """With the very loss and net of the step: memories, gradients and weights are as they were."""
    side = SIDES[side]
    criterion = LOSSES[loss].build(side, 3, dtype, "mean")
    model = side.MLP((4, 5, 3), "tanh", dtype=dtype, rng=0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 4)).astype(dtype)
    y = rng.integers(0, 3, 6) if loss.startswith("CE") else rng.random((6, 3)).astype(dtype)
    vector = {name: np.ones_like(a) for name, a in model.state_dict().items()}
    ends = []
    for between in (False, True):
        model.zero_grad()
        criterion.forward(model.forward(x), y)
        if between:
            side.hessian_vector_product(model, criterion, x[:2], y[:2], vector)
        upstream = criterion.backward()
        ends.append(everything(model, upstream, model.backward(upstream)))
    equal(*ends)
