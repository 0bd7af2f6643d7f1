"""Nobody reads of the pixels of a table: reports speak of what an input is."""

import re
from html.parser import HTMLParser

import keras
import numpy as np
import pandas
import pytest

from turtlenet.reports import markdown
from turtlenet.workflows.evaluate import evaluate

FORBIDDEN = re.compile(r"\b(pixels?|images?|gr[ae]y|psnr|ssim|pictures?|photos?)\b", re.IGNORECASE)
HOW = {"attacks": ["fgsm", "noise:draws=1"], "curve": 8, "tell": lambda line: None}


class Words(HTMLParser):
    """What a page shows: its text, and what stands for its pictures."""

    def __init__(self):
        super().__init__()
        self.inside, self.found = [], []

    def handle_starttag(self, tag, attrs):
        if tag in ("style", "script"):
            self.inside.append(tag)
        self.found += [value or "" for name, value in attrs if name in ("alt", "aria-label", "title")]

    def handle_endtag(self, tag):
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, data):
        if not self.inside:
            self.found.append(data)


def shown(report):
    """Everything that the views of a report say, with what they hold of their own plots."""
    page = Words()
    page.feed(report.files()["report.html"].decode())
    return "\n".join([*page.found, str(report), markdown.render(report.document())])


def classes_of(model, x):
    return np.asarray(model(x)).argmax(axis=1)


@pytest.fixture(scope="module")
def table():
    """A report of a table of six features, of which the model looks at the first two."""
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)])
    kernel = np.zeros((6, 2), "float32")
    kernel[0], kernel[1] = (4, -4), (-1, 1)
    model.layers[0].set_weights([kernel, np.array([-1.5, 1.5], "float32")])
    x = np.random.default_rng(0).uniform(size=(24, 6)).astype("float32")
    frame = pandas.DataFrame(x, columns=["age", "dose", "c", "d", "e", "f"])
    frame["outcome"] = np.array(["ill", "well"])[classes_of(model, x)]
    return evaluate(model, frame, label="outcome", eps=(0.2, 0.4, 0.1, 0.1, 0.1, 0.1), **HOW)


def test_a_table_has_rows_and_features(table):
    words = shown(table)
    assert not FORBIDDEN.findall(words)
    assert "24 rows" in words and "ill" in words and table.data["classes"] == ["ill", "well"]


def test_the_page_of_a_table_says_which_features_moved(table):
    moves = table.moves
    first = moves.features[0]
    assert (first.feature, first.share) == ("age", 1.0) and first.mean == pytest.approx(1.0, abs=1e-3)
    assert first.needed == max(each.needed for each in moves.features) > 0
    assert {each.feature for each in moves.features} == {"age", "dose", "c", "d", "e", "f"}
    order = [(round(each.mean * each.share, 2), each.needed) for each in moves.features]
    assert order == sorted(order, reverse=True)
    unseen = [each for each in moves.features if each.feature in "cdef"]
    assert not any(each.needed for each in unseen)
    assert type(table).from_dict(table.to_dict()) == table


def test_a_series_has_values():
    model = keras.Sequential([keras.Input((9, 2)), keras.layers.Conv1D(2, 3), keras.layers.GlobalAveragePooling1D()])
    x = np.random.default_rng(0).uniform(size=(8, 9, 2)).astype("float32")
    report = evaluate(model, (x, classes_of(model, x)), eps=0.1, perceptibility=3, head="logits", **HOW)
    words = shown(report)
    assert not FORBIDDEN.findall(words)
    assert "8 series" in words and report.moves is None and report.perceptibility is not None


def test_an_image_keeps_its_words(small, images):
    words = shown(evaluate(small, images, eps=0.1, **HOW))
    assert {"pixel", "images", "PSNR"} <= set(FORBIDDEN.findall(words))
