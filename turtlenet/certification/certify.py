"""One model, one data set, one threat: from bounds to a report of what is certified."""

from __future__ import annotations

import dataclasses
import datetime
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from turtlenet import backend
from turtlenet.balls import Ball
from turtlenet.bars import Bar
from turtlenet.certification.methods import (
    BROKEN,
    CERTIFIED,
    METHODS,
    SECONDS,
    VERDICTS,
    WRONG,
    CertificationState,
    Certifier,
)
from turtlenet.certification.progress import ARRAYS, Progress
from turtlenet.certification.report import Certificate, MethodRow
from turtlenet.certification.smoothed import SmoothedCertifier
from turtlenet.certification.smoothing import Smoothing
from turtlenet.classifier import Classifier
from turtlenet.errors import SpecError, did_you_mean
from turtlenet.reports.statistics import share, share_interval
from turtlenet.reports.versions import versions

if TYPE_CHECKING:
    from turtlenet.certification.methods import Attacker
    from turtlenet.data import Examples

_BLOCK = 256


def certify_classifier(
    model: Classifier,
    examples: Examples,
    ball: Ball,
    *,
    about: dict[str, Any],
    method: str = "crown",
    seconds: float = SECONDS,
    attacker: Attacker | None = None,
    attack: str = "",
    seed: int = 0,
    batch_size: int | None = 256,
    progress: Path | None = None,
    resume: bool = False,
    smoothing: Smoothing | None = None,
) -> Certificate:
    """Says of each image whether any point of its ball can be misclassified.

    Args:
        model: The classifier.
        examples: Images and true labels that the training did not see.
        ball: The threat, in the norm linf, l2 or l1.
        about: The model's `name`, `path`, `sha256` and `parameters`.
        method: The last of `METHODS` to try; each is asked about what those before it left open.
        seconds: For an image, by `exact`.
        attacker: Perturbs what bounds leave open, so that the report has both sides.
        attack: What that is, as a spec; it is part of what a run is told from another by.
        seed: Of the attack.
        batch_size: Images in one compiled call by `ibp`; None for as many as fit.
        progress: File that keeps what is known after each block of images.
        resume: Whether to continue from that file.
        smoothing: Certifies by randomized smoothing in place of bounds, in the norm l2.

    Raises:
        DataError: Nothing to certify, or data that do not fit.
        ModelError: A layer without a rule, or that draws random numbers.
        SettingError: A norm or a radius without certificates.
        SpecError: No such method.
    """
    method = _checked(method if smoothing is None else SmoothedCertifier.method, smoothing)
    examples.check_classes(model.num_classes)
    examples.check()
    began, digest = time.perf_counter(), examples.sha256()
    certifier: Certifier | SmoothedCertifier
    if smoothing is None:
        certifier = Certifier(model, ball, method=method, seconds=seconds, batch_size=batch_size)
    else:
        certifier = SmoothedCertifier(model, ball, smoothing, seed=seed, batch_size=batch_size)
    threat = {"norm": ball.norm, "eps": float(np.max(ball.eps)), "bounds": [ball.low, ball.high]}
    smoothed = [] if smoothing is None else [dataclasses.asdict(smoothing)]
    place = [threat["norm"], threat["eps"], ball.low, ball.high]
    file = Progress(progress, about["sha256"], model.head, digest, place, method, seconds, attack, seed, *smoothed)
    found = (file.read(len(examples)) if resume else None) or CertificationState.empty(len(examples))
    _run(certifier, examples, found, attacker, file)
    return Certificate(
        model={**about, "head": model.head},
        data={"name": examples.name, "count": len(examples), "sha256": digest, "description": examples.describe()},
        threat=threat,
        method=method,
        exact_seconds=seconds if method == "exact" else None,
        attack=attack,
        seed=seed,
        versions=versions(),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        seconds=round(time.perf_counter() - began, 3),
        smoothing=certifier.facts(len(examples)) if isinstance(certifier, SmoothedCertifier) else None,
        **_settled(found, examples.labels, _asked(method, smoothing), attack),
    )


def _checked(method: str, smoothing: Smoothing | None) -> str:
    known = METHODS if smoothing is None else (SmoothedCertifier.method,)
    if method not in known:
        raise SpecError(f"Unknown method {method!r}.{did_you_mean(method, known)}")
    return method


def _asked(method: str, smoothing: Smoothing | None) -> Sequence[str]:
    """The methods of a run in the order in which they are asked, `method` being the last."""
    return METHODS[: METHODS.index(method) + 1] if smoothing is None else (method,)


def _settled(found: CertificationState, labels: np.ndarray, methods: Sequence[str], attack: str) -> dict[str, Any]:
    """The shares and verdicts of a `Certificate`."""
    right, certified = found.verdict != WRONG, found.verdict == CERTIFIED
    standing = right & (found.verdict != BROKEN)
    shares: dict[str, Any] = {}
    for name, rows in (("clean", right), ("certified", certified), ("attacked", standing)):
        shares[f"{name}_accuracy"] = share(rows)
        shares[f"{name}_accuracy_interval"] = share_interval(rows)
    margin = "radius" if methods[0] == SmoothedCertifier.method else "margin"
    verdicts = {
        "label": labels.tolist(),
        "clean_prediction": found.clean.tolist(),
        "verdict": [VERDICTS[each] for each in found.verdict],
        "method": [methods[each] if each >= 0 else "" for each in found.method],
        margin: [_rounded(each) for each in found.margin],
    }
    return {**shares, "methods": _rows(found, methods, attack), "verdicts": verdicts}


def _run(
    certifier: Certifier | SmoothedCertifier,
    examples: Examples,
    found: CertificationState,
    attacker: Attacker | None,
    file: Progress,
) -> None:
    """Fills what is known, block by block, from where it stands."""
    # The solver, and thousands of draws, take their time for each image: what was found is kept often.
    size = {"exact": 8, "smoothing": 16}.get(certifier.method, _BLOCK)
    hidden = not (backend.process()[0] == 0 and sys.stderr.isatty())
    with Bar(len(examples), done=found.done, unit="image", hidden=hidden) as bar:
        while found.done < len(examples):
            rows = np.arange(found.done, min(found.done + size, len(examples)))
            x, y = examples.batch(slice(int(rows[0]), int(rows[-1]) + 1))
            part, _ = certifier(x, y, rows, attacker)
            for name in ARRAYS:
                getattr(found, name)[rows] = getattr(part, name)
            found.done = int(rows[-1]) + 1
            bar.update(len(rows))
            file.write(found)


def _rows(found: CertificationState, methods: Sequence[str], attack: str) -> tuple[MethodRow, ...]:
    """What each method settled, in the order in which they were asked."""
    rows = []
    for number, name in enumerate(methods):
        mine = found.method == number
        certified, broken = ((mine & (found.verdict == verdict)).sum() for verdict in (CERTIFIED, BROKEN))
        upto = (found.verdict == CERTIFIED) & (found.method <= number)
        rows.append(MethodRow(name=name, certified=int(certified), broken=int(broken), accuracy=share(upto)))
    if attack:
        broken = (found.method < 0) & (found.verdict == BROKEN)
        place = len(rows) - (methods[-1] == "exact")
        rows.insert(place, MethodRow(name=attack, certified=0, broken=int(broken.sum()), accuracy=None))
    return tuple(rows)


def _rounded(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None
