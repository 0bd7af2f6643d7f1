"""Attacks models as users ask for it, and reports what is left; how much noise they bear."""

import dataclasses
import os
from collections.abc import Callable, Sequence
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
from turtlenet.files import PathType
from turtlenet.gan.cache import ready
from turtlenet.models.as_classifier import ModelType, about_model, as_classifier
from turtlenet.reports.base import Doubt
from turtlenet.training.surrogates.substitute import Substitution, substitution

__all__ = ["PERCEPTIBILITY", "evaluate"]

DEFAULT_SUITE = "quick"
PERCEPTIBILITY = 100
_AT_LEVELS = "quantizer-pgd"
_ADAPTIVE = (DEFAULT_SUITE, "adaptive")
"""Suites whose attacks are fitted to the model; others are a paper's, or the user's own."""
_NO_SUITE = suites.Suite(attacks=())


@checked()
def evaluate(
    model: ModelType | Sequence[ModelType],
    data: DataType | None = None,
    *,
    attacks: Sequence[str | Attack] = (),
    suite: str | None = None,
    eps: float | str | None = None,
    norm: str | None = None,
    bounds: tuple[float, float] | None = None,
    head: str = "auto",
    limit: int | None = 1000,
    held_out: bool = False,
    split: str | None = None,
    mode: str | None = None,
    labels: str | None = None,
    gradient: str | None = None,
    draws: int | None = None,
    precision: str | None = None,
    seed: int = 0,
    batch_size: int | None = 256,
    quantize_pixels: bool = False,
    curve: int = 256,
    perceptibility: int | None = None,
    access: str = "white-box",
    surrogates: int = 2,
    surrogate_dir: PathType | None = None,
    tell: Callable[[str], None] = print,
    progress: PathType | None = None,
    resume: bool = False,
) -> Any:
    """Attacks one model, or several side by side, and reports what is left of their accuracy.

    Args:
        model: A classifier, the path of one, or a list of them.
        data: What to attack, which the training must not have seen: `(x, y)`, a name or a path (its test part).
        attacks: Specs; nothing takes the suite's.
        suite: The name or path of an attack suite; `quick` if there are neither attacks nor a suite. `quick` and
            `adaptive` attack a model behind a quantizer with `quantizer-pgd` besides.
        eps: Radius in input units, or as `"8px"` or `"3%"`; None takes the suite's, else see `harden_model`.
        norm: None takes the suite's, else `linf`.
        bounds, head: See `harden_model`.
        limit: Most images to attack, the first of the data; None for all.
        held_out: Where data have no separate test part, whether to take only the sixth that training never sees, as
            `split="test"` does.
        split: What to score of a name or a path: `test`, `train` or `all`. None takes the test part; of data without
            one, all of it, or the sixth that `turtlenet train` held out where the model's file says that it did.
        mode: `table`, every attack on all images, or `cascade`, each on the survivors of those before it.
        labels: `true`, or `predicted`: the attacks are given the model's own answers, as the papers did.
        gradient: How the gradient of defences is taken: `adaptive` as a strong attacker does, `naive` as the papers
            did; None runs each attack in both ways on models where they differ.
        draws: How many draws of random defences an answer and its gradient are the mean of: 10, or those of a
            `Classifier`.
        precision: What the models' layers compute in, attacked and answering; see `turtlenet.models.compute_in`.
        seed: Repeats every draw.
        batch_size: Images in one compiled call; None for as many as fit. It changes the speed, not a verdict.
        quantize_pixels: Whether a success counts only if it survives rounding to 8-bit pixels, as in a saved picture.
        curve: Images for the curve of accuracy against eps; 0 draws none.
        perceptibility: Images whose smallest adversarial example is searched, to tell how visible a change must
            become; None takes 100 where several models, one of them with a defence, stand side by side, else none.
        access: What attackers know: `white-box`, everything; `grey-box`, everything but a keyed model's key: they
            train models of their own and craft on those, and ask; see docs/defences.md. `black-box:substitute=lenet`,
            nothing but answers: they train a substitute on these; see `turtlenet.training.surrogates.substitute`.
        surrogates: How many models behind keys of its own a grey-box attacker trains, beside one without a key.
        surrogate_dir: Folder where those models are kept and taken from; None forgets them.
        tell: Is given what they are trained with, a line each.
        progress: Folder that keeps what is known while an evaluation runs.
        resume: Whether to continue from there.

    Returns:
        A `Report`, or a `Comparison` for a list of models.
    """
    at_least(1, batch_size=1 if batch_size is None else batch_size)
    at_least(0, curve=curve, seed=seed, surrogates=surrogates)
    given = list(model) if isinstance(model, (list, tuple)) else [model]
    if not given:
        raise SettingError("Expected at least one model; got none.")
    kind_of_access, asking = _known(access, len(given))
    chosen = suites.find(DEFAULT_SUITE if suite is None else suite) if suite is not None or not attacks else _NO_SUITE
    specs = suites.expand([*chosen.attacks, *attacks])
    kind, radius = _first(norm, chosen.norm, "linf"), _first(eps, chosen.eps)
    # What is wrong with the last model or its data is said before the first is attacked.
    how: dict[str, Any] = {
        "bounds": bounds,
        "head": head,
        "precision": precision,
        "gradient": gradient,
    }
    drawn = [10 if draws is None and not isinstance(one, Classifier) else draws for one in given]
    victims = [as_classifier(one, **how, draws=count) for one, count in zip(given, drawn, strict=True)]
    if gradient is None and any(shield.masks for each in victims for shield in models.defences_of(each.model)):
        specs = [twin for spec in specs for twin in _both_ways(spec)]
    if _at_levels(suite, attacks, kind, victims):
        specs = [*specs, _AT_LEVELS]
    made = [attack_family.build(spec) for spec in specs]
    found = load_for(data, victims)
    # What a grey-box attacker trains on is not attacked.
    seen = [trained_on(one) for one in given]
    scored = [choose(each, split, seen, held_out=held_out or kind_of_access != "white-box") for each in found]
    wholes = [part.examples for part in scored]
    parts = [whole.take(limit) for whole in wholes]
    trained: dict[str, Any] = {"eps": radius, "norm": kind, "seed": seed, "access": kind_of_access, "tell": tell}
    trained["head"] = head
    owns = [
        [ready(each, one, victim, data, **trained) for each in made]
        for one, victim, data in zip(given, victims, found, strict=True)
    ]
    threats = [threat_for(victim, own, kind, radius) for victim, own in zip(victims, owns, strict=True)]
    if kind_of_access != "white-box":
        check_generators(owns[0], given[0], victims[0], kind_of_access)
    looked_at = _looked_at(perceptibility, victims, threats[0])
    for examples in parts:
        examples.check()
    for line in dict.fromkeys(line for each in zip(victims, parts, threats, strict=True) for line in misfits(*each)):
        tell(line)
    same: dict[str, Any] = {
        "specs": [str(spec) for spec in specs],
        "mode": _first(mode, chosen.mode, "table"),
        "labels": _first(labels, chosen.labels, "true"),
        "seed": seed,
        "batch_size": batch_size,
        "quantize_pixels": quantize_pixels,
        "curve": curve,
        "perceptibility": looked_at,
        "resume": resume,
    }
    reports = []
    for number, (one, victim, examples, ball) in enumerate(zip(given, victims, parts, threats, strict=True)):
        own = {**same, "about": about_model(one, victim)}
        suited = owns[number]
        own["progress"] = Path(progress) / f".progress-{number}.npz" if progress else None
        folder = Path(surrogate_dir) if surrogate_dir else None
        if asking:
            own |= {"folder": folder, "tell": tell}
            reports.append(evaluate_black_box(victim, wholes[number], limit, suited, ball, asking, **own))
        elif kind_of_access == "grey-box":
            own |= {"head": head, "surrogates": surrogates, "folder": folder, "tell": tell}
            reports.append(evaluate_grey_box(one, victim, found[number], examples, suited, ball, **own))
        else:
            reports.append(evaluate_classifier(victim, examples, suited, ball, **own))
        told = {"data": _named(data), "limit": limit, "gradient": gradient, "draws": draws, "head": head}
        told |= {"curve": curve, "precision": precision, "access": access, "surrogates": surrogates}
        told |= {"surrogate_dir": str(folder) if folder else None, "quantize_pixels": quantize_pixels, **loading()}
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


def _first(*values: Any) -> Any:
    """The first value that was given, or None."""
    return next((value for value in values if value is not None), None)
