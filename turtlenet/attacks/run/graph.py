"""The one compiled graph that an attack on a batch is."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from keras import ops

from turtlenet import backend, random
from turtlenet.attacks.context import AttackResult, SearchResult
from turtlenet.attacks.run.batch import Batch, nth_keys
from turtlenet.balls import Ball
from turtlenet.classifier import Classifier
from turtlenet.typing import Labels, Tensor

if TYPE_CHECKING:
    from turtlenet.attacks.base import Attack


def bound_graph(
    attack: "Attack",
    model: Classifier,
    x: Tensor,
    y: Labels,
    ball: Ball,
    name: str,
    work: Callable[..., Any],
    seed: int = 0,
    index: Tensor = None,
    target: Labels = None,
    attempt: Tensor = None,
    *more: Any,
) -> Callable[[], Any]:
    """One compiled graph that does some work on a batch, with its arguments: call it to have the work done.

    Args:
        attack: Whose work it is.
        model, x, y, ball, seed, index, target, attempt: See `Attack.run`.
        name: Tells this work from the attack's other work.
        work: Maps the `Batch` within the graph, and `more` as tensors, to tensors. A `SearchResult` is judged and
            comes out as an `AttackResult`.
        *more: Further arguments of the graph.
    """
    attack.check(model, ball)
    index = np.arange(len(x)) if index is None else index
    rows = [(x, "float32"), (y, model.label_dtype), (index, "int32")]
    rows += [] if target is None else [(target, "int32")]
    rows += [] if attempt is None else [(np.broadcast_to(np.asarray(attempt, "int32"), (len(x),)), "int32")]
    shared = [backend.shard(ops.convert_to_tensor(part, kind)) for part, kind in rows]
    words, eps = ops.convert_to_tensor(random.root(seed)), ops.convert_to_tensor(ball.eps, "float32")

    def graph(x: Tensor, y: Labels, index: Tensor, words: Tensor, eps: Tensor, *others: Any) -> Any:
        rest = list(others)
        classes = None if target is None else rest.pop(0)
        number = None if attempt is None else rest.pop(0)
        keys = random.keys(words, index)
        key = keys if number is None else nth_keys(keys, number)
        asked, y = model.asked(y)
        batch = Batch(attack, asked, x, y, ball.with_eps(eps), keys, key, number, classes).entered()
        result = work(batch, *rest)
        return batch.judged(result) if isinstance(result, SearchResult) else result

    # Seed, attempt and radius are arguments of the graph: one graph serves all restarts and a whole curve.
    sources = attack.sources(model)
    place = (attack, name, ball.place, target is None, attempt is None, sources)
    compiled = model.compiled(place, graph, sources)
    return functools.partial(compiled, *shared[:3], words, eps, *shared[3:], *more)


def judged(
    attack: "Attack",
    model: Classifier,
    x: Tensor,
    y: Labels,
    ball: Ball,
    candidates: Any,
    seed: int = 0,
    index: Tensor = None,
    target: Labels = None,
) -> AttackResult:
    """What examples come to that were found outside of a graph, by a solver or another library.

    Args:
        attack: Which found them.
        model, x, y, ball, seed, index, target: See `Attack.run`.
        candidates: The examples, shaped like `x`.
    """
    found = backend.shard(ops.convert_to_tensor(candidates))

    def judge(_: Batch, found: Tensor) -> SearchResult:
        return SearchResult(found)

    result: AttackResult = bound_graph(attack, model, x, y, ball, "outside", judge, seed, index, target, None, found)()
    return result
