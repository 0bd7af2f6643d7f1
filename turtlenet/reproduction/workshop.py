"""Data, models and rows of a paper's script: what is there is used again."""

import argparse
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

import turtlenet as tn
from turtlenet import attacks, balls, models
from turtlenet.attacks.runner import attack_all
from turtlenet.batching import predict
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.data.prepare import load_data
from turtlenet.errors import SettingError, SpecError, TurtlenetError, did_you_mean
from turtlenet.files import write_whole
from turtlenet.reports.versions import versions
from turtlenet.reproduction.row import Row, share
from turtlenet.workflows.train import harden_model

__all__ = ["RESULTS", "Workshop", "parser", "start"]

RESULTS = Path(__file__).parents[2] / "benchmarks" / "papers" / "results"
Measures = Mapping[str, Callable[[Any], Mapping[str, Any]]]
BATCH = 250


def parser(description: str) -> argparse.ArgumentParser:
    """The options that all papers share."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--data", default="mnist", metavar="NAME|PATH", help="what to train on and attack")
    made.add_argument("--models", type=Path, default=Path("out/papers"), metavar="DIR", help="keeps trained models")
    made.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="keeps the rows")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--train", type=int, metavar="N", help="the first N training images only")
    made.add_argument("--test", type=int, metavar="N", help="at most the first N test images")
    made.add_argument("--epochs", type=int, metavar="N", help="in place of the paper's")
    made.add_argument("--only", nargs="+", metavar="ROW", help="these rows; all without it")
    return made


def start(main: Callable[[], None]) -> None:
    """Runs a script; what is wrong with its input is one line and exit code 2."""
    try:
        main()
    except TurtlenetError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)


@dataclass
class Workshop:
    """Where a paper's models and rows lie, and what they are made from.

    Args:
        paper: Name of the paper's folders.
        asked: The options of `parser`.
        shape: Of an image.
    """

    paper: str
    asked: argparse.Namespace
    shape: tuple[int, ...] = (28, 28, 1)
    _parts: dict[str, Examples] = field(default_factory=dict)

    def part(self, name: str) -> Examples:
        """The `train` or `test` part of the data."""
        if not self._parts:
            blank = models.classifier(models.build("cleverhans", input_shape=self.shape))
            data = load_data(self.asked.data, blank)
            self._parts = {"train": data.train.take(self.asked.train), "test": data.test.take(self.asked.test)}
        return self._parts[name]

    def test(self, count: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The first test images (n, ...) and their labels (n,)."""
        return self.part("test").batch(slice(count))

    def wanted(self, names: Sequence[str]) -> list[str]:
        """Of these rows those that were asked for, in the order of the asking.

        Raises:
            SpecError: Another row was asked for.
        """
        for name in self.asked.only or ():
            if name not in names:
                raise SpecError(f"Unknown row {name!r}.{did_you_mean(name, names)}")
        return list(self.asked.only or names)

    def model(self, name: str, build: Callable[[], keras.Model], **settings: Any) -> keras.Model:
        """A trained model, from its file where there is one; a run that was stopped continues.

        The last epoch counts: no image chooses among epochs.

        Args:
            name: Of the file.
            build: Gives the net with fresh weights; the seed is set before.
            **settings: Those of `harden_model`.
        """
        path = self.asked.models / self.paper / f"{name}.h5"
        said, facts = path.with_suffix(".json"), json.loads(json.dumps({**settings, **self.facts()}))
        if path.exists():
            if not said.exists() or json.loads(said.read_text("utf-8")) != facts:
                raise SettingError(f"Expected {path} to be of these settings; got other ones in {said}: remove both.")
            return tn.load_model(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        keras.utils.set_random_seed(self.asked.seed)
        checkpoint = path.with_name(f"{path.name}.resume")
        trained, _ = harden_model(
            build(),
            self.part("train"),
            **({"validation": 0, "seed": self.asked.seed, "warmup": 0.0, "verbose": True} | settings),
            checkpoint=checkpoint,
            resume=checkpoint.exists(),
        )
        write_whole(said, lambda file: file.write(json.dumps(facts).encode()))
        tn.save_model(trained, path)
        checkpoint.unlink(missing_ok=True)
        return trained

    def facts(self) -> dict[str, Any]:
        """The seed and the data, which decide models and figures."""
        train = self.part("train")
        return {"seed": self.asked.seed, "data": {"sha256": train.sha256(), "train": len(train)}}

    def row(self, name: str, facts: Mapping[str, Any], measures: Measures, make: Callable[[], Any]) -> None:
        """Measures what a row lacks; makes its model only if it lacks anything.

        Args:
            name: Of the row.
            facts: What decides its figures, besides data and seed.
            measures: Measures by name; each is given what `make` gives.
            make: Gives the model, or whatever the measures need.
        """
        path = self.asked.results / self.paper / f"{name}.json"
        Row(path, {**facts, **self.facts()}).fill(measures, make)

    def clean(self, victim: Classifier, count: int | None = None) -> dict[str, Any]:
        """Accuracy without an attack."""
        x, y = self.test(count)
        return {**share(predict(victim, x, BATCH).argmax(axis=1) == y), "versions": versions()}

    def attacked(
        self,
        victim: Classifier,
        spec: str,
        eps: float,
        *,
        count: int | None = None,
        labels: str = "true",
        judge: Classifier | None = None,
        norm: str = "linf",
    ) -> dict[str, Any]:
        """Accuracy that an attack leaves, and the median length of its perturbations where nothing bounds them.

        Args:
            victim: What is attacked, with its way to take gradients.
            spec: The attack.
            eps: The radius; infinite for an attack that looks for the smallest.
            count: The first so many test images; None for all.
            labels: `true`, or `predicted`: the attack is given the victim's answers; true ones judge all the same.
            judge: Who answers to what was found, in the victim's place: a transfer.
            norm: Of the radius.
        """
        x, y = self.test(count)
        made, free = attacks.build(spec), math.isinf(eps)
        ball = balls.get(norm, 0.0 if free else eps, victim.bounds)
        ball = ball.with_eps(ball.widest(victim.input_shape)) if free else ball
        aim = predict(victim, x, BATCH).argmax(axis=1).astype("int32") if labels == "predicted" else y
        outcome = attack_all(made, victim, x, aim, ball=ball, seed=self.asked.seed, batch_size=BATCH)
        logits = outcome.logits if judge is None else predict(judge, outcome.x, BATCH)
        how: dict[str, Any] = {"attack": str(made), "gradient": victim.gradient, "labels": labels}
        how |= {"median": round(float(np.median(ball.distance(outcome.x, x))), 4)} if free else {"eps": eps}
        return {**share(logits.argmax(axis=1) == y), **how, "gradients": int(np.sum(outcome.gradients))}
