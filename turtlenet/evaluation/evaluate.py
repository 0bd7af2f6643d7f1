"""One model, one data set, one threat: from attacks to a report."""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from turtlenet import backend
from turtlenet.attacks import Attack
from turtlenet.attacks.threat import ball_facts
from turtlenet.balls import Ball, FeatureBall, is_plain
from turtlenet.batching import check_agreement
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.errors import SettingError, SpecError, did_you_mean
from turtlenet.evaluation.cascade import MODES, Cascade
from turtlenet.evaluation.certified import certificate_facts, certified, check_certify, find_contradictions
from turtlenet.evaluation.chance import held, summary
from turtlenet.evaluation.curve import accuracy_curve, sweeping
from turtlenet.evaluation.doubts import Evidence, find_doubts
from turtlenet.evaluation.gather import gather_evidence
from turtlenet.evaluation.moved_features import moved_features
from turtlenet.evaluation.per_image_results import PerImageResults
from turtlenet.evaluation.perceptibility.result import Perceptibility
from turtlenet.evaluation.perceptibility.search import measure_perceptibility
from turtlenet.evaluation.planner.planner import Planner
from turtlenet.evaluation.planner.record import find_skipped
from turtlenet.evaluation.planner.run import Planned
from turtlenet.evaluation.results.pictures import largest_changes, pictures
from turtlenet.evaluation.results.report import Report
from turtlenet.evaluation.results.rows import attack_row, class_rows, image_results, part_rows, six_figures
from turtlenet.evaluation.results.tally import Tally
from turtlenet.evaluation.run import EvaluationRun
from turtlenet.evaluation.threat_models.threat_model import WHITE_BOX, ThreatModel
from turtlenet.evaluation.time_limit import TimeLimit, stopped_early
from turtlenet.reports.base import Doubt
from turtlenet.reports.statistics import mean_interval, share, share_interval
from turtlenet.reports.versions import stamp

LABELS = ("predicted", "true")


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
    certify: str = "",
    order: str = "full",
    budget: int | None = None,
    time_limit: float | None = None,
) -> Report:
    """Attacks a model and says what is left of its accuracy, with the reasons to doubt it.

    Args:
        model: The classifier under attack.
        examples: Images and true labels that the training did not see.
        suite: Attacks, in their order.
        ball: The threat.
        about: The model's `name`, `path`, `sha256` and `parameters`; `normalize` where its inputs are standardized.
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
        certify: The method by which images are certified first, which attacks then leave alone; empty for none.
        order: `full`, or `adaptive`: see `turtlenet.evaluation.planner`.
        budget: With `order=adaptive`, gradients and queries for an image, on average; None for as many as it takes.
        time_limit: Seconds; the first images are evaluated, as many as fit; in adaptive order some drawn at random.

    Raises:
        DataError: Nothing to attack, or data that do not fit.
        SettingError, ModelError: An attack that cannot work on this model or in this norm.
    """
    _check(model, examples, suite, ball, mode, labels, quantize_pixels)
    examples.check()
    began = time.perf_counter()
    limit = None if time_limit is None else TimeLimit(time_limit)
    if certify:
        check_certify(labels, access.name, ball)
    proven = certified(certify, model, examples, ball, batch_size) if certify else None
    cascade = Cascade(
        attacks=suite,
        ball=ball,
        mode=mode,
        labels=labels,
        seed=seed,
        batch_size=batch_size,
        quantize_pixels=quantize_pixels,
        spared=proven.spared if proven else None,
        random=model.stochastic,
    )
    data = examples.facts()
    check_agreement(about["sha256"], data["sha256"])
    specs = tuple(specs) or tuple(str(attack) for attack in suite)
    planner = Planner.of(cascade, model, budget) if order == "adaptive" else None
    work = EvaluationRun(model, examples, cascade, access, specs, about, data, progress, resume, proven, planner)
    per_image, planned = work.run(limit)
    stopped: tuple[Doubt, ...] = ()
    if limit is not None and per_image.done < len(examples):
        drawn = planned is not None
        stopped = (stopped_early(limit, per_image.done, len(examples), examples.kind.examples, drawn=drawn),)
        work, per_image = work.cut(per_image, planned)
    if limit is not None and backend.from_first(lambda: limit.over):
        curve = perceptibility = 0
    report = _completed(work, per_image, planned, curve, perceptibility)
    return dataclasses.replace(
        report, doubts=(*stopped, *report.doubts), seconds=round(time.perf_counter() - began, 3)
    )


def _completed(
    work: EvaluationRun, per_image: PerImageResults, planned: Planned | None, curve: int, perceptibility: int
) -> Report:
    """The report on all results, with the searches that follow the attacks.

    Args:
        per_image: What each attack did to each image.
        planned: How a plan came to it; None where all was run.
        curve: Images for the curve; see `evaluate_classifier`.
        perceptibility: Images whose smallest adversarial example is searched.
    """
    cascade, access = work.cascade, work.access
    tally = Tally(len(work.examples), cascade.ball)
    points, curve_attack = accuracy_curve(cascade, work.model, work.examples, curve, tally)
    evidence = gather_evidence(work, per_image, points, tally)
    if planned:
        evidence = dataclasses.replace(evidence, whole=planned.learned)
    visible = _perceptibility(work, perceptibility, tally)
    report = _report(work, per_image, tally, evidence)
    record = planned.record if planned else None
    return dataclasses.replace(
        report,
        plan=record,
        doubts=(*find_skipped(record), *report.doubts),
        curve=points,
        curve_attack=f"{curve_attack}, {access.beside}" if curve_attack and access.beside else curve_attack,
        perceptibility=visible,
        moves=moved_features(cascade, work.names, work.model, work.examples, per_image),
    )


