"""From a model and its data to a detector, and from a detector to a report that doubts it."""

import dataclasses
import json

import keras
import numpy as np
import pytest

import turtlenet as tn
from turtlenet import attacks, data, models
from turtlenet.detection.measure import BINS, TOP, adaptive_attacks, histogram
from turtlenet.detection.report import Detection
from turtlenet.errors import DataError, ModelError, SettingError, SpecError

FEW = {"eps": 0.15, "attack_draws": 4}
PGD = "pgd:steps=8"


@pytest.fixture(scope="module")
def fitted(unsure, parts) -> tn.FittedDetector:
    return tn.fit_detector(unsure, parts, attacks=["fgsm", PGD], draws=12, **FEW)


@pytest.fixture(scope="module")
def result(unsure, parts, fitted) -> Detection:
    return tn.score_detector(unsure, fitted, parts, adaptive="undetected:steps=20,step_size=0.15")


@pytest.mark.slow
def test_what_a_detectors_file_says(fitted, parts, unsure, tmp_path) -> None:
    fitted.save(tmp_path / "d.json")
    kept = json.loads((tmp_path / "d.json").read_text())
    assert kept["detector"]["name"] == "logistic"
    assert kept["model"]["sha256"] == models.weights_sha256(unsure)
    assert (kept["data"]["sha256"], kept["data"]["count"]) == (parts.train.sha256(), 60)
    assert (kept["attacks"], kept["draws"], kept["attack_draws"]) == (["fgsm", PGD], 12, 4)
    assert (kept["threat"]["norm"], kept["threat"]["eps"], kept["population"]) == ("linf", 0.15, "successes")
    assert [point["name"] for point in kept["points"]] == ["even-odds", "5%-of-clean"]
    assert tn.FittedDetector.load(tmp_path / "d.json") == fitted
    assert np.array_equal(fitted.score([0.0, 0.1]), tn.FittedDetector.load(tmp_path / "d.json").score([0.0, 0.1]))


def test_few_clean_images_of_the_fit_are_above_the_second_point(unsure, parts, fitted) -> None:
    victim = tn.as_classifier(unsure, draws=12)
    each = victim.taking(seed=1).probabilities(parts.train.batch(slice(None))[0])
    outputs = np.asarray(keras.ops.convert_to_numpy(each), "float64")
    right = outputs.mean(axis=1).argmax(axis=1) == parts.train.labels
    clean = outputs.var(axis=1).mean(axis=1)[right]
    assert fitted.scores[0].count == right.sum()
    assert fitted.scores[0].mu == pytest.approx(clean.mean(), rel=1e-4)
    assert fitted.scores[0].sigma == pytest.approx(clean.var(), rel=1e-3)
    # The score at the cut itself was rounded otherwise.
    above = (fitted.score(clean) > fitted.points[1].cut + 1e-5).mean()
    assert 0 < above <= 0.05


@pytest.mark.slow
def test_the_same_again_for_the_same_seed(unsure, parts, fitted) -> None:
    again = tn.fit_detector(unsure, parts, attacks=["fgsm", PGD], draws=12, **FEW)
    assert dataclasses.replace(again, created=fitted.created) == fitted
    other = tn.fit_detector(unsure, parts, attacks=["fgsm", PGD], draws=12, seed=5, **FEW)
    assert other.detector != fitted.detector


@pytest.mark.slow
def test_the_populations_are_what_they_say(result, parts) -> None:
    scores = {name: np.array(values) for name, values in result.scores.items()}
    right = scores["clean_answer"] == scores["label"]
    assert np.array_equal(scores["label"], parts.test.labels)
    assert result.clean_accuracy == pytest.approx(right.mean(), abs=1e-6)
    assert 0 < right.sum() < 60, "every image is right, so that the two populations do not differ"
    for number, row in enumerate(result.rows):
        fooled = right & (scores[f"{number}_answer"] != scores["label"])
        assert (row.successes.clean.count, row.successes.adversarial.count) == (right.sum(), fooled.sum())
        assert (row.all.clean.count, row.all.adversarial.count) == (60, 60)
        assert (row.fooled.hits, row.fooled.count) == (fooled.sum(), right.sum())
        assert row.all.adversarial.mu == pytest.approx(scores[str(number)].mean(), rel=1e-4)
        assert row.all.adversarial.sigma == pytest.approx(scores[str(number)].var(), rel=1e-3)
        assert row.linf_max <= 0.15 + 1e-6


