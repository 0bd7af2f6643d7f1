"""MagNet's two detectors."""

import abc
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from keras import ops

from turtlenet.classifier import Classifier
from turtlenet.detection.arrays import packed, shapes_of, unpacked
from turtlenet.detection.autoencoder import autoencoded, fitted_autoencoder, shapes
from turtlenet.detection.base import Lesson, detectors, learned
from turtlenet.detection.methods.threshold import Thresholded
from turtlenet.errors import ModelError
from turtlenet.ranges import count, number, share


@dataclass(frozen=True, kw_only=True)
class Autoencoding(Thresholded, abc.ABC):
    """A detector that looks at what an autoencoder makes of an input, which is trained on clean inputs alone.

    Inputs that are no images get one of two dense layers.

    Args:
        filters: Of each convolution of the autoencoder.
        noise: Standard deviation of the noise in its training, as a fraction of the bounds.
        steps: Steps of its training.
        batch: Inputs in a step.
        rate: The learning rate.
        autoencoder: Its kernels and biases.
    """

    filters: int = count(3, low=1)
    noise: float = share(0.1, note="a fraction of the bounds")
    steps: int = count(2000, low=1)
    batch: int = count(64, low=1)
    rate: float = number(0.01, above=0)
    autoencoder: tuple[str, ...] = learned((), arrays=True)

    def check(self, model: Classifier) -> None:
        super().check(model)
        wanted = shapes(model.input_shape, self.filters)
        if self.autoencoder and shapes_of(self.autoencoder) != wanted:
            raise ModelError(f"Expected an autoencoder of inputs of shape {model.input_shape}; got another.")

    def learn(self, lesson: Lesson) -> Self:
        how: dict[str, Any] = {
            "filters": self.filters,
            "noise": self.noise,
            "steps": self.steps,
            "batch": self.batch,
            "rate": self.rate,
        }
        arrays = fitted_autoencoder(lesson.clean, lesson.classifier.bounds, **how, seed=lesson.seed)
        return replace(self, autoencoder=packed(arrays))

    def given_back(self, model: Classifier, x: Any) -> Any:
        """What the autoencoder makes of inputs."""
        return autoencoded(unpacked(self.autoencoder), x, model.bounds)


@detectors.register("magnet-error")
@dataclass(frozen=True, kw_only=True)
class MagNetError(Autoencoding):
    """How far an autoencoder's output is from its input (Meng and Chen, 2017, "MagNet", section 4.2.1).

    The statistic is the mean over the pixels of |x - ae(x)|^p.

    Args:
        p: The power, 1 or 2.
    """

    statistic: ClassVar[str] = "reconstruction error of an autoencoder"

    p: int = count(1, low=1, high=2)

    def statistics(self, model: Classifier, x: Any, logits: Any) -> Any:
        apart = ops.abs(x - self.given_back(model, x)) ** self.p
        return ops.mean(apart, axis=tuple(range(1, len(x.shape))))


@detectors.register("magnet-divergence")
@dataclass(frozen=True, kw_only=True)
class MagNetDivergence(Autoencoding):
    """How much the answer changes behind an autoencoder (Meng and Chen, 2017, "MagNet", section 4.2.2).

    The statistic is the Jensen-Shannon divergence between the softmax outputs at the input and at the autoencoder's
    output, both of logits divided by a temperature. As published: 10 and 40.

    Args:
        temperature: What the logits are divided by.
    """

    statistic: ClassVar[str] = "Jensen-Shannon divergence behind an autoencoder"

    temperature: float = number(10.0, above=0)

    def statistics(self, model: Classifier, x: Any, logits: Any) -> Any:
        both = [model.mean(each) / self.temperature for each in (logits, model.each(self.given_back(model, x)))]
        logs = [ops.log_softmax(each, axis=-1) for each in both]
        middle = ops.logaddexp(*logs) - 0.6931471805599453
        return ops.sum(ops.add(*(ops.exp(each) * (each - middle) for each in logs)), axis=-1) / 2
