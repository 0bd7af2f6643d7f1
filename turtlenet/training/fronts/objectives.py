"""What the network of each front is trained for."""

import math
from typing import Any, ClassVar

import keras
from keras import ops

from turtlenet import backend, random
from turtlenet.architectures.gan import discriminator
from turtlenet.attacks import Attack
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.training.fronts.losses import contraction, fooling, gradient_penalty, squares, telling

Move = tuple[list[Any], dict[str, Any]]
"""Gradients of a network's trainable weights, and the terms of the losses (batch,) by name."""

# Draws of their own for noise and for points between images.
_NOISE, _BETWEEN = 0xF204, 0xF205


class FrontObjective:
    """What a front's network learns: one move of it, and of a rival where there is one.

    Args:
        network: What is trained, and kept.
        victim: The model that will stand behind it.
        ball: The threat.
        attack: What perturbs images, where the objective wants perturbed ones.
        settings: Numbers by name; see `turtlenet.settings.fronts.FrontSettings`.
        seed: Of the rival's first weights.
    """

    judged: ClassVar[bool] = True
    """Whether the network makes an image of an image, so that validation can tell the better of two epochs."""
    rival_moves: ClassVar[int] = 0
    """Moves of the rival before each of the network."""
    rival_terms: ClassVar[tuple[str, ...]] = ()
    """The terms of its losses."""
    momentum: ClassVar[tuple[float, float]] = (0.9, 0.999)
    """Adam's, of both."""
    uses: ClassVar[tuple[str, ...]] = ()
    """The settings that it takes."""
    crafts: ClassVar[bool] = False
    """Whether it attacks the model."""

    def __init__(
        self,
        network: keras.Model,
        victim: Classifier,
        ball: Ball,
        *,
        attack: Attack,
        settings: dict[str, float],
        seed: int = 0,
    ):
        self.network, self.victim, self.ball, self.attack = network, victim, ball, attack
        self.settings = settings
        self.rival: Any = self._rival(seed)

    def move(self, x: Any, y: Any, key: Any) -> Move:
        """The gradients of the network's weights.

        Args:
            x: Images, float32 (batch, ...).
            y: Labels, int32 (batch,).
            key: The examples' keys of this step (batch, 2).
        """
        given = self.given(x, y, key)

        def loss() -> tuple[Any, Any]:
            terms = self.terms(given, x)
            return ops.mean(terms["loss"]), terms

        _, terms, slopes = backend.weight_gradients(loss, self.network.trainable_variables)
        return slopes, terms

    def rival_move(self, x: Any, y: Any, key: Any) -> Move:
        """The gradients of the rival's weights."""
        raise NotImplementedError

    def given(self, x: Any, y: Any, key: Any) -> Any:
        """What the network is given of images: they, perturbed; or something else."""
        return x

    def terms(self, given: Any, x: Any) -> dict[str, Any]:
        """The loss (batch,) under `loss`, and other terms, of what the network was given and the images wanted."""
        error = self.error(self.network(given, training=True), x)
        return {"loss": error, "error": error}

    def error(self, made: Any, x: Any) -> Any:
        """Mean squares in pixels of [0, 1]."""
        return squares(made, x) / (self.ball.high - self.ball.low) ** 2

    def _rival(self, seed: int) -> keras.Model | None:
        return None

    @property
    def _bounds(self) -> tuple[float, float]:
        return (self.ball.low, self.ball.high)


class Reforming(FrontObjective):
    """MagNet: |AE(clip(x + sigma n)) - x|^2, n ~ N(0, I) (Meng & Chen, 2017, section 4.2)."""

    uses = ("noise",)

    def given(self, x: Any, y: Any, key: Any) -> Any:
        draw = random.normal(random.fold_in(key, _NOISE), tuple(x.shape[1:]))
        full = self.ball.high - self.ball.low
        return ops.clip(x + self.settings["noise"] * full * draw, self.ball.low, self.ball.high)


class Contracting(FrontObjective):
    """The squares of an input's values, summed, and `contraction` times the contractive penalty of the encoder."""

    uses = ("contraction",)

    def terms(self, given: Any, x: Any) -> dict[str, Any]:
        layers = [self.network.get_layer(name) for name in ("encoder", "encoder_1")]
        codes, value = [], given
        for layer in self.network.layers[1:]:
            value = layer(value)
            codes += [value] if layer in layers else []
        error = self.error(value, x)
        penalty = contraction(codes, [layer.kernel for layer in layers])
        loss = math.prod(x.shape[1:]) * error + self.settings["contraction"] * penalty
        return {"loss": loss, "error": error, "penalty": penalty}


