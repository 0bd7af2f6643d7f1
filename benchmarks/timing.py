"""Wall time of several contestants on a machine that others use too.

One after another would give each the noise of its own minute. So they take turns, A B C A B C, and what is reported is
the ratio within a turn. Processor time is kept too: where others want the cores, it changes little.
"""

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Ratio", "Timings", "interleave", "timed"]


@dataclass(frozen=True)
class Ratio:
    """The median, the least and the largest ratio over all turns."""

    median: float
    least: float
    largest: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.least:.2f}..{self.largest:.2f})"

    @classmethod
    def of(cls, values: list[float]) -> "Ratio":
        """Sums up the ratios of the turns."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Timings:
    """Seconds of each contestant on the wall, and of all its threads on the processor, a number for each turn."""

    seconds: dict[str, list[float]]
    processor: dict[str, list[float]]

    def median(self, name: str) -> float:
        """The contestant's median time in seconds."""
        return statistics.median(self.seconds[name])

    def ratio(self, name: str, base: str) -> Ratio:
        """How many times as long as `base` the contestant took, turn by turn."""
        return _ratio(self.seconds[name], self.seconds[base])

    def processor_ratio(self, name: str, base: str) -> Ratio:
        """The same in processor time."""
        return _ratio(self.processor[name], self.processor[base])


def interleave(contestants: Mapping[str, Callable[[], Any]], turns: int) -> Timings:
    """Times every contestant once a turn, after a call of each that is not timed.

    Every other turn runs backwards, so that nobody always follows the same neighbor.

    Args:
        contestants: What to run, by name; each waits until its result is on the host.
        turns: Number of turns.
    """
    for run in contestants.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    processor: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(turns):
        for name in list(contestants)[:: -1 if turn % 2 else 1]:
            wall, busy = timed(contestants[name])
            seconds[name].append(wall)
            processor[name].append(busy)
    return Timings(seconds, processor)


def timed(run: Callable[[], Any]) -> tuple[float, float]:
    """Seconds of one call, on the wall and on the processor, without the garbage collector."""
    gc.collect()
    gc.disable()
    try:
        wall, busy = time.perf_counter(), time.process_time()
        run()
        return time.perf_counter() - wall, time.process_time() - busy
    finally:
        gc.enable()


def _ratio(mine: list[float], others: list[float]) -> Ratio:
    return Ratio.of([one / other for one, other in zip(mine, others, strict=True)])
