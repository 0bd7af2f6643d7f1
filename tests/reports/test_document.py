"""One document, three renderings: everything is shown, nothing that a name holds gets out of its place."""

import base64
import doctest
import io
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
from PIL import Image

from tests.evaluation.views.test_views import HOSTILE, Page, attack, report
from turtlenet.evaluation.views import model_sections
from turtlenet.reports import document as doc
from turtlenet.reports import markdown, page, terminal
from turtlenet.reports.blocks import (
    Bullets,
    Card,
    Code,
    Column,
    Emphasis,
    Facts,
    Figures,
    Gallery,
    Shot,
    Table,
    Text,
    Verbatim,
    View,
)
from turtlenet.reports.figures import PictureFile
from turtlenet.reports.findings import Finding, Findings
from turtlenet.reports.format import WIDTH, number

RENDERINGS = (terminal.render, markdown.render, page.render)


def png(side: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (side, side)).save(file, "PNG")
    return file.getvalue()


def whole(words: str) -> doc.Document:
    """A document with every kind of block, in which each text is these words."""
    picture = PictureFile(title=words, alt=words, file="a.png", png=png(200))
    shot = Shot(png=base64.b64encode(png(8)).decode(), alt=words, words=words, mark="right", note=words)
    columns = (
        Column(words, "name", note="name", width=30),
        Column(words, "name", meaning=words, width=20),
    )
    parts = [
        Text((words, Emphasis(words), Verbatim(words))),
        Bullets([words]),
        Table(columns, [SimpleNamespace(name=words, strong=True)]),
        Facts({words: words}),
        Figures(lambda: [picture]),
        Findings(
            [Finding(words=words, more=words, code=words, subject=words, kind=kind) for kind in ("doubt", "good")]
        ),
        Gallery([Card(words, words, [shot])]),
        Code(words, words.replace("\n", " "), "sh", folded=True),
    ]
    verdict = doc.KeyFigures(
        numbers=[doc.Number(words, 0.5, (0.4, 0.6))], words=words, title=words, scale=(0.9, 0.5, 0.4, 0.6)
    )
    return doc.Document(
        title=words, headline=words, facts=[words], verdicts=[verdict], sections=[doc.Section(words, parts)]
    )


def test_a_new_column_is_one_line(monkeypatch) -> None:
    new = Column("mean of L1", "l1_mean", number, "Sum of all changes.")
    columns = model_sections.attack_columns
    monkeypatch.setattr(model_sections, "attack_columns", lambda kind: (*columns(kind), new))
    one = report(attacks=(attack(l1_mean=123.4), attack("fgsm", l1_mean=None))).document()
    for render in RENDERINGS:
        assert "mean of L1" in render(one)
    assert [line.split()[-1] for line in terminal.render(one).splitlines()[2:6]] == ["L1", "0.990]", "123", "-"]
    assert "| 37.3 | 123 |" in markdown.render(one) and "<span>123</span></td>" in page.render(one)
    assert "<dt>mean of L1</dt><dd>Sum of all changes.</dd>" in page.render(one)


def test_the_example_in_the_docstring_is_true() -> None:
    found = doctest.testmod(doc)
    assert found.attempted > 5 and not found.failed


def test_hostile_words_stay_in_their_place() -> None:
    one = whole(HOSTILE)
    lines = terminal.render(one).splitlines()
    assert all(line.isprintable() for line in lines) and max(map(len, lines)) <= WIDTH
    prose = re.sub(r"`<script>[^`]*`", "", markdown.render(one).split("```")[0])
    assert "<" not in prose and "\x1b" not in prose and "\n# \\[31m" not in prose
    source = page.render(one)
    tags = Page(source).tags
    assert Page(source).open == [] and source.count("<script") == 1
    assert {tag for tag, _ in tags} == {tag for tag, _ in Page(page.render(whole("plain"))).tags}
    assert [entry.get("class") for tag, entry in tags if tag == "img"] == [None, "pixels"]


def test_a_view_shows_what_is_its_own() -> None:
    views = (View.TERMINAL, View.MARKDOWN, View.PAGE)
    columns = [
        Column("name", "name"),
        *(Column(f"in {view.name}", "name", views=view) for view in views),
    ]
    parts = [
        Table(columns, [SimpleNamespace(name="x")]),
        *(Text(f"for {view.name}", views=view) for view in views),
    ]
    one = replace(whole("x"), sections=[doc.Section("Title", parts)])
    for view, render in zip(views, RENDERINGS, strict=True):
        for word in ("in", "for"):
            assert [f"{word} {other.name}" in render(one) for other in views] == [other is view for other in views]
    alone = replace(one, sections=[one.sections[0].only(View.PAGE)])
    assert "Title" not in markdown.render(alone) and "Title" in page.render(alone)


def test_what_is_empty_is_left_out_with_its_heading() -> None:
    empty = [
        Text(""),
        Bullets([]),
        Table([Column("a", "a")], []),
        Facts({}),
        Figures(list),
        Findings([]),
        Code("Code:", "", "sh"),
        Gallery([]),
    ]
    one = replace(whole("x"), sections=[doc.Section("Nothing", empty), doc.Section("Heading"), doc.Section("", empty)])
    for render in (markdown.render, page.render):
        assert "Nothing" not in render(one) and "Heading" in render(one)
    assert terminal.render(one) == "x\nx"


@pytest.mark.parametrize(("text", "fence"), [("a", "```"), ("```\nb", "````"), ("a\n  `````", "``````")])
def test_code_does_not_end_early(text: str, fence: str) -> None:
    one = replace(whole("x"), sections=[doc.Section("", [Code("Run:", text, "sh")])])
    assert markdown.render(one).endswith(f"Run:\n\n{fence}sh\n{text}\n{fence}\n")


def test_columns_that_do_not_fit_go_on_below() -> None:
    columns = [Column("", "name"), *(Column(str(place), "value", width=22) for place in range(7))]
    table = Table(columns, [SimpleNamespace(name="row", value="1" * 30)])
    lines = terminal.render(replace(whole("x"), sections=[doc.Section("", [table])])).splitlines()[3:]
    assert [line.split() for line in lines if line and "…" not in line] == [["0", "1", "2"], ["3", "4", "5"], ["6"]]
    assert lines.count("") == 2 and max(map(len, lines)) <= WIDTH
