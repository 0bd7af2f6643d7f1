"""Certifying images by interval bounds, over predicting them."""

from collections.abc import Iterator

import numpy as np

from benchmarks.options import Options
from benchmarks.tables import Row
from benchmarks.timing import interleave
from turtlenet import balls, models
from turtlenet.certification.crown import Bounder
from turtlenet.certification.region import region_of

__all__ = ["TITLE", "measure"]

TITLE = "certifying images by interval bounds, over predicting them"
LIMIT = 2.0
_BATCH = 256
_NETS = ("cleverhans", "madry-mnist")


def measure(options: Options, notes: list[str]) -> Iterator[Row]:
    """Both from arrays on the host to arrays on the host, in batches of 256, with fresh weights."""
    count = 1_024 if options.quick else 10_000
    notes.append(
        f"{count:,} images of noise, Linf eps 0.1; the margins fold the last layer in and allow for rounding."
    )
    x = np.random.default_rng(0).uniform(size=(count, 28, 28, 1)).astype("float32")
    y = np.arange(count, dtype="int32") % 10
    ball = balls.get("linf", 0.1)
    for name in _NETS[: 1 if options.quick else None]:
        model = models.classifier(models.build(name, (28, 28, 1)))
        bounder = Bounder(model, ball.order)
        starts = range(0, count - count % _BATCH, _BATCH)

        def predict(model=model, starts=starts) -> None:
            for start in starts:
                model.predict(x[start : start + _BATCH])

        def certify(bounder=bounder, starts=starts) -> None:
            for start in starts:
                part = slice(start, start + _BATCH)
                bounder.interval(region_of(ball, x[part]), y[part])

        times = interleave({"certify": certify, "predict": predict}, options.turns)
        ratio = times.ratio("certify", "predict")
        cells = {
            "net": name,
            "predict s": times.median("predict"),
            "certify s": times.median("certify"),
            "certify/predict": ratio,
            "in processor time": times.processor_ratio("certify", "predict"),
        }
        yield Row(cells, f"<= {LIMIT}", ratio.median <= LIMIT)
