"""What training minimizes: where the examples come from, and the loss at them."""

import abc
import copy
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

from keras import ops

from turtlenet import losses, random
from turtlenet.arguments import check_fields
from turtlenet.attacks import Attack
from turtlenet.balls import Ball, is_plain
from turtlenet.classifier import Classifier
from turtlenet.errors import ModelError, SettingError, SpecError, did_you_mean
from turtlenet.ranges import check_ranges, count, number, one_of, share
from turtlenet.registry import Registry
from turtlenet.training.objective.gradalign import misalignment

CRAFT_ON = ("ensemble", "self", "static")
# The random points of gradient alignment come from a stream that no attack uses.
_ALIGN = 0xA116


@dataclass(frozen=True, kw_only=True)
class Objective(abc.ABC):
    """The two halves of a saddle point: the inner maximum and the outer minimum.

    A subclass is a frozen dataclass with two methods, `craft` and `loss`. Whatever it crafts, the radius grows over
    the warm-up, the clean share of a batch stays as it is, and the examples are crafted on the models asked for.
    Whatever its loss is, the regularizers here are added to it.

    Args:
        attack: Looks for the inner maximum.
        ball: Where it may look.
        clean_share: Share of a batch, from 0 to 1, that is not attacked; those examples come first.
        warmup_steps: Training steps over which the radius grows from 0 to the ball's.
        minimize: The loss of an example: `cross_entropy`, or `squared_error` of the probabilities; of other tasks,
            `binary_cross_entropy` (multi-label) or `squared_deviation` (regression, in units of the tolerance).
        label_smoothing: Share of a label that is spread over all classes, from 0 to below 1 (Szegedy et al., 2016).
        logit_pairing: Weight of the mean squared difference of the logits at an input and at what was crafted of it
            (Kannan et al., 2018, "Adversarial logit pairing"); costs a pass more.
        gradalign: Weight of 1 - cos of the input gradients at an input and at a random point of the ball around it
            (Andriushchenko & Flammarion, 2020, eq. 6), which keeps training with one step from catastrophic
            overfitting; costs two input gradients and their derivatives. 0.2 is the paper's for 8/255.
        craft_on: `self` crafts on the model in training; `static` on one fixed other model, drawn for each batch from
            the sources; `ensemble` on the model in training or a fixed one, drawn likewise (Tramèr et al., 2018).
    """

    attack: Attack
    ball: Ball
    clean_share: float = share(0.0)
    warmup_steps: int = count(0)
    minimize: str = "cross_entropy"
    craft_on: str = one_of("self", CRAFT_ON)
    label_smoothing: float = number(0.0, low=0, below=1)
    logit_pairing: float = number(0.0, low=0)
    gradalign: float = number(0.0, low=0)

    ramp: ClassVar[Any] = 1.0
    """How far the radius has grown towards the threat's, from 0 to 1; `at` and the wrapper `eps-schedule` set it."""

    class_passes: ClassVar[float] = 0.0
    """Further weight gradients of a batch that a step costs for each class of the model; see `passes`."""

    replays: ClassVar[int] = 1
    """How often a batch is descended on in turn, each time from where the last one left it; see `Free`."""

    def __init_subclass__(cls, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        for name, own in (("perturb", "craft"), ("total", "loss")):
            if name in vars(cls):
                # Written over, it would leave out the warm-up, the clean share, the sources and the regularizers.
                raise SpecError(f"Expected objective {cls.__name__} to define {own}; got {name}, which is final.")

    def __post_init__(self) -> None:
        check_fields(self)
        check_ranges(self)
        if self.minimize not in losses.TRAINING:
            raise SpecError(
                f"Unknown loss {self.minimize!r} to minimize.{did_you_mean(self.minimize, losses.TRAINING)}"
            )

    def check(self, model: Classifier, sources: Sequence[Classifier]) -> None:
        """Refuses what cannot work, before training starts.

        Raises:
            SettingError: The attack cannot work in the ball's norm, or there is nothing to craft on.
            ModelError: The attack's loss needs more classes than the model has.
        """
        self.attack.check(model, self.ball)
        self._check_loss(model)
        if len(sources) < self.helpers:
            raise SettingError(
                f"Expected a helper for objective {objectives.name_of(type(self))}, a model that was trained as "
                "usual; got none: pass --source."
            )
        for helper in sources[: self.helpers]:
            ours, theirs = (model.input_shape, model.num_classes), (helper.input_shape, helper.num_classes)
            if ours != theirs:
                raise ModelError(
                    f"Expected a helper with inputs of {ours[0]} and {ours[1]} classes, as the model has; got inputs "
                    f"of {theirs[0]} and {theirs[1]} classes."
                )
        if self.craft_on != "self" and len(sources) <= self.helpers:
            raise SettingError(
                f"Expected at least one other model to craft on for craft_on={self.craft_on}; got none: pass --source."
            )

    def _check_loss(self, model: Classifier) -> None:
        """Refuses a loss that is another task's."""
        if model.question is None or model.question.single_label:
            if self.minimize in losses.OF_OTHER_TASKS:
                raise SettingError(
                    f"Expected minimize=cross_entropy or squared_error for {model.num_classes} classes; got "
                    f"{self.minimize}."
                )
            return
        fit, what = model.question.task.minimize, model.question.describe()
        if self.minimize not in fit:
            raise SettingError(f"Expected minimize={' or '.join(fit)} for {what}; got {self.minimize}.")
        if self.label_smoothing:
            raise SettingError(f"Expected label_smoothing=0 for {what}; got {self.label_smoothing}.")

    @final
    def perturb(
        self, model: Classifier, x: Any, y: Any, *, key: Any, step: Any, sources: Sequence[Classifier] = ()
    ) -> Any:
        """Crafts the batch to train on; touches no weight.

        Args:
            model: The classifier in training, with its weights of this moment.
            x: Inputs, float32 (batch, ...).
            y: Labels, int32 (batch,).
            key: The examples' keys of this step (batch, 2).
            step: Number of optimizer steps done so far, an integer scalar.
            sources: Other, fixed classifiers to craft on.

        Returns:
            Inputs shaped like `x`: the clean share first, as it is, then what was crafted.
        """
        if self.clean_share == 1:
            return x
        if self.clean_share == 0:
            return self._crafted(model, x, y, key, step, sources)
        clean = self.clean_examples(ops.shape(x)[0])
        moved = self._crafted(model, x[clean:], y[clean:], key[clean:], step, sources)
        return ops.concatenate([x[:clean], moved], axis=0)

    def clean_examples(self, size: Any) -> Any:
        """How many examples of a batch are not attacked: the share, but never all of them unless it is 1.

        Args:
            size: Examples of the batch, a number or an int32 scalar.
        """
        if self.clean_share == 1:
            return size
        if isinstance(size, int):
            return min(round(self.clean_share * size), max(0, size - 1))
        wanted = ops.cast(ops.round(self.clean_share * ops.cast(size, "float32")), "int32")
        return ops.minimum(wanted, ops.maximum(size - 1, 0))

    @abc.abstractmethod
    def craft(self, model: Classifier, x: Any, y: Any, *, ball: Ball, key: Any) -> Any:
        """Crafts the attacked part of a batch on one model; touches no weight.

        Args:
            model: The classifier to craft on: the one in training, or a source.
            x: Inputs, float32 (batch, ...).
            y: Labels, int32 (batch,).
            ball: Where they may move at this step of the run; its radius may be a tensor.
            key: The examples' keys of this step (batch, 2).

        Returns:
            Inputs shaped like `x`; see `Attack.craft`, which keeps them in the ball.
        """

    @property
    def helpers(self) -> int:
        """How many of the sources serve the loss and not the crafting; they come first."""
        return 0

    def own_sources(self) -> "Sequence[Objective]":
        """What the sources are trained on, one objective each, where none is given; none if they must be given."""
        return ()

    @property
    def passes(self) -> float:
        """Weight gradients of a batch that a step costs, beside what the attack costs; a forward pass is a third."""
        return 1.0 + bool(self.logit_pairing) + 4.0 * bool(self.gradalign)

    @abc.abstractmethod
    def loss(self, model: Classifier, x: Any, moved: Any, y: Any) -> tuple[Any, Any]:
        """Gives the loss of each example (batch,) and the logits at `moved`, in training mode.

        Args:
            model: The classifier in training; `model(x, training=True)` gives logits (batch, classes).
            x: Inputs as they are, float32 (batch, ...).
            moved: What `perturb` made of them.
            y: Labels, int32 (batch,).
        """

    def statistics_pass(self, model: Classifier, x: Any, moved: Any) -> Any:
        """A forward pass that has batch normalization follow what it follows in training; gives logits.

        Args:
            model: The classifier in training.
            x: Inputs as they are, float32 (batch, ...).
            moved: What `perturb` made of them.
        """
        return model(moved, training=True)

    @final
    def total(
        self, model: Classifier, x: Any, adversarial: Any, y: Any, *, key: Any, sources: Sequence[Classifier] = ()
    ) -> tuple[Any, Any]:
        """Gives what is minimized for each example (batch,), its loss and the regularizers, and the logits.

        Args:
            model: The classifier in training.
            x: Inputs as they are, float32 (batch, ...).
            adversarial: What `perturb` made of them.
            y: Labels, int32 (batch,).
            key: The examples' keys of this step (batch, 2).
            sources: Those of `perturb`.
        """
        if self.helpers:
            total, logits = self.loss_beside(model, x, adversarial, y, sources[: self.helpers])
        else:
            total, logits = self.loss(model, x, adversarial, y)
        if self.logit_pairing:
            total += self.logit_pairing * ops.mean(ops.square(model(x, training=True) - logits), axis=-1)
        if self.gradalign:
            total += self.gradalign * misalignment(model, x, y, self.ball, random.fold_in(key, _ALIGN))
        return total, logits

    def loss_beside(
        self, model: Classifier, x: Any, adversarial: Any, y: Any, helpers: Sequence[Classifier]
    ) -> tuple[Any, Any]:
        """The loss of an objective that has helpers, fixed classifiers; see `loss`."""
        raise NotImplementedError

    def fit(self, y: Any, logits: Any) -> Any:
        """What `minimize` names, of labels (batch,) and logits (batch, classes), with smoothed labels if asked for."""
        if not self.label_smoothing:
            return losses.TRAINING[self.minimize](y, logits)
        classes, share = logits.shape[-1], self.label_smoothing
        targets = (1 - share) * ops.one_hot(y, classes, dtype="float32") + share / classes
        if self.minimize == "squared_error":
            return ops.mean(ops.square(ops.softmax(logits, axis=-1) - targets), axis=-1)
        return -ops.sum(targets * ops.log_softmax(logits, axis=-1), axis=-1)

    def _crafted(self, model: Classifier, x: Any, y: Any, key: Any, step: Any, sources: Sequence[Classifier]) -> Any:
        ball = self.ball_at(step)
        victims = self._victims(model, sources)
        crafts = [lambda victim=victim: self.craft(victim, x, y, ball=ball, key=key) for victim in victims]
        if len(crafts) == 1:
            return crafts[0]()
        # The first example's key draws for the whole batch, from a stream that no attack uses.
        draw = random.uniform(random.fold_in(key[:1], 0xE45), ())[0]
        return ops.switch(ops.cast(draw * len(crafts), "int32"), crafts)

    def ball_at(self, step: Any) -> Ball:
        """The ball at a step of the run, an integer scalar: its radius grows over the warm-up."""
        return self.at(step).ball

    def at(self, step: Any) -> "Objective":
        """The objective with the ball of a step of the run, an integer scalar; itself where there is no warm-up."""
        if not self.warmup_steps:
            return self
        grown = ops.minimum((ops.cast(step, "float32") + 1.0) / self.warmup_steps, 1.0)
        now = copy.copy(self)
        for name, value in (("ball", self.ball.with_eps(self.ball.eps * grown)), ("ramp", grown), ("warmup_steps", 0)):
            object.__setattr__(now, name, value)
        return now

    def _victims(self, model: Classifier, sources: Sequence[Classifier]) -> list[Classifier]:
        if self.craft_on == "self":
            return [model]
        others = sources[self.helpers :]
        return [model, *others] if self.craft_on == "ensemble" else list(others)

    def to_dict(self) -> dict[str, Any]:
        """The registered name and every setting, for JSON."""
        settings = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        ball = {"norm": self.ball.norm, "eps": self.ball.eps, "bounds": [self.ball.low, self.ball.high]}
        if not is_plain(self.ball):
            ball["features"] = self.ball.space.digest  # type: ignore[attr-defined]
        return {"name": objectives.name_of(type(self)), **settings, "attack": self.attack.to_dict(), "ball": ball}


objectives: Registry[Objective] = Registry("objective", "turtlenet.objectives", base=Objective)
