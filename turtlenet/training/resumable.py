"""What the trainers of a model and of a generator have in common."""

from typing import Any

import keras
from keras import ops

from turtlenet import backend, random


class ResumableTrainer(backend.Steps, keras.Model):
    """A `keras.Model` whose steps draw for each example, and whose whole state a run can save.

    A subclass has `learn(data)` and `judge(data)`, and `network`: the model whose best weights are kept.
    """

    network: keras.Model

    def saved(self) -> list[Any]:
        """The variables that a continued run must know; not the metrics, which start anew with each epoch."""
        raise NotImplementedError

    def everything(self) -> list[Any]:
        """All variables that a step reads or changes."""
        return [*self.variables, *self.metrics_variables, *self.optimizer.variables]

    def _keys(self, x: Any, seed: int) -> Any:
        """One key for each place in the global batch."""
        number, _ = backend.replica()
        size = ops.shape(x)[0]
        return random.keys(seed, ops.arange(size, dtype="int32") + ops.cast(number, "int32") * size)

    def _unpack(self, data: Any) -> tuple[Any, Any, Any]:
        """Inputs float32 (batch, ...), labels int32 (batch,), and weights of examples or None."""
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        return ops.cast(x, "float32"), self._labels(y), self._weights(weight)

    @staticmethod
    def _weights(weight: Any) -> Any:
        """Weights (batch,), from those or from a column (batch, 1), which Keras takes as well; None for None."""
        return None if weight is None else ops.reshape(ops.cast(weight, "float32"), (-1,))

    def _labels(self, y: Any) -> Any:
        return ops.cast(y, "int32")
