"""Whether the attacks were enough, and on what terms."""

from turtlenet.attacks import QuantizerPGD
from turtlenet.attacks.goal import is_sweep
from turtlenet.evaluation.doubts.evidence import Evidence
from turtlenet.reports.base import Doubt


def weak_suite(seen: Evidence) -> Doubt | None:
    """Attacks that are too short, or under no threat."""
    if any(getattr(search.attack, "steps", 0) >= 20 for search in seen.climbing()):
        return None
    if not seen.attacks:
        return Doubt(
            code="no-attack-counts",
            finding="Every attack had a ball of its own: none was made within that of the threat, and the robust "
            "accuracy counts only what happened to be found within it.",
            advice="Give the norm and the eps of the attacks as --norm and --eps, or add attacks without their own.",
        )
    return Doubt(
        code="weak-attacks",
        finding="No iterative gradient attack of at least 20 steps was among the attacks: " + ", ".join(seen.names),
        advice=f"Add {'fmn' if seen.norm == 'l0' else 'pgd:steps=40,restarts=5'} before believing the number.",
    )


def single_loss(seen: Evidence) -> Doubt | None:
    """Attacks of one loss, or from one start."""
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


def levels(seen: Evidence) -> Doubt | None:
    """A quantizer that was attacked through its surrogate alone."""
    if not seen.entrance or seen.norm not in QuantizerPGD.norms or seen.ledger.robust.mean() < 0.05:
        return None
    if any(isinstance(search.attack, QuantizerPGD) for search in seen.climbing()):
        return None
    return Doubt(
        code="levels-not-attacked",
        finding=f"{seen.entrance} at the input says which values it can give within the ball, and no attack searched "
        "among those: a surrogate's slope finds fewer adversarial examples.",
        advice="Add quantizer-pgd to the attacks.",
    )


def naive_labels(seen: Evidence) -> Doubt | None:
    """The model's own answers for labels."""
    if seen.labels == "true":
        return None
    return Doubt(
        code="predicted-labels",
        finding="The attacks were given the model's own answers instead of the true labels: a wrong answer that is "
        "pushed away can become the right one.",
        advice="Run again with true labels; these numbers only serve to compare with papers that did the same.",
    )


def few(seen: Evidence) -> Doubt | None:
    """Few examples."""
    count = len(seen.ledger.labels)
    if count >= 500:
        return None
    return Doubt(
        code=f"few-{seen.inputs.examples}",
        finding=f"Only {seen.inputs.count(count)} {'was' if count == 1 else 'were'} attacked: the interval is wide.",
        advice=f"Evaluate at least 1,000 {seen.inputs.examples}.",
    )
