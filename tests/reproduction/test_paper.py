"""Papers are data: each file can be read, and asks for nothing that there is not."""

import json
from pathlib import Path

import pytest

from tests.conftest import ROOT
from turtlenet.errors import SpecError
from turtlenet.reproduction import paper as papers
from turtlenet.reproduction.kinds import check_cell
from turtlenet.reproduction.nets import build_net
from turtlenet.reproduction.tables import TABLES
from turtlenet.settings import suites

RESULTS = ROOT / "benchmarks" / "papers" / "results"
NAMES = papers.names()
ROWS = [row for name in NAMES for row in papers.find(name).rows]


def test_every_paper_is_there_in_its_order():
    assert NAMES == ["qusecnets", "readings", "guan", "taran", "advgan", "suites", "rivals", "rivals-cifar"]


def test_cells_ask_for_kinds_and_settings_that_there_are():
    """A spec that no attack answers to is found here, and not after hours."""
    from turtlenet import attacks

    for row in ROWS:
        assert len({cell.name for cell in row.cells}) == len(row.cells) > 0
        for cell in row.cells:
            check_cell(row, cell)
            for spec in [cell.settings.get("attack"), *cell.settings.get("attacks", ())]:
                assert spec is None or spec == "" or attacks.build(spec)
            if cell.settings.get("suite"):
                assert suites.find(cell.settings["suite"]).attacks
        for name in (value for key, value in row.shown.items() if key in ("clean", "naive", "adaptive")):
            assert name in {cell.name for cell in row.cells}, f"{row.place} shows {name}"


def test_rows_name_models_and_tables_that_there_are():
    places = {row.place for row in ROWS}
    for row in ROWS:
        if row.model:
            assert row.model in places or (ROOT / row.model).is_file()
            continue
        # Its own, or one like those of the rows that it asks: what it costs is timed on it.
        assert {"name", "dropout"} & set(row.net)
        assert not row.train or (row.training()["objective"] and row.training()["epochs"])
    assert {name for paper in NAMES for name in papers.find(paper).tables} == set(TABLES)


def test_the_rows_that_were_measured_have_the_settings_of_their_paper():
    """A change of a setting in the TOML would make a new row of it, and the old figures those of nothing."""
    known = {row.place: row for row in ROWS}
    for path in sorted(RESULTS.rglob("*.json")):
        row = known[path.relative_to(RESULTS).with_suffix("").as_posix()]
        found = json.loads(path.read_text("utf-8"))
        cells = found.pop("cells")
        facts = {**({row.noted: row.training()} if row.noted else row.training()), **row.facts}
        assert {key: value for key, value in found.items() if key not in ("seed", "data")} == json.loads(
            json.dumps(facts)
        ), path
        assert {cell.name for cell in row.cells} <= set(cells), path
        for cell in row.cells:
            for name in ("eps", "labels"):
                if cell.kind == "attack" and name in cell.settings and name in cells[cell.name]:
                    assert cells[cell.name][name] == cell.settings[name], f"{path} {cell.name}"
        assert path.stat().st_size < 40_000


def test_cells_are_made_for_each_value():
    row = papers.find("qusecnets").row("natural-cq-2")
    by_name = {cell.name: cell.settings for cell in row.cells}
    assert by_name["fgsm-naive-0.05"] == {"attack": "fgsm:keep=last", "gradient": "naive", "eps": 0.05}
    steep = {cell.name: cell.settings for cell in papers.find("readings").row("readings").cells}
    # What stands in another setting's text is no setting.
    assert steep["cq-2: z = 400 at inference"] == {
        "on": "qusecnets/natural-cq-2",
        "behind": "constant-quantization:levels=2,sharpness=400",
    }


