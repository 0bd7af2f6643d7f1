"""The step of the GitHub action that evaluates: chooses models, attacks each, and writes a summary.

Reads `MODELS`, `CHANGED_ONLY`, `DATA`, `ARGS`, `FAIL_UNDER` and `REPORT` from the environment, and what GitHub Actions
gives to every step. It ends with 0 whatever was found; the gravest exit code is an output, for a later step.
"""

import fnmatch
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

SUFFIXES = (".h5", ".hdf5", ".keras")
SUMMARY = "summary.md"
_NOTHING = "No model to evaluate."


def main() -> None:
    """Evaluates the models and tells what came of it."""
    report = Path(os.environ.get("REPORT") or "turtlenet-report")
    models = chosen()
    found = [(model, *evaluate(model, folder)) for model, folder in zip(models, folders(models, report), strict=True)]
    report.mkdir(parents=True, exist_ok=True)
    text = summary(found)
    (report / SUMMARY).write_text(text, "utf-8", "backslashreplace")
    tell("GITHUB_STEP_SUMMARY", text)
    accuracies = [each["robust_accuracy"] for _, _, each in found if each]
    code = max((code for _, code, _ in found), default=0)
    output("models", "\n".join(models))
    output("report", str(report))
    output("robust-accuracy", str(min(accuracies)) if accuracies else "")
    output("exit-code", str(code))


def chosen() -> list[str]:
    """The models to evaluate, relative to the working directory, sorted."""
    tracked = [name for name in git("ls-files", "-z") if name.endswith(SUFFIXES)]
    patterns = os.environ.get("MODELS", "").split("\n")
    patterns = [each.strip() for each in patterns if each.strip()]
    named = [name for name in tracked if not patterns or any(fnmatch.fnmatch(name, each) for each in patterns)]
    if patterns and not named:
        sys.exit(f"turtlenet: expected models that git tracks at {', '.join(patterns)}; got none.")
    base = before() if os.environ.get("CHANGED_ONLY", "true") == "true" else None
    if base is None:
        return sorted(named)
    changed = set(git("diff", "--name-only", "--no-renames", "--diff-filter=d", "-z", base, "HEAD"))
    return sorted(changed & set(named))


def before() -> str | None:
    """The commit that the change starts from; None where the event tells of none."""
    path = os.environ.get("GITHUB_EVENT_PATH")
    event: dict[str, Any] = json.loads(Path(path).read_text("utf-8")) if path else {}
    commit = (event.get("pull_request") or {}).get("base", {}).get("sha") or event.get("before")
    if not commit or not re.fullmatch("[0-9a-f]{40,64}", commit) or not commit.strip("0"):
        return None
    known = ["git", "cat-file", "-e", f"{commit}^{{commit}}"]
    if subprocess.run(known, capture_output=True).returncode:
        # A checkout of depth 1 has the last commit alone.
        subprocess.run(["git", "fetch", "--quiet", "--depth=1", "origin", commit], check=True)
    return str(commit)


def git(*args: str) -> list[str]:
    """What git lists, names of any letters."""
    done = subprocess.run(["git", *args], check=True, capture_output=True)
    return [os.fsdecode(each) for each in done.stdout.split(b"\0") if each]


def folders(models: list[str], report: Path) -> list[Path]:
    """A folder for each model."""
    names = [re.sub(r"[^A-Za-z0-9._-]+", "-", model).strip("-.") or "model" for model in models]
    counts = [names[:place].count(name) for place, name in enumerate(names)]
    return [report / (f"{name}-{count + 1}" if count else name) for name, count in zip(names, counts, strict=True)]


def evaluate(model: str, folder: Path) -> tuple[int, dict[str, Any] | None]:
    """Runs `turtlenet evaluate`; gives its exit code, and the report where there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    # -P: no module of the checkout, which a pull request may have added, is imported in the place of an installed one.
    command = ["python", "-P", "-m", "turtlenet", "evaluate", f"./{model}", "--report", str(folder)]
    command += ["--junit", str(folder / "junit.xml"), "--sarif", str(folder / "report.sarif")]
    for option, name in (("--data", "DATA"), ("--fail-under", "FAIL_UNDER")):
        command += [option, os.environ[name]] if os.environ.get(name) else []
    command += shlex.split(os.environ.get("ARGS", ""))
    (folder / "report.json").unlink(missing_ok=True)
    # What is printed in between may come out of a file of the pull request: it is no command to the runner.
    mark = os.urandom(16).hex()
    print(f"::group::{printable(model)}\n::stop-commands::{mark}", flush=True)
    code = subprocess.run(command).returncode
    print(f"\n::{mark}::\n::endgroup::", flush=True)
    file = folder / "report.json"
    return abs(code), json.loads(file.read_text("utf-8")) if file.exists() else None


def summary(found: list[tuple[str, int, dict[str, Any] | None]]) -> str:
    """A table of all models, in Markdown, and one of the attacks on each."""
    if not found:
        return f"### Robustness\n\n{_NOTHING}\n"
    lines = [
        "### Robustness",
        "",
        "| model | clean | robust [95 % interval] | threat | doubts | |",
        "|---|--:|--:|---|--:|---|",
    ]
    for model, code, report in found:
        lines.append(f"| {plain(model)} | {_row(report)} | {_verdict(code)} |")
    for model, _, report in found:
        if report:
            lines += ["", f"<details><summary>{plain(model)}</summary>", "", *_details(report), "", "</details>"]
    return "\n".join(lines) + "\n"


def _row(report: dict[str, Any] | None) -> str:
    if report is None:
        return "- | - | - | -"
    low, high = report["robust_accuracy_interval"]
    threat = report["threat"]
    cells = f"{report['clean_accuracy']:.3f} | **{report['robust_accuracy']:.3f}** [{low:.3f}, {high:.3f}]"
    eps = f"{plain(threat['norm'])} eps {threat['eps']:g}, {report['data']['count']:,} inputs"
    return f"{cells} | {eps} | {len(report['doubts'])}"


def _verdict(code: int) -> str:
    return {0: "ok", 1: "**below the gate**", 2: "**refused**"}.get(code, f"**failed ({code})**")


def _details(report: dict[str, Any]) -> list[str]:
    lines = ["| attack | accuracy | success |", "|---|--:|--:|"]
    for row in report["attacks"]:
        lines.append(f"| {plain(row['spec'] or row['name'])} | {row['accuracy']:.3f} | {row['success_rate']:.3f} |")
    return [*lines, *[""] * bool(report["doubts"]), *(f"- {plain(each['finding'])}" for each in report["doubts"])]


def printable(text: object) -> str:
    """One line of printable characters."""
    return " ".join("".join(char if char.isprintable() else " " for char in str(text)).split())


def plain(text: object) -> str:
    """Text that Markdown prints as it is, also in a table; nobody is mentioned."""
    escaped = re.sub(r"([\\`*_\[\]#|~!])", r"\\\1", printable(text).replace("&", "&amp;"))
    return escaped.replace("<", "&lt;").replace(">", "&gt;").replace("@", "&#64;")


def output(name: str, value: str) -> None:
    """An output of the step; a value of several lines stands between marks that it cannot hold."""
    mark = f"end-{os.urandom(8).hex()}"
    tell("GITHUB_OUTPUT", f"{name}<<{mark}\n{value}\n{mark}\n")


def tell(variable: str, text: str) -> None:
    """Appends to a file of the runner's; says it where there is none."""
    path = os.environ.get(variable)
    if not path:
        print(text)
        return
    with Path(path).open("a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)


if __name__ == "__main__":
    main()
