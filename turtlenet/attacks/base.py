"""What every attack promises, whoever writes it."""

import abc
import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from keras import ops

from turtlenet import balls, gradient_mode, losses
from turtlenet.arguments import check_fields
from turtlenet.attacks.context import AttackResult, SearchResult
from turtlenet.attacks.goal import Goal, check_target, is_sweep, sweep_size
from turtlenet.attacks.run.batch import Batch
from turtlenet.attacks.run.graph import bound_graph
from turtlenet.attacks.run.host_check import confirmed
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError, SpecError
from turtlenet.ranges import check_ranges
from turtlenet.registry import Registry, registered_names, spec_of
from turtlenet.typing import Keys, Labels, Shape, Tensor

MOST = 1_000_000
"""The most steps, draws or restarts; more is a typing error, and would overflow a loop's counter."""
WITHOUT_GRADIENTS = ("decision", "query", "random")
"""Families of attacks that take no gradient."""


class Norms:
    """An attack's `norms` that are all registered ones: a new ball needs no change of the attack.

    Args:
        climbing: Whether only those count in which following gradients leads somewhere.
    """

    def __init__(self, *, climbing: bool = False):
        self.climbing = climbing

    def __get__(self, attack: Any, owner: Any = None) -> tuple[str, ...]:
        return balls.norms(climbing=self.climbing)


