"""Intervals and distances against known values."""

import numpy as np
import pytest

from turtlenet.reports.statistics import distances, interval, similarity


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    # Wilson (1927), worked out by hand from (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n), z = 1.959964.
    [(50, 100, 0.403832, 0.596168), (0, 10, 0.0, 0.277533), (10, 10, 0.722467, 1.0), (861, 1000, 0.838178, 0.881067)],
)
def test_wilson_intervals(hits, count, low, high) -> None:
    assert np.allclose(interval(hits, count), (low, high), atol=2e-6)


def test_nothing_counted_says_nothing() -> None:
    assert interval(0, 0) == (0.0, 1.0)


def test_distances() -> None:
    x = np.zeros((2, 2, 2, 1), "float32")
    moved = x.copy()
    moved[0, 0, 0, 0], moved[0, 1, 1, 0] = 0.3, -0.4
    found = distances(x, moved, 1.0)
    assert np.allclose(found["linf"], [0.4, 0]) and np.allclose(found["l2"], [0.5, 0])
    assert np.allclose(found["l1"], [0.7, 0]) and np.allclose(found["l0"], [2, 0])
    assert np.isclose(found["psnr"][0], 10 * np.log10(4 / 0.25)) and np.isinf(found["psnr"][1])
    assert np.isclose(distances(x * 255, moved * 255, 255.0)["psnr"][0], found["psnr"][0], atol=1e-5)


def test_similarity() -> None:
    x = np.random.default_rng(0).uniform(size=(3, 12, 12, 3)).astype("float32")
    found = similarity(x, np.stack([x[0], 1 - x[1], np.clip(x[2] + 0.02, 0, 1)]), 1.0)
    assert np.isclose(found[0], 1) and found[1] < 0 and 0.9 < found[2] < 1
    assert np.isnan(similarity(x[:, :4], x[:, :4], 1.0)).all()
    assert np.isnan(similarity(x.reshape(3, -1), x.reshape(3, -1), 1.0)).all()
