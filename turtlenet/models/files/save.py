"""Writes a model so that a crash leaves the old file or the new one, never half of one."""

import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import h5py
import keras

from turtlenet import hdf5
from turtlenet.errors import OutputError
from turtlenet.models.files.blueprint import starts_as_zip
from turtlenet.models.files.full_disk import check_space
from turtlenet.models.files.quiet import quiet
from turtlenet.models.legacy.rules import dicts
from turtlenet.models.legacy.upgrade import operation
from turtlenet.version import __version__

__all__ = ["check_writable", "read_provenance", "save"]

_PROVENANCE = "turtlenet_provenance"
_SUFFIXES = (".h5", ".hdf5", ".keras")


def save(model: keras.Model, path: str | PathLike[str], provenance: Mapping[str, Any] | None = None) -> None:
    """Writes a model with its optimizer's state, loss and metrics; plain Keras loads it.

    Args:
        model: Any model that Keras can write.
        path: Where to, ending in `.h5`, `.hdf5` or `.keras`. What was there stays until the new file is whole.
        provenance: Where the model comes from, as plain JSON data; `read_provenance` gives it back.

    Raises:
        OutputError: Another suffix, a folder that is not there or cannot be written, or a model that the format
            cannot hold.
    """
    target = _target(path)
    with _temporary(target) as temporary:
        try:
            check_space(temporary, model)
            with quiet(), _kept_compile_config(model):
                model.save(temporary)
            _sign(temporary, {"turtlenet": __version__, "keras": keras.version(), **(provenance or {})})
            _flush(temporary)
            temporary.replace(target)
            hdf5.vouch(target)
        except Exception as error:
            reason = (getattr(error, "strerror", None) or " ".join(str(error).split()))[:200].rstrip(". ")
            reason = reason or type(error).__name__
            raise OutputError(f"Expected to write the model to {target}; {reason}.") from None


def read_provenance(path: str | PathLike[str]) -> dict[str, Any] | None:
    """What `save` wrote of a model's origin; None where there is nothing that can be read."""
    text: Any = None
    try:
        if starts_as_zip(Path(path)):
            with zipfile.ZipFile(path) as archive:
                text = archive.read(f"{_PROVENANCE}.json") if f"{_PROVENANCE}.json" in archive.namelist() else None
        elif h5py.is_hdf5(path):
            with hdf5.opened(path) as file:
                text = file.attrs.get(_PROVENANCE)
        found = json.loads(text) if text else None
    except Exception:  # Whatever h5py, zipfile and JSON make of damaged bytes.
        return None
    return found if isinstance(found, dict) else None


def _sign(path: Path, provenance: dict[str, Any]) -> None:
    text = json.dumps(provenance, sort_keys=True)
    if path.suffix == ".keras":
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(f"{_PROVENANCE}.json", text)
        return
    with h5py.File(path, "r+") as file:
        file.attrs[_PROVENANCE] = text
        described = json.loads(file.attrs["model_config"])
        if _locate_operations(described):
            file.attrs["model_config"] = json.dumps(described)


def _locate_operations(described: Any) -> bool:
    """Names the module of each operation in a graph (`x / 2`), without which Keras cannot load its own HDF5 file."""
    found = False
    for node in dicts(described):
        bare = "inbound_nodes" in node and "module" not in node and "trainable" not in node.get("config", {})
        if bare and node["class_name"] != "InputLayer" and (place := operation(node["class_name"])):
            node.update(place)
            found = True
    return found


def check_writable(path: str | PathLike[str]) -> None:
    """Finds out, before hours of work, whether `save` can write to a path; leaves nothing behind.

    Raises:
        OutputError: Another suffix, a folder that is not there, or one that cannot be written.
    """
    with _temporary(_target(path)):
        pass


def _target(path: str | PathLike[str]) -> Path:
    path = Path(path)
    if path.suffix not in _SUFFIXES:
        raise OutputError(f"Expected a path that ends in {', '.join(_SUFFIXES)}; got {path}.")
    # The file behind a link is replaced, not the link.
    target = path.resolve()
    if target.is_dir():
        raise OutputError(f"Expected a path to write a model to; {path} is a folder.")
    if not target.parent.is_dir():
        raise OutputError(f"Expected a folder to write {path.name} in; there is no {path.parent}.")
    return target


@contextmanager
def _temporary(target: Path) -> Iterator[Path]:
    """An empty file beside the target, with its suffix, which is gone afterwards."""
    try:
        # A folder of our own: a file that `mkstemp` makes would stay readable by its owner only.
        folder = Path(tempfile.mkdtemp(prefix=f".{target.stem}-", dir=target.parent))
    except OSError as error:
        raise OutputError(f"Expected to write to {target.parent}; {error.strerror or error}.") from None
    temporary = folder / target.name
    try:
        yield temporary
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _kept_compile_config(model: keras.Model) -> Iterator[None]:
    """Undoes what writing HDF5 does in Keras 3.15: the optimizer vanishes from what the next file would say."""
    held = getattr(getattr(model, "_compile_config", None), "config", None)
    before = dict(held) if isinstance(held, dict) else {}
    try:
        yield
    finally:
        if isinstance(held, dict):
            held.update(before)


def _flush(path: Path) -> None:
    """Waits until the bytes are on the disk: a rename can outlive a power cut that its contents do not."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
