"""cleverhans 4 (Papernot et al., 2018), its attacks for TensorFlow."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from turtlenet.attacks.adapters.base import External, names_of
from turtlenet.attacks.base import attacks
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError

_METHODS = (
    "basic_iterative_method",
    "fast_gradient_method",
    "madry_et_al",
    "momentum_iterative_method",
    "projected_gradient_descent",
)
_OURS = {"model_fn", "x", "y", "targeted", "eps", "norm", "clip_min", "clip_max"}
_ORDERS = {"linf": np.inf, "l2": 2, "l1": 1}


@attacks.family("cleverhans")
@dataclass(frozen=True, kw_only=True)
class Cleverhans(External):
    """cleverhans's, such as `cleverhans:projected_gradient_descent:nb_iter=40` (of `cleverhans.tf2.attacks`).

    Its CarliniWagnerL2 and SPSA are left out: cleverhans 4 uses optimizers in ways that Keras 3 no longer knows.

    Where it wants a number of steps or their length and none is given, it gets 40 steps of a tenth of the radius.
    """

    library = "cleverhans"
    norms = tuple(_ORDERS)

    def outside(
        self, model: Classifier, x: np.ndarray, y: np.ndarray, target: np.ndarray | None, *, ball: Ball
    ) -> tuple[Any, int, int]:
        function = self._function()
        known = names_of(function)
        settings: dict[str, Any] = {"nb_iter": 40, "eps_iter": float(ball.eps) / 10, "sanity_checks": False}
        settings |= {"eps": float(ball.eps), "norm": _ORDERS[ball.norm], "clip_min": ball.low, "clip_max": ball.high}
        settings |= {"targeted": target is not None, **self.given}
        settings["y"] = ops.convert_to_tensor(y if target is None else target)
        usable = {name: value for name, value in settings.items() if name in known}
        return ops.convert_to_numpy(function(model, ops.convert_to_tensor(x), **usable)), 0, 0

    def _parameters(self) -> set[str]:
        return names_of(self._function()) - _OURS

    def _function(self) -> Callable[..., Any]:
        if keras.backend.backend() != "tensorflow":
            raise SettingError(f"Expected the Keras backend tensorflow for {self}; got {keras.backend.backend()}.")
        self._one_of(dict.fromkeys(_METHODS))
        function: Callable[..., Any] = getattr(self._module(f"cleverhans.tf2.attacks.{self.method}"), self.method)
        return function
