"""Several radii in one report: what fell at one has fallen at all larger ones."""

import dataclasses
import json

import keras
import numpy as np
import pytest

import turtlenet as tn
from tests.evaluation.views.test_views import report
from turtlenet.errors import SettingError
from turtlenet.evaluation.results.sweep import Sweep, sweep_of
from turtlenet.reports import markdown
from turtlenet.reports.base import Doubt


def at(eps: float, robust: list[int], **values):
    threat = {"norm": "linf", "eps": eps, "bounds": [0.0, 1.0], "access": "white-box", "labels": "true"}
    accuracy = sum(robust) / len(robust)
    verdicts = {"label": [0] * len(robust), "clean_prediction": [0] * len(robust), "robust": robust}
    return report(threat=threat, robust_accuracy=accuracy, verdicts=verdicts, doubts=(), **values)


def test_what_fell_stays_fallen():
    sweep = sweep_of([at(0.3, [0, 0, 1, 1]), at(0.1, [1, 0, 0, 1])])
    assert [(point.eps, point.robust_accuracy, point.alone) for point in sweep.points] == [
        (0.1, 0.5, 0.5),
        (0.3, 0.25, 0.5),
    ]
    assert [doubt.code for doubt in sweep.doubts] == ["missed-at-larger-eps"]
    assert "1 at eps 0.3." in sweep.doubts[0].finding
    assert sweep_of([at(0.1, [1, 1]), at(0.2, [1, 0])]).doubts == ()


def test_a_model_that_draws_numbers_is_swept_by_what_is_expected():
    first, second = at(0.1, [1, 1, 0]), at(0.2, [1, 1, 1])
    expected = ([0.9, 0.7, 0.1], [0.6, 0.8, 0.75])
    reports = [
        dataclasses.replace(one, verdicts={**one.verdicts, "probability": each}, robust_accuracy=sum(each) / 3)
        for one, each in zip((first, second), expected, strict=True)
    ]
    sweep = sweep_of(reports)
    assert [point.robust_accuracy for point in sweep.points] == pytest.approx([1.7 / 3, 1.4 / 3], abs=1e-6)
    # Estimates differ a little from radius to radius: 0.7 and 0.8 are no doubt, 0.1 and 0.75 are one.
    assert "1 at eps 0.2." in sweep.doubts[0].finding
    assert all(point.robust_accuracy <= point.alone + 1e-6 for point in sweep.points)


def test_it_is_a_report_like_all_others(tmp_path, monkeypatch):
    monkeypatch.setattr("turtlenet.reports.figures._svg", lambda *_: "<svg/>")
    sweep = sweep_of([at(0.1, [1, 1]), at(0.2, [1, 0])])
    assert Sweep.from_json(sweep.to_json()) == sweep
    assert "Robust accuracy 100.0 % at eps 0.1, 50.0 % at eps 0.2" in str(sweep)
    sweep.save(tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["points"][1]["robust_accuracy"] == 0.5
    assert (tmp_path / "eps-0.1" / "report.html").exists()
    frame = sweep.to_dataframe()
    assert list(frame.eps) == [0.1, 0.2] and list(frame.robust_accuracy) == [1.0, 0.5]
    assert list(sweep.to_dataframe("examples").eps) == [0.1, 0.1, 0.2, 0.2]


def test_doubts_of_all_radii_are_one():
    few = Doubt(code="few-images", finding="Only 2 images.", advice="Take 1,000.")
    reports = [dataclasses.replace(at(eps, [1, 1]), doubts=(few,)) for eps in (0.1, 0.2)]
    assert str(sweep_of(reports)).count("every radius: Only 2 images.") == 1
    told = [report.threat["eps"] for report in reports]
    asked = [dataclasses.replace(report, asked={"data": "mnist-sample", "limit": 100}) for report in reports]
    text = markdown.render(sweep_of(asked).document())
    for eps in told:
        assert text.count(f" at eps {eps:g}:") == 1 and text.count(f"-few-images-report-eps-{eps:g}\n") == 1


def test_a_model_is_swept(small):
    x = np.random.default_rng(5).uniform(size=(24, 8, 8, 1)).astype("float32")
    y = small.predict(x).argmax(axis=1)
    sweep = tn.sweep(small, (x, y), eps=["8/255", 0.0, 0.1], attacks=["fgsm"], tell=lambda line: None)
    assert [point.eps for point in sweep.points] == [0.0, pytest.approx(8 / 255, abs=1e-6), 0.1]
    shares = [point.robust_accuracy for point in sweep.points]
    assert shares[0] == 1.0 and shares == sorted(shares, reverse=True) and shares[-1] < 1
    assert isinstance(sweep, tn.Sweep)
    assert dataclasses.replace(sweep.reports[1], threat={}) != sweep.reports[1]


@pytest.mark.parametrize(
    ("eps", "words"),
    [
        ((), "Expected at least one radius"),
        ([0.1, 0.1], "Expected radii that differ; got 0.1, 0.1."),
        ([0.1, "much"], "got 'much'"),
        (["0.1", 0.1], "Expected radii that differ"),
        ([-0.1], "Expected eps >= 0"),
    ],
)
def test_bad_radii_are_refused_before_any_work(eps, words, small, monkeypatch):
    monkeypatch.setattr("turtlenet.evaluation.jobs.evaluate_classifier", lambda *args, **how: 1 / 0)
    x = np.zeros((4, 8, 8, 1), "float32")
    with pytest.raises(SettingError) as caught:
        tn.sweep(small, (x, [0, 1, 2, 3]), eps=eps, attacks=["fgsm"], tell=lambda line: None)
    assert words in str(caught.value)


def test_a_table_is_swept_where_its_features_have_one_radius():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model.layers[-1].set_weights([np.eye(2, dtype="float32"), np.zeros(2, "float32")])
    x = np.array([[1, 0], [0, 4]], "float32")
    how = {"bounds": ([0, 0], [1, 4]), "attacks": ["fgsm"], "tell": lambda line: None}
    sweep = tn.sweep(model, (x, [0, 1]), eps=[0.1, 0.9], **how)
    assert [point.robust_accuracy for point in sweep.points] == [1.0, 0.5]
    with pytest.raises(SettingError, match="Expected one radius for all features to sweep over; got one for each"):
        tn.sweep(model, (x, [0, 1]), eps=["10%"], **how)


def test_several_models_and_a_time_are_refused(small):
    with pytest.raises(SettingError, match="Expected one model to sweep over radii; got 2"):
        tn.sweep([small, small], None, eps=[0.1])
    with pytest.raises(SettingError, match="Expected no time for a sweep"):
        tn.sweep(small, None, eps=[0.1], time="1h")
