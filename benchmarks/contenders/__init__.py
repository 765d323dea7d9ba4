"""Who is timed. A contender is one class with the methods of `Contender`; adding one is a file and a row here.

Each does the same work: a full training step from the same weights on the same batch, and the loss as a Python float,
so that no library may put the work off.
"""

from collections.abc import Sequence

from benchmarks.contenders.contender import Contender
from benchmarks.contenders.hand_written import HandWritten
from benchmarks.contenders.jax_jit import JaxJit
from benchmarks.contenders.micrograd_values import Micrograd
from benchmarks.contenders.own import Own, OwnError, is_own
from benchmarks.contenders.plain_c import PlainC
from benchmarks.contenders.sklearn_mlp import SklearnMLP
from benchmarks.contenders.torch_graph import TorchGraph
from benchmarks.contenders.torch_step import TorchStep
from benchmarks.contenders.torch_whole import TorchWhole
from benchmarks.contenders.written_out import WrittenOut

__all__ = ["CONTENDERS", "EVERYWHERE", "OURS", "TORCH", "WRITTEN_OUT", "Contender", "OwnError", "is_own", "take_own"]

OURS, TORCH, WRITTEN_OUT = "NumPy", "torch", "written out"

CONTENDERS: dict[str, Contender] = {
    contender.name: contender
    for contender in (
        HandWritten(OURS),
        WrittenOut(WRITTEN_OUT),
        PlainC("plain C"),
        TorchStep(TORCH),
        TorchStep("torch fused", fused=True),
        TorchStep("torch.compile model", compiled=True),
        TorchWhole("torch.compile step"),
        TorchStep("torch GPU", device="cuda"),
        TorchStep("torch GPU fused", device="cuda", fused=True),
        TorchStep("torch.compile GPU", device="cuda", compiled=True),
        TorchStep("torch GPU copying", device="cuda", copying=True),
        TorchGraph("torch GPU graph"),
        JaxJit("jax.jit"),
        SklearnMLP("scikit-learn"),
        Micrograd("micrograd"),
    )
}
"""In the order of the tables."""

EVERYWHERE = (OURS, WRITTEN_OUT, TORCH, "torch fused")
"""Those that need no compiling: timed on every net, optimizer and dtype."""


def take_own(names: Sequence[str]) -> None:
    """Put the user's own among these names into the table, behind all others. Raises OwnError for one that is none."""
    for name in names:
        if is_own(name) and name not in CONTENDERS:
            CONTENDERS[name] = Own(name)
