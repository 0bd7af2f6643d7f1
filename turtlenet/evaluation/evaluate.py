"""One model, one data set, one threat: from attacks to a report."""

import dataclasses
import datetime
import hashlib
import itertools
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from turtlenet import backend, radius
from turtlenet.attacks import Attack
from turtlenet.balls import Ball
from turtlenet.bars import Bar
from turtlenet.batching import check_agreement
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.data.fit import fit_of
from turtlenet.errors import DataError, SettingError, SpecError, did_you_mean
from turtlenet.evaluation.cascade import MODES, Cascade
from turtlenet.evaluation.convergence import doubled
from turtlenet.evaluation.curve import accuracy_curve, sweeping
from turtlenet.evaluation.doubts import Evidence, find_doubts
from turtlenet.evaluation.per_image_results import PerImageResults
from turtlenet.evaluation.perceptibility.result import Perceptibility
from turtlenet.evaluation.perceptibility.search import measure_perceptibility
from turtlenet.evaluation.pictures import pictures
from turtlenet.evaluation.probe import Probe, probe
from turtlenet.evaluation.report import CurvePoint, Report
from turtlenet.evaluation.rows import attack_row, class_rows
from turtlenet.evaluation.tally import Tally
from turtlenet.evaluation.threat_model import WHITE_BOX, ThreatModel
from turtlenet.models import defences_of, file_sha256
from turtlenet.reports.statistics import share, share_interval
from turtlenet.reports.versions import versions

LABELS = ("predicted", "true")
_PROBED = 256


def evaluate_classifier(
    model: Classifier,
    examples: Examples,
    suite: Sequence[Attack],
    ball: Ball,
    *,
    about: dict[str, Any],
    specs: Sequence[str] = (),
    access: ThreatModel = WHITE_BOX,
    mode: str = "table",
    labels: str = "true",
    seed: int = 0,
    batch_size: int | None = 256,
    quantize_pixels: bool = False,
    curve: int = 256,
    perceptibility: int = 0,
    progress: Path | None = None,
    resume: bool = False,
) -> Report:
    """Attacks a model and says what is left of its accuracy, with the reasons to doubt it.

    Args:
        model: The classifier under attack.
        examples: Images and true labels that the training did not see.
        suite: Attacks, in their order.
        ball: The threat.
        about: The model's `name`, `path`, `sha256` and `parameters`.
        specs: How the user named the attacks.
        access: What the attackers know, and who of them counts.
        mode: `table` or `cascade`; see `Cascade`.
        labels: `true`, or `predicted` for numbers as the papers took them.
        seed: Repeats every draw.
        batch_size: Images in one compiled call; None for as many as fit. It changes the speed, not a verdict.
        quantize_pixels: Whether a success counts only if it survives rounding to 8-bit pixels.
        curve: Images for the curve of accuracy against eps; 0 draws none.
        perceptibility: Images whose smallest adversarial example is searched; 0 searches none, nor does a radius of 0.
        progress: File that keeps what is known after each block of images.
        resume: Whether to continue from that file.

    Raises:
        DataError: Nothing to attack, or data that do not fit.
        SettingError, ModelError: An attack that cannot work on this model or in this norm.
    """
    _check(model, examples, suite, ball, mode, labels)
    examples.check()
    began = time.perf_counter()
    cascade = Cascade(
        attacks=suite,
        ball=ball,
        mode=mode,
        labels=labels,
        seed=seed,
        batch_size=batch_size,
        quantize_pixels=quantize_pixels,
    )
    digest = examples.sha256()
    check_agreement(about["sha256"], digest)
    ledger = _run(cascade, model, examples, about, digest, progress, resume)
    specs = list(specs) or [str(attack) for attack in suite]
    names = [access.of(number).title(spec) for number, spec in enumerate(specs)]
    tally = Tally(len(examples), ball)
    points, curve_attack = accuracy_curve(cascade, model, examples, curve, tally)
    counted = [attack.own_ball(ball, model.input_shape) == ball for attack in suite]
    evidence = _evidence(
        dataclasses.replace(cascade, attacks=tuple(itertools.compress(suite, counted))),
        list(itertools.compress(names, counted)),
        model,
        examples,
        ledger.only(counted),
        points,
        tally,
    )
    visible = _perceptibility(cascade, model, examples, perceptibility, about, digest, progress, resume, tally)
    threatening, besides = ledger.but(counted), tally.broken
    attacked = access.robust(threatening, mode, everyone=True)
    robust = access.robust(threatening, mode, besides=besides)
    beside = access.robust(threatening, mode, everyone=True, besides=besides)
    return Report(
        model={**about, "head": model.head, **_class_names(model)},
        data={"name": examples.name, "count": len(examples), "sha256": digest, "description": examples.describe()},
        threat={
            "norm": ball.norm,
            "eps": float(ball.eps),
            "bounds": [ball.low, ball.high],
            **_size(ball, model.input_shape),
            "access": access.name,
            "labels": labels,
            "gradient": model.gradient,
            "draws": model.draws if model.stochastic else None,
            "pixels": "8-bit" if quantize_pixels else "real",
            **access.facts,
        },
        seed=seed,
        versions=versions(),
        mode=mode,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        seconds=round(time.perf_counter() - began, 3),
        clean_accuracy=share(ledger.right),
        clean_accuracy_interval=share_interval(ledger.right),
        robust_accuracy=share(robust),
        robust_accuracy_interval=share_interval(robust),
        beside=access.beside,
        beside_accuracy=share(beside) if access.beside else None,
        beside_accuracy_interval=share_interval(beside) if access.beside else None,
        attacks=tuple(
            attack_row(cascade, model, number, specs[number], access, ledger) for number in range(len(suite))
        ),
        parts=tally.rows(attacked, counted=not access.beside),
        doubts=access.find_doubts(threatening, mode, besides) + find_doubts(evidence),
        per_class=class_rows(ledger, robust) if model.question is None or model.question.single_label else (),
        curve=points,
        curve_attack=f"{curve_attack}, {access.beside}" if curve_attack and access.beside else curve_attack,
        pictures=pictures(cascade, names, model, examples, ledger),
        verdicts={
            "label": ledger.labels.tolist(),
            "clean_prediction": ledger.clean.tolist(),
            "robust": robust.astype(int).tolist(),
            "part": tally.first(attacked).tolist(),
        },
        perceptibility=visible,
    )


