"""Two threads: each with a net of its own is as good as one after the other; one net between them is not protected."""

import copy
import sys
import threading

import numpy as np
import pytest

from handgrad.training.sides import SIDES

STEPS = 50


@pytest.fixture
def in_turn():
    """Threads take turns as often as Python can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def trainer_of(package):
    model = package.MLP([3, 8, 4], "tanh", rng=0)
    return package.Trainer(model, package.CrossEntropyLoss(), package.Adam(model.parameters(), lr=0.01))


def trained(trainer, seed):
    rng = np.random.default_rng(seed)
    for _ in range(STEPS):
        trainer.step(rng.standard_normal((5, 3), np.float32), rng.integers(0, 4, 5))
    return {name: weight.tobytes() for name, weight in trainer.model.state_dict().items()}


@pytest.mark.usefixtures("in_turn")
@pytest.mark.parametrize("side", SIDES)
def test_a_net_for_each_thread(side):
    """Copies of one trainer: what each comes to is what it comes to alone, to the last bit."""
    original, found = trainer_of(SIDES[side]), {}

    def work(seed, own):
        found[seed] = trained(own, seed)

    threads = [threading.Thread(target=work, args=(seed, copy.deepcopy(original))) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {seed: trained(trainer_of(SIDES[side]), seed) for seed in range(4)}


@pytest.mark.parametrize("side", SIDES)
def test_backward_is_that_of_the_last_forward_whoever_made_it(side):
    """What docs/reliability.md warns of, on both sides alike."""
    rng = np.random.default_rng(0)
    mine, other, upstream = (rng.standard_normal(shape, np.float32) for shape in ((5, 3), (5, 3), (5, 4)))
    model = trainer_of(SIDES[side]).model
    own = {}
    for name, x in (("mine", mine), ("other", other)):
        model.forward(x)
        own[name] = model.backward(upstream)
    model.forward(mine)
    thread = threading.Thread(target=model.forward, args=(other,))
    thread.start()
    thread.join()
    found = model.backward(upstream)
    np.testing.assert_array_equal(found, own["other"])
    assert (found != own["mine"]).any()
