"""Which backend wrote a file of Keras 1 or 2, by the names of its weights.

A variable of TensorFlow is called `convolution2d_1_W:0`, one of Theano or CNTK `convolution2d_1_W`. Keras 1 writes
down nothing else that tells them apart, and their convolutions are each other's mirror image.
"""

import re
from collections.abc import Sequence

import h5py

from turtlenet.keras_files.weights.hdf5_arrays import attribute_list

TENSORFLOW, THEANO, MIXED = "tensorflow", "theano", "mixed"
_WORDS = {
    TENSORFLOW: "end in ':0', as TensorFlow's do",
    THEANO: "do not end in ':0', as TensorFlow's do and Theano's do not",
    MIXED: "end in ':0' in part, as TensorFlow's do and Theano's do not",
}


def backend_by_names(names: Sequence[str]) -> str | None:
    """`tensorflow`, `theano` or `mixed`; None where there are no names.

    Args:
        names: The names of all weights in a file of Keras 1 or 2.
    """
    ends = {re.search(r":\d+$", name) is not None for name in names}
    if not ends:
        return None
    return MIXED if len(ends) == 2 else TENSORFLOW if True in ends else THEANO


def names_in(file: h5py.File) -> list[str]:
    """The names of the weights in a file of Keras 1 or 2, with or without a model."""
    root = file.get("model_weights", file)
    if not isinstance(root, h5py.Group):
        return []
    groups = (root.get(name) for name in attribute_list(root, "layer_names"))
    return [
        name for group in groups if isinstance(group, h5py.Group) for name in attribute_list(group, "weight_names")
    ]


def contradiction(told: str | None, by_names: str | None) -> str | None:
    """In a line, what the names of the weights say against the backend that a file or a user names; None if nothing.

    Args:
        told: The backend that was named.
        by_names: What `backend_by_names` gives.
    """
    if (
        told not in (TENSORFLOW, THEANO, "cntk")
        or by_names is None
        or (told == TENSORFLOW) is (by_names == TENSORFLOW)
    ):
        return None
    if by_names == THEANO and told == "cntk":
        return None
    return (
        f"The backend is said to be {told}, while the names of the weights {_WORDS[by_names]}: the weights are taken "
        f"as {told} writes them. If another backend wrote them, convolutions compute something else."
    )
