"""Models of the same architecture: behind another key, or behind none, with fresh weights."""

import hashlib
import itertools
import json
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras

from turtlenet.defences import Keyed, keys
from turtlenet.errors import ModelError, one_line
from turtlenet.models import compile_like, defences_of, uncompiled


def keyed_layers(model: keras.Model) -> list[Keyed]:
    """The layers of a model that a secret key chooses."""
    return [layer for layer in defences_of(model) if isinstance(layer, Keyed)]


def attackers_key(model: keras.Model, seed: int, number: int) -> bytes:
    """A key as long as the model needs one; no secret, so that a seed repeats it."""
    bits = max(keys.LEAST_BITS, *(layer.bits() for layer in keyed_layers(model)))
    return hashlib.shake_256(f"turtlenet attacker {seed} {number}".encode()).digest((bits + 7) // 8)


def twin(model: keras.Model, seed: int, key: bytes | None) -> keras.Model:
    """A model's architecture with fresh weights.

    Args:
        model: What to build again; nothing of its weights or its key is used, but for the statistics of the training
            data in `keras.layers.Normalization`, which whoever has the data knows.
        seed: Repeats the weights.
        key: That of its keyed layers; None leaves them out.

    Raises:
        ModelError: A model that Keras cannot build again layer by layer.
    """
    numbers = itertools.count()

    def made(layer: keras.layers.Layer) -> keras.layers.Layer:
        if not isinstance(layer, Keyed):
            return type(layer).from_config(layer.get_config())
        if key is None:
            return keras.layers.Identity(name=layer.name)
        salt = hashlib.sha256(b"turtlenet salt" + key + next(numbers).to_bytes(4)).digest()[:16]
        return type(layer).from_config({**layer.get_config(), "seal": keys.sealed(key, salt)})

    try:
        with _drawing(seed), uncompiled(model):
            found = keras.models.clone_model(model, clone_function=made, recursive=True)
    except (NotImplementedError, TypeError, ValueError, AttributeError) as error:
        reason = one_line(error, 160)
        raise ModelError(f"Expected a model that an attacker can build anew layer by layer; got: {reason}.") from None
    for mine, theirs in zip(_normalizing(found), _normalizing(model), strict=True):
        mine.set_weights(theirs.get_weights())
        # What it computes with is made of its weights, once.
        mine.finalize_state()
    compile_like(found, model)
    return found


def _normalizing(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers of a model that normalize by statistics, within nested models too."""
    layers = model._flatten_layers(include_self=False)
    return [layer for layer in layers if isinstance(layer, keras.layers.Normalization)]


def architecture(model: keras.Model) -> str:
    """A model's layers and their settings as one text, without what its key left there."""
    return json.dumps(_without_seals(model.get_config()), sort_keys=True, default=str)


def _without_seals(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _without_seals(each) for name, each in value.items() if name != "seal"}
    return [_without_seals(each) for each in value] if isinstance(value, list | tuple) else value


@contextmanager
def _drawing(seed: int) -> Iterator[None]:
    """Lets the layers that are made within draw their weights by a seed: Keras asks Python for theirs."""
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)
