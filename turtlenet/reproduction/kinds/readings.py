"""What could stand behind 97.51 % under FGSM at 0.3, papers 000 and 002: `python -m turtlenet.reproduction.kinds.readings`.

The papers give this number for constant quantization, and neither the levels, nor the labels, nor what was
differentiated. Each reading is tried on all test images, with FGSM written out as cleverhans has it:
x + eps sign(gradient), cut to [0, 1], sign(0) = 0, and the share of such images that are answered correctly, whatever
becomes of the clean ones.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

import turtlenet as tn
from turtlenet import backend, losses, models
from turtlenet.batching import predict
from turtlenet.classifier import Classifier
from turtlenet.reproduction import qusecnets
from turtlenet.reproduction.row import share
from turtlenet.reproduction.workshop import BATCH, Measures, Workshop, parser, start

__all__ = ["EPS", "fgsm", "groups", "main"]

EPS = 0.3
CQ = "constant-quantization:levels=2,sharpness={}"
Loss = Callable[[Any, Any], Any]


def _plain(y: Any, logits: Any) -> Any:
    """Cross-entropy of logits as frameworks have it: probabilities round to 1 in float32."""
    return -ops.sum(ops.one_hot(y, logits.shape[-1]) * ops.log_softmax(logits, axis=-1), axis=-1)


def _twice(y: Any, logits: Any) -> Any:
    """The mistake of taking probabilities for logits."""
    return _plain(y, ops.softmax(logits))


LOSSES: dict[str, Loss] = {"plain": _plain, "twice": _twice, "exact": losses.cross_entropy}


def fgsm(victim: Classifier, x: np.ndarray, y: np.ndarray, loss: str = "plain", eps: float = EPS) -> Any:
    """Images (n, ...) after one step, and the share of their pixels without a slope."""

    def step(images: Any, labels: Any) -> Any:
        slope = backend.input_gradient(lambda at: ((out := LOSSES[loss](labels, victim(at))), out), images)[2]
        flat = ops.cast(ops.equal(slope, 0.0), "float32")
        return ops.clip(images + eps * ops.sign(slope), 0.0, 1.0), ops.mean(flat)

    graph = victim.compiled(("published-fgsm", loss, eps), step)
    moved, still = [], []
    for at in range(0, len(x), BATCH):
        one, flat = graph(ops.convert_to_tensor(x[at : at + BATCH]), ops.convert_to_tensor(y[at : at + BATCH]))
        moved.append(ops.convert_to_numpy(one))
        still.append(float(flat))
    return np.concatenate(moved), float(np.mean(still))


class Bench:
    """The trained models and the images of all readings."""

    def __init__(self, shop: Workshop):
        self.shop = shop
        self.x, self.y = shop.test()

    def net(self, row: str, **settings: Any) -> keras.Model:
        """A row's model of `qusecnets`, or one trained in another way."""
        if not settings:
            return qusecnets.victim(self.shop, row)
        return self.shop.model(row, qusecnets.network, **qusecnets.training(self.shop, "natural-none") | settings)

    def victim(self, row: str, **settings: Any) -> Classifier:
        """Its classifier, differentiated as the framework does."""
        return models.classifier(self.net(row, **settings), gradient="naive")

    def behind(self, spec: str, row: str) -> Classifier:
        """A row's net behind another defence than it was trained with."""
        net = self.net(row)
        bare = net.layers[-1] if isinstance(net.layers[-1], keras.Model) else net
        return models.classifier(tn.wrap(bare, spec), gradient="naive")

    def sharper(self, row: str, z: float) -> Classifier:
        """A row's model with the thresholds that it learned and another z."""
        net = self.net(row)
        front = net.layers[1]
        other = type(front).from_config({**front.get_config(), "sharpness": z, "name": "sharper"})
        inputs = keras.Input(net.input_shape[1:])
        made = keras.Model(inputs, net.layers[-1](other(inputs)))
        other.set_weights(front.get_weights())
        return models.classifier(made, gradient="naive")

    def result(self, victim: Classifier, *, judge: Classifier | None = None, loss: str = "plain", **how: Any) -> Any:
        """One reading.

        Args:
            victim: What FGSM is made on.
            judge: What answers, if it is not the victim.
            loss: Name of the loss whose slope is taken.
            **how: `predicted` gives FGSM the victim's answers for labels; `at` other images to start from.
        """
        x = how.get("at", self.x)
        y = predict(victim, x, BATCH).argmax(axis=1).astype("int32") if how.get("predicted") else self.y
        moved, still = fgsm(victim, x, y, loss)
        answers = predict(judge or victim, moved, BATCH).argmax(axis=1)
        return {**share(answers == self.y), "without_slope": round(still, 6), "eps": EPS, "loss": loss}

    def clean(self, victim: Classifier) -> Any:
        """Accuracy without an attack."""
        return share(predict(victim, self.x, BATCH).argmax(axis=1) == self.y)

    def noise(self, victim: Classifier) -> Any:
        """Accuracy under random signs: one step in no direction."""
        draw = np.random.default_rng(self.shop.asked.seed).choice([-EPS, EPS], self.x.shape).astype("float32")
        return share(predict(victim, np.clip(self.x + draw, 0, 1), BATCH).argmax(axis=1) == self.y)

    def quantized_first(self, victim: Classifier) -> Any:
        """FGSM from the picture that the quantizer makes."""
        return self.result(victim, at=np.where(self.x >= 0.5, 1.0, 0.0).astype("float32"))


