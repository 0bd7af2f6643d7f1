"""Searches for the smallest perturbation beside the same ones of adv-lib: how far they go, and what it costs.

pip install torch torchvision visdom adv-lib==0.2.8
python benchmarks/advlib.py --images 100
python benchmarks/advlib.py --only sigma-zero --steps 1000
"""

import os

# Threads that spin while they wait would cost PyTorch most where others use the machine too.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import functools
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from adv_lib.attacks import alma, pdpgd, sdf, sigma_zero, tr

from benchmarks import machine
from benchmarks.in_torch import in_torch
from turtlenet import attacks, balls, data, models
from turtlenet.attacks.run.runner import attack_all
from turtlenet.classifier import Classifier


class Case(NamedTuple):
    """An attack of ours and the same of adv-lib; `{steps}` stands for the budget."""

    spec: str
    norm: str
    peer: Callable[..., Any]
    settings: dict[str, Any]
    steps: str = "num_steps"


CASES = {
    "sigma-zero": Case("sigma-zero:steps={steps}", "l0", sigma_zero, {}),
    "pdpgd-l2": Case("pdpgd:steps={steps}", "l2", functools.partial(pdpgd, norm=2), {}),
    "pdpgd-linf": Case("pdpgd:steps={steps}", "linf", functools.partial(pdpgd, norm=math.inf), {}),
    "pdpgd-l1": Case("pdpgd:steps={steps}", "l1", functools.partial(pdpgd, norm=1), {}),
    "alma-l2": Case("alma:steps={steps}", "l2", alma, {"distance": "l2"}),
    "alma-l1": Case("alma:steps={steps}", "l1", alma, {"distance": "l1"}),
    "super-deepfool": Case("super-deepfool", "l2", sdf, {}, ""),
    "trust-region-l2": Case("trust-region:steps={steps}", "l2", functools.partial(tr, p=2, adaptive=True), {}, "iter"),
}


def main() -> None:
    """Runs every case and prints a row of each as soon as it is known."""
    options = _options()
    model = models.classifier(models.load(options.model))
    test = data.load("mnist-sample", shape=model.input_shape, num_classes=model.num_classes).test
    x, y = test.batch(slice(0, options.images))
    right = model.predict(x).argmax(axis=1) == y
    x, y = x[right], y[right]
    print(machine.describe(machine.facts()))
    print(
        f"{options.model.name}: the {len(x)} of {options.images} test images that are right, {options.steps} steps\n"
    )
    print("| attack | norm | success, theirs / ours | median, theirs / ours | ours nearer, farther | processor |")
    print("|---|---|---|---|---|--:|")
    for name in options.only:
        case = CASES[name]
        found = {"theirs": _theirs(case, model, x, y, options.steps), "ours": _ours(case, model, x, y, options.steps)}
        ball = balls.get(case.norm, 1.0)
        length = {who: _lengths(model, ball, x, y, moved) for who, (moved, _) in found.items()}
        nearer = length["ours"] < 0.999 * length["theirs"]
        farther = length["ours"] > 1.001 * length["theirs"]
        cells = [
            name,
            case.norm,
            " / ".join(f"{np.isfinite(each).mean():.2f}" for each in length.values()),
            " / ".join(f"{np.median(each):.4g}" for each in length.values()),
            f"{nearer.sum()}, {farther.sum()}",
            f"{found['theirs'][1] / found['ours'][1]:.1f}",
        ]
        print("| " + " | ".join(cells) + " |", flush=True)


def _lengths(model: Classifier, ball: balls.Ball, x: np.ndarray, y: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """How far each example is, as the model itself judges it; infinite where it is no success."""
    return np.where(model.predict(moved).argmax(axis=1) != y, ball.length(moved, x), np.inf)


def _theirs(case: Case, model: Classifier, x: np.ndarray, y: np.ndarray, steps: int) -> tuple[np.ndarray, float]:
    net = in_torch(model.model)
    settings = {**case.settings, **({case.steps: steps} if case.steps else {})}
    ran = time.process_time()
    moved = case.peer(net, torch.tensor(x.transpose(0, 3, 1, 2)), torch.tensor(y.astype("int64")), **settings)
    return moved.detach().numpy().transpose(0, 2, 3, 1), time.process_time() - ran


def _ours(case: Case, model: Classifier, x: np.ndarray, y: np.ndarray, steps: int) -> tuple[np.ndarray, float]:
    attack, ball = attacks.build(case.spec.format(steps=steps)), balls.get(case.norm, 0.0)
    ran = time.process_time()
    found = attack_all(attack, model, x, y, ball=ball.with_eps(ball.widest(x.shape[1:])), batch_size=len(x))
    return found.x, time.process_time() - ran


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("models/mnist-wong.h5"))
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--only", nargs="+", default=list(CASES), choices=list(CASES))
    return parser.parse_args()


if __name__ == "__main__":
    main()
