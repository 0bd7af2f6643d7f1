"""`turtlenet rank`, and the command that a doubt gives: both on reports that an evaluation wrote."""

import json
import shlex
from pathlib import Path

import pytest

from turtlenet.evaluation.results.load import load

QUICK = ("--eps", "0.05", "--curve", "0", "--limit", "20")


@pytest.mark.slow
def test_the_next_command_answers_its_doubt_and_both_reports_are_ranked(cli, shelf, away, monkeypatch):
    monkeypatch.setattr("turtlenet.reports.figures._svg", lambda *_: "<svg/>")
    first = cli("evaluate", shelf / "good.h5", "--data", shelf / "data.npz", "--attack", "fgsm", *QUICK)
    assert first.code == 0, first.err
    report = load("good-report")
    assert "weak-attacks" in {doubt.code for doubt in report.doubts}
    assert [each.label for each in report.largest_changes] == [0, 1]
    told = Path("good-report/report.md").read_text().partition("`weak-attacks`)")[2]
    text = told.partition("Run next:\n\n  ```sh\n")[2].partition("\n  ```")[0]
    words = shlex.split(text.replace("\\\n", ""))
    again = cli(*words[1:])
    assert again.code == 0, again.err
    after = load("good-weak-attacks-report")
    assert "weak-attacks" not in {doubt.code for doubt in after.doubts}
    assert after.data == report.data and after.threat == report.threat and after.attacks[0].spec == "fgsm"
    ranked = cli("rank", ".", "--out", "board")
    assert ranked.code == 0 and "not comparable" in ranked.out and "leaderboard: board/leaderboard.html" in ranked.out
    boards = json.loads(Path("board/leaderboard.json").read_text())["boards"]
    where = [[place["report"] for place in board["places"]] for board in boards]
    assert where == [["good-report"], ["good-weak-attacks-report"]]


def test_what_cannot_be_ranked_is_refused_in_one_line(cli, away):
    for line, words in ((("rank", "nowhere"), "Expected a folder of reports"), (("rank", "."), "got none")):
        result = cli(*line)
        assert result.code == 2 and words in result.err and result.err.count("\n") == 1
    assert list(away.iterdir()) == []
