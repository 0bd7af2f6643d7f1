"""What could stand behind 97.51 % under FGSM at 0.3, papers 000 and 002.

The papers give this number for constant quantization, and neither the levels, nor the labels, nor what was
differentiated. Each reading is tried on all test images, with FGSM written out as cleverhans has it:
x + eps sign(gradient), cut to [0, 1], sign(0) = 0, and the share of such images that are answered correctly, whatever
becomes of the clean ones.
"""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from turtlenet import backend, losses, models
from turtlenet.batching import predict
from turtlenet.classifier import Classifier
from turtlenet.reproduction.kinds.base import Job, kind
from turtlenet.reproduction.row import share
from turtlenet.reproduction.workshop import BATCH

EPS = 0.3
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


def _cost(job: Job, *, what: str = "fgsm", **_: Any) -> float:
    return job.images() if what == "fgsm" else 0.0


@kind("reading", _cost)
def reading(
    job: Job,
    *,
    on: str,
    what: str = "fgsm",
    behind: str = "",
    sharpness: float | None = None,
    train: Mapping[str, Any] | None = None,
    judge: str = "",
    judge_behind: str = "",
    start: str = "",
    loss: str = "plain",
    labels: str = "true",
) -> dict[str, Any]:
    """One reading.

    Args:
        job: Has the data.
        on: The row whose model FGSM is made on, differentiated as the framework does.
        what: `fgsm`; `clean`, accuracy without an attack; `signs`, under random signs: one step in no direction.
        behind: A defence that its net is put behind, in place of the one that it was trained with.
        sharpness: Of its layer at inference, with the thresholds that it learned.
        train: Settings that train another model, of which `name` names the file.
        judge: The row whose model answers, where it is another.
        judge_behind: As `behind`.
        start: `quantized` starts from the picture that a quantizer of two levels makes.
        loss: Whose slope is taken: `plain`, `exact` (without rounding) or `twice` (probabilities taken for logits).
        labels: `predicted` gives FGSM the model's answers for labels.
    """
    x, y = job.test()
    victim = _victim(job, on, behind, sharpness, train)
    if what == "clean":
        return share(predict(victim, x, BATCH).argmax(axis=1) == y)
    if what == "signs":
        draw = np.random.default_rng(job.shop.options.seed).choice([-EPS, EPS], x.shape).astype("float32")
        return share(predict(victim, np.clip(x + draw, 0, 1), BATCH).argmax(axis=1) == y)
    at = np.where(x >= 0.5, 1.0, 0.0).astype("float32") if start == "quantized" else x
    aim = predict(victim, at, BATCH).argmax(axis=1).astype("int32") if labels == "predicted" else y
    moved, still = fgsm(victim, at, aim, loss)
    answering = _victim(job, judge, judge_behind, None, None) if judge else victim
    answers = predict(answering, moved, BATCH).argmax(axis=1)
    return {**share(answers == y), "without_slope": round(still, 6), "eps": EPS, "loss": loss}


def _victim(job: Job, place: str, behind: str, sharpness: float | None, train: Mapping[str, Any] | None) -> Classifier:
    row = job.shop.row(place)
    if train:
        told = {**row.training(job.shop.epochs), **{key: value for key, value in train.items() if key != "name"}}
        net = job.shop.trained(f"{row.place}-{train['name']}", row, lambda: job.shop.fresh(row), told)
        return models.classifier(net, gradient="naive")
    net = job.shop.victim(row).whole
    if behind:
        bare = net.layers[-1] if isinstance(net.layers[-1], keras.Model) else net
        net = models.wrap(bare, [behind])
    if sharpness is not None:
        net = _sharper(net, sharpness)
    return models.classifier(net, gradient="naive")


def _sharper(net: keras.Model, z: float) -> keras.Model:
    """A quantized model with the thresholds that it learned and another z."""
    front = net.layers[1]
    other = type(front).from_config({**front.get_config(), "sharpness": z, "name": "sharper"})
    inputs = keras.Input(net.input_shape[1:])
    made = keras.Model(inputs, net.layers[-1](other(inputs)))
    other.set_weights(front.get_weights())
    return made
