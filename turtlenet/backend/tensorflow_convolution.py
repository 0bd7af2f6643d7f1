"""Gradients of convolutions on a CPU, where TensorFlow's own are slow, or crash.

An attack differentiates at the image, so it pays for the input gradient of the first convolution, which training
never needs and TensorFlow computes slowly: its kernel sees one to four output channels and leaves most of a vector
register empty. Here it is one large matrix product, then a sum over shifted copies: the transpose of what im2col does.

The kernel's gradient of a 1x1 convolution with a stride (the shortcut of a ResNet) ends the process in TensorFlow 2.21
for some sizes, such as 8 channels at 60x60: here it is a product with the pixels that the stride takes.
"""

from typing import Any

import tensorflow as tf

# Above this many channels the sum over shifted copies moves more memory than the product saves.
_THIN = 4
_NAME = "TurtlenetConv2D"


def own_convolutions() -> Any:
    """A context: `tf.gradients` takes these gradients for the convolutions that a graph records within it."""
    return tf.compat.v1.get_default_graph().gradient_override_map({"Conv2D": _NAME})


@tf.RegisterGradient(_NAME)
def _gradient(op: Any, upstream: Any) -> list[Any]:
    x, kernel = op.inputs
    settings = {key: op.get_attr(key) for key in ("strides", "padding", "explicit_paddings", "dilations")}
    settings["data_format"] = op.get_attr("data_format").decode()
    settings["padding"] = settings["padding"].decode()
    at_kernel = _kernel_gradient(x, kernel, upstream, settings)
    if _suits(x, kernel, upstream, **settings):
        stride = settings["strides"][1]
        return [_input_gradient(x, kernel, upstream, stride, settings["padding"] == "SAME"), at_kernel]
    at_input = tf.raw_ops.Conv2DBackpropInput(
        input_sizes=tf.shape(x), filter=kernel, out_backprop=upstream, **settings
    )
    return [at_input, at_kernel]


def _kernel_gradient(x: Any, kernel: Any, upstream: Any, settings: dict[str, Any]) -> Any:
    stride, plain = settings["strides"][1:3], settings["data_format"] == "NHWC" and kernel.shape[2] == x.shape[3]
    if kernel.shape[:2] == (1, 1) and plain and max(stride) > 1 and settings["padding"] in ("SAME", "VALID"):
        taken = x[:, :: stride[0], :: stride[1]]
        flat = [tf.reshape(part, [-1, part.shape[3]]) for part in (taken, upstream)]
        return tf.reshape(tf.matmul(flat[0], flat[1], transpose_a=True), kernel.shape)
    return tf.raw_ops.Conv2DBackpropFilter(input=x, filter_sizes=tf.shape(kernel), out_backprop=upstream, **settings)


def _suits(
    x: Any,
    kernel: Any,
    upstream: Any,
    *,
    strides: list[int],
    padding: str,
    dilations: list[int],
    data_format: str,
    **_: Any,
) -> bool:
    known = None not in (*x.shape[1:], *kernel.shape, *upstream.shape[1:])
    plain = data_format == "NHWC" and padding in ("SAME", "VALID") and dilations == [1, 1, 1, 1]
    # With a group for each few channels the kernel is thin while the input is not.
    return known and plain and strides[1] == strides[2] and kernel.shape[2] == x.shape[3] <= _THIN


def _input_gradient(x: Any, kernel: Any, upstream: Any, stride: int, same: bool) -> Any:
    """Sums, over the places (a, b) in the kernel, upstream times kernel[a, b], put where x[stride*i+a, stride*j+b] is.

    With a = stride*p + r that is a shift by p in a grid of (stride x stride) blocks, so stride 1 covers every case.
    """
    (height, width, channels), (high, wide, _, filters) = x.shape[1:], kernel.shape
    rows, columns = upstream.shape[1:3]
    down, right = -(-high // stride), -(-wide // stride)
    block = stride * stride * channels

    kernel = tf.pad(kernel, [[0, down * stride - high], [0, right * stride - wide], [0, 0], [0, 0]])
    kernel = tf.reshape(kernel, [down, stride, right, stride, channels, filters])
    kernel = tf.reshape(tf.transpose(kernel, [0, 2, 1, 3, 4, 5]), [-1, filters])
    # The batch lies last, so that each shifted copy is one long piece of memory.
    parts = tf.matmul(kernel, tf.reshape(upstream, [-1, filters]), transpose_b=True)

    parts = tf.reshape(parts, [down, right * block, -1, rows, columns])
    parts = tf.add_n([tf.pad(parts[p], [[0, 0], [0, 0], [p, down - 1 - p], [0, 0]]) for p in range(down)])
    parts = tf.reshape(parts, [right, block, -1, rows + down - 1, columns])
    parts = tf.add_n([tf.pad(parts[q], [[0, 0], [0, 0], [0, 0], [q, right - 1 - q]]) for q in range(right)])

    grid = tf.transpose(parts, [1, 2, 3, 0])
    if stride > 1:
        grid = tf.nn.depth_to_space(grid, stride)
    top = max((rows - 1) * stride + high - height, 0) // 2 if same else 0
    left = max((columns - 1) * stride + wide - width, 0) // 2 if same else 0
    grid = grid[:, top : top + height, left : left + width]
    below, beside = height - grid.shape[1], width - grid.shape[2]
    return tf.pad(grid, [[0, 0], [0, below], [0, beside], [0, 0]]) if below or beside else grid
