"""Our bounds beside those of auto_LiRPA, on the same weights; `make test-certificates` installs it."""

import os
import subprocess
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops

from turtlenet.certification import Box, Elementwise, network_of
from turtlenet.certification.interval import boxes
from turtlenet.certification.linear import least_in, lower_bounds

PYTHON = Path(os.environ.get("LIRPA_PYTHON", "build/lirpa/bin/python"))
NETS = {
    "dense": ((6,), lambda: [layers.Dense(9, "relu"), layers.Dense(8, "relu"), layers.Dense(4)]),
    "convolutions": (
        (9, 9, 2),
        lambda: [
            layers.Conv2D(3, 3, 2, activation="relu"),
            layers.Flatten(),
            layers.Dense(8, "relu"),
            layers.Dense(4),
        ],
    ),
}
EPS = 0.1


@pytest.mark.parametrize("name", NETS)
def test_bounds_are_those_of_auto_lirpa(name: str, tmp_path: Path) -> None:
    shape, make = NETS[name]
    model, draw = keras.Sequential([keras.Input(shape), *make()]), np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(draw.normal(size=weight.shape) / np.sqrt(max(np.prod(weight.shape[:-1]), 1)))
    x = draw.uniform(size=(5, *shape)).astype("float32")
    weighted = [layer for layer in model.layers if layer.weights]
    given = {f"{kind}_{n}": each.get_weights()[kind == "bias"] for n, each in enumerate(weighted) for kind in KINDS}
    np.savez(tmp_path / "in.npz", x=x, eps=EPS, **given)
    peer = Path(__file__).with_name("lirpa_peer.py")
    subprocess.run([PYTHON, peer, tmp_path / "in.npz", tmp_path / "out.npz"], check=True)
    theirs = np.load(tmp_path / "out.npz")

    network = network_of(model)
    known = boxes(network, x - np.float32(EPS), x + np.float32(EPS))
    scale = np.abs(theirs["ibp"]).max()
    for side, mine in enumerate((known[-1].low, known[-1].high)):
        np.testing.assert_allclose(np.asarray(mine), theirs["ibp"][side], atol=1e-4 * scale)
    low, high = _crown(network, known)
    np.testing.assert_allclose(low, theirs["crown"][0], atol=1e-4 * scale)
    np.testing.assert_allclose(high, theirs["crown"][1], atol=1e-4 * scale)


KINDS = ("kernel", "bias")


def _crown(network, known: list[Box]) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the outputs, hidden ones by linear bounds alone: the peer does not cut them to intervals."""
    known = known[:1]
    for place, node in enumerate(network.nodes, 1):
        known.append(node.step.interval(*(known[source] for source in node.sources)))
        behind = network.nodes[place] if place < len(network.nodes) else None
        if behind is None or isinstance(behind.step, Elementwise):
            known[place] = _both(network, known, place)
    return np.asarray(known[-1].low), np.asarray(known[-1].high)


def _both(network, known: list[Box], place: int) -> Box:
    shape = network.shape(place)
    count = int(np.prod(shape))
    ones = np.tile(
        np.eye(count, dtype="float32").reshape(1, count, *shape), (len(known[0].low), *[1] * (len(shape) + 1))
    )
    slopes = ops.convert_to_tensor(np.concatenate([ones, -ones], axis=1))
    found = np.asarray(lower_bounds(network, known, place, slopes, least_in(known[0])))
    low, high = found[:, :count].reshape(-1, *shape), -found[:, count:].reshape(-1, *shape)
    return Box(ops.convert_to_tensor(low), ops.convert_to_tensor(high))
