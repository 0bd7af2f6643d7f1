"""Rotations and shifts."""

import numpy as np
import pytest

from turtlenet import attacks, balls
from turtlenet.attacks.run.runner import attack_all
from turtlenet.attacks.spatial import turned
from turtlenet.errors import ModelError

X = np.random.default_rng(2).uniform(size=(3, 5, 5, 2)).astype("float32")


def test_a_quarter_turn_and_a_whole_shift_are_exact() -> None:
    quarter = np.asarray(turned(X, np.array([[np.pi / 2, 0, 0]] * 3, "float32"), 0.0))
    assert np.allclose(quarter, np.rot90(X, axes=(1, 2)), atol=1e-5)
    shifted = np.asarray(turned(X, np.array([[0, 1, -2]] * 3, "float32"), -1.0))
    assert np.allclose(shifted[:, 1:, :3], X[:, :-1, 2:], atol=1e-6)
    assert np.allclose(shifted[:, 0], -1) and np.allclose(shifted[:, :, 3:], -1)


def test_half_a_shift_is_the_mean_of_two_pixels() -> None:
    shifted = np.asarray(turned(X, np.array([[0, 0, 0.5]] * 3, "float32"), 0.0))
    assert np.allclose(shifted[:, :, 1:], (X[:, :, 1:] + X[:, :, :-1]) / 2, atol=1e-6)


def test_no_move_at_all_is_among_the_grid(small, images) -> None:
    x, y = images
    found = attack_all(attacks.build("spatial:angle=0,shift=0"), small, x, y, ball=balls.get("linf", 1.0))
    assert not found.reached.any() and np.allclose(found.x, x, atol=1e-6)


@pytest.mark.parametrize("spec", ["spatial:angles=5", "spatial:way=random,draws=30"])
def test_it_fools_where_it_may_and_counts_its_questions(spec, small, images) -> None:
    x, y = images
    attack = attacks.build(spec)
    ball = attack.own_ball(balls.get("linf", 0.1), (8, 8, 1))
    assert ball.eps == 1.0
    found = attack_all(attack, small, x, y, ball=ball)
    assert found.reached.any() and (found.queries >= 30).all() and not found.gradients.any()
    assert np.array_equal(found.reached, small.predict(found.x).argmax(axis=1) != y)
    weak = attack_all(attack, small, x, y, ball=balls.get("linf", 0.01))
    assert weak.reached.sum() < found.reached.sum() and np.abs(weak.x - x).max() <= 0.01 + 1e-6


def test_inputs_that_are_no_images_are_refused(linear) -> None:
    with pytest.raises(ModelError, match="Expected images of height, width and channels"):
        attacks.build("spatial")(linear, np.zeros((2, 6), "float32"), np.zeros(2, "int32"), ball=balls.get("linf", 1))
