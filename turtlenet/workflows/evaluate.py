"""Attacks models as users ask for it, and reports what is left; how much noise they bear."""

import dataclasses
import os
from collections.abc import Sequence
from itertools import compress
from os import PathLike
from pathlib import Path
from typing import Any

from turtlenet import attacks as attack_family
from turtlenet import backend, balls, models
from turtlenet.attacks import Attack
from turtlenet.attacks.features.defaults import is_table
from turtlenet.attacks.features.memory import features_of
from turtlenet.attacks.features.said import Said
from turtlenet.attacks.features.threat import FeatureThreat
from turtlenet.attacks.threat import check_generators, threat_for, why_eps
from turtlenet.balls import Ball, is_plain
from turtlenet.batching import usual
from turtlenet.checked import checked
from turtlenet.classifier import Classifier
from turtlenet.data import Data, Examples
from turtlenet.data.misfits import misfits
from turtlenet.data.parts import Part, choose, saw, trained_on
from turtlenet.data.prepare import DEFAULT_DATA, DataType, load_for, normalized_for
from turtlenet.data.tables import Reading, is_tabular, reading_of
from turtlenet.errors import DataError, SettingError, at_least
from turtlenet.evaluation import Comparison, Report, evaluate_classifier
from turtlenet.evaluation.again import as_said, loading, normalize_text
from turtlenet.evaluation.black_box import evaluate_black_box
from turtlenet.evaluation.certified import check_certify
from turtlenet.evaluation.forecast import forecast
from turtlenet.evaluation.grey_box import evaluate_grey_box
from turtlenet.evaluation.logged import log_report
from turtlenet.evaluation.sweep import Sweep, radii_of, sweep_of
from turtlenet.evaluation.threat_model import check_access
from turtlenet.gan.cache import ready
from turtlenet.memory import batch_text, largest_batch
from turtlenet.models.as_classifier import ModelType, about_model, in_memory, name_of, victim_of
from turtlenet.models.usage import usage_of
from turtlenet.reports.base import Doubt
from turtlenet.settings import suites, text
from turtlenet.settings.base import takes
from turtlenet.settings.evaluate import EvaluateSettings
from turtlenet.tracking import opened
from turtlenet.training.data.feature_data import check_for_features, facts, with_features
from turtlenet.training.run.curves import training_told
from turtlenet.training.run.time_limit import parsed_time
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
    *("quantize_pixels", "normalize", "label", "weight", "drop", "classes", "order", "budget"),
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
    places = plan.log if backend.process()[0] == 0 else ()
    given = list(model) if isinstance(model, (list, tuple)) else [model]
    with opened(places, f"evaluate {' '.join(map(name_of, given))}", plan.tell) as logs:
        logs.parameters({name: value for name, value in plan.noted().items() if name not in ("log", "tell")})
        report = _evaluated(given, data, plan)
        log_report(logs, report)
    return report


