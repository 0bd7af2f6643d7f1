"""One model, one data set, one threat: from attacks to a report."""

import dataclasses
import hashlib
import itertools
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from turtlenet import backend
from turtlenet.attacks import Attack
from turtlenet.attacks.threat import ball_facts
from turtlenet.balls import Ball, FeatureBall, is_plain
from turtlenet.bars import Bar
from turtlenet.batching import check_agreement
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.data.fit import fit_of
from turtlenet.errors import SettingError, SpecError, did_you_mean
from turtlenet.evaluation.cascade import MODES, Cascade
from turtlenet.evaluation.certified import Certified, certificate_facts, certified, check_certify, find_contradictions
from turtlenet.evaluation.chance import held, summary
from turtlenet.evaluation.convergence import doubled
from turtlenet.evaluation.curve import accuracy_curve, sweeping
from turtlenet.evaluation.doubts import Evidence, find_doubts
from turtlenet.evaluation.doubts.gradient_masking import masking_of
from turtlenet.evaluation.moved_features import moved_features
from turtlenet.evaluation.per_image_results import PerImageResults
from turtlenet.evaluation.perceptibility.result import Perceptibility
from turtlenet.evaluation.perceptibility.search import measure_perceptibility
from turtlenet.evaluation.pictures import largest_changes, pictures
from turtlenet.evaluation.planner.planner import Planner
from turtlenet.evaluation.planner.record import find_skipped
from turtlenet.evaluation.planner.run import Planned
from turtlenet.evaluation.probe import Probe, probe
from turtlenet.evaluation.report import CurvePoint, Report
from turtlenet.evaluation.rows import attack_row, class_rows, image_results, part_rows, six_figures
from turtlenet.evaluation.tally import Tally
from turtlenet.evaluation.threat_model import WHITE_BOX, ThreatModel
from turtlenet.evaluation.time_limit import TimeLimit, stopped_early
from turtlenet.models import file_sha256
from turtlenet.reports.base import Doubt
from turtlenet.reports.statistics import mean_interval, share, share_interval
from turtlenet.reports.versions import stamp
from turtlenet.tasks import Regression

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
    work = _Evaluation(model, examples, cascade, access, specs, about, data, progress, resume, proven, planner)
    ledger, planned = work.run(limit)
    stopped: tuple[Doubt, ...] = ()
    if limit is not None and ledger.done < len(examples):
        drawn = planned is not None
        stopped = (stopped_early(limit, ledger.done, len(examples), examples.kind.examples, drawn=drawn),)
        work, ledger = work.cut(ledger, planned)
    if limit is not None and backend.from_first(lambda: limit.over):
        curve = perceptibility = 0
    report = work.completed(ledger, planned, curve, perceptibility)
    return dataclasses.replace(
        report, doubts=(*stopped, *report.doubts), seconds=round(time.perf_counter() - began, 3)
    )


