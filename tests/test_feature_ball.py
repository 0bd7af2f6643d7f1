"""Balls in which each feature has bounds, a radius and freedom of its own."""

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from keras import ops

from turtlenet import balls, random
from turtlenet.balls import BALLS, FeatureBall, Rule, Space
from turtlenet.constraints import build

NORMS = sorted(name for name in BALLS if name != "l4")
LOW, HIGH = np.array([0.0, -1000.0, 0.1, 0.0, -3.0]), np.array([1.0, 1000.0, 0.3, 7.0, -1.0])
UNIT = np.array([0.1, 33.3, 0.01, 0.0, 0.7])
KEYS = random.keys(0, np.arange(4))


def made(norm: str, eps: float = 1.0, rules=(), unit=UNIT) -> FeatureBall:
    unit = np.where(unit > 0, 1.0, 0.0) if norm == "l0" else unit
    return FeatureBall(eps, -1000.0, 1000.0, BALLS[norm], Space((5,), LOW, HIGH, unit, rules))


def inputs(share: np.ndarray) -> np.ndarray:
    """Inputs within the bounds from shares of them."""
    low, high = made("linf").space.box
    return np.clip((LOW + share * (HIGH - LOW)).astype("float32"), low, high)


@pytest.mark.parametrize("norm", NORMS)
@settings(max_examples=15, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(
    # Kernels flush what is next to nothing to 0.
    share=arrays("float64", (4, 5), elements=st.integers(0, 1000).map(lambda part: part / 1000)),
    point=arrays("float32", (4, 5), elements=st.floats(-2000, 2000, width=32, allow_subnormal=False)),
    eps=st.sampled_from((0.0, 0.25, 1.0, 2.0)),
)
def test_what_lands_is_within_radius_and_bounds_exactly(norm, share, point, eps) -> None:
    ball, x = made(norm, eps), inputs(share)
    found = np.asarray(ball.land(ops.convert_to_tensor(point), ops.convert_to_tensor(x)))
    wide = found.astype("float64")
    assert ((wide >= LOW) & (wide <= HIGH)).all() and np.array_equal(found[:, 3], x[:, 3])
    assert ball.holds(found, x).all()
    if norm == "linf":
        assert (np.abs(wide - x) <= eps * UNIT).all()
    # A sum of rounded moves: an ulp of each feature, in its unit.
    slack = 0 if norm in ("linf", "l0") else 2e-3
    assert (ball.length(found, x) <= eps + slack).all()
    assert np.array_equal(np.asarray(ball.land(ops.convert_to_tensor(x), ops.convert_to_tensor(x))), x)


@pytest.mark.parametrize("norm", NORMS)
def test_it_is_the_plain_ball_in_units_of_each_feature(norm) -> None:
    draw = np.random.default_rng(0)
    unit = np.array([0.5, 2.0, 4.0, 0.25, 8.0])
    wide = np.full(5, 64.0)
    ball = FeatureBall(1.0, -64.0, 64.0, BALLS[norm], Space((5,), -wide, wide, np.ones(5) if norm == "l0" else unit))
    plain = balls.get(norm, 1.0, (-64.0, 64.0))
    scale = 1.0 if norm == "l0" else unit.astype("float32")
    x, gradient = draw.normal(size=(2, 3, 5)).astype("float32")
    point = x + draw.normal(size=(3, 5)).astype("float32") * scale
    same = [
        (ball.project(point, x), np.asarray(plain.project(point / scale, x / scale)) * scale),
        (ball.distance(point, x), plain.distance(point / scale, x / scale)),
        (ball.length(point, x), plain.length(point / scale, x / scale)),
        (ball.decode(ball.encode(point)), point),
    ]
    if norm != "l0":
        same.append((ball.steepest(gradient, x), np.asarray(plain.steepest(gradient * scale, x / scale)) * scale))
    for one, other in same:
        assert np.allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("norm", NORMS)
def test_draws_lie_within_and_what_is_held_stays(norm) -> None:
    x = inputs(np.random.default_rng(1).uniform(size=(4, 5)))
    ball = made(norm, 2.0 if norm == "l0" else 1.0)
    drawn = np.asarray(ball.sample(ops.convert_to_tensor(x), KEYS))
    assert (drawn != x).any() and np.array_equal(drawn[:, 3], x[:, 3])
    assert (ball.length(drawn, x) <= ball.eps + 1e-3).all()


def test_a_rule_that_leads_out_of_the_ball_comes_back_into_it() -> None:
    """Rounding up each count is farther than the radius: some of the way back it is not."""
    whole = Rule(build("integer"), (0, 1, 2))
    space = Space((3,), np.zeros(3), np.full(3, 9.0), np.ones(3), (whole,))
    ball = FeatureBall(1.5, 0.0, 9.0, BALLS["l2"], space)
    x = np.array([[3, 3, 3]], "float32")
    ahead = x + np.array([0.9, 0.8, 0.7], "float32")
    found = np.asarray(ball.land(ops.convert_to_tensor(ahead), ops.convert_to_tensor(x)))
    assert ball.holds(found, x).all() and 0 < ball.length(found, x)[0] <= 1.5


def test_radii_that_are_all_the_same_are_one_radius() -> None:
    assert made("linf") == made("linf") and hash(made("l2")) == hash(made("l2"))
    assert made("linf") != made("linf", unit=UNIT * 2) and made("linf") != made(
        "linf", rules=(Rule(build("fixed"), (0,)),)
    )
    inner, free = made("linf").inner, [0, 1, 2, 4]
    assert np.allclose((inner.space.high - inner.space.low)[free], ((HIGH - LOW) / UNIT.clip(1e-9))[free])
