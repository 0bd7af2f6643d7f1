"""What an attack may do to each feature: the ball that it works in, the check of data, and the facts for reports."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from turtlenet import balls
from turtlenet.balls import Ball, FeatureBall, Rule, Space, is_plain
from turtlenet.errors import DataError
from turtlenet.features import Features
from turtlenet.typing import Shape

WHY_OWN = "those of the model"


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

    @property
    def bounds(self) -> tuple[Any, Any]:
        """Smallest and largest value: two numbers where they are those of all features, else arrays like an input."""
        if len(np.unique(self.low)) == len(np.unique(self.high)) == 1:
            return float(self.low.flat[0]), float(self.high.flat[0])
        return self.low.reshape(self.shape), self.high.reshape(self.shape)

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
        free = int(np.count_nonzero(~held(self)))
        words = [f"{name}, {free} of {self.eps.size} features may move"]
        if name != "l0":
            words.append(f"each by its own eps ({self.eps[self.eps > 0].min(initial=np.inf):g} to {self.eps.max():g})")
        rules = [str(rule.constraint) for rule in self.rules]
        more = f"; rules: {', '.join(rules)[:200]}" if rules else ""
        return f"{', '.join(words)}; eps: {self.why_eps}; bounds: {self.why_bounds}{more}"


def _compact(values: np.ndarray, shape: Shape) -> Any:
    """Values (features,) as lists that broadcast to an input: of channels alone where these are all that differs."""
    whole = values.reshape(shape)
    channels = whole.reshape(-1, shape[-1])[0]
    return (channels if (whole == channels).all() else whole).tolist()


def _spelled(rule: Rule) -> str:
    return ";".join(map(str, rule.places))


def held(threat: FeatureThreat) -> np.ndarray:
    """Which features may not move, bool (features,)."""
    places: np.ndarray = Space(threat.shape, threat.low, threat.high, threat.eps, threat.rules).held
    return places
