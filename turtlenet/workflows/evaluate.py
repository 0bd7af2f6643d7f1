"""Attacks models as users ask for it, at one radius or several, and reports what is left of their accuracy."""

import dataclasses
import os
import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from turtlenet import attacks as attack_family
from turtlenet import backend, models
from turtlenet.attacks.threat import why_eps
from turtlenet.balls import Ball, is_plain
from turtlenet.batching import usual
from turtlenet.checked import checked
from turtlenet.classifier import Classifier
from turtlenet.data.fit.misfits import misfits
from turtlenet.data.parts import Part, saw
from turtlenet.data.prepare import DEFAULT_DATA, DataType
from turtlenet.errors import SettingError, at_least
from turtlenet.evaluation import Comparison, Report
from turtlenet.evaluation.cascade import Cascade
from turtlenet.evaluation.certified import check_certify
from turtlenet.evaluation.forecast import forecast
from turtlenet.evaluation.jobs import Job, Request, first_given, jobs_of
from turtlenet.evaluation.results.logged import log_report
from turtlenet.evaluation.results.sweep import Sweep, radii_of, sweep_of
from turtlenet.evaluation.views.again import as_said, loading, normalize_text
from turtlenet.gan.cache import ready
from turtlenet.memory import batch_text, largest_batch
from turtlenet.models.as_classifier import ModelType, name_of
from turtlenet.models.usage import usage_of
from turtlenet.radius import parsed
from turtlenet.reports.base import Doubt
from turtlenet.settings import text
from turtlenet.settings.base import takes
from turtlenet.settings.evaluate import EvaluateSettings
from turtlenet.tracking import opened
from turtlenet.training.data.feature_data import feature_facts
from turtlenet.training.run.curves import training_told
from turtlenet.training.run.time_limit import parsed_time

PERCEPTIBILITY = 100
_ASKED_SETTINGS = (
    *("limit", "gradient", "draws", "head", "curve", "precision", "access", "surrogates", "surrogate_dir"),
    *("quantize_pixels", "normalize", "label", "weight", "drop", "classes", "order", "budget"),
)


@checked()
@takes(EvaluateSettings)
def evaluate(model: ModelType | Sequence[ModelType], data: DataType | None = None, **settings: Any) -> Any:
    """Attacks one model, or several side by side, and reports what is left of their accuracy.

    Args:
        model: A classifier, the path of one, or a list of them.
        data: What to attack, which the training must not have seen: `(x, y)`, a name or a path (its test part). Of
            `x` the inputs are (n, ...), within the bounds or 8-bit pixels; `y` are true labels, (n,) or one-hot.
        **settings: See `turtlenet.settings.evaluate.EvaluateSettings`; `eps` is in input units.

    Returns:
        A `Report`, or a `Comparison` for a list of models.

    Raises:
        TurtlenetError: A model, data or settings that do not fit, in one line.
    """
    options = EvaluateSettings(**settings)
    places = options.log if backend.process()[0] == 0 else ()
    models_given = list(model) if isinstance(model, (list, tuple)) else [model]
    with opened(places, f"evaluate {' '.join(map(name_of, models_given))}", options.tell) as logs:
        logs.parameters({name: value for name, value in options.noted().items() if name not in ("log", "tell")})
        report = _evaluated(models_given, data, options)
        log_report(logs, report)
    return report


def _evaluated(models_given: list[ModelType], data: DataType | None, options: EvaluateSettings) -> Any:
    if not models_given:
        raise SettingError("Expected at least one model; got none.")
    request = Request.of(options, len(models_given))
    seconds = _time_limit(options, request.access)
    jobs = jobs_of(models_given, data, request, ready)
    perceptibility = _perceptibility_count(options.perceptibility, [job.victim for job in jobs], jobs[0].ball)
    _check_examples(jobs, request)
    how: dict[str, Any] = {**_options(jobs, request), "perceptibility": perceptibility}
    how |= {} if seconds is None else {"time_limit": seconds}
    if backend.process()[1] == 1:
        alike = {name: how[name] for name in ("mode", "seed", "batch_size")}
        for job in jobs:
            cascade = Cascade(attacks=job.suite, ball=job.ball, **alike)
            expected = forecast(
                job.victim,
                job.examples,
                cascade,
                curve=options.curve,
                limit=seconds,
                crafted_on=_crafted_on(request),
                perceptibility=perceptibility,
                certify=options.certify or "",
                budget=options.budget,
            )
            if expected:
                options.tell(expected)
    reports = [_reported(number, job, data, request, how) for number, job in enumerate(jobs)]
    return Comparison(tuple(reports)) if len(reports) > 1 else reports[0]


