"""A leaderboard compares what can be compared."""

import json
from dataclasses import replace

import pytest

from tests.evaluation.views.test_views import BARE, attack, natural, report
from turtlenet.errors import DataError
from turtlenet.evaluation.results.leaderboard import Leaderboard, ranked
from turtlenet.evaluation.results.report import Comparison
from turtlenet.reports import markdown
from turtlenet.workflows.rank import rank


@pytest.fixture(autouse=True)
def blank(monkeypatch):
    monkeypatch.setattr("turtlenet.reports.figures._svg", lambda *_: "<svg/>")


def held(name, right, *, of=100, **values):
    """A model that withstands everything on the first `right` images."""
    robust = [1] * right + [0] * (of - right)
    facts = {"model": {**report().model, "name": name, "sha256": name, "path": f"{name}.h5"}}
    verdicts = {"label": [0] * of, "clean_prediction": [0] * of, "robust": robust}
    return report(name, robust_accuracy=right / of, verdicts=verdicts, **{**facts, **values})


def test_models_are_ranked_and_told_apart_by_the_images_they_share():
    board = ranked("f", [("a", held("weak", 40)), ("b", held("best", 91)), ("c", held("near", 90))]).boards[0]
    assert [(place.place, place.model) for place in board.places] == [(1, "best"), (1, "near"), (3, "weak")]
    assert [place.p_value for place in board.places] == [None, 1.0, 0.0]
    assert board.places[0].report == "b" and board.places[0].doubts == ("few-images",)


@pytest.mark.parametrize(
    "change",
    [
        {"threat": {**report().threat, "eps": 0.1}},
        {"threat": {**report().threat, "norm": "l2"}},
        {"threat": {**report().threat, "labels": "predicted"}},
        {"data": {**report().data, "sha256": "other"}},
        {"data": {**report().data, "count": 10}},
        {"mode": "cascade"},
        {"attacks": (attack("fgsm", "one-step"),)},
    ],
)
def test_what_cannot_be_compared_is_apart(change):
    found = ranked("f", [("a", held("a", 50)), ("b", held("b", 60, **change)), ("c", held("c", 10))])
    assert [[place.model for place in board.places] for board in found.boards] == [["a", "c"], ["b"]]
    assert "not comparable" in str(found)


def test_the_headline_ranks_nobody_who_was_not_compared():
    other = {"threat": {**report().threat, "eps": 0.1}}
    one, two, three = ("a", held("a", 5)), ("b", held("b", 90)), ("c", held("c", 60, **other))
    assert ranked("f", [one]).document().headline == "a: 5.0 % under every attack"
    assert ranked("f", [two, three]).document().headline == "No two of 2 models were tested alike: none is ranked"
    found = ranked("f", [one, two, three]).document().headline
    assert found == "b is the most robust of 2 in setting 1, 90.0 % under every attack"


def test_attacks_that_a_defence_asks_for_keep_a_model_in_its_table():
    more = (attack("pgd:steps=40,gradient=naive", settings={"gradient": "naive"}), attack("quantizer-pgd"))
    found = ranked("f", [("a", held("a", 50)), ("b", held("b", 60, attacks=(*report().attacks, *more)))])
    assert len(found.boards) == 1 and found.boards[0].places[0].attacks == 5


def test_of_one_model_the_latest_report_counts():
    old, new = held("a", 50), replace(held("a", 30), created="2026-01-01T00:00:00+00:00")
    assert [place.robust_accuracy for place in ranked("f", [("x", new), ("y", old)]).boards[0].places] == [0.3]


def test_a_folder_is_ranked(tmp_path):
    Comparison((natural(), report())).save(tmp_path / "both")
    report("bare.h5", **BARE).save(tmp_path / "bare")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "report.json").write_text("{")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "report.json").write_text('{"detector": {}}')
    (tmp_path / "front").mkdir()
    (tmp_path / "front" / "report.json").write_text('{"front": {}}')
    board = rank(tmp_path)
    # Both have the same hash here, so that the attacks alone keep them apart.
    assert {place.model for each in board.boards for place in each.places} == {"natural.h5", "hardened.h5"}
    assert [each["report"] for each in board.skipped] == ["broken", "front", "other"]
    reasons = [each["reason"] for each in board.skipped[1:]]
    assert reasons == ["the report of a front", "the report of a detector"]
    files = board.save(tmp_path)
    assert [file.name for file in files] == [
        "leaderboard.json", "leaderboard.md", "leaderboard.html", "leaderboard.sha256"
    ]  # fmt: skip
    assert Leaderboard.from_json(files[0].read_text()) == Leaderboard.from_dict(json.loads(files[0].read_text()))
    assert "Left out" in files[1].read_text() and max(map(len, str(board).splitlines())) <= 100


def test_a_folder_without_reports_is_refused(tmp_path):
    with pytest.raises(DataError, match="Expected a folder of reports; got .*nowhere"):
        rank(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"Expected report.json of an evaluation below .*; got none"):
        rank(tmp_path)


def test_a_model_in_memory_has_no_path_and_a_table_no_pixels():
    threat = {**report().threat, "bounds": [0, 9], "features": {"eps": [0.1, 0.2]}}
    found = ranked("f", [("a", held("a", 5, threat=threat, model={"name": "a", "path": None}))]).document()
    text = markdown.render(found)
    assert "None" not in text and "bounds by feature: white-box" in text and "pixels" not in text
