"""One workload by all contestants, in turns."""

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.chips.team import Team, Worker
from benchmarks.chips.workload import Workload

__all__ = ["Lap", "Record", "race"]


@dataclass
class Lap:
    """What one contestant did.

    Attributes:
        name: The contestant.
        seconds: One time for each turn.
        trouble: Why there are none.
        full: Whether that was for want of memory.
        facts: What it told of the prepared work; see `Contestant.prepare`.
    """

    name: str
    seconds: list[float] = field(default_factory=list)
    trouble: str = ""
    full: bool = False
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """What all did with one workload.

    Attributes:
        workload: What they were asked.
        together: Whether they took turns; if not, one was done before the next began.
        laps: What each of them did.
    """

    workload: Workload
    together: bool
    laps: list[Lap]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Record":
        """Reads back what `to_dict` wrote."""
        return cls(Workload(**data["workload"]), data["together"], [Lap(**lap) for lap in data["laps"]])


def race(workload: Workload, team: Team, *, turns: int, seconds: float, hopeless: set[str]) -> Record:
    """Times every contestant once a turn, every other turn backwards, after one time that does not count.

    Where the chip's memory does not hold them all, they are timed one after another, each with the chip to itself.

    Args:
        workload: What to do.
        team: Who does it.
        turns: The most turns.
        seconds: No turn begins later than this after the first.
        hopeless: Those who had too little memory for a smaller batch: they are not asked.
    """
    laps = [Lap(each.name, trouble="out of memory", full=True) for each in team.workers if each.name in hopeless]
    able = [worker for worker in team.workers if worker.name not in hopeless]
    tried = _take_turns(workload, able, turns, seconds)
    together = not any(lap.full for lap in tried)
    team.release()
    if not together:
        tried = []
        for worker in able:
            tried += _take_turns(workload, [worker], turns, seconds / len(able))
            team.release(worker)
    order = [worker.name for worker in team.workers]
    return Record(workload, together, sorted([*laps, *tried], key=lambda lap: order.index(lap.name)))


def _take_turns(workload: Workload, workers: list[Worker], turns: int, seconds: float) -> list[Lap]:
    laps = {worker.name: Lap(worker.name) for worker in workers}
    for worker in workers:
        lap = laps[worker.name]
        lap.facts = _told(lap, worker.ask("prepare", workload=workload.to_dict()))
        if lap.full:
            return list(laps.values())
    began = time.monotonic()
    for turn in range(turns):
        if turn and time.monotonic() - began > seconds:
            break
        for worker in workers[:: -1 if turn % 2 else 1]:
            lap = laps[worker.name]
            if not lap.trouble:
                lap.seconds += _told(lap, worker.ask("run")).values()
    return list(laps.values())


def _told(lap: Lap, answer: dict[str, Any]) -> dict[str, Any]:
    """The answer, or nothing but a note of the trouble."""
    if "error" not in answer:
        return answer
    lap.trouble, lap.full = answer["error"], bool(answer["memory"])
    lap.seconds = []
    return {}
