"""Reads what a front's file says and holds: a Keras model of one `Front`, with facts beside it."""

import json
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from turtlenet.errors import ModelError, one_line
from turtlenet.files import hdf5

FACTS = "front"
"""Where a front's file says what it is."""
_PROVENANCE = "turtlenet_provenance"


@dataclass(frozen=True, eq=False)
class FrontFile:
    """A front in a file.

    Attributes:
        kind: The defence that it is: `magnet`.
        shape: Of one image.
        bounds: Smallest and largest value of a pixel.
        sizes: Of its network: `width`, and `latent` of a generator of images from noise.
        weights: Values of its network's weights.
    """

    kind: str
    shape: tuple[int, ...]
    bounds: tuple[float, float]
    sizes: dict[str, int]
    weights: tuple[np.ndarray, ...]


def read_front(path: str | PathLike[str]) -> FrontFile:
    """Reads a front; no code and no other file is looked at because it says so.

    Raises:
        ModelError: No such file, a damaged one, or one that is no front's.
    """
    other = f"Expected a front at {path}, made by turtlenet defence train; got"
    if not Path(path).is_file():
        raise ModelError(f"{other} no file.")
    if not h5py.is_hdf5(path):
        raise ModelError(f"{other} no HDF5 file.")
    with hdf5.opened(path) as file:
        try:
            facts = json.loads(file.attrs.get(_PROVENANCE, "{}")).get(FACTS)
            if not isinstance(facts, dict) or not _whole(facts):
                raise ModelError(f"{other} another file.")
            weights = tuple(_weights(file["model_weights"]))
        except ModelError:
            raise
        except Exception as error:  # Whatever h5py and JSON make of damaged bytes.
            reason = one_line(error, 120)
            raise ModelError(f"{other} a damaged one: {reason}.") from None
    if not all(value.dtype.kind == "f" and np.isfinite(value).all() for value in weights):
        raise ModelError(f"{other} weights that are no finite numbers.")
    low, high = map(float, facts["bounds"])
    return FrontFile(facts["kind"], tuple(facts["shape"]), (low, high), dict(facts["sizes"]), weights)


def _whole(facts: dict[str, Any]) -> bool:
    """Whether a file says everything that a layer must know."""
    shape, bounds, sizes = (facts.get(name) for name in ("shape", "bounds", "sizes"))
    return (
        isinstance(facts.get("kind"), str)
        and isinstance(shape, list)
        and bool(shape)
        and all(type(side) is int and side > 0 for side in shape)
        and isinstance(bounds, list)
        and len(bounds) == 2
        and all(type(end) in (int, float) for end in bounds)
        and isinstance(sizes, dict)
        and all(type(size) is int for size in sizes.values())
    )


def _weights(group: Any) -> Any:
    """The arrays in the order in which Keras writes and reads them."""
    for layer in group.attrs["layer_names"]:
        inner = group[_text(layer)]
        for name in inner.attrs["weight_names"]:
            yield inner[_text(name)][()]


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)
