"""What one backend makes of one seed: draws, a short training, verdicts.

`python -m tests.backend.parity MODEL FOLDER` does it in a process of its own, whose backend the environment names.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

import turtlenet as tn
from turtlenet import random

__all__ = ["draws", "trained", "verdicts"]


def draws() -> dict[str, np.ndarray]:
    """Random numbers of each kind."""
    keys = random.fold_in(random.keys(2**33 + 7, np.arange(40)), 5)
    drawn = {
        "bits": random.bits(keys, (30,)),
        "uniform": random.uniform(keys, (30,), -0.3, 0.3),
        "rademacher": random.rademacher(keys, (30,)),
        "normal": random.normal(keys, (30,)),
    }
    return {name: np.asarray(value) for name, value in drawn.items()}


def trained(model: Path, out: Path) -> None:
    """Saves a model after a few adversarial steps that do not multiply what is rounded.

    The sign of a slope near 0 is decided by rounding; the slope of a margin in L2 is used as it is. So the weights of
    two backends stay as near to each other as the gradients of their batches.
    """
    plan: dict[str, Any] = {"epochs": 1, "steps_per_epoch": 5, "batch_size": 64, "validation": 0, "warmup": 0.0}
    how: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 0.005, "seed": 3, "norm": "l2", "eps": 1.0}
    made = tn.train(model, attack="pgd:steps=3,loss=margin", tell=lambda line: None, **plan, **how)
    tn.save_model(made, out)


def verdicts(model: Path) -> dict[str, Any]:
    """What a report says of each image, at a radius that about half of them resist: a verdict can turn either way."""
    found = tn.evaluate(model, attacks=["fgsm", "pgd:steps=10"], eps=0.1, limit=200, curve=0)
    data = json.loads(found.to_json())
    return {name: data[name] for name in ("versions", "clean_accuracy", "robust_accuracy", "attacks", "verdicts")}


def main(model: str, out: str) -> None:
    """Writes the draws, the model trained here, and what a report says of it."""
    folder = Path(out)
    np.savez(folder / "draws.npz", **draws())
    trained(Path(model), folder / "model.h5")
    (folder / "verdicts.json").write_text(json.dumps(verdicts(folder / "model.h5")))


if __name__ == "__main__":
    main(*sys.argv[1:])
