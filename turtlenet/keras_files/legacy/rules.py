"""The table of rules: each names one change between two eras of Keras, and how to say the same in Keras 3.

A rule is a pure function from a layer's description to another, JSON in and JSON out. It must not build, import or
call anything that the description names.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from turtlenet.keras_files.legacy.keras_version import KerasVersion

Json = dict[str, Any]


def dicts(config: Any) -> Iterator[Json]:
    """Every dict in a description, the outer before what is in it; a stack of its own, for a file may nest deep."""
    waiting = [config]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


@dataclass(frozen=True)
class Rule:
    """One change between eras.

    Attributes:
        name: Short name, for `turtlenet inspect`.
        reason: What was different, in a sentence.
        before: Applies to files of Keras before this generation.
        classes: Class names that it looks at; empty for all.
        apply: Maps a layer's description (`class_name`, `config`, maybe `inbound_nodes`) to the new one, or gives
            None where there is nothing to change. It gets a copy of its own, so it may change that in place.
    """

    name: str
    reason: str
    before: int
    classes: frozenset[str]
    apply: Callable[[Json, KerasVersion], Json | None]

    def __call__(self, layer: Json, era: KerasVersion) -> Json | None:
        if era.major >= self.before or (self.classes and layer.get("class_name") not in self.classes):
            return None
        return self.apply(copy.deepcopy(layer), era)


RULES: list[Rule] = []


def rule(name: str, reason: str, *, before: int = 3, classes: tuple[str, ...] = ()) -> Any:
    """Registers a rule; rules apply in the order in which they were registered, those of Keras 1 first."""

    def register(apply: Callable[[Json, KerasVersion], Json | None]) -> Callable[[Json, KerasVersion], Json | None]:
        RULES.append(Rule(name, reason, before, frozenset(classes), apply))
        return apply

    return register
