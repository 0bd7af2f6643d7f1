"""Batches for `fit` in Keras's own form, for the frameworks that have none of their own."""

from typing import Any

import keras


class _Batches(keras.utils.PyDataset):
    """The batches of a source, from its own numbers."""

    def __init__(self, source: Any, count: int | None):
        super().__init__()
        self.source = source
        self.count = count

    @property
    def num_batches(self) -> int | None:
        """Keras's word for how many there are; None for no end."""
        return self.count

    def __getitem__(self, number: int) -> Any:
        return self.source[number]


def pipeline(source: Any, count: int | None) -> Any:
    """The batches `source[0]`, `source[1]`, ... for `fit`: `count` of them, or without an end."""
    return _Batches(source, count)
