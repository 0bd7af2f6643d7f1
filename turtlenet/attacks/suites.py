"""Attack suites: TOML files that say which attacks, and under which threat.

A suite is found by path, or by name: in the working directory's `attacks/` first, then among those that came with the
package.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any

from turtlenet.attacks.base import Attack
from turtlenet.errors import SpecError, did_you_mean

__all__ = ["Suite", "expand", "find", "names"]


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A list of attacks and what goes with it; what is None or empty is left to the user.

    Args:
        attacks: Specs, in their order.
        title: One line for people.
        source: The paper or page that the settings come from.
        norm: Name of the norm.
        eps: Radius in input units.
        mode: `table` or `cascade`.
        labels: `true` or `predicted`.
    """

    attacks: tuple[str, ...]
    title: str = ""
    source: str = ""
    norm: str | None = None
    eps: float | None = None
    mode: str | None = None
    labels: str | None = None


def find(name: str) -> Suite:
    """Reads a suite by its path or its name.

    Raises:
        SpecError: No such suite, or a file that is not one.
    """
    path = Path(name)
    if path.suffix == ".toml":
        return _read(path)
    places = _places()
    if name not in places:
        raise SpecError(f"Unknown suite {name!r}.{did_you_mean(name, places)}")
    return _read(places[name])


def names() -> list[str]:
    """The suites that can be given by name."""
    return sorted(_places())


def expand(specs: Iterable[str | Attack]) -> list[str | Attack]:
    """Puts the attacks of a suite in the place of its `.toml` path."""
    found: list[str | Attack] = []
    for spec in specs:
        is_suite = isinstance(spec, str) and spec.endswith(".toml")
        found += find(spec).attacks if is_suite else [spec]  # type: ignore[arg-type]
    return found


def _places() -> dict[str, Path]:
    """Every suite's file by its name; the working directory's come first."""
    folders = [Path("attacks"), _packaged()]
    return {file.stem: file for folder in reversed(folders) for file in sorted(folder.glob("*.toml"))}


def _packaged() -> Path:
    """The folder `attacks/` of a checkout, or its copy in an installed package."""
    installed = Path(str(resources.files("turtlenet"))) / "suites"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "attacks"


def _read(path: Path) -> Suite:
    try:
        data: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SpecError(f"Expected an attack suite at {path}; got: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"Expected TOML in {path}; got: {error}.") from None
    known = {field.name for field in fields(Suite)}
    for key in data:
        if key not in known:
            raise SpecError(f"Unknown key {key!r} in suite {path}.{did_you_mean(key, known)}")
    attacks = data.pop("attacks", None)
    if not _is_specs(attacks):
        raise SpecError(f'Expected `attacks = ["name:key=value", ...]` in suite {path}; got {attacks!r}.')
    for key, value in data.items():
        wanted = (int, float) if key == "eps" else (str,)
        if not isinstance(value, wanted) or isinstance(value, bool):
            kind = "a number" if key == "eps" else "a string"
            raise SpecError(f"Expected {kind} for {key!r} in suite {path}; got {value!r}.")
    return Suite(attacks=tuple(attacks), **data)


def _is_specs(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(spec, str) for spec in value)
