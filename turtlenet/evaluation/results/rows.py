"""The rows of a report, out of what an evaluation wrote down."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from turtlenet.attacks import attacks
from turtlenet.classifier import Classifier
from turtlenet.evaluation.cascade import Cascade
from turtlenet.evaluation.chance import held
from turtlenet.evaluation.curve import minima
from turtlenet.evaluation.per_image_results import PerImageResults
from turtlenet.evaluation.results.records import AnswerPartRow, AttackRow, ClassRow, ImageResults
from turtlenet.evaluation.threat_models.threat_model import ThreatModel
from turtlenet.evaluation.within_ball import slack
from turtlenet.reports.statistics import finite_mean, mean_interval, share, share_interval


def attack_row(
    cascade: Cascade, model: Classifier, number: int, spec: str, access: ThreatModel, per_image: PerImageResults
) -> AttackRow:
    """What one attack did.

    Args:
        cascade: All attacks.
        model: What they attacked.
        number: Which of them.
        spec: How the user named it.
        access: Who ran it.
        per_image: What was found.
    """
    attack = cascade.variant(number)
    own = attack.own_ball(cascade.ball, model.input_shape)
    differs = own != cascade.ball
    queries_used = per_image.queries[number][per_image.reached[number]]
    attacked, correct = per_image.attacked[number], per_image.correct[number]
    so_far = [at <= number if cascade.mode == "cascade" else at == number for at in range(len(per_image.cost))]
    expected = None if differs else held(per_image.only(so_far))
    withstood = correct if expected is None else expected
    seconds, gradients, queries = per_image.cost[number]
    lengths: dict[str, Any] = {f"{name}_mean": finite_mean(far[number]) for name, far in per_image.distance.items()}
    lengths |= {f"{name}_max": _largest(per_image.distance[name][number]) for name in ("linf", "l2")}
    smallest: dict[str, Any] = {}
    if attack.minimal and cascade.mode == "table":
        smallest = minima(per_image, number, float(own.eps), slack(own, model.input_shape))
    return AttackRow(
        name=attacks.name_of(type(attack)),
        spec=spec,
        attacker=access.of(number).name,
        counted=access.of(number).counted,
        kind=attack.family,
        settings=attack.to_dict(),
        accuracy=share(withstood),
        accuracy_interval=mean_interval(withstood),
        success_rate=share(per_image.reached[number][attacked]),
        loss=finite_mean(per_image.loss[number]),
        seconds=round(float(seconds), 3),
        gradients=int(gradients),
        queries=int(queries),
        examples=int(attacked.sum()),
        **lengths,
        norm=own.norm if differs else "",
        eps=round(float(own.eps), 6) if differs else None,
        queries_median=float(np.median(queries_used)) if len(queries_used) else None,
        **smallest,
    )


def image_results(per_image: PerImageResults, number: int) -> ImageResults:
    """What one attack did to each image."""
    return ImageResults(
        attacked=per_image.attacked[number].astype(int).tolist(),
        correct=per_image.correct[number].astype(int).tolist(),
        prediction=per_image.prediction[number].tolist(),
        confidence=six_figures(per_image.confidence[number]),
        distance=six_figures(per_image.minimum[number]),
        gradients=per_image.gradients[number].tolist(),
        queries=per_image.queries[number].tolist(),
    )


def six_figures(values: np.ndarray) -> list[float | None]:
    """Numbers to six figures; None for what is not finite."""
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in values.tolist()]


def class_rows(per_image: PerImageResults, robust: np.ndarray, names: Sequence[str] = ()) -> tuple[ClassRow, ...]:
    """Accuracy by class, before and after all attacks.

    Args:
        per_image: What was found.
        robust: Which images withstood, bool (n,); of a random model how often each is answered rightly, float64 (n,).
        names: Of the classes.
    """
    rows = []
    for label in np.unique(per_image.labels):
        of_class = per_image.labels == label
        rows.append(
            ClassRow(
                label=int(label),
                count=int(of_class.sum()),
                clean_accuracy=share(per_image.right[of_class]),
                robust_accuracy=share(robust[of_class]),
                robust_accuracy_interval=mean_interval(robust[of_class]),
                name=names[label] if label < len(names) else "",
            )
        )
    return tuple(rows)


def part_rows(per_image: PerImageResults, names: Sequence[str], true: np.ndarray | None) -> tuple[AnswerPartRow, ...]:
    """How often each part of the answers holds, before and after all attacks.

    Args:
        per_image: What was found, by the attacks that the threat allows.
        names: Of the parts.
        true: Which labels are true, (n, parts); None where the parts are no labels.
    """
    held = per_image.clean_parts & per_image.parts.all(axis=0)
    return tuple(
        AnswerPartRow(
            name=name,
            count=len(held),
            positive=None if true is None else int((true[:, place] > 0).sum()),
            clean_accuracy=share(per_image.clean_parts[:, place]),
            clean_accuracy_interval=share_interval(per_image.clean_parts[:, place]),
            robust_accuracy=share(held[:, place]),
            robust_accuracy_interval=share_interval(held[:, place]),
        )
        for place, name in enumerate(names)
    )


def _largest(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return round(float(known.max()), 9) if len(known) else None
