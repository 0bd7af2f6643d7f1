"""The combinatorial attack: an integer program that finds an adversarial example or proves that there is none."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from turtlenet.attacks.base import Attack, attacks
from turtlenet.attacks.context import AttackResult, SearchResult
from turtlenet.attacks.goal import Goal
from turtlenet.attacks.run.graph import judged
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError
from turtlenet.ranges import number
from turtlenet.typing import Keys, Tensor


@attacks.register("milp")
@dataclass(frozen=True, kw_only=True)
class MILP(Attack):
    """Solves for an adversarial example of a small net by mixed-integer programming (Khalil et al., 2019).

    Khalil, Gupta, Dilkina ("Combinatorial attacks on binarized neural networks") put each sign of a binary net into a
    binary variable; Tjeng et al. (2019) each ReLU. Bounds settle what units they can; scipy's HiGHS solves for the
    rest, class by class, the least margin first. It takes what `turtlenet certify --method exact` takes: nets of
    affine layers, ReLU, signs and maxima, with weights of -1 and +1 or others, in the norm linf. Where it finds
    nothing in time that command says what is known: a proof that there is nothing, or the best bound of the margin.
    It runs on the host, without a gradient and without draws, and not within training or another attack.

    Args:
        seconds: The most that one input may take. A solver that is stopped may give another answer the next time.

    Raises:
        ModelError: A net that is too large, or has a layer that is not linear in pieces.
        SettingError: A target.
    """

    seconds: float = number(60.0, above=0)

    norms: ClassVar[Any] = ("linf",)
    for_every_task: ClassVar[bool] = False

    def check_further(self, model: Classifier, ball: Ball) -> None:
        from turtlenet.certification.methods import check_ball

        if self.target not in ("", "none"):
            raise SettingError(f"Expected no target for milp, which asks for any wrong class; got {self.target}.")
        check_ball(model, ball, "exact")

    def run(
        self,
        model: Classifier,
        x: Any,
        y: Any,
        *,
        ball: Ball,
        seed: int = 0,
        index: Any = None,
        target: Any = None,
        attempt: Any = None,
    ) -> AttackResult:
        self.check(model, ball)
        if target is not None:
            raise SettingError("Expected no target for milp, which asks for any wrong class; got some.")
        x, y = np.asarray(x, "float32"), np.asarray(y, "int32")
        return judged(self, model, x, y, ball, self._solved(model, x, y, ball), seed, index)

    def search(self, model: Classifier, x: Tensor, goal: Goal, *, ball: Ball, key: Keys) -> SearchResult:
        raise SettingError(f"Expected an attack that runs within a training step or another attack; got {self}.")

    def _solved(self, model: Classifier, x: np.ndarray, y: np.ndarray, ball: Ball) -> np.ndarray:
        """What the solver found, and the inputs themselves elsewhere."""
        from turtlenet.certification import Certifier

        found = x.copy()
        if not len(x) or not float(np.max(ball.eps)):
            return found
        # A batch is filled up with inputs from its beginning: each is solved once.
        flat = np.concatenate([x.reshape(len(x), -1), y[:, None].astype("float32")], axis=1)
        _, first, whose = np.unique(flat, axis=0, return_index=True, return_inverse=True)
        certifier = Certifier(model, ball, method="exact", seconds=self.seconds)
        _, points = certifier(x[first], y[first], np.arange(len(first)))
        for row, number_of in enumerate(np.ravel(whose)):
            if int(number_of) in points:
                found[row] = points[int(number_of)]
        return found
