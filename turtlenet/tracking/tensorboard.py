"""Event files for TensorBoard, written by TensorBoard's own package: they need no TensorFlow."""

import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from turtlenet.tracking.base import Log, Tracker, package, trackers

_PROTO = "tensorboard.compat.proto"


@trackers.register("tensorboard")
@dataclass(frozen=True, kw_only=True)
class TensorBoard(Tracker):
    """Parameters, curves and reports as event files; other files lie in a folder beside them.

    Args:
        folder: Where the folders of runs lie; for `tensorboard --logdir`.
    """

    folder: str = "runs"

    @property
    def place(self) -> str:
        """Where it logs, in words."""
        return f"TensorBoard's folder {self.folder}"

    def open(self, name: str) -> Log:
        """Begins a run; see `Tracker`."""
        package("tensorboard", "tensorboard")
        stem = re.sub(r"[^\w.-]+", "-", f"{name} {time.strftime('%Y%m%d-%H%M%S')}")
        tries = (Path(self.folder) / (stem if not number else f"{stem}-{number}") for number in range(1000))
        folder = next(each for each in tries if not each.exists())
        folder.mkdir(parents=True)
        return _Events(folder)


class _Events(Log):
    """An event file, and what lies beside it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.summary = package(f"{_PROTO}.summary_pb2", "tensorboard")
        self.event = package(f"{_PROTO}.event_pb2", "tensorboard")
        self.tensors = package("tensorboard.util.tensor_util", "tensorboard")
        self.texts = package("tensorboard.plugins.text.metadata", "tensorboard")
        writers = package("tensorboard.summary.writer.event_file_writer", "tensorboard")
        self.writer = writers.EventFileWriter(str(folder))

    def parameters(self, values: Mapping[str, Any]) -> None:
        rows = [f"| {name} | {str(value).replace('|', ' ')} |" for name, value in values.items()]
        self._text("parameters", "\n".join(["| parameter | value |", "|---|---|", *rows]))

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        found = [self.summary.Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._add(found, step)

    def file(self, path: Path, folder: str = "") -> None:
        target = self.folder / "artifacts" / folder
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
        if path.suffix == ".md":
            self._text(f"{folder}/{path.stem}" if folder else path.stem, path.read_text("utf-8"))

    def close(self, how: str) -> None:
        self._text("ended", how)
        self.writer.close()

    def _text(self, tag: str, text: str) -> None:
        tensor = self.tensors.make_tensor_proto([text.encode()])
        about = self.texts.create_summary_metadata(display_name=tag, description="")
        self._add([self.summary.Summary.Value(tag=tag, tensor=tensor, metadata=about)], 0)

    def _add(self, values: list[Any], step: int) -> None:
        summary = self.summary.Summary(value=values)
        self.writer.add_event(self.event.Event(wall_time=time.time(), step=step, summary=summary))
        self.writer.flush()
