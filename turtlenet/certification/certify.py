"""One model, one data set, one threat: from bounds to a report of what is certified."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from turtlenet import backend
from turtlenet.balls import Ball
from turtlenet.bars import Bar
from turtlenet.certification.methods import BROKEN, CERTIFIED, METHODS, SECONDS, VERDICTS, WRONG, Certifier, Findings
from turtlenet.certification.report import Certificate, MethodRow
from turtlenet.certification.smoothed import SmoothedCertifier
from turtlenet.certification.smoothing import Smoothing
from turtlenet.classifier import Classifier
from turtlenet.errors import DataError, OutputError, SpecError, did_you_mean
from turtlenet.files import write_whole
from turtlenet.numpy_files import check_arrays
from turtlenet.reports.statistics import share, share_interval
from turtlenet.reports.versions import versions

if TYPE_CHECKING:
    from turtlenet.certification.methods import Attacker
    from turtlenet.data import Examples

_BLOCK = 256
_ARRAYS = ("clean", "verdict", "method", "margin")


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
    methods = METHODS if smoothing is None else (SmoothedCertifier.method,)
    method = method if smoothing is None else methods[0]
    if method not in methods:
        raise SpecError(f"Unknown method {method!r}.{did_you_mean(method, methods)}")
    if examples.num_classes > model.num_classes:
        raise DataError(
            f"Expected labels of {model.num_classes} classes; got {examples.num_classes} in {examples.name}."
        )
    examples.check()
    began, digest = time.perf_counter(), examples.sha256()
    certifier: Certifier | SmoothedCertifier
    if smoothing is None:
        certifier = Certifier(model, ball, method=method, seconds=seconds, batch_size=batch_size)
    else:
        certifier = SmoothedCertifier(model, ball, smoothing, seed=seed, batch_size=batch_size)
    place = [ball.norm, float(np.max(ball.eps)), ball.low, ball.high]
    settings = [] if smoothing is None else [dataclasses.asdict(smoothing)]
    identity = _identity(about["sha256"], model.head, digest, place, method, seconds, attack, seed, *settings)
    found = (_read(progress, identity, len(examples)) if progress and resume else None) or Findings.empty(
        len(examples)
    )

    def note() -> None:
        if progress:
            _write(progress, identity, found)

    _run(certifier, examples, found, attacker, note)
    right = found.verdict != WRONG
    certified = found.verdict == CERTIFIED
    standing = right & (found.verdict != BROKEN)
    return Certificate(
        model={**about, "head": model.head},
        data={"name": examples.name, "count": len(examples), "sha256": digest, "description": examples.describe()},
        threat={"norm": ball.norm, "eps": float(np.max(ball.eps)), "bounds": [ball.low, ball.high]},
        method=method,
        exact_seconds=seconds if method == "exact" else None,
        attack=attack,
        seed=seed,
        versions=versions(),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        seconds=round(time.perf_counter() - began, 3),
        clean_accuracy=share(right),
        clean_accuracy_interval=share_interval(right),
        certified_accuracy=share(certified),
        certified_accuracy_interval=share_interval(certified),
        attacked_accuracy=share(standing),
        attacked_accuracy_interval=share_interval(standing),
        smoothing=certifier.facts(len(examples)) if isinstance(certifier, SmoothedCertifier) else None,
        methods=_rows(found, methods[: methods.index(method) + 1], attack),
        verdicts={
            "label": examples.labels.tolist(),
            "clean_prediction": found.clean.tolist(),
            "verdict": [VERDICTS[each] for each in found.verdict],
            "method": [methods[each] if each >= 0 else "" for each in found.method],
            "margin" if smoothing is None else "radius": [_rounded(each) for each in found.margin],
        },
    )


def _run(
    certifier: Certifier | SmoothedCertifier,
    examples: Examples,
    found: Findings,
    attacker: Attacker | None,
    note: Callable[[], None],
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
            for name in _ARRAYS:
                getattr(found, name)[rows] = getattr(part, name)
            found.done = int(rows[-1]) + 1
            bar.update(len(rows))
            note()


def _rows(found: Findings, methods: Sequence[str], attack: str) -> tuple[MethodRow, ...]:
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


def _identity(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _write(path: Path, identity: str, found: Findings) -> None:
    arrays = {name: getattr(found, name) for name in _ARRAYS}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"Expected to make the folder {path.parent}; got: {error.strerror}.") from None
    write_whole(path, lambda file: np.savez(file, identity=np.array(identity), done=np.array(found.done), **arrays))


def _read(path: Path, identity: str, count: int) -> Findings | None:
    """What an earlier run of the very same certification wrote, if anything.

    Raises:
        DataError: A file that is damaged.
    """
    if not path.exists():
        return None
    check_arrays(path)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            whose, done = str(data["identity"]), int(data["done"])
            arrays = {name: data[name] for name in _ARRAYS}
    except Exception as error:  # Damaged bytes fail in as many ways as there are libraries below.
        reason = " ".join(str(error).split())[:120].rstrip(". ") or type(error).__name__
        raise DataError(
            f"Expected what a certification wrote on its way in {path}; it is damaged: {reason}: leave out --resume "
            "to start anew."
        ) from None
    like = Findings.empty(count)
    fits = all(arrays[name].shape == (count,) and arrays[name].dtype == getattr(like, name).dtype for name in _ARRAYS)
    return Findings(**arrays, done=done) if whose == identity and fits and 0 <= done <= count else None
