"""How much memory an evaluation of more images than one wants to hold takes, in a process of its own."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.options import Options
from benchmarks.tables import Row

__all__ = ["TITLE", "measure"]

TITLE = "peak memory of an evaluation from a memory-mapped .npy file"
LIMIT_GB = 1.5
ATTACKS = ("fgsm", "noise:draws=1")
_ROOT = Path(__file__).resolve().parent.parent.parent


def measure(options: Options, notes: list[str]) -> Iterator[Row]:
    """Evaluates random images under each attack, a process each."""
    if not Path("/proc/self/status").exists():
        notes.append("Not measured: this system has no /proc/self/status.")
        return
    count = 10_000 if options.quick else 100_000
    notes.append(
        "Peak resident memory of a process that evaluates, less what it held right after importing TensorFlow."
    )
    notes.append(
        "Random uint8 images 28x28x1 with random labels, the model of `robust-accuracy`, no curve, batch 256."
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        _write(path, count)
        for attack in ATTACKS:
            found = _ask(path, attack)
            cells = {
                "images": count,
                "float32 data GB": count * 28 * 28 * 4 / 1e9,
                "attack": attack,
                "after import GB": found["imported"] / 1e9,
                "peak GB": found["peak"] / 1e9,
                "more GB": (found["peak"] - found["imported"]) / 1e9,
                "seconds": found["seconds"],
            }
            yield Row(cells, f"<= {LIMIT_GB} GB more", cells["more GB"] <= LIMIT_GB)


def _write(path: Path, count: int) -> None:
    images = np.lib.format.open_memmap(path, mode="w+", dtype="uint8", shape=(count, 28, 28, 1))
    random = np.random.default_rng(0)
    for start in range(0, count, 10_000):
        part = images[start : start + 10_000]
        part[:] = random.integers(0, 256, part.shape, "uint8")
    images.flush()


def _ask(path: Path, attack: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory_child", str(path), attack],
        capture_output=True,
        text=True,
        check=False,
        cwd=_ROOT,
    )
    if done.returncode:
        raise SystemExit(f"Expected an evaluation of {path.name}; got:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])
