"""Attacks on a linear model, where the right answer can be worked out by hand."""

import keras
import numpy as np
import pytest
from keras import ops

from turtlenet import attacks, balls
from turtlenet.models import classifier

RNG = np.random.default_rng(3)
X = RNG.uniform(0.3, 0.7, size=(8, 6)).astype("float32")


@pytest.fixture
def two(linear):
    """Weights and labels of the linear model."""
    weights, bias = linear.model.layers[-1].get_weights()
    return weights, (X @ weights + bias).argmax(axis=1).astype("int32")


def best_margin(weights, bias, y, eps, norm) -> np.ndarray:
    """The largest margin of any wrong class within the ball, by duality of norms; the bounds do not bind."""
    dual = {"linf": 1, "l2": 2, "l1": np.inf}[norm]
    logits = X @ weights + bias
    gains = []
    for row, label in enumerate(y):
        others = [
            logits[row, other] - logits[row, label] + eps * np.linalg.norm(weights[:, other] - weights[:, label], dual)
            for other in range(weights.shape[1])
            if other != label
        ]
        gains.append(max(others))
    return np.array(gains)


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.05), ("l2", 0.1), ("l1", 0.15)])
@pytest.mark.parametrize("target", range(3))
def test_one_targeted_step_of_margin_is_optimal(norm, eps, target, linear, two) -> None:
    # Between two classes the margin is linear, so one steepest step gains the radius times the dual norm, no more.
    weights, y = two
    bias = linear.model.layers[-1].get_weights()[1]
    logits = X @ weights + bias
    runner = np.where(np.arange(3) == target, -np.inf, logits).argmax(axis=1)
    found = attacks.build(f"fgsm:loss=margin,target={target},keep=last").craft(
        linear, X, (y * 0 + target + 1) % 3, ball=balls.get(norm, eps), key=np.zeros((8, 2), "uint32")
    )
    direction = weights[:, [target]].T - weights[:, runner].T
    gain = ((np.asarray(found) - X) * direction).sum(axis=1)
    dual = {"linf": 1, "l2": 2, "l1": np.inf}[norm]
    assert np.allclose(gain, eps * np.linalg.norm(direction, dual, axis=1), atol=1e-5)


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.05), ("l2", 0.12), ("l1", 0.3)])
def test_pgd_finds_what_there_is_and_nothing_else(norm, eps, linear, two) -> None:
    weights, y = two
    bias = linear.model.layers[-1].get_weights()[1]
    reachable = best_margin(weights, bias, y, eps, norm) > 1e-4
    assert reachable.any() or eps == 0
    found = attacks.build("pgd:loss=margin,steps=40,step_size=0.2,restarts=10").run(
        linear, X, y, ball=balls.get(norm, eps)
    )
    assert np.array_equal(np.asarray(found.reached), reachable)


def test_fgsm_is_the_sign_of_the_gradient(linear, two) -> None:
    weights, y = two
    bias = linear.model.layers[-1].get_weights()[1]
    logits = X @ weights + bias
    share = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    slope = (share - np.eye(3)[y]) @ weights.T
    found = attacks.build("fgsm")(linear, X, y, ball=balls.get("linf", 0.07))
    assert np.allclose(found, X + 0.07 * np.sign(slope), atol=1e-6)


def test_momentum_adds_normalized_gradients(linear, two) -> None:
    weights, y = two
    bias = linear.model.layers[-1].get_weights()[1]

    def slope(point):
        logits = point @ weights + bias
        share = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        return (share - np.eye(3)[y]) @ weights.T

    point, running = X.astype("float64"), 0.0
    for _ in range(3):
        gradient = slope(point)
        running = 0.5 * running + gradient / np.abs(gradient).mean(axis=1, keepdims=True)
        moved = point + 0.05 * running / np.linalg.norm(running, axis=1, keepdims=True) - X
        far = np.linalg.norm(moved, axis=1, keepdims=True)
        point = X + moved * np.minimum(1, 0.2 / far)
    found = attacks.build("mim:steps=3,step=0.05,momentum=0.5,keep=last").craft(
        linear, X, y, ball=balls.get("l2", 0.2), key=np.zeros((8, 2), "uint32")
    )
    assert np.allclose(found, point, atol=1e-5)


def test_the_best_point_on_the_way_is_kept(linear, two) -> None:
    # Steps of twice the radius swing from edge to edge: the last point is no better than any other.
    _, y = two
    ball = balls.get("linf", 0.05)
    best = attacks.build("bim:steps=9,step_size=3").run(linear, X, y, ball=ball)
    last = attacks.build("bim:steps=9,step_size=3,keep=last").run(linear, X, y, ball=ball)
    loss = attacks.Goal(y).loss
    assert (
        np.asarray(loss("cross_entropy", best.logits)) >= np.asarray(loss("cross_entropy", last.logits)) - 1e-6
    ).all()