def _evaluated(given: list[ModelType], data: DataType | None, plan: EvaluateSettings) -> Any:
    if not given:
        raise SettingError("Expected at least one model; got none.")
    access, asking = _known(plan.access, len(given))
    seconds = _time_limit(plan, access)
    named = DEFAULT_SUITE if plan.suite is None else plan.suite
    chosen = _NO_SUITE if plan.suite is None and plan.attacks else suites.find(named)
    norm, radius = _first(plan.norm, chosen.norm, "linf"), _first(plan.eps, chosen.eps)
    # What is wrong with the last model or its data is said before the first is attacked.
    said, outer = _said(plan, radius, given)
    if plan.normalize is not None and access == "grey-box":
        raise SettingError(f"Expected no normalize for access {access}: wrap the model first.")
    trained = [trained_on(one) for one in given]
    reading = reading_of(plan, next(filter(None, reversed(trained)), ()))
    source, taken = data, list(given)
    for number, one in enumerate(given if plan.normalize is not None else ()):
        where: dict[str, Any] = {"bounds": said.outer, "head": plan.head, "how": reading, "held_out": True}
        where["usage"] = usage_of(plan, one)
        taken[number], data = normalized_for(in_memory(one), plan.normalize, data, **where)
    # A Classifier has bounds of its own: another's file has no say in them.
    victims = [victim_of(one, plan, outer if isinstance(one, Classifier) else said.outer) for one in taken]
    asked = next((each.question for each in victims if each.question is not None), None)
    if asked is not None and access != "white-box":
        raise SettingError(f"Expected access white-box for {asked.describe()}; got {access}.")
    specs = _specs(suites.expand([*chosen.attacks, *plan.attacks]), plan, norm, victims)
    attacks = [attack_family.build(spec) for spec in specs]
    for victim in victims:
        for each in attacks:
            each.check_task(victim)
    prepared = [_by_feature(said, norm, *each, plan, data, reading) for each in zip(taken, victims, strict=True)]
    victims = [victim for victim, _, _ in prepared]
    if any(threat is not None and not is_plain(threat.ball) for _, _, threat in prepared):
        # Where features have radii of their own it does not see the levels: what was added is left out again.
        kept = [spec != _AT_LEVELS or spec in plan.attacks for spec in specs]
        specs, attacks = list(compress(specs, kept)), list(compress(attacks, kept))
    # Models that take the same inputs share their data.
    plain = [victim for victim, own, _ in prepared if own is None]
    shared = iter(load_for(data, plain, reading) if plain else ())
    loaded = [next(shared) if own is None else own for _, own, _ in prepared]
    # What a grey-box attacker trains on is not attacked.
    held_out = plan.held_out or access != "white-box"
    parts = [choose(each, plan.split, trained, held_out=held_out) for each in loaded]
    same: dict[str, Any] = {"eps": radius, "norm": norm, "seed": plan.seed, "access": access}
    same |= {"tell": plan.tell, "head": plan.head}
    tasks = []
    for one, (victim, _, threat), whole, part in zip(given, prepared, loaded, parts, strict=True):
        if threat is not None:
            check_for_features(attacks, threat.ball)
        suite = [ready(each, one, victim, whole, **same) for each in attacks]
        ball = threat_for(victim, suite, norm, radius, None if threat is None else threat.ball)
        tasks.append(_Task(one, victim, whole, part, part.take(plan.limit), suite, ball, threat))
    if access != "white-box":
        check_generators(tasks[0].suite, given[0], victims[0], access)
    perceptibility = _looked_at(plan.perceptibility, victims, tasks[0].ball)
    for task in tasks:
        task.examples.check()
        _check_names(task)
    notes = [line for task in tasks if task.threat is not None for line in task.threat.check(task.examples)]
    notes += [line for task in tasks for line in misfits(task.victim, task.examples, task.ball)]
    for line in dict.fromkeys(notes):
        plan.tell(line)
    order = _order(plan, access)
    usual_mode = "cascade" if order == "adaptive" else "table"
    size, mode = _batch_size(plan, victims), _first(plan.mode, chosen.mode, usual_mode)
    for task in tasks if backend.process()[1] == 1 else ():
        how_long = forecast(task.victim, task.examples, task.suite, task.ball, curve=plan.curve, mode=mode)
        if how_long:
            plan.tell(how_long)
    settings_of_all: dict[str, Any] = {
        "specs": [str(spec) for spec in specs],
        "mode": mode,
        "labels": _first(plan.labels, chosen.labels, "true"),
        "seed": plan.seed,
        "batch_size": size,
        "quantize_pixels": plan.quantize_pixels,
        "curve": plan.curve,
        "perceptibility": perceptibility,
        "resume": plan.resume,
    }
    if plan.certify and asked is not None:
        raise SettingError(f"Expected no certify for {asked.describe()}; got {plan.certify}.")
    if plan.certify:
        for task in tasks:
            check_certify(settings_of_all["mode"], settings_of_all["labels"], access, task.ball)
        settings_of_all["certify"] = plan.certify
    if order == "adaptive":
        settings_of_all |= {"order": order, "budget": plan.budget}
    settings_of_all |= {} if seconds is None else {"time_limit": seconds}
    reports = []
    for number, task in enumerate(tasks):
        progress = Path(plan.progress) / f".progress-{number}.npz" if plan.progress else None
        report = task.run(plan, access, asking, progress=progress, **settings_of_all)
        in_training = saw(trained[number], task.part, task.data)
        report = _scored(report, task.part, in_training, _asked(plan, source, task.ball))
        told = {**report.threat, "eps_from": why_eps(task.victim, norm, radius), **facts(task.threat, task.ball)}
        reports.append(dataclasses.replace(report, threat=told, training=_training(given[number])))
    return Comparison(tuple(reports)) if len(reports) > 1 else reports[0]


