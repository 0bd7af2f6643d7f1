"""Reports of robustness as SARIF 2.1.0 (OASIS, 2020), which code hosts show beside the files of a repository."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from turtlenet.evaluation.certified import CONTRADICTION
from turtlenet.evaluation.views.text import names, verdict
from turtlenet.reports.format import clean
from turtlenet.version import __version__

if TYPE_CHECKING:
    from turtlenet.evaluation.results.report import Report

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
GATE = "robust-accuracy"
_GATE_WORDS = "The accuracy under every attack tried is below the gate that was asked for."


def sarif(reports: Sequence[Report], gate: float | None = None, root: Path | None = None) -> bytes:
    """The SARIF file: one run, with a result for each gate that did not hold and for each reason to doubt.

    Args:
        reports: One for each model.
        gate: Least robust accuracy, from 0 to 1; below it there is an error.
        root: Files below this folder are named relative to it; the working directory if not given.
    """
    found = [
        result
        for name, report in zip(names(reports), reports, strict=True)
        for result in _results(name, report, gate, Path(os.path.abspath(root or Path.cwd())))  # noqa: PTH100
    ]
    rules = _rules(found)
    places = {rule["id"]: place for place, rule in enumerate(rules)}
    for result in found:
        result["ruleIndex"] = places[result["ruleId"]]
    driver = {"name": "turtlenet", "version": __version__, "semanticVersion": __version__, "rules": rules}
    run = {"tool": {"driver": driver}, "results": found, "columnKind": "utf16CodeUnits"}
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return f"{json.dumps(log, indent=1, allow_nan=False)}\n".encode()


def _results(name: str, report: Report, gate: float | None, root: Path) -> list[dict[str, Any]]:
    where = _location(name, report, root)

    def result(rule: str, level: str, words: str) -> dict[str, Any]:
        mark = hashlib.sha256(json.dumps([rule, where]).encode()).hexdigest()
        return {
            "ruleId": rule,
            "level": level,
            "message": {"text": clean(words)},
            "locations": [where],
            "partialFingerprints": {"ruleAndModel/v1": mark},
        }

    found = []
    if gate is not None and report.robust_accuracy < gate:
        words = f"Expected a robust accuracy of at least {gate:g} of {name}; got {report.robust_accuracy:.3f}."
        found.append(result(GATE, "error", f"{words} {verdict(report)}"))
    for doubt in report.doubts:
        level = "error" if doubt.code == CONTRADICTION else "warning"
        found.append(result(doubt.code, level, f"{name}: {doubt.finding} -> {doubt.advice}"))
    return found


def _location(name: str, report: Report, root: Path) -> dict[str, Any]:
    path = report.model.get("path")
    logical = {"logicalLocations": [{"name": name, "kind": "module"}]}
    if not path:
        return logical
    # The first line stands for the whole of a binary file: code hosts show no result without one.
    return {
        "physicalLocation": {"artifactLocation": {"uri": _uri(Path(path), root)}, "region": {"startLine": 1}}
    } | logical


def _uri(path: Path, root: Path) -> str:
    # By its letters alone: a name may be one that no file system takes.
    whole = Path(os.path.abspath(root / path))  # noqa: PTH100
    if whole.is_relative_to(root):
        return quote(whole.relative_to(root).as_posix(), errors="replace")
    return f"file://{quote(whole.as_posix(), errors='replace')}"


def _rules(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the results are about, each once, in the order in which they come."""
    rules = {}
    for result in results:
        code = result["ruleId"]
        words = _GATE_WORDS if code == GATE else f"A reason to doubt the measured robustness: {code}."
        rules[code] = {
            "id": code,
            "name": "".join(part.capitalize() for part in code.split("-")),
            "shortDescription": {"text": words},
            "defaultConfiguration": {"level": "error" if code == GATE else "warning"},
        }
    return list(rules.values())
