"""Attacks that consist of others find what those find, and know which model they look at."""

import os
from pathlib import Path

import keras
import numpy as np
import pytest

from turtlenet import attacks, balls
from turtlenet.attacks import PGD, Attack, Averaged, Noise, Restarts, Targets, Transfer, WorstOf
from turtlenet.attacks.ensembles import sources
from turtlenet.attacks.run.runner import attack_all
from turtlenet.classifier import Classifier
from turtlenet.errors import ModelError, SettingError, SpecError
from turtlenet.models import classifier, load, save, wrap

BALL = balls.get("linf", 0.06)


def dense(seed: int, shape: tuple[int, ...] = (8, 8, 1), classes: int = 4, *before) -> keras.Model:
    model = keras.Sequential([keras.Input(shape), *before, keras.layers.Flatten(), keras.layers.Dense(classes)])
    drawn = np.random.default_rng(seed)
    model.layers[-1].set_weights([drawn.normal(size=each.shape) for each in model.layers[-1].get_weights()])
    return model


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save(dense(1), tmp_path / "a.h5")
    save(dense(2), tmp_path / "b.h5")
    return tmp_path


@pytest.fixture(scope="module")
def known() -> tuple[Classifier, np.ndarray, np.ndarray]:
    """The model in a.h5, images, and its own answers as labels."""
    model = Classifier(dense(1))
    x = np.random.default_rng(0).uniform(size=(16, 8, 8, 1)).astype("float32")
    return model, x, model.predict(x).argmax(axis=1).astype("int32")


def reached(attack: Attack, model: Classifier, x: np.ndarray, y: np.ndarray, ball=BALL) -> np.ndarray:
    return attack_all(attack, model, x, y, ball=ball, batch_size=16).reached


def test_the_worst_of_several_is_what_any_of_them_finds(small, images):
    parts = [Noise(draws=3), PGD(steps=2), PGD(steps=2, loss="margin")]
    each = [reached(part, small, *images) for part in parts]
    both = WorstOf(attacks=parts)
    assert both == attacks.build("worst-of:attacks=(noise:draws=3;pgd:steps=2;pgd:steps=2,loss=margin)")
    assert np.array_equal(reached(both, small, *images), np.any(each, axis=0))
    assert np.array_equal(np.asarray(both.run(small, *images, ball=BALL).reached), np.any(each, axis=0))
    assert [(str(part), count) for part, count in both.rounds(4)] == [(str(part), 1) for part in parts]


def test_restarts_and_targets_are_those_of_the_attack_itself(small, images):
    for around, plain in (
        (Restarts(attack=PGD(steps=2), count=3), PGD(steps=2, restarts=3)),
        (Targets(attack=PGD(steps=2)), PGD(steps=2, target="each")),
        (Targets(attack=PGD(steps=2), target="top2"), PGD(steps=2, target="top2")),
    ):
        assert around.attempts(4) == plain.attempts(4)
        found, wanted = (attack_all(one, small, *images, ball=BALL) for one in (around, plain))
        assert np.array_equal(found.x, wanted.x) and np.array_equal(found.gradients, wanted.gradients)


def test_they_go_into_each_other_and_are_written_down():
    spec = "worst-of:attacks=restarts:attack=(worst-of:attacks=(pgd:steps=2;noise)),count=3;fgsm"
    spec = "worst-of:attacks=(restarts:attack=(worst-of:attacks=(pgd:steps=2;noise)),count=3;fgsm)"
    attack = attacks.build(spec)
    assert [(str(part), count) for part, count in attack.rounds(4)] == [("pgd:steps=2", 3), ("noise", 3), ("fgsm", 1)]
    assert attacks.build(str(attack)) == attack == Attack.from_dict(attack.to_dict())
    assert attack.attempts(4) == 7 and attack.norms == ("linf", "l2", "l1")
    assert WorstOf(attacks="noise").norms == balls.norms()


def test_what_is_said_of_the_whole_is_said_of_every_member():
    attack = attacks.build(
        "worst-of:attacks=(averaged:attack=(fgsm:gradient=adaptive);noise),target=next,gradient=naive"
    )
    members = [member for member, _ in attack.rounds(4)]
    assert [(member.target, member.gradient) for member in members] == [("next", "naive")] * 2
    assert members[0].member.gradient == "naive"
    stopping = attacks.build("worst-of:attacks=(pgd;noise;transfer:source=a.h5),early_stop=true")
    assert [getattr(member, "early_stop", None) for member, _ in stopping.rounds(4)] == [True, None, True]
    # What fools another model may not fool this one yet.
    assert not list(stopping.rounds(4))[-1][0].member.early_stop
    assert (attack.family, stopping.family, Transfer().family) == ("other", "iterative", "transfer")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("worst-of:attacks=(pgdd;noise)", "Unknown attack 'pgdd'. Did you mean 'pgd'?"),
        ("worst-of:attacks=(pgd;;noise)", "Expected specs with ';' between them for attacks; got 'pgd;;noise'."),
        ("worst-of:attacks=(pgd:eps=1;noise)", "Expected norm and eps of worst-of as a whole; got some of its part"),
        ("restarts:attack=(pgd:target=3)", "Expected the target of restarts as a whole; got one of its part"),
        ("restarts:attack=(bim),count=2", "Expected a random start for 2 restarts of bim"),
        ("restarts:count=0", "Expected count from 1 to 1,000,000; got 0."),
        ("targets:target=none", "each, or topK for the K likeliest wrong classes, such as top9; got none."),
        ("averaged:draws=0", "Expected draws from 1 to 1,000,000; got 0."),
        ("transfer:mode=all", "Unknown mode 'all' of transfer."),
        ("transfer:bounds=0", "Unknown bounds '0' of transfer."),
    ],
)
def test_bad_settings(spec, words):
    with pytest.raises((SettingError, SpecError)) as caught:
        attacks.build(spec)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_an_attack_that_no_spec_can_say_is_refused():
    class Local(PGD):
        """No import path leads to it."""

    with pytest.raises(SettingError, match="Expected attack that can be written as a spec"):
        Restarts(attack=Local(steps=3))


