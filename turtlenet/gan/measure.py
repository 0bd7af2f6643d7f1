"""Measures a generator on images that it never saw."""

import time
from dataclasses import replace
from typing import Any

import numpy as np
from keras import ops

from turtlenet import attacks as attack_family
from turtlenet import random
from turtlenet.attacks import AdvGAN
from turtlenet.attacks.advgan import trained_on
from turtlenet.attacks.run.runner import Outcome, attack_all
from turtlenet.attacks.threat import ball_facts
from turtlenet.balls import Ball
from turtlenet.batching import check_answers, predict
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.gan.report import Beside, ClassShare, GeneratorReport
from turtlenet.gan.run import Epoch
from turtlenet.models import weights_sha256
from turtlenet.reports.base import Doubt
from turtlenet.reports.statistics import distances, finite_mean, share, share_interval, similarity
from turtlenet.reports.versions import stamp

BESIDE = ("fgsm", "pgd:steps=40,step_size=0.1,early_stop=true")
_SIMILAR = 256
_WEAKER = 0.02
_TIMED, _PASSES = 2048, 3


def measure_generator(
    attack: AdvGAN,
    victim: Classifier,
    examples: Examples,
    ball: Ball,
    *,
    about: dict[str, Any],
    facts: dict[str, Any],
    beside: tuple[str, ...] = BESIDE,
    seed: int = 0,
    batch_size: int | None = 256,
) -> GeneratorReport:
    """Runs a generator, and the attacks it is measured by, on unseen images.

    Args:
        attack: With its generator.
        victim: The classifier under attack.
        examples: Images and true labels.
        ball: The threat.
        about: What is known of the model.
        facts: What the generator's file says.
        beside: Specs of further attacks.
        seed: Repeats the draws.
        batch_size: Images in one compiled call.

    Raises:
        TurtlenetError: A generator that does not fit the model or the threat.
    """
    attack.check(victim, ball)
    examples.check()
    x, y = examples.batch(slice(None))
    clean = predict(victim, x, batch_size)
    check_answers(clean, examples.kind.examples)
    right = clean.argmax(axis=1) == y
    outcome, milliseconds = _timed(attack, victim, x, y, ball, seed, batch_size)
    after = outcome.logits.argmax(axis=1)
    target = facts["target"]
    # An image of the target's own class is turned into the next.
    aims = np.where(y == int(target), (y + 1) % victim.num_classes, int(target)) if target else None
    success = right & ((after != y) if aims is None else (after == aims))
    lengths = distances(x[success], outcome.x[success], ball.full)
    alike = similarity(x[success][:_SIMILAR], outcome.x[success][:_SIMILAR], ball.full)
    others = tuple(_beside(spec, victim, x, y, right, ball, seed, batch_size) for spec in beside)
    robust = right & (after == y)
    return GeneratorReport(
        model=about,
        generator={name: value for name, value in facts.items() if name != "epochs"},
        data=examples.facts(),
        threat={**ball_facts(ball), "target": target},
        spec=str(attack),
        seed=seed,
        **stamp(),
        clean_accuracy=share(right),
        clean_accuracy_interval=share_interval(right),
        accuracy=share(robust),
        accuracy_interval=share_interval(robust),
        success=share(success[right]),
        success_interval=share_interval(success[right]),
        milliseconds=milliseconds,
        forward_milliseconds=forward_milliseconds(attack, victim, x, ball, batch_size),
        linf_mean=finite_mean(lengths["linf"]),
        l2_mean=finite_mean(lengths["l2"]),
        psnr_mean=finite_mean(lengths["psnr"]),
        ssim_mean=finite_mean(alike),
        classes=_classes(y, right, success, victim.num_classes),
        beside=others,
        epochs=tuple(Epoch(**epoch) for epoch in facts.get("epochs", ())),
        doubts=tuple(_doubts(share(robust), others, {about.get("sha256"), weights_sha256(victim.model)}, facts)),
    )


def _classes(y: Any, right: Any, success: Any, num_classes: int) -> tuple[ClassShare, ...]:
    found = [(label, right & (y == label)) for label in range(num_classes)]
    return tuple(
        ClassShare(label=label, count=int(rows.sum()), success=share(success[rows]))
        for label, rows in found
        if rows.any()
    )


def _timed(
    attack: Any, victim: Classifier, x: Any, y: Any, ball: Ball, seed: int, batch_size: int | None
) -> tuple[Outcome, float]:
    """The outcome, and milliseconds for each image once it is compiled."""
    few = slice(0, min(len(x), batch_size or len(x)))
    attack_all(attack, victim, x[few], y[few], ball=ball, seed=seed, batch_size=batch_size)
    began = time.perf_counter()
    outcome = attack_all(attack, victim, x, y, ball=ball, seed=seed, batch_size=batch_size)
    return outcome, round(1000 * (time.perf_counter() - began) / len(x), 4)


def forward_milliseconds(
    attack: AdvGAN, victim: Classifier, x: np.ndarray, ball: Ball, batch_size: int | None
) -> float:
    """What an image costs an attacker who does not ask the model: the generator's pass and the projection.

    The least of a few passes over at most 2,048 images, in whole batches.
    """
    plain = replace(attack, samples=1, steps=0)
    size = min(len(x), _TIMED, batch_size or _TIMED)
    batches = [ops.convert_to_tensor(x[at : at + size]) for at in range(0, min(len(x), _TIMED) - size + 1, size)]
    labels, keys = ops.zeros((size,), "int32"), random.keys(0, np.arange(size, dtype="int32"))

    def move(points: Any, keys: Any) -> Any:
        return plain.craft(victim, points, labels, ball=ball, key=keys)

    graph = victim.compiled(("forward", plain, ball), move, plain.sources(victim))
    ops.convert_to_numpy(graph(batches[0], keys))
    seconds = []
    for _ in range(_PASSES):
        began = time.perf_counter()
        for batch in batches:
            ops.convert_to_numpy(graph(batch, keys))
        seconds.append(time.perf_counter() - began)
    return round(1000 * min(seconds) / (size * len(batches)), 4)


def _beside(
    spec: str, victim: Classifier, x: Any, y: Any, right: Any, ball: Ball, seed: int, batch_size: int | None
) -> Beside:
    outcome, milliseconds = _timed(attack_family.build(spec), victim, x, y, ball, seed, batch_size)
    left = right & (outcome.logits.argmax(axis=1) == y)
    return Beside(spec=spec, accuracy=share(left), accuracy_interval=share_interval(left), milliseconds=milliseconds)


def _doubts(accuracy: float, others: tuple[Beside, ...], digests: set[Any], facts: dict[str, Any]) -> Any:
    best = min(others, key=lambda other: other.accuracy, default=None)
    if best is not None and best.accuracy < accuracy - _WEAKER and not facts["target"]:
        yield Doubt(
            code="weaker-than-gradients",
            finding=f"{best.spec} leaves {best.accuracy:.3f} where the generator leaves {accuracy:.3f}.",
            advice="The generator's number is not the model's robustness: quote turtlenet evaluate's.",
        )
    if trained_on(facts, digests):
        yield Doubt(
            code="trained-on-the-model",
            finding="The generator was trained on the very model it attacks (semi-white-box).",
            advice="For a black-box figure train it on another model, or with --access static or dynamic.",
        )
    else:
        yield Doubt(
            code="trained-elsewhere",
            finding="The generator was trained on another model than the one it attacks.",
            advice="An attacker who has the model leaves less: train one on it, and run the white-box attacks.",
        )
