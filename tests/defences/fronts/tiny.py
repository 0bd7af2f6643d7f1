"""Files of fronts with a few weights each, for who has to put every defence in front of a model."""

import atexit
import functools
import shutil
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from turtlenet import models
from turtlenet.defences import Front, defences
from turtlenet.defences.fronts.files import FACTS

SIZES = {"width": 4, "latent": 6}
MORE = {"defense-gan": ",steps=3,restarts=2,unrolled=1"}
"""Settings of a layer that is quick."""


def is_front(name: str) -> bool:
    factory: Any = defences.factory(name)
    return issubclass(factory, Front)


def spec_of(name: str, shape: tuple[int, ...] = (8, 8, 1), bounds: tuple[float, float] = (0.0, 1.0)) -> str:
    """The spec of any defence; that of a front has a file for images of this shape."""
    return f"{name}:front={file_of(name, shape, bounds)}{MORE.get(name, '')}" if is_front(name) else name


@functools.cache
def file_of(name: str, shape: tuple[int, ...], bounds: tuple[float, float] = (0.0, 1.0)) -> Path:
    """A front of images of a shape, whose weights are drawn; the file is there until the session ends."""
    factory: Any = defences.factory(name)
    low, high = bounds
    sizes = {size: SIZES[size] for size in factory.names_of_sizes}
    layer = factory(shape=shape, sizes=sizes, low=low, high=high)
    source = keras.Input(shape)
    model = keras.Model(source, layer(source))
    draw = np.random.default_rng(3)
    # Large enough that sigmoids behind one another still tell images apart.
    layer.network.set_weights(
        [draw.normal(0, 2 / np.sqrt(np.prod(w.shape[:-1]) or 1), w.shape) for w in layer.network.weights]
    )
    path = _folder() / f"{name}-{len(list(_folder().iterdir()))}.h5"
    facts = {"kind": name, "shape": list(shape), "bounds": [low, high], "sizes": sizes}
    models.save(model, path, {FACTS: facts})
    return path


@functools.cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="fronts-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
