"""ResNet-18 for small images (He et al., 2016, section 4.2, with the widths of the ImageNet network)."""

from collections.abc import Callable
from typing import Any

from keras import layers

Step = Callable[[Any], Any]


def resnet18_layers() -> list[Step]:
    """The steps from image to features (batch, 512): a 3x3 stem, four stages of two blocks, global pooling."""
    steps: list[Step] = [_convolve(64, 3, 1), layers.BatchNormalization(), layers.ReLU()]
    for stage, filters in enumerate((64, 128, 256, 512)):
        steps.append(_block(filters, strides=1 if stage == 0 else 2))
        steps.append(_block(filters, strides=1))
    return [*steps, layers.GlobalAveragePooling2D()]


def _convolve(filters: int, size: int, strides: int) -> layers.Layer:
    # No bias: the batch normalization behind it has one.
    return layers.Conv2D(filters, size, strides, padding="same", use_bias=False, kernel_initializer="he_normal")


def _block(filters: int, strides: int) -> Step:
    """A basic block: two 3x3 convolutions, and a 1x1 convolution on the shortcut where the shape changes."""

    def apply(x: Any) -> Any:
        y = layers.BatchNormalization()(_convolve(filters, 3, strides)(x))
        y = layers.BatchNormalization()(_convolve(filters, 3, 1)(layers.ReLU()(y)))
        if strides != 1 or x.shape[-1] != filters:
            x = layers.BatchNormalization()(_convolve(filters, 1, strides)(x))
        return layers.ReLU()(layers.Add()([x, y]))

    return apply
