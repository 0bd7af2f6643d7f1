"""What detectors look at, against NumPy and SciPy."""

import dataclasses
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import ops
from scipy.ndimage import median_filter
from scipy.spatial.distance import jensenshannon
from scipy.special import softmax

from tests.detection.conftest import prototypes
from tests.detection.test_methods import net
from turtlenet import backend, models
from turtlenet.classifier import Classifier
from turtlenet.defences import BitDepth, MedianFilter, NonLocalMeans
from turtlenet.detection import Detector, KernelDensity, MagNetDivergence, MagNetError, PrincipalComponents, Squeezing
from turtlenet.detection.arrays import pack, packed, unpack
from turtlenet.detection.autoencoder import autoencoded, shapes
from turtlenet.detection.base import Lesson
from turtlenet.detection.methods.squeezing import _distance
from turtlenet.detection.networks import drawn
from turtlenet.errors import DataError, ModelError

X = np.random.default_rng(0).uniform(size=(3, 6, 7, 2)).astype("float32")


@pytest.fixture(scope="module")
def judge():
    return models.classifier(net(), head="logits")


def number(values) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(values))


def test_the_squeezers_are_the_layers_with_the_gradient_of_one_who_knows_them() -> None:
    """In other bounds; straight through the bits, and at the pixel that is the median."""
    x = ops.convert_to_tensor(4 * X - 2)
    made = Squeezing(bits=2, median=3, search=3, strength=40)
    found = [number(each) for each in made.squeezed(x, (-2.0, 2.0))]
    bounds = {"low": -2.0, "high": 2.0}
    filters = MedianFilter(size=3, **bounds), NonLocalMeans(window=3, patch=3, strength=40, **bounds)
    for squeezed, layer in zip(found, (BitDepth(bits=2, **bounds), *filters), strict=True):
        np.testing.assert_allclose(squeezed, number(layer(x)), atol=1e-6)
        assert np.abs(squeezed - number(x)).max() > 0.1

    def look(z):
        bits, middle, _ = made.squeezed(z, (-2.0, 2.0))
        return ops.sum(bits + 10 * middle, axis=(1, 2, 3)), ()

    slope = number(backend.input_gradient(look, x)[2])
    # One for the bits, and ten for each window whose median the pixel is.
    np.testing.assert_array_equal(slope % 10, np.ones_like(X))
    assert slope.min() == 1 and slope.max() > 11


