"""The architectures of the papers, by name, uncompiled and ending in softmax.

cleverhans      the FGSM network of QuSecNets and of keyed randomization (cleverhans 3.1, `basic_cnn`)
lenet           LeNet-5 with ReLU and max pooling (LeCun et al., 1998)
turtlenet-mnist, turtlenet-cifar        Gaňo, 2019
carlini-mnist, carlini-cifar            Carlini and Wagner, 2017
tramer-a, tramer-b              models A and B of AdvGAN, from Tramèr et al., 2018 (C is carlini-mnist)
madry-mnist     Madry et al., 2018
wong-mnist      Wong, Rice and Kolter, 2020
cnn7            CNN7 with batch normalization, of certified training (Shi et al., 2021)
mlp             two hidden layers of 128, for tables and whatever else is no image
resnet18        ResNet-18 with the 3x3 stem for small images (He et al., 2016)
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras
from keras import layers

from turtlenet import backend
from turtlenet.architectures.cnn7 import cnn7_layers, initializer
from turtlenet.architectures.resnet import resnet18_layers
from turtlenet.errors import SettingError, at_least
from turtlenet.registry import Registry
from turtlenet.typing import Shape

Steps = list[Callable[[Any], Any]]
Stack = Callable[[], Steps]

# Values of an input: 2,048 x 2,048 gray pixels.
_LARGEST = 2**22

architectures: Registry[keras.Model] = Registry("model", "turtlenet.models")


def build(name: str, input_shape: Sequence[int] = (28, 28, 1), num_classes: int = 10) -> keras.Model:
    """Builds an architecture with fresh weights.

    Args:
        name: One of `architectures.names()`, with settings where it has some: `cnn7:width=24`.
        input_shape: Height, width and channels of an image; `mlp` takes inputs of any shape.
        num_classes: Width of the softmax at the end, at least 2.

    Returns:
        An uncompiled model that maps float32 (batch, *input_shape) to probabilities (batch, num_classes).

    Raises:
        SpecError: An unknown name.
        SettingError: A shape that the architecture cannot take, fewer than two classes, or more weights than memory
            holds.
    """
    try:
        return architectures.build(name, input_shape=input_shape, num_classes=num_classes)
    except Exception as error:
        if not backend.out_of_memory(error):
            raise
        sides = "x".join(map(str, input_shape))
        raise SettingError(f"Expected a network that memory can hold; got {name!r} for inputs of {sides}.") from None


def architecture(name: str, smallest: int = 1) -> Callable[[Stack], Stack]:
    """Registers the steps from an image to its features as an architecture that ends in a softmax over them.

    Args:
        name: What a user types.
        smallest: The least height and width for which every layer has an output.
    """

    def add(stack: Stack) -> Stack:
        @architectures.register(name)
        def make(input_shape: Shape, num_classes: int) -> keras.Model:
            shape = _checked_shape(name, input_shape, smallest)
            return _assembled(name, stack(), shape, num_classes)

        make.__doc__ = stack.__doc__
        return stack

    return add


def _assembled(
    name: str, steps: Steps, shape: Shape, num_classes: int, init: Callable[[int], Any] = lambda _: "glorot_uniform"
) -> keras.Model:
    """A model of steps, and a softmax over their features; `init` gives its kernel's initializer by its inputs."""
    if isinstance(num_classes, bool) or int(num_classes) != num_classes or num_classes < 2:
        raise SettingError(f"Expected at least 2 classes for {name!r}; got {num_classes!r}.")
    inputs = x = keras.Input(shape)
    for step in steps:
        x = step(x)
    outputs = layers.Dense(int(num_classes), activation="softmax", kernel_initializer=init(x.shape[-1]))(x)
    return keras.Model(inputs, outputs, name=name.replace("-", "_"))


def _checked_shape(name: str, shape: Sequence[int], smallest: int) -> tuple[int, int, int]:
    """Three positive whole numbers, with an image of at least `smallest` pixels a side."""
    whole = len(shape) == 3 and all(isinstance(size, int) and size > 0 for size in shape)
    if not whole:
        raise SettingError(f"Expected an input shape (height, width, channels) for {name!r}; got {tuple(shape)}.")
    height, width, channels = shape
    if min(height, width) < smallest:
        raise SettingError(
            f"Expected images of at least {smallest}x{smallest} pixels for {name!r}; got {height}x{width}."
        )
    check_size(name, shape)
    return height, width, channels


def check_size(name: str, shape: Sequence[int]) -> None:
    """Refuses inputs of more values than a network could be built for.

    Raises:
        SettingError: An input larger than that.
    """
    if math.prod(shape) > _LARGEST:
        sides = "x".join(map(str, shape))
        raise SettingError(f"Expected inputs of at most {_LARGEST:,} values for {name!r}; got {sides}.")


@architecture("cleverhans", smallest=27)
def _cleverhans() -> Steps:
    """64 8x8/2, 128 6x6/2, 128 5x5: the basic CNN of cleverhans 3.1, in papers 000, 002 and 004."""
    return [
        layers.Conv2D(64, 8, strides=2, padding="same", activation="relu"),
        layers.Conv2D(128, 6, strides=2, padding="valid", activation="relu"),
        layers.Conv2D(128, 5, strides=1, padding="valid", activation="relu"),
        layers.Flatten(),
    ]


