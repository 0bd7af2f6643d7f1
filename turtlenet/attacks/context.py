"""A batch under attack within a graph: who attacks what, and how it is judged."""

from typing import TYPE_CHECKING, Any, NamedTuple

from keras import ops

from turtlenet import backend, losses, random
from turtlenet.attacks.goal import Goal, Verdict, choose, choose_target, is_sweep
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier

if TYPE_CHECKING:
    from turtlenet.attacks.base import Attack

__all__ = ["AttackResult", "SearchResult", "Context", "nth_keys"]


class SearchResult(NamedTuple):
    """What a search gives back.

    Attributes:
        x: Candidates, shaped like the input; they may lie outside the ball.
        logits: Logits at them, if the search has them and has brought them into the ball itself; else None.
        gradients: Input gradients computed for each example, an int32 scalar or of shape (batch,).
        queries: Forward passes without a gradient for each example, likewise.
    """

    x: Any
    logits: Any = None
    gradients: Any = 0
    queries: Any = 0


class AttackResult(NamedTuple):
    """What an attack gives back, with what it cost each example: int32 of shape (batch,)."""

    x: Any
    logits: Any
    reached: Any
    gradients: Any
    queries: Any


class Context(NamedTuple):
    """A batch under attack, within a graph.

    Attributes:
        attack: Whose attempts these are.
        model: The classifier.
        x: Inputs (batch, ...).
        y: True labels (batch,).
        ball: Where the inputs may move.
        keys: The examples' keys (batch, 2).
        key: Those of this attempt.
        attempt: The attempt's number, for each example or for all; None for the only one.
        target: Classes to answer (batch,) in place of the attack's own choice, or None.
        reference: Logits (batch, classes) that a relative loss moves away from; None takes the model's at `x`.
    """

    attack: "Attack"
    model: Classifier
    x: Any
    y: Any
    ball: Ball
    keys: Any
    key: Any
    attempt: Any = None
    target: Any = None
    reference: Any = None

    def by(self, attack: "Attack") -> "Context":
        """The same scene for a part of the attack."""
        return self._replace(attack=attack)

    def goal(self) -> Goal:
        """What this attempt is after."""
        policy = self.attack.target
        if self.target is not None or not is_sweep(policy):
            return self.end()
        aims = choose_target(
            policy, self.y, self.model(self.x), self.keys, 0 if self.attempt is None else self.attempt
        )
        return self._goal(aims, any_wrong=True)

    def judge(self, logits: Any, point: Any) -> Verdict:
        """What any attempt is judged by: its loss, or how near it is where the smallest perturbation is looked for."""
        end = self.end()
        if self.attack.minimal:
            return Verdict(end.reached(logits), -self.ball.distance(point, self.x))
        return end.judge(self.attack.judged_by, logits)

    def within(self, moved: Any) -> Any:
        """Brings candidates into the ball; what is not finite does not move."""
        finite = ops.where(ops.isfinite(moved), moved, self.x)
        return ops.where(ops.convert_to_tensor(self.ball.eps) > 0, self.ball.project(finite, self.x), self.x)

    def judged(self, found: SearchResult) -> AttackResult:
        """Keeps the promise: within the ball, and the input itself where nothing better was found."""
        moved = self.within(found.x)
        before, after = self.model(self.x), self.model(moved) if found.logits is None else found.logits
        old, new = self.judge(before, self.x), self.judge(after, moved)
        better = new.better_than(old)
        nothing = ops.zeros_like(self.y)
        return AttackResult(
            choose(better, moved, self.x),
            choose(better, after, before),
            ops.where(better, new.reached, old.reached),
            nothing + ops.cast(found.gradients, "int32"),
            nothing + ops.cast(found.queries, "int32") + 2,
        )

    def end(self) -> Goal:
        """What all attempts are after in the end."""
        if self.target is not None:
            return self._goal(self.target)
        if not self.attack.targeted:
            return self._goal()
        # The input's own keys, not the attempt's: every attempt goes for the same class.
        chosen = choose_target(self.attack.target, self.y, self.model(self.x), random.fold_in(self.keys, 0x7A6))
        return self._goal(chosen)

    def _goal(self, target: Any = None, *, any_wrong: bool = False) -> Goal:
        reference = self.reference
        if reference is None and losses.get(self.attack.judged_by).relative:
            reference = ops.stop_gradient(self.model(self.x))
        return Goal(self.y, target, any_wrong=any_wrong, reference=reference)


def nth_keys(keys: Any, number: Any) -> Any:
    """The keys of the attempts with these numbers, int32 (batch,), from those of the first."""

    def advance(step: Any, state: Any) -> Any:
        return (choose(step < number, random.following(state[0]), state[0]),)

    return backend.loop(ops.max(number), advance, (keys,))[1][0]
