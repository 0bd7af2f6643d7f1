"""What computed a result."""

import platform
from importlib import metadata

import keras


def versions() -> dict[str, str]:
    """What computed a result: the versions of turtlenet, Python, Keras, its backend and NumPy."""
    engine = keras.backend.backend()
    packages = {name: metadata.version(name) for name in (engine, "numpy")}
    from turtlenet.version import __version__

    return {"turtlenet": __version__, "python": platform.python_version(), "keras": keras.__version__, **packages}
