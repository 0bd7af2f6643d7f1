"""RamBoAttack."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from keras import ops

from turtlenet import backend, random
from turtlenet.attacks.base import MOST, Attack, attacks
from turtlenet.attacks.context import Context
from turtlenet.attacks.decision_based.base import GROUP, DecisionBased
from turtlenet.attacks.decision_based.hop_skip_jump import HopSkipJump
from turtlenet.attacks.decision_based.sign_opt import SignOPT
from turtlenet.attacks.goal import choose
from turtlenet.attacks.iterative import Iterative
from turtlenet.attacks.query_attack import grid
from turtlenet.balls.base import column, euclidean, flat
from turtlenet.ranges import count, number
from turtlenet.typing import State, Tensor

_JUMPS, _BLOCKS, _TURNS = 0, 1, 2
"""The phases, in their order."""
_TRIES = 50
"""Blocks in one iteration."""
_ORDER = 0x0B10C


class _State(NamedTuple):
    """Where each example stands.

    Attributes:
        point: The nearest point so far, (batch, ...).
        phase: Which phase it is in, int32 (batch,).
        turn: The last good turn of Sign-OPT, (batch,).
        size: The first move of a block, (batch,).
        round: Iterations of the blocks so far, int32 (batch,).
        before: How far the point was when the gain was last looked at, (batch,).
        since: The queries then, int32 (batch,).
        over: Whether the search is over, bool (batch,).
        spent: Queries so far, int32 (batch,).
    """

    point: Tensor
    phase: Tensor
    turn: Tensor
    size: Tensor
    round: Tensor
    before: Tensor
    since: Tensor
    over: Tensor
    spent: Tensor


@attacks.register("rambo")
@dataclass(frozen=True, kw_only=True)
class RamBo(DecisionBased, Iterative, Attack):
    """RamBoAttack (Vo et al., 2022, RamBo (HSJA)), in `l2`: out of a local minimum by changes of a few pixels.

    HopSkipJump goes as near as it can; where that gains too little, blocks of pixels in random order are moved towards
    the input, each kept where the goal is still reached (BlockDescent); where that gains too little, Sign-OPT spends
    what is left. The blocks' moves begin with the largest difference to the input and shrink after each pass over the
    image; unlike the authors', a move ends at the input, and one of nothing is not asked about. The defaults are the
    paper's for CIFAR-10.

    Args:
        starts: How many noise images to begin at are tried, at most; they are part of the budget.
        evaluations: Answers for HopSkipJump's first estimate.
        window: After how many queries the gain is looked at.
        slow: The gain that is too little, in L2 distance, as a share of the pixel range.
        blocks: How many blocks are moved at once; 16 for ImageNet in the paper.
        width: Pixels of a block on each side of its middle one, in one channel.
        shrink: By what the moves are divided after a pass; 2 for ImageNet in the paper.
    """

    starts: int = count(100, low=1, high=MOST)
    evaluations: int = count(100, low=GROUP, high=10_000)
    window: int = count(500, low=1, high=MOST)
    slow: float = number(0.01, low=0)
    blocks: int = count(1, low=1, high=1000)
    width: int = count(1, low=0, high=1000)
    shrink: float = number(1.2, above=1)

    norms: ClassVar[tuple[str, ...]] = ("l2",)

    @property
    def length(self) -> int:
        # An iteration costs a query at least, or ends a phase.
        return self.queries + 3

    def begin(self, context: Context) -> State:
        point, started, ended, spent = self._jumps.begin(context)
        far, nothing = euclidean(point - context.x), ops.zeros_like(spent)
        now = _State(
            point, nothing, self._turns.turn + 0.0 * far, far, nothing, far, spent, ops.logical_not(started), spent
        )
        return tuple(self._looked(now, ended, context))

    def iterate(self, step: Tensor, state: State, context: Context) -> State:
        now = before = _State(*state)
        ended = before.over
        for phase, work in ((_JUMPS, self._jump), (_BLOCKS, self._descend), (_TURNS, self._turn)):
            here = ops.logical_and(before.phase == phase, ops.logical_not(before.over))
            now, ended = _where(here, work, step, now, ended, context)
        return tuple(self._looked(now, ended, context))

    def done(self, state: State) -> Tensor:
        return _State(*state).over

    @property
    def _jumps(self) -> HopSkipJump:
        most = max(10_000, self.evaluations)
        return HopSkipJump(queries=self.queries, starts=self.starts, evaluations=self.evaluations, most=most)

    @property
    def _turns(self) -> SignOPT:
        return SignOPT(queries=self.queries)

    def _jump(self, step: Tensor, now: _State, here: Tensor, context: Context) -> tuple[_State, Tensor]:
        point, _, ended, spent = self._jumps.iterate(step, (now.point, here, now.over, now.spent), context)
        return now._replace(point=point, spent=spent), ended

    def _turn(self, step: Tensor, now: _State, here: Tensor, context: Context) -> tuple[_State, Tensor]:
        point, turn, ended, spent = self._turns.iterate(step, (now.point, now.turn, now.over, now.spent), context)
        return now._replace(point=point, turn=turn, spent=spent), ended

    def _descend(self, _: Tensor, now: _State, here: Tensor, context: Context) -> tuple[_State, Tensor]:
        """Moves some blocks of a pass towards the input, one after the other (BlockDescent)."""
        x, values = context.x, flat(context.x).shape[1]
        goes = -(-values // (self.blocks * _TRIES))
        number, part = now.round // goes, ops.mod(now.round, goes)
        key = random.fold_in(random.fold_in(context.key, _ORDER), number)
        order = ops.cast(ops.argsort(random.uniform(key, (values,)), axis=1), "int32")
        size = now.size / ops.power(self.shrink, ops.cast(number, "float32"))

        def attempt(number: Tensor, state: State) -> Tensor:
            point, spent = state
            places = ((part * _TRIES + number) * self.blocks)[:, None] + ops.arange(self.blocks, dtype="int32")
            middles = ops.take_along_axis(order, ops.minimum(places, values - 1), axis=1)
            inside = ops.logical_and(self._around(middles, places < values, x), point != x)
            way = x - point
            moved = ops.where(ops.abs(way) <= column(size, x), x, point + column(size, x) * ops.sign(way))
            ahead = context.ball.inside(ops.where(inside, moved, point))
            asked = here & (spent < self.queries) & ops.any(flat(ahead) != flat(point), axis=1)
            reached = ops.cond(ops.any(asked), lambda: context.goal.reached(context.model(ahead)), lambda: asked)
            return choose(ops.logical_and(asked, reached), ahead, point), spent + ops.cast(asked, "int32")

        point, spent = backend.loop(_TRIES, attempt, (now.point, now.spent))[1]
        # Nothing was left to move there: the point is as good as the blocks can make it.
        return now._replace(point=point, round=now.round + 1, spent=spent), spent == now.spent

    def _around(self, middles: Tensor, real: Tensor, x: Tensor) -> Tensor:
        """The values that blocks consist of.

        Args:
            middles: Places of their middle values, int32 (batch, blocks).
            real: Which of them there are, bool (batch, blocks).
            x: Inputs.

        Returns:
            Booleans shaped like `x`.
        """
        rows, columns, channels = grid(tuple(x.shape[1:]))

        def near(middle: Tensor, size: int, most: int) -> Tensor:
            apart = ops.abs(middle[:, :, None] - ops.arange(size, dtype="int32"))
            return ops.cast(apart <= most, "float32")

        high = near(middles // (columns * channels), rows, self.width) * ops.cast(real, "float32")[:, :, None]
        wide = near(ops.mod(middles // channels, columns), columns, self.width)
        deep = near(ops.mod(middles, channels), channels, 0)
        return ops.reshape(ops.einsum("bir,bic,bik->brck", high, wide, deep) > 0, ops.shape(x))

    def _looked(self, now: _State, ended: Tensor, context: Context) -> _State:
        """Looks at the gain, and goes to the next phase where it is too little."""
        far = euclidean(now.point - context.x)
        looked = now.spent - now.since >= self.window
        slow = ops.logical_and(looked, now.before - far < self.slow * context.ball.full)
        leaves = ops.logical_and(ops.logical_or(slow, ended), now.phase < _TURNS)
        anew = ops.logical_or(looked, leaves)
        phase = now.phase + ops.cast(leaves, "int32")
        least = ops.where(phase == _TURNS, GROUP + 1 + self._turns.halvings, 1)
        near = ops.logical_and(far <= context.ball.eps, self.early_stop)
        # What ends the last phase, or leaves nothing for the next one.
        over = now.over | near | (ended & ~leaves) | ((phase > _JUMPS) & (now.spent + least > self.queries))
        return now._replace(
            phase=phase,
            size=ops.where(leaves, ops.max(ops.abs(flat(now.point - context.x)), axis=1), now.size),
            round=ops.where(leaves, ops.zeros_like(now.round), now.round),
            before=ops.where(anew, far, now.before),
            since=ops.where(anew, now.spent, now.since),
            over=over,
        )


def _where(
    here: Tensor, work: Callable[..., Any], step: Tensor, now: _State, ended: Tensor, context: Context
) -> tuple[_State, Tensor]:
    """The work of a phase on the examples that are in it, bool (batch,); none where there are no such."""

    def done() -> State:
        after, over = work(step, now, here, context)
        kept = [choose(here, new, old) for new, old in zip(after, now, strict=True)]
        return (*kept, ops.where(here, over, ended))

    *state, ended = ops.cond(ops.any(here), done, lambda: (*now, ended))
    return _State(*state), ended
