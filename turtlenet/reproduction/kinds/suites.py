"""The papers' attack tables by their suite files: `python -m turtlenet.reproduction.kinds.suites`.

The suites `gano-2019`, `qusecnets-2018`, `qusecnets-2019`, `guan-2019` and `taran-2018` as they lie in `attacks/`, on
the nets that the other scripts of this folder train, each on the first test images; beside them an attack that knows
of the defence. Generators of `turtlenet.reproduction.kinds.generators` join paper 003's table.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import turtlenet as tn
from turtlenet import attacks, models
from turtlenet.attacks import Attack
from turtlenet.attacks.ensembles.transfer import Transfer
from turtlenet.classifier import Classifier
from turtlenet.defences.keys import use_key
from turtlenet.reports.versions import versions
from turtlenet.reproduction import guan, qusecnets
from turtlenet.reproduction.kinds import generators as advgan
from turtlenet.reproduction.workshop import BATCH, Workshop, parser, start
from turtlenet.settings import suites

__all__ = ["Asked", "Plan", "main", "plans"]

FEW, SOME = 50, 100
_PGD = "pgd:steps=40,step=0.01"
_SUBSTITUTE = "black-box:substitute=lenet"


class Asked(NamedTuple):
    """A run of `turtlenet.evaluate`: which attacks, on how many images, with how many draws of random layers."""

    suite: str = ""
    count: int | None = SOME
    draws: int = 1
    eps: float | None = None
    attacks: tuple[str | Attack, ...] = ()
    access: str = "white-box"


class Plan(NamedTuple):
    """A model, and what it is asked.

    Args:
        make: Gives the model; called once, and only if something is missing.
        asked: Runs by name.
        key: File of the key without which the model does not answer.
        color: Whether it takes the images of CIFAR-10.
    """

    make: Callable[[], Classifier]
    asked: Mapping[str, Asked]
    key: Path | None = None
    color: bool = False


def plans(shop: Callable[..., Workshop], folder: Path) -> dict[str, Plan]:
    """Every row.

    Args:
        shop: Gives the workshop of another script, by its name and whether it is of color images.
        folder: Of the trained models.
    """
    rows = {}
    for row in ("turtlenet", "turtlenet-hardened"):
        rows[f"gano-{row}"] = _gano(shop("advgan"), row, folder / "advgan")
    rows["gano-cifar10"] = _gano(shop("advgan", color=True), "cifar10", folder / "advgan")
    for row in ("natural-none", "natural-cq-2", "natural-tq-2"):
        asked = {year: Asked(f"qusecnets-{year}") for year in ("2018", "2019")}
        asked["black-box"] = Asked("", 1000, eps=0.3, attacks=("fgsm", _PGD), access=_SUBSTITUTE)
        rows[f"qusecnets-{row}"] = Plan(lambda row=row: _quantized(shop("qusecnets"), row), asked)  # type: ignore[misc]
    for row in ("full-precision", "2-bit", "bnn"):
        asked = {"paper": Asked("guan-2019"), "adaptive": Asked("adaptive", FEW, guan.EOT, guan.EPS)}
        rows[f"guan-{row}"] = Plan(lambda row=row: _random(shop("guan"), row), asked)  # type: ignore[misc]
    return rows | _taran(folder / "taran" / "mnist")


def _gano(shop: Workshop, row: str, folder: Path) -> Plan:
    """The natural net and the hardened one; a generator that is not trained yet is left out."""
    files = [folder / f"{row}-{variant}.h5" for variant in advgan.EPOCHS]
    own = tuple(f"advgan:generator={file}" for file in files if file.exists())
    asked = {
        "paper": Asked("gano-2019", None, attacks=own),
        "adaptive": Asked("", 1000, eps=advgan.EPS, attacks=("pgd:steps=40,step=0.01,restarts=10",)),
    }
    if row in advgan.CIFAR:
        # Its generators are of another radius.
        asked["paper"] = Asked("gano-2019", None)
    if row in advgan.HARDENED:
        asked["standard"] = Asked("standard", 300, eps=advgan.EPS)
    return Plan(lambda: advgan.make(shop, row), asked, color=row in advgan.CIFAR)


def _quantized(shop: Workshop, row: str) -> Classifier:
    return models.classifier(qusecnets.victim(shop, row))


def _random(shop: Workshop, row: str) -> Classifier:
    return guan.bench(shop, row, guan.training(shop, row)).victim


def _taran(folder: Path) -> dict[str, Plan]:
    """What is made on the classical net, given to both nets as in the paper; and on the permuted one, with its key."""

    def net(row: str) -> Callable[[], Classifier]:
        return lambda: models.classifier(tn.load_model(folder / f"{row}.h5"))

    classical = folder / "classical.h5"
    moved = tuple(_moved(attacks.build(spec), classical) for spec in suites.find("taran-2018").attacks)
    permuted = {"paper": Asked("", FEW, eps=0.3, attacks=moved), "with the key": Asked("taran-2018", FEW)}
    return {
        "taran-classical": Plan(net("classical"), {"paper": Asked("taran-2018", FEW)}),
        "taran-permuted": Plan(net("permuted"), permuted, folder / "a.key"),
    }


def _moved(attack: Attack, source: Path) -> Attack:
    """The attack made on another model, in the same ball."""
    there = dataclasses.replace(attack, norm="", eps=0.0)
    return Transfer(source=str(source), attack=str(there), norm=attack.norm, eps=attack.eps)


def measured(shop: Workshop, victim: Classifier, asked: Asked) -> dict[str, Any]:
    """What a run leaves of a model, attack by attack."""
    report = tn.evaluate(
        victim.model,
        shop.part("test"),
        suite=asked.suite or None,
        attacks=asked.attacks,
        eps=asked.eps,
        limit=asked.count,
        draws=asked.draws,
        gradient=None if asked.suite else "adaptive",
        seed=shop.asked.seed,
        batch_size=BATCH,
        curve=0,
        access=asked.access,
    )
    rows = [
        {
            "attack": row.spec,
            **({"attacker": row.attacker} if row.attacker else {}),
            "accuracy": row.accuracy,
            "interval": list(row.accuracy_interval),
            "loss": row.loss,
            "seconds": round(row.seconds, 1),
            "gradients": row.gradients,
            "median": row.minimum_median,
        }
        for row in report.attacks
    ]
    return {
        "suite": asked.suite,
        "n": report.data["count"],
        "draws": asked.draws,
        "labels": report.threat["labels"],
        "clean": {"accuracy": report.clean_accuracy, "interval": list(report.clean_accuracy_interval)},
        "accuracy": report.robust_accuracy,
        "interval": list(report.robust_accuracy_interval),
        "attacks": rows,
        "doubts": [doubt.code for doubt in report.doubts],
        "versions": versions(),
    }


def main(argv: Sequence[str] | None = None) -> None:
    options = parser(__doc__ or "")
    options.add_argument("--cifar", default="cifar10", metavar="NAME|PATH", help="CIFAR-10")
    asked = options.parse_args(argv)

    def shop(paper: str, color: bool = False) -> Workshop:
        return advgan.workshop(paper, asked, color)

    rows = plans(shop, asked.models)
    for row in shop("suites").wanted(list(rows)):
        plan = rows[row]
        mine = shop("suites", plan.color)
        with use_key(plan.key) if plan.key else nullcontext():
            each = plan.asked.items()
            runs = {name: functools.partial(measured, mine, asked=how) for name, how in each}
            mine.row(row, {}, runs, plan.make)


if __name__ == "__main__":
    start(main)
