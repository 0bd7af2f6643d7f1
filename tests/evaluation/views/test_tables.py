"""A report as tables: a line for each image and attack, with names of classes; as data frames, files and figures."""

import csv
import dataclasses
import io

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot

from turtlenet import attacks, balls, data
from turtlenet.data.about import About
from turtlenet.errors import DataError, OutputError, SettingError, SpecError
from turtlenet.evaluation import Comparison, Report
from turtlenet.evaluation.evaluate import evaluate_classifier
from turtlenet.evaluation.views.tables import BROKEN, HELD, SKIPPED, WRONG
from turtlenet.reports import frames

ABOUT = {"name": "small", "path": None, "sha256": "1", "parameters": 7}
BALL = balls.get("linf", 0.03)
SPECS = ("noise:draws=3", "fgsm")
NAMES = ("ant", "bee", "cat", "=dog")


@pytest.fixture(scope="module")
def examples(small) -> data.Examples:
    """Images of which nine in ten are labeled with the model's answer."""
    x = np.random.default_rng(5).uniform(size=(30, 8, 8, 1)).astype("float32")
    y = small.predict(x).argmax(axis=1)
    y[::10] = (y[::10] + 1) % 4
    return data.from_arrays(x, y, num_classes=4, about=About(classes=NAMES))


def evaluate(small, examples, mode: str) -> Report:
    suite = [attacks.build(spec) for spec in SPECS]
    how = {"about": ABOUT, "specs": list(SPECS), "curve": 0, "batch_size": 30}
    return evaluate_classifier(small, examples, suite, BALL, mode=mode, **how)


@pytest.fixture(scope="module")
def report(small, examples) -> Report:
    return evaluate(small, examples, "table")


@pytest.fixture(scope="module")
def cascade(small, examples) -> Report:
    return evaluate(small, examples, "cascade")


def test_a_line_for_each_image_and_attack_says_what_the_report_says(report):
    frame = report.to_dataframe()
    assert len(frame) == 60
    assert list(frame.attack.unique()) == list(SPECS)
    for row in report.attacks:
        own = frame[frame.attack == row.spec]
        assert own.verdict.eq(HELD).mean() == pytest.approx(row.accuracy, abs=1e-6)
        assert own.verdict.eq(WRONG).sum() == 3
        assert (own.gradients.sum(), own.queries.sum()) == (row.gradients, row.queries)
        broken = own[own.verdict == BROKEN]
        assert (broken.prediction != broken.label).all() and (broken.distance <= 0.03 + 1e-6).all()
        assert broken.distance.mean() == pytest.approx(row.linf_mean, abs=1e-6)
        held = own[own.verdict == HELD]
        assert (held.prediction == held.label).all() and held.distance.isna().all()
        assert own[own.verdict == WRONG].prediction.isna().all()
        assert own.confidence.dropna().between(0.25, 1).all()
    assert frame.verdict.eq(BROKEN).any()


def test_the_confidences_are_those_of_the_answers(report, small, examples):
    frame = report.to_dataframe("examples")
    x, _ = examples.batch(slice(None))
    logits = small.predict(x).astype("float64")
    sure = np.exp(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).max(axis=1)
    np.testing.assert_allclose(frame.clean_confidence, sure, rtol=1e-4)


def test_a_cascade_says_where_an_attack_was_not_run(cascade):
    frame = cascade.to_dataframe()
    first, second = (frame[frame.attack == spec].reset_index() for spec in SPECS)
    assert (second.verdict[first.verdict == BROKEN] == SKIPPED).all()
    assert second.prediction[second.verdict == SKIPPED].isna().all()
    assert first.verdict.eq(BROKEN).any()


def test_classes_have_their_names_everywhere(report):
    frame = report.to_dataframe()
    assert [NAMES[label] for label in frame.label] == list(frame.label_name)
    known = frame.dropna(subset=["prediction"])
    assert [NAMES[answer] for answer in known.prediction] == list(known.prediction_name)
    assert [row.name for row in report.per_class] == [NAMES[row.label] for row in report.per_class]
    lines = list(csv.DictReader(io.StringIO(report.files()["examples.csv"].decode())))
    assert [line["label_name"] for line in lines] == [NAMES[int(line["label"])] for line in lines]
    assert '"name": "bee"' in report.to_json()


def test_the_results_survive_the_disk(report):
    again = Report.from_json(report.to_json())
    assert again == report
    assert again.table() == report.table()


def test_a_report_of_an_older_version_has_what_it_has(report):
    old = dataclasses.replace(report, results=(), verdicts={"label": [0, 1], "clean_prediction": [0, 0]})
    assert "results" not in old.tables()
    assert len(old.to_dataframe()) == 2
    assert dataclasses.replace(old, verdicts={}, attacks=(), per_class=()).table("examples")["index"] == []


def test_a_comparison_names_the_model_of_each_line(report, cascade):
    both = Comparison((report, dataclasses.replace(cascade, model={**cascade.model, "name": "other"})))
    frame = both.to_dataframe()
    assert frame.model.value_counts().to_dict() == {"small": 60, "other": 60}
    assert list(frame.columns[:3]) == ["model", "index", "attack"]
    assert list(both.to_dataframe("attacks").attack) == [*SPECS, *SPECS]


def test_an_unknown_table_gets_a_line(report):
    with pytest.raises(SpecError, match="Unknown table 'result' of this report. Did you mean 'results'"):
        report.to_dataframe("result")


def test_what_is_drawn_is_a_figure(report, monkeypatch):
    monkeypatch.setattr("turtlenet.reports.figures._svg", lambda *_: "<svg/>")
    try:
        for name, labels in (("", ["clean", *SPECS, "every attack"]), ("classes", list(NAMES))):
            axes = report.plot(name).axes[0]
            shown = axes.get_yticklabels() if not name else axes.get_xticklabels()
            assert [label.get_text() for label in shown] == labels
        with pytest.raises(SpecError, match="Unknown figure 'clases' of this report. Did you mean 'classes'"):
            report.plot("clases")
    finally:
        pyplot.close("all")
    with pytest.raises(SettingError, match="something to draw"):
        dataclasses.replace(report, attacks=(), per_class=()).plot()
    assert matplotlib.rcParams["svg.hashsalt"] is None


def test_a_notebook_shows_what_a_terminal_shows(report):
    shown = dataclasses.replace(report, model={**report.model, "name": "<b>bold</b>"})._repr_html_()
    assert "<table>" in shown and "noise:draws=3" in shown and "&lt;b&gt;bold" in shown and "<b>bold" not in shown


def test_csv_and_parquet_hold_the_same(tmp_path):
    columns = {"n": [1, None], "name": ["a,b", "=c"], "share": [0.5, None]}
    assert frames.to_bytes(columns, ".csv") == b'n,name,share\n1,"a,b",0.5\n,=c,\n'
    pandas = pytest.importorskip("pandas")
    (tmp_path / "t.parquet").write_bytes(frames.to_bytes(columns, ".parquet"))
    read = pandas.read_parquet(tmp_path / "t.parquet")
    assert list(read.columns) == list(columns) and read.name.tolist() == columns["name"]
    assert frames.to_pandas(columns).n.dtype == "Int64"
    with pytest.raises(OutputError, match="a .csv or a .parquet"):
        frames.to_bytes(columns, ".xls")


def test_without_pandas_a_line_says_what_to_install(report, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(DataError, match=r"Expected pandas for data frames; .* pip install 'turtlenet\[tables\]'"):
        report.to_dataframe()
    assert report.table()["index"][:2] == [0, 1]
