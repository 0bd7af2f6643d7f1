"""What a user says of a model that its file does not tell: the task, the output, the inputs, their sizes."""

import re
from dataclasses import dataclass
from typing import Any

from turtlenet.errors import SettingError


@dataclass(frozen=True)
class Usage:
    """How a model is used.

    Attributes:
        task: A spec of `turtlenet.tasks`: `classification`, `multi-label`, `multi-label:label=2`,
            `regression:tolerance=0.5`; `auto` tells classification and, by what the model was compiled with,
            multi-label.
        output: Name of the output that is asked, of a model with several.
        attacked: Names of the inputs that an attack may change, of a model with several, with commas between them;
            empty for all that are no whole numbers.
        size: The sides that a model leaves open, such as `64x64` or `50`; empty where it leaves none open.
    """

    task: str = "classification"
    output: str | None = None
    attacked: str | None = None
    size: str | None = None

    @property
    def sides(self) -> tuple[int, ...]:
        """The sides that `size` gives.

        Raises:
            SettingError: A size of another form.
        """
        if self.size is None:
            return ()
        if not re.fullmatch(r"[1-9]\d*(x[1-9]\d*)*", self.size):
            raise SettingError(f"Expected size as 64x64, 50 (a series) or 16x16x16 (a volume); got {self.size!r}.")
        return tuple(map(int, self.size.split("x")))

    @property
    def names(self) -> tuple[str, ...]:
        """The names that `attacked` gives."""
        return tuple(name.strip() for name in (self.attacked or "").split(",") if name.strip())


def usage_of(settings: Any, model: Any = None) -> Usage:
    """The usage in the settings of a workflow; that of a `Classifier`, where nothing else is said beside one."""
    said = Usage(settings.task, settings.output, settings.attacked, settings.size)
    own = getattr(model, "usage", None)
    return own if said == AUTO and isinstance(own, Usage) else said


AUTO = Usage(task="auto")
"""What workflows for every task begin with."""
