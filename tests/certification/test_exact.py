"""Exact answers: those of enumeration behind two levels, and what bounds leave open."""

import itertools

import keras
import numpy as np
import pytest
from keras import layers

from tests.certification.nets import classifier, images
from turtlenet import balls
from turtlenet.certification import VERDICTS, Certifier, network_of
from turtlenet.certification.exact import Exact
from turtlenet.classifier import Classifier
from turtlenet.defences import BinarizedDense, ConstantQuantization, Sign
from turtlenet.errors import ModelError, SettingError

EPS = 0.2


def test_enumeration_behind_two_levels_agrees() -> None:
    model, x = classifier("quantized", 5), images("quantized", 12)
    y = model.predict(x).argmax(axis=1).astype("int32")
    y[0] = (y[0] + 1) % 3
    found, broken = Certifier(model, balls.get("linf", EPS), method="exact", seconds=20)(x, y, np.arange(12))
    ends = np.stack([np.maximum(x - EPS, 0) >= 0.5, np.minimum(x + EPS, 1) >= 0.5], axis=2).astype("float32")
    for row in range(12):
        corners = list(itertools.product(*(sorted(set(pair)) for pair in ends[row])))
        answers = model.predict(np.resize(np.array(corners, "float32"), (256, 8))).argmax(axis=1)
        held = bool((answers == y[row]).all())
        assert VERDICTS[found.verdict[row]] == ("wrong" if row == 0 else "certified" if held else "broken")
    assert {"broken", "certified"} <= {VERDICTS[each] for each in found.verdict}
    for row, point in broken.items():
        assert np.abs(point - x[row]).max() <= EPS * (1 + 1e-6) + 1e-7
        assert model.predict(point[None]).argmax() != y[row]


@pytest.mark.slow
def test_maxima_and_leaky_units_are_exact() -> None:
    """A net that is |a| - |b| in disguise: its smallest margin is known."""
    source = keras.Input((2, 1, 1))
    x = layers.Concatenate()([source, layers.Rescaling(-1.0)(source)])
    x = layers.Permute((1, 3, 2))(x)
    x = layers.MaxPooling2D((1, 2))(x)
    x = layers.Dense(2)(layers.LeakyReLU(0.1)(layers.Flatten()(x)))
    model = keras.Model(source, x)
    model.layers[-1].set_weights([np.array([[1.0, 0.0], [0.0, 1.0]]), np.zeros(2)])
    victim = Classifier(model, bounds=(-1, 1))
    # |a| - |b| >= 0.4 - 0.3 in the first ball, and -0.1 in the second.
    image = np.array([[0.5, 0.2], [0.5, 0.4]], "float32").reshape(2, 2, 1, 1)
    found, broken = Certifier(victim, balls.get("linf", 0.1, (-1, 1)), method="exact", seconds=20)(
        image, np.zeros(2, "int32"), np.arange(2)
    )
    assert [VERDICTS[each] for each in found.verdict] == ["certified", "broken"]
    assert victim.predict(broken[1][None]).argmax() == 1


@pytest.mark.slow
def test_units_that_give_signs_are_exact() -> None:
    """sign(a - b) decides: one ball lies on one side of 0, another does not; the margin is 2."""
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1), Sign(), layers.Dense(2)])
    model.set_weights([np.array([[1.0], [-1.0]]), np.zeros(1), np.array([[1.0, -1.0]]), np.zeros(2)])
    x = np.array([[0.5, 0.3], [0.5, 0.4]], "float32")
    victim = Classifier(model)
    found, broken = Certifier(victim, balls.get("linf", 0.08), method="exact", seconds=20)(
        x, np.zeros(2, "int32"), np.arange(2)
    )
    assert [VERDICTS[each] for each in found.verdict] == ["certified", "broken"]
    assert found.margin[0] == pytest.approx(2.0, rel=1e-3)
    moved = broken[1]
    assert moved[0] < moved[1] and np.abs(moved - x[1]).max() <= 0.08 + 1e-6


@pytest.mark.slow
def test_enumeration_of_a_binary_net_agrees() -> None:
    """Behind two levels every point of a ball is known; two layers of signs, whose sums are whole and may be 0."""
    keras.utils.set_random_seed(2)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            ConstantQuantization(levels=2, hard=True),
            BinarizedDense(6, sign=True),
            BinarizedDense(5, sign=True),
            BinarizedDense(3),
        ]
    )
    draw = np.random.default_rng(2)
    model.set_weights([draw.normal(0.1 * (each.ndim < 2), 0.5, each.shape) for each in model.get_weights()])
    victim = Classifier(model)
    x = draw.uniform(size=(8, 6)).astype("float32")
    y = victim.predict(x).argmax(axis=1).astype("int32")
    found, broken = Certifier(victim, balls.get("linf", EPS), method="exact", seconds=20)(x, y, np.arange(8))
    ends = np.stack([np.maximum(x - EPS, 0) >= 0.5, np.minimum(x + EPS, 1) >= 0.5], axis=2).astype("float32")
    for row in range(8):
        corners = list(itertools.product(*(sorted(set(pair)) for pair in ends[row])))
        answers = victim.predict(np.resize(np.array(corners, "float32"), (64, 6))).argmax(axis=1)
        assert VERDICTS[found.verdict[row]] == ("certified" if (answers == y[row]).all() else "broken")
    assert {"broken", "certified"} == {VERDICTS[each] for each in found.verdict} and len(broken) < 8


def test_what_is_not_linear_in_pieces_is_named() -> None:
    with pytest.raises(ModelError, match=r"linear in pieces for method=exact.*'dense"):
        Exact(network_of(classifier("smooth").model))
    with pytest.raises(SettingError, match="Expected norm linf for method=exact; got l2"):
        Certifier(classifier("dense"), balls.get("l2", 0.1), method="exact")


@pytest.mark.parametrize("method", ["ibp", "crown", "alpha", "exact"])
def test_what_overflows_is_not_certified(method: str) -> None:
    model = keras.Sequential(
        [keras.Input((2,)), layers.Dense(2, "relu"), layers.Dense(2, "relu"), layers.Dense(2, use_bias=False)]
    )
    draw = np.random.default_rng(0)
    for layer in model.layers:
        size = 1.0 if layer is model.layers[-1] else 1e25
        layer.set_weights([draw.normal(size=(2, 2)) * size, *([np.zeros(2)] if layer.use_bias else [])])
    x, ball = np.zeros((1, 2), "float32"), balls.get("linf", 0.1)
    certifier = Certifier(Classifier(model), ball, method=method, seconds=5)
    found, _ = certifier(x, np.zeros(1, "int32"), np.arange(1))
    assert VERDICTS[found.verdict[0]] == "unknown"
