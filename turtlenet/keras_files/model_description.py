"""What a model file says about itself, read as plain data: nothing of it is built or executed.

A file is known by its bytes, never by its name: the HDF5 signature, or a zip archive that has a `config.json`; a
folder by what is in it.
"""

import json
import re
import zipfile
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import h5py

from turtlenet.errors import ModelError, an, one_line
from turtlenet.files import hdf5
from turtlenet.files.formats import this_is
from turtlenet.keras_files.legacy.rules import dicts
from turtlenet.keras_files.safety.limits import check_limits
from turtlenet.keras_files.saved_model import describe
from turtlenet.keras_files.weights.hdf5_arrays import attribute
from turtlenet.keras_files.weights.writer import backend_by_names, names_in

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


@dataclass(frozen=True)
class ModelDescription:
    """The description in a model file.

    Attributes:
        path: The file or folder.
        format: `hdf5`, `keras` (an archive, or a folder of what is in one), `saved-model` (a folder), or `weights`
            where there are arrays and no model.
        keras_version: The Keras that wrote it, where it says so.
        backend: The backend that Keras ran on, where it says so.
        config: The architecture, as Keras wrote it; empty where the file holds weights only.
        training: Optimizer, loss and metrics, as Keras wrote them; None where the model was not compiled.
        names: The backend by the names of the weights in a file of Keras 1 or 2 (`theano`, `tensorflow`, `mixed`).
    """

    path: Path
    format: str
    keras_version: str | None
    backend: str | None
    config: dict[str, Any]
    training: dict[str, Any] | None
    names: str | None = None


def read_description(path: str | PathLike[str]) -> ModelDescription:
    """Reads a file's description of its model.

    Raises:
        ModelError: No such file, no model file, or a damaged one.
    """
    if _ADDRESS.match(str(path)):
        # A path would have one slash of the two.
        raise ModelError(f"Expected a model file; got the address {path}: download it, and give the file.")
    path = Path(path)
    try:
        description = _read(path)
        for described in (description.config, description.training):
            check_limits(described)
    except ModelError as error:
        raise ModelError(str(error) if str(path) in str(error) else f"{str(error)[:-1]} ({path}).") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"Expected a readable model file; {path}: {one_line(error, 160)}.") from None
    return description


def _read(path: Path) -> ModelDescription:
    if path.is_dir():
        return _from_folder(path)
    if not path.exists():
        raise ModelError(f"Expected a model file; there is no {path}.")
    if not path.is_file():
        # Reading from a pipe would wait for whoever writes to it.
        raise ModelError(f"Expected a model file; {path} is neither a file nor a folder.")
    # The archive first: HDF5 may begin at byte 512, 1024, ..., where the weights in an archive may lie by chance.
    if starts_as_zip(path):
        return _from_zip(path)
    if h5py.is_hdf5(path):
        return _from_hdf5(path)
    raise ModelError(f"Expected a model file (HDF5 or .keras); {path} is neither{this_is(path)}.")


def _from_hdf5(path: Path) -> ModelDescription:
    try:
        with hdf5.opened(path) as file:
            held = {key: _text(attribute(file, key)) for key in _HDF5_KEYS}
            # Keras 2 says it beside the weights too; not everyone who rewrites a file copies both.
            inner = file.get("model_weights")
            for key in ("keras_version", "backend") if isinstance(inner, h5py.Group) else ():
                held[key] = held[key] or _text(attribute(inner, key))
            weights_only = _holds_weights(file)
            names = ", ".join(sorted(file)[:4]) or "nothing"
            by_names = backend_by_names(names_in(file))
    except ModelError:
        raise
    except Exception as error:  # Whatever h5py makes of damaged bytes.
        raise ModelError(
            f"Expected a whole HDF5 file; {path} is damaged or cut short: {one_line(error, 160)}."
        ) from None
    if held["model_config"] is None:
        if weights_only:
            return ModelDescription(
                path, "weights", _word(held["keras_version"]), _word(held["backend"]), {}, None, by_names
            )
        raise ModelError(f"Expected a model file; {path} holds arrays, not a model ({names}).")
    training = held["training_config"]
    return ModelDescription(
        path,
        "hdf5",
        _word(held["keras_version"]),
        _word(held["backend"]),
        _parse(held["model_config"], path),
        _training(_parse(training, path)) if training else None,
        by_names,
    )


