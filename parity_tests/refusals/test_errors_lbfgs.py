"""The state of LBFGS, which is one for all parameters: what does not fit is refused in the same words on both sides."""

import re

import numpy as np
import pytest

from parity_tests.catalogue.tables import SIDES

SIZE = 3
F32 = np.float32


def used(side):
    """An optimizer of two parameters after five iterations, with a history of four, and its closure."""
    a, b = side.Parameter(np.array([1.0, -2.0], F32)), side.Parameter(np.array([[0.5]], F32))
    optimizer = side.LBFGS([a, b], lr=0.1, max_iter=5, history_size=4)

    def closure():
        a.grad, b.grad = np.asarray(a.data**3), np.asarray(3 * b.data)
        return float((a.data**4).sum() / 4 + 1.5 * (b.data**2).sum())

    optimizer.step(closure)
    return optimizer, closure, (a, b)


def without(*names):
    return lambda entries: [entries.pop(name) for name in names]


def with_(**given):
    return lambda entries: entries.update(given)


COUNTS = ("func_evals", "n_iter")
REST = ["d", "prev_flat_grad", "old_dirs", "old_stps", "ro", "t", "prev_loss", "H_diag"]
LENGTHS = "old_dirs, old_stps and ro must have one length, and al no less, got"
# what is done to the state → what the message ends with
REFUSED = {
    "no counts": (without(*COUNTS), "missing func_evals; missing n_iter"),
    "one entry beside the counts": (
        lambda entries: [entries.pop(name) for name in [*REST[1:], "al"]],
        "; ".join(f"missing {name}" for name in REST[1:]),
    ),
    "an entry too many": (with_(momentum=1.0), "unexpected momentum"),
    "one too many and one missing": (
        lambda entries: (entries.pop("t"), entries.update(T=1.0)),
        "missing t; unexpected T",
    ),
    "half a count": (with_(func_evals=1.5), "func_evals must be a whole number >= 0, got 1.5"),
    "a count below 0": (with_(n_iter=-1), "n_iter must be a whole number >= 0, got -1"),
    "directions that are no list": (with_(old_dirs=np.ones((4, SIZE), F32)), "old_dirs must be a list, got ndarray"),
    "al as a number": (with_(al=1.0), "al must be a list, got float"),
    "a step size in an array": (with_(t=np.ones(2)), "t must be a number"),
    "a loss by name": (with_(prev_loss="low"), "prev_loss must be a number"),
    "no step size": (with_(H_diag=[]), "H_diag must be a number"),
    "a direction of another size": (with_(d=np.ones(2, F32)), "d has shape (2,), expected (3,)"),
    "a direction of another dtype": (with_(d=np.ones(SIZE)), "d is float64, expected float32 (convert with .astype)"),
    "one of the directions": (
        lambda entries: entries["old_dirs"].__setitem__(1, np.ones(2, F32)),
        "old_dirs[1] has shape (2,), expected (3,)",
    ),
    "one of the steps": (
        lambda entries: entries["old_stps"].__setitem__(2, np.ones((SIZE, 1), F32)),
        "old_stps[2] has shape (3, 1), expected (3,)",
    ),
    "one of ro": (lambda entries: entries["ro"].__setitem__(0, np.ones(1, F32)), "ro[0] has shape (1,), expected ()"),
    "one of al": (lambda entries: entries["al"].__setitem__(0, np.ones(1, F32)), "al[0] has shape (1,), expected ()"),
    "a direction less": (
        lambda entries: entries["old_dirs"].pop(),
        f"{LENGTHS} {{'old_dirs': 3, 'old_stps': 4, 'ro': 4}}",
    ),
    "two things": (
        lambda entries: (entries.update(d=np.ones(2, F32)), entries["ro"].pop()),
        f"d has shape (2,), expected (3,); {LENGTHS} {{'old_dirs': 4, 'old_stps': 4, 'ro': 3}}",
    ),
    "al too short": (with_(al=[None] * 3), f"{LENGTHS} {{'old_dirs': 4, 'old_stps': 4, 'ro': 4}}"),
}


def loaded(side, change):
    """An optimizer in use, and the state of another, changed."""
    state = used(side)[0].state_dict()
    change(state["state"][0])
    return used(side)[0], state


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_named(case, side):
    change, words = REFUSED[case]
    optimizer, state = loaded(SIDES[side], change)
    before = optimizer.state_dict()
    message = f"LBFGS: state of parameter 0 does not fit, no state was changed: {words}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        optimizer.load_state_dict(state)
    np.testing.assert_equal(optimizer.state_dict(), before)


@pytest.mark.parametrize("side", SIDES)
def test_a_state_of_a_later_parameter_is_refused(side):
    optimizer, state = loaded(SIDES[side], lambda entries: None)
    state["state"] = {1: state["state"][0]}
    message = "LBFGS: state of parameter 1 does not fit, no state was changed: the state of all stands with the first"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        optimizer.load_state_dict(state)


# What reads as the same: as it comes from files, from PyTorch, or from another program.
TAKEN = {
    "as it is": lambda entries: None,
    "lists as tuples": lambda entries: entries.update(
        {name: tuple(entries[name]) for name in ("old_dirs", "old_stps", "ro", "al")}
    ),
    "numbers as arrays": lambda entries: entries.update(
        {name: np.asarray(entries[name]) for name in ("func_evals", "n_iter", "t", "prev_loss")}
    ),
    "H_diag of another precision": lambda entries: entries.update(H_diag=np.float64(entries["H_diag"])),
    "without al": without("al"),
}


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("case", TAKEN)
def test_what_reads_as_the_same_goes_on_alike(case, side):
    results = []
    for change in (TAKEN["as it is"], TAKEN[case]):
        optimizer, closure, parameters = used(SIDES[side])
        state = optimizer.state_dict()
        change(state["state"][0])
        optimizer.load_state_dict(state)
        entries = optimizer.state_dict()["state"][0]
        kinds = {name: getattr(entry, "dtype", type(entry)) for name, entry in entries.items()}
        optimizer.step(closure)
        results.append([kinds, *(p.data.copy() for p in parameters)])
    kinds, *data = results[0]
    assert {**kinds, **results[1][0]} == kinds
    assert (kinds["n_iter"], kinds["t"], kinds["prev_loss"]) == (int, float, float)
    for one, other in zip(data, results[1][1:], strict=True):
        np.testing.assert_array_equal(one, other, strict=True)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("number", [1, 0.5])
def test_a_plain_number_stays_one(number, side):
    """As before a second iteration; an array would be another state."""
    optimizer, state = loaded(SIDES[side], with_(H_diag=number))
    optimizer.load_state_dict(state)
    assert type(optimizer.state_dict()["state"][0]["H_diag"]) is type(number)


@pytest.mark.parametrize("side", SIDES)
def test_two_counts_are_the_state_before_a_first_iteration(side):
    optimizer, state = loaded(SIDES[side], lambda entries: [entries.pop(name) for name in [*REST, "al"]])
    optimizer.load_state_dict(state)
    assert {*optimizer.state_dict()["state"][0]} == {*COUNTS}
