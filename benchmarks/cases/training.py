"""What adversarial training costs, in steps of ordinary training."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.options import Options
from benchmarks.tables import Row
from benchmarks.timing import interleave
from benchmarks.victims import BOTH, EPS, digits, fresh
from turtlenet import models
from turtlenet.attacks import PGD
from turtlenet.balls import Linf
from turtlenet.training import Madry, Natural, Objective, Trainer

__all__ = ["TITLE", "measure"]

TITLE = "one step of adversarial training, in clean steps, batch 128"
BATCH, SLACK = 128, 1.15
STEPS = (7, 12)


def measure(options: Options, notes: list[str]) -> Iterator[Row]:
    """Times a few steps of `fit` on both nets."""
    steps = 4 if options.quick else 16
    notes.append(
        "A gradient at the input costs 2 forward passes, a clean step 3: PGD-k needs (2k+3)/3 clean steps. "
        f"Each time is that of fit() over {steps} batches, divided by {steps}."
    )
    given = batches(*digits(BATCH * steps, "train"))
    for name in BOTH:
        times = interleave(
            {
                "keras fit": _plain(name, given),
                "clean": _trainer(name, Natural(attack=PGD(), ball=Linf(EPS)), given),
                **{
                    f"PGD-{k}": _trainer(name, Madry(attack=PGD(steps=k, keep="last"), ball=Linf(EPS)), given)
                    for k in STEPS
                },
            },
            options.turns,
        )
        for who in times.seconds:
            yield _row(name, who, times, steps)


def batches(x: np.ndarray, y: np.ndarray) -> tf.data.Dataset:
    """Batches without tf.data's tuning thread.

    That thread wakes 10, 20, 40, ... ms apart, and the end of a fit can wait for it: wall times of 2.5 s or 5.1 s
    whatever the work.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH).with_options(options)


def _row(name: str, who: str, times: Any, steps: int) -> Row:
    needed = (2 * int(who.removeprefix("PGD-")) + 3) / 3 if who.startswith("PGD-") else None
    ratio = times.ratio(who, "clean")
    cells = {
        "net": name,
        "step": who,
        "ms": 1000 * times.median(who) / steps,
        "clean steps": ratio,
        "in processor time": times.processor_ratio(who, "clean"),
        "keras fit steps": times.ratio(who, "keras fit"),
        "(2k+3)/3": needed,
    }
    if needed is None:
        return Row(cells)
    return Row(cells, f"<= {SLACK} x {needed:.2f} = {SLACK * needed:.2f} clean steps", ratio.median <= SLACK * needed)


def _plain(name: str, batches: Any) -> Callable[[], Any]:
    model = fresh(name)
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return lambda: model.fit(batches, verbose=0)


def _trainer(name: str, objective: Objective, batches: Any) -> Callable[[], Any]:
    trainer = Trainer(models.classifier(fresh(name)), objective, seed=0)
    trainer.compile(keras.optimizers.Adam(1e-3))
    return lambda: trainer.fit(batches, verbose=0)
