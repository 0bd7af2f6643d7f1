"""Binarized networks (Courbariaux et al., 2016; Galloway et al., 2017; Guan, paper 001, eq. 1 to 5)."""

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers, ops

from turtlenet import gradient_mode, random
from turtlenet.defences.base import Differentiable, registered
from turtlenet.defences.per_example_kernels import Convolved, Depthwise, Multiplied, Separable
from turtlenet.defences.quantized import LayerConversion, Quantized, within
from turtlenet.errors import SettingError

# Their values pass or are shares: a sign in their place would mean something else.
_KEPT = (keras.activations.linear, keras.activations.softmax, keras.activations.log_softmax)


def _sign(x: Any) -> Any:
    """+1 where x >= 0, else -1 (eq. 1), with the gradient that whoever calls the model takes."""
    one = ops.ones_like(x)
    signs = ops.where(x >= 0, one, -one)
    taken = gradient_mode.current()
    if taken == "naive":
        return signs
    # In training a unit far from 0 is left alone (eq. 5). For an attacker that would mask the slope of a network
    # without batch normalization, and the identity would hide which units can be turned.
    return Differentiable.straight_through(signs, ops.softsign(x) if taken == "adaptive" else within(x))


class _Signed(Differentiable):
    """A layer that may give signs."""

    adaptive = "that of x / (1 + |x|) in the place of each sign's"
    sign: bool

    @property
    def masks(self) -> bool:
        """Where the layer gives signs, whose own gradient is 0."""
        return self.sign


