"""A number, or several, is told of each example, right up to a tolerance."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from keras import ops

from turtlenet.errors import DataError, SettingError
from turtlenet.ranges import number
from turtlenet.tasks.base import Task, all_right, tasks
from turtlenet.typing import Labels, Tensor


@tasks.register("regression")
@dataclass(frozen=True, kw_only=True)
class Regression(Task):
    """Numbers are told, right up to a tolerance: class 0 is that all are, the others that one is too high or too low.

    With d the deviation of an output over the tolerance, the logits are 0 for class 0, then d - 1 for each output (too
    high), then -d - 1 for each (too low). So the margin is 1 - max |d|, in units of the tolerance, and an attack can
    be targeted at a direction.

    Args:
        tolerance: The deviation from the true value up to which an answer is right, in the units of the output.
    """

    tolerance: float = number(0.0, low=0, note="in the units of the output")

    minimize: ClassVar[tuple[str, ...]] = ("squared_deviation",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.tolerance > 0:
            raise SettingError(
                "Expected the deviation that is tolerated, above 0, in units of the output: --task "
                f"regression:tolerance=0.5; got tolerance={self.tolerance:g}."
            )

    def width(self, units: int) -> int:
        return units

    def num_classes(self, units: int) -> int:
        return 1 + 2 * units

    def logits(self, outputs: Tensor, answers: Tensor) -> Tensor:
        deviation = (outputs - answers) / self.tolerance
        return ops.concatenate([ops.zeros_like(deviation[:, :1]), deviation - 1.0, -deviation - 1.0], axis=1)

    def classes(self, answers: Any) -> Labels:
        return all_right(answers)

    def read(self, y: np.ndarray, units: int, name: str) -> np.ndarray:
        rows = y[:, None] if y.ndim == 1 else y
        if rows.ndim != 2 or rows.shape[1] != units:
            raise DataError(
                f"Expected {units} true value{'' if units == 1 else 's'} of each example; got {y.dtype} of shape "
                f"{y.shape} in {name}."
            )
        rows = rows.astype("float32")
        if not np.isfinite(rows).all():
            row = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
            raise DataError(f"Expected finite true values; got {rows[row].tolist()} at example {row} of {name}.")
        return rows

    def chance(self, answers: np.ndarray) -> tuple[float, str] | None:
        middle = np.median(answers, axis=0)
        held = (np.abs(answers - middle) <= self.tolerance).all(axis=1).mean()
        return float(held), "always answering the median"

    def class_names(self, units: int, names: Sequence[str] = ()) -> tuple[str, ...]:
        of = [f" ({each})" for each in names or range(units)] if units > 1 else [""]
        return ("right", *(f"too high{each}" for each in of), *(f"too low{each}" for each in of))

    def part_names(self, units: int, names: Sequence[str] = ()) -> tuple[str, ...]:
        return tuple(f"not {each}" for each in self.class_names(units, names)[1:])

    def describe(self, units: int) -> str:
        what = "values" if units == 1 else f"{units} values each"
        return f"{what} right within {self.tolerance:g}"
