"""Which images the parts of an evaluation broke within the threat beside its attacks: the headline counts them too."""

from dataclasses import dataclass, field

import numpy as np

from turtlenet.balls import Ball
from turtlenet.evaluation.results.records import PartRow
from turtlenet.evaluation.within_ball import inside
from turtlenet.reports.statistics import share, share_interval


@dataclass(frozen=True)
class PartResult:
    """What one part found.

    Attributes:
        name: The part, in words.
        attack: What it ran, as a spec or in words.
        tried: Images that it was run on.
        broken: Images that it broke within the threat, bool (n,), n being all images of the evaluation.
    """

    name: str
    attack: str
    tried: int
    broken: np.ndarray


@dataclass
class Tally:
    """What every part of an evaluation broke, image by image.

    Args:
        count: Images of the evaluation.
        ball: The threat.
    """

    count: int
    ball: Ball
    parts: list[PartResult] = field(default_factory=list)

    def add(
        self, name: str, attack: str, rows: np.ndarray, x: np.ndarray, tries: list[tuple[np.ndarray, np.ndarray]]
    ) -> None:
        """Writes down what a part found.

        Args:
            name: The part, in words.
            attack: What it ran.
            rows: The images' places in the data set, int (m,); each was classified correctly before.
            x: The images, float32 (m, ...).
            tries: Pairs of perturbed images (m, ...) and of whether those are classified wrongly, bool (m,), with
                rounded pixels and in fresh draws where the evaluation asks for them. What lies outside the threat
                does not count.
        """
        broken = np.zeros(self.count, bool)
        for perturbed, wrong in tries:
            hit = np.flatnonzero(wrong)
            broken[rows[hit]] |= inside(self.ball, x[hit], perturbed[hit])
        self.put(name, attack, len(rows), broken)

    def put(self, name: str, attack: str, tried: int, broken: np.ndarray) -> None:
        """Writes down what a part found, checked already: bool (n,)."""
        self.parts.append(PartResult(name, attack, tried, broken))

    @property
    def broken(self) -> np.ndarray:
        """Images that any part broke, bool (n,)."""
        return np.any([part.broken for part in self.parts], axis=0) if self.parts else np.zeros(self.count, bool)

    def first(self, robust: np.ndarray) -> np.ndarray:
        """The number of the part, from 1, that broke an image before all others, int (n,).

        Args:
            robust: Images on which every attack failed, bool (n,); 0 stands for all others, and for what held.
        """
        numbers = np.zeros(self.count, "int64")
        for number, part in enumerate(self.parts, 1):
            numbers[(numbers == 0) & robust & part.broken] = number
        return numbers

    def rows(self, robust: np.ndarray, counted: bool) -> tuple[PartRow, ...]:
        """The parts as a report has them.

        Args:
            robust: Images on which every attack failed, bool (n,).
            counted: Whether the threat allows what the parts know.
        """
        rows, left = [], robust
        for part in self.parts:
            more = left & part.broken
            left = left & ~part.broken
            rows.append(
                PartRow(
                    name=part.name,
                    attack=part.attack,
                    tried=part.tried,
                    broken=int(part.broken.sum()),
                    more=int(more.sum()),
                    accuracy=share(left),
                    accuracy_interval=share_interval(left),
                    counted=counted,
                )
            )
        return tuple(rows)
