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


@pytest.mark.tensorflow  # JAX compiles anew for each size, and PyTorch traces nothing.
def test_one_trace_serves_any_batch_size():
    traced = []

    def run(x, pair, scale):
        traced.append((x.shape, pair.shape))
        return ops.sum(x * scale, axis=1) + pair[0]

    graph = backend.compiled(run)
    for size in (2, 5, 3):
        result = graph(ops.ones((size, 4)), ops.convert_to_tensor([1.0, 2.0]), ops.convert_to_tensor(2.0))
        assert np.array_equal(result, [9.0] * size)
    assert [tuple(shape) for shape in traced[0]] == [(None, 4), (None,)]
    assert len(traced) == 1


@pytest.mark.tensorflow
def test_what_wants_to_know_the_batch_size_has_a_graph_for_each():
    graph = backend.compiled(lambda x: x * len(np.zeros(x.shape)))
    assert [float(graph(ops.ones((size,)))[0]) for size in (3, 2)] == [3, 2]


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="compiles pieces of a traced function on JAX alone")
def test_pieces_that_are_the_same_are_one_program(monkeypatch):
    from turtlenet.backend import jax as seam

    monkeypatch.setattr(seam, "_compiled", {})

    def run(steps, first):
        def body(_, state):
            return (state[0] * 1.5 + state[1], state[1])

        def graph(x, y):
            pair = (x, y) if first else (y, x)
            return ops.sin(backend.loop(steps, body, pair)[1][0])

        return ops.convert_to_numpy(backend.compiled(graph)(ops.ones((3,)), ops.zeros((3,))))

    found = run(4, True)
    count = len(seam._compiled)
    assert np.allclose(found, np.sin(1.5**4))
    # Another number of steps changes the condition of the loop alone.
    assert np.allclose(run(7, True), np.sin(1.5**7)) and len(seam._compiled) == count + 1
    # The same operations on other arguments are not the same program.
    assert np.allclose(run(4, False), np.sin(1 + 1.5 + 1.5**2 + 1.5**3))
    monkeypatch.setattr(seam, "_MOST", 2)
    assert np.allclose(run(5, True), np.sin(1.5**5)) and len(seam._compiled) <= count + 2
