"""What attacks that consist of other attacks have in common.

They are dataclasses of texts like all others: their members are specs, and an attack that is given in place of a spec
is written down as one.
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

Member: TypeAlias = str | Attack

MARK = ";"


@dataclass(frozen=True, kw_only=True)
class Combined(Attack):
    """An attack that consists of others.

    Its `target` and `gradient` are those of every member, where it says any; a member's own hold elsewhere. It has one
    ball, so that its members have none of their own.

    Args:
        early_stop: Leaves an example alone once its goal is reached: handed on to the members that know it.
    """

    early_stop: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_members(self, self.members)

    @property
    @abc.abstractmethod
    def members(self) -> tuple[Attack, ...]:
        """The attacks that it consists of, as they were given."""

    @property
    def norms(self) -> tuple[str, ...]:
        """The norms that all members can work in."""
        first, *rest = self.members
        return tuple(norm for norm in first.norms if all(norm in member.norms for member in rest))

    @property
    def family(self) -> str:
        families = {member.family for member in self.members}
        return families.pop() if len(families) == 1 else "iterative" if "iterative" in families else "other"

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(file for member in self.members for file in member.files))

    def sources(self, model: Classifier) -> tuple[Any, ...]:
        return tuple(dict.fromkeys(source for member in self.members for source in member.sources(model)))

    def check_further(self, model: Classifier, ball: Ball) -> None:
        for member in self.members:
            self.told(member).check(model, ball)

    def attempts(self, num_classes: int) -> int:
        return sum(count for _, count in self.rounds(num_classes))

    def rounds(self, num_classes: int) -> Iterator[tuple[Attack, int]]:
        for member in self.members:
            yield from self.told(member).rounds(num_classes)

    def told(self, member: Attack) -> Attack:
        """A member with what is said of the whole."""
        return told(self, member, early_stop=self.early_stop)

    def under(self, norm: str) -> "Combined":
        return dataclasses.replace(self, norm=self.norm or norm)

    def search(self, model: Classifier, x: Tensor, goal: Goal, *, ball: Ball, key: Keys) -> SearchResult:
        raise NotImplementedError("An attack that consists of others is run round by round; see `rounds`.")


@dataclass(frozen=True, kw_only=True)
class Elsewhere(Attack):
    """An attack that looks at something else than the model, and is judged on the model.

    Each of its rounds is such an attack again, around one round of its member. What fools that something may not fool
    the model yet: the member never stops early on behalf of the whole.

    Args:
        early_stop: Ends the rounds on a batch once all its examples are fooled.
        attack: The attack that is made there: a spec.
    """

    early_stop: bool = False
    attack: Member = "pgd"

    def __post_init__(self) -> None:
        object.__setattr__(self, "attack", texts(self.attack, "attack"))
        super().__post_init__()
        check_members(self, self.members)

    @property
    def members(self) -> tuple[Attack, ...]:
        return (self.member,)

    @property
    def member(self) -> Attack:
        """The attack that is made there, as it was given."""
        return built(str(self.attack))

    @abc.abstractmethod
    def surrogate(self, model: Classifier) -> Classifier:
        """What it looks at in place of a model."""

    @property
    def norms(self) -> tuple[str, ...]:
        """The norms that its member can work in."""
        return tuple(self.member.norms)

    @property
    def family(self) -> str:
        return self.member.family

    @property
    def files(self) -> tuple[str, ...]:
        return self.member.files

    def sources(self, model: Classifier) -> tuple[Any, ...]:
        return self.member.sources(model)

    def check_further(self, model: Classifier, ball: Ball) -> None:
        told(self, self.member).check(model, ball)

    def attempts(self, num_classes: int) -> int:
        return sum(count for _, count in self.rounds(num_classes))

    def rounds(self, num_classes: int) -> Iterator[tuple[Attack, int]]:
        for member, count in told(self, self.member).rounds(num_classes):
            # The same around one round, whose aim and gradient are its own.
            yield dataclasses.replace(self, attack=member, target=member.target, gradient=member.gradient), count

    def under(self, norm: str) -> "Elsewhere":
        return dataclasses.replace(self, norm=self.norm or norm)

    def attempted(self, batch: Batch) -> SearchResult:
        member = told(self, self.member)
        # A certain target is chosen on the model, and is the same there; a sweep goes by what the surrogate answers.
        target = batch.final_goal().target if self.targeted else batch.target
        there = batch._replace(attack=member, model=batch.model.through(self.surrogate), target=target, reference=None)
        # The logits are the surrogate's: without them the model itself is asked.
        return member.attempted(there)._replace(logits=None)

    def search(self, model: Classifier, x: Tensor, goal: Goal, *, ball: Ball, key: Keys) -> SearchResult:
        raise NotImplementedError("An attack on something else is run by its member; see `attempted`.")


def told(whole: Attack, member: Attack, *, early_stop: bool = False) -> Attack:
    """A member of an attack with the target, the gradient and the norm of the whole, where that says any.

    Args:
        whole: The attack.
        member: One that it consists of.
        early_stop: Whether the member stops early too, if it knows how to.
    """
    said: dict[str, Any] = {"target": whole.target or member.target, "gradient": whole.gradient or member.gradient}
    if early_stop and hasattr(member, "early_stop"):
        said["early_stop"] = True
    return dataclasses.replace(member, **said).under(whole.norm)


def check_members(whole: Attack, members: Sequence[Attack]) -> None:
    """Refuses members that have a ball or a target of their own.

    Raises:
        SettingError: A member has a norm, a radius or a target of its own.
    """
    name = attacks.name_of(type(whole))
    for member in members:
        if member.norm or member.eps:
            raise SettingError(f"Expected norm and eps of {name} as a whole; got some of its part {member}.")
        if member.targeted and not whole.target:
            raise SettingError(f"Expected the target of {name} as a whole; got one of its part {member}.")


def texts(given: Member | Sequence[Member], setting: str) -> str:
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
