"""What noise a model bears: as text, as Markdown and as a plot."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes

from turtlenet.errors import OutputError
from turtlenet.files import write_whole
from turtlenet.noise_tolerance.levels import quantizer
from turtlenet.noise_tolerance.noise import SHARES
from turtlenet.reports import figures
from turtlenet.reports import markdown as md
from turtlenet.reports.format import MISSING, WIDTH, aligned, clip, count, fraction, number, percent

if TYPE_CHECKING:
    from turtlenet.noise_tolerance.measure import LevelRow, NoiseCurve, Tolerance

__all__ = ["PLOT", "markdown", "plot", "save", "table"]

PLOT = "tolerance.png"
_NOISE_HEAD = ("noise", "tolerable to", "held at", "fell at")
_TICKS = (0.01, 0.03, 0.1, 0.3, 1.0)
_UNITS = "Strengths in input units; of salt and pepper, the share of pixels."
_LEVEL_HEAD = ("levels", "error up to", "tolerable", "absorbs eps", "accuracy [95 % interval]", "change")


def table(result: Tolerance) -> str:
    """The summary for a terminal: plain text, at most 100 columns."""
    facts = [" | ".join(_facts(result)), _clean_line(result)]
    verdict = [f"{result.proposal.finding}.", *_measured(result), _advice(result)]
    blocks = [
        [line for text in facts for line in textwrap.wrap(text, WIDTH)],
        aligned([_NOISE_HEAD, *(_noise_cells(curve) for curve in result.noises)]),
        aligned([_LEVEL_HEAD, *(_level_cells(result, row) for row in result.levels)]),
        [line for text in verdict for line in textwrap.wrap(text, WIDTH, subsequent_indent="  ")],
    ]
    return "\n\n".join("\n".join(line.rstrip() for line in block) for block in blocks)


def markdown(result: Tolerance) -> str:
    """The whole of `tolerance.md`."""
    parts = [
        "# Tolerable noise",
        f"**{md.plain(result.proposal.finding)}.**",
        " ".join([*map(md.plain, _measured(result)), f"`--defence {quantizer(result.proposal.levels)}`"]),
        f"{md.plain(', '.join(_facts(result)))}. {md.plain(_clean_line(result))}",
        f"![accuracy under growing noise]({PLOT})",
        "## Maximum tolerable noise",
        md.table(_NOISE_HEAD, [_noise_cells(curve) for curve in result.noises]),
        _UNITS,
        "## Quantizers in front of the model, untrained",
        md.table(_LEVEL_HEAD, [_level_cells(result, row) for row in result.levels]),
        "## Accuracy under noise",
        *(part for curve in result.noises for part in (f"### {curve.kind}", _curve(curve))),
        "## Provenance",
        _provenance(result),
    ]
    return "\n\n".join(parts) + "\n"


def _curve(curve: NoiseCurve) -> str:
    points = zip(curve.strengths, curve.accuracies, curve.intervals, strict=True)
    rows = [[number(strength), fraction(accuracy, within)] for strength, accuracy, within in points]
    return md.table(["strength", "accuracy [95 % interval]"], rows)


def _provenance(result: Tolerance) -> str:
    facts = {
        "Model": f"{result.model.get('name')}, {result.model.get('path') or 'in memory'}",
        "Model sha256": result.model.get("sha256", MISSING),
        "Data": f"{result.data.get('name')}. {result.data.get('description') or ''}",
        "Data sha256": result.data.get("sha256", MISSING),
        "Seed": result.seed,
        "Versions": ", ".join(f"{name} {version}" for name, version in result.versions.items()),
        "Written": f"{result.created}, after {number(result.seconds)} seconds",
    }
    return md.table(["", ""], [[name, md.plain(value)] for name, value in facts.items()])


def plot(result: Tolerance) -> bytes:
    """Accuracy against strength as a PNG, with the interval as a band and a large mark at the tolerable noise."""
    entries = [f"{curve.kind}, to {_share_text(result, curve)}" for curve in result.noises]
    return figures.png((6.4, 4.0), entries, lambda axes, looks: _draw(axes, looks, result))


def save(result: Tolerance, folder: str | Path) -> tuple[Path, ...]:
    """Writes `tolerance.json`, `tolerance.md` and `tolerance.png`.

    Args:
        result: What to write.
        folder: Where to; made if it is not there.

    Returns:
        The files written, the JSON first.

    Raises:
        OutputError: The folder cannot be written.
    """
    folder = Path(folder)
    files = {
        "tolerance.json": f"{result.to_json()}\n".encode(),
        # A file name may hold bytes that are no UTF-8.
        "tolerance.md": markdown(result).encode("utf-8", "backslashreplace"),
        PLOT: plot(result),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"Expected a folder to write in at {folder}; got: {error.strerror or error}.") from None
    for name, content in files.items():
        write_whole(folder / name, lambda file, content=content: file.write(content))  # type: ignore[misc]
    return tuple(folder / name for name in files)


def _facts(result: Tolerance) -> list[str]:
    low, high = result.bounds
    total = result.data.get("count")
    return [
        clip(result.model.get("name") or "model", 40),
        f"{clip(result.data.get('name', MISSING), 30)}, {count(total)} image{'' if total == 1 else 's'}",
        f"pixels in [{low:g}, {high:g}]",
    ]


def _clean_line(result: Tolerance) -> str:
    floor = fraction(max(0.0, result.clean_accuracy - result.loss))
    clean = fraction(result.clean_accuracy, result.clean_accuracy_interval)
    return f"Clean accuracy {clean}; noise that leaves {floor} or more is tolerable."


def _measured(result: Tolerance) -> list[str]:
    """What the proposal costs, which may be more or less than the noise predicts."""
    row = next((row for row in result.levels if row.levels == result.proposal.levels), None)
    if row is None:
        return []
    held = "within" if row.accuracy >= result.clean_accuracy - result.loss - 1e-9 else "more than"
    change = f"{row.accuracy - result.clean_accuracy:+.3f}"
    return [f"Measured with n = {row.levels}, untrained: accuracy {change}, {held} the tolerable loss."]


def _advice(result: Tolerance) -> str:
    return f"To train behind it: --defence {quantizer(result.proposal.levels)}"


def _full(result: Tolerance, curve: NoiseCurve) -> float:
    return 1.0 if curve.kind in SHARES else result.bounds[1] - result.bounds[0]


def _share_text(result: Tolerance, curve: NoiseCurve) -> str:
    return percent(curve.tolerable / _full(result, curve))


def _noise_cells(curve: NoiseCurve) -> list[str]:
    """The two strengths that were measured on either side say how much a straight line between them had to guess."""
    above = len(curve.strengths) if curve.unbroken else _after(curve)
    sides = [
        f"{number(curve.strengths[place])}: {fraction(curve.accuracies[place], curve.intervals[place])}"
        if place < len(curve.strengths)
        else MISSING
        for place in (above - 1, above)
    ]
    return [curve.kind, number(curve.tolerable), *sides]


def _after(curve: NoiseCurve) -> int:
    """The first strength that is too strong; a tolerable one may have been rounded to a hair above itself."""
    return next(place for place, strength in enumerate(curve.strengths) if strength > curve.tolerable * (1 + 1e-6))


def _level_cells(result: Tolerance, row: LevelRow) -> list[str]:
    mark = " <-" if row.levels == result.proposal.levels else ""
    tolerable = MISSING if row.tolerable is None else _yes(row.tolerable)
    change = f"{row.accuracy - result.clean_accuracy:+.3f}"
    accuracy = fraction(row.accuracy, row.accuracy_interval)
    return [f"{row.levels}{mark}", number(row.error), tolerable, _yes(row.absorbs), accuracy, change]


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _draw(axes: Axes, looks: Sequence[dict[str, Any]], result: Tolerance) -> None:
    floor = 100 * (result.clean_accuracy - result.loss)
    for curve, look in zip(result.noises, looks, strict=False):
        full = _full(result, curve)
        places = [strength / full for strength in curve.strengths[1:]]
        low, high = ([100 * within[end] for within in curve.intervals[1:]] for end in (0, 1))
        axes.fill_between(places, low, high, color=look["color"], alpha=0.15, linewidth=0)
        heights = [100 * accuracy for accuracy in curve.accuracies[1:]]
        axes.plot(places, heights, **look, markersize=3.5, linewidth=1.8, clip_on=False, label="x")
    axes.axhline(floor, color="0.35", linewidth=1, linestyle=(0, (2, 2)))
    for curve, look in zip(result.noises, looks, strict=False):
        place = max(curve.tolerable / _full(result, curve), _leftmost(result))
        axes.plot(place, floor, look["marker"], color=look["color"], markersize=9, clip_on=False)
    eps = result.proposal.eps / (result.bounds[1] - result.bounds[0])
    if _leftmost(result) <= eps <= 1:
        axes.axvline(eps, color="0.35", linewidth=1, linestyle=(0, (2, 2)))
        axes.annotate(
            f"eps {result.proposal.eps:g}", (eps, 103), va="bottom", ha="center", fontsize=9.5, annotation_clip=False
        )
    axes.set_xscale("log")
    axes.set_xticks(_TICKS, [f"{100 * tick:g} %" for tick in _TICKS])
    axes.set_xticks([], minor=True)
    axes.set(xlabel="strength, of the pixel range (of the pixels, for salt and pepper)", ylabel="accuracy, %")
    axes.set(ylim=(0, 103), xlim=(_leftmost(result), 1))
    axes.grid(axis="y", linewidth=0.8)


def _leftmost(result: Tolerance) -> float:
    return min(curve.strengths[1] / _full(result, curve) for curve in result.noises)