def _crafted_on(request: Request) -> int:
    """Models that attacks are run on: beside the one under attack those of an attacker without it or its key."""
    if request.access == "white-box":
        return 1
    # With its own keys and without one; who can only ask has one substitute.
    return 2 if request.asking else 2 + request.options.surrogates


def _check_examples(jobs: Sequence[Job], request: Request) -> None:
    """Refuses examples that do not fit their model, and tells what looks wrong with them."""
    for job in jobs:
        job.examples.check()
    notes = []
    for job in jobs:
        if job.threat is not None:
            # An attacker who can only ask has the first of all: they are asked about within the same bounds and rules.
            notes += job.threat.check(job.part.examples if request.asking else job.examples)
    notes += [line for job in jobs for line in misfits(job.victim, job.examples, job.ball)]
    for line in dict.fromkeys(notes):
        request.options.tell(line)


def _options(jobs: Sequence[Job], request: Request) -> dict[str, Any]:
    """How all models are evaluated: arguments of `evaluate_classifier`."""
    options, order = request.options, _order(request.options, request.access)
    mode = first_given(options.mode, request.suite.mode, "cascade" if order == "adaptive" else "table")
    how: dict[str, Any] = {
        "mode": mode,
        "labels": first_given(options.labels, request.suite.labels, "true"),
        "seed": options.seed,
        "batch_size": _batch_size(options, [job.victim for job in jobs]),
        "quantize_pixels": options.quantize_pixels,
        "curve": options.curve,
        "resume": options.resume,
    }
    if options.certify:
        for job in jobs:
            if job.victim.question is not None:
                raise SettingError(f"Expected no certify for {job.victim.question.describe()}; got {options.certify}.")
            check_certify(how["labels"], request.access, job.ball)
        how["certify"] = options.certify
    return how if order == "full" else {**how, "order": order, "budget": options.budget}


def _reported(number: int, job: Job, data: DataType | None, request: Request, how: dict[str, Any]) -> Report:
    """Attacks one model and says how it was asked for."""
    options = request.options
    progress = Path(options.progress) / f".progress-{number}.npz" if options.progress else None
    report = job.run(options, request.access, request.asking, progress=progress, **how)
    in_training = saw(job.trained, job.part, job.data)
    report = _with_origin(report, job.part, in_training, _asked(options, data, job.ball))
    eps_from = why_eps(job.victim, request.norm, request.eps)
    threat = {**report.threat, "eps_from": eps_from, **feature_facts(job.threat, job.ball)}
    return dataclasses.replace(report, threat=threat, training=_training(job.model))


@checked()
@takes(EvaluateSettings)
def sweep(
    model: ModelType | Sequence[ModelType], data: DataType | None = None, *, eps: Sequence[Any] = (), **settings: Any
) -> Sweep:
    """Evaluates one model at several radii; an image that falls at one has fallen at all larger ones.

    A model in memory is compiled once for all radii, a file for each anew.

    Args:
        model: A classifier, or the path of one.
        data: What to attack; see `evaluate`.
        eps: The radii, each as `evaluate` takes one: `[0.1, 0.2]`, `["2/255", "4/255"]`.
        **settings: See `turtlenet.settings.evaluate.EvaluateSettings`; `curve` is 0 by default.

    Raises:
        SettingError: No radius, two that are the same, several models, or what `evaluate` refuses.
    """
    radii = radii_of(eps)
    if isinstance(model, list | tuple):
        raise SettingError(f"Expected one model to sweep over radii; got {len(model)}.")
    if not radii:
        raise SettingError("Expected at least one radius, such as eps=[0.1, 0.2]; got none.")
    if settings.get("time") is not None:
        raise SettingError("Expected no time for a sweep, which compares the same inputs; give a limit in its place.")
    # All are read before the first is attacked.
    read = [text.radius(each) if isinstance(each, str) else each for each in radii]
    for each in read:
        if not isinstance(each, str):
            parsed(each)
    if len(set(map(str, read))) < len(read):
        raise SettingError(f"Expected radii that differ; got {', '.join(map(str, radii))}.")
    reports, progress = [], settings.get("progress")
    for each in read:
        # Each radius keeps its own, under its name, so that another list of radii finds it again.
        kept = {} if progress is None else {"progress": Path(progress) / re.sub(r"[^\w.%-]+", "-", f"eps-{each}")}
        reports.append(evaluate(model, data, **{"curve": 0, **settings, **kept, "eps": each}))
        if len({*_radii(reports[0])}) > 1:
            raise SettingError("Expected one radius for all features to sweep over; got one for each.")
    return sweep_of(reports)


def _radii(report: Report) -> list[float]:
    """The radius of each feature; none where all have the same."""
    features = report.threat.get("features")
    return list(features["eps"]) if isinstance(features, dict) else []


