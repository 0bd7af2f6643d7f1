"""`turtlenet universal`: the perturbation, what is said of it, and the one line on bad input."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import turtlenet as tn
from tests.cli.conftest import listing
from turtlenet import attacks, balls
from turtlenet.attacks.run.runner import attack_all


@pytest.fixture
def good(shelf: Path) -> tuple[Any, ...]:
    return ("universal", shelf / "good.h5", "--data", shelf / "data.npz")


@pytest.mark.parametrize(("norm", "eps"), [("linf", "0.3"), ("l2", "1.5")])
def test_it_is_kept_with_what_it_does_to_images_it_was_not_fitted_on(norm, eps, good, shelf, cli, away):
    result = cli(*good, "--norm", norm, "--eps", eps, "--epochs", "20", "--batch-size", "32", "--out", "delta.npy")
    assert (result.code, result.err, set(listing(away))) == (0, "", {"delta.npy"})
    delta, data = np.load(away / "delta.npy"), np.load(shelf / "data.npz")
    assert delta.shape == (8, 8, 1) and delta.dtype == np.float32
    assert np.linalg.norm(delta.ravel(), {"linf": np.inf, "l2": 2}[norm]) <= float(eps) * (1 + 1e-6)
    # Of all that is said, nothing is of the training part.
    victim, x, y = tn.as_classifier(tn.load_model(shelf / "good.h5")), data["x_test"], data["y_test"].astype("int32")
    right, still = (
        victim.predict(np.clip(each, 0, 1).astype("float32")).argmax(axis=1) == y for each in (x, x + delta)
    )
    fooled = 1 - (right & still).sum() / right.sum()
    assert fooled > 0.2
    assert f"60 test images, accuracy {right.mean():.3f} without it and {(right & still).mean():.3f} with it" in (
        result.out
    )
    assert f": {fooled:.3f} of the right answers fooled\n" in result.out
    # And what is said to be the way to use it finds the same.
    assert f" --data {shelf / 'data.npz'} --split test " in result.out
    assert f"--attack universal:file=delta.npy --norm {norm} --eps {eps}\n" in result.out
    found = attack_all(attacks.build("universal:file=delta.npy"), victim, x, y, ball=balls.get(norm, float(eps)))
    assert (~found.reached).mean() == pytest.approx((right & still).mean())


def test_a_seed_repeats_and_python_gives_the_same(good, shelf, cli, away):
    few = ("--eps", "0.2", "--epochs", "2", "--limit", "50")
    for name, more in (("a", ()), ("b", ()), ("c", ("--seed", "1"))):
        assert cli(*good, *few, *more, "--out", f"{name}.npy").code == 0
    first, second, third = (np.load(away / f"{name}.npy") for name in "abc")
    assert np.array_equal(first, second) and not np.array_equal(first, third)
    called = tn.universal(shelf / "good.h5", shelf / "data.npz", eps=0.2, epochs=2, limit=50)
    assert np.array_equal(called.delta, first) and called.count == 50


def test_of_arrays_a_sixth_is_kept_for_trying(shelf):
    data = np.load(shelf / "data.npz")
    found = tn.universal(shelf / "good.h5", (data["x_train"], data["y_train"]), eps=0.2, epochs=1)
    assert found.count == len(data["x_train"]) // 6 and 0 <= found.accuracy <= found.clean_accuracy <= 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--out delta.npz", "Expected --out with the suffix .npy; got 'delta.npz'."),
        ("--out no/delta.npy", "Expected a folder to write delta.npy in; there is no folder no."),
        ("", "Missing option '--out'."),
        ("--out a.npy --epochs 0", "Expected epochs from 1 to 1,000,000; got 0."),
        ("--out a.npy --batch-size 0", "Expected batch_size from 1 to 1,000,000; got 0."),
        ("--out a.npy --step-size 0", "Expected step_size > 0; got 0.0."),
        ("--out a.npy --eps -1", "Expected eps >= 0, a finite radius in input units; got -1."),
        ("--out a.npy --norm l3", "Unknown norm 'l3'."),
        ("--out a.npy --seed -1", "Expected seed >= 0; got -1."),
        ("--out a.npy --data {shelf}/nan.npz", "Expected finite pixels; got nan in image 3"),
        ("--out a.npy --data {shelf}/empty.npz", "Expected "),
        ("--out a.npy --data {shelf}/test-only.npz", "Expected training and test data in"),
    ],
)
def test_bad_input_gets_one_line_and_writes_nothing(options, words, good, shelf, cli, away):
    result = cli(*good, *options.format(shelf=shelf).split())
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("turtlenet: ") and words in result.err and result.err.count("\n") == 1
    assert listing(away) == {}


def test_an_interrupt_writes_nothing(good, cli, away, monkeypatch):
    def interrupt(*args, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr("turtlenet.attacks.fit_universal", interrupt)
    result = cli(*good, "--out", "delta.npy")
    assert (result.code, result.out, result.err) == (130, "", "turtlenet: interrupted; nothing was written.\n")
    assert listing(away) == {}
