"""The headline is the worst that was found: what each part of an evaluation breaks within the threat counts."""

import csv
import dataclasses

import numpy as np
import pytest

from turtlenet import attacks, balls, data
from turtlenet.evaluation import Report
from turtlenet.evaluation.cascade import Cascade
from turtlenet.evaluation.evaluate import evaluate_classifier
from turtlenet.evaluation.results.tally import Tally
from turtlenet.evaluation.threat_models.threat_model import Attacker, ThreatModel
from turtlenet.evaluation.views.text import also
from turtlenet.evaluation.within_ball import inside
from turtlenet.reports import markdown

X = np.random.default_rng(5).uniform(0.2, 0.8, size=(60, 8, 8, 1)).astype("float32")
BALL = balls.get("linf", 0.03)
ABOUT = {"name": "small", "path": None, "sha256": "1", "parameters": 7}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Idle(attacks.Attack):
    """Finds nothing at all: whatever is broken, another part broke it."""

    def search(self, model, x, goal, *, ball, key):
        return x


@pytest.fixture(scope="module")
def examples(small):
    return data.from_arrays(X, small.predict(X).argmax(axis=1), num_classes=4)


def evaluate(model, examples, *suite, ball=BALL, **settings) -> Report:
    settings = {"curve": 0, "batch_size": 60, **settings}
    return evaluate_classifier(model, examples, suite or (Idle(),), ball, about=ABOUT, **settings)


def part(report: Report, name: str):
    return next(row for row in report.parts if row.name == name)


@pytest.mark.parametrize("mode", ["table", "cascade"])
def test_what_any_part_breaks_counts(mode, small, examples, tmp_path):
    report = evaluate(small, examples, mode=mode, curve=40, perceptibility=20)
    assert report.attacks[0].accuracy == 1.0, "the attack itself found nothing"
    names = ["accuracy curve", "convergence check", "probe of the gradient", "perceptibility search"]
    assert [row.name for row in report.parts] == names
    curve, search = part(report, "accuracy curve"), part(report, "perceptibility search")
    assert (curve.tried, search.tried) == (40, 20) and 0 < curve.broken < 40
    robust = np.array(report.verdicts["robust"])
    # On the same images the headline is no better than the curve at any radius of the threat, or the search there.
    for point in report.curve:
        if point.eps <= 0.03:
            assert robust[:40].mean() <= point.accuracy + 1e-6
    assert robust[:20].mean() <= 1 - search.broken / 20
    assert robust[:20].mean() <= 1 - report.perceptibility.fixed.share + 1e-6
    # Every number says the same.
    assert report.robust_accuracy == pytest.approx(robust.mean(), abs=1e-6) == report.parts[-1].accuracy
    assert sum(row.more for row in report.parts) == 60 - robust.sum()
    assert np.array_equal(np.array(report.verdicts["part"]) > 0, robust == 0)
    low, high = report.robust_accuracy_interval
    assert low <= robust.mean() <= high and report.robust_accuracy_interval == report.parts[-1].accuracy_interval
    counts = [row.count for row in report.per_class]
    assert np.average([row.robust_accuracy for row in report.per_class], weights=counts) == pytest.approx(
        robust.mean(), abs=1e-5
    )
    assert Report.from_json(report.to_json()) == report
    # And every view.
    report.save(tmp_path)
    assert "+ accuracy curve" in str(report) and also(report).startswith("Counted in “every attack” too: the accuracy")
    for page in (markdown.render(report.document()).replace("\\", ""), (tmp_path / "report.html").read_text()):
        assert also(report) in page and f"{report.robust_accuracy:.3f}" in page
    rows = csv.DictReader((tmp_path / "examples.csv").read_text().splitlines())
    assert [row["robust"] for row in rows] == [str(value) for value in robust]


def test_the_doubt_of_convergence_says_that_it_counts(small, examples):
    report = evaluate(small, examples)
    check = part(report, "convergence check")
    doubt = next(each for each in report.doubts if each.code == "not-converged")
    assert f"broke {check.broken} of {check.tried} images" in doubt.finding and "counted as broken" in doubt.finding
    assert report.robust_accuracy <= 1 - check.broken / 60 < 1


def test_a_ball_of_its_own_counts_where_it_kept_within_the_threat(small, examples):
    """A smaller ball of the same norm lies within; a larger one and another norm do so by chance."""
    inner = attacks.build("pgd:steps=3,eps=0.02")
    outer = attacks.build("pgd:steps=3,eps=0.5")
    found = evaluate(small, examples, inner)
    alone = evaluate(small, examples, attacks.build("pgd:steps=3"), ball=BALL.with_eps(0.02))
    assert found.attacks[0].eps == 0.02 and found.attacks[0].accuracy == alone.attacks[0].accuracy < 1
    assert found.robust_accuracy <= found.attacks[0].accuracy
    far = evaluate(small, examples, outer, ball=BALL.with_eps(0.001))
    assert far.attacks[0].accuracy < 0.5 < far.robust_accuracy


