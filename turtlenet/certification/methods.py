"""Which images of a batch are certified: methods of growing cost, each on what those before it left open."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from turtlenet import backend
from turtlenet.balls import Ball
from turtlenet.batching import in_batches, predict
from turtlenet.certification.crown import Bounder
from turtlenet.certification.exact import Exact
from turtlenet.certification.region import Region, region_of
from turtlenet.certification.steps import Box
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError

METHODS = ("ibp", "crown", "alpha", "exact")
"""By growing cost; each begins with those before it."""
VERDICTS = ("wrong", "certified", "broken", "unknown")
"""What is known of an image: misclassified as it is; held in the whole ball; not held; none of these."""
WRONG, CERTIFIED, BROKEN, UNKNOWN = range(4)
SECONDS = 60.0
"""For an image, by `exact`."""

# Images at a time: linear bounds hold slopes for each class, and of many hidden values.
_AT_ONCE = 16
_MOST_SLOPES = 4_000_000

Attacker = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Perturbed images of images, labels and places in the data set."""


@dataclass
class CertificationState:
    """What is known of each image.

    Attributes:
        clean: Predictions, int32 (n,).
        verdict: A place in `VERDICTS`, int8 (n,).
        method: The place in `METHODS` of what certified or broke it, int8 (n,); -1 for nothing, or an attack.
        margin: The best lower bound of the smallest margin, float64 (n,); NaN where none was asked for.
        done: Images finished.
    """

    clean: np.ndarray
    verdict: np.ndarray
    method: np.ndarray
    margin: np.ndarray
    done: int = 0

    @staticmethod
    def empty(count: int) -> "CertificationState":
        """Nothing known yet."""
        return CertificationState(
            np.full(count, -1, "int32"), np.zeros(count, "int8"), np.full(count, -1, "int8"), np.full(count, np.nan)
        )


