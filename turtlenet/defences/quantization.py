"""Quantization of the input (QuSecNets: Ali et al., 2018, paper 000; Khalid et al., 2019, paper 002)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from turtlenet.defences.base import Defence, Reachable, registered
from turtlenet.errors import SettingError, SpecError, did_you_mean

_FORMS = ("v1", "v2")


class _Quantization(Defence):
    """y = 1/(n-1) * sum over k = 1..n-1 of sigmoid(z (x - t_k)) (paper 002, eq. 1), pixels in units of the bounds."""

    adaptive = "the same sum with a smaller z"

    def __init__(
        self,
        *,
        levels: int = 2,
        sharpness: float = 50.0,
        thresholds: str | Sequence[float] = "",
        form: str = "v2",
        hard: bool = False,
        surrogate_sharpness: float = 5.0,
        **settings: Any,
    ):
        super().__init__(**settings)
        if levels < 2:
            raise SettingError(f"Expected levels >= 2; got {levels}.")
        for name, value in (("sharpness", sharpness), ("surrogate_sharpness", surrogate_sharpness)):
            if not 0 < value < float("inf"):
                raise SettingError(f"Expected {name} > 0; got {value}.")
        if form not in _FORMS:
            raise SpecError(f"Unknown form {form!r}.{did_you_mean(form, _FORMS)}")
        self.levels, self.sharpness, self.form, self.hard = int(levels), float(sharpness), form, bool(hard)
        self.surrogate_sharpness = float(surrogate_sharpness)
        self.given_thresholds = _read_thresholds(thresholds, self.steps, self.bounds)

    @property
    def masks(self) -> bool:
        """Not where the layer is as smooth as its surrogate."""
        return self.hard or self.sharpness > self.surrogate_sharpness

    @property
    def steps(self) -> int:
        """How many thresholds there are: n - 1, or in paper 000 (eq. 1) n, over n - 1 all the same."""
        return self.levels - (self.form == "v2")

    def thresholds(self) -> Any:
        """The thresholds, in units of the bounds, of shape (steps, ...), broadcast against pixels."""
        raise NotImplementedError

    def defend(self, x: Any) -> Any:
        return self._sum(x, self._hard if self.hard else lambda gap: ops.sigmoid(self.sharpness * gap))

    def surrogate(self, x: Any) -> Any:
        soft = min(self.sharpness, self.surrogate_sharpness)
        return self._sum(x, lambda gap: ops.sigmoid(soft * gap))

    def reachable(self, low: Any, high: Any) -> Reachable:
        """What the layer can give for inputs from `low` to `high`: a few levels where it is hard, else all between.

        Args:
            low: Lower ends of the inputs, float32 (batch, ...), within the bounds.
            high: Upper ends, shaped like it.
        """
        lowest, highest = self.ends(low, high)
        return Reachable(lowest, highest, self._levels() if self.hard else None)

    def _levels(self) -> list[Any]:
        """The levels, ascending; one that no input reaches, because two thresholds coincide, repeats that below it."""
        thresholds = ops.sort(ops.cast(self.thresholds(), self.compute_dtype), axis=0)
        levels = [ops.convert_to_tensor(self.pixels(0.0), "float32")]
        for number in range(1, self.steps + 1):
            level = ops.cast(self.pixels(ops.cast(number, self.compute_dtype) / (self.levels - 1)), "float32")
            if number < self.steps:
                level = ops.where(thresholds[number] > thresholds[number - 1], level, levels[-1])
            levels.append(level)
        return levels

    def _sum(self, x: Any, step: Any) -> Any:
        unit, thresholds = self.unit(x), self.thresholds()
        total = sum(step(unit - ops.cast(thresholds[number], unit.dtype)) for number in range(self.steps))
        return self.pixels(total / (self.levels - 1))

    @staticmethod
    def _hard(gap: Any) -> Any:
        return ops.cast(gap >= 0, gap.dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "levels": self.levels,
            "sharpness": self.sharpness,
            "thresholds": [self.low + (self.high - self.low) * t for t in self.given_thresholds or ()],
            "form": self.form,
            "hard": self.hard,
            "surrogate_sharpness": self.surrogate_sharpness,
        }

    def initial_thresholds(self) -> np.ndarray:
        """The thresholds to begin with, in units of the bounds."""
        if self.given_thresholds is None:
            return evenly_spaced(self.steps)
        return np.array(self.given_thresholds, "float32")


@registered("constant-quantization")
class ConstantQuantization(_Quantization):
    """Pushes each pixel to one of n levels by fixed thresholds (papers 000 and 002: CQ).

    The naive gradient is that of steep sigmoids: from 0.35 above a threshold on (z = 50), float32 rounds it to 0 and
    a gradient attack leaves the pixel alone. The adaptive one is that of `surrogate_sharpness`.

    Args:
        levels: Number of levels n, at least 2.
        sharpness: The sigmoids' z, above 0; the papers use 50.
        thresholds: Their values in pixel units, ascending within the bounds, as numbers or as a text `0.3:0.6`;
            nothing spaces them evenly, each halfway between two levels.
        form: `v2` has n-1 sigmoids (paper 002); `v1` has n over n-1 (paper 000): its output leaves the bounds.
        hard: Whether to take steps instead of sigmoids; then the naive gradient is 0.
        surrogate_sharpness: The z that an attacker differentiates, if it is below the layer's own.
        **settings: `low`, `high`, and Keras's own.

    Raises:
        SettingError: A number out of its range.
    """

    def thresholds(self) -> Any:
        return self.initial_thresholds()


@registered("trainable-quantization")
class TrainableQuantization(_Quantization):
    """Quantization whose thresholds are trained by back-propagation (papers 000 and 002: VQ, TQ; eq. 3 to 8).

    Args:
        levels: Number of levels n, at least 2.
        sharpness: The sigmoids' z, above 0: the papers use 5, and name 5 to 40 as what can be trained.
        thresholds: Where they begin; see `ConstantQuantization`.
        shared: Whether all pixels share their thresholds; each has its own otherwise (the papers: one to one).
        rate: The thresholds' learning rate over that of all other weights.
        form: See `ConstantQuantization`.
        hard: Whether to take steps at inference, outside training.
        surrogate_sharpness: See `ConstantQuantization`.
        **settings: `low`, `high`, and Keras's own.

    Raises:
        SettingError: A number out of its range.
    """

    def __init__(
        self,
        *,
        levels: int = 2,
        sharpness: float = 5.0,
        thresholds: str | Sequence[float] = "",
        shared: bool = False,
        rate: float = 1.0,
        form: str = "v2",
        hard: bool = False,
        surrogate_sharpness: float = 5.0,
        **settings: Any,
    ):
        super().__init__(
            levels=levels,
            sharpness=sharpness,
            thresholds=thresholds,
            form=form,
            hard=hard,
            surrogate_sharpness=surrogate_sharpness,
            **settings,
        )
        if not 0 < rate < float("inf"):
            raise SettingError(f"Expected rate > 0; got {rate}.")
        self.shared, self.rate = bool(shared), float(rate)

    def build(self, input_shape: Any) -> None:
        """Makes the thresholds' variable: how far they moved, over the rate."""
        element = () if self.shared else tuple(input_shape[1:])
        self.moved = self.add_weight(shape=(self.steps, *element), initializer="zeros", name="moved")

    def thresholds(self) -> Any:
        moved = ops.convert_to_tensor(self.moved)
        initial = self.initial_thresholds().reshape((-1,) + (1,) * (len(moved.shape) - 1))
        begun = ops.convert_to_tensor(initial, moved.dtype)
        # The value moves by `rate` times the variable, the slope is the variable's own: so a step of any optimizer
        # (one that scales slopes away, too) moves a threshold `rate` times as far.
        return begun + moved + ops.stop_gradient((self.rate - 1.0) * moved)

    def call(self, x: Any, training: bool = False) -> Any:
        """Keras's word for it; steps that are hard at inference are smooth in training."""
        if training and self.hard:
            return self._sum(x, lambda gap: ops.sigmoid(self.sharpness * gap))
        return super().call(x)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "shared": self.shared, "rate": self.rate}


def evenly_spaced(count: int) -> np.ndarray:
    """Thresholds halfway between count + 1 evenly spaced levels in [0, 1]: 0.5; 0.25 and 0.75; ..."""
    return (np.arange(count, dtype="float32") + 0.5) / np.float32(count)


def _read_thresholds(thresholds: str | Sequence[float], count: int, bounds: tuple[float, float]) -> list[float] | None:
    """Thresholds in units of the bounds, or None for evenly spaced ones."""
    if isinstance(thresholds, str):
        try:
            values = [float(part) for part in thresholds.split(":")] if thresholds else []
        except ValueError:
            raise SettingError(f"Expected thresholds as numbers, such as 0.3:0.6; got {thresholds!r}.") from None
    else:
        values = [float(value) for value in thresholds]
    if not values:
        return None
    low, high = bounds
    ascending = all(one < other for one, other in zip(values, values[1:], strict=False))
    if len(values) != count or not ascending or not low < values[0] <= values[-1] < high:
        shown = ":".join(f"{value:g}" for value in values)
        raise SettingError(f"Expected {count} thresholds, ascending between {low:g} and {high:g}; got {shown}.")
    return [(value - low) / (high - low) for value in values]
