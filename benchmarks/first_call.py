"""What the first call of an attack or a training takes beyond the next one: tracing and compiling.

`python -m benchmarks.first_call --turns 3` prints a table of processor seconds on each backend that is installed, each
turn in a process of its own. `PYTHONPATH` of another checkout measures that one. On JAX a further row reads what an
earlier process compiled from JAX's cache on disk.
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

BACKENDS = ("tensorflow", "jax", "torch")
AUTOATTACK = "autoattack:steps=10,queries=20"
"""Short, and with a small radius, so that images survive to each of its parts."""
CALLS = ("PGD-40", "PGD-10 after it", "AutoAttack", "4 steps of PGD-7 training")


def child(net: str, batch: int) -> None:
    """Measures the backend of the environment, and prints JSON: for each call its seconds, and those without a start.

    Args:
        net: An architecture.
        batch: Images at a time.
    """
    import turtlenet as tn
    from benchmarks.victims import EPS, digits, fresh

    model, (x, y), data = fresh(net), digits(batch), digits(batch * 24, "train")

    def attack(spec: str, eps: float) -> Callable[[], Any]:
        return lambda: tn.attack(model, x, y, spec, eps=eps, bounds=(0, 1))

    how: dict[str, Any] = {"attack": "pgd:steps=7", "eps": EPS, "epochs": 1, "validation": 0}

    def train(steps: int) -> Callable[[], Any]:
        return lambda: tn.train(model, data, batch_size=batch, tell=lambda line: None, **how, steps_per_epoch=steps)

    attacks = (
        attack("pgd:steps=40,early_stop=False", EPS),
        attack("pgd:steps=10,early_stop=False", EPS),
        attack(AUTOATTACK, EPS / 100),
    )
    seconds = {name: [taken(call), taken(call)] for name, call in zip(CALLS, attacks, strict=False)}
    # A training traces anew each time: its steps are what more of them take.
    few, many = taken(train(4)), taken(train(24))
    seconds[CALLS[-1]] = [few, (many - few) / 5]
    print(json.dumps(seconds))


def taken(call: Callable[[], Any]) -> float:
    """Processor seconds of a call."""
    began = time.process_time()
    call()
    return time.process_time() - began


def measured(backend: str, net: str, batch: int, cache: str = "") -> dict[str, list[float]]:
    """What a process on a backend says; `cache` is JAX's folder of compiled programs."""
    command = [sys.executable, "-m", "benchmarks.first_call", "--child", net, "--batch", str(batch)]
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    if cache:
        environment |= {"JAX_COMPILATION_CACHE_DIR": cache, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def row(name: str, turns: list[dict[str, list[float]]]) -> str:
    """A row of the table: by call, the median over turns of the first less the next, and of the next."""
    cells = []
    for call in CALLS:
        more = statistics.median(first - then for first, then in (turn[call] for turn in turns))
        cells.append(f"{more:.2f} + {statistics.median(turn[call][1] for turn in turns):.2f}")
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Measures all and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--child", default="", help="an architecture, to measure it in this process")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--net", default="wong-mnist")
    given = parser.parse_args()
    if given.child:
        child(given.child, given.batch)
        return
    print(f"| {given.net}, first call more + each call | {' | '.join(CALLS)} |\n|---|{'--:|' * len(CALLS)}")
    for backend in BACKENDS:
        if importlib.util.find_spec(backend) is None:
            continue
        print(row(backend, [measured(backend, given.net, given.batch) for _ in range(given.turns)]), flush=True)
    if importlib.util.find_spec("jax") is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        turns = [measured("jax", given.net, given.batch, folder) for _ in range(1 + given.turns)]
    print(row("jax, compiled before and read from disk", turns[1:]))


if __name__ == "__main__":
    main()
