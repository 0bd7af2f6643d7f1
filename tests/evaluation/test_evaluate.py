"""Tables and cascades, what they count, and the evaluation that a kill does not change."""

import dataclasses
import json

import numpy as np
import pytest
from keras import ops

from turtlenet import attacks, backend, balls, data
from turtlenet.errors import DataError, SettingError, SpecError
from turtlenet.evaluation import Report
from turtlenet.evaluation.cascade import Cascade
from turtlenet.evaluation.evaluate import evaluate_classifier
from turtlenet.evaluation.per_image_results import PerImageResults
from turtlenet.evaluation.within_ball import eight_bit

RNG = np.random.default_rng(5)
X = RNG.uniform(size=(90, 8, 8, 1)).astype("float32")
ABOUT = {"name": "small", "path": None, "sha256": "1", "parameters": 7}
BALL = balls.get("linf", 0.03)
SPECS = ("noise:draws=3", "fgsm", "pgd:steps=8,restarts=3")


@pytest.fixture(scope="module")
def examples(small):
    """Images of which nine in ten are labeled with the model's answer."""
    y = small.predict(X).argmax(axis=1)
    y[::10] = (y[::10] + 1) % 4
    return data.from_arrays(X, y, num_classes=4)


def evaluate(small, examples, specs=SPECS, **settings) -> Report:
    suite = [attacks.build(spec) for spec in specs]
    settings = {"curve": 0, "batch_size": 16, **settings}
    return evaluate_classifier(small, examples, suite, BALL, about=ABOUT, specs=list(specs), **settings)


def timeless(report: Report) -> dict:
    """Everything but the clock's."""
    rows = tuple(dataclasses.replace(row, seconds=0.0) for row in report.attacks)
    return dataclasses.replace(report, attacks=rows, seconds=0.0, created="").to_dict()


def test_the_numbers_agree_with_each_other(small, examples) -> None:
    report = evaluate(small, examples, curve=30)
    assert report.clean_accuracy == 0.9
    assert 0 < report.robust_accuracy < min(row.accuracy for row in report.attacks) + 1e-9
    robust = np.array(report.verdicts["robust"])
    assert np.isclose(robust.mean(), report.robust_accuracy, atol=1e-6)
    assert not robust[::10].any(), "an image that was wrong at first is not robust"
    for row in report.attacks:
        assert row.examples == 81
        assert np.isclose(row.accuracy, (81 - round(row.success_rate * 81)) / 90, atol=1e-6)
        low, high = row.accuracy_interval
        assert low <= row.accuracy <= high
        assert row.linf_max <= 0.03 + 1e-7 and row.linf_mean <= row.linf_max
    counts = [one.count for one in report.per_class]
    assert sum(counts) == 90
    assert np.isclose(
        np.average([one.robust_accuracy for one in report.per_class], weights=counts),
        report.robust_accuracy,
        atol=1e-5,
    )
    assert report.curve[0].eps == 0 and report.curve[-1].eps == 1.0
    assert Report.from_json(report.to_json()) == report


@pytest.mark.slow
def test_attacks_with_balls_of_their_own_stand_beside(small, examples, tmp_path) -> None:
    """As in the suites of papers 000 to 004; they are pictured and saved like all others."""
    specs = ("fgsm", "deepfool:steps=20,norm=l2,eps=inf", "jsma:theta=1,norm=l0,eps=inf")
    report = evaluate(small, examples, specs)
    alone = evaluate(small, examples, specs[:1])
    assert alone.attacks[0].accuracy >= report.robust_accuracy > report.attacks[1].accuracy
    assert [(row.norm, row.eps) for row in report.attacks] == [("", None), ("l2", 8.0), ("l0", 64.0)]
    # What kept to the threat is shown before what did not.
    shown = {picture.attack for picture in report.pictures}
    assert "fgsm" in shown and shown <= set(specs)
    felled = {picture.index for picture in alone.pictures}
    assert all(picture.attack == "fgsm" for picture in report.pictures if picture.index in felled)
    assert Report.from_json(report.to_json()) == report
    report.save(tmp_path)
    said = "only where it kept within the threat: deepfool:steps=20,norm=l2,eps=inf (L2 up to 8), jsma"
    markdown = (tmp_path / "report.md").read_text().replace("\\", "")
    for page in (str(report).replace("\n  ", " "), markdown, (tmp_path / "report.html").read_text()):
        assert said in page
    assert "tried within the threat" in markdown


