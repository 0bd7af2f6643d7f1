"""Networks with weights of a few bits (Hubara et al., 2016; Guan, paper 001, eq. 6 and 11)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers, ops

from turtlenet.defences.base import registered
from turtlenet.defences.per_example_kernels import Convolved, Depthwise, Multiplied, Separable
from turtlenet.defences.quantized import LayerConversion, Quantized, within
from turtlenet.errors import SettingError, SpecError, did_you_mean

_FORMS = ("clip", "linear")


def _check(bits: int, form: str) -> None:
    if form not in _FORMS:
        raise SpecError(f"Unknown form {form!r}.{did_you_mean(form, _FORMS)}")
    least = _FORMS.index(form) + 1
    if bits < least:
        raise SettingError(f"Expected bits >= {least}{' for linear' if least > 1 else ''}; got {bits}.")
    if bits > 24:
        raise SettingError(f"Expected bits <= 24, which is what a float32 holds; got {bits}.")


class _LowBit(Quantized):
    """A layer that computes with weights rounded to multiples of 2^-(bits - 1), ties to the even multiple.

    Straight through: a real weight has the slope of the rounded one within [-1, 1] and none beyond (eq. 5).

    Args:
        *args: Those of Keras's layer.
        bits: Number of bits b, from 1 to 24.
        form: `clip` keeps them in [-1, 1] (eq. 11 with the example's -1 in the place of the -0 that is printed):
            2^b + 1 levels, for b = 2 those of -1, -0.5, 0, 0.5, 1. `linear` keeps them in [-1, 1 - 2^-(b-1)] (eq. 6
            with that step and the range of b bits in two's complement): 2^b levels, b at least 2.
        scales: What takes the place of 1 in all of this, above 0, one for each of the layer's kernels; empty for 1.
        **settings: Those of Keras's layer.

    Raises:
        SettingError: Bits or scales out of their range, or not a scale for each kernel.
        SpecError: Another form.
    """

    def __init__(self, *args: Any, bits: int = 2, form: str = "clip", scales: Sequence[float] = (), **settings: Any):
        _check(bits, form)
        if scales and (len(scales) != len(self.kernels) or not all(0 < scale < float("inf") for scale in scales)):
            raise SettingError(f"Expected {len(self.kernels)} scales above 0, or none; got {list(scales)}.")
        super().__init__(*args, limits=scales, **settings)
        self.bits, self.form, self.scales = int(bits), form, tuple(map(float, scales))

    def quantized(self, kernel: Any, number: int) -> Any:
        fine = 2.0 ** (self.bits - 1)
        high = 1.0 if self.form == "clip" else 1.0 - 1.0 / fine
        scale = self.scales[number] if self.scales else 1.0
        unit = kernel / scale
        return self.straight_through(scale * ops.clip(ops.round(unit * fine) / fine, -1.0, high), scale * within(unit))

    def get_config(self: Any) -> dict[str, Any]:
        """Everything that builds the layer anew."""
        own = {"bits": self.bits, "form": self.form, **({"scales": list(self.scales)} if self.scales else {})}
        return {**super().get_config(), **own}  # type: ignore[misc]


@keras.saving.register_keras_serializable("turtlenet")
class LowBitDense(_LowBit, Multiplied, layers.Dense):
    __doc__ = _LowBit.__doc__


@keras.saving.register_keras_serializable("turtlenet")
class LowBitConv1D(_LowBit, Convolved, layers.Conv1D):
    __doc__ = _LowBit.__doc__


@keras.saving.register_keras_serializable("turtlenet")
class LowBitConv2D(_LowBit, Convolved, layers.Conv2D):
    __doc__ = _LowBit.__doc__


@keras.saving.register_keras_serializable("turtlenet")
class LowBitDepthwiseConv1D(_LowBit, Depthwise, layers.DepthwiseConv1D):
    __doc__ = _LowBit.__doc__


@keras.saving.register_keras_serializable("turtlenet")
class LowBitDepthwiseConv2D(_LowBit, Depthwise, layers.DepthwiseConv2D):
    __doc__ = _LowBit.__doc__


@keras.saving.register_keras_serializable("turtlenet")
class LowBitSeparableConv1D(_LowBit, Separable, layers.SeparableConv1D):
    __doc__ = _LowBit.__doc__


@keras.saving.register_keras_serializable("turtlenet")
class LowBitSeparableConv2D(_LowBit, Separable, layers.SeparableConv2D):
    __doc__ = _LowBit.__doc__


_LAYERS: dict[type, Any] = {
    layers.Dense: LowBitDense,
    layers.Conv1D: LowBitConv1D,
    layers.Conv2D: LowBitConv2D,
    layers.DepthwiseConv1D: LowBitDepthwiseConv1D,
    layers.DepthwiseConv2D: LowBitDepthwiseConv2D,
    layers.SeparableConv1D: LowBitSeparableConv1D,
    layers.SeparableConv2D: LowBitSeparableConv2D,
}


@registered("k-bit")
@dataclass(frozen=True, kw_only=True)
class LowBit(LayerConversion):
    """Rounds all kernels of a network to a few bits, as paper 001 does; biases stay real.

    A network that was trained with real weights has to be trained on where the bits are few: weights below half a
    step, 2^-b, become 0. Those that Keras begins with are mostly smaller than the 0.25 of two bits; a layer without
    any weight left passes nothing, neither images nor gradients, and never learns. `scaled` keeps it alive.

    Args:
        bits: Number of bits b: weights are multiples of 2^-(b-1). Paper 001 has 2, 3 and 4.
        form: `clip` for the 2^b + 1 levels of eq. 11, in [-1, 1] (the paper prints a lower limit of -0, which its
            example for b = 2, -1, -0.5, 0, 0.5, 1, contradicts); `linear` for the 2^b levels of eq. 6 in two's
            complement, in [-1, 1 - 2^-(b-1)].
        scaled: Whether the levels are multiplied, kernel by kernel, by its largest weight at the conversion. The paper
            does not: its levels are those of [-1, 1].
        first: Whether to change the first of these layers, too.
        last: Whether to change the last of these layers, too.

    Raises:
        SettingError: Bits below 1, or 2 for `linear`, or above 24.
        SpecError: Another form.
    """

    bits: int = 2
    form: str = "clip"
    scaled: bool = False

    def __post_init__(self) -> None:
        _check(self.bits, self.form)

    def changed(self, layer: Any, hidden: bool) -> Any:
        """The same layer with weights of a few bits."""
        kind, own = _LAYERS[type(layer)], {"bits": self.bits, "form": self.form}
        if self.scaled:
            own["scales"] = [float(ops.max(ops.abs(getattr(layer, name)))) or 1.0 for name in kind.kernels]
        return kind.from_config(layer.get_config() | own)
