"""How far inputs may move, and which attacks work there."""

from collections.abc import Sequence
from typing import Any

from turtlenet import balls, models, radius
from turtlenet.attacks import Attack
from turtlenet.attacks.advgan import generators_in, loaded_generator, trained_on
from turtlenet.balls import Ball, is_plain
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError
from turtlenet.input_kind import IMAGE, InputKind, kind_of
from turtlenet.models.as_classifier import ModelType, about_model


def ball_for(victim: Classifier, norm: str, eps: float | str | None) -> Ball:
    """The ball in a classifier's bounds.

    Args:
        victim: The classifier.
        norm: Name of the norm.
        eps: The radius, as `turtlenet.radius.parsed` reads it; None takes the usual one for gray or color images.

    Raises:
        SpecError: No such norm.
        SettingError: A radius that cannot be read, or is negative, NaN or infinite.
    """
    ball = balls.get(norm, 0.0, victim.bounds)
    if eps is None:
        return ball.with_eps(radius.usual(victim.input_shape, ball.usual, victim.bounds)[0])
    return ball.with_eps(radius.resolved(eps, norm, victim.bounds))


def why_eps(victim: Classifier, norm: str, eps: float | str | None) -> str:
    """Where the radius of `ball_for` comes from, in words."""
    ball = balls.get(norm, 0.0, victim.bounds)
    return radius.usual(victim.input_shape, ball.usual, victim.bounds)[1] if eps is None else "given"


def threat_for(
    victim: Classifier, attacks: Sequence[Attack], norm: str, eps: float | str | None, ball: Ball | None = None
) -> Ball:
    """How far inputs may move; refuses attacks that cannot work there, or in a ball of their own.

    Args:
        victim: The classifier under attack.
        attacks: The attacks.
        norm, eps: See `ball_for`.
        ball: The ball, where it is known already.

    Raises:
        SpecError, SettingError: See `ball_for`, and `Attack.check`.
        ModelError: A loss that needs more classes than the classifier has.
    """
    ball = ball_for(victim, norm, eps) if ball is None else ball
    for each in attacks:
        each.check(victim, each.own_ball(ball, victim.input_shape))
    return ball


def ball_facts(ball: Ball) -> dict[str, Any]:
    """The norm, the radius and the bounds, as a report's JSON has them."""
    return {"norm": ball.norm, "eps": float(ball.eps), "bounds": [ball.low, ball.high]}


def describe_ball(
    ball: Ball, shape: tuple[int, ...] | None = None, why: str = "", kind: InputKind | None = None
) -> str:
    """`linf, eps 0.3, pixels in [0, 1] (76.5 gray levels of 255, 30 % of the range)`.

    Args:
        ball: The threat.
        shape: Of an input, without the batch; None says no more than the ball does.
        why: Where the radius comes from, if that is worth a word.
        kind: What an input is; None tells it from the shape.
    """
    if not is_plain(ball):
        return why or f"{ball.norm}, {ball.eps:g} times each feature's own eps"
    words = [] if why in ("", "given") else [why]
    if shape is not None:
        share = ball.per_pixel(shape)
        kind = kind or kind_of(shape)
        words.insert(0, radius.size_words(ball.norm, share, 255 * share if kind.pictured else None, kind))
    more = f" ({'; '.join(words)})" if words else ""
    return f"{ball.norm}, eps {ball.eps:g}, {(kind or IMAGE).values} in [{ball.low:g}, {ball.high:g}]{more}"


def check_generators(attacks: Sequence[Attack], model: ModelType, victim: Classifier, access: str) -> None:
    """Refuses generators that were trained on the model itself: whoever did has had its gradients.

    Args:
        attacks: The attacks, of which some may add what a generator makes.
        model: The model as it was given.
        victim: Its classifier.
        access: What the attacker may do, for the message.

    Raises:
        SettingError: One that was.
    """
    digests = {about_model(model, victim)["sha256"], models.weights_sha256(victim.model)}
    for file in (file for attack in attacks for file in generators_in(attack)):
        if trained_on(loaded_generator(file).facts, digests):
            raise SettingError(
                f"Expected a generator that was not trained on the model for access {access}; got {file}: "
                "turtlenet gan train --access dynamic, or on another model."
            )
