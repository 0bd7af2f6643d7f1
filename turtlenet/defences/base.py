"""What every defence promises, whoever writes it."""

import abc
import inspect
import itertools
import zlib
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import keras
from keras import ops

from turtlenet import backend, gradient_mode, random
from turtlenet.errors import SettingError
from turtlenet.input_kind import KINDS, kind_of
from turtlenet.registry import Registry, spec_of

_HALVINGS = 32
# How far past a step, as a share of the pixel range, so that arithmetic in another order sees the same side of it.
_CLEARANCE = 1e-6


class Reachable(NamedTuple):
    """What an elementwise, nondecreasing layer can give for inputs within a box.

    Attributes:
        lowest: Its smallest output for each element, float32, shaped like the input.
        highest: Its largest.
        levels: All values that it ever gives, ascending, each of a shape that broadcasts to the input's; those from
            `lowest` to `highest` can be reached. None where every value between the two can.
    """

    lowest: Any
    highest: Any
    levels: Sequence[Any] | None = None

    def nearest(self, outputs: Any) -> Any:
        """The reachable value nearest to each output."""
        inside = ops.clip(outputs, self.lowest, self.highest)
        if self.levels is None:
            return inside
        result = ops.zeros_like(inside) + self.levels[0]
        for below, above in itertools.pairwise(self.levels):
            result = ops.where(inside > 0.5 * (below + above), above, result)
        return ops.clip(result, self.lowest, self.highest)


class Differentiable:
    """A layer that an attacker knows how to differentiate, and that says where it draws random numbers.

    Random layers take their draws from `key`, so that a classifier is a pure function of its input and a seed.
    """

    adaptive: ClassVar[str] = "the layer's own gradient"
    """What an attacker differentiates, in words, for reports."""
    stochastic: ClassVar[bool] = False
    """Whether the layer draws random numbers at inference."""

    @property
    def masks(self) -> bool:
        """Whether an attacker takes another gradient than the layer's own."""
        return False

    def __str__(self) -> str:
        return type(self).__name__

    def key(self: Any) -> Any:
        """The examples' keys (batch, 2) for `turtlenet.random`, this layer's own; None where the caller has none."""
        keys = gradient_mode.keys()
        return None if keys is None else random.fold_in(keys, zlib.crc32(self.name.encode()))

    @staticmethod
    def straight_through(result: Any, smooth: Any) -> Any:
        """The value of the one with the gradient of the other (BPDA, Athalye et al., 2018)."""
        # The difference is exactly 0: the value is that of the result, to the last bit.
        return ops.stop_gradient(result) + (smooth - ops.stop_gradient(smooth))


class Conversion(abc.ABC):
    """A defence that changes the layers of a model instead of standing in front of it.

    A subclass is a frozen keyword-only dataclass of numbers, strings and booleans. The layers that it puts in are
    `Differentiable`.
    """

    @abc.abstractmethod
    def convert(self, model: keras.Model) -> keras.Model:
        """Gives a new model with the same weights, uncompiled; leaves the one given as it is.

        Raises:
            ModelError: A model without a layer that could be changed.
        """

    def __str__(self) -> str:
        """The spec that builds this defence: its name, and the settings that are not the defaults."""
        return spec_of(defences.name_of(type(self)), self)


