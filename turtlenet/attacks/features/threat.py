"""From what a user, a file or the training data say of the features to the ball that attacks work in."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from turtlenet import balls, radius
from turtlenet.attacks.features.defaults import WHY_BOUNDS, WHY_EPS, Spread, is_table, spread_of
from turtlenet.balls import Ball, FeatureBall, Rule, Space, is_plain
from turtlenet.constraints import Constraint, Fall, Fixed, Grow, Integer, OneHot, build, place_of
from turtlenet.constraints import constraints as registry
from turtlenet.errors import DataError, SettingError, SpecError
from turtlenet.features import Features, read
from turtlenet.typing import Shape

FEATURES = "features"
"""The key of a file's provenance."""
_FILES = (".csv", ".toml")
WHY_OWN = "those of the model"
WHY_FILE = "those of the model's training"
_BY_MOVE: dict[str, Callable[[], Constraint]] = {"no": Fixed, "up": Grow, "down": Fall}


@dataclass(frozen=True, kw_only=True)
class Said:
    """What is said of the features: by the user, or by the file of a model.

    Args:
        bounds: The smallest and the largest value: numbers, or arrays that broadcast to an input; None for neither.
        eps: The radius: a number, a text with a unit, or an array of such; None for none.
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
        elif isinstance(eps, str) and "," in eps:
            eps = [part.strip() for part in eps.split(",")]
        if _is_file(movable):
            (words,) = _columns(movable, "movable")
            known, movable = dataclasses.replace(known, movable=words), None
        if isinstance(bounds, str):
            bounds = _bounds_text(bounds)
        bounds = None if bounds is None else _pair(bounds)
        given = (constraints,) if isinstance(constraints, str | Constraint) else constraints
        return Said(bounds=bounds, eps=eps, movable=movable, constraints=tuple(map(build, given)), features=known)

    def __bool__(self) -> bool:
        return (
            self.movable is not None
            or bool(self.constraints or len(self.features))
            or any(_is_array(each) for each in (self.eps, *(self.bounds or ())))
        )

    def else_of(self, told: Mapping[str, Any] | None) -> "Said":
        """The same, with what the file of a model says where the user says nothing.

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
        kept = [each for each in made if silent or type(each) not in _BY_MOVE.values()]
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
        ends = [_spread_out(low, shape, "low"), _spread_out(high, shape, "high")]
        if ends[0] is not None and ends[1] is not None:
            _check_order(ends[0], ends[1], self.features)

    @property
    def outer(self) -> tuple[float, float] | None:
        """The smallest and the largest value of all features; None where nothing is said of them."""
        low, high = self.bounds if self.bounds is not None else (None, None)
        lows = [] if low is None else np.ravel(np.asarray(low, "float64")).tolist()
        highs = [] if high is None else np.ravel(np.asarray(high, "float64")).tolist()
        lows = lows or [each for each in self.features.low if each is not None]
        highs = highs or [each for each in self.features.high if each is not None]
        return (min(lows), max(highs)) if lows and highs else None


