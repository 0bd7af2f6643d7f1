"""What an attack did, to see that two of them did the same work."""

from dataclasses import dataclass

import numpy as np

from turtlenet.classifier import Classifier

__all__ = ["Outcome", "outcome"]


@dataclass(frozen=True)
class Outcome:
    """Accuracy and mean cross-entropy at the adversarial examples, and the largest change of a pixel."""

    accuracy: float
    loss: float
    linf: float


def outcome(model: Classifier, moved: np.ndarray, x: np.ndarray, y: np.ndarray) -> Outcome:
    """Judges adversarial examples."""
    logits = model.predict(moved).astype("float64")
    top = logits.max(axis=1)
    loss = top + np.log(np.exp(logits - top[:, None]).sum(axis=1)) - logits[np.arange(len(y)), y]
    right = logits.argmax(axis=1) == y
    return Outcome(float(right.mean()), float(loss.mean()), float(np.abs(moved - x).max()))
