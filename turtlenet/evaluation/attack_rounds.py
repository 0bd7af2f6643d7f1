"""What attacks consist of in the end: searches, each from one place, on the model or with less."""

from dataclasses import dataclass

from turtlenet.attacks import Attack
from turtlenet.attacks.ensembles import Elsewhere
from turtlenet.attacks.goal import sweep_size

BLIND = ("query", "decision", "transfer")
"""Families that do without the gradient of the model under attack."""


@dataclass(frozen=True)
class Search:
    """One round of an attack.

    Attributes:
        attack: What searches, be it on another model or on a mean over draws.
        whole: The round itself, around that.
        restarts: How often it begins anew towards each of its targets.
        family: What the round is to the model under attack: `transfer` where it searches on another.
    """

    attack: Attack
    whole: Attack
    restarts: int
    family: str


def searches_of(attack: Attack, norm: str, num_classes: int) -> list[Search]:
    """The searches of an attack under a norm, in the order in which they are made."""
    searches = []
    for part, count in attack.under(norm).rounds(num_classes):
        inner = part
        while isinstance(inner, Elsewhere):
            inner = inner.member
        # Some begin anew within one attempt.
        restarts = max(count // sweep_size(part.target, num_classes), getattr(inner, "restarts", 1))
        searches.append(Search(inner, part, restarts, part.family))
    return searches
