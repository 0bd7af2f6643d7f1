"""The contestants' processes, as the measuring process sees them."""

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["Team", "Worker"]

_ROOT = Path(__file__).resolve().parents[2]
_USUAL = {
    # Several processes share the chip's memory: JAX must take it as it needs it, and may then need nearly all.
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    "XLA_PYTHON_CLIENT_MEM_FRACTION": "0.95",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # Where others want the cores, PyTorch's threads that spin while they wait make it ten times slower.
    "OMP_WAIT_POLICY": "PASSIVE",
}


class Worker:
    """One contestant's process; it starts when it is first needed, and again after it was closed.

    Args:
        name: One of `contestant.NAMES`.
        python: The interpreter that has its libraries.
        patience: Seconds to wait for an answer before the process is given up.
    """

    def __init__(self, name: str, python: str, patience: float):
        self.name = name
        self._python = python
        self._patience = patience
        self._process: subprocess.Popen | None = None
        self._about: dict[str, Any] | None = None

    def start(self) -> None:
        """Starts the process and does not wait for it."""
        if self._process is not None:
            return
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (it lives as long as the process)
        self._process = subprocess.Popen(
            [self._python, "-m", "benchmarks.chips.worker", self.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=_ROOT,
            env={**_USUAL, **os.environ, "KERAS_BACKEND": "jax"},
            text=True,
        )
        self._answers: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, args=(self._process, self._answers), daemon=True).start()
        self._about = None

    def about(self) -> dict[str, Any]:
        """What it runs on, or `error`."""
        self.start()
        if self._about is None:
            self._about = self._next()
        return self._about

    def ask(self, do: str, **rest: Any) -> dict[str, Any]:
        """Its answer; `error`, and whether for want of `memory`, where it could not do it."""
        if "error" in self.about():
            return self._about
        try:
            self._process.stdin.write(json.dumps({"do": do, **rest}) + "\n")
            self._process.stdin.flush()
        except OSError:
            return self._lost()
        return self._next()

    def close(self) -> None:
        """Ends the process, which frees all that it holds."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self._log.close()

    @staticmethod
    def _listen(process: subprocess.Popen, answers: queue.Queue) -> None:
        for line in process.stdout:
            answers.put(line)
        answers.put("")

    def _next(self) -> dict[str, Any]:
        try:
            line = self._answers.get(timeout=self._patience)
        except queue.Empty:
            self.close()
            return {"error": f"no answer within {self._patience:.0f} s", "memory": False}
        return json.loads(line) if line else self._lost()

    def _lost(self) -> dict[str, Any]:
        code = self._process.wait()
        self._log.seek(0)
        last = self._log.read().decode(errors="replace").strip().splitlines()[-1:] or [""]
        self.close()
        # The system kills what takes too much of the host's memory.
        return {"error": f"its process ended with code {code}: {last[0][:200]}", "memory": code == -9}


class Team:
    """The contestants that are there.

    Args:
        names: Who shall take part.
        torch_python: The interpreter of those that run on PyTorch.
        patience: See `Worker`.
    """

    def __init__(self, names: Sequence[str], torch_python: str, patience: float):
        ours = {"turtlenet": sys.executable}
        workers = [Worker(name, ours.get(name, torch_python), patience) for name in names]
        for worker in workers:
            worker.start()
        self.workers = [worker for worker in workers if "error" not in worker.about()]
        self.missing = [
            f"{each.name} is left out: {each.about()['error']}" for each in workers if "error" in each.about()
        ]
        self.devices = {worker.name: worker.about()["device"] for worker in self.workers}
        self.versions: dict[str, str] = {}
        for worker in self.workers:
            self.versions |= worker.about()["versions"]

    def release(self, ended: Worker | None = None) -> None:
        """Has all of them, or one, free the chip's memory; ends those that cannot."""
        for worker in [ended] if ended else self.workers:
            if not worker.ask("release").get("free", False):
                worker.close()

    def close(self) -> None:
        """Ends all processes."""
        for worker in self.workers:
            worker.close()
