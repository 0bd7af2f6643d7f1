"""Loads a model that Keras wrote, without running anything that came with it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

import keras

from turtlenet.errors import ModelError
from turtlenet.models.files.blueprint import Blueprint, read_blueprint
from turtlenet.models.files.compiled import compile_from_hdf5
from turtlenet.models.files.quiet import quiet
from turtlenet.models.files.safety import findings

__all__ = ["load"]


def load(path: str | PathLike[str], *, compile: bool = True) -> keras.Model:
    """Loads a `.h5`, `.hdf5` or `.keras` file, known by its bytes, with its weights and its compiled state.

    Args:
        path: The file.
        compile: Whether to bring optimizer, loss and metrics back. A compiled state that Keras cannot read, or that
            names code of its own, is left out: the model comes back uncompiled.

    Returns:
        The model. Its optimizer continues where it stopped if Keras 3 wrote the file.

    Raises:
        ModelError: No model file, a damaged one, one that this Keras cannot build, or one that would run code: a
            `Lambda`, or a class that is neither Keras's own nor registered. None of it has run then.
    """
    blueprint = read_blueprint(path)
    if unsafe := findings(blueprint.config):
        more = f" and {len(unsafe) - 1} more" if len(unsafe) > 1 else ""
        raise ModelError(
            f"Expected a model of known layers; {blueprint.path} has {unsafe[0]}{more}. Nothing of it was executed."
        )
    compile = compile and blueprint.training is not None and not findings(blueprint.training)
    with quiet(), _usual_name(blueprint) as file:
        return (_load_compiled(file, blueprint) if compile else None) or _load_plain(file, blueprint)


def _load_compiled(file: Path, blueprint: Blueprint) -> keras.Model | None:
    """The model with its compiled state; None where that cannot be read."""
    try:
        if blueprint.format == "keras":
            return keras.saving.load_model(file, compile=True, safe_mode=True)
        model = keras.saving.load_model(file, compile=False, safe_mode=True)
        compile_from_hdf5(model, blueprint)
        return model
    except Exception:  # What is wrong with the model itself, `_load_plain` says.
        return None


def _load_plain(file: Path, blueprint: Blueprint) -> keras.Model:
    try:
        return keras.saving.load_model(file, compile=False, safe_mode=True)
    except Exception as error:
        raise ModelError(
            f"Expected a model that Keras {keras.version()} can build from {blueprint.path}; {_reason(error)}."
        ) from None


@contextmanager
def _usual_name(blueprint: Blueprint) -> Iterator[Path]:
    """The file under a name that Keras accepts: it goes by the suffix, turtlenet by the bytes."""
    usual = (".h5", ".hdf5") if blueprint.format == "hdf5" else (".keras",)
    if blueprint.path.name.endswith(usual):
        yield blueprint.path
        return
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / f"model{usual[0]}"
        link.symlink_to(blueprint.path.resolve())
        yield link


def _reason(error: BaseException) -> str:
    """Keras's own words in one line: the first sentence of the innermost exception."""
    text = str(error)
    if "Exception encountered:" in text:
        text = text.rpartition("Exception encountered:")[2]
    text = " ".join(text.split()).partition(". ")[0]
    return f"it said: {text[:200].rstrip('.')}" if text else f"it raised {type(error).__name__}"
