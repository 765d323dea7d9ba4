"""The suite's own tests as scenarios: called one by one, on a short list of fixed examples instead of drawn ones.

A scenario is one parametrised case of one test of this folder, run on the hand-written side. Where the test lets
hypothesis draw, it gets `EXAMPLES`: every style and every layout of the edge generator once, every kind of batch, and
square sizes. So what a scenario refuses the suite refuses, in milliseconds and the same way every time.
"""

import inspect
import itertools
import pathlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import pytest

import scratch
from handgrad.bugs import Bug
from parity_tests.contract import test_between_calls, test_contract, test_options, test_state_dicts
from parity_tests.numbers import (
    test_clip,
    test_init,
    test_losses,
    test_nets,
    test_normalization,
    test_ops,
    test_optimizers,
    test_schedulers,
    test_sparse_adam,
)
from parity_tests.refusals import test_errors, test_errors_layers
from parity_tests.support import strategies
from parity_tests.support.strategies import Draw
from parity_tests.torch_semantics import (
    test_semantics,
    test_semantics_activations,
    test_semantics_layers,
    test_semantics_losses,
    test_semantics_optimizers,
)


@dataclass(frozen=True)
class Example:
    """What hypothesis would have drawn, by the argument names of the suite's properties."""

    draw: Draw
    batch: int | None
    width: int
    upstream: Draw
    hidden: tuple[int, ...]
    inputs: int
    outputs: int
    seed: int

    def arguments(self, drawn: dict[str, Any]) -> dict[str, Any]:
        """The arguments for the strategies `drawn`, within what these allow: no empty batch, no saturating values."""
        batch = self.batch
        if drawn.get("batch") is strategies.filled_batches and batch is None:
            batch = 1
        if drawn.get("batch") is strategies.several and batch in (None, 1):
            batch = 2
        if drawn.get("batch") not in (strategies.batches, strategies.several) and batch == 0:
            batch = 2
        draw = self.draw
        if drawn.get("draw") is strategies.moderate_draws and draw.style not in strategies.MODERATE:
            draw = Draw("normal", draw.layout, draw.seed)
        known = {
            "draw": draw,
            "batch": batch,
            "width": self.width,
            "upstream": self.upstream,
            "gradients": self.upstream,
            "classes": self.outputs,
            "hidden": list(self.hidden),
            "inputs": self.inputs,
            "outputs": self.outputs,
            "weights": self.seed,
            "shape": self.inputs,
        }
        return {name: known[name] for name in drawn}


# style, layout, batch, width, style of the upstream gradient, hidden sizes, inputs, outputs
_TABLE: list[tuple[str, str, int | None, int, str, tuple[int, ...], int, int]] = [
    ("normal", "contiguous", 5, 4, "normal", (4, 4), 4, 4),
    ("ties", "Fortran order", 3, 3, "normal", (4,), 4, 3),
    ("normal", "transposed view", 4, 4, "normal", (), 3, 2),
    ("signed zeros", "contiguous", 1, 4, "normal", (3,), 4, 7),
    ("normal", "read-only", None, 3, "normal", (4,), 4, 3),
    ("saturating", "reversed", 2, 7, "normal", (3, 3), 3, 3),
    ("mixed scales", "every second element", 16, 16, "mixed scales", (16,), 7, 4),
    ("all equal", "contiguous", 5, 1, "normal", (1,), 1, 1),
    ("normal", "Fortran order", 0, 3, "normal", (4,), 3, 4),
    ("sparse", "contiguous", 16, 7, "sparse", (7, 4, 3), 7, 7),
    ("all positive", "contiguous", 3, 33, "ties", (33,), 4, 16),
    ("huge logits", "contiguous", 5, 3, "normal", (4,), 3, 3),
    ("large", "transposed view", 5, 4, "large", (4,), 4, 2),
    ("tiny", "contiguous", 5, 4, "tiny", (4,), 4, 3),
    ("zeros", "contiguous", 2, 4, "normal", (4,), 4, 4),
    ("subnormal", "contiguous", 3, 4, "subnormal", (3,), 4, 4),
    ("subnormal in float64", "contiguous", 3, 4, "normal", (3,), 4, 4),
    ("kinks", "contiguous", 5, 4, "normal", (3,), 3, 3),
]

EXAMPLES = [
    Example(Draw(style, layout, 100 + i), batch, width, Draw(upstream, layout, 200 + i), hidden, inputs, outputs, i)
    for i, (style, layout, batch, width, upstream, hidden, inputs, outputs) in enumerate(_TABLE)
]


# Five steps of both sides, each judged, are dear: the plain examples will do.
FEWER = {test_nets.test_five_steps_side_by_side: 5}


