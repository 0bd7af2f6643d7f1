"""Attacks that a file tells of: a model's provenance, or a detector."""

from collections.abc import Iterator, Mapping
from typing import Any

from turtlenet.attacks.adapters import External
from turtlenet.attacks.base import Attack, attacks
from turtlenet.errors import SpecError
from turtlenet.registry import registered_names

# Settings with which an attack of another library writes files.
_WRITES = frozenset(("summary_writer",))


def attack_from_file(said: str | Mapping[str, Any]) -> Attack:
    """Builds an attack as a file describes it: of registered names alone, imports nothing and opens no other file.

    Args:
        said: A spec, or what `Attack.to_dict` gives.

    Raises:
        SpecError: An attack, or a part of one, that is not registered, or that would read or write a file.
        SettingError: A setting out of its range.
        TypeError: Settings that are no numbers, strings and booleans.
    """
    with registered_names():
        attack = attacks.build(said) if isinstance(said, str) else Attack.from_dict(said)
    if attack.files:
        raise SpecError(f"Expected an attack that reads no file in a file; got {attack}: name it yourself (--attack).")
    for each in _all(attack):
        if isinstance(each, External) and (wrong := _WRITES & set(each.given)):
            raise SpecError(f"Expected an attack that writes no file in a file; got {min(wrong)} in {each}.")
    return attack


def _all(attack: Attack) -> Iterator[Attack]:
    yield attack
    for member in attack.members:
        yield from _all(member)
