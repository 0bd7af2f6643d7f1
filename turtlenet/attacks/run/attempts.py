"""Attempts of one attack at any number of images, batch by batch and, where it pays, stage by stage."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from turtlenet import backend
from turtlenet.attacks.base import Attack
from turtlenet.attacks.context import AttackResult, SearchResult
from turtlenet.attacks.iterative import Iterative
from turtlenet.attacks.run.batch import Batch
from turtlenet.attacks.run.graph import bound_graph
from turtlenet.attacks.run.host_check import confirmed
from turtlenet.balls import Ball
from turtlenet.batching import in_batches
from turtlenet.classifier import Classifier


@dataclass
class Attempts:
    """Attempts of one attack at n images, each of which may come several times, as arrays on the host.

    Args:
        attack: The attack; one of its rounds.
        model: The classifier under attack.
        x: Images, float32 (n, ...).
        y: True labels, int32 (n,).
        ball: Where the images may move.
        seed: Repeats the draws.
        index: The images' places in their data set, int32 (n,).
        target: Classes to answer, int32 (n,), or None.
        numbers: The attempts' numbers, int (n,); None for the only one.
    """

    attack: Attack
    model: Classifier
    x: np.ndarray
    y: np.ndarray
    ball: Ball
    seed: int
    index: np.ndarray
    target: np.ndarray | None
    numbers: np.ndarray | None

    def run(self, batch_size: int | None) -> Iterator[tuple[np.ndarray, AttackResult]]:
        """Gives places of images, and the results there."""
        if isinstance(self.attack, Iterative) and self.attack.in_stages:
            return self._in_stages(self.attack, batch_size)
        return in_batches(self.model, np.arange(len(self.x)), batch_size, self._whole)

    def _whole(self, at: np.ndarray) -> AttackResult:
        where = {"ball": self.ball, "seed": self.seed, "index": self.index[at], "target": self._of(self.target, at)}
        result = self.attack.run(self.model, self.x[at], self.y[at], **where, attempt=self._of(self.numbers, at))
        return AttackResult(*map(ops.convert_to_numpy, result))

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
        for at, result in in_batches(self.model, everything, batch_size, self._end(attack, state)):
            aimed = self.target is not None or self.attack.targeted
            found = AttackResult(*result)
            yield at, confirmed(found, self.model, self.x[at], self.y[at], self.ball, aimed=aimed)

    def _stage(
        self, attack: Iterative, first: int, last: int, state: list[np.ndarray]
    ) -> Callable[[np.ndarray], list[np.ndarray]]:
        def advance(batch: Batch, first: Any, last: Any, *begun: Any) -> list[Any]:
            context = batch.context()
            state = attack.between(first, last, begun or attack.begin(context), context)
            return [attack.done(state), *state]

        # In the first stage `state` holds what other batches left: each batch makes its own with `begin`.
        span = [ops.convert_to_tensor(number, "int32") for number in (first, last)]
        name, kept = ("stage", state) if first else ("begin", [])
        return lambda at: self._computed(name, advance, at, *span, *kept)

    def _end(self, attack: Iterative, state: list[np.ndarray]) -> Callable[[np.ndarray], list[np.ndarray]]:
        def finish(batch: Batch, *state: Any) -> SearchResult:
            return attack.finish(state, batch.context())

        return lambda at: self._computed("finish", finish, at, *state)

    def _computed(self, name: str, work: Any, at: np.ndarray, *more: Any) -> list[np.ndarray]:
        rows = [backend.shard(ops.convert_to_tensor(each[at])) if np.ndim(each) else each for each in more]
        place = (self.seed, self.index[at], self._of(self.target, at), self._of(self.numbers, at))
        graph = bound_graph(self.attack, self.model, self.x[at], self.y[at], self.ball, name, work, *place, *rows)
        return list(map(ops.convert_to_numpy, graph()))

    @staticmethod
    def _of(values: np.ndarray | None, at: np.ndarray) -> np.ndarray | None:
        return None if values is None else values[at]