@dataclass(frozen=True)
class FeatureThreat:
    """What an attack may do to each feature of inputs.

    Attributes:
        shape: Of an input.
        norm: Name of the norm that the radii are meant for.
        low, high, eps: Bounds and radii, float64 (features,).
        rules: Constraints and the places of their features.
        features: Names and types.
        why_bounds, why_eps: Where they come from, in words.
        given: Whether a row of data outside the bounds is refused, as the user gave them.
    """

    shape: Shape
    norm: str
    low: np.ndarray
    high: np.ndarray
    eps: np.ndarray
    rules: tuple[Rule, ...] = ()
    features: Features = dataclasses.field(default_factory=Features)
    why_bounds: str = ""
    why_eps: str = ""
    given: bool = True

    @property
    def ball(self) -> Ball:
        """The ball: a plain one where all features have the same bounds, radius and freedom."""
        norm = balls.get(self.norm, 0.0).norm
        alike = len(np.unique(self.eps)) == 1
        eps = float(self.eps.flat[0]) if alike or norm == "l0" else 1.0
        unit = np.ones_like(self.eps) if alike or norm == "l0" else self.eps
        outer = (float(self.low.min()), float(self.high.max()))
        plain = balls.get(norm, eps, outer)
        space = Space(self.shape, self.low, self.high, unit, self.rules, self.features.names)
        if space.uniform and not self.rules:
            return plain
        return FeatureBall(eps, *outer, type(plain), space)

    def check(self, examples: Any) -> list[str]:
        """Refuses data that break bounds or rules; gives what is worth telling of them, a line each.

        Raises:
            DataError: The first that does, by feature and row.
        """
        size, outside = self.low.size, 0
        step = max(1, (8 << 20) // size)
        for start in range(0, len(examples), step):
            x = examples.batch(slice(start, start + step))[0].reshape(-1, size).astype("float64")
            slack = 1e-6 * np.maximum(1.0, self.high - self.low)
            bad = (x < self.low - slack) | (x > self.high + slack)
            if self.given and bad.any():
                row, place = (int(each[0]) for each in np.nonzero(bad))
                mend = ": pass bounds (--bounds, --features)" if self.why_bounds == WHY_OWN else ""
                raise DataError(
                    f"Expected {self.features.name_of(place)} within [{self.low[place]:g}, {self.high[place]:g}]; got "
                    f"{x[row, place]:g} in row {start + row} of {examples.name}{mend}."
                )
            outside += int(bad.any(axis=1).sum())
            for constraint, places in self.rules:
                names = [self.features.name_of(place) for place in places]
                try:
                    constraint.check(x[:, list(places)], names)
                except DataError as error:
                    where = f" of {examples.name}" + (f", counted from {start}" if start else "")
                    raise DataError(f"{str(error).rstrip('.')}{where}.") from None
        if not outside:
            return []
        return [
            f"{outside:,} of {len(examples):,} rows lie outside the bounds ({self.why_bounds}) in some feature, which "
            "may only come nearer to them"
        ]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data, for reports and for the file of a model."""
        return {
            "norm": self.norm,
            "names": list(self.features.names),
            "types": list(self.features.type),
            "groups": list(self.features.groups),
            **{name: _compact(getattr(self, name), self.shape) for name in ("low", "high", "eps")},
            "constraints": [{**rule.constraint.to_dict(), "features": _spelled(rule)} for rule in self.rules],
            "bounds_from": self.why_bounds,
            "eps_from": self.why_eps,
        }

    def describe(self) -> str:
        """The threat in a few words: of a plain ball, where its radius comes from."""
        if is_plain(self.ball):
            return self.why_eps
        name = balls.get(self.norm, 0.0).norm
        free = int(np.count_nonzero(~_held(self)))
        words = [f"{name}, {free} of {self.eps.size} features may move"]
        if name != "l0":
            words.append(f"each by its own eps ({self.eps[self.eps > 0].min(initial=np.inf):g} to {self.eps.max():g})")
        rules = [str(rule.constraint) for rule in self.rules]
        more = f"; rules: {', '.join(rules)[:200]}" if rules else ""
        return f"{', '.join(words)}; eps: {self.why_eps}; bounds: {self.why_bounds}{more}"


def resolve(said: Said, shape: Shape, norm: str, fallback: tuple[float, float], train: Any = None) -> FeatureThreat:
    """Works out bounds, radius and rules of each feature.

    Args:
        said: What is known of them.
        shape: Of an input, without the batch.
        norm: Name of the norm.
        fallback: The bounds of a feature of which nobody says any.
        train: Training data to take defaults from; None for none.

    Raises:
        SettingError: Bounds, radii or a mask that make no sense, or do not fit the shape.
        SpecError: A feature that there is not.
    """
    kind, size = balls.get(norm, 0.0), int(np.prod(shape))
    features = said.features
    if len(features) not in (0, size, shape[-1]):
        raise SettingError(f"Expected {size} features, as many as the model takes; got {len(features)}.")
    kinds = features.type if len(features) == size else ()
    spread = spread_of(train) if train is not None and (is_table(shape) or len(features)) else None
    # Data that fit the model's own bounds leave no doubt about these.
    fits = spread is not None and fallback[0] <= spread.low.min() and spread.high.max() <= fallback[1]
    low, high, why_bounds = _bounds(said, shape, fallback, None if fits else spread, kinds)
    eps, why_eps = _eps(said, shape, kind, (low, high), spread, kinds)
    rules = _rules(said, shape)
    found = FeatureThreat(
        shape, kind.norm, low, high, eps, rules, features, why_bounds, why_eps, given=not said.from_file
    )
    if why_bounds == WHY_BOUNDS:
        found = dataclasses.replace(found, given=False)
    if eps.any() and _held(found).all():
        raise SettingError("Expected at least one feature that may move; got a mask and radii that allow none.")
    return found


def _bounds(
    said: Said, shape: Shape, fallback: tuple[float, float], spread: Spread | None, kinds: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, str]:
    why = WHY_FILE if said.from_file else "given"
    low, high = said.bounds if said.bounds is not None else (None, None)
    ends = [_spread_out(low, shape, "low"), _spread_out(high, shape, "high")]
    told = [
        _spread_out(each or None, shape, name, holes=True)
        for each, name in ((said.features.low, "low"), (said.features.high, "high"))
    ]
    usual = (
        spread.bounds(kinds) if spread is not None else tuple(np.full(int(np.prod(shape)), each) for each in fallback)
    )
    found = []
    for end, column, default in zip(ends, told, usual, strict=True):
        if end is None:
            end = default if column is None else np.where(np.isnan(column), default, column)
            if column is None:
                why = WHY_BOUNDS if spread is not None else WHY_OWN
            elif np.isnan(column).any():
                why = f"given, others {WHY_BOUNDS}" if spread is not None else "given, others those of the model"
        found.append(end)
    _check_order(found[0], found[1], said.features)
    return found[0], found[1], why


def _check_order(low: np.ndarray, high: np.ndarray, features: Features) -> None:
    bad = np.flatnonzero(~(low < high))
    if len(bad):
        place = int(bad[0])
        raise SettingError(
            f"Expected bounds low < high for {features.name_of(place)}; got {low[place]:g} and {high[place]:g}."
        )


def _eps(
    said: Said,
    shape: Shape,
    kind: Ball,
    bounds: tuple[np.ndarray, np.ndarray],
    spread: Spread | None,
    kinds: Sequence[str],
) -> tuple[np.ndarray, str]:
    """The radii, and where they come from, in words."""
    size, wide = int(np.prod(shape)), bounds[1] - bounds[0]
    given: Any = said.eps if said.eps is not None else (said.features.eps or None)
    if given is not None and not _is_array(given):
        given = [given]
    if kind.norm == "l0" and given is not None and len(np.unique([str(each) for each in np.ravel(given)])) > 1:
        if said.eps is None:
            given = None
        else:
            raise SettingError("Expected eps of l0 as a number of values, such as 20; got one for each feature.")
    if spread is not None and kind.norm != "l0":
        usual, why = spread.eps(kind.norm, kinds), WHY_EPS
    elif kind.norm == "l0":
        usual, why = np.full(size, max(1.0, round(0.1 * size))), "a tenth of the features"
    else:
        share, how = radius.usual(shape, kind.usual, (0.0, 1.0))
        usual, why = share * wide, how
    if given is None:
        return usual, why
    values = list(np.ravel(np.asarray(given, object)))
    places = np.broadcast_to(_positions(len(values), np.shape(given), shape), shape).ravel()
    found = np.array(
        [
            usual[place]
            if values[at] is None
            else radius.resolved(values[at], kind.norm, (float(bounds[0][place]), float(bounds[1][place])))
            for place, at in enumerate(places)
        ]
    )
    if said.eps_from_file:
        return found, WHY_FILE
    holes = any(value is None for value in values)
    return found, f"given, others {why}" if holes else "given"


def _rules(said: Said, shape: Shape) -> tuple[Rule, ...]:
    size, features = int(np.prod(shape)), said.features
    names = features.names if len(features.names) == size else ()
    rules = [Rule(each, each.places(names, size)) for each in said.constraints]
    where = np.broadcast_to(np.arange(len(features) or 1), shape).ravel() if len(features) != size else np.arange(size)
    if said.movable is not None:
        free = _mask(said.movable, features, shape)
        rules += _rule(Fixed(), np.flatnonzero(~free), features)
    elif features.movable:
        for word, constraint in _BY_MOVE.items():
            mine = np.flatnonzero(np.array([features.movable[place] == word for place in where]))
            rules += _rule(constraint(), mine, features)
    if features.type:
        whole = np.flatnonzero(np.array([features.type[place] == "integer" for place in where]))
        rules += _rule(Integer(), whole, features)
    for members in features.one_hot.values():
        rules += _rule(OneHot(), np.asarray(members), features)
    return tuple({rule.key: rule for rule in rules}.values())


def _rule(constraint: Constraint, places: np.ndarray, features: Features) -> list[Rule]:
    if not len(places):
        return []
    found = tuple(map(int, places))
    names = [features.names[place] if len(features.names) > max(found) else place for place in found]
    return [Rule(dataclasses.replace(constraint, features=names), found)]


def _compact(values: np.ndarray, shape: Shape) -> Any:
    """Values (features,) as lists that broadcast to an input: of channels alone where these are all that differs."""
    whole = values.reshape(shape)
    channels = whole.reshape(-1, shape[-1])[0]
    return (channels if (whole == channels).all() else whole).tolist()


def _spelled(rule: Rule) -> str:
    return ";".join(map(str, rule.places))


def _held(threat: FeatureThreat) -> np.ndarray:
    held: np.ndarray = Space(threat.shape, threat.low, threat.high, threat.eps, threat.rules).held
    return held


def _mask(movable: Any, features: Features, shape: Shape) -> np.ndarray:
    """Which features may move, bool (features,)."""
    size = int(np.prod(shape))
    if isinstance(movable, str):
        movable = [word.strip() for word in movable.replace(",", ";").split(";") if word.strip()]
    try:
        mask = np.asarray(movable)
    except ValueError:
        raise SettingError(
            "Expected movable as booleans, or as names of features; got rows of unequal length."
        ) from None
    if not mask.size:
        raise SettingError("Expected at least one feature that may move; got a mask that allows none.")
    if mask.dtype.kind in "US":
        found = np.zeros(size, bool)
        for word in mask.ravel():
            found[place_of(str(word), features.names, size, "movable")] = True
    elif mask.dtype.kind == "b" or (mask.dtype.kind in "iuf" and np.isin(mask, (0, 1)).all()):
        try:
            found = np.broadcast_to(mask.astype(bool), shape).ravel()
        except ValueError:
            raise _misfit("movable", mask.shape, shape) from None
    else:
        raise SettingError(f"Expected movable as booleans, or as names of features; got {mask.dtype}.")
    if not found.any():
        raise SettingError("Expected at least one feature that may move; got a mask that allows none.")
    return found


def _spread_out(values: Any, shape: Shape, what: str, *, holes: bool = False) -> np.ndarray | None:
    """Numbers for each feature, float64 (features,), of some that broadcast to an input; None where there are none."""
    if values is None:
        return None
    try:
        found = np.asarray([np.nan if each is None else each for each in values] if holes else values, "float64")
    except (TypeError, ValueError):
        raise SettingError(f"Expected {what} as numbers, one for each feature; got {values!r:.60}.") from None
    if not holes and not np.isfinite(found).all():
        raise SettingError(f"Expected finite bounds; got {found[~np.isfinite(found)].flat[0]} in {what}.")
    try:
        return np.array(np.broadcast_to(found, shape)).ravel()
    except ValueError:
        raise _misfit(what, found.shape, shape) from None


def _positions(count: int, own: tuple[int, ...], shape: Shape) -> np.ndarray:
    """Which of some values each feature of an input has."""
    places = np.arange(count).reshape(own if np.prod(own) == count else (count,))
    try:
        return np.broadcast_to(places, shape)
    except ValueError:
        raise _misfit("eps", places.shape, shape) from None


def _misfit(what: str, got: tuple[int, ...], shape: Shape) -> SettingError:
    size = "x".join(map(str, shape))
    return SettingError(f"Expected {what} as one number, or as numbers that broadcast to {size}; got shape {got}.")


def _is_array(value: Any) -> bool:
    return value is not None and not isinstance(value, str) and np.ndim(value) > 0


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
        raise SettingError(
            f"Expected bounds as low,high, as low,high;low,high;... or as a file of features; got {text!r}."
        ) from None
    return (low[0], high[0]) if len(low) == 1 else (low, high)
