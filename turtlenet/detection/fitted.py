"""A detector that was fitted, with all that it was fitted on, as a file."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from scipy.special import logit

from turtlenet.attacks import Attack
from turtlenet.attacks.threat import ball_facts
from turtlenet.batching import check_agreement
from turtlenet.classifier import Classifier
from turtlenet.detection.base import Detector, Lesson
from turtlenet.detection.edges import edge_of
from turtlenet.detection.scores import Scored, Setting
from turtlenet.errors import DataError, ModelError, SpecError, did_you_mean, one_line
from turtlenet.files import write_whole
from turtlenet.files.formats import this_is
from turtlenet.reports.base import Record
from turtlenet.reports.document import Document
from turtlenet.reports.versions import stamp

POPULATIONS = ("all", "successes")
_LEAST = 5
_FALSE = 0.05


@dataclass(frozen=True, kw_only=True)
class Point:
    """Where a detector says that it sees an attack.

    Attributes:
        name: `even-odds`, a probability above 0.5; or `5%-of-clean`, one that few of the clean inputs that it was
            fitted on had.
        cut: It sees an attack where the probability is above this.
        edge: The uncertainty at which that begins; the cut itself for a detector that looks at something else.
        side: Where it sees nothing: `below` the edge, or `above` it.
    """

    name: str
    cut: float
    edge: float
    side: str


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The readings of some inputs: their uncertainties, as in Tables 3 and 4 of paper 001; or their probabilities.

    Attributes:
        name: `clean`, or the attack's spec.
        count: How many.
        mu: Their mean; None of nothing.
        sigma: Their variance (1/n), as the paper's sigma must be one; None of nothing.
    """

    name: str
    count: int
    mu: float | None
    sigma: float | None

    @staticmethod
    def of(name: str, values: np.ndarray) -> "Scores":
        """The summary of readings (n,)."""
        if not len(values):
            return Scores(name=name, count=0, mu=None, sigma=None)
        mu, sigma = (float(f"{value:.6g}") for value in (values.mean(), values.var()))
        return Scores(name=name, count=len(values), mu=mu, sigma=sigma)


