"""Soft quantization: noise in training alone, else the sum of sigmoids."""

import numpy as np
import pytest
from keras import ops

from turtlenet.defences import ConstantQuantization, SoftQuantization
from turtlenet.errors import SettingError


def test_it_is_a_sum_of_sigmoids_that_is_trained_on_noise() -> None:
    x = np.full((200, 3), [0.1, 0.5, 0.9], "float32")
    layer = SoftQuantization(noise=0.2)
    clean = ops.convert_to_numpy(layer(x))
    np.testing.assert_array_equal(clean, ops.convert_to_numpy(ConstantQuantization(sharpness=20.0)(x)))
    noisy = ops.convert_to_numpy(layer(x, training=True))
    ends = 1 / (1 + np.exp(-20 * (np.clip([[-0.1, 0.3, 0.7], [0.3, 0.7, 1.1]], 0, 1) - 0.5)))
    assert (noisy >= ends[0] - 1e-6).all() and (noisy <= ends[1] + 1e-6).all()
    assert (noisy.std(axis=0) > 0).all() and not np.array_equal(noisy, ops.convert_to_numpy(layer(x, training=True)))


@pytest.mark.parametrize("settings", [{"noise": -0.1}, {"levels": 1}, {"noise": float("inf")}])
def test_bad_settings(settings) -> None:
    with pytest.raises(SettingError, match=f"^Expected {next(iter(settings))} >= "):
        SoftQuantization(**settings)
