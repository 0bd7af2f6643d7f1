"""Linear bounds: sound, never looser than intervals, and tightened by their slopes."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keras import ops

from tests.certification.nets import CLASSES, NETS, classifier, images, net, points
from turtlenet import balls
from turtlenet.certification import network_of
from turtlenet.certification.crown import Bounder
from turtlenet.certification.interval import boxes, differences, folded
from turtlenet.certification.linear import least_in, lower_bounds
from turtlenet.certification.region import first_boxes, least_within, region_of


def _check(name: str, seed: int, eps: float, norm: str, tries: int = 40) -> None:
    """Bounds of a drawn net in a drawn ball against points of that ball."""
    model, x = net(name, seed), images(name, 2, seed + 1)
    network, y = network_of(model), np.array([seed % CLASSES, (seed + 1) % CLASSES], "int32")
    ball = balls.get(norm, eps)
    region = region_of(ball, x)
    known = boxes(network, region.low, region.high, first_boxes(network, region, ball.order))
    slopes, others = differences(y, CLASSES)
    least = least_within(region, ball.order)
    plain = np.asarray(folded(network, known, y))
    linear = np.asarray(lower_bounds(network, known, len(network.nodes), slopes, least) * others)
    tried = np.stack([np.asarray(ball.project(each, x)) for each in points(region.low, region.high, tries, seed)])
    logits = np.asarray(model(tried.reshape(-1, *x.shape[1:]), training=False)).reshape(tries, 2, CLASSES)
    true = np.take_along_axis(logits, y[None, :, None], axis=2) - logits
    assert (true >= plain).all()
    assert (true >= linear).all()


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_no_sampled_point_leaves_the_bounds(name: str, norm: str) -> None:
    _check(name, 0, {"linf": 0.1, "l2": 0.4}[norm], norm)


drawn = given(
    name=st.sampled_from(sorted(NETS)),
    seed=st.integers(0, 10_000),
    eps=st.sampled_from([0.0, 0.003, 0.03, 0.2, 0.7]),
    norm=st.sampled_from(["linf", "l2", "l1"]),
)
calm = {"deadline": None, "suppress_health_check": list(HealthCheck), "derandomize": True}


@settings(max_examples=15, **calm)
@drawn
def test_bounds_hold_for_drawn_nets(name: str, seed: int, eps: float, norm: str) -> None:
    _check(name, seed, eps, norm)


@pytest.mark.slow
@settings(max_examples=2000, **calm)
@drawn
def test_bounds_hold_for_thousands_of_drawn_nets(name: str, seed: int, eps: float, norm: str) -> None:
    _check(name, seed, eps, norm)


@pytest.mark.parametrize(
    ("norm", "eps"),
    [("linf", 0.1), *(pytest.param(*each, marks=pytest.mark.slow) for each in (("l2", 0.3), ("l1", 0.5)))],
)
def test_linear_bounds_are_no_looser_and_slopes_help(norm: str, eps: float) -> None:
    """At the last layer of the test net: intervals <= CROWN <= alpha <= any point."""
    model, x, ball = classifier("dense", 3), images("dense", 8), balls.get(norm, eps)
    y = model.predict(x).argmax(axis=1).astype("int32")
    bounder, region = Bounder(model, ball.order, steps=10), region_of(ball, x)
    known = bounder.hidden(region)
    plain, linear, best = bounder.interval(region, y), bounder.crown(region, y, known), bounder.alpha(region, y, known)
    assert (linear >= plain).all()
    assert (best >= linear).all()
    assert (best > linear + 1e-4).any()
    logits = model.predict(np.asarray(ball.project(points(region.low, region.high, 1)[0], x)))
    assert (np.take_along_axis(logits, y[:, None], axis=1) - logits >= best).all()


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_a_linear_net_is_bounded_exactly(norm: str) -> None:
    """By the dual norm of the differences of its rows, where the bounds of pixels are far."""
    model, x, ball = net("linear"), images("linear") + 5, balls.get(norm, 0.2, (0, 10))
    network, region, y = network_of(model), region_of(ball, x), np.zeros(3, "int32")
    known = boxes(network, region.low, region.high)
    slopes, _ = differences(y, CLASSES)
    found = np.asarray(lower_bounds(network, known, 1, slopes, least_within(region, ball.order)))
    kernel, bias = (np.asarray(weight, "float64") for weight in model.get_weights())
    rows = kernel[:, :1] - kernel
    dual = {"linf": 1, "l2": 2, "l1": math.inf}[norm]
    exact = x @ rows + bias[0] - bias - 0.2 * np.linalg.norm(rows, dual, axis=0)
    np.testing.assert_allclose(found, exact, atol=2e-4)


def test_balls_are_cut_to_the_bounds() -> None:
    """An L1 ball in a corner: only two values have room, 0.1 and 0.3."""
    region = region_of(balls.get("l1", 1.0), np.array([[0.1, 0.3]], "float32"))
    slopes = ops.convert_to_tensor(np.array([[[1.0, 2.0]]], "float32"))
    assert float(least_within(region, 1)(slopes)[0, 0]) == pytest.approx(0.0, abs=1e-5)
    near = region_of(balls.get("l1", 0.35), np.array([[0.1, 0.3]], "float32"))
    # The steeper one first: 0.3 of 0.35, then 0.05 of the other.
    assert float(least_within(near, 1)(slopes)[0, 0]) == pytest.approx(0.7 - 0.6 - 0.05, abs=1e-4)


def test_a_box_ends_at_its_corner() -> None:
    network = network_of(net("linear"))
    box = boxes(network, np.array([[0, 0, 0, 0, 0.0]], "float32"), np.array([[1, 1, 1, 1, 1.0]], "float32"))[0]
    slopes = ops.convert_to_tensor(np.array([[[1.0, -2.0, 3.0, -4.0, 0.0]]], "float32"))
    assert float(least_in(box)(slopes)[0, 0]) == pytest.approx(-6.0, abs=1e-4)