def _class_names(model: Classifier) -> dict[str, list[str]]:
    """What the classes of a task are called that are no labels; nothing for labels."""
    names = [] if model.question is None else list(model.question.task.class_names(model.question.units))
    return {"classes": names} if names else {}


def _size(ball: Ball, shape: tuple[int, ...]) -> dict[str, Any]:
    """What the radius means for a pixel; see `turtlenet.radius`."""
    share = ball.per_pixel(shape)
    levels = 255 * share if radius.is_image(shape) and ball.norm != "l0" else None
    return {"eps_share": round(share, 9), "eps_gray_levels": None if levels is None else round(levels, 6)}


def _check(model: Classifier, examples: Examples, suite: Sequence[Attack], ball: Ball, mode: str, labels: str) -> None:
    if not suite:
        raise SettingError("Expected at least one attack; got none.")
    for value, known, what in ((mode, MODES, "mode"), (labels, LABELS, "labels")):
        if value not in known:
            raise SpecError(f"Unknown {what} {value!r}.{did_you_mean(value, known)}")
    if model.question is not None and labels == "predicted":
        raise SettingError(f"Expected labels=true for {model.question.describe()}; got predicted.")
    if examples.num_classes > model.num_classes:
        raise DataError(
            f"Expected labels of {model.num_classes} classes; got {examples.num_classes} in {examples.name}."
        )
    for attack in suite:
        own = attack.own_ball(ball, model.input_shape)
        attack.check(model, own)
        if mode == "cascade" and own != ball:
            raise SettingError(f"Expected mode=table for attacks with a ball of their own; got cascade for {attack}.")


