"""The training of fronts: it learns, repeats, continues where it was killed, and refuses what does not fit."""

import dataclasses

import keras
import numpy as np
import pytest

from tests.gan.conftest import drawn, network
from tests.gan.test_run import Kill
from turtlenet import models
from turtlenet.errors import DataError, ModelError, SettingError, SpecError
from turtlenet.training.fronts.train import save_front, train_front
from turtlenet.workflows.fronts import show_front

PLAN = {"epochs": 3, "batch_size": 16, "width": 4, "eps": 0.3, "learning_rate": 0.01}
OWN = {"defense-gan": {"latent": 6, "critic": 4}}
QUICK = {"defense-gan": "defense-gan:steps=3,restarts=2"}
NAMES = ("ape-gan", "contractive-autoencoder", "defense-gan", "magnet")


@pytest.fixture(scope="module")
def victim() -> keras.Model:
    return network()


def trained(name: str, victim: keras.Model, **settings):
    given = {**PLAN, **OWN.get(name, {}), "tell": lambda _: None, **settings}
    return train_front(QUICK.get(name, name), victim, drawn(96, 0), **given)


@pytest.mark.parametrize("name", ["magnet", *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES[:3])])
def test_a_killed_run_ends_as_one_that_was_not(name, victim, tmp_path) -> None:
    whole = trained(name, victim)
    place = {"checkpoint": tmp_path / "run.resume"}
    with pytest.raises(KeyboardInterrupt):
        trained(name, victim, callbacks=[Kill(8)], **place)
    again = trained(name, victim, resume=True, **place)
    for one, other in zip(whole.layer.get_weights(), again.layer.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert again.run.steps == whole.run.steps == 15
    assert len(whole.facts["epochs"]) == 3
    with pytest.raises(SettingError, match="got other values of learning_rate: leave out --resume"):
        trained(name, victim, resume=True, **{**place, "learning_rate": 0.02})


def test_validation_data_of_its_own_are_told_and_may_not_change(victim, tmp_path) -> None:
    (x, y), (x_val, y_val), lines = drawn(96, 0), drawn(16, 1), []
    own, place = tmp_path / "own.npz", {"checkpoint": tmp_path / "run.resume"}

    def of(images: np.ndarray, **settings):
        np.savez(own, x_train=x, y_train=y, x_val=images, y_val=y_val)
        given = {**PLAN, "validation": None, "tell": lines.append, **settings}
        return train_front("magnet", victim, str(own), **given)

    with pytest.raises(KeyboardInterrupt):
        of(x_val, callbacks=[Kill(8)], **place)
    assert lines[0].endswith(f"; 16 for validation: {own} val")
    with pytest.raises(SettingError, match="got other values of validation_data"):
        of(1 - x_val, resume=True, **place)
    lines.clear()
    with pytest.raises(KeyboardInterrupt):
        of(x_val, validation=7, callbacks=[Kill(1)])
    assert lines[0].endswith("; 7 held out for validation, not the part for validation that the data have")


def test_an_autoencoder_learns_and_its_best_epoch_is_kept(victim, tmp_path) -> None:
    name = "contractive-autoencoder"
    made = trained(name, victim, epochs=30, width=16, learning_rate=0.03)
    errors = [epoch.val_error for epoch in made.run.epochs]
    assert errors[-1] < errors[0] / 2 and made.run.best_epoch == 1 + int(np.argmin(errors))
    save_front(made, tmp_path / "f.h5")
    wrapped = models.wrap(victim, [f"{name}:front={tmp_path}/f.h5"])
    np.testing.assert_allclose(models.defences_of(wrapped)[0](drawn(4, 1)[0]), made.model(drawn(4, 1)[0]), atol=1e-6)
    assert dataclasses.asdict(made.run.epochs[0]) == made.facts["epochs"][0]


class Roots(keras.layers.Layer):
    """The inputs, and NaN in place of those below 0.15."""

    def call(self, x):
        return x + 0 * keras.ops.sqrt(x - 0.15)


def test_a_model_that_answers_nan_is_not_measured(victim, tmp_path) -> None:
    path = tmp_path / "front.h5"
    save_front(trained("magnet", victim, epochs=1), path)
    odd = keras.Sequential([keras.Input((8, 8, 1)), Roots(), *victim.layers])
    x, y = drawn(8, 1)
    x[3] = 0.1
    with pytest.raises(ModelError, match="answers in numbers; got NaN for 1 of 8 images"):
        show_front(f"magnet:front={path}", odd, (x, y), attack="fgsm", eps=0.1)


def test_a_generator_and_a_critic_both_move(victim) -> None:
    made = trained("defense-gan", victim, epochs=1)
    (epoch,) = made.run.epochs
    assert made.run.best_epoch is None and epoch.val_error is None and epoch.penalty is not None
    fresh = type(made.layer).network_of((8, 8, 1), (0.0, 1.0), made.layer.sizes, 0).get_weights()
    assert all((one != other).any() for one, other in zip(fresh, made.layer.network.get_weights(), strict=True))


@pytest.mark.parametrize(
    ("name", "settings", "kind", "words"),
    [
        ("magnett", {}, SpecError, "Unknown trained front 'magnett'. Did you mean 'magnet'?"),
        ("gaussian-noise", {}, SpecError, "Unknown trained front 'gaussian-noise'."),
        ("magnet:front=f.h5", {}, SettingError, "Expected no file of a front where one is trained; got front=f.h5."),
        ("magnet:steps=3", {}, SpecError, "Unknown setting 'steps' of defence 'magnet'."),
        ("magnet", {"noise": -1.0}, SettingError, "Expected noise >= 0; got -1.0."),
        ("magnet", {"width": 5000}, SettingError, "Expected width from 0 to 4,096; got 5000."),
        ("ape-gan", {"attack": "pdg"}, SpecError, "Unknown attack 'pdg'. Did you mean 'pgd'?"),
        ("magnet", {"latent": 128}, SettingError, "Expected the front defense-gan for --latent; got magnet"),
        ("magnet", {"attack": "pgd"}, SettingError, "Expected the front ape-gan for --attack; got magnet"),
        ("ape-gan", {"critic": 7}, SettingError, "Expected the front defense-gan for --critic; got ape-gan"),
        ("defense-gan", {"contraction": 3.0}, SettingError, "Expected the front contractive-autoencoder for"),
        ("ape-gan", {"adversarial": 2.0}, SettingError, "Expected adversarial from 0 to 1; got 2.0."),
    ],
)
def test_bad_settings_are_one_line(name, settings, kind, words, victim) -> None:
    with pytest.raises(kind) as caught:
        train_front(name, victim, drawn(32, 0), **{"eps": 0.3, **settings})
    assert str(caught.value).startswith(words)


def test_what_is_no_picture_is_refused_before_training(victim) -> None:
    flat = keras.Sequential([keras.Input((12,)), keras.layers.Dense(3)])
    x, y = np.zeros((20, 12), "float32"), np.arange(20) % 3
    with pytest.raises(ModelError, match="Expected images of 4x4 pixels or more"):
        train_front("ape-gan", flat, (x, y), eps=0.1)
    with pytest.raises(DataError):
        train_front("magnet", victim, (np.zeros((20, 9, 8, 1), "float32"), y), eps=0.1)
