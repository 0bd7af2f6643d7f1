"""The smallest pieces of a suite that can be run, or left out, one by one."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from turtlenet.attacks import APGD, MALT, Attack, Square
from turtlenet.attacks.goal import is_sweep
from turtlenet.attacks.run.runner import AttemptRange
from turtlenet.errors import SettingError
from turtlenet.evaluation.attack_rounds import BLIND
from turtlenet.evaluation.per_image_results import BY_IMAGE, PerImageResults
from turtlenet.evaluation.planner.choice import Known
from turtlenet.training.run.cost import input_gradients

MOST = 20
"""Pieces that the attempts of one round are cut into."""
_PREFIXES = (0.1, 0.3)
"""Shares of the queries of Square that are pieces too: what it finds, it often finds early."""
_CANDIDATES = 20
"""Likeliest wrong classes whose distance is told, for a gradient each."""
_OVERHEAD = 2
"""Passes that every attempt takes to make sure of what it found."""


@dataclass(frozen=True)
class Unit:
    """Some attempts of one round of an attack, or the first queries of one.

    Attributes:
        attack: What is run.
        number: Place in the suite of the attack that it is a part of.
        round: Number of that attack's round.
        span: Which attempts.
        whole: Of the first queries of a unit, the place of that unit among all; None for a whole one.
    """

    attack: Attack
    number: int
    round: int
    span: AttemptRange
    whole: int | None = None

    @property
    def title(self) -> str:
        """What it is, for people."""
        first, last, count = self.span
        if count == 1:
            return str(self.attack)
        which = f"attempt {last}" if last - first == 1 else f"attempts {first + 1} to {last}"
        return f"{self.attack} ({which} of {count})"

    @property
    def blind(self) -> bool:
        """Whether it does without the gradient of the model under attack."""
        return self.attack.family in (*BLIND, "random")

    def price(self, norm: str, num_classes: int) -> float:
        """Gradients and queries for an image, about and at most, before anything was measured."""
        first, last, count = self.span
        if self.blind:
            each = float(getattr(self.attack, "queries", 0) or getattr(self.attack, "draws", 1))
        else:
            each = 1 + input_gradients(self.attack, norm, num_classes) / max(1, self.attack.attempts(num_classes))
            # The smallest perturbation is looked at again on the way back.
            each *= 2 if self.attack.minimal else 1
        return (last - first) * (each + _OVERHEAD)

    def shortened(self, most: float, price: float) -> "Unit | None":
        """One with fewer steps or queries, that costs at most so much; None where there is none."""
        name = "queries" if self.blind else "steps"
        now = getattr(self.attack, name, 0)
        fewer = int(now * (most - _OVERHEAD - 2) / price)
        if not now or fewer < 1:
            return None
        return dataclasses.replace(self, attack=dataclasses.replace(self.attack, **{name: fewer}))  # type: ignore[arg-type]


def units_of(attacks: Sequence[Attack], norm: str, num_classes: int) -> tuple[Unit, ...]:
    """All units of a suite, in its order.

    Args:
        attacks: The suite.
        norm: Of the threat.
        num_classes: Classes that the model tells apart.
    """
    units: list[Unit] = []
    for number, attack in enumerate(attacks):
        for place, (given, count) in enumerate(attack.under(norm).rounds(num_classes)):
            part = nearest_first(given)
            ends = np.linspace(0, count, min(count, MOST) + 1).round().astype(int).tolist()
            for first, last in zip(ends, ends[1:], strict=False):
                shorter = _prefixes(part) if count == 1 else []
                span, whole = AttemptRange(first, last, count), len(units) + len(shorter)
                units += [Unit(each, number, place, span, whole) for each in shorter]
                units.append(Unit(part, number, place, span))
    return tuple(units)


def nearest_first(attack: Attack) -> Attack:
    """The same attempts in a better order: `apgd-t` towards the nearest classes first, as MALT takes them.

    Args:
        attack: Any attack; what is not `apgd-t`, or has settings that `malt` lacks, is given back as it is.
    """
    if not isinstance(attack, APGD) or not is_sweep(attack.target):
        return attack
    steps, target, stop = attack.steps, attack.target, attack.early_stop
    if vars(attack) != vars(APGD(steps=steps, target=target, early_stop=stop, loss="dlr")):
        return attack
    return MALT(steps=steps, target=target, early_stop=stop, candidates=_CANDIDATES)


def ranks_of(units: Sequence[Unit]) -> list[float]:
    """How many attempts like it go before each unit: of its own round, and of earlier rounds towards several classes.

    Such a round follows a gradient towards another class in each attempt: what was not broken towards a class once, is
    rarely broken towards it the next time.

    Args:
        units: The units, in the suite's order.

    Returns:
        A number for each; infinite for the first queries of another unit.
    """
    ranks: list[float] = []
    before = within = 0
    for unit in units:
        if unit.span.first == 0:
            before, within = before + within, 0
        several = unit.span.attempts > 1 and not unit.blind and bool(unit.attack.target)
        ranks.append(math.inf if unit.whole is not None else unit.span.first + (before if several else 0))
        within = unit.span.attempts if several else 0
    return ranks


def affordable(units: tuple[Unit, ...], norm: str, num_classes: int, budget: int) -> tuple[Unit, ...]:
    """The same units; where each alone costs more than a budget, the cheapest with as many steps as it pays for.

    Raises:
        SettingError: It pays for no step of any.
    """
    prices = [unit.price(norm, num_classes) for unit in units]
    cheapest = prices.index(min(prices))
    if prices[cheapest] <= budget:
        return units
    shorter = units[cheapest].shortened(budget, prices[cheapest])
    if shorter is None:
        raise SettingError(
            f"Expected a budget that pays for a part of the attacks: {units[cheapest].title} takes up to "
            f"{math.ceil(prices[cheapest])}; got {budget}."
        )
    return (*units[:cheapest], shorter, *units[cheapest + 1 :])


def _prefixes(part: Attack) -> list[Attack]:
    """The same search, cut short: only where a shorter one takes the very same steps."""
    if not isinstance(part, Square) or part.rescale:
        return []
    lengths = [int(part.queries * share) for share in _PREFIXES]
    return [dataclasses.replace(part, queries=length) for length in lengths if 50 <= length < part.queries]


def known_of(units: Sequence[Unit], per_image: PerImageResults, rows: np.ndarray) -> Known:
    """What is known of some images; of the first queries of a unit, what that unit tells of them.

    Args:
        units: The units.
        per_image: What they did, a row of each.
        rows: Places of the images, int (m,).
    """
    tried = per_image.attacked[:, rows]
    broke = per_image.settled(rows)
    cost = (per_image.gradients + per_image.queries)[:, rows].astype("float64")
    near = np.where(tried, np.nan_to_num(per_image.loss[:, rows], nan=-np.inf), -np.inf)
    for at, unit in enumerate(units):
        if unit.whole is None:
            continue
        most = unit.attack.queries + _OVERHEAD  # type: ignore[attr-defined]
        told = tried[unit.whole] & ~tried[at]
        broke[at] |= told & broke[unit.whole] & (cost[unit.whole] <= most)
        cost[at] = np.where(told, np.minimum(cost[unit.whole], most), cost[at])
        tried[at] |= told
        # How near a shorter search came, the longer one does not tell.
        near[at] = -np.inf
    return Known(tried, broke, cost, near)


def merged(units: Sequence[Unit], per_image: PerImageResults, count: int) -> PerImageResults:
    """What the attacks of the suite did, from what their units did.

    An image is broken by the first attack in the suite's order of which a unit broke it, so that the accuracy of each
    attack counts all before it, as in a cascade.

    Args:
        units: The units.
        per_image: What they did, a row of each.
        count: Attacks of the suite.
    """
    whole = PerImageResults.empty(per_image.labels, count, per_image.clean_parts.shape[1])
    for name in BY_IMAGE:
        setattr(whole, name, getattr(per_image, name))
    by_attack = set(vars(whole)) - {*BY_IMAGE, "cost", "distance", "done"}
    images, standing = np.arange(len(per_image.labels)), per_image.right
    for number in range(count):
        mine = np.array([at for at, unit in enumerate(units) if unit.number == number])
        attacked = per_image.attacked[mine]
        broke = attacked & ~per_image.correct[mine]
        won = attacked & per_image.reached[mine]
        # The first that succeeded, else the last that tried.
        last = len(mine) - 1 - attacked[::-1].argmax(axis=0)
        best = np.where(won.any(axis=0), won.argmax(axis=0), last)
        credit = mine[np.where(broke.any(axis=0), broke.argmax(axis=0), best)]
        for name in by_attack:
            getattr(whole, name)[number] = getattr(per_image, name)[credit, images]
        for name, values in per_image.distance.items():
            whole.distance[name][number] = values[credit, images]
        whole.attacked[number] = attacked.any(axis=0)
        whole.cost[number] = per_image.cost[mine].sum(axis=0)
        for name in ("gradients", "queries"):
            getattr(whole, name)[number] = getattr(per_image, name)[mine].sum(axis=0)
        # The chance of fooling a random model is that of the unit that fools most often.
        worst = mine[np.where(per_image.draws[mine] > 0, per_image.chance[mine], -1.0).argmax(axis=0)]
        for name in ("fooled", "draws"):
            getattr(whole, name)[number] = getattr(per_image, name)[worst, images]
        rounds = np.array([unit.round for unit in units])
        whole.part[number] = np.where(per_image.part[credit, images] >= 0, rounds[credit], -1)
        standing = standing & ~broke.any(axis=0)
        whole.correct[number] = standing
    return whole
