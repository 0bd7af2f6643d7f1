"""Tells a description's generation of Keras by its words, where the file names no version."""

from typing import Any

from turtlenet.keras_files.legacy.rules import dicts

_OF_KERAS_1 = {"nb_filter", "border_mode", "dim_ordering", "output_dim", "input_dtype", "W_regularizer", "nb_feature"}


def generation(config: Any) -> int:
    """1, 2 or 3, by a word that only one of them used; 2 where there is none."""
    for node in dicts(config):
        words = set(node)
        # An Embedding has an `output_dim` in every Keras.
        if words & (_OF_KERAS_1 - ({"output_dim"} if "input_dim" in words else set())):
            return 1
        if str(node.get("module")).startswith("keras.src.engine"):
            # The last of Keras 2 were in `keras.src` already.
            return 2
        inside = "registered_name" in words and str(node.get("module")).startswith("keras.src")
        if "batch_shape" in words or inside:
            return 3
    return 2
