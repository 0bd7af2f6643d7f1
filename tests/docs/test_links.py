"""Every link within the repository leads somewhere."""

import pytest

from tests.conftest import ROOT
from tests.docs.pages import PAGES, anchors, links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_within_the_repository(page):
    wrong = []
    for link in links(page):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.is_relative_to(ROOT) or not target.exists():
            wrong.append(f"{link}: no such file")
        elif anchor and anchor not in anchors(target):
            wrong.append(f"{link}: no such heading")
    assert not wrong


def test_pages_are_found():
    assert {"README.md", "docs/guide.md", "CONTRIBUTING.md", "examples/README.md"} <= {
        str(page.relative_to(ROOT)) for page in PAGES
    }


def test_anchors_are_those_of_a_heading(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Two `code` words, [a link](x.md)\n\n```\n# no heading\n```\n\n## Same\n\n## Same\n", "utf-8")
    assert anchors(page) == {"two-code-words-a-link", "same", "same-1"}
    assert links(page) == ["x.md"]