@keras.saving.register_keras_serializable("turtlenet")
class Sign(_Signed, layers.Layer):
    """An activation: +1 where the input is >= 0, else -1 (eq. 1)."""

    sign = True

    def call(self, inputs: Any) -> Any:
        """Keras's word for it."""
        return _sign(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return input_shape


class _Binarized(_Signed, Quantized):
    """A layer that computes with weights of -1 and +1.

    Straight through: a real weight has the slope of its sign within [-1, 1] and none beyond (eq. 5).

    Random weights are drawn anew in each call: for each example by its key where an attacker or an evaluation calls
    the model, so that a verdict does not depend on the batch; else once for the batch. A kernel for each example
    costs the batch size times the kernel's memory, which suits networks of the size of LeNet.

    Args:
        *args: Those of Keras's layer.
        stochastic: Whether a weight w is +1 with probability clip((w + 1) / 2, 0, 1), eq. 2 and 3; else it is +1
            where w >= 0, eq. 1.
        sign: Whether the layer gives the signs of what its activation gives.
        seed: For the draws of calls without keys; None takes one from Keras.
        **settings: Those of Keras's layer.
    """

    def __init__(
        self, *args: Any, stochastic: bool = False, sign: bool = False, seed: int | None = None, **settings: Any
    ):
        super().__init__(*args, **settings)
        self.stochastic, self.sign, self.seed = bool(stochastic), bool(sign), seed  # type: ignore[misc]
        self.seed_generator = keras.random.SeedGenerator(seed) if stochastic else None

    def quantized(self, kernel: Any, number: int) -> Any:
        positive = kernel >= 0
        if self.stochastic:
            shape, key = tuple(kernel.shape), self.key()
            key = random.fold_in(key, number) if key is not None and number else key
            draw = keras.random.uniform(shape, seed=self.seed_generator) if key is None else random.uniform(key, shape)
            chance = ops.clip((ops.cast(kernel, "float32") + 1.0) / 2.0, 0.0, 1.0)
            positive = ops.cast(draw, "float32") < chance
        signs = 2.0 * ops.cast(positive, kernel.dtype) - 1.0
        return self.straight_through(signs, within(kernel))

    def call(self, inputs: Any) -> Any:
        """Keras's word for it."""
        outputs = super().call(inputs)
        return _sign(outputs) if self.sign else outputs

    def get_config(self: Any) -> dict[str, Any]:
        """Everything that builds the layer anew."""
        mine = {"stochastic": self.stochastic, "sign": self.sign, "seed": self.seed}
        return {**super().get_config(), **mine}  # type: ignore[misc]


@keras.saving.register_keras_serializable("turtlenet")
class BinarizedDense(_Binarized, Multiplied, layers.Dense):
    __doc__ = _Binarized.__doc__


@keras.saving.register_keras_serializable("turtlenet")
class BinarizedConv1D(_Binarized, Convolved, layers.Conv1D):
    __doc__ = _Binarized.__doc__


@keras.saving.register_keras_serializable("turtlenet")
class BinarizedConv2D(_Binarized, Convolved, layers.Conv2D):
    __doc__ = _Binarized.__doc__


@keras.saving.register_keras_serializable("turtlenet")
class BinarizedDepthwiseConv1D(_Binarized, Depthwise, layers.DepthwiseConv1D):
    __doc__ = _Binarized.__doc__


@keras.saving.register_keras_serializable("turtlenet")
class BinarizedDepthwiseConv2D(_Binarized, Depthwise, layers.DepthwiseConv2D):
    __doc__ = _Binarized.__doc__


@keras.saving.register_keras_serializable("turtlenet")
class BinarizedSeparableConv1D(_Binarized, Separable, layers.SeparableConv1D):
    __doc__ = _Binarized.__doc__


@keras.saving.register_keras_serializable("turtlenet")
class BinarizedSeparableConv2D(_Binarized, Separable, layers.SeparableConv2D):
    __doc__ = _Binarized.__doc__


_LAYERS: dict[type, Any] = {
    layers.Dense: BinarizedDense,
    layers.Conv1D: BinarizedConv1D,
    layers.Conv2D: BinarizedConv2D,
    layers.DepthwiseConv1D: BinarizedDepthwiseConv1D,
    layers.DepthwiseConv2D: BinarizedDepthwiseConv2D,
    layers.SeparableConv1D: BinarizedSeparableConv1D,
    layers.SeparableConv2D: BinarizedSeparableConv2D,
}


@registered("binarized")
@dataclass(frozen=True, kw_only=True)
class Binarize(LayerConversion):
    """Binarizes a network: all its kernels, as paper 001 does; biases stay real, as do the scores.

    A network that was trained with real weights loses accuracy until it is trained on. Binarized activations want a
    batch normalization before them: units beyond [-1, 1] do not learn (eq. 5). Stochastic weights near 0 are coins,
    and a net of coins does not learn either: its loss stays at chance, on all of MNIST for 15 epochs. `start` helps.

    Args:
        stochastic: Whether weights are drawn in each call (paper 001: Rand BNN), eq. 2; else they are signs, eq. 1.
        start: Size that all weights get at the conversion, up to 1; their signs stay. 0 leaves them as they are.
        activations: Whether hidden activations are signs, too (Courbariaux et al.): in the place of the activation
            functions of the layers that change, and of `Activation`, `ReLU`, `LeakyReLU` and `ELU` layers before
            the last of them; linear and softmax stay, and the image is not binarized.
        first: Whether to change the first of these layers, too; else it keeps its activation as well.
        last: Whether to change the last of these layers, too.
    """

    stochastic: bool = False
    activations: bool = False
    start: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.start <= 1:
            raise SettingError(f"Expected start from 0 to 1, which is a sure weight; got {self.start}.")

    def changed(self, layer: Any, hidden: bool) -> Any:
        """The same layer, binarized."""
        settings = layer.get_config() | {"stochastic": self.stochastic}
        if self.activations and hidden and layer.activation not in _KEPT:
            settings |= {"activation": "linear", "sign": True}
        return _LAYERS[type(layer)].from_config(settings)

    def begun(self, layer: Any) -> None:
        """Takes weights away from 0, where they would be coins."""
        for kernel in (getattr(layer, name) for name in layer.kernels if self.start):
            kernel.assign(ops.where(kernel >= 0, self.start, -self.start))

    def passed(self, layer: Any) -> Any:
        """Signs for an activation that is a layer."""
        function = isinstance(layer, layers.Activation) and layer.activation not in _KEPT
        if self.activations and (function or isinstance(layer, layers.ReLU | layers.LeakyReLU | layers.ELU)):
            known = layer.get_config()
            return Sign.from_config({key: known[key] for key in ("name", "trainable", "dtype")})
        return super().passed(layer)
