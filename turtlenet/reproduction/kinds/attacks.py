"""Accuracy as it is, under one attack, and under the worst of several."""

from collections.abc import Sequence
from typing import Any

from turtlenet import models
from turtlenet.batching import predict
from turtlenet.reports.versions import versions
from turtlenet.reproduction.kinds.base import Job, kind
from turtlenet.reproduction.row import share
from turtlenet.reproduction.workshop import BATCH, silent


@kind("clean")
def clean(job: Job, *, count: int | None = None, on: str = "") -> dict[str, Any]:
    """Accuracy without an attack.

    Args:
        job: The row.
        count: The first so many test images.
        on: Another net; see `Job.net`.
    """
    x, y = job.test(count)
    return {**share(predict(job.net(on), x, BATCH).argmax(axis=1) == y), "versions": versions()}


def _cost(job: Job, *, attack: str, eps: float, count: int | None = None, norm: str = "linf", **others: Any) -> float:
    return job.images(count) * job.gradients([attack], norm) * (others.get("draws") or job.row.draws or 1)


@kind("attack", _cost)
def attack(
    job: Job,
    *,
    attack: str,
    eps: float,
    gradient: str = "adaptive",
    count: int | None = None,
    labels: str = "true",
    on: str = "",
    norm: str = "linf",
    draws: int | None = None,
) -> dict[str, Any]:
    """Accuracy under an attack.

    Args:
        job: The row.
        attack: Its spec.
        eps: The radius; infinite for an attack that looks for the smallest.
        gradient: `naive` is the framework's, `adaptive` that of an attacker who knows of the defence.
        count: The first so many test images.
        labels: `true`, or `predicted`: the attack is given the model's answers.
        on: The net that it is made on, where it is another one than is judged; see `Job.net`.
        norm: Of the radius.
        draws: Of a random model, in each step of the attack; those that judge are the row's.
    """
    source = job.net(on)
    if draws is not None:
        source = models.classifier(source.model, draws=draws)
    other = bool(on) or draws is not None
    made = job.attack(attack)
    how: dict[str, Any] = {"count": count, "labels": labels, "norm": norm, "judge": job.victim if other else None}
    return job.shop.attacked(job.row, source.taking(gradient) if not on else source, made, eps, **how)


@kind("surrogate", _cost)
def surrogate(job: Job, *, attack: str, eps: float, surrogate: str, count: int | None = None) -> dict[str, Any]:
    """Accuracy under an attack through one surrogate of a layer that has several."""
    layer: Any
    (layer,) = models.defences_of(job.victim.model)
    before = layer.twin
    try:
        layer.twin = surrogate
        fresh = models.classifier(job.victim.model).taking("adaptive")
        found = job.shop.attacked(job.row, fresh, job.attack(attack), eps, count=count)
    finally:
        layer.twin = before
    return {**found, "surrogate": surrogate}


def _worst_cost(job: Job, *, attacks: Sequence[str], eps: float, count: int | None = None) -> float:
    return job.images(count) * job.gradients(attacks) * (job.row.draws or 1)


@kind("worst", _worst_cost)
def worst(job: Job, *, attacks: Sequence[str], eps: float, count: int | None = None) -> dict[str, Any]:
    """What the worst of several adaptive attacks leaves, image by image, each on what survived those before it."""
    report = job.shop.tools.evaluate(
        job.victim.model,
        job.test(count),
        attacks=[job.attack(spec) for spec in attacks],
        eps=eps,
        mode="cascade",
        gradient="adaptive",
        draws=job.row.draws or 1,
        seed=job.shop.options.seed,
        batch_size=BATCH,
        curve=0,
        limit=None,
        tell=silent,
    )
    rows = [{"attack": each.spec, "left": each.accuracy, "gradients": each.gradients} for each in report.attacks]
    return {
        "accuracy": report.robust_accuracy,
        "interval": list(report.robust_accuracy_interval),
        "n": report.data["count"],
        "eps": eps,
        "attacks": rows,
        "doubts": [doubt.code for doubt in report.doubts],
    }
