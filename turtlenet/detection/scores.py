"""What a detector looks at of any number of images, and what becomes of them under attack."""

import sys
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from turtlenet import backend
from turtlenet.attacks import Attack
from turtlenet.attacks.run.runner import attack_all
from turtlenet.balls import Ball
from turtlenet.bars import Bar
from turtlenet.batching import dealt, in_batches
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.detection.base import Detector
from turtlenet.errors import DataError, SettingError


@dataclass(frozen=True)
class Scored:
    """What a model answers to n images and how sure it is; arrays on the host.

    Attributes:
        values: What the detector looks at: uncertainties (paper 001, equation 12), float64 (n,); or (n, k).
        answers: Classes with the largest mean probability, int (n,).
        seconds: What crafting and scoring took.
        linf: Largest change of a pixel, over all images, in input units.
    """

    values: np.ndarray
    answers: np.ndarray
    seconds: float = 0.0
    linf: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A model, images, a threat, and how they are asked.

    Args:
        classifier: The model as an attacker sees it, with the attacker's draws.
        examples: Images and true labels.
        ball: The threat.
        detector: Says what is looked at; fitted or not.
        draws: Stochastic inferences behind each uncertainty, at least 2.
        seed: Repeats every draw; those behind an uncertainty are others than the attacker's.
        batch_size: Images in one compiled call; None for as many as fit. It changes the speed, not a result.

    Raises:
        ModelError: A model that the detector cannot look at, such as one that draws nothing where it looks at its
            uncertainty.
        SettingError: A number out of its range.
        DataError: Labels that the model does not have.
    """

    classifier: Classifier
    examples: Examples
    ball: Ball
    detector: Detector
    draws: int = 50
    seed: int = 0
    batch_size: int | None = 64

    def __post_init__(self) -> None:
        uncertain = self.detector.needs_draws
        if self.draws < (2 if uncertain else 1):
            raise SettingError(
                f"Expected draws >= 2, whose answers can differ; got {self.draws}."
                if uncertain
                else f"Expected draws >= 1; got {self.draws}."
            )
        if uncertain and self.classifier.draws < 2:
            raise SettingError(f"Expected attack_draws >= 2, whose answers can differ; got {self.classifier.draws}.")
        if self.seed < 0:
            raise SettingError(f"Expected seed >= 0; got {self.seed}.")
        if self.batch_size is not None and self.batch_size < 1:
            raise SettingError(f"Expected batch_size >= 1; got {self.batch_size}.")
        if self.examples.num_classes > self.classifier.num_classes:
            raise DataError(
                f"Expected labels of {self.classifier.num_classes} classes; got {self.examples.num_classes} in "
                f"{self.examples.name}."
            )
        self.detector.check(self.classifier)

    @property
    def judge(self) -> Classifier:
        """The model as the detector asks it: draws that no attack has seen."""
        return self.classifier.taking(draws=self.draws, seed=self.seed + 1)

    @property
    def victim(self) -> Classifier:
        """The model as the attacks ask it."""
        return self.classifier.taking(seed=self.seed)

    def clean(self) -> Scored:
        """The images as they are."""
        return self.scored(self.examples.batch(slice(None))[0])

    def attacked(self, attack: Attack, excess: Callable[[Classifier, Any, Any], Any] | None = None) -> Scored:
        """The images after an attack, judged on draws that it has not seen.

        Args:
            attack: Any attack.
            excess: What the detector adds to the model for an attack that knows of it; see `FittedDetector.excess`.
        """
        began, (x, _) = time.perf_counter(), self.examples.batch(slice(None))
        perturbed = self.crafted(attack, excess)
        scored = self.scored(perturbed)
        linf = float(np.abs(perturbed - x).max())
        return Scored(scored.values, scored.answers, round(time.perf_counter() - began, 3), linf)

    def crafted(self, attack: Attack, excess: Callable[[Classifier, Any, Any], Any] | None = None) -> np.ndarray:
        """The images after an attack; see `attacked`."""
        x, y = self.examples.batch(slice(None))
        victim = self.victim if excess is None else self.victim.beside(excess)
        made: np.ndarray
        made = attack_all(attack, victim, x, y, ball=self.ball, seed=self.seed, batch_size=self.batch_size).x
        return made

    def answers(self, x: np.ndarray) -> np.ndarray:
        """What the model answers, int (n,)."""
        return self._judged("answers", x, None).answers

    def scored(self, x: np.ndarray) -> Scored:
        """What the model answers, and what the detector looks at."""
        return self._judged(("statistics", self.detector), x, self.detector)

    def _judged(self, name: Hashable, x: np.ndarray, detector: Detector | None) -> Scored:
        judge, count = self.judge, len(x)

        def graph(x: Any) -> Any:
            logits = judge.each(x)
            answers = ops.argmax(ops.mean(ops.softmax(logits, axis=-1), axis=1), axis=-1)
            values = ops.max(logits, axis=(1, 2)) if detector is None else detector.statistics(judge, x, logits)
            return values, ops.cast(answers, "int32")

        def work(rows: np.ndarray) -> list[np.ndarray]:
            pixels = backend.shard(ops.convert_to_tensor(x[rows], "float32"))
            return [ops.convert_to_numpy(part) for part in judge.compiled(name, graph)(pixels)]

        def share() -> tuple[np.ndarray, np.ndarray]:
            values, answers = np.empty(0), np.empty(count, "int32")
            hidden = not (backend.process()[0] == 0 and sys.stderr.isatty())
            with Bar(len(dealt(count)), unit="image", hidden=hidden, leave=False) as bar:
                for rows, (statistics, answer) in in_batches(judge, dealt(count), self.batch_size, work):
                    if not len(values):
                        values = np.empty((count, *statistics.shape[1:]))
                    values[rows], answers[rows] = statistics[: len(rows)], answer[: len(rows)]
                    bar.update(len(rows))
            # Of a process that was dealt no image, nobody knows how many numbers an image has.
            return values[dealt(count)] if len(values) else values, answers[dealt(count)]

        parts = backend.gather(share)
        shape = max((part[0].shape[1:] for part in parts), key=len)
        values, answers = np.empty((count, *shape)), np.empty(count, "int32")
        for number, (statistics, answer) in enumerate(parts):
            values[number :: len(parts)], answers[number :: len(parts)] = statistics.reshape(-1, *shape), answer
        return Scored(values, answers)
