"""A generator and a model trained in turns: both learn, the user's file stays, and a kill changes nothing."""

import keras
import numpy as np
import pytest

import turtlenet as tn
from tests.gan.conftest import TINY, drawn, network, players
from turtlenet import models
from turtlenet.attacks.advgan import FACTS, loaded_generator, trained_on
from turtlenet.errors import SettingError
from turtlenet.workflows.train import harden_model

DATA = drawn(64, 0)
PLAN = {"eps": 0.3, "epochs": 2, "batch_size": 16, "validation": 16, "warmup": 0.0, "tell": lambda line: None}


class Kill(keras.callbacks.Callback):
    """Stops a run as a signal would."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def generator(tmp_path_factory) -> str:
    game = players(noise=0)
    facts = {"shape": [8, 8, 1], "bounds": [0.0, 1.0], "norm": "linf", "eps": 0.3, "noise": 0, "target": ""}
    path = tmp_path_factory.mktemp("rival") / "generator.h5"
    models.save(game.generator, path, {FACTS: {**facts, "network": TINY, "alpha": 0.1, "budget": "network"}})
    return str(path)


def values(model) -> list[np.ndarray]:
    return [np.asarray(each) for each in model.weights]


@pytest.fixture(scope="module")
def whole(generator, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    lines = []
    settings = {**PLAN, "tell": lines.append, "checkpoint": folder / "hard.h5.resume"}
    model, run = harden_model(network(), DATA, attack=["fgsm", f"advgan:generator={generator}"], **settings)
    return folder, lines, model, run


def test_both_learn_and_the_users_file_stays(whole, generator) -> None:
    folder, lines, model, run = whole
    assert any("hard-rival.h5: the generator that learned in turns" in line for line in lines)
    then, now = loaded_generator(generator), loaded_generator(str(folder / "hard-rival.h5"))
    assert any(not np.array_equal(a, b) for a, b in zip(values(then.model), values(now.model), strict=True))
    assert now.facts["played"] == run.steps == 6
    # It has had the gradients of the model that it played against.
    assert trained_on(now.facts, {models.weights_sha256(models.classifier(model).model)})
    assert any(not np.array_equal(a, b) for a, b in zip(values(network()), values(model), strict=True))
    assert "mixed" in str(run.recipe["objective"]["attack"]["name"])


@pytest.mark.slow
def test_a_killed_game_ends_as_one_that_was_not(whole, generator, tmp_path) -> None:
    settings = {**PLAN, "checkpoint": tmp_path / "hard.h5.resume"}
    attack = ["fgsm", f"advgan:generator={generator}"]
    with pytest.raises(KeyboardInterrupt):
        harden_model(network(), DATA, attack=attack, callbacks=[Kill()], **settings)
    model, _ = harden_model(network(), DATA, attack=attack, resume=True, **settings)
    assert all(np.array_equal(a, b) for a, b in zip(values(model), values(whole[2]), strict=True))
    ends = [loaded_generator(str(folder / "hard-rival.h5")).model for folder in (tmp_path, whole[0])]
    assert all(np.array_equal(a, b) for a, b in zip(*map(values, ends), strict=True))


@pytest.mark.slow
def test_what_an_earlier_run_left_is_not_taken_up_without_its_state(whole, generator, tmp_path) -> None:
    settings = {**PLAN, "checkpoint": tmp_path / "hard.h5.resume", "resume": True}
    (tmp_path / "hard-rival.h5").write_bytes((whole[0] / "hard-rival.h5").read_bytes())
    model, _ = harden_model(network(), DATA, attack=["fgsm", f"advgan:generator={generator}"], **settings)
    assert all(np.array_equal(a, b) for a, b in zip(values(model), values(whole[2]), strict=True))


@pytest.mark.slow
def test_other_moves_are_another_run(generator, tmp_path) -> None:
    settings = {**PLAN, "checkpoint": tmp_path / "hard.h5.resume"}
    with pytest.raises(KeyboardInterrupt):
        harden_model(network(), DATA, attack=f"advgan:generator={generator}", callbacks=[Kill()], **settings)
    with pytest.raises(SettingError, match="got other values of generator_moves"):
        more = {"resume": True, "generator_moves": 2}
        harden_model(network(), DATA, attack=f"advgan:generator={generator}", **more, **settings)


def test_a_generator_is_not_written_over(whole) -> None:
    settings = {**PLAN, "checkpoint": whole[0] / "hard.h5.resume"}
    with pytest.raises(SettingError, match="Expected a generator elsewhere than at .*hard-rival.h5"):
        harden_model(network(), DATA, attack=f"advgan:generator={whole[0] / 'hard-rival.h5'}", **settings)


def test_a_generator_that_is_gone_is_one_clear_line(whole) -> None:
    settings = {**PLAN, "checkpoint": whole[0] / "hard.h5.resume"}
    with pytest.raises(tn.errors.ModelError, match="Expected a generator at none.h5"):
        harden_model(network(), DATA, attack="advgan:generator=none.h5", **settings)


def test_a_generator_that_does_not_move_is_an_attack_as_any(generator, tmp_path) -> None:
    settings = {**PLAN, "epochs": 1, "checkpoint": tmp_path / "hard.h5.resume", "generator_moves": 0}
    harden_model(network(), DATA, attack=f"advgan:generator={generator}", **settings)
    pair = loaded_generator(generator).model, loaded_generator(str(tmp_path / "hard-rival.h5")).model
    assert all(np.array_equal(a, b) for a, b in zip(*map(values, pair), strict=True))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"attack": "pgd", "attack_weights": [1]}, "Expected several attacks for attack_weights"),
        ({"attack": ["pgd", "fgsm"], "attack_weights": [1, 2, 3]}, "Expected 2 weights above 0"),
        ({"attack": ["pgd", "fgsm"], "attack_drawn": "step"}, "Unknown attack_drawn 'step'"),
        ({"attack": ["pgd", "fgsm:eps=0.2"]}, "Expected norm and eps of the threat"),
        ({"attack": []}, "Expected at least one attack"),
    ],
)
def test_what_no_pool_can_be_is_one_line(settings, words) -> None:
    with pytest.raises(tn.errors.TurtlenetError, match=words):
        harden_model(network(), DATA, **{**PLAN, **settings})


def test_a_generator_has_moves_or_none(generator) -> None:
    with pytest.raises(SettingError, match="Expected generator_moves >= 0; got -1"):
        harden_model(network(), DATA, attack=f"advgan:generator={generator}", generator_moves=-1, **PLAN)
