"""SABR: a small box around an adversarial example."""

from dataclasses import dataclass
from typing import Any

from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.ranges import number
from turtlenet.training.objective.base import objectives
from turtlenet.training.objective.bounded import Bounded
from turtlenet.training.objective.certified import Certified, box


@objectives.register("sabr")
@dataclass(frozen=True, kw_only=True)
class SABR(Certified):
    """min E[ CE(z, y) ], z the worst logits of a box of tau eps around x' (Mueller et al., 2023, section 3).

    x' is an attack's example in the ball of (1 - tau) eps around x, so that the box lies in that of eps. Small boxes
    are bounded tightly, but do not cover the ball. A step costs three passes of weight gradients beside the attack,
    and a forward pass.

    Args:
        tau: Radius of the box, in radii of the ball; 1 is `ibp` with kappa 0.
    """

    tau: float = number(0.4, above=0, high=1)

    @property
    def passes(self) -> float:
        return super().passes + 1 / 3

    def craft(self, model: Classifier, x: Any, y: Any, *, ball: Ball, key: Any) -> Any:
        return self.attack.craft(model, x, y, ball=ball.with_eps((1.0 - self.tau) * ball.eps), key=key)

    def bounded_loss(self, model: Classifier, x: Any, moved: Any, y: Any) -> tuple[Any, Any, Bounded]:
        bounded = Bounded(model, x)
        worst = -bounded.margins(*box(self.ball, x, self.tau, moved), y)
        return self.fit(y, worst), bounded.logits(moved), bounded
