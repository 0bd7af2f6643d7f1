"""What a report says of each label of several, and of each number of a regression."""

import keras
import numpy as np
import pandas
import pytest

import turtlenet as tn
from turtlenet.errors import DataError
from turtlenet.evaluation.results.load import load as load_report

ROWS = 40
NAMES = ("spam", "urgent")
RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (ROWS, 3)).astype("float32")
# Label 0 follows feature 0 and label 1 feature 1; in the first rows the latter is told wrong.
Y = np.stack([X[:, 0] > 0, X[:, 1] > 0], axis=1).astype("int64")
Y[:4, 1] = 1 - Y[:4, 1]
EPS = 0.25


@pytest.fixture(scope="module")
def net():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="sigmoid")])
    model.set_weights([np.array([[4, 0], [0, 4], [0, 0]], "float32"), np.zeros(2, "float32")])
    model.compile("sgd", "binary_crossentropy", metrics=["binary_accuracy"])
    return model


def expected(label: int) -> tuple[float, float]:
    """In how many rows a label is told right, and withstands a full step of its own feature where one is tried."""
    right = (X[:, :2] > 0) == Y
    broken = right.all(axis=1) & (np.abs(X[:, label]) <= EPS)
    return right[:, label].mean(), (right[:, label] & ~broken).mean()


def frame() -> pandas.DataFrame:
    table = pandas.DataFrame(X, columns=list("abc"))
    return table.assign(**dict(zip(NAMES, Y.T, strict=True)))


def test_each_label_of_a_table_has_a_row_under_its_name(net, tmp_path) -> None:
    how = {"eps": EPS, "bounds": (-2, 2), "attacks": ["fgsm"], "curve": 0, "seed": 0}
    report = tn.evaluate(net, frame(), label=",".join(NAMES), **how)
    assert not report.per_class and [row.name for row in report.per_part] == list(NAMES)
    for label, row in enumerate(report.per_part):
        assert (row.count, row.positive) == (ROWS, Y[:, label].sum())
        # The sign of each label's own feature is that of any loss over both.
        np.testing.assert_allclose((row.clean_accuracy, row.robust_accuracy), expected(label), atol=1e-6)
    assert report.robust_accuracy <= min(row.robust_accuracy for row in report.per_part)
    assert report.data["classes"] == ["right", "spam flipped", "urgent flipped"]
    report.save(tmp_path)
    assert load_report(tmp_path).per_part == report.per_part
    text = (tmp_path / "report.md").read_text()
    assert "## Per label" in text and "| spam | 40 |" in text and "## Per class" not in text
    # A cascade stops at an example's first success; one label alone is the other's business no more.
    alone = tn.evaluate(net, (X, Y), task="multi-label:label=1", classes=NAMES, mode="cascade", **how)
    assert [row.name for row in alone.per_part] == ["urgent"]
    assert alone.per_part[0].robust_accuracy == alone.robust_accuracy


def test_an_attack_beyond_the_threat_takes_no_part_away(net) -> None:
    how = {"eps": EPS, "bounds": (-2, 2), "curve": 0}
    wide = tn.evaluate(net, (X, Y), attacks=["fgsm:eps=1.5"], **how)
    assert wide.attacks[0].accuracy < 0.1
    assert [row.robust_accuracy for row in wide.per_part] == [row.clean_accuracy for row in wide.per_part]


def test_names_are_as_many_as_labels(net) -> None:
    with pytest.raises(DataError, match="Expected 2 names, one for each output of the model"):
        tn.evaluate(net, frame(), label=",".join(NAMES), classes=("a", "b", "c"), bounds=(-2, 2), attacks=["fgsm"])


def test_a_number_is_too_high_or_too_low() -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.set_weights([np.array([[1], [0], [0]], "float32"), np.zeros(1, "float32")])
    how = {"task": "regression:tolerance=0.5", "eps": 0.2, "bounds": (-2, 2), "attacks": ["fgsm"], "curve": 0}
    report = tn.evaluate(model, (X, X[:, 0] + np.where(np.arange(ROWS) < 10, 0.4, 0.0)), **how)
    held = {row.name: row.robust_accuracy for row in report.per_part}
    # 0.4 below the true value and 0.2 further down is too low; nothing gets too high.
    assert held == {"not too high": 1.0, "not too low": 0.75}


def test_a_number_that_is_near_enough_everywhere_raises_no_doubt_about_the_widest_ball() -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.set_weights([np.full((3, 1), 0.01, "float32"), np.zeros(1, "float32")])
    how = {"task": "regression:tolerance=0.5", "eps": 0.2, "bounds": (-2, 2), "attacks": ["fgsm"], "curve": 8}
    report = tn.evaluate(model, (X, np.zeros(ROWS)), **how)
    assert report.curve[-1].accuracy == 1.0
    assert "accuracy-stays-up" not in [doubt.code for doubt in report.doubts]
