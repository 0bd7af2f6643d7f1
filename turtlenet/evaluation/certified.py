"""What is certified of the images of an evaluation: they are spared, and a few of them are attacked all the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from turtlenet.balls import Ball
from turtlenet.certification import METHODS, Certifier
from turtlenet.certification.methods import CERTIFIED
from turtlenet.certification.region import check_plain
from turtlenet.classifier import Classifier
from turtlenet.data import Examples
from turtlenet.errors import SettingError, SpecError, did_you_mean
from turtlenet.evaluation.per_image_results import PerImageResults
from turtlenet.input_kind import InputKind
from turtlenet.reports.base import Doubt
from turtlenet.reports.statistics import share, share_interval

CONTRADICTION = "certificate-contradicted"
AUDITED = 16
"""Certified images that are attacked all the same, evenly spread: a wrong bound would show."""
_BLOCK = 256
# Others take minutes for an image.
CHOICES = METHODS[:3]


@dataclass(frozen=True)
class Certified:
    """Which images no point of the ball breaks, bool (n,), and by which method that was asked."""

    method: str
    held: np.ndarray

    @property
    def spared(self) -> np.ndarray:
        """The images that no attack is run on: all of those but a few, bool (n,)."""
        spared, rows = self.held.copy(), np.flatnonzero(self.held)
        spared[rows[np.linspace(0, len(rows) - 1, min(AUDITED, len(rows))).round().astype(int)]] = False
        return spared


def certified(method: str, model: Classifier, examples: Examples, ball: Ball, batch_size: int | None) -> Certified:
    """Certifies the images of an evaluation.

    Args:
        method: One of `CHOICES`.
        model: What is certified.
        examples: Images and labels.
        ball: The threat, with one radius and bounds for all features.
        batch_size: Images in one compiled call; None for as many as fit.

    Raises:
        SpecError: No such method.
        ModelError: A layer without a rule, or that draws random numbers.
        SettingError: A norm without certificates.
    """
    if method not in CHOICES:
        raise SpecError(f"Unknown method to certify by {method!r}.{did_you_mean(method, CHOICES)}")
    certifier, held = Certifier(model, ball, method=method, batch_size=batch_size), np.zeros(len(examples), bool)
    for start in range(0, len(examples), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(examples)))
        found, _ = certifier(*examples.batch(slice(start, int(rows[-1]) + 1)), rows)
        held[rows] = found.verdict == CERTIFIED
    return Certified(method, held)


def check_certify(labels: str, access: str, ball: Ball) -> None:
    """Refuses what certificates do not speak of.

    Raises:
        SettingError: Labels, attackers or a threat that they are not about.
    """
    check_plain(ball)
    if labels != "true":
        raise SettingError(f"Expected true labels with certify; got {labels}: a certificate is about the true class.")
    if access != "white-box":
        raise SettingError(f"Expected access white-box with certify; got {access}.")


def certificate_facts(found: Certified, per_image: PerImageResults, robust: np.ndarray) -> dict[str, Any]:
    """What a report says of certificates: both ends of the bar, and what was saved.

    Args:
        found: What is certified.
        per_image: What the attacks did.
        robust: Images on which everything failed, bool (n,).
    """
    attacked = per_image.attacked.sum(axis=1)
    # Attacks in a ball of their own, and for the smallest perturbation, ran on all images.
    spared = (found.spared & per_image.right & ~per_image.attacked).sum(axis=1)
    each = per_image.cost[:, 1] / np.maximum(attacked, 1)
    return {
        "method": found.method,
        "accuracy": share(found.held),
        "accuracy_interval": list(share_interval(found.held)),
        "attacked": share(robust),
        "spared": int((found.spared & per_image.right).sum()),
        "audited": int((found.held & ~found.spared).sum()),
        "gradients_saved": round(float((each * spared).sum())),
        "contradictions": np.flatnonzero(found.held & ~robust).tolist(),
    }


def find_contradictions(about: dict[str, Any] | None, kind: InputKind) -> tuple[Doubt, ...]:
    """The gravest of doubts: something broke what was certified.

    Args:
        about: See `certificate_facts`.
        kind: What an input is.
    """
    rows: Sequence[int] = about["contradictions"] if about else ()
    if not rows:
        return ()
    named = ", ".join(map(str, rows[:10])) + (", ..." if len(rows) > 10 else "")
    return (
        Doubt(
            code=CONTRADICTION,
            finding=f"CONTRADICTION: {len(rows):,} certified {kind.examples} were broken ({kind.example} {named}). No "
            "certificate of this report can be believed.",
            advice="A rule that bounds one of the model's layers is wrong, or the attack left the ball. Evaluate "
            "without --certify, and report the model.",
        ),
    )
