"""Searches, for each image, the smallest radius at which an attack breaks it, and says how visible the change is."""

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from turtlenet import backend
from turtlenet.attacks import PGD
from turtlenet.attacks.run.runner import attack_all
from turtlenet.balls import Ball
from turtlenet.batching import predict, softmax
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.errors import DataError
from turtlenet.evaluation.cascade import judged
from turtlenet.evaluation.per_image_results import read_progress, write_progress
from turtlenet.evaluation.perceptibility.result import MEASURES, Fixed, Perceptibility, Sight, broken_at, measured
from turtlenet.evaluation.within_ball import inside
from turtlenet.reports.images import drawable, png
from turtlenet.reports.statistics import distances, interval, similarity

MULTIPLES = (0.125, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
"""The radii that are tried first, in units of the threat's; none beyond the ball that holds every image."""

BISECTIONS = 4
_PICTURES = 5


@dataclass
class _State:
    """What is known so far of n images; `done` counts the rounds of the search.

    `within` says which of them some example within the threat broke, at whatever radius it was looked for.
    """

    low: np.ndarray
    high: np.ndarray
    moved: np.ndarray
    logits: np.ndarray
    gradients: np.ndarray
    within: np.ndarray
    done: int = 0

    def write(self, path: Path, identity: str) -> None:
        """Writes all at once or not at all."""
        arrays: dict[str, Any] = {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        write_progress(path, identity, self.done, arrays)

    @staticmethod
    def read(path: Path, identity: str) -> "_State | None":
        """What an earlier run of the very same search wrote, if anything.

        Raises:
            DataError: A file that is damaged.
        """
        written = read_progress(path, identity)
        if written is None:
            return None
        try:
            return _State(**written[1], done=written[0])
        except TypeError:
            return None

    def fits(self, like: "_State") -> bool:
        """Whether it is of the same images."""
        own, other = vars(self), vars(like)
        return self.done >= 0 and all(
            own[name].shape == value.shape and own[name].dtype.kind == value.dtype.kind
            for name, value in other.items()
            if isinstance(value, np.ndarray)
        )


def measure_perceptibility(
    model: Classifier,
    examples: Examples,
    ball: Ball,
    attack: PGD,
    *,
    count: int,
    widest: float,
    identity: str,
    seed: int = 0,
    batch_size: int | None = 256,
    bisections: int = BISECTIONS,
    progress: Path | None = None,
    resume: bool = False,
    counts: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray] | None = None,
) -> tuple[Perceptibility, np.ndarray]:
    """Finds how far the first images must be changed until the attack breaks them, and what is seen of it.

    Radii grow, each tried on the survivors of those before; then the gap between the last that failed and the first
    that broke an image is halved again and again. What is found is an upper bound, as every attack's result is.

    Args:
        model: The classifier under attack.
        examples: Images and true labels.
        ball: The threat, of a radius above 0.
        attack: With steps in shares of the radius.
        count: How many images, the first of the data set; those that are wrong at first are not attacked.
        widest: The radius of the ball that holds every image within the bounds.
        identity: What tells the evaluation from all others.
        seed: Repeats the draws, which are those of the image whatever the radius.
        batch_size: Images in one compiled call; None for as many as fit. It changes the speed, not a verdict.
        bisections: How often the gap is halved.
        progress: File that keeps what is known after each round.
        resume: Whether to continue from that file.
        counts: Is given images, labels and perturbed images that are answered wrongly, and says which of those count
            within the threat, bool (n,); None for those that lie in the ball.

    Returns:
        What is seen, and which of the images some example within the threat broke, bool (count,).

    Raises:
        SettingError: The attack cannot work in this norm.
    """
    attack.check(model, ball)
    began = time.perf_counter()
    counts = counts or (lambda x, y, perturbed: inside(ball, x, perturbed))
    search = _Search(model, *examples.batch(slice(0, count)), ball, attack, seed, batch_size, counts)
    grid = tuple(sorted({round(min(widest, multiple * float(ball.eps)), 9) for multiple in MULTIPLES}))
    settings = [identity, attack.to_dict(), grid, bisections, count]
    state = search.run(grid, bisections, progress, resume, hashlib.sha256(json.dumps(settings).encode()).hexdigest())
    values, right = search.values(state), search.right
    pictures, amplified = search.pictures(state, values)
    fixed = search.fixed(state)
    result = Perceptibility(
        attack=str(attack),
        norm=ball.norm,
        grid=grid,
        bisections=bisections,
        label=tuple(search.classes.tolist()),
        smallest=tuple(_plain(eps) if good else 0.0 for eps, good in zip(state.high, right, strict=True)),
        **{name: tuple(map(_plain, values[name])) for name in MEASURES[1:]},
        measures=tuple(measured(name, values[name][right]) for name in MEASURES),
        broken=broken_at(state.high[right], grid),
        fixed=fixed,
        amplified=amplified,
        pictures=pictures,
        gradients=int(state.gradients),
        seconds=round(time.perf_counter() - began, 3),
    )
    return result, state.within


@dataclass
class _Search:
    model: Classifier
    x: np.ndarray
    y: np.ndarray
    ball: Ball
    attack: PGD
    seed: int
    batch_size: int | None
    counts: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]

    def __post_init__(self) -> None:
        self.before = predict(self.model, self.x, self.batch_size, self.y)
        self.classes = self.model.classes(self.y)
        self.right = self.before.argmax(axis=1) == self.classes

    def run(self, grid: tuple[float, ...], bisections: int, progress: Path | None, resume: bool, who: str) -> _State:
        """All rounds, from where an earlier run stopped."""
        known = backend.from_first(lambda: _State.read(progress, who)) if resume and progress else None
        state = _State(
            np.zeros(len(self.x)),
            np.full(len(self.x), np.inf),
            self.x.copy(),
            self.before.copy(),
            np.zeros((), "int64"),
            np.zeros(len(self.x), bool),
        )
        if known is not None and not known.fits(state):
            raise DataError(f"Expected what this search wrote on its way in {progress}; it is damaged: start anew.")
        state = known or state
        for number in range(state.done, len(grid) + bisections):
            for rows, eps in self._tasks(state, grid[number] if number < len(grid) else None):
                self._try(state, rows, eps)
            state.done += 1
            if progress and backend.process()[0] == 0:
                state.write(progress, who)
        return state

    def _tasks(self, state: _State, eps: float | None) -> Iterator[tuple[np.ndarray, float]]:
        """The images to attack in one round, and the radius for them: None halves the gaps, those alike together."""
        if eps is not None:
            yield np.flatnonzero(self.right & np.isinf(state.high)), eps
            return
        broken = self.right & np.isfinite(state.high)
        middle = np.where(broken, (state.low + np.where(broken, state.high, 0.0)) / 2, 0.0)
        for radius in np.unique(middle[broken]):
            yield np.flatnonzero(broken & (middle == radius)), float(radius)

    def _try(self, state: _State, rows: np.ndarray, eps: float) -> None:
        if not len(rows):
            return
        outcome = self._attacked(self.attack, rows, eps)
        state.gradients += int(outcome.gradients.sum())
        self._count(state, rows, outcome)
        # A failed attempt is shown where none ever succeeds.
        taken = outcome.reached | np.isinf(state.high[rows])
        state.moved[rows[taken]], state.logits[rows[taken]] = outcome.x[taken], outcome.logits[taken]
        state.high[rows[outcome.reached]] = eps
        state.low[rows[~outcome.reached]] = eps

    def _count(self, state: _State, rows: np.ndarray, outcome: Any) -> None:
        """Remembers what was broken within the threat."""
        hit = np.flatnonzero(outcome.reached & ~state.within[rows])
        if len(hit):
            new = rows[hit]
            state.within[new] = self.counts(self.x[new], self.y[new], outcome.x[hit])

    def _attacked(self, attack: PGD, rows: np.ndarray, eps: float) -> Any:
        outcome = attack_all(
            attack,
            self.model,
            self.x[rows],
            self.y[rows],
            ball=self.ball.with_eps(eps),
            seed=self.seed,
            index=rows,
            batch_size=self.batch_size,
        )
        if not self.model.stochastic:
            return outcome
        return judged(self.model, outcome, self.y[rows], self.batch_size)

    def fixed(self, state: _State) -> Fixed:
        """The attack at the threat's radius on all images that were right at first, spending its whole budget."""
        rows, eps = np.flatnonzero(self.right), float(self.ball.eps)
        outcome = self._attacked(dataclasses.replace(self.attack, early_stop=False), rows, eps)
        self._count(state, rows, outcome)
        fell, hit = rows[outcome.reached], int(outcome.reached.sum())
        values = self._seen(fell, outcome.x[outcome.reached])
        means = {name: measured(name, value).mean for name, value in values.items()}
        share = round(hit / len(rows), 6) if len(rows) else 0.0
        return Fixed(eps=eps, share=share, share_interval=interval(hit, len(rows)), **means)

    def values(self, state: _State) -> dict[str, np.ndarray]:
        """The measures of each image, float64 (n,): NaN where there is no example."""
        fell = np.flatnonzero(self.right & np.isfinite(state.high))
        values = {name: np.full(len(self.x), np.nan) for name in MEASURES}
        values["eps"][self.right] = state.high[self.right]
        for name, measure in self._seen(fell, state.moved[fell]).items():
            values[name][fell] = measure
        return values

    def _seen(self, rows: np.ndarray, perturbed: np.ndarray) -> dict[str, np.ndarray]:
        far = distances(self.x[rows], perturbed, self.ball.full)
        far["ssim"] = similarity(self.x[rows], perturbed, self.ball.full)
        # An answer that is another one in other draws needs no change, which has no PSNR.
        return {name: np.where(np.isfinite(far[name]), far[name], np.nan) for name in MEASURES[1:]}

    def pictures(self, state: _State, values: dict[str, np.ndarray]) -> tuple[tuple[Sight, ...], float]:
        """The first image of each class, and by how much changes are amplified."""
        # The same for every model: what is larger looks larger. A change of the whole radius reaches black or white.
        full, linf = self.ball.full, self.ball.norm == "linf"
        amplified = round(full / (2 * float(self.ball.eps)), 6) if linf else 2.0
        if not drawable(self.x.shape[1:]):
            return (), amplified
        firsts = sorted(np.unique(self.classes, return_index=True)[1].tolist())[:_PICTURES]
        return tuple(self._sight(row, state, values, amplified) for row in firsts), amplified

    def _sight(self, row: int, state: _State, values: dict[str, np.ndarray], amplified: float) -> Sight:
        low, full = self.ball.low, self.ball.full
        x, perturbed, chances = self.x[row], state.moved[row], softmax(state.logits[row : row + 1])[0]
        broken = bool(np.isfinite(state.high[row]))
        return Sight(
            index=row,
            label=int(self.classes[row]),
            state="wrong" if not self.right[row] else "broken" if broken else "held",
            eps=_plain(state.high[row]),
            prediction=int(chances.argmax()),
            confidence=round(float(chances.max()), 6),
            psnr=_plain(values["psnr"][row]),
            ssim=_plain(values["ssim"][row]),
            original=png((x - low) / full),
            adversarial=png((perturbed - low) / full),
            difference=png(0.5 + amplified * (perturbed - x) / full),
        )


def _plain(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None
