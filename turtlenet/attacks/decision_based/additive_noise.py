"""Noise of growing strength."""

from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet import random
from turtlenet.attacks.base import attacks
from turtlenet.attacks.context import Context
from turtlenet.attacks.decision_based.corruption import Corruption
from turtlenet.attacks.goal import choose
from turtlenet.balls import Ball
from turtlenet.balls.base import column
from turtlenet.typing import Keys, State, Tensor

# Tells the draw of a share from that of the noise; and the least share to try, of the best so far.
_SMALLER, _LEAST = 0x5A17, 0.6


@attacks.register("additive-gaussian")
@dataclass(frozen=True, kw_only=True)
class AdditiveGaussian(Corruption):
    """Gaussian noise of growing length (Foolbox's AdditiveGaussianNoiseAttack; Rauber et al., 2017).

    Its length in the ball's norm, before the bounds cut it, is a share of the radius.
    """

    draws: int = 10

    norms: ClassVar[tuple[str, ...]] = ("l2", "linf", "l1")

    def corrupted(self, x: Tensor, strength: Tensor, *, ball: Ball, key: Keys) -> Tensor:
        return _with_noise(x, random.normal(key, x.shape[1:]), strength, ball)


@attacks.register("additive-uniform")
@dataclass(frozen=True, kw_only=True)
class AdditiveUniform(Corruption):
    """Uniform noise of growing length (Foolbox's AdditiveUniformNoiseAttack; Rauber et al., 2017)."""

    draws: int = 10

    norms: ClassVar[tuple[str, ...]] = ("linf", "l2", "l1")

    def corrupted(self, x: Tensor, strength: Tensor, *, ball: Ball, key: Keys) -> Tensor:
        return _with_noise(x, random.uniform(key, x.shape[1:], -1.0, 1.0), strength, ball)


def _with_noise(x: Tensor, noise: Tensor, strength: Tensor, ball: Ball) -> Tensor:
    """Adds noise as long as a share of the radius."""
    length = ops.maximum(ball.distance(noise, ops.zeros_like(noise)), 1e-12)
    return ball.inside(x + strength * ball.eps * noise / column(length, x))


@attacks.register("salt-and-pepper")
@dataclass(frozen=True, kw_only=True)
class SaltAndPepper(Corruption):
    """Sets a growing share of the values to the darkest or the brightest, half of them each (Foolbox's
    SaltAndPepperNoiseAttack; Rauber et al., 2017).

    Half of the budget goes over all shares from the least to the greatest. What the first success leaves of it all is
    spent on other draws of a smaller share; the nearest success counts.
    """

    early_stop: bool = False

    norms: ClassVar[tuple[str, ...]] = ("l0", "l2", "l1")

    def corrupted(self, x: Tensor, strength: Tensor, *, ball: Ball, key: Keys) -> Tensor:
        draw = random.uniform(key, x.shape[1:])
        half = 0.5 * column(strength, x)
        return ball.inside(ops.where(draw >= 1.0 - half, ball.high, ops.where(draw < half, ball.low, x)))

    def begin(self, context: Context) -> State:
        nothing = ops.zeros_like(context.goal.y)
        return (context.x, nothing < 0, 1.0 + ops.cast(nothing, "float32"), nothing)

    def iterate(self, step: Tensor, state: State, context: Context) -> State:
        x, ball = context.x, context.ball
        point, reached, share, spent = state
        levels = max(1, self.queries // 2 // self.draws)
        rising = ops.minimum(ops.cast(step // self.draws + 1, "float32") / levels, 1.0)
        own = random.fold_in(context.key, step)
        smaller = share * random.uniform(random.fold_in(own, _SMALLER), (), _LEAST, 1.0)
        strength = ops.where(reached, smaller, rising)
        candidate = self.corrupted(x, strength, ball=ball, key=own)
        far = ball.distance(candidate, x)
        nearer = ops.logical_or(ops.logical_not(reached), far < ball.distance(point, x))
        won = ops.logical_and(context.goal.reached(context.model(candidate)), nearer)
        won = ops.logical_and(won, far <= ball.eps * (1.0 + 1e-5))
        return choose(won, candidate, point), reached | won, ops.where(won, strength, share), spent + 1

    def done(self, state: State) -> Tensor:
        return ops.logical_and(state[1], self.early_stop)
