"""Quantization of the input, papers 000 and 002: `python -m turtlenet.reproduction.qusecnets`.

The cleverhans CNN on all of MNIST, bare and behind constant (CQ, z = 50) and trainable (TQ, z = 5) quantization of 2
to 6 levels, trained as in paper 000, Table 2, alone and with adversarial training. FGSM at eight radii on all test
images, PGD at four on the first thousand; with the gradient that the framework gives and with the surrogate's. From
three levels on FGSM at four radii, PGD at two on the first five hundred.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from turtlenet import models
from turtlenet.classifier import Classifier
from turtlenet.reproduction.workshop import Measures, Workshop, parser, start

__all__ = ["FGSM", "PGD", "ROWS", "main", "network"]

LEVELS = (2, 3, 4, 5, 6)
FGSM_EPS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4)
PGD_EPS = (0.1, 0.2, 0.3, 0.4)
PGD_IMAGES = 1000
# Of rows with three levels and more: what the time on two cores allows.
FEWER_FGSM_EPS = (0.1, 0.2, 0.3, 0.4)
FEWER_PGD_EPS = (0.2, 0.3)
FEWER_PGD_IMAGES = 500
FGSM = "fgsm:keep=last"
PGD = "pgd:steps=40,restarts=3,early_stop=True"
EPOCHS = 6
# As in the tutorial of cleverhans, whose other numbers are paper 000's: half of each batch by FGSM, from the start.
OBJECTIVES = {"natural": "natural", "adversarial": "madry:clean_share=0.5"}


def _defences() -> dict[str, list[str]]:
    constant = {f"cq-{n}": [f"constant-quantization:levels={n},sharpness=50"] for n in LEVELS}
    trainable = {f"tq-{n}": [f"trainable-quantization:levels={n},sharpness=5"] for n in LEVELS}
    return {"none": [], **constant, **trainable}


DEFENCES = _defences()
# First what the papers have numbers for.
_ORDER = ["none", "cq-2", "tq-2", *(name for name in DEFENCES if name not in ("none", "cq-2", "tq-2"))]
ROWS = [*(f"natural-{name}" for name in _ORDER), *(f"adversarial-{name}" for name in _ORDER)]


def network() -> keras.Model:
    """The CNN with fresh weights, to be trained by Adam at a steady 0.001."""
    net = models.build("cleverhans")
    net.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    return net


def victim(shop: Workshop, row: str) -> keras.Model:
    """The trained model of a row."""
    settings = training(shop, row)
    return shop.model(row, network, **settings)


def training(shop: Workshop, row: str) -> dict[str, Any]:
    """How the model of a row is trained."""
    how, defence = row.split("-", 1)
    return {
        "defences": DEFENCES[defence],
        "objective": OBJECTIVES[how],
        "attack": "fgsm",
        "eps": 0.3,
        "epochs": shop.asked.epochs or EPOCHS,
        "batch_size": 128,
        "optimizer": "compiled",
    }


def measures(shop: Workshop, row: str) -> Measures:
    """Everything that is measured of one model; the naive gradient only where it is another one."""
    masked, whole = "cq" in row, row.endswith(("none", "-2"))
    radii = FGSM_EPS if whole else FEWER_FGSM_EPS
    harder, count = (PGD_EPS, PGD_IMAGES) if whole else (FEWER_PGD_EPS, FEWER_PGD_IMAGES)
    found: dict[str, Callable[[Classifier], Any]] = {"clean": shop.clean}

    def add(kind: str, spec: str, eps: float, gradient: str, **settings: Any) -> None:
        def measure(model: Classifier) -> Any:
            return shop.attacked(model.taking(gradient), spec, eps, **settings)

        predicted = "-predicted" if settings.get("labels") == "predicted" else ""
        found[f"{kind}-{gradient}{predicted}-{eps:g}"] = measure

    ways = ("naive", "adaptive") if masked else ("adaptive",)
    for gradient in ways:
        for eps in radii:
            add("fgsm", FGSM, eps, gradient)
        if whole or gradient == ways[0]:
            add("fgsm", FGSM, 0.3, gradient, labels="predicted")
    for eps in harder:
        add("pgd", PGD, eps, "adaptive", count=count)
    if masked:
        add("pgd", PGD, 0.3, "naive", count=count)
    return found


def main(argv: Sequence[str] | None = None) -> None:
    shop = Workshop("qusecnets", parser(__doc__ or "").parse_args(argv))
    for row in shop.wanted(ROWS):
        shop.row(row, training(shop, row), measures(shop, row), lambda row=row: models.classifier(victim(shop, row)))


if __name__ == "__main__":
    start(main)
