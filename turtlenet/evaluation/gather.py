"""Gathers what the doubts are told of an evaluation."""

import dataclasses
import itertools
import math
from collections.abc import Sequence

import numpy as np

from turtlenet.balls import Ball, FeatureBall, is_plain
from turtlenet.classifier import Classifier
from turtlenet.data.fit.fit import fit_of
from turtlenet.evaluation.cascade import Cascade
from turtlenet.evaluation.convergence import doubled
from turtlenet.evaluation.doubts import Evidence
from turtlenet.evaluation.doubts.gradient_masking import masking_of
from turtlenet.evaluation.per_image_results import PerImageResults
from turtlenet.evaluation.probe import Probe, probe
from turtlenet.evaluation.results.records import CurvePoint
from turtlenet.evaluation.results.tally import Tally
from turtlenet.evaluation.run import EvaluationRun
from turtlenet.tasks import Regression

_PROBED = 256


def gather_evidence(
    work: EvaluationRun, per_image: PerImageResults, points: Sequence[CurvePoint], tally: Tally
) -> Evidence:
    """What the doubts are told of, by the attacks that count."""
    model, examples, counted = work.model, work.examples, work.counted
    cascade = dataclasses.replace(work.cascade, attacks=tuple(itertools.compress(work.cascade.attacks, counted)))
    per_image = per_image.only(counted)
    twice = doubled(cascade, model, examples, per_image, tally)
    rows = np.flatnonzero(per_image.right)[:_PROBED]
    probed = _probed(work, cascade, rows, tally)
    return Evidence(
        attacks=cascade.attacks,
        names=list(itertools.compress(work.names, counted)),
        mode=cascade.mode,
        labels=cascade.labels,
        per_image=per_image,
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
            labels=per_image.labels,
            predictions=per_image.clean,
            batch_size=cascade.batch_size,
        ),
    )


def _probed(work: EvaluationRun, cascade: Cascade, rows: np.ndarray, tally: Tally) -> Probe:
    """A look at the gradient at some images, of which the tally counts what it breaks."""
    x, y = work.examples.batch(rows)
    probed = probe(work.model, x, y, cascade.ball, cascade.batch_size) if len(x) else Probe()
    broken = np.zeros(len(work.examples), bool)
    if probed.perturbed is not None:
        fell = np.array(probed.fell)
        broken[rows[fell]] = cascade.wrong(work.model, x[fell], y[fell], probed.perturbed)
    tally.put("probe of the gradient", "a step of a tenth of eps", len(x), broken)
    return probed


def _ruled(ball: Ball) -> bool:
    """Whether what a feature may be depends on what it was."""
    return isinstance(ball, FeatureBall) and ball.space.bound


def _of_numbers(model: Classifier) -> bool:
    """Whether a model gives numbers, which the bounds may keep near any true value."""
    return model.question is not None and isinstance(model.question.task, Regression)
