"""Runs in MLflow: on a server, or in a local store."""

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from turtlenet.tracking.base import Log, Tracker, package, trackers

_MOST = 100
"""Parameters that MLflow takes at a time."""
_LONGEST = 500
_STATUS = {"finished": "FINISHED", "failed": "FAILED", "killed": "KILLED"}
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
"""Where the user says nothing else: by default MLflow asks a server that is away for minutes."""


@trackers.register("mlflow")
@dataclass(frozen=True, kw_only=True)
class MLflow(Tracker):
    """Parameters, curves, reports and models in MLflow.

    Args:
        uri: Of the server or the store (`http://host:5000`, `sqlite:///mlflow.db`, `file:mlruns`); that of
            `MLFLOW_TRACKING_URI` or MLflow's own by default.
        experiment: Its name.
    """

    uri: str = ""
    experiment: str = "turtlenet"

    @property
    def place(self) -> str:
        """Where it logs, in words."""
        return f"MLflow at {self.uri or os.environ.get('MLFLOW_TRACKING_URI') or 'its usual place'}"

    def open(self, name: str) -> Log:
        """Begins a run; see `Tracker`."""
        uri = self.uri or os.environ.get("MLFLOW_TRACKING_URI", "")
        # MLflow refuses folders unless it is told that they are meant: here the user has named one.
        meant = {"MLFLOW_ALLOW_FILE_STORE": "true"} if uri.startswith("file:") else {}
        for variable, value in {**_PATIENCE, **meant}.items():
            os.environ.setdefault(variable, value)
        client = package("mlflow", "mlflow").MlflowClient(tracking_uri=self.uri or None)
        found = client.get_experiment_by_name(self.experiment)
        where = found.experiment_id if found else client.create_experiment(self.experiment)
        return _Run(client, client.create_run(where, run_name=name).info.run_id)


class _Run(Log):
    """A run of MLflow."""

    def __init__(self, client: Any, run: str):
        self.client = client
        self.run = run
        self.entities = package("mlflow.entities", "mlflow")

    def parameters(self, values: Mapping[str, Any]) -> None:
        items = [self.entities.Param(_name(name), str(value)[:_LONGEST]) for name, value in values.items()]
        for first in range(0, len(items), _MOST):
            self.client.log_batch(self.run, params=items[first : first + _MOST])

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        now = int(1000 * time.time())
        items = [self.entities.Metric(_name(name), value, now, step) for name, value in values.items()]
        self.client.log_batch(self.run, metrics=items)

    def file(self, path: Path, folder: str = "") -> None:
        self.client.log_artifact(self.run, str(path), folder or None)

    def close(self, how: str) -> None:
        self.client.set_terminated(self.run, _STATUS[how])


def _name(text: str) -> str:
    """A name as MLflow takes it."""
    return re.sub(r"[^\w\-. /:]", "_", text)[:200]
