"""What a run learns from: the examples, how much each counts, and what is held out."""

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np

from turtlenet import backend, models
from turtlenet.batching import check_agreement
from turtlenet.classifier import Classifier
from turtlenet.data import Data, Examples
from turtlenet.data.prepare import OWN_PART_UNUSED, hold_out, load_extra, load_validation, validated
from turtlenet.data.readers.tables import Reading
from turtlenet.errors import DataError, SettingError
from turtlenet.settings import recipes
from turtlenet.settings.train import TrainSettings
from turtlenet.training.data.class_weights import class_weights
from turtlenet.training.data.stream import Extra, Stream
from turtlenet.training.run.hardening import Schedule

_EXTRA_SHARE = 0.7


@dataclass(frozen=True)
class Lesson:
    """What a run learns from, and what tells it from others.

    Attributes:
        examples: What to train on.
        held_out: What to validate on.
        balance: How much each class counts; None for alike.
        identity: Hashes of model and data, and what else is known before the run.
        extra: Further examples and their share; None for none.
        facts: What the model's file says of those: name, count, hash and share.
        own: Whether what is validated on was given, not held out.
        unused: What else could have been validated on, in words; empty for nothing.
    """

    examples: Examples
    held_out: Examples | None
    balance: list[float] | None
    identity: dict[str, Any]
    extra: Extra | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    own: bool = False
    unused: str = ""

    def steps(self, schedule: Schedule, replays: int = 1) -> tuple[int, int]:
        """Steps of an epoch, and of the whole run; see `Schedule.steps`."""
        return schedule.steps(len(self.examples), self.extra, replays)

    @property
    def validation(self) -> int:
        """How many examples are held out."""
        return len(self.held_out) if self.held_out else 0

    @property
    def validated(self) -> str:
        """What is validated on, for people."""
        return validated(self.held_out, self.own, self.unused)


def lesson_of(data: Data, before: keras.Model, victim: Classifier, options: TrainSettings, how: Reading) -> Lesson:
    """The training part of the data, its weights and its held-out part.

    Args:
        data: The data set.
        before: The model as it came, which tells this run from others.
        victim: The model to train, behind its defences.
        options: The user's settings.
        how: Which columns of a table are what.

    Raises:
        DataError: No training images, or such as do not fit.
    """
    if data.train is None:
        raise DataError(f"Expected training data in {data.name}; got test data only.")
    data.train.check()
    identity: dict[str, Any] = {}
    if options.checkpoint is not None or backend.process()[1] > 1:
        identity = {"model": models.weights_sha256(before), "data": data.train.sha256()}
        check_agreement(**identity)
        identity["defences"] = [str(each) for each in models.defences_of(victim.model)]
    own = _own_validation(data, victim, options, how)
    examples, held_out = (data.train, own) if own else hold_out(data.train, options.validation, options.seed)
    if own and "data" in identity:
        identity["validation_data"] = own.sha256()
    if examples.weights is not None:
        identity["sample_weight"] = hashlib.sha256(examples.weights.tobytes()).hexdigest()
    balance = None
    if options.class_weight is not None:
        if victim.question is not None and not victim.question.single_label:
            raise SettingError(f"Expected no class_weight for {victim.question.describe()}; got one.")
        balance = class_weights(options.class_weight, examples.classes, victim.num_classes)
        examples = examples.weighted(np.asarray(balance)[examples.classes])
        identity["class_weight"] = balance
    unused = _unused(data, own, options)
    lesson = Lesson(examples, held_out, balance, identity, own=own is not None, unused=unused)
    return _with_extra(lesson, victim, options, how)


def _own_validation(data: Data, victim: Classifier, options: TrainSettings, how: Reading) -> Examples | None:
    """The user's own validation data, beside the data or a part of them; None where some are to be held out.

    Raises:
        DataError: Such as do not fit.
        SettingError: A number to hold out besides.
    """
    if options.validation_data is not None:
        if options.validation is not None:
            raise SettingError(f"Expected validation or validation_data; got both, to hold out {options.validation}.")
        return load_validation(options.validation_data, victim, how)
    return data.to_validate_on() if options.validation is None or _is_recipes(options) else None


def _is_recipes(options: TrainSettings) -> bool:
    """Whether the number to hold out is a recipe's, which gives way to validation data of one's own."""
    return recipes.said_by_recipe("validation", options.validation, options.preset, options.recipe)


def _unused(data: Data, own: Examples | None, options: TrainSettings) -> str:
    """What could have been validated on besides, in words: a number that gave way, or a part of the data that did."""
    if own is not None and options.validation_data is None and options.validation is not None:
        return f"not the {options.validation:,} of the recipe"
    other = own is None or options.validation_data is not None
    return OWN_PART_UNUSED if other and data.brings_validation else ""


def _with_extra(lesson: Lesson, victim: Classifier, options: TrainSettings, how: Reading) -> Lesson:
    """A lesson with extra examples, weighted as their classes are, if there are any.

    Raises:
        DataError: Such as do not fit.
        SettingError: A share of none, or one that does not fit a batch.
    """
    if options.extra is None:
        if options.extra_share is not None:
            raise SettingError(f"Expected extra data for extra_share={options.extra_share}; got none: pass --extra.")
        return lesson
    examples = load_extra(options.extra, victim, how)
    if lesson.balance is not None:
        examples = examples.weighted(np.asarray(lesson.balance)[examples.classes])
    extra = Extra(examples, options.extra_share or _EXTRA_SHARE)
    sha256 = examples.sha256()
    facts = {"name": examples.name, "count": len(examples), "sha256": sha256, "share": extra.share}
    if "model" in lesson.identity:
        check_agreement(lesson.identity["model"], sha256)
    # What does not fit is said before anything long starts.
    Stream(lesson.examples, options.batch_size or 128, options.seed, extra=extra)
    identity = {**lesson.identity, "extra": sha256}
    if examples.weights is not None:
        identity["extra_weight"] = hashlib.sha256(examples.weights.tobytes()).hexdigest()
    return replace(lesson, identity=identity, extra=extra, facts=facts)