def test_a_cascade_gives_the_verdicts_of_a_table(small, examples) -> None:
    table, cascade = evaluate(small, examples), evaluate(small, examples, mode="cascade")
    assert table.verdicts == cascade.verdicts
    assert cascade.attacks[-1].accuracy >= cascade.robust_accuracy == table.robust_accuracy
    met = [row.examples for row in cascade.attacks]
    assert met[0] == 81 and met[0] > met[1] > met[2]
    assert sum(row.gradients for row in cascade.attacks) < sum(row.gradients for row in table.attacks)


def test_batch_size_changes_no_verdict(small, examples) -> None:
    one, other = evaluate(small, examples, batch_size=90), evaluate(small, examples, batch_size=7)
    assert one.verdicts == other.verdicts and one.data["sha256"] == other.data["sha256"]


def test_the_same_seed_gives_the_same_report(small, examples) -> None:
    assert timeless(evaluate(small, examples)) == timeless(evaluate(small, examples))


class KilledError(Exception):
    """A kill, as far as the test can make one."""


@pytest.mark.parametrize("blocks", [1, 2, 4])
def test_a_killed_evaluation_ends_with_the_same_report(blocks, small, examples, tmp_path, monkeypatch) -> None:
    expected = evaluate(small, examples, curve=30)
    monkeypatch.setattr(Cascade, "block_size", lambda self, shape: 16)
    path, write, count = tmp_path / "progress.npz", PerImageResults.write, [0]

    def failing(self, *args):
        write(self, *args)
        count[0] += 1
        if count[0] == blocks:
            raise KilledError

    monkeypatch.setattr(PerImageResults, "write", failing)
    with pytest.raises(KilledError):
        evaluate(small, examples, progress=path)
    monkeypatch.setattr(PerImageResults, "write", write)
    met = []
    predict = type(small).predict
    monkeypatch.setattr(type(small), "predict", lambda self, x, *y: met.append(len(x)) or predict(self, x, *y))
    found = evaluate(small, examples, progress=path, resume=True, curve=30)
    assert timeless(found) == timeless(expected)
    met.clear()
    evaluate(small, examples, progress=path, resume=False)
    whole = sum(met)
    met.clear()
    evaluate(small, examples, progress=path, resume=True)
    assert sum(met) < whole, "what is known is not computed again"


def test_progress_of_another_run_is_not_taken_up(small, examples, tmp_path) -> None:
    path = tmp_path / "progress.npz"
    evaluate(small, examples, progress=path)
    other = evaluate(small, examples, progress=path, resume=True, seed=9)
    assert timeless(other) == timeless(evaluate(small, examples, seed=9))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match="Expected what an evaluation wrote on its way .* leave out --resume"):
        evaluate(small, examples, progress=path, resume=True)


def test_predicted_labels_attack_every_image(small, examples) -> None:
    report = evaluate(small, examples, specs=("fgsm",), labels="predicted")
    assert report.attacks[0].examples == 90 and report.threat["labels"] == "predicted"
    # Pushed away from its wrong answer, an image can land on the right one: the flaw that the doubt names.
    assert "predicted-labels" in {doubt.code for doubt in report.doubts}


def test_nothing_retraces_after_warm_up(small, examples) -> None:
    traces = []

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Counted(attacks.PGD):
        """Counts how often its graph is built."""

        def search(self, model, x, goal, *, ball, key):
            traces.append(x.shape)
            return super().search(model, x, goal, ball=ball, key=key)

    def run(count, eps, seed):
        evaluate_classifier(
            small,
            examples.take(count),
            [Counted(steps=3)],
            balls.get("linf", eps),
            about=ABOUT,
            seed=seed,
            batch_size=16,
            curve=0,
        )

    run(90, 0.03, 0)
    warm = len(traces)
    # Once and for any batch size, and the same of the attack with twice the steps.
    assert 1 <= warm <= 4
    for count, eps, seed in ((90, 0.1, 1), (33, 0.02, 2), (17, 0.3, 3), (5, 0.01, 4)):
        run(count, eps, seed)
    assert len(traces) == warm


