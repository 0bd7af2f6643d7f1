"""Statistics of convolutions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from keras import ops
from sklearn.svm import LinearSVC

from turtlenet.classifier import Classifier
from turtlenet.detection.arrays import packed, shapes_of, unpacked
from turtlenet.detection.base import Lesson, detectors, learned
from turtlenet.detection.layers import convolutions_of, outputs_of, shape_of
from turtlenet.detection.methods.threshold import Thresholded
from turtlenet.errors import DataError, ModelError
from turtlenet.ranges import count, share

_FEW = 5
_POINTS = 2000
"""Most outputs of an image's places that the principal components are of, an image."""


@detectors.register("convolution-statistics")
@dataclass(frozen=True, kw_only=True)
class ConvolutionStatistics(Thresholded):
    """What a cascade of linear classifiers sees in the outputs of convolutions (Li and Li, 2017).

    The outputs of a layer at each place are projected on their principal components and divided by their standard
    deviations. Of each component, over the places: the mean of the absolute value, the smallest, the largest, and the
    three quartiles. A linear SVM a layer tells the inputs apart that the layers before it did not take for clean; each
    lets `keep` of the adversarial ones pass on. An input is adversarial if no stage takes it for clean: the statistic
    is the smallest of the stages' margins.

    Args:
        layers: Names of convolutions with `;` between them; empty for all.
        components: Most principal components of a layer.
        keep: Share of the adversarial inputs that a stage passes on.
        stages: For each layer: the mean (c,), the whitened components (c, k), and the SVM's weights (6 k,) with the
            bias behind them.
    """

    statistic: ClassVar[str] = "smallest margin of a cascade of SVMs on convolutions"

    layers: str = ""
    components: int = count(16, low=1)
    keep: float = share(0.99)
    stages: tuple[str, ...] = learned((), arrays=True)

    def names(self, model: Classifier) -> tuple[str, ...]:
        """The layers that it looks at.

        Raises:
            ModelError: The model has no convolutions of images.
        """
        found = tuple(name.strip() for name in self.layers.split(";") if name.strip()) or convolutions_of(model)
        if not found:
            raise ModelError(f"Expected a model with convolutions of images; got {model.model.name}, which has none.")
        return found

    def check(self, model: Classifier) -> None:
        super().check(model)
        widths = []
        for name in self.names(model):
            shape = shape_of(model, name)
            if len(shape) != 3:
                raise ModelError(f"Expected a layer of shape (height, width, channels); got {name!r} of {shape}.")
            widths.append(shape[-1])
        found = shapes_of(self.stages)
        kept = [shape[-1] for shape in found[1::3]]
        wanted = [
            each for width, k in zip(widths, kept, strict=False) for each in ((width,), (width, k), (6 * k + 1,))
        ]
        if found != wanted:
            raise ModelError(
                f"Expected the convolutions that the detector learned on; got others, of widths {widths}."
            )

    def learn(self, lesson: Lesson) -> Self:
        sides = [lesson.clean, lesson.adversarial]
        stages: list[np.ndarray] = []
        for name in self.names(lesson.classifier):
            if min(map(len, sides)) < _FEW:
                break
            outputs = [lesson.mapped(f"outputs of {name}", _asks(name), side) for side in sides]
            mean, white = _principal(outputs[0], self.components, lesson.seed)
            tables = [_summaries(each, mean, white) for each in outputs]
            weights, margins = _separated(tables, self.keep)
            stages += [mean, white, weights]
            sides = [side[margin > 0] for side, margin in zip(sides, margins, strict=True)]
        if not stages:
            raise DataError(f"Expected at least {_FEW} inputs on a side to learn from; got {min(map(len, sides))}.")
        return replace(self, stages=packed(stages))

    def statistics(self, model: Classifier, x: Any, logits: Any) -> Any:
        arrays = unpacked(self.stages)
        margins = []
        for name, mean, white, weights in zip(self.names(model), *(arrays[n::3] for n in range(3)), strict=False):
            found = _statistics(outputs_of(model, x, name), mean, white)
            margins.append(ops.matmul(found, weights[:-1, None])[:, 0] + weights[-1])
        return ops.min(ops.stack(margins, axis=1), axis=1)


def _asks(name: str) -> Any:
    return lambda model, x: outputs_of(model, x, name)


def _principal(outputs: np.ndarray, most: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and whitened components of the places of a layer's outputs (n, height, width, channels)."""
    flat = outputs.reshape(-1, outputs.shape[-1]).astype("float64")
    rows = np.random.default_rng(seed).permutation(len(flat))[: 100 * _POINTS]
    mean = flat[rows].mean(axis=0)
    variances, axes = np.linalg.eigh(np.atleast_2d(np.cov(flat[rows] - mean, rowvar=False, bias=True)))
    kept = [place for place in range(len(variances))[::-1] if variances[place] > 1e-9 * max(variances[-1], 1e-9)]
    kept = (kept or [len(variances) - 1])[:most]
    return mean, axes[:, kept] / np.sqrt(np.maximum(variances[kept], 1e-12))


def _statistics(outputs: Any, mean: Any, white: Any) -> Any:
    """Six statistics of each component, (batch, 6 k)."""
    count, channels = int(np.prod(outputs.shape[1:3])), outputs.shape[3]
    flat = ops.matmul(ops.reshape(outputs, (-1, count, channels)) - mean, white)
    ranks = [0, count // 4, count // 2, 3 * count // 4, count - 1]
    ordered = ops.sort(flat, axis=1)
    return ops.concatenate([ops.mean(ops.abs(flat), axis=1), *(ordered[:, rank] for rank in ranks)], axis=1)


def _summaries(outputs: np.ndarray, mean: np.ndarray, white: np.ndarray) -> np.ndarray:
    """Six statistics of each component, float (n, 6 k), of arrays on the host, in parts."""
    arrays = [np.asarray(each, "float32") for each in (mean, white)]
    parts = [ops.convert_to_numpy(_statistics(outputs[at : at + 256], *arrays)) for at in range(0, len(outputs), 256)]
    return np.concatenate(parts).astype("float64")


def _separated(tables: Sequence[np.ndarray], keep: float) -> tuple[np.ndarray, list[np.ndarray]]:
    """A linear SVM that lets a share of the adversarial side pass: weights with the bias behind, margins of each."""
    both, labels = np.concatenate(tables), np.repeat([0, 1], [len(side) for side in tables])
    center, scale = both.mean(axis=0), both.std(axis=0) + 1e-6
    machine = LinearSVC(class_weight="balanced", random_state=0, max_iter=5000).fit((both - center) / scale, labels)
    weights = machine.coef_[0] / scale
    margins = [side @ weights for side in tables]
    bias = -float(np.quantile(margins[1], 1 - keep, method="lower")) + 1e-6
    return np.append(weights, bias), [margin + bias for margin in margins]
