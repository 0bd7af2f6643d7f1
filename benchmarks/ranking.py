"""Our attacks as competitors of AttackBench: how near to the best each comes within 2,000 propagations.

    python -m venv ranking && ranking/bin/pip install -r benchmarks/requirements-ranking.txt
    KERAS_BACKEND=torch ranking/bin/python -m benchmarks.ranking --images 100 --out ranking.json

AttackBench (Cina et al., 2025) runs each attack on a model that counts the forward and backward propagations of every
image, answers none beyond 2,000, and keeps the smallest perturbation that it saw on the way. The local optimality of
an attack is its area below the curve of accuracy against the radius, as a share of that of the best of all attacks
together, image by image: 1 is the best possible here, and depends on who takes part.

Ours run on PyTorch, on the counting module itself within a Keras model.
"""

import argparse
import functools
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import attackbench
import keras
import numpy as np
import torch
from attackbench.models.benchmodel_wrapper import BenchModel
from torch.utils.data import DataLoader, TensorDataset

from benchmarks import machine
from benchmarks.in_torch import in_torch
from turtlenet import attacks, balls, data, models
from turtlenet.attacks.run.runner import attack_all
from turtlenet.files import write_whole

OURS = {
    "l0": ("sigma-zero:steps=999", "fmn:steps=998"),
    "l1": ("fmn:steps=998", "pdpgd:steps=998", "alma:steps=998", "brendel-bethge:steps=900"),
    "l2": (
        "fmn:steps=998",
        "ddn:steps=998",
        "alma:steps=998",
        "pdpgd:steps=998",
        "trust-region:steps=90",
        "super-deepfool",
        "brendel-bethge:steps=900",
    ),
    "linf": (
        "fmn:steps=998",
        "pdpgd:steps=998",
        "trust-region:steps=90",
        "fab-t:steps=90",
        "brendel-bethge:steps=900",
    ),
}
"""Those that look for the smallest perturbation, with the steps that 2,000 propagations pay.

`brendel-bethge` begins at noise, which in `l0` is as far from one image as from all others, so that AttackBench counts
its questions for another image.
"""

THEIRS = {
    "l0": ("adv_lib:pdpgd", "adv_lib:vfga", "original:sigma_zero", "original:pgd0_minimal"),
    "l1": ("adv_lib:alma", "foolbox:ead", "original:apgd_minimal", "original:apgd_t_minimal"),
    "l2": (
        "adv_lib:alma",
        "adv_lib:ddn",
        "adv_lib:fmn",
        "adv_lib:pdgd",
        "adv_lib:cw_l2",
        "original:fmn",
        "original:deepfool",
        "original:superdeepfool",
        "foolbox:ddn",
    ),
    "linf": (
        "adv_lib:fmn",
        "adv_lib:pdpgd",
        "adv_lib:tr",
        "adv_lib:apgd_minimal",
        "adv_lib:pgd_minimal",
        "original:apgd_t_minimal",
        "original:fmn",
        "original:fab",
        "foolbox:bb",
    ),
}
"""AttackBench's competitors, with the settings that it gives them, that look for the smallest perturbation."""


class _Counting(BenchModel):
    """AttackBench's counting module, which clips its inputs to [0, 1], with a gradient at 0 and at 1.

    From PyTorch 2.14 on that of `clamp` is 0 at its bounds, and most pixels of a digit stand at one: every attack by
    gradients would go without them.
    """

    def __init__(self, net: torch.nn.Module):
        super().__init__(net, enforce_box=False)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Logits of images."""
        clipped = input.clamp(0, 1)
        return cast(torch.Tensor, super().forward(torch.where(input == clipped, input, clipped)))


def ours(spec: str, norm: str) -> Callable[..., torch.Tensor]:
    """An attack of ours in AttackBench's form."""

    def attack(model: torch.nn.Module, inputs: torch.Tensor, labels: torch.Tensor, **_: Any) -> torch.Tensor:
        classifier = models.classifier(_in_keras(model, tuple(inputs.shape[1:])), head="logits", bounds=(0, 1))
        x, y = inputs.numpy(), labels.numpy()
        ball = balls.get(norm, 0.0)
        ball = ball.with_eps(ball.widest(x.shape[1:]))
        return torch.tensor(attack_all(attacks.build(spec), classifier, x, y, ball=ball, batch_size=len(x)).x)

    return attack


