"""Weights of a few bits: the levels of eq. 11 and eq. 6, and their gradients."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.defences.test_binarized import DRAW, IMAGES, kernel_slope, network
from turtlenet.defences import LowBit, LowBitConv1D, LowBitDense, defences
from turtlenet.errors import SettingError, SpecError, TurtlenetError
from turtlenet.models import copy, defences_of, load, save


def seen(weights: list[float], **settings) -> np.ndarray:
    """The weights that a layer computes with."""
    layer = LowBitDense(len(weights), use_bias=False, **settings)
    layer.build((None, 1))
    layer.kernel.assign([weights])
    return ops.convert_to_numpy(layer(np.ones((1, 1), "float32")))[0]


def test_the_example_of_the_paper() -> None:
    assert sorted(set(seen(np.linspace(-3, 3, 601).tolist(), bits=2))) == [-1.0, -0.5, 0.0, 0.5, 1.0]


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 8])
def test_levels_by_hand(bits) -> None:
    weights = DRAW.uniform(-1.5, 1.5, 200).astype("float32")
    step = 2.0 ** (1 - bits)
    assert np.array_equal(seen(weights.tolist(), bits=bits), np.clip(np.round(weights / step) * step, -1, 1))
    assert len(set(seen(np.linspace(-2, 2, 9001).tolist(), bits=bits))) == 2**bits + 1


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_the_linear_form_has_as_many_levels_as_the_bits(bits) -> None:
    found = sorted(set(seen(np.linspace(-2, 2, 901).tolist(), bits=bits, form="linear")))
    assert found == (np.arange(-(2 ** (bits - 1)), 2 ** (bits - 1)) / 2 ** (bits - 1)).tolist()


@pytest.mark.parametrize("form", ["clip", "linear"])
def test_real_weights_have_the_slope_of_the_rounded_ones_up_to_one(form) -> None:
    layer = LowBitConv1D(3, 1, form=form)
    layer.build((None, 5, 2))
    real = np.array([[0.3, 1.0, 1.1], [-1.0, -0.2, -1.5]], "float32")
    layer.kernel.assign(real[None])
    x, upstream = (DRAW.normal(size=(4, 5, size)).astype("float32") for size in (2, 3))
    expected = np.einsum("bni,bno->io", x, upstream) * (np.abs(real) <= 1)
    assert np.allclose(kernel_slope(layer, x, upstream)[0], expected, atol=1e-5)


def test_the_network_is_that_of_the_rounded_weights() -> None:
    model = network()
    made, twin = LowBit(bits=3).convert(model), copy(model)
    rounded = [np.clip(np.round(v * 4) / 4, -1, 1) if v.ndim > 1 else v for v in model.get_weights()]
    twin.set_weights(rounded)
    assert np.allclose(made(IMAGES), twin(IMAGES), atol=1e-6)
    assert not np.allclose(made(IMAGES), model(IMAGES), atol=1e-3)
    assert not any(each.masks or each.stochastic for each in defences_of(made))


def test_scaled_levels_reach_to_the_largest_weight(tmp_path) -> None:
    model = network()
    small = [value / 50 for value in model.get_weights()]
    model.set_weights(small)
    plain, made = LowBit(bits=2).convert(model), LowBit(bits=2, scaled=True).convert(model)
    dead = [value for value in plain.get_weights() if value.ndim > 1]
    assert all(np.abs(value).max() < 0.25 for value in dead), "all of these are rounded to 0"
    twin = copy(model)
    twin.set_weights([np.round(v / np.abs(v).max() * 2) / 2 * np.abs(v).max() if v.ndim > 1 else v for v in small])
    assert np.allclose(made(IMAGES), twin(IMAGES), atol=1e-6)
    assert not np.allclose(made(IMAGES), plain(IMAGES), atol=1e-6)
    save(made, tmp_path / "scaled.h5")
    assert np.array_equal(load(tmp_path / "scaled.h5")(IMAGES), made(IMAGES))
    # Beyond a scale there is no slope, and training keeps within it.
    layer = LowBitConv1D(1, 1, scales=[0.5])
    layer.build((None, 5, 2))
    layer.kernel.assign(np.array([[[0.4], [0.6]]], "float32"))
    x, upstream = (DRAW.normal(size=(4, 5, size)).astype("float32") for size in (2, 1))
    expected = np.einsum("bni,bno->io", x, upstream) * np.array([[1], [0]])
    assert np.allclose(kernel_slope(layer, x, upstream)[0], expected, atol=1e-5)
    assert np.allclose(layer.kernel.constraint(layer.kernel), [[[0.4], [0.5]]])
    again = LowBitConv1D.from_config(layer.get_config())
    assert again.get_config() == layer.get_config() and again.scales == (0.5,)
    for scales in ([0.0], [-1.0], [float("nan")], [0.5, 0.5]):
        with pytest.raises(SettingError, match="Expected 1 scales above 0, or none"):
            LowBitConv1D(1, 1, scales=scales)


def test_many_bits_are_the_real_weights() -> None:
    model = network()
    model.set_weights([np.clip(value, -1, 1) for value in model.get_weights()])
    assert np.allclose(LowBit(bits=24).convert(model)(IMAGES), model(IMAGES), atol=1e-5)


def test_it_prints_as_the_spec_that_builds_it() -> None:
    for spec in ("k-bit", "k-bit:bits=3", "k-bit:scaled=True", "k-bit:last=False,bits=4,form=linear"):
        assert str(defences.build(spec)) == spec and defences.build(str(defences.build(spec))) == defences.build(spec)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("k-bit:bits=0", "Expected bits >= 1; got 0."),
        ("k-bit:bits=1,form=linear", "Expected bits >= 2 for linear; got 1."),
        ("k-bit:bits=25", "Expected bits <= 24, which is what a float32 holds; got 25."),
        ("k-bit:form=lineal", "Unknown form 'lineal'. Did you mean 'linear'?"),
        ("binarized:bits=2", "Unknown setting 'bits' of defence 'binarized'."),
    ],
)
def test_bad_settings(spec, words) -> None:
    with pytest.raises((SpecError, SettingError)) as caught:
        defences.build(spec)
    assert str(caught.value).startswith(words) and "\n" not in str(caught.value)


def test_a_layer_checks_its_settings_too() -> None:
    with pytest.raises(TurtlenetError, match="Expected bits >= 1; got 0."):
        LowBitDense(3, bits=0)
    layer = LowBitDense.from_config(LowBitDense(3, bits=4, form="linear", activation="relu").get_config())
    assert (layer.bits, layer.form, layer.activation) == (4, "linear", keras.activations.relu)
