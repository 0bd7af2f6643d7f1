"""Data and threat together, where each feature may have bounds, a radius and rules of its own."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from turtlenet.attacks import Attack
from turtlenet.attacks.advgan import AdvGAN
from turtlenet.attacks.features.defaults import is_table
from turtlenet.attacks.features.inputs import for_inputs
from turtlenet.attacks.features.resolve import resolve
from turtlenet.attacks.features.said import Said
from turtlenet.attacks.features.threat import FeatureThreat
from turtlenet.balls import Ball, is_plain
from turtlenet.classifier import Classifier
from turtlenet.data import Data
from turtlenet.data.about import About
from turtlenet.errors import SettingError
from turtlenet.features import Features

# Bounds within which nothing is cut off: where the data lie is seen first.
_WIDE = (-1e30, 1e30)


def with_features(
    said: Said,
    norm: str,
    victim: Classifier,
    made: Callable[[tuple[float, float]], Classifier],
    load: Callable[[Classifier], Data],
    *,
    training: bool,
    table: bool = False,
) -> tuple[Classifier, Data, FeatureThreat | None]:
    """The classifier in the bounds of its data, the data, and what an attack may do to each feature.

    Args:
        said: What is known of the features.
        norm: Name of the norm.
        victim: The classifier in the bounds that are known.
        made: Makes it in others.
        load: Loads the data for it.
        training: Whether all of data that are one part are training data.
        table: Whether the data are a table, whatever the shape of inputs.

    Returns:
        The three; None for the threat of images of which nothing is said by feature.

    Raises:
        DataError, SettingError, SpecError: Data that do not fit; see `turtlenet.attacks.features.resolve.resolve`.
    """
    shape = victim.input_shape
    table = table or is_table(shape)
    asked = bool(said) or table
    said = for_inputs(said, victim.question, by_feature=table)
    if not asked:
        return victim, load(victim), None
    said.check(shape)
    wide = table
    data = load(made(_WIDE) if wide else victim)
    part = data.train or data.test
    said = said if part is None else named(said, part.about)
    train = data.train if training or data.train is not data.test else None
    threat = resolve(said, shape, norm, victim.bounds, train)
    low, high = float(threat.low.min()), float(threat.high.max())
    if wide:
        spans = [part.span(len(part)) for part in (data.train, data.test, data.whole, data.validation) if part]
        low, high = min([low, *(span.low for span in spans)]), max([high, *(span.high for span in spans)])
    if (low, high) != victim.bounds:
        victim = made((low, high))
    return victim, data.within(victim.bounds), threat


def named(said: Said, about: About) -> Said:
    """What is said of the features, with the names, types and one-hot groups that the columns of a table tell.

    Raises:
        SpecError: A feature that is no column.
    """
    if not about.names:
        return said
    told = said.features
    features = told.ordered(about.names) if told.names else told
    if not len(told):
        features = Features(names=about.names)
    if not features.type:
        # A one-hot group of one value has nothing to move to.
        alone = {group for group in about.groups if about.groups.count(group) == 1}
        groups = tuple("" if group in alone else group for group in about.groups) or ("",) * len(about.types)
        types = tuple(
            "integer" if kind == "one-hot" and not group else kind
            for kind, group in zip(about.types, groups, strict=True)
        )
        features = dataclasses.replace(features, type=types, groups=groups if any(groups) else ())
    return dataclasses.replace(said, features=features)


def check_for_features(attacks: Sequence[Attack], ball: Ball) -> None:
    """Refuses generators where features have radii of their own: they were trained for one.

    Raises:
        SettingError: A generator is among the attacks or their members.
    """
    if is_plain(ball):
        return
    for attack in attacks:
        if isinstance(attack, AdvGAN):
            raise SettingError(f"Expected one radius and bounds for all features for {attack}; got one for each.")
        check_for_features(attack.members, ball)


def feature_facts(threat: FeatureThreat | None, ball: Ball) -> dict[str, Any]:
    """What a report's threat tells of the features besides."""
    if threat is None:
        return {}
    more = {"features": threat.to_dict()} if not is_plain(ball) else {}
    return {"eps_from": threat.why_eps, "bounds_from": threat.why_bounds, **more}
