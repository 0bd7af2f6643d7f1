"""Measures a front on images that its training never saw: clean, and attacked with and without it."""

from typing import Any

import numpy as np

from turtlenet import attacks as attack_family
from turtlenet.attacks.run.runner import attack_all
from turtlenet.attacks.threat import ball_facts
from turtlenet.balls import Ball
from turtlenet.batching import check_answers, predict
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.defences import Front
from turtlenet.reports.base import Doubt
from turtlenet.reports.statistics import share, share_interval
from turtlenet.reports.versions import stamp
from turtlenet.training.fronts.report import FrontReport, FrontRow
from turtlenet.training.fronts.run import FrontEpoch

_HIDDEN = 0.05
_LOST = 0.02
_FEW = 500


def measure_front(
    layer: Front,
    bare: Classifier,
    behind: Classifier,
    examples: Examples,
    ball: Ball,
    *,
    about: dict[str, Any],
    facts: dict[str, Any],
    attack: str,
    seed: int = 0,
    batch_size: int | None = 256,
) -> FrontReport:
    """Attacks a model without and with a front.

    Args:
        layer: The front.
        bare: The model without it.
        behind: The model behind it, as a strong attacker takes its gradient.
        examples: Images and true labels.
        ball: The threat.
        about: What is known of the model.
        facts: What the front's file says.
        attack: Spec of the attack.
        seed: Repeats the draws.
        batch_size: Images in one compiled call.

    Raises:
        TurtlenetError: An attack that does not fit the model or the threat, or a model that answers with NaN.
    """
    examples.check()
    x, y = examples.batch(slice(None))
    made = attack_family.build(attack)
    made.check(behind, ball)

    def unattacked(model: Classifier) -> np.ndarray:
        logits = predict(model, x, batch_size)
        check_answers(logits, examples.kind.examples)
        answers: np.ndarray = logits.argmax(axis=1) == y
        return answers

    alone, clean = unattacked(bare), unattacked(behind)
    same: dict[str, Any] = {"ball": ball, "seed": seed, "batch_size": batch_size}
    crafted, adaptive = attack_all(made, bare, x, y, **same), attack_all(made, behind, x, y, **same)

    def right(model: Classifier, images: np.ndarray) -> np.ndarray:
        answers: np.ndarray = predict(model, images, batch_size).argmax(axis=1) == y
        return answers

    transferred = right(behind, crafted.x)
    through = clean & right(behind, adaptive.x)
    rows = (
        _row("the model alone, clean images", alone),
        _row("the model alone, attacked", right(bare, crafted.x)),
        _row("behind the front, clean images", clean),
        _row("behind the front, examples of the model alone", transferred),
        _row("behind the front, attacked through it", through),
        _row("behind the front, either", through & transferred, strong=True),
    )
    return FrontReport(
        model=about,
        front={name: value for name, value in facts.items() if name != "epochs"},
        defence=str(layer),
        adaptive=layer.adaptive,
        data=examples.facts(),
        threat=ball_facts(ball),
        attack=str(made),
        seed=seed,
        **stamp(),
        rows=rows,
        epochs=tuple(FrontEpoch(**epoch) for epoch in facts.get("epochs", ())),
        doubts=tuple(_doubts(layer, rows, len(x))),
    )


def _row(words: str, right: np.ndarray, strong: bool = False) -> FrontRow:
    return FrontRow(words=words, accuracy=share(right), accuracy_interval=share_interval(right), strong=strong)


def _doubts(layer: Front, rows: tuple[FrontRow, ...], count: int) -> Any:
    bare, _, clean, transferred, through, _ = (row.accuracy for row in rows)
    if layer.masks:
        yield Doubt(
            code="masks-its-gradient",
            finding=f"The framework's gradient of {layer} is 0: the attack took another one ({layer.adaptive}).",
            advice="Attack with apgd-ce, with square, which takes none, and with other surrogates.",
        )
    if transferred > through + _HIDDEN:
        yield Doubt(
            code="known-front-breaks",
            finding=f"Examples of the model alone leave {transferred:.3f}; those crafted through the front leave "
            f"{through:.3f}. The first is the number of a paper, the second that of an attacker.",
            advice="Quote the second: turtlenet wrap, then turtlenet evaluate.",
        )
    if through > transferred + _HIDDEN:
        yield Doubt(
            code="transfer-beats-gradient",
            finding=f"Examples of the model alone leave {transferred:.3f}; those crafted through the front leave "
            f"{through:.3f}: its gradient does not tell the way.",
            advice="The attack through the front is too weak to believe: take more steps and restarts, or square.",
        )
    if clean < bare - _LOST:
        yield Doubt(
            code="clean-accuracy-lost",
            finding=f"Behind the front {clean:.3f} of the clean images are right, {bare:.3f} without it.",
            advice="Train the front longer or wider.",
        )
    if count < _FEW:
        yield Doubt(
            code="few-images",
            finding=f"Only {count} images were attacked: the intervals are wide.",
            advice="Raise --limit.",
        )
