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
from turtlenet.data import Data, Examples
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
from turtlenet.models.as_classifier import ModelType, about_model, victim_of
from turtlenet.reports.base import Doubt
from turtlenet.settings.base import takes
from turtlenet.settings.evaluate import EvaluateSettings
from turtlenet.training.surrogates.substitute import Substitution, substitution

DEFAULT_SUITE = "quick"
PERCEPTIBILITY = 100
_AT_LEVELS = "quantizer-pgd"
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
    access, asking = _known(plan.access, len(given))
    named = DEFAULT_SUITE if plan.suite is None else plan.suite
    chosen = _NO_SUITE if plan.suite is None and plan.attacks else suites.find(named)
    norm, radius = _first(plan.norm, chosen.norm, "linf"), _first(plan.eps, chosen.eps)
    # What is wrong with the last model or its data is said before the first is attacked.
    victims = [victim_of(one, plan) for one in given]
    specs = _specs(suites.expand([*chosen.attacks, *plan.attacks]), plan, norm, victims)
    attacks = [attack_family.build(spec) for spec in specs]
    loaded = load_for(data, victims)
    # What a grey-box attacker trains on is not attacked.
    trained = [trained_on(one) for one in given]
    held_out = plan.held_out or access != "white-box"
    parts = [choose(each, plan.split, trained, held_out=held_out) for each in loaded]
    same: dict[str, Any] = {"eps": radius, "norm": norm, "seed": plan.seed, "access": access}
    same |= {"tell": plan.tell, "head": plan.head}
    tasks = []
    for one, victim, whole, part in zip(given, victims, loaded, parts, strict=True):
        suite = [ready(each, one, victim, whole, **same) for each in attacks]
        threat = threat_for(victim, suite, norm, radius)
        tasks.append(_Task(one, victim, whole, part, part.take(plan.limit), suite, threat))
    if access != "white-box":
        check_generators(tasks[0].suite, given[0], victims[0], access)
    perceptibility = _looked_at(plan.perceptibility, victims, tasks[0].ball)
    for task in tasks:
        task.examples.check()
    for line in dict.fromkeys(line for task in tasks for line in misfits(task.victim, task.examples, task.ball)):
        plan.tell(line)
    how: dict[str, Any] = {
        "specs": [str(spec) for spec in specs],
        "mode": _first(plan.mode, chosen.mode, "table"),
        "labels": _first(plan.labels, chosen.labels, "true"),
        "seed": plan.seed,
        "batch_size": plan.batch_size,
        "quantize_pixels": plan.quantize_pixels,
        "curve": plan.curve,
        "perceptibility": perceptibility,
        "resume": plan.resume,
    }
    reports = []
    for number, task in enumerate(tasks):
        progress = Path(plan.progress) / f".progress-{number}.npz" if plan.progress else None
        report = task.run(plan, access, asking, progress=progress, **how)
        report = _scored(report, task.part, saw(trained[number], task.part, task.data), _asked(plan, data))
        told = {**report.threat, "eps_from": why_eps(task.victim, norm, radius)}
        reports.append(dataclasses.replace(report, threat=told))
    return Comparison(tuple(reports)) if len(reports) > 1 else reports[0]


@dataclasses.dataclass(frozen=True)
class _Task:
    """One model to evaluate: the model as it was given, its data and their part, and what attacks it."""

    model: ModelType
    victim: Classifier
    data: Data
    part: Part
    examples: Examples
    suite: list[Attack]
    ball: Ball

    def run(self, plan: EvaluateSettings, access: str, asking: Substitution | None, **how: Any) -> Report:
        """The report, by what the attackers know."""
        victim, examples, suite, ball = self.victim, self.examples, self.suite, self.ball
        how["about"] = about_model(self.model, victim)
        if access == "white-box":
            return evaluate_classifier(victim, examples, suite, ball, **how)
        how |= {"folder": Path(plan.surrogate_dir) if plan.surrogate_dir else None, "tell": plan.tell}
        if asking:
            return evaluate_black_box(victim, self.part.examples, plan.limit, suite, ball, asking, **how)
        how |= {"head": plan.head, "surrogates": plan.surrogates}
        return evaluate_grey_box(self.model, victim, self.data, examples, suite, ball, **how)


def _specs(
    specs: Sequence[str | Attack], plan: EvaluateSettings, norm: str, victims: Sequence[Classifier]
) -> list[str | Attack]:
    """The attacks, with those that the models' defences ask for besides."""
    if plan.gradient is None and any(shield.masks for each in victims for shield in models.defences_of(each.model)):
        specs = [twin for spec in specs for twin in _both_ways(spec)]
    return [*specs, *([_AT_LEVELS] if _at_levels(plan.suite, plan.attacks, norm, victims) else [])]


def _asked(plan: EvaluateSettings, data: DataType | None) -> dict[str, Any]:
    """What was asked for, beside what a report tells by itself."""
    folder = str(Path(plan.surrogate_dir)) if plan.surrogate_dir else None
    told = {"data": _named(data), **{name: getattr(plan, name) for name in _TOLD}, **loading()}
    return {**told, "surrogate_dir": folder}


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


def _scored(report: Report, part: Part, in_training: bool, told: dict[str, Any]) -> Report:
    """A report that says which part was scored, whether training saw it, and what was asked for."""
    about = {**report.data, "split": part.split, "part": part.words, "seen_in_training": in_training}
    doubts = report.doubts
    if in_training and not part.asked:
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


def _first(*values: Any) -> Any:
    """The first value that was given, or None."""
    return next((value for value in values if value is not None), None)
