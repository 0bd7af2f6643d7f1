"""Writes a model so that a crash leaves the old file or the new one, never half of one."""

import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from os import PathLike
from pathlib import Path
from typing import Any

import h5py
import keras

from turtlenet.errors import OutputError, one_line
from turtlenet.files import hdf5
from turtlenet.keras_files.full_disk import check_space
from turtlenet.keras_files.legacy.rules import dicts
from turtlenet.keras_files.legacy.upgrade import operation
from turtlenet.keras_files.model_description import starts_as_zip
from turtlenet.keras_files.quiet import quiet
from turtlenet.version import __version__

_PROVENANCE = "turtlenet_provenance"
OPTIMIZER_STATE = "turtlenet_optimizer_weights"
"""Where the optimizer's state lies in an HDF5 file. Keras 3 builds an optimizer for no weights at all if it finds the
state under its own name, and the loaded model cannot be trained; so it starts the optimizer anew, and can."""
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
    with _temporary(target) as temporary, _told(f"Expected to write the model to {target}"):
        check_space(temporary, model)
        _write(model, temporary, provenance or {})
        _flush(temporary)
        temporary.replace(target)
        hdf5.vouch(target)


def _write(model: keras.Model, path: Path, provenance: Mapping[str, Any]) -> None:
    in_hdf5 = path.suffix != ".keras"
    with quiet(), _whole_compile_config(model), _distinct_paths(model) if in_hdf5 else nullcontext():
        model.save(path)
    _sign(path, {"turtlenet": __version__, "keras": keras.version(), **provenance})


@contextmanager
def _told(expected: str) -> Iterator[None]:
    """Says in one line what could not be done."""
    try:
        yield
    except Exception as error:  # Whatever Keras, h5py and the system raise at what they cannot write.
        reason = getattr(error, "strerror", None) or one_line(error, 200)
        raise OutputError(f"{expected}; {reason}.") from None


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
        provenance = json.loads(text) if text else None
    except Exception:  # Whatever h5py, zipfile and JSON make of damaged bytes.
        return None
    return provenance if isinstance(provenance, dict) else None


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
        if "optimizer_weights" in file:
            file.move("optimizer_weights", OPTIMIZER_STATE)


def _locate_operations(described: Any) -> bool:
    """Names the module of each operation in a graph (`x / 2`), without which Keras cannot load its own HDF5 file."""
    changed = False
    for node in dicts(described):
        bare = "inbound_nodes" in node and "module" not in node and "trainable" not in node.get("config", {})
        if bare and node["class_name"] != "InputLayer" and (place := operation(node["class_name"])):
            node.update(place)
            changed = True
    return changed


def check_writable(path: str | PathLike[str], model: keras.Model | None = None) -> None:
    """Finds out, before hours of work, whether `save` can write to a path; leaves nothing behind.

    Args:
        path: Where the model will be saved, ending in `.h5`, `.hdf5` or `.keras`.
        model: What will be written, with its optimizer built; it is written once to find out.

    Raises:
        OutputError: Another suffix, a folder that is not there or cannot be written, no room for the model, or a model
            that the format cannot hold.
    """
    target = _target(path)
    with _temporary(target) as temporary:
        if model is not None:
            with _told(f"Expected to write the model to {target}"):
                check_space(temporary, model)
            with _told(f"Expected a model that can be saved to {target}"):
                _write(model, temporary, {})


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
def _whole_compile_config(model: keras.Model) -> Iterator[None]:
    """Has a file say what the model is compiled with, which it no longer knows itself where Keras 3.15 wrote HDF5.

    Afterwards the model knows all that it knew, and its optimizer in any case.
    """
    held = getattr(getattr(model, "_compile_config", None), "config", None)
    if not isinstance(held, dict):
        yield
        return
    optimizer = getattr(model, "optimizer", None)
    before = {"optimizer": optimizer, **held}
    held["optimizer"] = optimizer
    try:
        yield
    finally:
        held.update(before)


@contextmanager
def _distinct_paths(model: keras.Model) -> Iterator[None]:
    """Gives variables that HDF5 would write under one name, or one within another, names of their own meanwhile."""
    groups = [layer.weights for layer in getattr(model, "layers", ())]
    groups.append(getattr(getattr(model, "optimizer", None), "variables", None) or [])
    before: dict[int, tuple[Any, str]] = {}
    for group in groups:
        names: set[str] = set()
        folders: set[str] = set()
        for variable in group:
            own = name = variable.path
            number = 0
            while name in names or name in folders or not names.isdisjoint(_folders(name)):
                number += 1
                name = f"{own}_{number}"
            names.add(name)
            folders |= _folders(name)
            if name != own:
                before.setdefault(id(variable), (variable, own))
                variable._path = name
    try:
        yield
    finally:
        for variable, path in before.values():
            variable._path = path


def _folders(name: str) -> set[str]:
    parts = name.split("/")
    return {"/".join(parts[:end]) for end in range(1, len(parts))}


def _flush(path: Path) -> None:
    """Waits until the bytes are on the disk: a rename can outlive a power cut that its contents do not."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
