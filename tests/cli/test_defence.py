"""`turtlenet defence`: a front's file and report, its use as a defence, and one line on bad input."""

import keras
import numpy as np
import pytest

from tests.cli.conftest import listing
from tests.gan.conftest import drawn, network
from turtlenet import models
from turtlenet.training.fronts.report import FrontReport

FEW = ("--eps", "0.3", "--epochs", "2", "--batch-size", "16", "--learning-rate", "0.01", "--width", "4")


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    """A model and its data."""
    folder = tmp_path_factory.mktemp("box")
    models.save(network(), folder / "quarters.h5")
    parts = {"train": drawn(96, 0), "test": drawn(48, 1)}
    arrays = {f"{kind}_{name}": part for name, both in parts.items() for kind, part in zip("xy", both, strict=True)}
    np.savez(folder / "data.npz", **arrays)
    (folder / "table.csv").write_text("a,b,label\n0,1,0\n1,0,1\n")
    return folder


def test_train_writes_a_front_that_stands_in_a_model(box, cli, away) -> None:
    given = ("--data", box / "data.npz")
    made = cli("defence", "train", "magnet", box / "quarters.h5", *given, *FEW, "--out", "f.h5", "--report", "r")
    assert (made.code, made.err) == (0, ""), made.err
    assert {*listing(away)} >= {"f.h5", "r/report.html", "r/report.json", "r/report.md"} and len(listing(away)) < 7
    report = FrontReport.from_json((away / "r" / "report.json").read_text())
    assert len(report.epochs) == 2 and report.data["count"] == 48 and report.defence == "magnet:front=f.h5"
    clean, either = report.rows[2].accuracy, report.rows[-1].accuracy
    assert either <= min(row.accuracy for row in report.rows[2:5]) <= clean
    assert "few-images" in {doubt.code for doubt in report.doubts}
    assert "behind the front, attacked through it" in (away / "r" / "report.md").read_text()
    assert "turtlenet wrap" in made.out and "--defence magnet:front=f.h5" in made.out
    wrapped = cli("wrap", box / "quarters.h5", "--defence", "magnet:front=f.h5", "--out", "w.h5")
    assert wrapped.code == 0 and "magnet:front=f.h5, then quarters.h5" in wrapped.out, wrapped.err
    (away / "f.h5").unlink()
    loaded = keras.saving.load_model(away / "w.h5", compile=False)
    assert np.isfinite(loaded.predict(drawn(4, 2)[0], verbose=0)).all()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (("magnett", "MODEL"), "Unknown trained front 'magnett'. Did you mean 'magnet'?"),
        (("magnet", "nowhere.h5"), "nowhere.h5"),
        (("magnet", "MODEL", "--data", "TABLE"), "table"),
        (("magnet", "MODEL", "--data", "DATA", "--noise", "-1"), "Expected noise >= 0; got -1.0."),
        (
            ("magnet", "MODEL", "--data", "DATA", "--out", "f.keras"),
            "Expected --out with the suffix .h5; got 'f.keras'.",
        ),
        (("magnet", "MODEL", "--data", "DATA", "--out", "MODEL"), "Expected --out to be another file than"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(line, words, box, cli, away) -> None:
    places = {"MODEL": box / "quarters.h5", "DATA": box / "data.npz", "TABLE": box / "table.csv"}
    given = [places.get(word, word) for word in line]
    more = () if "--out" in line else ("--out", "f.h5")
    result = cli("defence", "train", *given, *more)
    assert result.code == 2 and words in result.err and result.err.count("\n") == 1, result.err
    assert not listing(away)


def test_show_wants_a_front(box, cli, away) -> None:
    result = cli("defence", "show", "gaussian-noise", box / "quarters.h5", "--data", box / "data.npz")
    assert result.code == 2 and "Expected a trained front, such as magnet:front=FRONT.h5" in result.err
