"""Draws against the published answers of Threefry, and against the distributions they promise."""

import numpy as np
import pytest
from keras import ops
from scipy import stats

from turtlenet import random

# Known answers of Threefry-2x32 with 20 rounds: counter, key, result (Random123, kat_vectors).
ANSWERS = [
    ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
]


@pytest.mark.parametrize(("counter", "key", "result"), ANSWERS)
def test_threefry_gives_the_published_answers(counter, key, result) -> None:
    words = [ops.cast(np.array([word], "uint32"), "uint32") for word in (*key, *counter)]
    assert [int(word[0]) for word in random._threefry(*words)] == list(result)


def test_draws_belong_to_the_example_and_not_to_its_batch() -> None:
    whole = random.uniform(random.keys(7, np.arange(10)), (5, 3))
    some = random.uniform(random.keys(7, np.array([8, 2])), (5, 3))
    assert np.array_equal(np.asarray(whole)[[8, 2]], np.asarray(some))


def test_seeds_indices_and_folds_give_other_draws() -> None:
    keys = random.keys(1, np.arange(4))
    drawn = [
        random.bits(keys, (6,)),
        random.bits(random.keys(2, np.arange(4)), (6,)),
        random.bits(random.keys(1 + 2**32, np.arange(4)), (6,)),
        random.bits(random.fold_in(keys, 0), (6,)),
        random.bits(random.fold_in(keys, 1), (6,)),
    ]
    assert len(np.unique(np.concatenate([np.asarray(words).ravel() for words in drawn]))) == 5 * 4 * 6


def test_distributions() -> None:
    keys = random.keys(3, np.arange(200))
    uniform = np.asarray(random.uniform(keys, (500,), -2.0, 3.0)).ravel()
    normal = np.asarray(random.normal(keys, (500,))).ravel()
    signs = np.asarray(random.rademacher(keys, (500,))).ravel()
    assert uniform.min() >= -2 and uniform.max() < 3
    assert stats.kstest(uniform, "uniform", args=(-2, 5)).pvalue > 1e-3
    assert np.isfinite(normal).all()
    assert stats.kstest(normal, "norm").pvalue > 1e-3
    assert set(np.unique(signs)) == {-1.0, 1.0}
    assert abs(signs.mean()) < 0.02
    neighbors = np.asarray(random.uniform(keys, (500,)))
    assert abs(np.corrcoef(neighbors[:-1].ravel(), neighbors[1:].ravel())[0, 1]) < 0.02


def test_signs_are_fair_and_independent() -> None:
    drawn = np.asarray(random.signs(random.keys(4, np.arange(300)), (7, 11)))
    assert drawn.shape == (300, 7, 11) and drawn.dtype == np.float32 and set(np.unique(drawn)) == {-1.0, 1.0}
    flat = drawn.reshape(300, 77)
    assert abs(flat.mean()) < 4 / np.sqrt(flat.size)
    # No value of an example goes with another, nor with the next example's.
    assert np.abs(np.corrcoef(flat.T) - np.eye(77)).max() < 0.35
    assert abs((flat[1:] * flat[:-1]).mean()) < 4 / np.sqrt(flat.size)


def test_the_ends_of_the_uniform_give_finite_normals(monkeypatch) -> None:
    # One draw in 16 million is the last number below 1: a single infinity makes a whole training NaN.
    ends = np.array([[0.0, 2.0**-24, 0.5, 1 - 2.0**-23, 1 - 2.0**-24]], "float32")
    monkeypatch.setattr(random, "uniform", lambda key, shape: ops.convert_to_tensor(ends))
    found = np.asarray(random.normal(None, (5,)))[0]
    assert np.isfinite(found).all() and (np.diff(found) >= 0).all()
    assert found[0] == pytest.approx(-5.4, abs=0.05) and found[-1] == pytest.approx(5.3, abs=0.1)
