"""One perturbation for all images."""

import keras
import numpy as np
import pytest

from turtlenet import attacks, balls
from turtlenet.attacks.run.runner import attack_all
from turtlenet.classifier import Classifier
from turtlenet.constraints import Integer
from turtlenet.errors import DataError, OutputError, SettingError


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.15), ("l2", 1.0)])
def test_it_fools_more_than_noise_and_keeps_the_radius(norm, eps, small, images, tmp_path) -> None:
    x, y = images
    ball = balls.get(norm, eps)
    delta = attacks.fit_universal(small, x, y, ball=ball, epochs=20, batch_size=6, file=tmp_path / "one.npy")
    assert delta.shape == (8, 8, 1) and delta.dtype == np.float32
    assert np.linalg.norm(delta.ravel(), ord={"linf": np.inf, "l2": 2}[norm]) <= eps * (1 + 1e-6)
    found = attack_all(attacks.build(f"universal:file={tmp_path / 'one.npy'}"), small, x, y, ball=ball)
    moved = np.clip(x + delta, 0, 1)
    assert np.array_equal(found.reached, small.predict(moved).argmax(axis=1) != y)
    assert np.allclose(found.x[found.reached], moved[found.reached], atol=1e-6)
    noise = attack_all(attacks.build("noise:draws=10"), small, x, y, ball=ball)
    assert found.reached.sum() > noise.reached.sum()


def test_a_seed_repeats(small, images) -> None:
    x, y = images
    one, again, other = (
        attacks.fit_universal(small, x, y, ball=balls.get("linf", 0.1), epochs=2, seed=seed) for seed in (0, 0, 1)
    )
    assert np.array_equal(one, again) and not np.array_equal(one, other)


def test_an_example_does_not_depend_on_the_others(small, images, tmp_path) -> None:
    x, y = images
    np.save(tmp_path / "one.npy", np.full((8, 8, 1), 0.1, "float32"))
    attack = attacks.build(f"universal:file={tmp_path / 'one.npy'}")
    whole = attack_all(attack, small, x, y, ball=balls.get("linf", 0.05))
    alone = attack_all(attack, small, x[3:4], y[3:4], ball=balls.get("linf", 0.05))
    assert np.array_equal(whole.x[3:4], alone.x)
    assert np.abs(whole.x - x).max() <= 0.05 + 1e-6


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "Expected a perturbation in"),
        (b"no array", "Expected a perturbation in"),
        (np.zeros((8, 8, 1), "int32"), "Expected finite floats"),
        (np.full((8, 8, 1), np.nan, "float32"), "Expected finite floats"),
        (np.zeros((4, 4, 1), "float32"), "Expected a perturbation of shape (8, 8, 1)"),
    ],
)
def test_bad_files(content, words, small, images, tmp_path) -> None:
    file = tmp_path / "bad.npy"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        np.save(file, content)
    with pytest.raises(DataError) as caught:
        attacks.build(f"universal:file={file}")(small, *images, ball=balls.get("linf", 0.1))
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_bad_settings(small, images, tmp_path) -> None:
    x, y = images
    ball = balls.get("linf", 0.1)
    with pytest.raises(SettingError, match="Expected file="):
        attacks.build("universal")(small, x, y, ball=ball)
    for more in ({"epochs": 0}, {"batch_size": 0}, {"step_size": 0}, {"clip": float("nan")}):
        with pytest.raises(SettingError, match=f"Expected {next(iter(more))}"):
            attacks.fit_universal(small, x, y, ball=ball, **more)
    with pytest.raises(SettingError, match="Expected images"):
        attacks.fit_universal(small, x[:0], y[:0], ball=ball)
    with pytest.raises(OutputError):
        attacks.fit_universal(small, x, y, ball=ball, epochs=1, file=tmp_path / "no" / "one.npy")


def test_a_file_that_changes_is_read_again(small, images, tmp_path) -> None:
    x, y = images
    attack, ball = attacks.build(f"universal:file={tmp_path / 'one.npy'}"), balls.get("linf", 0.3)
    for shift in (0.3, -0.3):
        np.save(tmp_path / "one.npy", np.full((8, 8, 1), shift, "float32"))
        found = np.asarray(attack(small, x, y, ball=ball))
        moved = (found != x).any(axis=(1, 2, 3))
        assert moved.any() and np.allclose(found[moved], np.clip(x[moved] + shift, 0, 1), atol=1e-6)
    assert attack.files == (str(tmp_path / "one.npy"),)


def test_each_feature_moves_by_its_own_radius(tmp_path) -> None:
    draw = np.random.default_rng(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.set_weights([np.array([[-1, 1], [-0.01, 0.01], [-1, 1]], "float32"), np.zeros(2, "float32")])
    x = (draw.normal(size=(40, 3)) * [1, 100, 1]).astype("float32")
    x[:, 2] = 0
    low, high, unit = np.array([-4.0, -400, -1]), np.array([4.0, 400, 1]), np.array([0.5, 50, 0.0])
    whole = balls.Rule(Integer(), (1,))
    x[:, 1] = np.rint(x[:, 1])
    ball = balls.FeatureBall(1.0, -400.0, 400.0, balls.Linf, balls.Space((3,), low, high, unit, (whole,)))
    victim = Classifier(model, bounds=(-400.0, 400.0))
    y = np.ones(40, "int32")
    delta = attacks.fit_universal(victim, x, y, ball=ball, epochs=6, batch_size=8, file=tmp_path / "d.npy")
    # All labels are 1: the way to fool is down in both, each by its own radius; what is held stays.
    np.testing.assert_allclose(delta, [-0.5, -50, 0], rtol=1e-5)
    fitted = attacks.measure_universal(victim, x, y, delta, ball)
    found = attack_all(attacks.build(f"universal:file={tmp_path / 'd.npy'}"), victim, x, y, ball=ball, batch_size=None)
    assert fitted.accuracy < fitted.clean_accuracy and ball.holds(found.x, x).all()
    assert (~found.reached).mean() == pytest.approx(fitted.accuracy)
    assert (found.x[:, 1] == np.rint(found.x[:, 1])).all() and np.array_equal(found.x[:, 2], x[:, 2])
