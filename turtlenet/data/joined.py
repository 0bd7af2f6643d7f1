"""Two parts of a data set as one, read only when they are asked for."""

import numpy as np

from turtlenet.data.examples import Examples


def joined(first: Examples, second: Examples, name: str) -> Examples:
    """The examples of two parts that agree on shape, classes and bounds, one part after the other."""
    return Examples(
        _Both(first, second),
        np.concatenate([first.labels, second.labels]),
        name=name,
        shape=first.shape,
        num_classes=max(first.num_classes, second.num_classes),
        bounds=first.bounds,
        question=first.question,
        about=first.about,
    )


class _Both:
    """The images of two parts as one float32 array `(N, *shape)`, within the bounds already."""

    dtype = np.dtype(np.float32)

    def __init__(self, first: Examples, second: Examples):
        self._parts = (first, second)
        self.shape = (len(first) + len(second), *first.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: slice | np.ndarray) -> np.ndarray:
        rows = np.arange(len(self))[index]
        first, second = self._parts
        early = rows < len(first)
        out = np.empty((len(rows), *self.shape[1:]), "float32")
        for part, mine, offset in ((first, early, 0), (second, ~early, len(first))):
            if mine.any():
                out[mine] = part.batch(rows[mine] - offset)[0]
        return out
