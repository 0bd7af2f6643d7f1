"""What a key draws: repeatable for ever, and every outcome as likely as another."""

import hashlib
import math
from collections import Counter

import numpy as np
import pytest

from turtlenet.defences import keyed_draws

KEY, SALT = bytes(range(200)), bytes(range(16))


def test_pinned():
    """A model file is worth nothing if its key draws something else one day."""
    assert keyed_draws.permutation(KEY, SALT, "permutation", 12).tolist() == [2, 6, 1, 3, 5, 11, 10, 7, 0, 4, 9, 8]
    assert np.flatnonzero(keyed_draws.half(KEY, SALT, "sign-flip", 12)).tolist() == [0, 1, 3, 8, 9, 11]
    assert keyed_draws.signs(KEY, SALT, "orthogonal", 12).tolist() == [-1, 1, -1, -1, 1, 1, -1, -1, 1, -1, -1, -1]


@pytest.mark.parametrize("size", [1, 2, 3, 784, 5001])
def test_a_permutation_has_everything_once(size):
    assert np.array_equal(np.sort(keyed_draws.permutation(KEY, SALT, "a", size)), np.arange(size))


@pytest.mark.parametrize("size", [1, 2, 3, 784, 785])
def test_a_half_is_a_half(size):
    assert keyed_draws.half(KEY, SALT, "a", size).sum() == size // 2


def test_key_salt_and_label_all_count():
    first = keyed_draws.permutation(KEY, SALT, "a", 100)
    for others in (
        (KEY[:-1] + b"\0", SALT, "a"),
        (b"\1" + KEY[1:], SALT, "a"),
        (KEY + b"\0", SALT, "a"),
        (KEY, SALT[:-1] + b"\0", "a"),
        (KEY, SALT, "b"),
    ):
        assert (keyed_draws.permutation(*others, 100) == first).mean() < 0.1
    assert np.array_equal(keyed_draws.permutation(KEY, SALT, "a", 100), first)


def test_all_permutations_are_equally_likely():
    count = 4800
    seen = Counter(tuple(keyed_draws.permutation(KEY, n.to_bytes(16, "big"), "a", 4)) for n in range(count))
    assert len(seen) == 24
    # The 0.999 quantile of chi squared with 23 degrees of freedom.
    assert sum((each - count / 24) ** 2 / (count / 24) for each in seen.values()) < 49.7


def test_signs_are_fair():
    drawn = keyed_draws.signs(KEY, SALT, "a", 40_000)
    assert set(drawn) == {-1.0, 1.0} and drawn.dtype == np.float32
    assert abs(drawn.mean()) < 4 / math.sqrt(40_000)
    assert abs((drawn[1:] * drawn[:-1]).mean()) < 4 / math.sqrt(40_000)


def test_words_that_would_favor_small_numbers_are_left_out():
    assert keyed_draws._below(3, iter([2**64 - 1, 5])) == 2
    assert keyed_draws._below(3, iter([2**64 - 2, 5])) == 2**64 % 3 + 1
    assert keyed_draws._below(4, iter([2**64 - 1])) == 3


@pytest.mark.parametrize(
    ("draw", "bits"),
    [
        (keyed_draws.permutation, keyed_draws.bits_of_permutation),
        (keyed_draws.half, keyed_draws.bits_of_half),
        (keyed_draws.signs, lambda size: size),
    ],
)
@pytest.mark.parametrize("size", [100, 784, 12_288])
def test_every_piece_of_the_key_is_used(draw, bits, size, monkeypatch):
    """Else a key of log2(n!) bits would not choose among all n! permutations."""
    key = b"k" * (-(-bits(size) // 8))
    real, seen = hashlib.shake_256, []
    monkeypatch.setattr(hashlib, "shake_256", lambda data: seen.append(data) or real(data))
    draw(key, SALT, "a", size)
    blocks = seen[1:]
    assert len(blocks) >= -(-len(key) // 32)
    assert sum(len(block) - len("a") - 1 - 16 - 64 - 8 for block in blocks) >= len(key)


def test_bits():
    for size in (3, 10, 58, 300):
        assert keyed_draws.bits_of_permutation(size) == math.ceil(math.log2(math.factorial(size)))
        assert keyed_draws.bits_of_half(size) == math.ceil(math.log2(math.comb(size, size // 2)))
