"""What `turtlenet evaluate MODEL --suite NAME` leaves of a row's model."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from turtlenet import attacks as attack_family
from turtlenet.attacks import Attack
from turtlenet.attacks.ensembles.transfer import Transfer
from turtlenet.registry import parse_spec
from turtlenet.reports.versions import versions
from turtlenet.reproduction.kinds.base import Job, kind
from turtlenet.reproduction.kinds.generators import generator
from turtlenet.reproduction.quick import lighter
from turtlenet.reproduction.workshop import BATCH, silent
from turtlenet.settings import suites


def _cost(job: Job, *, suite: str = "", attacks: Sequence[str] = (), count: int | None = None, **others: Any) -> float:
    named = [suite, *others.get("made_on", ())[:1]]
    specs = [*(spec for name in named if name for spec in suites.find(name).attacks), *attacks]
    return job.images(count) * job.gradients(specs) * int(others.get("draws", 1))


@kind("suite", _cost)
def suite(
    job: Job,
    *,
    suite: str = "",
    attacks: Sequence[str] = (),
    count: int | None = None,
    draws: int = 1,
    eps: float | None = None,
    access: str = "white-box",
    generators: Sequence[str] = (),
    made_on: Sequence[str] = (),
) -> dict[str, Any]:
    """What a run of `turtlenet.evaluate` leaves of a model, attack by attack.

    Args:
        job: The row.
        suite: A suite of `attacks/`, with the threat that it says.
        attacks: Specs besides, or in its place.
        count: The first so many test images.
        draws: Of a random model, in each step.
        eps: The radius; that of the suite by default.
        access: See `turtlenet.evaluate`.
        generators: Variants of the row's own generators, which join.
        made_on: A suite and another row: the suite's attacks are made on that row's model, and given to this one.
    """
    shop = job.shop
    more: list[str | Attack] = [f"advgan:generator={generator(job, variant)}" for variant in generators]
    if made_on:
        name, place = made_on
        shop.victim(shop.row(place))
        more += [_moved(attack_family.build(spec), f"{shop.models / place}.h5") for spec in suites.find(name).attacks]
    threat: dict[str, Any] = {"suite": suite or None, "attacks": (*attacks, *more), "eps": eps}
    if shop.options.quick:
        threat = _lighter(suite, attacks, more, eps)
        access = _shorter(access, len(shop.part(job.row.data, "test")))
    report = shop.tools.evaluate(
        job.victim.model,
        shop.part(job.row.data, "test"),
        **threat,
        limit=count,
        draws=draws,
        gradient=None if suite else "adaptive",
        seed=shop.options.seed,
        batch_size=BATCH,
        curve=0,
        access=access,
        tell=silent,
    )
    return {"suite": suite, "draws": draws, **_plain(report), "versions": versions()}


def _lighter(suite: str, attacks: Sequence[str], more: Sequence[str | Attack], eps: float | None) -> dict[str, Any]:
    """The suite's attacks by themselves, of fewer steps, and its threat."""
    told = suites.find(suite) if suite else None
    every = [*(told.attacks if told else ()), *attacks]
    threat: dict[str, Any] = {"attacks": (*(lighter(spec) for spec in every), *more), "eps": eps}
    if told:
        threat |= {"norm": told.norm, "eps": told.eps if eps is None else eps, "labels": told.labels}
    return threat


def _shorter(access: str, images: int) -> str:
    """How an attacker asks in a trial, who has half of the images and trains on them but twice."""
    name, _, settings = access.partition(":")
    if name != "black-box":
        return access
    few = {"holdout": max(1, images // 2), "rounds": 2, "epochs": 1}
    told = parse_spec(access).settings if settings else {}
    return f"{name}:{','.join(f'{key}={value}' for key, value in {**told, **few}.items())}"


def _plain(report: Any) -> dict[str, Any]:
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
        "n": report.data["count"],
        "labels": report.threat["labels"],
        "clean": {"accuracy": report.clean_accuracy, "interval": list(report.clean_accuracy_interval)},
        "accuracy": report.robust_accuracy,
        "interval": list(report.robust_accuracy_interval),
        "attacks": rows,
        "doubts": [doubt.code for doubt in report.doubts],
    }


def _moved(attack: Attack, source: str) -> Attack:
    """The attack made on another model, in the same ball."""
    there = dataclasses.replace(attack, norm="", eps=0.0)
    return Transfer(source=source, attack=str(there), norm=attack.norm, eps=attack.eps)
