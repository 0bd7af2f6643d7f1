"""Gaussian noise at the input: its distribution, and that it stays on."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

from turtlenet import models
from turtlenet.defences import GaussianNoise
from turtlenet.errors import SettingError


def noisy(sigma: float, size: int) -> keras.Model:
    return keras.Sequential([keras.Input((size,)), GaussianNoise(sigma=sigma)])


def test_the_noise_is_gaussian_in_input_units_and_unclipped() -> None:
    x = np.ones((2, 4000), "float32")
    keyed = models.classifier(noisy(0.5, 4000), head="logits").predict(x)
    called = ops.convert_to_numpy(noisy(0.5, 4000)(x, training=False))
    for values in (keyed[0], called[0]):
        assert stats.kstest((values - 1.0) / 0.5, "norm").pvalue > 1e-3
        assert values.max() > 2
    # Keyed draws belong to the pixels of an input; others do not.
    assert np.array_equal(keyed[0], keyed[1]) and not np.array_equal(called[0], called[1])


def test_it_stays_on_whoever_calls() -> None:
    model = noisy(0.1, 6)
    x = np.zeros((3, 6), "float32")
    assert not np.array_equal(model.predict(x, verbose=0), model.predict(x, verbose=0))
    assert models.classifier(model, head="logits").stochastic


@pytest.mark.parametrize("sigma", [0, -1, float("nan"), float("inf")])
def test_a_bad_sigma_is_one_line(sigma) -> None:
    with pytest.raises(SettingError, match="Expected sigma > 0, in input units; got"):
        GaussianNoise(sigma=sigma)
