"""A table on the command line: its label by name, its features in their own units."""

import keras
import numpy as np
import pandas
import pytest

import turtlenet as tn
from turtlenet.data.parts import remember
from turtlenet.errors import DataError
from turtlenet.models import defences_of, load
from turtlenet.settings.train import TrainSettings
from turtlenet.workflows.train import _set_up

ROWS = 60


@pytest.fixture(scope="module")
def credit(tmp_path_factory):
    """A table of two features in units far apart, and a model that was trained on them standardised."""
    folder = tmp_path_factory.mktemp("credit")
    x = np.random.default_rng(0).normal(size=(ROWS, 2)) * [10, 5000] + [40, 30000]
    frame = pandas.DataFrame(x.round(4), columns=["age", "income"])
    frame["verdict"] = np.where(x[:, 1] > 30000, "good", "bad")
    frame.to_csv(folder / "credit.csv", index=False)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, activation="softmax")])
    model.layers[0].set_weights([np.array([[0, 0], [-4, 4]], "float32"), np.zeros(2, "float32")])
    model.save(folder / "model.h5")
    return folder


def test_features_keep_their_units_behind_what_standardises_them(cli, credit, tmp_path) -> None:
    data = ("--data", credit / "credit.csv", "--label", "verdict")
    said = cli("wrap", credit / "model.h5", "--normalize", "data", *data, "--out", tmp_path / "wrapped.h5")
    assert said.code == 0 and said.out.endswith("normalization, then model.h5; plain Keras loads it\n"), said.err
    frame = pandas.read_csv(credit / "credit.csv")
    answers = np.asarray(load(tmp_path / "wrapped.h5")(frame[["age", "income"]].to_numpy("float32"))).argmax(axis=1)
    assert (np.array(["bad", "good"])[answers] == frame["verdict"]).mean() > 0.9
    out = tmp_path / "a.npz"
    said = cli("attack", tmp_path / "wrapped.h5", *data, "--attack", "fgsm", "--eps", "0.5,2000", "--out", out)
    assert said.code == 0 and f"saved {out}: {ROWS} rows" in said.out, said.err
    with np.load(out) as found:
        assert found["features"].tolist() == ["age", "income"] and found["classes"].tolist() == ["bad", "good"]
        moved = np.abs(found["x_adversarial"].astype("float64") - found["x"])
        assert moved[:, 0].max() <= 0.5 * (1 + 1e-6) and 1000 < moved[:, 1].max() <= 2000 * (1 + 1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "Expected the column of the label by its name (--label COLUMN) in"),
        (("--label", "verdct"), "Expected a column 'verdct' in"),
        (("--label", "verdict", "--drop", "age"), "Expected 2 features for this model in"),
        (("--label", "verdict", "--classes", "good,fair"), "Expected labels of good, fair; got 'bad' at example"),
        (("--label", "verdict", "--classes", "good,good"), "Expected different names with commas between them"),
        (("--label", "verdict", "--normalize", "imagnet"), "Did you mean 'imagenet'?"),
    ],
)
def test_what_does_not_fit_is_one_line(options, words, cli, credit, tmp_path) -> None:
    said = cli("attack", credit / "model.h5", "--data", credit / "credit.csv", *options, "--out", tmp_path / "a.npz")
    assert said.code == 2 and words in said.err and said.err.count("\n") == 1
    assert not (tmp_path / "a.npz").exists()


@pytest.mark.parametrize("bounds", [None, (-100.0, 1e5)])
def test_a_defence_in_front_of_a_table_has_the_bounds_of_the_data(bounds, credit) -> None:
    plan = TrainSettings(label="verdict", defences=["constant-quantization:levels=4"], bounds=bounds)
    setup = _set_up(credit / "model.h5", credit / "credit.csv", plan)
    (shield,) = defences_of(setup.hardened)
    assert (shield.low, shield.high) == setup.victim.bounds
    assert shield.high == 1e5 if bounds else 30000 < shield.high < 1e5


def test_a_table_is_certified_by_the_names_of_its_columns(cli, credit, away) -> None:
    limits = ("--bounds", "-1000,100000", "--eps", "0.5")
    data = ("--data", credit / "credit.csv", "--label", "verdict")
    said = cli("certify", credit / "model.h5", *data, *limits, "--method", "ibp", "--attack", "none")
    assert said.code == 0 and "certified" in said.out, said.err


@pytest.mark.parametrize(
    ("place", "workflow"),
    [("workflows.universal", tn.universal), ("gan.train", tn.train_generator), ("workflows.certify", tn.certify)],
)
def test_what_a_model_was_trained_on_says_how_a_table_is_read(place, workflow, monkeypatch) -> None:
    model = keras.Sequential([keras.Input((784,)), keras.layers.Dense(2, activation="softmax")])
    remember(model, [{"features": ["age", "income"], "classes": ["bad", "good"]}])

    def seen(data, victim, *, how):
        raise DataError(f"{how.names} {how.classes}")

    monkeypatch.setattr(f"turtlenet.{place}.load_data", seen)
    with pytest.raises(DataError, match=r"\('age', 'income'\) \('bad', 'good'\)"):
        workflow(model, "credit.csv")
