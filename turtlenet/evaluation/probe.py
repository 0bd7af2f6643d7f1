"""What the images themselves show before any attack: gradients, outputs, the way uphill."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from turtlenet import backend, losses
from turtlenet.balls import Ball
from turtlenet.batching import in_batches
from turtlenet.classifier import Classifier

SATURATED = float(np.log(2.0**24))
"""Beyond this lead of one logit, a float32 softmax is exactly 1 and its cross-entropy exactly 0."""

# As in AutoAttack's check of random defences.
_STEADY = 1e-4


@dataclass(frozen=True)
class Probe:
    """What was seen.

    Attributes:
        zero: Share of images whose input gradient is 0 in every pixel.
        flat: Share of the others on which a step of a tenth of the radius along the gradient does not raise the loss.
        saturated: Share of images whose best logit leads so far that float32 probabilities are exactly 1.
        unsteady: Whether the same input gave two answers, be it in other draws of layers that draw at random.
        fell: Places of the images that are answered wrongly after that step.
        perturbed: Those images after it, float32 (m, ...); None where there is none.
    """

    zero: float = 0.0
    flat: float = 0.0
    saturated: float = 0.0
    unsteady: bool = False
    fell: tuple[int, ...] = ()
    perturbed: np.ndarray | None = None


def probe(model: Classifier, x: np.ndarray, y: np.ndarray, ball: Ball, batch_size: int | None = None) -> Probe:
    """Looks at gradients and logits at images that are classified correctly.

    Args:
        model: The classifier.
        x: Images, float32 (n, ...), at least one.
        y: True labels, int32 (n,).
        ball: The threat.
        batch_size: Images in one compiled call; None for as many as fit.
    """

    def look(point: Any, label: Any) -> Any:
        asked, label = model.asked(label)

        def loss(z: Any) -> Any:
            logits = asked(z)
            return losses.cross_entropy(label, logits), logits

        before, logits, slope = backend.input_gradient(loss, point)
        ahead = ball.inside(point + 0.1 * ball.eps * ball.steepest(slope, point))
        perturbed = ball.feasible(ahead, point, within=True)
        after = asked(perturbed)
        rise = losses.cross_entropy(label, after) - before
        steepest = ops.max(ops.abs(ops.reshape(slope, (ops.shape(slope)[0], -1))), axis=1)
        return logits, steepest, rise, ops.argmax(after, axis=-1), perturbed

    graph = model.compiled(("probe", ball), look)

    def ask(rows: np.ndarray) -> list[np.ndarray]:
        return [ops.convert_to_numpy(value) for value in graph(*map(ops.convert_to_tensor, (x[rows], y[rows])))]

    batches = in_batches(model, np.arange(len(x)), batch_size, ask)
    parts = [[value[: len(rows)] for value in found] for rows, found in batches]
    logits, steepest, rise, answers, perturbed = (np.concatenate(values) for values in zip(*parts, strict=True))
    fell = np.flatnonzero(answers != model.classes(y))
    ordered = np.sort(logits, axis=1)
    moving = steepest > 0
    return Probe(
        zero=float((~moving).mean()),
        flat=float((rise[moving] <= 0).mean()) if moving.any() and float(ball.eps) > 0 else 0.0,
        saturated=float((ordered[:, -1] - ordered[:, -2] > SATURATED).mean()),
        unsteady=unsteady(model, x, y),
        fell=tuple(fell.tolist()),
        perturbed=perturbed[fell] if len(fell) else None,
    )


def unsteady(model: Classifier, x: np.ndarray, y: np.ndarray) -> bool:
    """Whether answers change from one time to the next; those of our own layers do so with the seed alone."""
    first = model.predict(x, y)
    if not np.array_equal(first, model.predict(x, y)):
        return True
    if not model.stochastic:
        return False
    return not np.allclose(first, model.taking(seed=model.seed + 1).predict(x, y), rtol=0, atol=_STEADY)
