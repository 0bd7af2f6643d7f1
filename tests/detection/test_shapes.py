"""Detectors that look at something else than the uncertainty: fitted, scored, attacked, kept and reported."""

import json
from collections.abc import Iterator

import keras
import pytest

import turtlenet as tn
from tests.detection import shapes
from turtlenet.detection import Detector, detectors
from turtlenet.detection.report import Detection
from turtlenet.errors import DataError


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[None]:
    """As a package would register it, for these tests alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detectors, "_factories", {**detectors._factories, "doubtful": shapes.Doubtful})
        yield


@pytest.fixture(scope="module")
def still(unsure) -> keras.Model:
    """The same model without its dropout: nothing of it draws."""
    layers = [keras.Input((6, 6, 1)), *(layer for layer in unsure.layers if "drop" not in layer.name)]
    return keras.models.clone_model(keras.Sequential(layers, name="still"))


@pytest.fixture(scope="module")
def result(still, unsure, parts) -> tuple[tn.FittedDetector, Detection]:
    still.set_weights([weights for weights in unsure.get_weights() if weights.dtype == "float32"])
    fitted = tn.fit_detector(still, parts, attacks=["fgsm"], detector="doubtful", eps=0.15)
    knowing = "undetected:steps=20,step_size=0.15"
    return fitted, tn.score_detector(still, fitted, parts, attacks=["fgsm"], adaptive=knowing)


def test_it_needs_no_random_model_and_is_measured(result) -> None:
    _, found = result
    assert found.rows[0].fooled.hits > 10 and found.rows[0].successes.auc is not None
    assert [row.aims_at for row in found.rows] == [(), ("even-odds",), ("5%-of-clean",)]
    assert all(0 <= value <= 1 for value in found.scores["clean"])
    assert Detection.from_json(found.to_json()) == found


def test_an_attack_that_knows_of_it_gets_past_it(result) -> None:
    """It climbs through the detector's own log odds: more slips through at the point that it was told of."""
    _, found = result
    plain = found.rows[0].slipped
    told = [row.slipped[place] for place, row in enumerate(found.rows[1:])]
    assert all(one.hits >= other.hits for one, other in zip(told, plain, strict=True))
    assert told[0].share > plain[0].share + 0.2


def test_its_file(result, tmp_path) -> None:
    fitted, _ = result
    fitted.save(tmp_path / "d.json")
    assert tn.FittedDetector.load(tmp_path / "d.json").fitted == fitted.fitted
    kept = json.loads((tmp_path / "d.json").read_text())
    kept["detector"]["slope"] = float("nan")
    (tmp_path / "bad.json").write_text(json.dumps(kept))
    with pytest.raises(DataError, match="not finite"):
        tn.FittedDetector.load(tmp_path / "bad.json")
    assert not shapes.Doubtful.by_uncertainty() and Detector.build("logistic").by_uncertainty()
