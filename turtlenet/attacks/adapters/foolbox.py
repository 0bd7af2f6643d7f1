"""Foolbox 3 (Rauber et al., 2020)."""

import inspect
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


@attacks.family("foolbox")
@dataclass(frozen=True, kw_only=True)
class Foolbox(External):
    """Foolbox's, such as `foolbox:LinfPGD:steps=40` (a class of `foolbox.attacks`)."""

    library = "foolbox"

    @property
    def minimal(self) -> bool:  # type: ignore[override]
        """Whether it looks for the smallest perturbation."""
        return issubclass(self._kind(), self._module("foolbox.attacks.base").MinimizationAttack)

    def outside(
        self, model: Classifier, x: np.ndarray, y: np.ndarray, target: np.ndarray | None, *, ball: Ball
    ) -> tuple[Any, int, int]:
        foolbox = self._module("foolbox")
        wrapped = foolbox.TensorFlowModel if keras.backend.backend() == "tensorflow" else foolbox.JAXModel
        victim = wrapped(model, bounds=(ball.low, ball.high))
        # 64 bits, as its answers have: eagerpy compares other types by a function that NumPy 2 lacks.
        labels = ops.convert_to_tensor((y if target is None else target).astype("int64"))
        goal = (
            foolbox.criteria.Misclassification(labels)
            if target is None
            else foolbox.criteria.TargetedMisclassification(labels)
        )
        attack = self._kind()(**self.given)
        eps = None if self.minimal else float(ball.eps)
        _, moved, _ = attack(victim, ops.convert_to_tensor(x), goal, epsilons=eps)
        return ops.convert_to_numpy(moved), 0, 0

    def _parameters(self) -> set[str]:
        return names_of(self._kind().__init__)

    def _kind(self) -> Any:
        base = self._module("foolbox.attacks.base").Attack
        room = vars(self._module("foolbox.attacks"))
        kinds: dict[str, Callable[..., Any]] = {
            name: kind
            for name, kind in room.items()
            if inspect.isclass(kind) and issubclass(kind, base) and kind is not base
        }
        return self._one_of(kinds)
