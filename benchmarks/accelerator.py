"""Measures what an accelerator gives, beside PyTorch: `python benchmarks/accelerator.py`; see README.md."""

import argparse
import datetime
import itertools
import json
import sys
import time
from pathlib import Path
from typing import Any

# A checkout is measured as it is, installed or not.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks import machine  # noqa: E402
from benchmarks.chips.chip import Chip, chip_of, driver  # noqa: E402
from benchmarks.chips.contestant import NAMES  # noqa: E402
from benchmarks.chips.race import Record, race  # noqa: E402
from benchmarks.chips.report import markdown, sections  # noqa: E402
from benchmarks.chips.team import Team  # noqa: E402
from benchmarks.chips.workload import NETS, PRECISIONS, TASKS, Workload  # noqa: E402

# A CPU is asked for little: enough to see that everything works.
_SIZES: dict[str, dict[bool, Any]] = {
    "nets": {True: ["cleverhans"], False: list(NETS)},
    "batches": {True: [32], False: [128, 512, 2048, 8192]},
    "precisions": {True: ["float32"], False: list(PRECISIONS)},
    "attack_steps": {True: 10, False: 40},
    "cell_seconds": {True: 20.0, False: 60.0},
}
# Enough images in one timing of training that what `fit` costs besides its steps weighs little.
_TIMED_IMAGES = {True: 64, False: 4096}


def main() -> None:
    """Runs the workloads that are not in the file yet, prints the tables, and writes JSON after each workload."""
    asked = _parse()
    began = time.monotonic()
    found = json.loads(asked.out.read_text("utf-8")) if asked.resume and asked.out.exists() else {}
    records = [Record.from_dict(each) for each in found.get("records", [])]
    team = Team(asked.contestants, asked.torch_python, asked.patience)
    try:
        chip, facts = _about(team, found)
        _fill(asked, chip.is_cpu)
        print(f"{machine.describe(facts)}\n{chip.note}", flush=True)
        for note in team.missing:
            print(f"  * {note}", flush=True)
        for workload in _workloads(asked, chip.is_cpu):
            if any(record.workload == workload for record in records):
                continue
            if time.monotonic() - began > asked.seconds:
                print(f"{asked.seconds:.0f} s are over: continue with --resume.", flush=True)
                break
            print(f"  {time.monotonic() - began:.0f} s: {workload}", file=sys.stderr, flush=True)
            hopeless = _hopeless(workload, records)
            records.append(race(workload, team, turns=asked.turns, seconds=asked.cell_seconds, hopeless=hopeless))
            _write(asked.out, facts, chip, records)
    finally:
        team.close()
    for section in sections(records, chip):
        section.seconds = time.monotonic() - began
        print(f"\n{section.text()}", flush=True)
    if asked.markdown:
        print(f"\n{markdown(records, chip, _head(facts, chip))}")


def _about(team: Team, found: dict[str, Any]) -> tuple[Chip, dict[str, Any]]:
    """The chip and the machine, which must be those of the file that a run continues."""
    if not team.workers:
        raise SystemExit("Expected at least one contestant; got none:\n" + "\n".join(team.missing))
    device = team.devices.get("turtlenet") or next(iter(team.devices.values()))
    others = sorted(name for name, theirs in team.devices.items() if theirs != device)
    if others:
        raise SystemExit(f"Expected all contestants on {device}; got others of {', '.join(others)}: {team.devices}.")
    if found and found["chip"]["name"] != device:
        raise SystemExit(f"Expected the chip of the file, {found['chip']['name']}; got {device}.")
    chip = Chip(**found["chip"]) if found else chip_of(device)
    facts = machine.facts(("turtlenet",), devices=[device])
    facts["versions"] |= team.versions
    before = found["machine"]["versions"] if found else {}
    changed = sorted(
        name for name, version in before.items() if facts["versions"].setdefault(name, version) != version
    )
    if changed:
        raise SystemExit(f"Expected the versions of the file; got others of {', '.join(changed)}.")
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return chip, facts | {"driver": driver(), "date": today, "missing": team.missing}


def _fill(asked: argparse.Namespace, on_cpu: bool) -> None:
    """What was left to the chip."""
    for name, sizes in _SIZES.items():
        if getattr(asked, name) is None:
            setattr(asked, name, sizes[on_cpu])


def _workloads(asked: argparse.Namespace, on_cpu: bool) -> list[Workload]:
    found = []
    for task, net, precision, batch in itertools.product(asked.tasks, asked.nets, asked.precisions, asked.batches):
        attack = task == "attack"
        steps = asked.attack_steps if attack else asked.training_steps
        batches = 1 if attack else max(2, _TIMED_IMAGES[on_cpu] // batch)
        found.append(Workload(task, net, precision, batch, steps, batches))
    return found


def _hopeless(workload: Workload, records: list[Record]) -> set[str]:
    """Who had too little memory for the same with fewer images."""

    def kind(each: Workload) -> tuple[str, str, str]:
        return each.task, each.net, each.precision

    return {
        lap.name
        for record in records
        for lap in record.laps
        if lap.full and kind(record.workload) == kind(workload) and record.workload.batch < workload.batch
    }


def _head(facts: dict[str, Any], chip: Chip) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    place = f"{facts['processor']}, {facts['cores']} cores" if chip.is_cpu else chip.name
    about = f", driver {facts['driver']}" if facts["driver"] else ""
    measured = f"Measured by `benchmarks/accelerator.py` on {facts['date']} on {place}{about}; {versions}."
    return " ".join([measured, chip.note, *(f"{line}." for line in facts["missing"])])


def _write(path: Path | None, facts: dict[str, Any], chip: Chip, records: list[Record]) -> None:
    if path is None:
        return
    content = {"machine": facts, "chip": vars(chip), "records": [record.to_dict() for record in records]}
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")
    unfinished.replace(path)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measures what an accelerator gives, beside PyTorch.")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--nets", nargs="+", choices=NETS, help="all; on a CPU cleverhans")
    parser.add_argument("--batches", nargs="+", type=int, help="images in a batch; 128 512 2048 8192, on a CPU 32")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, help="all; on a CPU float32")
    parser.add_argument(
        "--contestants", nargs="+", choices=NAMES, default=list(NAMES), metavar="NAME", help=f"{NAMES}"
    )
    parser.add_argument("--attack-steps", type=int, help="gradients of the attack; 40, on a CPU 10")
    parser.add_argument("--training-steps", type=int, default=7, help="gradients of the attack in training; 7")
    parser.add_argument("--turns", type=int, default=5, help="the most turns of the contestants; 5")
    parser.add_argument("--cell-seconds", type=float, help="no turn of a workload begins later; 60, on a CPU 20")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="no workload begins later")
    parser.add_argument("--patience", type=float, default=300.0, help="seconds to wait for one answer; 300")
    parser.add_argument("--torch-python", default=sys.executable, help="the interpreter that has PyTorch, if another")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write JSON, after each workload")
    parser.add_argument("--resume", action="store_true", help="keep what is in that file and measure the rest")
    parser.add_argument("--markdown", action="store_true", help="print the table of docs/benchmarks.md too")
    asked = parser.parse_args()
    if asked.resume and asked.out is None:
        parser.error("expected --out FILE beside --resume")
    return asked


if __name__ == "__main__":
    main()
