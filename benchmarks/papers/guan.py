"""Quantized networks with dropout at inference, paper 001: `python -m benchmarks.papers.guan`.

LeNet on all of MNIST, seven ways to compute its weights, dropout in training and at inference, 15 epochs of Adam.
Attacked are the first 500 test images; an answer is that of one draw (S) or of the mean of 50 (M). The paper's
attacks see one draw in each step; the adaptive ones follow the mean of ten (EOT), PGD from three starts. Draws that
judge are fresh.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers

from benchmarks.papers.rows import share
from benchmarks.papers.workshop import BATCH, Measures, Workshop, parser, start
from turtlenet import attacks, balls, models
from turtlenet.attacks.batched import attack_all
from turtlenet.classifier import Classifier
from turtlenet.evaluation.cascade import predict
from turtlenet.evaluation.evaluate import versions

__all__ = ["ROWS", "Topology", "lenet", "main"]

EPS = 0.3
IMAGES = 500
EPOCHS = 15
DRAWS, EOT = 50, 10
_ATTACKS = {
    "fgsm-naive": ("fgsm:keep=last", 1),
    "pgd-naive": ("pgd:steps=40,step=0.01,keep=last", 1),
    "fgsm-adaptive": ("fgsm:keep=last", EOT),
    # No early stop: what is just over the edge in ten draws is not in fifty others.
    "pgd-adaptive": ("pgd:steps=40,step=0.01,keep=last,restarts=3", EOT),
}
# What stopping early would hide, on one row.
_STOPPING = {"full-precision": {"pgd-stopping": ("pgd:steps=40,step=0.01,keep=last,restarts=3,early_stop=True", EOT)}}


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
    "rand-bnn-0": Topology("Rand BNN", 0.0, "binarized:stochastic=true"),
    "rand-bnn-0.05": Topology("Rand BNN", 0.05, "binarized:stochastic=true"),
}


def lenet(rate: float) -> keras.Model:
    """LeNet-5 with batch normalization and dropout after each pooling and each hidden dense layer.

    The paper names neither. Without the normalization its binarized rows do not learn: sums of up to 400 weights of -1
    and +1 pass on through five layers and reach the softmax in tens of thousands.
    """
    plain = models.build("lenet")
    x = plain.inputs[0]
    for layer in plain.layers[1:]:
        x = type(layer).from_config(layer.get_config())(x)
        hidden = isinstance(layer, layers.Dense) and layer is not plain.layers[-1]
        if hidden or isinstance(layer, layers.MaxPooling2D):
            x = layers.BatchNormalization()(x)
            x = layers.Dropout(rate)(x) if rate else x
    net = keras.Model(plain.inputs, x, name="lenet_dropout")
    net.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
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


def measures(shop: Workshop, row: str) -> Measures:
    """Everything that is measured of one model."""
    found: dict[str, Callable[[Classifier], Any]] = {
        "clean": lambda victim: {**judged(shop, victim, shop.test(IMAGES)[0]), "versions": versions()}
    }
    for name, (spec, draws) in (_ATTACKS | _STOPPING.get(row, {})).items():
        found[name] = lambda victim, spec=spec, draws=draws: attacked(shop, victim, spec, draws)
    return found


def judged(shop: Workshop, victim: Classifier, x: Any) -> dict[str, Any]:
    """Accuracy of one draw and of the mean of 50, which no attack has seen."""
    y = shop.test(IMAGES)[1]
    seed = shop.asked.seed + 1
    answers = {"s": victim.taking(draws=1, seed=seed), "m": victim.taking(draws=DRAWS, seed=seed)}
    return {name: share(predict(who, x, BATCH // 5).argmax(axis=1) == y) for name, who in answers.items()}


def attacked(shop: Workshop, victim: Classifier, spec: str, draws: int) -> dict[str, Any]:
    """Accuracy that an attack on the mean of some draws leaves."""
    x, y = shop.test(IMAGES)
    attacker = victim.taking("naive" if draws == 1 else "adaptive", draws=draws, seed=shop.asked.seed)
    ball = balls.get("linf", EPS, victim.bounds)
    made = attacks.build(spec)
    outcome = attack_all(made, attacker, x, y, ball=ball, seed=shop.asked.seed, batch_size=BATCH // 5)
    how = {"attack": str(made), "eps": EPS, "gradient": attacker.gradient, "draws": draws, "labels": "true"}
    return {**judged(shop, victim, outcome.x), **how, "gradients": int(np.sum(outcome.gradients))}


def main(argv: Sequence[str] | None = None) -> None:
    shop = Workshop("guan", parser(__doc__ or "").parse_args(argv))
    for row in shop.wanted(list(ROWS)):
        how = training(shop, row)
        shop.row(
            row,
            {**how, "dropout": ROWS[row].dropout},
            measures(shop, row),
            lambda row=row, how=how: models.classifier(shop.model(row, lambda: lenet(ROWS[row].dropout), **how)),
        )


if __name__ == "__main__":
    start(main)
