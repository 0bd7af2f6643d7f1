"""Why a robustness number might be wrong: what gradient masking and weak attacks leave behind.

The signs are those of Carlini et al. (2019), "On evaluating adversarial robustness", section 5, of Athalye et al.
(2018), section 3.1, and of AutoAttack's flags (Croce & Hein, 2020).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from turtlenet.attacks import Attack, attacks
from turtlenet.attacks.goal import is_sweep
from turtlenet.evaluation.ledger import Ledger
from turtlenet.evaluation.probe import SATURATED, Probe
from turtlenet.evaluation.report import CurvePoint, Doubt
from turtlenet.evaluation.searches import BLIND, Search, searches_of

__all__ = ["CHECKS", "Evidence", "find_doubts"]


_GUIDED = ("one-step", "iterative", "ensemble", "other")


@dataclass(frozen=True)
class Evidence:
    """All that the checks look at.

    Attributes:
        attacks: The attacks that were run.
        names: Their names.
        mode: `table` or `cascade`.
        labels: `true` or `predicted`.
        ledger: What they did to each image.
        num_classes: Classes that the model tells apart.
        curve: Accuracy against eps; the last point is the widest ball there is.
        widest: Radius of the ball that holds every image there is, so that no classifier can be right.
        probe: What the images themselves show, before any attack.
        probed: Images probed.
        doubled: An attack with twice the steps and restarts, how many images it broke that all attacks left, and of
            how many.
        draws: How many draws of random layers an answer is the mean of.
        masks: Whether a defence has another gradient than the one that the framework gives.
        naive: Whether attacks take that one where they do not say otherwise.
        norm: Of the threat.
    """

    attacks: Sequence[Attack]
    names: Sequence[str]
    mode: str
    labels: str
    ledger: Ledger
    num_classes: int
    curve: Sequence[CurvePoint]
    widest: float
    probe: Probe
    probed: int
    doubled: tuple[str, int, int]
    draws: int = 1
    masks: bool = False
    naive: bool = False
    norm: str = "linf"

    def kind(self, *kinds: str) -> list[int]:
        """Numbers of the attacks of certain kinds."""
        return [number for number, attack in enumerate(self.attacks) if attack.family in kinds]

    def searches(self, number: int) -> list[Search]:
        """The searches that an attack consists of, in their order."""
        return searches_of(self.attacks[number], self.norm, self.num_classes)

    def climbing(self) -> list[Search]:
        """All iterative searches with the model's gradient."""
        guided = self.kind("iterative", "ensemble")
        return [search for number in guided for search in self.searches(number) if search.family == "iterative"]

    def broken(self, number: int) -> np.ndarray:
        """Images that an attack broke, bool (n,): in a cascade, of those that came to it."""
        before = self.ledger.correct[number - 1] if self.mode == "cascade" and number else self.ledger.right
        return before & ~self.ledger.correct[number]

    def accuracy(self, number: int) -> float:
        """Accuracy after one attack."""
        return float(self.ledger.correct[number].mean())


def find_doubts(evidence: Evidence) -> tuple[Doubt, ...]:
    """Runs every check and gives what they found, in their order."""
    found = (check(evidence) for check in CHECKS.values())
    return tuple(doubt for doubt in found if doubt is not None)


def _zero_gradients(seen: Evidence) -> Doubt | None:
    if seen.probe.zero <= 0.01:
        return None
    return Doubt(
        code="zero-gradients",
        finding=f"The input gradient is exactly 0 on {seen.probe.zero:.1%} of {seen.probed} probed images: "
        "gradient attacks cannot move there.",
        advice="Attack with loss=margin or loss=dlr, through a smooth surrogate of the layer that blocks the "
        "gradient, and without gradients.",
    )


def _flat(seen: Evidence) -> Doubt | None:
    if seen.probe.flat <= 0.1:
        return None
    return Doubt(
        code="flat-loss",
        finding=f"A step of a tenth of eps along the gradient does not raise the loss on {seen.probe.flat:.1%} of "
        f"{seen.probed} probed images: the loss surface is flat or rough where an attack begins.",
        advice="Begin at random points with several restarts, attack with loss=margin, and without gradients.",
    )


def _saturated(seen: Evidence) -> Doubt | None:
    # Differences of logits do not saturate: an attack that climbed them has answered the question.
    answered = any(search.attack.judged_by != "cross_entropy" for search in seen.climbing())
    if seen.probe.saturated <= 0.1 or answered:
        return None
    return Doubt(
        code="saturated-outputs",
        finding=f"On {seen.probe.saturated:.1%} of {seen.probed} probed images one logit leads by more than "
        f"{SATURATED:.1f}: float32 probabilities are exactly 1 there.",
        advice="Do not trust attacks that use probabilities; add one with loss=margin or loss=dlr.",
    )


