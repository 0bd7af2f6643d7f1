"""Data and models of the papers' rows: what is there is used again."""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from turtlenet import balls, models
from turtlenet.attacks import Attack
from turtlenet.attacks.run.runner import attack_all
from turtlenet.batching import predict
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.data.prepare import load_data
from turtlenet.errors import DataError, SettingError
from turtlenet.files import make_folder, write_whole
from turtlenet.reproduction import quick
from turtlenet.reproduction.nets import build_net
from turtlenet.reproduction.paper import Paper, RowPlan, find
from turtlenet.reproduction.row import share
from turtlenet.settings.reproduce import ReproduceSettings

__all__ = ["BATCH", "SHAPES", "Tools", "Workshop", "silent"]

BATCH = 250
SHAPES = {"digits": (28, 28, 1), "fashion": (28, 28, 1), "color": (32, 32, 3)}
_NAMED = {"digits": "mnist", "fashion": "fashion_mnist", "color": "cifar10"}


@dataclass(frozen=True)
class Tools:
    """What a user would call, handed over by whoever may import the workflows.

    Args:
        train: `turtlenet.workflows.train.harden_model`.
        evaluate: `turtlenet.workflows.evaluate.evaluate`.
    """

    train: Callable[..., Any]
    evaluate: Callable[..., Any]


