"""A secret permutation of the pixels, paper 004: `python -m benchmarks.papers.taran`.

The cleverhans CNN on MNIST and Fashion-MNIST, as it is (classical) and behind a keyed permutation (permuted), trained
on the first 55,000 images. FGSM is made on the classical net and given to both, as the paper did, on the first 1,000
test images; beside it stands the attack of someone who has the key. The paper does not say its radius: several are
tried.
"""

import argparse
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

import turtlenet as tn
from benchmarks.papers import qusecnets
from benchmarks.papers.workshop import Measures, Workshop, parser, start
from turtlenet import models
from turtlenet.classifier import Classifier
from turtlenet.defences.draws import bits_of_permutation
from turtlenet.defences.keys import use_key, write_key

__all__ = ["FGSM_EPS", "IMAGES", "main"]

TRAIN, IMAGES, EPOCHS = 55_000, 1000, 6
FGSM_EPS = (0.1, 0.15, 0.2, 0.25, 0.3)
DEFENCES = {"classical": [], "permuted": ["permutation"]}
ROWS = tuple(DEFENCES)


def training(shop: Workshop) -> dict[str, Any]:
    """How a row's model is trained."""
    return {
        "objective": "natural",
        "attack": "fgsm",
        "epochs": shop.asked.epochs or EPOCHS,
        "batch_size": 128,
        "optimizer": "compiled",
    }


def measures(shop: Workshop, classical: Callable[[], Classifier], row: str) -> Measures:
    """Accuracy as it is, under FGSM made on the classical net, and under attacks on the model itself."""
    found: dict[str, Callable[[Classifier], Any]] = {"clean": lambda victim: shop.clean(victim, IMAGES)}
    for eps in FGSM_EPS:
        found[f"fgsm-classical-{eps:g}"] = lambda victim, eps=eps: shop.attacked(
            classical(), qusecnets.FGSM, eps, count=IMAGES, judge=victim
        )
    if row == "permuted":
        for eps in FGSM_EPS:
            found[f"fgsm-key-{eps:g}"] = lambda victim, eps=eps: shop.attacked(
                victim, qusecnets.FGSM, eps, count=IMAGES
            )
        found["pgd-key-0.3"] = lambda victim: shop.attacked(victim, qusecnets.PGD, 0.3, count=IMAGES)
    return found


def tables(shop: Workshop) -> None:
    """The rows of one data set."""
    folder = shop.asked.models / shop.paper
    key, start = folder / "a.key", folder / "permuted-untrained.h5"
    folder.mkdir(parents=True, exist_ok=True)
    if not key.exists():
        write_key(key, bits_of_permutation(28 * 28))

    def net(row: str) -> keras.Model:
        if row == "classical":
            return qusecnets.network()
        # Each new layer has a salt of its own, and with it another order: a stopped run must find the one it had.
        if not start.exists():
            tn.save_model(tn.wrap(qusecnets.network(), "permutation"), start)
        return tn.load_model(start)

    @functools.cache
    def victim(row: str) -> Classifier:
        return models.classifier(shop.model(row, lambda: net(row), **training(shop)))

    with use_key(key):
        for row in shop.wanted(ROWS):
            facts = {**training(shop), "defences": DEFENCES[row]}
            shop.row(row, facts, measures(shop, lambda: victim("classical"), row), lambda row=row: victim(row))


def main(argv: Sequence[str] | None = None) -> None:
    options = parser(__doc__ or "")
    options.add_argument("--fashion", default="fashion_mnist", metavar="NAME|PATH", help="Fashion-MNIST")
    asked = options.parse_args(argv)
    asked.train = asked.train or TRAIN
    for name, data in (("mnist", asked.data), ("fashion-mnist", asked.fashion)):
        tables(Workshop(str(Path("taran") / name), argparse.Namespace(**{**vars(asked), "data": data})))


if __name__ == "__main__":
    start(main)
