"""A table from the command line: trained, evaluated and attacked with a file of features, which the model keeps."""

import csv
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

import turtlenet as tn
from turtlenet import models
from turtlenet.errors import SettingError

pytestmark = pytest.mark.xdist_group("features command")


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Breast cancer of scikit-learn: a file of a model, the data, and what is known of the features."""
    folder = tmp_path_factory.mktemp("tables")
    found = load_breast_cancer()
    order = np.random.default_rng(0).permutation(len(found.data))
    x, y = found.data[order].astype("float32"), found.target[order]
    np.savez(folder / "cancer.npz", x_train=x[:400], y_train=y[:400], x_test=x[400:460], y_test=y[400:460])
    network = keras.Sequential([keras.Input((30,)), keras.layers.Normalization(), keras.layers.Dense(2, "softmax")])
    network.layers[0].adapt(x[:400])
    network.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
    network.fit(x[:400], y[:400], batch_size=64, epochs=8, verbose=0)
    models.save(network, folder / "cancer.h5")
    with (folder / "features.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["name", "low", "eps", "movable"])
        words = {"mean radius": "no", "worst area": "up"}
        rows.writerows(
            [name, 0, "" if at % 3 else "2%", words.get(name, "")] for at, name in enumerate(found.feature_names)
        )
    return folder


@pytest.fixture(scope="module")
def hardened(tables: Path) -> Path:
    """The model after a short training under the file of features."""
    from turtlenet.cli import main

    command = f"train {tables}/cancer.h5 --data {tables}/cancer.npz --features {tables}/features.csv --epochs 1"
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--attack", "pgd:steps=2", "--out", f"{tables}/hard.h5", "--validation", "0"])
    assert not ended.value.code
    return tables / "hard.h5"


def test_the_hardened_file_knows_its_features_and_evaluation_takes_them(cli, tables, hardened, away) -> None:
    told = models.read_provenance(hardened)["features"]
    assert told["names"][0] == "mean radius" and [rule["name"] for rule in told["constraints"]] == ["fixed", "grow"]
    found = cli(
        "evaluate", hardened, "--data", tables / "cancer.npz", "--attack", "pgd:steps=2", "--curve", 0, "--report", "r"
    )
    assert found.code == 0, found.err
    report = json.loads((away / "r" / "report.json").read_text())
    assert report["threat"]["features"]["eps"] == told["eps"] and report["threat"]["eps"] == 1.0
    assert report["threat"]["unit"] == "each feature's own eps" and report["threat"]["eps_from"].endswith("training")
    assert 0 < report["attacks"][0]["linf_max"] <= 1.0 and report["attacks"][0]["psnr_mean"] is None
    assert "in units of each feature's own eps" in found.out.replace("\n    ", " ")
    assert "--eps" not in (away / "r" / "report.md").read_text().partition("turtlenet evaluate")[2]


def test_what_attack_keeps_lies_within_what_the_file_says(cli, tables, hardened, away) -> None:
    found = cli("attack", hardened, "--data", tables / "cancer.npz", "--attack", "pgd:steps=2", "--out", "a.npz")
    assert found.code == 0, found.err
    arrays, told = np.load(away / "a.npz"), models.read_provenance(hardened)["features"]
    x, moved = (arrays[name].astype("float64") for name in ("x", "x_adversarial"))
    assert (np.abs(moved - x) <= told["eps"]).all() and (moved != x).any()
    assert np.array_equal(moved[:, 0], x[:, 0]) and (moved[:, 23] >= x[:, 23]).all()
    assert ((moved >= told["low"]) & (moved <= told["high"]) | (moved == x)).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--features nothere.csv", "Expected a file of features at nothere.csv; got: No such file or directory."),
        (
            "--movable 30",
            "Unknown feature '30' in movable. There are 30: mean radius, mean texture, mean perimeter, ...",
        ),
        ("--movable ;", "got a mask that allows none"),
        ("--eps 0.1,0.2", "Expected eps as one number, or as numbers that broadcast to 30; got shape (2,)."),
        ("--eps 0.1,-1", "Invalid value for '--eps': Expected eps >= 0"),
        ("--bounds 0,1", "Expected mean radius within [0, 1]; got "),
        (
            "--bounds 5,1;2,3",
            "Expected the low bounds as one number, or as numbers that broadcast to 30; got shape",
        ),
        (
            "--constraint integer:features=3",
            "Expected data that keep constraint integer:features=(3); got mean area = ",
        ),
        ("--constraint intger", "Unknown constraint 'intger'. Did you mean 'integer'?"),
        ("--quantize-pixels", "Expected one radius and bounds for all features for pixels of 8 bits"),
        ("--perceptibility 5", "Expected one radius and bounds for all features to search"),
    ],
)
def test_bad_input_is_one_line(options, words, cli, tables, hardened, away) -> None:
    found = cli("evaluate", hardened, "--data", tables / "cancer.npz", "--attack", "fgsm", *options.split())
    assert found.code == 2 and words in found.err and len(found.err.strip().splitlines()) == 1


@pytest.mark.parametrize("options", [(), ("--eps", "0.1,0.2")])
def test_certify_refuses_radii_and_rules_of_features(options, cli, tables, hardened) -> None:
    found = cli("certify", hardened, "--data", tables / "cancer.npz", "--method", "ibp", *options)
    assert found.code == 2 and len(found.err.strip().splitlines()) == 1
    words = "numbers that broadcast to 30" if options else "one radius and bounds for all features, and no rules, to"
    assert words in found.err


def test_the_report_of_a_training_has_its_rules(cli, tables, away, monkeypatch) -> None:
    asked = []
    monkeypatch.setattr("turtlenet.workflows.evaluate.evaluate", lambda models, **how: asked.append(how))
    monkeypatch.setattr("turtlenet.cli.train.speaks", lambda: False)
    given = ("--constraint", "grow:features=2", "--movable", "1;2", "--features", tables / "features.csv")
    line = ("train", tables / "cancer.h5", "--data", tables / "cancer.npz", "--epochs", 1, "--attack", "fgsm")
    found = cli(*line, *given, "--validation", 0, "--out", "hard.h5", "--report", "r")
    assert found.code == 0, found.err
    (how,) = asked
    assert [str(each) for each in how["constraints"]] == ["grow:features=2"]
    assert how["movable"] == "1;2" and how["features"] == str(tables / "features.csv")


@pytest.mark.parametrize("verb", ["evaluate", "attack"])
def test_a_classifier_keeps_its_own_bounds(verb, tables, hardened) -> None:
    told = models.read_provenance(hardened)["features"]
    known = tn.as_classifier(tn.load_model(hardened), bounds=(0.0, 1e5))
    arrays = np.load(tables / "cancer.npz")
    x, y = arrays["x_test"][:8], arrays["y_test"][:8]
    if verb == "attack":
        moved = tn.attack(known, x, y, "fgsm")
        assert (np.abs(moved.astype("float64") - x) <= told["eps"]).all() and (moved != x).any()
    else:
        report = tn.evaluate(known, (x, y), attacks=["fgsm"], curve=0)
        assert report.threat["features"]["eps"] == told["eps"]


def test_levels_are_searched_where_one_radius_is_all(tables) -> None:
    arrays = np.load(tables / "cancer.npz")
    wide = {"bounds": (0.0, 1e4), "curve": 0, "suite": "adaptive", "limit": 2, "eps": 0.1}
    shield = tn.wrap(tables / "cancer.h5", "constant-quantization:levels=4", bounds=wide["bounds"])
    taken = {}

    def stop(job, *_, **how):
        raise SettingError(",".join(job.specs))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("turtlenet.evaluation.jobs.Job.run", stop)
        for name, more in (("plain", {}), ("ruled", {"movable": "1"})):
            with pytest.raises(SettingError) as ended:
                tn.evaluate(shield, (arrays["x_test"], arrays["y_test"]), **wide, **more)
            taken[name] = str(ended.value)
    assert "quantizer-pgd" in taken["plain"] and "quantizer-pgd" not in taken["ruled"]
