"""The regularizer of Defensive Quantization: kernels near orthogonal."""

from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from turtlenet.ranges import check_ranges, number
from turtlenet.training.wrappers.base import Wrapper, wrappers
from turtlenet.training.wrappers.kernels import as_matrix, check_kernels, gram, kernels_of


@wrappers.register("orthogonality")
@dataclass(frozen=True, kw_only=True)
class Orthogonality(Wrapper):
    """Adds beta / 2 ||W'W - I||^2 of each layer to the loss of a batch (Lin, Gan, Han, 2019, eq. 8).

    Near orthogonal kernels keep the Lipschitz constant of a network near 1, so that layers of few bits do not amplify
    what was moved ("Defensive quantization"). W is the kernel of a dense layer or of a convolution, (units, inputs of
    a unit); depthwise kernels are left out. The smaller of W'W and WW' is computed: their gradients are equal, and
    their norms differ by a constant. Norms are Frobenius's.

    Args:
        beta: Weight of the penalty.
    """

    beta: float = number(1e-3, low=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges(self)

    def init(self, network: keras.Model) -> list[keras.Variable]:
        check_kernels(network, "orthogonality")
        return []

    def penalty(self, network: keras.Model) -> Any:
        return self.beta / 2.0 * ops.sum([_distance(as_matrix(kernel)) for kernel in kernels_of(network)])


def _distance(matrix: Any) -> Any:
    products = gram(matrix)
    return ops.sum(ops.square(products - ops.eye(products.shape[0])))
