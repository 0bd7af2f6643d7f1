"""The smallest radius that breaks an image: against closed forms, by hand, and through kills."""

import dataclasses

import keras
import numpy as np
import pytest

import turtlenet
from turtlenet import attacks, balls, data
from turtlenet.defences import InferenceDropout
from turtlenet.errors import DataError, SettingError
from turtlenet.evaluation import Report
from turtlenet.evaluation.evaluate import evaluate_classifier
from turtlenet.evaluation.perceptibility import search as smallest
from turtlenet.evaluation.perceptibility.result import Perceptibility, broken_at, measured
from turtlenet.evaluation.perceptibility.search import BISECTIONS, measure_perceptibility
from turtlenet.models import classifier, wrap
from turtlenet.workflows import evaluate as evaluating

RNG = np.random.default_rng(5)
X = RNG.uniform(size=(40, 8, 8, 1)).astype("float32")
BALL = balls.get("linf", 0.03)
PGD = attacks.build("pgd:steps=20,early_stop=true")
ABOUT = {"name": "small", "path": None, "sha256": "1", "parameters": 7}


@pytest.fixture(scope="module")
def examples(small) -> data.Examples:
    """Images of which nine in ten are labeled with the model's answer."""
    y = small.predict(X).argmax(axis=1)
    y[::10] = (y[::10] + 1) % 4
    return data.from_arrays(X, y, num_classes=4)


def search(model, examples, ball=BALL, attack=PGD, **settings) -> Perceptibility:
    settings = {"count": 40, "widest": 1.0, "identity": "x", "batch_size": 16, **settings}
    return measure_perceptibility(model, examples, ball, attack, **settings)[0]


def timeless(found: Perceptibility) -> dict:
    return dataclasses.asdict(dataclasses.replace(found, seconds=0.0))


def two_classes(kernel: np.ndarray, bias: float = 0.0):
    """The difference of both logits is 2 (kernel . x + bias)."""
    model = keras.Sequential([keras.Input((len(kernel),)), keras.layers.Dense(2)])
    model.layers[-1].set_weights([np.stack([kernel, -kernel], axis=1), np.array([bias, -bias], "float32")])
    return classifier(model, head="logits")


@pytest.mark.parametrize(("norm", "dual", "eps"), [("linf", 1, 0.2), ("l2", 2, 0.4)])
def test_the_smallest_radius_is_that_of_a_linear_model(norm, dual, eps) -> None:
    x = (0.5 + 0.02 * np.random.default_rng(7).normal(size=(30, 6))).astype("float32")
    w = np.array([2, -1, 0.5, 1, -2, -0.6], "float32")
    score = x.astype("float64") @ w
    lead = np.abs(score) / np.linalg.norm(w, ord=dual)
    examples = data.from_arrays(x, (score < 0).astype("int32"), num_classes=2, shape=(6,))
    found = search(two_classes(w), examples, balls.get(norm, eps), attacks.build("pgd:steps=40"), count=30)
    assert found.right == 30 and found.held == 0
    gap = eps / 8 / 2**BISECTIONS
    excess = np.array(found.smallest) - lead
    # At most the last gap, and a little more where a walk of 40 steps ends short of the best point of the ball.
    assert excess.min() > -1e-6 and excess.max() < gap + 0.003 * lead.max()
    distance = np.array(getattr(found, norm))
    assert (distance <= np.array(found.smallest) + 1e-6).all() and (distance > lead - 1e-6).all()


def test_what_is_wrong_at_first_needs_no_change(small, examples) -> None:
    found = search(small, examples)
    wrong = np.arange(40) % 10 == 0
    assert [eps == 0 for eps in found.smallest] == wrong.tolist()
    assert found.right == 36 and found.measure("eps").count == 36
    assert all(value is None for value in np.array(found.l2, object)[wrong])
    fell = [eps for eps in found.smallest if eps]
    assert found.broken[-1].share == round(len(fell) / 36, 6) and found.held == 36 - len(fell)
    assert [at.share for at in found.broken] == sorted(at.share for at in found.broken)
    shares = {at.eps: at.share for at in found.broken}
    assert found.fixed.share >= shares[0.03] - 0.1 and found.fixed.linf > 0.02


