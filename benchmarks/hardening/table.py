"""Trains one net on each objective and attacks it: `python -m benchmarks.hardening.table --net wong-mnist`.

Every row has the same fresh weights, data, epochs, batches, optimizer and learning rate; only the objective and the
wrappers around it differ. The last epoch counts: no image chooses among epochs. A row is a JSON file under
`benchmarks/hardening/results/NET/`, written after each figure; a run that was stopped continues, and what is there is
not measured again. `python -m benchmarks.hardening.page` makes the table and the picture of it.
"""

import argparse
import functools
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

import turtlenet as tn
from turtlenet import models
from turtlenet.data.prepare import load_data
from turtlenet.errors import SpecError, TurtlenetError, did_you_mean
from turtlenet.files import write_whole
from turtlenet.reports.versions import versions
from turtlenet.reproduction.row import Row, share
from turtlenet.workflows.train import harden_model

RESULTS = Path(__file__).with_name("results")


@dataclass(frozen=True)
class Setting:
    """A net and the budget of each of its rows.

    Attributes:
        shape: Of an image.
        eps: Radius in the infinity norm, in input units.
        attack: The inner attack of the objectives that take several steps.
        beta: Of `trades` and `hat`.
        epochs: Passes over the training images.
        learning_rate: Peak of the cosine schedule of Adam.
        augment: Changes of training images.
    """

    shape: tuple[int, int, int]
    eps: float
    attack: str
    beta: float
    epochs: int
    learning_rate: float
    augment: tuple[str, ...] = ()


SETTINGS = {
    "wong-mnist": Setting((28, 28, 1), 0.3, "pgd:steps=10,step_size=0.25,keep=last", 1, 10, 2e-3),
    "turtlenet-cifar": Setting((32, 32, 3), 8 / 255, "pgd:steps=7,step_size=0.25,keep=last", 6, 10, 1e-3, ("auto",)),
}
OBJECTIVES = ("natural", "madry", "trades", "mart", "hat", "fast", "n-fgsm", "free", "gradalign")
WRAPPERS = {"": (), "ema": ("ema:decay=0.998",), "awp": ("awp:gamma=0.005,start=0.3",)}
WRAPPERS["ema-awp"] = WRAPPERS["ema"] + WRAPPERS["awp"]
# `free` moves weights and inputs by one gradient, which awp would need twice.
ROWS = [
    f"{objective}-{wrapper}" if wrapper else objective
    for wrapper in WRAPPERS
    for objective in OBJECTIVES
    if not (objective == "free" and "awp" in wrapper) and not (objective == "natural" and wrapper)
]


def settings(net: str, row: str) -> dict[str, Any]:
    """How the model of a row is trained: settings of `turtlenet.train`."""
    plan = SETTINGS[net]
    wrapper = next((name for name in ("ema-awp", "ema", "awp") if row.endswith(f"-{name}")), "")
    objective = row.removesuffix(f"-{wrapper}") if wrapper else row
    specs = {
        "trades": f"trades:beta={plan.beta:g}",
        "hat": f"hat:beta={plan.beta:g}",
        "gradalign": "fast:gradalign=0.2",
    }
    return {
        "objective": specs.get(objective, objective),
        "attack": plan.attack,
        "wrappers": list(WRAPPERS[wrapper]),
        "norm": "linf",
        "eps": plan.eps,
        "epochs": plan.epochs,
        "batch_size": 128,
        "learning_rate": plan.learning_rate,
        "warmup": 0.3 if plan.eps > 0.1 else 0.0,
        "augment": list(plan.augment),
        "validation": 0,
    }