def theirs(library: str, name: str, norm: str) -> Callable[..., torch.Tensor]:
    """A competitor that is not told the norm: AttackBench hands it to some that have no argument for it."""
    attack = attackbench.get_attack(lib=library, attack=name, threat_model=norm)

    def call(model: torch.nn.Module, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return cast(torch.Tensor, attack(model=model, inputs=inputs, labels=labels))

    return call


def _in_keras(model: torch.nn.Module, shape: tuple[int, ...]) -> keras.Model:
    image = keras.Input(shape)
    return keras.Model(image, keras.layers.TorchModuleWrapper(model, output_shape=(None, 10))(image))


def measure(name: str, norm: str, net: torch.nn.Module, images: DataLoader[Any]) -> dict[str, Any]:
    """What AttackBench notes of one attack: the distance of each image, propagations, seconds."""
    whose, attack = name.split(":", 1)
    call = ours(attack, norm) if whose == "turtlenet" else theirs(whose, attack, norm)
    ran = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # One for each step beyond the budget.
        found = attackbench.run_attack(
            _Counting(net), images, call, norm, device=torch.device("cpu"), dataset_name="mnist"
        )
    return {
        "distances": found["distances"][norm],
        "correct": found["correct"],
        "failed": any(found["batch_failures"]),
        "forwards": float(np.mean(found["num_forwards"])),
        "backwards": float(np.mean(found["num_backwards"])),
        "processor": round(time.process_time() - ran, 1),
    }


def page(rows: dict[str, dict[str, Any]], norm: str) -> str:
    """The table of a norm, the best first."""
    mine = {name: row for name, row in rows.items() if not row["failed"]}
    best = np.min([row["distances"] for row in mine.values()], axis=0)
    share = {
        name: attackbench.eval_optimality(row["distances"], best, float(np.mean(row["correct"])))
        for name, row in mine.items()
    }
    lines = [
        f"{norm}:\n",
        "| attack | of | optimality | median | broken | forward, backward | processor, s |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for name in sorted(share, key=lambda each: -share[each]):
        row, (whose, attack) = rows[name], name.split(":", 1)
        distances = np.array(row["distances"])
        broken = np.isfinite(distances).mean()
        lines.append(
            f"| `{attack}` | {whose} | {share[name]:.3f} | {np.median(distances):.4g} | {broken:.2f} "
            f"| {row['forwards']:,.0f}, {row['backwards']:,.0f} | {row['processor']:.0f} |"
        )
    lines += [
        f"| `{name.split(':', 1)[1]}` | {name.split(':')[0]} | failed | | | | |" for name in rows if name not in mine
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measures what was not measured yet, and prints a table of each norm."""
    asked = _options()
    keras.utils.set_random_seed(asked.seed)
    model = models.classifier(models.load(asked.model))
    test = data.load(asked.data, shape=model.input_shape, num_classes=model.num_classes).test
    x, y = test.batch(slice(0, asked.images))
    net = in_torch(model.model)
    images = DataLoader(
        TensorDataset(torch.tensor(np.ascontiguousarray(x.transpose(0, 3, 1, 2))), torch.tensor(y.astype("int64"))),
        batch_size=asked.batch_size,
    )
    print(
        machine.describe(
            machine.facts(("turtlenet", "keras", "torch", "attackbenchlib", "adv-lib", "foolbox"), ("CPU",))
        )
    )
    print(f"{asked.model.name}: the first {asked.images} test images of {asked.data}, seed {asked.seed}\n")
    rows = cast(dict[str, dict[str, Any]], json.loads(asked.out.read_text("utf-8")) if asked.out.exists() else {})
    for norm in asked.norms:
        names = [f"turtlenet:{spec}" for spec in OURS[norm]] + list(THEIRS[norm])
        for name in names:
            if name not in rows.setdefault(norm, {}):
                rows[norm][name] = measure(name, norm, net, images)
                write_whole(asked.out, functools.partial(_written, rows=rows))
        print(page({name: rows[norm][name] for name in names}, norm), flush=True)


def _written(file: Any, rows: dict[str, Any]) -> None:
    file.write(json.dumps(rows).encode())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("models/mnist-wong.h5"))
    parser.add_argument("--data", default="mnist-sample", metavar="NAME|PATH")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--norms", nargs="+", default=list(OURS), choices=list(OURS))
    parser.add_argument(
        "--out", type=Path, default=Path("ranking.json"), help="rows; what is there is not measured again"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
