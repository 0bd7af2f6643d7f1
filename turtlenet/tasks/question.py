"""What a classifier is asked about an example beside the input that an attack may change."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from turtlenet.tasks.base import Task
from turtlenet.tasks.classification import Classification
from turtlenet.typing import Labels, Shape, Tensor


@dataclass(frozen=True)
class ModelInput:
    """One input of a model.

    Attributes:
        name: Its name.
        shape: Its shape, without the batch.
        dtype: What the model takes.
    """

    name: str
    shape: Shape
    dtype: str = "float32"

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class Question:
    """The task, the true answers, and the inputs that are held.

    What is not attacked goes beside each example as a row of float32 numbers: the held inputs, flat, one after the
    other, then the true answer. A model of one input and single labels has no `Question`: its labels are int32
    (batch,).

    Attributes:
        task: What is asked.
        units: Width of the model's output.
        moving: The inputs that an attack may change; of several, the attacked tensor is all of them flat in a row.
        held: The inputs that stay as they are.
        output: Name of the output that is asked; empty for the only one.
        output_names: The names of all of them.
        input_names: The names of all inputs, in the model's order.
    """

    task: Task
    units: int
    moving: tuple[ModelInput, ...]
    held: tuple[ModelInput, ...] = ()
    output: str = ""
    output_names: tuple[str, ...] = ()
    input_names: tuple[str, ...] = ()

    @property
    def input_shape(self) -> Shape:
        """Shape of what is attacked, without the batch."""
        return self.moving[0].shape if len(self.moving) == 1 else (sum(each.size for each in self.moving),)

    @property
    def num_classes(self) -> int:
        """How many classes count."""
        return self.task.num_classes(self.units)

    @property
    def besides(self) -> tuple[str, ...]:
        """The names of the outputs that are not asked."""
        return tuple(name for name in self.output_names if self.output and name != self.output)

    @property
    def single_label(self) -> bool:
        """Whether one class of several is true of each example."""
        return isinstance(self.task, Classification)

    @property
    def width(self) -> int:
        """Length of a row."""
        return self._held + self.task.width(self.units)

    @property
    def _held(self) -> int:
        return sum(each.size for each in self.held)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of all inputs, in the model's order."""
        return self.input_names or tuple(each.name for each in (*self.moving, *self.held))

    @property
    def several(self) -> bool:
        """Whether the model has more than one input."""
        return len(self.moving) + len(self.held) > 1

    def outputs(self, model: Any, x: Tensor, rows: Tensor, training: bool) -> Tensor:
        """The model's outputs, float32 (batch, units).

        Args:
            model: Takes the attacked inputs, and with them the held ones (batch, held) if there are any.
            x: Attacked inputs (batch, ...).
            rows: float32 (n, width); each stands for as many inputs in a row as fit.
            training: Whether the model is to train.
        """
        x, rows = ops.convert_to_tensor(x, "float32"), ops.convert_to_tensor(rows, "float32")
        given = [x, _beside(x, rows[:, : self._held])] if self.held else x
        return ops.cast(model(given, training=training), "float32")

    def logits(self, outputs: Tensor, rows: Tensor, *, whole: bool = False) -> Tensor:
        """Logits over the classes of the task, those that count or the `whole`; float32 (batch, classes)."""
        found = self.task.logits(outputs, _beside(outputs, rows[:, self._held :]))
        return found if whole else self.task.counted(found)

    def classes(self, rows: Any) -> Labels:
        """The class that is right for each example, int32 (batch,), of rows (batch, width)."""
        return self.task.classes(rows[:, self._held :])

    def true_labels(self, rows: np.ndarray) -> np.ndarray | None:
        """Which labels are true, of rows (batch, width); see `Task.true_labels`."""
        return self.task.true_labels(rows[:, self._held :])

    def chance(self, rows: np.ndarray) -> tuple[float, str] | None:
        """What one constant answer would reach; see `Task.chance`."""
        return self.task.chance(rows[:, self._held :])

    def describe(self) -> str:
        """What is asked and what is held, in words."""
        words = self.task.describe(self.units)
        if self.output:
            words += f" of output {self.output}"
        if self.held:
            words += f", {', '.join(each.name for each in self.held)} held"
        return words

    def packed(self, parts: Mapping[str, np.ndarray], held: bool = False) -> np.ndarray:
        """One array of the attacked inputs by their names, or of the held ones: flat in a row where they are several.

        Args:
            parts: Arrays (n, ...) of at least these inputs.
            held: Whether the held ones are meant, always as float32 (n, size).
        """
        chosen = self.held if held else self.moving
        if len(chosen) == 1 and not held:
            return parts[chosen[0].name]
        flat = [np.asarray(parts[each.name]).reshape(len(parts[each.name]), -1) for each in chosen]
        return np.concatenate([part.astype("float32") for part in flat], axis=1)

    def arrays(self, x: np.ndarray, rows: np.ndarray, moved: np.ndarray) -> dict[str, np.ndarray]:
        """What a file of adversarial examples has: the answers as `y`, and of several inputs each by its name.

        Args:
            x: The attacked inputs as they were, (n, ...).
            rows: What goes beside them, (n, width).
            moved: The attacked inputs after the attack.
        """
        found = {"y": rows[:, self._held :]}
        if self.several:
            found |= self.unpacked(x) | {f"{name}_adversarial": part for name, part in self.unpacked(moved).items()}
            ends = np.cumsum([each.size for each in self.held])
            for each, part in zip(self.held, np.split(rows, ends, axis=1), strict=False):
                found[each.name] = part.reshape(len(rows), *each.shape)
        return found

    def unpacked(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """The attacked inputs by their names, of one array of them (n, ...)."""
        ends = np.cumsum([each.size for each in self.moving])
        parts = np.split(x.reshape(len(x), -1), ends[:-1], axis=1)
        return {each.name: part.reshape(len(x), *each.shape) for each, part in zip(self.moving, parts, strict=True)}


def split(flat: Tensor, inputs: Sequence[ModelInput]) -> list[Tensor]:
    """Takes inputs that lie flat in a row, (batch, size), apart: each in its own shape and type, within a graph."""
    parts, start = [], 0
    for each in inputs:
        part = ops.reshape(flat[:, start : start + each.size], (-1, *each.shape))
        parts.append(part if each.dtype == "float32" else ops.cast(part, each.dtype))
        start += each.size
    return parts


def _beside(x: Tensor, rows: Tensor) -> Tensor:
    """The row of each of several candidates for an example, in the order of `ops.repeat`."""
    if x.shape[0] is not None and x.shape[0] == rows.shape[0]:
        return rows
    count = ops.shape(x)[0]
    each = count // ops.shape(rows)[0]
    return ops.take(rows, ops.arange(count) // each, axis=0)
