"""`turtlenet attack`: the examples that it keeps."""

import json

import numpy as np
import pytest

from tests.cli.conftest import listing


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.1), ("l2", 0.5), ("l1", 3.0)])
def test_examples_lie_in_the_ball_and_the_bounds(norm, eps, shelf, cli, away):
    args = ("attack", shelf / "good.h5", "--data", shelf / "data.npz", "--attack", "pgd:steps=5")
    result = cli(*args, "--norm", norm, "--eps", eps, "--out", "kept.npz")
    assert (result.code, result.err, set(listing(away))) == (0, "", {"kept.npz"})
    kept = arrays_of(away / "kept.npz")
    moved = (kept["x_adversarial"] - kept["x"]).reshape(60, -1)
    length = np.linalg.norm(moved, {"linf": np.inf, "l2": 2, "l1": 1}[norm], axis=1)
    assert 0.5 * eps < length.max() <= eps * (1 + 1e-5)
    assert kept["x_adversarial"].dtype == np.float32
    assert 0 <= kept["x_adversarial"].min() <= kept["x_adversarial"].max() <= 1


def arrays_of(path):
    """The arrays of an archive, of which no file stays open."""
    with np.load(path) as file:
        return dict(file)


def test_what_is_kept_is_what_the_model_answers(shelf, cli, away):
    import keras

    cli(
        "attack", shelf / "good.h5", "--data", shelf / "data.npz", "--attack", "pgd", "--eps", 0.2, "--out", "kept.npz"
    )
    kept, data = arrays_of(away / "kept.npz"), arrays_of(shelf / "data.npz")
    np.testing.assert_array_equal(kept["x"], data["x_test"])
    np.testing.assert_array_equal(kept["y"], data["y_test"])
    answers = keras.saving.load_model(shelf / "good.h5").predict(kept["x_adversarial"], verbose=0).argmax(axis=1)
    np.testing.assert_array_equal(answers, kept["prediction"])
    np.testing.assert_array_equal(answers != kept["y"], kept["reached"])
    assert kept["reached"].any()


def test_a_target_is_what_the_model_shall_answer(shelf, cli, away):
    args = ("attack", shelf / "good.h5", "--data", shelf / "data.npz", "--eps", 0.5, "--out", "kept.npz")
    result = cli(*args, "--target", 2, "--attack", "pgd:steps=20")
    kept = arrays_of(away / "kept.npz")
    np.testing.assert_array_equal(kept["reached"], kept["prediction"] == 2)
    assert (kept["y"] != 2).all() and "images of class 2, the target" in result.out
    assert kept["reached"].mean() > 0.5
    assert f"goal reached on {kept['reached'].mean():.3f}" in result.out


def test_a_target_beside_one_of_the_attack_is_refused(shelf, cli, away):
    args = ("attack", shelf / "good.h5", "--data", shelf / "data.npz", "--limit", 4, "--out", "kept.npz")
    for attack in ("pgd:target=2", "pgd:target=least_likely"):
        result = cli(*args, "--target", 1, "--attack", attack)
        assert result.code == 2 and "Expected one target; got 1 (--target) and " in result.err
        assert result.err.count("\n") == 1 and not listing(away)


def test_a_seed_repeats_and_the_batch_size_changes_nothing(shelf, cli, away):
    args = ("attack", shelf / "good.h5", "--data", shelf / "data.npz", "--attack", "noise", "--eps", 0.1)
    for name, more in (("a", ()), ("b", ("--batch-size", 7)), ("c", ("--seed", 1))):
        cli(*args, *more, "--out", f"{name}.npz")
    first, second, third = (arrays_of(away / f"{name}.npz")["x_adversarial"] for name in "abc")
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, third)


def test_limit_takes_the_first_images(shelf, cli, away):
    args = ("attack", shelf / "good.h5", "--data", shelf / "data.npz", "--attack", "fgsm", "--out", "kept.npz")
    for limit, count in ((5, 5), (0, 60)):
        assert f"{count} images" in cli(*args, "--limit", limit).out
        assert len(arrays_of(away / "kept.npz")["y"]) == count


def test_an_interrupt_writes_nothing(shelf, cli, away, monkeypatch):
    def interrupt(*args, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr("turtlenet.workflows.attack.attack_all", interrupt)
    args = ("attack", shelf / "good.h5", "--data", shelf / "data.npz", "--out", "kept.npz")
    result = cli(*args)
    assert (result.code, result.out) == (130, "")
    assert result.err == "turtlenet: interrupted; nothing was written.\n"
    assert listing(away) == {}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_examples_are_tables_too(suffix, shelf, cli, away):
    pandas = pytest.importorskip("pandas")
    args = ("attack", shelf / "good.h5", "--data", shelf / "data.npz", "--attack", "noise", "--eps", 0.1, "--limit", 8)
    assert cli(*args, "--out", "kept.npz").code == 0
    result = cli(*args, "--out", f"kept{suffix}", "--json")
    assert (result.code, json.loads(result.out)["count"]) == (0, 8)
    kept = arrays_of(away / "kept.npz")
    read = {".csv": pandas.read_csv, ".parquet": pandas.read_parquet}[suffix](away / f"kept{suffix}")
    np.testing.assert_array_equal(read.label, kept["y"])
    np.testing.assert_array_equal(read.prediction, kept["prediction"])
    np.testing.assert_array_equal(read.reached, kept["reached"])
    moved = np.abs(kept["x_adversarial"] - kept["x"]).reshape(8, -1).max(axis=1)
    np.testing.assert_allclose(read.linf, moved, rtol=1e-6)
    whole = np.stack(read.x_adversarial) if suffix == ".parquet" else read[[f"x_adversarial.{n}" for n in range(64)]]
    np.testing.assert_allclose(whole, kept["x_adversarial"].reshape(8, -1), rtol=1e-6)