def _unsteady(seen: Evidence) -> Doubt | None:
    if not seen.probe.unsteady:
        return None
    return Doubt(
        code="random-outputs",
        finding="The same images gave other outputs in other draws: answers and gradients are "
        + (f"means of {seen.draws} draws." if seen.draws > 1 else "those of one draw."),
        advice="Raise --draws until the robust accuracy no longer falls, and attack with autoattack:version=rand.",
    )


def _one_step(seen: Evidence) -> Doubt | None:
    single, many = seen.kind("one-step"), seen.kind("iterative", "ensemble")
    if not single or not many or seen.mode == "cascade":
        return None
    best_one = min(single, key=seen.accuracy)
    best_many = min(many, key=seen.accuracy)
    missed = seen.ledger.right & ~seen.ledger.correct[single].all(axis=0) & seen.ledger.correct[many].all(axis=0)
    share = float(missed.mean())
    if seen.accuracy(best_one) >= seen.accuracy(best_many) and share <= 0.01:
        return None
    return Doubt(
        code="one-step-beats-iterative",
        finding=f"{seen.names[best_one]} leaves accuracy {seen.accuracy(best_one):.3f}, {seen.names[best_many]} "
        f"{seen.accuracy(best_many):.3f}; one step broke {share:.1%} of the images that no iterative attack broke.",
        advice="Gradients are masked or the iterative attack is too weak: more steps, a smaller step_size, restarts, "
        "and another loss.",
    )


def _noise(seen: Evidence) -> Doubt | None:
    blind, guided = seen.kind("random"), seen.kind("one-step", "iterative", "ensemble")
    if not blind or not guided or seen.mode == "cascade":
        return None
    missed = int(
        (seen.ledger.right & ~seen.ledger.correct[blind].all(axis=0) & seen.ledger.correct[guided].all(axis=0)).sum()
    )
    if missed == 0:
        return None
    return Doubt(
        code="noise-beats-attack",
        finding=f"Random noise broke {missed} image{'s' if missed > 1 else ''} that no gradient attack broke.",
        advice="The gradient attacks are too weak or misled: add restarts and steps, and attack without gradients.",
    )


def _black_box(seen: Evidence) -> Doubt | None:
    # Only what comes after all that has the gradient has looked at an image in vain before: that is how AutoAttack
    # raises its flag for Square. In a table every attack looks at every image.
    order = [seen.searches(number) for number in range(len(seen.attacks))]
    ends = [1 + max((at for at, each in enumerate(rounds) if each.family in _GUIDED), default=-1) for rounds in order]
    guided = [number for number, end in enumerate(ends) if end]
    last = guided[-1] if guided and seen.mode == "cascade" else 0
    found, by = np.zeros_like(seen.ledger.right), []
    for number, (rounds, end) in enumerate(zip(order, ends, strict=True)):
        if number < last or not any(each.family in BLIND for each in rounds[end:]):
            continue
        mine = seen.broken(number) & ((seen.ledger.part[number] >= end) | (end == 0))
        for other in guided if seen.mode == "table" else ():
            mine &= ~(seen.broken(other) & (seen.ledger.part[other] < ends[other]))
        if mine.any():
            found |= mine
            parts = [attacks.name_of(type(each.attack)) for each in rounds[end:]]
            by.append(f"{', '.join(parts)} in {seen.names[number]}" if end else seen.names[number])
    missed = int(found.sum())
    if not guided or not missed:
        return None
    return Doubt(
        code="black-box-beats-white-box",
        finding=f"Attacks without this model's gradient ({', '.join(by)}) broke {missed} "
        f"image{'s' if missed > 1 else ''} that no attack with it broke.",
        advice="Its gradient misleads: attack through a surrogate of the layer that hides it, with more restarts, and "
        "let the black-box attack ask more often.",
    )


def _not_converged(seen: Evidence) -> Doubt | None:
    attack, broken, tried = seen.doubled
    if not broken:
        return None
    return Doubt(
        code="not-converged",
        finding=f"{attack} broke {broken} of {tried} images that every attack had left: twice the steps and restarts "
        "still find more.",
        advice="Raise steps and restarts until the accuracy stays; run the suite standard.",
    )


def _lucky(seen: Evidence) -> Doubt | None:
    found = seen.ledger.reached | seen.ledger.lucky
    share = float(seen.ledger.lucky.sum() / max(1, found.sum()))
    if share <= 0.05:
        return None
    return Doubt(
        code="success-on-one-draw",
        finding=f"{share:.1%} of the successes did not happen again in other draws of the model's random layers; they "
        "are not counted.",
        advice="Raise --draws until the share falls: the attack fits its examples to the draws that it saw.",
    )


def _wide_ball(seen: Evidence) -> Doubt | None:
    wide = [point for point in seen.curve if point.eps >= seen.widest]
    if not wide or wide[-1].accuracy <= 0.02:
        return None
    return Doubt(
        code="accuracy-stays-up",
        finding=f"At eps {wide[-1].eps:g}, where the ball holds every image there is, accuracy is still "
        f"{wide[-1].accuracy:.3f} on {wide[-1].examples} images instead of 0.",
        advice="The attack fails to find what is certainly there: gradients are masked. More steps, a larger "
        "step_size, another loss, or a surrogate for the layer that blocks the gradient.",
    )


