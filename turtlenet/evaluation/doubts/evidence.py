"""The evidence that the checks for doubts look at."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from turtlenet.attacks import Attack
from turtlenet.data.fit.fit import Fit
from turtlenet.evaluation.attack_rounds import Search, searches_of
from turtlenet.evaluation.per_image_results import PerImageResults
from turtlenet.evaluation.probe import Probe
from turtlenet.evaluation.results.records import CurvePoint
from turtlenet.input_kind import IMAGE, InputKind

GUIDED = ("one-step", "iterative", "ensemble", "other")
"""Families that have the gradient of the model under attack."""
NEXT_TO_NOTHING = 0.05
"""The robust accuracy below which a model is broken, whatever else is run."""


@dataclass(frozen=True)
class Evidence:
    """All that the checks look at.

    Attributes:
        attacks: The attacks that were run.
        names: Their names.
        mode: `table` or `cascade`.
        labels: `true` or `predicted`.
        per_image: What they did to each image.
        num_classes: Classes that the model tells apart.
        curve: Accuracy against eps; the last point is the widest ball there is.
        widest: Radius of the ball that holds every image there is, so that no classifier can be right.
        probe: What the images themselves show, before any attack.
        probed: Images probed.
        doubled: An attack with twice the steps and restarts, how many images it broke that all attacks left, and of
            how many.
        draws: How many draws of random layers an answer is the mean of.
        masking: The defences that have another gradient than the one that the framework gives, each with what an
            attacker takes in its place; empty where there are none.
        naive: Whether attacks take that one where they do not say otherwise.
        norm: Of the threat.
        entrance: The defence at the model's input that says what it can give within the ball, as a spec; empty where
            there is none.
        by_feature: Whether features have bounds, radii or rules of their own, so that no attack searches among those.
        fit: Whether data, bounds and radius belong to the model; None where nobody looked.
        inputs: What an input is, and the words for it.
        whole: Images on which all attacks were run in their order, bool (n,); None for all.
    """

    attacks: Sequence[Attack]
    names: Sequence[str]
    mode: str
    labels: str
    per_image: PerImageResults
    num_classes: int
    curve: Sequence[CurvePoint]
    widest: float
    probe: Probe
    probed: int
    doubled: tuple[str, int, int]
    draws: int = 1
    masking: tuple[str, ...] = ()
    naive: bool = False
    norm: str = "linf"
    entrance: str = ""
    by_feature: bool = False
    fit: Fit | None = None
    inputs: InputKind = IMAGE
    whole: np.ndarray | None = None

    @property
    def fallen(self) -> bool:
        """Whether next to nothing withstood: stronger attacks would change no verdict."""
        return bool(self.per_image.robust.mean() < NEXT_TO_NOTHING)

    def kind(self, *kinds: str) -> list[int]:
        """Numbers of the attacks of certain kinds."""
        return [number for number, attack in enumerate(self.attacks) if attack.family in kinds]

    def searches(self, number: int) -> list[Search]:
        """The searches that an attack consists of, in their order."""
        return searches_of(self.attacks[number], self.norm, self.num_classes)

    def climbing(self) -> list[Search]:
        """All iterative searches with the model's gradient."""
        guided = self.kind("iterative", "ensemble")
        return [search for number in guided for search in self.searches(number) if search.family == "iterative"]

    def broken(self, number: int) -> np.ndarray:
        """Images that an attack broke, bool (n,): in a cascade, of those that came to it."""
        before = self.per_image.correct[number - 1] if self.mode == "cascade" and number else self.per_image.right
        return before & ~self.per_image.correct[number]

    def missed(self, weak: Sequence[int], strong: Sequence[int]) -> np.ndarray:
        """Images that some attack of one group broke and none of another, in a table, bool (n,)."""
        correct: np.ndarray = self.per_image.correct
        return self.per_image.right & ~correct[list(weak)].all(axis=0) & correct[list(strong)].all(axis=0)

    def accuracy(self, number: int) -> float:
        """Accuracy after one attack."""
        return float(self.per_image.correct[number].mean())
