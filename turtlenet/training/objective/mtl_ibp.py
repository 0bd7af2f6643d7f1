"""MTL-IBP: the loss at an attack's example and that of the bounds, mixed."""

from dataclasses import dataclass
from typing import Any

from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.ranges import number, share
from turtlenet.training.objective.base import objectives
from turtlenet.training.objective.bounded import Bounded
from turtlenet.training.objective.certified import Certified, box


@objectives.register("mtl-ibp")
@dataclass(frozen=True, kw_only=True)
class MTLIBP(Certified):
    """min E[ (1 - alpha) CE(f(x'), y) + alpha CE(z(x), y) ] (De Palma et al., 2024, "Expressive losses").

    z are the worst logits of the ball by intervals, as for `ibp`, and x' is an attack's example. A step costs four
    passes of weight gradients beside the attack, three where nothing normalizes the batch.

    Args:
        alpha: Share of the bounds: 1 is `ibp` with kappa 0, 0 is `madry`.
        reach: Radius of the attack, in radii of the ball; the paper's attack goes further than the bounds in places.
    """

    alpha: float = share(0.5)
    reach: float = number(1.0, above=0)

    @property
    def passes(self) -> float:
        return super().passes + 1.0

    def craft(self, model: Classifier, x: Any, y: Any, *, ball: Ball, key: Any) -> Any:
        return self.attack.craft(model, x, y, ball=ball.with_eps(self.reach * ball.eps), key=key)

    def bounded_loss(self, model: Classifier, x: Any, moved: Any, y: Any) -> tuple[Any, Any, Bounded]:
        bounded = Bounded(model, x)
        logits = bounded.logits(moved)
        worst = -bounded.margins(*box(self.ball, x), y)
        return (1.0 - self.alpha) * self.fit(y, logits) + self.alpha * self.fit(y, worst), logits, bounded
