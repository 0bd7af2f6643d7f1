"""Kernel density of a hidden layer."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from keras import ops

from turtlenet.classifier import Classifier
from turtlenet.detection.arrays import packed, shapes_of, unpacked
from turtlenet.detection.base import Lesson, detectors, learned
from turtlenet.detection.layers import outputs_of, shape_of
from turtlenet.detection.methods.threshold import Thresholded
from turtlenet.errors import ModelError
from turtlenet.ranges import count, number

_ELSEWHERE = 1000.0
"""Is taken from the log of a kernel at a point of another class: farther than points of its own class are."""


@detectors.register("kernel-density")
@dataclass(frozen=True, kw_only=True)
class KernelDensity(Thresholded):
    """How rare a hidden layer's output is among those of clean inputs of the same class (Feinman et al., 2017).

    The statistic is minus the log of the mean of Gaussian kernels exp(-d^2 / (2 width^2)) at the outputs of clean
    inputs of the class that the model answers. The published widths are 1.2 for MNIST and 0.26 for CIFAR-10, of a last
    hidden layer. A class is that of the answer as it stands: no gradient flows through the choice.

    Args:
        layer: Name of the layer; empty for what the last dense layer is given.
        width: Of the kernel, in units of the layer.
        most: Most clean inputs that it is made of.
        points: Their outputs (n, features) and their classes (n,).
    """

    statistic: ClassVar[str] = "minus the log density of a hidden layer"

    layer: str = ""
    width: float = number(1.2, above=0, note="in units of the layer")
    most: int = count(1000, low=1)
    points: tuple[str, ...] = learned((), arrays=True)

    def check(self, model: Classifier) -> None:
        super().check(model)
        size = int(np.prod(shape_of(model, self.layer)))
        count = len(unpacked(self.points)[0]) if self.points else 0
        wanted = [(count, size), (count,)]
        if self.points and shapes_of(self.points) not in (wanted, [*wanted, (count,)]):
            raise ModelError(f"Expected the layer that the detector learned on; got another, of {size} values.")

    def learn(self, lesson: Lesson) -> Self:
        rows = np.random.default_rng(lesson.seed).permutation(len(lesson.clean))[: self.most]
        points = lesson.mapped(f"flat outputs of {self.layer}", self._outputs, lesson.clean[rows])
        labels = lesson.labels[rows]
        counts = np.bincount(labels)[labels]
        return replace(self, points=packed((points, labels, counts)))

    def statistics(self, model: Classifier, x: Any, logits: Any) -> Any:
        points, classes, *counts = unpacked(self.points)
        # Detectors that were fitted before took the mean over the inputs of all classes.
        size = np.maximum(counts[0], 1) if counts else np.full(len(points), len(points))
        answers = ops.cast(ops.argmax(model.mean(logits), axis=-1), "float32")
        found = self._outputs(model, x)
        squares = ops.sum(ops.square(found), axis=1, keepdims=True) + np.square(points).sum(axis=1)
        apart = ops.relu(squares - 2 * ops.matmul(found, points.T)) / (2 * self.width**2)
        other = ops.cast(answers[:, None] != classes[None], "float32")
        return -ops.logsumexp(-apart - _ELSEWHERE * other - np.log(size).astype("float32"), axis=1)

    def _outputs(self, model: Classifier, x: Any) -> Any:
        found = outputs_of(model, x, self.layer)
        return ops.reshape(found, (-1, int(np.prod(found.shape[1:]))))
