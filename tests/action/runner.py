"""What the runner of GitHub Actions does with a composite action, as far as `action.yml` asks for it.

Inputs get their defaults, expressions are evaluated, conditions decide, each `run` is a script of bash in the
workspace with the environment of the runner, and outputs come back through files. `uses` is noted and left out: it is
others' code.
"""

import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}")


@dataclass
class Job:
    """How an action ended.

    Attributes:
        failed: Name of the step that failed; empty for none.
        code: Its exit code.
        log: What was printed.
        used: The actions of others, with their inputs.
        skipped: Steps whose condition did not hold.
        outputs: Of the action.
        summary: Of the job, in Markdown.
    """

    failed: str = ""
    code: int = 0
    log: str = ""
    used: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""


def run(
    action: Path, workspace: Path, github: dict[str, str], inputs: dict[str, str], env: dict[str, str], temp: Path
) -> Job:
    """Runs an action.

    Args:
        action: Its folder, with `action.yml`.
        workspace: The repository that was checked out.
        github: The context `github`, without what follows from the others; `event_path` among them.
        inputs: What the workflow gives.
        env: The environment of the runner.
        temp: A folder for the runner's files.
    """
    described = yaml.safe_load((action / "action.yml").read_text("utf-8"))
    unknown = set(inputs) - set(described["inputs"])
    assert not unknown, f"Unexpected input(s) {unknown}"
    context: dict[str, Any] = {"github": {**github, "action_path": str(action)}, "inputs": {}, "steps": {}}
    for name, each in described["inputs"].items():
        context["inputs"][name] = inputs.get(name, _filled(str(each.get("default", "")), context))
    job = Job()
    whole = {**env, **{f"GITHUB_{name.upper()}": value for name, value in github.items()}}
    whole |= {"GITHUB_ACTION_PATH": str(action), "GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(workspace)}
    for number, step in enumerate(described["runs"]["steps"]):
        if "if" in step and not _holds(step["if"], context):
            job.skipped.append(step["name"])
        elif "uses" in step:
            job.used.append((step["uses"], {key: _filled(str(value), context) for key, value in step["with"].items()}))
        elif not job.failed:
            _run(step, number, context, job, whole, workspace, temp)
    job.outputs = {name: _filled(each["value"], context) for name, each in described["outputs"].items()}
    return job


def _run(
    step: dict[str, Any],
    number: int,
    context: dict[str, Any],
    job: Job,
    env: dict[str, str],
    workspace: Path,
    temp: Path,
) -> None:
    assert step["shell"] == "bash"
    script, output, summary = (temp / f"{number}-{name}" for name in ("script.sh", "output", "summary"))
    script.write_text(_filled(step["run"], context))
    output.touch()
    summary.touch()
    files = {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}
    own = {key: _filled(str(value), context) for key, value in step.get("env", {}).items()}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
    done = subprocess.run(command, cwd=workspace, env={**env, **files, **own}, capture_output=True, text=True)
    job.log += done.stdout + done.stderr
    job.summary += summary.read_text("utf-8")
    context["steps"][step.get("id", str(number))] = {"outputs": _outputs(output.read_text("utf-8"))}
    if done.returncode:
        job.failed, job.code = step["name"], done.returncode


def _outputs(text: str) -> dict[str, str]:
    """Reads `name=value` and `name<<mark`, lines, `mark`."""
    found, lines = {}, iter(text.split("\n"))
    for line in lines:
        name, mark, end = line.partition("<<")
        if mark and "=" not in name:
            value = []
            while (inner := next(lines)) != end:
                value.append(inner)
            found[name] = "\n".join(value)
        elif line:
            name, _, found_value = line.partition("=")
            found[name] = found_value
    return found


def _filled(text: str, context: dict[str, Any]) -> str:
    return _EXPRESSION.sub(lambda match: _value(match[1].strip(), context), text)


def _value(expression: str, context: dict[str, Any]) -> str:
    """A path such as `steps.evaluate.outputs.models`, or a text in quotes; what is not there is empty."""
    if re.fullmatch(r"'[^']*'", expression):
        return expression[1:-1]
    assert re.fullmatch(r"[\w.-]+", expression), f"an expression that this runner does not know: {expression}"
    found: Any = context
    for name in expression.split("."):
        found = found.get(name, "") if isinstance(found, dict) else ""
    return str(found)


def _holds(condition: str, context: dict[str, Any]) -> bool:
    """Comparisons with `==` and `!=`, joined by `&&`."""
    answers = []
    for part in condition.split("&&"):
        left, sign, right = re.split(r"(==|!=)", part)
        same = _value(left.strip(), context) == _value(right.strip(), context)
        answers.append(same == (sign == "=="))
    return all(answers)


def git(workspace: Path, *args: str) -> str:
    """Runs git in a repository, as somebody."""
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    clean = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    command = ["git", *args]
    done = subprocess.run(command, cwd=workspace, env=os.environ | who | clean, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
