"""Searches that ask for answers and take no gradient: what an answer costs is what counts."""

import math

import numpy as np
from keras import ops

from turtlenet import random
from turtlenet.attacks.goal import Best, Goal, Verdict
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError
from turtlenet.typing import Keys, Shape, Tensor

_SIZES = 0x73697A65


def check_budget(queries: int, least: int, what: str) -> None:
    """Refuses a budget that is too small.

    Args:
        queries: Forward passes for an example.
        least: How many it takes.
        what: What takes them, in words.

    Raises:
        SettingError: Fewer than that.
    """
    if queries < least:
        raise SettingError(f"Expected queries >= {least:,} for {what}; got {queries}.")


def fold(goal: Goal, count: int) -> Goal:
    """The goal of `count` candidates for each example, in the order of `ops.repeat`."""
    target = None if goal.target is None else ops.repeat(goal.target, count, axis=0)
    reference = None if goal.reference is None else ops.repeat(goal.reference, count, axis=0)
    return Goal(ops.repeat(goal.y, count, axis=0), target, any_wrong=goal.any_wrong, reference=reference)


def fold_keys(key: Keys, first: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Keys of `count` candidates for each example, in the order of `ops.repeat`, and the candidates' numbers."""
    numbers = ops.cast(ops.zeros_like(key[:, :1]), "int32") + ops.arange(count, dtype="int32")[None, :]
    return ops.repeat(key, count, axis=0), ops.reshape(first + numbers, (-1,))


def directions(key: Keys, step: Tensor, first: Tensor, count: int, values: int) -> tuple[Tensor, Tensor]:
    """Draws `count` Gaussian directions for each example, at a tenth of what `random.normal` costs.

    The signs are each example's own; the sizes belong to the step and the number, so that all examples share them.

    Args:
        key: The examples' keys of this step.
        step: Its number.
        first: Number of the first direction.
        count: How many.
        values: How long each is.

    Returns:
        Directions (batch, count, values), and their lengths (count,).
    """
    keys, numbers = fold_keys(key, first, count)
    signs = ops.reshape(random.signs(random.fold_in(keys, numbers), (values,)), (-1, count, values))
    shared = random.fold_in(random.keys(_SIZES, first + ops.arange(count, dtype="int32")), step)
    sizes = ops.abs(random.normal(shared, (values,)))
    return signs * sizes[None], ops.sqrt(ops.sum(ops.square(sizes), axis=1))


def most_of(total: int, most: int) -> int:
    """The largest divisor of a number up to `most`: how many candidates go through the model at once."""
    return max(size for size in range(1, most + 1) if total % size == 0)


def grid(shape: Shape) -> tuple[int, int, int]:
    """Rows, columns and channels of an input; one that is no image is a column of pixels."""
    if len(shape) >= 3:
        return math.prod(shape[:-2]), shape[-2], shape[-1]
    return (*shape, 1, 1)[:3] if len(shape) == 2 else (math.prod(shape), 1, 1)


def cosines(size: int) -> np.ndarray:
    """The orthonormal discrete cosine transform (DCT-II), float32 (size, size); row k has frequency k."""
    place = np.arange(size)
    waves = np.cos(np.pi * (place[None, :] + 0.5) * place[:, None] / size) * math.sqrt(2 / size)
    waves[0] /= math.sqrt(2)
    return waves.astype("float32")


def try_all(
    model: Classifier, goal: Goal, loss: str, best: Best, rows: Tensor, count: int, allowed: Tensor = True
) -> tuple[Best, Tensor]:
    """Asks for several candidates for each example.

    Args:
        model: Gives logits (batch, classes).
        goal: Labels and targets, those of each example once.
        loss: Name of the loss that says which candidate is best.
        best: The best so far.
        rows: Candidates (batch * count, ...), in the order of `ops.repeat`.
        count: Candidates for each example.
        allowed: Booleans (batch,): where a candidate may become the best.

    Returns:
        The best of all, and the losses (batch, count).
    """
    logits = model(rows)
    verdict = fold(goal, count).judge(loss, logits)
    # A candidate that reaches the goal beats any that does not: no loss comes near 1e9.
    merit = verdict.loss + 1e9 * ops.cast(verdict.reached, "float32")
    first = ops.cast(ops.argmax(ops.reshape(merit, (-1, count)), axis=1), "int32")

    def pick(values: Tensor) -> Tensor:
        folded = ops.reshape(values, (-1, count, math.prod(values.shape[1:])))
        picked = ops.take_along_axis(folded, first[:, None, None], axis=1)[:, 0]
        return ops.reshape(picked, (-1, *values.shape[1:]))

    chosen = goal.judge(loss, pick(logits))
    usable = Verdict(ops.logical_and(chosen.reached, allowed), ops.where(allowed, chosen.loss, -float("inf")))
    return best.or_better(pick(rows), pick(logits), usable), ops.reshape(verdict.loss, (-1, count))