@dataclass(frozen=True, kw_only=True)
class Attack(abc.ABC):
    """How to look for an adversarial example.

    A subclass is a frozen dataclass of numbers, strings and booleans with one method, `search`: one attempt. Whatever
    that gives, calling the attack gives examples that lie in the ball and in the bounds (a float32 ulp apart), are
    finite, and are the input itself where nothing better was found; a radius of 0 is the identity.

    Args:
        target: Empty for any wrong answer; a class number, or `least_likely`, `runner_up`, `next` or `random`; `each`
            goes for every wrong class in turn, the model's likeliest first, `top3` for the first three of them, and
            any wrong answer counts.
        gradient: How the gradient of a defence is taken: `adaptive`, `naive`, or empty for the classifier's own way.
        norm: The norm of this attack, where it is another than that of the threat it is listed under.
        eps: The radius of this attack in input units, in place of the threat's; 0 for that. `inf` for no limit. Where
            features have radii of their own, so many of those.

    Raises:
        SettingError: A setting out of its range.
        SpecError: A target, gradient, norm or other word that there is not.

    >>> attack = attacks.build("pgd:steps=100,target=next")
    >>> attack.steps, attack.targeted, attack.family
    (100, True, 'iterative')
    >>> attack.to_dict()["step_size"]
    0.1
    >>> Attack.from_dict(attack.to_dict()) == attack
    True
    """

    target: str = ""
    gradient: str = ""
    norm: str = ""
    eps: float = 0.0

    norms: ClassVar[Any] = Norms()
    """The norms that `search` can work in."""

    minimal: ClassVar[bool] = False
    """Whether it looks for the smallest perturbation: it leaves the ball to the base class, and takes from it the
    bounds, the norm, and the radius at which `early_stop` may be content."""

    for_every_task: ClassVar[bool] = True
    """Whether it asks the model within the graph alone, and so works on every task (see `turtlenet.tasks`)."""

    training_settings: ClassVar[Mapping[str, Any]] = {}
    """Settings that replace the defaults when a model is trained with the attack's bare name."""

    def __post_init__(self) -> None:
        check_fields(self)
        check_ranges(self)
        check_target(self.target)
        if self.gradient:
            gradient_mode.check_gradient(self.gradient)
        if self.norm:
            balls.get(self.norm, 0.0)
        if not self.eps >= 0:
            raise SettingError(f"Expected eps >= 0, in input units; got {self.eps}.")

    @abc.abstractmethod
    def search(self, model: Classifier, x: Tensor, goal: Goal, *, ball: Ball, key: Keys) -> SearchResult | Tensor:
        """Looks for adversarial examples, once; called while a graph is built, so all is `keras.ops`.

        Args:
            model: Gives logits (batch, classes) for an input; see `turtlenet.backend.input_gradient`.
            x: Inputs, float32 (batch, ...), within the bounds.
            goal: Labels and targets, and the losses over them.
            ball: Where the inputs may move; its radius may be a tensor.
            key: The examples' keys (batch, 2) for `turtlenet.random`, those of this attempt.

        Returns:
            `SearchResult`, or just the candidates, shaped like `x`.
        """

    @final
    def __call__(
        self,
        model: Classifier,
        x: Tensor,
        y: Labels,
        *,
        ball: Ball,
        seed: int = 0,
        index: Tensor = None,
        target: Labels = None,
    ) -> Tensor:
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

        >>> import keras, numpy as np
        >>> from turtlenet.classifier import Classifier
        >>> layers = [keras.Input((2,)), keras.layers.Dense(2, kernel_initializer="identity")]
        >>> model = Classifier(keras.Sequential(layers))
        >>> attack = attacks.build("fgsm")
        >>> np.asarray(attack(model, np.array([[0.5, 0.5]]), [0], ball=balls.Linf(0.25)))
        array([[0.25, 0.75]], dtype=float32)
        """
        return self.run(model, x, y, ball=ball, seed=seed, index=index, target=target).x

    def run(
        self,
        model: Classifier,
        x: Tensor,
        y: Labels,
        *,
        ball: Ball,
        seed: int = 0,
        index: Tensor = None,
        target: Labels = None,
        attempt: Tensor = None,
    ) -> AttackResult:
        """Like a call, and tells the logits at the examples and what it cost.

        Args:
            attempt: Numbers of the attempts, int32 (batch,), or one for all; None makes all attempts in turn. The
                other arguments are those of `__call__`.
        """
        work = Batch.all_attempts if attempt is None else self.attempted
        result: AttackResult = bound_graph(self, model, x, y, ball, "run", work, seed, index, target, attempt)()
        return confirmed(result, model, x, y, ball, aimed=target is not None or self.targeted)

    @final
    def craft(
        self, model: Classifier, x: Tensor, y: Labels, *, ball: Ball, key: Keys, reference: Tensor = None
    ) -> Tensor:
        """Attacks inside a training step: the budget holds, but nobody asks whether the input itself was better.

        That question costs two forward passes, and training does not need the answer.

        Args:
            model: The classifier under attack.
            x: Inputs, float32 (batch, ...).
            y: True labels, int32 (batch,).
            ball: Where the inputs may move.
            key: The examples' keys (batch, 2).
            reference: Logits (batch, classes) that a relative loss (`kl`) moves away from; None takes the model's at
                `x`.

        Returns:
            Examples within the ball, float32, shaped like `x`.
        """
        x, y = ops.convert_to_tensor(x, "float32"), ops.convert_to_tensor(y, "int32")
        batch = Batch(self, model, x, y, ball, key, key, reference=reference).entered()
        return batch.back(batch.all_attempts().x)

    @final
    def check(self, model: Classifier, ball: Ball) -> None:
        """Refuses what cannot work, before anything is computed.

        Raises:
            SettingError: The attack cannot work in this norm, or has a target and a loss that knows none.
            ModelError: The loss needs more classes than the model has.
        """
        if ball.norm not in self.norms:
            fit = "norm" if len(self.norms) == 1 else "one of the norms"
            raise SettingError(
                f"Expected {fit} {', '.join(self.norms)} for {attacks.name_of(type(self))}; got {ball.norm}."
            )
        self.check_task(model)
        for part, _ in self.under(ball.norm).rounds(model.num_classes):
            losses.check_classes(part.judged_by, model.num_classes, targeted=part.target not in ("", "none"))
        self.check_further(model, ball)

    def check_task(self, model: Classifier) -> None:
        """Refuses a model that is asked another thing than one class, where the attack asks more than the graph.

        Raises:
            SettingError: It is asked so.
        """
        if model.question is not None and not (self.for_every_task and not self.sources(model)):
            raise SettingError(
                f"Expected an attack that works on {model.question.describe()}, such as pgd, apgd-ce or square; got "
                f"{attacks.name_of(type(self))}, which takes single labels and one input."
            )

    def check_further(self, model: Classifier, ball: Ball) -> None:  # noqa: B027
        """Refuses what only this attack knows not to work; see `check`."""

    def sources(self, model: Classifier) -> tuple[Any, ...]:
        """What else its search reads when it attacks a model: other classifiers, or whatever has a `model`."""
        return ()

    @property
    def members(self) -> "tuple[Attack, ...]":
        """The attacks that it consists of, as they were given; none for most."""
        return ()

    @property
    def files(self) -> tuple[str, ...]:
        """Paths of files that it reads: what is in them decides a verdict too."""
        return ()

    @property
    def targeted(self) -> bool:
        """Whether the attack wants one certain answer."""
        return self.target not in ("", "none") and not is_sweep(self.target)

    def attempts(self, num_classes: int) -> int:
        """How many attempts the attack consists of on a model of so many classes."""
        return sweep_size(self.target, num_classes)

    def own_ball(self, threat: Ball, shape: Shape) -> Ball:
        """Where this attack may move an image of a shape under a threat: there, unless it has a ball of its own."""
        if not (self.norm or self.eps):
            return threat
        own = threat.under(self.norm or threat.norm)
        return own.with_eps(min(self.eps or float(threat.eps), own.widest(shape)))

    @property
    def family(self) -> str:
        """What sort of attack it is, for those who compare attacks.

        `random`, `one-step`, `iterative`, `ensemble` (of several) or `other`; without the model's gradient `query`
        (asks for scores), `decision` (for answers) or `transfer` (crafts on another model).
        """
        return "other"

    @property
    def judged_by(self) -> str:
        """The loss that says which of two failed attempts is better."""
        return getattr(self, "loss", "cross_entropy")

    def under(self, norm: str) -> "Attack":
        """This attack as it goes about a norm: itself, unless its rounds depend on which."""
        return self

    def rounds(self, num_classes: int) -> "Iterator[tuple[Attack, int]]":
        """The attacks that this one consists of, and how many attempts each makes.

        Making them in turn, each on what survived those before, finds exactly what a call finds, and costs less.
        """
        yield self, self.attempts(num_classes)

    def attempt_gradients(self, num_classes: int) -> int:
        """Input gradients that an attempt takes of an example, at most, as far as the settings tell.

        Args:
            num_classes: Of the model.
        """
        return 0 if self.family in WITHOUT_GRADIENTS else int(getattr(self, "steps", 0))

    def example_gradients(self, size: int) -> float | None:
        """Input gradients that an attempt takes of an example, about; None where `attempt_gradients` tells it.

        Args:
            size: Values of an input.
        """
        return None

    def __str__(self) -> str:
        """The spec that builds this attack: its name, and the settings that are not the defaults."""
        return spec_of(attacks.name_of(type(self)), self)

    def to_dict(self) -> dict[str, Any]:
        """The registered name and every setting, for JSON, which has no infinity: `inf` is a text there."""
        settings = {key: "inf" if value == math.inf else value for key, value in dataclasses.asdict(self).items()}
        return {"name": attacks.name_of(type(self)), **settings}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "Attack":
        """Reads back what `to_dict` wrote; nothing is imported for it.

        Raises:
            SpecError: An attack, or a part of one, that is not registered by its name.
        """
        if not isinstance(data, Mapping):
            raise SpecError(f"Expected an attack as a spec or as its name and settings; got {data!r}.")
        settings: dict[str, Any] = {key: math.inf if value == "inf" else value for key, value in data.items()}
        with registered_names():
            return attacks.factory(settings.pop("name"))(**settings)

    def attempted(self, batch: Batch) -> SearchResult:
        """One attempt at a batch, within a graph."""
        model, x, goal, ball, key = batch.context()
        result = self.search(model, x, goal, ball=ball, key=key)
        return result if isinstance(result, SearchResult) else SearchResult(result)


attacks: Registry[Attack] = Registry("attack", "turtlenet.attacks", base=Attack)
