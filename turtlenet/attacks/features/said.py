"""What is said of the features: by a user, by a file, or by the file of a model."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from turtlenet.attacks.features.broadcast import check_order, is_array, spread_out
from turtlenet.constraints import Constraint, Fall, Fixed, Grow, build
from turtlenet.constraints import constraints as registry
from turtlenet.errors import SettingError, SpecError
from turtlenet.features import Features, read
from turtlenet.settings.inputs import FeatureSettings
from turtlenet.typing import Shape

FEATURES = "features"
"""The key of a file's provenance."""
BY_MOVE: dict[str, Callable[[], Constraint]] = {"no": Fixed, "up": Grow, "down": Fall}
"""The rule of each word of the column `movable`; `yes` has none."""
_FILES = (".csv", ".toml")


@dataclass(frozen=True, kw_only=True)
class Said:
    """What is said of the features: by the user, or by the file of a model.

    Args:
        bounds: The smallest and the largest value: numbers, or arrays that broadcast to an input; a dict of such pairs
            by the names of several inputs; None for neither.
        eps: The radius: a number, a text with a unit, or an array of such, or a dict of those; None for none.
        movable: What may move: booleans that broadcast to an input, or names; None for all.
        constraints: Rules for what an attack makes of an input.
        features: Names, types, and whatever else a file of features says; what is said besides comes first.
        from_file: Whether the bounds are those that a model's file says.
        eps_from_file: Whether the radii are.
    """

    bounds: Any = None
    eps: Any = None
    movable: Any = None
    constraints: tuple[Constraint, ...] = ()
    features: Features = dataclasses.field(default_factory=Features)
    from_file: bool = False
    eps_from_file: bool = False

    @staticmethod
    def by_user(
        *, bounds: Any = None, eps: Any = None, movable: Any = None, constraints: Any = (), features: Any = None
    ) -> "Said":
        """Reads what a user gives: values, or paths of files of features.

        Raises:
            SpecError, SettingError: See `turtlenet.features.read`; a constraint that there is not.
        """
        if not isinstance(features, Features | str | PathLike | None):
            raise SettingError(f"Expected features as a path, or as Features; got {type(features).__name__}.")
        known = features if isinstance(features, Features) else read(features) if features is not None else Features()
        if _is_file(bounds):
            bounds = _columns(bounds, "low", "high")
        if _is_file(eps):
            (eps,) = _columns(eps, "eps")
        elif isinstance(eps, str) and "=" in eps:
            eps = {name: _radii(text) for name, text in _by_name(eps, "eps").items()}
        elif isinstance(eps, str):
            eps = _radii(eps)
        if _is_file(movable):
            (words,) = _columns(movable, "movable")
            known, movable = dataclasses.replace(known, movable=words), None
        if isinstance(bounds, str):
            named = "=" in bounds
            bounds = _by_name(bounds, "bounds", _bounds_text) if named else _bounds_text(bounds)
        if isinstance(bounds, Mapping):
            bounds = {str(name): _pair(each) for name, each in bounds.items()}
        else:
            bounds = None if bounds is None else _pair(bounds)
        given = (constraints,) if isinstance(constraints, str | Constraint) else constraints
        return Said(bounds=bounds, eps=eps, movable=movable, constraints=tuple(map(build, given)), features=known)

    @staticmethod
    def of(options: FeatureSettings, **changed: Any) -> "Said":
        """Reads what the settings of a workflow say of the features.

        Args:
            options: The settings.
            **changed: Values that take the place of theirs.

        Raises:
            SpecError, SettingError: See `by_user`.
        """
        names = ("bounds", "eps", "movable", "constraints", "features")
        return Said.by_user(**{name: getattr(options, name) for name in names} | changed)

    def __bool__(self) -> bool:
        return (
            self.movable is not None
            or bool(self.constraints or len(self.features))
            or any(isinstance(each, Mapping) for each in (self.eps, self.bounds))
            or any(is_array(each) for each in (self.eps, *(self.bounds or ())))
        )

    def else_of(self, told: Mapping[str, Any] | None) -> "Said":
        """What the user says, and what the file of a model says where the user says nothing.

        Args:
            told: `FeatureThreat.to_dict` as the file has it; None for nothing.

        Raises:
            SpecError: A constraint that is not registered and that the user does not give.
            SettingError: Something that is no such thing.
        """
        if not told:
            return self
        try:
            names = tuple(map(str, told.get("names", ())))
            bounds = tuple(np.asarray(told[name], "float64") for name in ("low", "high"))
            eps = np.asarray(told["eps"], "float64")
            finite = all(np.isfinite(each).all() for each in (*bounds, eps))
            # One of the user's own, which no file may import, is there where the user gives it again.
            given = {registry.name_of(type(each)) for each in self.constraints}
            own = [each for each in told["constraints"] if ":" not in str(each["name"]) or each["name"] not in given]
            made = [Constraint.from_dict(each) for each in own]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, SpecError):
                raise
            raise SettingError(
                f"Expected features as turtlenet writes them in the model's file; got: {error}."
            ) from None
        if not finite:
            raise SettingError("Expected finite bounds and radii in the model's file; got others.")
        silent = self.movable is None and not self.features.movable
        kept = [each for each in made if silent or type(each) not in BY_MOVE.values()]
        mine = self.features
        mine = (
            mine
            if len(mine)
            else Features(
                names=names, type=tuple(told.get("types", ())), groups=tuple(map(str, told.get("groups", ())))
            )
        )
        here = self.bounds is None and not mine.low
        return dataclasses.replace(
            self,
            bounds=bounds if here else self.bounds,
            eps=eps if self.eps is None and not mine.eps else self.eps,
            constraints=(*self.constraints, *kept),
            features=mine,
            from_file=here,
            eps_from_file=self.eps is None and not mine.eps,
        )

    def check(self, shape: Shape) -> None:
        """Refuses what does not fit inputs of a shape, before any data are read.

        Raises:
            SettingError: Bounds that do not broadcast to it, or are not low < high.
        """
        low, high = self.bounds if self.bounds is not None else (None, None)
        ends = [spread_out(low, shape, "the low bounds"), spread_out(high, shape, "the high bounds")]
        if ends[0] is not None and ends[1] is not None:
            check_order(ends[0], ends[1], self.features)

    @property
    def outer(self) -> tuple[float, float] | None:
        """The smallest and the largest value of all features; None where nothing is said of them."""
        pairs = self.bounds.values() if isinstance(self.bounds, Mapping) else [self.bounds] if self.bounds else []
        lows, highs = (
            [value for pair in pairs for value in np.ravel(np.asarray(pair[end], "float64")).tolist()]
            for end in (0, 1)
        )
        lows = lows or [each for each in self.features.low if each is not None]
        highs = highs or [each for each in self.features.high if each is not None]
        return (min(lows), max(highs)) if lows and highs else None