@architecture("lenet", smallest=12)
def _lenet() -> Steps:
    """LeNet-5 with ReLU and max pooling (LeCun et al., 1998)."""
    return [
        layers.Conv2D(6, 5, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(16, 5, padding="valid", activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(120, activation="relu"),
        layers.Dense(84, activation="relu"),
    ]


@architecture("tramer-a", smallest=10)
def _tramer_a() -> Steps:
    """Two 5x5 convolutions of 64, the second strided, 128 units (Tramèr et al., 2018, model A)."""
    return [
        layers.Conv2D(64, 5, padding="valid", activation="relu"),
        layers.Conv2D(64, 5, strides=2, padding="valid", activation="relu"),
        layers.Dropout(0.25),
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dropout(0.5),
    ]


@architecture("tramer-b", smallest=27)
def _tramer_b() -> Steps:
    """Dropout of the pixels, 64 8x8/2, 128 6x6/2, 128 5x5 (Tramèr et al., 2018, model B)."""
    return [
        layers.Dropout(0.2),
        layers.Conv2D(64, 8, strides=2, padding="same", activation="relu"),
        layers.Conv2D(128, 6, strides=2, padding="valid", activation="relu"),
        layers.Conv2D(128, 5, padding="valid", activation="relu"),
        layers.Dropout(0.5),
        layers.Flatten(),
    ]


@architecture("turtlenet-mnist", smallest=4)
def _turtlenet_mnist() -> Steps:
    """Two 5x5 and two 3x3 convolutions, 256 units (paper 003)."""
    return [
        layers.Conv2D(32, 5, padding="same", activation="relu"),
        layers.Conv2D(32, 5, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Dropout(0.25),
        layers.Conv2D(64, 3, padding="same", activation="relu"),
        layers.Conv2D(64, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Dropout(0.25),
        layers.Flatten(),
        layers.Dense(256, activation="relu"),
        layers.Dropout(0.5),
    ]


@architecture("turtlenet-cifar", smallest=8)
def _turtlenet_cifar() -> Steps:
    """Six 3x3 convolutions with ELU and batch normalization (paper 003)."""
    stack: Steps = []
    for filters, dropout in ((32, 0.2), (64, 0.3), (128, 0.4)):
        for _ in range(2):
            decay = keras.regularizers.L2(2e-4)
            stack.append(layers.Conv2D(filters, 3, padding="same", activation="elu", kernel_regularizer=decay))
            stack.append(layers.BatchNormalization())
        stack += [layers.MaxPooling2D(), layers.Dropout(dropout)]
    return [*stack, layers.Flatten()]


@architecture("carlini-mnist", smallest=16)
def _carlini_mnist() -> Steps:
    """Four 3x3 convolutions, 200 and 200 units (Carlini & Wagner, 2017)."""
    return _carlini(filters=(32, 64), units=200)


@architecture("carlini-cifar", smallest=16)
def _carlini_cifar() -> Steps:
    """Four 3x3 convolutions, 256 and 256 units (Carlini & Wagner, 2017)."""
    return _carlini(filters=(64, 128), units=256)


def _carlini(filters: tuple[int, int], units: int) -> Steps:
    stack: Steps = []
    for width in filters:
        stack += [layers.Conv2D(width, 3, activation="relu") for _ in range(2)]
        stack.append(layers.MaxPooling2D())
    dense = [layers.Dense(units, activation="relu") for _ in range(2)]
    return [*stack, layers.Flatten(), dense[0], layers.Dropout(0.5), dense[1]]


@architecture("madry-mnist")
def _madry_mnist() -> Steps:
    """Two 5x5 convolutions, 1,024 units (Madry et al., 2018)."""
    return [
        layers.Conv2D(32, 5, padding="same", activation="relu"),
        layers.MaxPooling2D(padding="same"),
        layers.Conv2D(64, 5, padding="same", activation="relu"),
        layers.MaxPooling2D(padding="same"),
        layers.Flatten(),
        layers.Dense(1024, activation="relu"),
    ]


@architecture("wong-mnist")
def _wong_mnist() -> Steps:
    """Two strided 4x4 convolutions, 100 units (Wong et al., 2020)."""
    return [
        layers.Conv2D(16, 4, strides=2, padding="same", activation="relu"),
        layers.Conv2D(32, 4, strides=2, padding="same", activation="relu"),
        layers.Flatten(),
        layers.Dense(100, activation="relu"),
    ]


@architectures.register("cnn7")
def _cnn7(input_shape: Shape, num_classes: int, width: int = 64, init: str = "ibp") -> keras.Model:
    """CNN7 with batch normalization, for certificates: `cnn7:width=24` (Shi et al., 2021)."""
    steps = cnn7_layers(width, init)
    return _assembled("cnn7", steps, _checked_shape("cnn7", input_shape, 1), num_classes, partial(initializer, init))


@architectures.register("mlp")
def _mlp(input_shape: Shape, num_classes: int, units: int = 128, depth: int = 2) -> keras.Model:
    """Hidden layers of as many units each, with ReLU, for inputs of any shape: `mlp:units=64,depth=3`."""
    shape = tuple(input_shape)
    if not shape or not all(isinstance(side, int) and side > 0 for side in shape):
        raise SettingError(f"Expected an input shape of positive whole numbers for 'mlp'; got {shape}.")
    check_size("mlp", shape)
    at_least(1, units=units, depth=depth)
    hidden = [layers.Dense(units, activation="relu") for _ in range(depth)]
    return _assembled("mlp", [layers.Flatten(), *hidden], shape, num_classes)


@architecture("resnet18")
def _resnet18() -> Steps:
    """ResNet-18 with the 3x3 stem for small images (He et al., 2016)."""
    return resnet18_layers()
