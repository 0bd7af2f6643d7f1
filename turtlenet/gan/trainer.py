"""Training a generator, as a Keras model."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from turtlenet import backend, random
from turtlenet.classifier import Classifier
from turtlenet.gan.objective import Players
from turtlenet.training.resumable import ResumableTrainer

# Validation draws come from a stream of their own.
_VALIDATION = 0x6A2
_TERMS = ("loss", "adversarial", "gan", "hinge", "discriminator", "success")


class GanTrainer(ResumableTrainer):
    """Lets a generator and a discriminator move at once, each down its own loss, with one optimizer for both.

    One Adam over the weights of both is two of the same rate: it treats each weight on its own. Metrics are the terms
    of the losses, and `success`: the share of moved images at which the classifiers answer as the attacker wants.

    Args:
        players: Both networks, the rules and the ball.
        victims: Fixed classifiers to attack; success in validation is that on the first.
        seed: Repeats the draws.
    """

    def __init__(self, players: Players, victims: Sequence[Classifier], *, seed: int = 0):
        super().__init__(name="gan_trainer")
        self.network = players.generator
        self.discriminator = players.discriminator
        self.players = players
        self.victims = tuple(victims)
        self.seed = seed
        self._terms = [keras.metrics.Mean(name=name) for name in _TERMS]
        # JAX wants to be told of every variable that a step reads; none of these is trained.
        self._attacked = [victim.model for victim in self.victims]
        self.built = True

    @property
    def metrics(self) -> list[Any]:
        return self._terms

    def saved(self) -> list[Any]:
        """Everything that a continued run must know."""
        return [*self.network.variables, *self.discriminator.variables, *self.optimizer.variables]

    def call(self, x: Any, training: bool = False) -> Any:
        return self.players.perturbation(x, self._keys(x, self.seed), training=training)

    def learn(self, data: Any) -> dict[str, Any]:
        """A move of both players."""
        x, y, _ = self._unpack(data)
        key = random.fold_in(self._keys(x, self.seed), self.optimizer.iterations)
        gradients, terms = self.players.move(self.victims, x, y, key)
        backend.apply_gradients(self.optimizer, gradients, self.players.weights)
        for metric in self._terms:
            if metric.name in terms:
                metric.update_state(terms[metric.name])
        return {metric.name: metric.result() for metric in self._terms if metric.name in terms}

    def judge(self, data: Any) -> dict[str, Any]:
        """The success on images that nobody learns from."""
        x, y, weight = self._unpack(data)
        moved = self.players.moved(x, self._keys(x, self.seed + _VALIDATION))
        logits = self.victims[0](moved)
        goal = self.players.goal(y, self.victims[0].num_classes)
        success = next(metric for metric in self._terms if metric.name == "success")
        success.update_state(ops.cast(goal.reached(logits), "float32"), weight)
        return {"success": success.result()}
