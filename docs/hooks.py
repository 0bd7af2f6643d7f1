"""What the site has beside docs/: pages of the repository's root and of its folders, and the tutorials.

Links are written for the repository, where they are read as files. Here they are turned to the pages of the site; one
that leads to a file which the site does not have keeps its words alone.
"""

import importlib.util
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, InclusionLevel

ROOT = Path(__file__).parents[1]
ELSEWHERE = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "defences/README.md": "recipes.md",
    "models/README.md": "models.md",
    "turtlenet/data/mnist_sample.md": "mnist_sample.md",
}
"""Pages that lie outside of docs/, and where the site has them."""

_spec = importlib.util.spec_from_file_location("notebooks", ROOT / "docs" / "notebooks.py")
assert _spec is not None and _spec.loader is not None  # noqa: S101
notebooks = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(notebooks)


def on_files(files: Any, config: Any) -> Any:
    """Adds the pages that lie elsewhere, and one for each tutorial."""
    for source, place in ELSEWHERE.items():
        files.append(File.generated(config, place, content=(ROOT / source).read_text("utf-8")))
    for script in sorted(notebooks.FOLDER.glob("*.py")):
        text = notebooks.page(script.read_text("utf-8"), script.stem)
        files.append(File.generated(config, f"tutorials/{script.stem}.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Turns the links of a page to those of the site; code stays as it is."""
    place = page.file.src_uri
    source = next((path for path, there in ELSEWHERE.items() if there == place), f"docs/{place}")
    known = {file.src_uri for file in files if file.inclusion is not InclusionLevel.EXCLUDED}
    parts = re.split(r"(^ *```.*?^ *```$)", markdown, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if number % 2 else linked(part, source, place, known) for number, part in enumerate(parts))


def linked(text: str, source: str, place: str, known: set[str]) -> str:
    """Text with its links turned.

    Args:
        text: Markdown without code blocks.
        source: Where it lies in the repository.
        place: Where the site has it.
        known: All that the site has.
    """

    def turn(link: re.Match[str]) -> str:
        picture, words, target = link.groups()
        path, mark, anchor = target.partition("#")
        if "://" in target or not path:
            return link[0]
        there = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        there = ELSEWHERE.get(there, there.removeprefix("docs/"))
        if place.startswith("tutorials/") or place == "tutorials/index.md":
            # On the site a tutorial is read as a page; its notebook is linked below the title.
            page = there.removesuffix(".ipynb") + ".md"
            there = page if page in known and words != "This page as a notebook" else there
        if there not in known:
            return "" if picture else words
        return f"{picture}[{words}]({posixpath.relpath(there, posixpath.dirname(place) or '.')}{mark}{anchor})"

    return re.sub(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)", turn, text)
