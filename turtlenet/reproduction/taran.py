"""A secret permutation of the pixels, paper 004: `python -m turtlenet.reproduction.taran`.

The cleverhans CNN on MNIST and Fashion-MNIST, as it is (classical) and behind a keyed permutation (permuted), trained
on the first 55,000 images. As in the paper, FGSM and the L2 attack of Carlini & Wagner are made on the classical net
and given to both; the paper does not say FGSM's radius: several are tried. Beside them stand attackers that the paper
leaves out: with two nets behind keys of their own (one epoch), one by one and as a mean (EOT over keys), with
questions to the permuted net, and with its key.
"""

import argparse
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

import turtlenet as tn
from turtlenet import models
from turtlenet.attacks.ensembles.sources import Surrogate
from turtlenet.classifier import Classifier
from turtlenet.defences.keyed_draws import bits_of_permutation
from turtlenet.defences.keys import use_key, write_key
from turtlenet.reproduction import qusecnets
from turtlenet.reproduction.workshop import Measures, Workshop, parser, start
from turtlenet.training.surrogates.reinitialized import attackers_key, twin

__all__ = ["CW", "FGSM_EPS", "IMAGES", "OWN_EPS", "SIGNS", "SQUARE", "main"]

TRAIN, IMAGES, EPOCHS = 55_000, 1000, 6
FGSM_EPS = (0.1, 0.15, 0.2, 0.25, 0.3)
OWN_KEYS, OWN_EPOCHS, OWN_EPS = 2, 1, (0.1, 0.2, 0.3)
# Its authors take nine searches of up to a thousand steps: sixty times as much.
CW, CW_SURE, CW_IMAGES = "cw:searches=3,steps=50,c=1,step_size=0.1", ",confidence=5", 100
SQUARE, SQUARE_EPS, SQUARE_IMAGES = "square:queries=1000", (0.1, 0.3), 100
# The control: signs that nobody chose.
SIGNS = "noise:kind=gaussian,deviation=100,draws=1"
DEFENCES = {"classical": [], "permuted": ["permutation"]}
ROWS = tuple(DEFENCES)
Nets = Callable[[str], Classifier]


def training(shop: Workshop) -> dict[str, Any]:
    """How a row's model is trained."""
    return {
        "objective": "natural",
        "attack": "fgsm",
        "epochs": shop.asked.epochs or EPOCHS,
        "batch_size": 128,
        "optimizer": "compiled",
    }


def measures(shop: Workshop, nets: Nets, row: str) -> Measures:
    """Accuracy as it is, under attacks made on the classical net, and, with a key, under those of everybody else."""
    found: dict[str, Callable[[Classifier], Any]] = {"clean": lambda victim: shop.clean(victim, IMAGES)}

    def add(name: str, who: str, spec: str, eps: float, count: int, norm: str = "linf") -> None:
        """Made on another net, or on the row's own."""
        found[name] = lambda victim: shop.attacked(
            nets(who) if who else victim, spec, eps, count=count, judge=victim if who else None, norm=norm
        )

    for eps in FGSM_EPS:
        add(f"fgsm-classical-{eps:g}", "classical", qusecnets.FGSM, eps, IMAGES)
    add("cw-classical", "classical", CW, float("inf"), CW_IMAGES, "l2")
    if row == "classical":
        return found
    for eps in OWN_EPS:
        add(f"fgsm-key-{eps:g}", "", qusecnets.FGSM, eps, IMAGES)
    add("pgd-key-0.3", "", qusecnets.PGD, 0.3, IMAGES)
    add("cw-key", "", CW, float("inf"), CW_IMAGES, "l2")
    for eps in SQUARE_EPS:
        add(f"square-{eps:g}", "", SQUARE, eps, SQUARE_IMAGES)
    own = [f"own-key-{number + 1}" for number in range(OWN_KEYS)]
    for who in (*own, "mean"):
        for eps in OWN_EPS:
            add(f"fgsm-{who}-{eps:g}", who, qusecnets.FGSM, eps, IMAGES)
    add("cw-mean", "mean", CW, float("inf"), CW_IMAGES, "l2")
    for who in ("classical", "mean"):
        add(f"cw-sure-{who}", who, CW + CW_SURE, float("inf"), CW_IMAGES, "l2")
    for eps in OWN_EPS:
        add(f"fgsm-signs-{eps:g}", "", SIGNS, eps, IMAGES)
    for who in own:
        found[f"clean-{who}"] = lambda _, who=who: shop.clean(nets(who), IMAGES)
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
        if row == "mean":
            own = [victim(f"own-key-{number + 1}") for number in range(OWN_KEYS)]
            return Surrogate(own, victim("permuted"), same=True)
        if row in ROWS:
            return models.classifier(shop.model(row, lambda: net(row), **training(shop)))
        number = int(row.rpartition("-")[2])
        like = victim("permuted").model
        secret = attackers_key(like, shop.asked.seed, number)
        with use_key(secret):
            how = {**training(shop), "epochs": shop.asked.epochs or OWN_EPOCHS}
            return models.classifier(shop.model(row, lambda: own_net(net("permuted"), number, secret), **how))

    def own_net(like: keras.Model, number: int, secret: bytes) -> keras.Model:
        made = twin(like, shop.asked.seed + number, secret)
        made.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
        return made

    with use_key(key):
        for row in shop.wanted(ROWS):
            facts = {**training(shop), "defences": DEFENCES[row]}
            shop.row(row, facts, measures(shop, victim, row), lambda row=row: victim(row))


def main(argv: Sequence[str] | None = None) -> None:
    options = parser(__doc__ or "")
    options.add_argument("--fashion", default="fashion_mnist", metavar="NAME|PATH", help="Fashion-MNIST")
    options.add_argument("--sets", nargs="+", choices=("mnist", "fashion-mnist"), help="these; both without it")
    asked = options.parse_args(argv)
    asked.train = asked.train or TRAIN
    for name, data in (("mnist", asked.data), ("fashion-mnist", asked.fashion)):
        if asked.sets and name not in asked.sets:
            continue
        tables(Workshop(str(Path("taran") / name), argparse.Namespace(**{**vars(asked), "data": data})))


if __name__ == "__main__":
    start(main)
