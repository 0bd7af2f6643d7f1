"""What attacks that consist of other attacks have in common.

They are dataclasses of texts like all others: their parts are specs, and an attack that is given in place of a spec is
written down as one.
"""

import abc
import dataclasses
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from turtlenet.attacks.base import Attack, attacks
from turtlenet.attacks.batch import Batch
from turtlenet.attacks.context import SearchResult
from turtlenet.attacks.goal import Goal
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError, TurtlenetError
from turtlenet.registry import registered_only, split

__all__ = ["Combined", "Elsewhere", "Part", "built", "texts"]

Part: TypeAlias = str | Attack

MARK = ";"


@dataclass(frozen=True, kw_only=True)
class Combined(Attack):
    """An attack that consists of others.

    Its `target` and `gradient` are those of every part, where it says any; a part's own hold elsewhere. It has one
    ball, so that its parts have none of their own.

    Args:
        early_stop: Leaves an example alone once its goal is reached: handed on to the parts that know it.
    """

    early_stop: bool = False

    hands_on: ClassVar[bool] = True
    """Whether the parts stop early where it does: they look at the model itself."""

    def __post_init__(self) -> None:
        super().__post_init__()
        name = attacks.name_of(type(self))
        for part in self.parts:
            if part.norm or part.eps:
                raise SettingError(f"Expected norm and eps of {name} as a whole; got some of its part {part}.")
            if part.targeted and not self.target:
                raise SettingError(f"Expected the target of {name} as a whole; got one of its part {part}.")

    @property
    @abc.abstractmethod
    def parts(self) -> tuple[Attack, ...]:
        """The attacks that it consists of, as they were given."""

    @property
    def norms(self) -> tuple[str, ...]:
        """The norms that all parts can work in."""
        first, *rest = self.parts
        return tuple(norm for norm in first.norms if all(norm in part.norms for part in rest))

    @property
    def family(self) -> str:
        families = {part.family for part in self.parts}
        return families.pop() if len(families) == 1 else "iterative" if "iterative" in families else "other"

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(file for part in self.parts for file in part.files))

    def sources(self, model: Classifier) -> tuple[Any, ...]:
        return tuple(dict.fromkeys(source for part in self.parts for source in part.sources(model)))

    def check_further(self, model: Classifier, ball: Ball) -> None:
        for part in self.parts:
            self.told(part).check(model, ball)

    def attempts(self, num_classes: int) -> int:
        return sum(count for _, count in self.rounds(num_classes))

    def rounds(self, num_classes: int) -> Iterator[tuple[Attack, int]]:
        for part in self.parts:
            yield from self.told(part).rounds(num_classes)

    def told(self, part: Attack) -> Attack:
        """A part with what is said of the whole."""
        said: dict[str, Any] = {"target": self.target or part.target, "gradient": self.gradient or part.gradient}
        if self.early_stop and self.hands_on and hasattr(part, "early_stop"):
            said["early_stop"] = True
        return dataclasses.replace(part, **said).under(self.norm)

    def under(self, norm: str) -> "Combined":
        return dataclasses.replace(self, norm=self.norm or norm)

    def search(self, model: Classifier, x: Any, goal: Goal, *, ball: Ball, key: Any) -> SearchResult:
        raise NotImplementedError("An attack that consists of others is run round by round; see `rounds`.")


@dataclass(frozen=True, kw_only=True)
class Elsewhere(Combined):
    """An attack that looks at something else than the model, and is judged on the model.

    Each of its rounds is such an attack again, around one round of its part. What fools that something may not fool
    the model yet: the part never stops early on behalf of the whole.

    Args:
        attack: The attack that is made there: a spec.
    """

    attack: Part = "pgd"

    hands_on: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "attack", texts(self.attack, "attack"))
        super().__post_init__()

    @property
    def parts(self) -> tuple[Attack, ...]:
        return (self.part,)

    @property
    def part(self) -> Attack:
        """The attack that is made there."""
        return built(str(self.attack))

    @abc.abstractmethod
    def seen(self, model: Classifier) -> Classifier:
        """What it looks at in place of a model."""

    def rounds(self, num_classes: int) -> Iterator[tuple[Attack, int]]:
        for part, count in self.told(self.part).rounds(num_classes):
            yield self.around(part), count

    def around(self, part: Attack) -> Attack:
        """The same around another attack, whose aim and gradient are its own."""
        return dataclasses.replace(self, attack=part, target=part.target, gradient=part.gradient)

    def attempted(self, batch: Batch) -> SearchResult:
        part = self.told(self.part)
        # A certain target is chosen on the model, and is the same there; a sweep goes by what is seen.
        target = batch.final_goal().target if self.targeted else batch.target
        there = batch._replace(attack=part, model=self.seen(batch.model), target=target, reference=None)
        # Without the logits, which are not the model's: it is asked once more.
        return part.attempted(there)._replace(logits=None)


def texts(given: Part | Sequence[Part], setting: str) -> str:
    """Specs with a semicolon between them, from one such text, or from specs and attacks.

    Raises:
        SpecError, SettingError: A spec that stands for no attack, or an attack that no spec can say.
    """
    each = [given] if isinstance(given, str | Attack) else list(given)
    for one in each:
        if isinstance(one, Attack) and not _is_said(one):
            raise SettingError(f"Expected {setting} that can be written as a spec; got {one}.")
    specs = [spec.strip() for one in each for spec in split(str(one), MARK)]
    if not specs or not all(specs):
        raise SettingError(f"Expected specs with {MARK!r} between them for {setting}; got {MARK.join(specs)!r}.")
    for spec in specs:
        built(spec)
    return MARK.join(specs)


def _is_said(attack: Attack) -> bool:
    try:
        return built(str(attack)) == attack
    except TurtlenetError:
        # A class by its import path has no settings in a spec.
        return False


def built(spec: str) -> Attack:
    """The attack of a spec."""
    return _built(spec, registered_only())


@functools.cache
def _built(spec: str, registered: bool) -> Attack:
    # What the user may name by its import path is no known name for a file.
    return attacks.build(spec)
