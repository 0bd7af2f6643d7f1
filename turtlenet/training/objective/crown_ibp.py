"""CROWN-IBP: linear bounds backward from interval bounds, which take over along the run."""

from dataclasses import dataclass
from typing import Any, ClassVar

from turtlenet.classifier import Classifier
from turtlenet.ranges import share
from turtlenet.training.objective.base import objectives
from turtlenet.training.objective.bounded import Bounded
from turtlenet.training.objective.certified import box
from turtlenet.training.objective.ibp import IBP


@objectives.register("crown-ibp")
@dataclass(frozen=True, kw_only=True)
class CROWNIBP(IBP):
    """min E[ kappa CE(f(x), y) + (1 - kappa) CE(z(x), y) ], z = (1 - beta) IBP + beta CROWN-IBP (Zhang et al., 2020).

    Both are worst logits in the ball (eq. 12 of the paper): of intervals as for `ibp`, and of linear functions that go
    backward from each margin and end at the input, with intervals for what lies between. A step costs what `ibp`
    costs, and one and a half passes of weight gradients more for each class, also where beta has become 0.

    Args:
        kappa: Weight of the loss at inputs as they are, at the threat's radius; see `ibp`.
        beta: Share of the linear bounds at the threat's radius; it is 1 at radius 0 and falls as the radius grows.
            The paper ends at 0.
    """

    beta: float = share(0.0)

    class_passes: ClassVar[float] = 1.5

    def bounded_loss(self, model: Classifier, x: Any, moved: Any, y: Any) -> tuple[Any, Any, Bounded]:
        bounded = Bounded(model, moved)
        margins = bounded.margins(*box(self.ball, x), y)
        kappa, beta = (1.0 - self.ramp * (1.0 - end) for end in (self.kappa, self.beta))
        if not (isinstance(beta, float) and beta == 0):
            margins = (1.0 - beta) * margins + beta * bounded.linear_margins(y)
        return kappa * self.fit(y, bounded.clean) + (1.0 - kappa) * self.fit(y, -margins), bounded.clean, bounded