def _from_zip(path: Path) -> ModelDescription:
    try:
        with zipfile.ZipFile(path) as archive:
            if "config.json" not in archive.namelist():
                raise ModelError(
                    f"Expected a .keras archive with a config.json; {path} is another zip archive{this_is(path)}."
                )
            if max(part.file_size for part in archive.infolist() if part.filename.endswith(".json")) > _LONGEST:
                raise _too_long(path)
            text = archive.read("config.json").decode()
            about = archive.read("metadata.json").decode() if "metadata.json" in archive.namelist() else "{}"
            if not any(name.startswith("model.weights.") for name in archive.namelist()):
                raise ModelError(f"Expected a .keras archive with weights; {path} has none.")
    except ModelError:
        raise
    except Exception as error:  # Whatever zipfile and its decompressors make of damaged bytes.
        raise ModelError(
            f"Expected a whole .keras archive; {path} is damaged or cut short: {one_line(error, 160)}."
        ) from None
    config = _parse(text, path)
    training = _training(_compiled_as(config))
    version = _word(_parse(about, path).get("keras_version"))
    return ModelDescription(path, "keras", version, None, config, training)


def _from_folder(path: Path) -> ModelDescription:
    if (path / "saved_model.pb").is_file():
        saved = describe(path)
        version, backend = _word(saved.keras_version), _word(saved.backend)
        return ModelDescription(path, "saved-model", version, backend, saved.config, saved.training)
    if not (path / "config.json").is_file():
        raise ModelError(f"Expected a model file, or a folder of a .keras archive or a SavedModel; {path} is neither.")
    if not any(path.glob("model.weights.*")):
        raise ModelError(f"Expected a .keras folder with weights; {path} has none.")
    texts = {}
    for name in ("config.json", "metadata.json"):
        file = path / name
        if file.is_file() and file.stat().st_size > _LONGEST:
            raise _too_long(file)
        texts[name] = file.read_text("utf-8", "replace") if file.is_file() else "{}"
    config = _parse(texts["config.json"], path)
    training = _training(_compiled_as(config))
    version = _word(_parse(texts["metadata.json"], path).get("keras_version"))
    return ModelDescription(path, "keras", version, None, config, training)


def _compiled_as(config: dict[str, Any]) -> Any:
    """Takes out how a model was compiled; of the models inside it, that says nothing to whoever loads the whole."""
    own = config.pop("compile_config", None)
    for node in dicts(config):
        if "class_name" in node:
            node.pop("compile_config", None)
    return own


# No description that Keras writes comes near.
_LONGEST = 50_000_000
_HDF5_KEYS = ("model_config", "training_config", "keras_version", "backend")


def _holds_weights(file: h5py.File) -> bool:
    """Whether `save_weights` wrote this: Keras 2 lists `layer_names`, Keras 3 nests `vars` groups."""
    if "layer_names" in file.attrs or "layers" in file or "_layer_checkpoint_dependencies" in file:
        return True
    return any(isinstance(item, h5py.Group) and "vars" in item for item in file.values())


def starts_as_zip(path: Path) -> bool:
    """Whether a file begins as a zip archive does."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _too_long(path: Path) -> ModelError:
    return ModelError(f"Expected a description of at most {_LONGEST:,} bytes; that in {path} is longer.")


def _training(config: Any) -> dict[str, Any] | None:
    """A compiled state; None where there is none, or what is none."""
    return config if isinstance(config, dict) and config else None


def _word(value: Any) -> str | None:
    """A version or a backend's name; None where it cannot be one."""
    return value if isinstance(value, str) and re.fullmatch(r"[\w.+-]{1,40}", value) else None


def _parse(text: str, path: Path) -> dict[str, Any]:
    if len(text) > _LONGEST:
        raise _too_long(path)
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"Expected a model description in JSON in {path}; {one_line(error, 160)}.") from None
    if not isinstance(config, dict):
        raise ModelError(f"Expected a model description in {path}; got {an(type(config).__name__)}.")
    return config


def _text(value: Any) -> str | None:
    """HDF5 attributes are bytes or text, whoever wrote them."""
    if value is None:
        return None
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
