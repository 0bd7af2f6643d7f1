"""What a defence says that it can give within a ball, against what it gives."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from turtlenet.defences import Defence, Reachable, TrainableQuantization
from turtlenet.defences import defences as family

SPECS = [
    "constant-quantization:hard=true",
    "constant-quantization:hard=true,levels=5",
    "constant-quantization:hard=true,levels=4,form=v1",
    "constant-quantization:hard=true,levels=3,thresholds=0.2:0.25",
    "trainable-quantization:hard=true,levels=4",
    "trainable-quantization:hard=true,levels=3,shared=true",
    "constant-quantization:sharpness=50",
    "trainable-quantization:levels=3",
]


@functools.cache
def made(spec: str) -> Defence:
    """A layer for six elements, whose thresholds went astray where they can: some crossed, two coincide."""
    layer = family.build(spec, low=0.0, high=1.0)
    layer.build((None, 6))
    if isinstance(layer, TrainableQuantization):
        moved = np.random.default_rng(0).normal(0, 0.2, layer.moved.shape).astype("float32")
        if not layer.shared:
            first = layer.initial_thresholds()
            moved[1, 0] = moved[0, 0] + first[0] - first[1]
        layer.moved.assign(moved)
    return layer


def outputs(layer: Defence, x: np.ndarray) -> np.ndarray:
    return ops.convert_to_numpy(layer(x))


BOXES = st.tuples(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1e-3, 0.05, 0.3, 1.0]))


@pytest.mark.parametrize("spec", SPECS)
@given(box=BOXES)
@settings(max_examples=4, deadline=None)
def test_no_more_and_no_less_than_what_inputs_give(spec, box) -> None:
    seed, eps = box
    draw, layer = np.random.default_rng(seed), made(spec)
    x = draw.uniform(size=(8, 6)).astype("float32")
    low, high = np.clip(x - np.float32(eps), 0, 1), np.clip(x + np.float32(eps), 0, 1)
    tensors = [ops.convert_to_tensor(part) for part in (x, low, high)]
    known = layer.reachable(*tensors[1:])
    share = np.linspace(0, 1, 2001, dtype="float32")[:, None, None]
    sampled = np.clip(low + share * (high - low), low, high)
    given_by = outputs(layer, sampled.reshape(-1, 6)).reshape(sampled.shape)
    np.testing.assert_allclose(given_by.min(axis=0), known.lowest, atol=1e-6)
    np.testing.assert_allclose(given_by.max(axis=0), known.highest, atol=1e-6)
    # What it says is the nearest reachable value to any wish is given by some input, and no other is nearer.
    wish = draw.uniform(-0.2, 1.4, size=(8, 6)).astype("float32")
    nearest = np.asarray(known.nearest(ops.convert_to_tensor(wish)))
    inputs = np.asarray(layer.preimage(nearest, *tensors))
    assert (inputs >= low).all() and (inputs <= high).all()
    np.testing.assert_allclose(outputs(layer, inputs), nearest, atol=1e-7 if layer.hard else 1e-5)
    assert (np.abs(nearest - wish) <= np.abs(given_by - wish).min(axis=0) + 1e-5).all()
    # An input that already gives it stays; another goes no further than it has to.
    stays = nearest == outputs(layer, x)
    assert np.array_equal(inputs[stays], x[stays])
    if layer.hard:
        crossed = ~stays & (np.abs(inputs - x) > 1e-5)
        assert (outputs(layer, inputs + 3e-6 * np.sign(x - inputs)) != nearest)[crossed].all()


def test_in_other_units() -> None:
    layer = family.build("constant-quantization:hard=true,levels=3,thresholds=50:200", low=0.0, high=255.0)
    x = np.array([[10.0, 49.9999, 60.0, 190.0, 219.0, 255.0]], "float32")
    low, high = np.clip(x - 20, 0, 255), np.clip(x + 20, 0, 255)
    known = layer.reachable(ops.convert_to_tensor(low), ops.convert_to_tensor(high))
    np.testing.assert_array_equal(known.lowest, [[0, 0, 0, 127.5, 127.5, 255]])
    np.testing.assert_array_equal(known.highest, [[0, 127.5, 127.5, 255, 255, 255]])
    inputs = np.asarray(layer.preimage(known.highest, *map(ops.convert_to_tensor, (x, low, high))))
    np.testing.assert_allclose(inputs, [[10, 50, 60, 200, 219, 255]], atol=1e-3)
    np.testing.assert_array_equal(layer(inputs), known.highest)


def test_between_levels_or_anywhere() -> None:
    zero, one = np.zeros((1, 4), "float32"), np.ones((1, 4), "float32")
    wish = ops.convert_to_tensor(np.array([[-1.0, 0.4, 0.8, 2.0]], "float32"))
    np.testing.assert_array_equal(Reachable(zero, one).nearest(wish), np.clip(wish, 0, 1))
    np.testing.assert_array_equal(Reachable(zero, one, [0.0, 0.5, 1.0]).nearest(wish), [[0, 0.5, 1, 1]])
    np.testing.assert_array_equal(Reachable(zero, 0.5 * one, [0.0, 0.5, 1.0]).nearest(wish), [[0, 0.5, 0.5, 0.5]])


def test_a_defence_need_not_say() -> None:
    layer = family.build("input-dropout")
    assert not layer.has_reachable
    with pytest.raises(NotImplementedError):
        layer.reachable(np.zeros((1, 4), "float32"), np.ones((1, 4), "float32"))
