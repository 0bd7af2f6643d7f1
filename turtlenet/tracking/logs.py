"""Several logs as one, of which one that fails is told and left out: the run itself goes on."""

import contextlib
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from turtlenet.errors import SettingError, printable
from turtlenet.tracking.base import Log, Tracker, trackers

_LONGEST = 200


class Logs:
    """Open logs.

    Args:
        places: Trackers, or specs of them: `mlflow`, `tensorboard:folder=runs`.
        name: What the run is called.
        tell: Is given a line for each that fails.

    Raises:
        SettingError: A package is not installed.
        SpecError: An unknown tracker.
    """

    def __init__(self, places: Sequence[str | Tracker] = (), name: str = "", tell: Callable[[str], None] = print):
        self.tell = tell
        self.name = name
        self._open: dict[str, Log] = {}
        made = [place if isinstance(place, Tracker) else trackers.build(place) for place in places]
        for tracker in made:
            self._begin(tracker)

    def __bool__(self) -> bool:
        return bool(self._open)

    def parameters(self, values: Mapping[str, Any]) -> None:
        """Notes settings; those within others have names such as `objective.attack.steps`."""
        flat = dict(_flat(values))
        self._each(lambda log: log.parameters(flat))

    def numbers(self, values: Mapping[str, Any], step: int = 0) -> None:
        """Notes the numbers among some values, at a step."""
        known = {name: float(value) for name, value in values.items() if value is not None}
        finite = {name: value for name, value in known.items() if math.isfinite(value)}
        if finite:
            self._each(lambda log: log.numbers(finite, step))

    def file(self, path: Path, folder: str = "") -> None:
        """Keeps a copy of a file."""
        self._each(lambda log: log.file(path, folder))

    def files(self, contents: Mapping[str, bytes], folder: str) -> None:
        """Keeps files by their names, which may have folders before them."""
        if not self:
            return
        with tempfile.TemporaryDirectory() as place:
            for name, content in contents.items():
                path = Path(place) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                self.file(path, str(Path(folder) / name).rpartition("/")[0])

    def close(self, how: str = "finished") -> None:
        """Ends the runs: `finished`, `failed` or `killed`."""
        self._each(lambda log: log.close(how))
        self._open.clear()

    def _begin(self, tracker: Tracker) -> None:
        try:
            self._open[tracker.place] = tracker.open(self.name)
        except SettingError:
            raise
        except Exception as error:  # Whatever a client raises where its server is away.
            self._away(tracker.place, error)

    def _each(self, do: Callable[[Log], None]) -> None:
        for place, log in list(self._open.items()):
            try:
                do(log)
            except Exception as error:  # The same; a run of hours must not end for it.
                del self._open[place]
                self._away(place, error)

    def _away(self, place: str, error: Exception) -> None:
        why = printable(str(error))[:_LONGEST] or type(error).__name__
        self.tell(f"! {place} does not take the log: {why} -> The run goes on without it.")


@contextlib.contextmanager
def opened(places: Sequence[str | Tracker | Logs], name: str, tell: Callable[[str], None] = print) -> Iterator[Logs]:
    """Opens logs and closes them at the end; those that are open already are taken as they are, and stay open.

    Args:
        places: Trackers or specs; or `Logs`, alone.
        name: What the run is called.
        tell: Is given a line for each log that fails.
    """
    given = next((place for place in places if isinstance(place, Logs)), None)
    if given is not None:
        yield given
        return
    logs = Logs([place for place in places if not isinstance(place, Logs)], name, tell)
    try:
        yield logs
    except BaseException as error:
        logs.close("killed" if isinstance(error, KeyboardInterrupt) else "failed")
        raise
    logs.close()


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        elif value is not None and value != ():
            yield f"{before}{name}", value
