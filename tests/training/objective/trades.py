"""An objective of one's own, in the shape of TRADES: what a package or a project would write."""

from dataclasses import dataclass
from typing import Any

from keras import ops

from turtlenet import losses
from turtlenet.training import Objective


@dataclass(frozen=True, kw_only=True)
class Trades(Objective):
    """min E[ CE(f(x), y) + beta * max KL(f(x) || f(x')) ] (Zhang et al., 2019, eq. 5); attack with `pgd:loss=kl`.

    Args:
        beta: How much the model's answers may change less than they are to be right.
    """

    beta: float = 6.0

    def craft(self, model: Any, x: Any, y: Any, *, ball: Any, key: Any) -> Any:
        return self.attack.craft(model, x, y, ball=ball, key=key, reference=ops.stop_gradient(model(x)))

    def loss(self, model: Any, x: Any, moved: Any, y: Any) -> tuple[Any, Any]:
        clean, logits = model(x, training=True), model(moved, training=True)
        return losses.cross_entropy(y, clean) + self.beta * losses.divergence(clean, logits), logits
