"""AutoAttack beside its authors' own: the same verdicts, part by part, and what they cost.

pip install torch pyautoattack
python benchmarks/autoattack.py --model models/mnist-wong.h5 --eps 0.1
python benchmarks/autoattack.py --model hardened.h5 --eps 0.3 --images 1000 --only apgd-ce whole
"""

import os

# Threads that spin while they wait would cost PyTorch most where others use the machine too.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from pyautoattack import AutoAttack

from benchmarks import machine
from benchmarks.in_torch import Counted, in_torch
from turtlenet import attacks, balls, data, models
from turtlenet.attacks.run.runner import attack_all
from turtlenet.classifier import Classifier

PARTS = {
    "apgd-ce": "apgd-ce",
    "apgd-t": "apgd-t",
    "fab-t": "fab-t:early_stop=true",
    "square": "square:rescale=false",
    "whole": "autoattack",
}
# In L1 the parts of `standard` begin more often, or go for fewer classes.
SPARSE = {**PARTS, "apgd-ce": "apgd-ce:restarts=5", "apgd-t": "apgd-t:target=top5"}
_STANDARD = ["apgd-ce", "apgd-t", "fab-t", "square"]


class Result(NamedTuple):
    """What one contestant found on n images, and what it took."""

    broken: np.ndarray
    seconds: float
    processor: float
    gradients: float
    queries: float


def main() -> None:
    """Runs the parts in turn, ours and theirs, and prints a row of each as soon as it is known."""
    options = _options()
    model = models.load(options.model)
    model = models.classifier(models.wrap(model, options.defence) if options.defence else model)
    test = data.load(options.data, shape=model.input_shape, num_classes=model.num_classes).test
    x, y = test.batch(slice(0, options.images))
    right = model.predict(x).argmax(axis=1) == y
    print(machine.describe(machine.facts()))
    called = " + ".join([options.model.name, *options.defence])
    print(
        f"{called}: {options.images} test images of {options.data}, {right.mean():.1%} right, "
        f"{options.norm} {options.eps}, seed {options.seed}, batches of {options.batch}\n",
        flush=True,
    )
    print("| part | theirs | ours | difference | seconds | | times faster | processor | gradients | | queries | |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    rows = []
    for number, part in enumerate(options.only):
        run: list[Callable[[], Result]] = [
            lambda part=part: _theirs(part, model, x[right], y[right], options),
            lambda part=part: _ours(part, model, x[right], y[right], options),
        ]
        order = (0, 1) if number % 2 == 0 else (1, 0)
        found: dict[int, Result] = {each: run[each]() for each in order}
        theirs, ours = found[0], found[1]
        rows.append(_row(part, theirs, ours, int(right.sum()), options.images))
        print(rows[-1]["text"], flush=True)
    if options.out:
        options.out.write_text(json.dumps({"options": {k: str(v) for k, v in vars(options).items()}, "rows": rows}))


def _row(part: str, theirs: Result, ours: Result, right: int, count: int) -> dict[str, Any]:
    left = [(right - result.broken.sum()) / count for result in (theirs, ours)]
    costs = [
        f"{value / right:,.0f}"
        for pair in ((theirs.gradients, ours.gradients), (theirs.queries, ours.queries))
        for value in pair
    ]
    cells = [
        part,
        *(f"{value:.1%}" for value in left),
        f"{100 * (left[1] - left[0]):+.1f}",
        *(f"{result.seconds:.1f}" for result in (theirs, ours)),
        f"{theirs.seconds / ours.seconds:.1f}",
        f"{theirs.processor / ours.processor:.1f}",
        *costs,
    ]
    return {"part": part, "theirs": left[0], "ours": left[1], "text": "| " + " | ".join(cells) + " |"}


def _theirs(part: str, model: Classifier, x: np.ndarray, y: np.ndarray, options: argparse.Namespace) -> Result:
    net = Counted(in_torch(model.model, surrogate=options.surrogate))
    norm = {"linf": "Linf", "l2": "L2", "l1": "L1"}[options.norm]
    attack = AutoAttack(net, eps=options.eps, norm=norm, seed=options.seed, version="standard")
    attack.attacks_to_run = _STANDARD if part == "whole" else [part]
    images, labels = torch.tensor(x.transpose(0, 3, 1, 2)), torch.tensor(y.astype("int64"))
    began, ran = time.perf_counter(), time.process_time()
    moved, _ = attack.run_standard_evaluation(images, labels, batch_size=options.batch)
    seconds, processor = time.perf_counter() - began, time.process_time() - ran
    cost = net.gradients, net.queries
    with torch.no_grad():
        broken = (net(moved).argmax(dim=1) != labels).numpy()
    return Result(broken, seconds, processor, *cost)


def _ours(part: str, model: Classifier, x: np.ndarray, y: np.ndarray, options: argparse.Namespace) -> Result:
    # Graphs are built anew: compiling them is part of what an answer costs.
    model = models.classifier(model.model, gradient=options.gradient)
    ball = balls.get(options.norm, options.eps)
    attack = attacks.build((SPARSE if options.norm == "l1" else PARTS)[part])
    began, ran = time.perf_counter(), time.process_time()
    found = attack_all(attack, model, x, y, ball=ball, seed=options.seed, batch_size=options.batch)
    seconds, processor = time.perf_counter() - began, time.process_time() - ran
    broken = model.predict(found.x).argmax(axis=1) != y
    far = float(np.max(ball.distance(found.x, x)))
    if far > options.eps * (1 + 1e-5) or found.x.min() < 0 or found.x.max() > 1:
        raise ValueError(f"Expected examples within {options.eps}; got one {far} away.")
    return Result(broken, seconds, processor, found.gradients.sum(), found.queries.sum())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="a model of convolutions and dense layers")
    parser.add_argument("--defence", nargs="+", default=[], help="quantizers to put before it")
    parser.add_argument("--gradient", default="adaptive", help="how ours differentiates them: adaptive or naive")
    parser.add_argument("--surrogate", action="store_true", help="theirs differentiates their surrogates too")
    parser.add_argument("--data", default="mnist-sample", help="a data set by name or path")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--norm", default="linf", choices=("linf", "l2", "l1"))
    parser.add_argument("--eps", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--only", nargs="+", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--out", type=Path, help="a JSON file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
