"""The Adversarial Robustness Toolbox (Nicolae et al., 2018)."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from turtlenet import backend, losses
from turtlenet.attacks.adapters.base import External, names_of
from turtlenet.attacks.base import attacks
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier

_OURS = {"estimator", "classifier", "eps", "norm", "targeted", "verbose", "batch_size"}
_ORDERS: dict[str, Any] = {"linf": np.inf, "l2": 2, "l1": 1, "l0": 0}


@attacks.family("art")
@dataclass(frozen=True, kw_only=True)
class Art(External):
    """ART's, such as `art:ProjectedGradientDescent:max_iter=10` (a class of `art.attacks.evasion`).

    It asks our compiled classifier for logits and slopes, on any backend.
    """

    library = "art"

    @property
    def minimal(self) -> bool:  # type: ignore[override]
        """Whether it has no radius of its own."""
        return "eps" not in names_of(self._kind())

    def outside(
        self, model: Classifier, x: np.ndarray, y: np.ndarray, target: np.ndarray | None, *, ball: Ball
    ) -> tuple[Any, int, int]:
        kind, known = self._kind(), names_of(self._kind())
        settings: dict[str, Any] = {"eps": float(ball.eps), "norm": _ORDERS[ball.norm], "verbose": False}
        settings |= {"batch_size": len(x), "targeted": target is not None}
        if "eps_step" in known:
            settings["eps_step"] = float(ball.eps) / 10
        estimator = _estimator(self._module, model, ball)
        usable = {name: value for name, value in (settings | self.given).items() if name in known}
        wanted = np.eye(model.num_classes, dtype="float32")[y if target is None else target]
        found = kind(estimator, **usable).generate(x, y=wanted)
        return found, round(estimator.gradients / len(x)), round(estimator.queries / len(x))

    def _parameters(self) -> set[str]:
        return names_of(self._kind()) - _OURS

    def _kind(self) -> Callable[..., Any]:
        room = self._module("art.attacks.evasion")
        base = self._module("art.attacks.attack").EvasionAttack
        kinds = {name: kind for name, kind in vars(room).items() if inspect.isclass(kind) and issubclass(kind, base)}
        kind: Callable[..., Any] = self._one_of(kinds)
        return kind


def _estimator(module: Callable[[str], Any], model: Classifier, ball: Ball) -> Any:
    """Our classifier as ART wants one."""
    room = module("art.estimators.classification")
    mixins = module("art.estimators")

    bases = (
        room.ClassGradientsMixin,
        mixins.LossGradientsMixin,
        room.ClassifierMixin,
        mixins.NeuralNetworkMixin,
        mixins.BaseEstimator,
    )

    class Estimator(*bases):  # type: ignore[misc]
        """Logits and slopes of a classifier, counted."""

        gradients = queries = 0

        def __init__(self) -> None:
            bounds = (np.float32(ball.low), np.float32(ball.high))
            super().__init__(model=model, clip_values=bounds, channels_first=False)
            self.nb_classes = model.num_classes

        @property
        def input_shape(self) -> tuple[int, ...]:
            return model.input_shape

        def predict(self, x: np.ndarray, batch_size: int = 128, **settings: Any) -> np.ndarray:
            self.queries += len(x)
            return np.concatenate([model.predict(part) for part in _parts(x)])

        def loss_gradient(self, x: np.ndarray, y: np.ndarray, **settings: Any) -> np.ndarray:
            labels = (y.argmax(axis=1) if y.ndim == 2 else y).astype("int32")
            return self._slopes(x, labels, losses.cross_entropy, "loss")

        def class_gradient(self, x: np.ndarray, label: Any = None, **settings: Any) -> np.ndarray:
            def logit(chosen: Any, logits: Any) -> Any:
                return ops.sum(logits * ops.one_hot(chosen, model.num_classes, dtype="float32"), axis=-1)

            asked = range(model.num_classes) if label is None else [label]
            slopes = [
                self._slopes(x, np.broadcast_to(np.asarray(each, "int32"), (len(x),)), logit, "class")
                for each in asked
            ]
            return np.stack(slopes, axis=1)

        def _slopes(self, x: np.ndarray, labels: np.ndarray, loss: Any, name: str) -> np.ndarray:
            self.gradients += len(x)

            def slope(point: Any, label: Any) -> Any:
                return backend.input_gradient(lambda z: (loss(label, model(z)), 0), point)[2]

            graph = model.compiled(("art", name), slope)
            found = [graph(*map(ops.convert_to_tensor, part)) for part in zip(_parts(x), _parts(labels), strict=True)]
            return np.concatenate([ops.convert_to_numpy(each) for each in found])

        def fit(self, *settings: Any, **more: Any) -> None:
            raise NotImplementedError

        def get_activations(self, *settings: Any, **more: Any) -> Any:
            raise NotImplementedError

        def compute_loss(self, x: np.ndarray, y: np.ndarray, **settings: Any) -> np.ndarray:
            labels = (y.argmax(axis=1) if y.ndim == 2 else y).astype("int32")
            logits = ops.convert_to_tensor(self.predict(x))
            return ops.convert_to_numpy(losses.cross_entropy(ops.convert_to_tensor(labels), logits))

    return Estimator()


def _parts(values: np.ndarray, size: int = 1024) -> list[np.ndarray]:
    values = np.ascontiguousarray(values, "float32" if values.dtype.kind == "f" else values.dtype)
    return [values[start : start + size] for start in range(0, len(values), size)]
