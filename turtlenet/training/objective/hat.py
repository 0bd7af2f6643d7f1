"""HAT: labels for points beyond the ball, from a model that was trained as usual."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keras import ops

from turtlenet.classifier import Classifier
from turtlenet.errors import SpecError
from turtlenet.ranges import number
from turtlenet.training.objective.base import objectives
from turtlenet.training.objective.trades import Trades


@objectives.register("hat")
@dataclass(frozen=True, kw_only=True)
class Hat(Trades):
    """TRADES + gamma * CE(f(x + 2 (x' - x)), argmax of the helper at x') (Rade & Moosavi-Dezfooli, 2022, eq. 5).

    TRADES makes margins larger than the ball asks for, at the cost of accuracy; labels from a model that was trained
    as usual say where they should end. The helper is the first `--source`. A step costs three passes of weight
    gradients beside the attack, and two forward passes.

    Args:
        beta: Weight of the divergence.
        gamma: Weight of the helper's labels.
    """

    beta: float = number(2.5, low=0)
    gamma: float = number(0.5, low=0)

    @property
    def helpers(self) -> int:
        return 1

    @property
    def passes(self) -> float:
        return super().passes + 1.0 + 1 / 3

    def loss(self, model: Classifier, x: Any, moved: Any, y: Any) -> tuple[Any, Any]:
        raise SpecError("Expected a helper for objective hat; got none: pass --source.")

    def loss_beside(
        self, model: Classifier, x: Any, adversarial: Any, y: Any, helpers: Sequence[Classifier]
    ) -> tuple[Any, Any]:
        total, logits = super().loss(model, x, adversarial, y)
        labels = ops.cast(ops.argmax(ops.stop_gradient(helpers[0](adversarial)), axis=-1), "int32")
        beyond = model(x + 2.0 * (adversarial - x), training=True)
        return total + self.gamma * self.fit(labels, beyond), logits
