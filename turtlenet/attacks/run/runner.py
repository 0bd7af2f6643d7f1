"""An attack on any number of images: in batches, over all processes, with restarts that see only the survivors."""

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from turtlenet import backend
from turtlenet.attacks.base import Attack
from turtlenet.attacks.context import AttackResult
from turtlenet.attacks.run.attempts import Attempts
from turtlenet.balls import Ball
from turtlenet.batching import dealt
from turtlenet.classifier import Classifier

Judge: TypeAlias = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Maps candidates, logits and places of images to how good each candidate is, (n,)."""


class AttemptRange(NamedTuple):
    """Some of the attempts that a round makes: those from `first` to the one before `last`, of `attempts` in all."""

    first: int
    last: int
    attempts: int


@dataclass
class Outcome:
    """What an attack did to n images; arrays on the host.

    Attributes:
        x: Adversarial examples, float32 (n, ...).
        logits: Logits at them, float32 (n, classes).
        reached: Whether the attack's goal was reached, bool (n,).
        gradients: Input gradients computed for each image, int64 (n,).
        queries: Forward passes without a gradient for each image, int64 (n,).
        part: Number of the round (see `Attack.rounds`) that reached the goal first, int64 (n,); -1 where none did.
        undone: Whether some attempt reached the goal, and keeping the rules of the features took that away again, and
            none reached it for good, bool (n,).
    """

    x: np.ndarray
    logits: np.ndarray
    reached: np.ndarray
    gradients: np.ndarray
    queries: np.ndarray
    part: np.ndarray
    undone: np.ndarray

    def at(self, rows: np.ndarray) -> "Outcome":
        """The outcome of some of the images, as arrays of its own."""
        return Outcome(**{name: values[rows] for name, values in vars(self).items()})

    def put(self, rows: np.ndarray, other: "Outcome") -> None:
        """Takes another outcome of some of the images where that one reached the goal."""
        won = other.reached
        for name, values in vars(self).items():
            values[rows[won]] = getattr(other, name)[won]

    @staticmethod
    def nothing(x: np.ndarray, num_classes: int) -> "Outcome":
        """Before any attack."""
        count = len(x)
        none = np.zeros(count, "int64")
        logits = np.zeros((count, num_classes), "float32")
        return Outcome(x.copy(), logits, np.zeros(count, bool), none, none.copy(), none - 1, np.zeros(count, bool))


def attack_all(
    attack: Attack,
    model: Classifier,
    x: np.ndarray,
    y: np.ndarray,
    *,
    ball: Ball,
    seed: int = 0,
    index: np.ndarray | None = None,
    target: np.ndarray | None = None,
    batch_size: int | None = 128,
    span: AttemptRange | None = None,
) -> Outcome:
    """Attacks n images in batches, each process of a cluster its share of them.

    Args:
        attack: What to run; each of its attempts sees only the images on which those before it failed.
        model: The classifier under attack.
        x: Images, float32 (n, ...).
        y: True labels, int32 (n,).
        ball: Where the images may move.
        seed: Repeats the draws.
        index: The images' places in their data set; 0, 1, ... if not given.
        target: Classes to answer (n,), in place of the attack's own choice.
        batch_size: Images in one compiled call; None for as many as fit. It changes the speed, not a verdict.
        span: Those of its attempts to make, of an attack that is one round; all, if not given.

    Raises:
        SettingError: Not enough memory for the batch size.
    """
    index = np.arange(len(x), dtype="int32") if index is None else np.asarray(index, "int32")
    rows = dealt(len(x))
    targets = None if target is None else target[rows]
    where = (x[rows], y[rows], ball, seed, index[rows], targets, batch_size, span)
    share = functools.partial(_attack, attack, model, *where)
    return _together(backend.gather(share), len(x))


def _attack(
    attack: Attack,
    model: Classifier,
    x: np.ndarray,
    y: np.ndarray,
    ball: Ball,
    seed: int,
    index: np.ndarray,
    target: np.ndarray | None,
    batch_size: int | None,
    span: AttemptRange | None,
) -> Outcome:
    outcome, tried = Outcome.nothing(x, model.num_classes), np.zeros(len(x), bool)
    strict = target is not None or attack.targeted
    for number, (part, attempts) in enumerate(attack.under(ball.norm).rounds(model.num_classes)):
        # A success in one draw of a random model may be none in another: there the search does not stop early.
        part = dataclasses.replace(part, **_PATIENT) if model.stochastic and _stops(part) else part
        first, last, attempts = span or AttemptRange(0, attempts, attempts)
        # Where the smallest perturbation is looked for, a success is no reason to stop, unless it is near enough.
        whole = part.minimal and not getattr(part, "early_stop", False)
        judge = _nearness(x, ball) if whole else _margin(model.classes(y))
        while len(x) and first < last and (whole or not outcome.reached.all()):
            rows, numbers = _pairs(np.flatnonzero(~outcome.reached | whole), first, last)
            classes = None if target is None else target[rows]
            which = numbers if attempts > 1 else None
            work = Attempts(part, model, x[rows], y[rows], ball, seed, index[rows], classes, which)
            for at, result in work.run(batch_size):
                result = _confirmed(model, result, y[rows[at]], strict) if model.stochastic else result
                _take(outcome, rows[at], result, tried, judge, whole)
            first = int(numbers[-1]) + 1
        outcome.part[outcome.reached & (outcome.part < 0)] = number
    outcome.undone &= ~outcome.reached
    return outcome


_FOLDED = 64


def _pairs(left: np.ndarray, first: int, attempts: int) -> tuple[np.ndarray, np.ndarray]:
    """Images and numbers of attempts for one call: several attempts at once where few images are left."""
    together = min(attempts - first, max(1, _FOLDED // len(left)))
    return np.tile(left, together), np.repeat(np.arange(first, first + together), len(left))


def _together(parts: list[Outcome], count: int) -> Outcome:
    """The outcome of all images from those that the processes attacked in turn."""
    if len(parts) == 1:
        return parts[0]
    whole = {}
    for field in dataclasses.fields(Outcome):
        values = [getattr(part, field.name) for part in parts]
        whole[field.name] = np.empty((count, *values[0].shape[1:]), values[0].dtype)
        for number, value in enumerate(values):
            whole[field.name][number :: len(parts)] = value
    return Outcome(**whole)


_PATIENT: dict[str, Any] = {"early_stop": False}


def _stops(attack: Attack) -> bool:
    return bool(getattr(attack, "early_stop", False))


def _confirmed(model: Classifier, result: AttackResult, y: np.ndarray, strict: bool) -> AttackResult:
    """Takes for reached what a random model confirms in other draws: else the luck of one would end the search."""
    count = len(y)
    # Labels go along with the examples that fill the batch up, which are those from its beginning.
    labels = np.resize(y, (len(result.x), *y.shape[1:]))
    answer = model.taking(seed=model.seed + 2).predict(result.x, labels).argmax(axis=1)[:count]
    again = answer == result.logits[:count].argmax(axis=1) if strict else answer != model.classes(y)
    reached = result.reached.copy()
    reached[:count] &= again
    return result._replace(reached=reached)


def _take(
    outcome: Outcome, rows: np.ndarray, result: AttackResult, tried: np.ndarray, judge: Judge, whole: bool
) -> None:
    """Keeps what an attempt found where it beats what was found before; an image may come several times."""
    count = len(rows)
    candidates, logits, reached = result.x[:count], result.logits[:count], result.reached[:count]
    # In the order of the attempts: one after an image's first success is not counted, as it would not have been made.
    _, begin = np.unique(rows, return_index=True)
    for at in (begin, *np.setdiff1d(np.arange(count), begin)[:, None]):
        at = at[~outcome.reached[rows[at]] | whole]
        images = rows[at]
        outcome.gradients[images] += result.gradients[at]
        outcome.queries[images] += result.queries[at]
        outcome.undone[images] |= result.undone[:count][at]
        better = judge(candidates[at], logits[at], images) > judge(outcome.x[images], outcome.logits[images], images)
        first = reached[at] & ~outcome.reached[images]
        won = at[~tried[images] | first | (better & (reached[at] == outcome.reached[images]))]
        outcome.x[rows[won]], outcome.logits[rows[won]] = candidates[won], logits[won]
        outcome.reached[rows[won]] |= reached[won]
        tried[images] = True


def _margin(y: np.ndarray) -> Judge:
    """How near an image is to being misclassified, to choose between two attempts that failed."""

    def margin(_: np.ndarray, logits: np.ndarray, rows: np.ndarray) -> np.ndarray:
        own = np.arange(logits.shape[1]) == y[rows][:, None]
        return np.max(np.where(own, -np.inf, logits), axis=1) - np.max(np.where(own, logits, -np.inf), axis=1)

    return margin


def _nearness(x: np.ndarray, ball: Ball) -> Judge:
    """How near the input an example is, to choose between two successes."""

    def nearness(candidates: np.ndarray, _: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return -np.asarray(ball.distance(candidates, x[rows]))

    return nearness
