"""Epochs and steps of the attack that fit into a time, from a few real steps that are timed and undone."""

import dataclasses
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from turtlenet import backend
from turtlenet.attacks import Attack
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError, decimal_point
from turtlenet.training.data.stream import Stream
from turtlenet.training.objective.base import Objective
from turtlenet.training.run.checkpoint import read_notes
from turtlenet.training.run.cost import TIMED, Cost, duration
from turtlenet.training.run.hardening import Schedule
from turtlenet.training.trainer import Trainer

MOST_EPOCHS = 200
"""The most epochs that are chosen where none are given: later ones seldom help, and the best is kept."""

_FEW_EPOCHS = 10
"""Rather than fewer epochs, fewer steps of the attack are chosen."""
_FEW_STEPS = 2
"""The fewest steps that are chosen: a model can learn to defeat a single one without resisting more."""
_LONGEST_STEP = 1.25
"""Of one that is chosen, as a fraction of the radius (Wong et al., 2020)."""
_UNITS = {"h": 3600, "m": 60, "s": 1}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What fits into a time.

    Attributes:
        epochs: Epochs.
        steps: Steps of the attack; 0 where the attack stays as it is.
    """

    epochs: int
    steps: int = 0

    def attack(self, attack: Attack) -> Attack:
        """An attack as it was chosen."""
        return with_steps(attack, self.steps) if self.steps else attack


def kept_choice(checkpoint: Path) -> Choice | None:
    """What a run chose that is to be continued; None where its state tells none.

    The steps of a continued run are not timed again: it would be another run.
    """
    if not backend.from_first(checkpoint.exists):
        return None
    noted = read_notes(checkpoint).get("identity", {}).get("time")
    if not isinstance(noted, dict):
        return None
    epochs, steps = noted.get("epochs"), noted.get("steps")
    if type(epochs) is not int or type(steps) is not int or epochs < 1 or steps < 0:
        return None
    return Choice(epochs=epochs, steps=steps)


def parsed_time(text: str) -> float:
    """Seconds of a time such as `2h`, `90m`, `45s`, `1.5h` or `1h30m`.

    >>> parsed_time("1h30m")
    5400.0

    Raises:
        SettingError: Anything else, or no time at all.
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)([hms])", text)
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if "".join(map("".join, parts)) != text.replace(" ", "") or not seconds > 0:
        raise SettingError(f"Expected time as 2h, 90m, 45s or 1h30m; got {text!r}.{decimal_point(text)}")
    return seconds


def with_steps(attack: Attack, steps: int) -> Attack:
    """An attack with another number of steps that together go as far, a step as long as 1.25 radii at most."""
    change: dict[str, Any] = {"steps": steps}
    for name in ("step", "step_size"):
        length = getattr(attack, name, 0)
        if length:
            longer = length * attack.steps / steps  # type: ignore[attr-defined]
            change[name] = longer if name == "step" else min(longer, max(length, _LONGEST_STEP))
    return dataclasses.replace(attack, **change)


def choose(
    seconds: float, cost: Callable[[int], Cost], step: Callable[[int], float], attack: Attack, most: int = MOST_EPOCHS
) -> Choice:
    """Chooses as many epochs as fit, and fewer steps of the attack where else there were few epochs.

    Args:
        seconds: The time.
        cost: What a run costs with a number of steps of the attack.
        step: Seconds that a training step takes with it.
        attack: The attack as it was asked for.
        most: The most epochs.

    Raises:
        SettingError: Not even one epoch with two steps of the attack fits.
    """
    own, seconds = _steps_of(attack), max(0.0, seconds)
    few = min(_FEW_EPOCHS, most)
    for steps in range(own, min(own, _FEW_STEPS) - 1, -1):
        each = cost(steps).seconds(step(steps), epochs=1)
        epochs = int(min(most, seconds / each))
        if epochs >= few:
            break
    if not epochs:
        against = f" with {steps} steps of the attack" if own > 1 else ""
        raise SettingError(
            f"Expected time for one epoch{against}, about {duration(each)}; {duration(seconds)} are left."
        )
    return Choice(epochs=epochs, steps=0 if steps == own else steps)


