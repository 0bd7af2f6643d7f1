"""What a run keeps on every registered objective: a kill, parts of a batch, and a recipe that is read back."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from turtlenet import attacks, balls, data
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError
from turtlenet.training import Schedule, harden, objectives
from turtlenet.training.run.checkpoint import read_notes
from turtlenet.training.run.provenance import training_of

NAMES = objectives.names()
# A run costs seconds to compile: the one with most parts stands for all of them in the quick suite.
KILLED = [name if name == "hat" else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]
RNG = np.random.default_rng(0)
X = RNG.uniform(size=(48, 6)).astype("float32")
EXAMPLES = data.from_arrays(X, (X.argmax(axis=1) % 3).astype("int32"), num_classes=3)
PLAN = Schedule(epochs=2, batch_size=16, learning_rate=0.01, seed=7)


def net(*, plain: bool = False) -> Classifier:
    """A classifier of vectors; unless plain, with layers that behave otherwise in training."""
    keras.utils.set_random_seed(0)
    others = [] if plain else [keras.layers.BatchNormalization(), keras.layers.Dropout(0.3)]
    layers = [keras.Input((6,)), keras.layers.Dense(5, "tanh"), *others, keras.layers.Dense(3)]
    return Classifier(keras.Sequential(layers))


def build(spec: str):
    return objectives.build(spec, attack=attacks.build("pgd:steps=1,keep=last"), ball=balls.get("linf", 0.05))


def run(spec: str, model: Classifier, **settings) -> list[np.ndarray]:
    """Trains with a source at hand, for those that need one; gives the weights."""
    quiet = {"tell": lambda line: None, "sources": [net(plain=True)]}
    harden(model, EXAMPLES, build(spec), PLAN, **quiet, **settings)
    return model.model.get_weights()


class Kill(keras.callbacks.Callback):
    """Stops a run in its second step."""

    def __init__(self) -> None:
        super().__init__()
        self.step = 2

    def on_train_batch_end(self, batch, logs=None):
        self.step -= 1
        if self.step == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("name", KILLED)
def test_a_killed_run_ends_with_the_same_weights(name, tmp_path) -> None:
    path, begun = tmp_path / "state", net().model.get_weights()
    expected = run(name, net())
    with pytest.raises(KeyboardInterrupt):
        run(name, net(), checkpoint=path, seconds=0.0, callbacks=[Kill()])
    assert read_notes(path)["step"] == 1
    resumed = run(name, net(), checkpoint=path, seconds=0.0, resume=True)
    assert all(np.array_equal(one, other) for one, other in zip(expected, resumed, strict=True))
    assert all(np.isfinite(each).all() for each in expected)
    assert not np.array_equal(begun[0], expected[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_parts_of_a_batch_add_up_or_are_refused(name) -> None:
    whole = run(name, net(plain=True))
    try:
        parts = run(name, net(plain=True), accumulate=2)
    except SettingError as error:
        assert name in str(error) and "\n" not in str(error)
        return
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_read_back_from_json_or_said_to_be_missing(name) -> None:
    objective = build(name)
    recipe = json.loads(json.dumps({**dataclasses.asdict(PLAN), "objective": objective.to_dict()}))
    training = training_of({"recipe": recipe})
    if training.missing:
        assert "helper" in training.missing or "other models" in training.missing
    else:
        assert training.settings["objective"].to_dict() == objective.to_dict()
