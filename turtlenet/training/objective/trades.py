"""TRADES: accuracy on inputs as they are, against how much answers change around them."""

from dataclasses import dataclass, replace
from typing import Any

from keras import ops

from turtlenet import losses
from turtlenet.attacks import Attack
from turtlenet.attacks.gradient_based.gradient_ascent import GradientAscent
from turtlenet.balls import Ball, is_plain
from turtlenet.classifier import Classifier
from turtlenet.ranges import number
from turtlenet.training.objective.base import Objective, objectives

_START = 0.001
"""Size of the random start, as a share of the pixel range."""


@objectives.register("trades")
@dataclass(frozen=True, kw_only=True)
class Trades(Objective):
    """min E[ CE(f(x), y) + beta * max KL(f(x) || f(x')) ] (Zhang et al., 2019, eq. 5).

    The inner maximum is that of the divergence, from a small random start, unless the attack was given another loss
    than `cross_entropy`. A step costs two passes of weight gradients beside the attack, and a forward pass.

    Args:
        beta: Weight of the divergence; 6 is the paper's. Larger: more robust, less accurate.
    """

    beta: float = number(6.0, low=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "attack", away_from_the_answer(self.attack, self.ball))

    @property
    def passes(self) -> float:
        return super().passes + 1.0 + 1 / 3

    def craft(self, model: Classifier, x: Any, y: Any, *, ball: Ball, key: Any) -> Any:
        return self.attack.craft(model, x, y, ball=ball, key=key, reference=ops.stop_gradient(model(x)))

    def loss(self, model: Classifier, x: Any, moved: Any, y: Any) -> tuple[Any, Any]:
        clean, logits = model(x, training=True), model(moved, training=True)
        return self.fit(y, clean) + self.beta * losses.divergence(clean, logits), logits


def away_from_the_answer(attack: Attack, ball: Ball) -> Attack:
    """The attack on the divergence from the model's own answer, where it was not told another loss.

    The divergence is flat at the input itself: the start is a random point at most a thousandth of the pixel range
    away. That of the code of Zhang et al. (2019) has a thousandth for its standard deviation, which is as near.
    """
    if not isinstance(attack, GradientAscent) or attack.loss != "cross_entropy" or attack.target not in ("", "none"):
        return attack
    size = 0.01
    if ball.eps and ball.norm == "linf" and is_plain(ball):
        size = round(min(1.0, _START * (ball.high - ball.low) / ball.eps), 6)
    return replace(attack, loss="kl", start="uniform", start_size=size)
