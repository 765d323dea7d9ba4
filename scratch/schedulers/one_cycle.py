"""Once up and once down."""

import math
from typing import Any

from contract import checks, optimizer_checks
from scratch.optim import Optimizer
from scratch.schedulers.scheduler import LRScheduler, undone_if_refused

__all__ = ["OneCycleLR"]


class OneCycleLR(LRScheduler):
    r"""lr rises from max_lr/div_factor to max_lr in the first `pct_start` of all steps, then falls to the end:

        cos:      end + ½(start − end)(1 + cos πp)       p: the share of the phase that is done
        linear:   start + (end − start)p

    The last rate is that of the start over final_div_factor. With `three_phase` it falls back to the start in as many
    steps as it rose, and only then to the end. With `cycle_momentum` the momentum (β₁ where the optimizer has betas)
    goes the other way, from max_momentum to base_momentum and back. Steps are counted by `total_steps` or by `epochs` ·
    `steps_per_epoch`; one more than that raises ValueError, as do options out of range and an optimizer without
    momentum.
    Source: Smith, Topin, Super-convergence (2018).
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        options = {
            "total_steps": total_steps,
            "epochs": epochs,
            "steps_per_epoch": steps_per_epoch,
            "pct_start": pct_start,
            "anneal_strategy": anneal_strategy,
            "max_lr": max_lr,
            "base_momentum": base_momentum,
            "max_momentum": max_momentum,
            "cycle_momentum": cycle_momentum,
            "div_factor": div_factor,
            "final_div_factor": final_div_factor,
            "three_phase": three_phase,
            "last_epoch": last_epoch,
        }
        optimizer_checks.scheduler(self.name, optimizer, Optimizer, options)
        total_steps, epochs, steps_per_epoch = checks.plain((total_steps, epochs, steps_per_epoch))
        pct_start, div_factor, final_div_factor = checks.plain((pct_start, div_factor, final_div_factor))
        max_lr, base_momentum, max_momentum = checks.plain((max_lr, base_momentum, max_momentum))
        if total_steps is None:
            assert epochs is not None
            assert steps_per_epoch is not None
            total_steps = epochs * steps_per_epoch
        self.optimizer = optimizer
        self.total_steps = total_steps
        up, down = _phase("initial", "max"), _phase("max", "min")
        ends = [pct_start * total_steps - 1.0]
        self._schedule_phases = [up, down]
        if three_phase:
            self._schedule_phases = [up, _phase("max", "initial"), _phase("initial", "min")]
            ends.append(2 * pct_start * total_steps - 2.0)
        for phase, end in zip(self._schedule_phases, [*ends, total_steps - 1], strict=True):
            phase["end_step"] = end
        self._anneal_func_type, self.cycle_momentum = anneal_strategy, bool(cycle_momentum)
        if cycle_momentum:
            self.use_beta1 = "betas" in optimizer.defaults
        with undone_if_refused(self):
            if last_epoch == -1:
                for i, group in enumerate(optimizer.param_groups):
                    highest = _of_group(max_lr, i)
                    group.update(initial_lr=highest / div_factor, max_lr=highest)
                    group["min_lr"] = group["initial_lr"] / final_div_factor
                    if cycle_momentum:
                        group["max_momentum"] = _of_group(max_momentum, i)
                        group["base_momentum"] = _of_group(base_momentum, i)
            super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        optimizer_checks.steps_left(self.name, self.last_epoch, self.total_steps)
        phases, start = self._schedule_phases, 0.0
        for phase in phases:
            end = phase["end_step"]
            if self.last_epoch <= end or phase is phases[-1]:
                break
            start = end
        share = (self.last_epoch - start) / (end - start)
        groups = self.optimizer.param_groups
        if self.cycle_momentum:
            for group in groups:
                momentum = self.anneal(group[phase["start_momentum"]], group[phase["end_momentum"]], share)
                if self.use_beta1:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    group["momentum"] = momentum
        return [self.anneal(group[phase["start_lr"]], group[phase["end_lr"]], share) for group in groups]

    def anneal(self, start: float, end: float, share: float) -> float:
        if self._anneal_func_type == "cos":
            return end + (start - end) / 2.0 * (math.cos(math.pi * share) + 1)
        return (end - start) * share + start


def _phase(start: str, end: str) -> dict[str, Any]:
    """The momentum is base_momentum where the rate is largest, and max_momentum elsewhere."""
    momentum = {"max": "base_momentum"}
    return {
        "start_lr": f"{start}_lr",
        "end_lr": f"{end}_lr",
        "start_momentum": momentum.get(start, "max_momentum"),
        "end_momentum": momentum.get(end, "max_momentum"),
    }


def _of_group(value: float | list[float], i: int) -> float:
    return value[i] if isinstance(value, list | tuple) else value