def test_a_transfer_crafts_on_the_other_model_and_is_judged_on_the_model(path, known, small, images):
    model, x, y = known
    itself = Transfer(source=path / "a.h5", attack=PGD(steps=5))
    # On its own file an attack finds what it finds on the model.
    assert np.allclose(itself(model, x, y, ball=BALL), PGD(steps=5)(model, x, y, ball=BALL), atol=1e-6)
    x, y = images
    there = classifier(load(path / "a.h5"))
    shown = np.asarray(PGD(steps=5)(there, x, y, ball=BALL))
    found = attack_all(itself, small, x, y, ball=BALL)
    assert np.array_equal(found.reached, small.predict(shown).argmax(axis=1) != y)
    assert np.array_equal(found.reached, small.predict(found.x).argmax(axis=1) != y)
    assert (found.gradients == 5).all()


def test_several_sources_are_a_mean_or_come_in_turn(path, known):
    model, x, y = known
    text = f"{path / 'a.h5'};{path / 'b.h5'}"
    apart = [Transfer(source=path / f"{name}.h5", attack="pgd:steps=3") for name in "ab"]
    each = Transfer(source=text, attack="pgd:steps=3", mode="each")
    assert list(each.rounds(4)) == [(attacks.build(f"{one},mode=each"), 1) for one in apart]
    assert np.array_equal(reached(each, model, x, y), np.any([reached(one, model, x, y) for one in apart], axis=0))
    # The mean of the logits of two linear models is a linear model.
    mean = dense(1)
    mean.set_weights(
        [(one + other) / 2 for one, other in zip(dense(1).get_weights(), dense(2).get_weights(), strict=True)]
    )
    save(mean, path / "mean.h5")
    found, wanted = (
        Transfer(source=source, attack="fgsm", target="next")(model, x, y, ball=BALL)
        for source in (text, path / "mean.h5")
    )
    assert np.mean(np.abs(np.asarray(found) - np.asarray(wanted)) > 1e-5) < 0.01


def test_a_source_sees_images_in_its_own_range(path, known):
    model, x, y = known
    wide = dense(1, (8, 8, 1), 4, keras.layers.Rescaling(1 / 255))
    save(wide, path / "wide.h5")
    plain, scaled = (Transfer(source=path / f"{name}.h5", attack="pgd:steps=3") for name in ("a", "wide"))
    assert np.allclose(plain(model, x, y, ball=BALL), scaled(model, x, y, ball=BALL), atol=1e-5)
    same = Transfer(source=path / "wide.h5", attack="pgd:steps=3", bounds="same").surrogate(model)
    assert np.allclose(same(x), wide(x), atol=1e-6) and same.bounds == (0.0, 1.0)


def test_sources_are_loaded_once_and_again_when_they_change(path, known):
    model, x, y = known
    attack = Transfer(source=path / "b.h5", attack="fgsm")
    before = np.asarray(attack(model, x, y, ball=BALL))
    first = sources.source(str(path / "b.h5"))
    assert attack.sources(model) == (first,)
    save(dense(3), path / "b.h5")
    os.utime(path / "b.h5", ns=(1, 1))
    assert sources.source(str(path / "b.h5")) is not first
    assert not np.array_equal(before, np.asarray(attack(model, x, y, ball=BALL)))


def test_a_source_that_does_not_fit_is_one_line(path, known):
    model, x, y = known
    save(dense(1, (8, 8, 3)), path / "color.h5")
    for source, words in (
        ("", "Expected another model to craft on; got none: transfer:source=OTHER.h5."),
        (path / "color.h5", r"Expected a source for inputs \(8, 8, 1\) and 4 classes, as the model; got .*color.h5"),
        (path / "none.h5", "Expected a model to craft on at .*none.h5; got: No such file"),
    ):
        with pytest.raises((ModelError, SettingError), match=words):
            Transfer(source=source)(model, x, y, ball=BALL)
    with pytest.raises(SettingError, match="Expected one of the norms"):
        Transfer(source=path / "a.h5")(model, x, y, ball=balls.get("l0", 3))


def test_the_mean_over_draws_is_climbed_and_the_models_own_draws_judge():
    inner = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dropout(0.5), keras.layers.Dense(4)]
    )
    inner.layers[-1].set_weights(dense(1).layers[-1].get_weights())
    model = classifier(wrap(inner, ["mc-dropout"]), draws=2)
    x = np.random.default_rng(0).uniform(size=(8, 8, 8, 1)).astype("float32")
    y = model.predict(x).argmax(axis=1).astype("int32")
    attack = Averaged(attack=PGD(steps=2, keep="last"), draws=3)
    found = attack.run(model, x, y, ball=balls.get("linf", 0.02))
    there = np.asarray(PGD(steps=2, keep="last").run(model.taking(draws=3), x, y, ball=balls.get("linf", 0.02)).x)
    moved = np.any(np.asarray(found.x) != x, axis=(1, 2, 3))
    assert moved.any() and np.allclose(np.asarray(found.x)[moved], there[moved], atol=1e-6)
    assert np.allclose(found.logits, model.predict(np.asarray(found.x)), atol=1e-5)
