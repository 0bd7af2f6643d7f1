"""The same PGD by every library, one batch at a time."""

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
from keras import ops

from benchmarks.options import Options
from benchmarks.outcomes import outcome
from benchmarks.peers import available
from benchmarks.tables import Row
from benchmarks.timing import interleave
from benchmarks.victims import BOTH, EPS, STEP, STEPS, digits, trained
from turtlenet import Classifier, models
from turtlenet.attacks import PGD
from turtlenet.balls import Linf

__all__ = ["TITLE", "measure"]

TITLE = f"one batch of PGD-{STEPS}, Linf {EPS}, step {STEP}, one random start, by each library"
LOSS_TOLERANCE = 0.1


def measure(options: Options, notes: list[str]) -> Iterator[Row]:
    """Times all libraries on both nets and all batch sizes."""
    notes.append(f"All take {STEPS} gradients for each image in float32, from host arrays to a host array.")
    notes.append(
        "The starts are drawn differently, so accuracies may differ by an image or two. Met: accuracy within 2 images "
        f"and mean loss no more than {LOSS_TOLERANCE:.0%} above ours."
    )
    for name in BOTH:
        model = models.classifier(trained(name, options.training_images))
        found, missing = available(model.model)
        notes += [line for line in missing if line not in notes]
        for size in (8, 9):
            _ours(model, *digits(size))
        for size in (128,) if options.quick else (32, 128, 512):
            x, y = digits(size)
            contestants = {"turtlenet": functools.partial(_ours, model, x, y)}
            contestants |= {peer.name: functools.partial(peer.attack, x, y) for peer in found}
            yield from _rows(name, model, contestants, x, y, options.turns)


def _ours(model: Classifier, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return ops.convert_to_numpy(PGD(steps=STEPS, step=STEP)(model, x, y, ball=Linf(EPS), seed=0))


def _rows(
    name: str, model: Any, contestants: dict[str, Any], x: np.ndarray, y: np.ndarray, turns: int
) -> Iterator[Row]:
    times = interleave(contestants, turns)
    mine = outcome(model, contestants["turtlenet"](), x, y)
    for who, run in contestants.items():
        theirs = outcome(model, run(), x, y)
        cells = {
            "net": name,
            "batch": len(x),
            "library": who,
            "seconds": times.median(who),
            "gradients/s": STEPS * len(x) / times.median(who),
            "times ours": times.ratio(who, "turtlenet"),
            "in processor time": times.processor_ratio(who, "turtlenet"),
            "accuracy": theirs.accuracy,
            "mean loss": theirs.loss,
            "linf": theirs.linf,
        }
        if who == "turtlenet":
            yield Row(cells)
            continue
        same = abs(theirs.accuracy - mine.accuracy) * len(x) <= 2.001
        fair = theirs.loss <= (1 + LOSS_TOLERANCE) * mine.loss
        yield Row(cells, "same verdict", same and fair)
