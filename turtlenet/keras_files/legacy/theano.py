"""What Keras 1 and 2 computed otherwise where they ran on Theano; its kernels are turned over in `arrays`."""

from typing import Any

from turtlenet.errors import ModelError
from turtlenet.keras_files.legacy.keras_version import KerasVersion
from turtlenet.keras_files.legacy.removed_layers.theano import HALF_PADDED
from turtlenet.keras_files.legacy.rules import Json, rule

__all__: list[str] = []

_UNCERTAIN = ("Conv2DTranspose", "Conv3DTranspose", "SeparableConv1D", "SeparableConv2D", "Conv3D")


@rule(
    "theano-same",
    "Theano pads by half a kernel, whatever the stride; TensorFlow by what the stride leaves over",
    classes=(*HALF_PADDED, "ConvLSTM2D"),
)
def _same(layer: Json, era: KerasVersion) -> Json | None:
    config, name = layer["config"], layer["class_name"]
    recurrent = name == "ConvLSTM2D"
    if era.backend != "theano" or (config.get("padding") != "same" and not recurrent):
        return None
    pooling = "pool_size" in config
    sizes = _numbers(config.get("pool_size" if pooling else "kernel_size"))
    strides = _numbers(config.get("strides") or (sizes if pooling else 1))
    even = any(size % 2 == 0 for size in sizes)
    strided = config.get("padding") == "same" and any(step > 1 for step in strides) and any(n > 1 for n in sizes)
    counts = name.startswith("Average") and "3D" not in name and (2, 0, 4) <= era.version < (2, 1, 5)
    if not (even or strided or counts or (pooling and any(size > 3 for size in sizes))):
        return None
    plain = name.rpartition(">")[2].removeprefix("ChannelsFirst")
    # Theano's output of transposed and separable ones does not have the shape that Keras says. Keras 1 padded in
    # three dimensions as TensorFlow does, before Theano 0.9. A ConvLSTM2D has two convolutions, padded each.
    if recurrent or (even and plain in _UNCERTAIN and not (plain == "Conv3D" and era.major > 1)):
        raise ModelError(f"Expected an odd kernel and stride 1 in {plain} {config.get('name')!r}, as Theano wrote it.")
    if "Transpose" in plain and any(step > 1 for step in _numbers(config.get("dilation_rate") or 1)):
        raise ModelError(f"Expected no dilation in {plain} {config.get('name')!r}, as Theano wrote it.")
    if counts:
        config["count_padding"] = True
    return layer | {"class_name": HALF_PADDED[name]}


@rule("theano-srelu", "Theano bounded an SReLU on its left side too", classes=("turtlenet>SReLU",))
def _srelu(layer: Json, era: KerasVersion) -> Json | None:
    if era.backend != "theano":
        return None
    layer["config"]["bounded"] = True
    return layer


def _numbers(value: Any) -> list[int]:
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, int)]
