"""What ran, in the terms that auditors use: a finding aid, and no assessment of conformity.

Each line is a term of one of three documents, with what this very report has on it, or "not tested". Nothing is
claimed for what a run does not show: most of what these documents ask for is about a system, its data, its maintenance
and its surroundings, of which an evaluation of one model knows nothing.

The terms are those of Regulation (EU) 2024/1689 (AI Act), Article 15; of NIST AI 100-2 E2025, "Adversarial machine
learning: a taxonomy and terminology of attacks and mitigations", for predictive AI; and of ISO/IEC TR 24029-1:2021 and
ISO/IEC 24029-2:2023, "Assessment of the robustness of neural networks".
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from turtlenet.evaluation.views import text
from turtlenet.reports.blocks import Column, Emphasis, Table, Text, View
from turtlenet.reports.document import Section
from turtlenet.reports.format import MISSING, clean, fraction, percent, within

if TYPE_CHECKING:
    from turtlenet.evaluation.results.records import AttackRow
    from turtlenet.evaluation.results.report import Report

NOT_TESTED = "not tested"
_CAVEAT = (
    "A finding aid for auditors: which part of this report belongs to which term. It is no legal opinion and no "
    "assessment of conformity; “not tested” means that this run says nothing of it, not that it is absent."
)
_GUIDED = ("one-step", "iterative", "ensemble", "other")

Evidence = Callable[["Report"], str]


@dataclass(frozen=True)
class Term:
    """A term of a document, and what ran."""

    term: str
    ran: str


def section(report: Report, level: int = 2) -> Section:
    """The annex of one report."""
    blocks: list[Text | Table] = [Text(_CAVEAT, views=View.FILES)]
    for title, terms, note in _DOCUMENTS:
        columns = (Column("term", "term"), Column("what ran", "ran", prose=True))
        blocks += [Text((Emphasis(title),), views=View.FILES), Table(columns, rows(report, terms), views=View.FILES)]
        blocks += [Text(note, views=View.FILES)] if note else []
    return Section("Annex for auditors", blocks, level)


def rows(report: Report, terms: Sequence[tuple[str, Evidence]]) -> list[Term]:
    """Each term with what this report has on it."""
    return [Term(term, found(report) or NOT_TESTED) for term, found in terms]


def hashes(report: Report) -> dict[str, str]:
    """SHA-256 of the model, of the data and of the report's own JSON file, as `sha256sum` prints them."""
    return {
        "Model sha256": report.model.get("sha256", MISSING),
        "Data sha256": report.data.get("sha256", MISSING),
        "report.json sha256": hashlib.sha256(report.json_file()).hexdigest(),
    }


def _nothing(report: Report) -> str:
    return ""


def _clean_accuracy(report: Report) -> str:
    shown = fraction(report.clean_accuracy, report.clean_accuracy_interval)
    return f"clean accuracy {shown} on {text.inputs(report)} of {clean(report.data.get('name'))}"


def _robust_accuracy(report: Report) -> str:
    if not report.attacks:
        return ""
    shown = fraction(report.robust_accuracy, report.robust_accuracy_interval)
    return f"robust accuracy {shown} under {text.threat(report)}: accuracy under every attack tried"


def _declared(report: Report) -> str:
    metrics = [_clean_accuracy(report), _robust_accuracy(report)]
    classes = f"{len(report.per_class)} classes by themselves" if report.per_class else ""
    return "; ".join(filter(None, [*metrics, classes])) + ". Whether they are declared anywhere is not known here"


def _noise(report: Report) -> str:
    """Random noise is the one error of the surroundings that an evaluation may run."""
    found = _of(report, "random")
    return f"random noise within the threat only: {_specs(found)}" if found else ""


def _evasion(report: Report) -> str:
    counted = [row for row in report.attacks if row.counted]
    if not counted:
        return ""
    return f"{_number(counted)}: {_specs(counted)}; {_share(report)}"


def _share(report: Report) -> str:
    return f"{percent(report.robust_accuracy)} ({within(report.robust_accuracy_interval)}) withstand all"


def _masking(report: Report) -> str:
    ran, _ = text.checks(report)
    if not ran:
        return ""
    codes = ", ".join(clean(doubt.code) for doubt in report.doubts)
    return f"{len(ran)} checks; found: {codes or 'nothing'}"


def _adaptive(report: Report) -> str:
    """Attacks that know of the model's defences; without a defence there is nothing to adapt to."""
    if not report.model.get("defences"):
        return ""
    found = [row for row in _of(report, *_GUIDED) if (row.settings.get("gradient") or _usual(report)) == "adaptive"]
    return f"{_number(found)} through {text.shields(report)}: {_specs(found)}" if found else ""


def _usual(report: Report) -> str:
    return str(report.threat.get("gradient") or "")


def _white_box(report: Report) -> str:
    found = [row for row in _of(report, *_GUIDED) if not row.attacker or not row.counted]
    return f"{_number(found)} with the model's gradient: {_specs(found)}" if found else ""


def _query(report: Report) -> str:
    found = _of(report, "query")
    return f"by scores: {_specs(found)}" if found else ""


def _decision(report: Report) -> str:
    found = _of(report, "decision")
    return f"by labels alone: {_specs(found)}" if found else ""