def test_squeezing_is_the_distance_of_softmax_outputs(judge) -> None:
    x = prototypes(5, 1)
    made = Squeezing(bits=2, median=3)
    found = number(made.statistics(judge, ops.convert_to_tensor(x), judge.each(x)))
    answers = [softmax(judge.predict(each), axis=1) for each in (x, np.round(x * 3) / 3)]
    answers.append(softmax(judge.predict(median_filter(x, size=(1, 3, 3, 1), mode="reflect")), axis=1))
    expected = np.stack([np.abs(answers[0] - each).sum(axis=1) for each in answers[1:]], axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_squeezing_has_a_slope_where_both_answers_are_sure() -> None:
    """A strong attacker's; the framework's own has none."""
    answer, other = (np.eye(3, dtype="float32")[None, [place]] * 200 for place in (0, 1))
    for gradient, expected in (("adaptive", [-1.0, 1.0, 0.0]), ("naive", [0.0, 0.0, 0.0])):
        model = SimpleNamespace(gradient=gradient, num_classes=3, mean=Classifier.mean)
        distance, _, slope = backend.input_gradient(
            lambda z, model=model: (_distance(model, ops.convert_to_tensor(answer), z), ()),
            ops.convert_to_tensor(other),
        )
        assert number(distance).tolist() == [2.0]
        np.testing.assert_allclose(number(slope)[0, 0], expected, atol=1e-6)


def test_a_kernel_density(judge) -> None:
    clean, x = prototypes(30, 1), prototypes(5, 2)
    lesson = Lesson(
        classifier=judge, victim=judge, clean=clean, labels=np.arange(30) % 4, adversarial=clean, ball=None
    )
    made = KernelDensity(width=0.8, layer="hidden").learn(lesson)
    hidden = keras.Model(judge.model.input, judge.model.get_layer("hidden").output)
    points, at = (number(hidden(part)).astype("float64") for part in (clean, x))
    order = np.random.default_rng(0).permutation(30)
    np.testing.assert_allclose(unpack(made.points[0]), points[order], rtol=1e-5)
    same = judge.predict(x).argmax(axis=1)[:, None] == (np.arange(30) % 4)[None]
    squares = ((at[:, None] - points[None]) ** 2).sum(axis=2)
    kernels = np.where(same, np.exp(-squares / (2 * 0.8**2)), 0)
    found = number(made.statistics(judge, ops.convert_to_tensor(x), judge.each(x)))
    # The mean over the inputs of the class that the model answers (Feinman et al., 2017, section 4.1).
    np.testing.assert_allclose(found, -np.log(kernels.sum(axis=1) / same.sum(axis=1)), rtol=1e-3)
    # One that was fitted before knows no counts, and keeps the scale that its threshold is on.
    before = dataclasses.replace(made, points=made.points[:2])
    found = number(before.statistics(judge, ops.convert_to_tensor(x), judge.each(x)))
    np.testing.assert_allclose(found, -np.log(kernels.mean(axis=1)), rtol=1e-3)


def test_counts_of_another_size_are_refused(judge) -> None:
    clean = prototypes(30, 1)
    lesson = Lesson(
        classifier=judge, victim=judge, clean=clean, labels=np.arange(30) % 4, adversarial=clean, ball=None
    )
    made = KernelDensity(layer="hidden").learn(lesson)
    made.check(judge)
    with pytest.raises(ModelError, match="the layer that the detector learned on"):
        dataclasses.replace(made, points=(*made.points[:2], *packed((np.ones(7),)))).check(judge)


def test_a_rare_class_is_as_dense_as_a_common_one() -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model.set_weights([8 * np.eye(2), np.zeros(2)])
    judge = models.classifier(model, head="logits")
    at = np.array([[0.9, 0.1], [0.1, 0.9]], "float32")
    labels = np.repeat([0, 1], [90, 10])
    lesson = Lesson(classifier=judge, victim=judge, clean=at[labels], labels=labels, adversarial=at, ball=None)
    made = KernelDensity().learn(lesson)
    np.testing.assert_allclose(number(made.statistics(judge, ops.convert_to_tensor(at), judge.each(at))), 0, atol=1e-4)


def test_magnets_two(judge) -> None:
    x = prototypes(5, 2)
    arrays = drawn(shapes((8, 8, 1), 2), seed=1)
    back = number(autoencoded(arrays, ops.convert_to_tensor(x), (0.0, 1.0)))
    assert back.shape == x.shape and back.min() >= 0 and back.max() <= 1
    error = MagNetError(filters=2, autoencoder=packed(arrays), p=2)
    found = number(error.statistics(judge, ops.convert_to_tensor(x), judge.each(x)))
    np.testing.assert_allclose(found, ((x - back) ** 2).mean(axis=(1, 2, 3)), rtol=1e-4)
    divergence = MagNetDivergence(filters=2, autoencoder=packed(arrays), temperature=3.0)
    found = number(divergence.statistics(judge, ops.convert_to_tensor(x), judge.each(x)))
    both = [softmax(judge.predict(each).astype("float64") / 3, axis=1) for each in (x, back)]
    np.testing.assert_allclose(found, jensenshannon(*both, axis=1) ** 2, rtol=1e-3, atol=1e-6)


def test_an_autoencoder_of_odd_sides_and_of_rows() -> None:
    for shape in ((5, 7, 2), (9,), (4, 3)):
        x = np.random.default_rng(0).uniform(-1, 1, size=(3, *shape)).astype("float32")
        back = number(autoencoded(drawn(shapes(shape, 3), 0), ops.convert_to_tensor(x), (-1.0, 1.0)))
        assert back.shape == x.shape and back.min() >= -1 and back.max() <= 1


def test_late_principal_components(judge) -> None:
    clean, x = prototypes(200, 1), prototypes(5, 2)
    lesson = Lesson(classifier=judge, victim=judge, clean=clean, labels=None, adversarial=clean, ball=None)
    made = PrincipalComponents(last=10, floor=1e-3).learn(lesson)
    flat = clean.reshape(200, 64).astype("float64")
    mean = flat.mean(axis=0)
    _, singular, axes = np.linalg.svd(flat - mean)
    late = (x.reshape(5, 64) - mean) @ (axes[-10:].T / np.sqrt(singular[-10:] ** 2 / 200 + 1e-3))
    found = number(made.statistics(judge, ops.convert_to_tensor(x), judge.each(x)))
    np.testing.assert_allclose(found, np.log(np.square(late).mean(axis=1)), rtol=1e-2, atol=1e-2)


def test_arrays_as_texts() -> None:
    array = np.random.default_rng(0).normal(size=(3, 1, 2)).astype("float32")
    np.testing.assert_array_equal(unpack(pack(array)), array)
    for text in ("", "2:AAAA", "x:AACAPw==", "1:nothing!", "1:AADAfw==", "-1x-1:AACAPw==", "1"):
        with pytest.raises(ValueError, match="detector"):
            unpack(text)


def test_a_line_that_never_falls() -> None:
    """Where adversarial inputs look cleaner than clean ones, more of the statistic is still more suspicious."""
    made = Squeezing().fit(
        np.array([[1.0, 0.0], [2.0, 3.0], [2.5, 0.0]]), np.array([[0.1, 0.0], [0.2, 0.1], [0.0, 0.0]])
    )
    assert made.slope > 0 and number(made.log_odds(np.array([[0.0, 1.0], [5.0, 1.0]]))).tolist() == sorted(
        number(made.log_odds(np.array([[1.0, 0.0], [1.0, 5.0]]))).tolist()
    )
    with pytest.raises(DataError, match="Expected finite adversarial scores to fit a detector on; got nan"):
        Squeezing().fit(np.zeros((3, 2)), np.full((3, 2), np.nan))
    with pytest.raises(DataError, match="Expected at least 2 clean scores to fit a detector on; got 1."):
        Squeezing().fit(np.zeros((1, 2)), np.zeros((3, 2)))


def test_the_same_fit_whatever_the_numbers_of_each() -> None:
    clean, loud = np.random.default_rng(0).normal(size=(50, 1)), np.random.default_rng(1).normal(2, 1, size=(50, 1))
    one, other = (Detector.build("squeezing").fit(clean, side) for side in (loud, np.tile(loud, (9, 1))))
    np.testing.assert_allclose(one.score(clean), other.score(clean), atol=0.05)
