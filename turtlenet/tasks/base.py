"""What every task provides.

A task turns the outputs of a model and the true answer to an example into logits over classes: one class for "the
answer holds", and one for each way in which it may fail. An answer holds where the class that is right has the largest
logit. So attacks, objectives and reports, which are written for classes, work on every task.
"""

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from keras import ops

from turtlenet.arguments import check_fields
from turtlenet.ranges import check_ranges
from turtlenet.registry import Registry
from turtlenet.typing import Labels, Tensor


@dataclass(frozen=True, kw_only=True)
class Task(abc.ABC):
    """What a model is asked: a frozen dataclass of numbers and strings.

    Raises:
        SettingError: A setting out of its range.
    """

    minimize: ClassVar[tuple[str, ...]]
    """The losses that training may minimize (see `turtlenet.losses.TRAINING`), the usual one first."""

    def __post_init__(self) -> None:
        check_fields(self)
        check_ranges(self)

    def check(self, units: int) -> None:  # noqa: B027
        """Refuses a model's output of so many units.

        Raises:
            SettingError: A setting that does not fit it.
        """

    @abc.abstractmethod
    def width(self, units: int) -> int:
        """How many numbers the true answer to an example is."""

    @abc.abstractmethod
    def num_classes(self, units: int) -> int:
        """How many classes count: see `counted`."""

    @abc.abstractmethod
    def logits(self, outputs: Tensor, answers: Tensor) -> Tensor:
        """Logits over the classes.

        Args:
            outputs: What the model gives, float32 (batch, units).
            answers: True answers, float32 (batch, width).

        Returns:
            float32 (batch, classes), which depend on the outputs as smoothly as these allow.
        """

    def counted(self, logits: Tensor) -> Tensor:
        """Those of the logits (batch, classes) that say whether an answer holds; all of them for most tasks."""
        return logits

    @abc.abstractmethod
    def classes(self, answers: Any) -> Labels:
        """The class that is right for each example, int32 (batch,), of answers (batch, width); NumPy's or a tensor."""

    @abc.abstractmethod
    def read(self, y: np.ndarray, units: int, name: str) -> np.ndarray:
        """Checks true answers and brings them to float32 (n, width).

        Args:
            y: As they were given.
            units: Width of the model's output.
            name: What messages call the data.

        Raises:
            DataError: Answers of another form.
        """

    @abc.abstractmethod
    def chance(self, answers: np.ndarray) -> tuple[float, str] | None:
        """The share of examples for which one constant answer holds, and which; None where it is a class as usual."""

    def class_names(self, units: int, names: Sequence[str] = ()) -> tuple[str, ...]:
        """What the classes that count are called; empty where they are labels, which are numbered.

        Args:
            units: Width of the model's output.
            names: Of the outputs, where they have any.
        """
        return ()

    def part_names(self, units: int, names: Sequence[str] = ()) -> tuple[str, ...]:
        """The parts of an answer, one for each class but the first, such as each label; see `class_names`.

        A part holds where its class does not win over class 0. Empty where classes are labels.
        """
        return ()

    def true_labels(self, answers: np.ndarray) -> np.ndarray | None:
        """Of answers (batch, width), 0 or 1 for each part; None where the parts are no labels."""
        return None

    @abc.abstractmethod
    def describe(self, units: int) -> str:
        """What is asked, in words, such as `4 labels, any of which counts`."""


def all_right(answers: Any) -> Labels:
    """Class 0 for each example, int32 (batch,), of answers (batch, width): NumPy's, or a tensor."""
    if isinstance(answers, np.ndarray):
        return np.zeros(len(answers), "int32")
    return ops.zeros_like(ops.cast(answers[:, 0], "int32"))


tasks: Registry[Task] = Registry("task", "turtlenet.tasks", base=Task)
