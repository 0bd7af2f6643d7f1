"""Permutations, halves and signs that a secret key draws: the same everywhere, and without the key any."""

import hashlib
import itertools
import math
from collections.abc import Iterator

import numpy as np

_BLOCK = 32


def bits_of_permutation(size: int) -> int:
    """How many bits tell one permutation of so many things from all others: log2(size!), rounded up."""
    return math.ceil(math.lgamma(size + 1) / math.log(2))


def bits_of_half(size: int) -> int:
    """How many bits tell one half of so many things from all others, rounded up."""
    chosen = size // 2
    ways = math.lgamma(size + 1) - math.lgamma(chosen + 1) - math.lgamma(size - chosen + 1)
    return math.ceil(ways / math.log(2))


def permutation(key: bytes, salt: bytes, label: str, size: int) -> np.ndarray:
    """A permutation of 0 to size - 1, all equally likely (Fisher and Yates; Durstenfeld, 1964).

    Args:
        key: The secret.
        salt: 16 public bytes.
        label: What it is for; with another salt or label the same key draws another one.
        size: How many things there are.
    """
    words = (
        int.from_bytes(block[begin : begin + 8], "big")
        for block in _blocks(key, salt, label)
        for begin in range(0, _BLOCK, 8)
    )
    order = list(range(size))
    for last in range(size - 1, 0, -1):
        other = _below(last + 1, words)
        order[last], order[other] = order[other], order[last]
    return np.array(order, "int32")


def half(key: bytes, salt: bytes, label: str, size: int) -> np.ndarray:
    """Booleans, of which half are true (rounded down), every choice equally likely; arguments as for `permutation`."""
    chosen = np.zeros(size, bool)
    chosen[permutation(key, salt, label, size)[: size // 2]] = True
    return chosen


def signs(key: bytes, salt: bytes, label: str, size: int) -> np.ndarray:
    """Signs -1 and 1 as float32, each a bit of its own; arguments as for `permutation`."""
    count = -(-size // (8 * _BLOCK))
    drawn = b"".join(itertools.islice(_blocks(key, salt, label), count))
    return 2 * np.unpackbits(np.frombuffer(drawn, "uint8"))[:size].astype("float32") - 1


def _below(bound: int, words: Iterator[int]) -> int:
    """The next number below a bound, all equally likely, from words of 64 bits."""
    # Of the words above the largest multiple of the bound a remainder would take some numbers more often.
    whole = 2**64 - 2**64 % bound
    return next(word for word in words if word < whole) % bound


def _blocks(key: bytes, salt: bytes, label: str) -> Iterator[bytes]:
    """Blocks without an end, each as long as the piece of the key that it is made of."""
    # One sponge for all would remember its 1,600 bits of a longer key, and reach so many permutations only.
    pieces = [key[begin : begin + _BLOCK] for begin in range(0, len(key), _BLOCK)]
    prefix = label.encode() + b"\0" + salt + hashlib.shake_256(b"turtlenet key\0" + key).digest(64)
    for number in itertools.count():
        piece = pieces[number % len(pieces)]
        yield hashlib.shake_256(prefix + number.to_bytes(8, "big") + piece).digest(_BLOCK)