def test_each_radius_meets_the_survivors_of_those_before(small, examples, monkeypatch) -> None:
    met, attack_all = [], smallest.attack_all

    def noting(*args, **settings):
        met.append((float(settings["ball"].eps), len(settings["index"])))
        return attack_all(*args, **settings)

    monkeypatch.setattr(smallest, "attack_all", noting)
    found = search(small, examples, bisections=1)
    left = dict(met[: len(found.grid)])
    assert met[0][1] == 36 and sorted(left.values(), reverse=True) == list(left.values()) and min(left.values()) < 36
    halves = met[len(left) : -1]
    assert sum(count for _, count in halves) == 36 - found.held
    assert met[-1] == (0.03, 36), "the radius of the threat, on all images that were right"


def test_batch_size_and_repetition_change_nothing(small, examples) -> None:
    one, again = search(small, examples), search(small, examples)
    assert timeless(one) == timeless(again)
    other = search(small, examples, batch_size=7)
    assert other.smallest == one.smallest


@pytest.mark.parametrize("rounds", [1, 4, 9])
def test_a_killed_search_ends_with_the_same_result(rounds, small, examples, tmp_path, monkeypatch) -> None:
    expected, path = search(small, examples), tmp_path / "folder" / "progress.npz"
    write, count = smallest._State.write, [0]

    def failing(self, *args):
        write(self, *args)
        count[0] += 1
        if count[0] == rounds:
            raise KeyboardInterrupt

    monkeypatch.setattr(smallest._State, "write", failing)
    with pytest.raises(KeyboardInterrupt):
        search(small, examples, progress=path)
    monkeypatch.setattr(smallest._State, "write", write)
    calls, attack_all = [0], smallest.attack_all

    def counting(*args, **settings):
        calls[0] += 1
        return attack_all(*args, **settings)

    monkeypatch.setattr(smallest, "attack_all", counting)
    assert timeless(search(small, examples, progress=path, resume=True)) == timeless(expected)
    resumed, calls[0] = calls[0], 0
    search(small, examples, progress=path, resume=True, identity="another")
    assert resumed < calls[0], "what is known is not searched again, and what another run knows is not taken"
    path.write_bytes(b"no archive")
    with pytest.raises(DataError, match="it is damaged"):
        search(small, examples, progress=path, resume=True)


def test_an_image_that_holds_is_beyond_all_radii() -> None:
    """A model whose answer hangs on one pixel from afar: half of the images are out of reach."""
    model = two_classes(np.array([1, 0, 0, 0], "float32"), -0.2)
    x = np.full((4, 4), 0.5, "float32")
    x[:, 0] = 0.25, 0.28, 0.9, 1.0
    labels = np.array([0, 0, 0, 0])
    found = search(model, data.from_arrays(x, labels, num_classes=2, shape=(4,)), balls.get("linf", 0.1))
    assert found.smallest[2:] == (None, None) and found.held == 2 and found.psnr[2] is None
    # The pixel must fall from 0.25 to 0.2, and from 0.28 to 0.2.
    assert found.smallest[0] == pytest.approx(0.05, abs=0.01) and found.smallest[1] == pytest.approx(0.08, abs=0.01)
    assert found.measure("eps").median is None and found.measure("eps").count == 4
    assert found.measure("l2").count == 2 and found.broken[-1].share == 0.5
    assert found.pictures == (), "a row of numbers is no picture"


def test_summaries_by_hand() -> None:
    found = measured("eps", np.array([0.1, 0.2, 0.3, np.inf, np.nan]))
    assert (found.count, found.mean, found.median) == (4, 0.2, 0.3)
    # 0.1 times Student's 4.3027 over the root of 3.
    assert found.mean_interval == pytest.approx((0.2 - 0.248414, 0.2 + 0.248414), abs=1e-5)
    assert measured("eps", np.array([0.1, np.inf, np.inf])).median is None
    ten = measured("l2", np.arange(1.0, 11.0))
    # Ranks 2 and 9 of ten hold the median in 97.9 of 100 draws; 3 and 8 in 89.1.
    assert ten.median == 5.5 and ten.median_interval == (2, 9)
    nothing = measured("ssim", np.full(3, np.nan))
    assert (nothing.count, nothing.mean, nothing.median, nothing.median_interval) == (0, None, None, (None, None))
    shares = [at.share for at in broken_at(np.array([0.1, 0.2, np.inf, 0.2]), (0.05, 0.1, 0.2))]
    assert shares == [0.0, 0.25, 0.75]


