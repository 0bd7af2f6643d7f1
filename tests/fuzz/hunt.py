"""Damages genuine files at random and opens them: `make fuzz MINUTES=10`, or `python -m tests.fuzz.hunt MINUTES SEED`.

Whatever is neither a success nor one line of turtlenet's own is a failure: another exception, a message of several
lines, a process that dies, or one that gives no answer in time. Prints the seed of each, and keeps its file.
"""

import json
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

__all__ = ["NAMES", "changed", "hunt"]

SECONDS = 60
NAMES = (
    *("model.h5", "model.keras", "generator.h5", "detector.json", "secret.key", "report.json", "state.resume"),
    *("per-image.npz", "suite.toml", "recipe.toml", "data.npz", "data.h5", "images/a/0.png"),
)
_VALUES = (None, True, 0, -1, 10**9, 1e308, float("nan"), "", "x", "os:system", "a/b", "\n", [], {}, [[]], "é" * 40)


def changed(name, content, draw):
    """The bytes of a file with something wrong in them."""
    kind = draw.randrange(12)
    if kind == 0:
        return b""
    if name.endswith(".json") and kind < 9:
        return _told(json.loads(content), draw)
    data = bytearray(content)
    if kind == 1:
        return bytes(data[: draw.randrange(len(data))])
    spread = draw.choice((100, 2000, len(data)))
    for _ in range(draw.choice((1, 1, 3, 10, 100))):
        at = draw.randrange(min(spread, len(data)))
        at = at if draw.random() < 0.7 else len(data) - 1 - at
        size = draw.randrange(1, 9)
        if kind < 5:
            data[at] ^= 1 << draw.randrange(8)
        elif kind < 7:
            data[at : at + size] = draw.choice((b"\0", b"\xff")) * size
        elif kind < 9:
            data[at : at + size] = draw.randbytes(size)
        elif kind < 10:
            data[at:at] = data[at : at + draw.randrange(1, 64)]
        elif len(data) > 70:
            del data[at : at + draw.randrange(1, 64)]
    return bytes(data)


def _told(said, draw):
    """JSON with some of its values replaced or taken out."""
    for _ in range(draw.choice((1, 1, 2, 5))):
        places, waiting = [], [said]
        while waiting:
            holder = waiting.pop()
            for key, value in list(holder.items() if isinstance(holder, dict) else enumerate(holder)):
                places.append((holder, key))
                if isinstance(value, (dict, list)):
                    waiting.append(value)
        if not places:
            break
        holder, key = draw.choice(places)
        if draw.random() < 0.2:
            del holder[key]
        else:
            holder[key] = draw.choice(_VALUES)
    return json.dumps(said).encode()


class _Worker:
    """The process that opens files, begun anew after it was lost."""

    def __init__(self, folder):
        self.folder = folder
        self.process = None

    def start(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        command = [sys.executable, "-m", "tests.fuzz.worker", str(self.folder)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, text=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}, **pipes)
        self.answers = queue.Queue()
        threading.Thread(target=self._listen, args=(self.process.stdout, self.answers), daemon=True).start()
        if self._answer(300) != "ready\n":
            raise SystemExit("Expected genuine files to damage; none were made: python -m tests.fuzz.worker FOLDER")

    def open(self, name, path):
        self.process.stdin.write(json.dumps([name, str(path)]) + "\n")
        self.process.stdin.flush()
        answer = self._answer(SECONDS)
        if answer:
            return json.loads(answer)
        code = self.process.poll()
        self.process.kill()
        self.process.wait()
        self.process = None
        return f"no answer in {SECONDS} s" if code is None else f"the process ended with code {code}"

    def _answer(self, seconds):
        try:
            return self.answers.get(timeout=seconds)
        except queue.Empty:
            return ""

    @staticmethod
    def _listen(pipe, answers):
        for line in pipe:
            answers.put(line)
        answers.put("")


def hunt(minutes, seed, kept):
    """Damages files until time is up; gives the number of failures."""
    ends = dict.fromkeys(NAMES, 0)
    failures, began = 0, time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        worker = _Worker(Path(place) / "genuine")
        while time.monotonic() - began < 60 * minutes:
            if worker.process is None:
                worker.start()
                genuine = {name: (worker.folder / name).read_bytes() for name in NAMES}
            draw = random.Random(seed)
            name = draw.choice(NAMES)
            target = worker.folder / "damaged" / name
            shutil.rmtree(worker.folder / "damaged", ignore_errors=True)
            if "/" in name:
                shutil.copytree(worker.folder / "images", target.parents[1])
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(changed(name, genuine[name], draw))
            target.chmod(0o600)
            ends[name] += 1
            if wrong := worker.open(name, target):
                failures += 1
                kept.mkdir(parents=True, exist_ok=True)
                shutil.copy(target, kept / f"{seed}-{target.name}")
                print(f"seed {seed}, {name}: {wrong}", flush=True)
            seed += 1
        if worker.process is not None:
            worker.process.kill()
            worker.process.wait()
    print(f"{sum(ends.values())} files, {failures} failures, kept in {kept}: {ends}", flush=True)
    return failures


if __name__ == "__main__":
    first = int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time())
    print(f"first seed: {first}", flush=True)
    sys.exit(1 if hunt(float(sys.argv[1]), first, Path("build/fuzz")) else 0)
