"""The verdict for readers of no tables: what an attacker may do, what that does to the model, how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from turtlenet.evaluation.certified import CONTRADICTION
from turtlenet.evaluation.results.paired import SURE, p_value
from turtlenet.evaluation.views import text
from turtlenet.reports.blocks import Bullets, Emphasis, View, Words
from turtlenet.reports.document import Section
from turtlenet.reports.format import clean, count, number, percent, within

if TYPE_CHECKING:
    from turtlenet.evaluation.results.report import Report

_PARTS = ((0.95, "Nearly all"), (0.6, "Most"), (0.4, "About half"), (0.05, "A part"), (0.0, "Next to nothing"))
"""How much of what is right before stays so, from this share on."""


def section(titles: Sequence[str], reports: Sequence[Report]) -> Section:
    """What each report says, in words; the same in the terminal would only repeat the numbers beside it."""
    if len(reports) == 1:
        return Section("In words", [Bullets(_lines(reports[0]), views=View.FILES)])
    lines = [_joined(title, _lines(one)) for title, one in zip(titles, reports, strict=True)]
    lines += _differences(titles, reports)
    return Section("In words", [Bullets(lines, views=View.FILES)])


def _joined(title: str, lines: Sequence[Words]) -> Words:
    """All that is said of one model of several, in one paragraph."""
    pieces = [f"{title}: "]
    for words in lines:
        pieces += [*([words] if isinstance(words, str) else words), " "]
    return tuple(pieces[:-1])


def _differences(titles: Sequence[str], reports: Sequence[Report]) -> list[Words]:
    """Whether each further model differs from the first by more than chance, where both met the same inputs."""
    first, lines = reports[0], list[Words]()
    for title, one in zip(titles[1:], reports[1:], strict=True):
        chance = p_value(first, one) if first.attacks and one.attacks else None
        if chance is None:
            continue
        points = 100 * (one.robust_accuracy - first.robust_accuracy)
        if points:
            size = f"{abs(points):.1f}" if abs(points) >= 0.05 else f"{abs(points):.2g}"
            gap = f"{size} percentage points {'higher' if points > 0 else 'lower'}"
            told = f"{gap}, {_against_chance(chance, first)}"
        else:
            told = "the same."
        lines.append(f"{title} beside {titles[0]}: its robust accuracy is {told}")
    return lines


def _against_chance(chance: float, report: Report) -> str:
    test = f"(exact sign test, p {'< 0.001' if chance < 0.001 else f'= {chance:.2g}'})"
    if chance < SURE:
        return f"more than chance explains {test}."
    return f"which these {text.inputs(report)} cannot tell from chance {test}."


def _lines(report: Report) -> list[Words]:
    if not report.attacks:
        return ["No attack was run: these numbers say nothing of robustness."]
    return [each for each in (_finding(report), _certain(report), _chance(report), _doubts(report)) if each]


def _finding(report: Report) -> Words:
    """What an attacker may do, and how often that is enough."""
    total, kind = int(report.data.get("count") or 0), text.kind(report)
    right, left = round(report.clean_accuracy * total), round(report.robust_accuracy * total)
    if not total or not right:
        return f"The model is right on none of {text.inputs(report)} even before an attack."
    lead = next(words for share, words in _PARTS if left / right >= share)
    lead = "Nothing" if not left else "All" if left == right else lead
    told = f"{lead} of what the model gets right withstands these attacks."
    where = f" in the {clean(report.threat.get('access'))}" if report.beside else ""
    return (
        Emphasis(told),
        f" Of {kind.count(total)} it gets {count(right)} right. {_attacker(report)} makes it fail{where} on "
        f"{count(right - left)} of those{text.on_average(report)}; {count(left)} hold.",
    )


def _attacker(report: Report) -> str:
    """Who may change what, by the norm."""
    threat, kind = report.threat, text.kind(report)
    eps, norm = threat.get("eps"), str(threat.get("norm"))
    if eps is None or isinstance(threat.get("features"), dict):
        return f"Whoever may change each {kind.value} within its own bounds and radius"
    size = f"{eps:g}"
    levels, share = threat.get("eps_gray_levels"), threat.get("eps_share")
    if levels is not None:
        size += f" ({number(levels)} of 255 gray levels)"
    elif share is not None and norm == "linf":
        size += f" ({percent(share)} of its range)"
    value, values = kind.value, kind.values
    ways = {
        "linf": f"may change every {value} by at most {size}",
        "l2": f"may change {values} by a Euclidean length of {eps:g} in all"
        + (f", which is {size.partition(' (')[2][:-1]} for every {value}" if levels is not None else ""),
        "l1": f"may change {values} by {eps:g} in sum",
        "l0": f"may change {eps:g} {values} as far as they go",
    }
    return f"Whoever {ways.get(norm, f'may move within the {clean(norm)} ball of radius {eps:g}')}"


def _certain(report: Report) -> str:
    """Which way the number may be wrong."""
    about = report.certificate
    if about and not about.get("contradictions"):
        return (
            f"At least {percent(about['accuracy'])} are certain: no attack at all can break them. The truth lies "
            f"between that and {percent(report.robust_accuracy)}."
        )
    return (
        f"{percent(report.robust_accuracy)} is the most that the robust accuracy can be, not the least: a better "
        "attack may find more."
    )


def _chance(report: Report) -> str:
    """What other inputs of the kind would show."""
    return (
        f"For other {text.kind(report).examples} like these, expect {within(report.robust_accuracy_interval)} % under "
        "the same attacks (95 % interval)."
    )


def _doubts(report: Report) -> str:
    found = [doubt for doubt in report.doubts if doubt.code != CONTRADICTION]
    if len(found) < len(report.doubts):
        return "Certificates of this report were contradicted: believe none of its numbers."
    if not found:
        return "No check found a reason to doubt these numbers."
    if len(found) == 1:
        return "There is one reason to doubt these numbers; it is below, with what to run next."
    return f"There are {len(found)} reasons to doubt these numbers; each is below, with what to run next."
