"""Packages that turtlenet is installed without."""

import importlib
from typing import Any

from turtlenet.errors import DataError

__all__ = ["needed"]


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