class Bench:
    """Data, models and rows of one net and one seed.

    Args:
        asked: The options of `parser`.
    """

    def __init__(self, asked: argparse.Namespace):
        self.asked, self.plan = asked, SETTINGS[asked.net]
        blank = models.classifier(self.fresh())
        data = load_data(asked.data, blank)
        self.train, self.test = data.train.take(asked.train), data.test.take(asked.test)

    def fresh(self) -> keras.Model:
        """The net with the seed's fresh weights."""
        keras.utils.set_random_seed(self.asked.seed)
        return models.build(self.asked.net, self.plan.shape, 10)

    def facts(self, row: str) -> dict[str, Any]:
        """What decides the figures of a row."""
        data = {"sha256": self.train.sha256(), "train": len(self.train)}
        return {"net": self.asked.net, **settings(self.asked.net, row), "seed": self.asked.seed, "data": data}

    def row(self, row: str) -> None:
        """Trains the model of a row and measures it, unless that is done."""
        name = f"{row}-{self.asked.seed}"
        made = functools.cache(lambda: self.model(row))
        measures = {
            "training": lambda: made()[1],
            "clean": lambda: self.clean(made()),
            "standard": lambda: self.standard(made()),
        }
        Row(self.asked.results / self.asked.net / f"{name}.json", self.facts(row)).fill(measures, print)

    def model(self, row: str) -> tuple[keras.Model, dict[str, Any]]:
        """The trained model of a row and what its training cost; from its file where there is one."""
        path = self.asked.models / self.asked.net / f"{row}-{self.asked.seed}.h5"
        cost = path.with_suffix(".json")
        if path.exists() and cost.exists():
            return tn.load_model(path), json.loads(cost.read_text("utf-8"))
        path.parent.mkdir(parents=True, exist_ok=True)
        lines: list[str] = []
        sources = [self.model("natural")[0]] if row.startswith("hat") else []
        wall, busy = time.perf_counter(), time.process_time()
        trained, run = harden_model(
            self.fresh(),
            self.train,
            **settings(self.asked.net, row),
            sources=sources,
            seed=self.asked.seed,
            tell=lines.append,
        )
        spent = {
            "processor_seconds": round(time.process_time() - busy, 1),
            "wall_seconds": round(time.perf_counter() - wall, 1),
            "cost": next(line.removeprefix("cost: ") for line in lines if line.startswith("cost: ")),
            "collapsed": [line for line in lines if "atastrophic" in line],
            "steps": run.steps,
            "versions": versions(),
        }
        tn.save_model(trained, path)
        write_whole(cost, lambda file: file.write(json.dumps(spent).encode()))
        return trained, spent

    def clean(self, made: tuple[keras.Model, Any]) -> dict[str, Any]:
        """Accuracy on all test images without an attack."""
        x, y = self.test.batch(slice(None))
        return share(models.classifier(made[0]).model.predict(x, batch_size=500, verbose=0).argmax(axis=1) == y)

    def standard(self, made: tuple[keras.Model, Any]) -> dict[str, Any]:
        """Accuracy that AutoAttack leaves of the first test images."""
        report = tn.evaluate(
            made[0],
            self.test.take(self.asked.images),
            suite="standard",
            eps=self.plan.eps,
            seed=self.asked.seed,
            limit=self.asked.images,
        )
        low, high = report.robust_accuracy_interval
        return {"accuracy": report.robust_accuracy, "interval": [low, high], "n": self.asked.images}


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    made.add_argument("--net", choices=list(SETTINGS), default="wong-mnist", help="the net, with its budget")
    made.add_argument("--data", default="mnist", metavar="NAME|PATH", help="what to train on and attack")
    made.add_argument("--models", type=Path, default=Path("out/hardening"), metavar="DIR", help="keeps trained models")
    made.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="keeps the rows")
    made.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    made.add_argument("--train", type=int, metavar="N", help="the first N training images only")
    made.add_argument("--test", type=int, metavar="N", help="at most the first N test images")
    made.add_argument("--images", type=int, default=1000, help="test images that AutoAttack is run on")
    made.add_argument("--only", nargs="+", metavar="ROW", help=f"these rows: {', '.join(ROWS)}")
    return made


def main(argv: Sequence[str] | None = None) -> None:
    asked = parser().parse_args(argv)
    for name in asked.only or ():
        if name not in ROWS:
            raise SpecError(f"Unknown row {name!r}.{did_you_mean(name, ROWS)}")
    for seed in asked.seeds:
        bench = Bench(argparse.Namespace(**vars(asked), seed=seed))
        for row in asked.only or ROWS:
            bench.row(row)


if __name__ == "__main__":
    try:
        main()
    except TurtlenetError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)
