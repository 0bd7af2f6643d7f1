"""One case a file: `TITLE`, and `measure(options, notes)`, which yields rows as they come and adds its notes."""

from collections.abc import Iterator
from types import ModuleType

from benchmarks.cases import (
    certification,
    defences,
    features,
    loading,
    loop,
    memory,
    objectives,
    peers,
    retraces,
    robust_accuracy,
    training,
)
from benchmarks.options import Options
from benchmarks.tables import Row

__all__ = ["CASES", "measure"]

CASES: dict[str, ModuleType] = {
    "loop": loop,
    "features": features,
    "peers": peers,
    "robust-accuracy": robust_accuracy,
    "training": training,
    "objectives": objectives,
    "retraces": retraces,
    "memory": memory,
    "loading": loading,
    "defences": defences,
    "certification": certification,
}


def measure(name: str, options: Options, notes: list[str]) -> Iterator[Row]:
    """Runs the case of that name."""
    return CASES[name].measure(options, notes)
