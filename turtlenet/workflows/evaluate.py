"""Attacks models as users ask for it, and reports what is left; how much noise they bear."""

import dataclasses
import os
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from turtlenet import attacks as attack_family
from turtlenet import balls, models
from turtlenet.attacks import Attack, suites
from turtlenet.attacks.threat import check_generators, threat_for, why_eps
from turtlenet.balls import Ball
from turtlenet.checked import checked
from turtlenet.classifier import Classifier
from turtlenet.data.misfits import misfits
from turtlenet.data.parts import Part, choose, saw, trained_on
from turtlenet.data.prepare import DEFAULT_DATA, DataType, load_for
from turtlenet.errors import SettingError, at_least
from turtlenet.evaluation import Comparison, Report, evaluate_classifier
from turtlenet.evaluation.again import loading
from turtlenet.evaluation.black_box import evaluate_black_box
from turtlenet.evaluation.grey_box import evaluate_grey_box
from turtlenet.evaluation.threat_model import check_access
from turtlenet.gan.cache import ready
from turtlenet.models.as_classifier import ModelType, about_model, as_classifier
from turtlenet.models.usage import usage_of
from turtlenet.reports.base import Doubt
from turtlenet.settings.base import takes
from turtlenet.settings.evaluate import EvaluateSettings
from turtlenet.training.surrogates.substitute import Substitution, substitution

DEFAULT_SUITE = "quick"
PERCEPTIBILITY = 100
_AT_LEVELS = "quantizer-pgd"
_EACH_WAY = "multi-targeted:steps=40,step_size=0.05,target=top5"
"""What is added for tasks with several ways to be wrong: no loss over all of them finds the nearest every time."""
_ADAPTIVE = (DEFAULT_SUITE, "adaptive")
"""Suites whose attacks are fitted to the model; others are a paper's, or the user's own."""
_TOLD = (
    *("limit", "gradient", "draws", "head", "curve", "precision", "access", "surrogates", "surrogate_dir"),
    "quantize_pixels",
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
    how: dict[str, Any] = {
        "bounds": plan.bounds,
        "head": plan.head,
        "precision": plan.precision,
        "gradient": plan.gradient,
    }
    drawn = [10 if plan.draws is None and not isinstance(one, Classifier) else plan.draws for one in given]
    how |= vars(usage_of(plan))
    victims = [as_classifier(one, **how, draws=count) for one, count in zip(given, drawn, strict=True)]
    asked = next((each.question for each in victims if each.question is not None), None)
    if asked is not None and kind_of_access != "white-box":
        raise SettingError(f"Expected access white-box for {asked.describe()}; got {kind_of_access}.")
    if plan.gradient is None and any(shield.masks for each in victims for shield in models.defences_of(each.model)):
        specs = [twin for spec in specs for twin in _both_ways(spec)]
    if _at_levels(plan.suite, plan.attacks, kind, victims):
        specs = [*specs, _AT_LEVELS]
    if _several_ways(plan.suite, plan.attacks, kind, victims):
        specs = [*specs, _EACH_WAY]
    made = [attack_family.build(spec) for spec in specs]
    for victim in victims:
        for each in made:
            each.check_task(victim)
    found = load_for(data, victims)
    # What a grey-box attacker trains on is not attacked.
    seen = [trained_on(one) for one in given]
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
    threats = [threat_for(victim, own, kind, radius) for victim, own in zip(victims, owns, strict=True)]
    if kind_of_access != "white-box":
        check_generators(owns[0], given[0], victims[0], kind_of_access)
    looked_at = _looked_at(plan.perceptibility, victims, threats[0])
    for examples in parts:
        examples.check()
    for line in dict.fromkeys(line for each in zip(victims, parts, threats, strict=True) for line in misfits(*each)):
        plan.tell(line)
    same: dict[str, Any] = {
        "specs": [str(spec) for spec in specs],
        "mode": _first(plan.mode, chosen.mode, "table"),
        "labels": _first(plan.labels, chosen.labels, "true"),
        "seed": plan.seed,
        "batch_size": plan.batch_size,
        "quantize_pixels": plan.quantize_pixels,
        "curve": plan.curve,
        "perceptibility": looked_at,
        "resume": plan.resume,
    }
    reports = []
    for number, (one, victim, examples, ball) in enumerate(zip(given, victims, parts, threats, strict=True)):
        own = {**same, "about": about_model(one, victim)}
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
        told = {"data": _named(data), **{name: getattr(plan, name) for name in _TOLD}, **loading()}
        told |= {name: value for name, value in vars(usage_of(plan)).items() if value not in (None, "auto")}
        told["surrogate_dir"] = str(folder) if folder else None
        reports[-1] = _scored(reports[-1], scored[number], saw(seen[number], scored[number], found[number]), told)
    reports = [
        dataclasses.replace(each, threat={**each.threat, "eps_from": why_eps(victim, kind, radius)})
        for each, victim in zip(reports, victims, strict=True)
    ]
    return Comparison(tuple(reports)) if len(reports) > 1 else reports[0]


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


def _scored(report: Report, part: Part, seen: bool, told: dict[str, Any]) -> Report:
    """A report that says which part was scored, whether training saw it, and what was asked for."""
    about = {**report.data, "split": part.split, "part": part.words, "seen_in_training": seen}
    doubts = report.doubts
    if seen and not part.asked:
        doubts = (
            Doubt(
                code="seen-in-training",
                finding=f"The model was trained on {'some of ' if part.split == 'all' else ''}these images "
                f"({report.data['name']}), as far as is known of its training: both accuracies are too good.",
                advice="Evaluate on images that training did not see: --split test (split='test'), or data with "
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
        return PERCEPTIBILITY if compared and ball.norm in attack_family.PGD.norms else 0
    at_least(0, perceptibility=count)
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


def _several_ways(suite: str | None, given: Sequence[str | Attack], norm: str, victims: Sequence[Classifier]) -> bool:
    """Whether an answer may be wrong in several ways, labels or directions, and the suite is ours to add to."""
    fitted = suite in _ADAPTIVE or (suite is None and not given)
    asked = [each.question for each in victims if each.question is not None and not each.question.single_label]
    several = any(question.num_classes > 2 for question in asked)
    return fitted and several and balls.get(norm, 0.0).norm in attack_family.PGD.norms


def _first(*values: Any) -> Any:
    """The first value that was given, or None."""
    return next((value for value in values if value is not None), None)
