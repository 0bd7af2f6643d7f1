"""CC-IBP: the loss of an attack's margins and those of the bounds, mixed before the loss is taken."""

from dataclasses import dataclass
from typing import Any

from keras import ops

from turtlenet.classifier import Classifier
from turtlenet.ranges import share
from turtlenet.training.objective.base import objectives
from turtlenet.training.objective.bounded import Bounded
from turtlenet.training.objective.certified import box
from turtlenet.training.objective.mtl_ibp import MTLIBP


@objectives.register("cc-ibp")
@dataclass(frozen=True, kw_only=True)
class CCIBP(MTLIBP):
    """min E[ CE((1 - alpha) d(x') + alpha z(x), y) ] (De Palma et al., 2024, "Expressive losses").

    d(x') are the logits less the label's, at an attack's example; z the same at worst in the ball, by intervals. It
    costs what `mtl-ibp` costs.

    Args:
        alpha: Share of the bounds.
        reach: See `mtl-ibp`.
    """

    alpha: float = share(0.3)

    def bounded_loss(self, model: Classifier, x: Any, moved: Any, y: Any) -> tuple[Any, Any, Bounded]:
        bounded = Bounded(model, x)
        logits = bounded.logits(moved)
        of_label = ops.sum(logits * ops.one_hot(y, logits.shape[-1], dtype="float32"), axis=-1, keepdims=True)
        worst = -bounded.margins(*box(self.ball, x), y)
        return self.fit(y, (1.0 - self.alpha) * (logits - of_label) + self.alpha * worst), logits, bounded
