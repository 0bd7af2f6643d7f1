"""Training with one step: fast adversarial training and N-FGSM."""

from dataclasses import dataclass
from typing import Any

from turtlenet import backend
from turtlenet.attacks import RFGSM
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.ranges import number
from turtlenet.training.objective.base import objectives
from turtlenet.training.objective.madry import Madry


@objectives.register("fast")
@dataclass(frozen=True, kw_only=True)
class Fast(Madry):
    """One step from a random point of the ball, projected onto it (Wong et al., 2020, "Fast is better than free").

    Whatever attack is given, this one crafts. It can end in catastrophic overfitting: see `n-fgsm`. A step costs one
    input gradient and one pass of weight gradients.

    Args:
        step_size: Length of the step, in radii.
    """

    step_size: float = number(1.25, above=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "attack", RFGSM(step_size=self.step_size, keep="last"))


@objectives.register("n-fgsm")
@dataclass(frozen=True, kw_only=True)
class NoisyFGSM(Fast):
    """One step from noise larger than the ball, not projected onto it (de Jorge et al., 2022, "Make some noise").

    x' = x + r + step_size * eps * steepest(grad L(x + r)) with r uniform in a ball of `noise` radii: what is trained
    on may lie `noise + step_size` radii from the input, within the bounds of pixels. It costs what `fast` costs.

    Args:
        noise: Radius of the noise, in radii of the ball.
        step_size: Length of the step, in radii.
    """

    noise: float = number(2.0, low=0)
    step_size: float = number(1.0, above=0)

    def craft(self, model: Classifier, x: Any, y: Any, *, ball: Ball, key: Any) -> Any:
        start = ball.with_eps(self.noise * ball.eps).sample(x, key)
        _, _, slope = backend.input_gradient(lambda point: (self.fit(y, model(point)), ()), start)
        ahead = ball.inside(start + self.step_size * ball.eps * ball.steepest(slope, start))
        return ball.feasible(ahead, x)
