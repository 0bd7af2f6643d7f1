"""Defensive distillation: training on the soft answers of a teacher, at a high temperature."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keras import ops

from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError, SpecError
from turtlenet.ranges import number, one_of
from turtlenet.training.objective.base import Objective, objectives
from turtlenet.training.objective.madry import Natural


@objectives.register("distillation")
@dataclass(frozen=True, kw_only=True)
class Distillation(Natural):
    """Cross-entropy of softmax(f(x) / T) with softmax(teacher(x) / T) (Papernot et al., 2016, eq. 6 to 8).

    The model answers at temperature 1 afterwards: its logits are T times as large, probabilities are 0 and 1 in
    float32, and their gradient is 0, which hides the way uphill from an attack on probabilities. Nothing is crafted.
    The teacher is the first `--source`, a model that was trained at the same temperature by `labels=data`; where none
    is given, `turtlenet train` trains one first in that way, on the same network with fresh weights. A step costs one
    pass of weight gradients and a forward pass of the teacher.

    Args:
        temperature: T, by which logits are divided in training.
        labels: `teacher`, or `data` for those of the data: so a teacher is trained.
    """

    temperature: float = number(20.0, above=0)
    labels: str = one_of("teacher", ("data", "teacher"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.labels == "teacher" and (self.minimize != "cross_entropy" or self.label_smoothing):
            raise SettingError(
                "Expected minimize=cross_entropy and label_smoothing=0 for the soft labels of a teacher; got "
                f"{self.minimize} and {self.label_smoothing:g}."
            )

    @property
    def helpers(self) -> int:
        return int(self.labels == "teacher")

    @property
    def passes(self) -> float:
        return super().passes + self.helpers / 3

    def own_sources(self) -> Sequence[Objective]:
        return [dataclasses.replace(self, labels="data")] * self.helpers

    def loss(self, model: Classifier, x: Any, moved: Any, y: Any) -> tuple[Any, Any]:
        if self.helpers:
            raise SpecError("Expected a teacher for objective distillation; got none: pass --source.")
        logits = model(moved, training=True)
        return self.fit(y, logits / self.temperature), logits

    def loss_beside(
        self, model: Classifier, x: Any, adversarial: Any, y: Any, helpers: Sequence[Classifier]
    ) -> tuple[Any, Any]:
        logits = model(adversarial, training=True)
        soft = ops.stop_gradient(ops.softmax(helpers[0](adversarial) / self.temperature, axis=-1))
        return -ops.sum(soft * ops.log_softmax(logits / self.temperature, axis=-1), axis=-1), logits
