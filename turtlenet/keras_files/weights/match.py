"""Finds the variable of every array in a file, and the array of every variable; refuses where one is left over.

An HDF5 file lists the arrays of each top-level layer, those of a nested model in one flat list: the trainable ones
first, or layer by layer. Where the names in the list tell the layer, they decide; else the order in which everything
fits.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from turtlenet.errors import ModelError
from turtlenet.keras_files.legacy.arrays import convert
from turtlenet.keras_files.legacy.keras_version import KerasVersion
from turtlenet.keras_files.legacy.upgrade import Upgraded
from turtlenet.keras_files.weights.hdf5_arrays import Stored

Pair = tuple[Any, Any]
Entries = Sequence[tuple[str, Any]]

# What a name in a file says that its array is, and what Keras 3 calls it.
_MEANINGS = {
    "kernel": "kernel",
    "bias": "bias",
    "gamma": "gamma",
    "beta": "beta",
    "moving_mean": "moving_mean",
    "moving_variance": "moving_variance",
    "running_mean": "moving_mean",
    "running_std": "moving_variance",
    "recurrent_kernel": "recurrent_kernel",
    "depthwise_kernel": "depthwise_kernel",
    "pointwise_kernel": "pointwise_kernel",
    "embeddings": "embeddings",
    "mean": "mean",
    "variance": "variance",
    "count": "count",
}
# How many arrays Keras 1 wrote for one layer: gate by gate.
_GATES = {"LSTM": 12, "ConvLSTM2D": 12, "GRU": 9, "SimpleRNN": 3}


@dataclass
class _Leaf:
    """A layer that holds variables itself, where it stands, and how many arrays its file has for it."""

    layer: Any
    path: tuple[str, ...]
    written: dict[str, Any]
    trainable: int
    others: int


def by_name(model: keras.Model, stored: Stored, upgraded: Upgraded, era: KerasVersion) -> list[Pair]:
    """Pairs each variable of a model with its array, top-level layers by their names.

    Raises:
        ModelError: An array without a variable, a variable without an array, or two that do not fit.
    """
    layers = dict(_units(model, (), stored, upgraded))
    named = {upgraded.renamed.get(path[-1], path[-1]): (path, layer) for path, layer in layers.items()}
    named = _with_lost_names(named, stored, upgraded)
    if lost := [name for name in stored if name not in named]:
        raise ModelError(f"Expected a layer for all arrays; {_some(lost)} in the file has none in the model.")
    if bare := [name for name, (_, layer) in named.items() if layer.weights and name not in stored]:
        raise ModelError(f"Expected arrays for all layers; the file has none for {_some(bare)}.")
    pairs = []
    for name, (path, layer) in named.items():
        if layer.weights or name in stored:
            pairs += _layer(layer, stored.get(name, []), path, upgraded, era)
    return pairs


def _units(model: Any, path: tuple[str, ...], stored: Stored, upgraded: Upgraded) -> Iterator[tuple[Any, Any]]:
    """The layers whose arrays a file lists together, by their paths: those of the model.

    Where Keras 1 merged branches at the beginning of a `Sequential`, it listed the layers of the branches each alone.
    """
    for layer in model.layers:
        own = upgraded.renamed.get(layer.name, layer.name)
        inner = isinstance(layer, keras.Model) and layer.name not in upgraded.nameless
        if inner and layer.weights and own not in stored:
            yield from _units(layer, (*path, layer.name), stored, upgraded)
        else:
            yield (*path, layer.name), layer


def _with_lost_names(named: dict[str, Any], stored: Stored, upgraded: Upgraded) -> dict[str, Any]:
    """Calls models whose names are in the list of weights only by these, one after the other."""
    lost = [name for name in stored if name not in named]
    nameless = [name for name, (_, layer) in named.items() if name in upgraded.nameless and layer.weights]
    if len(lost) != len(nameless):
        return named
    renamed = dict(zip(nameless, lost, strict=True))
    return {renamed.get(name, name): unit for name, unit in named.items()}


def by_order(model: keras.Model, stored: Stored, upgraded: Upgraded, era: KerasVersion) -> list[Pair]:
    """Pairs layers with groups of arrays in their order, as Keras does with a file of weights only.

    Raises:
        ModelError: Another number of layers, or arrays that do not fit.
    """
    layers = [layer for layer in model.layers if layer.weights]
    if len(layers) != len(stored):
        raise ModelError(f"Expected arrays for {len(layers)} layers; the file has them for {len(stored)}.")
    pairs = []
    for layer, entries in zip(layers, stored.values(), strict=True):
        pairs += _layer(layer, entries, (layer.name,), upgraded, era)
    return pairs


def _layer(layer: Any, entries: Entries, path: tuple[str, ...], upgraded: Upgraded, era: KerasVersion) -> list[Pair]:
    leaves = list(_leaves(layer, path, upgraded, era, set()))
    expected = sum(leaf.trainable + leaf.others for leaf in leaves)
    if expected != len(entries):
        raise ModelError(f"Expected {expected} arrays for layer {path[0]!r}; the file has {len(entries)}.")
    if len(leaves) == 1:
        return _fitted(leaves[0], entries, era)
    refusal: ModelError | None = None
    for shares in (_by_names(leaves, entries), _trainable_first(leaves, entries), _one_by_one(leaves, entries)):
        if shares is None:
            continue
        try:
            return [pair for leaf, share in zip(leaves, shares, strict=True) for pair in _fitted(leaf, share, era)]
        except ModelError as error:
            refusal = refusal or error
    raise refusal or ModelError(f"Expected arrays that fit layer {path[0]!r}; these do not.")


def _leaves(
    layer: Any, path: tuple[str, ...], upgraded: Upgraded, era: KerasVersion, seen: set[int]
) -> Iterator[_Leaf]:
    if id(layer) in seen:
        return
    seen.add(id(layer))
    for inner in _inside(layer):
        yield from _leaves(inner, (*path, inner.name), upgraded, era, seen)
    if _inside(layer) or not layer.weights:
        return
    written = _written(path, upgraded)
    gates = _gates(written) if era.major == 1 else None
    trainable, others = len(layer.trainable_weights), len(layer.non_trainable_weights)
    if gates:
        trainable, others = (gates, 0) if trainable else (0, gates)
    yield _Leaf(layer, path, written, trainable, others)


def _gates(written: dict[str, Any]) -> int | None:
    """How many arrays Keras 1 wrote for a recurrent layer: joined where it was to compute all gates at once."""
    name = written.get("class_name", "")
    joined = name in ("LSTM", "GRU") and written.get("config", {}).get("consume_less") == "gpu"
    return 3 if joined else _GATES.get(name)


def _inside(layer: Any) -> list[Any]:
    """The layers that a layer is made of, where the file lists their arrays one layer behind the other."""
    if isinstance(layer, keras.Model):
        return list(layer.layers)
    if isinstance(layer, keras.layers.Bidirectional):
        return [layer.forward_layer, layer.backward_layer]
    if isinstance(layer, keras.layers.TimeDistributed):
        return [layer.layer]
    return []


def _written(path: tuple[str, ...], upgraded: Upgraded) -> dict[str, Any]:
    """What the file says of a layer; `Bidirectional` renames what is in it."""
    own = tuple(upgraded.renamed.get(name, name) for name in path)
    for key in (path, own):
        if key in upgraded.written:
            return upgraded.written[key]
    parents = [value for key, value in upgraded.written.items() if key[:-1] in (path[:-1], own[:-1])]
    return parents[0] if len(parents) == 1 else {}


def _by_names(leaves: list[_Leaf], entries: Entries) -> list[Entries] | None:
    """Each leaf's share where the path in an array's name tells the leaf; None where that does not come out even."""
    shares: list[list[tuple[str, Any]]] = [[] for _ in leaves]
    for entry in entries:
        parts = entry[0].split("/")[:-1]
        fits = [place for place, leaf in enumerate(leaves) if leaf.path[-1] in parts]
        if len(fits) > 1:
            deep = [place for place in fits if parts[-len(leaves[place].path) + 1 :] == list(leaves[place].path[1:])]
            fits = deep or fits
        if len(fits) != 1:
            return None
        shares[fits[0]].append(entry)
    even = all(len(share) == leaf.trainable + leaf.others for leaf, share in zip(leaves, shares, strict=True))
    return list(shares) if even else None


def _trainable_first(leaves: list[_Leaf], entries: Entries) -> list[Entries]:
    rest = iter(entries)
    shares = [[next(rest) for _ in range(leaf.trainable)] for leaf in leaves]
    for share, leaf in zip(shares, leaves, strict=True):
        share += [next(rest) for _ in range(leaf.others)]
    return list(shares)


def _one_by_one(leaves: list[_Leaf], entries: Entries) -> list[Entries]:
    rest = iter(entries)
    return [[next(rest) for _ in range(leaf.trainable + leaf.others)] for leaf in leaves]


def _fitted(leaf: _Leaf, entries: Entries, era: KerasVersion) -> list[Pair]:
    """Each variable of a leaf with its array, brought to the form of Keras 3."""
    variables = [*leaf.layer.trainable_weights, *leaf.layer.non_trainable_weights]
    shapes = [tuple(variable.shape) for variable in variables]
    arrays = [array for _, array in entries]
    if era.major < 3:
        # A dataset is read only where the era's order or form may differ.
        kind, config = leaf.written.get("class_name", type(leaf.layer).__name__), leaf.written.get("config", {})
        given = [np.asarray(array) for array in arrays] if _converts(kind, era) else arrays
        converted = convert(kind, config, given, era, shapes)
        changed = len(converted) != len(given) or any(
            new is not old for new, old in zip(converted, given, strict=False)
        )
        arrays = list(converted)
        if changed:
            return _paired(leaf, variables, arrays)
    meanings = _meanings([name for name, _ in entries])
    wanted = _meanings([variable.name for variable in variables])
    if meanings != wanted and None not in meanings and len(set(meanings)) == len(meanings):
        if set(meanings) != set(wanted):
            raise ModelError(
                f"Expected {_some([str(each) for each in wanted])} for layer {leaf.path[-1]!r}; "
                f"the file has {_some([str(each) for each in meanings])}."
            )
        arrays = [arrays[meanings.index(each)] for each in wanted]
    return _paired(leaf, variables, arrays)


def _converts(kind: str, era: KerasVersion) -> bool:
    return era.major == 1 or era.backend == "theano" or kind.startswith("CuDNN") or kind in ("LSTM", "GRU")


def _paired(leaf: _Leaf, variables: list[Any], arrays: list[Any]) -> list[Pair]:
    if len(arrays) != len(variables):
        raise ModelError(f"Expected {len(variables)} arrays for layer {leaf.path[-1]!r}; the file has {len(arrays)}.")
    for variable, array in zip(variables, arrays, strict=True):
        if tuple(variable.shape) != tuple(array.shape):
            raise ModelError(
                f"Expected shape {tuple(variable.shape)} for {variable.name!r} of layer {leaf.path[-1]!r}; "
                f"the file has {tuple(array.shape)}."
            )
    return list(zip(variables, arrays, strict=True))


def _meanings(names: Sequence[str]) -> list[str | None]:
    meanings = [_meaning(name) for name in names]
    if "pointwise_kernel" in meanings:
        return meanings
    # Keras 3 calls the one kernel of a depthwise convolution plainly so.
    return ["kernel" if each == "depthwise_kernel" else each for each in meanings]


def _meaning(name: str) -> str | None:
    """What an array is, by the end of its name; None where that is not known."""
    plain = name.rpartition("/")[2].partition(":")[0]
    if plain in _MEANINGS:
        return _MEANINGS[plain]
    # Keras 2 counts a name up where it stands twice in a graph.
    return _MEANINGS.get(plain.rstrip("0123456789").rstrip("_"))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(repr(name) for name in names[:3]) + more
