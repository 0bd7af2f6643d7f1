"""What the site is built of; `make docs` builds it."""

import re

import turtlenet
from tests.conftest import ROOT

NAV = re.findall(r"^ +- ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE)


def test_every_page_of_docs_is_in_the_navigation():
    docs = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    tutorials = {f"tutorials/{script.stem}.md" for script in (ROOT / "docs" / "tutorials").glob("*.py")}
    assert docs | tutorials <= set(NAV)
    assert len(NAV) == len(set(NAV))


def test_the_api_has_every_public_name():
    shown = re.findall(r"^::: [\w.]+\.(\w+)$", (ROOT / "docs" / "api.md").read_text("utf-8"), re.MULTILINE)
    assert set(turtlenet.__all__) - {"__version__"} <= set(shown)
