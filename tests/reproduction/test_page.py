"""The pages that rows make."""

import json

import pytest

from tests.conftest import ROOT
from turtlenet.errors import SpecError
from turtlenet.reproduction import paper as papers
from turtlenet.reproduction.page import render
from turtlenet.reproduction.row import read_rows
from turtlenet.reproduction.tables import Found, table

KEPT = ROOT / "benchmarks" / "papers"
CELL = {"accuracy": 0.5, "interval": [0.25, 0.75], "n": 4}


@pytest.mark.parametrize(("template", "page"), [("page.md", "docs/papers.md"), ("rivals.md", "docs/rivals.md")])
def test_the_pages_of_the_docs_are_made_of_the_rows(template: str, page: str):
    made = render([papers.find(name) for name in papers.names()], read_rows(KEPT / "results"), KEPT / template)
    # Written by the command that the page itself has last in its list.
    assert made == (ROOT / page).read_text("utf-8")


def test_the_page_shows_what_is_measured():
    cells = {"clean": CELL, "fgsm-naive-0.3": {"accuracy": 0.125, "interval": [0.1, 0.2], "n": 4}}
    page = render([papers.find("qusecnets")], {"qusecnets/natural-cq-2": {"cells": cells, "seed": 3}})
    gap = "not run"
    assert f"| CQ, n = 2 | 50.0 [25.0, 75.0] | 97.51 | {gap} | 12.5 [10.0, 20.0] | {gap} | {gap} | {gap} |" in page
    # Side by side: the paper's number, clean, naive, adaptive, images and seed.
    assert f"| CQ, n = 2 | 97.51 | 50.0 [25.0, 75.0] | 12.5 [10.0, 20.0] | {gap} | 4 | 3 |" in page
    assert "A trial" not in page and f"| none | 1.48 | {gap} | {gap} | {gap} |  |  |" in page


def test_every_paper_has_a_page_without_a_row():
    page = render([papers.find(name) for name in papers.names()], {})
    for name in papers.names():
        assert f"## {papers.find(name).title}\n" in page
    assert "not run" in page and "rows; seed" not in page


def test_the_table_of_rivals_has_what_is_known_and_ours():
    naive = {"accuracy": 0.9, "interval": [0.8, 1.0], "n": 4}
    worst = {"accuracy": 0.0, "interval": [0.0, 0.1], "n": 4, "doubts": ["masked"]}
    cells = {"clean": CELL, "fgsm-naive-0.3": naive, "pgd-naive-0.3": CELL, "adaptive-0.3": worst}
    text = table(Found({"rivals/sap": {"cells": cells}}), "rivals")
    line = next(line for line in text.splitlines() if "pruning" in line)
    assert "recipe `dhillon-sap`" in line and "Athalye" in line
    assert line.endswith("| not run |  | not run | 50.0 [25.0, 75.0] (PGD) |  | 0.0 [0.0, 10.0] | 4 | masked |")


def test_a_suite_tells_each_attack_beside_the_paper():
    own = {"attack": "fgsm:gradient=naive", "accuracy": 0.5, "interval": [0.2, 0.8], "loss": 1.0, "seconds": 2.0}
    cell = {"n": 8, "doubts": ["few-images"], "clean": CELL, "accuracy": 0.1, "interval": [0.0, 0.4]}
    rows = {"suites/guan-bnn": {"cells": {"paper": {**cell, "attacks": [own]}}}}
    text = table(Found(rows), "suite_guan")
    assert "| BNN | as the paper did | 8 | none | 92.0 | 50.0 [25.0, 75.0] | few-images |" in text
    assert "|  |  |  | `fgsm` (naive) | 46.2 | 50.0 [20.0, 80.0] |  |" in text


def test_a_template_runs_in_a_sandbox(tmp_path):
    template = tmp_path / "page.md"
    template.write_text('{{ value("qusecnets/natural-cq-2", "clean") }} {{ table("guan_pgd").__class__.__mro__ }}')
    with pytest.raises(SpecError, match=r"Expected a template of a page at .*page.md; got: .*unsafe"):
        render([], {}, template)
    template.write_text('{{ value("qusecnets/natural-cq-2", "clean") }}')
    assert (
        render([], {"qusecnets/natural-cq-2": json.loads(json.dumps({"cells": {"clean": CELL}}))}, template) == "50.0"
    )
    template.write_text('{{ table("guan") }}')
    with pytest.raises(SpecError, match="Unknown table 'guan'"):
        render([], {}, template)
    template.write_text('{{ value("qusecnets/natural-cq-2", "clean") / 2 }}')
    with pytest.raises(SpecError, match="Expected a template of a page at .*unsupported operand"):
        render([], {}, template)
    with pytest.raises(SpecError, match="No such file"):
        render([], {}, tmp_path / "absent.md")
