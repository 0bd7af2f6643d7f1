"""Feature squeezing."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from keras import ops

from turtlenet.classifier import Classifier
from turtlenet.defences import Differentiable
from turtlenet.defences.filters.median import median
from turtlenet.defences.filters.non_local_means import non_local_means
from turtlenet.defences.quantizers.bit_depth import rounded
from turtlenet.detection.base import detectors
from turtlenet.detection.images import check_images
from turtlenet.detection.methods.threshold import Thresholded
from turtlenet.errors import SettingError
from turtlenet.ranges import count, number


@detectors.register("squeezing")
@dataclass(frozen=True, kw_only=True)
class Squeezing(Thresholded):
    """How much the answer changes when an input loses detail (Xu et al., 2018, "Feature squeezing").

    The statistic is the L1 distance between the softmax outputs at an input and at the squeezed input, of each
    squeezer; the largest counts. As published: one bit and a median of 2x2 for MNIST; `bits=5,median=2,search=13` for
    CIFAR-10.

    An attacker takes the gradient straight through the rounding of the bit depth, and that of a median at the pixel
    that is it. Where both answers are sure the distance has no slope: its gradient is that of the cross-entropy of the
    answer to the squeezed input, with the class of the answer to the input itself as the label.

    Args:
        bits: Bits kept of a pixel; 0 for no such squeezer.
        median: Side of the window of the median filter, in pixels; 0 for none.
        search: Side of the window in which non-local means looks for like patches, in pixels; 0 for none.
        patch: Side of these patches.
        strength: Width of their weights, in gray levels of 256.
    """

    statistic: ClassVar[str] = "distance of the answer to that to the squeezed input"

    bits: int = count(1, high=8)
    median: int = count(2, high=15)
    search: int = count(0, high=31)
    patch: int = count(3, low=1, high=15)
    strength: float = number(2.0, above=0, note="in gray levels of 256")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.bits or self.median or self.search):
            raise SettingError("Expected bits, median or search above 0, to squeeze with; got 0 of each.")
        for name, side in (("search", self.search), ("patch", self.patch)):
            if side and side % 2 == 0:
                raise SettingError(f"Expected an odd {name}, which has a middle; got {side}.")

    def check(self, model: Classifier) -> None:
        super().check(model)
        check_images(model, "squeezing", max(self.median, self.search))

    def statistics(self, model: Classifier, x: Any, logits: Any) -> Any:
        others = [model.each(each) for each in self.squeezed(x, model.bounds)]
        return ops.stack([_distance(model, logits, each) for each in others], axis=1)

    def squeezed(self, x: Any, bounds: tuple[float, float]) -> Iterator[Any]:
        """The input as each squeezer gives it back, (batch, height, width, channels)."""
        low, high = bounds
        if self.bits:
            fewer = low + (high - low) * rounded((x - low) / (high - low), self.bits)
            yield Differentiable.straight_through(fewer, x)
        if self.median:
            yield median(x, self.median)
        if self.search:
            yield non_local_means(x, self.search, self.patch, self.strength / 255 * (high - low))


def _distance(model: Classifier, logits: Any, others: Any) -> Any:
    """L1 distance (batch,) of two mean answers of logits (batch, draws, classes), with a slope where it has none."""
    answer, other = (ops.mean(ops.softmax(each, axis=-1), axis=1) for each in (logits, others))
    distance = ops.sum(ops.abs(answer - other), axis=-1)
    if model.gradient != "adaptive":
        return distance
    label = ops.one_hot(ops.argmax(answer, axis=-1), model.num_classes)
    smooth = -ops.sum(label * ops.log_softmax(model.mean(others), axis=-1), axis=-1)
    return ops.stop_gradient(distance) + smooth - ops.stop_gradient(smooth)
