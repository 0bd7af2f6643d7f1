"""A table on the command line: its label by name, its features in their own units."""

import keras
import numpy as np
import pandas
import pytest

import turtlenet as tn
from turtlenet.attacks.features.memory import remember_features
from turtlenet.data.parts import remember
from turtlenet.errors import DataError, ModelError, SettingError
from turtlenet.models import defences_of, load
from turtlenet.settings.train import TrainSettings
from turtlenet.training.run.setup import set_up

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


def ends_of(model: keras.Model) -> tuple[np.ndarray, np.ndarray]:
    """The bounds of each feature, in units of which the first defence of a model sees it."""
    scale = next(layer for layer in model.layers if isinstance(layer, keras.layers.Normalization))
    low = np.ravel(scale.mean)
    return low, low + np.sqrt(np.ravel(scale.variance))


@pytest.mark.parametrize("bounds", [None, (-100.0, 1e5)])
def test_a_defence_in_front_of_a_table_has_the_bounds_of_the_data(bounds, credit) -> None:
    options = TrainSettings(label="verdict", defences=["constant-quantization:levels=4"], bounds=bounds)
    setup = set_up(credit / "model.h5", credit / "credit.csv", options)
    (shield,) = defences_of(setup.hardened)
    if bounds:
        assert (shield.low, shield.high) == setup.victim.bounds == bounds
        return
    low, high = ends_of(setup.hardened)
    assert (shield.low, shield.high) == (0, 1)
    assert (low.min(), high.max()) == pytest.approx(setup.victim.bounds) and 30000 < high.max() < 1e5


def test_a_table_is_certified_by_the_names_of_its_columns(cli, credit, away) -> None:
    limits = ("--bounds", "-1000,100000", "--eps", "0.5")
    data = ("--data", credit / "credit.csv", "--label", "verdict")
    said = cli("certify", credit / "model.h5", *data, *limits, "--method", "ibp", "--attack", "none")
    assert said.code == 0 and "certified" in said.out, said.err


@pytest.mark.parametrize(
    ("place", "workflow"),
    [("workflows.universal", tn.universal), ("data.prepare", tn.train_generator), ("data.prepare", tn.certify)],
)
def test_what_a_model_was_trained_on_says_how_a_table_is_read(place, workflow, monkeypatch) -> None:
    model = keras.Sequential([keras.Input((784,)), keras.layers.Dense(2, activation="softmax")])
    remember(model, [{"features": ["age", "income"], "classes": ["bad", "good"]}])

    def seen(data, victim, *, how):
        raise DataError(f"{how.names} {how.classes}")

    monkeypatch.setattr(f"turtlenet.{place}.load_data", seen)
    with pytest.raises(DataError, match=r"\('age', 'income'\) \('bad', 'good'\)"):
        workflow(model, "credit.csv")


def test_a_defence_finds_the_bounds_of_a_table_by_itself(cli, credit, tmp_path) -> None:
    data = ("--data", credit / "credit.csv", "--label", "verdict")
    shield = ("--defence", "constant-quantization:levels=4")
    said = cli("wrap", credit / "model.h5", *shield, *data, "--out", tmp_path / "w.h5")
    assert said.code == 0, said.err
    made = load(tmp_path / "w.h5")
    (shield,) = defences_of(made)
    assert (shield.low, shield.high) == (0, 1)
    frame = pandas.read_csv(credit / "credit.csv")
    # A twentieth of the range of the ages is the margin.
    low, high = ends_of(made)
    assert low[0] == pytest.approx(frame["age"].min() - 0.05 * np.ptp(frame["age"]), rel=0.05)
    assert frame["income"].max() <= high[1] < frame["income"].max() * 1.1
    # What the file of a model says comes first, and needs no data.
    model = load(credit / "model.h5")
    remember_features(model, KNOWN)
    assert np.allclose(ends_of(tn.wrap(model, "constant-quantization:levels=4")), [[0, 0], [100, 1e5]])


KNOWN = {"norm": "linf", "names": ["age", "income"], "low": [0, 0], "high": [100, 1e5], "eps": [1, 500]}
KNOWN |= {"constraints": [], "types": [], "groups": []}


@pytest.mark.parametrize(
    ("workflow", "more"),
    [(tn.tolerance, {}), (tn.fit_detector, {}), (tn.train_generator, {}), (tn.certify, {"method": "ibp"})],
)
def test_what_wants_one_radius_takes_notice_of_those_in_a_file(workflow, more, credit, monkeypatch) -> None:
    monkeypatch.setattr("turtlenet.detection.base.check_stochastic", lambda victim: None)
    model = load(credit / "model.h5")
    remember_features(model, KNOWN)
    with pytest.raises(SettingError, match="Expected one radius and bounds for all features, and no rules, "):
        workflow(model, credit / "credit.csv", label="verdict", **more)
    # A user who gives both has said otherwise: what is missed now is something else.

    def reached(*_, **__):
        raise DataError("it went on")

    for place in ("workflows.detect", "data.prepare"):
        monkeypatch.setattr(f"turtlenet.{place}.load_data", reached)
    # No generator is made for two columns, which is said before.
    with pytest.raises((DataError, ModelError)) as caught:
        workflow(model, credit / "credit.csv", label="verdict", bounds=(0.0, 1e5), eps=1.0, **more)
    assert "one radius" not in str(caught.value)


def test_a_universal_perturbation_moves_each_column_by_its_own_radius(cli, credit, tmp_path, away) -> None:
    data = ("--data", credit / "credit.csv", "--label", "verdict", "--epochs", "2")
    said = cli("universal", credit / "model.h5", *data, "--eps", "0.5,2000", "--out", tmp_path / "u.npy")
    assert said.code == 0 and "each feature's own eps" in said.out and " --eps 0.5,2000 " in said.out, said.err
    moved = np.abs(np.load(tmp_path / "u.npy"))
    assert (moved <= np.array([0.5, 2000]) * (1 + 1e-6)).all() and moved[1] > 200
    said = cli("universal", credit / "model.h5", *data, "--eps", "0.5,2000,1", "--out", tmp_path / "v.npy")
    assert said.code == 2 and said.err.count("\n") == 1 and not (tmp_path / "v.npy").exists()
