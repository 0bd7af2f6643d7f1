"""What is known of data beside their numbers: names of features and of classes, and what an input is."""

from dataclasses import dataclass

from turtlenet.input_kind import InputKind

VALIDATION = ("val", "valid", "validation")
"""What a part of data is called by which training chooses its epoch."""


@dataclass(frozen=True, kw_only=True)
class About:
    """Names that belong to data.

    Attributes:
        names: Of the features of a table, in the order of the input's values; empty where there are none.
        classes: Of the classes, in the order of their numbers; empty where they have none.
        kind: What an input is; None where nothing but its shape tells.
        types: Of the features of a table: `real`, `integer` (flags too), or `one-hot` for one value of a text column.
        groups: The text column that each `one-hot` feature is a part of; empty for others.
    """

    names: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    kind: InputKind | None = None
    types: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    def class_name(self, label: int) -> str:
        """A class by its name, or by its number where it has none."""
        return self.classes[label] if 0 <= label < len(self.classes) else str(label)


NOTHING = About()
