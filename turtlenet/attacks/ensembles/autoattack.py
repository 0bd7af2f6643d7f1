"""AutoAttack: the ensemble that the field trusts."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import SearchResult
from turtlenet.attacks.goal import Goal
from turtlenet.attacks.gradient_based.apgd import APGD
from turtlenet.attacks.minimum_norm.fab import FAB
from turtlenet.attacks.score_based.square import Square
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.ranges import count, one_of
from turtlenet.typing import Keys, Tensor


@attacks.register("autoattack")
@dataclass(frozen=True, kw_only=True)
class AutoAttack(Attack):
    """AutoAttack (Croce & Hein, 2020): four attacks without a setting to tune, each on what survived those before.

    `standard` is APGD on the cross-entropy, APGD towards nine classes, FAB towards nine classes, and Square with 5,000
    queries; `plus` has five restarts, and APGD on the ratio and FAB without a target besides; `rand` is APGD on both
    losses with gradients that are means of 20 draws, for models that draw random numbers. With fewer than four classes
    the targeted ratio does not exist, and with fewer than three none: the margin takes its place, where the authors'
    code has no answer.

    In L1 (Croce & Hein, 2021) `standard` and `plus` begin APGD in wider balls, and `standard` makes five attempts on
    the cross-entropy and goes towards five classes.

    Args:
        version: `standard`, `plus` or `rand`.
        steps: Steps of APGD and FAB.
        queries: Queries of Square.
        early_stop: Leaves an example alone once its goal is reached: the verdict is the same, the cost is less.
    """

    version: str = one_of("standard", ("standard", "plus", "rand"))
    steps: int = count(100, low=1, high=MOST)
    queries: int = count(5000, low=1, high=MOST)
    early_stop: bool = True

    norms: ClassVar[tuple[str, ...]] = ("linf", "l2", "l1")

    @property
    def family(self) -> str:
        return "ensemble"

    @property
    def judged_by(self) -> str:
        return "margin"

    def attempts(self, num_classes: int) -> int:
        return sum(attempts for _, attempts in self.rounds(num_classes))

    def under(self, norm: str) -> "AutoAttack":
        return dataclasses.replace(self, norm=self.norm or norm)

    def rounds(self, num_classes: int) -> Iterator[tuple[Attack, int]]:
        for part in self._parts(num_classes):
            yield from part.rounds(num_classes)

    def search(self, model: Classifier, x: Tensor, goal: Goal, *, ball: Ball, key: Keys) -> SearchResult:
        raise NotImplementedError("Expected the parts to search; see `rounds`.")

    def _parts(self, num_classes: int) -> list[Attack]:
        shared: dict[str, Any] = {"gradient": self.gradient, "early_stop": self.early_stop}
        ascent = shared | {"steps": self.steps}
        ratio = "dlr" if num_classes >= (4 if self.target else 3) else "margin"
        aimed = "dlr" if num_classes >= 4 else "margin"
        sparse = self.norm == "l1" and self.version == "standard"
        # A target of one's own takes the place of the nine likeliest classes.
        likeliest = self.target or "top9"
        draws = 20 if self.version == "rand" else 0
        restarts = 5 if self.version == "plus" or sparse else 1
        climb: dict[str, Any] = {**ascent, "shrinking": self.version != "rand"}
        entropy = APGD(target=self.target, draws=draws, restarts=restarts, **climb)
        by_ratio = APGD(target=self.target, draws=draws, restarts=restarts, loss=ratio, **climb)
        if self.version == "rand":
            return [entropy, by_ratio]
        towards = APGD(target="top5" if sparse and not self.target else likeliest, loss=aimed, **climb)
        boundary = FAB(target=likeliest, final_steps=0, **ascent)
        # The squares shrink as they would over 10,000 queries, as in the authors' code.
        squares = Square(target=self.target, queries=self.queries, rescale=False, **shared)
        if self.version == "standard":
            return [entropy, towards, boundary, squares]
        nearest = FAB(target=self.target, restarts=restarts, final_steps=0, **ascent)
        return [entropy, by_ratio, nearest, squares, towards, boundary]