def _perceptibility(work: EvaluationRun, count: int, tally: Tally) -> Perceptibility | None:
    """How visible a change must become, by the attack of the curve."""
    cascade, progress = work.cascade, work.progress
    if not count or float(cascade.ball.eps) == 0:
        return None
    attack = sweeping(cascade, work.model)
    visible, broken = measure_perceptibility(
        work.model,
        work.examples,
        cascade.ball,
        attack,
        count=count,
        widest=cascade.ball.widest(work.examples.shape),
        identity=work.identity,
        seed=cascade.seed,
        batch_size=cascade.batch_size,
        progress=progress.with_name(f"{progress.stem}-perceptibility{progress.suffix}") if progress else None,
        resume=work.resume,
        # Only what is rounded has to be answered again.
        counts=(lambda x, y, perturbed: cascade.wrong(work.model, x, y, perturbed))
        if cascade.quantize_pixels
        else None,
    )
    everyone = np.zeros(len(work.examples), bool)
    everyone[: len(broken)] = broken
    tally.put("perceptibility search", str(attack), visible.right, everyone)
    return visible


def _report(work: EvaluationRun, per_image: PerImageResults, tally: Tally, evidence: Evidence) -> Report:
    """The report, but for the curve and what is visible."""
    cascade, model, access, mode = work.cascade, work.model, work.access, work.cascade.mode
    threatening, besides = per_image.but(work.counted), tally.broken
    attacked = access.robust(threatening, mode, everyone=True)
    robust = access.robust(threatening, mode, besides=besides)
    beside = access.robust(threatening, mode, everyone=True, besides=besides)
    certificate = certificate_facts(work.proven, per_image, robust) if work.proven else None
    # Where somebody stands beside, the draws do not tell whose attack it was that fooled.
    chance = None if access.beside else summary(threatening, robust, model.draws)
    expected = None if chance is None else held(threatening, threatening.robust & ~robust)
    withstood = robust if expected is None else expected
    return Report(
        model={**work.about, "head": model.head},
        data=work.data,
        threat=_threat(work),
        seed=cascade.seed,
        **stamp(),
        mode=mode,
        seconds=0.0,
        clean_accuracy=share(per_image.right),
        clean_accuracy_interval=share_interval(per_image.right),
        robust_accuracy=share(withstood),
        robust_accuracy_interval=mean_interval(withstood),
        beside=access.beside,
        beside_accuracy=share(beside) if access.beside else None,
        beside_accuracy_interval=share_interval(beside) if access.beside else None,
        attacks=tuple(
            attack_row(cascade, model, number, spec, access, per_image) for number, spec in enumerate(work.specs)
        ),
        parts=tally.rows(attacked, counted=not access.beside),
        doubts=find_contradictions(certificate, work.examples.kind)
        + access.find_doubts(threatening, mode, besides)
        + find_doubts(evidence),
        certificate=certificate,
        chance=chance,
        per_class=() if work.examples.part_names else class_rows(per_image, withstood, work.data.get("classes", ())),
        per_part=part_rows(threatening, work.examples.part_names, work.examples.true_labels),
        pictures=pictures(cascade, work.names, model, work.examples, per_image),
        largest_changes=largest_changes(work.examples, cascade.ball, per_image, cascade.seed),
        verdicts={
            "label": per_image.labels.tolist(),
            "clean_prediction": per_image.clean.tolist(),
            "clean_confidence": six_figures(per_image.clean_confidence),
            "robust": robust.astype(int).tolist(),
            "part": tally.first(attacked).tolist(),
            **({} if expected is None else {"probability": six_figures(expected)}),
        },
        results=tuple(image_results(per_image, number) for number in range(len(work.specs))),
    )


def _threat(work: EvaluationRun) -> dict[str, Any]:
    """What a report says of the threat."""
    ball, model = work.cascade.ball, work.model
    return {
        **ball_facts(ball),
        **_size(ball, work.examples),
        "access": work.access.name,
        "labels": work.cascade.labels,
        "gradient": model.gradient,
        "draws": model.draws if model.stochastic else None,
        "pixels": "8-bit" if work.cascade.quantize_pixels else "real",
        **work.access.facts,
    }


def _size(ball: Ball, examples: Examples) -> dict[str, Any]:
    """What the radius means for a value; see `turtlenet.radius`."""
    if isinstance(ball, FeatureBall):
        return {"unit": "each feature's own eps" if len(set(ball.space.unit.tolist())) > 1 else "input units"}
    share = ball.per_pixel(examples.shape)
    levels = 255 * share if examples.kind.pictured and ball.norm != "l0" else None
    return {"eps_share": round(share, 9), "eps_gray_levels": None if levels is None else round(levels, 6)}


def _check(
    model: Classifier,
    examples: Examples,
    suite: Sequence[Attack],
    ball: Ball,
    mode: str,
    labels: str,
    quantize_pixels: bool,
) -> None:
    if not suite:
        raise SettingError("Expected at least one attack; got none.")
    for value, known, what in ((mode, MODES, "mode"), (labels, LABELS, "labels")):
        if value not in known:
            raise SpecError(f"Unknown {what} {value!r}.{did_you_mean(value, known)}")
    if model.question is not None and labels == "predicted":
        raise SettingError(f"Expected labels=true for {model.question.describe()}; got predicted.")
    examples.check_classes(model.num_classes)
    if quantize_pixels and not is_plain(ball):
        raise SettingError("Expected one radius and bounds for all features for pixels of 8 bits; got one for each.")
    for attack in suite:
        own = attack.own_ball(ball, model.input_shape)
        attack.check(model, own)
        if mode == "cascade" and own != ball:
            raise SettingError(f"Expected mode=table for attacks with a ball of their own; got cascade for {attack}.")
