"""Reports of robustness as JUnit XML: a suite of tests for each model, a test for each attack, as CI servers show."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from turtlenet.evaluation.views.text import names, verdict
from turtlenet.reports.format import clean, percent

if TYPE_CHECKING:
    from turtlenet.evaluation.results.report import Report

_PACKAGE = "turtlenet"


def junit(reports: Sequence[Report], gate: float | None = None) -> bytes:
    """The XML file.

    A test fails where an accuracy is below the gate: that under all attacks together, and that under each attack which
    the threat allows. Without a gate nothing fails. The reasons to doubt are the output of the first test.

    Args:
        reports: One for each model.
        gate: Least robust accuracy, from 0 to 1.
    """
    root = ElementTree.Element("testsuites", name=_PACKAGE)
    for name, report in zip(names(reports), reports, strict=True):
        root.append(_suite(name, report, gate))
    for count in ("tests", "failures", "errors"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in root)))
    root.set("time", _seconds(sum(report.seconds for report in reports)))
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _suite(name: str, report: Report, gate: float | None) -> ElementTree.Element:
    suite = ElementTree.Element(
        "testsuite", name=_text(name), timestamp=_time(report.created), errors="0", skipped="0"
    )
    facts = {
        "model.sha256": report.model.get("sha256"),
        "data": report.data.get("name"),
        "data.count": report.data.get("count"),
        "norm": report.threat.get("norm"),
        "eps": report.threat.get("eps"),
        "seed": report.seed,
        "clean_accuracy": report.clean_accuracy,
        "robust_accuracy": report.robust_accuracy,
    }
    properties = ElementTree.SubElement(suite, "properties")
    for key, value in facts.items():
        ElementTree.SubElement(properties, "property", name=key, value=_text(value))
    robust = _case(suite, name, "robust accuracy", report.robust_accuracy, report.seconds, gate)
    doubts = [f"{doubt.code}: {doubt.finding} -> {doubt.advice}" for doubt in report.doubts]
    ElementTree.SubElement(robust, "system-out").text = "\n".join(map(_text, [verdict(report), *doubts]))
    for number, row in enumerate(report.attacks, 1):
        held = gate if row.counted and not row.norm else None
        _case(suite, name, f"attack {number}: {row.title}", row.accuracy, row.seconds, held)
    suite.set("tests", str(len(suite.findall("testcase"))))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("time", _seconds(report.seconds))
    return suite


def _case(
    suite: ElementTree.Element, model: str, title: str, accuracy: float, seconds: float, gate: float | None
) -> ElementTree.Element:
    where = f"{_PACKAGE}.{_text(model)}"
    case = ElementTree.SubElement(suite, "testcase", classname=where, name=_text(title), time=_seconds(seconds))
    if gate is not None and accuracy < gate:
        words = f"expected an accuracy of at least {gate:g}; got {accuracy:.3f}"
        failure = ElementTree.SubElement(case, "failure", type="robust-accuracy", message=words)
        failure.text = f"{_text(title)} leaves {percent(accuracy)}."
    return case


def _text(value: object) -> str:
    """One line of what XML 1.0 can hold."""
    return re.sub("[\ufffe\uffff]", " ", clean(value))


def _seconds(value: float) -> str:
    return f"{max(value, 0.0):.3f}"


def _time(created: str) -> str:
    """`2025-06-01T12:00:00`, without a zone, as the schema of Ant has it."""
    return _text(created)[:19]
