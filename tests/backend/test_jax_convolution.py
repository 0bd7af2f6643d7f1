"""What is JAX's own: convolutions rewritten for a CPU give what XLA's give, without its zeros."""

from typing import Any

import keras
import numpy as np
import pytest

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="the rewriting is JAX's own")

RNG = np.random.default_rng(0)
NAMES = {1: ("NWC", "WIO", "NWC"), 2: ("NHWC", "HWIO", "NHWC"), 3: ("NDHWC", "DHWIO", "NDHWC")}


def traced(size: tuple, kernel: tuple, stride: tuple, padding: str, channels: int) -> Any:
    """A convolution with its gradients at the input and the kernel, traced, and arguments for it."""
    import jax
    from jax import numpy as jnp

    def convolution(x: Any, kernel: Any) -> Any:
        # Inside of functions of its own, as layers and loops have them.
        names = NAMES[len(size)]
        return jax.jit(jax.lax.conv_general_dilated, static_argnums=(2, 3), static_argnames="dimension_numbers")(
            x, kernel, stride, padding, dimension_numbers=names
        )

    def square(x: Any, kernel: Any) -> Any:
        y = jax.lax.cond(jnp.sum(x) > -1e9, convolution, lambda x, kernel: 0 * convolution(x, kernel), x, kernel)
        return jnp.sum(jnp.square(y)), y

    x = RNG.normal(size=(2, *size, channels)).astype("float32")
    args = x, RNG.normal(size=(*kernel, channels, 3)).astype("float32")
    return jax.make_jaxpr(jax.value_and_grad(square, argnums=(0, 1), has_aux=True))(*args), args


CASES = [
    ((9, 8), (5, 6), (2, 3), "VALID", 7),  # Neither the kernel nor the input is a multiple of the stride.
    ((8, 7), (4, 5), (2, 2), "SAME", 8),
    ((2, 3), (5, 6), (1, 3), "SAME", 7),  # The kernel is larger than the image.
    ((9,), (5,), (2,), "VALID", 8),
    ((4, 5, 6), (2, 2, 4), (1, 1, 2), "SAME", 5),
    ((5, 4), (5, 4), (1, 1), "VALID", 3),  # One pixel comes out, and one slope goes in.
]


@pytest.mark.parametrize(("size", "kernel", "stride", "padding", "channels"), CASES)
def test_the_same_numbers_without_zeros(size, kernel, stride, padding, channels):
    import jax
    from jax.extend import core

    from turtlenet.backend.jax_convolution import own_convolutions

    plain, args = traced(size, kernel, stride, padding, channels)
    own = own_convolutions(plain)
    both = jax.jit(lambda *args: (core.jaxpr_as_fun(plain)(*args), core.jaxpr_as_fun(own)(*args)))
    for expected, found in zip(*both(*args), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    # The slow kind is gone, also in the branches of `cond` and in what `jit` calls.
    assert slow(plain) and not slow(own)


def slow(closed: Any) -> bool:
    """Whether XLA is left a convolution with zeros between its pixels, or one whose kernel sees but one pixel."""
    text = str(closed)
    dilated = any(part.partition(")")[0].strip("1, ") for part in text.split("lhs_dilation=(")[1:])
    return dilated or "padding=((4, 4), (3, 3))" in text


def test_a_kernel_as_large_as_what_is_dilated_does_not_cover_it():
    """Of 5x5 pixels, 3x3 with zeros between them, a kernel of 3x3 with a stride of 3 sees a part."""
    import jax

    from turtlenet.backend.jax_convolution import own_convolutions

    x = RNG.normal(size=(2, 3, 3, 5)).astype("float32")
    kernel = RNG.normal(size=(3, 3, 5, 7)).astype("float32")
    plain = jax.make_jaxpr(
        lambda x, kernel: jax.lax.conv_general_dilated(
            x, kernel, (3, 3), ((0, 0), (0, 0)), lhs_dilation=(2, 2), dimension_numbers=NAMES[2]
        )
    )(x, kernel)
    assert plain.out_avals[0].shape == (2, 1, 1, 7) and own_convolutions(plain) is plain


@pytest.mark.parametrize(("kernel", "channels"), [((3, 3), 8), ((5, 5), 4)])
def test_where_zeros_are_cheaper_nothing_changes(kernel, channels):
    from turtlenet.backend.jax_convolution import own_convolutions

    # Three pixels fill four at a stride of 2; few channels fill no vector.
    plain, _ = traced((8, 8), kernel, (2, 2), "SAME", channels)
    assert own_convolutions(plain) is plain
