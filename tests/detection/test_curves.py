"""Areas and rates against scikit-learn and by hand; intervals that hold what they say."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from turtlenet.detection.curves import Pair, accuracy, area, bootstrap, roc

RNG = np.random.default_rng(5)


@pytest.fixture(autouse=True)
def same_draws(monkeypatch) -> None:
    """Each test draws the same numbers, whatever ran before it."""
    monkeypatch.setitem(globals(), "RNG", np.random.default_rng(5))


def sides(clean: int = 70, adversarial: int = 40, grain: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Two overlapping sides with many ties."""
    low, high = RNG.normal(0.4, 0.2, clean), RNG.normal(0.6, 0.2, adversarial)
    return tuple(np.clip((each / grain).round() * grain, 0, 1) for each in (low, high))


def pair(count: int, shift: float) -> Pair:
    everyone = np.ones(count, bool)
    return Pair(RNG.normal(0, 1, count), RNG.normal(shift, 1, count), everyone, everyone)


def test_the_area_is_scikit_learns() -> None:
    for _ in range(5):
        clean, adversarial = sides()
        labels = np.repeat([0, 1], [len(clean), len(adversarial)])
        expected = roc_auc_score(labels, np.concatenate([clean, adversarial]))
        assert area(clean, adversarial) == pytest.approx(expected, abs=1e-12)


def test_the_area_by_hand() -> None:
    # Of six pairs four are right and one is a tie.
    assert area(np.array([0.1, 0.4, 0.5]), np.array([0.4, 0.6])) == pytest.approx(4.5 / 6)
    assert area(np.array([0.1]), np.array([])) is None


def test_the_accuracy_weighs_both_sides_alike() -> None:
    clean, adversarial = np.array([0.1, 0.2, 0.3, 0.9]), np.array([0.4, 0.6])
    assert accuracy(clean, adversarial) == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert accuracy(np.array([]), adversarial) is None


def test_the_curve_is_scikit_learns_and_not_too_long() -> None:
    clean, adversarial = sides(grain=1e-6, clean=3000, adversarial=3000)
    points = roc(clean, adversarial)
    assert len(points) <= 200 and points[0] == (0, 0) and points[-1] == (1, 1)
    labels = np.repeat([0, 1], 3000)
    wrong, right, _ = roc_curve(labels, np.concatenate([clean, adversarial]))
    known = set(zip(wrong.round(6).tolist(), right.round(6).tolist(), strict=True))
    assert set(points) <= known
    assert roc(clean, np.array([])) == ()


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    # Two normals a standard deviation apart: the area is Phi(1 / sqrt(2)) = 0.7602.
    inside = 0
    for trial in range(30):
        low, high = bootstrap(pair(60, 1.0), {"auc": area}, seed=trial)["auc"]
        inside += low <= 0.7602 <= high
    assert 25 <= inside <= 30


def test_an_image_is_drawn_with_both_its_sides() -> None:
    """Scores that go up and down together: their order never changes, however hard an image is."""
    hard = RNG.normal(0, 5, 80)
    everyone = np.ones(80, bool)
    shifts = {
        "together": bootstrap(Pair(hard, hard + 0.1, everyone, everyone), {"mean": _mean}, seed=0)["mean"],
        "apart": bootstrap(Pair(hard, hard[::-1] + 0.1, everyone, everyone), {"mean": _mean}, seed=0)["mean"],
    }
    assert shifts["together"] == pytest.approx((0.1, 0.1), abs=1e-5)
    assert shifts["apart"][1] - shifts["apart"][0] > 1


def _mean(clean: np.ndarray, adversarial: np.ndarray) -> float:
    return float(adversarial.mean() - clean.mean())


def test_a_seed_repeats_and_an_empty_side_has_no_interval() -> None:
    population = pair(40, 0.5)
    measures = {"auc": area, "accuracy": accuracy}
    assert bootstrap(population, measures, seed=1) == bootstrap(population, measures, seed=1)
    assert bootstrap(population, measures, seed=1) != bootstrap(population, measures, seed=2)
    nobody = Pair(population.clean, population.attacked, population.is_clean, np.zeros(40, bool))
    assert bootstrap(nobody, measures, seed=1) == {"auc": None, "accuracy": None}
