"""What every report is: frozen data that becomes JSON, a document and files; and the reasons to doubt it."""

import dataclasses
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from turtlenet.errors import SettingError, SpecError, did_you_mean
from turtlenet.files import write_files
from turtlenet.reports import frames
from turtlenet.reports.codec import dump, read
from turtlenet.reports.document import Document
from turtlenet.reports.findings import Finding

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """A reason not to believe the number, and what to do about it.

    Attributes:
        code: A stable name for machines.
        finding: What was seen, with its figures.
        advice: What to run next.
        options: Options of the next run and their values, where the finding alone tells them.
    """

    code: str
    finding: str
    advice: str
    options: dict[str, Any] = field(default_factory=dict)


class Record(ABC):
    """A base for frozen dataclasses, of which JSON is the truth and all else is a view."""

    @abstractmethod
    def document(self) -> Document:
        """All that its views say."""

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings."""
        return asdict(self)  # type: ignore[call-overload]

    def to_json(self) -> str:
        """The record as JSON; NaN never stands in it."""
        return dump(self.to_dict())

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Reads back what `to_dict` wrote."""
        record: Self = read(cls, data)
        return record

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Reads back what `to_json` wrote."""
        return cls.from_dict(json.loads(text))

    def __str__(self) -> str:
        from turtlenet.reports import terminal

        return terminal.render(self.document())

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from turtlenet.reports import notebook

        return notebook.render(self.document())


class BaseReport(Record):
    """A record with files that are views of it.

    Attributes:
        stem: What its files are called.
        has_page: Whether an HTML page is among them.
        main_table: The table that `to_dataframe` gives if none is named; empty for the first.
    """

    stem: ClassVar[str] = "report"
    has_page: ClassVar[bool] = True
    main_table: ClassVar[str] = ""

    def files(self) -> dict[str, bytes]:
        """The names of its files, the JSON first, and what is in them."""
        return self.views(self.document())

    def views(self, document: Document) -> dict[str, bytes]:
        """The JSON, and the files of a document of it."""
        from turtlenet.reports import markdown, page

        texts = {f"{self.stem}.md": markdown.render(document)}
        texts |= {f"{self.stem}.html": page.render(document)} if self.has_page else {}
        shown = {name: _encoded(text) for name, text in texts.items()}
        return {f"{self.stem}.json": self.json_file(), **shown, **document.pictures}

    def json_file(self) -> bytes:
        """What is in its JSON file, byte for byte."""
        return _encoded(f"{self.to_json()}\n")

    def save(self, folder: str | Path) -> tuple[Path, ...]:
        """Writes the files, all of them or none; see `turtlenet.files.write_files`.

        Beside them lies a file of their hashes, such as `report.sha256`: `sha256sum --check report.sha256` finds every
        later change.

        Raises:
            OutputError: The folder cannot be written.
        """
        return self.write(folder, self.files())

    def write(self, folder: str | Path, files: Mapping[str, bytes]) -> tuple[Path, ...]:
        """Writes these files and their hashes."""
        return write_files(folder, {**files, f"{self.stem}.sha256": sums(files)})

    def tables(self) -> dict[str, frames.Columns]:
        """Its tables as columns by name: each field that has rows, and each that has lists of one length."""
        found = {}
        for entry in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, entry.name)
            if isinstance(value, tuple) and value and all(map(dataclasses.is_dataclass, value)):
                found[entry.name] = frames.columns_of(value)
            elif isinstance(value, dict) and value and all(isinstance(each, list) for each in value.values()):
                lengths = {len(each) for each in value.values()}
                if len(lengths) == 1:
                    found[entry.name] = {"index": list(range(*lengths)), **value}
        return found

    def table(self, name: str = "") -> frames.Columns:
        """One of `tables`.

        Raises:
            SettingError: The report has no tables.
            SpecError: There is none of this name.
        """
        found = self.tables()
        if not found:
            raise SettingError("Expected a report with tables; got one without.")
        chosen = name or (self.main_table if self.main_table in found else next(iter(found)))
        if chosen not in found:
            raise SpecError(f"Unknown table {chosen!r} of this report.{did_you_mean(chosen, found)}")
        return found[chosen]

    def to_dataframe(self, table: str = "") -> "pd.DataFrame":
        """One of its tables as a data frame of pandas.

        Args:
            table: A name of `tables`; the table that says most if not given.

        Raises:
            SpecError: There is none of this name.
            DataError: pandas is not installed: `pip install 'turtlenet[tables]'`.
        """
        return frames.to_pandas(self.table(table))

    def plot(self, name: str = "") -> "Figure":
        """Draws one of its figures with matplotlib, which a notebook shows and `savefig` keeps.

        Args:
            name: Which; the first if not given.

        Raises:
            SettingError: It has none.
            SpecError: It has none of this name.
        """
        found: dict[str, Any] = {}
        for each in self.document().figures:
            # Several models side by side have figures of the same name.
            taken = sum(known.partition(":")[0] == each.name for known in found)
            found[f"{each.name}:{taken + 1}" if taken else each.name] = each
        if not found:
            raise SettingError("Expected a report with something to draw; got one without.")
        chosen = name or next(iter(found))
        if chosen not in found:
            raise SpecError(f"Unknown figure {chosen!r} of this report.{did_you_mean(chosen, found)}")
        figure: Figure = found[chosen].figure()
        return figure


def sums(files: Mapping[str, bytes]) -> bytes:
    """The SHA-256 of each file, a line each, as `sha256sum` writes and checks them.

    >>> sums({"a.txt": b""})[:16], sums({"a.txt": b""})[-8:]
    (b'e3b0c44298fc1c14', b'  a.txt\\n')
    """
    return "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items()).encode()


def _encoded(text: str) -> bytes:
    """A file name that a report tells of may hold bytes that are no UTF-8."""
    return text.encode("utf-8", "backslashreplace")


def findings(doubts: Sequence[Doubt], subject: str = "") -> list[Finding]:
    """Doubts as a document shows them; `subject` says whose they are where it has several reports."""
    return [Finding(words=each.finding, more=each.advice, code=each.code, subject=subject) for each in doubts]
