"""Settings every test runs under."""

import gc
import os
import signal

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import HealthCheck, Phase, settings

from parity_tests.support import judged

# A shell starts what it runs in the background deaf to Ctrl-C; the tests that press it need to be heard.
signal.signal(signal.SIGINT, signal.default_int_handler)

PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)
settings.register_profile("default", deadline=None, max_examples=20, print_blob=True, phases=PHASES)
settings.register_profile(
    "ci",
    settings.get_profile("default"),
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors],
)
# Draws anew: `make thorough` gives a seed and prints it, so that what it finds can be found again.
settings.register_profile("thorough", settings.get_profile("ci"), derandomize=False, max_examples=200, print_blob=True)
# For mutation runs: whether a mutant is seen matters, not how small the example is that shows it.
settings.register_profile(
    "mutants", settings.get_profile("ci"), max_examples=5, phases=(Phase.explicit, Phase.generate)
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_configure(config):
    judged.run_seed = config.getoption("--hypothesis-seed")
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        # Who only hands tests out to workers needs no torch, and they wait until it has loaded all it needs.
        import torch

        # One thread per worker: small arrays gain nothing from more, and runs side by side would fight for the cores.
        torch.set_num_threads(1)


def pytest_runtest_setup():
    """What a test draws by torch's own generator is the same whatever ran before it, unless all is to be drawn anew."""
    if settings.default.derandomize:
        import torch

        torch.default_generator.manual_seed(0)  # 1 µs; torch.manual_seed, which asks every kind of device, 800


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    """A worker tells of each test what came out, once: that it begins, is set up, torn down and ends would be four
    messages more, 2 ms of processor time for each of 20,000 tests. What fails before or after is told as ever."""
    worker = hasattr(item.config, "workerinput")
    for report in runtestprotocol(item, log=False, nextitem=nextitem) if worker else ():
        if report.when == "call" or not report.passed:
            item.ihook.pytest_runtest_logreport(report=report)
    return worker or None


def pytest_collection_modifyitems(items):
    """A mutant is tried until a test fails, and most are of what a refusal says or when: those tests come first."""
    if os.environ.get("HYPOTHESIS_PROFILE") == "mutants":
        items.sort(key=lambda item: "/refusals/" not in item.nodeid)


def pytest_collection_finish():
    """The tests themselves live to the end: the collector need not walk through all 20,000 each time, nor as often as
    in a program that keeps what it makes; of the time of a suite it took a twentieth."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
