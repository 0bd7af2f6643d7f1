"""Runs a case in several processes and gives the median: `python benchmarks/repeat.py --case loop --processes 5`.

On a CPU the same compiled graph runs up to a fifth faster or slower from one process to the next, for every library
alike; within a process it stays as it is. One process says who was lucky, so a close race needs several.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

_RUN = Path(__file__).with_name("run.py")
_KEYS = ("net", "batch", "library", "step")


def main() -> None:
    """Prints a line for each row: the median over processes of each ratio, and their range."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", default="loop", help="a case of run.py")
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--turns", type=int, default=2)
    asked = parser.parse_args()
    found: dict[tuple[Any, ...], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for number in range(asked.processes):
        print(f"process {number + 1} of {asked.processes}", file=sys.stderr, flush=True)
        for row in _rows(asked.case, asked.turns):
            key = tuple(row[each] for each in _KEYS if each in row)
            for name, value in row.items():
                if isinstance(value, dict):
                    found[key][name].append(value["median"])
    for key, ratios in found.items():
        for name, values in ratios.items():
            middle, least, largest = statistics.median(values), min(values), max(values)
            print(*key, name, f"{middle:.2f} ({least:.2f}..{largest:.2f})", sep="  ")


def _rows(case: str, turns: int) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.json"
        command = [sys.executable, str(_RUN), "--only", case, "--turns", str(turns), "--out", str(out)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return [row["cells"] for row in json.loads(out.read_text("utf-8"))["cases"][0]["rows"]]


if __name__ == "__main__":
    main()
