"""Equation 12 of paper 001, by hand, and the draws behind it."""

import numpy as np
import pytest
from keras import ops

from turtlenet import models
from turtlenet.classifier import Classifier
from turtlenet.uncertainty import LARGEST, uncertainty


def test_equation_12_by_hand() -> None:
    # Two draws, three classes: variances 0.04, 0.01 and 0.01, whose mean over the classes is 0.02.
    outputs = np.array([[[0.6, 0.3, 0.1], [0.2, 0.5, 0.3]]], "float32")
    assert ops.convert_to_numpy(uncertainty(outputs)) == pytest.approx([0.02], abs=1e-7)


def test_it_is_numpys_variance_averaged_over_the_classes() -> None:
    outputs = np.random.default_rng(0).dirichlet(np.ones(10), size=(7, 50)).astype("float32")
    expected = np.var(outputs.astype("float64"), axis=1, ddof=0).sum(axis=1) / 10
    np.testing.assert_allclose(ops.convert_to_numpy(uncertainty(outputs)), expected, rtol=1e-5)


def test_its_ends() -> None:
    one = np.tile(np.array([0.0, 1.0], "float32"), (1, 4, 1))
    torn = np.concatenate([one[:, :2], one[:, :2, ::-1]], axis=1)
    assert ops.convert_to_numpy(uncertainty(one)) == 0
    assert ops.convert_to_numpy(uncertainty(torn)) == LARGEST


def test_a_classifier_gives_each_draw_and_their_mean(unsure) -> None:
    x = np.random.default_rng(1).uniform(size=(5, 6, 6, 1)).astype("float32")
    victim = models.classifier(unsure, draws=6)
    found = ops.convert_to_numpy(victim.probabilities(ops.convert_to_tensor(x)))
    assert found.shape == (5, 6, 4)
    np.testing.assert_allclose(found.sum(axis=-1), 1.0, atol=1e-5)
    np.testing.assert_allclose(np.log(found.mean(axis=1)), victim.predict(x), atol=1e-5)
    # Each draw is that of a classifier that takes as many or fewer.
    few = ops.convert_to_numpy(victim.taking(draws=2).probabilities(ops.convert_to_tensor(x)))
    np.testing.assert_allclose(found[:, :2], few, atol=1e-6)
    other = ops.convert_to_numpy(victim.taking(seed=9).probabilities(ops.convert_to_tensor(x)))
    assert not np.allclose(found, other, atol=1e-3)


def test_a_model_that_draws_nothing_has_one_draw(small: Classifier, images) -> None:
    x, _ = images
    each = ops.convert_to_numpy(small.taking(draws=5).each(ops.convert_to_tensor(x)))
    assert each.shape == (12, 1, 4)
    np.testing.assert_allclose(each[:, 0], small.predict(x), atol=1e-5)


def test_a_model_in_float16_gives_each_draw_too(unsure) -> None:
    x = ops.convert_to_tensor(np.random.default_rng(1).uniform(size=(3, 6, 6, 1)).astype("float32"))
    half = models.copy(unsure)
    models.compute_in(half, "float16")
    wide, narrow = (models.classifier(each, draws=3) for each in (unsure, half))
    assert narrow.narrow
    found, expected = (ops.convert_to_numpy(each.probabilities(x)) for each in (narrow, wide))
    np.testing.assert_allclose(found, expected, atol=5e-3)
