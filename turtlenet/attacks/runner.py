"""An attack on any number of images: in batches, over all processes, with restarts that see only the survivors."""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from turtlenet import backend
from turtlenet.attacks.base import Attack
from turtlenet.attacks.batch import Batch
from turtlenet.attacks.context import AttackResult, SearchResult
from turtlenet.attacks.iterative import Iterative
from turtlenet.balls import Ball
from turtlenet.batching import dealt, in_batches
from turtlenet.classifier import Classifier

__all__ = ["Outcome", "Work", "attack_all"]


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
    """

    x: np.ndarray
    logits: np.ndarray
    reached: np.ndarray
    gradients: np.ndarray
    queries: np.ndarray
    part: np.ndarray

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
        return Outcome(x.copy(), logits, np.zeros(count, bool), none, none.copy(), none - 1)


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

    Raises:
        SettingError: Not enough memory for the batch size.
    """
    index = np.arange(len(x), dtype="int32") if index is None else np.asarray(index, "int32")
    rows = dealt(len(x))
    targets = None if target is None else target[rows]
    share = functools.partial(_attack, attack, model, x[rows], y[rows], ball, seed, index[rows], targets, batch_size)
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
) -> Outcome:
    outcome, seen = Outcome.nothing(x, model.num_classes), np.zeros(len(x), bool)
    strict = target is not None or attack.targeted
    for number, (part, attempts) in enumerate(attack.under(ball.norm).rounds(model.num_classes)):
        # Barely over the edge in its own draws is not over it in others: a random model is climbed to the end.
        part = dataclasses.replace(part, **_PATIENT) if model.stochastic and _stops(part) else part
        first = 0
        # Where the smallest perturbation is looked for, a success is no reason to stop, unless it is near enough.
        whole = part.minimal and not getattr(part, "early_stop", False)
        judge = _nearness(x, ball) if whole else _margin(y)
        while len(x) and first < attempts and (whole or not outcome.reached.all()):
            rows, tries = _pairs(np.flatnonzero(~outcome.reached | whole), first, attempts)
            aims = None if target is None else target[rows]
            work = Work(part, model, x[rows], y[rows], ball, seed, index[rows], aims, tries if attempts > 1 else None)
            for at, crafted in work.run(batch_size):
                crafted = _confirmed(model, crafted, y[rows[at]], strict) if model.stochastic else crafted
                _take(outcome, rows[at], crafted, seen, judge, whole)
            first = int(tries[-1]) + 1
        outcome.part[outcome.reached & (outcome.part < 0)] = number
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


def _confirmed(model: Classifier, crafted: AttackResult, y: np.ndarray, strict: bool) -> AttackResult:
    """Takes for reached what a random model confirms in other draws: else the luck of one would end the search."""
    count = len(y)
    answer = model.taking(seed=model.seed + 2).predict(crafted.x).argmax(axis=1)[:count]
    again = answer == crafted.logits[:count].argmax(axis=1) if strict else answer != y
    reached = crafted.reached.copy()
    reached[:count] &= again
    return crafted._replace(reached=reached)


def _take(
    outcome: Outcome, rows: np.ndarray, crafted: AttackResult, seen: np.ndarray, judge: Any, whole: bool
) -> None:
    """Keeps what an attempt found where it beats what was found before; an image may come several times."""
    count = len(rows)
    moved, logits, reached = crafted.x[:count], crafted.logits[:count], crafted.reached[:count]
    # In the order of the attempts, as if each had come alone: after a success there would have been no other.
    _, begin = np.unique(rows, return_index=True)
    for at in (begin, *np.setdiff1d(np.arange(count), begin)[:, None]):
        at = at[~outcome.reached[rows[at]] | whole]
        mine = rows[at]
        outcome.gradients[mine] += crafted.gradients[at]
        outcome.queries[mine] += crafted.queries[at]
        better = judge(moved[at], logits[at], mine) > judge(outcome.x[mine], outcome.logits[mine], mine)
        first = reached[at] & ~outcome.reached[mine]
        won = at[~seen[mine] | first | (better & (reached[at] == outcome.reached[mine]))]
        outcome.x[rows[won]], outcome.logits[rows[won]] = moved[won], logits[won]
        outcome.reached[rows[won]] |= reached[won]
        seen[mine] = True


