"""Attempts of one attack at many images: batch by batch, or stage by stage on those that are left."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from turtlenet import backend
from turtlenet.attacks.base import Attack
from turtlenet.attacks.context import Crafted, Scene
from turtlenet.attacks.iterative import Staged
from turtlenet.balls import Ball
from turtlenet.batching import in_batches
from turtlenet.classifier import Classifier

__all__ = ["Work"]


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

    def run(self, batch_size: int | None) -> Iterator[tuple[np.ndarray, Crafted]]:
        """Gives places of images, and what was crafted there."""
        if isinstance(self.attack, Staged) and self.attack.in_stages:
            return self._in_stages(self.attack, batch_size)
        whole = in_batches(self.model, np.arange(len(self.x)), batch_size, self._whole)
        return ((at, Crafted(*crafted)) for at, crafted in whole)

    def _whole(self, at: np.ndarray) -> list[np.ndarray]:
        where = {"ball": self.ball, "seed": self.seed, "index": self.index[at], "target": self._of(self.target, at)}
        found = self.attack.run(self.model, self.x[at], self.y[at], **where, attempt=self._of(self.tries, at))
        return list(map(ops.convert_to_numpy, found))

    def _in_stages(self, attack: Staged, batch_size: int | None) -> Iterator[tuple[np.ndarray, Crafted]]:
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
            yield at, Crafted(*crafted)

    def _stage(
        self, attack: Staged, first: int, last: int, state: list[np.ndarray]
    ) -> Callable[[np.ndarray], list[np.ndarray]]:
        def begin(scene: Scene, rest: tuple[Any, ...]) -> list[Any]:
            place = (scene.model.taking(attack.gradient), scene.x, scene.goal())
            where = {"ball": scene.ball, "key": scene.key}
            begun = rest[2:] or attack.begin(*place, **where)
            now = attack.between(rest[0], rest[1], begun, *place, **where)
            return [attack.done(now), *now]

        # Every batch of the first stage begins: what its first one left in `state` is not its own.
        span = [ops.convert_to_tensor(number, "int32") for number in (first, last)]
        name, kept = ("stage", state) if first else ("begin", [])
        return lambda at: self._graph(attack, name, begin, at, *span, *kept)

    def _end(self, attack: Staged, state: list[np.ndarray]) -> Callable[[np.ndarray], list[np.ndarray]]:
        def finish(scene: Scene, rest: tuple[Any, ...]) -> Crafted:
            model = scene.model.taking(attack.gradient)
            return scene.judged(attack.finish(rest, model, scene.x, scene.goal(), ball=scene.ball, key=scene.key))

        return lambda at: self._graph(attack, "finish", finish, at, *state)

    def _graph(self, attack: Staged, name: str, work: Any, at: np.ndarray, *more: Any) -> list[np.ndarray]:
        rows = [backend.shard(ops.convert_to_tensor(each[at])) if np.ndim(each) else each for each in more]
        place = (self.seed, self.index[at], self._of(self.target, at), self._of(self.tries, at))
        found = attack.within_graph(self.model, self.x[at], self.y[at], self.ball, name, work, *place, *rows)
        return list(map(ops.convert_to_numpy, found))

    @staticmethod
    def _of(values: np.ndarray | None, at: np.ndarray) -> np.ndarray | None:
        return None if values is None else values[at]
