"""How often a compiled attack is built again: never, once it has seen two batch sizes."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.options import Options
from benchmarks.tables import Row
from benchmarks.victims import EPS, digits, fresh
from turtlenet import Classifier, models
from turtlenet.attacks import FGSM, PGD, Attack
from turtlenet.attacks.run.runner import attack_all
from turtlenet.balls import L2, Ball, Linf

__all__ = ["TITLE", "measure"]

TITLE = "graphs built after warm-up, over batch sizes, radii, seeds and changing weights"


class Counted(Classifier):
    """Counts how often Python runs the model: in a compiled attack, that is while a graph is built."""

    calls = 0

    def __call__(self, x: Any, *, training: bool = False) -> Any:
        self.calls += 1
        return super().__call__(x, training=training)


def measure(options: Options, notes: list[str]) -> Iterator[Row]:
    """Counts over many calls with random settings."""
    notes.append("Counted are the calls of the model from Python, which happen only while a graph is built.")
    notes.append("A call warms up with two batch sizes; attack_all on survivors with two of its bucket sizes.")
    calls = 10 if options.quick else 60
    cases: list[tuple[str, Attack, Ball]] = [
        ("fgsm", FGSM(), Linf(EPS)),
        ("pgd:steps=3", PGD(steps=3), Linf(EPS)),
        ("pgd:steps=3,early_stop=true", PGD(steps=3, early_stop=True), Linf(EPS)),
        ("pgd:steps=3 in l2", PGD(steps=3), L2(EPS)),
    ]
    for spec, attack, ball in cases:
        yield _row(spec, "one call", calls, _single(attack, ball, calls))
    yield _row("pgd:steps=3,restarts=3", "attack_all", calls, _many(calls))


def _row(spec: str, how: str, calls: int, count: Callable[[Counted], tuple[int, int]]) -> Row:
    model = Counted(models.classifier(fresh("lenet")).model)
    before, after = count(model)
    cells = {"attack": spec, "through": how, "calls": calls, "traced in warm-up": before, "traced afterwards": after}
    return Row(cells, "0", after == 0)


def _single(attack: Attack, ball: Ball, calls: int) -> Callable[[Counted], tuple[int, int]]:
    def count(model: Counted) -> tuple[int, int]:
        for size in (8, 9):
            attack(model, *digits(size), ball=ball)
        warm, random = model.calls, np.random.default_rng(0)
        for seed in range(calls):
            x, y = digits(int(random.integers(1, 257)))
            attack(model, x, y, ball=ball.with_eps(float(random.uniform(0, 1))), seed=seed)
            _change(model)
        return warm, model.calls - warm

    return count


def _many(calls: int) -> Callable[[Counted], tuple[int, int]]:
    """Through batches and restarts, where each restart sees fewer images; one graph for each restart."""
    attack = PGD(steps=3, restarts=3)

    def count(model: Counted) -> tuple[int, int]:
        # A radius of 0 leaves every image that is right to all restarts.
        for size in (64, 32):
            attack_all(attack, model, *_right(model, size), ball=Linf(0.0), batch_size=64)
        warm, random = model.calls, np.random.default_rng(0)
        for seed in range(calls):
            x, y = digits(int(random.integers(1, 257)))
            attack_all(attack, model, x, y, ball=Linf(float(random.uniform(0, 0.3))), seed=seed, batch_size=64)
        return warm, model.calls - warm

    return count


def _right(model: Counted, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Images with the labels that the model gives them, so that every restart has something to do."""
    x, _ = digits(size)
    return x, model.predict(x).argmax(axis=1).astype("int32")


def _change(model: Counted) -> None:
    """Moves the weights a little, as a training step would."""
    for weight in model.model.trainable_variables:
        weight.assign(weight * 0.999)
