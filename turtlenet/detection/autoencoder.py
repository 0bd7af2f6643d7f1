"""An autoencoder of inputs, as MagNet trains one (Meng and Chen, 2017, section 4.2 and Table 1)."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from keras import ops

from turtlenet.architectures.fronts import reformed, reformer_widths
from turtlenet.detection.networks import convolved, drawn, trained

_CODE = 64
"""Most numbers between the two halves for inputs that are no images."""


def autoencoded(arrays: Sequence[Any], x: Any, bounds: tuple[float, float]) -> Any:
    """Gives inputs back, in their bounds.

    Args:
        arrays: Kernels and biases, as `fitted_autoencoder` gives them: ten for images, four for other inputs.
        x: Inputs, float32 (batch, ...).
        bounds: Smallest and largest value.
    """
    low, high = bounds
    unit = (x - low) / (high - low)
    return low + (high - low) * (_images(arrays, unit) if len(arrays) == 10 else _flat(arrays, unit))


def fitted_autoencoder(
    clean: np.ndarray,
    bounds: tuple[float, float],
    *,
    filters: int,
    noise: float,
    steps: int,
    batch: int,
    rate: float,
    seed: int,
) -> list[np.ndarray]:
    """Trains an autoencoder to give back what noisy inputs were before, by the mean squared error.

    Args:
        clean: Inputs, float32 (n, ...).
        bounds: Smallest and largest value.
        filters: Of each convolution.
        noise: Standard deviation of the Gaussian noise, as a fraction of the bounds.
        steps: Steps of Adam.
        batch: Inputs in one.
        rate: The learning rate.
        seed: Repeats every draw.
    """
    shape = shapes(clean.shape[1:], filters)

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        generator, size = np.random.default_rng([seed, 1]), min(batch, len(clean))
        for _ in range(steps):
            target = clean[generator.integers(len(clean), size=size)]
            scale = noise * (bounds[1] - bounds[0])
            noisy = target + scale * generator.standard_normal(target.shape, "float32")
            yield np.clip(noisy, *bounds).astype("float32"), target

    return trained(lambda arrays, x: autoencoded(arrays, x, bounds), drawn(shape, seed), batches(), "mse", rate)


def shapes(of: tuple[int, ...], filters: int) -> list[tuple[int, ...]]:
    """The shapes of the arrays for inputs of a shape."""
    if len(of) == 3:
        widths = [of[-1], *reformer_widths(of[-1], filters, halved=True)]
        pairs = zip(widths, widths[1:], strict=False)
        return [shape for before, after in pairs for shape in ((3, 3, before, after), (after,))]
    size = int(np.prod(of))
    code = min(max(size // 2, 1), _CODE)
    return [(size, code), (code,), (code, size), (size,)]


def _images(arrays: Sequence[Any], x: Any) -> Any:
    """The reformer's network, with one halving whatever the channels."""
    return reformed(x, [_sigmoids(*pair) for pair in zip(arrays[::2], arrays[1::2], strict=True)])


def _sigmoids(kernel: Any, bias: Any) -> Callable[[Any], Any]:
    return lambda x: ops.sigmoid(convolved(x, kernel, bias))


def _flat(arrays: Sequence[Any], x: Any) -> Any:
    into, first, out, last = arrays
    code = ops.sigmoid(ops.matmul(ops.reshape(x, (-1, into.shape[0])), into) + first)
    return ops.reshape(ops.sigmoid(ops.matmul(code, out) + last), (-1, *x.shape[1:]))
