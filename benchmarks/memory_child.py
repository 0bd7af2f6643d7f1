"""The process whose memory `cases/memory.py` asks for.

`python -m benchmarks.memory_child IMAGES.npy ATTACK` prints JSON.
"""

import json
import sys
import time
from pathlib import Path

import tensorflow  # noqa: F401  (imported first: what it holds is not ours)


def resident(field: str) -> int:
    """Bytes of a line of /proc/self/status: `VmRSS` now, `VmHWM` at most so far."""
    # Not getrusage: a child's ru_maxrss starts with its parent's.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))


def main() -> None:
    """Evaluates and tells."""
    imported = resident("VmRSS")
    import numpy as np

    import turtlenet as tn
    from benchmarks.victims import EPS, undefended

    images = np.load(sys.argv[1], mmap_mode="r")
    labels = np.random.default_rng(1).integers(0, 10, len(images), "int32")
    began = time.perf_counter()
    tn.evaluate(undefended()[0], (images, labels), attacks=[sys.argv[2]], eps=EPS, limit=None, curve=0)
    seconds = time.perf_counter() - began
    print(json.dumps({"imported": imported, "peak": resident("VmHWM"), "seconds": seconds}))


if __name__ == "__main__":
    main()
