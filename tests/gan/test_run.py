"""A generator's training: it succeeds where it can, repeats, stops early, and continues where it was killed."""

import dataclasses

import keras
import numpy as np
import pytest

from tests.gan.conftest import players
from turtlenet.errors import ModelError, SettingError
from turtlenet.gan import train_players
from turtlenet.training import Schedule

PLAN = Schedule(epochs=4, batch_size=16, learning_rate=0.01, seed=3)


class Kill(keras.callbacks.Callback):
    """Stops a run as a signal would."""

    def __init__(self, step: int):
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch, logs=None):
        self.step -= 1
        if self.step == 0:
            raise KeyboardInterrupt


def weights(game) -> list[np.ndarray]:
    return [np.asarray(each) for each in game.generator.weights]


def timeless(run):
    return dataclasses.replace(run, seconds=0.0)


@pytest.fixture(scope="module")
def whole(quarters, pictures, unseen):
    game = players()
    return game, train_players(game, [quarters], pictures, PLAN, validation=unseen)


def test_it_learns_to_turn_images_it_never_saw(whole) -> None:
    game, run = whole
    assert run.steps == 24 and len(run.epochs) == 4 and not run.stopped_early
    assert run.val_success > 0.9 and run.val_success == max(epoch.val_success for epoch in run.epochs)
    assert run.epochs[run.best_epoch - 1].val_success == pytest.approx(run.val_success)
    assert run.epochs[-1].adversarial < run.epochs[0].adversarial


@pytest.mark.parametrize("step", [pytest.param(6, marks=pytest.mark.slow), 11])
def test_a_killed_run_ends_as_one_that_was_not(step, whole, quarters, pictures, unseen, tmp_path) -> None:
    place = tmp_path / "run.resume"
    same = {"validation": unseen, "checkpoint": place, "seconds": 0.0}
    with pytest.raises(KeyboardInterrupt):
        train_players(players(), [quarters], pictures, PLAN, callbacks=[Kill(step)], **same)
    game = players(seed=9)
    run = train_players(game, [quarters], pictures, PLAN, resume=True, **same)
    # The means of the epoch it was killed in are those of what was left of it.
    assert [epoch.val_success for epoch in run.epochs] == [epoch.val_success for epoch in whole[1].epochs]
    assert (run.steps, run.best_epoch, run.epochs[-1]) == (24, whole[1].best_epoch, whole[1].epochs[-1])
    assert all(np.array_equal(a, b) for a, b in zip(weights(game), weights(whole[0]), strict=True))


def test_another_runs_state_is_refused(quarters, pictures, tmp_path) -> None:
    place = tmp_path / "run.resume"
    short = dataclasses.replace(PLAN, epochs=1)
    train_players(players(), [quarters], pictures, short, checkpoint=place)
    with pytest.raises(SettingError, match="other values of game"):
        train_players(players(kappa=2.0), [quarters], pictures, short, checkpoint=place, resume=True)


@pytest.mark.slow
def test_it_stops_when_success_no_longer_rises(quarters, pictures, unseen, tmp_path) -> None:
    place = tmp_path / "run.resume"
    plan = dataclasses.replace(PLAN, epochs=30, learning_rate=0.02)
    same = {"validation": unseen, "patience": 2, "checkpoint": place}
    run = train_players(players(), [quarters], pictures, plan, **same)
    assert run.stopped_early and len(run.epochs) == run.best_epoch + 2 < 30
    # There is nothing to continue.
    again = train_players(players(), [quarters], pictures, plan, resume=True, **same)
    assert timeless(again) == timeless(run)


def test_what_cannot_be_trained_is_refused(quarters, pictures) -> None:
    with pytest.raises(ModelError, match="Expected a target class from 0 to 3; got 4"):
        train_players(players(target="4"), [quarters], pictures, PLAN)
    with pytest.raises(SettingError, match="Expected patience >= 0"):
        train_players(players(), [quarters], pictures, PLAN, patience=-1)
