"""The rules of the game, and its moves: each player lowers its own loss and touches no other's weights."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.gan.conftest import EPS, TINY, players
from turtlenet import backend, balls, random
from turtlenet.errors import SettingError, SpecError
from turtlenet.gan import build_players, variant

KEYS = random.keys(0, np.arange(32, dtype="int32"))


def compiled(game, victim):
    """One move as a graph."""
    networks = [victim.model, game.generator, game.discriminator]
    read = [variable for network in networks for variable in network.variables]
    return backend.compiled(lambda x, y: game.move([victim], x, y, KEYS), lambda: read)


def batch(examples):
    return [ops.convert_to_tensor(part) for part in examples.batch(slice(0, 32))]


def trained(game, victim, examples, steps: int, only: str = "") -> tuple[dict, dict]:
    """Terms of the losses on one batch before and after some steps, of one player or of both."""
    optimizer = keras.optimizers.Adam(0.005)
    optimizer.build(game.weights)
    own = len(game.generator.trainable_variables)
    move, given = compiled(game, victim), batch(examples)
    seen = []
    for _ in range(steps + 1):
        slopes, terms = move(*given)
        seen.append({name: float(ops.mean(value)) for name, value in terms.items()})
        keep = [(number < own) == (only == "generator") or not only for number in range(len(slopes))]
        slopes = [slope if mine else ops.zeros_like(slope) for slope, mine in zip(slopes, keep, strict=True)]
        optimizer.apply(slopes, game.weights)
    return seen[0], seen[-1]


def loud(game, spread: float = 0.2):
    """The same players with a generator that changes something already."""
    draw = np.random.default_rng(2)
    for variable in game.generator.trainable_variables:
        variable.assign(np.asarray(variable) + spread * draw.normal(size=variable.shape))
    return game


@pytest.mark.parametrize("adversarial", ["cross_entropy", "margin"])
def test_the_generators_steps_lower_the_adversarial_loss(adversarial, quarters, pictures) -> None:
    before, after = trained(players(adversarial=adversarial, alpha=0.0, beta=0.0), quarters, pictures, 25)
    assert after["adversarial"] < before["adversarial"] - 0.5
    assert "gan" not in before and "discriminator" not in before


@pytest.mark.parametrize("gan", [pytest.param("log", marks=pytest.mark.slow), "least-squares"])
def test_each_players_steps_lower_its_own_side_of_the_gan_loss(gan, quarters, pictures) -> None:
    # The model's own pull is small beside that of the discriminator.
    game = loud(players(gan=gan, alpha=100.0, beta=0.0))
    before, after = trained(game, quarters, pictures, 25, only="discriminator")
    assert after["discriminator"] < before["discriminator"] - 0.05
    before, after = trained(game, quarters, pictures, 25, only="generator")
    assert after["gan"] < before["gan"] - 0.05 and after["discriminator"] > before["discriminator"]


def test_the_hinge_brings_a_perturbation_back(quarters, pictures) -> None:
    game = loud(players("paper", alpha=0.0, beta=50.0, c=0.001), 0.05)
    before, after = trained(game, quarters, pictures, 25)
    assert before["hinge"] > 0.1 and after["hinge"] < before["hinge"] / 2


@pytest.mark.parametrize(
    ("ball", "hinge", "norm", "length"),
    [
        ("linf", "auto", "linf", 0.3),
        ("linf", "l2", "l2", 0.3 * 8),
        ("l2", "auto", "l2", 0.3),
        ("l2", "linf", "linf", 0.3 / 8),
        ("l1", "auto", "l2", 0.3 / 8),
    ],
)
def test_the_hinge_allows_what_the_ball_does(ball, hinge, norm, length) -> None:
    """An even perturbation of 64 pixels on the surface of the ball: by hand."""
    game = build_players(variant("paper", network=TINY, hinge=hinge), balls.get(ball, 0.3), (8, 8, 1))
    assert game.hinge == norm
    assert game.allowed(norm, 64) == pytest.approx(length)


def test_each_player_follows_its_own_loss_with_its_own_weights(quarters, pictures) -> None:
    given = batch(pictures)
    one, other = (loud(players(alpha=alpha)) for alpha in (0.5, 5.0))
    own = len(one.generator.trainable_variables)
    assert all(a is b for a, b in zip(one.weights[:own], one.generator.trainable_variables, strict=True))
    assert all(a is b for a, b in zip(one.weights[own:], one.discriminator.trainable_variables, strict=True))
    slopes, others = ([np.asarray(each) for each in compiled(game, quarters)(*given)[0]] for game in (one, other))
    # How the generator weighs its terms is nothing to the discriminator.
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(slopes[own:], others[own:], strict=True))
    assert any(not np.allclose(a, b, atol=1e-4) for a, b in zip(slopes[:own], others[:own], strict=True))
    assert any(np.abs(slope).max() > 1e-4 for slope in slopes[own:])


@pytest.mark.parametrize("only", ["generator", "discriminator"])
def test_the_step_of_one_changes_no_weight_of_the_other(only, quarters, pictures) -> None:
    game = loud(players(alpha=1.0))
    both = {"generator": game.generator, "discriminator": game.discriminator}
    before = {name: [np.asarray(each) + 0 for each in network.weights] for name, network in both.items()}
    trained(game, quarters, pictures, 1, only=only)
    for name, values in before.items():
        now = [np.asarray(each) for each in both[name].weights]
        same = [np.array_equal(a, b) for a, b in zip(values, now, strict=True)]
        assert any(not each for each in same) if name == only else all(same)


def test_one_optimizer_for_both_is_one_for_each(quarters, pictures) -> None:
    """Steps of both players with one Adam, against steps with an Adam for each."""
    given, one, two = batch(pictures), players(), players()
    own = len(one.generator.trainable_variables)
    both, first, second = (keras.optimizers.Adam(0.01) for _ in range(3))
    moves = compiled(one, quarters), compiled(two, quarters)
    for _ in range(3):
        both.apply(moves[0](*given)[0], one.weights)
        slopes = moves[1](*given)[0]
        first.apply(slopes[:own], two.weights[:own])
        second.apply(slopes[own:], two.weights[own:])
    pairs = zip(map(np.asarray, one.weights), map(np.asarray, two.weights), strict=True)
    assert all(np.allclose(a, b, atol=1e-6) for a, b in pairs)


def test_examples_keep_the_ball_whoever_keeps_the_budget(pictures) -> None:
    x, _ = pictures.batch(slice(0, 32))
    for name in ("paper", "strong"):
        game = players(name)
        for variable in game.generator.trainable_variables:
            variable.assign(np.asarray(variable) * 8)
        moved = np.asarray(game.moved(ops.convert_to_tensor(x), KEYS))
        assert np.abs(moved - x).max() <= EPS + 1e-6 and moved.min() >= 0 and moved.max() <= 1
        assert np.abs(moved - x).max() > 0.01


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"alpha": -1.0}, "Expected alpha >= 0"),
        ({"beta": float("nan")}, "Expected beta >= 0"),
        ({"kappa": float("inf")}, "Expected kappa >= 0"),
        ({"noise": -1}, "Expected noise from 0"),
        ({"target": "seven"}, "Expected a class number"),
        ({"gan": "logs"}, "Did you mean 'log'"),
        ({"budget": "hinges"}, "Did you mean 'hinge'"),
        ({"hinge": "l1"}, "Unknown hinge 'l1'"),
        ({"adversarial": "margins"}, "Did you mean 'margin'"),
        ({"network": "resnet"}, "Unknown network 'resnet'"),
    ],
)
def test_bad_rules(settings, words) -> None:
    with pytest.raises((SettingError, SpecError), match=words):
        variant("strong", **settings)
    with pytest.raises(SpecError, match="Did you mean 'paper'"):
        variant("papers")
