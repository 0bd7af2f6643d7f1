"""The game that a generator and a discriminator play around classifiers: its rules, and one move of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
from keras import ops

from turtlenet import backend, random
from turtlenet.architectures import gan as networks
from turtlenet.arguments import check_fields
from turtlenet.attacks import Goal
from turtlenet.attacks.goal import choose_target, is_class
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError, SpecError, did_you_mean
from turtlenet.gan.losses import ADVERSARIAL, GAN_LOSSES, HINGES, adversarial, gan_loss, hinge

_BUDGETS = ("hinge", "network")


@dataclass(frozen=True, kw_only=True)
class GeneratorObjective:
    """The rules: L = L_adv + alpha L_GAN + beta L_hinge (paper 003, eq. 10), and what the networks are.

    Args:
        network: `residual`, `unet`, or `auto`: `unet` for color images.
        budget: Who keeps the ball in training: the `hinge`, on outputs that may reach over the whole range of pixels;
            or the `network`, whose tanh ends at the radius. Moved images are projected into the ball either way.
        adversarial: `cross_entropy` or `margin`; see `turtlenet.gan.losses.adversarial`.
        kappa: Confidence that the margin is after, in logits.
        gan: `log` as in eq. 7, `non-saturating` or `least-squares`.
        alpha: Weight of the GAN loss; 0 plays without a discriminator.
        beta: Weight of the hinge.
        hinge: Its norm: `linf` as in eq. 9, `l2` as in the original; `auto` is that of the ball, in `l1` `l2`.
        c: Length that the hinge allows, in input units; 0 takes that of a perturbation on the ball's surface that is
            as large in every pixel: the radius, where hinge and ball have the same norm.
        noise: Numbers of noise that an output depends on besides the image: several samples can then be tried.
        target: A class number that the model shall answer; empty for any wrong answer.
    """

    network: str = "auto"
    budget: str = "hinge"
    adversarial: str = "cross_entropy"
    kappa: float = 0.0
    gan: str = "log"
    alpha: float = 1.0
    beta: float = 10.0
    hinge: str = "auto"
    c: float = 0.0
    noise: int = 0
    target: str = ""

    def __post_init__(self) -> None:
        check_fields(self)
        known = {
            "network": ("auto", *networks.NETWORKS),
            "budget": _BUDGETS,
            "adversarial": ADVERSARIAL,
            "gan": tuple(GAN_LOSSES),
            "hinge": ("auto", *HINGES),
        }
        for name, words in known.items():
            if getattr(self, name) not in words:
                raise SpecError(
                    f"Unknown {name} {getattr(self, name)!r} of a generator's game."
                    f"{did_you_mean(getattr(self, name), words)}"
                )
        for name in ("kappa", "alpha", "beta", "c"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise SettingError(f"Expected {name} >= 0; got {getattr(self, name)}.")
        if not 0 <= self.noise <= 1024:
            raise SettingError(f"Expected noise from 0 to 1,024 numbers; got {self.noise}.")
        if self.target and not is_class(self.target):
            raise SettingError(f"Expected a class number as the generator's target; got {self.target!r}.")


VARIANTS: dict[str, GeneratorObjective] = {
    "paper": GeneratorObjective(adversarial="margin"),
    "strong": GeneratorObjective(
        budget="network", adversarial="margin", kappa=1.0, gan="non-saturating", alpha=0.01, beta=0.0, noise=8
    ),
}
"""The rules by name: those of paper 003, and the best that was found."""


def variant(name: str, **settings: Any) -> GeneratorObjective:
    """The rules of that name, with other settings where any are given.

    Raises:
        SpecError: An unknown name.
        SettingError: A setting out of its range.
    """
    if name not in VARIANTS:
        raise SpecError(f"Unknown variant {name!r} of a generator.{did_you_mean(name, VARIANTS)}")
    return replace(VARIANTS[name], **{key: value for key, value in settings.items() if value is not None})


@dataclass(frozen=True, eq=False)
class Players:
    """A generator and a discriminator in one game, within one ball.

    Attributes:
        generator: See `turtlenet.architectures.gan.generator`.
        discriminator: See `turtlenet.architectures.gan.discriminator`.
        game: The rules.
        ball: Where images may move; the hinge's `c` is its radius unless the rules say another.
    """

    generator: keras.Model
    discriminator: keras.Model
    game: GeneratorObjective
    ball: Ball

    @property
    def weights(self) -> list[Any]:
        """What both train: the generator's first."""
        return [*self.generator.trainable_variables, *self.discriminator.trainable_variables]

    def perturbation(self, x: Any, key: Any, *, training: bool = False) -> Any:
        """Gives perturbations (batch, ...) in input units, before the ball cuts them.

        Args:
            x: Images, float32 (batch, ...).
            key: The examples' keys (batch, 2), which the noise belongs to.
            training: Whether the generator learns from it.
        """
        given = [x, random.normal(key, (self.game.noise,))] if self.game.noise else x
        return self.generator(given, training=training)

    def moved(self, x: Any, key: Any) -> Any:
        """Gives adversarial examples, within the ball."""
        return self.ball.project(x + self.perturbation(x, key), x)

    def goal(self, y: Any, num_classes: int) -> Goal:
        """What the generator is after."""
        if not self.game.target:
            return Goal(y)
        blank = ops.zeros((1, num_classes))
        return Goal(y, choose_target(self.game.target, y, blank, None))

    @property
    def hinge(self) -> str:
        """The norm of the hinge."""
        if self.game.hinge != "auto":
            return self.game.hinge
        return self.ball.norm if self.ball.norm in HINGES else "l2"

    def allowed(self, norm: str, values: int) -> float:
        """How long in a norm, `linf` or `l2`, an even perturbation of so many values on the ball's surface is."""
        each: float = self.ball.eps / self.ball.span(values)
        return each * (1.0 if norm == "linf" else math.sqrt(values))

    def move(self, victims: Sequence[Classifier], x: Any, y: Any, key: Any) -> tuple[list[Any], dict[str, Any]]:
        """One move: the gradients of both players at the weights as they are, each of its own loss and weights.

        Args:
            victims: Classifiers under attack; the mean of their losses counts.
            x: Images, float32 (batch, ...).
            y: Labels, int32 (batch,).
            key: The examples' keys of this step (batch, 2).

        Returns:
            A gradient for each of `weights`, and the terms of the losses (batch,) by name, with `success`.
        """
        game = self.game
        goal = self.goal(y, victims[0].num_classes)
        norm = self.hinge
        c = game.c or self.allowed(norm, math.prod(x.shape[1:]))

        def generating() -> tuple[Any, Any]:
            delta = self.perturbation(x, key, training=True)
            perturbed = self.ball.project(x + delta, x)
            logits = [victim(perturbed) for victim in victims]
            adv = sum(adversarial(game.adversarial, goal, each, game.kappa) for each in logits) / len(victims)
            terms = {"adversarial": adv, "hinge": hinge(norm, delta, c)}
            total = adv + game.beta * terms["hinge"]
            if game.alpha:
                terms["gan"] = gan_loss(game.gan).generator(self._judged(perturbed))
                total = total + game.alpha * terms["gan"]
            reached = sum(ops.cast(goal.reached(each), "float32") for each in logits) / len(victims)
            return ops.mean(total), (ops.stop_gradient(perturbed), {**terms, "success": reached, "loss": total})

        _, (perturbed, terms), slopes = backend.weight_gradients(generating, self.generator.trainable_variables)
        if not game.alpha:
            return [*slopes, *(ops.zeros_like(each.value) for each in self.discriminator.trainable_variables)], terms

        def judging() -> tuple[Any, Any]:
            judged = gan_loss(game.gan).discriminator(self._judged(x), self._judged(perturbed))
            return ops.mean(judged), judged

        _, judged, others = backend.weight_gradients(judging, self.discriminator.trainable_variables)
        return [*slopes, *others], {**terms, "discriminator": judged}

    def _judged(self, images: Any) -> Any:
        """The discriminator's logits (batch,)."""
        return self.discriminator(images, training=True)[:, 0]


def build_players(game: GeneratorObjective, ball: Ball, shape: Sequence[int], seed: int = 0) -> Players:
    """Both networks with fresh weights that belong to a seed.

    Raises:
        ModelError: Images that no generator can be built for.
    """
    channels = networks.check_shape(shape)[2]
    network = ("unet" if channels == 3 else "residual") if game.network == "auto" else game.network
    reach = float(ball.eps) if game.budget == "network" and ball.norm == "linf" else ball.full
    bounds = (ball.low, ball.high)
    return Players(
        networks.generator(shape, network, bounds=bounds, reach=reach, noise=game.noise, seed=seed),
        networks.discriminator(shape, bounds=bounds, seed=seed),
        game,
        ball,
    )
