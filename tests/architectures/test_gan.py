"""The networks for images of any size: shapes, reach, files that plain Keras reads, and no image that sees another."""

import keras
import numpy as np
import pytest

from turtlenet import models
from turtlenet.architectures import gan as networks
from turtlenet.errors import ModelError, SpecError

NETWORKS = ("residual", "unet")

SHAPES = [(28, 28, 1), (32, 32, 3), (15, 9, 1), (7, 7, 2), (28, 28), (64,)]


def filled(model: keras.Model, spread: float = 0.2) -> keras.Model:
    draw = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(np.asarray(variable) + spread * draw.normal(size=variable.shape))
    return model


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("network", sorted(NETWORKS))
def test_a_perturbation_is_shaped_like_its_image_and_within_reach(network, shape) -> None:
    made = filled(networks.generator(shape, network, bounds=(0.0, 255.0), reach=20.0))
    x = np.random.default_rng(0).uniform(0, 255, (3, *shape)).astype("float32")
    delta = np.asarray(made(x))
    assert delta.shape == x.shape and 1 < np.abs(delta).max() <= 20 and len(np.unique(delta)) > 10
    judge = networks.discriminator(shape, bounds=(0.0, 255.0))
    assert judge(x).shape == (3, 1)


@pytest.mark.parametrize("network", sorted(NETWORKS))
def test_an_image_has_its_own_perturbation_whatever_stands_beside_it(network) -> None:
    made = filled(networks.generator((12, 12, 1), network, bounds=(0.0, 1.0), reach=0.3))
    x = np.random.default_rng(0).uniform(size=(6, 12, 12, 1)).astype("float32")
    for training in (False, True):
        whole, alone = np.asarray(made(x, training=training)), np.asarray(made(x[2:3], training=training))
        assert np.allclose(whole[2:3], alone, atol=1e-5)


def test_noise_changes_the_perturbation() -> None:
    made = filled(networks.generator((8, 8, 1), bounds=(0.0, 1.0), reach=0.3, noise=4))
    x, draw = np.full((2, 8, 8, 1), 0.5, "float32"), np.random.default_rng(0)
    one, other = (np.asarray(made([x, draw.normal(size=(2, 4)).astype("float32")])) for _ in range(2))
    assert np.abs(one - other).max() > 0.01


def test_weights_belong_to_the_seed() -> None:
    one, same, other = (networks.generator((8, 8, 1), bounds=(0.0, 1.0), reach=1.0, seed=seed) for seed in (3, 3, 4))
    pairs = [
        (np.asarray(a), np.asarray(b), np.asarray(c))
        for a, b, c in zip(one.weights, same.weights, other.weights, strict=True)
    ]
    assert all(np.array_equal(a, b) for a, b, _ in pairs)
    assert any(not np.array_equal(a, c) for a, _, c in pairs)


@pytest.mark.parametrize("suffix", ["h5", "keras"])
def test_plain_keras_reads_the_file(tmp_path, suffix) -> None:
    made = filled(networks.generator((9, 9, 1), bounds=(0.0, 1.0), reach=0.3, noise=2))
    models.save(made, tmp_path / f"g.{suffix}")
    again = keras.models.load_model(tmp_path / f"g.{suffix}")
    given = [np.full((2, 9, 9, 1), 0.3, "float32"), np.ones((2, 2), "float32")]
    assert np.array_equal(np.asarray(made(given)), np.asarray(again(given)))


@pytest.mark.parametrize("shape", [(3, 28, 1), (10,), (2, 2), (4, 4, 4, 1)], ids=str)
def test_what_is_no_picture_is_refused(shape) -> None:
    with pytest.raises(ModelError, match="Expected images of 4x4 pixels or more"):
        networks.generator(shape, bounds=(0.0, 1.0), reach=1.0)


def test_an_unknown_network_is_one_line() -> None:
    with pytest.raises(SpecError, match="Did you mean 'unet'"):
        networks.generator((8, 8, 1), "u-net", bounds=(0.0, 1.0), reach=1.0)
