"""What every contestant is asked to do."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

__all__ = ["NETS", "PRECISIONS", "TASKS", "Workload"]

TASKS = ("attack", "training")
PRECISIONS = ("float32", "tf32", "bfloat16")
NETS = ("cleverhans", "madry-mnist", "resnet18")
_COLOR = ("resnet18",)


@dataclass(frozen=True)
class Workload:
    """One batch under PGD, or some steps of training on batches under PGD.

    Attributes:
        task: `attack` or `training`.
        net: A name of `turtlenet.models`.
        precision: `float32`, `tf32` or `bfloat16`.
        batch: Images in a batch.
        steps: Gradients that PGD takes for each image.
        batches: Batches that one timing is over; 1 for an attack.
    """

    task: str
    net: str
    precision: str
    batch: int
    steps: int
    batches: int = 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        return (32, 32, 3) if self.net in _COLOR else (28, 28, 1)

    @property
    def eps(self) -> float:
        """The radius that is usual for such images."""
        return 8 / 255 if self.net in _COLOR else 0.3

    @property
    def step(self) -> float:
        """The length of a step of PGD."""
        return self.eps / 4 if self.task == "training" else self.eps / 10

    @property
    def gradients(self) -> int:
        """Gradients at the input in one timing."""
        return self.steps * self.images

    @property
    def images(self) -> int:
        """Images in one timing."""
        return self.batch * self.batches

    def flops(self, forward: int) -> int:
        """Operations of one timing, where an image's forward pass takes so many; see `flops.py`."""
        return (2 * self.steps + (3 if self.task == "training" else 0)) * forward * self.images

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """A batch of noise: images, float32 (batch, height, width, channels), and labels, int32 (batch,)."""
        random = np.random.default_rng(0)
        return random.random((self.batch, *self.shape), "float32"), random.integers(0, 10, self.batch, "int32")

    def to_dict(self) -> dict[str, Any]:
        """Plain data, from which `Workload(**data)` makes it again."""
        return asdict(self)

    def __str__(self) -> str:
        return f"PGD-{self.steps} {self.task}, {self.net}, {self.precision}, batch {self.batch:,}"
