"""The attack that lowers a detector's score too; its promises as an attack are in the contract."""

import keras
import numpy as np
import pytest
from keras import ops

from turtlenet import attacks, balls, models
from turtlenet.attacks.goal import Goal
from turtlenet.defences import InferenceDropout
from turtlenet.errors import SettingError, SpecError
from turtlenet.uncertainty import uncertainty

X = np.random.default_rng(0).uniform(size=(40, 8)).astype("float32")
BALL = balls.get("linf", 0.25)


@pytest.fixture(scope="module")
def victim():
    """A small dropout network with weights that are the same on every backend."""
    draw = np.random.default_rng(7)
    layers = [keras.Input((8,)), keras.layers.Dense(24, activation="relu"), InferenceDropout(0.3, name="drop")]
    model = keras.Sequential([*layers, keras.layers.Dense(3)])
    for layer in (model.layers[0], model.layers[-1]):
        rows, columns = layer.kernel.shape
        layer.set_weights([draw.normal(0, 2.5 / np.sqrt(rows), (rows, columns)), np.zeros(columns)])
    return models.classifier(model, head="logits", draws=16)


@pytest.fixture(scope="module")
def labels(victim) -> np.ndarray:
    return victim.predict(X).argmax(axis=1).astype("int32")


def spread(victim, x) -> np.ndarray:
    """Uncertainties by draws that no attack has seen."""
    judge = victim.taking(draws=40, seed=99)
    return ops.convert_to_numpy(uncertainty(judge.probabilities(ops.convert_to_tensor(x))))


def answers(victim, x) -> np.ndarray:
    return victim.taking(draws=40, seed=99).predict(x).argmax(axis=1)


def test_it_stays_below_a_threshold_that_pgd_exceeds(victim, labels) -> None:
    threshold = 0.03
    found = {}
    for spec in ("pgd:steps=30", f"undetected:threshold={threshold},steps=30,weight=1"):
        x = ops.convert_to_numpy(attacks.build(spec)(victim, X, labels, ball=BALL))
        wrong = answers(victim, x) != labels
        found[spec[:3]] = ((wrong & (spread(victim, x) < threshold)).mean(), wrong.mean())
    assert found["und"][0] > found["pgd"][0] + 0.1
    assert found["und"][1] > 0.5


def test_above_is_the_other_side(victim, labels) -> None:
    x = {
        side: attacks.build(f"undetected:threshold=0.04,side={side},steps=30,weight=2")(victim, X, labels, ball=BALL)
        for side in ("below", "above")
    }
    below, above = (np.median(spread(victim, ops.convert_to_numpy(x[side]))) for side in ("below", "above"))
    assert below < 0.04 < above


def test_the_hinge_by_hand() -> None:
    values = ops.convert_to_tensor(np.array([0.0, 0.002, 0.004, 0.01], "float32"))
    below = attacks.build("undetected:threshold=0.004,aim=0.5")._hinge(values)
    np.testing.assert_allclose(ops.convert_to_numpy(below), [0, 0, 1, 4], atol=1e-5)
    above = attacks.build("undetected:threshold=0.004,aim=0.5,side=above")._hinge(values)
    np.testing.assert_allclose(ops.convert_to_numpy(above), [1, 0.75, 0.5, 0], atol=1e-5)


def test_what_counts_as_better(victim) -> None:
    """Wrong and hidden, then wrong, then right by little, then right by much."""
    logits = ops.convert_to_tensor(np.array([[0, 3], [0, 3], [1, 0], [5, 0]], "float32"))
    values = ops.convert_to_tensor(np.array([0.001, 0.05, 0.0, 0.0], "float32"))
    verdict = attacks.build("undetected")._verdict(victim, Goal(ops.zeros(4, "int32")), logits, values)
    assert ops.convert_to_numpy(verdict.reached).tolist() == [True, False, False, False]
    loss = ops.convert_to_numpy(verdict.loss)
    assert loss[0] > loss[1] > loss[2] > loss[3]


def test_more_restarts_are_never_worse(victim, labels) -> None:
    def hidden(restarts: int) -> float:
        spec = f"undetected:threshold=0.01,steps=4,step_size=0.4,restarts={restarts}"
        x = ops.convert_to_numpy(attacks.build(spec)(victim, X, labels, ball=BALL))
        each = victim.probabilities(ops.convert_to_tensor(x))
        wrong = victim.predict(x).argmax(axis=1) != labels
        return float((wrong & (ops.convert_to_numpy(uncertainty(each)) < 0.01)).mean())

    assert hidden(6) >= hidden(1)


def test_one_draw_cannot_differ_from_itself(victim, labels) -> None:
    with pytest.raises(SettingError, match="Expected draws >= 2, which can differ, for this attack; got 1."):
        attacks.build("undetected:steps=2")(victim.taking(draws=1), X, labels, ball=BALL)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("undetected:threshold=0", "Expected threshold in (0, 0.25], a variance; got 0.0."),
        ("undetected:threshold=0.3", "Expected threshold in (0, 0.25]"),
        ("undetected:side=under", "Unknown side 'under'."),
        ("undetected:aim=0", "Expected aim in (0, 1]"),
        ("undetected:weight=-1", "Expected weight > 0; got -1.0."),
        ("undetected:steps=0", "Expected steps from 1 to 1,000,000; got 0."),
        ("undetected:restarts=0", "Expected restarts from 1"),
        ("undetected:step_size=nan", "Expected step_size > 0; got nan."),
    ],
)
def test_bad_settings(spec, words) -> None:
    with pytest.raises((SettingError, SpecError)) as caught:
        attacks.build(spec)
    assert words in str(caught.value)


def test_several_detectors_are_lowered_at_once(victim, labels) -> None:
    """Each looks at one feature; an attack that knows of both moves both out of sight."""

    def excess(_, x, logits):
        return 20.0 * (ops.abs(x[:, :2] - 0.5) - 0.2)

    both = victim.taking(draws=2).beside(excess)
    spec = "undetected:steps=40,step_size=0.1,selective=true"
    inside = np.clip(X[:, :2], 0.35, 0.65)
    x = np.concatenate([inside + np.sign(inside - 0.5) * 0.2, X[:, 2:]], axis=1).astype("float32")
    found = ops.convert_to_numpy(attacks.build(spec)(both, x, labels, ball=BALL))
    before, after = (np.abs(each[:, :2] - 0.5).max(axis=1) < 0.2 + 1e-6 for each in (x, found))
    wrong = victim.taking(draws=2).predict(found).argmax(axis=1) != labels
    assert not before.any() and (after & wrong).mean() > 0.3


def test_selective_is_off_unless_asked_for() -> None:
    assert attacks.build("undetected").selective is False
    assert attacks.build("undetected:selective=true").to_dict()["selective"] is True
