"""Activation functions: their float32 values, and every line below and above them, against float64."""

import keras
import numpy as np
import pytest
from keras import layers

from turtlenet.certification.rules.activations import (
    exponential,
    gelu,
    hard_sigmoid,
    hyperbolic,
    rectified,
    sigmoid,
    signs,
    softplus,
    softsign,
    swish,
)
from turtlenet.certification.steps import Box


def _sigmoid(x):
    return 1 / (1 + np.exp(np.minimum(-x, 700)))


def _erf(x):
    from scipy.special import erf

    return erf(x)


TRUE = {
    "relu": (rectified(), lambda x: np.maximum(x, 0)),
    "leaky": (rectified(0.2), lambda x: np.where(x > 0, x, np.float64(np.float32(0.2)) * x)),
    "relu6": (rectified(most=6.0), lambda x: np.clip(x, 0, 6)),
    "elu": (exponential(), lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0)))),
    "sigmoid": (sigmoid(), _sigmoid),
    "tanh": (hyperbolic(), np.tanh),
    "softplus": (softplus(), lambda x: np.logaddexp(0, x)),
    "softsign": (softsign(), lambda x: x / (1 + np.abs(x))),
    "hard sigmoid": (hard_sigmoid(), lambda x: np.clip(x / 6 + 0.5, 0, 1)),
    "swish": (swish(), lambda x: x * _sigmoid(x)),
    "gelu": (gelu(), lambda x: 0.5 * x * (1 + _erf(x / np.sqrt(2)))),
    "sign": (signs(), lambda x: np.where(x >= 0, 1.0, -1.0)),
}


@pytest.mark.parametrize("name", TRUE)
def test_lines_of_any_slope_hold(name: str) -> None:
    step, true = TRUE[name]
    draw = np.random.default_rng(0)
    middle, radius = draw.uniform(-7, 7, size=(1, 120)), 10.0 ** draw.uniform(-4, 0.9, size=(1, 120))
    low, high = (middle - radius).astype("float32"), (middle + radius).astype("float32")
    low[0, :8], high[0, :8] = -1.0, np.array([0, 1, 2, 6, 7, 0.5, 3, 4])
    box = Box(keras.ops.convert_to_tensor(low), keras.ops.convert_to_tensor(high))
    x = np.linspace(low[0], high[0], 101, dtype="float64")
    values = true(x)
    inside = step.interval(box)
    assert (np.asarray(inside.low)[0] <= values + 1e-12).all()
    assert (values - 1e-12 <= np.asarray(inside.high)[0]).all()
    lines = step.lines(box)
    slopes = [lines.low_slope, lines.high_slope]
    slopes += [keras.ops.convert_to_tensor(draw.uniform(-0.3, 1.2, size=(1, 120)).astype("float32")) for _ in range(4)]
    for slope in slopes:
        below, above = (np.asarray(step.offset(box, slope, side), "float64")[0] for side in (-1, 1))
        line = np.asarray(slope, "float64")[0] * x
        assert (line + below <= values + 1e-12).all()
        assert (values - 1e-12 <= line + above).all()


@pytest.mark.parametrize("name", TRUE)
def test_lines_hold_on_wide_boxes(name: str) -> None:
    step, true = TRUE[name]
    size = np.repeat(10.0 ** np.arange(3, 9), 3)[None]
    low, high = (size * np.tile(each, 6) for each in ([-1.0, -1.0, 0.0], [1.0, 0.0, 1.0]))
    box = Box(*(keras.ops.convert_to_tensor(each.astype("float32")) for each in (low, high)))
    share = np.concatenate([10.0 ** np.linspace(-9, 0, 200), [0.0]])[:, None]
    x = np.concatenate([low * share, high * share])
    lines, values = step.lines(box), true(x)
    low_slope, low_offset, high_slope, high_offset = (np.asarray(each, "float64") for each in lines)
    assert (low_slope * x + low_offset <= values + 1e-9).all()
    assert (values - 1e-9 <= high_slope * x + high_offset).all()


def test_relu_has_the_lines_of_crown() -> None:
    low, high = np.array([[-1.0, -2.0, 1.0, -3.0]], "float32"), np.array([[2.0, 1.0, 2.0, -1.0]], "float32")
    lines = rectified().lines(Box(keras.ops.convert_to_tensor(low), keras.ops.convert_to_tensor(high)))
    np.testing.assert_allclose(np.asarray(lines.low_slope), [[1, 0, 1, 0]], atol=1e-6)
    np.testing.assert_allclose(np.asarray(lines.high_slope), [[2 / 3, 1 / 3, 1, 0]], atol=1e-6)
    np.testing.assert_allclose(np.asarray(lines.high_offset), [[2 / 3, 2 / 3, 0, 0]], atol=1e-5)


@pytest.mark.parametrize(
    "layer",
    [
        layers.RandomBrightness(0.3),
        layers.RandomContrast(0.3),
        layers.RandomErasing(),
        layers.RandomFlip(),
        layers.RandomRotation(0.3),
        layers.RandomShear(0.1, 0.1),
        layers.RandomTranslation(0.2, 0.2),
        layers.RandomZoom(0.2),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_augmentation_does_nothing_at_inference(layer) -> None:
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 1)).astype("float32")
    np.testing.assert_array_equal(np.asarray(layer(x, training=False)), x)
