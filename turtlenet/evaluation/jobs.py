"""From what is asked of `evaluate` to one job for each model: the model, its data, its attacks and the threat."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from itertools import compress
from pathlib import Path
from typing import Any

from turtlenet import attacks as attack_family
from turtlenet import balls, models
from turtlenet.attacks import Attack
from turtlenet.attacks.features.defaults import is_table
from turtlenet.attacks.features.memory import features_of
from turtlenet.attacks.features.said import Said
from turtlenet.attacks.features.threat import FeatureThreat
from turtlenet.attacks.threat import check_generators, threat_for
from turtlenet.balls import Ball, is_plain
from turtlenet.classifier import Classifier
from turtlenet.data import Data, Examples
from turtlenet.data.parts import Part, choose, trained_on
from turtlenet.data.prepare import DataType, load_for, normalized_for
from turtlenet.data.readers.tables import Reading, is_tabular, reading_of
from turtlenet.errors import SettingError
from turtlenet.evaluation.evaluate import evaluate_classifier
from turtlenet.evaluation.results.report import Report
from turtlenet.evaluation.threat_models.black_box import evaluate_black_box
from turtlenet.evaluation.threat_models.grey_box import evaluate_grey_box
from turtlenet.evaluation.threat_models.threat_model import check_access
from turtlenet.evaluation.views.again import normalize_text
from turtlenet.models.as_classifier import ModelType, about_model, in_memory, victim_of
from turtlenet.models.usage import usage_of
from turtlenet.settings import suites
from turtlenet.settings.evaluate import EvaluateSettings
from turtlenet.training.data.feature_data import check_for_features, with_features
from turtlenet.training.surrogates.substitute import Substitution, substitution

DEFAULT_SUITE = "quick"
_AT_LEVELS = "quantizer-pgd"
_EACH_WAY = "multi-targeted:steps=40,step_size=0.05,target=top5"
"""What is added for tasks with several ways to be wrong: no loss over all of them finds the nearest every time."""
_ADAPTIVE = (DEFAULT_SUITE, "adaptive")
"""Suites whose attacks are fitted to the model; others are a paper's, or the user's own."""
_NO_SUITE = suites.Suite(attacks=())


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked of all models alike.

    Attributes:
        options: The settings.
        access: What attackers know: `white-box`, `grey-box` or `black-box`.
        asking: How those ask who know nothing.
        suite: The suite; one without attacks where the user named attacks alone.
        norm: Of the threat.
        eps: Its radius as it was given; None where the model or its data have to tell.
    """

    options: EvaluateSettings
    access: str
    asking: Substitution | None
    suite: suites.Suite
    norm: str
    eps: Any

    @staticmethod
    def of(options: EvaluateSettings, count: int) -> "Request":
        """What is asked of so many models.

        Raises:
            SettingError: Access to several models that only one can be attacked with.
        """
        access, asking = _known(options.access, count)
        named = DEFAULT_SUITE if options.suite is None else options.suite
        suite = _NO_SUITE if options.suite is None and options.attacks else suites.find(named)
        norm, eps = first_given(options.norm, suite.norm, "linf"), first_given(options.eps, suite.eps)
        return Request(options, access, asking, suite, norm, eps)


@dataclasses.dataclass(frozen=True)
class Job:
    """One model to evaluate, and what attacks it.

    Attributes:
        model: As it was given.
        trained: What its file tells of the data that it was trained on.
        victim: The classifier that is attacked.
        data: All of its data.
        part: What of them is scored.
        examples: What of that part is attacked.
        specs: The attacks as they were asked for, with those that its defences ask for besides.
        suite: The attacks themselves.
        ball: The threat.
        threat: The same, where features are looked at one by one.
    """

    model: ModelType
    trained: Sequence[Mapping[str, Any]]
    victim: Classifier
    data: Data
    part: Part
    examples: Examples
    specs: list[str]
    suite: list[Attack]
    ball: Ball
    threat: FeatureThreat | None = None

    def run(self, options: EvaluateSettings, access: str, asking: Substitution | None, **how: Any) -> Report:
        """The report, by what the attackers know."""
        victim, examples, suite, ball = self.victim, self.examples, self.suite, self.ball
        how |= {"specs": self.specs, "about": {**about_model(self.model, victim), **_normalized(options)}}
        if access == "white-box":
            return evaluate_classifier(victim, examples, suite, ball, **how)
        how |= {"folder": Path(options.surrogate_dir) if options.surrogate_dir else None, "tell": options.tell}
        if asking:
            return evaluate_black_box(victim, self.part.examples, options.limit, suite, ball, asking, **how)
        how |= {"head": options.head, "surrogates": options.surrogates}
        return evaluate_grey_box(self.model, victim, self.data, examples, suite, ball, **how)