def fit_into(
    seconds: float,
    classifier: Classifier,
    objective: Objective,
    schedule: Schedule,
    stream: Stream,
    cost: Callable[[Objective], Cost],
    *,
    most: int | None,
    own_optimizer: Any = None,
    **settings: Any,
) -> Choice:
    """Times a few steps of a run and chooses what fits; see `choose` and `pace_of`.

    Args:
        seconds: The time, from now on.
        cost: What the run costs with an objective.
        most: The most epochs; None for `MOST_EPOCHS`.
    """
    began = time.monotonic()
    pace = pace_of(classifier, objective, schedule, stream, own_optimizer, **settings)
    spent = time.monotonic() - began
    # The run builds a graph of its own, as each of the one or two measurements did.
    spent += spent / 2

    def with_attack(steps: int) -> Cost:
        return cost(dataclasses.replace(objective, attack=_asked(objective.attack, steps)))

    return backend.from_first(
        lambda: choose(seconds - spent, with_attack, pace, objective.attack, MOST_EPOCHS if most is None else most)
    )


def pace_of(
    classifier: Classifier,
    objective: Objective,
    schedule: Schedule,
    stream: Stream,
    own_optimizer: Any,
    **settings: Any,
) -> Callable[[int], float]:
    """Seconds of a training step on this machine for a number of steps of the attack.

    A few steps are made with the attack as it is, and with the fewest steps that may be chosen; then everything is put
    back as it was.

    Args:
        classifier: The model to train.
        objective: What to minimize.
        schedule: Optimizer and seed.
        stream: The batches.
        own_optimizer: The model's own, for `optimizer="compiled"`.
        **settings: Further ones of `Trainer`.
    """
    own = _steps_of(objective.attack)
    counts = sorted({own, min(own, _FEW_STEPS)})
    found = {}
    for count in counts:
        timed = dataclasses.replace(objective, attack=_asked(objective.attack, count))
        trainer = Trainer(classifier, timed, seed=schedule.seed, by_weight=False, **settings)
        trainer.compile(optimizer=schedule.make(1000, own_optimizer), jit_compile=backend.uses_xla())
        try:
            found[count] = _timed(trainer, stream)
        except Exception as error:
            if not backend.out_of_memory(error):
                raise
            raise SettingError(
                f"Expected memory to time a batch of {stream.batch_size}; got none left: raise --accumulate."
            ) from None
    low, high = counts[0], counts[-1]
    slope = max(0.0, found[high] - found[low]) / max(1, high - low)
    return lambda steps: found[low] + (steps - low) * slope


class _Stopwatch(keras.callbacks.Callback):
    """Times steps after the first, in which the graph is built."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        float((logs or {}).get("loss", 0.0))
        self.times.append(time.perf_counter())


def _timed(trainer: Trainer, stream: Stream) -> float:
    """Seconds of a step, as the first of several processes measures it; changes nothing."""
    if not trainer.optimizer.built:
        trainer.optimizer.build(trainer.network.trainable_variables)
    variables = trainer.everything()
    values = [keras.ops.convert_to_numpy(variable) for variable in variables]
    watch = _Stopwatch()
    with backend.together(trainer.everything):
        trainer.fit(
            backend.pipeline(stream, None), steps_per_epoch=1 + TIMED, shuffle=False, verbose=0, callbacks=[watch]
        )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return backend.from_first(lambda: (watch.times[-1] - watch.times[0]) / TIMED)


def _asked(attack: Attack, steps: int) -> Attack:
    return attack if steps == _steps_of(attack) else with_steps(attack, steps)


def _steps_of(attack: Attack) -> int:
    """The steps of an attack that may be changed; 1 where there are none."""
    known = {field.name for field in dataclasses.fields(attack)}
    steps = getattr(attack, "steps", 1) if {"steps", "step_size"} <= known and attack.family == "iterative" else 1
    return int(steps)