def judged_on_examples(
    number: int | None, seen: set[int], body: Callable[..., Any], times: float = 1, **drawn: Any
) -> None:
    """Stands in for `judged.judged`: the same demand on the first `number` of `EXAMPLES`, those looked at in `seen`."""
    for i, example in enumerate(EXAMPLES[:number], 1):
        seen.add(i)
        for verdict in body(**example.arguments(drawn)):
            assert verdict.held, verdict.render()


@dataclass(frozen=True)
class Scenario:
    """One parametrised case of a test."""

    test: Callable[..., Any]
    arguments: dict[str, Any]

    @cached_property
    def name(self) -> str:
        """As pytest would print it: `test_ops::test_forward_and_backward[ReLU-float64]`."""
        module = self.test.__module__.rpartition(".")[2]
        values = "-".join(_label(value) for name, value in self.arguments.items() if name != "side")
        return f"{module}::{self.test.__name__}[{values}]"

    def refusal(self, number: int | None = None) -> str:
        """Why the test refuses the code as it is now, or nothing."""
        return self.tried(number)[0]

    def tried(self, number: int | None = None) -> tuple[str, int]:
        """Why the test refuses the code as it is now, or nothing; and how many of the first `number` of `EXAMPLES` it
        looked at."""
        seen: set[int] = set()
        try:
            with _fixed(self.test, number, seen):
                if "tmp_path" in inspect.signature(self.test).parameters:
                    with tempfile.TemporaryDirectory() as folder:
                        self.test(**self.arguments, tmp_path=pathlib.Path(folder))
                else:
                    self.test(**self.arguments)
        except (Exception, pytest.fail.Exception) as error:
            return f"{type(error).__name__}: {error}", len(seen)
        return "", len(seen)


def _label(value: Any) -> str:
    return value.__name__ if isinstance(value, type) else str(value)


@contextmanager
def _fixed(test: Callable[..., Any], number: int | None, seen: set[int]) -> Iterator[None]:
    """While inside, the properties of the test's module run on the first `number` of `EXAMPLES`."""
    number = min((n for n in (number, FEWER.get(test)) if n is not None), default=None)
    module = inspect.getmodule(test)
    with pytest.MonkeyPatch.context() as patch:
        if hasattr(module, "judged"):
            patch.setattr(module, "judged", partial(judged_on_examples, number, seen))
        yield


