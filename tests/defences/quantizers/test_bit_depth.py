"""Bit depth: its formula, its levels, its attacker."""

import numpy as np
import pytest
from keras import ops

from turtlenet import gradient_mode
from turtlenet.defences import BitDepth
from turtlenet.errors import SettingError


@pytest.mark.parametrize("bits", [1, 3, 8])
def test_it_rounds_as_numpy_does(bits) -> None:
    x = np.concatenate([np.random.default_rng(0).uniform(size=50), np.arange(9) / 8]).astype("float32")[None]
    wanted = np.rint(x * (2**bits - 1)) / (2**bits - 1)
    np.testing.assert_allclose(ops.convert_to_numpy(BitDepth(bits=bits)(x)), wanted, atol=1e-7)
    wide = ops.convert_to_numpy(BitDepth(bits=bits, low=0.0, high=255.0)(x * 255))
    assert np.abs(wide - wanted * 255).mean() < 1e-4 or bits == 8


def test_its_levels_are_what_it_gives() -> None:
    low = ops.convert_to_tensor(np.float32([[0.1, 0.4, 0.7, 0.9]]))
    known = BitDepth(bits=2).reachable(low, low + 0.1)
    np.testing.assert_allclose(np.array([float(each) for each in known.levels]), np.arange(4) / 3, atol=1e-7)
    np.testing.assert_allclose(ops.convert_to_numpy(known.highest), [[1 / 3, 2 / 3, 2 / 3, 1.0]], atol=1e-7)


def test_an_attacker_goes_straight_through() -> None:
    x = ops.convert_to_tensor(np.float32([[0.2, 0.6]]))
    layer = BitDepth(bits=1)
    with gradient_mode.taken("adaptive"):
        np.testing.assert_array_equal(ops.convert_to_numpy(layer(x)), [[0.0, 1.0]])
    assert layer.surrogate(x) is x and layer.masks


@pytest.mark.parametrize("bits", [0, 9])
def test_bad_bits(bits) -> None:
    with pytest.raises(SettingError, match=f"^Expected bits from 1 to 8; got {bits}.$"):
        BitDepth(bits=bits)
