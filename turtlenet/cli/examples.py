"""Examples at the end of a command's help."""

from collections.abc import Sequence
from typing import TypeAlias

import click

__all__ = ["Examples", "write_examples"]

Examples: TypeAlias = Sequence[tuple[str, str]]
"""What each does, and the line to type."""


def write_examples(formatter: click.HelpFormatter, examples: Examples) -> None:
    """Writes examples so that a line can be copied: none is wrapped."""
    if not examples:
        return
    with formatter.section("Examples"):
        for what, line in examples:
            formatter.write(f"  # {what}\n  {line}\n")
