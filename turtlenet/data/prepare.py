"""Brings what a user gives as data to a model: shape, classes, bounds, the part to train on or attack."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, TypeAlias

import keras
import numpy as np

from turtlenet import backend, models
from turtlenet import data as data_family
from turtlenet.batching import predict
from turtlenet.classifier import Classifier
from turtlenet.data import Data, Examples
from turtlenet.data.about import About
from turtlenet.data.asked import asked_pair
from turtlenet.data.parts import choose, trained_on
from turtlenet.data.readers.arrow import is_dataset
from turtlenet.data.readers.sets import from_tables
from turtlenet.data.readers.tables import PLAIN, Reading, features_of, is_frame, is_tabular, reading_of
from turtlenet.errors import DataError, SettingError
from turtlenet.files import PathType
from turtlenet.input_kind import TABLE, kind_of
from turtlenet.models.as_classifier import ModelType
from turtlenet.models.classifier import pixel_bounds
from turtlenet.models.normalize import check_plain, normalized, statistics, statistics_of
from turtlenet.models.usage import Usage


def split(examples: Examples, held_out: int, seed: int) -> tuple[Examples, Examples]:
    """Holds out a random part for validation; gives the rest and that part."""
    order = np.random.default_rng([seed, 0x5EED]).permutation(len(examples))
    return examples.subset(np.sort(order[held_out:])), examples.subset(np.sort(order[:held_out]))


DataType: TypeAlias = PathType | tuple[Any, ...] | Examples | Data | Iterable[Any]


UNBOUNDED = (-1e30, 1e30)
"""Bounds of a table before its own are known."""


DEFAULT_DATA = "mnist-sample"


SAMPLE_ACCURACY = 0.8
"""Clean accuracy that a model of digits has; one below was made for something else, or is not trained."""


_SAMPLED = 500


def load_data(
    data: DataType | None,
    victim: Classifier,
    *,
    judge: Classifier | None = None,
    weighted: bool = False,
    how: Reading = PLAIN,
    aside: bool = False,
) -> Data:
    """Brings any form of data to the shape, classes and bounds of a classifier.

    Args:
        data: The name of a data set, a path, `(x, y)` of any library, `((x, y), (x, y))` for training and test as
            `keras.datasets.mnist.load_data()` gives them, a finite stream of such batches (`tf.data`,
            `PyDataset`, a generator: read once, at most 1 GiB), a frame of pandas or a data set of Hugging Face, or
            None for the embedded sample, where it fits and the model gets it right.
        victim: The classifier that the data are for.
        judge: The classifier that must get the sample right; the victim itself by default.
        weighted: Whether examples may have weights: `(x, y, sample_weight)`.
        how: Which columns of a table are what.
        aside: Whether a part for validation may be all there is.

    Raises:
        DataError: Data that do not fit, or None where the sample does not, or is not what the model was made for.
        SpecError: An unknown name.
    """
    found = _loaded(data, victim, judge, weighted, how)
    if found.validation is not None and found.train is None and found.test is None and not aside:
        raise DataError(f"Expected training or test data in {found.name}; got data for validation only.")
    _check_names(found, victim)
    return found


def _check_names(data: Data, victim: Classifier) -> None:
    """Refuses names of classes that are more or fewer than the model's classes.

    Raises:
        DataError: The data name more or fewer classes.
    """
    part = data.whole or data.test or data.train or data.validation
    names = part.about.classes if part is not None else ()
    if names and victim.question is None and len(names) != victim.num_classes:
        raise DataError(
            f"Expected names of {victim.num_classes} classes, as many as the model has; got {len(names)}: "
            f"{', '.join(names)[:80]}."
        )


def _loaded(data: DataType | None, victim: Classifier, judge: Classifier | None, weighted: bool, how: Reading) -> Data:
    """See `load_data`."""
    fit: dict[str, Any] = {
        "shape": victim.input_shape,
        "num_classes": victim.num_classes,
        "bounds": victim.bounds,
        "question": victim.question,
    }
    if isinstance(data, Data):
        return data
    if isinstance(data, Examples):
        return Data(data.name, train=data, test=data, whole=data)
    if is_frame(data) or is_dataset(data):
        found = from_tables({"": data}, how, name=type(data).__name__, **fit)
        # In memory a table is what the user chose: nothing of it is held out.
        return found if found.whole is None else Data(found.name, found.whole, found.whole, found.whole)
    if data is not None and not isinstance(data, (str, PathLike)):
        several = victim.question.inputs if victim.question and victim.question.several else ()
        if not several and data_family.are_two_parts(data):
            parts = zip(("train", "test"), data, strict=True)
            named = {f"{kind}_{part}": each for part, pair in parts for kind, each in zip("xy", pair, strict=True)}
            return data_family.assemble(named, name="arrays", about=About(classes=tuple(how.classes)), **fit)
        x, y, *weights = data_family.parts_of(data, victim.input_shape, several)
        if weights and weights[0] is not None and not weighted:
            one = kind_of(victim.input_shape).example
            raise DataError(
                f"Expected (x, y), where each {one} counts once; got sample weights: they are for train, and for "
                "turtlenet.Trainer."
            )
        about = About(classes=tuple(how.classes))
        if is_frame(x):
            x, about = features_of(x, how, victim.input_shape)
        if victim.question is not None:
            x, y = asked_pair(x, y, victim.question)
        elif how.output and isinstance(y, Mapping) and how.output in y:
            y = y[how.output]
        whole = data_family.from_arrays(x, y, about=about, **fit)
        if weights and weights[0] is not None:
            whole = whole.weighted(weights[0])
        return Data(whole.name, train=whole, test=whole, whole=whole)
    if data is not None:
        return data_family.load(data, how=how, **fit)
    _check_sample(victim)
    sample = data_family.load(DEFAULT_DATA, **fit)
    _check_right([judge or victim], [sample])
    return sample


def part_to_score(
    model: ModelType, data: DataType | None, victim: Classifier, options: Any, *, held_out: bool = False
) -> Examples:
    """The examples that a workflow of one model is measured on.

    Args:
        model: The model, as it was given.
        data: Any form of data; see `load_data`.
        victim: The model's classifier.
        options: The workflow's settings: `split`, `limit`, and those of the columns of a table.
        held_out: See `choose`.

    Raises:
        DataError, SettingError, SpecError: See `load_data` and `choose`.
    """
    seen = trained_on(model)
    whole = load_data(data, victim, how=reading_of(options, seen))
    return choose(whole, options.split, [seen], held_out=held_out).take(options.limit)


@dataclass(frozen=True)
class TrainingPart:
    """What a workflow trains on.

    Attributes:
        name: What the data are called.
        whole: Their training part.
        examples: What of it is trained on.
        held_out: The rest, for validation; None where that is nothing.
        own: Whether these are a part of the data's own, and no rest.
        unused: What else could have been validated on, in words; empty for nothing.
    """

    name: str
    whole: Examples
    examples: Examples
    held_out: Examples | None
    own: bool = False
    unused: str = ""

    @property
    def identity(self) -> dict[str, Any]:
        """What of the data tells a run from another."""
        same = {"data": self.whole.sha256(), "validation": len(self.held_out) if self.held_out else 0}
        return same | ({"validation_data": self.held_out.sha256()} if self.held_out and self.own else {})

    @property
    def validated(self) -> str:
        """What is validated on, for people."""
        return validated(self.held_out, self.own, self.unused)


OWN_PART_UNUSED = "not the part for validation that the data have"
"""What is said where something else is validated on."""


def validated(held_out: Examples | None, own: bool, unused: str = "") -> str:
    """What training validates on, for people: how many of its examples, or whose, and what else it could have been."""
    count = len(held_out) if held_out else 0
    words = f"{count:,} for validation: {held_out.name}" if held_out and own else f"{count:,} held out for validation"
    return f"{words}, {unused}" if unused else words


def part_to_train_on(model: ModelType, data: DataType | None, victim: Classifier, options: Any) -> TrainingPart:
    """The examples that something is trained on beside a model.

    Args:
        model: The model, as it was given.
        data: Any form of data; see `load_data`.
        victim: The model's classifier.
        options: The workflow's settings: `validation`, `seed`, and those of the columns of a table.

    Raises:
        DataError: Test data only, or see `load_data`.
        SettingError: See `hold_out`.
    """
    loaded = load_data(data, victim, how=reading_of(options, trained_on(model)))
    if loaded.train is None or not len(loaded.train):
        raise DataError(f"Expected training data in {loaded.name}; got test data only.")
    loaded.train.check()
    aside = loaded.to_validate_on() if options.validation is None else None
    if aside is not None:
        return TrainingPart(loaded.name, loaded.train, loaded.train, aside, own=True)
    unused = OWN_PART_UNUSED if loaded.brings_validation else ""
    rest = hold_out(loaded.train, options.validation, options.seed)
    return TrainingPart(loaded.name, loaded.train, *rest, unused=unused)


def load_extra(data: DataType, victim: Classifier, how: Reading = PLAIN) -> Examples:
    """Further images to train a classifier on: all of data that are one part, else their training part.

    Args:
        data: Any form of data; see `load_data`. Files are read in slices where `--data` reads them so.
        victim: The classifier that they are for.
        how: Which columns of a table are what.

    Raises:
        DataError: Data that do not fit, or test images only.
    """
    loaded = load_data(data, victim, weighted=True, how=how)
    examples = loaded.whole or loaded.train
    if examples is None:
        raise DataError(f"Expected training data in {loaded.name}; got test data only.")
    examples.check()
    return examples


def load_validation(data: DataType, victim: Classifier, how: Reading = PLAIN) -> Examples:
    """Data to choose the epoch by: all of data that are one part, else their part for validation.

    Args:
        data: Any form of data; see `load_data`.
        victim: The classifier that they are for.
        how: Which columns of a table are what.

    Raises:
        DataError: Data that do not fit, or of other parts.
    """
    loaded = load_data(data, victim, how=how, aside=True)
    examples = loaded.to_validate_on() or loaded.whole
    if examples is None:
        raise DataError(f"Expected validation data of one part, or with a part val, in {loaded.name}; got others.")
    examples.check()
    return examples


def load_for(data: DataType | None, victims: Sequence[Classifier], how: Reading = PLAIN) -> list[Data]:
    """The data for each classifier; those that take the same images share them.

    Args:
        data: Any form of data; see `load_data`.
        victims: The classifiers.
        how: Which columns of a table are what.

    Raises:
        DataError: See `load_data`; of several classifiers one must get the embedded sample right.
    """
    for victim in victims if data is None else ():
        _check_sample(victim)
    fits = [(victim.input_shape, victim.num_classes, victim.bounds, victim.question) for victim in victims]
    wanted = DEFAULT_DATA if data is None else data
    loaded = {fit: load_data(wanted, victim, how=how) for fit, victim in dict(zip(fits, victims, strict=True)).items()}
    found = [loaded[fit] for fit in fits]
    if data is None:
        _check_right(victims, found)
    return found


def normalized_for(
    model: keras.Model,
    spec: Any,
    data: DataType | None,
    *,
    bounds: tuple[float, float] | None,
    head: str,
    how: Reading = PLAIN,
    held_out: bool = False,
    usage: Usage | None = None,
) -> tuple[keras.Model, DataType | None]:
    """A model behind the layer that normalizes its inputs, and its data; as they are where nothing is normalized.

    Args:
        model: The model as it was trained, on normalized inputs.
        spec: See `turtlenet.models.normalize.parsed`; None for nothing.
        data: Any form of data, of which the training part tells mean and deviation where `spec` is `data`.
        bounds: Smallest and largest value of an input; None tells them from the model.
        head: What the model's outputs are.
        how: Which columns of a table are what.
        held_out: Whether data of one part are no training data.
        usage: The task, the output and the sides that the model leaves open; None for single labels of one input.

    Raises:
        ModelError: A model that normalizes already.
        SettingError, DataError: What does not fit the model, or no training data.
    """
    if spec is None:
        return model, data
    check_plain(model)
    shape = tuple(model.input_shape[1:])
    free = bounds is None and (is_tabular(data) or kind_of(shape) is TABLE)
    within = bounds or (UNBOUNDED if free else pixel_bounds(model))
    by = statistics(spec, within)
    if by is None:
        asked = models.classifier(model, bounds=within, head=head, usage=usage)
        loaded = load_data(data, asked, weighted=True, how=how)
        if loaded.train is None or (held_out and loaded.train is loaded.test):
            raise DataError(
                f"Expected training data to normalize by, in {loaded.name}; got none: wrap the model first (turtlenet "
                "wrap MODEL --normalize data --data TRAIN), or give mean=...,std=..."
            )
        by, data = statistics_of(_blocks(loaded.train), loaded.train.shape), loaded
    return normalized(model, by), data


def _blocks(examples: Examples, size: int = 4096) -> Iterator[np.ndarray]:
    most = max(1, min(size, 2**23 // max(1, math.prod(examples.shape))))
    return (examples.batch(slice(start, start + most))[0] for start in range(0, len(examples), most))


def hold_out(examples: Examples, validation: int | None, seed: int) -> tuple[Examples, Examples | None]:
    """The part to train on and the part for validation; None holds out a tenth, at most 1,000.

    Raises:
        SettingError: As many as there are, or less than none.
    """
    count = min(1000, len(examples) // 10) if validation is None else validation
    if not 0 <= count < len(examples):
        raise SettingError(f"Expected validation from 0 to {len(examples) - 1} examples; got {count}.")
    return split(examples, count, seed) if count else (examples, None)


def _check_sample(victim: Classifier) -> None:
    fits = victim.input_shape in ((28, 28, 1), (28, 28), (784,)) and victim.num_classes == 10
    if victim.question is not None:
        raise DataError(f"Expected --data NAME|PATH for {victim.question.describe()}; got none.")
    if not fits:
        shape, inputs = "x".join(map(str, victim.input_shape)), kind_of(victim.input_shape).examples
        raise DataError(
            f"Expected --data NAME|PATH for a model of {shape} {inputs} and {victim.num_classes} classes; the "
            "embedded mnist-sample has 28x28x1 images and 10 classes."
        )


def _check_right(victims: Sequence[Classifier], samples: Sequence[Data]) -> None:
    """Refuses the embedded sample for classifiers none of which gets it right."""
    if backend.process()[1] > 1:
        return
    best = 0.0
    for victim, sample in zip(victims, samples, strict=True):
        x, y = choose(sample, held_out=True).examples.batch(slice(_SAMPLED))
        best = max(best, float((predict(victim, x, 256).argmax(axis=1) == y).mean()))
        if best >= SAMPLE_ACCURACY:
            return
    raise DataError(
        f"Expected --data NAME|PATH: the embedded mnist-sample stands in only for a model of its digits, and this one "
        f"answers {best:.3f} of them right. Pass --data {DEFAULT_DATA} to take it all the same."
    )
