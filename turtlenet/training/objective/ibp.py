"""IBP: the worst logits that intervals leave."""

from dataclasses import dataclass
from typing import Any, ClassVar

from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.ranges import share
from turtlenet.training.objective.base import objectives
from turtlenet.training.objective.bounded import Bounded
from turtlenet.training.objective.certified import Certified, box


@objectives.register("ibp")
@dataclass(frozen=True, kw_only=True)
class IBP(Certified):
    """min E[ kappa CE(f(x), y) + (1 - kappa) CE(z(x), y) ] (Gowal et al., 2018, section 3).

    z are the worst logits that interval bounds leave in the ball: 0 for the label, and for each other class minus the
    lower bound of the label's margin over it, with the last layer folded in. Nothing is attacked. A step costs three
    passes of weight gradients.

    Args:
        kappa: Weight of the loss at inputs as they are, at the threat's radius; it is 1 at radius 0 and falls as the
            radius grows. The paper ends at 0.5, Shi et al. (2021) begin and end at 0.
    """

    kappa: float = share(0.5)
    clean_share: float = 1.0
    # No setting: nothing is crafted on any model.
    craft_on: ClassVar[str] = "self"  # type: ignore[misc]

    def craft(self, model: Classifier, x: Any, y: Any, *, ball: Ball, key: Any) -> Any:
        return x

    def bounded_loss(self, model: Classifier, x: Any, moved: Any, y: Any) -> tuple[Any, Any, Bounded]:
        # In training `moved` is `x`; in validation its logits are asked for.
        bounded = Bounded(model, moved)
        worst = -bounded.margins(*box(self.ball, x), y)
        kappa = 1.0 - self.ramp * (1.0 - self.kappa)
        return kappa * self.fit(y, bounded.clean) + (1.0 - kappa) * self.fit(y, worst), bounded.clean, bounded
