"""Names and paths, brought to images and labels in known bounds."""

from turtlenet.data.dataset import Data, assemble
from turtlenet.data.examples import Examples, from_arrays
from turtlenet.data.given import TAKEN, are_two_parts, parts_of
from turtlenet.data.load import load, names
from turtlenet.data.named import datasets

__all__ = [
    "TAKEN",
    "Data",
    "Examples",
    "are_two_parts",
    "assemble",
    "datasets",
    "from_arrays",
    "load",
    "names",
    "parts_of",
]