def test_what_slips_through_is_misclassified_and_not_seen(result, fitted) -> None:
    scores = {name: np.array(values) for name, values in result.scores.items()}
    right = scores["clean_answer"] == scores["label"]
    together = []
    for number, row in enumerate(result.rows):
        fooled = right & (scores[f"{number}_answer"] != scores["label"])
        for place, point in enumerate(fitted.points):
            hidden = fooled & (fitted.score(scores[str(number)]) <= point.cut)
            assert (row.slipped[place].hits, row.slipped[place].count) == (hidden.sum(), right.sum())
        together.append(fooled & (fitted.score(scores[str(number)]) <= fitted.points[1].cut))
    assert [row.adaptive for row in result.rows] == [False, False, True, True]
    assert result.slipped_plain[1].hits == np.any(together[:2], axis=0).sum()
    assert result.slipped_adaptive[1].hits == np.any(together, axis=0).sum()


def test_an_attack_that_knows_of_the_detector_beats_those_that_do_not(result) -> None:
    for place, alarm in enumerate(result.alarms):
        told = next(row for row in result.rows if alarm.point.name in row.aims_at)
        plain = max(row.slipped[place].share for row in result.rows if not row.adaptive)
        assert told.slipped[place].share > plain + 0.05
    codes = [doubt.code for doubt in result.doubts]
    assert codes[0] == "knowing-attacker" and "weak-adaptive-attack" not in codes


def test_a_detector_that_was_not_attacked_is_not_measured(unsure, parts, fitted) -> None:
    alone = tn.score_detector(unsure, fitted, parts, attacks=["fgsm"], adaptive="", limit=20)
    assert alone.doubts[0].code == "never-attacked" and "not measured" in alone.doubts[0].finding
    assert alone.slipped_adaptive == () and [row.spec for row in alone.rows] == ["fgsm"]
    assert "few-examples" in [doubt.code for doubt in alone.doubts]


def test_scoring_on_the_images_of_the_fit_is_a_doubt(unsure, parts, fitted) -> None:
    same = data.Data("drawn", train=parts.train, test=parts.train)
    found = tn.score_detector(unsure, fitted, same, attacks=["fgsm"], adaptive="")
    assert "same-images" in [doubt.code for doubt in found.doubts]


def test_the_report_is_its_json(result) -> None:
    text = result.to_json()
    assert Detection.from_json(text) == result
    assert json.loads(text)["rows"][0]["successes"]["auc"] == result.rows[0].successes.auc