def _margin(y: np.ndarray) -> Any:
    """How near an image is to being misclassified, to choose between two attempts that failed."""

    def margin(_: np.ndarray, logits: np.ndarray, rows: np.ndarray) -> np.ndarray:
        own = np.arange(logits.shape[1]) == y[rows][:, None]
        return np.max(np.where(own, -np.inf, logits), axis=1) - np.max(np.where(own, logits, -np.inf), axis=1)

    return margin


def _nearness(x: np.ndarray, ball: Ball) -> Any:
    """How near the input an example is, to choose between two successes."""

    def nearness(moved: np.ndarray, _: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return -np.asarray(ball.distance(moved, x[rows]))

    return nearness


@dataclass
class Work:
    """Attempts of one attack at many images, each of which may come several times."""

    attack: Attack
    model: Classifier
    x: np.ndarray
    y: np.ndarray
    ball: Ball
    seed: int
    index: np.ndarray
    target: np.ndarray | None
    tries: np.ndarray | None

    def run(self, batch_size: int | None) -> Iterator[tuple[np.ndarray, AttackResult]]:
        """Gives places of images, and what was crafted there."""
        if isinstance(self.attack, Iterative) and self.attack.in_stages:
            return self._in_stages(self.attack, batch_size)
        whole = in_batches(self.model, np.arange(len(self.x)), batch_size, self._whole)
        return ((at, AttackResult(*crafted)) for at, crafted in whole)

    def _whole(self, at: np.ndarray) -> list[np.ndarray]:
        where = {"ball": self.ball, "seed": self.seed, "index": self.index[at], "target": self._of(self.target, at)}
        found = self.attack.run(self.model, self.x[at], self.y[at], **where, attempt=self._of(self.tries, at))
        return list(map(ops.convert_to_numpy, found))

    def _in_stages(self, attack: Iterative, batch_size: int | None) -> Iterator[tuple[np.ndarray, AttackResult]]:
        """Between two stages, batches are made anew of the images that are not done."""
        everything = np.arange(len(self.x))
        state: list[np.ndarray] = []
        left = everything
        for first, last in attack.stages():
            finished = np.zeros(len(self.x), bool)
            for at, (done, *values) in in_batches(
                self.model, left, batch_size, self._stage(attack, first, last, state)
            ):
                finished[at] = done[: len(at)]
                state = state or [np.empty((len(self.x), *value.shape[1:]), value.dtype) for value in values]
                for kept, value in zip(state, values, strict=True):
                    kept[at] = value[: len(at)]
            left = left[~finished[left]]
            if not len(left):
                break
        for at, crafted in in_batches(self.model, everything, batch_size, self._end(attack, state)):
            yield at, AttackResult(*crafted)

    def _stage(
        self, attack: Iterative, first: int, last: int, state: list[np.ndarray]
    ) -> Callable[[np.ndarray], list[np.ndarray]]:
        def advance(batch: Batch, first: Any, last: Any, *begun: Any) -> list[Any]:
            context = batch.context()
            state = attack.between(first, last, begun or attack.begin(context), context)
            return [attack.done(state), *state]

        # Every batch of the first stage begins: what its first one left in `state` is not its own.
        span = [ops.convert_to_tensor(number, "int32") for number in (first, last)]
        name, kept = ("stage", state) if first else ("begin", [])
        return lambda at: self._computed(name, advance, at, *span, *kept)

    def _end(self, attack: Iterative, state: list[np.ndarray]) -> Callable[[np.ndarray], list[np.ndarray]]:
        def finish(batch: Batch, *state: Any) -> SearchResult:
            return attack.finish(state, batch.context())

        return lambda at: self._computed("finish", finish, at, *state)

    def _computed(self, name: str, work: Any, at: np.ndarray, *more: Any) -> list[np.ndarray]:
        rows = [backend.shard(ops.convert_to_tensor(each[at])) if np.ndim(each) else each for each in more]
        place = (self.seed, self.index[at], self._of(self.target, at), self._of(self.tries, at))
        graph = self.attack.graph(self.model, self.x[at], self.y[at], self.ball, name, work, *place, *rows)
        return list(map(ops.convert_to_numpy, graph()))

    @staticmethod
    def _of(values: np.ndarray | None, at: np.ndarray) -> np.ndarray | None:
        return None if values is None else values[at]
