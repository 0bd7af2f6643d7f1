"""What objectives of certificates share: a box around each input, and what keeps its bounds tight."""

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

from keras import ops

from turtlenet.balls import Ball, is_plain
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError
from turtlenet.ranges import number
from turtlenet.training.objective.base import Objective, objectives
from turtlenet.training.objective.bounded import Bounded, taken_apart


@dataclass(frozen=True, kw_only=True)
class Certified(Objective):
    """An objective of which the worst case over a box of inputs is a bound, and no attack's find.

    A subclass has `craft` and `bounded_loss`. Of batch normalization, all that it computes has the statistics of the
    batch as it is (Shi et al., 2021); dropout is off. The radius should grow along the run: see the wrapper
    `eps-schedule`, with which the regularizers fade and `kappa` and `beta` fall.

    Args:
        regularizer: Weight, at radius 0, of the regularizers of Shi et al. (2021), which keep intervals from growing
            and activations balanced; it falls to 0 as the radius grows to the threat's. See `Bounded.looseness`.
        l1: Weight of the sum of all kernels' magnitudes.
    """

    regularizer: float = number(0.5, low=0)
    l1: float = number(0.0, low=0)

    def check(self, model: Classifier, sources: Sequence[Classifier]) -> None:
        """Refuses what cannot work, before training starts.

        Raises:
            SettingError: Another task than single labels of one input, another norm than linf, or features with radii
                of their own; and see `Objective.check`.
            ModelError: A layer without a rule to bound it.
        """
        if model.question is not None:
            raise SettingError(
                f"Expected single labels of one input for objective {_name(self)}; got {model.question.describe()}."
            )
        super().check(model, sources)
        if self.ball.norm != "linf":
            raise SettingError(f"Expected norm linf for objective {_name(self)}; got {self.ball.norm}.")
        if not is_plain(self.ball):
            raise SettingError(
                f"Expected one radius and bounds for all features for objective {_name(self)}; got some of their own, "
                "or rules: objectives that train on attacks keep to those."
            )
        taken_apart(model)

    @property
    def passes(self) -> float:
        # Bounds take two: one for the middles of boxes, and one for their radii.
        return super().passes + 2.0

    @abc.abstractmethod
    def bounded_loss(self, model: Classifier, x: Any, moved: Any, y: Any) -> tuple[Any, Any, Bounded]:
        """Gives the loss of each example (batch,), the logits at `moved`, and what was bounded; see `loss`."""

    @final
    def loss(self, model: Classifier, x: Any, moved: Any, y: Any) -> tuple[Any, Any]:
        losses, logits, bounded = self.bounded_loss(model, x, moved, y)
        fading = self.regularizer * (1.0 - self.ramp)
        if not (isinstance(fading, float) and fading == 0):
            losses = losses + fading * bounded.looseness()
        if self.l1:
            kernels = [weight for weight in model.model.trainable_variables if len(weight.shape) > 1]
            losses = losses + self.l1 * sum(ops.sum(ops.abs(ops.cast(weight, "float32"))) for weight in kernels)
        return losses, logits

    def statistics_pass(self, model: Classifier, x: Any, moved: Any) -> Any:
        return Bounded(model, x).clean

    def certified(self, model: Classifier, x: Any, y: Any) -> Any:
        """Which inputs no point of the ball can change the right answer of, by intervals, bool (batch,)."""
        low, high = box(self.ball, x)
        margins = Bounded(model, x).margins(low, high, y)
        return ops.all(ops.logical_or(margins > 0, _is_label(margins, y)), axis=-1)


def box(ball: Ball, x: Any, share: float = 1.0, around: Any = None) -> tuple[Any, Any]:
    """The ends of a box of a share of the radius around points, within the ball around `x` and the bounds."""
    low, high = ball.inside(x - ball.eps), ball.inside(x + ball.eps)
    if around is None:
        return low, high
    size = share * ball.eps
    return ops.clip(around - size, low, high), ops.clip(around + size, low, high)


def _is_label(margins: Any, y: Any) -> Any:
    return ops.cast(ops.one_hot(y, margins.shape[-1], dtype="int32"), "bool")


def _name(objective: Objective) -> str:
    return objectives.name_of(type(objective))
