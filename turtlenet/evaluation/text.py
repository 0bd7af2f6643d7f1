"""The terminal's view, and the words and numbers that all views share."""

import math
import shlex
import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import Any

from turtlenet.evaluation.report import AttackRow, Report

__all__ = [
    "CASCADE",
    "CAVEAT",
    "CLEAN",
    "MISSING",
    "ROBUST",
    "WIDTH",
    "aligned",
    "attack_rows",
    "attack_title",
    "change",
    "checks",
    "clean",
    "clip",
    "command",
    "count",
    "fraction",
    "images",
    "names",
    "number",
    "own_balls",
    "percent",
    "reassurance",
    "robust",
    "robust_title",
    "shields",
    "size",
    "sums",
    "surrogates",
    "table",
    "threat",
    "verdict",
    "within",
]

WIDTH = 100
MISSING = "-"
CLEAN = "clean"
ROBUST = "every attack"
CAVEAT = "This proves nothing: the robust accuracy is an upper bound, and an attack that was not tried may lower it."
CASCADE = "A cascade: each attack met only the images left by those before it; its accuracy counts them all."
_BLIND = {"query", "decision", "transfer"}
_FRACTION_COLUMN = len("0.861 [0.838, 0.881]") + 2


def table(reports: Sequence[Report]) -> str:
    """The summary for a terminal: plain text, at most 100 columns.

    Args:
        reports: One report, or several to stand side by side.

    Returns:
        A heading for each model, the accuracies with their intervals, and the doubts.
    """
    titles = names(reports)
    lines = [line for title, report in zip(titles, reports, strict=True) for line in _heading(title, report)]
    lines += ["", *(_costs(reports[0]) if len(reports) == 1 else _side_by_side(titles, reports))]
    if any(report.mode == "cascade" and report.attacks for report in reports):
        lines += _wrapped(CASCADE, "  ")
    for note in dict.fromkeys(filter(None, map(own_balls, reports))):
        lines += _wrapped(note, "  ")
    lines.append("")
    for title, report in zip(titles, reports, strict=True):
        lines += _doubts(f"{clip(title, 40)}: " if len(reports) > 1 else "", report)
    return "\n".join(line.rstrip() for line in lines).strip("\n")


def clean(text: Any) -> str:
    """One line of printable characters, whatever a file or a model was called."""
    kept = "".join(char if char.isprintable() else " " for char in str(text))
    return " ".join(kept.split()) or MISSING


def clip(text: Any, width: int) -> str:
    """One printable line of at most `width` characters; what is too much goes from the middle.

    Specs of one attack often differ in their last setting only.
    """
    line = clean(text)
    tail = width // 2
    return line if len(line) <= width else f"{line[: width - 1 - tail]}…{line[-tail:]}"


def percent(value: float) -> str:
    """A share as `86.1 %`; never 0 or 100 for what is only close to it."""
    return f"{_rounded(100 * value, 1, 100)} %"


def within(interval: Sequence[float]) -> str:
    """An interval of shares as `83.8 to 88.1`, in percent."""
    return " to ".join(_rounded(100 * end, 1, 100) for end in interval)


def fraction(value: float, interval: Sequence[float] | None = None) -> str:
    """A share as `0.861`, or `0.861 [0.838, 0.881]` with its interval."""
    share = _rounded(value, 3, 1)
    return share if interval is None else f"{share} [{', '.join(_rounded(end, 3, 1) for end in interval)}]"


def robust(report: Report) -> str:
    """The accuracy under every attack with its interval; `-` where no attack was run."""
    return fraction(report.robust_accuracy, report.robust_accuracy_interval) if report.attacks else MISSING


def number(value: float | None) -> str:
    """A measured quantity to three figures; `-` where nothing was measured."""
    if value is None:
        return MISSING
    return f"{value:,.0f}" if 1000 <= abs(value) < math.inf else f"{value:.3g}"


def count(value: Any) -> str:
    """A whole number with its thousands apart; `-` where it is not known."""
    return f"{value:,}" if isinstance(value, int) else MISSING


