"""Settings in TOML files, which are found by path or by name.

A name is looked for in the working directory first, then among the files that came with the package.
"""

import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from turtlenet.errors import SpecError, decimal_point, did_you_mean

__all__ = ["Shelf", "expected", "read_toml"]


@dataclass(frozen=True)
class Shelf:
    """Where the files of one kind lie.

    Args:
        kind: What a file is called in messages: `suite`.
        folder: Their folder in a checkout and in the working directory: `attacks`.
        package: Its copy in an installed package: `suites`.
    """

    kind: str
    folder: str
    package: str

    def names(self) -> list[str]:
        """The files that can be given by name."""
        return sorted(self._places())

    def packaged(self) -> list[Path]:
        """The files of the package alone, whatever lies in the working directory."""
        return sorted(self._packaged().glob("*.toml"))

    def read(self, name: str, kinds: Mapping[str, Any]) -> tuple[Path, dict[str, Any]]:
        """Reads a file by its path, which ends in `.toml`, or its name.

        Args:
            name: The path or the name.
            kinds: The keys that a file may have, and the type of each, as an annotation; what TOML cannot say of it
                (None, objects) is left out, and of `Any` nothing is checked.

        Raises:
            SpecError: No such file, one that is not TOML, an unknown key, or a value of another type.
        """
        path = Path(name)
        if path.suffix != ".toml":
            places = self._places()
            if name not in places:
                raise SpecError(f"Unknown {self.kind} {name!r}.{did_you_mean(name, places)}")
            path = places[name]
        data = read_toml(path, f"a {self.kind} at")
        for key, value in data.items():
            if key not in kinds:
                raise SpecError(f"Unknown key {key!r} in {self.kind} {path}.{did_you_mean(key, kinds)}")
            if wanted := expected(value, kinds[key]):
                raise SpecError(f"Expected {wanted} for {key!r} in {self.kind} {path}; got {value!r}.")
        return path, data

    def _places(self) -> dict[str, Path]:
        """Every file by its name; the working directory's come first."""
        folders = [Path(self.folder), self._packaged()]
        return {file.stem: file for folder in reversed(folders) for file in sorted(folder.glob("*.toml"))}

    def _packaged(self) -> Path:
        """The folder of a checkout, or its copy in an installed package."""
        installed = Path(str(resources.files("turtlenet"))) / self.package
        return installed if installed.is_dir() else Path(__file__).parents[2] / self.folder


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """The contents of a TOML file.

    Args:
        path: The file.
        what: What the message expects at its path: `a suite at`.

    Raises:
        SpecError: No such file, or one that is not TOML; of a decimal comma it says so.
    """
    text = ""
    try:
        text = path.read_text("utf-8")
        found = tomllib.loads(text)
    except OSError as error:
        raise SpecError(f"Expected {what} {path}; got: {error.strerror}.") from None
    except RecursionError:
        raise SpecError(f"Expected TOML in {path}; got lists in lists without end.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        values = (line.partition("=")[2].partition("#")[0] for line in text.splitlines())
        meant = next(filter(None, map(decimal_point, values)), "")
        raise SpecError(f"Expected TOML in {path}; got: {error}.{meant}") from None
    if "\\u0000" in text or "\\U00000000" in text:
        # No name and no path holds one; the operating system refuses it in words of its own.
        raise SpecError(f"Expected text without a NUL character in {path}; got one.")
    return found


def expected(value: Any, hint: Any) -> str:
    """What an annotation asks for in place of a value from TOML, in words; empty where the value fits.

    >>> expected(3, str), expected("a", str)
    ('a string', '')
    """
    kinds = _kinds(hint)
    return "" if not kinds or any(_fits(value, kind) for kind in kinds) else _WORDS[kinds[0]]


_WORDS = {
    dict: "a table",
    "texts": "a list of strings",
    "numbers": "a list of numbers",
    str: "a string",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
}


def _kinds(hint: Any) -> list[Any]:
    """What TOML can say of an annotation: plain types, and lists of texts or of numbers."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return [kind for each in typing.get_args(hint) for kind in _kinds(each)]
    if typing.get_origin(hint) is Mapping:
        return [dict]
    if typing.get_origin(hint) in (Sequence, list, tuple):
        inner = {kind for each in typing.get_args(hint) if each is not ... for kind in _kinds(each)}
        return ["texts"] if str in inner else ["numbers"] if inner & {int, float} else []
    return [hint] if hint in (str, bool, int, float) else []


def _fits(value: Any, kind: Any) -> bool:
    if kind in ("texts", "numbers"):
        each = str if kind == "texts" else float
        return isinstance(value, list) and all(_fits(one, each) for one in value)
    return type(value) is kind or (kind is float and type(value) is int)
