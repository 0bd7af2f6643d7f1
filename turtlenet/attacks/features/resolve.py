"""From what is said of the features, and the training data, to bounds, radii and rules."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from turtlenet import balls, radius
from turtlenet.attacks.features.broadcast import check_order, is_array, misfit, positions, spread_out
from turtlenet.attacks.features.defaults import WHY_BOUNDS, WHY_EPS, Spread, is_table, spread_of
from turtlenet.attacks.features.said import BY_MOVE, Said
from turtlenet.attacks.features.threat import WHY_OWN, FeatureThreat, held
from turtlenet.balls import Ball, Rule
from turtlenet.constraints import Constraint, Fixed, Integer, OneHot, place_of
from turtlenet.errors import SettingError, decimal_point
from turtlenet.features import Features
from turtlenet.typing import Shape

WHY_FILE = "those of the model's training"


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
    # Data that fit the model's own bounds leave no doubt about these, unless they are the widest that a user gives.
    own = not (features.low or features.high)
    fits = own and spread is not None and fallback[0] <= spread.low.min() and spread.high.max() <= fallback[1]
    low, high, why_bounds = _bounds(said, shape, fallback, None if fits else spread, kinds)
    eps, why_eps = _eps(said, shape, kind, (low, high), spread, kinds)
    rules = _rules(said, shape)
    found = FeatureThreat(
        shape, kind.norm, low, high, eps, rules, features, why_bounds, why_eps, given=not said.from_file
    )
    if why_bounds == WHY_BOUNDS:
        found = dataclasses.replace(found, given=False)
    if eps.any() and held(found).all():
        raise SettingError("Expected at least one feature that may move; got a mask and radii that allow none.")
    return found


def _bounds(
    said: Said, shape: Shape, fallback: tuple[float, float], spread: Spread | None, kinds: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, str]:
    why = WHY_FILE if said.from_file else "given"
    low, high = said.bounds if said.bounds is not None else (None, None)
    ends = [spread_out(low, shape, "the low bounds"), spread_out(high, shape, "the high bounds")]
    told = [
        spread_out(each or None, shape, name, holes=True)
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
    check_order(found[0], found[1], said.features)
    return found[0], found[1], why


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
    if given is not None and not is_array(given):
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
    meant = decimal_point(",".join(values)) if all(isinstance(each, str) for each in values) else ""
    places = np.broadcast_to(positions(len(values), np.shape(given), shape, meant), shape).ravel()
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
        for word, constraint in BY_MOVE.items():
            mine = np.flatnonzero(np.array([features.movable[place] == word for place in where]))
            rules += _rule(constraint(), mine, features)
    if features.type:
        whole = np.flatnonzero(np.array([features.type[place] == "integer" for place in where]))
        rules += _rule(Integer(), whole, features)
    for members in features.one_hot.values():
        # Features of channels have a group at each place of the input, such as each step of a series.
        for first in range(0, size, len(features)):
            rules += _rule(OneHot(), first + np.asarray(members), features)
    return tuple({rule.key: rule for rule in rules}.values())


def _rule(constraint: Constraint, places: np.ndarray, features: Features) -> list[Rule]:
    if not len(places):
        return []
    found = tuple(map(int, places))
    names = [features.names[place] if len(features.names) > max(found) else place for place in found]
    return [Rule(dataclasses.replace(constraint, features=names), found)]


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
            raise misfit("movable", mask.shape, shape) from None
    else:
        raise SettingError(f"Expected movable as booleans, or as names of features; got {mask.dtype}.")
    if not found.any():
        raise SettingError("Expected at least one feature that may move; got a mask that allows none.")
    return found
