"""What attacks that consist of other attacks have in common.

They are dataclasses of texts like all others: their parts are specs, and an attack that is given in place of a spec is
written down as one.
"""

import abc
import dataclasses
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from turtlenet.attacks.base import Attack, attacks
from turtlenet.attacks.context import SearchResult
from turtlenet.attacks.goal import Goal
from turtlenet.attacks.run.batch import Batch
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError, TurtlenetError
from turtlenet.registry import registered_only, split
from turtlenet.typing import Keys, Tensor

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

    def __post_init__(self) -> None:
        super().__post_init__()
        check_parts(self, self.parts)

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
        return told(self, part, early_stop=self.early_stop)

    def under(self, norm: str) -> "Combined":
        return dataclasses.replace(self, norm=self.norm or norm)

    def search(self, model: Classifier, x: Tensor, goal: Goal, *, ball: Ball, key: Keys) -> SearchResult:
        raise NotImplementedError("An attack that consists of others is run round by round; see `rounds`.")


@dataclass(frozen=True, kw_only=True)
class Elsewhere(Attack):
    """An attack that looks at something else than the model, and is judged on the model.

    Each of its rounds is such an attack again, around one round of its part. What fools that something may not fool
    the model yet: the part never stops early on behalf of the whole.

    Args:
        early_stop: Ends the rounds on a batch once all its examples are fooled.
        attack: The attack that is made there: a spec.
    """

    early_stop: bool = False
    attack: Part = "pgd"

    def __post_init__(self) -> None:
        object.__setattr__(self, "attack", texts(self.attack, "attack"))
        super().__post_init__()
        check_parts(self, self.parts)

    @property
    def parts(self) -> tuple[Attack, ...]:
        return (self.part,)

    @property
    def part(self) -> Attack:
        """The attack that is made there, as it was given."""
        return built(str(self.attack))

    @abc.abstractmethod
    def surrogate(self, model: Classifier) -> Classifier:
        """What it looks at in place of a model."""

    @property
    def norms(self) -> tuple[str, ...]:
        """The norms that its part can work in."""
        return tuple(self.part.norms)

    @property
    def family(self) -> str:
        return self.part.family

    @property
    def files(self) -> tuple[str, ...]:
        return self.part.files

    def sources(self, model: Classifier) -> tuple[Any, ...]:
        return self.part.sources(model)

    def check_further(self, model: Classifier, ball: Ball) -> None:
        told(self, self.part).check(model, ball)

    def attempts(self, num_classes: int) -> int:
        return sum(count for _, count in self.rounds(num_classes))

    def rounds(self, num_classes: int) -> Iterator[tuple[Attack, int]]:
        for part, count in told(self, self.part).rounds(num_classes):
            # The same around one round, whose aim and gradient are its own.
            yield dataclasses.replace(self, attack=part, target=part.target, gradient=part.gradient), count

    def under(self, norm: str) -> "Elsewhere":
        return dataclasses.replace(self, norm=self.norm or norm)

    def attempted(self, batch: Batch) -> SearchResult:
        part = told(self, self.part)
        # A certain target is chosen on the model, and is the same there; a sweep goes by what the surrogate answers.
        target = batch.final_goal().target if self.targeted else batch.target
        there = batch._replace(attack=part, model=batch.model.through(self.surrogate), target=target, reference=None)
        # The logits are the surrogate's: without them the model itself is asked.
        return part.attempted(there)._replace(logits=None)

    def search(self, model: Classifier, x: Tensor, goal: Goal, *, ball: Ball, key: Keys) -> SearchResult:
        raise NotImplementedError("An attack on something else is run by its part; see `attempted`.")


def told(whole: Attack, part: Attack, *, early_stop: bool = False) -> Attack:
    """A part of an attack with the target, the gradient and the norm of the whole, where that says any.

    Args:
        whole: The attack.
        part: One that it consists of.
        early_stop: Whether the part stops early too, if it knows how to.
    """
    said: dict[str, Any] = {"target": whole.target or part.target, "gradient": whole.gradient or part.gradient}
    if early_stop and hasattr(part, "early_stop"):
        said["early_stop"] = True
    return dataclasses.replace(part, **said).under(whole.norm)


def check_parts(whole: Attack, parts: Sequence[Attack]) -> None:
    """Refuses parts that have a ball or a target of their own.

    Raises:
        SettingError: A part has a norm, a radius or a target of its own.
    """
    name = attacks.name_of(type(whole))
    for part in parts:
        if part.norm or part.eps:
            raise SettingError(f"Expected norm and eps of {name} as a whole; got some of its part {part}.")
        if part.targeted and not whole.target:
            raise SettingError(f"Expected the target of {name} as a whole; got one of its part {part}.")


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
        # The spec of a class that is named by its import path says no settings.
        return False


def built(spec: str) -> Attack:
    """The attack of a spec."""
    return _built(spec, registered_only())


@functools.cache
def _built(spec: str, registered: bool) -> Attack:
    # `registered` is part of the cache's key: a file may not name code by its import path, a user may.
    return attacks.build(spec)
