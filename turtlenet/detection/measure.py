"""Scores a fitted detector on fresh images, and attacks it."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from turtlenet.attacks import Attack, attacks
from turtlenet.attacks.threat import ball_facts
from turtlenet.batching import check_agreement
from turtlenet.detection import curves
from turtlenet.detection.doubts import find_doubts
from turtlenet.detection.fitted import FittedDetector, Scores
from turtlenet.detection.report import Alarm, AttackedRow, Detection, Fate, Histogram, Separation, Share
from turtlenet.detection.scores import Scored, Setting
from turtlenet.reports.statistics import interval
from turtlenet.reports.versions import stamp

BINS = 100
TOP = 0.035
"""The bins and the range of paper 001, Figure 2."""


def score_on(
    setting: Setting,
    fitted: FittedDetector,
    plain: Sequence[Attack],
    *,
    about: Mapping[str, Any],
    adaptive: str = "undetected",
) -> Detection:
    """Scores a detector on images that it was not fitted on, under plain attacks and under such that know of it.

    Args:
        setting: The model, the images, the threat, and the draws, which should be the detector's.
        fitted: The detector.
        plain: Attacks that do not know of it.
        about: The model's `name`, `path` and `sha256`.
        adaptive: Spec of an attack that is told the detector's edges, once for each of its points; empty for none.

    Raises:
        ModelError: Another model than the detector's own.
        TurtlenetError: An attack that cannot work on this model or in this norm.
    """
    fitted.check_model(about)
    setting = replace(setting, detector=fitted.fitted)
    knowing = adaptive_attacks(fitted, adaptive)
    for attack in (*plain, *(attack for attack, _ in knowing)):
        attack.check(setting.classifier, setting.ball)
    began, examples = time.perf_counter(), setting.examples
    examples.check()
    data = examples.facts()
    check_agreement(about["sha256"], data["sha256"])
    trial = _Trial(fitted, examples.labels, setting.clean(), setting.seed)
    tried: list[tuple[Attack, tuple[str, ...], Scored]]
    tried = [(attack, (), setting.attacked(attack)) for attack in plain]
    tried += [(attack, names, setting.attacked(attack, fitted.excess(names[0]))) for attack, names in knowing]
    rows = tuple(trial.row(*each) for each in tried)
    clean = [scored for _, names, scored in tried if not names]
    ball = setting.ball
    right = _share(trial.right)
    result = Detection(
        model=dict(about),
        detector=json.loads(fitted.to_json()),
        data=data,
        threat={
            **ball_facts(ball),
            "gradient": setting.classifier.gradient,
        },
        draws=setting.draws,
        attack_draws=setting.classifier.draws,
        seed=setting.seed,
        **stamp(),
        seconds=round(time.perf_counter() - began, 3),
        clean_accuracy=right.share,
        clean_accuracy_interval=right.interval,
        alarms=trial.alarms(),
        rows=rows,
        slipped_plain=trial.slipped(clean) if clean else (),
        slipped_adaptive=trial.slipped([scored for _, _, scored in tried]) if knowing else (),
        fates=trial.fates(clean, [scored for _, names, scored in tried if names]),
        doubts=(),
        histogram=trial.histogram([(row.spec, scored) for row, (_, _, scored) in zip(rows, tried, strict=True)]),
        scores=trial.listed([scored for _, _, scored in tried]),
    )
    return replace(result, doubts=find_doubts(result))


def adaptive_attacks(fitted: FittedDetector, spec: str) -> list[tuple[Attack, tuple[str, ...]]]:
    """The attack of a spec, told each edge of a detector in turn, with the points that it was told of."""
    if spec and not fitted.fitted.by_uncertainty():
        # It is told through the classifier that it attacks.
        return [(attacks.build(spec, {"selective": True}), (point.name,)) for point in fitted.points]
    made: dict[Attack, tuple[str, ...]] = {}
    for point in fitted.points if spec else ():
        attack = attacks.build(spec, {"threshold": point.edge, "side": point.side})
        made[attack] = (*made.get(attack, ()), point.name)
    return list(made.items())


def histogram(series: Sequence[tuple[str, np.ndarray]]) -> Histogram:
    """100 bins from 0 to 0.035 as in paper 001, or to the largest score where that range would hide them.

    Args:
        series: Names and readings (n,).
    """
    every = np.concatenate([values for _, values in series])
    largest = float(every.max()) if len(every) else TOP
    # The paper's range for as long as hardly anything lies above it and the scores fill a tenth of it.
    fits = not len(every) or ((every > TOP).mean() <= 0.01 and largest > TOP / 10)
    top = TOP if fits or largest == 0 else float(f"{largest:.3g}")
    counts = [np.histogram(np.minimum(values, top), BINS, (0, top))[0] for _, values in series]
    return Histogram(
        top=top, names=tuple(name for name, _ in series), counts=tuple(tuple(map(int, row)) for row in counts)
    )


@dataclass(frozen=True)
class _Trial:
    """The clean side of a trial, and what is made of an attack's side."""

    fitted: FittedDetector
    labels: np.ndarray
    clean: Scored
    seed: int

    @property
    def right(self) -> np.ndarray:
        return self.clean.answers == self.labels

    def row(self, attack: Attack, aims_at: tuple[str, ...], scored: Scored) -> AttackedRow:
        everyone = np.ones(len(self.labels), bool)
        return AttackedRow(
            name=attacks.name_of(type(attack)),
            spec=str(attack),
            adaptive=bool(aims_at),
            aims_at=aims_at,
            settings=attack.to_dict(),
            seconds=scored.seconds,
            linf_max=round(scored.linf, 6),
            fooled=_share(self.fooled(scored)[self.right]),
            slipped=self.slipped([scored]),
            successes=self.separation(str(attack), scored, self.right, self.fooled(scored)),
            all=self.separation(str(attack), scored, everyone, everyone),
        )

    def fooled(self, scored: Scored) -> np.ndarray:
        """Images that were right and are wrong now."""
        return self.right & (scored.answers != self.labels)

    def separation(self, spec: str, scored: Scored, is_clean: np.ndarray, is_attacked: np.ndarray) -> Separation:
        score = self.fitted.score
        pair = curves.Pair(score(self.clean.values), score(scored.values), is_clean, is_attacked)
        clean, adversarial = pair.sides
        within = curves.bootstrap(pair, {"auc": curves.area, "accuracy": curves.accuracy}, self.seed)
        auc, accuracy = curves.area(clean, adversarial), curves.accuracy(clean, adversarial)
        return Separation(
            clean=Scores.of("clean", self.fitted.reading(self.clean.values[is_clean])),
            adversarial=Scores.of(spec, self.fitted.reading(scored.values[is_attacked])),
            auc=None if auc is None else round(auc, 6),
            auc_interval=within["auc"],
            accuracy=None if accuracy is None else round(accuracy, 6),
            accuracy_interval=within["accuracy"],
            seen=tuple(_share(adversarial > point.cut) for point in self.fitted.points),
            roc=curves.roc(clean, adversarial),
        )

    def slipped(self, tried: Sequence[Scored]) -> tuple[Share, ...]:
        """Images that any of the attacks got misclassified and not seen, of those that were right, at each point."""
        return tuple(_share(self.hidden(tried, point.cut)[self.right]) for point in self.fitted.points)

    def hidden(self, tried: Sequence[Scored], cut: float) -> np.ndarray:
        """Images that any of the attacks got misclassified and not seen, bool (n,)."""
        hits = [self.fooled(scored) & ~(self.fitted.score(scored.values) > cut) for scored in tried]
        return np.any([np.zeros(len(self.labels), bool), *hits], axis=0)

    def fates(self, plain: Sequence[Scored], knowing: Sequence[Scored]) -> tuple[Fate, ...]:
        """What becomes of the images that were right, at each point."""
        nothing = np.zeros(len(self.labels), bool)
        fooled = np.any([nothing, *(self.fooled(scored) for scored in (*plain, *knowing))], axis=0)
        found = []
        for point in self.fitted.points:
            missed = self.hidden(plain, point.cut)
            evaded = self.hidden(knowing, point.cut) & ~missed
            parts = {"detected": fooled & ~missed & ~evaded, "evaded": evaded, "missed": missed, "resisted": ~fooled}
            found.append(Fate(**{name: _share(part[self.right]) for name, part in parts.items()}))
        return tuple(found)

    def alarms(self) -> tuple[Alarm, ...]:
        chances = self.fitted.score(self.clean.values)
        return tuple(
            Alarm(point=point, successes=_share((chances > point.cut)[self.right]), all=_share(chances > point.cut))
            for point in self.fitted.points
        )

    def histogram(self, tried: Sequence[tuple[str, Scored]]) -> Histogram:
        attacked = [(spec, self.fitted.reading(scored.values[self.fooled(scored)])) for spec, scored in tried]
        return histogram([("clean", self.fitted.reading(self.clean.values[self.right])), *attacked])

    def listed(self, tried: Sequence[Scored]) -> dict[str, list[float]]:
        lists: dict[str, list[float]] = {"label": self.labels.tolist()}
        for name, scored in (("clean", self.clean), *((str(number), one) for number, one in enumerate(tried))):
            lists[name] = [float(f"{value:.6g}") for value in self.fitted.reading(scored.values)]
            lists[f"{name}_answer"] = scored.answers.tolist()
        return lists


def _share(hits: np.ndarray) -> Share:
    count, total = int(hits.sum()), len(hits)
    share = round(count / total, 6) if total else 0.0
    return Share(hits=count, count=total, share=share, interval=interval(count, total))
