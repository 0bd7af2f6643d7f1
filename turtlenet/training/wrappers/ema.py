"""The exponential moving average of weights."""

from dataclasses import dataclass
from typing import Any

from keras import ops

from turtlenet.errors import SettingError
from turtlenet.training.wrappers.average import Average
from turtlenet.training.wrappers.base import Plan, wrappers


@wrappers.register("ema")
@dataclass(frozen=True, kw_only=True)
class EMA(Average):
    """The exponential average of the weights is validated, chosen by and saved (Gowal et al., 2020).

    a_t = d_t a_(t-1) + (1 - d_t) w_t with d_t = min(decay, (1 + t) / (10 + t)), t = 0, 1, ... steps before. Model
    weight averaging as in Gowal et al. (2020, "Uncovering the limits of adversarial training"); the decay that grows
    at first is that of their code, and of TensorFlow's: a short run is not an average of its first weights.
    Validation judges the average, the best epoch is chosen by it, and it is what is saved. The moving statistics of
    batch normalization are averaged alike: they lag as the weights do, which costs nothing. It costs one pass over
    the weights a step, and their size in memory.

    Args:
        decay: How much of the average stays at each step, from 0 to less than 1.
    """

    decay: float = 0.999

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.decay < 1:
            raise SettingError(f"Expected decay from 0 to less than 1; got {self.decay}.")

    def share(self, count: Any, plan: Plan) -> Any:
        count = ops.cast(count, "float32")
        return ops.maximum(1.0 - self.decay, 9.0 / (10.0 + count))
