"""The models that an attacker without the key trains: kept in a folder, and taken from there the next time."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from turtlenet import models
from turtlenet.attacks.ensembles.sources import source
from turtlenet.classifier import Classifier
from turtlenet.data import Data, Examples
from turtlenet.defences import use_key, write_key
from turtlenet.errors import DataError, OutputError
from turtlenet.files import check_folder
from turtlenet.training.run.provenance import Training
from turtlenet.training.surrogates.reinitialized import architecture, attackers_key, twin


@dataclass(frozen=True)
class Surrogates:
    """What the attacker trained.

    Attributes:
        names: Who crafts on each, in words.
        paths: Their files.
        classifiers: The same, loaded.
    """

    names: tuple[str, ...]
    paths: tuple[Path, ...]
    classifiers: tuple[Classifier, ...]


@dataclass(frozen=True, kw_only=True)
class SurrogateTraining:
    """Where and how they are trained.

    Args:
        model: The model under attack; only its architecture is used.
        data: Its part to train on.
        training: How each surrogate is trained; see `turtlenet.training.run.provenance`.
        folder: Where they are kept.
        seed: Repeats weights, keys and training.
        bounds: Smallest and largest value of a pixel.
        head: What the model's outputs are.
        tell: Is given what happens, a line each.
    """

    model: keras.Model
    data: Data
    training: Training
    folder: Path
    seed: int
    bounds: tuple[float, float]
    head: str = "auto"
    tell: Callable[[str], None] = print

    def make(self, count: int) -> Surrogates:
        """Trains what is not there: a model without a key, and `count` behind the attacker's own keys.

        Raises:
            DataError: Data without a part to train on.
            OutputError: A folder that cannot be written, or a file of somebody else's in it.
            ModelError: A model that cannot be built anew.
        """
        train = self.data.train
        if train is None or train is self.data.test:
            raise DataError(
                f"Expected data with a part to train the attacker's models on; got one part in {self.data.name}: give "
                "a file or a data set with x_train, y_train, x_test and y_test."
            )
        check_folder(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        stems = ["no-key", *(f"own-key-{number + 1}" for number in range(count))]
        for stem in stems:
            self._check_place(self._path(stem))
        train.check()
        digest = train.sha256()
        found = [self._made(stem, train, number, digest) for number, stem in enumerate(stems)]
        names = tuple(stem.replace("-", " ") for stem in stems)
        return Surrogates(names, tuple(self._path(stem) for stem in stems), tuple(found))

    def _made(self, stem: str, train: Examples, number: int, digest: str) -> Classifier:
        path = self._path(stem)
        identity = self._identity(number, digest)
        key = attackers_key(self.model, self.seed, number) if number else None
        with use_key(*([key] if key else [])):
            if self._kept(path) == identity:
                self.tell(f"surrogate {stem}: kept in {path}")
            else:
                self._train(path, train, number, key, identity)
            # Loaded while its key is at hand: whoever crafts on it later finds it loaded.
            return source(str(path), self.head)

    def _train(self, path: Path, train: Examples, number: int, key: bytes | None, identity: str) -> None:
        checkpoint = path.with_name(f".{path.stem}-{identity[:12]}.resume")
        again = ", continued" if checkpoint.exists() else ""
        self.tell(f"surrogate {path.stem}: training it for {path} ({self.training}{again})")
        seed = 1000 * (self.seed + 1) + number
        trained = twin(self.model, seed, key)
        recipe = self.training.harden(
            trained,
            train,
            bounds=self.bounds,
            head=self.head,
            seed=seed,
            checkpoint=checkpoint,
            resume=checkpoint.exists(),
        )
        if key is not None:
            place = path.with_suffix(".key")
            place.unlink(missing_ok=True)
            write_key(place, 8 * len(key), key)
        models.save(trained, path, {"surrogate": identity, "recipe": {**recipe, "data": self.data.name}})
        checkpoint.unlink(missing_ok=True)

    def _path(self, stem: str) -> Path:
        return self.folder / f"{stem}.h5"

    def _identity(self, number: int, digest: str) -> str:
        """Everything that decides what comes out, as one hash; the weights under attack have no part in it."""
        told: list[Any] = [architecture(self.model), self.training.to_dict(), digest, self.bounds, self.seed, number]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def _kept(self, path: Path) -> str:
        return str((models.read_provenance(path) or {}).get("surrogate", "")) if path.is_file() else ""

    def _check_place(self, path: Path) -> None:
        if path.exists() and not self._kept(path):
            raise OutputError(f"Expected a model that an earlier evaluation trained at {path}; got something else.")
