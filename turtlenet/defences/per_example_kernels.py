"""What layers with kernels do with them: one kernel for all examples, or one for each."""

import math
from typing import Any

import numpy as np
from keras import ops


class Multiplied:
    """What a `Dense` layer does with its kernel."""

    kernels: tuple[str, ...] = ("kernel",)
    constraints: tuple[str, ...] = ("kernel_constraint",)

    def product(self: Any, x: Any, kernel: Any) -> Any:
        """One kernel (in, out) for all examples."""
        return ops.matmul(x, kernel)

    def each_product(self: Any, x: Any, kernels: Any) -> Any:
        """A kernel of its own for each example: (batch, in, out)."""
        return ops.einsum("b...i,bio->b...o", x, kernels)

    def shaped_bias(self: Any) -> Any:
        """The bias, to be added to the product."""
        return self.bias


class Convolved:
    """What a convolutional layer, of any rank, does with its kernel."""

    kernels: tuple[str, ...] = ("kernel",)
    constraints: tuple[str, ...] = ("kernel_constraint",)

    def product(self: Any, x: Any, kernel: Any) -> Any:
        """One kernel (*size, channels, filters) for all examples."""
        return self._convolved(x, kernel, self.data_format)

    def each_product(self: Any, x: Any, kernels: Any) -> Any:
        """A kernel of its own for each example: (batch, *size, channels / groups, filters).

        No framework convolves so on every device. So all patches are cut out first, by a convolution with the
        identity; then it is a matrix product for each example.
        """
        first = self.data_format == "channels_first"
        x = ops.moveaxis(x, 1, -1) if first else x
        batch, channels, taps, groups = ops.shape(x)[0], x.shape[-1], math.prod(self.kernel_size), self.groups
        identity = np.eye(taps * channels).reshape((*self.kernel_size, channels, -1))
        patches = self._convolved(x, ops.cast(identity, x.dtype), "channels_last")
        cut = ops.reshape(patches, (batch, -1, taps, groups, channels // groups))
        shape = (batch, taps, channels // groups, groups, self.filters // groups)
        flat = ops.einsum("bntgc,btcgf->bngf", cut, ops.reshape(kernels, shape))
        outputs = ops.reshape(flat, (*ops.shape(patches)[:-1], self.filters))
        return ops.moveaxis(outputs, -1, 1) if first else outputs

    def shaped_bias(self: Any) -> Any:
        """The bias, to be added to the product."""
        first = self.data_format == "channels_first"
        return ops.reshape(self.bias, (1, -1) + (1,) * self.rank) if first else self.bias

    def _convolved(self: Any, x: Any, kernel: Any, data_format: str) -> Any:
        padding = self.padding
        if padding == "causal":
            left = self.dilation_rate[0] * (self.kernel_size[0] - 1)
            width = [[0, 0], [left, 0], [0, 0]] if data_format == "channels_last" else [[0, 0], [0, 0], [left, 0]]
            x, padding = ops.pad(x, width), "valid"
        return ops.conv(
            x,
            kernel,
            strides=list(self.strides),
            padding=padding,
            data_format=data_format,
            dilation_rate=self.dilation_rate,
        )


class Depthwise(Convolved):
    """What a depthwise convolution, of any rank, does with its kernel: a channel does not see the others."""

    constraints: tuple[str, ...] = ("depthwise_constraint",)

    def product(self: Any, x: Any, kernel: Any) -> Any:
        """One kernel (*size, channels, multiplier) for all examples."""
        return self._apart(x, kernel, self.data_format)

    def each_product(self: Any, x: Any, kernels: Any) -> Any:
        """A kernel of its own for each example: (batch, *size, channels, multiplier)."""
        first = self.data_format == "channels_first"
        outputs = self._each_apart(ops.moveaxis(x, 1, -1) if first else x, kernels)
        return ops.moveaxis(outputs, -1, 1) if first else outputs

    def _apart(self: Any, x: Any, kernel: Any, data_format: str) -> Any:
        return ops.depthwise_conv(
            x,
            kernel,
            strides=self.strides,
            padding=self.padding,
            data_format=data_format,
            dilation_rate=self.dilation_rate,
        )

    def _each_apart(self: Any, x: Any, kernels: Any) -> Any:
        """Cuts out all patches by the identity, as `Convolved` does; channels come last."""
        batch, channels, taps = ops.shape(x)[0], x.shape[-1], math.prod(self.kernel_size)
        identity = np.tile(np.eye(taps).reshape((*self.kernel_size, 1, taps)), (channels, 1))
        patches = self._apart(x, ops.cast(identity, x.dtype), "channels_last")
        cut = ops.reshape(patches, (batch, -1, channels, taps))
        flat = ops.einsum("bnct,btcm->bncm", cut, ops.reshape(kernels, (batch, taps, channels, self.depth_multiplier)))
        return ops.reshape(flat, (*ops.shape(patches)[:-1], channels * self.depth_multiplier))


class Separable(Depthwise):
    """What a separable convolution, of any rank, does with its two kernels: the pointwise one mixes the channels."""

    kernels: tuple[str, ...] = ("depthwise_kernel", "pointwise_kernel")
    constraints: tuple[str, ...] = ("depthwise_constraint", "pointwise_constraint")

    def product(self: Any, x: Any, depthwise: Any, pointwise: Any) -> Any:  # type: ignore[override]
        """Two kernels, (*size, channels, multiplier) and (*ones, channels * multiplier, filters), for all examples."""
        return ops.separable_conv(
            x,
            depthwise,
            pointwise,
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )

    def each_product(self: Any, x: Any, depthwise: Any, pointwise: Any) -> Any:  # type: ignore[override]
        """Two kernels of its own for each example, with the batch in front."""
        first = self.data_format == "channels_first"
        apart = self._each_apart(ops.moveaxis(x, 1, -1) if first else x, depthwise)
        mixing = ops.reshape(pointwise, (ops.shape(x)[0], apart.shape[-1], self.filters))
        outputs = ops.einsum("b...c,bcf->b...f", apart, mixing)
        return ops.moveaxis(outputs, -1, 1) if first else outputs
