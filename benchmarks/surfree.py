"""SurFree beside its authors' own code, on the same weights in PyTorch: how far both go with as many questions.

git clone https://github.com/t-maho/SurFree      # measured at commit 3e631e4; no package has it
pip install torch foolbox==3.3.4
python -m benchmarks.surfree --authors SurFree/surfree.py --images 24
"""

import argparse
import contextlib
import importlib.util
import math
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import foolbox
import numpy as np
import torch

from benchmarks import machine
from benchmarks.in_torch import in_torch
from benchmarks.victims import digits, undefended
from turtlenet import attacks, balls
from turtlenet.attacks.run.runner import attack_all
from turtlenet.classifier import Classifier
from turtlenet.models import classifier

__all__ = ["main"]

# Those of their example; waves of 8x8 blocks fail on 28 pixels.
_BASIS = {"basis_type": "dct", "dct_type": "full", "function": "constant", "frequence_range": (0, 0.5)}


class _EnoughError(Exception):
    """As many questions as there may be."""


class _Watched(torch.nn.Module):
    """A net about one image that remembers how near each answer leaves the nearest success, and ends the search.

    Theirs looks at its budget between two directions that help, and where none does it goes on for ever.
    """

    def __init__(self, net: torch.nn.Module, x: torch.Tensor, label: int, most: int):
        super().__init__()
        self.net, self.x, self.label, self.most = net, x, label, most
        self.nearest: list[float] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (batch, classes); an image of zeros is one that theirs does not count."""
        logits = self.net(x)
        for image, answer in zip(x, logits.argmax(dim=1).tolist(), strict=True):
            if not image.any():
                continue
            if len(self.nearest) == self.most:
                raise _EnoughError
            far = float((image - self.x).norm()) if answer != self.label else math.inf
            self.nearest.append(min([far, *self.nearest[-1:]]))
        return logits


def main() -> None:
    """Prints a row for each budget as soon as it is known."""
    options = _options()
    model, called = undefended()
    victim = classifier(model)
    x, y = digits(2 * options.images)
    x = x.reshape(-1, *victim.input_shape)
    right = np.flatnonzero(victim.predict(x).argmax(axis=1) == y)[: options.images]
    x, y = x[right], y[right].astype("int32")
    print(machine.describe(machine.facts()))
    print(f"{called}: the first {len(x)} test images that are right, seed {options.seed}\n")
    theirs = _theirs(options.authors, victim, x, y, max(options.queries), options.seed)
    print("| queries | success, theirs / ours | median L2, theirs / ours | mean L2 | ours nearer, farther |")
    print("|--:|---|---|---|---|", flush=True)
    ball = balls.get("l2", 0.0)
    for budget in options.queries:
        attack = attacks.build(f"surfree:queries={budget}{options.more}")
        ours = attack_all(attack, victim, x, y, ball=ball.with_eps(ball.widest(x.shape[1:])), seed=options.seed)
        far = np.linalg.norm((ours.x - x).reshape(len(x), -1).astype("float64"), axis=1)
        length = [theirs[:, budget - 1], np.where(ours.reached, far, np.inf)]
        nearer, farther = length[1] < 0.999 * length[0], length[1] > 1.001 * length[0]
        cells = [str(budget), " / ".join(f"{np.isfinite(each).mean():.2f}" for each in length)]
        cells += [" / ".join(f"{middle(each):.3f}" for each in length) for middle in (np.median, np.mean)]
        print("| " + " | ".join([*cells, f"{nearer.sum()}, {farther.sum()}"]) + " |", flush=True)


def _theirs(path: Path, model: Classifier, x: np.ndarray, y: np.ndarray, most: int, seed: int) -> np.ndarray:
    """How far their nearest success is after each question, with those for the start (images, questions)."""
    np.random.seed(seed)
    torch.manual_seed(seed)
    net, found = in_torch(model.model), []
    for image, label in zip(torch.tensor(x.transpose(0, 3, 1, 2).copy()), y, strict=True):
        watched = _Watched(net, image, int(label), most).eval()
        victim = foolbox.PyTorchModel(watched, bounds=(0, 1), device="cpu")
        goal = foolbox.criteria.Misclassification(torch.tensor([int(label)]))
        with contextlib.suppress(_EnoughError):
            _module(path).SurFree(steps=most, max_queries=most).run(victim, image[None], goal, basis_params=_BASIS)
        found.append(watched.nearest + watched.nearest[-1:] * (most - len(watched.nearest)))
    return np.array(found)


def _module(path: Path) -> Any:
    """Their file, which is to lie among Foolbox's attacks, from where it is."""
    name = "foolbox.attacks.surfree"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"Expected a Python file at {path}.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--authors", type=Path, required=True, help="surfree.py of their repository")
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--queries", type=int, nargs="+", default=[500, 1000])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--more", default="", help="further settings of ours, such as ,waves=1")
    return parser.parse_args()


if __name__ == "__main__":
    main()
