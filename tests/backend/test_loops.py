"""Loops: how often they run, and what a random layer within one remembers."""

import keras
import numpy as np
import pytest
from keras import ops

from turtlenet import backend


@pytest.mark.parametrize("compiled", [False, True])
def test_a_loop_ends_after_its_steps_or_before(compiled):
    def run(x):
        return backend.loop(10, lambda step, state: (state[0] + 1.0, step), (x, 0), lambda state: state[0][0] >= 4)

    done, (total, last) = (backend.compiled(run) if compiled else run)(ops.convert_to_tensor([1.5, 0.0]))
    assert (int(done), int(last)) == (3, 2)
    assert np.array_equal(total, [4.5, 3.0])


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("outer", [1, 2])
def test_every_turn_draws_anew(compiled, outer):
    seeds = keras.random.SeedGenerator(3)

    def draw(step, state):
        return (ops.concatenate([state[0][1:], keras.random.uniform((1,), seed=seeds)], axis=0),)

    def run(x):
        return backend.loop(outer, lambda step, state: backend.loop(4, draw, state)[1], (x,))[1][0]

    graph = backend.compiled(run, lambda: [seeds.state]) if compiled else run
    first, second = (ops.convert_to_numpy(graph(ops.zeros((8,)))) for _ in range(2))
    drawn = np.concatenate([first[-4 * outer :], second[-4 * outer :]])
    assert len(set(drawn.tolist())) == 8 * outer
    seeds.state.assign([3, 0])
    assert np.array_equal(first, ops.convert_to_numpy(graph(ops.zeros((8,)))))
