"""The same attack and the same step of training on each backend, in processes that take turns.

`python -m benchmarks.backends --turns 3` prints a table of processor time; a backend that is not installed is not
in it.
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time

BACKENDS = ("tensorflow", "jax", "torch")
STEPS = 40


def child(net: str, batch: int) -> None:
    """Measures one backend, the one in the environment, and prints JSON.

    Args:
        net: An architecture.
        batch: Images at a time.
    """
    began = time.process_time()
    import turtlenet as tn
    from benchmarks.victims import EPS, digits, fresh

    model, (x, y) = fresh(net), digits(batch)
    started = time.process_time() - began
    seconds = []
    for _ in range(3):
        began = time.process_time()
        tn.attack(model, x, y, f"pgd:steps={STEPS},early_stop=False", eps=EPS, bounds=(0, 1))
        seconds.append(time.process_time() - began)
    steps = []
    for count in (10, 60):
        began = time.process_time()
        how = {"attack": "pgd:steps=7", "eps": EPS, "epochs": 1, "steps_per_epoch": count, "validation": 0}
        tn.train(model, digits(batch * 20, "train"), batch_size=batch, tell=lambda line: None, **how)
        steps.append(time.process_time() - began)
    found = {"start": started, "first": seconds[0] - min(seconds[1:]), "attack": min(seconds[1:])}
    print(json.dumps({**found, "step": (steps[1] - steps[0]) / 50}))


def measured(backend: str, net: str, batch: int) -> dict[str, float]:
    """What a process on a backend says."""
    command = [sys.executable, "-m", "benchmarks.backends", "--child", net, "--batch", str(batch)]
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measures all and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--child", default="", help="an architecture, to measure it in this process")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--nets", nargs="*", default=["cleverhans", "wong-mnist"])
    given = parser.parse_args()
    if given.child:
        child(given.child, given.batch)
        return
    here = [name for name in BACKENDS if importlib.util.find_spec(name) is not None]
    print("| net | backend | start | first call more | PGD-40 of a batch | PGD-7 step |\n|---|---|--:|--:|--:|--:|")
    for net in given.nets:
        turns: dict[str, list[dict[str, float]]] = {name: [] for name in here}
        for turn in range(given.turns):
            for name in here if turn % 2 == 0 else here[::-1]:
                turns[name].append(measured(name, net, given.batch))
        for name in here:
            cells = []
            for what in ("start", "first", "attack", "step"):
                mine = statistics.median(each[what] for each in turns[name])
                base = statistics.median(each[what] for each in turns[here[0]])
                cells.append(f"{mine:.2f} s ({mine / base:.2f})")
            print(f"| {net} | {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
