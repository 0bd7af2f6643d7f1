"""The GitHub action on a repository with models: what is attacked, said, commented, and when the job fails."""

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import yaml

from tests.action.runner import Job, git, run
from tests.conftest import ROOT
from tests.schemas import check_action, check_junit, check_sarif
from turtlenet import models

# Stands for `python -m turtlenet` where only the steps around it are tested: a report of 0.5, and the gate.
STAND_IN = """
import json, sys
from pathlib import Path
args = sys.argv[1:]
value = lambda name: args[args.index(name) + 1] if name in args else None
if "refuse" in args[1]:
    print("turtlenet: Expected a model file.", file=sys.stderr)
    sys.exit(2)
folder = Path(value("--report"))
row = {"name": "pgd", "spec": "pgd", "accuracy": 0.5, "success_rate": 0.4}
report = {"clean_accuracy": 0.9, "robust_accuracy": 0.5, "robust_accuracy_interval": [0.4, 0.6], "attacks": [row]}
report |= {"threat": {"norm": "linf", "eps": 0.1}, "data": {"count": 1000}, "doubts": [{"finding": "Ask @nobody."}]}
(folder / "report.json").write_text(json.dumps(report))
(folder / "args").write_text(json.dumps(args))
print("::warning::out of a file")
sys.exit(1 if float(value("--fail-under") or 0) > 0.5 else 0)
"""


