"""A fixed set of runs of the command line on a tiny model and tiny data; what they print and write is the result.

    python -m tests.golden.runs FOLDER [NAME ...]

runs them in a folder. Two checkouts on one machine are compared by `diff -r`: times, dates and versions aside, every
byte is the same where a change is none of behaviour. `test_golden.py` compares what does not depend on the processor.
"""

import contextlib
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

SIDE, CLASSES = 8, 3


def images(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Bright bars in noise, float32 (count, 8, 8, 1) in [0, 1], and which of three places they are at."""
    draw = np.random.default_rng(seed)
    y = draw.integers(0, CLASSES, count)
    x = draw.random((count, SIDE, SIDE, 1)).astype("float32") * 0.5
    for row, place in enumerate(y):
        x[row, 2 * place : 2 * place + 2, 1:7] += 0.4
    return x, y.astype("int64")


def model(dropout: bool = False) -> keras.Model:
    """A small convolutional net with weights that no initializer drew, trained for a moment."""
    layers = [keras.Input((SIDE, SIDE, 1)), keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.Flatten()]
    layers += [keras.layers.Dropout(0.2)] if dropout else []
    net = keras.Sequential([*layers, keras.layers.Dense(CLASSES, activation="softmax")], name="tiny")
    draw = np.random.default_rng(7)
    for weight in net.weights:
        weight.assign(draw.normal(0, 0.3, weight.shape))
    net.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = images(192, 1)
    net.fit(x, y, epochs=6, batch_size=32, shuffle=False, verbose=0)
    return net


def prepare() -> None:
    """Writes the models and the data that the commands name."""
    import turtlenet as tn
    from turtlenet.defences import write_key

    # Layers that draw, and weights of initializers.
    keras.utils.set_random_seed(0)
    tn.save_model(model(), "tiny.h5")
    tn.save_model(model(dropout=True), "dropped.h5")
    small = keras.Sequential(
        [keras.Input((SIDE, SIDE, 1)), keras.layers.Flatten(), keras.layers.Dense(CLASSES, activation="softmax")]
    )
    tn.save_model(small, "small.h5")
    write_key(Path("secret.key"), 256, bytes(range(32)))
    (x_train, y_train), (x_test, y_test) = images(96, 1), images(60, 2)
    np.savez("data.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)


LINES = (Path(__file__).parent / "commands.txt").read_text().splitlines()
COMMANDS: dict[str, str] = dict(line.split(": ", 1) for line in LINES)


def run(names: Sequence[str] = ()) -> dict[str, str]:
    """Runs the commands in the working directory; gives what each printed."""
    from turtlenet.cli import main

    prepare()
    said = {}
    for name, line in COMMANDS.items():
        if names and name not in names:
            continue
        out = io.StringIO()
        code = 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            try:
                main(line.split())
            except SystemExit as end:
                code = end.code
        said[name] = f"{out.getvalue()}exit {code}\n"
    return said


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    for name, text in run(sys.argv[2:]).items():
        Path(f"said-{name}.txt").write_text(text)
