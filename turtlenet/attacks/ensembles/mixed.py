"""One of several attacks, drawn for each example or for each batch."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from keras import ops

from turtlenet import random
from turtlenet.attacks.base import Attack, attacks
from turtlenet.attacks.context import SearchResult
from turtlenet.attacks.ensembles.base import MARK, Combined, Member, built, texts
from turtlenet.attacks.goal import choose
from turtlenet.attacks.run.batch import Batch
from turtlenet.errors import SettingError
from turtlenet.ranges import one_of
from turtlenet.registry import split
from turtlenet.typing import Tensor

_DRAW = 0x313D


@attacks.register("mixed")
@dataclass(frozen=True, kw_only=True)
class Mixed(Combined):
    """Makes one of several attacks on each example: a pool to train against.

    To evaluate, `worst-of` makes them all and keeps the best.

    Args:
        attacks: Their specs with `;` between them.
        weights: How often each is drawn, numbers with `;` between them; alike if empty.
        drawn: `example`: each example draws its own; all attacks are made on all examples, and cost so much. `batch`:
            one for a whole batch, at the cost of one.
    """

    attacks: str | Sequence[Member] = "pgd;fgsm"
    weights: str = ""
    drawn: str = one_of("example", ("batch", "example"), of=" of mixed")

    training_settings: ClassVar[dict[str, Any]] = {"drawn": "batch"}

    def __post_init__(self) -> None:
        object.__setattr__(self, "attacks", texts(self.attacks, "attacks"))
        super().__post_init__()
        self._shares()

    @property
    def members(self) -> tuple[Attack, ...]:
        return tuple(built(spec.strip()) for spec in split(str(self.attacks), MARK))

    def rounds(self, num_classes: int) -> Iterator[tuple[Attack, int]]:
        yield self, 1

    def attempted(self, batch: Batch) -> SearchResult:
        searches = [functools.partial(self._search_by, self.told(member), batch) for member in self.members]
        ends = ops.convert_to_tensor(np.cumsum(self._shares())[:-1], "float32")
        draw = random.uniform(random.fold_in(batch.key, _DRAW), ())
        # With drawn=batch, the first example's draw decides for all.
        number = ops.sum(ops.cast(draw[:, None] >= ends[None, :], "int32"), axis=1)
        if self.drawn == "batch":
            x, gradients, queries = ops.switch(number[0], searches)
            return SearchResult(x, None, gradients, queries)
        results = [search() for search in searches]
        x = results[0][0]
        for place, (other, _, _) in enumerate(results[1:], 1):
            x = choose(number == place, other, x)
        return SearchResult(x, None, sum(each[1] for each in results), sum(each[2] for each in results))

    @staticmethod
    def _search_by(member: Attack, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Examples of one member and what they cost, in the same form whatever the member."""
        result = batch.by(member).all_attempts()
        nothing = ops.zeros_like(batch.y)
        costs = [nothing + ops.cast(each, "int32") for each in (result.gradients, result.queries)]
        return batch.within(result.x), *costs

    def _shares(self) -> np.ndarray:
        """The probability of each member."""
        count = len(self.members)
        words = [word.strip() for word in str(self.weights).split(MARK)] if self.weights != "" else ["1"] * count
        try:
            numbers = np.array([float(word) for word in words])
        except ValueError:
            numbers = np.empty(0)
        if len(numbers) != count or not (np.isfinite(numbers).all() and (numbers > 0).all()):
            raise SettingError(f"Expected {count} weights above 0 with {MARK!r} between them; got {self.weights!r}.")
        shares: np.ndarray = numbers / numbers.sum()
        return shares
