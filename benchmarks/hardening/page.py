"""The table of objectives and its picture, from the rows that are kept: `python -m benchmarks.hardening.page`.

Rows of several seeds are one line: the mean, and in brackets the least and the largest; of one seed the 95 % interval.
"""

import argparse
import json
import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.hardening.table import RESULTS, ROWS, SETTINGS

HEAD = "| objective | seeds | clean | under `standard` | gradients, each of a batch | processor, s |"


def rows(results: Path, net: str) -> dict[str, list[dict[str, Any]]]:
    """The measured cells of each row, one for each seed, in the order of the table; what is not whole is left out."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in ROWS:
        for file in sorted((results / net).glob(f"{row}-[0-9]*.json")):
            cells = json.loads(file.read_text("utf-8"))["cells"]
            if file.stem.removeprefix(f"{row}-").isdigit() and {"training", "clean", "standard"} <= set(cells):
                found.setdefault(row, []).append(cells)
    return found


def table(found: dict[str, list[dict[str, Any]]]) -> str:
    """The rows as Markdown."""
    lines = [HEAD, "|---|--:|--:|--:|--:|--:|"]
    for row, seeds in found.items():
        cost = re.sub(r" of \d+( images)?", "", seeds[0]["training"]["cost"].partition(", ")[2])
        seconds = statistics.mean(each["training"]["processor_seconds"] for each in seeds)
        shown = " | ".join(_shown(seeds, cell) for cell in ("clean", "standard"))
        lines.append(f"| `{row}` | {len(seeds)} | {shown} | {cost} | {seconds:.0f} |")
    return "\n".join(lines)


def _shown(seeds: Sequence[dict[str, Any]], cell: str) -> str:
    values = [each[cell]["accuracy"] for each in seeds]
    low, high = (min(values), max(values)) if len(values) > 1 else seeds[0][cell]["interval"]
    return f"{statistics.mean(values):.3f} [{low:.3f}, {high:.3f}]"


def picture(found: dict[str, list[dict[str, Any]]], file: Path) -> None:
    """Robust accuracy against the processor seconds of the training, a point for each seed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for row, seeds in found.items():
        seconds = [each["training"]["processor_seconds"] for each in seeds]
        robust = [100 * each["standard"]["accuracy"] for each in seeds]
        axes.scatter(seconds, robust, s=24)
        axes.annotate(row, (seconds[0], robust[0]), xytext=(5, 4), textcoords="offset points", fontsize=8)
    axes.set(xscale="log", xlabel="training, processor seconds", ylabel="accuracy under standard, %", ylim=(-3, 100))
    axes.grid(alpha=0.3)
    figure.savefig(file, dpi=120)


def main() -> None:
    """Prints the table, and writes the picture where it is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--net", choices=list(SETTINGS), default="wong-mnist")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR")
    parser.add_argument("--picture", type=Path, metavar="FILE")
    asked = parser.parse_args()
    found = rows(asked.results, asked.net)
    print(table(found))
    if asked.picture:
        picture(found, asked.picture)


if __name__ == "__main__":
    main()
