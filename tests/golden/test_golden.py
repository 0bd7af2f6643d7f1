"""What a fixed set of runs prints and writes, but for its numbers: those belong to the processor."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.golden.runs import run

KEPT = Path(__file__).parent / "kept.json"


def masked(text: str) -> str:
    """A text without numbers, hashes and what depends on them."""
    text = re.sub(r"[0-9a-f]{16,}", "HASH", text)
    text = re.sub(r"\d+(?:[.,]\d+)*(?:e[+-]?\d+)?", "#", text)
    return re.sub(r"[ \-]*#[ \-]*", "#", text)


def keys(report: dict[str, Any]) -> dict[str, Any]:
    """The keys of a report, and of its rows of attacks; of a comparison those of its first report."""
    if "reports" in report:
        return {"reports": keys(report["reports"][0])}
    found: dict[str, Any] = {"": sorted(report)}
    rows = report.get("attacks")
    if isinstance(rows, list) and rows and isinstance(rows[0], dict):
        found["attacks"] = sorted(rows[0])
    return found


def outcome(folder: Path, said: dict[str, str]) -> dict[str, Any]:
    """The exit codes, the files, the keys of every JSON report and the headings of every page."""
    found: dict[str, Any] = {"codes": {name: text.rsplit("exit ", 1)[1].strip() for name, text in said.items()}}
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    found["files"] = [masked(str(path)) for path in files if not path.name.startswith(".")]
    for path in files:
        if path.name == "report.json":
            found[str(path)] = keys(json.loads((folder / path).read_text()))
        elif path.name == "report.md":
            lines = (folder / path).read_text().splitlines()
            found[str(path)] = [masked(line) for line in lines if line.startswith("#")]
    return found


@pytest.mark.slow
@pytest.mark.tensorflow
def test_what_the_commands_write(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TURTLENET_HOME", str(tmp_path / "home"))
    found = outcome(tmp_path, run())
    kept = json.loads(KEPT.read_text())
    assert found["codes"] == kept["codes"] and found["files"] == kept["files"]
    assert found == kept
