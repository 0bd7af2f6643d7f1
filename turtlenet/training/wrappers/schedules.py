"""Adversaries that grow along the run: in radius, and in steps."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keras import ops

from turtlenet.errors import SettingError, SpecError, did_you_mean
from turtlenet.training.objective.base import Objective
from turtlenet.training.wrappers.base import Plan, Wrapper, changed, check_share, wrappers

_SHAPES = ("cosine", "linear", "smooth")
# Where `smooth` turns from a power of 4 to a line, as a share of the way (Xu et al., 2020).
_TURN = 0.25


@wrappers.register("eps-schedule")
@dataclass(frozen=True, kw_only=True)
class EpsSchedule(Wrapper):
    """The radius grows from `first` to `last` times the threat's while the run goes from `start` to `end`.

    eps(t) = eps (first + (last - first) s(u)), u the part of the way from 0 to 1; s(u) = u, or (1 - cos(pi u)) / 2,
    or for `smooth` c u^4 up to a quarter of the way and its tangent from there on (Xu et al., 2020). It takes the
    place of the objective's warm-up. A `last` above 1 ends beyond the threat, which helps at the
    threat's radius (Gowal et al., 2018, for bounds; Addepalli et al., 2022, for attacks). Validation keeps the
    threat's radius.

    Args:
        shape: `linear`, `cosine` or `smooth`.
        start: Share of the run at which the radius begins to grow.
        end: Share at which it no longer does.
        first: Radius until then, as a multiple of the threat's.
        last: Radius from there on, likewise.
    """

    shape: str = "linear"
    start: float = 0.0
    end: float = 0.25
    first: float = 0.0
    last: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shape not in _SHAPES:
            raise SpecError(f"Unknown shape {self.shape!r} of eps-schedule.{did_you_mean(self.shape, _SHAPES)}")
        check_share("start", self.start)
        check_share("end", self.end)
        if self.start > self.end:
            raise SettingError(f"Expected start <= end; got {self.start} and {self.end}.")
        if not 0 <= self.first < math.inf:
            raise SettingError(f"Expected first >= 0, a multiple of the radius; got {self.first}.")
        if not 0 < self.last < math.inf:
            raise SettingError(f"Expected last > 0, a multiple of the radius; got {self.last}.")

    def objective(self, objective: Objective, plan: Plan, *, step: Any, stage: int) -> Objective:
        begin, end = plan.at(self.start), plan.at(self.end)
        part = ops.clip((ops.cast(step, "float32") + 1.0 - begin) / max(1, end - begin), 0.0, 1.0)
        size = self.first + (self.last - self.first) * self._grown(part)
        ball, ramp = objective.ball.with_eps(objective.ball.eps * size), ops.clip(size / self.last, 0.0, 1.0)
        return changed(objective, ball=ball, ramp=ramp, warmup_steps=0)

    def _grown(self, part: Any) -> Any:
        if self.shape == "linear":
            return part
        if self.shape == "cosine":
            return (1.0 - ops.cos(math.pi * part)) / 2.0
        scale = 1.0 / (_TURN**3 * (4.0 - 3.0 * _TURN))
        return scale * ops.where(part < _TURN, part**4, _TURN**3 * (4.0 * part - 3.0 * _TURN))


@wrappers.register("steps-schedule")
@dataclass(frozen=True, kw_only=True)
class StepsSchedule(Wrapper):
    """The attack takes few steps at first and all of its own in the end, in stages of equal length.

    A curriculum over the attack's strength (Cai et al., 2018, "Curriculum adversarial training"): of n stages the
    k-th takes first + k (steps - first) / (n - 1) steps, k = 0, ..., n - 1, each as long as ever. The step of
    training is compiled once for each stage.

    Args:
        first: Steps of the attack at first; the last stage takes the attack's own number.
        count: How many stages; no more than there are numbers of steps.
        end: Share of the run after which the attack takes all of its steps.
    """

    first: int = 1
    count: int = 3
    end: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.first < 1:
            raise SettingError(f"Expected first >= 1 steps; got {self.first}.")
        if self.count < 2:
            raise SettingError(f"Expected count >= 2 stages; got {self.count}.")
        check_share("end", self.end)

    def check(self, objective: Objective, plan: Plan) -> None:
        steps = getattr(objective.attack, "steps", None)
        if not isinstance(steps, int) or steps <= self.first:
            had = "one without steps" if not isinstance(steps, int) else f"one of {steps}"
            raise SettingError(f"Expected an attack of more than {self.first} steps for steps-schedule; got {had}.")

    def stages(self, objective: Objective, plan: Plan) -> Sequence[int]:
        return [first for first, _ in self._stages(objective, plan)]

    def objective(self, objective: Objective, plan: Plan, *, step: Any, stage: int) -> Objective:
        attack: Any = objective.attack
        steps = [steps for first, steps in self._stages(objective, plan) if first <= stage][-1]
        return changed(objective, attack=dataclasses.replace(attack, steps=steps))

    def _stages(self, objective: Objective, plan: Plan) -> list[tuple[int, int]]:
        """The first training step of each stage, and the attack's steps in it."""
        attack: Any = objective.attack
        least, most = self.first, int(attack.steps)
        last = min(self.count, most - least + 1) - 1
        return [
            (plan.at(self.end * number / last), least + round((most - least) * number / last))
            for number in range(last + 1)
        ]
