"""Detectors that look at something else than the uncertainty: fitted, scored, attacked, kept and reported."""

import json
from collections.abc import Iterator

import keras
import numpy as np
import pytest

import turtlenet as tn
from tests.detection import shapes
from turtlenet.detection import Detector, detectors
from turtlenet.detection.report import Detection
from turtlenet.errors import DataError

KINDS = {"kernel-density": shapes.KernelDensity, "squeezing": shapes.Squeezing}


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[None]:
    """As a package would register them, for these tests alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detectors, "_factories", {**detectors._factories, **KINDS})
        yield


@pytest.fixture(scope="module")
def still(unsure) -> keras.Model:
    """The same model without its dropout: nothing of it draws."""
    layers = [keras.Input((6, 6, 1)), *(layer for layer in unsure.layers if "drop" not in layer.name)]
    return keras.models.clone_model(keras.Sequential(layers, name="still"))


@pytest.fixture(scope="module", params=KINDS)
def result(request, still, unsure, parts) -> tuple[tn.FittedDetector, Detection]:
    still.set_weights([weights for weights in unsure.get_weights() if weights.dtype == "float32"])
    fitted = tn.fit_detector(still, parts, attacks=["fgsm"], detector=request.param, eps=0.15)
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
    fitted, found = result
    plain = found.rows[0].slipped
    told = [row.slipped[place] for place, row in enumerate(found.rows[1:])]
    assert all(one.hits >= other.hits for one, other in zip(told, plain, strict=True))
    # One bit a pixel leaves nothing of these prototypes: the example in the shape of squeezing sees no attack anyway.
    assert fitted.detector["name"] == "squeezing" or told[0].share > plain[0].share + 0.2


def test_its_file_holds_arrays(result, tmp_path) -> None:
    fitted, _ = result
    fitted.save(tmp_path / "d.json")
    assert tn.FittedDetector.load(tmp_path / "d.json").fitted == fitted.fitted
    kept = json.loads((tmp_path / "d.json").read_text())
    kept["detector"]["points"] = [[0.0, float("nan")]]
    (tmp_path / "bad.json").write_text(json.dumps(kept))
    with pytest.raises(DataError, match="not finite"):
        tn.FittedDetector.load(tmp_path / "bad.json")


def test_a_density_against_numpy() -> None:
    rng = np.random.default_rng(0)
    clean, far = rng.normal(size=(40, 3)), rng.normal(size=(40, 3)) + 4
    made = shapes.KernelDensity.fit(clean, far)
    alike = far.argmax(1)[:, None] == clean.argmax(1)[None]
    kernel = np.exp(-((far[:, None] - clean[None]) ** 2).sum(2) / (2 * made.width**2))
    expected = np.log(np.where(alike, kernel, np.exp(-50)).sum(1))
    np.testing.assert_allclose(np.asarray(made.density(far)), expected, rtol=1e-4)
    assert made.score(clean).mean() < 0.4 < 0.6 < made.score(far).mean()
    assert Detector.from_dict(json.loads(json.dumps(made.to_dict()))) == made
    assert not shapes.KernelDensity.by_uncertainty() and detectors.factory("logistic").by_uncertainty()