@dataclass(frozen=True, kw_only=True)
class FittedDetector(Record):
    """A detector of one model, and what it was fitted on.

    Attributes:
        detector: The detector's registered name and its numbers.
        model: `name`, `path`, `sha256`, and whatever else the caller knows.
        data: `name`, `count`, `sha256`, `description` of the images it was fitted on.
        threat: `norm`, `eps` (input units), `bounds`, `gradient`.
        attacks: Their specs.
        population: `successes`: clean images that are classified correctly against those of their adversarial
            examples that are not; or `all` images and all examples, as in paper 001.
        learned_on: How many of the images, clean and right, the detector learned from; its points and scores are of
            the others. 0 for a detector that learns nothing beforehand, which is fitted on all.
        draws: Stochastic inferences behind each uncertainty.
        attack_draws: Draws that the attacks took the mean of.
        points: Where it says that it sees an attack.
        scores: What it was fitted on: the clean uncertainties, then those under each attack.
    """

    detector: dict[str, Any]
    model: dict[str, Any]
    data: dict[str, Any]
    threat: dict[str, Any]
    attacks: tuple[str, ...]
    population: str
    learned_on: int
    draws: int
    attack_draws: int
    seed: int
    points: tuple[Point, ...]
    scores: tuple[Scores, ...]
    versions: dict[str, str]
    created: str

    @property
    def fitted(self) -> Detector:
        """The detector itself."""
        return Detector.from_dict(self.detector)

    def score(self, values: Any) -> np.ndarray:
        """Gives the probability that an input is adversarial, at even odds; see `Detector.score`."""
        return self.fitted.score(values)

    def reading(self, values: np.ndarray) -> np.ndarray:
        """The one number of each input that a report shows, float64 (n,): its uncertainty, or else its probability."""
        return values if self.fitted.by_uncertainty() else self.score(values)

    def excess(self, point: str) -> Callable[[Classifier, Any, Any], Any] | None:
        """How far the log odds of inputs are above a point's cut, for an attack; None where their uncertainty tells.

        Args:
            point: The name of one of the points.

        Returns:
            A function of a classifier, inputs (batch, ...) and logits (batch, draws, classes); it gives (batch, k), a
            column for each of several detectors in one.
        """
        detector = self.fitted
        if detector.by_uncertainty():
            return None
        cut = float(logit(min(max(next(each.cut for each in self.points if each.name == point), 1e-9), 1 - 1e-9)))
        return lambda model, x, logits: detector.each_log_odds(detector.statistics(model, x, logits)) - cut

    def check_model(self, about: Mapping[str, Any]) -> None:
        """Refuses another model than the detector's own: uncertainties of two models are not alike.

        Raises:
            ModelError: Another sha256.
        """
        if about["sha256"] != self.model["sha256"]:
            raise ModelError(
                f"Expected the model that the detector was fitted on, {self.model.get('name')} with sha256 "
                f"{self.model['sha256'][:12]}...; got {about['name']} with sha256 {about['sha256'][:12]}..."
            )

    def document(self) -> Document:
        """See `turtlenet.detection.sections`."""
        from turtlenet.detection.sections import fitted_document

        return fitted_document(self)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Reads back what `to_json` wrote; no code of the file is run.

        Raises:
            SpecError: A detector that nobody registered here.
            TypeError, ValueError, KeyError: No such text.
        """
        record = super().from_json(text)
        numbers = [value for value in _flat(record.detector) if not isinstance(value, str)]
        if not all(isinstance(value, (int, float)) and math.isfinite(value) for value in numbers):
            raise ValueError("numbers of the detector that are not finite")
        if not all(isinstance(record.model[key], str) for key in ("sha256", "name")):
            raise TypeError("no name or sha256 of the model")
        if not (record.points and record.attacks and float(record.threat["eps"]) >= 0 and record.threat["norm"]):
            raise ValueError("no points, attacks or threat")
        if record.fitted.to_dict().keys() != record.detector.keys():
            raise ValueError("another number of settings of the detector")
        if not record.fitted.has_learned:
            raise ValueError("a detector that has not learned what it needs")
        if record.fitted.by_uncertainty():
            record.score(np.zeros(1))
        str(record)
        return record

    def save(self, path: str | Path) -> None:
        """Writes the detector, at once or not at all.

        Raises:
            OutputError: The file cannot be written.
        """
        write_whole(Path(path), lambda file: file.write(f"{self.to_json()}\n".encode()))

    @staticmethod
    def load(path: str | Path) -> "FittedDetector":
        """Reads a detector's file.

        Raises:
            DataError: No such file, or no detector in it.
            SpecError: A detector that nobody registered here.
        """
        try:
            return FittedDetector.from_json(Path(path).read_text("utf-8"))
        except OSError as error:
            raise DataError(f"Expected a detector's file; got {path}: {error.strerror or error}.") from None
        except SpecError:
            raise
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
            reason = one_line(error, 160)
            what = this_is(Path(path))
            known = what and not what.endswith("file")
            raise DataError(
                f"Expected a detector that turtlenet wrote; got {path}{what if known else f': {reason}'}."
            ) from None


def fit_on(
    setting: Setting,
    attacks: Sequence[Attack],
    *,
    about: Mapping[str, Any],
    detector: Detector,
    population: str = "successes",
) -> FittedDetector:
    """Fits a detector on clean images and on what attacks make of them.

    Args:
        setting: The model, the images, which should be none that the detector is scored on later, and the threat.
        attacks: Their examples are put together.
        about: The model's `name`, `path` and `sha256`.
        detector: Which one, not yet fitted.
        population: See `FittedDetector`.

    Raises:
        SpecError: No such population.
        DataError: Fewer than 5 scores on a side.
        ModelError: A model that the detector cannot look at.
        TurtlenetError: An attack that cannot work on this model or in this norm.
    """
    if population not in POPULATIONS:
        raise SpecError(f"Unknown population {population!r}.{did_you_mean(population, POPULATIONS)}")
    for attack in attacks:
        attack.check(setting.classifier, setting.ball)
    setting.examples.check()
    data = setting.examples.facts()
    check_agreement(about["sha256"], data["sha256"])
    setting = replace(setting, detector=detector)
    x, labels = setting.examples.batch(slice(None))
    moved = {str(attack): setting.crafted(attack) for attack in attacks}
    first, rest = _halves(len(labels), setting.seed) if detector.learns else (np.arange(0), np.arange(len(labels)))
    if detector.learns:
        lesson = _lesson(setting, x[first], labels[first], [each[first] for each in moved.values()], population)
        setting = replace(setting, detector=detector.learn(lesson))
    labels, clean = labels[rest], setting.scored(x[rest])
    right = clean.answers == labels if population == "successes" else np.ones(len(labels), bool)
    parts = {name: _counting(setting.scored(each[rest]), labels, right, population) for name, each in moved.items()}
    sides = clean.values[right], np.concatenate([*parts.values()])
    _check_enough(*sides, len(labels), population)
    fitted = setting.detector.fit(*sides)
    # At most this share of the clean side is above it.
    few = float(np.quantile(fitted.score(sides[0]), 1 - _FALSE, method="higher"))
    return FittedDetector(
        detector=fitted.to_dict(),
        model=dict(about),
        data=data,
        threat={
            **ball_facts(setting.ball),
            "gradient": setting.classifier.gradient,
        },
        attacks=tuple(parts),
        population=population,
        learned_on=len(lesson.clean) if detector.learns else 0,
        draws=setting.draws,
        attack_draws=setting.classifier.draws,
        seed=setting.seed,
        points=tuple(_point(fitted, name, cut) for name, cut in (("even-odds", 0.5), ("5%-of-clean", few))),
        scores=tuple(
            Scores.of(name, values if fitted.by_uncertainty() else fitted.score(values))
            for name, values in (("clean", sides[0]), *parts.items())
        ),
        **stamp(),
    )


def _flat(value: Any) -> list[Any]:
    """The numbers and texts within lists and dictionaries."""
    value = list(value.values()) if isinstance(value, Mapping) else value
    return [each for part in value for each in _flat(part)] if isinstance(value, list | tuple) else [value]


def _halves(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images to learn from, and others to fit on, in their order."""
    rows = np.random.default_rng(seed).permutation(count)
    return np.sort(rows[: count // 2]), np.sort(rows[count // 2 :])


def _lesson(
    setting: Setting, x: np.ndarray, labels: np.ndarray, moved: Sequence[np.ndarray], population: str
) -> Lesson:
    """What of images and of their adversarial examples counts, to learn from."""
    right = setting.answers(x) == labels if population == "successes" else np.ones(len(labels), bool)
    kept = [each[right & (setting.answers(each) != labels)] if population == "successes" else each for each in moved]
    adversarial = np.concatenate(kept)
    _check_enough(x[right], adversarial, len(labels), population)
    return Lesson(
        classifier=setting.judge,
        victim=setting.victim,
        clean=x[right],
        labels=labels[right],
        adversarial=adversarial,
        ball=setting.ball,
        seed=setting.seed,
        batch_size=setting.batch_size,
    )


def _counting(scored: Scored, labels: np.ndarray, right: np.ndarray, population: str) -> np.ndarray:
    return scored.values[right & (scored.answers != labels)] if population == "successes" else scored.values


def _point(detector: Detector, name: str, cut: float) -> Point:
    if not detector.by_uncertainty():
        return Point(name=name, cut=cut, edge=cut, side="below")
    edge, side = edge_of(detector, cut)
    return Point(name=name, cut=cut, edge=float(f"{edge:.4g}"), side=side)


def _check_enough(clean: np.ndarray, adversarial: np.ndarray, count: int, population: str) -> None:
    words = ("clean images that are right", "adversarial examples that succeed")
    for values, what in zip((clean, adversarial), words, strict=True):
        if len(values) < _LEAST:
            what = what if population == "successes" else what.partition(" that")[0]
            raise DataError(
                f"Expected at least {_LEAST} {what} to fit a detector on; got {len(values)} of {count:,} images."
            )
