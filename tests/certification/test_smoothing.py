"""Randomized smoothing: radii with a closed form, intervals that cover, and abstention."""

import json

import keras
import numpy as np
import pytest
from scipy.stats import binom, norm

from turtlenet import balls, data
from turtlenet.certification import certify_classifier
from turtlenet.certification.smoothing import ABSTAINED, Smoothing
from turtlenet.certification.smoothing_radii import (
    cohen_radius,
    lower_bound,
    pixeldp_bounds,
    pixeldp_radius,
    upper_bound,
)
from turtlenet.classifier import Classifier
from turtlenet.defences import GaussianNoise, InputDropout
from turtlenet.errors import SettingError, SpecError

RNG = np.random.default_rng(0)
WEIGHTS = RNG.normal(size=(5, 2)).astype("float32")
BIAS = np.array([0.1, -0.2], "float32")
X = RNG.normal(size=(10, 5)).astype("float32")


def linear(*before) -> Classifier:
    model = keras.Sequential([keras.Input((5,)), *before, keras.layers.Dense(2)])
    model.layers[-1].set_weights([WEIGHTS, BIAS])
    return Classifier(model, bounds=(-5, 5))


MODEL = linear()
# A linear classifier smoothed is itself: its exact radius is the distance to the boundary, whatever sigma is.
MARGIN = (X @ WEIGHTS + BIAS) @ np.array([-1, 1]) / np.linalg.norm(WEIGHTS @ np.array([-1, 1]))


@pytest.fixture(scope="module")
def certified():
    return Smoothing(sigma=0.5, n0=50, n=4000).certify(MODEL, X, batch_size=512)


def test_a_linear_classifier_has_its_distance_as_radius(certified) -> None:
    kept = certified.label != ABSTAINED
    assert kept.sum() >= 8
    assert (certified.label[kept] == (MARGIN[kept] > 0)).all()
    distance = np.abs(MARGIN)
    # At alpha 0.001 ten images all lie below the truth, but for one case in a hundred, which this seed is not.
    assert (certified.radius <= distance + 1e-6).all()
    near = kept & (distance < 1.0)
    np.testing.assert_allclose(certified.radius[near], distance[near], atol=0.08)
    # As far as so many draws can see, and no further.
    assert certified.radius.max() <= 0.5 * norm.ppf(0.001 ** (1 / 4000)) + 1e-9


def test_counts_are_those_of_all_draws(certified) -> None:
    assert (certified.votes.sum(axis=1) == 4000).all()
    share = certified.votes[:, 1] / 4000
    np.testing.assert_allclose(share, norm.cdf(MARGIN / 0.5), atol=0.04)


def test_draws_belong_to_an_image(certified) -> None:
    rows = np.array([7, 2, 4])
    some = Smoothing(sigma=0.5, n0=50, n=4000).certify(MODEL, X[rows], index=rows, batch_size=96)
    assert np.array_equal(some.votes, certified.votes[rows]) and np.array_equal(some.radius, certified.radius[rows])
    other = Smoothing(sigma=0.5, n0=50, n=4000).certify(MODEL, X[rows], index=rows, seed=1, batch_size=96)
    assert not np.array_equal(other.votes, some.votes)


def test_the_models_own_noise_is_drawn_once(certified) -> None:
    own = linear(GaussianNoise(sigma=0.5))
    found = Smoothing(n0=50, n=4000).certify(own, X, batch_size=512)
    assert np.array_equal(found.votes, certified.votes)
    with pytest.raises(SettingError, match=r"Expected sigma 0\.5, which the model's own layer has; got 0\.25\."):
        Smoothing(sigma=0.25).certify(own, X)


def test_another_random_layer_is_part_of_the_base_classifier() -> None:
    found = Smoothing(n0=20, n=200).certify(linear(GaussianNoise(sigma=0.5), InputDropout(rate=0.3)), X[:3])
    assert (found.votes.sum(axis=1) == 200).all()


def test_it_abstains_where_two_classes_are_as_likely() -> None:
    twin = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2, use_bias=False)])
    twin.layers[-1].set_weights([WEIGHTS])
    found = Smoothing(sigma=1.0, n0=20, n=200).certify(Classifier(twin, bounds=(-5, 5)), np.zeros((4, 5), "float32"))
    assert (found.label == ABSTAINED).all() and not found.radius.any() and not found.probability.any()


