"""Models that draw random numbers: the probability of being fooled, where it is known."""

import keras
import numpy as np
import pytest
from scipy.stats import norm

import turtlenet as tn
from turtlenet.classifier import Classifier
from turtlenet.defences import GaussianNoise
from turtlenet.evaluation import chance
from turtlenet.evaluation.per_image_results import PerImageResults
from turtlenet.reports import markdown
from turtlenet.reports.statistics import interval

SIGMA = 0.1


@pytest.fixture(scope="module")
def model():
    """Answers class 1 where a value and its noise are above 0.5."""
    net = keras.Sequential([keras.Input((1,)), GaussianNoise(sigma=SIGMA), keras.layers.Dense(2)])
    net.layers[-1].set_weights([np.array([[0.0, 20.0]]), np.array([0.0, -10.0])])
    return net


def test_the_probability_is_the_known_one(model) -> None:
    classifier = Classifier(model)
    x = np.repeat(np.linspace(0.3, 0.7, 9), 40).astype("float32")[:, None]
    # Draws belong to an input: the same one again would get the same.
    x += np.random.default_rng(0).uniform(-1e-3, 1e-3, x.shape).astype("float32")
    wrong, taken = chance.fooled(classifier, x, np.zeros(len(x), "int32"), 4096)
    known = norm.cdf((x[:, 0] - 0.5) / SIGMA)
    found = (wrong / taken).reshape(9, 40).mean(axis=1)
    assert np.allclose(found, known.reshape(9, 40).mean(axis=1), atol=4 * 0.5 / np.sqrt(40 * 32))
    widths = np.array([np.ptp(interval(int(hits), int(count))) for hits, count in zip(wrong, taken, strict=True)])
    assert (widths < chance.WIDTH).all()
    # Where the answer is nearly certain, fewer draws make an interval as narrow.
    assert taken.min() == 32 and taken.max() == 32 * chance.passes(chance.WIDTH) == 96
    again = chance.fooled(classifier, x[::-1].copy(), np.zeros(len(x), "int32"), 64)
    assert np.array_equal(again[0], wrong[::-1])


def test_three_readings_of_the_same_draws() -> None:
    per_image = PerImageResults.empty(np.zeros(4, "int32"), 2)
    per_image.clean[:] = [0, 0, 0, 1]
    per_image.draws[:] = 10
    # The worse of two attacks counts; the last image was wrong before.
    per_image.fooled[:] = [[0, 3, 1, 0], [0, 1, 9, 0]]
    per_image.correct[:] = per_image.right
    found = chance.summary(per_image, per_image.right, 5)
    assert found["expected"] == pytest.approx((1 + 0.7 + 0.1) / 4)
    assert (found["majority"], found["any_draw"], found["draws"]) == (0.5, 0.25, 10)
    assert (found["answer"], found["answer_draws"]) == (0.75, 5)
    low, high = found["expected_interval"]
    assert 0 <= low < found["expected"] < high <= 1
    # What else broke the first image was wrong in most draws.
    broken = chance.summary(per_image, np.array([False, True, True, False]), 5)
    assert broken["expected"] == pytest.approx((0.5 + 0.7 + 0.1) / 4)
    assert (broken["majority"], broken["any_draw"], broken["answer"]) == (0.25, 0.0, 0.5)
    empty = PerImageResults.empty(np.zeros(4, "int32"), 2)
    assert chance.summary(empty, empty.right, 5) is None


def test_a_cascade_goes_on_until_every_draw_is_wrong() -> None:
    per_image = PerImageResults.empty(np.zeros(3, "int32"), 1)
    per_image.attacked[:], per_image.draws[:] = True, 10
    per_image.fooled[:] = [[10, 6, 0]]
    per_image.correct[:] = [[False, False, True]]
    assert per_image.settled(np.arange(3)).tolist() == [[True, False, False]]
    per_image.draws[:] = per_image.fooled[:] = 0
    assert per_image.settled(np.arange(3)).tolist() == [[True, True, False]]


def test_a_report_of_a_random_model_has_them(model) -> None:
    x = np.linspace(0.05, 0.45, 40).astype("float32")[:, None]
    data = x, np.zeros(len(x), "int32")
    asked = {"attacks": ["fgsm"], "eps": 0.05, "curve": 0, "draws": 10, "head": "logits", "bounds": (0.0, 1.0)}
    report = tn.evaluate(model, data, tell=lambda line: None, **asked)
    known = 1 - norm.cdf((x[:, 0] + 0.05 - 0.5) / SIGMA).mean()
    assert report.chance["expected"] == pytest.approx(known, abs=0.03)
    assert report.chance["any_draw"] < report.chance["expected"] < report.chance["majority"]
    # The headline, the rows and the classes are about one fresh draw; the mean of ten is a reading beside it.
    # What is run beside the attacks, to doubt them, may break more.
    assert report.robust_accuracy == report.chance["expected"] <= report.attacks[0].accuracy
    assert report.per_class[0].robust_accuracy == report.robust_accuracy
    assert report.chance["answer"] == pytest.approx(np.mean(report.verdicts["robust"]), abs=1e-6)
    assert list(report.robust_accuracy_interval) == report.chance["expected_interval"]
    assert "on average over fresh draws" in report.document().headline
    words = [number.words for number in report.document().verdicts[0].numbers]
    assert words[2:4] == ["right in most draws", "right in every draw"]
    assert type(report).from_json(report.to_json()).chance == report.chance
    assert "expected, over the draws" in markdown.render(report.document())
    assert (
        tn.evaluate(
            keras.Sequential([keras.Input((1,)), model.layers[-1]]), data, tell=lambda line: None, **asked
        ).chance
        is None
    )


def test_one_success_is_not_enough_in_a_cascade(model) -> None:
    # Four deviations beyond the boundary no draw is right. Stopping at a first success, just beyond it, would leave
    # every other draw right.
    data = np.linspace(0.4, 0.48, 12).astype("float32")[:, None], np.zeros(12, "int32")
    asked = {"eps": 0.5, "curve": 0, "head": "logits", "bounds": (0.0, 1.0), "draws": 10}
    report = tn.evaluate(model, data, attacks=["pgd:steps=20"], mode="cascade", tell=lambda line: None, **asked)
    assert report.chance["answer"] == 0
    assert report.robust_accuracy < 0.01


def test_square_asks_in_fresh_draws_and_about_the_best_again(model) -> None:
    classifier = Classifier(model, draws=16)
    x, y = np.full((8, 1), 0.35, "float32"), np.zeros(8, "int32")
    # Half a deviation short of the boundary at the edge: one success is luck, and must not end the search; sixteen at
    # once would, and have a chance of 1e-8.
    attack = tn.attacks.build("square:queries=40")
    found = attack.run(classifier, x, y, ball=tn.balls.get("linf", 0.1))
    assert np.allclose(np.asarray(found.x), 0.45, atol=1e-6)
    # The start, two for each proposal, and two to make sure.
    assert set(np.asarray(found.queries).tolist()) == {43}
