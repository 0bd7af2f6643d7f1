"""Attacks in turn, the same one again, or one class after the other: what each round leaves goes to the next."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.ensembles.base import MARK, Combined, Member, built, texts
from turtlenet.attacks.goal import WAYS
from turtlenet.errors import SettingError
from turtlenet.ranges import count
from turtlenet.registry import split


@attacks.register("worst-of")
@dataclass(frozen=True, kw_only=True)
class WorstOf(Combined):
    """Several attacks in turn, each on what survived those before it; the best of them counts.

    Args:
        attacks: Their specs with `;` between them: `(pgd:steps=100;noise)`.
    """

    attacks: str | Sequence[Member] = "pgd;noise"

    def __post_init__(self) -> None:
        object.__setattr__(self, "attacks", texts(self.attacks, "attacks"))
        super().__post_init__()

    @property
    def members(self) -> tuple[Attack, ...]:
        return tuple(built(spec.strip()) for spec in split(str(self.attacks), MARK))


@attacks.register("restarts")
@dataclass(frozen=True, kw_only=True)
class Restarts(Combined):
    """Another attack from several random starts, each on what survived those before it.

    Args:
        attack: Its spec.
        count: How often to begin.
    """

    attack: Member = "pgd"
    count: int = count(5, low=1, high=MOST)

    def __post_init__(self) -> None:
        object.__setattr__(self, "attack", texts(self.attack, "attack"))
        super().__post_init__()
        for member, _ in super().rounds(num_classes=2):
            if self.count > 1 and getattr(member, "start", "") == "none":
                raise SettingError(f"Expected a random start for {self.count} restarts of {member}; got start=none.")

    @property
    def members(self) -> tuple[Attack, ...]:
        return (built(str(self.attack)),)

    def rounds(self, num_classes: int) -> Iterator[tuple[Attack, int]]:
        for member, attempts in super().rounds(num_classes):
            yield member, self.count * attempts


@attacks.register("targets")
@dataclass(frozen=True, kw_only=True)
class Targets(Combined):
    """Another attack at one wrong class after the other, the model's likeliest first; any wrong answer counts.

    Args:
        attack: Its spec.
        target: `each` wrong class, or the likeliest of them: `top3`. One class alone is a target like any.
    """

    attack: Member = "pgd"
    target: str = "each"

    def __post_init__(self) -> None:
        if self.target in ("", "none"):
            raise SettingError(f"Expected targets to go for: {WAYS}; got none.")
        object.__setattr__(self, "attack", texts(self.attack, "attack"))
        super().__post_init__()

    @property
    def members(self) -> tuple[Attack, ...]:
        return (built(str(self.attack)),)
