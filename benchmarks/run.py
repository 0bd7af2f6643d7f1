"""Measures what turtlenet costs, side by side with the peers: `python benchmarks/run.py`; see README.md."""

import argparse
import json
import logging
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
logging.getLogger("tensorflow").setLevel(logging.ERROR)
# A checkout is measured as it is, installed or not.
sys.path[0] = str(Path(__file__).resolve().parent.parent)
warnings.filterwarnings("ignore", module=r"(art|foolbox|cleverhans|tensorflow_probability)(\.|$)")

from benchmarks import machine  # noqa: E402
from benchmarks.cases import CASES, measure  # noqa: E402
from benchmarks.options import Options  # noqa: E402
from benchmarks.tables import Section, verdict  # noqa: E402


def main() -> None:
    """Runs the cases in their order, prints their tables, and writes JSON after each."""
    asked = _parse()
    options = Options(quick=asked.quick, turns=asked.turns, images=asked.images)
    facts = machine.facts()
    print(machine.describe(facts), flush=True)
    sections: list[Section] = []
    for name in [case for case in CASES if case in (asked.only or CASES)]:
        sections.append(_run(name, options))
        print(f"\n{sections[-1].text()}", flush=True)
        if asked.out:
            _write(asked.out, {"machine": facts, "options": vars(asked) | {"out": None}, "cases": sections})
    rows = [row for section in sections for row in section.rows if row.met is not None]
    print(f"\n{sum(bool(row.met) for row in rows)} of {len(rows)} targets met; load average now: {machine.load()}")


def _run(name: str, options: Options) -> Section:
    section = Section(name, CASES[name].TITLE)
    began = time.perf_counter()
    for row in measure(name, options, section.notes):
        section.rows.append(row)
        line = ", ".join(str(cell) for cell in list(row.cells.values())[:3])
        print(f"  {name}: {line}: {verdict(row)}", file=sys.stderr, flush=True)
    section.seconds = time.perf_counter() - began
    return section


def _write(path: Path, found: dict[str, Any]) -> None:
    found = found | {"cases": [section.to_dict() for section in found["cases"]]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1, default=str) + "\n", encoding="utf-8")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measures what turtlenet costs, side by side with the peers.")
    parser.add_argument("--quick", action="store_true", help="fewer sizes, images and turns")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=list(CASES), help=f"cases: {', '.join(CASES)}")
    parser.add_argument("--turns", type=int, help="turns of the contestants; 5, or 3 with --quick")
    parser.add_argument("--images", type=int, help="images of robust-accuracy; 10,000, or 500 with --quick")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write JSON, such as docs/benchmarks.json")
    asked = parser.parse_args()
    asked.turns = asked.turns or (3 if asked.quick else 5)
    asked.images = asked.images or (500 if asked.quick else 10_000)
    return asked


if __name__ == "__main__":
    main()
