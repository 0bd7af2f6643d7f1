"""The page of papers: their tables, or a template with the tables and words about them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from jinja2.sandbox import SandboxedEnvironment

from turtlenet.errors import SpecError, TurtlenetError
from turtlenet.reproduction.paper import Paper
from turtlenet.reproduction.tables import ABSENT, Found, side_by_side, table

__all__ = ["render"]

_OF_EXPRESSIONS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a wrong expression of a template raises."""

_HEAD = f"""# The papers' tables

Accuracies in percent, with the 95 % Wilson interval in brackets, on test images and true labels unless said; the
last epoch counts. *Naive* attacks take the gradient that the framework gives, as the papers did; *adaptive* ones know
of the defence. `{ABSENT}` is what it says; an empty cell was not asked for.
"""
_QUICK = (
    "**A trial (`--quick`): small nets, one epoch, few images and steps. No figure here says anything of a paper.**\n"
)


def render(papers: Sequence[Paper], rows: Mapping[str, Mapping[str, Any]], template: Path | None = None) -> str:
    """A page in Markdown; what was not measured is `not run`.

    Args:
        papers: Whose tables it has, where no template says.
        rows: What `turtlenet.reproduction.row.read_rows` gives.
        template: A file in Jinja. It runs in a sandbox, and is given `table(name)`, `about(paper)`, which is the text
            of a paper, and, of a row and a figure, `text`, `value`, `error`, `length` and `success`.

    Raises:
        SpecError: A template that cannot be read, or that names a table that there is not.
    """
    found = Found(rows, papers)
    if template is None:
        return "\n".join([_head(papers, rows), *(_section(found, paper) for paper in papers)])
    rules = SandboxedEnvironment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    words: dict[str, Any] = {name: getattr(found, name) for name in ("text", "value", "error", "length", "success")}
    words |= {"table": lambda name: table(found, name), "about": lambda name: found.paper(name).text}
    try:
        return rules.from_string(template.read_text("utf-8")).render(**words)
    except TurtlenetError:
        raise
    except (OSError, jinja2.TemplateError, *_OF_EXPRESSIONS) as error:
        said = getattr(error, "strerror", None) or error
        raise SpecError(f"Expected a template of a page at {template}; got: {said}.") from None


def _head(papers: Sequence[Paper], rows: Mapping[str, Mapping[str, Any]]) -> str:
    """What is true of all rows that are there, by the papers' folders."""
    folders = {paper.folder for paper in papers}
    mine = [row for place, row in rows.items() if place.partition("/")[0] in folders]
    parts = [_HEAD] + ([_QUICK] if any(row.get("quick") for row in mine) else [])
    if mine:
        seeds = sorted({row["seed"] for row in mine if "seed" in row})
        data = sorted({f"{row['data']['train']:,} training images ({row['data']['sha256'][:12]})" for row in mine
                       if "data" in row})  # fmt: skip
        parts.append(f"{len(mine)} rows; seed {', '.join(map(str, seeds))}; {'; '.join(data)}.\n")
    return "\n".join(parts)


def _section(found: Found, paper: Paper) -> str:
    parts = [f"## {paper.title}", paper.text, side_by_side(found, paper)]
    parts += [table(found, name) for name in paper.tables]
    return "\n\n".join(filter(None, parts)) + "\n"
