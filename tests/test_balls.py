"""Projections, directions and samples of every ball."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from keras import ops
from scipy.optimize import minimize

import turtlenet as tn
from turtlenet import attacks, balls, random
from turtlenet.balls.base import flat
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError, SpecError

NORMS = sorted(balls.BALLS)
RADII = {"linf": 0.2, "l2": 0.7, "l1": 1.5, "l0": 4}
WILD = st.floats(-5, 5, width=32, allow_subnormal=False)


def length(norm: str, delta: np.ndarray) -> np.ndarray:
    """Distances in float64, by NumPy."""
    flat = delta.astype("float64").reshape(len(delta), -1)
    order = {"linf": np.inf, "l2": 2, "l1": 1, "l0": 0}[norm]
    return np.linalg.norm(flat, ord=order, axis=1)


@pytest.mark.parametrize("norm", NORMS)
@settings(max_examples=25, deadline=None)
@given(
    x=arrays("float32", (3, 4, 3, 1), elements=st.floats(0, 1, width=32, allow_subnormal=False)),
    moved=arrays("float32", (3, 4, 3, 1), elements=WILD),
    eps=st.floats(0, 2, width=32),
)
def test_projection_lands_in_the_ball_and_in_the_bounds(norm, x, moved, eps) -> None:
    ball = balls.get(norm, eps)
    found = np.asarray(ball.project(ops.convert_to_tensor(moved), ops.convert_to_tensor(x)))
    assert found.min() >= 0 and found.max() <= 1
    # One float32 ulp of a pixel, for each pixel that counts.
    slack = {"linf": 1, "l2": 4, "l1": 12, "l0": 0}[norm] * np.spacing(np.float32(1))
    assert (length(norm, found - x) <= eps * (1 + 1e-6) + slack).all()


@pytest.mark.parametrize("norm", NORMS)
def test_projection_leaves_what_lies_inside(norm) -> None:
    x = np.full((1, 4, 3, 1), 0.5, "float32")
    moved = x.copy()
    moved[0, 0, 0, 0] += 0.1
    found = balls.get(norm, RADII[norm]).project(ops.convert_to_tensor(moved), ops.convert_to_tensor(x))
    assert np.allclose(found, moved, atol=1e-7)


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_projection_is_the_nearest_point(norm) -> None:
    rng = np.random.default_rng(0)
    delta = rng.normal(size=(1, 6)).astype("float32")
    eps = 0.6
    shrunk = np.asarray(balls.get(norm, eps, (-9.0, 9.0)).project(ops.convert_to_tensor(delta), ops.zeros((1, 6))))[0]
    order = {"l2": 2, "l1": 1}[norm]
    constraint = {"type": "ineq", "fun": lambda z: eps - np.linalg.norm(z, ord=order)}
    best = minimize(
        lambda z: np.sum((z - delta[0].astype(float)) ** 2),
        shrunk.astype(float) * 0.5,
        constraints=[constraint],
        options={"ftol": 1e-12},
    )
    assert np.sum((shrunk - delta[0]) ** 2) <= best.fun + 1e-4


@pytest.mark.parametrize("norm", NORMS)
def test_samples_lie_in_the_ball_and_fill_it(norm) -> None:
    x = np.full((400, 4, 3, 1), 0.5, "float32")
    ball = balls.get(norm, RADII[norm])
    found = np.asarray(ball.sample(ops.convert_to_tensor(x), random.keys(0, np.arange(400))))
    far = length(norm, found - x)
    assert (far <= RADII[norm] * (1 + 1e-5)).all()
    assert far.max() > 0.9 * RADII[norm]
    assert len(np.unique(found.reshape(400, -1), axis=0)) == 400
    assert abs(float((found - x).mean())) < 0.02


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_the_steepest_direction_has_unit_length(norm) -> None:
    slope = np.random.default_rng(0).normal(size=(5, 20, 20, 1)).astype("float32")
    at = np.full_like(slope, 0.5)
    direction = np.asarray(balls.get(norm, 1.0).steepest(ops.convert_to_tensor(slope), ops.convert_to_tensor(at)))
    assert np.allclose(length(norm, direction), 1.0, atol=1e-5)
    assert ((direction * slope).reshape(5, -1).sum(axis=1) > 0).all()


@pytest.mark.parametrize("norm", NORMS)
def test_no_gradient_no_direction(norm) -> None:
    zero = ops.zeros((2, 4, 3, 1))
    assert not np.asarray(balls.get(norm, 1.0).steepest(zero, zero)).any()


def test_tiny_gradients_still_point_somewhere() -> None:
    slope = ops.full((1, 4), 1e-30)
    assert np.allclose(balls.get("l2", 1.0).steepest(slope, ops.zeros((1, 4))), 0.5)


def test_a_sparse_step_goes_to_pixels_that_can_move() -> None:
    slope = ops.convert_to_tensor(np.array([[3.0, 2.0, -5.0, 1.0]], "float32"))
    at = ops.convert_to_tensor(np.array([[1.0, 0.5, 0.0, 0.5]], "float32"))
    assert np.array_equal(np.asarray(balls.get("l1", 1.0).steepest(slope, at)), [[0, 1, 0, 0]])


@pytest.mark.parametrize("norm", NORMS)
def test_distances(norm) -> None:
    x = np.random.default_rng(1).uniform(size=(4, 4, 3, 1)).astype("float32")
    moved = np.where(np.arange(12).reshape(1, 4, 3, 1) < 5, x, np.flip(x, axis=1)).astype("float32")
    found = balls.get(norm, 1.0).distance(ops.convert_to_tensor(moved), ops.convert_to_tensor(x))
    assert np.allclose(found, length(norm, moved - x), rtol=1e-5)


@pytest.mark.parametrize("eps", [-0.1, float("nan"), float("inf")])
def test_a_radius_that_is_none(eps) -> None:
    with pytest.raises(SettingError, match="Expected eps >= 0"):
        balls.get("linf", eps)


def test_names() -> None:
    assert isinstance(balls.get("inf", 0.1), balls.Linf)
    with pytest.raises(SpecError, match="Did you mean 'linf'"):
        balls.get("lin", 0.1)
    with pytest.raises(SettingError, match="low < high"):
        balls.get("l2", 0.1, (1.0, 0.0))


@pytest.fixture
def l4() -> Iterator[type[balls.Ball]]:
    """A ball of another norm: all that turtlenet must be told of one."""

    @balls.register("4")
    class L4(balls.Ball):
        norm, order, usual = "l4", 4, (0.6, 0.1)

        def span(self, size: int) -> float:
            return float(size**0.25)

        def _shrink(self, delta: Any) -> Any:
            length = ops.reshape(self.distance(delta, 0.0), (-1,) + (1,) * (len(delta.shape) - 1))
            return delta * ops.minimum(1.0, self.eps / ops.maximum(length, 1e-12))

        def steepest(self, gradient: Any, at: Any) -> Any:
            steep = ops.sign(gradient) * ops.abs(gradient) ** (1 / 3)
            length = ops.reshape(self.distance(steep, 0.0), (-1,) + (1,) * (len(steep.shape) - 1))
            return steep / ops.maximum(length, 1e-12)

        def sample(self, x: Any, key: Any) -> Any:
            return self.project(x + self.eps * random.uniform(key, x.shape[1:], -1.0, 1.0), x)

        def distance(self, moved: Any, x: Any) -> Any:
            return ops.sum(ops.abs(flat(moved - x)) ** 4, axis=1) ** 0.25

    yield L4
    del balls.BALLS["l4"]


def test_another_norm_is_one_ball(l4, linear) -> None:
    x, y = np.full((4, 6), 0.5, "float32"), np.array([0, 1, 2, 0])
    found = np.asarray(attacks.build("fgsm:restarts=1")(linear, x, y, ball=balls.get("4", 0.1)))
    assert np.allclose(np.linalg.norm(found - x, ord=4, axis=1), 0.1, atol=1e-6)
    right = linear.predict(x).argmax(axis=1)
    report = tn.evaluate(
        linear.model, (x, right), attacks=["fgsm", "pgd:steps=5", "noise"], norm="l4", eps=0.6, head="logits"
    )
    assert report.threat["norm"] == "l4"
    assert report.robust_accuracy < report.clean_accuracy == 1


def test_a_norm_is_taken_once(l4) -> None:
    with pytest.raises(SpecError, match="Expected a new norm; 'l4' already stands for"):
        balls.register()(type("Other", (l4,), {}))


@pytest.mark.parametrize(("high", "words"), [(-1.0, "Expected bounds low < high"), (np.inf, "Expected finite bounds")])
def test_bounds_are_refused_for_what_is_wrong_with_them(high, words) -> None:
    with pytest.raises(SettingError, match=words):
        balls.get("linf", 0.1, (0.0, high))
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    with pytest.raises(SettingError, match=words):
        Classifier(model, bounds=(0.0, high))
