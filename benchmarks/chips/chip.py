"""The chip that is measured, and the most that it could do."""

import re
import shutil
import subprocess
import time
from dataclasses import dataclass, field

import numpy as np

__all__ = ["Chip", "chip_of", "driver"]

# Dense peaks in TFLOP/s, by the vendor's data sheets; the PCIe and NVL boards of a Hopper chip are slower.
_PEAKS = {
    r"H[12]00(?!.*(PCIe|NVL))": {"float32": 66.9, "tf32": 494.7, "bfloat16": 989.4},
    r"A100": {"float32": 19.5, "tf32": 156.0, "bfloat16": 312.0},
}
_SIDE = 2048


@dataclass(frozen=True)
class Chip:
    """A chip by name.

    Attributes:
        name: What its framework calls it.
        peaks: TFLOP/s by precision; empty where nobody knows them.
        note: Where the peaks come from.
    """

    name: str
    peaks: dict[str, float] = field(default_factory=dict)
    note: str = ""

    @property
    def is_cpu(self) -> bool:
        """Whether there is no accelerator at all."""
        return self.name.lower() == "cpu"


def chip_of(name: str) -> Chip:
    """The chip of a device's name; a CPU's peak is measured on the spot."""
    if name.lower() == "cpu":
        peak = _multiply()
        note = (
            f"The peak of this CPU is its fastest {_SIDE}x{_SIDE} float32 matrix product in NumPy: {peak:.3f} TFLOP/s."
        )
        return Chip(name, {"float32": peak}, note)
    for pattern, peaks in _PEAKS.items():
        if re.search(pattern, name):
            return Chip(
                name, peaks, f"The peaks of {name} are its data sheet's, in TFLOP/s without sparsity: {peaks}."
            )
    return Chip(name, {}, f"No peak is known for {name}, so no share of it is given.")


def driver() -> str | None:
    """The version of NVIDIA's driver; None where there is none to ask."""
    if shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout.split() or [None])[0] if done.returncode == 0 else None


def _multiply() -> float:
    """TFLOP/s of the fastest of several matrix products."""
    left, right = np.random.default_rng(0).random((2, _SIDE, _SIDE), "float32")
    seconds = []
    for _ in range(8):
        began = time.perf_counter()
        left @ right
        seconds.append(time.perf_counter() - began)
    return 2 * _SIDE**3 / min(seconds) / 1e12
