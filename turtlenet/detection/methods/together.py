"""Several detectors at once."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from keras import ops

from turtlenet.classifier import Classifier
from turtlenet.detection.base import Detector, Lesson, detectors, learned
from turtlenet.detection.methods.threshold import Thresholded
from turtlenet.errors import SpecError
from turtlenet.registry import split

_FALSE = 0.05
_LEAST = 1e-3


@detectors.register("together")
@dataclass(frozen=True, kw_only=True)
class Together(Thresholded):
    """Several detectors, any of which may sound the alarm.

    The log odds of each are measured from those that a clean input has only in 5 % / k of the cases, with k detectors,
    in units of how far they reach above their median there; the largest counts. An attack that knows of them lowers
    all of them at once.

    Args:
        parts: Their specs with `;` between them: `(squeezing;kernel-density)`.
        members: The detectors, fitted.
        widths: How many statistics each has.
        cuts: Where each has its false alarms, in its log odds.
        reaches: What the log odds of each are divided by.
    """

    statistic: ClassVar[str] = "largest of several detectors' log odds"

    parts: str = "(squeezing;kernel-density)"
    members: tuple[Detector, ...] = learned(())
    widths: tuple[int, ...] = learned(())
    cuts: tuple[float, ...] = learned(())
    reaches: tuple[float, ...] = learned(())

    def __post_init__(self) -> None:
        super().__post_init__()
        text = self.parts[1:-1] if self.parts.startswith("(") and self.parts.endswith(")") else self.parts
        object.__setattr__(self, "parts", text)
        read = tuple(each if isinstance(each, Detector) else Detector.from_dict(each) for each in self.members)
        object.__setattr__(self, "members", read or tuple(map(Detector.build, self._specs())))
        if any(isinstance(each, Together) for each in self.members):
            raise SpecError(f"Expected detectors that are not several themselves; got {self.parts!r}.")

    def _specs(self) -> list[str]:
        specs = [each.strip() for each in split(self.parts, ";")]
        if len(specs) < 2 or not all(specs):
            raise SpecError(f"Expected at least two detectors with `;` between them; got {self.parts!r}.")
        return specs

    def check(self, model: Classifier) -> None:
        super().check(model)
        for member in self.members:
            member.check(model)

    @property
    def needs_draws(self) -> bool:
        return any(member.needs_draws for member in self.members)

    @property
    def has_learned(self) -> bool:
        lengths = {len(each) for each in (self.members, self.widths, self.cuts, self.reaches)}
        return len(lengths) == 1 and all(member.has_learned for member in self.members)

    def learn(self, lesson: Lesson) -> Self:
        members = tuple(member.learn(lesson) for member in self.members)
        return replace(self, members=members, widths=tuple(_width(member, lesson) for member in members))

    def statistics(self, model: Classifier, x: Any, logits: Any) -> Any:
        found = [each.statistics(model, x, logits) for each in self.members]
        return ops.concatenate([each if len(each.shape) == 2 else each[:, None] for each in found], axis=1)

    def fit(self, clean: np.ndarray, adversarial: np.ndarray) -> Self:
        pairs = zip(self.members, self._parts(clean), self._parts(adversarial), strict=True)
        members = tuple(member.fit(*sides) for member, *sides in pairs)
        found = [
            ops.convert_to_numpy(each.log_odds(part)) for each, part in zip(members, self._parts(clean), strict=True)
        ]
        cuts = [float(np.quantile(odds, 1 - _FALSE / len(members), method="higher")) for odds in found]
        reaches = [max(cut - float(np.median(odds)), _LEAST) for cut, odds in zip(cuts, found, strict=True)]
        made = replace(self, members=members, cuts=tuple(cuts), reaches=tuple(reaches))
        beyond = [ops.convert_to_numpy(made._beyond(side)) for side in (clean, adversarial)]
        return super(Together, made).fit(*beyond)

    def each_log_odds(self, values: Any) -> Any:
        return super().each_log_odds(self._beyond(values))

    def _beyond(self, values: Any) -> Any:
        """How far the log odds of each are above its cut, (batch, columns)."""
        values = ops.cast(values, "float32")
        members = zip(self.members, self._parts(values), self.cuts, self.reaches, strict=True)
        return ops.concatenate(
            [(each.each_log_odds(part) - cut) / reach for each, part, cut, reach in members], axis=1
        )

    def _parts(self, values: Any) -> Iterator[Any]:
        """The statistics of each member, as it has them."""
        start = 0
        for width in self.widths:
            yield values[:, start : start + width] if width else values[:, start]
            start += max(width, 1)

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "members": [each.to_dict() for each in self.members]}


def _width(member: Detector, lesson: Lesson) -> int:
    """How many statistics a member has of an input; 0 for one that is no row of them."""
    found = lesson.mapped(
        ("columns", member), lambda model, x: member.statistics(model, x, model.each(x)), lesson.clean[:1]
    )
    return int(found.shape[1]) if found.ndim == 2 else 0
