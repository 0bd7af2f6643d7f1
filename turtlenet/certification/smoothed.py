"""Randomized smoothing as a way to certify images, beside bounds: see `Smoothing`."""

from typing import Any

import numpy as np

from turtlenet.balls import Ball
from turtlenet.certification.methods import CERTIFIED, UNKNOWN, WRONG, Attacker, CertificationState
from turtlenet.certification.region import check_plain
from turtlenet.certification.smoothing import Smoothing
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError


class SmoothedCertifier:
    """Certifies images of the smoothed classifier in an L2 ball, with the signature of `Certifier`.

    An image on which it abstains counts as misclassified. `CertificationState.margin` holds the certified radius.

    Args:
        model: The base classifier, or one whose first layer is its noise.
        ball: Where an input may move, in the norm l2.
        smoothing: How it is smoothed.
        seed: Repeats the draws.
        batch_size: Noisy images in one compiled call; None for the usual number.

    Raises:
        SettingError: Another norm, radii of features, or no sigma; see `Smoothing.base`.
    """

    method = "smoothing"

    def __init__(
        self, model: Classifier, ball: Ball, smoothing: Smoothing, *, seed: int = 0, batch_size: int | None = 256
    ):
        check_plain(ball)
        if ball.norm != "l2":
            raise SettingError(f"Expected norm l2 for method=smoothing; got {ball.norm}.")
        self.model, self.ball, self.smoothing, self.seed, self.batch_size = model, ball, smoothing, seed, batch_size
        _, self.sigma = smoothing.base(model)

    def __call__(
        self, x: np.ndarray, y: np.ndarray, index: np.ndarray, attacker: Attacker | None = None
    ) -> tuple[CertificationState, dict[str, Any]]:
        """Certifies a block of images; see `Certifier`. Nothing is attacked: attacks know a single draw, or few."""
        smoothed = self.smoothing.certify(self.model, x, seed=self.seed, index=index, batch_size=self.batch_size)
        found, right = CertificationState.empty(len(x)), smoothed.label == y
        found.clean[:], found.margin[:] = smoothed.label, smoothed.radius
        # The theorem is of distances below the radius.
        certified = right & (smoothed.radius > float(np.max(self.ball.eps)))
        found.verdict[:] = np.where(certified, CERTIFIED, np.where(right, UNKNOWN, WRONG))
        found.method[certified] = 0
        return found, {}

    def facts(self, count: int) -> dict[str, Any]:
        """What a report says of how it was certified.

        Args:
            count: How many images there are.
        """
        how = self.smoothing
        return {
            "sigma": self.sigma,
            "n0": how.n0,
            "n": how.n,
            "alpha": how.alpha,
            "bound": how.bound,
            "passes": how.passes,
            "expected_failures": round(how.alpha * count, 6),
        }