def _cases(test: Callable[..., Any]) -> Iterator[Scenario]:
    """What `pytest.mark.parametrize` makes of a test, on the hand-written side."""
    axes = []
    for mark in (mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"):
        names, values = mark.args
        names = (names,) if isinstance(names, str) else tuple(names)
        rows = [(value,) if len(names) == 1 else tuple(value) for value in values]
        axes.append([dict(zip(names, row, strict=True)) for row in rows])
    for combination in itertools.product(*axes):
        arguments = {name: value for part in combination for name, value in part.items()}
        if arguments.get("side", "scratch") in ("scratch", scratch):
            yield Scenario(test, arguments)


# By what they look at; within a line the cheap ones first.
TESTS: dict[str, list[Callable[..., Any]]] = {
    "ops": [
        test_ops.test_forward_and_backward,
        test_ops.test_backward_twice_adds_the_same,
        test_ops.test_more_leading_axes,
        test_ops.test_what_is_not_a_number_goes_the_same_way,
        test_ops.test_infinite_upstream_stays_outside_the_mask,
        test_semantics.test_activation,
        test_semantics_activations.test_edges,
        test_semantics_activations.test_prelu_with_channels,
        test_semantics_activations.test_prelu_channels_are_the_second_axis,
        test_semantics_activations.test_rrelu_draws_the_same_slopes_on_both_sides,
        test_semantics_layers.test_forward_and_backward_of_odd_inputs,
        test_semantics_layers.test_one_seed_drops_the_same_on_both_sides,
        test_semantics_layers.test_how_often_is_dropped,
        test_semantics_layers.test_dropout_keeps_the_moments,
        test_semantics_layers.test_dropout_at_the_edges,
        test_semantics_layers.test_a_dropped_infinity_is_nan,
        test_semantics_layers.test_alpha_dropout_by_hand,
        test_semantics_layers.test_flatten,
        test_semantics_layers.test_residual_adds_its_input_and_its_upstream,
        test_semantics_layers.test_rows_that_are_looked_up_again_collect,
        test_semantics_layers.test_one_row_is_a_copy,
        test_semantics_layers.test_a_nan_of_the_padding_row_goes_nowhere,
        test_semantics_layers.test_bilinear_by_hand,
        test_normalization.test_forward_and_backward,
        test_normalization.test_running_statistics_of_a_small_batch,
        test_normalization.test_a_refused_batch_leaves_the_statistics_alone,
        test_semantics_activations.test_far_out_numbers_stay_finite_without_a_warning,
        test_semantics.test_relu_keeps_the_sign_of_zero_at_every_length,
        test_between_calls.test_no_overflow_on_the_way,
        test_between_calls.test_branches_do_not_share_memory,
        test_between_calls.test_an_output_stays,
    ],
    "losses": [
        test_losses.test_value_and_gradient,
        test_semantics.test_loss,
        test_semantics_losses.test_edge,
        test_semantics_losses.test_what_a_mean_divides_by,
        test_losses.test_scalar_upstream_multiplies,
        test_losses.test_one_target_for_all_outputs,
        test_losses.test_classes_on_axis_one_of_many,
        test_losses.test_any_number_of_axes,
        test_losses.test_empty_batch,
        test_losses.test_any_integer_is_a_class_index,
        test_between_calls.test_no_overflow_in_a_loss,
    ],
    "optimizers": [
        test_optimizers.test_steps,
        test_optimizers.test_a_gradient_written_in_place_is_that_of_this_step_alone,
        test_semantics.test_optimizer,
        test_semantics.test_zero_gradient_and_zero_eps_divide_nothing,
        test_optimizers.test_parameter_groups,
        test_optimizers.test_state_moves_across,
        test_optimizers.test_every_option_has_an_effect,
        test_between_calls.test_optimizer_state_is_handed_over_as_copies,
        test_between_calls.test_a_loaded_optimizer_takes_over_the_options,
        test_between_calls.test_a_loaded_optimizer_goes_on_where_the_other_stopped,
        test_sparse_adam.test_steps,
        test_sparse_adam.test_by_hand,
        test_sparse_adam.test_a_row_without_a_lookup_stays_and_one_without_a_gradient_moves_on,
        test_sparse_adam.test_rows_are_forgotten_with_the_gradient,
        test_semantics_optimizers.test_lbfgs_steps_are_judged,
        test_semantics_optimizers.test_lbfgs_sides_stay_together,
    ],
    "schedules": [
        test_schedulers.test_rates_are_equal,
        test_schedulers.test_sequential_and_plateau,
        test_state_dicts.test_a_schedule_and_plain_torch_take_each_others_state,
    ],
    "clipping": [
        test_clip.test_norm,
        test_clip.test_value,
        test_clip.test_edges,
    ],
    "nets": [
        test_nets.test_whole_net,
        test_nets.test_exact_lattice,
        test_nets.test_free_runs_stay_together,
    ],
    "contract": [
        test_contract.test_what_is_handed_out_stays,
        test_contract.test_gradients_accumulate_until_zero_grad,
        test_contract.test_train_and_eval_reach_every_module,
        test_contract.test_weights_move_bit_for_bit,
        test_contract.test_one_seed_draws_one_model,
        test_between_calls.test_writing_into_what_was_handed_out_changes_nothing,
        test_between_calls.test_training_does_not_write_into_what_was_handed_in,
        test_between_calls.test_a_kept_gradient_stays,
        test_between_calls.test_backward_follows_the_last_forward_in_eval_mode_too,
        test_between_calls.test_square_weights_go_in_and_out,
        test_semantics_layers.test_odd_layers_and_plain_torch_take_each_others_state,
        test_semantics_layers.test_a_table_is_drawn_as_torch_draws_it,
        test_semantics_layers.test_bilinear_is_drawn_as_torch_draws_it,
        test_init.test_linear_is_drawn_as_torch_draws_it,
        test_init.test_gains_are_torchs,
        test_init.test_leaky_gain_takes_the_slope,
        test_init.test_distribution,
        test_init.test_truncated_normal,
        test_init.test_orthogonal,
        test_init.test_orthogonal_matrices_are_equally_likely,
        test_init.test_sparse,
        test_init.test_constants,
        test_options.test_every_option_has_an_effect,
    ],
    "refusals": [
        test_errors.test_one_error_on_both_sides_and_nothing_changes,
        test_errors_layers.test_one_error_on_both_sides,
        test_normalization.test_one_error_on_both_sides,
        test_errors.test_class_out_of_range_in_a_step,
        test_errors.test_extra_entries_are_named,
    ],
    "runs": [test_nets.test_five_steps_side_by_side],
}

SCENARIOS: dict[str, list[Scenario]] = {
    kind: [scenario for test in tests for scenario in _cases(test)] for kind, tests in TESTS.items()
}


def in_order(bug: Bug) -> Iterator[Scenario]:
    """All scenarios: those with the bug's hint in their name first, then those of its kind, then the rest.

    Of each, those first that are named after the class that has the bug: it is refused sooner. Most bugs are refused
    by the first one: the others are not put in order for them.
    """
    own = f"[{bug.owner}"
    rest = [scenario for kind, scenarios in SCENARIOS.items() if kind != bug.kind for scenario in scenarios]
    for hinted in (True, False):
        for part in (SCENARIOS[bug.kind], rest):
            yield from sorted((s for s in part if (bug.hint in s.name) == hinted), key=lambda s: own not in s.name)
