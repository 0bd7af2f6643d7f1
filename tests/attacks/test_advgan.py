"""A generator as an attack: the one it was trained for, or one clear line; samples and steps that make it stronger."""

import numpy as np
import pytest

from tests.attacks.test_contract import generator
from turtlenet import attacks, balls, models
from turtlenet.attacks import AdvGAN, Mixed
from turtlenet.attacks.advgan import FACTS, loaded_generator
from turtlenet.attacks.run.runner import attack_all
from turtlenet.errors import ModelError, SettingError

BALL = balls.get("linf", 0.3)


def copied(path, **changed) -> str:
    """The same generator with something else in its file's facts."""
    source = loaded_generator(generator())
    facts = {name: value for name, value in {**source.facts, **changed}.items() if value is not None}
    models.save(source.model, path, {FACTS: facts})
    return str(path)


def broken(attack, small, x, y) -> int:
    return int(attack_all(attack, small, x, y, ball=BALL, seed=1).reached.sum())


def test_it_adds_what_the_generator_says(small, images, tmp_path) -> None:
    x, y = images
    found = np.asarray(AdvGAN(generator=copied(tmp_path / "g.h5"))(small, x, y, ball=BALL))
    delta = np.abs(found - x)
    assert 0.01 < delta.max() <= 0.3 + 1e-6
    again = np.asarray(AdvGAN(generator=generator())(small, x, y, ball=BALL))
    assert np.array_equal(found, again)


def test_more_samples_and_steps_are_stronger(small, images) -> None:
    x, y = images
    one = broken(AdvGAN(generator=generator()), small, x, y)
    many = broken(AdvGAN(generator=generator(), samples=20), small, x, y)
    tuned = broken(AdvGAN(generator=generator(), steps=5), small, x, y)
    assert one < many and one < tuned
    assert AdvGAN(generator=generator(), samples=20).attempts(4) == 20


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"shape": [9, 9, 1]},
            r"Expected a generator for images of shape \(8, 8, 1\), as the model's; got .* \(9, 9, 1\)",
        ),
        ({"bounds": [0.0, 255.0]}, r"Expected a generator for pixels in \[0, 1\], as the model's; got .* \[0, 255\]"),
        ({"eps": 0.1}, "Expected eps <= 0.1, which .* was trained for; got 0.3"),
        ({"norm": "l2"}, "Expected norm l2, which .* was trained for; got linf"),
        ({"noise": None}, "Expected a generator, made by turtlenet gan train"),
        ({"eps": "wide"}, "Expected a generator, made by turtlenet gan train"),
    ],
)
def test_a_generator_for_something_else_is_one_clear_line(changed, words, small, images, tmp_path) -> None:
    x, y = images
    attack = AdvGAN(generator=copied(tmp_path / "other.h5", **changed))
    with pytest.raises((ModelError, SettingError), match=words) as caught:
        attack(small, x, y, ball=BALL)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("trained", "wanted"), [("2", "0"), ("", "1"), ("", "least_likely"), ("3", "next")])
def test_a_generator_for_another_target_is_one_clear_line(trained, wanted, small, images, tmp_path) -> None:
    attack = AdvGAN(generator=copied(tmp_path / "aimed.h5", target=trained), target=wanted)
    with pytest.raises(SettingError, match=f"Expected target={trained or 'none'}, as .*; got {wanted}"):
        attack(small, *images, ball=BALL)
    AdvGAN(generator=copied(tmp_path / "same.h5", target="2"), target="2").check(small, BALL)


def test_what_is_no_generator_is_one_clear_line(small, images, tmp_path) -> None:
    x, y = images
    models.save(small.model, tmp_path / "model.h5")
    (tmp_path / "text.h5").write_text("no model")
    for name in ("model.h5", "text.h5"):
        with pytest.raises(
            ModelError, match="Expected a generator, made by turtlenet gan train, at .*got another file"
        ):
            AdvGAN(generator=str(tmp_path / name))(small, x, y, ball=BALL)
    with pytest.raises(ModelError, match="No such file"):
        AdvGAN(generator=str(tmp_path / "none.h5"))(small, x, y, ball=BALL)
    with pytest.raises(SettingError, match="Expected a generator: advgan:generator=FILE.h5"):
        AdvGAN()(small, x, y, ball=BALL)
    silent = copied(tmp_path / "silent.h5", noise=0)
    with pytest.raises(SettingError, match="Expected samples=1"):
        AdvGAN(generator=silent, samples=2)(small, x, y, ball=BALL)


def test_a_mixture_draws_as_often_as_it_is_told(small, images) -> None:
    x, y = (np.concatenate([part] * 8) for part in images)
    fast = attacks.build("fgsm:keep=last")
    other = np.asarray(attacks.build("noise:draws=1")(small, x, y, ball=BALL))
    steep = np.asarray(fast(small, x, y, ball=BALL))
    mixed = np.asarray(Mixed(attacks=[fast, "noise:draws=1"], weights="3;1")(small, x, y, ball=BALL))
    by_fast = (np.abs(mixed - steep) < 1e-6).reshape(len(x), -1).all(axis=1)
    assert 0.6 < by_fast.mean() < 0.9
    assert (mixed != steep).any() and (mixed != other).any()
    alone = np.asarray(Mixed(attacks=[fast, "noise:draws=1"], weights="1e9;1", drawn="batch")(small, x, y, ball=BALL))
    assert np.allclose(alone, steep, atol=1e-6)
