"""What precision a loaded model computes in, without a change to what it is."""

from collections.abc import Callable

import keras

from turtlenet.errors import SpecError, did_you_mean

PRECISIONS = ("bfloat16", "float16", "float32")


def compute_in(model: keras.Model, precision: str | None) -> Callable[[], None]:
    """Lets a model's layers compute in another precision, also in every graph and classifier made of them.

    Weights stay float32. So does what makes the logits, the last layer with weights and all after it, because rounded
    logits tie; and all before the first such layer, which sees the pixels.

    Args:
        model: A built model.
        precision: `float32`, `bfloat16` or `float16`; None leaves each layer as it is.

    Returns:
        What gives the layers their own precision back.

    Raises:
        SpecError: Another word.
    """
    if precision is None:
        return lambda: None
    check_precision(precision)
    layers = [each for each in model._flatten_layers(include_self=False) if not isinstance(each, keras.Model)]
    weighted = [number for number, layer in enumerate(layers) if layer.trainable_variables] or [0]
    inner = range(weighted[0], weighted[-1])
    before = [layer.dtype_policy for layer in layers]
    for number, layer in enumerate(layers):
        layer.dtype_policy = f"mixed_{precision}" if number in inner and precision != "float32" else "float32"

    def restore() -> None:
        for layer, policy in zip(layers, before, strict=True):
            layer.dtype_policy = policy

    return restore


def check_precision(precision: str | None) -> None:
    """Refuses a precision that there is not.

    Raises:
        SpecError: See `compute_in`.
    """
    if precision is not None and precision not in PRECISIONS:
        raise SpecError(f"Unknown precision {precision!r}.{did_you_mean(precision, PRECISIONS)}")