def test_the_views_have_the_numbers(result, tmp_path) -> None:
    files = result.save(tmp_path / "r")
    assert [file.name for file in files] == [
        "report.json",
        "report.md",
        "report.html",
        "histogram.png",
        "roc.png",
        "report.sha256",
    ]
    auc = f"{result.rows[0].successes.auc:.3f}"
    for view in (str(result), *((tmp_path / "r" / name).read_text() for name in ("report.md", "report.html"))):
        assert auc in view and "undetected, told even-odds" in view and "5%-of-clean" in view
        assert "AUC" in view and "say nothing of an attacker who knows" in " ".join(view.split())
        assert "as in paper 001" in " ".join(view.split())
    assert max(map(len, str(result).splitlines())) <= 100
    page = (tmp_path / "r" / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 4 and "://" not in page and "--paper" in page


def test_the_bins_are_those_of_figure_2_where_they_fit() -> None:
    found = histogram([("clean", np.array([0.0, 1e-4, 0.02])), ("fgsm", np.array([0.0349, 0.0351]))])
    assert (found.top, found.names) == (0.0351, ("clean", "fgsm")), "one score in five is above the paper's range"
    found = histogram([("clean", np.linspace(0, 0.0349, 500)), ("fgsm", np.array([0.2]))])
    assert (found.top, len(found.counts[0])) == (TOP, BINS) == (0.035, 100)
    assert (sum(found.counts[0]), found.counts[1][-1]) == (500, 1)
    tight = histogram([("clean", np.array([0.0, 1e-4])), ("fgsm", np.array([2e-4]))])
    assert tight.top == 2e-4 and tight.counts[1][-1] == 1


@pytest.mark.slow
def test_the_mixture_and_all_images_as_the_paper_took_them(unsure, parts) -> None:
    found = tn.fit_detector(
        unsure, parts, attacks=["fgsm"], detector="mixture", population="all", draws=6, limit=30, **FEW
    )
    assert found.detector["name"] == "mixture"
    assert [row.count for row in found.scores] == [30, 30]
    assert 1 / found.detector["rate"] == pytest.approx(found.scores[0].mu, rel=1e-4)
    assert found.detector["mean"] == pytest.approx(found.scores[1].mu, rel=1e-4)


def test_adaptive_attacks_are_told_the_edges(fitted) -> None:
    told = adaptive_attacks(fitted, "undetected:steps=7")
    assert [attack.threshold for attack, _ in told] == [point.edge for point in fitted.points]
    assert [attack.steps for attack, _ in told] == [7, 7]
    assert adaptive_attacks(fitted, "") == []
    alike = dataclasses.replace(fitted, points=(fitted.points[0],) * 2)
    assert len(adaptive_attacks(alike, "undetected")) == 1, "one attack for two edges that are the same"


def test_a_model_that_draws_nothing(parts) -> None:
    layers = [keras.Input((6, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(4, activation="softmax")]
    still = keras.Sequential(layers, name="still")
    with pytest.raises(ModelError, match="this one draws none: give it Dropout layers, train it, and wrap it"):
        tn.fit_detector(still, parts)
    dropping = keras.Sequential([*layers[:2], keras.layers.Dropout(0.5), layers[2]], name="dropping")
    with pytest.raises(ModelError, match="turtlenet wrap MODEL --defence mc-dropout"):
        tn.fit_detector(dropping, parts)


def test_another_model_is_refused(unsure, parts, fitted) -> None:
    other = models.copy(unsure)
    other.layers[-1].set_weights([each + 1 for each in other.layers[-1].get_weights()])
    with pytest.raises(ModelError, match="Expected the model that the detector was fitted on, unsure with sha256"):
        tn.score_detector(other, fitted, parts)


@pytest.mark.parametrize(
    ("settings", "kind", "words"),
    [
        ({"draws": 1}, SettingError, "Expected draws >= 2, whose answers can differ; got 1."),
        ({"attack_draws": 1}, SettingError, "Expected attack_draws >= 2"),
        ({"detector": "logistics"}, SpecError, "Did you mean 'logistic'?"),
        ({"population": "succeses"}, SpecError, "Did you mean 'successes'?"),
        ({"eps": 0.0}, DataError, "Expected at least 5 adversarial examples that succeed to fit a detector on; got 0"),
        ({"seed": -1}, SettingError, "Expected seed >= 0; got -1."),
        ({"batch_size": 0}, SettingError, "Expected batch_size >= 1; got 0."),
        ({"limit": 0}, SettingError, "Expected to take 1 example or more; got 0."),
        ({"attacks": ["pgdd"]}, SpecError, "Did you mean 'pgd'?"),
        ({"norm": "l0"}, SettingError, "Expected one of the norms"),
    ],
)
def test_bad_input(settings, kind, words, unsure, parts) -> None:
    with pytest.raises(kind) as caught:
        tn.fit_detector(unsure, parts, **{"attacks": [PGD], "draws": 4, **FEW, **settings})
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_part_that_is_not_there(unsure, parts, fitted) -> None:
    with pytest.raises(DataError, match="Expected a part of only to fit on that is not the test part"):
        tn.fit_detector(unsure, data.Data("only", test=parts.test))
    with pytest.raises(DataError, match="Expected test images to score on in only"):
        tn.score_detector(unsure, fitted, data.Data("only", train=parts.train))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda kept: {**kept, "detector": {"name": "oracle"}}, "Unknown detector 'oracle'"),
        (lambda kept: {**kept, "detector": {"name": "os:system"}}, "Unknown detector 'os:system'"),
        (
            lambda kept: {**kept, "detector": {"name": "logistic", "slope": 1}},
            "Expected a detector that turtlenet wrote",
        ),
        (lambda kept: {**kept, "detector": {**kept["detector"], "slope": float("inf")}}, "not finite"),
        (lambda kept: {**kept, "points": []}, "no points"),
        (lambda kept: {**kept, "model": {"name": "m"}}, "Expected a detector that turtlenet wrote"),
        (lambda kept: [kept], "Expected a detector that turtlenet wrote"),
        (lambda kept: {"detector": kept["detector"]}, "Expected a detector that turtlenet wrote"),
    ],
)
def test_files_that_are_no_detector(change, words, fitted, tmp_path) -> None:
    (tmp_path / "d.json").write_text(json.dumps(change(fitted.to_dict())))
    with pytest.raises((DataError, SpecError)) as caught:
        tn.FittedDetector.load(tmp_path / "d.json")
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_names_registered_attacks_only(unsure, parts, fitted) -> None:
    crafty = dataclasses.replace(fitted, attacks=("os.path:join",))
    with pytest.raises(SpecError):
        tn.score_detector(unsure, crafty, parts)
    assert attacks.build(PGD).steps == 8
