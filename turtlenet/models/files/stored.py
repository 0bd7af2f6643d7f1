"""The arrays in an HDF5 file of a model, by layer, in the order in which Keras wrote them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from turtlenet.errors import ModelError

__all__ = ["Stored", "attribute_list", "layer_arrays"]

Stored = dict[str, list[tuple[str, Any]]]


@contextmanager
def layer_arrays(path: Path) -> Iterator[Stored]:
    """For each layer that has any, names and arrays (read when they are sliced), while the file is open.

    Raises:
        ModelError: A damaged file.
    """
    try:
        with h5py.File(path, "r") as file:
            yield _groups(file.get("model_weights", file), path)
    except (OSError, RuntimeError, KeyError) as error:
        raise ModelError(
            f"Expected a whole HDF5 file; {path} is damaged: {str(error).splitlines()[0][:150]}."
        ) from None


def _groups(root: h5py.Group, path: Path) -> Stored:
    found: Stored = {}
    for name in attribute_list(root, "layer_names"):
        group = root.get(name)
        if not isinstance(group, h5py.Group):
            raise ModelError(f"Expected arrays of layer {name!r} in {path}; there are none.")
        entries = [(each, group.get(each)) for each in attribute_list(group, "weight_names")]
        for each, array in entries:
            if not isinstance(array, h5py.Dataset) or array.dtype.kind not in "fiub":
                raise ModelError(f"Expected numbers in {each!r} of layer {name!r} in {path}; there are none.")
        if entries:
            found[name] = entries
    top = root.get("top_level_model_weights")
    if isinstance(top, h5py.Group) and attribute_list(top, "weight_names"):
        found["top_level_model_weights"] = [(each, top[each]) for each in attribute_list(top, "weight_names")]
    return found


def attribute_list(group: h5py.Group, name: str) -> list[str]:
    """A list of names in an attribute; one that is too long for HDF5 is split into name0, name1, ..."""
    keys = [name] if name in group.attrs else []
    while not (keys and keys[0] == name) and f"{name}{len(keys)}" in group.attrs:
        keys.append(f"{name}{len(keys)}")
    return [each.decode() if isinstance(each, bytes) else str(each) for key in keys for each in group.attrs[key]]