def images(report: Report) -> str:
    """How many images the report speaks of, as `1,000 images`."""
    total = report.data.get("count")
    return f"{count(total)} image{'' if total == 1 else 's'}"


def size(report: Report) -> str:
    """`166,406 parameters`, and what the layers compute in where that is not float32."""
    precision = clean(report.model.get("precision") or "float32")
    narrow = "" if precision == "float32" else f" in {precision}"
    return f"{count(report.model.get('parameters'))} parameters{narrow}"


def shields(report: Report) -> str:
    """The defences of a model and what an attacker differentiates in each; `-` where there is none."""
    found = report.model.get("defences")
    pairs = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    words = [f"{each.get('defence')} (attacked through: {each.get('adaptive')})" for each in pairs]
    return clean(", ".join(dict.fromkeys(words)))


def threat(report: Report) -> str:
    """What an attacker may do, as `Linf eps 0.3 in [0, 1]`."""
    facts = report.threat
    eps = facts.get("eps")
    line = f"{str(facts.get('norm', '')).capitalize()} eps {eps:g}" if eps is not None else "unknown threat"
    bounds = facts.get("bounds")
    return clean(f"{line} in [{bounds[0]:g}, {bounds[1]:g}]" if bounds else line)


def names(reports: Sequence[Report]) -> list[str]:
    """A printable name for each model, told apart by a number where two are called the same."""
    plain = [clean(report.model.get("name") or "model") for report in reports]
    seen: Counter[str] = Counter()
    titles = []
    for name in plain:
        seen[name] += 1
        titles.append(f"{name} ({seen[name]})" if seen[name] > 1 else name)
    return titles


def attack_title(row: AttackRow) -> str:
    """An attack as the user named it, and whose it is."""
    return clean(f"{row.attacker}: {row.spec or row.name}" if row.attacker else row.spec or row.name)


def sums(report: Report) -> list[tuple[Sequence[AttackRow], str, float, Sequence[float]]]:
    """The attacks that the threat allows, then those beside.

    Returns:
        The attacks of each group; what all so far are called together, and the accuracy under them with its interval.
    """
    allowed = [row for row in report.attacks if row.counted]
    beside = [row for row in report.attacks if not row.counted]
    found: list[tuple[Sequence[AttackRow], str, float, Sequence[float]]] = [
        (allowed, robust_title(report), report.robust_accuracy, report.robust_accuracy_interval)
    ]
    if report.beside_accuracy is not None and report.beside_accuracy_interval is not None:
        title = f"{ROBUST}, {clean(report.beside)} too"
        found.append((beside, title, report.beside_accuracy, report.beside_accuracy_interval))
    return found


def robust_title(report: Report) -> str:
    """What the attacks are called together that the robust accuracy counts."""
    return f"{ROBUST} in the {clean(report.threat.get('access'))}" if report.beside else ROBUST


def own_balls(report: Report) -> str:
    """Which attacks moved in other balls than the threat's, and what that means; empty for none."""
    others = [row for row in report.attacks if row.norm and row.eps is not None]
    if not others:
        return ""
    # The same attack by another attacker has the same ball.
    each = dict.fromkeys(
        f"{clean(row.spec or row.name)} ({row.norm.capitalize()} up to {row.eps:g})" for row in others
    )
    return f"In a ball of its own, and not counted in “{ROBUST}”: {', '.join(each)}."


def surrogates(report: Report) -> str:
    """The models that an attacker crafted on, and how many clean images each answers right; `-` for none."""
    found = report.threat.get("surrogates")
    known = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    each = [
        f"{one.get('name')} {percent(one.get('clean_accuracy') or 0.0)} clean ({one.get('path')})" for one in known
    ]
    how = f"; trained with {report.threat.get('surrogate_training')}" if each else ""
    return clean(", ".join(each) + how)


def attack_rows(reports: Sequence[Report]) -> list[tuple[str, tuple[AttackRow | None, ...]]]:
    """The attacks of all reports in the order they were first met, each with its row in every report."""
    rows = [_numbered(report.attacks) for report in reports]
    keys = dict.fromkeys(key for own in rows for key in own)
    return [(key[0], tuple(own.get(key) for own in rows)) for key in keys]