def test_early_stopping_changes_the_cost_and_no_verdict(small, images) -> None:
    x, y = images
    ball = balls.get("linf", 0.3)
    full = attacks.build("pgd:steps=40").run(small, x, y, ball=ball)
    short = attacks.build("pgd:steps=40,early_stop=true").run(small, x, y, ball=ball)
    assert np.array_equal(np.asarray(full.reached), np.asarray(short.reached))
    assert (
        np.asarray(full.reached).all() and np.asarray(short.gradients).max() < np.asarray(full.gradients).min() == 40
    )


def test_rounds_find_what_the_whole_attack_finds(small, images) -> None:
    from turtlenet.attacks.run.runner import attack_all

    x, y = images
    ball = balls.get("linf", 0.04)
    attack = attacks.build("pgd:steps=1,step_size=0.3,restarts=8")
    whole = np.asarray(attack.run(small, x, y, ball=ball, seed=1).reached)
    rounds = attack_all(attack, small, x, y, ball=ball, seed=1)
    first = np.asarray(attacks.build("pgd:steps=1,step_size=0.3").run(small, x, y, ball=ball, seed=1).reached)
    assert np.array_equal(whole, rounds.reached)
    assert first.sum() < whole.sum() < len(x), "the radius must leave restarts something to find"
    assert rounds.gradients.sum() < 8 * len(x)


def test_odi_starts_uphill_on_a_random_sum_of_the_logits(linear, two) -> None:
    from turtlenet import random

    weights, y = two
    ball, key = balls.get("linf", 0.05), np.arange(16, dtype="uint32").reshape(8, 2)
    attack = attacks.build("pgd:start=odi,steps=1,step_size=0.000001,keep=last")
    found = np.asarray(attack.craft(linear, X, y, ball=ball, key=key))
    draw = np.asarray(random.uniform(random.fold_in(key, 0x0D1), (3,), -1.0, 1.0))
    # Two steps of a radius from anywhere in the ball end in a corner.
    assert np.allclose(found, X + 0.05 * np.sign(draw @ weights.T), atol=1e-6)
    counted = attacks.build("pgd:start=odi,steps=3,odi_steps=4").run(linear, X, y, ball=ball)
    assert (np.asarray(counted.gradients) == 7).all()


def test_the_least_likely_class_is_the_target(linear, two) -> None:
    weights, y = two
    logits = X @ weights + linear.model.layers[-1].get_weights()[1]
    for name, same in (("least-likely", "fgsm"), ("iterative-least-likely", "bim")):
        found = attacks.build(name).run(linear, X, y, ball=balls.get("linf", 0.4))
        alike = attacks.build(f"{same}:target=least_likely").run(linear, X, y, ball=balls.get("linf", 0.4))
        answers = (np.asarray(found.x) @ weights + linear.model.layers[-1].get_weights()[1]).argmax(axis=1)
        assert np.array_equal(np.asarray(found.x), np.asarray(alike.x))
        assert (
            np.array_equal(np.asarray(found.reached), answers == logits.argmin(axis=1))
            and np.asarray(found.reached).any()
        )


def test_targeted_pgd_of_l1_keeps_to_its_ball_and_gains_what_there_is(linear, two) -> None:
    weights, y = two
    wanted = (y + 1) % 3
    bias = linear.model.layers[-1].get_weights()[1]
    gap = np.take_along_axis(X @ weights + bias, y[:, None], 1) - np.take_along_axis(
        X @ weights + bias, wanted[:, None], 1
    )
    need = gap[:, 0] / np.abs(weights[:, wanted] - weights[:, y]).max(axis=0)
    eps = 0.25
    found = attacks.build("pgd:loss=margin,steps=60,step_size=0.1").run(
        linear, X, y, ball=balls.get("l1", eps), target=wanted
    )
    assert (np.abs(np.asarray(found.x) - X).sum(axis=1) <= eps + 1e-5).all()
    # With three classes the third may be in the way, but nothing is reached that duality forbids.
    assert not (np.asarray(found.reached) & (need > eps)).any() and np.asarray(found.reached).any()


