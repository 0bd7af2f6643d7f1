"""Other models to craft on: loaded once, and seen in the units of the model under attack."""

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

from keras import ops

from turtlenet import models
from turtlenet.classifier import Classifier
from turtlenet.errors import ModelError
from turtlenet.typing import Tensor

_kept: dict[str, tuple[Hashable, Classifier]] = {}


def source(path: str, head: str = "auto") -> Classifier:
    """The classifier of a model's file; loaded again only where the file has changed.

    Raises:
        ModelError: No model file, or none that can be attacked.
    """
    try:
        state = Path(path).stat()
    except OSError as error:
        raise ModelError(f"Expected a model to craft on at {path}; got: {error.strerror or error}.") from None
    place = str(Path(path).resolve())
    stamp = (state.st_mtime_ns, state.st_size, state.st_ino, head)
    if place not in _kept or _kept[place][0] != stamp:
        _kept[place] = (stamp, models.classifier(models.load(path, compile=False), head=head))
    return _kept[place][1]


class Surrogate(Classifier):
    """Other classifiers in the place of one: the mean of their logits, at images in its pixel range.

    Args:
        members: The others, for the same images and classes.
        stands_for: The one.
        same: Whether their pixel range is its, whatever they say.
    """

    def __init__(self, members: Sequence[Classifier], stands_for: Classifier, *, same: bool = False):
        vars(self).update(vars(stands_for))
        self._graphs, self._others = {}, {}
        self.same = same
        self.stands_for = stands_for
        how: dict[str, Any] = {"draws": stands_for.draws, "seed": stands_for.seed}
        self.members = [member.taking(stands_for.gradient, **how) for member in members]
        self.model = self.members[0].model

    def __call__(self, x: Tensor, *, training: bool = False) -> Tensor:
        """Gives float32 logits (batch, classes)."""
        logits = [member(self._in_units_of(member, x), training=training) for member in self.members]
        return logits[0] if len(logits) == 1 else ops.mean(ops.stack(logits), axis=0)

    def _in_units_of(self, member: Classifier, x: Tensor) -> Tensor:
        (low, high), (least, most) = self.bounds, member.bounds
        if self.same or (low, high) == (least, most):
            return x
        return least + (x - low) * ((most - least) / (high - low))

    @property
    def stochastic(self) -> bool:
        return any(member.stochastic for member in self.members)

    def taking(self, gradient: str = "", *, draws: int = 0, seed: int | None = None) -> Classifier:
        return Surrogate(self.members, self.stands_for.taking(gradient, draws=draws, seed=seed), same=self.same)

    @property
    def entrance(self) -> Any:
        alone = len(self.members) == 1 and (self.same or self.bounds == self.members[0].bounds)
        return self.members[0].entrance if alone else None

    def behind(self, layer: Any) -> Classifier:
        return Surrogate([self.members[0].behind(layer)], self.stands_for, same=True)
