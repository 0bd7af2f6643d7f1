"""Quantized networks with dropout at inference, paper 001: `python -m turtlenet.reproduction.guan`.

LeNet on all of MNIST, seven ways to compute its weights, dropout in training and at inference, 15 epochs of Adam.
Attacked are the first 500 test images, the first 200 by JSMA; an answer is that of one draw (S) or of the mean of 50
(M). The paper's attacks see one draw in each step; the adaptive ones follow the mean of ten (EOT), PGD from three
starts on two rows and from one on the others. Draws that judge are fresh. Random weights are drawn for each image and
each draw, which is dear: their two rows have the first 100 images and a mean of four. `uncertainty` detects attacks.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
from keras import layers

from turtlenet import models
from turtlenet.reports.versions import versions
from turtlenet.reproduction.kinds.draws import Bench
from turtlenet.reproduction.workshop import BATCH, Measures, Workshop, parser, start

__all__ = ["ROWS", "Topology", "lenet", "main"]

EPS = 0.3
IMAGES, JSMA_IMAGES, RANDOM_IMAGES = 500, 200, 100
EPOCHS = 15
# What is drawn anew all the time has to become sure of itself. Of 0.001 and 0.005, tried on 25,600 training images.
LEARNING_RATES = {"rand-bnn-0": 5e-3, "rand-bnn-0.05": 5e-3}
DRAWS, EOT, RANDOM_EOT = 50, 10, 4
FGSM = "fgsm:keep=last"
# No early stop: what is just over the edge in ten draws is not in fifty others.
PGD = "pgd:steps=40,step=0.01,keep=last"
RESTARTS = {"full-precision": 3, "bnn": 3}
# Its targets are drawn: the paper does not say which it took.
JSMA = "jsma:theta=1,gamma=0.1,target=random,norm=l0,eps=inf"


class Topology(NamedTuple):
    """How a row's weights are computed, and its dropout."""

    title: str
    dropout: float
    defence: str


ROWS = {
    "full-precision": Topology("Full precision", 0.5, ""),
    "bnn": Topology("BNN", 0.5, "binarized"),
    "2-bit": Topology("2-bit", 0.5, "k-bit:bits=2"),
    "3-bit": Topology("3-bit", 0.5, "k-bit:bits=3"),
    "4-bit": Topology("4-bit", 0.5, "k-bit:bits=4"),
    "rand-bnn-0": Topology("Rand BNN", 0.0, "binarized:stochastic=true,start=0.8"),
    "rand-bnn-0.05": Topology("Rand BNN", 0.05, "binarized:stochastic=true,start=0.8"),
}


def lenet(rate: float, spread: bool = False, learning_rate: float = 1e-3) -> keras.Model:
    """LeNet-5 with batch normalization and dropout after each pooling and each hidden dense layer.

    The paper names neither. Without the normalization its binarized rows do not learn: sums of up to 400 weights of -1
    and +1 pass on through five layers and reach the softmax in tens of thousands.

    Args:
        rate: Of the dropout.
        spread: Whether weights begin spread over [-0.3, 0.3]. Those that Keras begins with are all below 0.25, which
            two bits round to 0: nothing passes through such a net, and nothing is ever learned. Of 0.3, 0.5 and 1, 0.3
            learned fastest, on 6,000 training images.
        learning_rate: Of Adam.
    """
    plain = models.build("lenet")
    x = plain.inputs[0]
    for layer in plain.layers[1:]:
        settings = layer.get_config()
        if spread and "kernel_initializer" in settings:
            settings["kernel_initializer"] = keras.initializers.RandomUniform(-0.3, 0.3)
        x = type(layer).from_config(settings)(x)
        hidden = isinstance(layer, layers.Dense) and layer is not plain.layers[-1]
        if hidden or isinstance(layer, layers.MaxPooling2D):
            x = layers.BatchNormalization()(x)
            x = layers.Dropout(rate)(x) if rate else x
    net = keras.Model(plain.inputs, x, name="lenet_dropout")
    net.compile(keras.optimizers.Adam(learning_rate), "sparse_categorical_crossentropy")
    return net


def training(shop: Workshop, row: str) -> dict[str, Any]:
    """How the model of a row is trained."""
    of = ROWS[row]
    return {
        "defences": [*(["mc-dropout"] if of.dropout else []), *([of.defence] if of.defence else [])],
        "objective": "natural",
        "attack": "fgsm",
        "epochs": shop.asked.epochs or EPOCHS,
        "batch_size": 128,
        "optimizer": "compiled",
    }


def tried(row: str) -> dict[str, tuple[str, int, int]]:
    """The attacks on a row's model: spec, draws that it follows the mean of, images."""
    images, eot, few = _counts(row)
    pgd = f"{PGD},restarts={RESTARTS.get(row, 1)}"
    found = {
        "fgsm-naive": (FGSM, 1, images),
        "pgd-naive": (PGD, 1, images),
        "jsma-naive": (JSMA, 1, few),
        "fgsm-adaptive": (FGSM, eot, images),
        "pgd-adaptive": (pgd, eot, images),
        "jsma-adaptive": (JSMA, eot, few),
    }
    # What stopping early would hide, on one row.
    return found | ({"pgd-stopping": (f"{pgd},early_stop=True", eot, images)} if row == "full-precision" else {})


def detected(row: str) -> dict[str, tuple[str, int]]:
    """The attacks that are to be detected: spec, images."""
    images, _, few = _counts(row)
    return {"fgsm": (FGSM, images), "jsma": (JSMA, few), "pgd": (PGD, images)}


def measures(row: str) -> Measures:
    """Everything that is measured of one model."""
    images, eot, few = _counts(row)
    found: dict[str, Callable[[Bench], Any]] = {"clean": lambda at: {**at.clean(images), "versions": versions()}}
    for name, attack in tried(row).items():
        found[name] = lambda at, attack=attack: at.attacked(*attack)
    for name, of in detected(row).items():
        found[f"uncertainty-{name}"] = lambda at, of=of: at.told(*of)
    found["undetected"] = lambda at: at.knowing(FGSM, images, eot, few)
    return found


def _counts(row: str) -> tuple[int, int, int]:
    """Images, draws in the adaptive attacks' mean, and images for the dear ones."""
    return (RANDOM_IMAGES, RANDOM_EOT, RANDOM_IMAGES) if "rand" in row else (IMAGES, EOT, JSMA_IMAGES)


def _other_rate(row: str) -> dict[str, float]:
    return {"learning_rate": LEARNING_RATES[row]} if row in LEARNING_RATES else {}


def bench(shop: Workshop, row: str, how: dict[str, Any]) -> Bench:
    """A row's trained model, ready to be measured."""
    net = functools.partial(lenet, ROWS[row].dropout, "bit" in row, LEARNING_RATES.get(row, 1e-3))
    victim = models.classifier(shop.model(row, net, **how))
    # Weights of its own for each draw of each image take much memory.
    return Bench(shop, victim, eps=EPS, draws=DRAWS, batch=BATCH // 50 if "rand" in row else BATCH // 5)


def main(argv: Sequence[str] | None = None) -> None:
    shop = Workshop("guan", parser(__doc__ or "").parse_args(argv))
    for row in shop.wanted(list(ROWS)):
        how = training(shop, row)
        shop.row(
            row,
            {**how, "dropout": ROWS[row].dropout, **_other_rate(row)},
            measures(row),
            lambda row=row, how=how: bench(shop, row, how),
        )


if __name__ == "__main__":
    start(main)
