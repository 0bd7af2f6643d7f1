"""Loads a model that Keras wrote, without running anything that came with it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

import h5py
import keras
import numpy as np

from turtlenet.errors import ModelError
from turtlenet.models.blueprint import Blueprint, read_blueprint
from turtlenet.models.quiet import quiet
from turtlenet.models.safety import findings

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
        try:
            if compile:
                return _load_compiled(file, blueprint)
        except Exception:  # noqa: S110  # What is wrong with the model itself, the next attempt says.
            pass
        try:
            return keras.saving.load_model(file, compile=False, safe_mode=True)
        except Exception as error:
            raise ModelError(
                f"Expected a model that Keras {keras.version()} can build from {blueprint.path}; {_reason(error)}."
            ) from None


def _load_compiled(file: Path, blueprint: Blueprint) -> keras.Model:
    model = keras.saving.load_model(file, compile=True, safe_mode=True)
    if blueprint.format == "hdf5" and (blueprint.keras_version or "").startswith("3."):
        _resume_optimizer(model, file)
    return model


def _resume_optimizer(model: keras.Model, file: Path) -> None:
    """Brings the optimizer's state back, which Keras 3.15 loses: it builds the optimizer for no weights at all."""
    saved = _optimizer_values(file)
    model.compile_from_config(model.get_compile_config())
    variables = model.optimizer.variables
    if [value.shape for value in saved] == [tuple(variable.shape) for variable in variables]:
        for variable, value in zip(variables, saved, strict=True):
            variable.assign(value)


def _optimizer_values(file: Path) -> list[np.ndarray]:
    """The optimizer's arrays in their order; Keras splits a list of names that is too long for one attribute."""
    with h5py.File(file, "r") as opened:
        group = opened.get("optimizer_weights")
        if group is None:
            return []
        parts = [group.attrs[key] for key in ("weight_names", *_numbered(group)) if key in group.attrs]
        names = [name.decode() if isinstance(name, bytes) else str(name) for part in parts for name in part]
        return [np.asarray(group[name][()]) for name in names]


def _numbered(group: h5py.Group) -> list[str]:
    return [f"weight_names{index}" for index in range(len(group.attrs))]


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
