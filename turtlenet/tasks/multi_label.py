"""Several labels may be true of an example at once, each a question of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from keras import ops

from turtlenet.errors import DataError, SettingError
from turtlenet.ranges import count
from turtlenet.tasks.base import Task, all_right, tasks
from turtlenet.typing import Labels, Tensor


@tasks.register("multi-label")
@dataclass(frozen=True, kw_only=True)
class MultiLabel(Task):
    """Several labels may be true at once: class 0 is that all are told right, class k + 1 that label k is flipped.

    The logit of class 0 is 0, that of class k + 1 is the log-odds of label k times -1 where it is true and 1 where it
    is not. So the margin is the smallest signed log-odds, and the cross-entropy log(1 + sum of their exp(-margin)).

    Args:
        label: The label that counts, from 0 on; None counts every one: an example is broken once any is flipped.
    """

    label: int | None = count(None, note="the label that counts")

    minimize: ClassVar[tuple[str, ...]] = ("binary_cross_entropy",)

    def check(self, units: int) -> None:
        if self.label is not None and self.label >= units:
            raise SettingError(f"Expected label from 0 to {units - 1} of a model with {units}; got {self.label}.")

    def width(self, units: int) -> int:
        return units

    def num_classes(self, units: int) -> int:
        return 2 if self.label is not None else units + 1

    def logits(self, outputs: Tensor, answers: Tensor) -> Tensor:
        wrong = (1.0 - 2.0 * answers) * outputs
        return ops.concatenate([ops.zeros_like(wrong[:, :1]), wrong], axis=1)

    def counted(self, logits: Tensor) -> Tensor:
        if self.label is None:
            return logits
        return ops.concatenate([logits[:, :1], logits[:, self.label + 1 : self.label + 2]], axis=1)

    def classes(self, answers: Any) -> Labels:
        return all_right(answers)

    def read(self, y: np.ndarray, units: int, name: str) -> np.ndarray:
        rows = y[:, None] if y.ndim == 1 and units == 1 else y
        if rows.ndim != 2 or rows.shape[1] != units:
            raise DataError(
                f"Expected label rows (N, {units}) of 0 and 1 for a multi-label model; got {y.dtype} of shape "
                f"{y.shape} in {name}: pass --task classification if one class is true of each example."
            )
        rows = rows.astype("float32")
        bad = ~np.isin(rows, (0, 1))
        if bad.any():
            row, column = (int(place[0]) for place in np.nonzero(bad))
            raise DataError(f"Expected labels of 0 or 1; got {rows[row, column]:g} at example {row} of {name}.")
        return rows

    def chance(self, answers: np.ndarray) -> tuple[float, str] | None:
        _, sizes = np.unique(self._counted(answers), axis=0, return_counts=True)
        what = "the commonest labels" if self.label is None else f"the commoner value of label {self.label}"
        return float(sizes.max()) / len(answers), f"always answering {what}"

    def class_names(self, units: int, names: Sequence[str] = ()) -> tuple[str, ...]:
        return ("right", *(f"{each} flipped" for each in self.part_names(units, names)))

    def part_names(self, units: int, names: Sequence[str] = ()) -> tuple[str, ...]:
        counted = range(units) if self.label is None else (self.label,)
        return tuple(str(names[each]) if names else f"label {each}" for each in counted)

    def true_labels(self, answers: np.ndarray) -> np.ndarray | None:
        return self._counted(answers)

    def _counted(self, answers: np.ndarray) -> np.ndarray:
        """The labels that count."""
        return answers if self.label is None else answers[:, self.label : self.label + 1]

    def describe(self, units: int) -> str:
        if self.label is not None:
            return f"{units} labels, of which label {self.label} counts"
        return f"{units} label{'' if units == 1 else 's, any of which counts'}"
