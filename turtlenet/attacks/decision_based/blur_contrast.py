"""Less contrast, less sharpness: no draw."""

from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from turtlenet.attacks.base import attacks
from turtlenet.attacks.decision_based.corruption import Corruption
from turtlenet.attacks.query_attack import cosines, grid
from turtlenet.balls import Ball
from turtlenet.typing import Keys, Tensor


@attacks.register("contrast")
@dataclass(frozen=True, kw_only=True)
class Contrast(Corruption):
    """Fades to mid-gray (Foolbox's LinearSearchContrastReductionAttack; Rauber et al., 2017)."""

    norms: ClassVar[tuple[str, ...]] = ("l2", "linf", "l1")

    def corrupted(self, x: Tensor, strength: Tensor, *, ball: Ball, key: Keys) -> Tensor:
        return ball.inside(x + strength * (0.5 * (ball.low + ball.high) - x))


@attacks.register("blur")
@dataclass(frozen=True, kw_only=True)
class Blur(Corruption):
    """Blurs by a Gaussian, up to a deviation of the image's longer side (Foolbox's GaussianBlurAttack; Rauber et al.,
    2017). The image goes on as its mirror image beyond its border, where damping waves of cosines is the blur."""

    norms: ClassVar[tuple[str, ...]] = ("l2", "linf", "l1")

    def corrupted(self, x: Tensor, strength: Tensor, *, ball: Ball, key: Keys) -> Tensor:
        rows, columns, channels = grid(x.shape[1:])
        deviation = strength * max(rows, columns)
        image = ops.reshape(x, (-1, rows, columns, channels))
        for axis, size in ((1, rows), (2, columns)):
            image = ops.moveaxis(ops.matmul(ops.moveaxis(image, axis, -1), _blurring(size, deviation)), -1, axis)
        return ball.inside(ops.reshape(image, ops.shape(x)))


def _blurring(size: int, deviation: Tensor) -> Tensor:
    """The symmetric matrix (size, size) that blurs a line."""
    waves = ops.convert_to_tensor(cosines(size))
    turns = ops.cast(ops.arange(size, dtype="int32"), "float32") * (3.141592653589793 / size)
    damping = ops.exp(-0.5 * ops.square(deviation * turns))
    return ops.matmul(ops.transpose(waves) * damping[None, :], waves)
