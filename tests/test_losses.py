"""Losses against NumPy in float64, and their slopes where float32 saturates."""

import numpy as np
import pytest
from keras import ops

from turtlenet import backend, losses
from turtlenet.errors import ModelError, SpecError

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(7, 5)).astype("float32") * 3
GIVEN = ops.convert_to_tensor(LOGITS)
Y = RNG.integers(0, 5, 7).astype("int32")
TARGET = ((Y + 1 + RNG.integers(0, 4, 7)) % 5).astype("int32")


def cross_entropy(y: np.ndarray) -> np.ndarray:
    wide = LOGITS.astype("float64")
    return np.log(np.exp(wide).sum(axis=1)) - wide[np.arange(7), y]


def margin(y: np.ndarray) -> np.ndarray:
    own = LOGITS[np.arange(7), y]
    others = np.where(np.arange(5) == y[:, None], -np.inf, LOGITS)
    return others.max(axis=1) - own


def test_cross_entropy() -> None:
    loss = losses.get("cross_entropy")
    assert np.allclose(loss.untargeted(Y, GIVEN), cross_entropy(Y), atol=1e-5)
    assert np.allclose(loss.targeted(Y, TARGET, GIVEN), -cross_entropy(TARGET), atol=1e-5)


def test_margin_is_positive_where_the_model_errs() -> None:
    loss = losses.get("margin")
    assert np.allclose(loss.untargeted(Y, GIVEN), margin(Y), atol=1e-5)
    assert np.array_equal(np.asarray(loss.untargeted(Y, GIVEN)) > 0, LOGITS.argmax(axis=1) != Y)
    assert np.array_equal(np.asarray(loss.targeted(Y, TARGET, GIVEN)) > 0, LOGITS.argmax(axis=1) == TARGET)


def test_the_ratio_does_not_see_the_scale_of_the_logits() -> None:
    loss = losses.get("dlr")
    ordered = np.sort(LOGITS, axis=1)
    expected = margin(Y) / (ordered[:, -1] - ordered[:, -3])
    assert np.allclose(loss.untargeted(Y, GIVEN), expected, atol=1e-5)
    assert np.allclose(loss.untargeted(Y, 100 * GIVEN), expected, atol=1e-5)
    spread = ordered[:, -1] - (ordered[:, -3] + ordered[:, -4]) / 2
    rows = np.arange(7)
    aimed = (LOGITS[rows, TARGET] - LOGITS[rows, Y]) / spread
    assert np.allclose(loss.targeted(Y, TARGET, GIVEN), aimed, atol=1e-5)


def test_the_probability_margin_is_that_of_softmax() -> None:
    chances = np.exp(LOGITS - LOGITS.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    own = chances[np.arange(len(Y)), Y]
    others = np.where(np.arange(chances.shape[1]) == np.asarray(Y)[:, None], 0, chances).max(axis=1)
    assert np.allclose(losses.get("probability_margin").untargeted(Y, GIVEN), others - own, atol=1e-5)


@pytest.mark.parametrize("name", sorted(name for name, loss in losses.LOSSES.items() if not loss.relative))
def test_a_saturated_model_still_has_a_slope(name) -> None:
    # Probabilities are exactly 1 in float32 here; the usual form of cross-entropy has a gradient of 0 at the label.
    logits = ops.convert_to_tensor(np.array([[60.0, 0.0, -1.0, -2.0]], "float32"))
    y = ops.convert_to_tensor(np.array([0], "int32"))
    _, _, slope = backend.input_gradient(lambda z: (losses.get(name).untargeted(y, z), z), logits)
    assert float(slope[0, 0]) < 0 < float(slope[0, 1])


def test_names_and_classes() -> None:
    with pytest.raises(SpecError, match="Did you mean 'margin'"):
        losses.get("margn")
    losses.check_classes("dlr", 3, targeted=False)
    with pytest.raises(ModelError, match="Expected at least 4 classes"):
        losses.check_classes("dlr", 3, targeted=True)
