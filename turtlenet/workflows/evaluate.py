"""Attacks models as users ask for it, and reports what is left; how much noise they bear."""

import dataclasses
import os
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from turtlenet import attacks as attack_family
from turtlenet import backend, balls, models
from turtlenet.attacks import Attack, suites
from turtlenet.attacks.feature_defaults import is_table
from turtlenet.attacks.feature_memory import features_of
from turtlenet.attacks.feature_threat import FeatureThreat, Said
from turtlenet.attacks.threat import check_generators, threat_for, why_eps
from turtlenet.balls import Ball, is_plain
from turtlenet.batching import usual
from turtlenet.checked import checked
from turtlenet.classifier import Classifier
from turtlenet.data.misfits import misfits
from turtlenet.data.parts import Part, choose, saw, trained_on
from turtlenet.data.prepare import DEFAULT_DATA, DataType, load_for, normalized_for
from turtlenet.data.tables import Reading, is_tabular, reading_of
from turtlenet.errors import SettingError, at_least
from turtlenet.evaluation import Comparison, Report, evaluate_classifier
from turtlenet.evaluation.again import exact, loading
from turtlenet.evaluation.black_box import evaluate_black_box
from turtlenet.evaluation.forecast import forecast
from turtlenet.evaluation.grey_box import evaluate_grey_box
from turtlenet.evaluation.threat_model import check_access
from turtlenet.gan.cache import ready
from turtlenet.memory import batch_text, largest_batch
from turtlenet.models.as_classifier import ModelType, about_model, as_classifier, in_memory
from turtlenet.reports.base import Doubt
from turtlenet.settings.base import takes
from turtlenet.settings.evaluate import EvaluateSettings
from turtlenet.training.data.feature_data import check_for_features, facts, with_features
from turtlenet.training.surrogates.substitute import Substitution, substitution

DEFAULT_SUITE = "quick"
PERCEPTIBILITY = 100
_AT_LEVELS = "quantizer-pgd"
_ADAPTIVE = (DEFAULT_SUITE, "adaptive")
"""Suites whose attacks are fitted to the model; others are a paper's, or the user's own."""
_TOLD = (
    *("limit", "gradient", "draws", "head", "curve", "precision", "access", "surrogates", "surrogate_dir"),
    *("quantize_pixels", "normalize", "label", "weight", "drop", "classes"),
)
_NO_SUITE = suites.Suite(attacks=())


