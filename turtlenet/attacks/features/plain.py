"""One ball for all features, for what cannot work where they differ: nothing that a model's file says is ignored."""

from collections.abc import Callable
from typing import Any

from turtlenet.attacks.features.memory import features_of
from turtlenet.attacks.features.resolve import resolve
from turtlenet.attacks.features.said import Said
from turtlenet.attacks.threat import ball_for
from turtlenet.balls import Ball, is_plain
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError
from turtlenet.models.as_classifier import ModelType


def one_for_all(
    model: ModelType,
    made: Callable[[tuple[float, float] | None], Classifier],
    norm: str,
    *,
    bounds: Any,
    eps: Any,
    what: str,
) -> tuple[Classifier, Ball]:
    """The model in its bounds and the ball, as the user says, else as the model's training had them.

    Args:
        model: The model, as it was given.
        made: Makes its classifier in bounds.
        norm: Name of the norm.
        bounds, eps: What the user gives.
        what: What wants one ball, for the message: `to certify`.

    Raises:
        SettingError: Features that have bounds, radii or rules of their own.
    """
    given = Said.by_user(bounds=bounds, eps=eps)
    victim, said = made(given.outer), given.else_of(features_of(model))
    if not said:
        return victim, ball_for(victim, norm, eps)
    ball = resolve(said, victim.input_shape, norm, victim.bounds).ball
    if not is_plain(ball):
        raise SettingError(
            f"Expected one radius and bounds for all features, and no rules, {what}; got others: --bounds and --eps "
            "take the place of those of the model's training, not of its rules."
        )
    return victim if isinstance(model, Classifier) else made((ball.low, ball.high)), ball
