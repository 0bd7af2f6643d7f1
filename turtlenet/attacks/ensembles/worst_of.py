"""Attacks in turn, the same one again, or one class after the other: what each round leaves goes to the next."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.ensembles.base import MARK, Combined, Part, built, texts
from turtlenet.errors import SettingError
from turtlenet.registry import split

__all__ = ["Restarts", "Targets", "WorstOf"]


@attacks.register("worst-of")
@dataclass(frozen=True, kw_only=True)
class WorstOf(Combined):
    """Several attacks in turn, each on what survived those before it; the best of them counts.

    Args:
        attacks: Their specs with `;` between them: `(pgd:steps=100;noise)`.
    """

    attacks: str | Sequence[Part] = "pgd;noise"

    def __post_init__(self) -> None:
        object.__setattr__(self, "attacks", texts(self.attacks, "attacks"))
        super().__post_init__()

    @property
    def parts(self) -> tuple[Attack, ...]:
        return tuple(built(spec.strip()) for spec in split(str(self.attacks), MARK))


@dataclass(frozen=True, kw_only=True)
class _Around(Combined):
    """Another attack, several times.

    Args:
        attack: Its spec.
    """

    attack: Part = "pgd"

    def __post_init__(self) -> None:
        object.__setattr__(self, "attack", texts(self.attack, "attack"))
        super().__post_init__()

    @property
    def parts(self) -> tuple[Attack, ...]:
        return (built(str(self.attack)),)


@attacks.register("restarts")
@dataclass(frozen=True, kw_only=True)
class Restarts(_Around):
    """Another attack from several random starts, each on what survived those before it.

    Args:
        count: How often to begin.
    """

    count: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.count <= MOST:
            raise SettingError(f"Expected count from 1 to {MOST:,}; got {self.count}.")
        for part, _ in super().rounds(num_classes=2):
            if self.count > 1 and getattr(part, "start", "") == "none":
                raise SettingError(f"Expected a random start for {self.count} restarts of {part}; got start=none.")

    def rounds(self, num_classes: int) -> Iterator[tuple[Attack, int]]:
        for part, count in super().rounds(num_classes):
            yield part, self.count * count


@attacks.register("targets")
@dataclass(frozen=True, kw_only=True)
class Targets(_Around):
    """Another attack at one wrong class after the other, the model's likeliest first; any wrong answer counts.

    Args:
        target: `each` wrong class, or the likeliest of them: `top3`. One class alone is a target like any.
    """

    target: str = "each"

    def __post_init__(self) -> None:
        if self.target in ("", "none"):
            raise SettingError("Expected targets to go for: each, top3, or one class; got none.")
        super().__post_init__()
