"""How many inputs fit into memory."""

import keras
import pytest

from turtlenet import memory


@pytest.fixture(scope="module")
def net():
    inner = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3), keras.layers.Flatten()], name="inner")
    return keras.Sequential([keras.Input((8, 8, 1)), inner, keras.layers.Dense(5)])


def test_every_layer_counts_once(net):
    given = 8 * 8 + 6 * 6 * 4 + 6 * 6 * 4 + 5
    found = memory.activation_bytes(net)
    assert 4 * given <= found <= 4 * 3 * given


@pytest.mark.parametrize(
    ("fits", "batch", "parts"), [(None, 128, 1), (128, 128, 1), (40, 128, 4), (1, 6, 6), (5, 12, 3)]
)
def test_a_batch_is_worked_on_in_the_fewest_parts_that_fit(fits, batch, parts, net, monkeypatch):
    monkeypatch.setattr(memory, "largest_batch", lambda model: fits)
    assert memory.micro_batches_for(net, batch) == parts


def test_half_of_the_free_memory_is_taken(net, monkeypatch):
    each = memory._COPIES * memory.activation_bytes(net)
    monkeypatch.setattr(memory.backend, "devices", lambda: ["CPU"])
    monkeypatch.setattr(memory, "available_bytes", lambda: int(20 * each))
    assert memory.largest_batch(net) == 10
    monkeypatch.setattr(memory, "available_bytes", lambda: 1)
    assert memory.largest_batch(net) == 1
    monkeypatch.setattr(memory, "available_bytes", lambda: None)
    assert memory.largest_batch(net) is None
    assert memory.bytes_text(80 * 2**20) == "80 MiB" and memory.bytes_text(1.5 * 2**30) == "1.5 GiB"
