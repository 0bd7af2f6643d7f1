"""Settings of `turtlenet init`."""

from dataclasses import dataclass

from turtlenet.settings.inputs import ColumnSettings, HeadSettings, TaskSettings


@dataclass(frozen=True, kw_only=True)
class InitSettings(ColumnSettings, TaskSettings, HeadSettings):
    """What the columns of the data are, and what the model is asked and answers."""
