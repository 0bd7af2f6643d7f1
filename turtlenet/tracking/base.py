"""What a tracker promises: it opens a log, which takes parameters, numbers and files."""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from turtlenet.errors import SettingError
from turtlenet.registry import Registry


class Log(ABC):
    """One run in a tracker. Each method may fail; `turtlenet.tracking.Logs` sees to it that a run goes on."""

    @abstractmethod
    def parameters(self, values: Mapping[str, Any]) -> None:
        """Notes settings, by their names."""

    @abstractmethod
    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """Notes numbers, finite ones, at a step."""

    @abstractmethod
    def file(self, path: Path, folder: str = "") -> None:
        """Keeps a copy of a file, in a folder of the run."""

    @abstractmethod
    def close(self, how: str) -> None:
        """Ends the run: `finished`, `failed` or `killed`."""


@dataclass(frozen=True, kw_only=True)
class Tracker(ABC):
    """Where runs are logged; its fields are what a spec may say (`mlflow:experiment=digits`)."""

    @abstractmethod
    def open(self, name: str) -> Log:
        """Begins a run of a name.

        Raises:
            SettingError: Its package is not installed.
            Exception: Whatever its package raises where its place is away.
        """

    @property
    @abstractmethod
    def place(self) -> str:
        """Where it logs, in words."""


trackers: Registry[Tracker] = Registry("tracker", "turtlenet.trackers", base=Tracker)


def package(name: str, extra: str) -> Any:
    """Imports a package of an extra.

    Raises:
        SettingError: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise SettingError(
            f"Expected {name.partition('.')[0]} to be installed for log={extra}; it is not: pip install "
            f"'turtlenet[{extra}]'."
        ) from None
