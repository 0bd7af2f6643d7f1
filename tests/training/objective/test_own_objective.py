"""An objective that somebody else wrote keeps every promise of the base class."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

import turtlenet as tn
from tests.training.objective.trades import Trades
from turtlenet import attacks, balls, losses, random
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError, SpecError
from turtlenet.training import Objective, Trainer

BALL = balls.get("linf", 0.1)
PATH = "tests.training.objective.trades:Trades"
X = np.random.default_rng(0).uniform(size=(10, 8, 8, 1)).astype("float32")
Y = (np.arange(10) % 4).astype("int32")
KEY = random.keys(0, np.arange(10))


def trades(**settings) -> Trades:
    return Trades(attack=attacks.build("pgd:steps=3,loss=kl,keep=last"), ball=BALL, **settings)


def reach(objective: Objective, model, **where) -> np.ndarray:
    moved = np.asarray(objective.perturb(model, X, Y, key=KEY, step=0, **where))
    return np.abs(moved - X).reshape(10, -1).max(axis=1)


def test_it_is_short() -> None:
    lines = Path(__file__).with_name("trades.py").read_text("utf-8").splitlines()
    assert len(lines) <= 30


def test_the_radius_grows_over_the_warm_up(small) -> None:
    assert np.allclose(reach(trades(), small), 0.1, atol=1e-6)
    assert np.allclose(reach(trades(warmup_steps=10), small), 0.01, atol=1e-6)


def test_the_clean_share_stays_as_it_is(small) -> None:
    assert (reach(trades(clean_share=0.3), small) > 0).tolist() == [False] * 3 + [True] * 7
    assert not reach(trades(clean_share=1.0), small).any()


def test_it_crafts_on_a_source_where_that_is_asked_for(small) -> None:
    other = Classifier(keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(4)]))
    moved = trades(craft_on="static").perturb(small, X, Y, key=KEY, step=0, sources=[other])
    alone = trades().perturb(other, X, Y, key=KEY, step=0)
    assert np.array_equal(np.asarray(moved), np.asarray(alone))
    with pytest.raises(SettingError, match="at least one other model"):
        Trainer(small, trades(craft_on="static"))


def test_the_attack_climbs_the_divergence(small) -> None:
    clean = small(X)
    far, near = (
        losses.divergence(clean, small(objective.perturb(small, X, Y, key=KEY, step=0)))
        for objective in (trades(), Trades(attack=attacks.build("noise"), ball=BALL))
    )
    assert (np.asarray(far) > np.asarray(near)).mean() > 0.8


def test_the_divergence() -> None:
    chance = np.array([[0.7, 0.2, 0.1]], "float32")
    other = np.array([[0.1, 0.6, 0.3]], "float32")
    expected = (chance * np.log(chance / other)).sum()
    assert np.allclose(losses.divergence(ops.log(chance), ops.log(other) + 3.0), expected, atol=1e-5)


def test_the_divergence_is_an_attack_like_any(small) -> None:
    y = np.asarray(small(X)).argmax(axis=1).astype("int32")
    for spec in ("pgd:steps=3,loss=kl", "square:queries=20,loss=kl"):
        moved = np.asarray(attacks.build(spec)(small, X, y, ball=BALL))
        assert 0 < np.abs(moved - X).max() <= 0.1 + 1e-6


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda model: attacks.build("fgsm:loss=kl"), "Expected a random start for loss=kl"),
        (lambda model: attacks.build("pgd:loss=kl,target=1").check(model, BALL), "Expected no target for loss 'kl'"),
        (lambda model: attacks.Goal(Y).loss("kl", model(X)), "Expected reference logits"),
    ],
)
def test_the_divergence_where_it_says_nothing(make, words, small) -> None:
    with pytest.raises(SettingError, match=words):
        make(small)


def test_perturb_is_not_to_be_written_over() -> None:
    with pytest.raises(SpecError, match="Expected objective Old to define craft; got perturb, which is final"):
        type("Old", (Trades,), {"perturb": lambda self, model, x, y, **more: x})


def test_train_takes_it_by_its_path(small) -> None:
    settings = {"attack": "pgd:steps=2,loss=kl", "objective": PATH, "epochs": 1, "batch_size": 5, "validation": 0}
    hardened = tn.train(small.model, (X, Y), eps=0.1, tell=lambda line: None, **settings)
    assert all(np.isfinite(np.asarray(each)).all() for each in hardened.get_weights())