def test_only_what_lies_in_the_threat_counts():
    x = np.full((7, 2, 2, 1), 0.5, "float32")
    moved = x + np.float32(0.1)
    moved[1, 0, 0] = 0.61
    moved[2, 0, 0] = np.nan
    moved[3, 0, 0] = np.inf
    moved[4] = x[4]
    high = np.full((1, 2, 2, 1), 0.95, "float32")
    ball = balls.get("linf", 0.1)
    assert inside(ball, x, moved).tolist() == [True, False, False, False, True, True, True]
    assert not inside(ball, high, high + np.float32(0.1)).any(), "beyond the bounds"
    assert inside(ball, x[:0], moved[:0]).shape == (0,)
    for norm, length in (("l2", 0.2), ("l1", 0.4), ("l0", 4)):
        assert inside(balls.get(norm, length), x, moved)[[0, 1, 4]].tolist() == [True, norm == "l0", True]
        assert not inside(balls.get(norm, 0.9 * length), x, moved)[0]
    # What an attack may do: float32 rounds the edge by more than a millionth of the radius.
    edge = balls.get("linf", 0.01)
    assert inside(edge, X, X + np.float32(0.01)).all() and not inside(edge, X, X + np.float32(0.01001)).any()
    tally = Tally(10, ball)
    tally.add("a", "pgd", np.arange(2, 9), x, [(moved, np.array([1, 1, 1, 1, 0, 0, 1], bool))])
    assert np.flatnonzero(tally.broken).tolist() == [2, 8]
    tally.put("b", "fgsm", 10, np.arange(10) < 3)
    robust = np.arange(10) != 1
    assert tally.first(robust).tolist() == [2, 0, 1, 0, 0, 0, 0, 0, 1, 0]
    assert [(row.broken, row.more, row.accuracy) for row in tally.rows(robust, True)] == [(2, 2, 0.7), (3, 1, 0.6)]


def test_what_falls_back_when_pixels_are_rounded_does_not_count(small, examples):
    """Half a gray level is rounded away; so the same parts that broke images break none."""
    x = (np.rint(X * 255) / 255).astype("float32")
    grid = data.from_arrays(x, small.predict(x).argmax(axis=1), num_classes=4)
    tiny = BALL.with_eps(0.45 / 255)
    settings = {"ball": tiny, "curve": 60, "perceptibility": 60}
    plain, rounded = (evaluate(small, grid, quantize_pixels=each, **settings) for each in (False, True))
    assert plain.robust_accuracy < 1.0
    assert rounded.robust_accuracy == 1.0 and not any(row.broken for row in rounded.parts)


def test_another_image_is_no_example(small):
    cascade = Cascade(attacks=(), ball=BALL)
    x, y = X[:4], small.predict(X[:4]).argmax(axis=1)
    assert cascade.wrong(small, x, y + 1, x).all() and not cascade.wrong(small, x, y, x).any()
    assert not cascade.wrong(small, x, y + 1, X[4:8]).any(), "it lies outside the ball"


def test_where_somebody_stands_beside_the_parts_count_with_that_one(small, examples):
    """The parts have the whole model: what they break is not held against one who can only ask."""
    who = (Attacker("asks"), Attacker("with the model", counted=False))
    access = ThreatModel(name="black-box", attackers=who)
    report = evaluate(small, examples, Idle(), Idle(), access=access, curve=60)
    assert report.robust_accuracy == 1.0 > report.beside_accuracy == report.parts[-1].accuracy
    assert not any(row.counted for row in report.parts)
    assert all(report.verdicts["robust"])
    secret = next(each for each in report.doubts if each.code == "secret-key")
    assert f"leave 1.000; one who has it leaves {report.beside_accuracy:.3f}" in secret.finding
    assert "“every attack, with the model too”" in also(report)
    assert str(report).index("+ accuracy curve") > str(report).index("asks:")


def test_a_search_that_was_killed_counts_the_same(small, examples, tmp_path, monkeypatch):
    from turtlenet.evaluation.perceptibility import search as smallest

    class CutError(Exception):
        pass

    settings = {"perceptibility": 30}
    whole = evaluate(small, examples, **settings)
    write = smallest._State.write

    def cut(self, *args):
        write(self, *args)
        if self.done == 5:
            raise CutError

    monkeypatch.setattr(smallest._State, "write", cut)
    with pytest.raises(CutError):
        evaluate(small, examples, progress=tmp_path / "progress.npz", **settings)
    monkeypatch.setattr(smallest._State, "write", write)
    again = evaluate(small, examples, progress=tmp_path / "progress.npz", resume=True, **settings)
    assert again.verdicts == whole.verdicts and again.parts == whole.parts