class Eliminating(FrontObjective):
    """APE-GAN: 0.7 |G(x_adv) - x|^2 - 0.3 log D(G(x_adv)) (Shen et al., 2017, eq. 6 to 8).

    The discriminator tells clean images from what the generator makes of perturbed ones. A share `clean` of the images
    may be given as they are.
    """

    uses = ("adversarial", "clean")
    crafts = True
    rival_moves = 1
    rival_terms = ("rival",)
    momentum = (0.5, 0.999)

    def given(self, x: Any, y: Any, key: Any) -> Any:
        moved = self.attack.craft(self.victim, x, y, ball=self.ball, key=key)
        clean = random.uniform(random.fold_in(key, _NOISE), (1,)) < self.settings["clean"]
        return ops.stop_gradient(ops.where(ops.reshape(clean, (-1,) + (1,) * (len(x.shape) - 1)), x, moved))

    def terms(self, given: Any, x: Any) -> dict[str, Any]:
        made = self.network(given, training=True)
        share, error = self.settings["adversarial"], self.error(made, x)
        gan = fooling(self._judged(made))
        return {"loss": (1.0 - share) * error + share * gan, "error": error, "gan": gan}

    def rival_move(self, x: Any, y: Any, key: Any) -> Move:
        made = ops.stop_gradient(self.network(self.given(x, y, key), training=True))

        def loss() -> tuple[Any, Any]:
            told = telling(self._judged(x), self._judged(made))
            return ops.mean(told), told

        _, told, slopes = backend.weight_gradients(loss, self.rival.trainable_variables)
        return slopes, {"rival": told}

    def _judged(self, images: Any) -> Any:
        return self.rival(images, training=True)[:, 0]

    def _rival(self, seed: int) -> keras.Model:
        return discriminator(self.victim.input_shape, bounds=self._bounds, seed=seed)


class Generating(FrontObjective):
    """Defense-GAN's generator, by WGAN-GP (Gulrajani et al., 2017, algorithm 1): images from noise.

    The critic lowers C(G(z)) - C(x) + 10 (|dC/dx|_2 - 1)^2 at points between the two, five times for each move of the
    generator, which lowers -C(G(z)).
    """

    uses = ("critic", "gradient_penalty")
    judged = False
    rival_moves = 5
    rival_terms = ("rival", "penalty")
    momentum = (0.5, 0.9)

    def given(self, x: Any, y: Any, key: Any) -> Any:
        return random.normal(random.fold_in(key, _NOISE), (self.network.input_shape[-1],))

    def terms(self, given: Any, x: Any) -> dict[str, Any]:
        loss = -self._judged(self.network(given, training=True))
        return {"loss": loss}

    def rival_move(self, x: Any, y: Any, key: Any) -> Move:
        made = ops.stop_gradient(self.network(self.given(x, y, key), training=True))
        part = ops.reshape(random.uniform(random.fold_in(key, _BETWEEN), (1,)), (-1,) + (1,) * (len(x.shape) - 1))
        full = self.ball.high - self.ball.low

        def loss() -> tuple[Any, Any]:
            apart = self._judged(x) - self._judged(made)
            between = (part * x + (1.0 - part) * made) / full
            penalty = gradient_penalty(lambda at: self._judged(at * full), between)
            return ops.mean(self.settings["gradient_penalty"] * penalty - apart), {"rival": apart, "penalty": penalty}

        _, terms, slopes = backend.weight_gradients(loss, self.rival.trainable_variables)
        return slopes, terms

    def _judged(self, images: Any) -> Any:
        return self.rival(images, training=True)[:, 0]

    def _rival(self, seed: int) -> keras.Model:
        filters = int(self.settings["critic"])
        return discriminator(self.victim.input_shape, bounds=self._bounds, filters=filters, normal=False, seed=seed)


OBJECTIVES: dict[str, type[FrontObjective]] = {
    "ape-gan": Eliminating,
    "contractive-autoencoder": Contracting,
    "defense-gan": Generating,
    "magnet": Reforming,
}
"""By the name of the defence that the network is for."""
