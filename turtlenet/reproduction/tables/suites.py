"""The tables of the papers' suites: what each attack left, net by net."""

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from turtlenet.reproduction.tables.found import ABSENT, Found, grid, percent

_RUNS = {
    "2018": "`qusecnets-2018`: naive, predicted labels",
    "2019": "`qusecnets-2019`",
    "paper": "as the paper did",
    "adaptive": "adaptive",
    "standard": "`standard`",
    "with the key": "made with the key",
    "black-box": "black box: a LeNet on 4,800 answers",
}


def _longer(found: Found, kind: str) -> str:
    """One line for each attack of each run on the nets of a paper."""
    head = ["net", "run", "images", "attack", "paper", "accuracy left", "doubts of the report"]
    lines = ["| " + " | ".join(head) + " |", "| --- | --- | --: | --- | --: | --: | --- |"]
    for row in found.plans("suites").values():
        if not row.name.startswith(f"{kind}-"):
            continue
        asked = {cell.name for cell in row.cells}
        for run in (run for run in _RUNS if run in asked):
            cell = found.cell(row.place, run)
            published = row.published if run in ("paper", "2018") else {}
            if not cell:
                lines.append(f"| {row.title} | {_RUNS[run]} |  |  |  | {ABSENT} |  |")
            for number, (name, attack, share) in enumerate(_attacks(cell)):
                said = [row.title, _RUNS[run], f"{cell['n']:,}"] if number == 0 else ["", "", ""]
                doubts = ", ".join(cell["doubts"]) if number == 0 else ""
                line = [*said, attack, percent(published.get(name)), share, doubts]
                lines.append("| " + " | ".join(line) + " |")
    return "\n".join(lines)


gano, qusecnets, guan, taran = (partial(_longer, kind=kind) for kind in ("gano", "qusecnets", "guan", "taran"))


def figure_6(found: Found) -> str:
    """Paper 003's Figure 6 beside the same suite on the natural and on the hardened net."""
    rows = found.plans("suites")
    natural, hardened = rows["gano-turtlenet"], rows["gano-turtlenet-hardened"]
    cell, hard = found.cell(natural.place, "paper"), list(_attacks(found.cell(hardened.place, "paper")))
    head = ["attack", "accuracy, paper", "ours", "loss, paper", "ours", "seconds, paper", "ours", "trained on PGD"]
    lines = []
    for number, (name, title, share) in enumerate(_attacks(cell)):
        mine = cell["attacks"][number - 1] if 0 < number <= len(cell["attacks"]) else {"loss": None, "seconds": None}
        ours = ["" if mine[key] is None else f"{mine[key]:.2f}" for key in ("loss", "seconds")]
        theirs = [percent(natural.published.get(name))]
        known = name in natural.published
        theirs += (
            [f"{natural.about['loss'][name]:.2f}", f"{natural.about['seconds'][name]:.1f}"] if known else ["", ""]
        )
        last = hard[number][2] if number < len(hard) else ABSENT
        lines.append([title, theirs[0], share, theirs[1], ours[0], theirs[2], ours[1], last])
    return grid(head, lines or [[ABSENT, *[""] * 7]])


def _attacks(cell: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Of the clean images and each attack its name, its title and what it left in percent."""
    if not cell:
        return
    yield "clean", "none", _share(cell["clean"])
    for row in cell["attacks"]:
        spec = row["attack"]
        # What is made elsewhere is called by what is made there; a generator by its variant.
        inner = spec.partition("attack=")[2].lstrip("(") or spec
        name = re.match(r"[\w-]*", inner)[0]  # type: ignore[index]
        variant = next((one for one in ("paper", "strong") if name == "advgan" and f"{one}.h5" in inner), "")
        way = next((way for way in ("naive", "adaptive") if f"gradient={way}" in inner), "")
        who = f"{row['attacker']}: " if row.get("attacker") else ""
        title = who + " ".join(filter(None, [f"`{name}`", variant, f"({way})" if way else ""]))
        yield name, title, _share(row)
    if len(cell["attacks"]) > 1:
        yield "all", "**all within the threat**", _share(cell)


def _share(cell: Mapping[str, Any]) -> str:
    low, high = cell["interval"]
    return f"{100 * cell['accuracy']:.1f} [{100 * low:.1f}, {100 * high:.1f}]"
