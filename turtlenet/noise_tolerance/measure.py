"""How much noise a model bears, and how many levels of a quantizer that allows (paper 002, section III, step 1)."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from turtlenet import models
from turtlenet.batching import check_agreement
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.defences import ConstantQuantization
from turtlenet.errors import SettingError, SpecError, did_you_mean
from turtlenet.noise_tolerance.levels import FINEST, Proposal, propose
from turtlenet.noise_tolerance.noise import KINDS, SHARES, right_answers, under_noise
from turtlenet.reports.base import BaseReport
from turtlenet.reports.document import Document
from turtlenet.reports.statistics import share, share_interval
from turtlenet.reports.versions import stamp
from turtlenet.typing import Interval

_TRIED = (2, 3, 4, 5, 6)
# What an 8-bit pixel cannot show is not tried.
_WEAKEST = 1 / 256
_SLACK = 1e-9


@dataclass(frozen=True, kw_only=True)
class NoiseCurve:
    """Accuracy under growing noise of one kind.

    Attributes:
        kind: One of `KINDS`.
        strengths: From 0 on: the half-width (`uniform`), the standard deviation (`gaussian`) or the size of each step
            (`sign`) in input units, or the share of pixels (`salt-and-pepper`).
        accuracies: Share of the images that are classified correctly at each.
        intervals: Their 95 % intervals.
        tolerable: The maximum tolerable noise (MTN); see `first_crossing`.
        unbroken: Whether even the strongest noise was tolerable, so that the MTN may be larger.
    """

    kind: str
    strengths: tuple[float, ...]
    accuracies: tuple[float, ...]
    intervals: tuple[Interval, ...]
    tolerable: float
    unbroken: bool


@dataclass(frozen=True, kw_only=True)
class LevelRow:
    """The model behind an untrained quantizer, which is what the argument from noise makes a claim about.

    Attributes:
        levels: Number of levels n.
        error: The most that a pixel moves by, range / (2 (n - 1)), in input units.
        tolerable: Whether that is tolerable uniform noise, as predicted; None if it was not measured.
        absorbs: Whether levels are at least 2 eps apart.
        accuracy: Share of the images that are still classified correctly, as measured.
    """

    levels: int
    error: float
    tolerable: bool | None
    absorbs: bool
    accuracy: float
    accuracy_interval: Interval


@dataclass(frozen=True, kw_only=True)
class Tolerance(BaseReport):
    """The noise that one model bears on one data set, and the levels that follow.

    Attributes:
        model: `path`, `name`, `sha256`, and whatever else the caller knows.
        data: `name`, `count`, `sha256`, `description`.
        bounds: Smallest and largest value of a pixel.
        loss: The fall of accuracy that is tolerable, as a share of all images.
        noises: One curve for each kind of noise.
        levels: What quantizers of several levels do without training; see `LevelRow`.
        proposal: The number of levels, and why.
    """

    model: dict[str, Any]
    data: dict[str, Any]
    bounds: tuple[float, float]
    loss: float
    seed: int
    versions: dict[str, str]
    created: str
    seconds: float
    clean_accuracy: float
    clean_accuracy_interval: Interval
    noises: tuple[NoiseCurve, ...]
    levels: tuple[LevelRow, ...]
    proposal: Proposal

    stem = "tolerance"
    main_table = "levels"
    has_page = False

    def document(self) -> Document:
        """See `turtlenet.noise_tolerance.sections`."""
        from turtlenet.noise_tolerance.sections import document

        return document(self)


def measure_tolerance(
    classifier: Classifier,
    examples: Examples,
    *,
    eps: float,
    about: Mapping[str, Any],
    kinds: Sequence[str] = KINDS,
    strengths: int = 25,
    loss: float = 0.01,
    seed: int = 0,
    batch_size: int | None = 256,
) -> Tolerance:
    """Injects noise into images until the model's accuracy falls, and proposes the levels of a quantizer.

    Noisy pixels are cut off at the bounds, as those of a camera are: on images that are mostly black and white, half
    of the noise is lost there. Each example has draws of its own for each kind and strength.

    Args:
        classifier: The model, as it is; a quantizer is put in front of it, and nothing is trained.
        examples: Images and true labels that the training did not see.
        eps: The perturbation of each pixel that the quantizer shall absorb, above 0, in input units.
        about: The model's `name`, `path` and `sha256`.
        kinds: Kinds of noise, of `KINDS`.
        strengths: How many strengths above 0, at least 2: in equal ratios from 1/256 of the pixel range (of the
            pixels, for a share) to the whole of it.
        loss: The fall of accuracy that is tolerable, within (0, 1): 0.01 is one point.
        seed: Repeats every draw.
        batch_size: Images in one compiled call; None for as many as fit. It changes the speed, not a result.

    Raises:
        SpecError: A kind of noise that there is not.
        SettingError: A number out of its range.
        DataError: Nothing to measure on, or data that do not fit.
    """
    low, high = classifier.bounds
    full, kinds = high - low, tuple(dict.fromkeys(kinds))
    _check(classifier, examples, kinds, strengths, loss, seed)
    propose(None, eps, full)
    examples.check()
    began = time.perf_counter()
    data = examples.facts()
    check_agreement(about["sha256"], data["sha256"])
    grid = {kind: (0.0, *_grid(strengths, 1.0 if kind in SHARES else full)) for kind in kinds}
    right = under_noise(classifier, examples, grid, seed, batch_size)
    clean = right[:, 0]
    columns = np.split(right[:, 1:], len(kinds), axis=1)
    floor = float(clean.mean()) - loss
    curves = [_curve(kind, grid[kind], clean, part, floor) for kind, part in zip(kinds, columns, strict=True)]
    tolerable = next((curve.tolerable for curve in curves if curve.kind == "uniform"), None)
    proposal = propose(tolerable, eps, full)
    return Tolerance(
        model=dict(about),
        data=data,
        bounds=classifier.bounds,
        loss=float(loss),
        seed=seed,
        **stamp(),
        clean_accuracy=share(clean),
        clean_accuracy_interval=share_interval(clean),
        noises=tuple(curves),
        levels=_trials(classifier, examples, proposal, batch_size),
        proposal=proposal,
        seconds=round(time.perf_counter() - began, 3),
    )


def first_crossing(strengths: Sequence[float], accuracies: Sequence[float], floor: float) -> float | None:
    """The maximum tolerable noise: the largest strength up to which accuracy stays at the floor or above.

    Between two strengths that were tried, accuracy is taken to fall in a straight line, which understates the
    strength where the curve bends down. A curve that rises again later changes nothing: the first crossing counts.

    >>> first_crossing([0.0, 0.1, 0.2], [0.9, 0.9, 0.5], floor=0.8)
    0.125

    Args:
        strengths: Growing, from 0 on.
        accuracies: At each of them; the first one at the floor or above.
        floor: The least accuracy that is tolerable.

    Returns:
        The strength where the line meets the floor; None if it never falls below.
    """
    for number in range(1, len(strengths)):
        if accuracies[number] < floor - _SLACK:
            (start, end), (above, below) = strengths[number - 1 : number + 1], accuracies[number - 1 : number + 1]
            return start + (end - start) * max(0.0, above - floor) / (above - below)
    return None


def _check(
    classifier: Classifier, examples: Examples, kinds: Sequence[str], strengths: int, loss: float, seed: int
) -> None:
    if not kinds:
        raise SettingError(f"Expected at least one kind of noise of {', '.join(KINDS)}; got none.")
    for kind in kinds:
        if kind not in KINDS:
            raise SpecError(f"Unknown kind of noise {kind!r}.{did_you_mean(kind, KINDS)}")
    if strengths < 2:
        raise SettingError(f"Expected strengths >= 2, a number of strengths; got {strengths}.")
    if not 0 < loss < 1:
        raise SettingError(f"Expected loss within (0, 1), a share of all images; got {loss:g}.")
    if seed < 0:
        raise SettingError(f"Expected seed >= 0; got {seed}.")
    examples.check_classes(classifier.num_classes)


def _grid(count: int, full: float) -> list[float]:
    """In equal ratios: models differ in their tolerance by powers of ten."""
    return [float(strength) for strength in np.geomspace(_WEAKEST, 1.0, count) * full]


def _curve(kind: str, strengths: Sequence[float], clean: np.ndarray, noisy: np.ndarray, floor: float) -> NoiseCurve:
    columns = [clean, *noisy.T]
    crossing = first_crossing(strengths, [float(column.mean()) for column in columns], floor)
    return NoiseCurve(
        kind=kind,
        strengths=tuple(float(f"{strength:.9g}") for strength in strengths),
        accuracies=tuple(share(column) for column in columns),
        intervals=tuple(share_interval(column) for column in columns),
        tolerable=round(strengths[-1] if crossing is None else crossing, 9),
        unbroken=crossing is None,
    )


def _trials(
    classifier: Classifier, examples: Examples, proposal: Proposal, batch_size: int | None
) -> tuple[LevelRow, ...]:
    """Quantizers in front of the model, by steps, not sigmoids: the bound on the error speaks of those."""
    low, high = classifier.bounds
    # A layer of thousands of steps would be a graph of thousands of operations.
    tried = sorted({*_TRIED, min(proposal.levels, FINEST)})
    shielded = [
        Classifier(
            models.wrap(classifier.model, [ConstantQuantization(levels=levels, hard=True, low=low, high=high)]),
            bounds=classifier.bounds,
            draws=classifier.draws,
            seed=classifier.seed,
            gradient=classifier.gradient,
        )
        for levels in tried
    ]

    def answers(rows: np.ndarray, x: np.ndarray) -> list[np.ndarray]:
        return [each.predict(x).argmax(axis=1) for each in shielded]

    right = right_answers(classifier, examples, batch_size, answers)
    return tuple(
        LevelRow(
            levels=levels,
            error=float(f"{(high - low) / (2 * (levels - 1)):.9g}"),
            tolerable=None if proposal.tolerable is None else bool(proposal.least and levels >= proposal.least),
            absorbs=levels <= proposal.most,
            accuracy=share(column),
            accuracy_interval=share_interval(column),
        )
        for levels, column in zip(tried, right.T, strict=True)
    )
