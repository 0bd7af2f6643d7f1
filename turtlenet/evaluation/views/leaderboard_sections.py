"""What a leaderboard says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from turtlenet.reports.blocks import Block, Bullets, Column, Emphasis, Table, Text, View
from turtlenet.reports.document import Document, Section
from turtlenet.reports.format import MISSING, clean, clip, count, fraction, number, percent

if TYPE_CHECKING:
    from turtlenet.evaluation.results.leaderboard import Board, Leaderboard, Place


def _rare(value: float | None) -> str:
    return "<0.001" if value is not None and value < 0.001 else number(value)


def _codes(place: Any) -> str:
    return ", ".join(place.doubts) if place.doubts else "none found"


_COLUMNS = (
    Column("", "model", clean, width=28, views=View.TERMINAL),
    Column("model", "model", clean, note="path", views=View.FILES),
    Column(
        "place",
        "place",
        count,
        "Models share the first place that they may have where an exact sign test on the same inputs does not tell "
        "them apart (p below 0.05).",
    ),
    Column("robust [95 % interval]", ("robust_accuracy", "robust_accuracy_interval"), fraction, "Under every attack."),
    Column("clean", "clean_accuracy", fraction, "Before any attack.", views=View.TERMINAL),
    Column("clean [95 % interval]", ("clean_accuracy", "clean_accuracy_interval"), fraction, "", views=View.FILES),
    Column(
        "p",
        "p_value",
        _rare,
        "How often chance alone would tell a model as far from the best one with the place before, on the "
        "inputs where just one of them held.",
    ),
    Column("parameters", "parameters", count),
    Column("doubts", lambda place: len(place.doubts), str, views=View.TERMINAL),
    Column("doubts", _codes, clean, "The reasons to doubt the number: see the report.", views=View.FILES, prose=True),
    Column("report", "report", clean, "Where it lies, from the folder ranked.", views=View.FILES, prose=True),
)


def document(board: Leaderboard) -> Document:
    """The document of `leaderboard.md`, of the page and of the terminal."""
    several = len(board.boards) > 1
    total = sum(len(each.places) for each in board.boards)
    facts = [clean(board.folder), f"{total} models, {len(board.boards)} settings" if several else f"{total} models"]
    skipped = [f"{clean(each.get('report'))}: {clean(each.get('reason'))}" for each in board.skipped]
    apart = "Numbers of different settings are not comparable: each setting has a table of its own." if several else ""
    return Document(
        title="Leaderboard",
        headline=_headline(board),
        facts=facts,
        sections=[
            Section("", [Text(apart)]),
            *(
                Section(f"Setting {number}: {_title(each)}" if several else _title(each), _blocks(each))
                for number, each in enumerate(board.boards, 1)
            ),
            Section("Left out", [Text("Left out:" if skipped else "", views=View.TERMINAL), Bullets(skipped)]),
        ],
    )


def _headline(board: Leaderboard) -> str:
    """Who is at the head of the largest table; nobody is where no two models can be compared."""
    largest, several = board.boards[0], len(board.boards) > 1
    first, count_of_all = largest.places[0], sum(len(each.places) for each in board.boards)
    if len(largest.places) == 1:
        found = f"{clean(first.model)}: {percent(first.robust_accuracy)} under every attack"
        return f"No two of {count_of_all} models were tested alike: none is ranked" if several else found
    where = f" of {len(largest.places)} in setting 1" if several else ""
    shared = [place for place in largest.places if place.place == first.place]
    if len(shared) > 1:
        return f"{len(shared)} models{where} are not told apart at the head, {_robust(shared)} robust"
    return f"{clean(first.model)} is the most robust{where}, {percent(first.robust_accuracy)} under every attack"


def _robust(places: list[Place]) -> str:
    shares = [place.robust_accuracy for place in places]
    return " to ".join(dict.fromkeys(map(percent, (min(shares), max(shares)))))


def _title(board: Board) -> str:
    told = board.setting
    eps = told.get("eps")
    radius = MISSING if eps is None else f"{eps:g}"
    data = clip(told.get("data") or MISSING, 40)
    return f"{clean(str(told.get('norm')).capitalize())} eps {radius}, {data}, {count(told.get('count'))} inputs"


def _said(told: dict[str, Any], name: str) -> str:
    return clean(told.get(name) or MISSING)


def _blocks(board: Board) -> list[Block]:
    told = board.setting
    bounds = f" in {told['bounds']}" if told.get("bounds") else ""
    bounds = ", bounds by feature" if told.get("features") else bounds
    rounded = ", 8-bit pixels" if told.get("pixels") == "8-bit" else ""
    how = (
        f"{_said(told, 'access')}, {_said(told, 'mode')}, labels {_said(told, 'labels')}{rounded}; "
        f"attacks {clean(', '.join(told.get('attacks') or ()))}"
    )
    return [
        Text((Emphasis(f"{_title(board)}:"),), views=View.TERMINAL),
        Text(f"The same for all{bounds}: {how}; data sha256 {_said(told, 'data_sha256')[:12]}.", indent=2),
        Table(_COLUMNS, board.places),
    ]
