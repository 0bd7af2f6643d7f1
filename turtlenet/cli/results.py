"""`--results`: what was found for each image and attack, as a table."""

from functools import partial
from pathlib import Path
from typing import IO, Any

from turtlenet.cli.command import output_option
from turtlenet.cli.options import check_file

__all__ = ["check_results", "results_option", "write_bytes", "write_results"]


def results_option(command: Any) -> Any:
    """Adds the option that names the table's file."""
    return output_option("--results", "A .csv or .parquet: a line for each image and attack.")(command)


def check_results(path: Path | None) -> None:
    """Finds out, before any work, whether the table can be written.

    Raises:
        OutputError: Another suffix, or no folder to write it in.
    """
    from turtlenet.reports.frames import check_suffix

    if path is not None:
        check_suffix(path)
        check_file(path, path.suffix, option="--results")


def write_results(path: Path | None, result: Any) -> None:
    """Writes the table `results` of a report; nothing where no file is named."""
    from turtlenet.reports.frames import to_bytes

    if path is not None:
        write_bytes(path, to_bytes(result.table("results"), path.suffix))


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file, the whole of it or nothing."""
    from turtlenet.files import write_whole

    write_whole(path, partial(_put, content))


def _put(content: bytes, file: IO[bytes]) -> None:
    file.write(content)
