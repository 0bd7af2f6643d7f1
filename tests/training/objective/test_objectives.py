"""What every registered objective keeps, and what the Madry objective crafts on."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from keras import ops

from turtlenet import attacks, balls, random
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError, SpecError
from turtlenet.training import Trainer, objectives

NAMES = objectives.names()
BALL = balls.get("linf", 0.1)
X = np.random.default_rng(0).uniform(size=(10, 8, 8, 1)).astype("float32")
Y = (np.arange(10) % 4).astype("int32")
KEY = random.keys(0, np.arange(10))
GIVEN = ops.convert_to_tensor(X)


def build(name: str, **settings):
    return objectives.build(name, settings, attack=attacks.build("pgd:steps=3,keep=last"), ball=BALL)


def close(one: np.ndarray, other: np.ndarray) -> bool:
    """Equal but for pixels whose slope is so near 0 that rounding turns its sign."""
    return bool((np.abs(one - other) > 1e-6).mean() < 0.01)


@pytest.fixture
def victim() -> Classifier:
    """A classifier with everything that behaves otherwise in training: dropout and batch normalization."""
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(4, 3),
        keras.layers.BatchNormalization(),
        keras.layers.ReLU(),
        keras.layers.Dropout(0.5),
        keras.layers.Flatten(),
        keras.layers.Dense(4),
    ]
    return Classifier(keras.Sequential(layers))


@pytest.mark.parametrize("name", NAMES)
def test_crafting_touches_no_variable(name, victim) -> None:
    before = [keras.ops.convert_to_numpy(variable) for variable in victim.model.variables]
    build(name).perturb(victim, GIVEN, Y, key=KEY, step=0)
    after = [keras.ops.convert_to_numpy(variable) for variable in victim.model.variables]
    assert all(np.array_equal(old, new) for old, new in zip(before, after, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_the_crafted_batch_lies_in_the_ball(name, victim) -> None:
    moved = np.asarray(build(name).perturb(victim, GIVEN, Y, key=KEY, step=0))
    # N-FGSM does not project: two radii of noise and one of a step, within the bounds.
    reach = 0.3 if name == "n-fgsm" else 0.1
    assert moved.shape == X.shape and np.abs(moved - X).max() <= reach + 1e-7 and 0 <= moved.min() <= moved.max() <= 1
    # The trainer moves what `free` trains on.
    assert (np.abs(moved - X).max() > 0) == (name not in ("crown-ibp", "distillation", "free", "ibp", "natural"))


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_is_one_number_for_each_example(name, victim) -> None:
    losses, logits = build(name).total(victim, X, X, Y, key=KEY, sources=[victim])
    assert losses.shape == (10,) and logits.shape == (10, 4)
    assert np.isfinite(ops.convert_to_numpy(losses)).all()


@pytest.mark.parametrize("name", NAMES)
def test_settings_are_json_and_frozen(name) -> None:
    objective = build(name)
    data = json.loads(json.dumps(objective.to_dict()))
    own = {"ensemble": "fgsm", "fast": "rfgsm", "n-fgsm": "rfgsm", "free": "fgsm"}.get(name, "pgd")
    assert data["name"] == name and data["attack"]["name"] == own and data["ball"]["eps"] == 0.1
    with pytest.raises(dataclasses.FrozenInstanceError):
        objective.clean_share = 0.3


@pytest.mark.parametrize("name", NAMES)
def test_the_same_key_crafts_the_same_batch(name, victim) -> None:
    first = build(name).perturb(victim, GIVEN, Y, key=KEY, step=0)
    assert np.array_equal(np.asarray(first), np.asarray(build(name).perturb(victim, GIVEN, Y, key=KEY, step=0)))


def test_the_clean_share_comes_first(victim) -> None:
    moved = np.asarray(build("madry", clean_share=0.3).perturb(victim, GIVEN, Y, key=KEY, step=0))
    changed = (moved != X).reshape(10, -1).any(axis=1)
    assert changed.tolist() == [False] * 3 + [True] * 7


def test_the_radius_grows(victim) -> None:
    objective = build("madry", warmup_steps=10)
    reach = [
        np.abs(np.asarray(objective.perturb(victim, X, Y, key=KEY, step=step)) - X).max() for step in (0, 4, 9, 99)
    ]
    assert np.allclose(reach, [0.01, 0.05, 0.1, 0.1], atol=1e-6)


def test_it_crafts_on_the_weights_of_this_moment(victim) -> None:
    before = np.asarray(build("madry").perturb(victim, GIVEN, Y, key=KEY, step=0))
    victim.model.layers[-1].kernel.assign(-victim.model.layers[-1].kernel)
    assert not np.array_equal(before, np.asarray(build("madry").perturb(victim, GIVEN, Y, key=KEY, step=0)))


def test_a_static_model_and_an_ensemble(victim, small) -> None:
    own, other = (np.asarray(build("madry").perturb(model, X, Y, key=KEY, step=0)) for model in (victim, small))
    static = build("madry", craft_on="static").perturb(victim, X, Y, key=KEY, step=0, sources=[small])
    assert np.array_equal(np.asarray(static), other)
    seen = set()
    for step in range(5):
        key = random.fold_in(KEY, step)
        moved = np.asarray(build("madry", craft_on="ensemble").perturb(victim, X, Y, key=key, step=0, sources=[small]))
        mine, theirs = (np.asarray(build("madry").perturb(model, X, Y, key=key, step=0)) for model in (victim, small))
        seen.add((close(moved, mine), close(moved, theirs)))
    assert seen == {(True, False), (False, True)}
    assert not close(own, other)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("madri", "Did you mean 'madry'?"),
        ("madry:clean_share=1.5", "Expected clean_share from 0 to 1; got 1.5."),
        ("madry:warmup_steps=-1", "Expected warmup_steps >= 0"),
        ("madry:craft_on=selv", "Did you mean 'self'?"),
        ("madry:attack=pgd", "Unknown setting 'attack'"),
        ("madry:label_smoothing=1", "Expected label_smoothing in [0, 1); got 1.0."),
        ("madry:gradalign=-0.1", "Expected gradalign >= 0; got -0.1."),
        ("trades:beta=-1", "Expected beta >= 0; got -1.0."),
        ("mart:beta=nan", "Expected beta >= 0; got nan."),
        ("hat:gamma=-1", "Expected gamma >= 0; got -1.0."),
        ("free:replays=1", "Expected replays >= 2; got 1."),
        ("distillation:temperature=0", "Expected temperature > 0; got 0."),
        ("distillation:temperature=-1", "Expected temperature > 0; got -1."),
        ("distillation:labels=techer", "Did you mean 'teacher'?"),
        ("distillation:label_smoothing=0.1", "Expected minimize=cross_entropy and label_smoothing=0 for the soft"),
        ("ensemble:static_nets=0", "Expected static_nets >= 1; got 0."),
        ("ensemble:craft_on=selv", "Did you mean 'self'?"),
        ("fast:step_size=0", "Expected step_size > 0; got 0.0."),
        ("n-fgsm:noise=-1", "Expected noise >= 0; got -1.0."),
    ],
)
def test_bad_settings(spec, words) -> None:
    with pytest.raises((SpecError, SettingError)) as caught:
        build(spec)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_some_of_every_batch_is_attacked(victim, small) -> None:
    ensemble = build("ensemble", clean_share=0.75)
    assert [ensemble.clean_examples(size) for size in (1, 2, 3, 4, 8)] == [0, 1, 2, 3, 6]
    found = ensemble.perturb(victim, GIVEN[:1], Y[:1], key=KEY[:1], step=0, sources=[small])
    assert np.abs(np.asarray(found) - X[:1]).max() > 0
    assert build("natural").clean_examples(1) == 1


@pytest.mark.parametrize(("craft_on", "count"), [("ensemble", 3), pytest.param("static", 2, marks=pytest.mark.slow)])
def test_an_ensemble_takes_one_step_on_models_drawn_by_batch(craft_on, count, victim, small) -> None:
    """Half of a batch stays; the other half is moved along the sign of a gradient of one of the models."""
    ensemble = build("ensemble", craft_on=craft_on)
    mirrored = keras.models.clone_model(small.model)
    mirrored.set_weights([-weight for weight in small.model.get_weights()])
    sources = [small, Classifier(mirrored)]
    victims = sources if craft_on == "static" else [victim, *sources]
    steps = [np.asarray(attacks.build("fgsm:keep=last").craft(each, X, Y, ball=BALL, key=KEY)) for each in victims]
    seen = set()
    for step in range(12):
        moved = ensemble.perturb(victim, GIVEN, Y, key=random.fold_in(KEY, step), step=0, sources=sources)
        moved = np.asarray(moved)
        assert np.array_equal(moved[:5], X[:5])
        seen.add(tuple(close(moved[5:], each[5:]) for each in steps))
    assert len(seen) == count and all(sum(each) == 1 for each in seen)


def test_a_static_model_must_be_given(victim) -> None:
    with pytest.raises(SettingError, match="at least one other model"):
        Trainer(victim, build("madry", craft_on="static"))


def test_the_loss_is_cross_entropy(small) -> None:
    losses, logits = build("madry").loss(small, X, X, Y)
    expected = keras.losses.sparse_categorical_crossentropy(Y, ops.softmax(logits))
    assert np.allclose(ops.convert_to_numpy(losses), ops.convert_to_numpy(expected), atol=1e-5)
