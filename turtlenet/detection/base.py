"""What every detector promises, whoever writes it."""

import abc
import dataclasses
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from keras import ops
from scipy.special import expit

from turtlenet import backend
from turtlenet.balls import Ball
from turtlenet.batching import in_batches
from turtlenet.classifier import Classifier
from turtlenet.detection.arrays import unpack
from turtlenet.errors import ModelError, SettingError
from turtlenet.ranges import check_ranges
from turtlenet.registry import Registry
from turtlenet.uncertainty import uncertainty


def learned(default: Any, *, arrays: bool = False) -> Any:
    """Declares a field that fitting fills in, and that no spec can name.

    Args:
        default: What it is before.
        arrays: Whether it is a tuple of arrays as texts; see `turtlenet.detection.arrays`.
    """
    return dataclasses.field(default=default, metadata={"learned": True, "arrays": arrays})


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What a detector learns from, before it is fitted on statistics of other inputs.

    Attributes:
        classifier: The model, as the detector asks it.
        victim: The model, as attacks ask it.
        clean: Clean inputs that count, float32 (n, ...).
        labels: Their true labels, int32 (n,).
        adversarial: Adversarial inputs that count, float32 (m, ...).
        ball: The threat.
        seed: Repeats every draw.
        batch_size: Inputs in one compiled call; None for as many as fit.
    """

    classifier: Classifier
    victim: Classifier
    clean: np.ndarray
    labels: np.ndarray
    adversarial: np.ndarray
    ball: Ball
    seed: int = 0
    batch_size: int | None = 64

    def mapped(self, name: Hashable, fn: Callable[[Classifier, Any], Any], x: np.ndarray) -> np.ndarray:
        """What a function of the model gives for any number of inputs, in batches.

        Args:
            name: Tells its graph from others.
            fn: A function of the classifier and of inputs (batch, ...), written in `keras.ops`.
            x: Inputs, float32 (n, ...).

        Returns:
            float32 (n, ...).
        """
        graph = self.classifier.compiled(name, lambda part: fn(self.classifier, part))

        def work(rows: np.ndarray) -> np.ndarray:
            values: np.ndarray = ops.convert_to_numpy(graph(backend.shard(ops.convert_to_tensor(x[rows], "float32"))))
            return values

        parts = in_batches(self.classifier, np.arange(len(x)), self.batch_size, work)
        return np.concatenate([values[: len(rows)] for rows, values in parts])


@dataclass(frozen=True, kw_only=True)
class Detector(abc.ABC):
    """Tells adversarial inputs from clean ones by statistics of the model's answers to them.

    A subclass is a frozen dataclass: settings, which a spec can name, and numbers that fitting fills in (`learned`).
    It goes to JSON and back. Fitting weighs the clean and the adversarial side alike, however many there are of each:
    nobody knows how often attacks will come, so probabilities are those for even odds.

    The statistic of an input is its uncertainty (paper 001, equation 12) unless a subclass defines `statistics`; such
    a subclass defines `log_odds`, through which an attack that knows of the detector climbs. One that must first learn
    something of inputs, such as a network, defines `learn`; the images that it learns from are none that it is fitted
    on.
    """

    statistic: ClassVar[str] = "uncertainty"
    """What it looks at, in words."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check_type(field, getattr(self, field.name))
        check_ranges(self)
        for field in dataclasses.fields(self):
            if field.metadata.get("arrays"):
                for text in getattr(self, field.name):
                    unpack(text)

    @staticmethod
    def build(spec: str) -> "Detector":
        """Makes the detector of a spec, not yet fitted.

        Raises:
            SpecError: An unknown name or setting.
            SettingError: A setting out of its range.
        """
        kind: Any = detectors.factory_of(spec)
        fields: dict[str, Any] = {
            field.name: field.default for field in dataclasses.fields(kind) if field.metadata.get("learned")
        }
        return detectors.build(spec, **fields)

    @property
    def has_learned(self) -> bool:
        """Whether no array of it is lacking that `learn` fills in."""
        return all(getattr(self, field.name) for field in dataclasses.fields(self) if field.metadata.get("arrays"))

    def check(self, model: Classifier) -> None:
        """Refuses a model that it cannot look at, such as one of another input shape.

        Raises:
            ModelError: Such a model.
        """
        if self.needs_draws:
            check_stochastic(model)

    def learn(self, lesson: Lesson) -> Self:
        """Learns what its statistics need; itself where they need nothing."""
        return self

    @abc.abstractmethod
    def fit(self, clean: np.ndarray, adversarial: np.ndarray) -> Self:
        """Fits a detector of the same settings.

        Args:
            clean: Statistics of clean inputs, float64: uncertainties (n,), each within [0, 0.25]; or (n, k).
            adversarial: Those of adversarial inputs, (m,) or (m, k).

        Raises:
            DataError: Statistics that it cannot be fitted on.
        """

    def statistics(self, model: Classifier, x: Any, logits: Any) -> Any:
        """Computes what the detector looks at, within a compiled graph.

        Args:
            model: The model, for a detector that asks it more, such as about a squeezed `x`.
            x: Inputs, float32 (batch, ...).
            logits: The model's answers to them, float32 (batch, draws, classes); one draw of a model without random
                layers.

        Returns:
            float32 (batch,) or (batch, k).
        """
        return uncertainty(ops.softmax(logits, axis=-1))

    @classmethod
    def by_uncertainty(cls) -> bool:
        """Whether it looks at the uncertainty alone, which only a model with random layers has."""
        return cls.statistics is Detector.statistics

    @property
    def needs_draws(self) -> bool:
        """Whether the model must have random layers."""
        return self.by_uncertainty()

    @property
    def learns(self) -> bool:
        """Whether it learns from inputs of its own."""
        return type(self).learn is not Detector.learn

    def score(self, values: Any) -> np.ndarray:
        """Gives the probability that an input is adversarial, at even odds.

        Args:
            values: Uncertainties of any shape; or statistics (n, k).

        Returns:
            float64, shaped like the uncertainties; or (n,).
        """
        return np.asarray(expit(np.asarray(ops.convert_to_numpy(self.log_odds(values)), "float64")))

    @abc.abstractmethod
    def log_odds(self, values: Any) -> Any:
        """Gives log(p / (1 - p)) of the probability p of `score`, (batch,), written in `keras.ops`.

        Args:
            values: What `statistics` gives, (batch,) or (batch, k).
        """

    def each_log_odds(self, values: Any) -> Any:
        """The log odds of each of several detectors in one, (batch, k), of which `log_odds` is the largest.

        An attack that knows of them lowers them all at once. One column where there is one.
        """
        return ops.expand_dims(self.log_odds(values), 1)

    def to_dict(self) -> dict[str, Any]:
        """The registered name and every setting and number, for JSON."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {"name": detectors.name_of(type(self)), **fields}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "Detector":
        """Reads back what `to_dict` wrote.

        Raises:
            SpecError: No detector of that name.
        """
        settings = {name: _frozen(value) for name, value in data.items()}
        return detectors.factory(settings.pop("name"))(**settings)


def _check_type(field: "dataclasses.Field[Any]", value: Any) -> None:
    """Refuses a value of another type than the field's default, as a damaged file has.

    Raises:
        SettingError: Such a value.
    """
    kind = type(field.default)
    if kind not in (bool, int, float, str, tuple):
        return
    fits = isinstance(value, (int, float) if kind is float else kind)
    if not fits or (isinstance(value, bool) and kind is not bool):
        raise SettingError(f"Expected {field.name} as {kind.__name__}; got {str(value)[:60]!r}.")


def _frozen(value: Any) -> Any:
    """A value with tuples for the lists of JSON, as a frozen dataclass has them."""
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


detectors: Registry[Detector] = Registry("detector", "turtlenet.detectors", base=Detector)


def check_stochastic(classifier: Classifier) -> None:
    """Refuses a model whose answers never differ.

    Raises:
        ModelError: No layer draws random numbers at inference.
    """
    if not classifier.stochastic:
        dropout = any("Dropout" in type(layer).__name__ for layer in classifier.model._flatten_layers())
        how = (
            "wrap it with mc-dropout first (turtlenet wrap MODEL --defence mc-dropout)"
            if dropout
            else ("give it Dropout layers, train it, and wrap it with mc-dropout")
        )
        raise ModelError(f"Expected a model that draws random numbers when it answers; this one draws none: {how}.")
