"""The adaptive auto attack: where it starts, and what it learns from images that fell."""

import keras
import numpy as np
import pytest
from keras import ops

from turtlenet import attacks, balls, random
from turtlenet.attacks.context import Context
from turtlenet.attacks.run.runner import attack_all
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError

X = np.random.default_rng(3).uniform(0.3, 0.7, size=(8, 6)).astype("float32")
KEYS = np.arange(16, dtype="uint32").reshape(8, 2)


def labels(linear) -> np.ndarray:
    return linear.predict(X).argmax(axis=1).astype("int32")


@pytest.mark.parametrize(("label", "other"), [("down", "up"), ("up", "down"), ("random", "random")])
def test_it_starts_uphill_on_a_sum_of_the_logits_with_the_weights_of_the_paper(label, other, linear) -> None:
    y, ball = labels(linear), balls.get("linf", 0.05)
    wanted = (y + 1) % 3
    attack = attacks.build(f"a3:label={label},other={other}")
    goal = attacks.Goal(ops.convert_to_tensor(y), ops.convert_to_tensor(wanted), any_wrong=True)
    context = Context(linear, ops.convert_to_tensor(X), goal, ball, ops.convert_to_tensor(KEYS))
    begun = attack.begin(context)
    rows, drawn = np.arange(8), np.asarray(begun[5])
    own, wrong, third = drawn[rows, y], drawn[rows, wanted], drawn[rows, 3 - y - wanted]
    free = np.asarray(random.uniform(random.fold_in(ops.convert_to_tensor(KEYS), 0x0AD1), (3,), -1.0, 1.0))
    assert np.array_equal(third, free[rows, 3 - y - wanted])
    if label == "random":
        assert np.array_equal(drawn, free)
    else:
        low, high = (-0.5, 0.1) if label == "down" else (-0.1, 0.5)
        assert ((low <= own) & (own < high)).all() and np.ptp(own) > 0.2
        assert np.allclose(wrong, 0.8 if other == "up" else -0.8)
    after = attack.between(0, attack.start_steps, begun, context)
    weights = linear.model.layers[-1].get_weights()[0]
    ends = X + 0.05 * np.sign(drawn @ weights.T)
    # Those that fell on the way stay where they are.
    left = ~np.asarray(after[2])
    assert left.any() and np.allclose(np.asarray(after[4])[left], ends[left], atol=1e-6)


def test_the_weights_of_the_two_classes_grow_with_the_number_of_classes() -> None:
    keys, y = ops.convert_to_tensor(KEYS), ops.zeros((8,), "int32")
    drawn = np.asarray(attacks.build("a3").weights(keys, y, y + 1, 100))
    assert np.allclose(drawn[:, 1], 8) and (drawn[:, 0] >= -5).all() and drawn[:, 0].min() < -1
    assert np.abs(drawn[:, 2:]).max() <= 1


def test_each_attempt_starts_towards_another_class_and_steps_shrink_along_a_cosine(linear) -> None:
    attack = attacks.build("a3:target=each,start_steps=2,steps=3,restarts=2")
    assert attack.attempts(3) == 4 and attack.attempt_gradients(3) == 5
    steps = [float(attack._step(ops.convert_to_tensor(number))) for number in range(5)]
    cosine = [0.1 + 0.9 * (1 + np.cos(np.pi * at / 4)) / 2 for at in range(3)]
    assert np.allclose(steps, [1, 1, *cosine])
    y = labels(linear)
    found = attack.run(linear, X, y, ball=balls.get("linf", 1e-4))
    assert (np.asarray(found.gradients) == 20).all()


class Liar(keras.layers.Layer):
    """Answers as it is given, with a gradient that points the other way."""

    def call(self, x):
        return 2 * ops.stop_gradient(x) - x


@pytest.mark.parametrize(("lies", "signs"), [(False, ("down", "up")), (True, ("up", "down"))])
def test_the_signs_are_those_of_the_directions_in_which_images_fell(lies, signs, linear) -> None:
    x = np.random.default_rng(5).uniform(0.3, 0.7, size=(60, 6)).astype("float32")
    layers = [keras.Input((6,)), keras.layers.Dense(3), *[Liar()] * lies]
    model = Classifier(keras.Sequential(layers))
    model.model.set_weights(linear.model.layers[-1].get_weights())
    y, ball = model.predict(x).argmax(axis=1), balls.get("linf", 0.08)
    learned = attacks.fit_a3(model, x, y, ball=ball, seed=2, attack=attacks.A3(steps=3))
    assert (learned.label, learned.other) == signs and learned.steps == 3
    # By hand: the weights that were drawn, over the images that fell to the very same starts.
    probe = attacks.A3(steps=3, label="random", other="random", target="")
    found = attack_all(probe, model, x, y, ball=ball, seed=2)
    keys = random.fold_in(random.keys(2, ops.arange(60)), 0x0AD1)
    drawn, fell = np.asarray(random.uniform(keys, (3,), -1.0, 1.0)), np.flatnonzero(found.reached)
    sums = [drawn[fell, each[fell]].sum() for each in (y, found.logits.argmax(axis=1))]
    assert 3 < len(fell) < 60 and ["up" if each > 0 else "down" for each in sums] == list(signs)


def test_where_nothing_falls_nothing_is_learned(linear) -> None:
    y, ball = labels(linear), balls.get("linf", 1e-5)
    attack = attacks.A3(label="up", other="down")
    assert attacks.fit_a3(linear, X, y, ball=ball, attack=attack) == attack
    # Images that are answered wrongly to begin with tell nothing.
    assert attacks.fit_a3(linear, X, (y + 1) % 3, ball=ball, attack=attack) == attack
    with pytest.raises(SettingError, match="Expected images to learn directions from; got none."):
        attacks.fit_a3(linear, X[:0], y[:0], ball=ball)
