"""Attacks that are made on another model."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, ClassVar

from turtlenet.attacks.base import Attack, attacks
from turtlenet.attacks.ensembles.base import MARK, Elsewhere
from turtlenet.attacks.ensembles.sources import Surrogate, source
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.errors import ModelError, SettingError
from turtlenet.ranges import one_of
from turtlenet.registry import split


@attacks.register("transfer")
@dataclass(frozen=True, kw_only=True)
class Transfer(Elsewhere):
    """Crafts on another model and shows the result to the model: a static black box (Szegedy et al., 2014, 4.2).

    Nothing is asked of the model but its answer in the end, and, for a target that it chooses, the one at the input.
    Gradients and queries are those of the other model. It sees the images in its own pixel range.

    Args:
        source: Path of the other model; several with `;` between them: `(a.h5;b.h5)`.
        mode: What to do with several: `mean` climbs the loss of their mean logits (Dong et al., 2018, eq. 10), `each`
            takes them in turn.
        bounds: Empty tells a source's pixel range from its file; `same` is that of the model under attack.
        head: What the sources' outputs are; see `turtlenet.models.logits_model`.
    """

    source: str | PathLike[str] | Sequence[str | PathLike[str]] = ""
    mode: str = one_of("mean", ("each", "mean"), of=" of transfer")
    bounds: str = one_of("", ("", "same"), of=" of transfer")
    head: str = "auto"

    for_every_task: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not isinstance(self.source, str):
            each = [self.source] if isinstance(self.source, PathLike) else self.source
            object.__setattr__(self, "source", MARK.join(map(str, each)))
        super().__post_init__()

    @property
    def paths(self) -> tuple[str, ...]:
        """The sources, each once."""
        paths = [path.strip() for path in split(str(self.source), MARK)]
        return tuple(dict.fromkeys(path for path in paths if path))

    @property
    def family(self) -> str:
        return "transfer"

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*self.paths, *super().files]))

    def rounds(self, num_classes: int) -> Iterator[tuple[Attack, int]]:
        apart = self.mode == "each" and len(self.paths) > 1
        for one in self.paths if apart else [self.source]:
            for member, count in super().rounds(num_classes):
                yield dataclasses.replace(member, source=one), count  # type: ignore[call-arg]

    def sources(self, model: Classifier) -> tuple[Any, ...]:
        return (*self._others(), *super().sources(self.surrogate(model)))

    def check_further(self, model: Classifier, ball: Ball) -> None:
        """Refuses what only this attack knows not to work.

        Raises:
            SettingError: No source.
            ModelError: A source that cannot be loaded, or that answers another question.
        """
        if not self.paths:
            raise SettingError("Expected another model to craft on; got none: transfer:source=OTHER.h5.")
        wanted = (model.input_shape, model.num_classes)
        for path, other in zip(self.paths, self._others(), strict=True):
            if (other.input_shape, other.num_classes) != wanted:
                raise ModelError(
                    f"Expected a source for inputs {wanted[0]} and {wanted[1]} classes, as the model; "
                    f"got {path} for {other.input_shape} and {other.num_classes}."
                )
        super().check_further(self.surrogate(model), ball)

    def surrogate(self, model: Classifier) -> Classifier:
        return Surrogate(self._others(), model, same=self.bounds == "same")

    def _others(self) -> list[Classifier]:
        return [source(path, self.head) for path in self.paths]
