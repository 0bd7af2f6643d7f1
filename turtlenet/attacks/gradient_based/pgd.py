"""Projected gradient descent (PGD) and its relatives: many steps uphill on the loss, each back into the ball.

From a start in the ball around the input `x`, every attack here repeats

    point = ball.project(point + length * ball.steepest(gradient, point), x)

where `gradient` is that of the loss at `point`, `ball.steepest` makes a direction of length 1 of it (in Linf its sign,
in L2 the gradient over its length), `length` is that of a step, and `ball.project` goes to the nearest point within
the radius and the pixel bounds. The best point on the way is the answer. The loop is `GradientAscent.search`; the
classes below say where it starts, how many steps it takes and which loss it climbs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from turtlenet.attacks.base import attacks
from turtlenet.attacks.gradient_based.gradient_ascent import GradientAscent

# Within a training step: ten steps that can cross the ball and come back, and the last point, which needs no further
# forward pass.
_TRAINING = {"steps": 10, "step_size": 0.25, "keep": "last"}


@attacks.register("pgd")
@dataclass(frozen=True, kw_only=True)
class PGD(GradientAscent):
    """Projected gradient descent from a random start (Madry et al., 2018; paper 003, section 4.3).

    The default, 40 steps of a tenth of the radius, walks four radii; `pgd:steps=40,step=0.01` is the setting of the
    MNIST challenge at a radius of 0.3, and `pgd:start=odi` is ODI-PGD (Tashiro et al., 2020). When a model is trained
    with the bare name `pgd`, it takes 10 steps of a quarter of the radius.

    Args:
        start: Where to begin: `uniform` at a random point of the ball, `none` at the input, `sign` at a random corner,
            `odi` where the outputs differ most.
        **settings: Those of `GradientAscent`, such as `steps`, `step_size` (a fraction of the radius), `step` (in
            input units), `restarts`, `loss` and `early_stop`.

    >>> str(PGD(steps=100, step_size=0.05))
    'pgd:steps=100,step_size=0.05'
    >>> attacks.build("pgd:steps=100,step_size=0.05") == PGD(steps=100, step_size=0.05)
    True
    """

    start: str = "uniform"

    training_settings: ClassVar[Mapping[str, Any]] = _TRAINING


@attacks.register("madry")
@dataclass(frozen=True, kw_only=True)
class Madry(GradientAscent):
    """PGD under the name, and with the defaults, that paper 003 and cleverhans know as MadryEtAl.

    10 steps of 0.05 input units, meant for pixels in [0, 1], from a random point of the ball; its other settings are
    those of `PGD`.
    """

    steps: int = 10
    step: float = 0.05
    start: str = "uniform"

    training_settings: ClassVar[Mapping[str, Any]] = {"keep": "last"}


@attacks.register("bim")
@dataclass(frozen=True, kw_only=True)
class BIM(GradientAscent):
    """The basic iterative method: PGD that starts at the input (Kurakin et al., 2017; paper 003, section 4.2)."""

    training_settings: ClassVar[Mapping[str, Any]] = _TRAINING


@attacks.register("iterative-least-likely")
@dataclass(frozen=True, kw_only=True)
class IterativeLeastLikely(GradientAscent):
    """BIM towards the class that the model finds least likely (Kurakin et al., 2017, section 2.3)."""

    target: str = "least_likely"

    training_settings: ClassVar[Mapping[str, Any]] = _TRAINING


@attacks.register("multi-targeted")
@dataclass(frozen=True, kw_only=True)
class MultiTargeted(GradientAscent):
    """PGD towards every wrong class in turn (Gowal et al., 2019, "An alternative surrogate loss").

    The loss towards a class is its margin, the logit of the class less the best other one; any wrong answer counts.
    """

    start: str = "uniform"
    loss: str = "margin"
    target: str = "each"
