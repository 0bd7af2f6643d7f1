"""What bounds and radii by feature cost an attack on images that have one of each: nothing."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from keras import ops

from benchmarks.options import Options
from benchmarks.plain_pgd import plain_pgd
from benchmarks.tables import Row
from benchmarks.timing import interleave
from benchmarks.victims import BOTH, EPS, STEP, STEPS, digits, trained
from turtlenet import models, random
from turtlenet.attacks import PGD
from turtlenet.attacks.features.resolve import resolve
from turtlenet.attacks.features.said import Said
from turtlenet.balls import Ball

__all__ = ["TITLE", "measure"]

TITLE = f"PGD-{STEPS}, Linf: one eps, the same for every pixel, and eps by pixel, over a hand-written loop"
LIMIT = 1.05


def measure(options: Options, notes: list[str]) -> Iterator[Row]:
    """Times all four on both nets."""
    notes.append(f"`one` is eps {EPS}; `equal` gives it for each of the 784 pixels, and has the same target.")
    notes.append("`by pixel` has radii between 0.2 and 0.3: that is what coordinates in units of each radius cost.")
    for name in BOTH[:1] if options.quick else BOTH:
        model = models.classifier(trained(name, options.training_images))
        yield _row(name, model, options, 128)


def _row(name: str, model: Any, options: Options, batch: int) -> Row:
    x, y = digits(batch)
    attack = PGD(steps=STEPS, step=STEP)
    balls = {
        "one": _ball(model, EPS),
        "equal": _ball(model, np.full(model.input_shape, EPS)),
        "by pixel": _ball(model, np.linspace(0.2, EPS, x[0].size).reshape(model.input_shape)),
    }
    keys = random.fold_in(random.keys(0, np.arange(batch, dtype="int32")), 0)
    start = ops.convert_to_numpy(balls["one"].sample(ops.convert_to_tensor(x), keys))
    plain = plain_pgd(model.model, eps=EPS, step=STEP, steps=STEPS)

    def run(ball: Ball) -> Any:
        return lambda: ops.convert_to_numpy(attack(model, x, y, ball=ball, seed=0))

    contestants = {"plain": lambda: plain(x, y, start).numpy(), **{who: run(ball) for who, ball in balls.items()}}
    times = interleave(contestants, options.turns)
    ratio = times.processor_ratio("equal", "one")
    same = bool(np.array_equal(contestants["one"](), contestants["equal"]()))
    return Row(
        {
            "net": name,
            "batch": batch,
            "plain s": times.median("plain"),
            "one s": times.median("one"),
            "equal/one, processor time": ratio,
            "one/plain": times.processor_ratio("one", "plain"),
            "by pixel/one": times.processor_ratio("by pixel", "one"),
            "same to the bit": same,
        },
        f"<= {LIMIT}, same",
        ratio.median <= LIMIT and same,
    )


def _ball(model: Any, eps: Any) -> Ball:
    """The threat as a user's `eps` becomes it."""
    return resolve(Said.by_user(eps=eps), model.input_shape, "linf", model.bounds).ball
