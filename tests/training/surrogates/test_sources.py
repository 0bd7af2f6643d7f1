"""The models that an objective learns from, trained first where none is given."""

import dataclasses

import keras
import numpy as np
import pytest

from turtlenet import attacks, balls
from turtlenet.errors import ModelError, SettingError
from turtlenet.training import Natural, objectives
from turtlenet.training.run.checkpoint import read_notes
from turtlenet.training.surrogates.reinitialized import twin
from turtlenet.workflows.train import harden_model

DRAW = np.random.default_rng(0)
X = DRAW.uniform(size=(48, 6)).astype("float32")
Y = X[:, :3].argmax(axis=1)
SHORT = {"attack": "fgsm", "eps": 0.05, "batch_size": 16, "validation": 0, "epochs": 2, "bounds": (0.0, 1.0)}


def net() -> keras.Model:
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(5, "tanh"), keras.layers.Dense(3)])
    model.set_weights([np.random.default_rng(1).normal(0, 0.5, each.shape) for each in model.get_weights()])
    return model


def run(objective: str, **settings):
    told: list[str] = []
    hardened, _ = harden_model(net(), (X, Y), objective=objective, tell=told.append, **{**SHORT, **settings})
    return hardened.get_weights(), [line for line in told if line.startswith("source")]


def same(one, other) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


class Kill(keras.callbacks.Callback):
    """Stops the second step of the run itself."""

    def on_train_batch_end(self, batch, logs=None):
        if batch == 1:
            raise KeyboardInterrupt


def test_a_teacher_is_what_the_same_command_trains_on_the_data() -> None:
    """By hand: fresh weights, `labels=data`, the last weights; then the student on it."""
    student, told = run("distillation:temperature=5")
    assert told == ["source 1 of 1 for objective distillation: trained first, on distillation"]
    hard = {"objective": "distillation:temperature=5,labels=data", "tell": lambda line: None}
    teacher, _ = harden_model(twin(net(), 1, None), (X, Y), **hard, **SHORT)
    by_hand, told = run("distillation:temperature=5", sources=[teacher])
    assert told == [] and same(student, by_hand)


def test_static_nets_are_trained_in_the_ordinary_way() -> None:
    _, told = run("ensemble:static_nets=1,craft_on=static", epochs=1)
    assert told == ["source 1 of 1 for objective ensemble: trained first, on natural"]
    made = objectives.build("ensemble", attack=attacks.build("pgd"), ball=balls.get("linf", 0.1))
    assert [type(each) for each in made.own_sources()] == [Natural, Natural]
    assert not dataclasses.replace(made, craft_on="self").own_sources()
    assert not same(twin(net(), 1, None).get_weights(), twin(net(), 2, None).get_weights())


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_weights(tmp_path) -> None:
    path = tmp_path / "state"
    expected, _ = run("distillation")
    with pytest.raises(KeyboardInterrupt):
        run("distillation", checkpoint=path, callbacks=[Kill()])
    source = tmp_path / "state.source-1"
    assert read_notes(source)["step"] == 6
    assert same(run("distillation", checkpoint=path, resume=True)[0], expected)
    assert not source.exists()


@pytest.mark.parametrize(
    ("objective", "settings", "words"),
    [
        (
            "distillation",
            {"time": "1h"},
            "Expected a model in --source for time=1h; got none, and one to train first.",
        ),
        ("ensemble", {"time": "1h"}, "Expected a model in --source for time=1h"),
        ("madry:craft_on=static", {}, "Expected at least one other model to craft on for craft_on=static; got none"),
        ("distillation:minimize=squared_error", {}, "Expected minimize=cross_entropy and label_smoothing=0"),
    ],
)
def test_what_does_not_fit(objective, settings, words) -> None:
    with pytest.raises(SettingError, match=words):
        run(objective, **settings)


def test_other_tasks_have_no_teacher() -> None:
    labels = np.eye(3)[Y] + np.eye(3)[(Y + 1) % 3]
    with pytest.raises(ModelError, match="Expected no other model to learn from for"):
        harden_model(net(), (X, labels), objective="ensemble", task="multi-label", tell=lambda line: None, **SHORT)
