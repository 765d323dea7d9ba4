"""The judge: a third computation, in intervals that contain the result of every correct program.

- `StepJudge` certifies every step of a training run from the side's own state; `Tally` adds its verdicts up.
- `judge_forward`, `judge_backward`, `judge_loss`, `judge_net` and `judge_optimizer` (with `snapshot`) judge one piece.
- `judge_hvp` judges a Hessian-vector product, `judge_clip` the clipping of gradients by their norm.
- `judge_shards` judges gradients that several processes have averaged.
- `Verdict` says what held, `Failure` what did not: side, tensor, index, value, reference, radius and likely pattern.
"""

from handgrad.judge.ball import Ball, Format
from handgrad.judge.forward_backward import judge_backward, judge_forward, judge_loss, judge_net
from handgrad.judge.optimizer_step import judge_optimizer, snapshot
from handgrad.judge.rules.clip import judge_clip
from handgrad.judge.second_order import judge_hvp
from handgrad.judge.shards import judge_shards
from handgrad.judge.training_step import Snapshot, StepJudge
from handgrad.judge.verdict import Failure, Tally, Verdict

__all__ = [
    "Ball",
    "Failure",
    "Format",
    "Snapshot",
    "StepJudge",
    "Tally",
    "Verdict",
    "judge_backward",
    "judge_clip",
    "judge_forward",
    "judge_hvp",
    "judge_loss",
    "judge_net",
    "judge_optimizer",
    "judge_shards",
    "snapshot",
]
