"""Tutorials as notebooks: `python docs/notebooks.py` writes one for each script with cells in docs/tutorials/.

A cell begins at `# %%` (code) or `# %% [markdown]` (comments, which become text).
"""

import json
import re
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent / "tutorials"


class Cell(NamedTuple):
    """A cell of a notebook.

    Attributes:
        code: Whether it is code; else Markdown.
        text: What stands in it.
    """

    code: bool
    text: str


def cells(script: str) -> list[Cell]:
    """The cells of a script, without empty ones."""
    found = []
    for kind, text in re.findall(r"^# %%( \[markdown\])?\n(.*?)(?=^# %%|\Z)", script, re.MULTILINE | re.DOTALL):
        if kind:
            text = re.sub(r"^# ?", "", text, flags=re.MULTILINE)
        if text.strip():
            found.append(Cell(not kind, text.strip("\n")))
    return found


def notebook(script: str) -> str:
    """The script as a notebook: JSON of format 4.5, without outputs."""
    made = []
    for number, cell in enumerate(cells(script)):
        one = {"cell_type": "code" if cell.code else "markdown", "id": f"cell-{number}", "metadata": {}}
        if cell.code:
            one |= {"execution_count": None, "outputs": []}
        made.append(one | {"source": cell.text.splitlines(keepends=True)})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    about = {"kernelspec": kernel, "language_info": {"name": "python"}}
    whole = {"cells": made, "metadata": about, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def page(script: str, name: str) -> str:
    """The script as a page of the site, with a link to the notebook below its title."""
    parts = [f"```python\n{cell.text}\n```" if cell.code else cell.text for cell in cells(script)]
    title, _, rest = parts[0].partition("\n")
    return "\n\n".join([title, f"[This page as a notebook]({name}.ipynb)", rest.strip("\n"), *parts[1:]]) + "\n"


if __name__ == "__main__":
    for path in sorted(FOLDER.glob("*.py")):
        path.with_suffix(".ipynb").write_text(notebook(path.read_text("utf-8")), "utf-8")
