"""Parseval training: after each step kernels go back towards tight frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from turtlenet.errors import SettingError
from turtlenet.ranges import check_ranges, number
from turtlenet.training.wrappers.base import Plan, Wrapper, wrappers
from turtlenet.training.wrappers.kernels import as_matrix, check_kernels, gram, kernels_of


@wrappers.register("parseval")
@dataclass(frozen=True, kw_only=True)
class Parseval(Wrapper):
    """After each step of the optimizer, W <- (1 + beta) W - beta W W'W (Cisse et al., 2017, Algorithm 1).

    It is a step down ||W'W - I||^2 / 4 of the kernels of dense layers and convolutions, (units, inputs of a unit);
    depthwise kernels are left out. All rows take part, none is sampled. What the paper changes in the network is up to
    the network: the division of the input of a convolution by the root of its window, and convex combinations where
    branches are added. An average of weights (`ema`, `swa`) averages what was retracted if it is given after.

    Args:
        beta: Length of the step, below 1: from there on singular values leap over 1. Kernels whose largest singular
            value s has beta (s^2 - 1) >= 2 would grow without end, and are refused before training starts.
    """

    beta: float = number(1e-3, low=0, below=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges(self)

    def init(self, network: keras.Model) -> list[keras.Variable]:
        squares = [ops.convert_to_numpy(gram(as_matrix(each))) for each in check_kernels(network, "parseval")]
        largest = max(float(np.linalg.eigvalsh(each)[-1]) for each in squares)
        if self.beta * (largest - 1.0) >= 2.0:
            raise SettingError(
                f"Expected beta below {2.0 / (largest - 1.0):.3g} for parseval on kernels with singular values up to "
                f"{largest**0.5:.3g}; got {self.beta}."
            )
        return []

    def update(self, state: Sequence[Any], network: keras.Model, plan: Plan) -> None:
        for kernel in kernels_of(network):
            matrix = as_matrix(kernel)
            rows, columns = matrix.shape
            cubed = ops.matmul(matrix, gram(matrix)) if columns <= rows else ops.matmul(gram(matrix), matrix)
            retracted = (1.0 + self.beta) * matrix - self.beta * cubed
            kernel.assign(ops.cast(ops.reshape(retracted, kernel.shape), kernel.dtype))
