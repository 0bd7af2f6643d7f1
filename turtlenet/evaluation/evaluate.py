"""One model, one data set, one threat: from attacks to a report."""

import datetime
import hashlib
import json
import platform
import sys
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import keras
import numpy as np
from tqdm import tqdm

from turtlenet import backend
from turtlenet.attacks import PGD, Attack, attacks
from turtlenet.attacks.ascent import Ascent
from turtlenet.attacks.batched import attack_all
from turtlenet.balls import Ball
from turtlenet.batches import check_agreement
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.errors import DataError, SettingError, SpecError, did_you_mean
from turtlenet.evaluation.access import WHITE_BOX, Access
from turtlenet.evaluation.cascade import MODES, Cascade, predict
from turtlenet.evaluation.doubts import Evidence, find_doubts, probe
from turtlenet.evaluation.ledger import Ledger
from turtlenet.evaluation.pictures import pictures
from turtlenet.evaluation.report import AttackRow, ClassRow, CurvePoint, Report
from turtlenet.evaluation.statistics import interval
from turtlenet.models import defences_of, file_sha256

__all__ = ["LABELS", "evaluate_classifier", "versions"]

LABELS = ("predicted", "true")
_PROBED = 256
_MULTIPLES = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)


def evaluate_classifier(
    model: Classifier,
    examples: Examples,
    suite: Sequence[Attack],
    ball: Ball,
    *,
    about: dict[str, Any],
    specs: Sequence[str] = (),
    access: Access = WHITE_BOX,
    mode: str = "table",
    labels: str = "true",
    seed: int = 0,
    batch_size: int | None = 256,
    curve: int = 256,
    progress: Path | None = None,
    resume: bool = False,
) -> Report:
    """Attacks a model and says what is left of its accuracy, with the reasons to doubt it.

    Args:
        model: The classifier under attack.
        examples: Images and true labels that the training did not see.
        suite: Attacks, in their order.
        ball: The threat.
        about: The model's `name`, `path`, `sha256` and `parameters`.
        specs: How the user named the attacks.
        access: What the attackers know, and who of them counts.
        mode: `table` or `cascade`; see `Cascade`.
        labels: `true`, or `predicted` for numbers as the papers took them.
        seed: Repeats every draw.
        batch_size: Images in one compiled call; None for as many as fit. It changes the speed, not a verdict.
        curve: Images for the curve of accuracy against eps; 0 draws none.
        progress: File that keeps what is known after each block of images.
        resume: Whether to continue from that file.

    Raises:
        DataError: Nothing to attack, or data that do not fit.
        SettingError, ModelError: An attack that cannot work on this model or in this norm.
    """
    _check(model, examples, suite, ball, mode, labels)
    examples.check()
    began = time.perf_counter()
    cascade = Cascade(attacks=suite, ball=ball, mode=mode, labels=labels, seed=seed, batch_size=batch_size)
    digest = examples.sha256()
    check_agreement(about["sha256"], digest)
    ledger = _run(cascade, model, examples, about, digest, progress, resume)
    specs = list(specs) or [str(attack) for attack in suite]
    names = [access.of(number).title(spec) for number, spec in enumerate(specs)]
    points, curve_attack = _curve(cascade, model, examples, curve)
    robust, beside = access.robust(ledger, mode), access.robust(ledger, mode, everyone=True)
    return Report(
        model={**about, "head": model.head},
        data={"name": examples.name, "count": len(examples), "sha256": digest, "description": examples.describe()},
        threat={
            "norm": ball.norm,
            "eps": float(ball.eps),
            "bounds": [ball.low, ball.high],
            "access": access.name,
            "labels": labels,
            "gradient": model.gradient,
            "draws": model.draws if model.stochastic else None,
            **access.facts,
        },
        seed=seed,
        versions=versions(),
        mode=mode,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        seconds=round(time.perf_counter() - began, 3),
        clean_accuracy=_share(ledger.right),
        clean_accuracy_interval=_interval(ledger.right),
        robust_accuracy=_share(robust),
        robust_accuracy_interval=_interval(robust),
        beside=access.beside,
        beside_accuracy=_share(beside) if access.beside else None,
        beside_accuracy_interval=_interval(beside) if access.beside else None,
        attacks=tuple(_row(cascade, number, specs[number], access, ledger) for number in range(len(suite))),
        doubts=access.find_doubts(ledger, mode)
        + find_doubts(_evidence(cascade, names, model, examples, ledger, points)),
        per_class=_per_class(ledger, robust),
        curve=points,
        curve_attack=f"{curve_attack}, {access.beside}" if curve_attack and access.beside else curve_attack,
        pictures=pictures(cascade, names, model, examples, ledger),
        verdicts={
            "label": ledger.labels.tolist(),
            "clean_prediction": ledger.clean.tolist(),
            "robust": robust.astype(int).tolist(),
        },
    )


