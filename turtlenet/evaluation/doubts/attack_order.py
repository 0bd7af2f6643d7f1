"""What stronger attacks must find before weaker ones: more steps, a gradient, a larger ball, twice the effort."""

import numpy as np

from turtlenet.attacks import attacks
from turtlenet.evaluation.attack_rounds import BLIND
from turtlenet.evaluation.doubts.evidence import GUIDED, Evidence
from turtlenet.reports.base import Doubt


def one_step(evidence: Evidence) -> Doubt | None:
    """One step that finds more than many."""
    single, many = evidence.kind("one-step"), evidence.kind("iterative", "ensemble")
    if not single or not many or evidence.mode == "cascade":
        return None
    best_one = min(single, key=evidence.accuracy)
    best_many = min(many, key=evidence.accuracy)
    share = float(evidence.missed(single, many).mean())
    if evidence.accuracy(best_one) >= evidence.accuracy(best_many) and share <= 0.01:
        return None
    return Doubt(
        code="one-step-beats-iterative",
        finding=f"{evidence.names[best_one]} leaves accuracy {evidence.accuracy(best_one):.3f}, "
        f"{evidence.names[best_many]} "
        f"{evidence.accuracy(best_many):.3f}; one step broke {share:.1%} of the "
        f"{evidence.inputs.examples} that no iterative attack broke.",
        advice="Gradients are masked or the iterative attack is too weak: more steps, a smaller step_size, restarts, "
        "and another loss.",
    )


def noise(evidence: Evidence) -> Doubt | None:
    """Noise that finds what gradients missed."""
    blind, guided = evidence.kind("random"), evidence.kind("one-step", "iterative", "ensemble")
    if not blind or not guided or evidence.mode == "cascade":
        return None
    missed = int(evidence.missed(blind, guided).sum())
    if missed == 0:
        return None
    return Doubt(
        code="noise-beats-attack",
        finding=f"Random noise broke {evidence.inputs.count(missed)} that no gradient attack broke.",
        advice="The gradient attacks are too weak or misled: add restarts and steps, and attack without gradients.",
    )


def black_box(evidence: Evidence) -> Doubt | None:
    """An attack without the gradient that breaks what those with it left."""
    # Only what comes after all that has the gradient has looked at an image in vain before: that is how AutoAttack
    # raises its flag for Square. In a table every attack looks at every image.
    order = [evidence.searches(number) for number in range(len(evidence.attacks))]
    ends = [1 + max((at for at, each in enumerate(rounds) if each.family in GUIDED), default=-1) for rounds in order]
    guided = [number for number, end in enumerate(ends) if end]
    last = guided[-1] if guided and evidence.mode == "cascade" else 0
    broken, by = np.zeros_like(evidence.per_image.right), []
    for number, (rounds, end) in enumerate(zip(order, ends, strict=True)):
        if number < last or not any(each.family in BLIND for each in rounds[end:]):
            continue
        fresh = evidence.broken(number) & ((evidence.per_image.part[number] >= end) | (end == 0))
        for other in guided if evidence.mode == "table" else ():
            fresh &= ~(evidence.broken(other) & (evidence.per_image.part[other] < ends[other]))
        if evidence.whole is not None:
            fresh &= evidence.whole
        if fresh.any():
            broken |= fresh
            parts = [attacks.name_of(type(each.attack)) for each in rounds[end:]]
            by.append(f"{', '.join(parts)} in {evidence.names[number]}" if end else evidence.names[number])
    missed = int(broken.sum())
    if not guided or not missed:
        return None
    return Doubt(
        code="black-box-beats-white-box",
        finding=f"Attacks without this model's gradient ({', '.join(by)}) broke "
        f"{evidence.inputs.count(missed)} that no attack with it broke.",
        advice="Its gradient misleads: attack through a surrogate of the layer that hides it, with more restarts, and "
        "let the black-box attack ask more often.",
    )


def not_converged(evidence: Evidence) -> Doubt | None:
    """Twice the effort that still finds more."""
    attack, broken, tried = evidence.doubled
    if not broken or evidence.fallen:
        return None
    return Doubt(
        code="not-converged",
        finding=f"{attack} broke {broken} of {evidence.inputs.count(tried)} that every attack had left: twice the "
        "steps "
        f"and restarts still find more. They are counted as broken; the other {evidence.inputs.examples} were not "
        "tried "
        "so.",
        advice="Raise steps and restarts until the accuracy stays; run the suite standard.",
    )


def wide_ball(evidence: Evidence) -> Doubt | None:
    """An attack that fails where success is certain."""
    wide = [point for point in evidence.curve if point.eps >= evidence.widest]
    if not wide or wide[-1].accuracy <= 0.02:
        return None
    return Doubt(
        code="accuracy-stays-up",
        finding=f"At eps {wide[-1].eps:g}, where the ball holds every {evidence.inputs.example} there is, accuracy is "
        f"still {wide[-1].accuracy:.3f} on {evidence.inputs.count(wide[-1].examples)} instead of 0.",
        advice="The attack fails to find what is certainly there: gradients are masked. More steps, a larger "
        "step_size, another loss, or a surrogate for the layer that blocks the gradient.",
    )


def rising(evidence: Evidence) -> Doubt | None:
    """A larger ball that holds fewer examples."""
    for before, after in zip(evidence.curve, evidence.curve[1:], strict=False):
        if after.accuracy > before.accuracy + 1.5 / max(after.examples, 1):
            return Doubt(
                code="accuracy-rises-with-eps",
                finding=f"A larger ball gave a higher accuracy: {before.accuracy:.3f} at eps {before.eps:g}, "
                f"{after.accuracy:.3f} at eps {after.eps:g}.",
                advice="A larger ball holds the smaller one: the attack has not converged. More steps or restarts.",
            )
    return None
