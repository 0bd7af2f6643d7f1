"""Trained fronts in model files, and what is refused: another shape, range or kind, a file that is none."""

import json
import shutil

import h5py
import keras
import numpy as np
import pytest
from keras import ops

from tests.defences.fronts.tiny import file_of, is_front, spec_of
from turtlenet import backend, gradient_mode, models
from turtlenet.defences import DefenseGAN, defences
from turtlenet.errors import ModelError, SettingError, SpecError
from turtlenet.registry import parse_spec

FRONTS = [name for name in defences.names() if is_front(name)]
X = np.random.default_rng(1).uniform(size=(4, 8, 8, 1)).astype("float32")


def net(shape: tuple[int, ...] = (8, 8, 1)) -> keras.Model:
    return keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(3)])


def test_they_are_there() -> None:
    assert FRONTS == ["ape-gan", "contractive-autoencoder", "defense-gan", "magnet"]


@pytest.mark.parametrize("name", FRONTS)
def test_a_hardened_file_has_the_front_in_it(name, tmp_path) -> None:
    path = tmp_path / "front.h5"
    shutil.copyfile(file_of(name, (8, 8, 1)), path)
    settings = spec_of(name).partition(".h5")[2]
    model = models.wrap(net(), [f"{name}:front={path}{settings}"])
    alone = keras.saving.load_model(path, compile=False)
    models.save(model, tmp_path / "hardened.h5")
    path.unlink()
    loaded = models.load(tmp_path / "hardened.h5")
    layer = models.defences_of(loaded)[0]
    # The file's own layer may search longer than the one that is quick.
    if name != "defense-gan":
        np.testing.assert_allclose(layer(X), alone(X), atol=1e-6)
    np.testing.assert_array_equal(loaded(X), model(X))
    for one, other in zip(layer.network.get_weights(), alone.layers[-1].network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert "front=" not in str(layer) and not layer.trainable_variables
    made = ops.convert_to_numpy(layer(X))
    assert made.shape == X.shape and made.min() >= 0 and made.max() <= 1


@pytest.mark.parametrize(
    ("spec", "model", "words"),
    [
        (
            "magnet",
            net(),
            "Expected magnet:front=FRONT.h5, made by turtlenet defence train magnet MODEL.h5; got",
        ),
        ("magnet:front=nowhere.h5", net(), "Expected a front at nowhere.h5, .* got no file."),
        ("magnet:front=text.h5", net(), "got no HDF5 file."),
        ("magnet:front=model.h5", net(), "Expected a front at model.h5, made by turtlenet defence train; got another"),
        ("magnet:front=ape.h5", net(), "Expected a front of magnet at ape.h5; got one of ape-gan."),
        (
            "ape-gan:front=ape.h5",
            net((9, 8, 1)),
            r"Expected images of shape \(8, 8, 1\), which the front ape.h5 was trained for; got \(9, 8, 1\).",
        ),
        ("ape-gan:front=wide.h5", net(), r"front for pixels in \[0, 1\], as the model's; got wide.h5 for \[0, 255\]"),
        ("ape-gan:front=lost.h5", net(), "Expected a front at lost.h5, .* got a damaged one"),
        ("ape-gan:front=other.h5", net(), "Expected the weights of its own network in the front other.h5; got others"),
        ("ape-gan:front=huge.h5", net(), "Expected width of a front's network, up to 65,536; got"),
        ("ape-gan:front=nan.h5", net(), "weights that are no finite numbers"),
        ("defense-gan:steps=0", net(), "Expected defense-gan:front="),
        ("defense-gan:front=gan.h5,steps=0", net(), "Expected steps from 1 to 100,000; got 0."),
        ("defense-gan:front=gan.h5,unrolled=-1", net(), "Expected unrolled from 0 to 100,000; got -1."),
        ("defense-gan:front=gan.h5,rate=0", net(), "Expected rate > 0; got 0.0."),
    ],
)
def test_bad_input_is_one_line(spec, model, words, bad_files) -> None:
    with pytest.raises((ModelError, SettingError, SpecError), match=words):
        models.wrap(model, [spec])


@pytest.fixture
def bad_files(tmp_path, monkeypatch) -> None:
    """Fronts that do not fit, in the working directory."""
    monkeypatch.chdir(tmp_path)
    models.save(net(), "model.h5")
    (tmp_path / "text.h5").write_text("no HDF5")
    shutil.copyfile(file_of("defense-gan", (8, 8, 1)), "gan.h5")
    shutil.copyfile(file_of("ape-gan", (8, 8, 1), (0.0, 255.0)), "wide.h5")
    for name in ("ape", "lost", "other", "huge", "nan"):
        shutil.copyfile(file_of("ape-gan", (8, 8, 1)), f"{name}.h5")
    with h5py.File("lost.h5", "a") as file:
        del file["model_weights"]
    for name, width in (("other", 5), ("huge", 10**9)):
        with h5py.File(f"{name}.h5", "a") as file:
            facts = json.loads(file.attrs["turtlenet_provenance"])
            facts["front"]["sizes"]["width"] = width
            file.attrs["turtlenet_provenance"] = json.dumps(facts)
    with h5py.File("nan.h5", "a") as file:
        found: list[object] = []
        file["model_weights"].visititems(
            lambda _, each: found.append(each) if isinstance(each, h5py.Dataset) else None
        )
        found[0][...] = np.nan


@pytest.mark.parametrize(
    "change", [{"front": "elsewhere.h5"}, {"shape": None}, {"sizes": {"width": -1}}, {"sizes": 3}]
)
def test_a_description_names_no_file_and_has_the_sizes(change) -> None:
    layer = models.defences_of(models.wrap(net(), [spec_of("magnet")]))[0]
    with pytest.raises(ModelError, match="Expected"):
        type(layer).from_config({**layer.get_config(), **change})


def test_a_path_with_a_comma_stands_in_parentheses(tmp_path) -> None:
    shutil.copyfile(file_of("magnet", (8, 8, 1)), tmp_path / "a,b.h5")
    spec = f"magnet:front=({tmp_path}/a,b.h5)"
    layer = models.defences_of(models.wrap(net(), [spec]))[0]
    assert parse_spec(str(layer)).settings == {"front": f"{tmp_path}/a,b.h5"}


class Sigmoids(DefenseGAN):
    """A Defense-GAN whose generator is a sigmoid of A z, so that its search can be followed in NumPy."""

    @classmethod
    def network_of(cls, shape, bounds, sizes, seed=0):
        source = keras.Input((6,))
        inner = keras.layers.Dense(64, use_bias=False, activation="sigmoid")
        model = keras.Model(source, keras.layers.Reshape(shape)(inner(source)))
        inner.kernel.assign(np.random.default_rng(2).normal(0, 1, (6, 64)))
        return model


def gan(**settings) -> tuple[Sigmoids, np.ndarray]:
    """The layer, and its generator's A."""
    layer = Sigmoids(shape=(8, 8, 1), sizes={"width": 1, "latent": 6}, **settings)
    layer.build((None, 8, 8, 1))
    return layer, np.asarray(layer.network.weights[0])


def descended(kernel: np.ndarray, z: np.ndarray, x: np.ndarray, steps: int, rate: float) -> np.ndarray:
    """Steps of gradient descent on the mean square, float64."""
    for _ in range(steps):
        made = 1 / (1 + np.exp(-z @ kernel))
        z = z - rate * (2 / x.shape[1] * (made - x) * made * (1 - made)) @ kernel.T
    return z


def test_the_projection_is_that_of_numpy() -> None:
    layer, kernel = gan(steps=30, restarts=4, rate=2.0)
    x, starts = X.reshape(4, 64).astype("float64"), np.random.default_rng(0).normal(size=(4, 6)).astype("float32")
    ends = np.stack([descended(kernel, np.tile(start, (4, 1)), x, 30, 2.0) for start in starts], axis=1)
    images = 1 / (1 + np.exp(-ends @ kernel))
    best = np.square(images - x[:, None]).mean(axis=2).argmin(axis=1)
    np.testing.assert_allclose(np.asarray(layer(X)).reshape(4, 64), images[np.arange(4), best], atol=1e-4)


def slopes(layer, gradient: str) -> np.ndarray:
    """The gradient of a weighted sum of what the layer gives, by `backend.input_gradient` in a graph."""
    weights = np.random.default_rng(5).normal(size=(8, 8, 1)).astype("float32")

    def look(x):
        with gradient_mode.taken(gradient):
            return ops.sum(layer(x) * weights, axis=(1, 2, 3)), ()

    graph = backend.compiled(lambda x: backend.input_gradient(look, x)[2], lambda: layer.variables)
    return ops.convert_to_numpy(graph(ops.convert_to_tensor(X)))


def test_what_an_attacker_takes_through_the_projection() -> None:
    weights = np.random.default_rng(5).normal(size=(8, 8, 1)).astype("float32")
    through, _ = gan(steps=5, restarts=2, rate=2.0, unrolled=0)
    assert through.masks and "straight through" in through.adaptive
    assert not slopes(through, "naive").any()
    np.testing.assert_allclose(slopes(through, "adaptive"), np.broadcast_to(weights, X.shape), atol=1e-6)
    unrolled, kernel = gan(steps=5, restarts=2, rate=2.0, unrolled=3)
    np.testing.assert_array_equal(unrolled(X), through(X))
    assert "3 further steps" in unrolled.adaptive
    # Against differences of the same steps in float64, begun at the point that the search gave.
    z = np.asarray(unrolled._searched(ops.convert_to_tensor(X)), "float64")
    x, found = X.reshape(4, 64).astype("float64"), slopes(unrolled, "adaptive").reshape(4, 64)

    def value(x: np.ndarray) -> np.ndarray:
        return (1 / (1 + np.exp(-descended(kernel, z, x, 3, 2.0) @ kernel))) @ weights.ravel()

    for place in (0, 17, 63):
        step = np.zeros(64)
        step[place] = 1e-5
        np.testing.assert_allclose(found[:, place], (value(x + step) - value(x - step)) / 2e-5, rtol=1e-3, atol=1e-5)
