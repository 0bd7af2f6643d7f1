"""Genuine files of Keras 2, and whether what comes out of them computes the same."""

import json
import warnings

import h5py
import keras
import numpy as np
import tensorflow as tf
import tf_keras

from turtlenet.models import load

__all__ = ["agrees", "draw", "each", "outputs_of", "randomize", "rewrite", "save"]

WORDS = np.array(["a", "b", "turtle", "net", "zebra"])


def each(shape, *layers, dtype=None):
    """A model of one input that several layers read; each gives its outputs."""
    inputs = tf_keras.Input(shape, dtype=dtype)
    return tf_keras.Model(inputs, tf.nest.flatten([layer(inputs) for layer in layers]))


def randomize(model, seed=0, scale=0.5):
    """Gives every weight a random value, a variance a positive one; integers stay (what was counted or hashed)."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if not weight.dtype.is_floating or not weight.shape.is_fully_defined():
            continue
        value = rng.normal(size=weight.shape) * scale
        weight.assign(np.abs(value) + 0.5 if "variance" in weight.name else value)
    for layer in model.layers:
        if isinstance(layer, tf_keras.layers.Normalization):
            # It computes with what it has worked out from its weights.
            layer.finalize_state()
    return model


def draw(model, batch=3, seed=1):
    """Random inputs for a model: normal numbers, small counts, or words."""
    return [_drawn([size or batch for size in each.shape], each.dtype, seed) for each in model.inputs]


def _drawn(shape, dtype, seed):
    rng = np.random.default_rng(seed)
    if dtype == tf.string:
        return tf.constant(rng.choice(WORDS, size=shape))
    if dtype.is_integer:
        return rng.integers(0, 5, size=shape).astype(dtype.as_numpy_dtype)
    return rng.normal(size=shape).astype(dtype.as_numpy_dtype)


def outputs_of(model, inputs):
    """All outputs, flat, in float64; a model that keeps its state starts afresh."""
    old = isinstance(model, tf_keras.Model)
    found = model(inputs[0] if len(inputs) == 1 else inputs, training=False)
    flat = tf.nest.flatten(found, expand_composites=False) if old else keras.tree.flatten(found)
    return [np.asarray(each).astype("float64") for each in flat]


def save(model, path):
    """Writes a file the way that its name asks for, in the Keras 2 that the model is of."""
    with warnings.catch_warnings():
        # It would rather write another format.
        warnings.simplefilter("ignore")
        model.save(path, **({} if path.suffix else {"save_format": "tf"}))
    return path


def rewrite(path, change=None, *, training=None, version=..., backend=...):
    """Rewrites what an HDF5 file says of its model, as another Keras would have said it.

    Args:
        path: The file, changed in place.
        change: Maps the description of the model to another.
        training: The same for its compiled state.
        version, backend: What the file names as its writer; None leaves that out.
    """
    with h5py.File(path, "a") as file:
        for key, edit in (("model_config", change), ("training_config", training)):
            if edit is not None:
                file.attrs[key] = json.dumps(edit(json.loads(file.attrs[key])))
        for key, value in (("keras_version", version), ("backend", backend)):
            for owner in (file, file["model_weights"]):
                if value is None:
                    owner.attrs.pop(key, None)
                elif value is not ...:
                    owner.attrs[key] = value
    return path


def agrees(path, model, inputs=None, tolerance=1e-5):
    """Loads a file and holds its answers against those of the model that was saved; gives the loaded model."""
    inputs = draw(model) if inputs is None else inputs
    wanted = outputs_of(model, inputs)
    loaded = load(path)
    found = outputs_of(loaded, inputs)
    assert [each.shape for each in found] == [each.shape for each in wanted]
    gaps = {
        name: float(np.max(np.abs(mine - theirs) / np.maximum(1.0, np.abs(theirs)), initial=0.0))
        for name, mine, theirs in zip(_names(model, len(wanted)), found, wanted, strict=True)
    }
    assert all(np.isfinite(each).all() for each in wanted), (
        "the saved model has to say numbers, or the test says nothing"
    )
    wrong = {name: gap for name, gap in gaps.items() if not gap < tolerance}
    assert not wrong, f"{path.name} computes something else: {wrong}"
    return loaded


def _names(model, count):
    names = list(getattr(model, "output_names", None) or [])
    return [f"{index} {name}" for index, name in enumerate(names)] if len(names) == count else range(count)
