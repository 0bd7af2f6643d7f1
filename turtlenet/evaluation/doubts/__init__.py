"""Why a robustness number might be wrong: what gradient masking and weak attacks leave behind.

The signs are those of Carlini et al. (2019), "On evaluating adversarial robustness", section 5, of Athalye et al.
(2018), section 3.1, and of AutoAttack's flags (Croce & Hein, 2020).
"""

from collections.abc import Callable

from turtlenet.data.fit.doubts import FIT_CHECKS, find_misfits
from turtlenet.evaluation.doubts import attack_order, gradient_masking, suite_coverage
from turtlenet.evaluation.doubts.evidence import Evidence
from turtlenet.reports.base import Doubt

__all__ = ["CHECKS", "FIT_CHECKS", "Evidence", "find_doubts", "find_misfits"]


def find_doubts(evidence: Evidence) -> tuple[Doubt, ...]:
    """Runs every check and gives what they found, in their order."""
    misfits = find_misfits(evidence.fit) if evidence.fit else ()
    found = (check(evidence) for check in CHECKS.values())
    return misfits + tuple(doubt for doubt in found if doubt is not None)


CHECKS: dict[str, Callable[[Evidence], Doubt | None]] = {
    "zero gradients": gradient_masking.zero_gradients,
    "a flat loss": gradient_masking.flat,
    "saturated outputs": gradient_masking.saturated,
    "random outputs": gradient_masking.unsteady,
    "one step against many": attack_order.one_step,
    "noise against attacks": attack_order.noise,
    "attacks without a gradient": attack_order.black_box,
    "convergence": attack_order.not_converged,
    "luck of a draw": gradient_masking.lucky,
    "successes that rules took back": gradient_masking.given_back,
    "accuracy at the widest ball": attack_order.wide_ball,
    "accuracy rising with eps": attack_order.rising,
    "strength of the attacks": suite_coverage.weak_suite,
    "losses and restarts": suite_coverage.single_loss,
    "gradients of defences": gradient_masking.naive_gradient,
    "levels of a quantizer": suite_coverage.levels,
    "labels": suite_coverage.naive_labels,
    "number of examples": suite_coverage.few,
}
