"""Mean filter (FAdeML: Khalid et al., 2019; Li & Li, 2017)."""

from typing import Any

from turtlenet.defences.base import registered
from turtlenet.defences.filters.base import Windowed, box_mean


@registered("mean-filter")
class MeanFilter(Windowed):
    """Replaces each pixel by the mean of a window around it, channel by channel.

    Linear: an attacker takes its gradient as it is. Edges are as those of `median-filter`.

    Args:
        size: Side of the window, at least 2, at most the shortest side of the image; the papers use 2 and 3.
        **settings: `low`, `high`, and Keras's own.

    Raises:
        SettingError: A size out of its range, or rows of a table, which have no neighborhoods.
    """

    def filtered(self, x: Any) -> Any:
        return box_mean(x, self.size)
