"""The equal average of weights."""

from dataclasses import dataclass
from typing import Any

from keras import ops

from turtlenet.errors import SettingError
from turtlenet.training.wrappers.average import Average
from turtlenet.training.wrappers.base import Plan, check_share, wrappers


@wrappers.register("swa")
@dataclass(frozen=True, kw_only=True)
class SWA(Average):
    """The equal average of the weights is validated, chosen by and saved (Izmailov et al., 2018).

    a = (w_1 + ... + w_n) / n over the weights from a share of the run on; the weights themselves before it.
    Stochastic weight averaging (Izmailov et al., 2018, Algorithm 1); for adversarial training Chen et al. (2021,
    "Robust overfitting may be mitigated by properly learned smoothening"). Validation judges the average, the best
    epoch is chosen by it, and it is what is saved. Weights far apart have an average whose batch statistics are none
    of theirs: those of batch normalization are computed anew, before each validation and at the end, as the mean over
    some training batches, crafted as the run does. That costs as much as their share of an epoch, where the network
    has such layers.

    Args:
        start: Share of the run after which weights are averaged.
        every: Steps between two weights that count; 1 averages all.
        batches: Training batches for the statistics, at most a pass over the data; 0 averages the statistics, too.
    """

    start: float = 0.75
    every: int = 1
    batches: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("start", self.start)
        for name, least in (("every", 1), ("batches", 0)):
            if getattr(self, name) < least:
                raise SettingError(f"Expected {name} >= {least}; got {getattr(self, name)}.")

    @property
    def recalibration(self) -> int:
        return self.batches

    def share(self, count: Any, plan: Plan) -> Any:
        since = count - min(plan.at(self.start), plan.steps - 1)
        size = ops.cast(ops.maximum(since, 0) // self.every + 1, "float32")
        counts = ops.logical_or(since < 0, since % self.every == 0)
        return ops.where(counts, 1.0 / size, 0.0)
