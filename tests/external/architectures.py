"""What two packages load their weights into, by the shapes in their files; in Keras 3, or in another."""

from typing import Any

import keras

__all__ = ["deepcut", "textgenrnn"]


def deepcut(kit: Any = keras) -> Any:
    """The network of deepcut: n-grams of 21 characters and their types; does a word begin?"""
    layers = kit.layers
    letters, types = kit.Input((21,), name="input_1"), kit.Input((21,), name="input_2")
    x = layers.Embedding(178, 32, name="embedding_1")(letters)
    x = layers.BatchNormalization(name="batch_normalization_1")(x)
    found = []
    for window, filters in enumerate([200] * 8 + [150] * 3 + [100], 1):
        y = layers.Conv1D(filters, window, activation="relu", name=f"conv1d_{window}")(x)
        y = layers.TimeDistributed(layers.Dense(5, name=f"dense_{window}"), name=f"time_distributed_{window}")(y)
        found.append(layers.ZeroPadding1D((0, window - 1))(y))
    kinds = layers.Embedding(12, 12, name="embedding_2")(types)
    x = layers.Concatenate()([x, layers.Maximum()(found), kinds])
    x = layers.Flatten()(layers.BatchNormalization(name="batch_normalization_2")(x))
    x = layers.Dense(100, activation="relu", name="dense_13")(x)
    return kit.Model([letters, types], layers.Dense(1, activation="sigmoid", name="dense_14")(x))


def textgenrnn(kit: Any = keras) -> Any:
    """The network of textgenrnn: the next of 465 characters; two LSTMs, and attention over all that they say."""
    layers = kit.layers
    text = kit.Input((40,), name="input")
    x = layers.Embedding(465, 100, name="embedding")(text)
    first = layers.LSTM(128, return_sequences=True, name="rnn_1")(x)
    second = layers.LSTM(128, return_sequences=True, name="rnn_2")(first)
    said = layers.Concatenate(name="rnn_concat")([x, first, second])
    share = layers.Softmax(axis=1)(layers.Dense(1, use_bias=False, name="attention")(said))
    mean = layers.Flatten()(layers.Dot(axes=1)([share, said]))
    return kit.Model(text, layers.Dense(465, activation="softmax", name="output")(mean))
