"""Writes the report of a detector: the JSON, its views and its pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from turtlenet.detection.pictures import HISTOGRAM, ROC, histogram, roc
from turtlenet.detection.views import html, markdown
from turtlenet.errors import OutputError
from turtlenet.files import write_whole

if TYPE_CHECKING:
    from turtlenet.detection.report import Detection

__all__ = ["save"]


def save(result: Detection, folder: str | Path) -> tuple[Path, ...]:
    """Writes `report.json`, `report.md`, `report.html`, `histogram.png` and `roc.png`.

    Args:
        result: What to write.
        folder: Where to; made if it is not there.

    Returns:
        The files written, the JSON first.

    Raises:
        OutputError: The folder cannot be written.
    """
    folder = Path(folder)
    pictures = {HISTOGRAM: histogram(result), ROC: roc(result)}
    # A file name may hold bytes that are no UTF-8.
    files = {
        "report.json": f"{result.to_json()}\n".encode(),
        "report.md": markdown(result).encode("utf-8", "backslashreplace"),
        "report.html": html(result, pictures).encode("utf-8", "backslashreplace"),
        **pictures,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"Expected a folder to write in at {folder}; got: {error.strerror or error}.") from None
    for name, content in files.items():
        write_whole(folder / name, lambda file, content=content: file.write(content))  # type: ignore[misc]
    return tuple(folder / name for name in files)
