"""Records as tables: one section a task, and the table of the documentation."""

import statistics
from collections.abc import Iterable
from typing import Any

from benchmarks.chips.chip import Chip
from benchmarks.chips.race import Lap, Record
from benchmarks.chips.workload import TASKS, Workload
from benchmarks.tables import Row, Section
from benchmarks.timing import Ratio

__all__ = ["markdown", "sections"]

_OURS = "turtlenet"
_TITLES = {
    "attack": "gradients at the input in a second, one batch from the chip's memory to the chip's memory",
    "training": "images in a second, steps of adversarial training on batches from the host's memory",
}
_UNITS = {"attack": "gradients/s", "training": "images/s"}


def sections(records: Iterable[Record], chip: Chip) -> list[Section]:
    """The tables as text shows them."""
    found = []
    for task in TASKS:
        mine = [record for record in records if record.workload.task == task]
        if mine:
            rows = [row for record in mine for row in _rows(record, chip)]
            found.append(Section(task, _TITLES[task], sorted({note for each in mine for note in _notes(each)}), rows))
    return found


def markdown(records: Iterable[Record], chip: Chip, head: str) -> str:
    """The tables as the documentation shows them: a line for each workload, a column for each contestant."""
    lines = [head]
    records = list(records)
    for task in TASKS:
        mine = [record for record in records if record.workload.task == task]
        names = list(dict.fromkeys(lap.name for record in mine for lap in record.laps))
        if not mine:
            continue
        steps = ", ".join(str(steps) for steps in sorted({record.workload.steps for record in mine}))
        lines += ["", f"PGD-{steps} {task}, {_UNITS[task]}; in brackets the share of the chip's peak:", ""]
        lines += [f"| net | precision | batch | {' | '.join(names)} |", f"|---|---|--:|{'--:|' * len(names)}"]
        for record in mine:
            cells = {lap.name: _cell(record, lap, chip) for lap in record.laps}
            what = f"{record.workload.net} | {record.workload.precision} | {record.workload.batch:,}"
            lines.append(f"| {what} | {' | '.join(cells.get(name, '') for name in names)} |")
        spread = max(
            (max(lap.seconds) / min(lap.seconds) for each in mine for lap in each.laps if lap.seconds), default=1
        )
        lines += ["", f"Medians; a contestant's slowest turn took at most {spread:.2f} times its fastest."]
    return "\n".join(lines)


def _rows(record: Record, chip: Chip) -> Iterable[Row]:
    ours = next((lap.seconds for lap in record.laps if lap.name == _OURS), [])
    for lap in record.laps:
        workload = record.workload
        cells: dict[str, Any] = {
            "net": workload.net,
            "precision": workload.precision,
            "batch": workload.batch,
            "contestant": lap.name,
        }
        if not lap.seconds:
            yield Row(cells | {_UNITS[workload.task]: "out of memory" if lap.full else lap.trouble[:60]})
            continue
        rates = [_amount(workload) / seconds for seconds in lap.seconds]
        teraflops, share = _teraflops(record, lap), _share(record, lap, chip)
        yield Row(
            cells
            | {
                _UNITS[workload.task]: statistics.median(rates),
                "least..largest": f"{min(rates):,.0f}..{max(rates):,.0f}",
                "turns": len(rates),
                "ms a step": 1000 * statistics.median(lap.seconds) / _steps(workload),
                "TFLOP/s": teraflops,
                "of peak": None if share is None else f"{share:.1%}",
                "times ours": Ratio.of([a / b for a, b in zip(lap.seconds, ours, strict=False)]) if ours else None,
            }
        )


def _notes(record: Record) -> Iterable[str]:
    workload = record.workload
    if not record.together:
        yield f"{workload}: one after another, for want of memory for all at once."
    sizes = {lap.facts["parameters"] for lap in record.laps if "parameters" in lap.facts}
    if len(sizes) > 1:
        yield f"{workload.net}: the nets are not the same; {sorted(sizes)} weights."
    for lap in record.laps:
        moved = lap.facts.get("moved")
        if moved is not None and not 0.5 * workload.eps < moved < workload.eps + 1e-5:
            yield f"{workload}: {lap.name} moved pixels by {moved:.4f}, not by up to {workload.eps:.4f}."
        if lap.trouble and not lap.full:
            yield f"{workload}: {lap.name} failed: {lap.trouble}"


def _cell(record: Record, lap: Lap, chip: Chip) -> str:
    if not lap.seconds:
        return "out of memory" if lap.full else "failed"
    share = _share(record, lap, chip)
    rate = _amount(record.workload) / statistics.median(lap.seconds)
    return f"{rate:,.0f}" + ("" if share is None else f" ({share:.0%})")


def _amount(workload: Workload) -> int:
    return workload.gradients if workload.task == "attack" else workload.images


def _steps(workload: Workload) -> int:
    return workload.steps if workload.task == "attack" else workload.batches


def _teraflops(record: Record, lap: Lap) -> float | None:
    forward = next((each.facts["flops"] for each in record.laps if "flops" in each.facts), None)
    return None if forward is None else record.workload.flops(forward) / statistics.median(lap.seconds) / 1e12


def _share(record: Record, lap: Lap, chip: Chip) -> float | None:
    reached, peak = _teraflops(record, lap), chip.peaks.get(record.workload.precision)
    return None if reached is None or peak is None else reached / peak