@pytest.mark.parametrize(
    ("settings", "kind", "words"),
    [
        ({"specs": ()}, SettingError, "Expected at least one attack"),
        ({"mode": "tabel"}, SpecError, "Did you mean 'table'?"),
        ({"labels": "tru"}, SpecError, "Did you mean 'true'?"),
    ],
)
def test_refusals(settings, kind, words, small, examples) -> None:
    with pytest.raises(kind) as caught:
        evaluate(small, examples, **settings)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_too_many_classes_are_refused(small) -> None:
    many = data.from_arrays(X, np.arange(90) % 5)
    with pytest.raises(DataError, match="Expected labels of 4 classes; got 5"):
        evaluate(small, many)


def test_json_holds_the_names_that_the_design_fixes(small, examples) -> None:
    found = json.loads(evaluate(small, examples).to_json())
    top = "model data threat seed versions clean_accuracy robust_accuracy attacks doubts"
    row = (
        "name settings accuracy success_rate loss seconds gradients queries examples "
        "linf_mean linf_max l2_mean l2_max l0_mean psnr_mean ssim_mean"
    )
    assert set(top.split()) <= set(found)
    assert {"path", "sha256", "parameters"} <= set(found["model"])
    assert {"name", "count", "sha256"} <= set(found["data"])
    assert {"norm", "eps", "bounds", "access"} <= set(found["threat"])
    assert all(set(row.split()) <= set(attack) for attack in found["attacks"])
    assert all({"code", "finding", "advice"} <= set(doubt) for doubt in found["doubts"])


def test_pictures_show_what_fell(small, examples) -> None:
    report = evaluate(small, examples)
    assert {picture.label for picture in report.pictures} <= set(range(4)) and report.pictures
    for picture in report.pictures:
        assert picture.adversarial_prediction != picture.label == picture.clean_prediction
        assert not report.verdicts["robust"][picture.index]
        assert 0 < picture.distance <= 0.03 + 1e-6


def test_a_ball_of_its_own_does_not_count(small, examples) -> None:
    wide = attacks.build("pgd:steps=5,eps=0.5")
    far = attacks.build("pgd:steps=5,norm=l2,eps=inf")
    found = evaluate_classifier(
        small, examples, [attacks.build("noise"), wide, far], balls.get("linf", 0.01), about=ABOUT, curve=0
    )
    assert [(row.norm, row.eps) for row in found.attacks] == [("", None), ("linf", 0.5), ("l2", 8.0)]
    assert found.attacks[1].accuracy < 0.5 < found.robust_accuracy <= found.attacks[0].accuracy
    with pytest.raises(SettingError, match="Expected mode=table"):
        evaluate_classifier(small, examples, [wide], balls.get("linf", 0.01), about=ABOUT, mode="cascade")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Least(attacks.Attack):
    """The first of growing steps along the gradient's sign that is answered wrongly."""

    norms = ("linf",)
    minimal = True

    def search(self, model, x, goal, *, ball, key):
        _, _, slope = backend.input_gradient(lambda z: (goal.loss("margin", model(z)), 0), x)
        best, found = x, ops.zeros_like(goal.y) > 0
        for size in (0.01, 0.02, 0.04, 0.08):
            moved = ball.inside(x + size * ops.sign(slope))
            wrong = goal.reached(model(moved))
            best = attacks.goal.choose(ops.logical_and(wrong, ops.logical_not(found)), moved, best)
            found = ops.logical_or(found, wrong)
        return attacks.SearchResult(best, queries=4)


