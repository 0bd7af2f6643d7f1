"""Detectors by uncertainty on scores whose distribution is known, and what every one of them keeps."""

import dataclasses
import json

import numpy as np
import pytest
from scipy import stats

from turtlenet.detection import Detector, Logistic, Mixture, detectors
from turtlenet.detection.edges import edge_of
from turtlenet.errors import DataError, SpecError
from turtlenet.registry import Registry
from turtlenet.uncertainty import LARGEST

NAMES = [name for name in detectors.names() if detectors.factory(name).by_uncertainty()]
RNG = np.random.default_rng(0)
CLEAN = np.minimum(RNG.exponential(1e-3, size=4000), LARGEST)
LOUD = np.abs(RNG.normal(1e-2, 2e-3, size=1000))


@pytest.mark.parametrize("name", NAMES)
def test_it_tells_apart_what_differs(name) -> None:
    made = detectors.build(name).fit(CLEAN, LOUD)
    assert (made.score(CLEAN) < 0.5).mean() > 0.95
    assert (made.score(LOUD) > 0.5).mean() > 0.95


@pytest.mark.parametrize("name", NAMES)
def test_its_scores_are_probabilities_wherever_uncertainties_can_lie(name) -> None:
    made = detectors.build(name).fit(CLEAN, LOUD)
    grid = np.linspace(0, LARGEST, 1000)
    found = made.score(grid)
    assert found.shape == grid.shape and found.dtype == np.float64
    assert np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1
    assert made.score(grid.reshape(10, 100)).shape == (10, 100)
    assert found[-1] > 0.5, "more uncertain than any adversarial input, and taken for clean"


@pytest.mark.parametrize("name", NAMES)
def test_json_round_trip(name) -> None:
    made = detectors.build(name).fit(CLEAN, LOUD)
    data = json.loads(json.dumps(made.to_dict()))
    assert data["name"] == name
    assert Detector.from_dict(data) == made
    assert dataclasses.is_dataclass(made) and made.__dataclass_params__.frozen


@pytest.mark.parametrize("name", NAMES)
def test_how_many_of_each_there_are_changes_nothing(name) -> None:
    """Probabilities are those at even odds."""
    made, other = (detectors.build(name).fit(CLEAN, side) for side in (LOUD, np.tile(LOUD, 9)))
    grid = np.linspace(0, 0.02, 50)
    # Of the logistic one the penalty weighs a little less with more scores.
    np.testing.assert_allclose(made.score(grid), other.score(grid), atol=0.05)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("clean", "adversarial", "words"),
    [
        ([1e-3], [1e-2, 2e-2], "Expected at least 2 clean scores to fit a detector on; got 1."),
        ([1e-3, 2e-3], [], "Expected at least 2 adversarial scores to fit a detector on; got 0."),
        ([1e-3, float("nan")], [1e-2, 2e-2], "Expected clean scores of 0 or more"),
        ([1e-3, 2e-3], [1e-2, -1.0], "Expected adversarial scores of 0 or more to fit a detector on; got -1.0."),
    ],
)
def test_scores_that_nothing_can_be_fitted_on(name, clean, adversarial, words) -> None:
    with pytest.raises(DataError) as caught:
        detectors.build(name).fit(np.array(clean), np.array(adversarial))
    assert words in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_scores_that_are_all_alike(name) -> None:
    made = detectors.build(name).fit(np.zeros(5), np.zeros(5))
    assert np.isfinite(made.score(np.array([0.0, 1e-3]))).all()


def test_the_mixture_finds_the_parameters_of_its_densities() -> None:
    made = Mixture().fit(CLEAN, LOUD)
    assert 1 / made.rate == pytest.approx(1e-3, rel=0.05)
    assert (made.mean, made.deviation) == (pytest.approx(1e-2, rel=0.03), pytest.approx(2e-3, rel=0.06))


def test_the_mixtures_score_is_the_share_of_the_densities() -> None:
    made = Mixture(rate=1000.0, mean=4e-3, deviation=1e-3)
    at = np.array([0.0, 1e-3, 3e-3, 4e-3])
    gauss, exponential = stats.norm.pdf(at, 4e-3, 1e-3), stats.expon.pdf(at, scale=1e-3)
    np.testing.assert_allclose(made.score(at), gauss / (gauss + exponential), rtol=1e-9)
    # Where the exponential's heavier tail would win again, the share stays what it was at its top.
    top = 4e-3 + 1000 * 1e-6
    assert made.score(0.1) == pytest.approx(float(made.score(top)))


def test_a_mixture_whose_attacks_look_surer_than_clean_inputs_is_no_half_line() -> None:
    made = Mixture(rate=1000.0, mean=1e-4, deviation=2e-5)
    assert made.score(1e-4) > 0.9 and made.score(5e-3) < 0.1 and made.score(0.0) < 0.1
    edge, side = edge_of(made, 0.5)
    assert side == "below" and 0 < edge < 1e-4


def test_the_logistic_slope_is_not_flattened_by_the_smallness_of_variances() -> None:
    made, wide = (Logistic().fit(CLEAN * factor, LOUD * factor) for factor in (1, 1000))
    np.testing.assert_allclose(made.score(CLEAN), wide.score(CLEAN * 1000), atol=1e-6)
    assert made.score(LOUD.mean()) > 0.95 and made.score(0.0) < 0.05


def test_where_a_detector_begins_to_see() -> None:
    up = Logistic(center=5e-3, scale=1e-3, slope=2.0, intercept=0.0)
    assert edge_of(up, 0.5) == (pytest.approx(5e-3), "below")
    down = Logistic(center=5e-3, scale=1e-3, slope=-2.0, intercept=0.0)
    assert edge_of(down, 0.5) == (pytest.approx(5e-3), "above")
    assert edge_of(Logistic(center=0.0, scale=1.0, slope=0.0, intercept=-1.0), 0.5) == (LARGEST, "below")
    assert edge_of(Logistic(center=0.0, scale=1.0, slope=0.0, intercept=1.0), 0.5) == (1e-12, "below")
    edge, _ = edge_of(up, 0.9)
    assert up.score(edge) <= 0.9 < up.score(edge * 1.001)


def test_registering_is_being_tested() -> None:
    assert isinstance(detectors, Registry) and {"logistic", "mixture"} <= set(NAMES) < set(detectors.names())
    with pytest.raises(SpecError, match="Unknown detector 'logistics'. Did you mean 'logistic'?"):
        detectors.factory("logistics")