@pytest.mark.parametrize("chance", [0.02, 0.5, 0.9, 0.999])
def test_the_intervals_cover(chance) -> None:
    """Summed over all outcomes: no simulation, so the coverage is exact."""
    hits = np.arange(101)
    weight = binom.pmf(hits, 100, chance)
    lower = np.array([lower_bound(int(k), 100, 0.05) for k in hits])
    upper = np.array([upper_bound(int(k), 100, 0.05) for k in hits])
    assert weight[lower > chance].sum() <= 0.05 and weight[upper < chance].sum() <= 0.05
    assert (lower < hits / 100 + 1e-12).all() and (upper > hits / 100 - 1e-12).all()


def test_radii_by_hand() -> None:
    assert cohen_radius(0.5, 1.0) == cohen_radius(0.2, 1.0) == 0
    assert cohen_radius(norm.cdf(2.0), 0.25) == pytest.approx(0.5)
    # At the eps and delta that it found, PixelDP's inequality holds; a tenth further no pair of the two does.
    lower, upper, sigma = 0.98, 0.01, 0.5
    found = pixeldp_radius(lower, upper, sigma)
    eps = np.linspace(1e-3, 1, 400)
    for radius, holds in ((found * 0.999, True), (found * 1.1, False)):
        delta = 1.25 * np.exp(-0.5 * (sigma * eps / radius) ** 2)
        assert (lower > np.exp(2 * eps) * upper + (1 + np.exp(eps)) * delta).any() == holds
    assert 0 < found < sigma / 2 * (norm.ppf(lower) - norm.ppf(upper))
    assert pixeldp_radius(0.6, 0.4, 1.0) < cohen_radius(0.6, 1.0) and pixeldp_radius(0.4, 0.5, 1.0) == 0


def test_pixeldp_bounds_all_classes_together() -> None:
    votes = np.array([5, 180, 15])
    lower, upper = pixeldp_bounds(votes, 1, 0.01)
    assert lower == pytest.approx(lower_bound(180, 200, 0.005))
    assert upper == pytest.approx(min(1 - lower, upper_bound(15, 200, 0.0025)))


def test_pixeldp_certifies_less(certified) -> None:
    small = Smoothing(sigma=0.5, bound="pixeldp").judged(certified.votes, certified.votes, 0.5)
    assert (small.radius <= certified.radius).all() and 0 < small.radius.max() < certified.radius.max()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"alpha": 0}, r"Expected alpha in \(0, 1\), a failure probability; got 0\."),
        ({"alpha": 1.5}, r"Expected alpha in \(0, 1\), a failure probability; got 1\.5\."),
        ({"sigma": 0}, r"Expected sigma > 0, in input units; got 0\."),
        ({"sigma": float("nan")}, r"Expected sigma > 0, in input units; got nan\."),
        ({"n": 0}, r"Expected n >= 1; got 0\."),
        ({"n0": 0}, r"Expected n0 >= 1; got 0\."),
    ],
)
def test_bad_settings_are_one_line(settings, words) -> None:
    with pytest.raises(SettingError, match=words):
        Smoothing(**settings)


def test_an_unknown_bound_and_no_sigma_are_one_line() -> None:
    with pytest.raises(SpecError, match="Unknown bound 'cohn'"):
        Smoothing(bound="cohn")
    with pytest.raises(SettingError, match="Expected sigma for smoothing, as the model's first layer"):
        Smoothing().certify(MODEL, X)


EXAMPLES = data.from_arrays(X, (MARGIN > 0).astype("int32"), num_classes=2, bounds=(-5, 5))
ABOUT = {"name": "linear", "path": None, "sha256": "0", "parameters": 12}


def report(eps: float, norm: str = "l2", **settings):
    ball = balls.get(norm, eps, bounds=(-5, 5))
    smoothing = Smoothing(sigma=0.5, n0=50, n=4000)
    return certify_classifier(MODEL, EXAMPLES, ball, about=ABOUT, smoothing=smoothing, **settings)


def test_a_report_counts_radii_of_at_least_eps(certified, tmp_path) -> None:
    found = report(0.3, batch_size=512, progress=tmp_path / "state")
    assert found.verdicts["radius"] == [round(float(each), 6) for each in certified.radius]
    assert found.certified_accuracy == (certified.radius >= 0.3).mean() and found.attack == ""
    assert found.clean_accuracy == (certified.label != ABSTAINED).mean()
    assert found.smoothing["passes"] == 4050 and found.smoothing["expected_failures"] == pytest.approx(0.01)
    words = str(found)
    assert "of the smoothed classifier" in words and "attacked" not in words.replace("without attack", "")
    assert json.loads(found.to_json())["smoothing"] == found.smoothing
    again = report(0.3, progress=tmp_path / "state", resume=True)
    assert again.verdicts == found.verdicts


def test_another_norm_is_one_line() -> None:
    with pytest.raises(SettingError, match="Expected norm l2 for method=smoothing; got linf"):
        report(0.3, "linf")