@checked()
@takes(EvaluateSettings)
def evaluate(model: ModelType | Sequence[ModelType], data: DataType | None = None, **settings: Any) -> Any:
    """Attacks one model, or several side by side, and reports what is left of their accuracy.

    Args:
        model: A classifier, the path of one, or a list of them.
        data: What to attack, which the training must not have seen: `(x, y)`, a name or a path (its test part).
        **settings: See `turtlenet.settings.EvaluateSettings`.

    Returns:
        A `Report`, or a `Comparison` for a list of models.
    """
    plan = EvaluateSettings(**settings)
    given = list(model) if isinstance(model, (list, tuple)) else [model]
    if not given:
        raise SettingError("Expected at least one model; got none.")
    kind_of_access, asking = _known(plan.access, len(given))
    chosen = (
        suites.find(DEFAULT_SUITE if plan.suite is None else plan.suite)
        if plan.suite is not None or not plan.attacks
        else _NO_SUITE
    )
    specs = suites.expand([*chosen.attacks, *plan.attacks])
    kind, radius = _first(plan.norm, chosen.norm, "linf"), _first(plan.eps, chosen.eps)
    # What is wrong with the last model or its data is said before the first is attacked.
    said = _said(plan, radius, given)
    how: dict[str, Any] = {
        "bounds": said.outer,
        "head": plan.head,
        "precision": plan.precision,
        "gradient": plan.gradient,
    }
    if plan.normalize is not None and kind_of_access == "grey-box":
        raise SettingError(f"Expected no normalize for access {kind_of_access}: wrap the model first.")
    drawn = [10 if plan.draws is None and not isinstance(one, Classifier) else plan.draws for one in given]
    seen = [trained_on(one) for one in given]
    reading = reading_of(plan, next(filter(None, reversed(seen)), ()))
    named, taken = data, list(given)
    for number, one in enumerate(given if plan.normalize is not None else ()):
        where: dict[str, Any] = {"bounds": said.outer, "head": plan.head, "how": reading, "held_out": True}
        taken[number], data = normalized_for(in_memory(one), plan.normalize, data, **where)
    victims = [as_classifier(one, **how, draws=count) for one, count in zip(taken, drawn, strict=True)]
    if plan.gradient is None and any(shield.masks for each in victims for shield in models.defences_of(each.model)):
        specs = [twin for spec in specs for twin in _both_ways(spec)]
    if _at_levels(plan.suite, plan.attacks, kind, victims):
        specs = [*specs, _AT_LEVELS]
    made = [attack_family.build(spec) for spec in specs]
    prepared = [
        _prepared(said, kind, victim, one, data, reading, {**how, "draws": count})
        for victim, one, count in zip(victims, taken, drawn, strict=True)
    ]
    by_feature = [each is not None for each in prepared]
    victims = [victim if each is None else each[0] for victim, each in zip(victims, prepared, strict=True)]
    found = load_for(data, victims, reading) if not all(by_feature) else [each[1] for each in prepared if each]
    by_feature_threats = [None if each is None else each[2] for each in prepared]
    # What a grey-box attacker trains on is not attacked.
    scored = [
        choose(each, plan.split, seen, held_out=plan.held_out or kind_of_access != "white-box") for each in found
    ]
    wholes = [part.examples for part in scored]
    parts = [whole.take(plan.limit) for whole in wholes]
    trained: dict[str, Any] = {"eps": radius, "norm": kind, "seed": plan.seed, "access": kind_of_access}
    trained |= {"tell": plan.tell, "head": plan.head}
    owns = [
        [ready(each, one, victim, data, **trained) for each in made]
        for one, victim, data in zip(given, victims, found, strict=True)
    ]
    threats = [
        threat_for(victim, own, kind, radius, None if threat is None else threat.ball)
        for victim, own, threat in zip(victims, owns, by_feature_threats, strict=True)
    ]
    if kind_of_access != "white-box":
        check_generators(owns[0], given[0], victims[0], kind_of_access)
    for suited, ball in zip(owns, threats, strict=True):
        check_for_features(suited, ball)
    looked_at = _looked_at(plan.perceptibility, victims, threats[0])
    for examples in parts:
        examples.check()
    notes = [
        line
        for threat, examples in zip(by_feature_threats, parts, strict=True)
        if threat is not None
        for line in threat.check(examples)
    ]
    notes += [line for each in zip(victims, parts, threats, strict=True) for line in misfits(*each)]
    for line in dict.fromkeys(notes):
        plan.tell(line)
    size = _batch_size(plan, victims)
    for victim, examples, each_suite, ball in zip(victims, parts, owns, threats, strict=True):
        if backend.process()[1] == 1:
            mode = _first(plan.mode, chosen.mode, "table")
            how_long = forecast(victim, examples, each_suite, ball, curve=plan.curve, mode=mode)
            if how_long:
                plan.tell(how_long)
    same: dict[str, Any] = {
        "specs": [str(spec) for spec in specs],
        "mode": _first(plan.mode, chosen.mode, "table"),
        "labels": _first(plan.labels, chosen.labels, "true"),
        "seed": plan.seed,
        "batch_size": size,
        "quantize_pixels": plan.quantize_pixels,
        "curve": plan.curve,
        "perceptibility": looked_at,
        "resume": plan.resume,
    }
    reports = []
    for number, (one, victim, examples, ball) in enumerate(zip(given, victims, parts, threats, strict=True)):
        own = {**same, "about": {**about_model(one, victim), **_normalized(plan)}}
        suited = owns[number]
        own["progress"] = Path(plan.progress) / f".progress-{number}.npz" if plan.progress else None
        folder = Path(plan.surrogate_dir) if plan.surrogate_dir else None
        if asking:
            own |= {"folder": folder, "tell": plan.tell}
            reports.append(evaluate_black_box(victim, wholes[number], plan.limit, suited, ball, asking, **own))
        elif kind_of_access == "grey-box":
            own |= {"head": plan.head, "surrogates": plan.surrogates, "folder": folder, "tell": plan.tell}
            reports.append(evaluate_grey_box(one, victim, found[number], examples, suited, ball, **own))
        else:
            reports.append(evaluate_classifier(victim, examples, suited, ball, **own))
        told = {"data": _named(named), **{name: getattr(plan, name) for name in _TOLD}, **loading()}
        told |= {} if is_plain(ball) else _asked(plan)
        told["surrogate_dir"] = str(folder) if folder else None
        reports[-1] = _scored(reports[-1], scored[number], saw(seen[number], scored[number], found[number]), told)
    reports = [
        dataclasses.replace(
            each, threat={**each.threat, "eps_from": why_eps(victim, kind, radius), **facts(threat, ball)}
        )
        for each, victim, threat, ball in zip(reports, victims, by_feature_threats, threats, strict=True)
    ]
    return Comparison(tuple(reports)) if len(reports) > 1 else reports[0]


