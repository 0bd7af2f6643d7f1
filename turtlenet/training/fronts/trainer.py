"""Training a front's network, as a Keras model."""

from typing import Any

import keras
from keras import ops

from turtlenet import backend, random
from turtlenet.training.fronts.objectives import FrontObjective
from turtlenet.training.resumable import ResumableTrainer

# Validation draws come from a stream of their own.
_VALIDATION = 0x6A7
_TERMS = ("loss", "error", "gan", "penalty", "rival", "accuracy")


class FrontTrainer(ResumableTrainer):
    """Lets the network of a front move down its loss, after its rival where it has one.

    Metrics are the terms of the losses; in validation `error` is that of what the network makes of the images that it
    is trained on, and `accuracy` that of the model behind it, there.

    Args:
        objective: The network, its losses and its rival.
        learning_rate: Of the rival's Adam.
        seed: Repeats the draws.
    """

    def __init__(self, objective: FrontObjective, *, learning_rate: float, seed: int = 0):
        super().__init__(name="front_trainer")
        self.objective = objective
        self.network = objective.network
        self.seed = seed
        self._terms = [keras.metrics.Mean(name=name) for name in _TERMS]
        self._rival = objective.rival
        # JAX wants to be told of every variable that a step reads or changes.
        self._attacked = objective.victim.model
        self._rival_state: list[Any] = []
        if objective.rival is not None:
            first, second = objective.momentum
            self.rival_optimizer = keras.optimizers.Adam(learning_rate, beta_1=first, beta_2=second)
            self.rival_optimizer.build(objective.rival.trainable_variables)
            self._rival_state = list(self.rival_optimizer.variables)
        self.built = True

    @property
    def metrics(self) -> list[Any]:
        return self._terms

    def saved(self) -> list[Any]:
        """Everything that a continued run must know."""
        rival = [] if self._rival is None else [*self._rival.variables, *self._rival_state]
        return [*self.network.variables, *rival, *self.optimizer.variables]

    def call(self, x: Any, training: bool = False) -> Any:
        return self.network(x, training=training)

    def learn(self, data: Any) -> dict[str, Any]:
        """A step: the rival's moves, then the network's."""
        x, y, _ = self._unpack(data)
        key = random.fold_in(self._keys(x, self.seed), self.optimizer.iterations)

        def turn(number: Any, state: Any) -> Any:
            gradients, terms = self.objective.rival_move(x, y, random.fold_in(key, number + 1))
            backend.apply_gradients(self.rival_optimizer, gradients, self.objective.rival.trainable_variables)
            self._update(terms)
            return state

        if self.objective.rival_moves:
            backend.loop(self.objective.rival_moves, turn, (ops.zeros(()),))
        gradients, terms = self.objective.move(x, y, key)
        backend.apply_gradients(self.optimizer, gradients, self.network.trainable_variables)
        self._update(terms)
        return self._told((*terms, *self.objective.rival_terms))

    def judge(self, data: Any) -> dict[str, Any]:
        """The error on images that nobody learns from, and the model's accuracy behind the network."""
        x, y, weight = self._unpack(data)
        given = self.objective.given(x, y, self._keys(x, self.seed + _VALIDATION))
        made = self.network(given, training=False)
        right = ops.cast(ops.argmax(self.objective.victim(made), axis=1), y.dtype) == y
        terms = {"error": self.objective.error(made, x), "accuracy": ops.cast(right, "float32")}
        self._update(terms, weight)
        return self._told(tuple(terms))

    def _update(self, terms: dict[str, Any], weight: Any = None) -> None:
        for metric in self._terms:
            if metric.name in terms:
                metric.update_state(terms[metric.name], weight)

    def _told(self, names: tuple[str, ...]) -> dict[str, Any]:
        return {metric.name: metric.result() for metric in self._terms if metric.name in names}
