"""What every registered defence keeps. Registering a defence puts it here."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from tests.defences.fronts.tiny import is_front, spec_of
from turtlenet import attacks, backend, balls, defences, gradient_mode, models
from turtlenet.attacks.run.runner import attack_all
from turtlenet.defences import Conversion, Defence
from turtlenet.defences import defences as family
from turtlenet.errors import ModelError, SettingError
from turtlenet.input_kind import KINDS, kind_of
from turtlenet.training import Madry, Trainer

NAMES = family.names()
# One layer with another network each: what holds for `magnet` holds for them.
FRONTS_ALIKE = {"ape-gan", "contractive-autoencoder"}
# What is like another one in how it computes: training and attacks are left to that one where time is short.
ALIKE = {
    *FRONTS_ALIKE,
    "bit-depth",
    "bounded-relu",
    "input-dropout",
    "k-bit",
    "mean-filter",
    "median-filter",
    "non-local-means",
    "orthogonal",
    "pixeldp",
    "soft-quantization",
}
MANY_GRAPHS = [pytest.param(name, marks=pytest.mark.slow) if name in ALIKE else name for name in NAMES]
# One of each kind is trained: weights of its own, a straight-through slope, masks, draws, a network in front.
_TRAINED = (
    "trainable-quantization",
    "constant-quantization",
    "binarized",
    "mc-dropout",
    "sap",
    "magnet",
    "thermometer",
)
TRAINED = [name if name in _TRAINED else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]
ATTACKED = [pytest.param(name, marks=pytest.mark.slow) if name in {*ALIKE, "defense-gan"} else name for name in NAMES]
SHAPES = [(8, 8, 1), (5, 7, 3), (12,)]
X = np.random.default_rng(5).uniform(size=(10, 8, 8, 1)).astype("float32")
Y = (np.arange(10) % 4).astype("int32")


@pytest.fixture(autouse=True)
def key(monkeypatch):
    """Where defences with a secret look for it."""
    monkeypatch.setenv("TURTLENET_KEY", "5a" * 8192)


@pytest.fixture(
    params=[pytest.param(name, marks=pytest.mark.slow) if name in FRONTS_ALIKE else name for name in NAMES]
)
def made(request):
    """A defence of each kind, with its defaults."""
    return request.param


def net(shape: tuple[int, ...] = (8, 8, 1), policy: str = "float32") -> keras.Model:
    keras.utils.set_random_seed(2)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        layers = [keras.Input(shape)]
        # Weights of a size that a few bits can hold.
        with_weights = {
            "activation": "relu",
            "kernel_initializer": keras.initializers.RandomNormal(stddev=0.7, seed=1),
        }
        if len(shape) == 3:
            layers += [keras.layers.Conv2D(4, 3, **with_weights), keras.layers.Dropout(0.4)]
        layers += [keras.layers.Flatten(), keras.layers.Dense(8, **with_weights), keras.layers.Dropout(0.4)]
        layers += [keras.layers.Dense(4, dtype="float32", kernel_initializer="he_normal")]
        return keras.Sequential([*layers, keras.layers.Activation("softmax", dtype="float32")])
    finally:
        keras.config.set_dtype_policy(before)


def defended(name: str, shape: tuple[int, ...] = (8, 8, 1), policy: str = "float32") -> keras.Model:
    return models.wrap(net(shape, policy), [spec_of(name, shape)])


@pytest.mark.parametrize("shape", [pytest.param(SHAPES[0], marks=pytest.mark.slow), *SHAPES[1:]])
def test_any_image_size(made, shape) -> None:
    if is_front(made) and made != "contractive-autoencoder" and len(shape) == 1:
        # Twelve values are no picture, and a convolution has nothing to look at.
        with pytest.raises(ModelError, match="Expected images of 4x4 pixels or more"):
            spec_of(made, shape)
        return
    x = np.random.default_rng(0).uniform(size=(3, *shape)).astype("float32")
    kind = kind_of(shape)
    if kind.name not in getattr(family.factory(made), "kinds", KINDS):
        with pytest.raises(SettingError, match=rf"^Expected images.* for {made}; got {kind.examples} of shape"):
            defended(made, shape)
        return
    answer = models.classifier(defended(made, shape)).predict(x)
    assert answer.shape == (3, 4) and np.isfinite(answer).all()


@pytest.mark.parametrize("name", ["m.h5", pytest.param("m.keras", marks=pytest.mark.slow)])
def test_files(made, name, tmp_path) -> None:
    model = defended(made)
    before = models.classifier(model, draws=3).predict(X)
    models.save(model, tmp_path / name)
    loaded = models.load(tmp_path / name)
    assert [type(one) for one in models.defences_of(loaded)] == [type(one) for one in models.defences_of(model)]
    # Unnamed layers of Keras are numbered as they are made; the draws of a layer are those of its name.
    np.testing.assert_array_equal(models.classifier(loaded, draws=3).predict(X), before)


@pytest.mark.slow
def test_plain_keras_loads_them_after_an_import(tmp_path) -> None:
    wanted = {}
    for name in NAMES:
        model = defended(name)
        models.save(model, tmp_path / f"{name}.h5")
        wanted[name] = len(model.layers)
    load = f"len(keras.saving.load_model({str(tmp_path)!r} + '/' + name + '.h5').layers)"
    code = f"import turtlenet, keras; print({{name: {load} for name in {list(NAMES)!r}}})"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=False)
    assert done.stdout.splitlines()[-1:] == [str(wanted)], done.stderr[-1500:]


def test_a_spec_builds_it_again(made) -> None:
    one = models.wrap(net(), [spec_of(made)])
    layer = next((each for each in models.defences_of(one) if isinstance(each, Defence)), None)
    text = str(layer if layer is not None else family.build(made))
    assert text.partition(":")[0] == made
    assert str(family.build(text)) == text


def test_an_unknown_setting_is_one_line(made) -> None:
    with pytest.raises(ValueError, match="Unknown setting 'colour' of defence"):
        models.wrap(net(), [f"{made}:colour=3"])


def test_answers_are_a_pure_function_of_input_and_seed(made) -> None:
    victim = models.classifier(defended(made), draws=2)
    first = victim.predict(X)
    np.testing.assert_array_equal(victim.predict(X), first)
    order = np.random.default_rng(1).permutation(len(X))[:7]
    np.testing.assert_allclose(victim.predict(X[order]), first[order], atol=1e-5)
    other = victim.taking(seed=9).predict(X)
    assert np.array_equal(other, first) == (not victim.stochastic)


@pytest.mark.parametrize("made", ATTACKED, indirect=True)
def test_an_attack_keeps_its_promises(made) -> None:
    victim = models.classifier(defended(made), draws=2)
    y = victim.predict(X).argmax(axis=1).astype("int32")
    ball = balls.get("linf", 0.1)
    whole = attack_all(attacks.build("pgd:steps=3"), victim, X, y, ball=ball)
    assert np.abs(whole.x - X).max() <= 0.1 + 1e-7 and (whole.x != X).any()
    parts = attack_all(attacks.build("pgd:steps=3"), victim, X, y, ball=ball, batch_size=3)
    # Slopes of weights of few values often cancel to 0 but for rounding, which another batch size does otherwise.
    assert (np.abs(parts.x - whole.x) < 1e-5).mean() > 0.85
    still = attack_all(attacks.build("pgd:steps=3"), victim, X, y, ball=balls.get("linf", 0.0))
    np.testing.assert_array_equal(still.x, X)


@pytest.mark.parametrize("made", TRAINED, indirect=True)
def test_it_trains(made) -> None:
    model = defended(made)
    goal = Madry(attack=attacks.build("fgsm"), ball=balls.get("linf", 0.05))
    trainer = Trainer(models.classifier(model), goal)
    trainer.compile(keras.optimizers.Adam(0.02))
    before = [ops.convert_to_numpy(each) for each in model.trainable_variables]
    history = trainer.fit(X, Y, batch_size=10, epochs=15, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    for new, old in zip(model.trainable_variables, before, strict=True):
        assert not np.array_equal(ops.convert_to_numpy(new), old)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", pytest.param("mixed_float16", marks=pytest.mark.slow)])
def test_mixed_precision(made, policy) -> None:
    answer = models.classifier(defended(made, policy=policy), draws=2).predict(X)
    assert answer.dtype == np.float32 and np.isfinite(answer).all()


def slope(model: keras.Model, x: np.ndarray, how: str) -> np.ndarray:
    """The gradient of the first logit at the input."""
    victim = models.classifier(model, gradient=how, draws=2)

    def look(point):
        logits = victim(point)
        return logits[:, 0], logits

    graph = backend.compiled(lambda point: backend.input_gradient(look, point)[2], lambda: model.variables)
    return ops.convert_to_numpy(graph(ops.convert_to_tensor(x)))


def test_the_adaptive_gradient_is_none_that_is_blind(made) -> None:
    model = defended(made)
    adaptive = slope(model, X, "adaptive")
    assert np.isfinite(adaptive).all()
    # A few units of a small net can be dead, or dropped, at an image or two.
    assert (np.abs(adaptive).reshape(len(X), -1).max(axis=1) > 0).mean() >= 0.8
    masks = any(each.masks for each in models.defences_of(model))
    assert masks != np.allclose(adaptive, slope(model, X, "naive"), atol=1e-6)


def test_who_does_not_attack_gets_the_layers_own_gradient(made) -> None:
    assert gradient_mode.current() == "own" and gradient_mode.keys() is None
    assert defended(made)(X, training=False).shape == (10, 4)
    assert gradient_mode.current() == "own"


def test_it_says_what_it_is(made) -> None:
    found = models.defences_of(defended(made))
    assert found and all(each.adaptive for each in found)
    factory = family.factory(made)
    assert issubclass(factory, (Defence, Conversion)) and (factory.__doc__ or "").strip()
    assert made in defences.defences.names()


def test_the_compiled_state_stays() -> None:
    model = net()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    for name in NAMES:
        wrapped = models.wrap(model, [spec_of(name)])
        assert wrapped.compiled and [each.name for each in wrapped.metrics] == ["loss", "compile_metrics"]
    assert len(wrapped.evaluate(X, Y, verbose=0)) == 2
