"""The arrays in an HDF5 file of a model, by layer, in the order in which Keras wrote them.

A file is only trusted with its own bytes: HDF5 can point into other files, and a small one can claim to be huge.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from turtlenet.errors import ModelError, TurtlenetError, an, one_line
from turtlenet.files import hdf5

Stored = dict[str, list[tuple[str, Any]]]

# Keras does not compress; who repacks a file gains little, but for zeros.
_ROOM, _EXPANSION = 1 << 28, 100


@contextmanager
def layer_arrays(path: Path) -> Iterator[Stored]:
    """For each layer that has any, names and arrays (read when they are sliced), while the file is open.

    Raises:
        ModelError: A damaged file, or one whose arrays are not its own.
    """
    try:
        with hdf5.opened(path) as file:
            check_whole(file, path)
            yield _groups(_root(file, path), path)
    except TurtlenetError:
        raise
    except Exception as error:  # Whatever h5py makes of damaged bytes.
        line = one_line(error, 150)
        raise ModelError(f"Expected a whole HDF5 file; {path} is damaged: {line}.") from None


def check_whole(file: h5py.File, path: Path) -> None:
    """Refuses a file that has its arrays in other files, or claims more numbers than its bytes can be.

    Raises:
        ModelError: Such a file.
    """
    if hdf5.is_known(path):
        # The process that looked at it first has asked the same.
        return
    claimed = 0

    def look(name: str, link: Any) -> str | None:
        """What is wrong; h5py stops there, while an exception would come out as another one."""
        nonlocal claimed
        if not isinstance(link, h5py.HardLink):
            return f"{name!r} in it is {an(type(link).__name__)}"
        item = file[name]
        if isinstance(item, h5py.Dataset):
            if item.external or item.is_virtual:
                return f"those of {name!r} lie in another file"
            claimed += _claimed(item)
        return None

    if wrong := file.visititems_links(look):
        raise ModelError(f"Expected arrays in {path} itself; {wrong}.")
    check_room(claimed, path)


def check_room(claimed: int, path: Path) -> None:
    """Refuses what would need far more memory than its file has bytes.

    Raises:
        ModelError: More than 256 MiB and a hundred times the file.
    """
    held = path.stat().st_size
    if claimed > _ROOM + _EXPANSION * held:
        raise ModelError(f"Expected at most {_EXPANSION} times the {held:,} bytes of {path}; it claims {claimed:,}.")


def _claimed(array: h5py.Dataset) -> int:
    return math.prod(array.shape or ()) * int(array.dtype.itemsize)


def _root(file: h5py.File, path: Path) -> h5py.Group:
    root = file.get("model_weights", file)
    if not isinstance(root, h5py.Group):
        raise ModelError(f"Expected the weights of layers in {path}; there are none.")
    return root


def _groups(root: h5py.Group, path: Path) -> Stored:
    layers: Stored = {}
    for name in attribute_list(root, "layer_names"):
        group = root.get(name)
        if not isinstance(group, h5py.Group) or name in layers:
            raise ModelError(f"Expected arrays of layer {name!r} in {path} once; there are none, or more.")
        if entries := _entries(group, name, path):
            layers[name] = entries
    top = root.get("top_level_model_weights")
    if isinstance(top, h5py.Group) and (entries := _entries(top, "top_level_model_weights", path)):
        layers["top_level_model_weights"] = entries
    # A name may stand in many lists.
    check_room(sum(_claimed(array) for entries in layers.values() for _, array in entries), path)
    return layers


def _entries(group: h5py.Group, name: str, path: Path) -> list[tuple[str, Any]]:
    entries = [(each, group.get(each)) for each in attribute_list(group, "weight_names")]
    for each, array in entries:
        if not isinstance(array, h5py.Dataset) or array.dtype.kind not in "fiub" or array.shape is None:
            raise ModelError(f"Expected numbers in {each!r} of layer {name!r} in {path}; there are none.")
    return entries


def attribute(group: h5py.Group, name: str) -> Any:
    """An attribute's value; None where there is none.

    Raises:
        ModelError: One that claims to be larger than any that Keras writes.
    """
    if name not in group.attrs:
        return None
    if math.prod(group.attrs.get_id(name).shape or ()) > 1_000_000:
        raise ModelError(f"Expected at most 1,000,000 entries in {name!r} of {group.file.filename}; it has more.")
    return group.attrs[name]


def attribute_list(group: h5py.Group, name: str) -> list[str]:
    """A list of names in an attribute; one that is too long for HDF5 is split into name0, name1, ..."""
    keys = [name] if name in group.attrs else []
    while not (keys and keys[0] == name) and f"{name}{len(keys)}" in group.attrs:
        keys.append(f"{name}{len(keys)}")
    lists = [attribute(group, key) for key in keys]
    if any(getattr(each, "ndim", 0) != 1 for each in lists):
        raise ModelError(f"Expected a list of names in {name!r} of {group.file.filename}; got another thing.")
    return [
        each.decode("utf-8", "replace") if isinstance(each, bytes) else str(each) for some in lists for each in some
    ]
