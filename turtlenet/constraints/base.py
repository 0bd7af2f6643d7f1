"""What every constraint on the features of an input promises, whoever writes it."""

import abc
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from turtlenet.arguments import check_fields
from turtlenet.errors import DataError, SpecError, did_you_mean
from turtlenet.ranges import check_ranges
from turtlenet.registry import Registry, registered_names, spec_of
from turtlenet.typing import Tensor

MARK = ";"
_LONG = 200


@dataclass(frozen=True, kw_only=True)
class Constraint(abc.ABC):
    """A rule that what an attack makes of an input must keep.

    A subclass is a frozen dataclass of numbers, strings and booleans. It sees the columns of its features alone, in
    the order in which they are named, and says how to come to the nearest point that keeps the rule (`project`, within
    a graph) and whether a point keeps it (`holds`, on the host, which decides). A rule that only narrows where its
    features may lie gives `limits` instead of `project`.

    Args:
        features: The names of the features, or their places from 0 on, with `;` between them; empty for all.

    >>> whole = constraints.build("integer:features=age;children")
    >>> whole.places(("age", "income", "children"), 3), str(whole)
    ((0, 2), 'integer:features=(age;children)')
    """

    features: str | Sequence[str | int] = ""

    fixes: ClassVar[bool] = False
    """Whether its features never move."""
    scale_free: ClassVar[bool] = False
    """Whether `limits` means the same in other units and from another zero."""

    def __post_init__(self) -> None:
        if not isinstance(self.features, str) and isinstance(self.features, Sequence):
            object.__setattr__(self, "features", MARK.join(map(str, self.features)))
        check_fields(self)
        check_ranges(self)

    def places(self, names: Sequence[str], size: int) -> tuple[int, ...]:
        """The places of its features among those of an input.

        Args:
            names: The names of all features; empty where they have none.
            size: How many there are.

        Raises:
            SpecError: A feature that is not there, or one that is named twice.
        """
        words = [word.strip() for word in str(self.features).split(MARK)] if self.features else []
        found = tuple(place_of(word, names, size, str(self)) for word in words) or tuple(range(size))
        if len(set(found)) < len(found):
            raise SpecError(f"Expected each feature once in constraint {self}.")
        self.check_count(len(found))
        return found

    def check_count(self, count: int) -> None:  # noqa: B027
        """Refuses a number of features that the rule makes no sense for.

        Raises:
            SpecError: Such a number.
        """

    def limits(self, low: Tensor, high: Tensor, original: Tensor) -> tuple[Tensor, Tensor]:
        """Narrows where each of its features may lie.

        Args:
            low: The smallest value that each feature may take, float32 (batch, features).
            high: The largest, likewise.
            original: The inputs as they are, likewise.

        Returns:
            Both, not wider than they were; what they were, unless a subclass says otherwise.
        """
        return low, high

    def project(self, x: Tensor, original: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Comes to the nearest point that keeps the rule; called while a graph is built, so all is `keras.ops`.

        Args:
            x: Where from, float32 (batch, features), within the limits.
            original: The inputs as they are, which keep the rule, likewise.
            low, high: The limits: bounds, radius and what `limits` of every constraint left, likewise.

        Returns:
            Points shaped like `x`, within the limits: the original at worst.
        """
        return x

    def slope(self, gradient: Tensor) -> Tensor:
        """What an attack that climbs should follow, where the rule ties its features to each other.

        Args:
            gradient: Of what is climbed, in units of each feature's radius, float32 (batch, features).

        Returns:
            The same, unless a subclass says otherwise.
        """
        return gradient

    @property
    def steers(self) -> bool:
        """Whether `slope` does anything."""
        return type(self).slope is not Constraint.slope

    @property
    def moves(self) -> bool:
        """Whether `project` does anything that `limits` does not."""
        return type(self).project is not Constraint.project

    @abc.abstractmethod
    def holds(self, x: np.ndarray, original: np.ndarray) -> np.ndarray:
        """Whether points keep the rule.

        Args:
            x: Points, float64 (n, features).
            original: The inputs that they come from, likewise.

        Returns:
            Booleans (n,).
        """

    def check(self, x: np.ndarray, names: Sequence[str]) -> None:
        """Refuses data that break the rule themselves.

        Args:
            x: Inputs, float64 (n, features), the columns of its features.
            names: What those are called.

        Raises:
            DataError: One that does; the line names its features, values and row.
        """
        bad = np.flatnonzero(~self.holds(x, x))
        if len(bad):
            row = int(bad[0])
            # The first feature that breaks the rule by itself, where one does.
            told = self.broken(x[row]) or list(range(min(len(names), 8)))
            what = ", ".join(f"{names[place]} = {x[row, place]:g}" for place in told)
            more = ", ..." if not self.broken(x[row]) and len(names) > 8 else ""
            raise DataError(f"Expected data that keep constraint {self}; got {what}{more} in row {row}.")

    def broken(self, values: np.ndarray) -> list[int]:
        """The features of one input, float64 (features,), that break the rule by themselves; empty for all of them."""
        return []

    def __str__(self) -> str:
        """The spec that builds this constraint: its name, and the settings that are not the defaults."""
        return spec_of(constraints.name_of(type(self)), self)

    def to_dict(self) -> dict[str, Any]:
        """The registered name and every setting, for JSON."""
        return {"name": constraints.name_of(type(self)), **dataclasses.asdict(self)}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "Constraint":
        """Reads back what `to_dict` wrote; nothing is imported for it.

        Raises:
            SpecError: A constraint that is not registered by its name.
        """
        settings = dict(data)
        with registered_names():
            name = settings.pop("name")
            if ":" in str(name):
                raise SpecError(
                    f"Expected --constraint {name}: the file was made under it, and nothing is imported for a file."
                )
            return constraints.factory(name)(**settings)


def place_of(word: str, names: Sequence[str], size: int, where: str) -> int:
    """The place of a feature by its name, or by the number of its place.

    Raises:
        SpecError: There is no such feature; `where` says who asked for it.
    """
    if word in names:
        return list(names).index(word)
    if word.isascii() and word.isdigit() and int(word) < size:
        return int(word)
    if names:
        raise SpecError(f"Unknown feature {word!r} in {where}.{near(word, names)}")
    raise SpecError(f"Expected features from 0 to {size - 1}, as these have no names, in {where}; got {word!r}.")


def near(word: str, names: Sequence[str]) -> str:
    """What `did_you_mean` says, of many names only the first."""
    words = did_you_mean(word, names)
    return words if len(words) <= _LONG else f" There are {len(names)}: {', '.join(names[:3])}, ..."


constraints: Registry[Constraint] = Registry("constraint", "turtlenet.constraints", base=Constraint)