def test_square_reaches_the_best_corner_without_a_gradient(linear, two) -> None:
    weights, y = two
    best = best_margin(weights, linear.model.layers[-1].get_weights()[1], y, 0.05, "linf")
    found = attacks.build("square:queries=300").run(linear, X, y, ball=balls.get("linf", 0.05))
    after, stopped = np.asarray(attacks.Goal(y).loss("margin", found.logits)), np.asarray(found.reached)
    assert np.array_equal(stopped, best > 0) and stopped.any() and not stopped.all()
    assert np.allclose(after[~stopped], best[~stopped], atol=1e-5)
    # Two more than its own: the input before, and what was found at the end.
    assert (np.asarray(found.queries)[stopped] < 302).all() and (np.asarray(found.queries)[~stopped] == 302).all()


@pytest.mark.parametrize(("norm", "eps"), [("l2", 0.4), ("l1", 0.8)])
def test_square_finds_what_twice_its_radius_holds(norm, eps, linear, two) -> None:
    weights, y = two
    bias = linear.model.layers[-1].get_weights()[1]
    reachable = best_margin(weights, bias, y, eps, norm) > 0
    found = np.asarray(attacks.build("square:queries=300").run(linear, X, y, ball=balls.get(norm, eps)).reached)
    easy = best_margin(weights, bias, y, eps / 2, norm) > 0
    assert easy.any() and found[easy].all() and (found <= reachable).all()


def distance_to_boundary(weights, bias, norm) -> np.ndarray:
    """The smallest perturbation that reaches any wrong class; the bounds do not bind."""
    dual = {"linf": 1, "l2": 2, "l1": np.inf}[norm]
    logits = X @ weights + bias
    gaps, y = logits.max(axis=1, keepdims=True) - logits, logits.argmax(axis=1)
    slopes = np.linalg.norm(weights[:, :, None] - weights[:, None, :], dual, axis=0)[y]
    return np.min(np.where(gaps > 0, gaps / np.where(slopes > 0, slopes, 1), np.inf), axis=1)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("spec", ["fab:steps=20", "fab-t:steps=20", "fab:steps=20,restarts=2"])
def test_fab_finds_the_known_minimum(norm, spec, linear, two) -> None:
    from turtlenet.attacks.run.runner import attack_all

    weights, y = two
    known = distance_to_boundary(weights, linear.model.layers[-1].get_weights()[1], norm)
    # In L1 one pixel goes all the way: further than the bounds let it, the known minimum cannot be reached.
    inside = known < (0.3 if norm == "l1" else 1.0)
    ball = balls.get(norm, 6.0)
    # Both ways: all attempts in one graph, or one after the other; the nearest of all counts, not the first.
    for found in (
        attacks.build(spec).run(linear, X, y, ball=ball),
        attack_all(attacks.build(spec), linear, X, y, ball=ball),
    ):
        length = np.asarray(ball.distance(ops.convert_to_tensor(found.x), ops.convert_to_tensor(X)))
        assert np.asarray(found.reached)[inside].all() and inside.sum() > 2
        assert np.allclose(length[inside], known[inside], rtol=0.01)
        assert (length >= known * (1 - 1e-4))[np.asarray(found.reached)].all()


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.05), ("l2", 0.12)])
@pytest.mark.parametrize(
    "spec",
    [
        *("apgd:loss=margin,target=each", "apgd-ce", "apgd-dlr", "autoattack:queries=50"),
        *("malt:target=each", "a3:target=each"),
    ],
)
def test_apgd_equals_the_best_corner(norm, eps, spec, linear, two) -> None:
    weights, y = two
    best = best_margin(weights, linear.model.layers[-1].get_weights()[1], y, eps, norm)
    found = attacks.build(spec).run(linear, X, y, ball=balls.get(norm, eps))
    after, stopped = np.asarray(attacks.Goal(y).loss("margin", found.logits)), np.asarray(found.reached)
    assert np.array_equal(stopped, best > 0) and stopped.any() and not stopped.all()
    if "each" in spec:
        assert np.allclose(after[~stopped], best[~stopped], atol=1e-4)


def test_adam_ends_in_the_best_corner(linear, two) -> None:
    weights, y = two
    best = best_margin(weights, linear.model.layers[-1].get_weights()[1], y, 0.05, "linf")
    found = attacks.build("adam-pgd:target=each").run(linear, X, y, ball=balls.get("linf", 0.05))
    after, stopped = np.asarray(attacks.Goal(y).loss("margin", found.logits)), np.asarray(found.reached)
    assert np.array_equal(stopped, best > 0) and stopped.any() and not stopped.all()
    assert np.allclose(after[~stopped], best[~stopped], atol=1e-4)


