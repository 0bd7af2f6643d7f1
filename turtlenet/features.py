"""What is known of each feature of an input: its name, bounds, radius, type, and how it may move.

It is read from a file (CSV, or TOML with a `[[feature]]` table for each), or made from the columns of a data frame. A
feature is a column of a table; of images it may be a channel.
"""

import csv
import dataclasses
import math
import numbers
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from turtlenet import radius
from turtlenet.constraints import near
from turtlenet.errors import SettingError, SpecError, decimal_point, did_you_mean
from turtlenet.files import PathType
from turtlenet.files.toml_files import read_toml
from turtlenet.registry import parse_value

__all__ = ["COLUMNS", "MOVES", "TYPES", "Features", "read"]

TYPES = ("real", "integer", "one-hot")
MOVES = ("yes", "no", "up", "down")
"""Whether a feature may move: `up` and `down` in one direction only."""
COLUMNS = ("name", "low", "high", "eps", "type", "movable", "group")
"""What a file may say of a feature."""

_WORDS = {"": "yes", "true": "yes", "1": "yes", "both": "yes", "false": "no", "0": "no"}


@dataclass(frozen=True)
class Features:
    """What is known of each feature, in the order of the input; a column of which nothing is known is empty.

    Args:
        names: Names, each once.
        low: Smallest values, in input units; None for a feature that has none given.
        high: Largest values, likewise.
        eps: Radii, as `turtlenet.radius` reads them (`3%`: of the feature's own range); None for the default.
        type: `real`, `integer` or `one-hot`.
        movable: `yes`, `no`, `up` or `down`.
        groups: Of a `one-hot` feature, the name of its group; empty for others.

    Raises:
        SettingError: Columns of different lengths, a name that comes twice, a word that there is not, a bound or
            radius that is none, low >= high, or a one-hot group of one feature.

    >>> features = Features(("age", "tcp", "udp"), type=("integer", "one-hot", "one-hot"), groups=("", "net", "net"))
    >>> len(features), features.one_hot
    (3, {'net': (1, 2)})
    >>> features.ordered(("udp", "age", "tcp")).type
    ('one-hot', 'integer', 'one-hot')
    """

    names: tuple[str, ...] = ()
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()
    eps: tuple[float | str | None, ...] = ()
    type: tuple[str, ...] = ()
    movable: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, tuple(getattr(self, field.name)))
        sizes = {field.name: len(getattr(self, field.name)) for field in dataclasses.fields(self)}
        if len({size for size in sizes.values() if size}) > 1:
            told = ", ".join(f"{size} {name}" for name, size in sizes.items() if size)
            raise SettingError(f"Expected as many values in each column of the features; got {told}.")
        twice = next((name for name in self.names if self.names.count(name) > 1), None)
        if twice is not None:
            raise SettingError(f"Expected each feature once; got {twice!r} twice.")
        for place in range(len(self)):
            self._check(place)
        for group, members in self.one_hot.items():
            if len(members) < 2:
                raise SettingError(
                    f"Expected two features or more in the one-hot group {group!r}; got {len(members)}."
                )

    def __len__(self) -> int:
        return max(len(getattr(self, field.name)) for field in dataclasses.fields(self))

    def name_of(self, place: int) -> str:
        """What a feature is called in messages and reports: its name, or its place."""
        return self.names[place % len(self.names)] if self.names else f"feature {place}"

    @property
    def one_hot(self) -> dict[str, tuple[int, ...]]:
        """The places of each one-hot group's features."""
        groups: dict[str, list[int]] = {}
        for place, kind in enumerate(self.type):
            if kind == "one-hot":
                groups.setdefault(self.groups[place] if self.groups else "", []).append(place)
        return {group: tuple(members) for group, members in groups.items()}

    def ordered(self, names: Sequence[str]) -> "Features":
        """The features in the order of a data set's columns; nothing is known of those that are not among them.

        Raises:
            SpecError: A feature that is no column, or features without names.
        """
        unknown = next((name for name in self.names if name not in names), None)
        if unknown is not None:
            raise SpecError(f"Unknown feature {unknown!r}: the data have no such column.{near(unknown, names)}")
        if not self.names:
            raise SpecError("Expected features with names, to find them among the columns; got none.")
        places = {name: place for place, name in enumerate(self.names)}
        usual: dict[str, Any] = {"type": "real", "movable": "yes", "groups": ""}
        columns: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            values, other = getattr(self, field.name), usual.get(field.name)
            known = {name: values[place] for name, place in places.items()} if values else {}
            columns[field.name] = [known.get(name, other) for name in names] if values else []
        return Features(**{**columns, "names": names})

    def to_dict(self) -> dict[str, list[Any]]:
        """The columns of which something is known, for JSON."""
        return {name: list(values) for name, values in dataclasses.asdict(self).items() if values}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "Features":
        """Reads back what `to_dict` wrote.

        Raises:
            SettingError: Something else.
        """
        known = [field.name for field in dataclasses.fields(Features)]
        if not isinstance(data, Mapping) or not all(
            name in known and isinstance(values, list | tuple) for name, values in data.items()
        ):
            raise SettingError(f"Expected lists of {', '.join(known)} for features; got {data!r:.80}.")
        return Features(**{name: tuple(values) for name, values in data.items()})

    def _check(self, place: int) -> None:
        name = self.name_of(place)
        for column, known in (("type", TYPES), ("movable", MOVES)):
            values = getattr(self, column)
            if values and values[place] not in known:
                raise SettingError(
                    f"Expected {column} {', '.join(known[:-1])} or {known[-1]} for {name}; got {values[place]!r}."
                )
        for values, column in ((self.low, "low"), (self.high, "high")):
            value = values[place] if values else None
            if value is not None and not (_is_number(value) and math.isfinite(value)):
                meant = decimal_point(value)
                raise SettingError(f"Expected {column} of {name} as a finite number; got {value!r}.{meant}")
        low, high = (values[place] if values else None for values in (self.low, self.high))
        if low is not None and high is not None and not low < high:
            raise SettingError(f"Expected low < high for {name}; got {low:g} and {high:g}.")
        if self.eps and self.eps[place] is not None:
            try:
                radius.parsed(self.eps[place])
            except SettingError as error:
                raise SettingError(f"{str(error).rstrip('.')} for {name}.") from None
        if self.type and self.type[place] == "one-hot" and not (self.groups and self.groups[place]):
            raise SettingError(f"Expected the group of the one-hot feature {name}, as one-hot:GROUP; got none.")