def verdict(report: Report) -> str:
    """The finding in one sentence, with its interval."""
    before = f"before any attack {percent(report.clean_accuracy)}"
    if not report.attacks:
        return f"No attack was run on these {images(report)}, so nothing is known of robustness; {before}."
    if report.beside and report.beside_accuracy is not None and report.beside_accuracy_interval is not None:
        return (
            f"Under every attack of the {clean(report.threat.get('access'))} tried, {percent(report.robust_accuracy)} "
            f"(95 % interval {within(report.robust_accuracy_interval)}) of {images(report)} are still classified "
            f"correctly; of one {clean(report.beside)}, {percent(report.beside_accuracy)} "
            f"({within(report.beside_accuracy_interval)}); {before}."
        )
    if all(row.norm for row in report.attacks):
        return f"No attack was run within the threat, so nothing is known of robustness to it; {before}."
    where = " within the threat" if own_balls(report) else ""
    return (
        f"Under every attack tried{where}, {percent(report.robust_accuracy)} (95 % interval "
        f"{within(report.robust_accuracy_interval)}) of {images(report)} are still classified correctly; {before}."
    )


def change(reports: Sequence[Report]) -> str:
    """The robust accuracy of every model in one line, from the first to the last."""
    pairs = zip(names(reports), reports, strict=True)
    return " → ".join(f"{name} {percent(one.robust_accuracy) if one.attacks else MISSING}" for name, one in pairs)


def checks(report: Report) -> tuple[list[str], list[str]]:
    """Which doubts could have been found, by the names of `turtlenet.evaluation.doubts.CHECKS`.

    Returns:
        The checks that ran, and those that what was run left no room for.
    """
    kinds = {row.kind for row in report.attacks}
    whole, attacked = report.mode == "table", bool(report.attacks)
    possible = {
        "zero gradients": attacked,
        "a flat loss": attacked,
        "saturated outputs": attacked,
        "random outputs": attacked,
        "one step against many": whole and {"one-step", "iterative"} <= kinds,
        "noise against attacks": whole and "random" in kinds and bool(kinds & {"one-step", "iterative"}),
        "attacks without a gradient": whole and bool(kinds & _BLIND) and bool(kinds - _BLIND - {"random"}),
        "convergence": attacked and report.robust_accuracy > 0,
        "luck of a draw": attacked,
        "accuracy at the widest ball": bool(report.curve),
        "accuracy rising with eps": len(report.curve) > 1,
        "strength of the attacks": attacked,
        "losses and restarts": "iterative" in kinds,
        "gradients of defences": attacked,
        "labels": attacked,
        "number of images": attacked,
    }
    return [name for name, ran in possible.items() if ran], [name for name, ran in possible.items() if not ran]


def reassurance(report: Report) -> str:
    """What may be said when no doubt was raised, and no more than that."""
    ran, missing = checks(report)
    if not ran:
        return f"No check ran. {CAVEAT}"
    left = f" Not checked, for lack of such a run: {', '.join(missing)}." if missing else ""
    return f"No reason to doubt was found by the checks that ran: {', '.join(ran)}.{left} {CAVEAT}"


def command(report: Report) -> str | None:
    """The command line that repeats the report; None for a model that was in memory only."""
    path = report.model.get("path")
    if not path:
        return None
    specs = report.threat.get("attacks") if report.beside else [row.spec or row.name for row in report.attacks]
    options = [["--attack", clean(spec)] for spec in specs or ()]
    facts = {name: report.threat.get(name) for name in ("norm", "eps", "labels")}
    if report.beside:
        own = [each for each in report.threat.get("surrogates") or () if str(each.get("name")).startswith("own")]
        facts |= {"access": report.threat.get("access"), "surrogates": len(own)}
        facts |= {"surrogate-dir": report.threat.get("surrogate_folder")}
    facts |= {"bounds": ",".join(f"{bound:g}" for bound in report.threat.get("bounds") or ()) or None}
    facts |= {"data": report.data.get("name"), "limit": report.data.get("count")}
    facts |= {"mode": report.mode, "seed": report.seed}
    if report.perceptibility is not None:
        facts["perceptibility"] = len(report.perceptibility.label)
    options += [[f"--{option}", clean(value)] for option, value in facts.items() if value is not None]
    options += [["--quantize-pixels"]] if report.threat.get("pixels") == "8-bit" else []
    return " \\\n  ".join(map(shlex.join, [["turtlenet", "evaluate", clean(path)], *options]))


