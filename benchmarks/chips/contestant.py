"""What a contestant can be asked, whatever framework it runs on."""

import abc
import importlib
from importlib import metadata
from typing import Any

from benchmarks.chips.workload import Workload

__all__ = ["NAMES", "Contestant", "contestant"]

# Beside each library as it is, with its PyTorch model through `torch.compile`.
NAMES = (
    "turtlenet",
    "pytorch",
    "pytorch compiled",
    "torchattacks",
    "torchattacks compiled",
    "foolbox",
    "foolbox compiled",
)


class Contestant(abc.ABC):
    """Does one workload at a time, in a process of its own."""

    packages: tuple[str, ...] = ()

    def about(self) -> dict[str, Any]:
        """The chip that it computes on, and the versions of what it consists of."""
        return {"device": self.device(), "versions": {name: metadata.version(name) for name in self.packages}}

    @abc.abstractmethod
    def device(self) -> str:
        """What the framework calls the chip; `cpu` where there is no other."""

    @abc.abstractmethod
    def prepare(self, workload: Workload) -> dict[str, Any]:
        """Builds, brings the data to where they begin, and does the work once.

        Returns:
            `parameters`, how many weights are trained, and after an attack `moved`, the largest change of a pixel.
        """

    @abc.abstractmethod
    def run(self) -> None:
        """Does the prepared work and waits for the chip."""

    @abc.abstractmethod
    def release(self) -> bool:
        """Forgets the work; gives whether the chip's memory is free again for others."""


def contestant(name: str) -> Contestant:
    """Makes the contestant of a name; only then is its framework imported.

    Raises:
        ImportError: The library is not installed.
    """
    library, _, how = name.partition(" ")
    if library == "turtlenet":
        return importlib.import_module("benchmarks.chips.ours").Ours()
    return importlib.import_module("benchmarks.chips.torch_peers").PEERS[library](compile=how == "compiled")
