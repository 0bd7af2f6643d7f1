"""What every registered attack keeps where features have bounds, radii and rules of their own."""

import contextlib
import dataclasses

import keras
import numpy as np
import pytest
from keras.config import backend

from tests.attacks import test_contract as usual
from turtlenet import attacks
from turtlenet.attacks import attacks as family
from turtlenet.attacks.runner import attack_all
from turtlenet.balls import BALLS, FeatureBall, Rule, Space
from turtlenet.classifier import Classifier
from turtlenet.constraints import build

# What takes images alone, or a file of one range; and what is an alike of another, for `make test-slow`.
NOT_HERE = {"advgan", "spatial", "universal"}
NAMES = [name for name in usual.NAMES if name not in NOT_HERE]
EACH = [pytest.param(name, marks=[pytest.mark.slow] * (name in usual.ALIKE)) for name in NAMES]
RADII = {"linf": 1.0, "l2": 1.5, "l1": 2.5, "l0": 3.0}
LOW = np.array([0.0, -1.0, 0, 0, 0, 0, 0, -5.0])
HIGH = np.array([100.0, 1.0, 1, 1, 1, 20, 20, 5.0])
UNIT = np.array([5.0, 0.2, 1, 1, 1, 2, 3, 0.0])
"""A table of eight: two reals, a category, two counts of which one only grows, and a feature of radius 0."""
RULES = tuple(
    Rule(build(f"{name}:features=({';'.join(map(str, places))})"), places)
    for name, places in (("one-hot", (2, 3, 4)), ("integer", (5, 6)), ("grow", (5,)))
)


@contextlib.contextmanager
def eager():
    """Without compiling anything: the promises are the same, and graphs of all attacks would take minutes."""
    if backend() == "tensorflow":
        import tensorflow as tf

        tf.config.run_functions_eagerly(True)
        try:
            yield
        finally:
            tf.config.run_functions_eagerly(False)
    else:
        import jax

        with jax.disable_jit():
            yield


def ball(norm: str, *, unit=UNIT, rules=RULES) -> FeatureBall:
    unit = np.where(unit > 0, 1.0, 0.0) if norm == "l0" else unit
    return FeatureBall(RADII[norm], -5.0, 100.0, BALLS[norm], Space((8,), LOW, HIGH, unit, rules))


@pytest.fixture(scope="module")
def table() -> tuple[Classifier, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    network = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    network.layers[0].set_weights([draw.normal(size=(8, 4)) / (HIGH - LOW)[:, None] * 4, np.zeros(4)])
    model = Classifier(network, bounds=(-5.0, 100.0))
    x = np.stack(
        [
            draw.uniform(0, 100, 8),
            draw.uniform(-1, 1, 8),
            *np.eye(3)[draw.integers(0, 3, 8)].T,
            draw.integers(0, 20, 8),
            draw.integers(0, 20, 8),
            draw.uniform(-5, 5, 8),
        ],
        axis=1,
    ).astype("float32")
    return model, x, model.predict(x).argmax(axis=1).astype("int32")


def attack_of(name: str) -> attacks.Attack:
    few = {"transfer": {"source": elsewhere()}} if name == "transfer" else {}
    return usual.build(name, **few.get(name, {}))


def elsewhere() -> str:
    import functools
    import tempfile
    from pathlib import Path

    from turtlenet.models import save

    path = Path(tempfile.mkdtemp()) / "elsewhere.h5"
    other = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    save(other, path)
    return str(path)


@pytest.mark.parametrize("name", EACH)
def test_radii_bounds_and_rules_hold(name, table) -> None:
    model, x, y = table
    attack = attack_of(name)
    norm = "linf" if name in usual.COMBINED else attack.norms[0]
    threat = ball(norm)
    with eager():
        found = attack.run(model, x, y, ball=threat, seed=1)
        moved = np.asarray(found.x)
        nothing = np.asarray(attack.run(model, x, y, ball=threat.with_eps(0.0)).x)
    assert np.array_equal(nothing, x)
    assert moved.dtype == np.float32 and threat.holds(moved, x).all()
    assert (threat.length(moved, x) <= threat.eps * (1 + 1e-5)).all()
    wide = moved.astype("float64")
    assert (wide >= LOW).all() and (wide <= HIGH).all()
    assert np.array_equal(moved[:, 7], x[:, 7])
    assert (np.sort(moved[:, 2:5]) == [0, 0, 1]).all() and (moved[:, 5:7] == np.rint(moved[:, 5:7])).all()
    assert (moved[:, 5] >= x[:, 5]).all()
    if norm == "linf":
        assert (np.abs(wide - x)[:, :7] <= UNIT[:7]).all()
    logits = model.predict(moved)
    assert np.allclose(logits, found.logits, atol=1e-4)
    assert np.array_equal(np.asarray(found.reached), logits.argmax(axis=1) != y) or attack.targeted
    assert (moved != x).any() or attack.minimal
