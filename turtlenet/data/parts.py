"""Which part of a data set is scored, and what a model's training saw of it."""

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import keras

from turtlenet import models
from turtlenet.classifier import Classifier
from turtlenet.data import Data, Examples
from turtlenet.data.joined import joined
from turtlenet.errors import DataError, SettingError, SpecError, did_you_mean

SPLITS = ("all", "test", "train")
TRAINED_ON = "trained_on"
"""The key of a file's provenance."""

_FIRST = 256
_NAMES = ("classes", "features")
_Model: TypeAlias = str | PathLike[str] | keras.Model | Classifier
_Note: TypeAlias = Mapping[str, Any]
_known: "weakref.WeakKeyDictionary[keras.Model, list[dict[str, Any]]]" = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class Part:
    """What is scored.

    Attributes:
        examples: Images and labels.
        split: `train`, `test` or `all`; empty for data that are one part.
        words: The part for people, such as `the sixth that training holds out`.
        asked: Whether the user asked for it.
    """

    examples: Examples
    split: str
    words: str
    asked: bool

    def take(self, limit: int | None) -> Examples:
        """The first examples of it; None for all."""
        return self.examples.take(limit)


def choose(
    data: Data, split: str | None = None, seen: Sequence[Sequence[_Note]] = (), *, held_out: bool = False
) -> Part:
    """Chooses what to score.

    Args:
        data: The data set.
        split: `train`, `test` or `all`. None takes the test part; of data without one, all, or the sixth that
            training held out where it did, as far as the models' files tell.
        seen: What each model was trained on; see `trained_on`.
        held_out: Whether None is to mean `test` wherever there is such a part.

    Raises:
        DataError: There is nothing in that part.
        SettingError: A split of data that are one part.
        SpecError: Another word.
    """
    if split is not None and split not in SPLITS:
        raise SpecError(f"Unknown split {split!r}.{did_you_mean(split, SPLITS)}")
    one = data.train is data.test and data.whole is not None
    if one and split in ("train", "test"):
        raise SettingError(
            f"Expected data with a training and a test part for split={split}; got one part in {data.name}: give a "
            "path or a name, or the part itself."
        )
    if one:
        return Part(_filled(data.whole, data, "all"), "", "", split is not None)
    word = split or ("test" if held_out and data.test is not None else _usual(data, seen))
    made = data.whole is not None
    found: Examples | None
    if word == "all" and not made and data.train is not None and data.test is not None:
        found = joined(data.train, data.test, data.name)
    else:
        found = {"all": data.whole or data.test or data.train, "test": data.test, "train": data.train}[word]
    words = {
        "all": "all of it" if made else "training and test part",
        "test": "the sixth that training holds out" if made else "test part",
        "train": "the five sixths that training takes" if made else "training part",
    }[word]
    return Part(_filled(found, data, word), word, words, split is not None)


def _usual(data: Data, seen: Sequence[Sequence[_Note]]) -> str:
    if data.whole is None:
        return "train" if data.test is None or not len(data.test) else "test"
    if data.train is None or data.test is None:
        return "all"
    # How many there are decides the split, whatever they were called and wherever they lay then.
    entries = [each for notes in seen for each in notes]
    made = {(each["count"], each["held_out"]) for each in entries}
    # A file of an older version tells no more than what the data were called.
    called = {Path(each["data"]).name for each in entries if not each["count"]}
    return "test" if (len(data.train), len(data.test)) in made or Path(data.name).name in called else "all"


def _filled(examples: Examples | None, data: Data, split: str) -> Examples:
    if examples is not None and len(examples):
        return examples
    if split == "all" or not (data.train or data.test):
        raise DataError(f"Expected data to attack in {data.name}; got none.")
    other = "training" if split == "test" else "test"
    raise DataError(f"Expected {split} data for split={split} in {data.name}; got {other} data only.")


def note(data: Data) -> dict[str, Any]:
    """What a model's file shall say of the data that it was trained on, as plain data.

    Raises:
        DataError: There is no training part.
    """
    train = data.train
    if train is None:
        raise DataError(f"Expected training data in {data.name}; got test data only.")
    made = data.whole is not None and data.test is not None and data.test is not train
    first = train.take(_FIRST)
    return {
        "data": data.name,
        "count": len(train),
        "held_out": len(data.test) if made and data.test is not None else 0,
        "first": len(first),
        "first_sha256": first.sha256(),
        **({"classes": list(train.about.classes)} if train.about.classes else {}),
        **({"features": list(train.about.names)} if train.about.names else {}),
    }


def remember(model: keras.Model, seen: Sequence[_Note]) -> None:
    """Keeps in mind, for as long as the model lives, what it was trained on; see `note`."""
    if seen:
        _known[model] = [dict(each) for each in seen]


def trained_on(model: _Model) -> list[dict[str, Any]]:
    """What a model was trained on, as far as its file tells, or what made it in this process; see `note`.

    What a file tells is read and not trusted: whatever does not look like such a note is left out.
    """
    if isinstance(model, Classifier):
        model = model.whole
    if isinstance(model, keras.Model):
        return list(_known.get(model, ()))
    told = models.read_provenance(Path(model)) or {}
    found, recipe = told.get(TRAINED_ON), told.get("recipe")
    if found is None and isinstance(recipe, dict) and isinstance(recipe.get("data"), str):
        return [{"data": recipe["data"], "count": 0, "held_out": 0, "first": 0, "first_sha256": ""}]
    entries = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    kinds = {"data": str, "count": int, "held_out": int, "first": int, "first_sha256": str}
    return [
        {name: each[name] for name in kinds} | {name: each[name] for name in _NAMES if _are_names(each.get(name))}
        for each in entries
        if all(type(each.get(name)) is kind for name, kind in kinds.items()) and 0 < each["first"] <= each["count"]
    ]


def _are_names(found: Any) -> bool:
    return isinstance(found, list) and all(isinstance(name, str) for name in found) and len(set(found)) == len(found)


def saw(notes: Sequence[_Note], part: Part, data: Data) -> bool:
    """Whether a model was trained on the images of a part, or on some of them, as far as `trained_on` tells.

    The first images decide: of the part, and of the training part where that is within it.
    """
    looked_at = [part.examples, *([data.train] if part.split in ("all", "train") and data.train is not None else [])]
    return any(
        each.take(entry["first"]).sha256() == entry["first_sha256"]
        for entry in notes
        for each in looked_at
        if len(each) >= entry["first"] > 0
    )