@pytest.mark.parametrize("mode", ["table", "cascade"])
def test_one_search_answers_for_every_radius(mode, small, examples) -> None:
    def run(eps):
        about = {"about": ABOUT, "curve": 0, "mode": mode}
        return evaluate_classifier(small, examples, [Least()], balls.get("linf", eps), **about)

    once = run(0.02)
    steps = {eps: run(eps).attacks[0].accuracy for eps in (0.005, 0.01, 0.02)}
    assert 0 < steps[0.02] < steps[0.01] < steps[0.005] <= once.clean_accuracy
    if mode == "table":
        assert steps[0.005] == once.clean_accuracy
        known = {point.eps: point.accuracy for point in once.attacks[0].minimum_curve}
        assert known[0.01] == steps[0.01] and known[0.02] == steps[0.02] >= once.robust_accuracy
        assert once.attacks[0].minimum_median == pytest.approx(0.04, abs=1e-5)
        assert once.attacks[0].queries_median == 6


def test_eight_bit_pixels_stay_in_the_ball(small, examples) -> None:
    rng = np.random.default_rng(0)
    x = (rng.integers(0, 256, (40, 8, 8, 1)) / 255).astype("float32")
    moved = np.clip(x + rng.uniform(-0.1, 0.1, x.shape), 0, 1).astype("float32")
    moved[:, 0] = x[:, 0]
    for norm, eps in (("linf", 0.1), ("l2", 0.42)):
        ball = balls.get(norm, eps)
        moved = np.asarray(ball.project(ops.convert_to_tensor(moved), x))
        found = eight_bit(moved, x, ball)
        assert np.allclose(found * 255, np.rint(found * 255), atol=1e-4)
        assert (np.asarray(ball.distance(found, x)) <= eps * (1 + 1e-6)).all()
        assert np.abs(found - moved).max() <= 1 / 255 + 1e-6 and np.array_equal(found[:, 0], x[:, 0])
    plain = evaluate(small, examples, curve=0)
    report = evaluate(small, examples, curve=0, quantize_pixels=True)
    assert report.threat["pixels"] == "8-bit" and report.robust_accuracy >= plain.robust_accuracy


def test_pixels_between_two_levels_are_not_rounded_out_of_the_ball() -> None:
    x = np.full((2, 2, 2, 1), 10.4 / 255, "float32")
    for eps, level in ((0.2 / 255, 10.4), (0.5 / 255, 10.0)):
        # Both levels around 10.6 are farther than 0.2 away, and one of them farther than 0.5.
        found = eight_bit(x + np.float32(0.2 / 255), x, balls.get("linf", eps))
        assert np.allclose(found * 255, level, atol=1e-4)


@pytest.mark.parametrize(
    ("norm", "spec"),
    [
        pytest.param("linf", "deepfool", marks=pytest.mark.slow),
        ("l2", "deepfool"),
        pytest.param("linf", "worst-of:attacks=(noise:draws=1;deepfool)", marks=pytest.mark.slow),
    ],
)
def test_the_smallest_perturbations_survive_rounding(norm, spec, demo, digits) -> None:
    """They end on the edge: a little beyond it they stay over it when pixels are rounded."""
    ball = balls.get(norm, {"linf": 0.15, "l2": 2.0}[norm])
    x, y = digits.test.batch(slice(0, 30))
    cascades = [Cascade(attacks=(), ball=ball, quantize_pixels=rounded) for rounded in (False, True)]
    tried = [
        cascade.tried(attacks.build(spec), demo, x, y, ball=ball, seed=0, index=np.arange(30))[0]
        for cascade in cascades
    ]
    real, rounded = (each.reached.mean() for each in tried)
    assert real > 0.6 and rounded >= real - 0.04
    moved = tried[1].x[tried[1].reached]
    assert np.allclose(moved * 255, np.rint(moved * 255), atol=1e-3)
    assert (np.asarray(ball.distance(tried[1].x, x)) <= float(ball.eps) * (1 + 1e-5)).all()


@pytest.mark.slow
def test_an_attack_that_stops_early_is_told_where_enough_is(small, examples) -> None:
    """In a table the smallest perturbation is looked for everywhere, where the first success is no answer."""
    about = {"about": ABOUT, "curve": 0}
    suite = [attacks.build(f"hopskipjump:queries=600{more}") for more in ("", ",early_stop=true")]
    report = evaluate_classifier(small, examples, suite, balls.get("linf", 0.1), **about)
    patient, content = report.attacks
    assert patient.accuracy < report.clean_accuracy and content.accuracy <= patient.accuracy + 0.1
    assert content.queries < patient.queries
