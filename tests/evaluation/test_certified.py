"""Evaluations that certify first: the same verdict for fewer gradients, and contradictions that are said."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import turtlenet as tn
from tests.certification.nets import net
from turtlenet import balls
from turtlenet.balls import FeatureBall, Space
from turtlenet.certification import Box, Certifier, Elementwise, Smoothing, rule
from turtlenet.certification.rules import base
from turtlenet.certification.smoothed import SmoothedCertifier
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError, SpecError
from turtlenet.reports import markdown, page

COUNT = 96
FEW: dict[str, Any] = {"attacks": ["fgsm"], "eps": 0.02, "curve": 0, "head": "logits", "tell": lambda line: None}


@pytest.fixture(scope="module")
def both() -> tuple[Any, Any, Any]:
    model = net("dense", 3)
    x = np.random.default_rng(0).uniform(size=(COUNT, 5)).astype("float32")
    data = x, np.asarray(model(x)).argmax(axis=1)
    return model, tn.evaluate(model, data, **FEW), tn.evaluate(model, data, certify="ibp", **FEW)


def test_the_verdict_is_the_same_for_fewer_gradients(both):
    _, plain, certified = both
    assert certified.robust_accuracy == plain.robust_accuracy
    assert certified.verdicts == plain.verdicts
    about = certified.certificate
    held = round(about["accuracy"] * COUNT)
    assert 0 < about["accuracy"] <= about["attacked"] == plain.robust_accuracy
    assert about["spared"] == held - about["audited"] > 0
    assert certified.attacks[0].gradients == plain.attacks[0].gradients - about["gradients_saved"]
    assert certified.attacks[0].examples == COUNT - about["spared"]
    assert about["contradictions"] == []
    assert "certified <= true <=" in str(certified)
    assert "certified <= true" not in str(plain)
    assert type(certified).from_json(certified.to_json()).certificate == about


class _Doubled(layers.Layer):
    """A layer with a rule that is wrong."""

    def call(self, x):
        return 2.0 * x


class _Still(Elementwise):
    """Says that nothing moves."""

    def interval(self, *boxes):
        middle = self.function(0.5 * (boxes[0].low + boxes[0].high))
        return Box(middle, middle)


@pytest.fixture
def wrong_rule():
    @rule(_Doubled)
    def _still(layer):
        return [_Still(lambda x: 2.0 * x)]

    yield
    del base._RULES[_Doubled]


def test_a_contradiction_is_said_in_red_at_the_top(wrong_rule):
    source = keras.Input((2,))
    model = keras.Model(source, layers.Dense(2)(_Doubled()(source)))
    model.layers[-1].set_weights([np.eye(2), np.zeros(2)])
    x = np.random.default_rng(0).uniform(size=(40, 2)).astype("float32")
    data = x, x.argmax(axis=1)
    report = tn.evaluate(model, data, certify="ibp", **{**FEW, "eps": 0.4})
    assert report.certificate["accuracy"] > 0.5
    assert report.certificate["contradictions"]
    assert report.doubts[0].code == "certificate-contradicted"
    document = report.document()
    assert "CONTRADICTION" in str(report).partition("clean")[0]
    assert "CONTRADICTION" in markdown.render(document).partition("## ")[0]
    html = page.render(document)
    assert html.count('class="card alarm"') == 1
    assert html.index("CONTRADICTION") < html.index("<h2")


def test_what_certificates_do_not_speak_of_is_refused(both):
    model, data = both[0], (np.zeros((4, 5), "float32"), np.zeros(4, "int32"))
    with pytest.raises(SettingError, match="Expected true labels with certify"):
        tn.evaluate(model, data, certify="ibp", labels="predicted", **FEW)
    with pytest.raises(SpecError, match="Unknown certify 'ibb'"):
        tn.evaluate(model, data, certify="ibb", **FEW)


def test_radii_of_features_are_refused_before_anything_is_attacked():
    """The radius of such a ball is in units of each feature: bounds for one radius would hold for no point of it."""
    model = keras.Sequential([keras.Input((2,)), layers.Dense(2)])
    data = np.array([[100, 0.9], [50, 0.1]], "float32"), np.zeros(2, "int32")
    asked = {**FEW, "eps": "5,0.1", "bounds": "0,200;0,1"}
    with pytest.raises(SettingError, match="Expected one radius and bounds for all features to certify"):
        tn.evaluate(model, data, certify="ibp", **asked)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_certifiers_take_no_radii_of_features(both, norm):
    space = Space((5,), np.zeros(5), np.ones(5), np.full(5, 0.1), ())
    ball, model = FeatureBall(1.0, 0.0, 1.0, balls.BALLS[norm], space), Classifier(both[0])
    with pytest.raises(SettingError, match="Expected one radius and bounds for all features to certify"):
        Certifier(model, ball) if norm == "linf" else SmoothedCertifier(model, ball, Smoothing(sigma=0.5))
