"""A first file of options for a model and its data, after a look at both."""

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from turtlenet import models
from turtlenet.attacks.features.said import Said
from turtlenet.attacks.features.threat import FeatureThreat
from turtlenet.attacks.threat import ball_for, why_eps
from turtlenet.checked import checked
from turtlenet.classifier import Classifier
from turtlenet.data import Data, Examples
from turtlenet.data.fit.misfits import misfits
from turtlenet.data.parts import trained_on
from turtlenet.data.prepare import load_data
from turtlenet.data.readers.tables import Reading, is_tabular, reading_of
from turtlenet.errors import DataError, TurtlenetError
from turtlenet.files import PathType
from turtlenet.models.as_classifier import victim_of
from turtlenet.settings.base import describes
from turtlenet.settings.evaluate import EvaluateSettings
from turtlenet.settings.init import InitSettings
from turtlenet.training.data.feature_data import with_features

_RANGES = ((0.0, 1.0), (0.0, 255.0), (-1.0, 1.0))
"""Bounds that are tried where data do not lie within those that the model tells."""
_LOOKED_AT = 256


@checked()
@describes(InitSettings)
def init(model: PathType, data: str | None = None, *, tell: Callable[[str], None] = print, **settings: Any) -> str:
    """Writes the options that fit a model and its data, for `turtlenet train` and `turtlenet evaluate`.

    A few hundred examples are classified, and nothing is attacked or trained.

    Args:
        model: The path of a model.
        data: Name of a data set or path of one; None for the embedded sample where it fits.
        tell: Is given what does not seem to fit, a line each.
        **settings: See `turtlenet.settings.init.InitSettings`.

    Returns:
        The text of a TOML file with a table for each command.

    Raises:
        TurtlenetError: A model that cannot be attacked, or data that do not fit it within any usual bounds.
    """
    said = InitSettings(**settings)
    look = _look(str(model), data, said, tell)
    told = [f"Options for `turtlenet train` and `turtlenet evaluate`; what is typed goes before them. {_PAGE}"]
    told += [*look.facts, *look.notes]
    shared = [*look.data, *_said(said), *look.threat]
    stem = Path(model).stem
    train = [f"model = {_text(model)}", *shared, *_TRAIN, f"report = {_text(f'{stem}-hardened-report')}"]
    evaluate = [f"models = [{_text(model)}]", *shared, *_EVALUATE, f"report = {_text(f'{stem}-report')}"]
    parts = [[f"# {_comment(line)}" for line in told], ["[train]", *train], ["[evaluate]", *evaluate]]
    return "\n\n".join("\n".join(lines) for lines in parts) + "\n"


_PAGE = "All options: docs/settings.md, or --help."
_TRAIN = (
    'preset = "balanced"  # quick: minutes, balanced: an hour, strong: a night at most',
    '# time = "2h"',
    '# objective = "trades:beta=6"',
    "seed = 0",
)
_EVALUATE = (
    'suite = "quick"  # standard: AutoAttack; see `turtlenet list suites`',
    "limit = 1000  # 0 for all",
    "seed = 0",
)


@dataclass(frozen=True)
class _Look:
    """What was seen.

    Attributes:
        facts, notes: Lines for people.
        data, threat: Lines of the tables.
    """

    facts: Sequence[str]
    notes: Sequence[str]
    data: Sequence[str]
    threat: Sequence[str]


def _look(model: str, data: str | None, said: InitSettings, tell: Callable[[str], None]) -> _Look:
    options, reading = EvaluateSettings(**vars(said)), reading_of(said, trained_on(model))
    victim = victim_of(model, options, None)
    outputs = f"{victim.num_classes} classes" if victim.question is None else victim.question.describe()
    sides = "x".join(map(str, victim.input_shape))
    facts = [f"{Path(model).name}: inputs {sides}, {outputs}, {victim.model.count_params():,} parameters"]
    shields = [str(each) for each in models.defences_of(victim.model)]
    facts += [f"defences in it: {', '.join(shields)}"] if shields else []
    try:
        victim, found, threat, bounds = _with_data(model, victim, data, options, reading)
    except DataError as error:
        if data is not None:
            raise
        tell(f"no data yet: {error}")
        threat_lines = _threat(victim, None, None)
        return _Look(facts, [f"no data yet: {error}"], ['# data = "..."  # a name or a path'], threat_lines)
    parts = _parts(found)
    examples = parts[-1]
    facts += [f"data: {part.describe()}" for part in parts]
    count = min(_LOOKED_AT, len(examples))
    facts.append(f"accuracy {_right(victim, examples)} on the first {count} of {examples.name}")
    notes = misfits(victim, examples, ball_for(victim, "linf", None) if threat is None else threat.ball)
    for line in notes:
        tell(line)
    named = [f"data = {_text(data)}"] if data is not None else ["# data: the embedded mnist-sample fits"]
    return _Look(facts, notes, named, _threat(victim, threat, bounds))


def _with_data(
    model: str, victim: Classifier, data: str | None, options: EvaluateSettings, reading: Reading
) -> tuple[Classifier, Data, FeatureThreat | None, tuple[float, float] | None]:
    """The classifier in the bounds of its data, the data, the threat, and the bounds where the model does not tell."""

    def within(bounds: tuple[float, float] | None) -> tuple[Classifier, Data, FeatureThreat | None]:
        classifier, found, threat = with_features(
            Said.by_user(bounds=bounds, eps=None, movable=None, constraints=(), features=None),
            "linf",
            victim if bounds is None else victim_of(model, options, bounds),
            lambda wider: victim_of(model, options, wider),
            lambda one: load_data(data, one, how=reading),
            training=True,
            table=is_tabular(data),
        )
        for part in _parts(found):
            part.check()
        return classifier, found, threat

    try:
        return *within(None), None
    except DataError:
        for bounds in _RANGES:
            with contextlib.suppress(TurtlenetError):
                return *within(bounds), bounds
        raise


def _said(settings: InitSettings) -> list[str]:
    """The lines of what was said of the columns and of the model."""
    return [
        f"{field.name} = {_text(said) if isinstance(said, str) else json.dumps(list(said), ensure_ascii=False)}"
        for field in fields(settings)
        if (said := getattr(settings, field.name)) != field.default
    ]


def _parts(data: Data) -> list[Examples]:
    """The parts of data that there are, each once."""
    return (
        [data.train] if data.train is data.test and data.train else [part for part in (data.train, data.test) if part]
    )


def _right(victim: Classifier, examples: Examples) -> str:
    x, y = examples.batch(slice(0, _LOOKED_AT))
    answers = np.asarray(victim.predict(x)).argmax(axis=-1)
    return f"{np.mean(answers == victim.classes(y)):.3f}"


def _threat(victim: Classifier, threat: FeatureThreat | None, bounds: tuple[float, float] | None) -> list[str]:
    """The lines of norm, radius and bounds."""
    lines = ['norm = "linf"']
    if threat is not None:
        lines.append(f"# eps = ...  # {_comment(threat.describe())}")
    else:
        ball = ball_for(victim, "linf", None)
        lines.append(f"eps = {float(ball.eps)!r}  # {why_eps(victim, 'linf', None)}")
    if bounds is not None:
        lines.append(f"bounds = [{bounds[0]:g}, {bounds[1]:g}]  # where the data lie")
    return lines


def _comment(text: str) -> str:
    """One line: names out of the data may have line breaks, which would end a comment."""
    return " ".join(text.split())


def _text(value: Any) -> str:
    """A string in TOML."""
    return json.dumps(str(value), ensure_ascii=False)
