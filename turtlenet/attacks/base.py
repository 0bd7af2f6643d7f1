"""What every attack promises, whoever writes it."""

import abc
import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, final

import numpy as np
from keras import ops

from turtlenet import backend, gradients, losses, random
from turtlenet.attacks.goal import Goal, check_target, choose, choose_target
from turtlenet.balls import BALLS, Ball
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError
from turtlenet.registry import Registry

__all__ = ["MOST", "Attack", "Crafted", "Found", "attacks"]


MOST = 1_000_000
"""The most steps, draws or restarts; more is a typing error, and would overflow a loop's counter."""


class Found(NamedTuple):
    """What a search gives back.

    Attributes:
        x: Candidates, shaped like the input; they may lie outside the ball.
        logits: Logits at them, if the search has them and has brought them into the ball itself; else None.
        gradients: Input gradients computed for each example, an int32 scalar.
        queries: Forward passes without a gradient for each example, an int32 scalar.
    """

    x: Any
    logits: Any = None
    gradients: Any = 0
    queries: Any = 0


class Crafted(NamedTuple):
    """What an attack gives back, with what it cost."""

    x: Any
    logits: Any
    reached: Any
    gradients: Any
    queries: Any


@dataclass(frozen=True, kw_only=True)
class Attack(abc.ABC):
    """How to look for an adversarial example.

    A subclass is a frozen dataclass of numbers, strings and booleans with one method, `search`. Whatever that gives,
    calling the attack gives examples that lie in the ball and in the bounds (a float32 ulp apart), are finite, and are
    the input itself where nothing better was found; a radius of 0 is the identity.

    Args:
        target: Empty for any wrong answer; else a class number, or `least_likely`, `runner_up`, `next` or `random`.
        gradient: How the gradient of a defence is taken: `adaptive`, `naive`, or empty for the classifier's own way.
    """

    target: str = ""
    gradient: str = ""

    norms: ClassVar[tuple[str, ...]] = tuple(BALLS)
    """The norms that `search` can work in."""

    training_settings: ClassVar[Mapping[str, Any]] = {}
    """Settings that replace the defaults when a model is trained with the attack's bare name."""

    def __post_init__(self) -> None:
        check_target(self.target)
        if self.gradient:
            gradients.check_gradient(self.gradient)

    @abc.abstractmethod
    def search(self, model: Classifier, x: Any, goal: Goal, *, ball: Ball, key: Any) -> Found | Any:
        """Looks for adversarial examples; called while a graph is built, so all is `keras.ops`.

        Args:
            model: Gives logits (batch, classes) for an input; see `turtlenet.backend.input_gradient`.
            x: Inputs, float32 (batch, ...), within the bounds.
            goal: Labels and targets, and the losses over them.
            ball: Where the inputs may move; its radius may be a tensor.
            key: The examples' keys (batch, 2) for `turtlenet.random`.

        Returns:
            `Found`, or just the candidates, shaped like `x`.
        """

    @final
    def __call__(
        self, model: Classifier, x: Any, y: Any, *, ball: Ball, seed: int = 0, index: Any = None, target: Any = None
    ) -> Any:
        """Attacks one batch in one compiled graph.

        Args:
            model: The classifier under attack.
            x: Inputs (batch, ...) within the ball's bounds.
            y: True labels (batch,).
            ball: Where the inputs may move.
            seed: Repeats the draws.
            index: The examples' places in their data set, which their draws belong to; 0, 1, ... if not given.
            target: Classes to answer (batch,), in place of the attack's own choice.

        Returns:
            Adversarial examples, a float32 tensor shaped like `x`.

        Raises:
            SettingError: The attack cannot work in this norm.
            ModelError: The loss needs more classes than the model has.
        """
        return self.run(model, x, y, ball=ball, seed=seed, index=index, target=target).x

    @final
    def run(
        self,
        model: Classifier,
        x: Any,
        y: Any,
        *,
        ball: Ball,
        seed: int = 0,
        index: Any = None,
        target: Any = None,
        attempt: int = 0,
    ) -> Crafted:
        """Like a call, and tells the logits at the examples and what it cost; see `__call__`.

        Args:
            attempt: Number of the attempt; each has draws of its own. See `rounds`.
        """
        self.check(model, ball)
        index = np.arange(len(x)) if index is None else index
        rows = [(x, "float32"), (y, "int32"), (index, "int32")] + ([] if target is None else [(target, "int32")])
        x, y, index, *target = (backend.shard(ops.convert_to_tensor(part, kind)) for part, kind in rows)
        words, eps = ops.convert_to_tensor(random.root(seed)), ops.convert_to_tensor(ball.eps, "float32")
        arguments = [x, y, index, words, ops.convert_to_tensor(attempt, "int32"), eps, *target]

        def graph(x: Any, y: Any, index: Any, words: Any, attempt: Any, eps: Any, target: Any = None) -> Crafted:
            key = random.keys(words, index)
            goal = Goal(y, self._targets(model, x, y, key) if target is None else target)
            _, (key,) = backend.loop(attempt, lambda _, state: (random.following(state[0]),), (key,))
            return self._promise(model, x, goal, ball.with_eps(eps), key)

        # Seed, attempt and radius are arguments of the graph: one graph serves all restarts and a whole curve.
        name = (self, type(ball), ball.low, ball.high, not target)
        return model.compiled(name, graph)(*arguments)

    @final
    def craft(self, model: Classifier, x: Any, y: Any, *, ball: Ball, key: Any) -> Any:
        """Attacks inside a training step: the budget holds, but nobody asks whether the input itself was better.

        That question costs two forward passes, and training does not need the answer.
        """
        x, y = ops.convert_to_tensor(x, "float32"), ops.convert_to_tensor(y, "int32")
        found = self._found(model, x, Goal(y, self._targets(model, x, y, key)), ball, key)
        return self._within(found.x, x, ball)

    @final
    def check(self, model: Classifier, ball: Ball) -> None:
        """Refuses what cannot work, before anything is computed.

        Raises:
            SettingError: The attack cannot work in this norm.
            ModelError: The loss needs more classes than the model has.
        """
        if ball.norm not in self.norms:
            raise SettingError(f"Expected one of the norms {', '.join(self.norms)} for this attack; got {ball.norm}.")
        losses.check_classes(self.judged_by, model.num_classes, targeted=self.targeted)

    @property
    def targeted(self) -> bool:
        """Whether the attack wants one certain answer."""
        return self.target not in ("", "none")

    @property
    def family(self) -> str:
        """What sort of attack it is, for those who compare attacks: `random`, `one-step`, `iterative` or `other`."""
        return "other"

    @property
    def judged_by(self) -> str:
        """The loss that says which of two failed attempts is better."""
        return getattr(self, "loss", "cross_entropy")

    def rounds(self) -> Iterator["Attack"]:
        """The attempts that this attack consists of, each of which needs to see only what survived those before it.

        Running them in turn on the survivors, as attempt 0, 1, ..., finds exactly what `search` finds, and costs less.
        """
        yield self

    def __str__(self) -> str:
        """The spec that builds this attack: its name, and the settings that are not the defaults."""
        fields = [field for field in dataclasses.fields(self) if getattr(self, field.name) != field.default]
        settings = ",".join(f"{field.name}={getattr(self, field.name)}" for field in fields)
        return attacks.name_of(type(self)) + (f":{settings}" if settings else "")

    def to_dict(self) -> dict[str, Any]:
        """The registered name and every setting, for JSON."""
        return {"name": attacks.name_of(type(self)), **dataclasses.asdict(self)}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "Attack":
        """Reads back what `to_dict` wrote."""
        settings = dict(data)
        return attacks.factory(settings.pop("name"))(**settings)

    def _targets(self, model: Classifier, x: Any, y: Any, key: Any) -> Any:
        if not self.targeted:
            return None
        return choose_target(self.target, y, model(x), random.fold_in(key, 0x7A6))

    def _found(self, model: Classifier, x: Any, goal: Goal, ball: Ball, key: Any) -> Found:
        found = self.search(model.taking(self.gradient), x, goal, ball=ball, key=key)
        return found if isinstance(found, Found) else Found(found)

    @staticmethod
    def _within(moved: Any, x: Any, ball: Ball) -> Any:
        finite = ops.where(ops.isfinite(moved), moved, x)
        return ops.where(ops.convert_to_tensor(ball.eps) > 0, ball.project(finite, x), x)

    def _promise(self, model: Classifier, x: Any, goal: Goal, ball: Ball, key: Any) -> Crafted:
        found = self._found(model, x, goal, ball, key)
        moved = self._within(found.x, x, ball)
        before, after = model(x), model(moved) if found.logits is None else found.logits
        old, new = goal.judge(self.judged_by, before), goal.judge(self.judged_by, after)
        better = new.better_than(old)
        return Crafted(
            choose(better, moved, x),
            choose(better, after, before),
            ops.where(better, new.reached, old.reached),
            ops.cast(found.gradients, "int32"),
            ops.cast(found.queries, "int32") + 2,
        )


attacks: Registry[Attack] = Registry("attack", "turtlenet.attacks", base=Attack)
