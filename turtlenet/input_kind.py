"""What an input is, an image, a row of a table, a series or a volume, and the words for it and for its values.

Reports, doubts and messages take their nouns from here, so that nobody reads of the pixels of a table.
"""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["IMAGE", "KINDS", "SERIES", "TABLE", "VOLUME", "InputKind", "flat_image", "kind_named", "kind_of"]

_SIDE = 8
"""Fewer values on a side are no image, where nothing but a shape tells."""


@dataclass(frozen=True)
class InputKind:
    """A kind of input and its nouns.

    Attributes:
        name: `image`, `table`, `series` or `volume`.
        example, examples: One input, and several.
        value, values: One of its numbers, and several.

    >>> TABLE.count(1000), SERIES.count(1), IMAGE.value
    ('1,000 rows', '1 series', 'pixel')
    """

    name: str
    example: str
    examples: str
    value: str
    values: str

    @property
    def pictured(self) -> bool:
        """Whether it can be looked at: gray levels, PSNR, SSIM and pictures make sense."""
        return self.name == "image"

    def count(self, number: int) -> str:
        """So many inputs, as `1,000 rows`."""
        return f"{number:,} {self.example if number == 1 else self.examples}"


IMAGE = InputKind("image", "image", "images", "pixel", "pixels")
TABLE = InputKind("table", "row", "rows", "feature", "features")
SERIES = InputKind("series", "series", "series", "value", "values")
VOLUME = InputKind("volume", "volume", "volumes", "voxel", "voxels")
KINDS = {kind.name: kind for kind in (IMAGE, TABLE, SERIES, VOLUME)}


def kind_named(name: object) -> InputKind:
    """The kind of a name that a report has; an image where it has none, as reports of older versions."""
    return KINDS.get(str(name), IMAGE)


def kind_of(shape: Sequence[int]) -> InputKind:
    """The kind of inputs of which nothing but the shape is known.

    A vector as long as a square image of 8x8 or more, or as a square color image of 24x24, 32x32, ..., is a flat
    image; other vectors are rows of a table. Two axes are an image where they are as long as each other, else a series
    of steps. Three are an image, but for a cube. Four are a volume.

    Args:
        shape: Of an input, without the batch.

    >>> [kind_of(shape).name for shape in ((784,), (30,), (28, 28), (128, 9), (32, 32, 3), (16, 16, 16, 1))]
    ['image', 'table', 'image', 'series', 'image', 'volume']
    """
    sides = tuple(shape)
    if len(sides) == 1:
        return IMAGE if flat_image(sides[0]) else TABLE
    if len(sides) == 2:
        if 1 in sides:
            long = max(sides)
            return IMAGE if flat_image(long) else SERIES if sides[0] > 1 else TABLE
        return IMAGE if sides[0] == sides[1] >= _SIDE else SERIES
    if len(sides) == 3:
        return VOLUME if sides[0] == sides[1] == sides[2] >= _SIDE else IMAGE
    return VOLUME if sides else IMAGE


def flat_image(length: int) -> tuple[int, int] | None:
    """The side and the channels of the square image that a vector may be; None for one that is none.

    >>> flat_image(784), flat_image(3072), flat_image(30)
    ((28, 1), (32, 3), None)
    """
    for channels, least, step in ((3, 24, 8), (1, _SIDE, 1)):
        side = round((length / channels) ** 0.5)
        if side >= least and side % step == 0 and channels * side**2 == length:
            return side, channels
    return None
