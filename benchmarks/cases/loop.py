"""What the promises of our PGD cost, beside a loop that promises nothing."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from keras import ops

from benchmarks.options import Options
from benchmarks.outcomes import outcome
from benchmarks.plain_pgd import plain_pgd
from benchmarks.tables import Row
from benchmarks.timing import interleave
from benchmarks.victims import BOTH, EPS, STEP, STEPS, digits, trained
from turtlenet import models, random
from turtlenet.attacks import PGD
from turtlenet.balls import Linf

__all__ = ["TITLE", "measure"]

TITLE = f"PGD-{STEPS}, Linf {EPS}: turtlenet against a hand-written tf.while_loop in one tf.function"
LIMIT = 1.05


def measure(options: Options, notes: list[str]) -> Iterator[Row]:
    """Times both on both nets and all batch sizes."""
    notes.append(
        "Both take the same number of gradients. Ours draws the start itself, keeps the best point on the way, and "
        "makes sure that the result is in the ball, finite and no worse than the input: 3 forward passes more."
    )
    notes.append(
        f"From the same start both reach the same; those passes alone cost {(2 * STEPS + 3) / (2 * STEPS):.3f}."
    )
    for name in BOTH:
        model = models.classifier(trained(name, options.training_images))
        ball, attack = Linf(EPS), PGD(steps=STEPS, step=STEP)
        plain = plain_pgd(model.model, eps=EPS, step=STEP, steps=STEPS)
        # Two sizes make the graph one for any batch, which is what an evaluation runs.
        for size in (8, 9):
            attack(model, *digits(size), ball=ball, seed=0)
        for size in (32, 128) if options.quick else (32, 128, 512):
            yield _row(name, model, attack, ball, plain, digits(size), options)


def _row(
    name: str, model: Any, attack: PGD, ball: Linf, plain: Any, images: tuple[np.ndarray, np.ndarray], options: Options
) -> Row:
    x, y = images
    keys = random.fold_in(random.keys(0, np.arange(len(x), dtype="int32")), 0)
    start = ops.convert_to_numpy(ball.sample(ops.convert_to_tensor(x), keys))
    contestants = {
        "ours": lambda: ops.convert_to_numpy(attack(model, x, y, ball=ball, seed=0)),
        "plain": lambda: plain(x, y, start).numpy(),
    }
    times = interleave(contestants, options.turns)
    ratio = times.ratio("ours", "plain")
    found = {who: outcome(model, run(), x, y) for who, run in contestants.items()}
    return Row(
        {
            "net": name,
            "batch": len(x),
            "plain s": times.median("plain"),
            "ours s": times.median("ours"),
            "ours gradients/s": STEPS * len(x) / times.median("ours"),
            "ours/plain": ratio,
            "in processor time": times.processor_ratio("ours", "plain"),
            "accuracy ours": found["ours"].accuracy,
            "accuracy plain": found["plain"].accuracy,
            "mean loss ours": found["ours"].loss,
            "mean loss plain": found["plain"].loss,
        },
        f"<= {LIMIT}",
        ratio.median <= LIMIT,
    )
