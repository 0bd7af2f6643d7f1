"""Noise of growing strength."""

import abc
from dataclasses import dataclass
from typing import Any, ClassVar

from keras import ops

from turtlenet import random
from turtlenet.attacks.base import attacks
from turtlenet.attacks.budget import beside
from turtlenet.attacks.decisions.corruption import Corruption
from turtlenet.balls import Ball

__all__ = ["AdditiveGaussian", "AdditiveUniform", "SaltAndPepper"]


@dataclass(frozen=True, kw_only=True)
class _Additive(Corruption):
    """Adds noise whose length in the ball's norm is a share of the radius, before the bounds cut it."""

    draws: int = 10

    norms: ClassVar[tuple[str, ...]] = ("l2", "linf", "l1")

    @abc.abstractmethod
    def noise(self, shape: tuple[int, ...], key: Any) -> Any:
        """Noise (batch, *shape) of any length."""

    def corrupted(self, x: Any, strength: Any, *, ball: Ball, key: Any) -> Any:
        noise = self.noise(x.shape[1:], key)
        length = ops.maximum(ball.distance(noise, ops.zeros_like(noise)), 1e-12)
        return ball.inside(x + strength * ball.eps * noise / beside(length, x))


@attacks.register("additive-gaussian")
@dataclass(frozen=True, kw_only=True)
class AdditiveGaussian(_Additive):
    """Gaussian noise of growing length (Foolbox's AdditiveGaussianNoiseAttack; Rauber et al., 2017)."""

    def noise(self, shape: tuple[int, ...], key: Any) -> Any:
        return random.normal(key, shape)


@attacks.register("additive-uniform")
@dataclass(frozen=True, kw_only=True)
class AdditiveUniform(_Additive):
    """Uniform noise of growing length (Foolbox's AdditiveUniformNoiseAttack; Rauber et al., 2017)."""

    norms: ClassVar[tuple[str, ...]] = ("linf", "l2", "l1")

    def noise(self, shape: tuple[int, ...], key: Any) -> Any:
        return random.uniform(key, shape, -1.0, 1.0)


@attacks.register("salt-and-pepper")
@dataclass(frozen=True, kw_only=True)
class SaltAndPepper(Corruption):
    """Sets a growing share of the values to the darkest or the brightest, half of them each (Foolbox's
    SaltAndPepperNoiseAttack; Rauber et al., 2017)."""

    draws: int = 10

    norms: ClassVar[tuple[str, ...]] = ("l0", "l2", "l1")

    def corrupted(self, x: Any, strength: Any, *, ball: Ball, key: Any) -> Any:
        draw = random.uniform(key, x.shape[1:])
        pepper = ops.where(draw < 0.5 * strength, ball.low, x)
        return ops.where(draw >= 1.0 - 0.5 * strength, ball.high, pepper)
