"""Exact answers for networks that are linear in pieces, by mixed-integer programming (Tjeng et al., 2019).

scipy's HiGHS either proves that no point of the ball changes the class, or gives one that does, which the model itself
then has to confirm. Networks with units that give the sign alone, as binary ones have, are asked twice (Khalil et al.,
2019): a first program keeps every sum away from 0 and looks for a point, a second one lets the signs of sums near 0 be
either and looks for a proof.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from turtlenet.certification.network import Network
from turtlenet.certification.program import MARGIN, PiecewiseLinear, Program
from turtlenet.certification.steps import Box


@dataclass(frozen=True)
class Answer:
    """What is known of an image.

    Attributes:
        verdict: `certified`, `broken` or `unknown`.
        point: The input that broke it (*input_shape), if one did.
        bound: What no margin of the classes that were asked about is below; -inf where the solver knows nothing.
    """

    verdict: str
    point: np.ndarray | None = None
    bound: float = -math.inf


class Exact:
    """Decides images of one network, whose matrices are made once.

    Args:
        network: Of affine maps, functions such as ReLU, maxima, and a quantizer at the input.

    Raises:
        ModelError: A function that is not linear in pieces, or products too large to be written out.
    """

    def __init__(self, network: Network):
        self.network = PiecewiseLinear(network)
        self.front = self.network.front

    def __call__(
        self,
        known: list[Box],
        y: int,
        open_classes: list[int],
        seconds: float,
        confirmed: Callable[[np.ndarray], np.ndarray | None],
    ) -> Answer:
        """Decides one image.

        Args:
            known: The boxes of all places, as arrays without a batch.
            y: Its class.
            open_classes: Those that bounds did not rule out.
            seconds: For all of it.
            confirmed: Is given a point of the first free place (values,), and gives an input of the ball that the
                model misclassifies, if it is one.
        """
        end = time.monotonic() + seconds
        size = 1.0 + max(float(np.abs(known[-1].low).max()), float(np.abs(known[-1].high).max()))
        proof = Program(self.network, known)
        programs = [Program(self.network, known, strict=True), proof] if self.network.signs else [proof]
        bounds = []
        for other in open_classes:
            for program in programs:
                found, bound = program.least(y, other, MARGIN * size, end - time.monotonic())
                point = confirmed(found) if found is not None else None
                if point is not None:
                    return Answer("broken", point)
            bounds.append(bound)
        least = min(bounds, default=math.inf)
        return Answer("certified" if least > 0 else "unknown", bound=least)
