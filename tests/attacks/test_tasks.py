"""What every attack keeps on other tasks than single labels, with an input that is held."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from tests.attacks.test_contract import NAMES, build, lengths, threat
from turtlenet.attacks import attacks as family
from turtlenet.attacks.run.runner import attack_all
from turtlenet.models import classifier
from turtlenet.models.usage import Usage

RNG = np.random.default_rng(0)
X, HELD = RNG.uniform(0.2, 0.8, (12, 8, 8, 1)).astype("float32"), RNG.normal(size=(12, 2)).astype("float32")
FOR_EVERY_TASK = [name for name in NAMES if family.factory(name).for_every_task]
USUAL = ("pgd", "fab")
TASKS = {"multi-label": 3, "regression:tolerance=0.5": 1}


@pytest.fixture(scope="module")
def asked():
    """A classifier of each task, and labels that hold for most examples."""
    made = {}
    for task, units in TASKS.items():
        image, beside = keras.Input((8, 8, 1), name="image"), keras.Input((2,), name="beside")
        head = layers.Dense(units, activation="sigmoid" if task == "multi-label" else None)
        joined = layers.Concatenate()([layers.Flatten()(image), beside])
        model = keras.Model([image, beside], head(layers.Dense(6, activation="tanh")(joined)))
        model.set_weights([0.4 * RNG.normal(size=each.shape) for each in model.weights])
        y = ops.convert_to_numpy(model([X, HELD]))
        y = (y > 0.5).astype("float32") if task == "multi-label" else y + 0.1
        y[:2] += 1 - 2 * y[:2] if task == "multi-label" else 5
        victim = classifier(model, usage=Usage(task, attacked="image"))
        made[task] = victim, np.concatenate([HELD, y], axis=1)
    return made


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name not in USUAL)) for name in FOR_EVERY_TASK]
)
def test_what_is_found_lies_in_the_ball_and_is_answered_as_told(asked, name, task):
    victim, rows = asked[task]
    attack, ball = build(name), threat(name)
    ball = attack.own_ball(ball, victim.input_shape)
    found = attack_all(attack, victim, X, rows, ball=ball, batch_size=None)
    assert lengths(ball.norm, found.x - X).max() <= ball.widest((8, 8, 1)) * (1 + 1e-5)
    if not attack.minimal:
        assert lengths(ball.norm, found.x - X).max() <= float(ball.eps) * (1 + 1e-5)
    answers = victim.predict(found.x, rows).argmax(axis=1)
    if not attack.targeted:
        np.testing.assert_array_equal(found.reached, answers != 0)
    # What was wrong before is wrong already.
    assert attack.targeted or found.reached[:2].all()
