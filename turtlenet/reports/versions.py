"""What computed a result."""

import datetime
import platform
from importlib import metadata
from typing import Any

import keras


def versions() -> dict[str, str]:
    """What computed a result: the versions of turtlenet, Python, Keras, its backend and NumPy."""
    engine = keras.backend.backend()
    packages = {name: metadata.version(name) for name in (engine, "numpy")}
    from turtlenet.version import __version__

    return {"turtlenet": __version__, "python": platform.python_version(), "keras": keras.__version__, **packages}


def stamp() -> dict[str, Any]:
    """The `versions` of a report, and when it was `created`: now, in UTC."""
    return {"versions": versions(), "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")}