class Api(BaseHTTPRequestHandler):
    """The part of GitHub's API that comments."""

    comments: list[dict[str, Any]]
    asked: list[tuple[str, str, str]]
    refuses: bool

    def _answer(self, found: Any, code: int = 200) -> None:
        content = json.dumps(found).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _body(self) -> dict[str, Any]:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def _note(self) -> bool:
        self.asked.append((self.command, self.path.partition("?")[0], self.headers["Authorization"]))
        return self.refuses

    def do_GET(self) -> None:  # noqa: N802
        self._note()
        first = "page=1" in self.path.split("&")
        self._answer(self.comments if first else [])

    def do_POST(self) -> None:  # noqa: N802
        if self._note():
            return self._answer({"message": "Resource not accessible by integration"}, 403)
        made = {"id": len(self.comments) + 1, "user": {"type": "Bot"}, **self._body()}
        self.comments.append(made)
        return self._answer(made, 201)

    def do_PATCH(self) -> None:  # noqa: N802
        self._note()
        comment = self.comments[int(self.path.rsplit("/", 1)[1]) - 1]
        comment |= self._body()
        self._answer(comment)

    def log_message(self, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture
def api() -> Iterator[Any]:
    handler = type("Handler", (Api,), {"comments": [], "asked": [], "refuses": False})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    handler.url = f"http://127.0.0.1:{server.server_port}"
    yield handler
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a model, another that a later commit changes, and one that it removes."""
    folder = tmp_path / "repository"
    (folder / "models").mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    for name in ("old.h5", "changed.h5", "removed.keras"):
        (folder / "models" / name).write_text("1")
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", "first")
    (folder / "models" / "changed.h5").write_text("2")
    (folder / "models" / "removed.keras").unlink()
    (folder / "note.txt").write_text("no model")
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", "second")
    return folder


@pytest.fixture
def act(repository: Path, tmp_path: Path, api: Any) -> Callable[..., Job]:
    """Runs the action on the repository's last commit, with the stand-in unless `real`."""
    bin_folder, temp = tmp_path / "bin", tmp_path / "temp"
    bin_folder.mkdir()
    temp.mkdir()
    (tmp_path / "stand_in.py").write_text(STAND_IN)

    def start(event: str = "pull_request", real: bool = False, **inputs: str) -> Job:
        # pip is not called; the package is the checkout's.
        replaced = f'shift 3; exec {sys.executable} {tmp_path}/stand_in.py "$@"'
        other = "" if real else f'if [ "$1 $2 $3" = "-P -m turtlenet" ]; then {replaced}; fi\n'
        pip = f'if [ "$1 $2" = "-m pip" ]; then echo "$@" >> {tmp_path}/pip.log; exit 0; fi\n'
        python = bin_folder / "python"
        python.write_text(f'#!/bin/bash\n{pip}{other}exec {sys.executable} "$@"\n')
        python.chmod(0o755)
        base = git(repository, "rev-parse", "HEAD~1")
        happened = (
            {"pull_request": {"number": 7, "base": {"sha": base}}} if event == "pull_request" else {"before": base}
        )
        (temp / "event.json").write_text(json.dumps(happened))
        github = {"event_name": event, "event_path": str(temp / "event.json"), "repository": "owner/name"}
        github |= {"token": "secret", "api_url": api.url}
        env = {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        return run(ROOT, repository, github, given, env, temp)

    return start


def test_it_is_an_action_by_the_published_schema():
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    check_action(action)
    # A name within a script could be a command.
    assert not any("${{" in step.get("run", "") for step in action["runs"]["steps"])


def test_what_a_pull_request_changed_is_attacked_and_commented(act, api, repository, tmp_path):
    job = act(data="mine.npz", args="--eps '8/255' --suite standard", fail_under="0.4")
    assert (job.failed, job.skipped) == ("", [])
    assert job.used == [("actions/setup-python@v5", {"python-version": "3.12"})]
    assert job.outputs["models"] == "models/changed.h5" and job.outputs["robust-accuracy"] == "0.5"
    args = json.loads((repository / "turtlenet-report" / "models-changed.h5" / "args").read_text())
    assert args[:2] == ["evaluate", "./models/changed.h5"]
    assert args[-8:] == ["--data", "mine.npz", "--fail-under", "0.4", "--eps", "8/255", "--suite", "standard"]
    (comment,) = api.comments
    assert (
        "| models/changed.h5 | 0.900 | **0.500** [0.400, 0.600] | linf eps 0.1, 1,000 inputs | 1 | ok |"
        in comment["body"]
    )
    assert "Ask &#64;nobody." in comment["body"] and job.summary in comment["body"]
    assert api.asked[-1] == ("POST", "/repos/owner/name/issues/7/comments", "Bearer secret")
    assert f"install --quiet {ROOT}[tables]" in (tmp_path / "pip.log").read_text()


def test_the_comment_is_kept_up_to_date(act, api):
    api.comments += [{"id": 1, "user": {"type": "User"}, "body": "<!-- turtlenet -->\nnot ours"}]
    act()
    act(models="models/*")
    assert len(api.comments) == 2 and api.comments[0]["body"].endswith("not ours")
    assert api.asked[-1][:2] == ("PATCH", "/repos/owner/name/issues/comments/2")


def test_below_the_gate_the_job_fails_when_all_is_said(act, api):
    job = act(fail_under="0.6")
    assert (job.failed, job.code) == ("Hold the gate", 1)
    assert "**below the gate**" in api.comments[0]["body"]


def test_a_refused_model_fails_the_job_and_the_others_are_attacked(act, repository):
    (repository / "refuse.h5").write_text("x")
    git(repository, "add", "-A")
    git(repository, "commit", "--quiet", "--amend", "--no-edit")
    job = act()
    assert (job.failed, job.code) == ("Hold the gate", 2)
    assert job.outputs["models"] == "models/changed.h5\nrefuse.h5"
    assert "| refuse.h5 | - | - | - | - | **refused** |" in job.summary


def test_who_may_not_comment_gets_a_warning(act, api):
    api.refuses = True
    job = act()
    assert job.failed == "" and "::warning::turtlenet could not comment: HTTP Error 403" in job.log


def test_a_push_and_all_models(act, api):
    assert act("push").outputs["models"] == "models/changed.h5"
    job = act("push", changed_only="false")
    assert job.outputs["models"] == "models/changed.h5\nmodels/old.h5"
    assert job.skipped == ["Comment"] and api.asked == []


def test_no_changed_model_is_no_failure(act, api):
    job = act(models="models/old.h5")
    assert (job.failed, job.outputs["models"], job.outputs["exit-code"]) == ("", "", "0")
    assert "No model to evaluate." in api.comments[0]["body"]


def test_a_pattern_that_fits_nothing_is_said(act):
    job = act(models="modles/*.h5")
    assert job.failed == "Evaluate" and "expected models that git tracks at modles/*.h5; got none." in job.log


def test_wild_names_do_no_harm(act, api, repository):
    wild = "$(touch broken) `x`;\n|<b>@all -x.h5"
    (repository / wild).write_text("x")
    (repository / "-x.h5").write_text("x")
    git(repository, "add", "-A")
    git(repository, "commit", "--quiet", "--amend", "--no-edit")
    job = act(args="--seed '1; touch broken'")
    assert job.failed == "" and not (repository / "broken").exists()
    assert "\\|&lt;b&gt;&#64;all -x.h5" in api.comments[0]["body"] and "| -x.h5 |" in api.comments[0]["body"]
    # What comes out of a file is no command to the runner.
    lines = job.log.splitlines()
    stops = [number for number, line in enumerate(lines) if line.startswith("::stop-commands::")]
    for stop in stops:
        mark = lines[stop].removeprefix("::stop-commands::")
        assert "::warning::out of a file" in lines[stop : lines.index(f"::{mark}::")]
    assert len(stops) == 3


def test_a_shallow_checkout_fetches_what_it_compares_with(act, repository, tmp_path, monkeypatch):
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{repository}", str(shallow))
    git(repository, "config", "uploadpack.allowAnySHA1InWant", "true")
    base = git(repository, "rev-parse", "HEAD~1")
    (tmp_path / "event.json").write_text(json.dumps({"before": base}))
    monkeypatch.syspath_prepend(str(ROOT / "action"))
    monkeypatch.chdir(shallow)
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(tmp_path / "event.json"))
    for name in ("MODELS", "CHANGED_ONLY"):
        monkeypatch.delenv(name, raising=False)
    import evaluate

    assert evaluate.chosen() == ["models/changed.h5"]
    for event in ({}, {"before": "0" * 40}, {"before": "--upload-pack=x"}):
        (tmp_path / "event.json").write_text(json.dumps(event))
        assert evaluate.chosen() == ["models/changed.h5", "models/old.h5"]


@pytest.mark.slow
def test_a_real_model_is_really_attacked(act, api, repository):
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).uniform(size=(40, 8, 8, 1)).astype("float32")
    layers = [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3, activation="softmax")]
    net = keras.Sequential(layers)
    models.save(net, repository / "models" / "changed.h5")
    np.savez(repository / "mine.npz", x_test=x, y_test=net.predict(x, verbose=0).argmax(axis=1))
    # What a pull request adds takes no installed module's place.
    (repository / "turtlenet.py").write_text("raise SystemExit(0)")
    git(repository, "add", "-A")
    git(repository, "commit", "--quiet", "--amend", "--no-edit")
    job = act(real=True, data="mine.npz", args="--attack fgsm --curve 0 --eps 0.3", fail_under="0.99")
    assert (job.failed, job.code) == ("Hold the gate", 1), job.log
    folder = repository / "turtlenet-report" / "models-changed.h5"
    report = json.loads((folder / "report.json").read_text())
    assert f"| 1.000 | **{report['robust_accuracy']:.3f}** [" in api.comments[0]["body"]
    assert check_junit((folder / "junit.xml").read_bytes()).get("failures") == "2"
    place = check_sarif((folder / "report.sarif").read_bytes())["runs"][0]["results"][0]["locations"][0]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "models/changed.h5"
