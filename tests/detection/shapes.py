"""A detector of one's own that looks at something else than the uncertainty, as a package would write it."""

from dataclasses import dataclass
from typing import Any

from keras import ops

from turtlenet.detection import Thresholded


@dataclass(frozen=True, kw_only=True)
class Doubtful(Thresholded):
    """How far the largest probability is from 1."""

    def statistics(self, model: Any, x: Any, logits: Any) -> Any:
        return 1.0 - ops.max(ops.softmax(model.mean(logits), axis=-1), axis=-1)
