"""The doubts of reports as findings, each with what to run next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from turtlenet.evaluation.certified import CONTRADICTION
from turtlenet.evaluation.views import text
from turtlenet.evaluation.views.next_steps import code_for, code_to_publish, suite_to_publish
from turtlenet.reports.base import findings
from turtlenet.reports.blocks import Code
from turtlenet.reports.findings import Finding, merged

if TYPE_CHECKING:
    from turtlenet.evaluation.results.report import Report


def alarms_of(pairs: Sequence[tuple[str, Report]]) -> list[Finding]:
    """What makes a whole report worthless; it stands at the top, in red."""
    return [
        replace(each, kind="alarm", commands=_commands(each, [(title, one)]))
        for title, one in pairs
        for each in findings(
            [doubt for doubt in one.doubts if doubt.code == CONTRADICTION], title if len(pairs) > 1 else ""
        )
    ]


def doubts_of(pairs: Sequence[tuple[str, Report]], every: str = "every model") -> list[Finding]:
    """The doubts of all models, the same as one, each with what to run next.

    Args:
        pairs: What each report is called, and the report.
        every: What all of them together are called.
    """
    several = len(pairs) > 1
    found = [each for title, one in pairs for each in _findings(one, title if several else "")]
    return [
        replace(each, commands=_commands(each, pairs) or each.commands) for each in merged(found, len(pairs), every)
    ]


def _commands(finding: Finding, pairs: Sequence[tuple[str, Report]]) -> list[Code]:
    shared = [
        (one, doubt)
        for _, one in pairs
        for doubt in one.doubts
        if (doubt.code, doubt.advice) == (finding.code, finding.more)
    ]
    return code_for([one for one, _ in shared], shared[0][1]) if shared else []


def _findings(report: Report, subject: str) -> list[Finding]:
    """The doubts; where there are none, what may be said then, and no more than that."""
    ran, missing = text.checks(report)
    if doubts := [each for each in report.doubts if each.code != CONTRADICTION]:
        return findings(doubts, subject)
    if report.doubts:
        return []
    if not ran:
        return [Finding(words="No check ran.", more=text.CAVEAT, subject=subject, kind="note")]
    words = f"No reason to doubt was found by the checks that ran: {', '.join(ran)}."
    left = f"Not checked, for lack of such a run: {', '.join(missing)}. " if missing else ""
    more = f"{left}{text.CAVEAT}"
    suite = suite_to_publish(report) if text.WITHOUT_GRADIENT in missing else None
    if suite is None:
        return [Finding(words=words, more=more, subject=subject, kind="good")]
    more = f"{more} {text.PUBLISH.format(suite=suite)}"
    return [Finding(words=words, more=more, subject=subject, kind="good", commands=code_to_publish(report))]