@dataclass(frozen=True)
class _Evaluation:
    """What the parts of an evaluation share.

    Attributes:
        specs: How the user named the attacks.
        about: What is known of the model.
        proven: What was certified before the attacks; None where nothing was.
        planner: What chooses their order; None for the suite's.
        data: What is known of the images; see `Examples.facts`.
    """

    model: Classifier
    examples: Examples
    cascade: Cascade
    access: ThreatModel
    specs: Sequence[str]
    about: dict[str, Any]
    data: dict[str, Any]
    progress: Path | None
    resume: bool
    proven: Certified | None = None
    planner: Planner | None = None

    @property
    def names(self) -> list[str]:
        """The attacks, and whose they are."""
        return [self.access.of(number).title(spec) for number, spec in enumerate(self.specs)]

    @property
    def counted(self) -> list[bool]:
        """Which attacks have the ball of the threat: the others do not count."""
        ball = self.cascade.ball
        return [attack.own_ball(ball, self.model.input_shape) == ball for attack in self.cascade.attacks]

    @property
    def identity(self) -> str:
        """Everything that decides a verdict, as one hash."""
        cascade, model = self.cascade, self.model
        ball = [cascade.ball.norm, float(cascade.ball.eps), cascade.ball.low, cascade.ball.high]
        ball += [cascade.ball.space.digest] if isinstance(cascade.ball, FeatureBall) else []
        settings = [attack.to_dict() for attack in cascade.attacks]
        files = [file_sha256(Path(file)) for attack in cascade.attacks for file in attack.files]
        how = [cascade.mode, cascade.labels, cascade.seed, cascade.quantize_pixels]
        how += [] if cascade.spared is None else [np.flatnonzero(cascade.spared).tolist()]
        how += [["adaptive", self.planner.budget]] if self.planner else []
        answers = [model.gradient, model.draws, model.precision, model.bounds, model.head]
        how += [self.about["normalize"]] if self.about.get("normalize") else []
        text = json.dumps([self.about["sha256"], answers, self.data["sha256"], ball, settings, files, *how])
        return hashlib.sha256(text.encode()).hexdigest()

    def run(self, limit: TimeLimit | None = None) -> tuple[PerImageResults, Planned | None]:
        """The results of all attacks, and what a plan made of them.

        They are continued from a file where one fits, and those of fewer images where time is limited.
        """
        identity, progress, planner = self.identity, self.progress, self.planner
        first = backend.process()[0] == 0
        known = None
        if self.resume and progress:
            known = backend.from_first(lambda: PerImageResults.read(progress, identity))
        rows = len(planner.units if planner else self.cascade.attacks)
        classes = self.model.classes(self.examples.labels)
        ledger = known or PerImageResults.empty(classes, rows, len(self.examples.part_names))
        total, done = (len(self.cascade.attacks) * count for count in (len(self.examples), ledger.done))
        hidden = not (first and sys.stderr.isatty())
        with Bar(total, done=0 if planner else done, unit=self.examples.kind.example, hidden=hidden) as bar:

            def tick(count: int) -> None:
                seconds, gradients, _ = ledger.cost.sum(axis=0)
                bar.pace = gradients / seconds if seconds else 0.0
                bar.update(count)

            how: dict[str, Any] = {"tick": tick}
            # What a plan learned in a time is not written down: with more time it would have learned more.
            if progress and first and not (planner and limit):
                how["after_block"] = lambda now: now.write(progress, identity)
            if planner:
                planned = planner.run(self.model, self.examples, ledger, limit=limit, **how)
                return planned.ledger, planned
            self.cascade.run(self.model, self.examples, ledger, limit=limit, **how)
        return ledger, None

    def cut(self, ledger: PerImageResults, planned: Planned | None) -> tuple["_Evaluation", PerImageResults]:
        """The evaluation of the images that time sufficed for, and their results."""
        rows = np.arange(ledger.done) if planned is None or planned.rows is None else planned.rows
        examples = self.examples.subset(rows)
        data = {**examples.facts(), "wanted": len(self.examples)}
        # What a plan made is of those images alone.
        return dataclasses.replace(self, examples=examples, data=data), ledger if planned else ledger.of(rows)

    def completed(self, ledger: PerImageResults, planned: Planned | None, curve: int, perceptibility: int) -> Report:
        """The report on all results, with the searches that follow the attacks.

        Args:
            ledger: What each attack did to each image.
            planned: How a plan came to it; None where all was run.
            curve: Images for the curve; see `evaluate_classifier`.
            perceptibility: Images whose smallest adversarial example is searched.
        """
        cascade, access = self.cascade, self.access
        tally = Tally(len(self.examples), cascade.ball)
        points, curve_attack = accuracy_curve(cascade, self.model, self.examples, curve, tally)
        evidence = self.evidence(ledger, points, tally)
        if planned:
            evidence = dataclasses.replace(evidence, whole=planned.learned)
        visible = self.perceptibility(perceptibility, tally)
        report = self.report(ledger, tally, evidence)
        record = planned.record if planned else None
        return dataclasses.replace(
            report,
            plan=record,
            doubts=(*find_skipped(record), *report.doubts),
            curve=points,
            curve_attack=f"{curve_attack}, {access.beside}" if curve_attack and access.beside else curve_attack,
            perceptibility=visible,
            moves=moved_features(cascade, self.names, self.model, self.examples, ledger),
        )

    def perceptibility(self, count: int, tally: Tally) -> Perceptibility | None:
        """How visible a change must become, by the attack of the curve."""
        cascade, progress = self.cascade, self.progress
        if not count or float(cascade.ball.eps) == 0:
            return None
        attack = sweeping(cascade, self.model)
        visible, broken = measure_perceptibility(
            self.model,
            self.examples,
            cascade.ball,
            attack,
            count=count,
            widest=cascade.ball.widest(self.examples.shape),
            identity=self.identity,
            seed=cascade.seed,
            batch_size=cascade.batch_size,
            progress=progress.with_name(f"{progress.stem}-perceptibility{progress.suffix}") if progress else None,
            resume=self.resume,
            # Only what is rounded has to be answered again.
            counts=(lambda x, y, perturbed: cascade.wrong(self.model, x, y, perturbed))
            if cascade.quantize_pixels
            else None,
        )
        everyone = np.zeros(len(self.examples), bool)
        everyone[: len(broken)] = broken
        tally.put("perceptibility search", str(attack), visible.right, everyone)
        return visible

    def evidence(self, ledger: PerImageResults, points: Sequence[CurvePoint], tally: Tally) -> Evidence:
        """What the doubts are told of, by the attacks that count."""
        model, examples, counted = self.model, self.examples, self.counted
        cascade = dataclasses.replace(self.cascade, attacks=tuple(itertools.compress(self.cascade.attacks, counted)))
        ledger = ledger.only(counted)
        twice = doubled(cascade, model, examples, ledger, tally)
        rows = np.flatnonzero(ledger.right)[:_PROBED]
        probed = self._probe(cascade, rows, tally)
        return Evidence(
            attacks=cascade.attacks,
            names=list(itertools.compress(self.names, counted)),
            mode=cascade.mode,
            labels=cascade.labels,
            ledger=ledger,
            num_classes=model.num_classes,
            curve=points,
            # With rules no ball holds every input there is, and a number may be near enough for all of them.
            widest=math.inf
            if _ruled(cascade.ball) or _of_numbers(model)
            else round(cascade.ball.widest(examples.shape), 6),
            probe=probed,
            probed=len(rows),
            doubled=twice,
            draws=model.draws,
            masking=masking_of(model.model),
            naive=model.gradient == "naive",
            norm=cascade.ball.norm,
            inputs=examples.kind,
            entrance="" if model.entrance is None else str(model.entrance),
            by_feature=not is_plain(cascade.ball),
            fit=fit_of(
                model,
                examples,
                cascade.ball,
                labels=ledger.labels,
                predictions=ledger.clean,
                batch_size=cascade.batch_size,
            ),
        )

    def _probe(self, cascade: Cascade, rows: np.ndarray, tally: Tally) -> Probe:
        """A look at the gradient at some images, of which the tally counts what it breaks."""
        x, y = self.examples.batch(rows)
        probed = probe(self.model, x, y, cascade.ball, cascade.batch_size) if len(x) else Probe()
        broken = np.zeros(len(self.examples), bool)
        if probed.perturbed is not None:
            fell = np.array(probed.fell)
            broken[rows[fell]] = cascade.wrong(self.model, x[fell], y[fell], probed.perturbed)
        tally.put("probe of the gradient", "a step of a tenth of eps", len(x), broken)
        return probed

    def threat(self) -> dict[str, Any]:
        """What a report says of the threat."""
        ball, model = self.cascade.ball, self.model
        return {
            **ball_facts(ball),
            **_size(ball, self.examples),
            "access": self.access.name,
            "labels": self.cascade.labels,
            "gradient": model.gradient,
            "draws": model.draws if model.stochastic else None,
            "pixels": "8-bit" if self.cascade.quantize_pixels else "real",
            **self.access.facts,
        }

    def report(self, ledger: PerImageResults, tally: Tally, evidence: Evidence) -> Report:
        """The report, but for the curve and what is visible."""
        cascade, model, access, mode = self.cascade, self.model, self.access, self.cascade.mode
        threatening, besides = ledger.but(self.counted), tally.broken
        attacked = access.robust(threatening, mode, everyone=True)
        robust = access.robust(threatening, mode, besides=besides)
        beside = access.robust(threatening, mode, everyone=True, besides=besides)
        certificate = certificate_facts(self.proven, ledger, robust) if self.proven else None
        # Where somebody stands beside, the draws do not tell whose attack it was that fooled.
        chance = None if access.beside else summary(threatening, robust, model.draws)
        expected = None if chance is None else held(threatening, threatening.robust & ~robust)
        withstood = robust if expected is None else expected
        return Report(
            model={**self.about, "head": model.head},
            data=self.data,
            threat=self.threat(),
            seed=cascade.seed,
            **stamp(),
            mode=mode,
            seconds=0.0,
            clean_accuracy=share(ledger.right),
            clean_accuracy_interval=share_interval(ledger.right),
            robust_accuracy=share(withstood),
            robust_accuracy_interval=mean_interval(withstood),
            beside=access.beside,
            beside_accuracy=share(beside) if access.beside else None,
            beside_accuracy_interval=share_interval(beside) if access.beside else None,
            attacks=tuple(
                attack_row(cascade, model, number, spec, access, ledger) for number, spec in enumerate(self.specs)
            ),
            parts=tally.rows(attacked, counted=not access.beside),
            doubts=find_contradictions(certificate, self.examples.kind)
            + access.find_doubts(threatening, mode, besides)
            + find_doubts(evidence),
            certificate=certificate,
            chance=chance,
            per_class=() if self.examples.part_names else class_rows(ledger, withstood, self.data.get("classes", ())),
            per_part=part_rows(threatening, self.examples.part_names, self.examples.true_labels),
            pictures=pictures(cascade, self.names, model, self.examples, ledger),
            largest_changes=largest_changes(self.examples, cascade.ball, ledger, cascade.seed),
            verdicts={
                "label": ledger.labels.tolist(),
                "clean_prediction": ledger.clean.tolist(),
                "clean_confidence": six_figures(ledger.clean_confidence),
                "robust": robust.astype(int).tolist(),
                "part": tally.first(attacked).tolist(),
                **({} if expected is None else {"probability": six_figures(expected)}),
            },
            results=tuple(image_results(ledger, number) for number in range(len(self.specs))),
        )


def _ruled(ball: Ball) -> bool:
    """Whether what a feature may be depends on what it was."""
    return isinstance(ball, FeatureBall) and ball.space.bound


def _of_numbers(model: Classifier) -> bool:
    """Whether a model gives numbers, which the bounds may keep near any true value."""
    return model.question is not None and isinstance(model.question.task, Regression)


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