def jobs_of(
    asked: Sequence[ModelType], data: DataType | None, request: Request, ready: Callable[..., Attack]
) -> list[Job]:
    """One job for each model; what is wrong with the last of them is said before the first is attacked.

    Args:
        asked: The models as they were given.
        data: What to attack.
        request: What is asked of them.
        ready: Gives an attack that has to be trained first, as generators are; `turtlenet.gan.cache.ready`.

    Raises:
        DataError: Data that do not fit a model.
        ModelError: A model that cannot be attacked.
        SettingError: Settings that do not go together.
        SpecError: An unknown attack.
    """
    options, access = request.options, request.access
    said, outer = _said(options, request.eps, asked)
    if options.normalize is not None and access == "grey-box":
        raise SettingError(f"Expected no normalize for access {access}: wrap the model first.")
    trained = [trained_on(one) for one in asked]
    reading = reading_of(options, next(filter(None, reversed(trained)), ()))
    taken, data = _with_normalization(asked, data, said, reading, options)
    # A Classifier has bounds of its own: another's file has no say in them.
    victims = [victim_of(one, options, outer if isinstance(one, Classifier) else said.outer) for one in taken]
    question = next((each.question for each in victims if each.question is not None), None)
    if question is not None and access != "white-box":
        raise SettingError(f"Expected access white-box for {question.describe()}; got {access}.")
    specs, attacks = _attacks(request, victims)
    prepared = [
        _by_feature(said, request.norm, *each, options, data, reading) for each in zip(taken, victims, strict=True)
    ]
    if any(threat is not None and not is_plain(threat.ball) for _, _, threat in prepared):
        # Where features have radii of their own it does not see the levels: what was added is left out again.
        kept = [spec != _AT_LEVELS or spec in options.attacks for spec in specs]
        specs, attacks = list(compress(specs, kept)), list(compress(attacks, kept))
    loaded = _loaded(data, prepared, reading)
    # What a grey-box attacker trains on is not attacked.
    held_out = options.held_out or access != "white-box"
    parts = [choose(each, options.split, trained, held_out=held_out) for each in loaded]
    same: dict[str, Any] = {"norm": request.norm, "seed": options.seed, "access": access}
    same |= {"tell": options.tell, "head": options.head}
    jobs = []
    for one, known, (victim, _, threat), whole, part in zip(asked, trained, prepared, loaded, parts, strict=True):
        if threat is not None:
            check_for_features(attacks, threat.ball)
        # Radii that are all the same are one.
        eps = request.eps if threat is None else float(threat.ball.eps)
        suite = [ready(each, one, victim, whole, eps=eps, **same) for each in attacks]
        ball = threat_for(victim, suite, request.norm, request.eps, None if threat is None else threat.ball)
        names = [str(spec) for spec in specs]
        jobs.append(Job(one, known, victim, whole, part, part.take(options.limit), names, suite, ball, threat))
    if access != "white-box":
        check_generators(jobs[0].suite, asked[0], jobs[0].victim, access)
    return jobs


def _with_normalization(
    asked: Sequence[ModelType], data: DataType | None, said: Said, reading: Reading, options: EvaluateSettings
) -> tuple[list[ModelType], DataType | None]:
    """The models behind the normalization that was asked for, and their data as pixels."""
    taken = list(asked)
    for number, one in enumerate(asked if options.normalize is not None else ()):
        where: dict[str, Any] = {"bounds": said.outer, "head": options.head, "how": reading, "held_out": True}
        where["usage"] = usage_of(options, one)
        taken[number], data = normalized_for(in_memory(one), options.normalize, data, **where)
    return taken, data


def _attacks(request: Request, victims: Sequence[Classifier]) -> tuple[list[str | Attack], list[Attack]]:
    """The attacks as they were asked for, and built, with those that the models' defences ask for besides."""
    specs = _specs(
        suites.expand([*request.suite.attacks, *request.options.attacks]), request.options, request.norm, victims
    )
    attacks = [attack_family.build(spec) for spec in specs]
    for victim in victims:
        for each in attacks:
            each.check_task(victim)
    return specs, attacks


def _loaded(
    data: DataType | None, prepared: Sequence[tuple[Classifier, Data | None, FeatureThreat | None]], reading: Reading
) -> list[Data]:
    """The data of each model; models that take the same inputs share theirs."""
    plain = [victim for victim, own, _ in prepared if own is None]
    shared = iter(load_for(data, plain, reading) if plain else ())
    return [next(shared) if own is None else own for _, own, _ in prepared]


def _specs(
    specs: Sequence[str | Attack], options: EvaluateSettings, norm: str, victims: Sequence[Classifier]
) -> list[str | Attack]:
    """The attacks, with those that the models' defences ask for besides."""
    if options.gradient is None and any(shield.masks for each in victims for shield in models.defences_of(each.model)):
        specs = [twin for spec in specs for twin in _both_ways(spec)]
    specs = [*specs, *([_AT_LEVELS] if _at_levels(options.suite, options.attacks, norm, victims) else [])]
    return [*specs, *([_EACH_WAY] if _several_ways(options.suite, options.attacks, norm, victims) else [])]


def _said(options: EvaluateSettings, eps: Any, given: Sequence[ModelType]) -> tuple[Said, tuple[float, float] | None]:
    """What is said of the features, by the user, else by the first model's file that says any; the user's bounds."""
    said = Said.of(options, eps=eps)
    return said.else_of(next((told for told in map(features_of, given) if told), None)), said.outer


def _by_feature(
    said: Said,
    norm: str,
    model: ModelType,
    victim: Classifier,
    options: EvaluateSettings,
    data: DataType | None,
    reading: Reading,
) -> tuple[Classifier, Data | None, FeatureThreat | None]:
    """A model, its data and the threat where features are looked at one by one; the model alone where they are not."""
    table = is_tabular(data)
    if not (said or table or is_table(victim.input_shape)):
        return victim, None, None

    def made(bounds: tuple[float, float]) -> Classifier:
        return victim if isinstance(model, Classifier) else victim_of(model, options, bounds)

    return with_features(
        said, norm, victim, made, lambda each: load_for(data, [each], reading)[0], training=False, table=table
    )


def _normalized(options: EvaluateSettings) -> dict[str, Any]:
    """What a report says of the layer that was put in front of a model."""
    return {} if options.normalize is None else {"normalize": normalize_text(options.normalize)}


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


def first_given(*values: Any) -> Any:
    """The first value that was given, or None."""
    return next((value for value in values if value is not None), None)