class Defence(Differentiable, keras.layers.Layer):
    """A layer in front of a model, which an attacker knows how to differentiate.

    A subclass says what it does (`defend`), and what a strong attacker differentiates in its place (`surrogate`).
    Under `turtlenet.gradient_mode.taken("adaptive")` the layer gives the value of the one with the gradient of the
    other;
    else both are those of `defend`.

    Args:
        low: Smallest value of a pixel.
        high: Largest value of a pixel.
        **settings: Keras's own: `name`, `dtype`, `trainable`.

    Raises:
        SettingError: Bounds that are not low < high.
    """

    kinds: ClassVar[tuple[str, ...]] = tuple(KINDS)
    """The kinds of inputs that the layer serves; see `turtlenet.input_kind`."""

    def __init__(self, *, low: float = 0.0, high: float = 1.0, **settings: Any):
        super().__init__(**settings)
        if not low < high:
            raise SettingError(f"Expected bounds low < high; got {low} and {high}.")
        self.low, self.high = float(low), float(high)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Refuses inputs of a kind that the layer does not serve.

        Raises:
            SettingError: Inputs of another kind, or of no fixed size where their kind matters.
        """
        shape = tuple(input_shape[1:])
        if self.kinds != tuple(KINDS):
            name, wanted = defences.name_of(type(self)), " or ".join(KINDS[each].examples for each in self.kinds)
            if None in shape:
                raise SettingError(f"Expected {wanted} of one size for {name}; got inputs of shape {shape}.")
            if kind_of(shape).name not in self.kinds:
                raise SettingError(f"Expected {wanted} for {name}; got {kind_of(shape).examples} of shape {shape}.")
        super().build(input_shape)

    @property
    def masks(self) -> bool:
        """Whether an attacker takes another gradient than the layer's own."""
        return type(self).surrogate is not Defence.surrogate

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest value of a pixel."""
        return self.low, self.high

    def defend(self, x: Any) -> Any:
        """What the layer does to its input (batch, ...)."""
        raise NotImplementedError

    def surrogate(self, x: Any) -> Any:
        """What an attacker differentiates; shaped like `defend`'s result."""
        return self.defend(x)

    def reachable(self, low: Any, high: Any) -> Reachable:
        """What the layer can give for inputs from `low` to `high`; for an elementwise, nondecreasing layer alone.

        Optional. A layer that has it is attacked by `quantizer-pgd` at its outputs. For most, two lines will do:
        `lowest, highest = self.ends(low, high)`, and `Reachable(lowest, highest, levels)`.

        Args:
            low: Lower ends of the inputs, float32 (batch, ...), within the bounds.
            high: Upper ends, shaped like it.
        """
        raise NotImplementedError

    @property
    def has_reachable(self) -> bool:
        """Whether the layer says what it can give for a box of inputs."""
        return type(self).reachable is not Defence.reachable

    def ends(self, low: Any, high: Any) -> tuple[Any, Any]:
        """The layer's float32 outputs at the ends of a box: the smallest and the largest of a nondecreasing layer."""
        return self.outputs(low), self.outputs(high)

    def outputs(self, x: Any) -> Any:
        """The layer's float32 outputs, computed in the layer's own precision, outside of training."""
        return ops.cast(self.defend(ops.cast(x, self.compute_dtype)), "float32")

    def preimage(self, wanted: Any, x: Any, low: Any, high: Any) -> Any:
        """Inputs within a box that a nondecreasing layer maps onto outputs that it can reach there.

        Each is `x` itself where that will do, else the nearest to it by bisection of `defend`, and a millionth of
        the pixel range further where the output is the same.

        Args:
            wanted: Outputs, float32 (batch, ...); see `Reachable.nearest`.
            x: Inputs within the box, float32.
            low: Lower ends of the box.
            high: Upper ends.
        """
        now = self.outputs(x)
        rises = wanted > now

        def halve(_: Any, ends: Any) -> tuple[Any, Any]:
            short, far = ends
            middle = short + 0.5 * (far - short)
            there = self.outputs(middle)
            enough = ops.where(rises, there >= wanted, there <= wanted)
            return ops.where(enough, short, middle), ops.where(enough, middle, far)

        _, (_, far) = backend.loop(_HALVINGS, halve, (x, ops.where(rises, high, low)))
        clear = ops.where(rises, 1.0, -1.0) * (_CLEARANCE * (self.high - self.low))
        further = ops.clip(far + clear, low, high)
        far = ops.where(self.outputs(further) == self.outputs(far), further, far)
        return ops.where(wanted == now, x, far)

    def call(self, x: Any) -> Any:
        """Keras's word for it."""
        if gradient_mode.past() is self:
            return x
        result = self.defend(x)
        if gradient_mode.current() != "adaptive" or not self.masks:
            return result
        return self.straight_through(result, self.surrogate(x))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """A defence gives an image of the same shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Everything that builds the layer anew."""
        return {**super().get_config(), "low": self.low, "high": self.high}

    def __str__(self) -> str:
        """The spec that builds this layer: its name, and the settings that are not the defaults."""
        plain = inspect.signature(type(self)).parameters
        ours = {name: value for name, value in self.get_config().items() if name in plain}
        changed = [f"{name}={_text(value)}" for name, value in ours.items() if value != _default(plain[name])]
        return defences.name_of(type(self)) + (":" + ",".join(changed) if changed else "")

    def unit(self, x: Any) -> Any:
        """Pixels in units of the bounds, so that they lie in [0, 1]."""
        return (x - self.low) / (self.high - self.low)

    def pixels(self, unit: Any) -> Any:
        """The inverse of `unit`."""
        return self.low + (self.high - self.low) * unit


def _default(parameter: inspect.Parameter) -> Any:
    """A default as a config has it: no numbers are an empty list there."""
    return [] if parameter.default == "" else parameter.default


def _text(value: Any) -> str:
    return ":".join(f"{each:g}" for each in value) if isinstance(value, list) else str(value)


defences: Registry[Defence | Conversion] = Registry("defence", "turtlenet.defences", base=(Defence, Conversion))


def registered(name: str) -> Any:
    """Decorates a defence so that `name` stands for it, in specs and, for a layer, in model files."""

    def add(kind: Any) -> Any:
        if issubclass(kind, Defence):
            kind = keras.saving.register_keras_serializable("turtlenet")(kind)
        return defences.register(name)(kind)

    return add