def _rising(seen: Evidence) -> Doubt | None:
    for before, after in zip(seen.curve, seen.curve[1:], strict=False):
        if after.accuracy > before.accuracy + 1.5 / max(after.examples, 1):
            return Doubt(
                code="accuracy-rises-with-eps",
                finding=f"A larger ball gave a higher accuracy: {before.accuracy:.3f} at eps {before.eps:g}, "
                f"{after.accuracy:.3f} at eps {after.eps:g}.",
                advice="A larger ball holds the smaller one: the attack has not converged. More steps or restarts.",
            )
    return None


def _weak_suite(seen: Evidence) -> Doubt | None:
    if any(getattr(search.attack, "steps", 0) >= 20 for search in seen.climbing()):
        return None
    if not seen.attacks:
        return Doubt(
            code="no-attack-counts",
            finding="Every attack had a ball of its own: none was made within that of the threat, and the robust "
            "accuracy is the clean one.",
            advice="Give the norm and the eps of the attacks as --norm and --eps, or add attacks without their own.",
        )
    return Doubt(
        code="weak-attacks",
        finding="No iterative gradient attack of at least 20 steps was among the attacks: " + ", ".join(seen.names),
        advice=f"Add {'fmn' if seen.norm == 'l0' else 'pgd:steps=40,restarts=5'} before believing the number.",
    )


def _single_loss(seen: Evidence) -> Doubt | None:
    many = seen.climbing()
    if not many or seen.ledger.robust.mean() < 0.05:
        return None
    restarted = any(search.restarts > 1 for search in many)
    losses = {search.attack.judged_by for search in many}
    # What looks again without gradients and towards every class is the stronger evaluation.
    asked = any(search.family == "query" for number in range(len(seen.attacks)) for search in seen.searches(number))
    swept = asked and any(is_sweep(search.attack.target) for search in many)
    if (restarted or swept) and len(losses) > 1:
        return None
    return Doubt(
        code="upper-bound",
        finding="The iterative attacks used "
        + ("one loss" if restarted else "no random restarts")
        + ": a stronger evaluation usually finds some more.",
        advice="Run pgd:steps=100,restarts=10 with loss=cross_entropy and with loss=margin.",
    )


def _naive_gradient(seen: Evidence) -> Doubt | None:
    if not seen.masks:
        return None
    way = [attack.gradient or ("naive" if seen.naive else "adaptive") for attack in seen.attacks]
    guided = seen.kind(*_GUIDED)
    naive = [number for number in guided if way[number] == "naive"]
    adaptive = [number for number in guided if way[number] == "adaptive"]
    if guided and not adaptive:
        return Doubt(
            code="naive-gradient",
            finding="Every attack took the gradient that the framework gives, which a defence of this model hides.",
            advice="Run with --gradient adaptive; these numbers only serve to compare with papers that did the same.",
        )
    if not naive or not adaptive or seen.mode == "cascade":
        return None
    claimed, left = (float(seen.ledger.correct[group].all(axis=0).mean()) for group in (naive, adaptive))
    if claimed <= left + 0.01:
        return None
    return Doubt(
        code="masked-by-defence",
        finding=f"With the gradient that the framework gives, all attacks leave {claimed:.3f}; through the defence's "
        f"surrogate they leave {left:.3f}. The first is the number of a paper, the second that of an attacker.",
        advice="Quote the second; train with attacks on the defended model, as `turtlenet train --defence` does.",
    )


def _naive_labels(seen: Evidence) -> Doubt | None:
    if seen.labels == "true":
        return None
    return Doubt(
        code="predicted-labels",
        finding="The attacks were given the model's own answers instead of the true labels: a wrong answer that is "
        "pushed away can become the right one.",
        advice="Run again with true labels; these numbers only serve to compare with papers that did the same.",
    )


def _few(seen: Evidence) -> Doubt | None:
    count = len(seen.ledger.labels)
    if count >= 500:
        return None
    return Doubt(
        code="few-images",
        finding=f"Only {count} images were attacked: the interval is wide.",
        advice="Evaluate at least 1,000 images.",
    )


CHECKS: dict[str, Callable[[Evidence], Doubt | None]] = {
    "zero gradients": _zero_gradients,
    "a flat loss": _flat,
    "saturated outputs": _saturated,
    "random outputs": _unsteady,
    "one step against many": _one_step,
    "noise against attacks": _noise,
    "attacks without a gradient": _black_box,
    "convergence": _not_converged,
    "luck of a draw": _lucky,
    "accuracy at the widest ball": _wide_ball,
    "accuracy rising with eps": _rising,
    "strength of the attacks": _weak_suite,
    "losses and restarts": _single_loss,
    "gradients of defences": _naive_gradient,
    "labels": _naive_labels,
    "number of images": _few,
}