@dataclass
class Workshop:
    """Where models lie, what they are made from, and the data that are attacked.

    Args:
        folder: Keeps `models/` and `results/`.
        options: What was asked for.
        tools: How models are trained and evaluated.
        kept: Models that were made or loaded, by the place of their files.
        cache: What one figure of a row leaves for the next.
        speeds: Seconds of a gradient and of a graph, by net.
    """

    folder: Path
    options: ReproduceSettings
    tools: Tools
    _parts: dict[str, dict[str, Examples]] = field(default_factory=dict)
    _papers: dict[str, Paper] = field(default_factory=dict)
    kept: dict[str, Classifier] = field(default_factory=dict)
    cache: dict[str, Any] = field(default_factory=dict)
    speeds: dict[str, tuple[float, float]] = field(default_factory=dict)

    def forget(self) -> None:
        """Lets go of the models of a row that is done."""
        self.kept.clear()
        self.cache.clear()

    @property
    def models(self) -> Path:
        """The folder of trained models."""
        return self.folder / "models"

    def source(self, data: str) -> str | None:
        """Name or path of what a row is measured on; None where a trial has nothing for it."""
        given = {"digits": self.options.data, "fashion": self.options.fashion, "color": self.options.cifar}[data]
        usual = {"digits": quick.SAMPLE}.get(data) if self.options.quick else _NAMED[data]
        return given or usual

    def part(self, data: str, name: str, images: int | None = None) -> Examples:
        """The `train` or `test` part of some data, of training images the first so many."""
        if data not in self._parts:
            self._parts[data] = self._load(data)
        found = self._parts[data][name]
        if name == "test":
            return found.take(self.options.limit or (quick.TEST if self.options.quick else None))
        return found.take(self.options.train_images or (quick.TRAIN if self.options.quick else images))

    def read(self, name: str) -> Paper:
        """A paper by its name or the path of its file; in a trial with little to measure."""
        if name not in self._papers:
            told = find(name)
            if self.options.quick:
                told = dataclasses.replace(told, rows=tuple(quick.quick_row(told, row) for row in told.rows))
            self._papers[name] = told
            self._papers.setdefault(told.name, told)
        return self._papers[name]

    def row(self, place: str) -> RowPlan:
        """A row by its paper and name: `advgan/turtlenet`."""
        paper, _, name = place.partition("/")
        return self.read(paper).row(name)

    def facts(self, row: RowPlan) -> dict[str, Any]:
        """What decides a row's figures, as plain data."""
        training = row.training(self.epochs)
        facts: dict[str, Any] = {row.noted: training} if row.noted and training else dict(training)
        facts |= row.facts
        if self.epochs and "epochs" in row.facts:
            facts["epochs"] = self.epochs
        return facts | self.origin(row)

    def origin(self, row: RowPlan) -> dict[str, Any]:
        """The seed and the data, which decide models and figures."""
        train = self.part(row.data, "train", row.images)
        found = {"seed": self.options.seed, "data": {"sha256": train.sha256(), "train": len(train)}}
        found |= {"quick": True} if self.options.quick else {}
        return found | ({"limit": self.options.limit} if self.options.limit else {})

    @property
    def epochs(self) -> int | None:
        """Epochs in place of a paper's."""
        return self.options.epochs or (quick.EPOCHS if self.options.quick else None)

    def victim(self, row: RowPlan) -> Classifier:
        """The model of a row; trained if it is not there."""
        if row.place not in self.kept:
            self.kept[row.place] = self._victim(row)
        return self.kept[row.place]

    def lacks(self, row: RowPlan) -> str:
        """What a row needs and is not there, in words; empty if nothing is."""
        if row.model.endswith(".h5"):
            return "" if Path(row.model).is_file() else f"{row.model} of turtlenet's repository"
        if row.model and self.lacks(self.row(row.model)):
            return self.lacks(self.row(row.model))
        flags = {"digits": "--data", "fashion": "--fashion", "color": "--cifar"}
        return "" if self.source(row.data) else f"{flags[row.data]} NAME|PATH"

    def trained(
        self, place: str, row: RowPlan, build: Callable[[], keras.Model], settings: Mapping[str, Any]
    ) -> keras.Model:
        """A trained model, from its file where there is one; a run that was stopped continues.

        The last epoch counts: no image chooses among epochs.

        Args:
            place: Of the file below the folder of models, without the suffix.
            row: Has the data.
            build: Gives the net with fresh weights; the seed is set before.
            settings: Those of `turtlenet.train`.
        """
        path = self.models / f"{place}.h5"
        said, facts = (
            path.with_suffix(".json"),
            json.loads(json.dumps({**settings, "net": dict(row.net), **self.origin(row)})),
        )
        facts.pop("limit", None)
        if path.exists():
            if not said.exists() or _read(said) != facts:
                raise SettingError(
                    f"Expected {path} to be of these settings; got other ones in {said}: give another --out, or "
                    "remove both."
                )
            return models.load(path)
        make_folder(path.parent)
        keras.utils.set_random_seed(self.options.seed % 2**32)
        checkpoint = path.with_name(f"{path.name}.resume")
        usual = {"validation": 0, "seed": self.options.seed, "warmup": 0.0, "tell": silent}
        made, _ = self.tools.train(
            build(),
            self.part(row.data, "train", row.images),
            **{**usual, **settings},
            checkpoint=checkpoint,
            resume=checkpoint.exists(),
        )
        write_whole(said, lambda file: file.write(json.dumps(facts).encode()))
        models.save(made, path)
        checkpoint.unlink(missing_ok=True)
        return made

    def attacked(
        self,
        row: RowPlan,
        victim: Classifier,
        attack: Attack,
        eps: float,
        *,
        count: int | None = None,
        labels: str = "true",
        judge: Classifier | None = None,
        norm: str = "linf",
    ) -> dict[str, Any]:
        """Accuracy that an attack leaves, and the median length of its perturbations where nothing bounds them.

        Args:
            row: Has the data.
            victim: What is attacked, with its way to take gradients.
            attack: The attack.
            eps: The radius; infinite for an attack that looks for the smallest.
            count: The first so many test images; None for all.
            labels: `true`, or `predicted`: the attack is given the victim's answers; true ones judge all the same.
            judge: Who answers to what was found, in the victim's place: a transfer.
            norm: Of the radius.
        """
        x, y = self.test(row, count)
        free = math.isinf(eps)
        ball = balls.get(norm, 0.0 if free else eps, victim.bounds)
        ball = ball.with_eps(ball.widest(victim.input_shape)) if free else ball
        aim = predict(victim, x, BATCH).argmax(axis=1).astype("int32") if labels == "predicted" else y
        outcome = attack_all(attack, victim, x, aim, ball=ball, seed=self.options.seed, batch_size=BATCH)
        logits = outcome.logits if judge is None else predict(judge, outcome.x, BATCH)
        how: dict[str, Any] = {"attack": str(attack), "gradient": victim.gradient, "labels": labels}
        how |= {"median": round(float(np.median(ball.distance(outcome.x, x))), 4)} if free else {"eps": eps}
        return {**share(logits.argmax(axis=1) == y), **how, "gradients": int(np.sum(outcome.gradients))}

    def test(self, row: RowPlan, count: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The first test images (n, ...) of a row and their labels (n,)."""
        return self.part(row.data, "test").batch(slice(count))

    def _victim(self, row: RowPlan) -> Classifier:
        how: dict[str, Any] = {"draws": row.draws} if row.draws else {}
        if row.model.endswith(".h5"):
            return models.classifier(models.load(row.model), **how)
        if row.model:
            return self.victim(self.row(row.model))
        settings = row.training(self.epochs)
        return models.classifier(self.trained(row.place, row, lambda: self.fresh(row), settings), **how)

    def fresh(self, row: RowPlan) -> keras.Model:
        """A row's network, not trained."""
        if not row.net.get("wrapped"):
            return build_net(row.net, SHAPES[row.data])
        # Each keyed layer has a salt of its own, and with it another order: a stopped run must find the one it had.
        start = self.models / f"{row.place}-untrained.h5"
        if not start.exists():
            make_folder(start.parent)
            models.save(build_net(row.net, SHAPES[row.data]), start)
        return models.load(start)

    def _load(self, data: str) -> dict[str, Examples]:
        source = self.source(data)
        if source is None:
            raise DataError(f"Expected data for rows of {data}; got none.")
        blank = models.classifier(models.build("lenet", input_shape=SHAPES[data]))
        found = load_data(source, blank)
        if found.train is None or found.test is None:
            raise DataError(f"Expected training and test images in {found.name}; got one of the two only.")
        return {"train": found.train, "test": found.test}


def silent(line: str) -> None:
    """Says nothing: the cost was said before, and the page has the doubts."""


def _read(path: Path) -> Any:
    """What a JSON file says; None where it is damaged, which is nothing that was trained here."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
