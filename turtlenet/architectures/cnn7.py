"""CNN7: the net on which training for certificates is compared."""

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from turtlenet.errors import SettingError, SpecError, did_you_mean

Step = Callable[[Any], Any]
INITS = ("he", "ibp")


def cnn7_layers(width: int, init: str) -> list[Step]:
    """The steps from an image to its features: five 3x3 convolutions, the third strided, and 8 * width units.

    Args:
        width: Filters of the first two convolutions; the others have twice as many.
        init: `ibp` or `he`; see `initializer`.

    Raises:
        SettingError: A width below 1.
        SpecError: An unknown initialization.
    """
    if isinstance(width, bool) or width < 1:
        raise SettingError(f"Expected width >= 1 for 'cnn7'; got {width}.")
    if init not in INITS:
        raise SpecError(f"Unknown init {init!r} of 'cnn7'.{did_you_mean(init, INITS)}")
    steps: list[Step] = []
    for filters, strides in ((1, 1), (1, 1), (2, 2), (2, 1), (2, 1)):
        steps += [_convolve(filters * width, strides, init), *_normalized()]
    return [*steps, layers.Flatten(), _connect(8 * width, init), *_normalized()]


def initializer(init: str, fan_in: int) -> keras.initializers.Initializer:
    """Normal weights: `he` keeps the size of values (He et al., 2015), `ibp` that of intervals.

    Of normal weights, |w| has the mean sqrt(2 / pi) sigma, and a ReLU keeps half of an interval's width: with
    sigma = sqrt(2 pi) / n the width stays the same through a layer of n inputs (Shi et al., 2021, section 4.1).

    >>> round(initializer("ibp", 9).stddev, 4)
    0.2785
    """
    spread = math.sqrt(2 * math.pi) / fan_in if init == "ibp" else math.sqrt(2 / fan_in)
    return keras.initializers.RandomNormal(stddev=spread)


def _convolve(filters: int, strides: int, init: str) -> Step:
    def apply(x: Any) -> Any:
        kernel = initializer(init, 9 * x.shape[-1])
        return layers.Conv2D(filters, 3, strides, padding="same", kernel_initializer=kernel)(x)

    return apply


def _connect(units: int, init: str) -> Step:
    return lambda x: layers.Dense(units, kernel_initializer=initializer(init, x.shape[-1]))(x)


def _normalized() -> list[Step]:
    # Statistics that follow within a short run, as in the papers' code.
    return [layers.BatchNormalization(momentum=0.9, epsilon=1e-5), layers.ReLU()]
