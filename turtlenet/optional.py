"""Packages that turtlenet is installed without."""

import importlib
import importlib.util
import json
import os
from pathlib import Path
from typing import Any

from turtlenet.errors import DataError, SettingError

__all__ = ["BACKENDS", "check_backend", "needed"]

BACKENDS = ("tensorflow", "jax", "torch")
"""The backends of Keras that turtlenet speaks."""


def needed(module: str, extra: str, what: str) -> Any:
    """Imports a package that turtlenet is installed without.

    Args:
        module: Its name.
        extra: The extra of turtlenet that installs it.
        what: What it is needed for, in words.

    Raises:
        DataError: It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        package = module.partition(".")[0]
        raise DataError(
            f"Expected {package} for {what}; it is not installed: pip install 'turtlenet[{extra}]'."
        ) from None


def check_backend() -> None:
    """Looks whether Keras's backend is there, before Keras is imported, which fails with a traceback where it is not.

    Raises:
        SettingError: Keras is set to a backend that turtlenet does not speak, or that is not installed.
    """
    chosen, place = _backend()
    if chosen not in BACKENDS:
        raise SettingError(f"Expected the Keras backend tensorflow, jax or torch; got {chosen!r} by {place}.")
    if importlib.util.find_spec(chosen) is None:
        package = chosen if chosen == "tensorflow" else f"turtlenet[{chosen}]"
        raise SettingError(
            f"Expected {chosen} for the Keras backend that {place} names; it is not installed: pip install "
            f"'{package}', or choose another by KERAS_BACKEND."
        )


def _backend() -> tuple[str, str]:
    """The backend that Keras will take, and what names it; as Keras looks it up."""
    if chosen := os.environ.get("KERAS_BACKEND"):
        return chosen, "KERAS_BACKEND"
    home = Path("~").expanduser()
    folder = os.environ.get("KERAS_HOME", str((home if os.access(home, os.W_OK) else Path("/tmp")) / ".keras"))
    path = Path(folder).expanduser() / "keras.json"
    try:
        chosen = json.loads(path.read_text(encoding="utf-8"))["backend"]
    except (OSError, ValueError, LookupError, TypeError):
        return "tensorflow", "default"
    return str(chosen), str(path)
