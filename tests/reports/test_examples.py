"""Adversarial examples as tables: names of features and classes, and what is too wide."""

import numpy as np
import pytest

from turtlenet.errors import OutputError
from turtlenet.reports.examples import example_columns
from turtlenet.reports.frames import to_bytes

X = np.array([[1.0, 2.0], [3.0, 4.0]], "float32")
FACTS = {"label": np.array([0, 1]), "prediction": np.array([1, 7])}


def test_features_and_classes_have_their_names():
    columns = example_columns(X, X + 1, FACTS, suffix=".csv", features=("age", "label"), classes=("a", "b"))
    assert columns["label_name"] == ["a", "b"] and columns["prediction_name"] == ["b", None]
    assert columns["x.label"] == [2.0, 4.0] and columns["x_adversarial.age"] == [2.0, 4.0]
    assert to_bytes(columns, ".csv").startswith(b"index,label,label_name,prediction,prediction_name,x.age,x.label,")


def test_names_that_do_not_fit_are_places():
    for names in ((), ("one",), ("twice", "twice")):
        assert "x.1" in example_columns(X, X, FACTS, suffix=".csv", features=names)


def test_what_is_too_wide_for_a_csv_is_refused():
    wide = np.zeros((1, 40, 40, 3), "float32")
    with pytest.raises(OutputError, match="at most 4,096 values for a .csv; got 4,800: take .parquet or .npz"):
        example_columns(wide, wide, {}, suffix=".csv")
    assert len(example_columns(wide, wide, {}, suffix=".parquet")["x"][0]) == 4800
