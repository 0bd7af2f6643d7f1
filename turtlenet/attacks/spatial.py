"""Rotations and shifts: small moves for the eye that no norm calls small."""

import itertools
import math
from dataclasses import dataclass

import numpy as np
from keras import ops

from turtlenet import backend, losses, random
from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import SearchResult
from turtlenet.attacks.goal import Best, Goal
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.errors import ModelError, SettingError
from turtlenet.ranges import count, number, one_of, share
from turtlenet.typing import Keys, Tensor


@attacks.register("spatial")
@dataclass(frozen=True, kw_only=True)
class Spatial(Attack):
    """Rotates and shifts (Engstrom et al., 2019, section 3): by a grid, or the worst of k random choices.

    The threat is the angle and the shift, not a norm: a turned edge changes pixels by all they have. So the attack has
    a ball of its own that holds every image, `eps=inf`, whatever the threat it is listed under; its successes are none
    within that threat. Asked for a finite `eps`, it brings each image into that ball.
    Pixels are blends of four (bilinear); what comes in from outside is the lowest value.

    Args:
        angle: Most degrees to either side.
        shift: Most pixels in each direction, as a fraction of the side; 0.1 is the paper's 3 pixels on MNIST.
        way: `grid` tries `angles` times `shifts` times `shifts` choices, `random` tries `draws`.
        angles: Angles of the grid.
        shifts: Shifts of the grid in each direction.
        draws: Random choices; the paper's k.
        loss: Loss that says which choice is best.
        early_stop: Leaves off once all images of a batch are fooled.
    """

    eps: float = float("inf")
    angle: float = number(30.0, low=0, high=180, note="in degrees")
    shift: float = share(0.1, note="a fraction of the side")
    way: str = one_of("grid", ("grid", "random"))
    angles: int = count(31, low=1, high=MOST)
    shifts: int = count(5, low=1, high=MOST)
    draws: int = count(10, low=1, high=MOST)
    loss: str = one_of("cross_entropy", losses.LOSSES)
    early_stop: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.angles * self.shifts**2 > MOST:
            raise SettingError(
                f"Expected a grid of at most {MOST:,}; got {self.angles} x {self.shifts} x {self.shifts}."
            )

    def search(self, model: Classifier, x: Tensor, goal: Goal, *, ball: Ball, key: Keys) -> SearchResult:
        if len(x.shape) != 4:
            raise ModelError(f"Expected images of height, width and channels; got inputs of shape {x.shape[1:]}.")
        most = (math.radians(self.angle), self.shift * x.shape[1], self.shift * x.shape[2])
        grid = ops.convert_to_tensor(self._grid() * np.asarray(most, "float32"))
        count = grid.shape[0] if self.way == "grid" else self.draws

        def attempt(number: Tensor, state: tuple[Best]) -> tuple[Best]:
            if self.way == "grid":
                move = ops.zeros_like(x[:, :1, 0, 0]) + ops.take(grid, number, axis=0)[None]
            else:
                move = random.uniform(random.fold_in(key, number), (3,), -1.0, 1.0) * np.asarray(most, "float32")
            point = ball.project(turned(x, move, ball.low), x)
            logits = model(point)
            return (state[0].or_better(point, logits, goal.judge(self.loss, logits)),)

        until = (lambda state: ops.all(state[0].reached)) if self.early_stop else None
        taken, (best,) = backend.loop(count, attempt, (Best.none(x, model.num_classes),), until)
        return SearchResult(best.x, best.logits, queries=taken)

    def _grid(self) -> np.ndarray:
        """Fractions of the largest angle and shifts, float32 (choices, 3)."""
        angles, shifts = (np.linspace(-1, 1, count) if count > 1 else [0.0] for count in (self.angles, self.shifts))
        return np.array(list(itertools.product(angles, shifts, shifts)), "float32")


def turned(x: Tensor, move: Tensor, fill: float) -> Tensor:
    """Images rotated about their middle, then shifted.

    Args:
        x: float32 (batch, height, width, channels).
        move: Radians counterclockwise, and pixels down and right, float32 (batch, 3).
        fill: Value of what lies outside.
    """
    height, width, channels = x.shape[1:]
    middle = ((height - 1) / 2, (width - 1) / 2)
    rows, columns = (ops.convert_to_tensor(part.reshape(1, -1), "float32") for part in np.mgrid[:height, :width])
    down, right = rows - middle[0] - move[:, 1:2], columns - middle[1] - move[:, 2:3]
    cosine, sine = ops.cos(move[:, :1]), ops.sin(move[:, :1])
    # Where each pixel comes from: the move undone. The sine's signs are those of an axis that points down.
    row = cosine * down + sine * right + middle[0]
    column = -sine * down + cosine * right + middle[1]
    pixels = ops.reshape(x, (-1, height * width, channels)) - fill
    total: Tensor = 0.0
    for low in itertools.product((0, 1), (0, 1)):
        r, c = ops.floor(row) + low[0], ops.floor(column) + low[1]
        share = (1 - ops.abs(row - r)) * (1 - ops.abs(column - c))
        inside = ops.logical_and(ops.logical_and(r >= 0, r <= height - 1), ops.logical_and(c >= 0, c <= width - 1))
        place = ops.cast(ops.clip(r, 0, height - 1) * width + ops.clip(c, 0, width - 1), "int32")
        part = ops.take_along_axis(pixels, place[:, :, None], axis=1)
        total = total + ops.where(inside, share, 0.0)[:, :, None] * part
    return ops.reshape(total, (-1, height, width, channels)) + fill
