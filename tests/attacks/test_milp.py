"""The integer program as an attack: what is right, what bounds say, and what it refuses."""

import json

import keras
import numpy as np
import pytest
from keras import layers

from turtlenet import attacks, balls
from turtlenet.attacks import Attack
from turtlenet.attacks.run.runner import attack_all
from turtlenet.classifier import Classifier
from turtlenet.defences import Sign
from turtlenet.errors import ModelError, SettingError

X = np.array([[0.5, 0.3], [0.5, 0.4], [0.5, 0.45]], "float32")
Y = np.zeros(3, "int32")
BALL = balls.get("linf", 0.08)


@pytest.fixture(scope="module")
def victim() -> Classifier:
    """sign(a - b) decides, whose own gradient is 0 and whose surrogate's is not."""
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1), Sign(), layers.Dense(2)])
    model.set_weights([np.array([[1.0], [-1.0]]), np.zeros(1), np.array([[1.0, -1.0]]), np.zeros(2)])
    return Classifier(model)


def test_it_finds_what_there_is(victim) -> None:
    attack = attacks.build("milp:seconds=20")
    outcome = attack_all(attack, victim, X, Y, ball=BALL, batch_size=2)
    # |a - b| is 0.2, 0.1 and 0.05: with 0.08 for each the first cannot be turned, the others can.
    assert outcome.reached.tolist() == [False, True, True]
    assert np.array_equal(outcome.x[0], X[0]) and np.abs(outcome.x - X).max() <= 0.08 + 1e-6
    assert victim.predict(outcome.x).argmax(axis=1).tolist() == [0, 1, 1]
    assert not outcome.gradients.any()


def test_a_radius_of_nothing_is_the_identity(victim) -> None:
    same = attacks.build("milp")(victim, X, Y, ball=balls.get("linf", 0.0))
    assert np.array_equal(np.asarray(same), X)


def test_it_comes_back_from_json() -> None:
    attack = attacks.build("milp:seconds=5")
    assert Attack.from_dict(json.loads(json.dumps(attack.to_dict()))) == attack == attacks.build(str(attack))


def test_what_it_refuses(victim) -> None:
    with pytest.raises(SettingError, match="Expected seconds > 0; got 0"):
        attacks.build("milp:seconds=0")
    with pytest.raises(SettingError, match="Expected no target for milp"):
        attacks.build("milp:target=1")(victim, X, Y, ball=BALL)
    with pytest.raises(SettingError, match="Expected norm linf for milp; got l2"):
        attacks.build("milp")(victim, X, Y, ball=balls.get("l2", 0.1))
    with pytest.raises(SettingError, match="within a training step or another attack"):
        attacks.build("milp").craft(victim, X, Y, ball=BALL, key=np.zeros((3, 2), "uint32"))
    smooth = Classifier(keras.Sequential([keras.Input((2,)), layers.Dense(3, "tanh"), layers.Dense(2)]))
    with pytest.raises(ModelError, match="linear in pieces"):
        attacks.build("milp")(smooth, X, Y, ball=BALL)
