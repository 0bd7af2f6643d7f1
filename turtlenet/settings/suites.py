"""Attack suites: TOML files that say which attacks, and under which threat.

A suite is found by path, or by name: in the working directory's `attacks/` first, then among those that came with the
package.
"""

import typing
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from turtlenet.errors import SpecError
from turtlenet.files.toml_files import Shelf
from turtlenet.radius import check_radius
from turtlenet.settings.later import Attack


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A list of attacks and what goes with it; what is None or empty is left to the user.

    Args:
        attacks: Specs, in their order.
        title: One line for people.
        source: The paper or page that the settings come from.
        norm: Name of the norm.
        eps: Radius, as `turtlenet.radius.parsed` reads it.
        mode: `table` or `cascade`.
        labels: `true` or `predicted`.
    """

    attacks: tuple[str, ...]
    title: str = ""
    source: str = ""
    norm: str | None = None
    eps: float | str | None = None
    mode: str | None = None
    labels: str | None = None


_SHELF = Shelf("suite", "attacks", "suites")


def find(name: str) -> Suite:
    """Reads a suite by its path or its name.

    Raises:
        SpecError: No such suite, or a file that is not one.
    """
    path, data = _SHELF.read(name, {**typing.get_type_hints(Suite), "attacks": Any})
    attacks = data.pop("attacks", None)
    if not _is_specs(attacks):
        raise SpecError(f'Expected `attacks = ["name:key=value", ...]` in suite {path}; got {attacks!r}.')
    check_radius(data, f"suite {path}")
    return Suite(attacks=tuple(attacks), **data)


def names() -> list[str]:
    """The suites that can be given by name."""
    return _SHELF.names()


def expand(specs: Iterable[str | Attack]) -> list[str | Attack]:
    """Puts the attacks of a suite in the place of its `.toml` path."""
    expanded: list[str | Attack] = []
    for spec in specs:
        is_suite = isinstance(spec, str) and spec.endswith(".toml")
        expanded += find(spec).attacks if is_suite else [spec]  # type: ignore[arg-type]
    return expanded


def _is_specs(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(spec, str) for spec in value)