def _is_file(value: Any) -> bool:
    return isinstance(value, Path) or (isinstance(value, str) and value.lower().endswith(_FILES))


def _pair(bounds: Any) -> tuple[Any, Any]:
    """Two numbers or arrays of such.

    Raises:
        SettingError: Anything else.
    """
    try:
        low, high = bounds
        ends = [np.asarray(each, "float64") for each in (low, high)]
    except (TypeError, ValueError):
        raise SettingError(f"Expected bounds as two numbers, or as two arrays of such; got {bounds!r:.60}.") from None
    return tuple(float(end) if end.ndim == 0 else end for end in ends)  # type: ignore[return-value]


def _by_name(text: str, what: str, read: Callable[[str], Any] = str) -> dict[str, Any]:
    """`image=...;vector=...`, one for each input.

    Raises:
        SettingError: Anything else.
    """
    parts = [part.partition("=") for part in text.split(";") if part.strip()]
    found = {name.strip(): value.strip() for name, _, value in parts}
    if len(found) < len(parts) or not all((*found, *found.values())):
        raise SettingError(f"Expected {what} by the names of inputs, as image=...;vector=...; got {text!r}.")
    return {name: read(value) for name, value in found.items()}


def _radii(text: str) -> Any:
    """One radius, or one for each feature with commas between them."""
    return [part.strip() for part in text.split(",")] if "," in text else text


def _columns(path: Any, *names: str) -> list[Any]:
    """Columns of a file of features.

    Raises:
        SpecError: One that the file does not have.
    """
    found = read(path)
    columns = [getattr(found, name) for name in names]
    for name, values in zip(names, columns, strict=True):
        if not values or any(value is None for value in values):
            raise SpecError(f"Expected a column {name} without gaps in {path}; got none.")
    return columns


def _bounds_text(text: str) -> tuple[Any, Any]:
    """`low,high`, or one such pair for each feature with `;` between them.

    Raises:
        SettingError: Anything else.
    """
    try:
        pairs = np.array([[float(each) for each in pair.split(",")] for pair in text.split(";")])
        low, high = pairs.T
    except ValueError:
        more = (
            " A decimal point is expected, as in 0.5,1."
            if any(part.count(",") > 1 for part in text.split(";"))
            else ""
        )
        raise SettingError(
            f"Expected bounds as low,high, as low,high;low,high;... or as a file of features; got {text!r}.{more}"
        ) from None
    return (low[0], high[0]) if len(low) == 1 else (low, high)
