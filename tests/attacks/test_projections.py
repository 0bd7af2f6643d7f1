"""Nearest points under two conditions, beside slow and plain NumPy."""

import numpy as np
import pytest

from turtlenet.attacks.projections import onto_l1, onto_plane

SIZE = 96


def draw(seed: int, count: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Inputs within [0, 1], a third of their pixels at a bound, and points far from them."""
    rng = np.random.default_rng(seed)
    x = np.clip(rng.uniform(-0.2, 1.2, (count, SIZE)), 0, 1).astype("float32")
    return x, (x + rng.normal(size=x.shape)).astype("float32")


@pytest.mark.parametrize("eps", [0.05, 1.0, 8.0, 200.0])
def test_onto_the_ball_and_the_bounds(eps) -> None:
    x, moved = draw(0)
    found = np.asarray(onto_l1(moved, x, eps, 0.0, 1.0))
    wish, room = (moved - x).astype("float64"), np.where(moved > x, 1.0 - x, x)
    few, many = np.zeros((len(x), 1)), np.abs(wish).max(axis=1, keepdims=True)
    for _ in range(60):
        half = (few + many) / 2
        over = np.clip(np.abs(wish) - half, 0, room).sum(axis=1, keepdims=True) > eps
        few, many = np.where(over, half, few), np.where(over, many, half)
    near = np.clip(np.abs(wish) - many, 0, room)
    near = np.where(
        np.minimum(np.abs(wish), room).sum(axis=1, keepdims=True) <= eps, np.clip(np.abs(wish), 0, room), near
    )
    assert np.allclose(found, x + np.sign(wish) * near, atol=2e-6)
    assert np.abs(found - x).sum(axis=1).max() <= eps * (1 + 1e-5)
    # What does not move is the input itself: attacks count the pixels that changed.
    assert np.array_equal(found[near == 0], x[near == 0]) and ((near == 0).any() or eps == 200.0)


def test_a_point_of_the_ball_stays(eps: float = 4.0) -> None:
    x, moved = draw(1)
    inside = np.clip(x + 0.01 * (moved - x), 0, 1)
    assert (np.abs(inside - x).sum(axis=1) < eps).all()
    assert np.allclose(onto_l1(inside, x, eps, 0.0, 1.0), inside, atol=1e-7)


def test_onto_a_plane_in_l1_the_dearest_pixels_go_first() -> None:
    x, slope = draw(2)
    # From what the first pixel alone can do, over what needs many, to what is out of reach.
    gap = np.array([0.1, -0.1, 0.5, 1, -2, 5, 10, -20, 30, 60, 200, 0], "float32")
    slope[:, ::7] = 0
    slope[:, 1] = slope[:, 2]
    way = np.asarray(onto_plane(x, slope, gap, norm="l1", low=0.0, high=1.0))
    assert (x + way >= -1e-6).all() and (x + way <= 1 + 1e-6).all()
    for row in range(len(x)):
        up = np.sign(slope[row]) * np.sign(gap[row])
        room, left, cost = np.where(up > 0, 1 - x[row], x[row]).astype("float64"), abs(float(gap[row])), 0.0
        for pixel in np.argsort(-np.abs(slope[row])):
            weight = abs(float(slope[row, pixel]))
            step = min(room[pixel], left / weight) if weight else 0.0
            left, cost = left - weight * step, cost + step
        assert np.abs(way[row]).sum() == pytest.approx(cost, rel=1e-4, abs=1e-6)
        assert way[row] @ slope[row] == pytest.approx(np.sign(gap[row]) * (abs(gap[row]) - left), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_onto_a_plane_all_go_as_far_as_they_may(norm) -> None:
    x, slope = draw(3)
    gap = np.array([0.1, -0.1, 0.5, 1, -2, 5, 8, -8, 10, 12, 1e4, 0], "float32")
    way = np.asarray(onto_plane(x, slope, gap, norm=norm, low=0.0, high=1.0))
    assert (x + way >= -1e-6).all() and (x + way <= 1 + 1e-6).all()
    assert np.allclose((way * slope).sum(axis=1)[:10], gap[:10], rtol=1e-4)
    room = np.where(slope * gap[:, None] > 0, 1 - x, x)
    pace = np.abs(way) / (1.0 if norm == "linf" else np.maximum(np.abs(slope), 1e-12))
    free = np.abs(way) < room - 1e-6
    # Those that are not at their bound go by one pace, and the others would go no slower.
    for row in range(10):
        assert np.ptp(pace[row][free[row]]) <= 1e-4 * max(pace[row].max(), 1e-6)
    assert np.allclose(way[10], np.sign(slope[10]) * room[10], atol=1e-6) and not way[11].any()