def read(path: PathType) -> Features:
    """Reads a file of features, `.csv` with a header or `.toml` with `[[feature]]` tables.

    Its columns are among `COLUMNS`; `name` must be there. `type` may be `one-hot:GROUP`, `movable` also `true`,
    `false`, `1` or `0`. An empty cell says nothing.

    Raises:
        SpecError: No such file, or one that is not such a table; an unknown column.
        SettingError: See `Features`.
    """
    path = Path(path)
    rows = _toml_rows(path) if path.suffix == ".toml" else _csv_rows(path)
    if not rows:
        raise SpecError(f"Expected at least one feature in {path}; got none.")
    for row in rows:
        unknown = next((column for column in row if column not in COLUMNS), None)
        if unknown is not None:
            raise SpecError(f"Unknown column {unknown!r} in {path}.{did_you_mean(str(unknown), COLUMNS)}")
        if not row.get("name"):
            raise SpecError(f"Expected a name for each feature in {path}; got a row without one.")
    try:
        return Features(**_columns(rows))
    except SettingError as error:
        raise SettingError(f"{str(error).rstrip('.')} in {path}.") from None


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The columns of a file, those alone of which it says something."""
    there = {column for row in rows for column, value in row.items() if value not in ("", None)}
    columns: dict[str, Any] = {"names": [str(row["name"]) for row in rows]}
    for column in ("low", "high", "eps"):
        if column in there:
            columns[column] = [_value(row.get(column)) for row in rows]
    if "movable" in there:
        words = [str(row.get("movable", "")).lower() for row in rows]
        columns["movable"] = [_WORDS.get(word, word) for word in words]
    if there & {"type", "group"}:
        kinds = [str(row.get("type") or "").partition(":") for row in rows]
        columns["type"] = [
            kind or ("one-hot" if row.get("group") else "real") for row, (kind, _, _) in _zip(rows, kinds)
        ]
        columns["groups"] = [group or str(row.get("group") or "") for row, (_, _, group) in _zip(rows, kinds)]
    return columns


def _zip(rows: Iterable[Any], more: Iterable[Any]) -> Iterable[tuple[Any, Any]]:
    return zip(rows, more, strict=True)


def _value(cell: Any) -> Any:
    """A number where a cell is one, a text where it is a radius in a unit, None where it says nothing."""
    if cell is None or cell == "":
        return None
    return parse_value(cell) if isinstance(cell, str) else cell


def _csv_rows(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file, skipinitialspace=True)
            rows = [dict(row) for row in table]
    except OSError as error:
        raise SpecError(f"Expected a file of features at {path}; got: {error.strerror}.") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise SpecError(f"Expected CSV or TOML in {path}; got: {error}.") from None
    if "name" not in (table.fieldnames or ()):
        got = ", ".join(table.fieldnames or ()) or "nothing"
        raise SpecError(
            f"Expected a header with name, and any of {', '.join(COLUMNS[1:])}, with commas between them in {path}; "
            f"got {got:.80}."
        )
    long = next((row for row in rows if None in row), None)
    if long is not None:
        raise SpecError(
            f"Expected a cell for each column in {path}, and a decimal point in numbers; got more for "
            f"{long['name']!r}."
        )
    return [{column: (cell or "").strip() for column, cell in row.items()} for row in rows]


def _toml_rows(path: Path) -> list[dict[str, Any]]:
    data = read_toml(path, "a file of features at")
    rows = data.get("feature")
    if set(data) != {"feature"} or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise SpecError(
            f"Expected a [[feature]] table for each feature in {path}; got {', '.join(data) or 'nothing'}."
        )
    return rows


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
