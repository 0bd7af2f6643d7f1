"""An evaluation that takes as many images as fit into a time."""

from dataclasses import dataclass, field
from time import monotonic as now

from turtlenet.errors import SettingError
from turtlenet.reports.base import Doubt
from turtlenet.training.run.cost import duration

OF_ATTACKS = 2 / 3
"""The share of the time that attacks are given; the checks, the curve and the pictures follow."""
CODE = "time-limit"


@dataclass
class TimeLimit:
    """A time that began when this was made.

    Args:
        seconds: How long it is.
    """

    seconds: float
    began: float = field(default_factory=lambda: now())
    lap: float = 0.0

    @property
    def passed(self) -> float:
        """Seconds since it began."""
        return now() - self.began

    @property
    def over(self) -> bool:
        """Whether it is over."""
        return self.passed >= self.seconds

    def start_lap(self) -> None:
        """Begins to time a batch."""
        self.lap = -now()

    def end_lap(self) -> None:
        """Ends it: the next one will take about as long."""
        self.lap += now()

    def has_room(self, part: float = 1.0) -> bool:
        """Whether another batch fits into the time of the attacks, or into a part of that."""
        return self.passed + self.lap <= part * OF_ATTACKS * self.seconds

    def refuse(self, images: str, tried: int, attacks: int, *, fixed: bool = False) -> SettingError:
        """What is said of a time into which not one batch fits.

        Args:
            images: A batch, in words.
            tried: Attacks that ran.
            attacks: Attacks that there are.
            fixed: Whether so many images are taken whatever a batch is.
        """
        done = "its attacks" if tried == attacks else f"{tried} of its {attacks} attacks"
        return SettingError(
            f"Expected a time that one batch, {images}, fits into; got {self.seconds:g} s, where {done} took "
            f"{self.passed:.1f} s, with what is compiled first: a longer --time"
            + ("." if fixed else " or a smaller --batch-size.")
        )


def stopped_early(limit: TimeLimit, done: int, wanted: int, inputs: str, *, drawn: bool = False) -> Doubt:
    """What is to be said of a report of fewer images than were asked for: the first ones, or some drawn at random."""
    which = f"{done:,}, drawn at random," if drawn else f"the first {done:,}"
    return Doubt(
        code=CODE,
        finding=f"The time of {duration(limit.seconds)} was enough for {which} of {wanted:,} {inputs}.",
        advice="The interval says what fewer of them mean. "
        + ("" if drawn else "The same command with --resume continues; ")
        + ("A" if drawn else "a")
        + " longer --time takes more.",
    )