def _transfer(report: Report) -> str:
    found = _of(report, "transfer")
    surrogates = report.threat.get("surrogates") or ()
    behind = f", crafted on {len(surrogates)} surrogates" if surrogates else ""
    return f"{_specs(found)}{behind}" if found else ""


def _universal(report: Report) -> str:
    found = [row for row in report.attacks if row.name == "universal"]
    return _specs(found) if found else ""


def _knowledge(report: Report) -> str:
    return clean(report.threat.get("access") or "") if report.attacks else ""


def _capability(report: Report) -> str:
    return f"changes of inputs at the time of use: {text.threat(report)}" if report.attacks else ""


def _adversarial_training(report: Report) -> str:
    objective = str(report.training.get("objective") or "")
    attack = report.training.get("attack")
    if not objective or objective == "natural":
        return ""
    return clean(f"the model's file says: objective {objective}" + (f", attack {attack}" if attack else ""))


def _formal(report: Report) -> str:
    about = report.certificate
    if not about:
        return ""
    return f"bounds by {clean(about['method'])}: {fraction(about['accuracy'], about['accuracy_interval'])} certified"


def _stability(report: Report) -> str:
    formal, tested = _formal(report), _robust_accuracy(report)
    return f"{formal}; on the rest only attacks: {tested}" if formal else ""


def _statistical(report: Report) -> str:
    found = f"{_clean_accuracy(report)}, with a 95 % Wilson interval"
    return f"{found}; {_robust_accuracy(report)}" if report.attacks else found


def _empirical(report: Report) -> str:
    return f"{_number(report.attacks)}: {_specs(report.attacks)}" if report.attacks else ""


def _domain(report: Report) -> str:
    return text.threat(report) if report.attacks else ""


def _widest(report: Report) -> str:
    """How far inputs can move before a model fails, as attacks find it."""
    seen = report.perceptibility
    if seen:
        return f"smallest changes searched on {text.kind(report).count(len(seen.label))} by {clean(seen.attack)}"
    radii = ", ".join(f"{at.eps:g}" for at in report.curve)
    return f"accuracy at eps {radii}, under {clean(report.curve_attack)}" if radii else ""


def _of(report: Report, *kinds: str) -> list[AttackRow]:
    return [row for row in report.attacks if row.kind in kinds]


def _specs(found: Sequence[AttackRow]) -> str:
    return ", ".join(dict.fromkeys(row.title for row in found))


def _number(found: Sequence[AttackRow]) -> str:
    return "1 attack" if len(found) == 1 else f"{len(found)} attacks"


_AI_ACT = (
    ("15(1) appropriate level of accuracy", _clean_accuracy),
    ("15(1) appropriate level of robustness", _robust_accuracy),
    ("15(1) consistent performance throughout the lifecycle", _nothing),
    ("15(3) levels of accuracy and their metrics, to be declared", _declared),
    ("15(4) resilience to errors, faults and inconsistencies", _noise),
    ("15(4) technical redundancy, backup and fail-safe plans", _nothing),
    ("15(4) feedback loops of systems that go on learning", _nothing),
    ("15(5) adversarial examples or model evasion", _evasion),
    ("15(5) data poisoning", _nothing),
    ("15(5) model poisoning", _nothing),
    ("15(5) confidentiality attacks", _nothing),
    ("15(5) model flaws", _nothing),
)
_NIST = (
    ("attacker's knowledge", _knowledge),
    ("attacker's capability", _capability),
    ("evasion, white-box", _white_box),
    ("evasion, black-box, score-based", _query),
    ("evasion, black-box, decision-based", _decision),
    ("evasion, transferability", _transfer),
    ("evasion, universal perturbation", _universal),
    ("poisoning: availability, targeted, backdoor, model", _nothing),
    ("privacy: data reconstruction", _nothing),
    ("privacy: membership inference", _nothing),
    ("privacy: property inference", _nothing),
    ("privacy: model extraction", _nothing),
    ("mitigation: adversarial training", _adversarial_training),
    ("mitigation: formal verification", _formal),
    ("evaluation against adaptive attacks", _adaptive),
    ("evaluation: signs of masked gradients and weak attacks", _masking),
)
_ISO = (
    ("TR 24029-1, statistical methods †", _statistical),
    ("TR 24029-1, formal methods †", _formal),
    ("TR 24029-1, empirical methods †", _empirical),
    ("24029-2, 5.2 domain", _domain),
    ("24029-2, 5.3 stability", _stability),
    ("24029-2, largest stable domain † (by attacks: upper bounds)", _widest),
    ("24029-2, 5.4 sensitivity", _nothing),
    ("24029-2, 5.5 relevance", _nothing),
    ("24029-2, 5.6 reachability", _nothing),
)
_UNCHECKED = (
    "† Not checked against the document, which is sold. Clauses with a number are those of the published table of "
    "contents of 24029-2."
)
_DOCUMENTS: tuple[tuple[str, Sequence[tuple[str, Evidence]], str], ...] = (
    ("Regulation (EU) 2024/1689 (AI Act), Article 15", _AI_ACT, ""),
    ("NIST AI 100-2 E2025, predictive AI", _NIST, ""),
    ("ISO/IEC TR 24029-1:2021 and ISO/IEC 24029-2:2023", _ISO, _UNCHECKED),
)
