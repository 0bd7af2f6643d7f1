"""A cluster of processes as the environment names it, by the names that `keras.distribution.initialize` has."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from turtlenet.errors import SettingError

_NAMES = tuple(f"KERAS_DISTRIBUTION_{name}" for name in ("JOB_ADDRESSES", "NUM_PROCESSES", "PROCESS_ID"))


class Cluster(NamedTuple):
    """What the environment says of a cluster.

    Attributes:
        addresses: Where its processes are, as it stands there.
        processes: How many processes there are.
        number: Which of them this one is, from 0.
    """

    addresses: str
    processes: int
    number: int

    @property
    def first(self) -> str:
        """HOST:PORT of process 0."""
        return self.addresses.partition(",")[0]


def named_cluster() -> Cluster:
    """The cluster that the environment names.

    Raises:
        SettingError: A variable is not there, or says something else.
    """
    lacking = [name for name in _NAMES if not os.environ.get(name)]
    if lacking:
        raise SettingError(f"Expected {', '.join(lacking)} in the environment for a cluster; see docs/scale.md.")
    addresses, count, number = (os.environ[name] for name in _NAMES)
    if not (count.isdigit() and number.isdigit()) or not 0 <= int(number) < int(count):
        raise SettingError(
            f"Expected {_NAMES[1]} >= 1 and {_NAMES[2]} below it, whole numbers; got {count!r} and {number!r}."
        )
    cluster = Cluster(addresses, int(count), int(number))
    if not cluster.first.rpartition(":")[2].isdigit():
        raise SettingError(f"Expected {_NAMES[0]} as HOST:PORT of process 0; got {addresses!r}.")
    return cluster


@contextlib.contextmanager
def joining(cluster: Cluster, where: str) -> Iterator[None]:
    """Says in one line why a runtime could not join a cluster.

    Args:
        cluster: The cluster.
        where: The address that the runtime was given.

    Raises:
        SettingError: The runtime raised a RuntimeError or a ValueError.
    """
    try:
        yield
    except (RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")[:200]
        raise SettingError(f"Expected to join {cluster.processes} processes at {where}; got: {reason}.") from None


def settled(result: Any, error: Exception | None) -> Any:
    """The result of a process, or its error, which is raised."""
    if error is not None:
        raise error
    return result
