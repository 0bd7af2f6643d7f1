"""Layers that keep their state: how they lose it for the time of building, and get it back."""

import keras
import numpy as np
import pytest

from turtlenet.errors import ModelError
from turtlenet.keras_files.recurrent_state import give_states, take_states
from turtlenet.models import load


def described(class_name, **config):
    return {"class_name": class_name, "config": config}


def test_only_recurrent_layers_lose_theirs():
    inner = described("GRU", name="b", stateful=True)
    layers = [described("LSTM", name="a", stateful=True), described("Bidirectional", name="c", layer=inner)]
    layers += [described("Mine", name="d", stateful=True), described("LSTM", name="e", stateful=False)]
    config = described("Sequential", layers=layers)
    assert take_states(config) == {"a", "b"}
    assert [layer["config"].get("stateful") for layer in layers] == [False, None, True, False]
    assert inner["config"]["stateful"] is False


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_state_lasts_in_a_file_of_keras_3(wrapped, tmp_path):
    layer = keras.layers.LSTM(3, stateful=True)
    model = keras.Sequential(
        [keras.Input((4, 2), batch_size=2), keras.layers.Bidirectional(layer) if wrapped else layer]
    )
    x = np.random.default_rng(0).normal(size=(2, 4, 2)).astype("float32")
    model.save(tmp_path / "model.keras")
    again = load(tmp_path / "model.keras")
    for _ in range(2):
        np.testing.assert_allclose(again(x), model(x), atol=1e-6)


@pytest.mark.parametrize("size", [None, 1_000_000])
def test_the_size_of_batches_has_to_be_told(size):
    model = keras.Sequential([keras.Input((4, 2), batch_size=size), keras.layers.LSTM(3, name="a")])
    with pytest.raises(ModelError) as caught:
        give_states(model, {"a"})
    assert str(caught.value) == f"Expected batches of one size, up to 100,000, for stateful layers; got {size}."