@takes(EvaluateSettings)
def sweep(model: ModelType, data: DataType | None = None, *, eps: Sequence[Any] = (), **settings: Any) -> Sweep:
    """Evaluates one model at several radii; an image that falls at one has fallen at all larger ones.

    A model in memory is compiled once for all radii, a file for each anew.

    Args:
        model: A classifier, or the path of one.
        data: What to attack; see `evaluate`.
        eps: The radii, each as `evaluate` takes one: `[0.1, 0.2]`, `["2/255", "4/255"]`.
        **settings: See `turtlenet.settings.EvaluateSettings`; `curve` is 0 by default.

    Raises:
        SettingError: No radius, two that are the same, several models, or what `evaluate` refuses.
    """
    radii = radii_of(eps)
    if isinstance(model, list | tuple):
        raise SettingError(f"Expected one model to sweep over radii; got {len(model)}.")
    if not radii:
        raise SettingError("Expected at least one radius, such as eps=[0.1, 0.2]; got none.")
    if settings.get("time") is not None:
        raise SettingError("Expected no time for a sweep, which compares the same images; give a limit in its place.")
    # All are read before the first is attacked.
    read = [text.radius(each) if isinstance(each, str) else each for each in radii]
    if len(set(map(str, read))) < len(read):
        raise SettingError(f"Expected radii that differ; got {', '.join(map(str, radii))}.")
    reports = []
    for each in read:
        reports.append(evaluate(model, data, **{"curve": 0, **settings, "eps": each}))
        if isinstance(reports[0].threat.get("features"), dict):
            raise SettingError("Expected one radius for all features to sweep over; got one for each.")
    return sweep_of(reports)


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
    threat: FeatureThreat | None = None

    def run(self, plan: EvaluateSettings, access: str, asking: Substitution | None, **how: Any) -> Report:
        """The report, by what the attackers know."""
        victim, examples, suite, ball = self.victim, self.examples, self.suite, self.ball
        how["about"] = {**about_model(self.model, victim), **_normalized(plan)}
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
    specs = [*specs, *([_AT_LEVELS] if _at_levels(plan.suite, plan.attacks, norm, victims) else [])]
    return [*specs, *([_EACH_WAY] if _several_ways(plan.suite, plan.attacks, norm, victims) else [])]


def _order(plan: EvaluateSettings, access: str) -> str:
    """The order of the attacks' parts: the suite's, unless another or a budget is asked for."""
    if plan.budget is not None and plan.order == "full":
        raise SettingError(f"Expected order adaptive with a budget of {plan.budget:,}; got full: all is run.")
    order = plan.order or ("full" if plan.budget is None else "adaptive")
    if order == "adaptive" and access != "white-box":
        raise SettingError(f"Expected access white-box with order adaptive; got {access}.")
    return order


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


