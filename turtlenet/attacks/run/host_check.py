"""The last word on what comes out of an attack where features have bounds, radii and rules of their own."""

from typing import Any

import numpy as np
from keras import ops

from turtlenet import backend
from turtlenet.attacks.context import AttackResult
from turtlenet.balls import Ball, is_plain
from turtlenet.classifier import Classifier


def confirmed(
    result: AttackResult, model: Classifier, x: Any, y: Any, ball: Ball, *, aimed: bool = False
) -> AttackResult:
    """Takes back what breaks bounds, radius or a rule of a feature, in float64: the input stands there instead.

    Args:
        result: What the compiled graph gave; it keeps all of these, unless a rule's own projection does not.
        model: The classifier.
        x: Inputs, float32 (batch, ...).
        y: True labels, int32 (batch,).
        ball: Where the inputs may move; of a plain ball the graph's word counts.
        aimed: Whether the attack was after certain answers, which no input is a success for.
    """
    if is_plain(ball) or not len(x):
        return result
    x, moved = np.asarray(x, "float32"), ops.convert_to_numpy(result.x)
    bad = np.flatnonzero(~ball.holds(moved[: len(x)], x))
    if not len(bad):
        return result
    logits, reached = np.array(ops.convert_to_numpy(result.logits)), np.array(ops.convert_to_numpy(result.reached))
    moved = np.array(moved)
    moved[bad] = x[bad]
    y = ops.convert_to_numpy(y)
    logits[bad] = model.predict(x, y)[bad]
    wrong = logits[bad].argmax(axis=1) != model.classes(y)[bad]
    undone = np.array(ops.convert_to_numpy(result.undone))
    undone[bad] |= reached[bad]
    reached[bad] = False if aimed else wrong
    undone[bad] &= ~reached[bad]
    changed = {"x": moved, "logits": logits, "reached": reached, "undone": undone}
    return result._replace(**{name: backend.shard(ops.convert_to_tensor(each)) for name, each in changed.items()})