def test_a_random_model_is_judged_in_draws_that_the_attack_has_not_seen(monkeypatch) -> None:
    x = np.full((8, 4), 0.5, "float32")
    examples = data.from_arrays(x, np.zeros(8, int), num_classes=2, shape=(4,))
    model = two_classes(np.array([1, 1, 1, 1], "float32"), -1.9).model
    steady = keras.Sequential([keras.Input((4,)), InferenceDropout(1e-6), keras.layers.Dense(2)])
    steady.layers[-1].set_weights(model.get_weights())
    victim = classifier(steady, head="logits")
    found = search(victim, examples, bisections=1)
    assert found.right == 8 and found.held == 0
    asked = []

    def unlucky(model, outcome, y, batch_size):
        asked.append(len(y))
        return dataclasses.replace(outcome, reached=np.zeros(len(y), bool))

    monkeypatch.setattr(smallest, "judged", unlucky)
    assert search(victim, examples, bisections=1).held == 8
    assert asked == [8] * (len(found.grid) + 1)


@pytest.mark.slow
def test_an_evaluation_asks_where_it_is_told_to(small, examples) -> None:
    suite = [attacks.build("fgsm")]

    def evaluate(ball=BALL, count=10) -> Report:
        settings = {"curve": 0, "batch_size": 16, "perceptibility": count}
        return evaluate_classifier(small, examples, suite, ball, about=ABOUT, **settings)

    report = evaluate()
    assert report.perceptibility is not None and len(report.perceptibility.label) == 10
    assert report.perceptibility.attack == "pgd:early_stop=True"
    assert Report.from_json(report.to_json()) == report
    assert evaluate(count=0).perceptibility is None and evaluate(balls.get("linf", 0.0)).perceptibility is None


@pytest.mark.slow
def test_a_defence_beside_the_bare_model(small) -> None:
    bare = small.model
    y = small.predict(X).argmax(axis=1)
    behind = wrap(bare, ["constant-quantization:levels=2"])
    settings = {"attacks": ["noise"], "eps": 0.1, "limit": 12, "curve": 0, "perceptibility": 6, "batch_size": 8}
    both = turtlenet.evaluate([bare, behind], (X, y), **settings)
    first, second = (one.perceptibility for one in both.reports)
    assert (
        len(first.label) == 6
        and first.label == second.label
        and first.grid == second.grid
        and first.amplified == second.amplified == 5.0
    )
    assert [each.index for each in first.pictures] == [each.index for each in second.pictures]
    assert {each.original for each in first.pictures} == {each.original for each in second.pictures}


def test_it_is_the_default_where_a_defence_stands_beside_another_model(small) -> None:
    behind = classifier(wrap(small.model, ["constant-quantization"]))
    assert evaluating._perceptibility_count(None, [small, behind], BALL) == evaluating.PERCEPTIBILITY == 100
    assert (
        evaluating._perceptibility_count(None, [small, small], BALL)
        == evaluating._perceptibility_count(None, [behind], BALL)
        == 0
    )
    assert evaluating._perceptibility_count(None, [small, behind], balls.get("l0", 3)) == 0
    assert (
        evaluating._perceptibility_count(0, [small, behind], BALL) == 0
        and evaluating._perceptibility_count(3, [small], BALL) == 3
    )


def test_bad_input(small) -> None:
    y = small.predict(X).argmax(axis=1)
    with pytest.raises(SettingError, match="Expected perceptibility >= 0; got -1."):
        turtlenet.evaluate(small.model, (X, y), perceptibility=-1)
    settings = {"attacks": ["noise"], "norm": "l0", "eps": 3, "curve": 0}
    with pytest.raises(SettingError, match="Expected one of the norms linf, l2, l1 for pgd; got l0."):
        turtlenet.evaluate(small.model, (X, y), perceptibility=4, **settings)