def best_margin_in_bounds(x, weights, bias, y, eps) -> np.ndarray:
    """The largest margin in L1 where the bounds bind: the steepest pixel goes to its bound, then the next steepest."""
    logits, gains = x @ weights + bias, np.full(len(x), -np.inf)
    for row, label in enumerate(y):
        for other in set(range(weights.shape[1])) - {int(label)}:
            slope, left, margin = weights[:, other] - weights[:, label], eps, logits[row, other] - logits[row, label]
            for pixel in np.argsort(-np.abs(slope)):
                step = min(left, 1 - x[row, pixel] if slope[pixel] > 0 else x[row, pixel])
                margin, left = margin + step * abs(slope[pixel]), left - step
            gains[row] = max(gains[row], margin)
    return gains


@pytest.mark.parametrize("eps", [0.15, 0.6])
@pytest.mark.parametrize("shrinking", ["true", "false"])
def test_apgd_in_l1_moves_the_steepest_pixels_to_their_bounds(eps, shrinking, linear) -> None:
    weights, bias = (each.astype("float64") for each in linear.model.layers[-1].get_weights())
    x = np.random.default_rng(5).uniform(0.0, 1.0, size=(24, 6)).astype("float32")
    y = (x @ weights + bias).argmax(axis=1).astype("int32")
    best, free = (best_margin_in_bounds(each, weights, bias, y, eps) for each in (x, 0.5 + 0 * x))
    assert np.ptp(best - free) > 0.1, "the bounds must bind"
    spec = f"apgd:loss=margin,target=each,shrinking={shrinking}"
    found = attacks.build(spec).run(linear, x, y, ball=balls.get("l1", eps))
    after, stopped = np.asarray(attacks.Goal(y).loss("margin", found.logits)), np.asarray(found.reached)
    assert np.array_equal(stopped, best > 0) and stopped.any() and not stopped.all()
    assert np.allclose(after[~stopped], best[~stopped], atol=1e-3)


def test_autoattack_in_l1_begins_more_often_and_goes_for_fewer_classes() -> None:
    from turtlenet.attacks import WorstOf

    def counts(attack, norm):
        return [count for _, count in attack.under(norm).rounds(10)]

    standard = attacks.build("autoattack")
    assert counts(standard, "linf") == counts(standard, "l2") == [1, 9, 9, 1]
    assert counts(standard, "l1") == [5, 5, 9, 1]
    assert counts(WorstOf(attacks="noise;autoattack"), "l1") == [1, 5, 5, 9, 1]
    assert counts(attacks.build("autoattack:version=plus"), "l1") == [5, 5, 1, 4, 1, 9, 9]
    assert all(part.shrinking for part, _ in list(standard.under("l1").rounds(10))[:2])


def test_autoattack_does_without_the_ratio_where_there_are_too_few_classes(linear) -> None:
    parts = list(attacks.build("autoattack").rounds(3))
    assert [getattr(part, "loss", "") for part, _ in parts] == ["cross_entropy", "margin", "", "margin"]
    assert [attempts for _, attempts in parts] == [1, 2, 2, 1]
    assert [getattr(part, "loss", "") for part, _ in attacks.build("autoattack:version=rand").rounds(2)][1] == "margin"
    plus = list(attacks.build("autoattack:version=plus").rounds(10))
    assert [attempts for _, attempts in plus] == [5, 5, 1, 4, 1, 9, 9]


@pytest.mark.parametrize("spec", ["pgd", "deepfool", "square:queries=60"])
def test_nothing_to_attack_is_nothing(spec, linear) -> None:
    from turtlenet.attacks.run.runner import attack_all

    none = attack_all(attacks.build(spec), linear, X[:0], np.zeros(0, "int32"), ball=balls.get("l2", 0.1))
    assert len(none.x) == len(none.reached) == 0


@keras.saving.register_keras_serializable("tests")
class Overflows(keras.layers.Layer):
    """NaN for class 1 of 3 wherever a feature is above 0.5."""

    def call(self, x):
        over = ops.any(x > 0.5, axis=1, keepdims=True)
        logits = ops.concatenate([0 * x[:, :1], 0 * x[:, :1] + 1, x[:, :1] - 1], axis=1)
        return ops.where(over, float("nan"), logits)


@pytest.mark.parametrize("spec", ["fgsm", "pgd:steps=3", "apgd:steps=4", "square:queries=10", "noise:draws=3"])
def test_logits_that_are_no_numbers_fool_nobody(spec) -> None:
    victim = classifier(keras.Sequential([keras.Input((4,)), Overflows()]), bounds=(0.0, 1.0), head="logits")
    x = np.full((3, 4), 0.45, "float32")
    found = attacks.build(spec).run(victim, x, np.full(3, 1, "int32"), ball=balls.get("linf", 0.1))
    assert not np.asarray(found.reached).any()