def _check(model: Classifier, examples: Examples, suite: Sequence[Attack], ball: Ball, mode: str, labels: str) -> None:
    if not suite:
        raise SettingError("Expected at least one attack; got none.")
    for value, known, what in ((mode, MODES, "mode"), (labels, LABELS, "labels")):
        if value not in known:
            raise SpecError(f"Unknown {what} {value!r}.{did_you_mean(value, known)}")
    if examples.num_classes > model.num_classes:
        raise DataError(
            f"Expected labels of {model.num_classes} classes; got {examples.num_classes} in {examples.name}."
        )
    for attack in suite:
        attack.check(model, attack.own_ball(ball, model.input_shape))


def _run(
    cascade: Cascade,
    model: Classifier,
    examples: Examples,
    about: dict[str, Any],
    digest: str,
    progress: Path | None,
    resume: bool,
) -> Ledger:
    """The ledger of all attacks, continued from a file where one fits."""
    identity = _identity(cascade, about, digest)
    first = backend.process()[0] == 0
    known = backend.from_first(lambda: Ledger.read(progress, identity)) if resume and progress else None
    ledger = known or Ledger.empty(examples.labels, len(cascade.attacks))
    total = len(cascade.attacks) * len(examples)
    done = len(cascade.attacks) * ledger.done
    hidden = not (first and sys.stderr.isatty())
    with tqdm(total=total, initial=done, unit="image", disable=hidden, dynamic_ncols=True) as bar:
        cascade.run(
            model,
            examples,
            ledger,
            after_block=(lambda now: now.write(progress, identity)) if progress and first else (lambda now: None),
            tick=bar.update,
        )
    return ledger


def _identity(cascade: Cascade, about: dict[str, Any], digest: str) -> str:
    """Everything that decides a verdict, as one hash."""
    ball = [cascade.ball.norm, float(cascade.ball.eps), cascade.ball.low, cascade.ball.high]
    settings = [attack.to_dict() for attack in cascade.attacks]
    files = [file_sha256(Path(file)) for attack in cascade.attacks for file in attack.files]
    text = json.dumps([about["sha256"], digest, ball, settings, cascade.mode, cascade.labels, cascade.seed, files])
    return hashlib.sha256(text.encode()).hexdigest()


def _row(cascade: Cascade, number: int, spec: str, access: Access, ledger: Ledger) -> AttackRow:
    attack = cascade.variant(number)
    attacked, correct = ledger.attacked[number], ledger.correct[number]
    seconds, gradients, queries = ledger.cost[number]
    return AttackRow(
        name=attacks.name_of(type(attack)),
        spec=spec,
        attacker=access.of(number).name,
        counted=access.of(number).counted,
        kind=attack.family,
        settings=attack.to_dict(),
        accuracy=_share(correct),
        accuracy_interval=_interval(correct),
        success_rate=_share(ledger.reached[number][attacked]),
        loss=_mean(ledger.loss[number]),
        seconds=round(float(seconds), 3),
        gradients=int(gradients),
        queries=int(queries),
        examples=int(attacked.sum()),
        linf_mean=_mean(ledger.distance["linf"][number]),
        linf_max=_largest(ledger.distance["linf"][number]),
        l2_mean=_mean(ledger.distance["l2"][number]),
        l2_max=_largest(ledger.distance["l2"][number]),
        l1_mean=_mean(ledger.distance["l1"][number]),
        l0_mean=_mean(ledger.distance["l0"][number]),
        psnr_mean=_mean(ledger.distance["psnr"][number]),
        ssim_mean=_mean(ledger.distance["ssim"][number]),
    )


