"""Why a robustness number might be wrong: what gradient masking and weak attacks leave behind.

The signs are those of Carlini et al. (2019), "On evaluating adversarial robustness", section 5, of Athalye et al.
(2018), section 3.1, and of AutoAttack's flags (Croce & Hein, 2020).
"""

from collections.abc import Callable

from turtlenet.evaluation.doubts import model, order, terms
from turtlenet.evaluation.doubts.data import FIT_CHECKS, find_misfits
from turtlenet.evaluation.doubts.evidence import Evidence
from turtlenet.evaluation.report import Doubt

__all__ = ["CHECKS", "FIT_CHECKS", "Evidence", "find_doubts", "find_misfits"]


def find_doubts(evidence: Evidence) -> tuple[Doubt, ...]:
    """Runs every check and gives what they found, in their order."""
    misfits = find_misfits(evidence.fit) if evidence.fit else ()
    found = (check(evidence) for check in CHECKS.values())
    return misfits + tuple(doubt for doubt in found if doubt is not None)


CHECKS: dict[str, Callable[[Evidence], Doubt | None]] = {
    "zero gradients": model.zero_gradients,
    "a flat loss": model.flat,
    "saturated outputs": model.saturated,
    "random outputs": model.unsteady,
    "one step against many": order.one_step,
    "noise against attacks": order.noise,
    "attacks without a gradient": order.black_box,
    "convergence": order.not_converged,
    "luck of a draw": model.lucky,
    "accuracy at the widest ball": order.wide_ball,
    "accuracy rising with eps": order.rising,
    "strength of the attacks": terms.weak_suite,
    "losses and restarts": terms.single_loss,
    "gradients of defences": model.naive_gradient,
    "labels": terms.naive_labels,
    "number of images": terms.few,
}
