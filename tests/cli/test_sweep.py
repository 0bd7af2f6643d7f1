"""`turtlenet sweep`: the folder, the tables, and the one line on bad input."""

import json
from pathlib import Path

import pytest

import turtlenet as tn
from tests.cli.conftest import listing

FAST = ("--attack", "fgsm", "--limit", "20", "--quiet")


def test_a_sweep_is_one_report(shelf, cli, away):
    result = cli(
        *(
            "sweep",
            shelf / "good.h5",
            "--data",
            shelf / "data.npz",
            "--eps",
            "0.1",
            "--eps",
            "8/255",
            "--results",
            "rows.csv",
        ),
        *("--attack", "fgsm", "--limit", "20", "--json"),
    )
    assert result.code == 0
    found = json.loads(result.out)
    assert [point["eps"] for point in found["points"]] == [pytest.approx(8 / 255, abs=1e-6), 0.1]
    folder = away / "good-sweep"
    assert json.loads((folder / "report.json").read_text()) == found
    assert {"report.html", "report.md", "report.sha256", "eps-0.1", "eps-0.0313725"} <= set(listing(folder))
    assert ".progress" not in listing(folder)
    header, *rows = (away / "rows.csv").read_text().splitlines()
    assert header.startswith("eps,index,attack,")
    assert {float(row.split(",")[0]) for row in rows} == {point["eps"] for point in found["points"]}


@pytest.mark.slow
def test_a_killed_sweep_goes_on(shelf, cli, away, monkeypatch):
    line = ("sweep", shelf / "good.h5", "--data", shelf / "data.npz", "--eps", "0.1,0.2", *FAST)
    from turtlenet.workflows import evaluate

    whole, calls = evaluate.evaluate, []

    def killed(*args, **settings):
        calls.append(settings["eps"])
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(*args, **settings)

    monkeypatch.setattr(evaluate, "evaluate", killed)
    stopped = cli(*line)
    assert stopped.code == 130 and "with --resume to continue" in stopped.err
    kept = Path("good-sweep/.progress/eps-0.1/.progress-0.npz")
    assert kept.is_file()
    again = cli(*line, "--resume")
    assert (again.code, again.out, again.err) == (0, "", "") and calls == [0.1, 0.2, 0.1, 0.2]
    assert not kept.exists()
    assert tn.Sweep.from_json(Path("good-sweep/report.json").read_text()).points[1].eps == 0.2


def test_a_file_of_options_lists_the_radii(shelf, cli, away):
    (away / "turtlenet.toml").write_text('[sweep]\neps = [0.0, "8/255"]\nreport = "swept"\n')
    result = cli("sweep", shelf / "good.h5", "--data", shelf / "data.npz", "--attack", "fgsm", "--limit", "8")
    assert result.code == 0 and "from turtlenet.toml: eps, report" in result.err
    assert "Robust accuracy" in result.out and result.out.endswith("\n\nreport: swept/report.html\n")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("", "Missing option '--eps'."),
        ("--eps 0.1,x", "Expected eps in input units (0.3, 8/255)"),
        ("--eps 0.1,", "Expected eps in input units (0.3, 8/255)"),
        ("--eps 0.1,0.10", "Expected radii that differ; got 0.1, 0.1."),
        ("--eps 0.1 --eps 0.1", "Expected radii that differ; got 0.1, 0.1."),
        ("--eps 0.1,-0.2", "-0.2"),
        ("--eps 0.1 --results a.txt", "Expected a .csv or a .parquet for a table; got 'a.txt'."),
        ("--eps 0.1 --attack pdg", "Unknown attack 'pdg'. Did you mean 'pgd'?"),
        ("--eps 0.1 --time 1h", "No such option '--time'"),
    ],
)
def test_bad_input_is_one_line(options, words, shelf, cli, away):
    result = cli("sweep", shelf / "good.h5", "--data", shelf / "data.npz", *options.split())
    assert (result.code, result.out) == (2, "") and words in result.err
    assert len(result.err.splitlines()) == 1 and not listing(away)
