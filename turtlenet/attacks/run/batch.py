"""A batch under attack, within a graph: whose attempts these are, what they are after, and how they are judged."""

from typing import TYPE_CHECKING, NamedTuple

from keras import ops

from turtlenet import backend, losses, random
from turtlenet.attacks.context import AttackResult, Context, SearchResult
from turtlenet.attacks.features.view import FeatureView
from turtlenet.attacks.goal import Best, Goal, Verdict, choose, choose_target, is_sweep
from turtlenet.balls import Ball, FeatureBall
from turtlenet.classifier import Classifier
from turtlenet.typing import Keys, Labels, State, Tensor

if TYPE_CHECKING:
    from turtlenet.attacks.base import Attack


class Batch(NamedTuple):
    """A batch under attack, within a graph.

    Attributes:
        attack: Whose attempts these are.
        model: The classifier.
        x: Inputs, float32 (batch, ...).
        y: True labels, int32 (batch,).
        ball: Where the inputs may move.
        keys: The examples' keys (batch, 2).
        key: Those of this attempt.
        attempt: The attempt's number, int32, for each example or for all; None for the only one.
        target: Classes to answer, int32 (batch,), in place of the attack's own choice, or None.
        reference: Logits (batch, classes) that a relative loss moves away from; None takes the model's at `x`.
        home: The batch in input units, where this one is in the coordinates of a `FeatureBall`; else None.
    """

    attack: "Attack"
    model: Classifier
    x: Tensor
    y: Labels
    ball: Ball
    keys: Keys
    key: Keys
    attempt: Tensor = None
    target: Labels = None
    reference: Tensor = None
    home: "Batch | None" = None

    def entered(self) -> "Batch":
        """The batch as its attack sees it: itself, or where features have radii of their own, in units of those."""
        ball = self.ball
        if not isinstance(ball, FeatureBall):
            return self
        original = self.x if ball.space.bound else None
        model = FeatureView(self.model, ball, original, within=not self.attack.minimal)
        x = ball.encode(self.x)
        return self._replace(model=model, x=x, ball=ball.inner.rooted(x), home=self)

    def by(self, attack: "Attack") -> "Batch":
        """The same batch under a part of the attack."""
        return self._replace(attack=attack)

    def context(self) -> Context:
        """What one attempt of the attack is given."""
        return Context(self.model.taking(self.attack.gradient), self.x, self.goal(), self.ball, self.key)

    def goal(self) -> Goal:
        """What this attempt is after."""
        policy = self.attack.target
        if self.target is not None or not is_sweep(policy):
            return self.final_goal()
        number = 0 if self.attempt is None else self.attempt
        return self._goal(choose_target(policy, self.y, self.model(self.x), self.keys, number), any_wrong=True)

    def final_goal(self) -> Goal:
        """What all attempts are after in the end."""
        if self.target is not None:
            return self._goal(self.target)
        if not self.attack.targeted:
            return self._goal()
        # The input's own keys, not the attempt's: every attempt goes for the same class.
        target = choose_target(self.attack.target, self.y, self.model(self.x), random.fold_in(self.keys, 0x7A6))
        return self._goal(target)

    def _goal(self, target: Labels = None, *, any_wrong: bool = False) -> Goal:
        reference = self.reference
        if reference is None and losses.get(self.attack.judged_by).relative:
            reference = ops.stop_gradient(self.model(self.x))
        return Goal(self.y, target, any_wrong=any_wrong, reference=reference)

    def all_attempts(self) -> SearchResult:
        """All attempts of all rounds in turn; the best counts."""
        rounds = list(self.attack.under(self.ball.norm).rounds(self.model.num_classes))
        if len(rounds) == 1 and rounds[0][1] == 1:
            part = rounds[0][0]
            return part.attempted(self.by(part))
        nothing = ops.zeros_like(self.y)
        until = (lambda state: ops.all(state[0].reached)) if getattr(self.attack, "early_stop", False) else None
        best, gradients, queries = Best.none(self.x, self.model.num_classes), nothing, nothing
        for part, count in rounds:
            under_part = self.by(part)

            def attempt(number: Tensor, state: State, batch: Batch = under_part) -> Tensor:
                best, gradients, queries, key = state
                result = batch.attack.attempted(batch._replace(key=key, attempt=number))
                x = batch.within(result.x) if result.logits is None else result.x
                logits = batch.model(x) if result.logits is None else result.logits
                best = best.or_better(x, logits, self.judge(logits, x))
                return best, gradients + result.gradients, queries + 1 + result.queries, random.following(key)

            _, (best, gradients, queries, _) = backend.loop(
                count, attempt, (best, gradients, queries, self.key), until
            )
        return SearchResult(best.x, best.logits, gradients, queries)

    def judge(self, logits: Tensor, x: Tensor) -> Verdict:
        """What any attempt is judged by: its loss, or how near it is where the smallest perturbation is looked for.

        Args:
            logits: Logits at the candidates, (batch, classes).
            x: The candidates, shaped like the inputs.
        """
        goal = self.final_goal()
        if self.attack.minimal:
            return Verdict(goal.reached(logits), -self.ball.distance(x, self.x))
        return goal.judge(self.attack.judged_by, logits)

    def within(self, candidates: Tensor) -> Tensor:
        """Brings candidates into the ball; what is not finite does not move."""
        finite = ops.where(ops.isfinite(candidates), candidates, self.x)
        return ops.where(ops.convert_to_tensor(self.ball.eps) > 0, self.ball.land(finite, self.x), self.x)

    def back(self, candidates: Tensor) -> Tensor:
        """Brings candidates into the ball and into input units."""
        if self.home is None:
            return self.within(candidates)
        return self.home.within(self.home.ball.decode(candidates, self.home.x))  # type: ignore[attr-defined]

    def judged(self, result: SearchResult) -> AttackResult:
        """Keeps the promise: within the ball, and the input itself where nothing better was found."""
        if self.home is not None:
            # What comes out is what the model itself answers to, in input units.
            inner = self.within(result.x)
            kept: AttackResult = self.home.judged(result._replace(x=self.back(inner), logits=None))
            return kept._replace(undone=ops.logical_and(self._found(inner, result.logits), ~kept.reached))
        x = self.within(result.x)
        clean, logits = self.model(self.x), self.model(x) if result.logits is None else result.logits
        before, after = self.judge(clean, self.x), self.judge(logits, x)
        better = after.better_than(before)
        nothing = ops.zeros_like(self.y)
        return AttackResult(
            choose(better, x, self.x),
            choose(better, logits, clean),
            ops.where(better, after.reached, before.reached),
            nothing + ops.cast(result.gradients, "int32"),
            nothing + ops.cast(result.queries, "int32") + 2,
            ops.zeros_like(after.reached),
        )

    def _found(self, x: Tensor, logits: Tensor) -> Tensor:
        """Whether the goal is reached at candidates, before rules that move a point have the last word.

        Nothing where there are no such rules, and where the smallest move is looked for, which may lie out of reach.
        """
        rules = self.home.ball.space.rules  # type: ignore[union-attr]
        if self.attack.minimal or not any(rule.constraint.moves for rule in rules):
            return ops.zeros_like(self.y, "bool")
        return self.final_goal().reached(self.model(x) if logits is None else logits)


def nth_keys(keys: Keys, number: Tensor) -> Tensor:
    """The keys of the attempts with these numbers, int32 (batch,), from those of the first."""

    def advance(step: Tensor, state: State) -> Tensor:
        return (choose(step < number, random.following(state[0]), state[0]),)

    return backend.loop(ops.max(number), advance, (keys,))[1][0]
