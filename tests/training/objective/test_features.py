"""What every registered objective keeps where features have bounds, radii and rules of their own."""

import json

import keras
import numpy as np
import pytest

import turtlenet as tn
from tests.attacks.features.test_attacks import RULES, UNIT, ball, check, table  # noqa: F401
from turtlenet import attacks, random
from turtlenet.balls import is_plain
from turtlenet.errors import SettingError
from turtlenet.training import Certified, Trainer, objectives

KEY = random.keys(0, np.arange(8))


def build(name: str, **settings):
    return objectives.build(name, settings, attack=attacks.build("pgd:steps=2,keep=last"), ball=ball("linf"))


@pytest.mark.parametrize("name", objectives.names())
def test_what_is_trained_on_keeps_them(name, table) -> None:  # noqa: F811
    model, x, y = table
    objective = build(name)
    if isinstance(objective, Certified):
        with pytest.raises(SettingError, match=f"bounds for all features for objective {name}; got some of their own"):
            objective.check(model, ())
        return
    moved = np.asarray(objective.perturb(model, x, y, key=KEY, step=0))
    # N-FGSM does not project onto the ball: what it may not leave are bounds and rules.
    threat = ball("linf").with_eps(3.0) if name == "n-fgsm" else ball("linf")
    wide = threat if name != "n-fgsm" else None
    assert threat.space.holds(moved, x).all()
    if wide is not None:
        check(moved, x, wide)
    assert (moved != x).any() == (name not in ("distillation", "free", "natural"))
    told = json.loads(json.dumps(objective.to_dict()))["ball"]
    assert told["eps"] == 1.0 and len(told["features"]) == 64 and not is_plain(objective.ball)


@pytest.mark.slow
def test_what_free_carries_on_leaves_what_may_not_move(table) -> None:  # noqa: F811
    model, x, y = table
    trainer = Trainer(model, build("free", replays=2), batch_size=8)
    trainer.compile(optimizer="sgd")
    trainer.fit(x, y, batch_size=8, epochs=1, verbose=0)
    carried = np.asarray(trainer.carried)
    assert (carried[:, 7] == 0).all() and (carried[:, 5] >= 0).all() and np.abs(carried[:, 0]).max() > 0
    assert (np.abs(carried) <= UNIT * (1 + 1e-6)).all() and len(RULES) == 3


@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=[pytest.mark.slow] * (each != "madry")) for each in objectives.names()]
)
def test_radii_that_are_all_the_same_train_as_one_does(name) -> None:
    model = keras.Sequential(
        [keras.Input((6, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(8, "relu"), keras.layers.Dense(3)]
    )
    draw = np.random.default_rng(0)
    model.set_weights([draw.normal(size=each.shape) / 4 for each in model.weights])
    data = draw.uniform(size=(32, 6, 6, 1)).astype("float32"), np.arange(32) % 3
    how = {"epochs": 1, "batch_size": 16, "validation": 0, "attack": "pgd:steps=2", "verbose": False}
    how |= {"sources": [model]} if name == "hat" else {}
    one, each = (
        tn.train(model, data, objective=name, eps=eps, tell=lambda line: None, **how).get_weights()
        for eps in (0.1, np.full((6, 6, 1), 0.1))
    )
    assert all(np.array_equal(own, other) for own, other in zip(one, each, strict=True))
    assert not np.array_equal(one[0], model.get_weights()[0])
