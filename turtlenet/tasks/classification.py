"""One class of several is true of each example."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from keras import ops

from turtlenet.errors import DataError
from turtlenet.tasks.base import Task, tasks
from turtlenet.typing import Labels, Tensor


@tasks.register("classification")
@dataclass(frozen=True, kw_only=True)
class Classification(Task):
    """One class of several is true of each example: the logits are the model's own."""

    minimize: ClassVar[tuple[str, ...]] = ("cross_entropy", "squared_error")

    def width(self, units: int) -> int:
        return 1

    def num_classes(self, units: int) -> int:
        return units

    def logits(self, outputs: Tensor, answers: Tensor) -> Tensor:
        return outputs

    def classes(self, answers: Any) -> Labels:
        if isinstance(answers, np.ndarray):
            return answers[:, 0].astype("int32")
        return ops.cast(answers[:, 0], "int32")

    def read(self, y: np.ndarray, units: int, name: str) -> np.ndarray:
        rows = y.reshape(len(y), -1)
        classes = rows.argmax(axis=1) if rows.shape[1] == units and units > 1 else rows[:, 0]
        whole = rows.shape[1] in (1, units) and np.array_equal(classes, np.floor(classes))
        if not whole or classes.min() < 0 or classes.max() >= units:
            raise DataError(
                f"Expected labels from 0 to {units - 1}, or rows of {units}; got numbers of shape {y.shape} from "
                f"{y.min():g} to {y.max():g} in {name}."
            )
        return classes.astype("float32")[:, None]

    def chance(self, answers: np.ndarray) -> tuple[float, str] | None:
        return None

    def describe(self, units: int) -> str:
        return f"{units} classes"
