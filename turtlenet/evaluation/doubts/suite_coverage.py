"""Whether the attacks were enough, and on what terms."""

from turtlenet.attacks import QuantizerPGD
from turtlenet.attacks.goal import is_sweep
from turtlenet.evaluation.doubts.evidence import NEXT_TO_NOTHING, Evidence
from turtlenet.reports.base import Doubt
from turtlenet.reports.statistics import share_interval


def weak_suite(evidence: Evidence) -> Doubt | None:
    """Attacks that are too short, or under no threat."""
    if any(getattr(search.attack, "steps", 0) >= 20 for search in evidence.climbing()):
        return None
    if not evidence.attacks:
        return Doubt(
            code="no-attack-counts",
            finding="Every attack had a ball of its own: none was made within that of the threat, and the robust "
            "accuracy counts only what happened to be found within it.",
            advice="Give the norm and the eps of the attacks as --norm and --eps, or add attacks without their own.",
        )
    if evidence.fallen:
        return None
    return Doubt(
        code="weak-attacks",
        finding="No iterative gradient attack of at least 20 steps was among the attacks: "
        + ", ".join(evidence.names),
        advice=f"Add {'fmn' if evidence.norm == 'l0' else 'pgd:steps=40,restarts=5'} before believing the number.",
    )


def single_loss(evidence: Evidence) -> Doubt | None:
    """Attacks of one loss, or from one start."""
    many = evidence.climbing()
    if not many or evidence.fallen:
        return None
    restarted = any(search.restarts > 1 for search in many)
    losses = {search.attack.judged_by for search in many}
    # What looks again without gradients and towards every class is the stronger evaluation.
    queried = any(
        search.family == "query" for number in range(len(evidence.attacks)) for search in evidence.searches(number)
    )
    swept = queried and any(is_sweep(search.attack.target) for search in many)
    if (restarted or swept) and len(losses) > 1:
        return None
    return Doubt(
        code="upper-bound",
        finding="The iterative attacks used "
        + ("one loss" if restarted else "no random restarts")
        + ": a stronger evaluation usually finds some more.",
        advice="Run fmn and sigma-zero."
        if evidence.norm == "l0"
        else "Run pgd:steps=100,restarts=10 with loss=cross_entropy and with loss=margin.",
    )


def levels(evidence: Evidence) -> Doubt | None:
    """A quantizer that was attacked through its surrogate alone."""
    if not evidence.entrance or evidence.norm not in QuantizerPGD.norms or evidence.fallen:
        return None
    if not evidence.by_feature and any(isinstance(search.attack, QuantizerPGD) for search in evidence.climbing()):
        return None
    return Doubt(
        code="levels-not-attacked",
        finding=f"{evidence.entrance} at the input says which values it can give within the ball, and no attack "
        "searched among those: a surrogate's slope finds fewer adversarial examples.",
        advice="Add square, which takes no slope: quantizer-pgd wants one radius and bounds for all features."
        if evidence.by_feature
        else "Add quantizer-pgd to the attacks.",
    )


def naive_labels(evidence: Evidence) -> Doubt | None:
    """The model's own answers for labels."""
    if evidence.labels == "true":
        return None
    return Doubt(
        code="predicted-labels",
        finding="The attacks were given the model's own answers instead of the true labels: a wrong answer that is "
        "pushed away can become the right one.",
        advice="Run again with true labels; these numbers only serve to compare with papers that did the same.",
    )


def few(evidence: Evidence) -> Doubt | None:
    """Few examples, unless they are enough to know that next to nothing withstands."""
    count = len(evidence.per_image.labels)
    if count >= 500 or share_interval(evidence.per_image.robust)[1] < NEXT_TO_NOTHING:
        return None
    return Doubt(
        code=f"few-{evidence.inputs.examples}",
        finding=f"Only {evidence.inputs.count(count)} {'was' if count == 1 else 'were'} attacked: the interval is "
        "wide.",
        advice=f"Evaluate at least 1,000 {evidence.inputs.examples}.",
    )
