"""The tables of the papers' suites: what each attack left, net by net."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from turtlenet.reproduction.published import FIGURE_6, SUITES

__all__ = ["TITLES", "gano", "longer"]

TITLES = {
    "gano-turtlenet": "natural",
    "gano-turtlenet-hardened": "trained on PGD",
    "gano-cifar10": "CIFAR-10, natural",
    "qusecnets-natural-none": "none",
    "qusecnets-natural-cq-2": "CQ, n = 2",
    "qusecnets-natural-tq-2": "TQ, n = 2",
    "guan-full-precision": "full precision",
    "guan-2-bit": "2-bit",
    "guan-bnn": "BNN",
    "taran-classical": "classical",
    "taran-permuted": "permuted",
}
_RUNS = {
    "2018": "`qusecnets-2018`: naive, predicted labels",
    "2019": "`qusecnets-2019`",
    "paper": "as the paper did",
    "adaptive": "adaptive",
    "standard": "`standard`",
    "with the key": "made with the key",
    "black-box": "black box: a LeNet on 4,800 answers",
}
_ABSENT = "·"


class SearchResult(Protocol):
    """The rows of a folder."""

    def cell(self, row: str, name: str) -> Mapping[str, Any]:
        """A figure with what belongs to it; empty if it was not measured."""


def longer(found: SearchResult, kind: str) -> str:
    """One line for each attack of each run on the nets of a paper."""
    head = ["net", "run", "images", "attack", "paper", "accuracy left", "doubts of the report"]
    lines = [head, ["---", "---", "--:", "---", "--:", "--:", "---"]]
    for row, title in TITLES.items():
        if not row.startswith(f"{kind}-"):
            continue
        for run in _RUNS:
            cell = found.cell(f"suites/{row}", run)
            published = SUITES.get(row, {}) if run in ("paper", "2018") else {}
            for number, (name, attack, share) in enumerate(_attacks(cell)):
                theirs = published.get(name)
                said = [title, _RUNS[run], f"{cell['n']:,}"] if number == 0 else ["", "", ""]
                doubts = ", ".join(cell["doubts"]) if number == 0 else ""
                lines.append([*said, attack, "" if theirs is None else _percent(theirs), share, doubts])
    return _joined(lines)


def gano(found: SearchResult) -> str:
    """Paper 003's Figure 6 beside the same suite on the natural and on the hardened net."""
    nets = {row: found.cell(f"suites/{row}", "paper") for row in ("gano-turtlenet", "gano-turtlenet-hardened")}
    head = ["attack", "accuracy, paper", "ours", "loss, paper", "ours", "seconds, paper", "ours", "trained on PGD"]
    lines = [head, ["---", *["--:"] * (len(head) - 1)]]
    names = [name for name, *_ in _attacks(nets["gano-turtlenet"])]
    for number, name in enumerate(names):
        theirs = FIGURE_6.get(name.partition(" ")[0])
        published = [_percent(theirs.accuracy), f"{theirs.loss:.2f}", f"{theirs.seconds:.1f}"] if theirs else [""] * 3
        mine, hard = [list(_attacks(cell))[number : number + 1] for cell in nets.values()]
        rows = nets["gano-turtlenet"]["attacks"]
        row = rows[number - 1] if 0 < number <= len(rows) else {"loss": None, "seconds": None}
        figures = ["" if row[key] is None else f"{row[key]:.2f}" for key in ("loss", "seconds")]
        lines.append(
            [
                mine[0][1],
                *(published[0], mine[0][2]),
                *(published[1], figures[0]),
                *(published[2], figures[1]),
                hard[0][2] if hard else _ABSENT,
            ]
        )
    return _joined(lines)


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


def _percent(share: float) -> str:
    return f"{100 * share:.2f}".removesuffix("0")


def _joined(lines: Sequence[Sequence[str]]) -> str:
    if len(lines) == 2:
        return "Not measured yet: the same command does it."
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
