"""One evaluation shared by 1, 2, 4 and 8 processes of this host: `python -m benchmarks.sharded --backend jax`.

Every process has one thread, as on a host of its own with one core, so the curve says what the sharing costs: how the
images are split, what the processes tell each other, and what each of them does for itself (start, tracing). Wall time
can fall no further than the host has cores; the processor time of all processes together is the cost of sharing.
The verdicts must be those of one process, but for rounding.
"""

import argparse
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
MODEL = ROOT / "models" / "mnist-trades.h5"
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}


def command_of(images: int, report: Path) -> list[str]:
    """The evaluation that is shared: as many steps on each image, so that all shares cost alike."""
    what = ["evaluate", str(MODEL), "--eps", "0.3", "--attack", "pgd:steps=20,early_stop=False", "--curve", "0"]
    how = ["--limit", str(images), "--batch-size", "32", "--report", str(report), "--quiet"]
    return [sys.executable, "-m", "turtlenet", *what, *how]


def measured(processes: int, backend: str, images: int, folder: Path) -> dict[str, Any]:
    """Wall and processor seconds of all processes together, and what they found."""
    report = folder / f"{backend}-{processes}"
    command = command_of(images, report)
    base = {**os.environ, **ONE_THREAD, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    if processes > 1:
        command.append("--cluster")
        base |= {
            "KERAS_DISTRIBUTION_JOB_ADDRESSES": f"127.0.0.1:{free_port()}",
            "KERAS_DISTRIBUTION_NUM_PROCESSES": str(processes),
        }
    spent, began = children_seconds(), time.monotonic()
    started = [
        subprocess.Popen(command, env={**base, "KERAS_DISTRIBUTION_PROCESS_ID": str(number)})
        for number in range(processes)
    ]
    codes = [process.wait() for process in started]
    wall = time.monotonic() - began
    if any(codes):
        raise SystemExit(f"{processes} processes on {backend} ended with {codes}.")
    found = json.loads((report / "report.json").read_text("utf-8"))
    return {"wall": wall, "processor": children_seconds() - spent, "robust": found["verdicts"]["robust"]}


def free_port() -> int:
    """A port of this host that nothing listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def children_seconds() -> float:
    """Processor seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measures each number of processes and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", default="jax", choices=["jax", "torch"])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--images", type=int, default=1000)
    asked = parser.parse_args()
    print("| processes | wall seconds | of one's | processor seconds | of one's | other verdicts |")
    print("|--:|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        first: dict[str, Any] = {}
        for count in asked.processes:
            found = measured(count, asked.backend, asked.images, Path(folder))
            first = first or found
            other = sum(mine != one for mine, one in zip(found["robust"], first["robust"], strict=True))
            cells = (f"{found[name]:.0f} | {found[name] / first[name]:.2f}" for name in ("wall", "processor"))
            print(f"| {count} | {' | '.join(cells)} | {other} of {asked.images} |", flush=True)


if __name__ == "__main__":
    main()
