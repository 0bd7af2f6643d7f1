"""Why a robustness number might be wrong: what gradient masking and weak attacks leave behind.

The signs are those of Carlini et al. (2019), "On evaluating adversarial robustness", section 5, of Athalye et al.
(2018), section 3.1, and of AutoAttack's flags (Croce & Hein, 2020).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from turtlenet.attacks import Attack
from turtlenet.attacks.combined import Elsewhere
from turtlenet.attacks.goal import is_sweep, sweep_size
from turtlenet.evaluation.ledger import Ledger
from turtlenet.evaluation.probe import SATURATED, Probe
from turtlenet.evaluation.report import CurvePoint, Doubt

__all__ = ["CHECKS", "Evidence", "find_doubts"]


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
    masks: bool = False
    naive: bool = False
    norm: str = "linf"

    def kind(self, *kinds: str) -> list[int]:
        """Numbers of the attacks of certain kinds."""
        return [number for number, attack in enumerate(self.attacks) if attack.family in kinds]

    def searches(self, number: int) -> list[tuple[Attack, bool]]:
        """The attacks that one consists of in the end, and whether each begins anew."""
        found = []
        for part, count in self.attacks[number].under(self.norm).rounds(self.num_classes):
            again = count > sweep_size(part.target, self.num_classes)
            while isinstance(part, Elsewhere):
                part = part.part
            found.append((part, again))
        return found

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
    many = [attack for number in seen.kind("iterative") for attack, _ in seen.searches(number)]
    answered = any(attack.family == "iterative" and attack.judged_by != "cross_entropy" for attack in many)
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
        finding="The same images gave different outputs when asked twice: single draws decide the verdicts.",
        advice="Average gradients over draws (EOT) and decide success over repeated draws.",
    )


def _one_step(seen: Evidence) -> Doubt | None:
    single, many = seen.kind("one-step"), seen.kind("iterative")
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
    blind, guided = seen.kind("random"), seen.kind("one-step", "iterative")
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
    blind, guided = seen.kind("query", "decision", "transfer"), seen.kind("one-step", "iterative", "ensemble", "other")
    if not blind or not guided or seen.mode == "cascade":
        return None
    found = seen.ledger.right & ~seen.ledger.correct[blind].all(axis=0) & seen.ledger.correct[guided].all(axis=0)
    missed = int(found.sum())
    if missed == 0:
        return None
    by = [seen.names[number] for number in blind if (found & ~seen.ledger.correct[number]).any()]
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
    searches = [attack for number in seen.kind("iterative") for attack, _ in seen.searches(number)]
    if any(getattr(attack, "steps", 0) >= 20 for attack in searches):
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
        advice="Add pgd:steps=40,restarts=5 before believing the number.",
    )


def _single_loss(seen: Evidence) -> Doubt | None:
    many = [search for number in seen.kind("iterative") for search in seen.searches(number)]
    if not many or seen.ledger.robust.mean() < 0.05:
        return None
    restarted = any(again for _, again in many)
    losses = {attack.judged_by for attack, _ in many if attack.family == "iterative"}
    # What looks again without gradients and towards every class is the stronger evaluation.
    swept = any(is_sweep(attack.target) for attack, _ in many) and bool(seen.kind("query"))
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
    guided = seen.kind("one-step", "iterative", "other")
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
