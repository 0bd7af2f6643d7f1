"""One ball for all features, for what cannot work where they differ: nothing that a model's file says is ignored."""

from typing import Any

from turtlenet.attacks.features.memory import features_of
from turtlenet.attacks.features.resolve import resolve
from turtlenet.attacks.features.said import Said
from turtlenet.attacks.threat import ball_for
from turtlenet.balls import Ball, is_plain
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError
from turtlenet.models.as_classifier import ModelType, as_classifier


def one_for_all(
    model: ModelType, norm: str, *, bounds: Any, eps: Any, what: str, **how: Any
) -> tuple[Classifier, Ball]:
    """The model in its bounds and the ball, as the user says, else as the model's training had them.

    Args:
        model: The model, as it was given.
        norm: Name of the norm.
        bounds, eps: What the user gives.
        what: What wants one ball, for the message: `to certify`.
        **how: Further arguments of `as_classifier`.

    Raises:
        SettingError: Features that have bounds, radii or rules of their own.
        ModelError: See `as_classifier`.
    """
    given = Said.by_user(bounds=bounds, eps=eps)
    victim, said = as_classifier(model, bounds=given.outer, **how), given.else_of(features_of(model))
    if not said:
        return victim, ball_for(victim, norm, eps)
    ball = resolve(said, victim.input_shape, norm, victim.bounds).ball
    if not is_plain(ball):
        raise SettingError(
            f"Expected one radius and bounds for all features, and no rules, {what}; got others: --bounds and --eps "
            "take the place of those of the model's training, not of its rules."
        )
    if isinstance(model, Classifier):
        return victim, ball
    return as_classifier(model, bounds=(ball.low, ball.high), **how), ball
