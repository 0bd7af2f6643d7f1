"""Starts the command line as one process or as several on this host, bounds their time and ends them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from turtlenet.models import load

__all__ = ["apart", "run"]

_ROOT = Path(__file__).parents[2]


def run(
    folder: Path,
    *arguments: str,
    processes: int = 1,
    backend: str = "jax",
    seconds: float = 240,
    until: Callable[[], bool] = lambda: False,
    folders: str = "",
) -> list[tuple[int, str, str]]:
    """Runs `turtlenet` in a folder.

    Args:
        folder: Where the processes run.
        *arguments: Those of the command.
        processes: How many; with more than one, `--cluster` is added.
        backend: The Keras backend.
        seconds: Most time; then all are killed and the test fails.
        until: All are killed as soon as this holds.
        folders: A folder for each process below that one, with {} for its number.

    Returns:
        Exit code, output and errors of each process.
    """
    command = [sys.executable, "-m", "turtlenet", *arguments, *(["--cluster"] if processes > 1 else [])]
    base = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(_ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    base.pop("XLA_FLAGS", None)
    where = {} if processes == 1 else _addresses(processes)
    started = [
        subprocess.Popen(
            command,
            cwd=folder / folders.format(number),
            env={**base, **where, "KERAS_DISTRIBUTION_PROCESS_ID": str(number)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    try:
        end = time.monotonic() + seconds
        while any(process.poll() is None for process in started) and not until():
            assert time.monotonic() < end, f"{processes} processes took more than {seconds} seconds"
            time.sleep(0.05)
    finally:
        for process in started:
            if process.poll() is None and (until() or time.monotonic() >= end):
                process.send_signal(signal.SIGKILL)
    texts = [process.communicate(timeout=60) for process in started]
    return [(process.returncode, *text) for process, text in zip(started, texts, strict=True)]


def _addresses(processes: int) -> dict[str, str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return {
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": f"127.0.0.1:{port}",
        "KERAS_DISTRIBUTION_NUM_PROCESSES": str(processes),
    }


def apart(one: Path, other: Path) -> float:
    """The largest difference between the weights of two files."""
    pairs = zip(load(one).get_weights(), load(other).get_weights(), strict=True)
    return max(float(np.abs(mine - theirs).max()) for mine, theirs in pairs)
