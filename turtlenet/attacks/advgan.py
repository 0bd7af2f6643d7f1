"""Examples from a trained generator: one forward pass an image."""

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import keras

from turtlenet import backend, losses, models, random
from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import SearchResult
from turtlenet.attacks.goal import Best, Goal
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.errors import ModelError, SettingError
from turtlenet.ranges import count, number, one_of
from turtlenet.typing import Keys, Tensor

FACTS = "generator"
"""Where a generator's file says what it was trained for."""
_SLACK = 1 + 1e-6


@dataclass(frozen=True, eq=False)
class LoadedGenerator:
    """A generator from a file; the same object for the same file, so that one that trains on is seen as it is.

    Attributes:
        model: From images, or images and noise, to perturbations in input units.
        facts: `norm`, `eps`, `bounds`, `target` and `noise` that it was trained for, and what else its file says.
    """

    model: keras.Model
    facts: dict[str, Any]


@attacks.register("advgan")
@dataclass(frozen=True, kw_only=True)
class AdvGAN(Attack):
    """Adds what a trained generator makes of an image (Xiao et al., 2018; paper 003, section 4.4).

    `turtlenet gan train` makes the generator. At attack time it asks nothing of the model, unless `steps` says so; how
    strong it is depends on the model it was trained on.

    Args:
        generator: Its `.h5`. On the command line and in `turtlenet.evaluate` one is trained first if none is given.
        samples: How many perturbations to try where the generator depends on noise; the best counts.
        steps: Gradient steps on the model from each of them.
        step_size: Length of such a step, as a fraction of the radius.
        loss: What those climb, and what the best is told by.
    """

    generator: str = ""
    samples: int = count(1, low=1, high=MOST)
    steps: int = count(0, high=MOST)
    step_size: float = number(0.1, above=0, note="a fraction of the radius")
    loss: str = one_of("margin", losses.LOSSES)

    norms: ClassVar[tuple[str, ...]] = ("linf", "l2", "l1")
    for_every_task: ClassVar[bool] = False

    @property
    def family(self) -> str:
        return "iterative" if self.steps else "transfer"

    @property
    def files(self) -> tuple[str, ...]:
        return (self.generator,) if self.generator else ()

    def attempts(self, num_classes: int) -> int:
        return self.samples * super().attempts(num_classes)

    def sources(self, model: Classifier) -> tuple[Any, ...]:
        # A graph reads the generator's variables as it reads another model's.
        return (loaded_generator(self.generator),)

    def check_further(self, model: Classifier, ball: Ball) -> None:
        """Refuses a generator that was trained for something else.

        Raises:
            SettingError: No generator, a wider ball than it was trained for, or many samples of one without noise.
            ModelError: A file that is no generator's, or one for images of another shape or range.
        """
        if not self.generator:
            raise SettingError(
                "Expected a generator: advgan:generator=FILE.h5, made by turtlenet gan train; got none."
            )
        facts = loaded_generator(self.generator).facts
        shape, bounds = tuple(facts["shape"]), tuple(facts["bounds"])
        if shape != model.input_shape:
            raise ModelError(
                f"Expected a generator for images of shape {model.input_shape}, as the model's; "
                f"got {self.generator} for {shape}."
            )
        if bounds != (ball.low, ball.high):
            raise ModelError(
                f"Expected a generator for pixels in [{ball.low:g}, {ball.high:g}], as the model's; "
                f"got {self.generator} for [{bounds[0]:g}, {bounds[1]:g}]."
            )
        if ball.norm != facts["norm"]:
            raise SettingError(
                f"Expected norm {facts['norm']}, which {self.generator} was trained for; got {ball.norm}."
            )
        if isinstance(ball.eps, int | float) and ball.eps > facts["eps"] * _SLACK:
            raise SettingError(
                f"Expected eps <= {facts['eps']:g}, which {self.generator} was trained for; got {ball.eps:g}."
            )
        if self.target not in ("", "none", facts["target"]):
            towards = f"class {facts['target']}" if facts["target"] else "any wrong class"
            raise SettingError(
                f"Expected target={facts['target'] or 'none'}, as {self.generator} was trained towards {towards}; "
                f"got {self.target}."
            )
        if self.samples > 1 and not facts["noise"]:
            raise SettingError(
                f"Expected samples=1, as {self.generator} depends on the image alone; got {self.samples}."
            )

    def search(self, model: Classifier, x: Tensor, goal: Goal, *, ball: Ball, key: Keys) -> SearchResult:
        source = loaded_generator(self.generator)
        noise = source.facts["noise"]
        given = [x, random.normal(key, (noise,))] if noise else x
        start = ball.project(x + source.model(given, training=False), x)
        if not self.steps:
            return SearchResult(start)

        def look(point: Tensor) -> tuple[Tensor, Tensor]:
            logits = model(point)
            return goal.loss(self.loss, logits), logits

        def climb(_: Tensor, state: tuple[Best, Tensor]) -> tuple[Best, Tensor]:
            best, point = state
            _, logits, slope = backend.input_gradient(look, point)
            best = best.or_better(point, logits, goal.judge(self.loss, logits))
            return best, ball.project(point + self.step_size * ball.eps * ball.steepest(slope, point), x)

        _, (best, point) = backend.loop(self.steps, climb, (Best.none(x, model.num_classes), start))
        logits = model(point)
        best = best.or_better(point, logits, goal.judge(self.loss, logits))
        return SearchResult(best.x, best.logits, self.steps, 1)


def generators_in(attack: Attack) -> list[str]:
    """The files of the generators that an attack, or an attack that it consists of, adds what they say of."""
    if isinstance(attack, AdvGAN):
        return [attack.generator] if attack.generator else []
    return [file for member in attack.members for file in generators_in(member)]


def trained_on(facts: dict[str, Any], digests: set[Any]) -> bool:
    """Whether a generator was trained on a model with one of these hashes, of its file or of its weights."""
    return bool(digests & {*facts.get("victims", ()), *facts.get("victims_weights", ())})


_kept: dict[str, tuple[Hashable, LoadedGenerator]] = {}


def loaded_generator(path: str) -> LoadedGenerator:
    """The generator of a file; loaded again only where the file has changed.

    Raises:
        ModelError: No such file, or one that is no generator's.
    """
    try:
        state = Path(path).stat()
    except OSError as error:
        raise ModelError(f"Expected a generator at {path}; got: {error.strerror or error}.") from None
    place, stamp = str(Path(path).resolve()), (state.st_mtime_ns, state.st_size, state.st_ino)
    if place not in _kept or _kept[place][0] != stamp:
        facts = (models.read_provenance(path) or {}).get(FACTS)
        if not isinstance(facts, dict) or not _whole(facts):
            raise ModelError(f"Expected a generator, made by turtlenet gan train, at {path}; got another file.")
        _kept[place] = (stamp, LoadedGenerator(models.load(path, compile=False), facts))
    return _kept[place][1]


def _whole(facts: dict[str, Any]) -> bool:
    """Whether a file says everything that an attack must know."""
    kinds: dict[str, Any] = {"shape": list, "bounds": list, "norm": str, "eps": float, "noise": int, "target": str}
    return all(isinstance(facts.get(name), kind) for name, kind in kinds.items()) and len(facts["bounds"]) == 2
