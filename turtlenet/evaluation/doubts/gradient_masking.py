"""Signs of gradient masking that the model itself shows: its gradients, its outputs, its draws."""

import keras

from turtlenet.evaluation.doubts.evidence import GUIDED, Evidence
from turtlenet.evaluation.probe import SATURATED
from turtlenet.models import defences_of
from turtlenet.reports.base import Doubt


def masking_of(model: keras.Model) -> tuple[str, ...]:
    """The defences in a model that hide their gradient, each with what an attacker takes in its place."""
    return tuple(dict.fromkeys(f"{each} ({each.adaptive})" for each in defences_of(model) if each.masks))


def zero_gradients(evidence: Evidence) -> Doubt | None:
    """Gradients that are 0."""
    if evidence.probe.zero <= 0.01:
        return None
    return Doubt(
        code="zero-gradients",
        finding=f"The input gradient is exactly 0 on {evidence.probe.zero:.1%} of {evidence.probed} probed "
        f"{evidence.inputs.examples}: gradient attacks cannot move there.",
        advice="Attack with loss=margin or loss=dlr, through a smooth surrogate of the layer that blocks the "
        "gradient, and without gradients.",
    )


def flat(evidence: Evidence) -> Doubt | None:
    """A loss that does not rise along its gradient."""
    if evidence.probe.flat <= 0.1:
        return None
    return Doubt(
        code="flat-loss",
        finding=f"A step of a tenth of eps along the gradient does not raise the loss on {evidence.probe.flat:.1%} of "
        f"{evidence.probed} probed {evidence.inputs.examples}: the loss surface is flat or rough where an attack "
        "begins.",
        advice="Begin at random points with several restarts, attack with loss=margin, and without gradients.",
    )


def saturated(evidence: Evidence) -> Doubt | None:
    """Probabilities that are exactly 1."""
    # Differences of logits do not saturate: an attack that climbed them has answered the question.
    answered = any(search.attack.judged_by != "cross_entropy" for search in evidence.climbing())
    if evidence.probe.saturated <= 0.1 or answered:
        return None
    return Doubt(
        code="saturated-outputs",
        finding=f"On {evidence.probe.saturated:.1%} of {evidence.probed} probed {evidence.inputs.examples} one "
        "logit leads "
        f"by more than {SATURATED:.1f}: float32 probabilities are exactly 1 there.",
        advice="Do not trust attacks that use probabilities; add one with loss=margin or loss=dlr.",
    )


def unsteady(evidence: Evidence) -> Doubt | None:
    """Answers that change from draw to draw."""
    if not evidence.probe.unsteady:
        return None
    return Doubt(
        code="random-outputs",
        finding=f"The same {evidence.inputs.examples} gave other outputs in other draws: answers and gradients are "
        + (f"means of {evidence.draws} draws." if evidence.draws > 1 else "those of one draw."),
        advice="Raise --draws until the robust accuracy no longer falls, and attack with autoattack:version=rand.",
    )


def lucky(evidence: Evidence) -> Doubt | None:
    """Successes that other draws take back."""
    found = evidence.per_image.reached | evidence.per_image.lucky
    share = float(evidence.per_image.lucky.sum() / max(1, found.sum()))
    if share <= 0.05:
        return None
    return Doubt(
        code="success-on-one-draw",
        finding=f"{share:.1%} of the successes did not happen again in other draws of the model's random layers; they "
        "are not counted.",
        advice="Raise --draws until the share falls: the attack fits its examples to the draws that it saw.",
    )


def given_back(evidence: Evidence) -> Doubt | None:
    """Successes that keeping the rules of the features took away again."""
    per_image = evidence.per_image
    rows = per_image.robust & per_image.undone.any(axis=0)
    if rows.sum() <= 0.01 * max(1, per_image.right.sum()):
        return None
    return Doubt(
        code="undone-by-rules",
        finding=f"On {evidence.inputs.count(int(rows.sum()))} that count as robust an attack had found an adversarial "
        "example, which keeping the rules of the features took away again: what they made of it broke a rule, left "
        "the ball, or is answered rightly. A better projection may keep some of them.",
        advice="Put rules that share features into one whose `project` keeps them all (package.module:Name), and add "
        "an attack without gradients, such as square.",
    )


def naive_gradient(evidence: Evidence) -> Doubt | None:
    """A gradient that a defence hides, and what its surrogate gives; every such model gets one of these doubts."""
    if not evidence.masking:
        return None
    way = [attack.gradient or ("naive" if evidence.naive else "adaptive") for attack in evidence.attacks]
    guided = evidence.kind(*GUIDED)
    naive = [number for number in guided if way[number] == "naive"]
    adaptive = [number for number in guided if way[number] == "adaptive"]
    if guided and not adaptive:
        return Doubt(
            code="naive-gradient",
            finding="Every attack took the gradient that the framework gives, which a defence of this model hides.",
            advice="Run with --gradient adaptive; these numbers only serve to compare with papers that did the same.",
        )
    if not naive or not adaptive or evidence.mode == "cascade":
        return _replaced(evidence)
    claimed, left = (float(evidence.per_image.correct[group].all(axis=0).mean()) for group in (naive, adaptive))
    if claimed <= left + 0.01:
        return _replaced(evidence)
    return Doubt(
        code="masked-by-defence",
        finding=f"With the gradient that the framework gives, all attacks leave {claimed:.3f}; through the defence's "
        f"surrogate they leave {left:.3f}. The first is the number of a paper, the second that of an attacker.",
        advice="Quote the second; train with attacks on the defended model, as `turtlenet train --defence` does.",
    )


def _replaced(evidence: Evidence) -> Doubt:
    return Doubt(
        code="surrogate-gradient",
        finding="The gradient of a defence is hidden, and attacks took another in its place: "
        f"{'; '.join(evidence.masking)}. One that fits better may find more.",
        advice="Add attacks without a gradient, square and hopskipjump, and one from a model without the defence: "
        '--attack "transfer:source=bare.h5".',
    )