def _rounded(value: float, digits: int, whole: float) -> str:
    """Rounds without reaching 0 or the whole unless the value is just that."""
    for extra in range(digits, digits + 3):
        text = f"{value:.{extra}f}"
        if float(text) not in (0.0, whole) or value in (0.0, whole):
            return text
    return f"{value:.{digits}f}"


def _numbered(attacks: Sequence[AttackRow]) -> dict[tuple[str, int], AttackRow]:
    seen: Counter[str] = Counter()
    rows = {}
    for row in attacks:
        title = attack_title(row)
        rows[title, seen[title]] = row
        seen[title] += 1
    return rows


def _heading(title: str, report: Report) -> list[str]:
    facts = [
        clip(title, 44),
        size(report),
        f"{clip(report.data.get('name', MISSING), 30)}, {images(report)}",
        threat(report),
    ]
    return _wrapped(" | ".join(facts), "    ")


def _costs(report: Report) -> list[str]:
    """One model: each attack's accuracy and what it took."""
    rows = [["", "accuracy [95 % interval]", "success", "seconds", "gradients"]]
    rows.append([CLEAN, fraction(report.clean_accuracy, report.clean_accuracy_interval), "", "", ""])
    for attacks, title, share, interval in sums(report):
        for row in attacks:
            cells = [clip(attack_title(row), 36), fraction(row.accuracy, row.accuracy_interval)]
            rows.append([*cells, fraction(row.success_rate), f"{row.seconds:,.1f}", count(row.gradients)])
        rows += [[title, fraction(share, interval), "", "", ""]] if attacks else []
    return aligned(rows)


def _side_by_side(titles: Sequence[str], reports: Sequence[Report]) -> list[str]:
    """Several models: as many columns as fit, then the next ones below."""
    lines: list[str] = []
    rows = attack_rows(reports)
    label = min(30, max([len(ROBUST), *(len(name) for name, _ in rows)]))
    fit = (WIDTH - 2 - label) // (_FRACTION_COLUMN + 2)
    for start in range(0, len(reports), fit):
        part = slice(start, start + fit)
        lines += [*([""] if start else []), *_block(titles[part], reports[part], rows, part, label)]
    return lines


def _block(
    titles: Sequence[str],
    reports: Sequence[Report],
    attacks: Sequence[tuple[str, tuple[AttackRow | None, ...]]],
    part: slice,
    label: int,
) -> list[str]:
    rows = [["", *(clip(title, _FRACTION_COLUMN) for title in titles)]]
    rows.append([CLEAN, *(fraction(one.clean_accuracy, one.clean_accuracy_interval) for one in reports)])
    for name, cells in attacks:
        found = [fraction(row.accuracy, row.accuracy_interval) if row else MISSING for row in cells[part]]
        rows.append([clip(name, label), *found])
    rows.append([ROBUST, *(robust(one) for one in reports)])
    return aligned(rows)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns side by side; the first one, of names, gives way where the numbers need the room."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    widths[0] = max(1, min(widths[0], WIDTH - sum(2 + width for width in widths[1:]) - 2))
    titles = [clip(row[0], widths[0]) if row[0] else "" for row in rows]
    return [
        "  " + "  ".join([title.ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
        for title, row in zip(titles, rows, strict=True)
    ]


def _doubts(name: str, report: Report) -> list[str]:
    if not report.doubts:
        return _wrapped(f"{name}{reassurance(report)}", "  ")
    return [
        line
        for doubt in report.doubts
        for line in _wrapped(f"! {name}{clean(doubt.finding)} -> {clean(doubt.advice)}", "  ")
    ]


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent)
