"""Gradient ascent on what a quantizing defence can give."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from keras import ops

from turtlenet import backend, losses, random
from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import Context, SearchResult
from turtlenet.attacks.goal import Best
from turtlenet.attacks.iterative import Iterative
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.defences import Reachable
from turtlenet.ranges import count, number, one_of
from turtlenet.typing import Keys, State, Tensor


@attacks.register("quantizer-pgd")
@dataclass(frozen=True, kw_only=True)
class QuantizerPGD(Iterative, Attack):
    """Projected gradient descent at the outputs of a defence at the input, relaxed between its levels, then rounded.

    In place of a surrogate's slope it takes that of the network behind the layer. A point moves between the lowest and
    the highest output that each element can have within the ball (`Defence.reachable`); at every step it is also
    rounded to the nearest outputs that can be reached, and the best of those counts. In the end they are mapped back
    to the nearest input of the ball. Discretized inputs were relaxed so by Buckman et al. (2018, "Thermometer
    encoding", LS-PGA), whose logits over the levels and temperature are a line here.

    On a model without such a layer it is projected gradient descent with momentum within the ball itself.

    Args:
        steps: Number of gradient steps from each start.
        step_size: Length of the first step, as a share of what each element's output can move; it falls to 0 evenly.
        momentum: Decay of the gradients' running sum (Dong et al., 2018); 0 keeps none.
        restarts: How often to begin: twice at a random point, then at the best one with some elements drawn anew
            (iterated local search, Lourenço et al., 2003).
        redraw: The share of those elements.
        loss: Name of the per-example loss to climb: `cross_entropy`, `margin`, `probability_margin`, `dlr` or `kl`.
    """

    steps: int = count(25, low=1, high=MOST)
    step_size: float = number(0.5, above=0, high=1, note="a share of an element's range")
    momentum: float = number(0.75, low=0, below=1)
    restarts: int = count(8, low=1, high=MOST)
    redraw: float = number(0.6, above=0, high=1, note="a share of the elements")
    loss: str = one_of("cross_entropy", losses.LOSSES)
    early_stop: bool = True

    norms: ClassVar[tuple[str, ...]] = ("linf",)
    training_settings: ClassVar[Mapping[str, Any]] = {"steps": 10, "restarts": 1, "early_stop": False}

    @property
    def family(self) -> str:
        return "iterative"

    def attempt_gradients(self, num_classes: int) -> int:
        return self.length

    @property
    def length(self) -> int:
        return self.steps * self.restarts

    def begin(self, context: Context) -> State:
        x, nothing = context.x, ops.zeros_like(context.goal.y)
        # Where it begins is drawn in the first step.
        return *Best.none(x, context.model.num_classes), x, ops.zeros_like(x), nothing, nothing

    def iterate(self, step: Tensor, state: State, context: Context) -> State:
        model, x, goal, ball, key = context
        *old, point, running, gradients, queries = state
        known, rest = _reachable(model, x, ball), _rest(model)
        round_, within = step // self.steps, step % self.steps
        start = lambda: (self._start(round_, known, old[0], key), ops.zeros_like(running))  # noqa: E731
        point, running = ops.cond(within == 0, start, lambda: (point, running))

        def look(outputs: Tensor) -> tuple[Tensor, tuple[()]]:
            return goal.loss(self.loss, rest(outputs)), ()

        width = known.highest - known.lowest
        slope = backend.input_gradient(look, point)[2] * width
        size = ops.sum(ops.abs(slope), axis=tuple(range(1, len(slope.shape))), keepdims=True)
        running = self.momentum * running + slope / ops.maximum(size, 1e-30)
        length = self.step_size * (1.0 - ops.cast(within, "float32") / self.steps)
        relaxed = ops.clip(point + length * width * ops.sign(running), known.lowest, known.highest)
        rounded = known.nearest(relaxed)
        logits = rest(rounded)
        best = Best(*old).or_better(rounded, logits, goal.judge(self.loss, logits))
        return *best, relaxed, running, gradients + 1, queries + 1

    def _start(self, round_: Tensor, known: Reachable, best: Tensor, key: Keys) -> Tensor:
        """Where a round begins: anywhere, or near the best point so far."""
        draws = random.uniform(random.fold_in(key, round_), (2, *best.shape[1:]))
        anywhere = known.lowest + draws[:, 0] * (known.highest - known.lowest)
        kept = ops.logical_and(draws[:, 1] >= self.redraw, round_ >= 2)
        return ops.where(kept, best, anywhere)

    def finish(self, state: State, context: Context) -> SearchResult:
        model, x, _, ball, _ = context
        best, (gradients, queries) = Best(*state[:4]), state[-2:]
        layer = model.entrance
        relaxed = best.x if layer is None else layer.preimage(best.x, x, *_box(x, ball))
        return SearchResult(relaxed, None, gradients, queries)

    def done(self, state: State) -> Tensor:
        reached = state[2]
        return reached if self.early_stop else ops.zeros_like(reached)


def _box(x: Tensor, ball: Ball) -> tuple[Tensor, Tensor]:
    """The lower and upper ends of the ball around each input, cut to the bounds."""
    return ball.project(ops.full_like(x, ball.low), x), ball.project(ops.full_like(x, ball.high), x)


def _reachable(model: Classifier, x: Tensor, ball: Ball) -> Reachable:
    """What the layer at the model's input can give within the ball; the ball itself where there is none."""
    low, high = _box(x, ball)
    layer = model.entrance
    return Reachable(low, high) if layer is None else layer.reachable(low, high)


def _rest(model: Classifier) -> Classifier:
    """The model behind that layer; all of it where there is none."""
    layer = model.entrance
    return model if layer is None else model.behind(layer)