def readings() -> Measures:
    """Each reading's measure, by name."""
    bare, cq, tq = "natural-none", "natural-cq-2", "natural-tq-2"
    found: dict[str, Callable[[Bench], Any]] = {}
    for name, row in (("none", bare), ("cq-2", cq), ("tq-2", tq)):
        found[f"{name}: clean"] = lambda bench, row=row: bench.clean(bench.victim(row))
        found[f"{name}: random signs"] = lambda bench, row=row: bench.noise(bench.victim(row))
        found[f"{name}: white-box"] = lambda bench, row=row: bench.result(bench.victim(row))
        found[f"{name}: white-box, predicted labels"] = lambda bench, row=row: bench.result(
            bench.victim(row), predicted=True
        )
        found[f"{name}: white-box, no rounding of probabilities"] = lambda bench, row=row: bench.result(
            bench.victim(row), loss="exact"
        )
        found[f"{name}: white-box, softmax twice"] = lambda bench, row=row: bench.result(
            bench.victim(row), loss="twice"
        )
    for name, row in (("cq-2", cq), ("tq-2", tq)):
        found[f"{name}: made on the bare net"] = lambda bench, row=row: bench.result(
            bench.victim(bare), judge=bench.victim(row)
        )
    found["cq-2: steps at inference"] = lambda bench: bench.result(bench.behind(f"{CQ.format(50)},hard=true", cq))
    found["cq-2: from the quantized picture"] = lambda bench: bench.quantized_first(bench.victim(cq))
    for z in (5, 10, 20, 100, 200, 400, 1000):
        found[f"cq-2: z = {z} at inference"] = lambda bench, z=z: bench.result(bench.behind(CQ.format(z), cq))
    found["bare net behind cq-2: clean"] = lambda bench: bench.clean(bench.behind(CQ.format(50), bare))
    found["bare net behind cq-2: made on the bare net"] = lambda bench: bench.result(
        bench.victim(bare), judge=bench.behind(CQ.format(50), bare)
    )
    found["bare net behind cq-2: white-box"] = lambda bench: bench.result(bench.behind(CQ.format(50), bare))
    return found


def trainable() -> Measures:
    """Readings of trainable quantization with steeper sigmoids at inference than in training."""
    found: dict[str, Callable[[Bench], Any]] = {}
    for z in (20, 50):
        found[f"tq-2: z = {z} at inference: clean"] = lambda bench, z=z: bench.clean(bench.sharper("natural-tq-2", z))
        found[f"tq-2: z = {z} at inference: white-box"] = lambda bench, z=z: bench.result(
            bench.sharper("natural-tq-2", z)
        )
    return found


def adversarial() -> Measures:
    """Readings with adversarial training, as the tutorial of cleverhans has it."""
    found: dict[str, Callable[[Bench], Any]] = {}
    for name in ("cq-2", "none", "tq-2"):
        found[f"{name}, trained on FGSM: clean"] = lambda bench, name=name: bench.clean(
            bench.victim(f"adversarial-{name}")
        )
        found[f"{name}, trained on FGSM: white-box"] = lambda bench, name=name: bench.result(
            bench.victim(f"adversarial-{name}")
        )
    return found


def trained_otherwise() -> Measures:
    """Readings that take a net of their own."""
    found: dict[str, Callable[[Bench], Any]] = {}
    variants: dict[str, dict[str, Any]] = {
        "v1 form": {"defences": [f"{CQ.format(50)},form=v1"]},
        "squared error": {"defences": [CQ.format(50)], "objective": "natural:minimize=squared_error"},
        "steps in training": {"defences": [f"{CQ.format(50)},hard=true"]},
    }
    for name, settings in variants.items():
        row = f"natural-cq-2-{name.replace(' ', '-')}"
        found[f"cq-2, {name}: clean"] = lambda bench, row=row, how=settings: bench.clean(bench.victim(row, **how))
        found[f"cq-2, {name}: white-box"] = lambda bench, row=row, how=settings: bench.result(bench.victim(row, **how))
    return found


def groups() -> dict[str, Measures]:
    """All readings, by the row that keeps them."""
    return {
        "readings": readings(),
        "readings-trainable": trainable(),
        "readings-adversarial": adversarial(),
        "readings-trained": trained_otherwise(),
    }


def main(argv: Sequence[str] | None = None) -> None:
    shop = Workshop("qusecnets", parser(__doc__ or "").parse_args(argv))
    facts, wanted = {"eps": EPS, "epochs": shop.asked.epochs or qusecnets.EPOCHS}, groups()
    for name in shop.wanted(list(wanted)):
        shop.row(name, facts, wanted[name], lambda: Bench(shop))


if __name__ == "__main__":
    start(main)
