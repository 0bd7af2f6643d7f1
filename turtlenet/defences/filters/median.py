"""Median filter (feature squeezing: Xu, Evans, Qi, 2018)."""

from typing import Any

from keras import ops

from turtlenet.defences.base import registered
from turtlenet.defences.filters.base import Windowed, box_mean, neighborhoods


@registered("median-filter")
class MedianFilter(Windowed):
    """Replaces each pixel by the median of a window around it, channel by channel.

    Of an even number of values the upper one of the two in the middle is taken, and edges are mirrored, as
    `scipy.ndimage.median_filter` does, which the authors' code calls. The layer's own gradient picks one pixel of each
    window and leaves out those that are never in the middle; an attacker takes that of the window's mean.

    Args:
        size: Side of the window, at least 2, at most the shortest side of the image; the paper uses 2 and 3.
        **settings: `low`, `high`, and Keras's own.

    Raises:
        SettingError: A size out of its range, or rows of a table, which have no neighborhoods.
    """

    adaptive = "that of the window's mean"

    def filtered(self, x: Any) -> Any:
        return median(x, self.size)

    def smooth(self, x: Any) -> Any:
        return box_mean(x, self.size)


def median(x: Any, size: int) -> Any:
    """The median of a window around each place of (batch, *sides, channels); its gradient is that of the one value."""
    windows = ops.sort(neighborhoods(x, size), axis=-2)
    return windows[..., windows.shape[-2] // 2, :]
