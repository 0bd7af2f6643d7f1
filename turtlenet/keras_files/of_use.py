"""Whether what a user says of how files are loaded is of use to any of them."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from turtlenet.errors import ModelError
from turtlenet.keras_files.load import Loading, era_of
from turtlenet.keras_files.model_description import ModelDescription, read_description
from turtlenet.keras_files.safety.findings import findings


def of_no_use(
    files: Collection[Path],
    *,
    custom: Collection[str] = (),
    architecture: str | None = None,
    written_by: str | None = None,
) -> str | None:
    """What would have no effect on any of the files, as a line of an error; None in doubt.

    Args:
        files: Every file and folder that a command may load a model from; those that hold none say nothing.
        custom: The names under which classes and functions are supplied, before they are imported.
        architecture: See `Loading`.
        written_by: See `Loading`.
    """
    described = list(_described(files))
    if not described or any(each.format == "weights" for each in described):
        return None
    named = ", ".join(str(each.path) for each in described)
    whole = f"{named} is a whole model" if len(described) == 1 else f"{named} are whole models"
    if architecture is not None:
        return f"Expected a file that holds weights only for --architecture; {whole}: leave it out."
    if written_by is not None and not any(map(_names_no_backend, described)):
        writers = ", ".join(f"{each.path} of {era_of(each, Loading())}" for each in described)
        return f"Expected a file of Keras 1 or 2 that names no backend for --written-by; got {writers}: leave it out."
    if custom and not any(map(_lacks_something, described)):
        words = {word for each in described for word in _words([each.config, each.training])}
        strange = next((name for name in custom if name not in words), None)
        if strange is not None:
            return (
                f"Expected a layer or function that the file names for --custom; got {strange!r}, which {named} has "
                "nowhere: leave it out."
            )
    return None


def _described(files: Collection[Path]) -> Iterator[ModelDescription]:
    for file in files:
        try:
            yield read_description(file)
        except ModelError:
            # It is no model; where one is needed, its loader says so.
            continue


def _names_no_backend(each: ModelDescription) -> bool:
    return each.backend is None and era_of(each, Loading()).major < 3


def _lacks_something(each: ModelDescription) -> bool:
    """Whether a file has what neither Keras nor this program knows: importing may be what registers it."""
    return bool(findings(each.config) or findings(each.training))


def _words(config: Any) -> Iterator[str]:
    """Every text in a description, and what is registered with a package also without it."""
    waiting = [config]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            waiting.extend(node.values())
        elif isinstance(node, (list, tuple)):
            waiting.extend(node)
        elif isinstance(node, str):
            yield node
            yield node.rpartition(">")[2]