def _batch_size(plan: EvaluateSettings, victims: Sequence[Classifier]) -> int | None:
    """Inputs at a time: as many as asked for, or as fit into memory, which changes no verdict."""
    wanted = plan.batch_size or usual()
    narrow, least = None, wanted
    for victim in victims:
        most = largest_batch(victim.model)
        if most is not None and most < least:
            narrow, least = victim, most
    if narrow is None:
        return plan.batch_size
    size = 1 << (least.bit_length() - 1)
    plan.tell(f"memory: {size} at a time instead of {wanted}: {batch_text(narrow.model, size)}")
    return size


def _said(plan: EvaluateSettings, eps: Any, given: Sequence[ModelType]) -> Said:
    """What is said of the features: by the user, else by the first model's file that says any."""
    said = Said.by_user(
        bounds=plan.bounds, eps=eps, movable=plan.movable, constraints=plan.constraints, features=plan.features
    )
    return said.else_of(next((told for told in map(features_of, given) if told), None))


def _asked(plan: EvaluateSettings) -> dict[str, Any]:
    """What was asked for of the features, as plain data."""
    said = {name: getattr(plan, name) for name in ("eps", "bounds", "features", "movable")}
    words = {name: None if value is None else _word(value) for name, value in said.items()}
    return {**words, "constraints": list(map(str, plan.constraints))}


def _word(value: Any) -> str:
    return (
        ",".join(map(exact, value))
        if isinstance(value, tuple)
        else exact(value)
        if isinstance(value, float)
        else str(value)
    )


def _prepared(
    said: Said,
    norm: str,
    victim: Classifier,
    one: ModelType,
    data: DataType | None,
    reading: Reading,
    how: dict[str, Any],
) -> tuple[Classifier, Any, FeatureThreat] | None:
    """A model, data and threat where features are looked at one by one; None where they are not."""
    table = is_tabular(data)
    if not (said or table or is_table(victim.input_shape)):
        return None

    def made(bounds: tuple[float, float]) -> Classifier:
        return victim if isinstance(one, Classifier) else as_classifier(one, **{**how, "bounds": bounds})

    ready_victim, found, threat = with_features(
        said, norm, victim, made, lambda each: load_for(data, [each], reading)[0], training=False, table=table
    )
    return None if threat is None else (ready_victim, found, threat)


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


def _normalized(plan: EvaluateSettings) -> dict[str, Any]:
    """What a report says of the layer that was put in front of a model."""
    return {} if plan.normalize is None else {"normalize": str(plan.normalize)}


def _scored(report: Report, part: Part, seen: bool, told: dict[str, Any]) -> Report:
    """A report that says which part was scored, whether training saw it, and what was asked for."""
    about = {**report.data, "split": part.split, "part": part.words, "seen_in_training": seen}
    doubts, inputs = report.doubts, part.examples.kind.examples
    if seen and not part.asked:
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


def _known(access: str, count: int) -> tuple[str, Substitution | None]:
    """What attackers of so many models know, by its name, and how they ask where they know nothing."""
    name, _, settings = access.partition(":")
    check_access(name)
    asking = substitution(settings) if name == "black-box" else None
    if settings and asking is None:
        raise SettingError(f"Expected settings for access black-box only; got {access}.")
    if name != "white-box" and count > 1:
        raise SettingError(f"Expected one model for access {name}; got {count}.")
    return name, asking


def _looked_at(count: int | None, victims: Sequence[Classifier], ball: Ball) -> int:
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


def _both_ways(spec: str | Attack) -> list[str | Attack]:
    """An attack that takes the naive gradient, and the attack itself; the attack alone where that is no question."""
    made = attack_family.build(spec)
    # Behind a quantizer there is no slope of it to take.
    if made.gradient or made.family == "random" or isinstance(made, attack_family.QuantizerPGD):
        return [spec]
    naive = dataclasses.replace(made, gradient="naive")
    return [f"{spec}{',' if ':' in spec else ':'}gradient=naive" if isinstance(spec, str) else naive, spec]


def _at_levels(suite: str | None, given: Sequence[str | Attack], norm: str, victims: Sequence[Classifier]) -> bool:
    """Whether a model's input is quantized, in a way that can be attacked by itself, and the suite is ours to add to.

    An attack of the user's own choice keeps its company.
    """
    fitted = suite in _ADAPTIVE or (suite is None and not given)
    fits = balls.get(norm, 0.0).norm in attack_family.QuantizerPGD.norms
    return fitted and fits and any(each.entrance is not None for each in victims)


def _first(*values: Any) -> Any:
    """The first value that was given, or None."""
    return next((value for value in values if value is not None), None)
