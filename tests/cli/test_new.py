"""`turtlenet new`: fresh weights by a name."""

import numpy as np
import pytest

from turtlenet.models import load


def test_a_seed_may_be_larger_than_keras_takes(cli, tmp_path) -> None:
    said = cli("new", "wong-mnist", "--seed", str(2**32 + 5), "--out", tmp_path / "a.h5")
    assert said.code == 0 and str(2**32 + 5) in said.out


def test_a_seed_repeats_the_weights(cli, tmp_path) -> None:
    paths = [tmp_path / f"{number}.h5" for number in range(3)]
    for path, seed in zip(paths, (0, 0, 1), strict=True):
        said = cli("new", "wong-mnist", "--shape", "12,12,1", "--classes", "4", "--seed", str(seed), "--out", path)
        assert said.code == 0 and "fresh weights, seed" in said.out
    first, again, other = (load(path).get_weights() for path in paths)
    assert load(paths[0]).output_shape == (None, 4)
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["wong-mnits"], "Did you mean 'wong-mnist'?"),
        (
            ["wong-mnist", "--shape", "28,28"],
            "Expected an input shape (height, width, channels) for 'wong-mnist'; got (28, 28).",
        ),
        (["wong-mnist", "--classes", "1"], "classes"),
        (["mlp", "--shape", "99999999999"], "Expected inputs of at most 4,194,304 values for 'mlp'; got 99999999999."),
        (["lenet", "--shape", "100000,100000,3"], "values for 'lenet'; got 100000x100000x3."),
        (["wong-mnist", "--seed", "-1"], "Expected seed >= 0; got -1."),
        (["wong-mnist", "--out", "nowhere/x.h5"], "nowhere"),
    ],
)
def test_bad_input(cli, tmp_path, monkeypatch, args, words) -> None:
    monkeypatch.chdir(tmp_path)
    said = cli("new", *args)
    assert said.code == 2 and words in said.err and said.err.count("\n") == 1
    assert not list(tmp_path.iterdir())