def _order(options: EvaluateSettings, access: str) -> str:
    """The order of the attacks' parts: the suite's, unless another or a budget is asked for."""
    if options.budget is not None and options.order == "full":
        raise SettingError(f"Expected order adaptive with a budget of {options.budget:,}; got full: all is run.")
    order = options.order or ("full" if options.budget is None else "adaptive")
    if order == "adaptive" and access != "white-box":
        raise SettingError(f"Expected access white-box with order adaptive; got {access}.")
    return order


def _batch_size(options: EvaluateSettings, victims: Sequence[Classifier]) -> int | None:
    """Inputs at a time: as many as asked for, or as fit into memory, which changes no verdict."""
    wanted = options.batch_size or usual()
    narrow, least = None, wanted
    for victim in victims:
        most = largest_batch(victim.model)
        if most is not None and most < least:
            narrow, least = victim, most
    if narrow is None:
        return options.batch_size
    size = 1 << (least.bit_length() - 1)
    options.tell(f"memory: {size} at a time instead of {wanted}: {batch_text(narrow.model, size)}")
    return size


def _feature_settings(options: EvaluateSettings) -> dict[str, Any]:
    """What was asked for of the features, as plain data."""
    said = {name: as_said(getattr(options, name)) for name in ("eps", "bounds", "features", "movable")}
    return {**said, "constraints": list(map(str, options.constraints))}


def _asked(options: EvaluateSettings, data: DataType | None, ball: Ball) -> dict[str, Any]:
    """What was asked for, beside what a report tells by itself."""
    folder = str(Path(options.surrogate_dir)) if options.surrogate_dir else None
    said = {name: getattr(options, name) for name in _ASKED_SETTINGS}
    # As JSON gives them back.
    said = {name: list(value) if isinstance(value, tuple) else value for name, value in said.items()}
    told = {"data": _named(data), **said, **loading()}
    told |= {name: value for name, value in vars(usage_of(options)).items() if value not in (None, "auto")}
    told |= {"normalize": normalize_text(options.normalize)}
    told |= {} if is_plain(ball) else _feature_settings(options)
    return {**told, "surrogate_dir": folder}


def _training(model: ModelType) -> dict[str, Any]:
    """What a model's file tells of its training; nothing of a model in memory."""
    return training_told(models.read_provenance(model)) if isinstance(model, str | PathLike) else {}


def _named(data: DataType | None) -> str | None:
    """The data as a user gives them on the command line; None for what is in memory."""
    if data is None:
        return DEFAULT_DATA
    if isinstance(data, str):
        return data
    if not isinstance(data, PathLike):
        return None
    path = str(data)
    # A bare word would be taken for a name.
    return path if any(mark in path for mark in {os.sep, os.altsep or os.sep}) else f"{os.curdir}{os.sep}{path}"


def _with_origin(report: Report, part: Part, in_training: bool, told: dict[str, Any]) -> Report:
    """A report that says which part was scored, whether training saw it, and what was asked for."""
    about = {**report.data, "split": part.split, "part": part.words, "seen_in_training": in_training}
    doubts, inputs = report.doubts, part.examples.kind.examples
    if in_training and not part.asked:
        doubts = (
            Doubt(
                code="seen-in-training",
                finding=f"The model was trained on {'some of ' if part.split == 'all' else ''}these {inputs} "
                f"({report.data['name']}), as far as is known of its training: both accuracies are too good.",
                advice=f"Evaluate on {inputs} that training did not see: --split test (split='test'), or data with "
                "x_test and y_test.",
            ),
            *doubts,
        )
    return dataclasses.replace(report, data=about, doubts=doubts, asked={**told, "split": part.split or None})


def _time_limit(options: EvaluateSettings, access: str) -> float | None:
    """The seconds for each model; None for as many as it takes."""
    if options.time is None:
        return None
    if options.certify or access != "white-box":
        other = f"certify={options.certify}" if options.certify else f"access {access}"
        raise SettingError(f"Expected no time beside {other}; got {options.time}: give a limit in its place.")
    return parsed_time(options.time)


def _perceptibility_count(count: int | None, victims: Sequence[Classifier], ball: Ball) -> int:
    """For how many images the smallest adversarial example is searched."""
    if count is None:
        compared = len(victims) > 1 and any(models.defences_of(each.model) for each in victims)
        return PERCEPTIBILITY if compared and ball.norm in attack_family.PGD.norms and is_plain(ball) else 0
    at_least(0, perceptibility=count)
    if count and not is_plain(ball):
        raise SettingError("Expected one radius and bounds for all features to search how visible changes are.")
    if count:
        attack_family.PGD().check(victims[0], ball)
    return count
