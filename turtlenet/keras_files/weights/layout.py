"""Where the arrays of a `.keras` archive lie: by paths that each Keras made in its own way.

A path leads from the model through the attributes that hold something (`layers`, `cell`) to the `vars` of one layer;
in a list of layers, each goes by its class and a number. Keras 3 reads the paths that it would write itself. Keras
2.13 and 2.14 said `_layer_checkpoint_dependencies` for `layers`, and 2.13 counted each layer with weights twice
(`dense`, `dense_2`); a class may have had another name; and on Windows a path was joined with backslashes.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import keras
from keras.src.utils.naming import to_snake_case

from turtlenet.errors import ModelError
from turtlenet.files import hdf5
from turtlenet.keras_files.legacy.upgrade import Upgraded
from turtlenet.keras_files.weights.hdf5_arrays import check_whole

Path_ = tuple[str, ...]

_OLD_LIST = "_layer_checkpoint_dependencies"
_LISTS = ("layers", _OLD_LIST)
# Attributes of a model whose arrays are no weights.
_ASIDE = frozenset(("optimizer", "metrics", "seed_generator", "_seed_generators", "state_tracker"))
_WRAPPED = {"TimeDistributed": ("layer",), "Bidirectional": ("forward_layer", "backward_layer")}


def is_foreign(file: Path, major: int) -> bool:
    """Whether Keras 3 would look for the arrays in other places than where a file of weights has them."""
    with hdf5.opened(file) as opened:
        return major == 2 or _OLD_LIST in opened or any("\\" in name for name in opened)


def held(file: Path, model: keras.Model) -> int:
    """How many numbers the weights in a file are: what an optimizer, a metric or a random generator keeps is aside.

    Args:
        file: An HDF5 file of weights in any of the layouts.
        model: The model, whose layers may keep metrics under names of their own.

    Raises:
        ModelError: A file that points into others, or that claims more than its bytes can be.
    """
    aside = _ASIDE | {
        name
        for layer in model._flatten_layers()
        for name, value in vars(layer).items()
        if isinstance(value, keras.metrics.Metric)
    }
    with hdf5.opened(file) as opened:
        check_whole(opened, file)
        return sum(
            _numbers(array)
            for path, group in _groups(opened).items()
            if not _is_aside(path, aside)
            for array in group.values()
        )


def rewrite(file: Path, model: keras.Model, upgraded: Upgraded, target: Path, *, old: bool) -> None:
    """Writes the weights in a file again, each where Keras 3 looks for it in a model.

    Args:
        file: An HDF5 file of weights in any of the layouts.
        model: The Keras 3 model that they are for.
        upgraded: How its description came about.
        target: The file to write.
        old: Whether Keras 2 wrote the file, whose numbers are to be told anew.

    Raises:
        ModelError: Two arrays that would come to lie in one place.
    """
    with hdf5.opened(file) as source, h5py.File(target, "w") as new:
        groups = _groups(source)
        places = dict(_placed(model, (), (), (), list(groups), upgraded, set())) if old else {}
        seen: set[Path_] = set()
        for path, group in groups.items():
            place = _place(path, places)
            if place in seen:
                raise ModelError(f"Expected weights of {'/'.join(path)} in one place; there are two.")
            seen.add(place)
            made = new.create_group("/".join((*place, "vars")))
            for name in group:
                source.copy(group[name], made, name)


def _groups(file: h5py.File) -> dict[Path_, h5py.Group]:
    """Each group of arrays by its path, however that was joined."""
    groups: dict[Path_, h5py.Group] = {}

    def look(name: str, item: Any) -> None:
        parts = tuple(part for part in re.split(r"[/\\]", name) if part)
        if isinstance(item, h5py.Group) and parts and parts[-1] == "vars":
            groups[parts[:-1]] = item

    file.visititems(look)
    return groups


def _numbers(array: Any) -> int:
    if not isinstance(array, h5py.Dataset):
        return 0
    # HDF5 knows of bfloat16 that it has two bytes.
    return math.prod(array.shape or ()) if array.dtype.kind in "fiub" or array.dtype.str == "|V2" else 0


def _is_aside(path: Path_, aside: Iterable[str]) -> bool:
    """Whether a path leads through an attribute that holds no weights; in a list, the same word is a class."""
    return any(part in aside and (i == 0 or path[i - 1] not in _LISTS) for i, part in enumerate(path))


def _place(path: Path_, places: Mapping[Path_, Path_]) -> Path_:
    """Where a path leads in Keras 3: the longest beginning that is known decides."""
    for length in range(len(path), 0, -1):
        if path[:length] in places:
            return places[path[:length]] + path[length:]
    return tuple("layers" if part == _OLD_LIST else part for part in path)


def _placed(
    model: Any, names: Path_, old: Path_, new: Path_, paths: list[Path_], upgraded: Upgraded, seen: set[int]
) -> Iterator[tuple[Path_, Path_]]:
    """The old and the new path of each layer that a model lists, and of those in it.

    Args:
        model: The model, at the old path `old` and the new path `new`; its `names` lead there from the outermost.
        paths: All paths in the file.
        seen: Layers that have had their turn: arrays of a shared layer lie where it is met first.
    """
    listed = next((name for name in _LISTS if any(path[: len(old) + 1] == (*old, name) for path in paths)), None)
    if listed is None:
        return
    here = {
        path[len(old) + 1] for path in paths if path[: len(old) + 1] == (*old, listed) and len(path) > len(old) + 1
    }
    kinds = [type(each).__name__ for each in model.layers]
    # Keras 3 counts a layer here that it has met elsewhere; Keras 2 has no group for it.
    places = {_old_name(each, upgraded): name for each, name in zip(model.layers, _by_class(kinds), strict=True)}
    fresh = {_old_name(each, upgraded) for each in model.layers if id(each) not in seen}
    listing = [(name, kind) for name, kind in _written(model, names, upgraded) if name in fresh]
    taken = dict(zip([name for name, _ in listing], _in_file([kind for _, kind in listing], here), strict=True))
    for layer in model.layers:
        name = _old_name(layer, upgraded)
        group = taken.get(name)
        if group is None or id(layer) in seen:
            continue
        seen.add(id(layer))
        before, after = (*old, listed, group), (*new, "layers", places[name])
        yield before, after
        yield from _within(layer, (*names, name), before, after, paths, upgraded, seen)


def _within(
    layer: Any, names: Path_, old: Path_, new: Path_, paths: list[Path_], upgraded: Upgraded, seen: set[int]
) -> Iterator[tuple[Path_, Path_]]:
    """Old and new paths of the layers within a layer: a model, or a model that a layer wraps."""
    if isinstance(layer, keras.Model):
        yield from _placed(layer, names, old, new, paths, upgraded, seen)
    for attribute in _WRAPPED.get(type(layer).__name__, ()):
        inner = getattr(layer, attribute, None)
        if inner is not None and id(inner) not in seen:
            seen.add(id(inner))
            inside = (*names, _old_name(inner, upgraded))
            yield from _within(inner, inside, (*old, attribute), (*new, attribute), paths, upgraded, seen)


def _written(model: Any, names: Path_, upgraded: Upgraded) -> list[tuple[str, str]]:
    """Name and class of each layer of a model, in the order and in the words of the file."""
    saved = [
        (path[-1], str(layer.get("class_name")).rpartition(">")[2])
        for path, layer in upgraded.written.items()
        if path[:-1] == names
    ]
    return saved or [(_old_name(layer, upgraded), type(layer).__name__) for layer in model.layers]


def _old_name(layer: Any, upgraded: Upgraded) -> str:
    return upgraded.renamed.get(layer.name, layer.name)


def _by_class(kinds: Iterable[str]) -> Iterator[str]:
    """What Keras 3 calls each layer of a list."""
    used: dict[str, int] = {}
    for kind in map(to_snake_case, kinds):
        used[kind] = used.get(kind, -1) + 1
        yield f"{kind}_{used[kind]}" if used[kind] else kind


def _in_file(kinds: list[str], here: set[str]) -> list[str | None]:
    """What the file calls each layer of a list: the numbers of a class go up, by one or by two.

    None where the file has another number of groups for a class than the model has layers.
    """
    names: list[str | None] = [None] * len(kinds)
    for kind in set(kinds):
        spots = [i for i, each in enumerate(kinds) if each == kind]
        base = to_snake_case(kind)
        base = f"private{base}" if base.startswith("_") else base
        groups = sorted((name for name in here if re.fullmatch(rf"{re.escape(base)}(_\d+)?", name)), key=_number)
        if len(groups) == len(spots):
            for spot, name in zip(spots, groups, strict=True):
                names[spot] = name
    return names


def _number(name: str) -> int:
    match = re.search(r"_(\d+)$", name)
    return int(match[1]) if match else 0
