"""`turtlenet reproduce`: lists papers, makes a page of rows, and refuses what it cannot do in one line."""

import json
import shutil

import pytest

from tests.conftest import ROOT

RESULTS = ROOT / "benchmarks/papers/results"


def test_papers_and_rows_are_listed(cli):
    said = cli("reproduce", "--list", "guan")
    assert said.code == 0 and said.out.startswith("guan: Quantized networks with dropout at inference (paper 001)\n")
    assert f"  {'2-bit':14}   11 figures  2-bit\n" in said.out
    found = json.loads(cli("reproduce", "--list", "--json").out)
    assert found["taran"]["rows"]["mnist/permuted"] == "mnist, permuted" and len(found) == 8


def test_a_page_of_rows_that_are_there(cli, away):
    shutil.copytree(RESULTS / "guan", "out/results/guan")
    said = cli("reproduce", "guan", "--out", "out", "--only-page", "--json")
    assert said.code == 0 and json.loads(said.out)["page"] == "out/papers.md"
    page = (away / "out/papers.md").read_text("utf-8")
    assert "7 rows; seed 0; 60,000 training images" in page and "| Full precision | 0.6 | " in page


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("guna", "Unknown paper 'guna'. Did you mean 'guan'?"),
        ("guan --rows bn --quick", "Unknown row 'bn' of guan. Did you mean 'bnn'?"),
        ("absent.toml", "Expected a paper at absent.toml; got: No such file or directory."),
        ("guan --only-page", "Expected rows in reproduction/results to make a page of; there is no such folder."),
        ("guan --only-page --quick", "Expected --only-page without --cost, --quick and --rows"),
        ("guan --data absent.npz", "Expected a data set at absent.npz; there is no such file"),
        ("guan --quick --page out.txt", "Expected --page with the suffix .md; got 'out.txt'."),
        ("guan --quick --template absent.md", "Expected a template of a page at absent.md; got: No such file"),
        ("advgan --quick --rows cifar10", "Expected --cifar NAME|PATH for row advgan/cifar10; got none."),
        ("advgan --quick --rows quantized", "Expected models/mnist-quantized.h5 of turtlenet's repository for row"),
        ("guan --epochs 0", "Expected epochs >= 1; got 0."),
    ],
)
def test_bad_input_is_one_line(line, words, cli, away):
    said = cli("reproduce", *line.split())
    assert said.code == 2 and said.err.startswith("turtlenet: ") and words in said.err
    assert len(said.err.splitlines()) == 1 and not list(away.iterdir())


def test_rows_of_another_seed_are_refused(cli, away):
    shutil.copytree(RESULTS / "guan", "out/results/guan")
    before = (away / "out/results/guan/bnn.json").read_bytes()
    said = cli("reproduce", "guan", "--out", "out", "--rows", "bnn", "--quick")
    assert said.code == 2 and len(said.err.splitlines()) == 1
    assert "Expected figures of the same settings in out/results/guan/bnn.json; got data {" in said.err
    assert "quick none (now true)" in said.err
    assert (away / "out/results/guan/bnn.json").read_bytes() == before
