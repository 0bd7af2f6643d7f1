"""Averages of a network's weights along the run."""

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from turtlenet.training.wrappers.base import Plan, Wrapper


@dataclass(frozen=True, kw_only=True)
class Average(Wrapper, abc.ABC):
    """a <- a + share (w - a) after each step; a subclass says how large the share of the newest weights is.

    Averaged is every variable of the network that is a real number: weights, and the moving statistics of batch
    normalization. The average is float32, whatever the network computes in.
    """

    @abc.abstractmethod
    def share(self, count: Any, plan: Plan) -> Any:
        """The share of the newest weights, from 0 to 1, a float32 scalar.

        Args:
            count: Steps that were averaged before, an int32 scalar.
            plan: Of the run.
        """

    def init(self, network: keras.Model) -> list[keras.Variable]:
        beginnings = [np.zeros((), "int32"), *(_array(each).astype("float32") for each in _real(network))]
        return [
            keras.Variable(value, dtype=str(value.dtype), trainable=False, aggregation="only_first_replica")
            for value in beginnings
        ]

    def update(self, state: Sequence[Any], network: keras.Model, plan: Plan) -> None:
        count, *averages = state
        share = self.share(count.value, plan)
        for average, variable in zip(averages, _real(network), strict=True):
            # In this form a share of 1 gives the weights themselves, bit for bit.
            average.assign(share * ops.cast(variable.value, "float32") + (1.0 - share) * average.value)
        count.assign(count.value + 1)

    def judged(self, state: Sequence[Any], network: keras.Model) -> list[Any] | None:
        averages = dict(zip(map(id, _real(network)), state[1:], strict=True))
        return [_array(averages.get(id(variable), variable)).astype(variable.dtype) for variable in network.variables]


def _real(network: keras.Model) -> list[Any]:
    return [variable for variable in network.variables if keras.backend.is_float_dtype(variable.dtype)]


def _array(variable: Any) -> np.ndarray:
    values: np.ndarray = ops.convert_to_numpy(variable)
    return values
