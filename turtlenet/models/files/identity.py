"""A model's twin, and what tells one model from another."""

import hashlib
from pathlib import Path

import keras
import numpy as np

from turtlenet.errors import ModelError

__all__ = ["copy", "file_sha256", "weights_sha256"]


def copy(model: keras.Model) -> keras.Model:
    """A model with the same architecture, weights and compiled state, and variables of its own.

    Raises:
        ModelError: A model that Keras cannot describe and rebuild.
    """
    try:
        twin = type(model).from_config(model.get_config())
        twin.set_weights(model.get_weights())
        if model.compiled:
            twin.compile_from_config(model.get_compile_config())
            twin.optimizer.build(twin.trainable_variables)
            for mine, value in zip(twin.optimizer.variables, model.optimizer.variables, strict=False):
                # An array of its own: a step of JAX's gives away those that it is given.
                mine.assign(keras.ops.convert_to_numpy(value))
    except (NotImplementedError, TypeError, ValueError, AttributeError) as error:
        reason = str(error).partition("\n")[0]
        raise ModelError(f"Expected a model that Keras can rebuild from its config; got: {reason}") from None
    return twin


def file_sha256(path: Path) -> str:
    """A hash of a file's bytes; of a folder's, those of all files in it in the order of their names."""
    if path.is_dir():
        digest = hashlib.sha256()
        for part in sorted(each for each in path.rglob("*") if each.is_file()):
            digest.update(str(part.relative_to(path)).encode() + file_sha256(part).encode())
        return digest.hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weights_sha256(model: keras.Model) -> str:
    """A hash of all weights: the identity of a model in memory."""
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()