def test_rows_are_found_by_pattern():
    paper = papers.find("taran")
    assert [row.name for row in papers.matching(paper, "mnist/*")] == ["mnist/classical", "mnist/permuted"]
    with pytest.raises(SpecError, match=r"Unknown row 'natural-cq2' of qusecnets. Did you mean 'natural-cq-2'\?"):
        papers.find("qusecnets").row("natural-cq2")
    with pytest.raises(SpecError, match=r"Unknown paper 'qusecnet'. Did you mean 'qusecnets'\?"):
        papers.find("qusecnet")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('title = "A"\n', r"Expected a title and rows \(\[rows.NAME\]\) in paper bad.toml; got title."),
        (
            'title = "A"\n[rows.a]\nmodle = "x"\n',
            "Unknown key 'modle' of row a in paper bad.toml. Did you mean 'model'",
        ),
        (
            'title = "A"\n[rows.a]\ndata = "colour"\n',
            "Unknown data 'colour' of row a in bad.toml. Did you mean 'color'",
        ),
        ('title = "A"\n[rows.a]\n[[cells]]\nname = "x"\n', "Expected a name and a kind of each of the"),
        ('title = "A"\n[rows.a]\nsets = "all"\n', "Expected a list of strings for 'sets' of row a in paper bad.toml"),
        ('title = "A"\n[rows.a]\ntrain = 3\n', "Expected a table for 'train' of row a in paper bad.toml; got 3."),
        ('title = "A"\ncells = 3\n[rows.a]\n', "Expected tables .*cells.* in paper bad.toml; got 3."),
        (
            'title = "A"\n[rows.a]\n[[cells]]\nname = "x"\nkind = "attack"\nover = { eps = 0.1 }\n',
            "Expected a list for 'eps' of `over` in paper bad.toml; got 0.1.",
        ),
        (
            'title = "A"\n[rows.a]\n[[cells]]\nname = "x"\nkind = "attack"\nover = { eps = [0.1, 0.3] }\n',
            "Expected each figure of row a once in paper bad.toml; 'x' came twice.",
        ),
        (
            'title = "A"\n[rows.a]\n[[cells]]\nname = "x-{epz}"\nkind = "attack"\nover = { eps = [0.1] }\n',
            r"Expected in braces what `over` names \(eps\) in 'x-{epz}' of paper bad.toml; got: 'epz'.",
        ),
    ],
)
def test_a_file_that_is_no_paper_is_one_line(text, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("bad.toml").write_text(text, "utf-8")
    with pytest.raises(SpecError, match=words):
        papers.find("bad.toml")


def test_an_unknown_kind_or_setting_is_one_line():
    row = ROWS[0]
    with pytest.raises(SpecError, match="Unknown kind 'attak' of x in qusecnets/natural-none. Did you mean 'attack'"):
        check_cell(row, papers.Cell(name="x", kind="attak"))
    with pytest.raises(SpecError, match="Unknown setting 'stpes' of kind clean in x of"):
        check_cell(row, papers.Cell(name="x", kind="clean", settings={"stpes": 3}))
    with pytest.raises(SpecError, match="Expected 'attack' for kind attack in x of"):
        check_cell(row, papers.Cell(name="x", kind="attack", settings={"eps": 0.3}))


def test_dropout_stands_where_paper_001_needs_it():
    with pytest.raises(SpecError, match="Expected the name of an architecture in the net of a row; got {}"):
        build_net({}, (28, 28, 1))
    net = build_net({"dropout": 0.5, "spread": True, "learning_rate": 0.005}, (28, 28, 1))
    kinds = [type(layer).__name__ for layer in net.layers]
    assert kinds.count("Dropout") == kinds.count("BatchNormalization") == 4
    kernel = next(layer for layer in net.layers if "Conv" in type(layer).__name__).kernel
    # Two bits round what is below 0.25 to 0.
    assert float(abs(kernel.numpy() if hasattr(kernel, "numpy") else kernel).max()) > 0.25
    assert abs(float(net.optimizer.learning_rate) - 0.005) < 1e-9


@pytest.mark.parametrize("name", ["../away", ".hidden", "/a", "a//b"])
def test_no_name_leaves_the_folder_of_results(name, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(f'title = "mine"\n[rows."{name}"]\n')
    with pytest.raises(SpecError, match="such as mnist/plain"):
        papers.find(str(path))


def test_without_a_name_no_paper_of_the_working_directory_is_run(tmp_path, monkeypatch):
    known = papers.paths()
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "guan.toml").write_text("no paper")
    monkeypatch.chdir(tmp_path)
    assert papers.paths() == known and all(papers.find(path).rows for path in known)
    with pytest.raises(SpecError, match="Expected TOML"):
        papers.find("guan")
