"""What every report has: reasons to doubt it."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["TEMPLATES", "Doubt"]

TEMPLATES = Path(__file__).with_name("templates")
"""Parts and styles that all pages share."""


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """A reason not to believe the number, and what to do about it.

    Attributes:
        code: A stable name for machines.
        finding: What was seen, with its figures.
        advice: What to run next.
    """

    code: str
    finding: str
    advice: str