class Certifier:
    """Certifies images of one classifier in one ball.

    Args:
        model: The classifier.
        ball: Where an input may move, in the norm linf, l2 or l1; linf for `exact`.
        method: The last of the methods to try.
        seconds: For an image, by `exact`.
        batch_size: Images in one compiled call by `ibp`; None for as many as fit.

    Raises:
        ModelError: A layer without a rule, that draws random numbers, or that `exact` cannot take.
        SettingError: A norm without certificates, a radius that is wider than the bounds, or devices whose products
            have fewer digits than float32.
    """

    def __init__(
        self,
        model: Classifier,
        ball: Ball,
        *,
        method: str = "crown",
        seconds: float = SECONDS,
        batch_size: int | None = 256,
    ):
        _check_products()
        check_ball(model, ball, method)
        self.model, self.ball, self.method, self.seconds = model, ball, method, seconds
        self.batch_size = batch_size
        self.bounder = Bounder(model, ball.order)
        self.exact = Exact(self.bounder.network) if method == "exact" else None

    def __call__(
        self, x: np.ndarray, y: np.ndarray, index: np.ndarray, attacker: Attacker | None = None
    ) -> tuple[CertificationState, dict[int, Any]]:
        """Certifies a block of images.

        Args:
            x: Images, float32 (n, ...).
            y: True labels, int32 (n,).
            index: Their places in the data set.
            attacker: Perturbs what bounds leave open, before `exact` is asked.

        Returns:
            What is known of each, and the inputs that broke some, by their row.
        """
        found = CertificationState.empty(len(x))
        examples: dict[int, Any] = {}
        found.clean[:] = predict(self.model, x, self.batch_size).argmax(axis=1)
        found.verdict[found.clean == y] = UNKNOWN
        for number in range(min(METHODS.index(self.method), 2) + 1):
            self._bound(number, x, y, found)
        if attacker is not None and (rows := np.flatnonzero(found.verdict == UNKNOWN)).size:
            moved = attacker(x[rows], y[rows], index[rows])
            examples = self._broken(rows, x, y, moved, found)
        if self.exact is not None:
            for row in np.flatnonzero(found.verdict == UNKNOWN):
                if (point := self._decide(int(row), x, y, found)) is not None:
                    examples[int(row)] = point
        return found, examples

    def _bound(self, number: int, x: np.ndarray, y: np.ndarray, found: CertificationState) -> None:
        """Asks one method for bounds on what is open."""
        rows = np.flatnonzero(found.verdict == UNKNOWN)
        size = self.batch_size if number == 0 else self._at_once(number)
        work = (self._interval, self._crown, self._alpha)[number]
        for part, margins in in_batches(self.model, rows, size, lambda rows: work(self._region(x[rows]), y[rows])):
            least = _least(margins[: len(part)], y[part])
            found.margin[part] = np.fmax(found.margin[part], least)
            settled = part[least > 0]
            found.verdict[settled], found.method[settled] = CERTIFIED, number

    def _at_once(self, number: int) -> int:
        slopes = max(self.bounder.slopes, 1) * self.model.num_classes if number == 2 else 1
        return max(1, min(_AT_ONCE, _MOST_SLOPES // slopes))

    def _region(self, x: np.ndarray) -> Region:
        return region_of(self.ball, x)

    def _interval(self, region: Region, y: np.ndarray) -> np.ndarray:
        return self.bounder.interval(region, y)

    def _crown(self, region: Region, y: np.ndarray) -> np.ndarray:
        return self.bounder.crown(region, y, self.bounder.hidden(region))

    def _alpha(self, region: Region, y: np.ndarray) -> np.ndarray:
        return self.bounder.alpha(region, y, self.bounder.hidden(region))

    def _broken(
        self, rows: np.ndarray, x: np.ndarray, y: np.ndarray, moved: np.ndarray, found: CertificationState
    ) -> dict[int, Any]:
        wrong = predict(self.model, moved, self.batch_size).argmax(axis=1) != y[rows]
        hit = np.flatnonzero(wrong & self._inside(x[rows], moved))
        found.verdict[rows[hit]] = BROKEN
        return {int(rows[number]): moved[number] for number in hit}

    def _inside(self, x: np.ndarray, moved: np.ndarray) -> np.ndarray:
        """Whether points lie in the ball and the bounds, one float32 ulp apart, bool (n,)."""
        ulp = float(np.spacing(np.float32(max(abs(self.ball.low), abs(self.ball.high)))))
        far = self.ball.length(moved, x) > float(np.max(self.ball.eps)) * (1 + 1e-6) + ulp * self.ball.span(x[0].size)
        flat = moved.reshape(len(moved), -1)
        out = ((flat < self.ball.low - ulp) | (flat > self.ball.high + ulp)).any(axis=1)
        inside: np.ndarray = np.isfinite(flat).all(axis=1) & ~far & ~out
        return inside

    def _decide(self, row: int, x: np.ndarray, y: np.ndarray, found: CertificationState) -> np.ndarray | None:
        """Asks the solver about one image; gives what broke it."""
        one, label = x[row : row + 1], int(y[row])
        region = self._region(one)
        known = self.bounder.hidden(region)
        margins = self.bounder.crown(region, y[row : row + 1], known)[0]
        still = [other for other in np.argsort(margins) if other != label and not margins[other] > 0]
        first = [Box(*(ops.convert_to_numpy(part)[0] for part in box[:2])) for box in known]
        if not all(np.isfinite(part).all() for box in first for part in box[:2]):
            # The solver takes neither an infinite bound nor NaN, and what overflows in float32 has no margin.
            return None

        def confirmed(values: np.ndarray) -> np.ndarray | None:
            point = self._point(values, one)
            answer = self.model.predict(point)[0].argmax()
            return point[0] if answer != label and self._inside(one, point)[0] else None

        answer = self.exact(first, label, still, self.seconds, confirmed)  # type: ignore[misc]
        found.verdict[row] = VERDICTS.index(answer.verdict)
        if answer.verdict != "unknown":
            found.method[row] = METHODS.index("exact")
        if answer.verdict != "broken":
            settled = [margins[other] for other in range(len(margins)) if other not in (label, *still)]
            found.margin[row] = np.fmax(found.margin[row], min(answer.bound, *settled) if settled else answer.bound)
        return answer.point

    def _point(self, values: np.ndarray, x: np.ndarray) -> np.ndarray:
        """An input of the ball (1, ...) for values of the solver's free place, be it behind a quantizer."""
        eps = np.float32(self.ball.eps)
        low, high = np.maximum(x - eps, self.ball.low), np.minimum(x + eps, self.ball.high)
        first = self.bounder.network.nodes[0].step
        wanted = values.reshape(x.shape).astype("float32")
        preimage = getattr(first, "preimage", None)
        found = wanted
        if preimage is not None and 1 in self.exact.front:  # type: ignore[union-attr]
            found = ops.convert_to_numpy(preimage(*map(ops.convert_to_tensor, (wanted, x, low, high))))
        return np.clip(found, low, high).astype("float32")


def _check_products() -> None:
    """Refuses devices on which rounding is not what bounds account for."""
    if how := backend.exact_products():
        raise SettingError(
            f"Expected products in full float32 to certify; got {', '.join(backend.devices())} with fewer digits, "
            f"such as TF32, for which bounds do not hold: set {how}."
        )


def check_ball(model: Classifier, ball: Ball, method: str) -> None:
    """Refuses a ball without certificates.

    Raises:
        SettingError: A norm without them, or a radius that is wider than the bounds.
    """
    region_of(ball, np.zeros((0, *model.input_shape), "float32"))
    widest = ball.widest(model.input_shape)
    if float(np.max(ball.eps)) > widest:
        raise SettingError(
            f"Expected eps <= {widest:g}, the widest that the bounds {ball.low:g} and {ball.high:g} allow; "
            f"got {float(np.max(ball.eps)):g}."
        )
    if method == "exact" and ball.norm != "linf":
        raise SettingError(f"Expected norm linf for method=exact; got {ball.norm}.")


def _least(margins: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The smallest margin over each other class, float64 (n,)."""
    wide, rows = margins.astype("float64"), np.arange(len(y))
    wide[rows, y] = 0.0
    # A bound that overflowed, or is no number, proves nothing.
    proves = np.isfinite(wide).all(axis=1)
    wide[rows, y] = math.inf
    return np.where(proves, wide.min(axis=1), -math.inf)