def _per_class(ledger: Ledger, robust: np.ndarray) -> tuple[ClassRow, ...]:
    rows = []
    for label in np.unique(ledger.labels):
        mine = ledger.labels == label
        rows.append(
            ClassRow(
                label=int(label),
                count=int(mine.sum()),
                clean_accuracy=_share(ledger.right[mine]),
                robust_accuracy=_share(robust[mine]),
                robust_accuracy_interval=_interval(robust[mine]),
            )
        )
    return tuple(rows)


def _curve(cascade: Cascade, model: Classifier, examples: Examples, count: int) -> tuple[tuple[CurvePoint, ...], str]:
    """Accuracy at growing radii under the suite's last iterative attack, or PGD if it has none."""
    if not count or float(cascade.ball.eps) == 0:
        return (), ""
    found = [attack for attack in cascade.attacks if isinstance(attack, Ascent) and attack.steps > 1]
    base = found[-1] if found else PGD()
    # Relative steps: an absolute one would be too long for a small ball and too short for a large one.
    attack = PGD(steps=max(base.steps, 20), loss=base.loss, early_stop=True)
    x, y = examples.batch(slice(0, count))
    right = predict(model, x, cascade.batch_size).argmax(axis=1) == y
    points = [_point(0.0, right)]
    for eps in (*(multiple * float(cascade.ball.eps) for multiple in _MULTIPLES), cascade.ball.widest(x.shape[1:])):
        outcome = attack_all(
            attack,
            model,
            x[right],
            y[right],
            ball=cascade.ball.with_eps(eps),
            seed=cascade.seed,
            index=np.flatnonzero(right),
            batch_size=cascade.batch_size,
        )
        left = right.copy()
        left[right] = ~outcome.reached
        points.append(_point(eps, left))
    return tuple(sorted(points, key=lambda point: point.eps)), f"pgd:steps={attack.steps},loss={attack.loss}"


def _point(eps: float, left: np.ndarray) -> CurvePoint:
    return CurvePoint(eps=round(eps, 6), accuracy=_share(left), accuracy_interval=_interval(left), examples=len(left))


def _evidence(
    cascade: Cascade,
    names: Sequence[str],
    model: Classifier,
    examples: Examples,
    ledger: Ledger,
    points: Sequence[CurvePoint],
) -> Evidence:
    x, y = examples.batch(np.flatnonzero(ledger.right)[:_PROBED])
    zero, saturated, unsteady = probe(model, x, y) if len(x) else (0.0, 0.0, False)
    return Evidence(
        attacks=cascade.attacks,
        names=names,
        mode=cascade.mode,
        labels=cascade.labels,
        ledger=ledger,
        num_classes=model.num_classes,
        curve=points,
        widest=round(cascade.ball.widest(examples.shape), 6),
        zero_gradients=zero,
        saturated=saturated,
        unsteady=unsteady,
        probed=len(x),
        masks=any(shield.masks for shield in defences_of(model.model)),
        naive=model.gradient == "naive",
    )


def versions() -> dict[str, str]:
    """What computed a result: the versions of turtlenet, Python, Keras, its backend and NumPy."""
    engine = keras.backend.backend()
    packages = {name: metadata.version(name) for name in (engine, "numpy")}
    from turtlenet.version import __version__

    return {"turtlenet": __version__, "python": platform.python_version(), "keras": keras.__version__, **packages}


def _share(hits: np.ndarray) -> float:
    return round(float(hits.mean()), 6) if len(hits) else 0.0


def _interval(hits: np.ndarray) -> tuple[float, float]:
    return interval(int(hits.sum()), len(hits))


def _mean(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return round(float(known.mean()), 6) if len(known) else None


def _largest(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return round(float(known.max()), 9) if len(known) else None