def _run(
    cascade: Cascade,
    model: Classifier,
    examples: Examples,
    about: dict[str, Any],
    digest: str,
    progress: Path | None,
    resume: bool,
) -> PerImageResults:
    """The ledger of all attacks, continued from a file where one fits."""
    identity = _identity(cascade, model, about, digest)
    first = backend.process()[0] == 0
    known = backend.from_first(lambda: PerImageResults.read(progress, identity)) if resume and progress else None
    ledger = known or PerImageResults.empty(model.classes(examples.labels), len(cascade.attacks))
    total = len(cascade.attacks) * len(examples)
    done = len(cascade.attacks) * ledger.done
    hidden = not (first and sys.stderr.isatty())
    with Bar(total, done=done, unit="image", hidden=hidden) as bar:
        cascade.run(
            model,
            examples,
            ledger,
            after_block=(lambda now: now.write(progress, identity)) if progress and first else (lambda now: None),
            tick=bar.update,
        )
    return ledger


def _identity(cascade: Cascade, model: Classifier, about: dict[str, Any], digest: str) -> str:
    """Everything that decides a verdict, as one hash."""
    ball = [cascade.ball.norm, float(cascade.ball.eps), cascade.ball.low, cascade.ball.high]
    settings = [attack.to_dict() for attack in cascade.attacks]
    files = [file_sha256(Path(file)) for attack in cascade.attacks for file in attack.files]
    how = [cascade.mode, cascade.labels, cascade.seed, cascade.quantize_pixels]
    answers = [model.gradient, model.draws, model.precision, model.bounds, model.head]
    text = json.dumps([about["sha256"], answers, digest, ball, settings, files, *how])
    return hashlib.sha256(text.encode()).hexdigest()


def _perceptibility(
    cascade: Cascade,
    model: Classifier,
    examples: Examples,
    count: int,
    about: dict[str, Any],
    digest: str,
    progress: Path | None,
    resume: bool,
    tally: Tally,
) -> Perceptibility | None:
    """How visible a change must become, by the attack of the curve."""
    if not count or float(cascade.ball.eps) == 0:
        return None
    attack = sweeping(cascade, model)
    found, broken = measure_perceptibility(
        model,
        examples,
        cascade.ball,
        attack,
        count=count,
        widest=cascade.ball.widest(examples.shape),
        identity=_identity(cascade, model, about, digest),
        seed=cascade.seed,
        batch_size=cascade.batch_size,
        progress=progress.with_name(f"{progress.stem}-perceptibility{progress.suffix}") if progress else None,
        resume=resume,
        # Only what is rounded has to be answered again.
        counts=(lambda x, y, moved: cascade.wrong(model, x, y, moved)) if cascade.quantize_pixels else None,
    )
    everyone = np.zeros(len(examples), bool)
    everyone[: len(broken)] = broken
    tally.put("perceptibility search", str(attack), found.right, everyone)
    return found


def _evidence(
    cascade: Cascade,
    names: Sequence[str],
    model: Classifier,
    examples: Examples,
    ledger: PerImageResults,
    points: Sequence[CurvePoint],
    tally: Tally,
) -> Evidence:
    twice = doubled(cascade, model, examples, ledger, tally)
    rows = np.flatnonzero(ledger.right)[:_PROBED]
    x, y = examples.batch(rows)
    seen = probe(model, x, y, cascade.ball) if len(x) else Probe()
    broken = np.zeros(len(examples), bool)
    if seen.moved is not None:
        fell = np.array(seen.fell)
        broken[rows[fell]] = cascade.wrong(model, x[fell], y[fell], seen.moved)
    tally.put("probe of the gradient", "a step of a tenth of eps", len(x), broken)
    return Evidence(
        attacks=cascade.attacks,
        names=names,
        mode=cascade.mode,
        labels=cascade.labels,
        ledger=ledger,
        num_classes=model.num_classes,
        curve=points,
        widest=round(cascade.ball.widest(examples.shape), 6),
        probe=seen,
        probed=len(x),
        doubled=twice,
        draws=model.draws,
        masks=any(shield.masks for shield in defences_of(model.model)),
        naive=model.gradient == "naive",
        norm=cascade.ball.norm,
        entrance="" if model.entrance is None else str(model.entrance),
        fit=fit_of(
            model,
            examples,
            cascade.ball,
            labels=ledger.labels,
            predictions=ledger.clean,
            batch_size=cascade.batch_size,
        ),
    )
