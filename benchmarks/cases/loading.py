"""Loading a file that Keras can load too."""

import functools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import keras

from benchmarks.options import Options
from benchmarks.tables import Row
from benchmarks.timing import interleave
from turtlenet import models

__all__ = ["TITLE", "measure"]

TITLE = "loading a model file, over keras.saving.load_model"
LIMIT = 1.2
_ROOT = Path(__file__).resolve().parent.parent.parent


def measure(options: Options, notes: list[str]) -> Iterator[Row]:
    """Loads the demo's model and larger ones, with fresh weights, in both formats of Keras 3."""
    notes.append(
        "Ours restores the optimizer's state from HDF5, which Keras drops; it does not draw weights to replace."
    )
    with tempfile.TemporaryDirectory() as folder:
        files = {"mnist-wong.h5": _ROOT / "models" / "mnist-wong.h5"}
        nets = {"mobilenet-v2": keras.applications.MobileNetV2} | (
            {} if options.quick else {"vgg16": keras.applications.VGG16}
        )
        for name, make in nets.items():
            model = make(weights=None, input_shape=(96, 96, 3), classes=10)
            model.compile("sgd", "categorical_crossentropy")
            for suffix in (".h5", ".keras"):
                files[name + suffix] = Path(folder) / (name + suffix)
                model.save(files[name + suffix])
        for name, path in files.items():
            contestants = {
                "turtlenet": functools.partial(models.load, path),
                "keras": functools.partial(keras.saving.load_model, path),
            }
            times = interleave(contestants, options.turns)
            ratio = times.ratio("turtlenet", "keras")
            cells = {
                "file": name,
                "keras s": times.median("keras"),
                "ours s": times.median("turtlenet"),
                "ours/keras": ratio,
                "in processor time": times.processor_ratio("turtlenet", "keras"),
            }
            yield Row(cells, f"<= {LIMIT}", ratio.median <= LIMIT)
