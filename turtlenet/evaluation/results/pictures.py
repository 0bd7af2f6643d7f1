"""A few images before and after, for people to look at."""

import numpy as np
from keras import ops

from turtlenet.attacks.run.runner import attack_all
from turtlenet.balls import Ball, is_plain
from turtlenet.batching import predict, softmax
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.evaluation.cascade import Cascade
from turtlenet.evaluation.per_image_results import PerImageResults
from turtlenet.evaluation.results.records import LargestChange, Picture
from turtlenet.reports.images import drawable, png

_MOST = 10
"""Examples that are shown before and after."""
_LARGEST_CHANGES = 2


def pictures(
    cascade: Cascade, names: list[str], model: Classifier, examples: Examples, per_image: PerImageResults
) -> tuple[Picture, ...]:
    """Shows the first image of each class that fell, after the last attack that felled it.

    Attacks that keep to the threat come before those with a ball of their own. The choice flatters nobody. The
    examples are crafted anew: their draws belong to the image, so they are the same.

    Args:
        cascade: All attacks, and the ball of the threat.
        names: What each attack is called in the report.
        model: What they attacked.
        examples: Images and labels, those of `per_image`.
        per_image: What was found.

    Returns:
        The pictures in the order of their labels; none where inputs cannot be drawn.
    """
    if not drawable(examples.shape):
        return ()
    fallen = per_image.attacked & ~per_image.correct & per_image.right
    own = [attack.own_ball(cascade.ball, model.input_shape) for attack in cascade.attacks]
    within = fallen & np.array([[ball == cascade.ball] for ball in own])
    chosen: dict[int, list[int]] = {}
    for label in range(model.num_classes):
        of_class = per_image.labels == label
        felled = next((those for those in (within, fallen) if those[:, of_class].any()), None)
        if felled is not None and sum(map(len, chosen.values())) < _MOST:
            place = int(np.flatnonzero(felled.any(axis=0) & of_class)[0])
            last = int(np.flatnonzero(felled[:, place])[-1])
            chosen.setdefault(last, []).append(place)
    shown = [
        picture
        for number, places in chosen.items()
        for picture in _crafted(cascade, number, names[number], model, examples, np.array(places))
    ]
    return tuple(sorted(shown, key=lambda picture: picture.label))


def largest_changes(
    examples: Examples, ball: Ball, per_image: PerImageResults, seed: int
) -> tuple[LargestChange, ...]:
    """Shows what the radius means to the eye, by the first images of the first classes that the model gets right.

    No model is asked: the changes are as large as the ball has them, not such as fool anybody.

    Args:
        examples: Images and labels, those of `per_image`.
        ball: The threat, with one radius in input units.
        per_image: What was found.
        seed: Repeats the signs of the random change.

    Returns:
        The pictures; none where inputs cannot be drawn, features have radii of their own, or the radius is 0.
    """
    if not (drawable(examples.shape) and is_plain(ball) and float(ball.eps) > 0):
        return ()
    right = np.flatnonzero(per_image.right)
    _, first = np.unique(per_image.labels[right], return_index=True)
    places = right[np.sort(first)[:_LARGEST_CHANGES]]
    return tuple(_largest(examples, ball, int(place), int(per_image.labels[place]), seed) for place in places)


def _largest(examples: Examples, ball: Ball, place: int, label: int, seed: int) -> LargestChange:
    x, _ = examples.batch(np.array([place]))
    signs = np.random.default_rng([seed, place]).choice([-1.0, 1.0], x.shape)
    middle = (ball.low + ball.high) / 2
    even, random = (
        ops.convert_to_numpy(ball.project(ops.convert_to_tensor(point, "float32"), ops.convert_to_tensor(x)))
        for point in (np.where(x < middle, ball.high, ball.low), x + signs * ball.full)
    )
    shown = {"original": x, "even": even, "random": random}
    return LargestChange(
        index=place,
        label=label,
        distance=_distance(even[0], x[0], ball),
        **{name: png((each[0] - ball.low) / ball.full) for name, each in shown.items()},
    )


def _crafted(
    cascade: Cascade, number: int, name: str, model: Classifier, examples: Examples, places: np.ndarray
) -> list[Picture]:
    x, y = examples.batch(places)
    before, classes = softmax(predict(model, x, 16, y)), model.classes(y)
    given = before.argmax(axis=1).astype("int32") if cascade.labels == "predicted" else y
    ball = cascade.searched(number, model)
    outcome = attack_all(
        cascade.variant(number), model, x, given, ball=ball, seed=cascade.seed, index=places, batch_size=16
    )
    after = softmax(outcome.logits)
    return [
        Picture(
            index=int(places[row]),
            label=int(classes[row]),
            attack=name,
            clean_prediction=int(before[row].argmax()),
            clean_confidence=round(float(before[row].max()), 6),
            adversarial_prediction=int(after[row].argmax()),
            adversarial_confidence=round(float(after[row].max()), 6),
            distance=_distance(outcome.x[row], x[row], cascade.ball),
            **_images(x[row], outcome.x[row], cascade.ball),
        )
        for row in range(len(places))
    ]


def _images(x: np.ndarray, perturbed: np.ndarray, ball: Ball) -> dict[str, str]:
    largest = max(float(np.abs(perturbed - x).max()), 1e-12)
    return {
        "original": png((x - ball.low) / ball.full),
        "perturbation": png(0.5 + 0.5 * (perturbed - x) / largest),
        "adversarial": png((perturbed - ball.low) / ball.full),
    }


def _distance(perturbed: np.ndarray, x: np.ndarray, ball: Ball) -> float:
    return round(float(np.linalg.norm((perturbed - x).ravel().astype("float64"), ord=ball.order)), 6)