def _said(plan: EvaluateSettings, eps: Any, given: Sequence[ModelType]) -> tuple[Said, tuple[float, float] | None]:
    """What is said of the features, by the user, else by the first model's file that says any; the user's bounds."""
    said = Said.by_user(
        bounds=plan.bounds, eps=eps, movable=plan.movable, constraints=plan.constraints, features=plan.features
    )
    return said.else_of(next((told for told in map(features_of, given) if told), None)), said.outer


def _by_feature(
    said: Said,
    norm: str,
    model: ModelType,
    victim: Classifier,
    plan: EvaluateSettings,
    data: DataType | None,
    reading: Reading,
) -> tuple[Classifier, Data | None, FeatureThreat | None]:
    """A model, its data and the threat where features are looked at one by one; the model alone where they are not."""
    table = is_tabular(data)
    if not (said or table or is_table(victim.input_shape)):
        return victim, None, None

    def made(bounds: tuple[float, float]) -> Classifier:
        return victim if isinstance(model, Classifier) else victim_of(model, plan, bounds)

    return with_features(
        said, norm, victim, made, lambda each: load_for(data, [each], reading)[0], training=False, table=table
    )


def _said_in_words(plan: EvaluateSettings) -> dict[str, Any]:
    """What was asked for of the features, as plain data."""
    said = {name: as_said(getattr(plan, name)) for name in ("eps", "bounds", "features", "movable")}
    return {**said, "constraints": list(map(str, plan.constraints))}


def _asked(plan: EvaluateSettings, data: DataType | None, ball: Ball) -> dict[str, Any]:
    """What was asked for, beside what a report tells by itself."""
    folder = str(Path(plan.surrogate_dir)) if plan.surrogate_dir else None
    said = {name: getattr(plan, name) for name in _TOLD}
    # As JSON gives them back.
    said = {name: list(value) if isinstance(value, tuple) else value for name, value in said.items()}
    told = {"data": _named(data), **said, **loading()}
    told |= {name: value for name, value in vars(usage_of(plan)).items() if value not in (None, "auto")}
    told |= {"normalize": normalize_text(plan.normalize)}
    told |= {} if is_plain(ball) else _said_in_words(plan)
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


def _normalized(plan: EvaluateSettings) -> dict[str, Any]:
    """What a report says of the layer that was put in front of a model."""
    return {} if plan.normalize is None else {"normalize": normalize_text(plan.normalize)}


def _scored(report: Report, part: Part, in_training: bool, told: dict[str, Any]) -> Report:
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


def _check_names(task: _Task) -> None:
    """Refuses names of classes that are more or fewer than the model's classes."""
    names, classes = task.examples.about.classes, task.victim.num_classes
    if names and task.victim.question is None and len(names) != classes:
        raise DataError(
            f"Expected names of {classes} classes, as many as the model has; got {len(names)}: "
            f"{', '.join(names)[:80]}."
        )


def _time_limit(plan: EvaluateSettings, access: str) -> float | None:
    """The seconds for each model; None for as many as it takes."""
    if plan.time is None:
        return None
    if plan.certify or access != "white-box":
        other = f"certify={plan.certify}" if plan.certify else f"access {access}"
        raise SettingError(f"Expected no time beside {other}; got {plan.time}: give a limit of images in its place.")
    return parsed_time(plan.time)


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


def _several_ways(suite: str | None, given: Sequence[str | Attack], norm: str, victims: Sequence[Classifier]) -> bool:
    """Whether an answer may be wrong in several ways, labels or directions, and the suite is ours to add to."""
    fitted = suite in _ADAPTIVE or (suite is None and not given)
    asked = [each.question for each in victims if each.question is not None and not each.question.single_label]
    several = any(question.num_classes > 2 for question in asked)
    return fitted and several and balls.get(norm, 0.0).norm in attack_family.PGD.norms


def _first(*values: Any) -> Any:
    """The first value that was given, or None."""
    return next((value for value in values if value is not None), None)
