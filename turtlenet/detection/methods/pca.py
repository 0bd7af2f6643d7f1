"""Principal components of inputs."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from keras import ops

from turtlenet.classifier import Classifier
from turtlenet.detection.arrays import packed, shapes_of, unpacked
from turtlenet.detection.base import Lesson, detectors, learned
from turtlenet.detection.methods.threshold import Thresholded
from turtlenet.errors import ModelError
from turtlenet.ranges import count, number

_TINY = 1e-12


@detectors.register("pca")
@dataclass(frozen=True, kw_only=True)
class PrincipalComponents(Thresholded):
    """How much the late principal components of an input vary (Hendrycks and Gimpel, 2017).

    The statistic is the log of the variance over the last components of the whitened input, about their mean of 0
    over clean inputs: those have next to nothing there, and adversarial noise has. Carlini and Wagner (2017) found
    that on MNIST this sees pixels that no digit ever uses, and little else.

    Args:
        last: How many of the components, counted from the last; at most half of all.
        floor: Added to each component's variance before it is divided by, in input units squared: components that
            hold nothing would hold anything otherwise.
        components: Mean of the inputs (d,), and the whitened components (d, last).
    """

    statistic: ClassVar[str] = "log variance of the late principal components"

    last: int = count(200, low=2)
    floor: float = number(1e-4, above=0, note="in input units squared")
    components: tuple[str, ...] = learned((), arrays=True)

    def check(self, model: Classifier) -> None:
        super().check(model)
        size = int(np.prod(model.input_shape))
        if size < 4:
            raise ModelError(f"Expected inputs of at least 4 values for pca; got {size}.")
        if self.components and shapes_of(self.components) != [(size,), (size, min(self.last, size // 2))]:
            raise ModelError(f"Expected inputs of the size that the detector learned on; got some of {size} values.")

    def learn(self, lesson: Lesson) -> Self:
        flat = lesson.clean.reshape(len(lesson.clean), -1).astype("float64")
        mean = flat.mean(axis=0)
        variances, axes = np.linalg.eigh(np.cov(flat - mean, rowvar=False, bias=True))
        # They come in rising order.
        kept = min(self.last, flat.shape[1] // 2)
        white = axes[:, :kept] / np.sqrt(np.maximum(variances[:kept], 0) + self.floor)
        return replace(self, components=packed((mean, white)))

    def statistics(self, model: Classifier, x: Any, logits: Any) -> Any:
        mean, white = unpacked(self.components)
        late = ops.matmul(ops.reshape(x, (-1, len(mean))) - mean, white)
        return ops.log(ops.mean(ops.square(late), axis=1) + _TINY)
