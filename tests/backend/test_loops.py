"""Loops and operations: how often they run, what a random layer within a loop remembers, what is traced once."""

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


def test_an_elementwise_function_is_traced_once_for_all_graphs():
    traced = []

    @backend.elementwise
    def both(a, b):
        traced.append(a.shape)
        return a + b, a * b

    def run(a, b):
        looped = backend.loop(2, lambda _, state: (both(state[0], b)[0],), (a,))[1][0]
        return *both(a, b), looped

    rows, columns = ops.convert_to_tensor([[1], [2]]), ops.convert_to_tensor([[3, 4, 5]])
    for graph in (run, backend.compiled(run), backend.compiled(run)):
        if graph is run:
            results = both(rows, columns)
        else:
            results = graph(ops.broadcast_to(rows, (2, 3)), columns)
            assert np.array_equal(results[2], [[7, 9, 11], [8, 10, 12]])
        assert results[0].shape == (2, 3)
        assert np.array_equal(results[:2], [[[4, 5, 6], [5, 6, 7]], [[3, 4, 5], [6, 8, 10]]])
    # JAX traces each shape once; PyTorch traces nothing.
    assert keras.backend.backend() == "torch" or len(traced) == len(set(map(str, traced)))
