"""MART: what is misclassified as it is counts more."""

from dataclasses import dataclass
from typing import Any

from keras import ops

from turtlenet import losses
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.ranges import number
from turtlenet.training.objective.base import Objective, objectives


@objectives.register("mart")
@dataclass(frozen=True, kw_only=True)
class Mart(Objective):
    """min E[ BCE(p(x'), y) + beta * KL(p(x) || p(x')) * (1 - p_y(x)) ] (Wang et al., 2020, eq. 8 to 11).

    BCE is CE(f(x'), y) - log(1 - max over j != y of p_j(x')), the boosted cross-entropy; x' maximizes the
    cross-entropy. A step costs two passes of weight gradients beside the attack.

    Args:
        beta: Weight of the divergence (lambda in the paper, which takes 5; its code 6).
    """

    beta: float = number(5.0, low=0)

    @property
    def passes(self) -> float:
        return super().passes + 1.0

    def craft(self, model: Classifier, x: Any, y: Any, *, ball: Ball, key: Any) -> Any:
        return self.attack.craft(model, x, y, ball=ball, key=key)

    def loss(self, model: Classifier, x: Any, moved: Any, y: Any) -> tuple[Any, Any]:
        clean, logits = model(x, training=True), model(moved, training=True)
        of_label = ops.one_hot(y, logits.shape[-1], dtype="float32")
        best_other = ops.max(ops.softmax(logits, axis=-1) - of_label, axis=-1)
        # 1.0001, as in the authors' code: the logarithm of 0 has no gradient.
        boosted = self.fit(y, logits) - ops.log(1.0001 - best_other)
        doubt = 1.0 - ops.sum(ops.softmax(clean, axis=-1) * of_label, axis=-1)
        return boosted + self.beta * losses.divergence(clean, logits) * doubt, logits
