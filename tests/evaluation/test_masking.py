"""Every defence that hides its gradient, or draws, is doubted by the report, with no option given."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

import turtlenet as tn
from tests.defences.fronts.tiny import spec_of
from turtlenet import attacks, models
from turtlenet.defences import defences
from turtlenet.evaluation.doubts import Evidence
from turtlenet.evaluation.doubts.gradient_masking import masking_of, naive_gradient
from turtlenet.evaluation.probe import Probe, unsteady
from turtlenet.settings import suites

RNG = np.random.default_rng(0)
X = RNG.uniform(size=(6, 8, 8, 1)).astype("float32")
MASKED = {"naive-gradient", "masked-by-defence", "surrogate-gradient"}
# Counted by hand: what has steps, or is as flat as steps, or prunes.
MASKING = {
    "binarized:activations=true",
    "bit-depth",
    "bounded-relu",
    "constant-quantization",
    "defense-gan",
    "jpeg",
    "median-filter",
    "non-local-means",
    "quantized-activations",
    "sap",
    "soft-quantization",
    "thermometer",
    "trainable-quantization:hard=true",
}
RANDOM = {"binarized:stochastic=true", "gaussian-noise", "input-dropout", "mc-dropout", "pixeldp", "resize-pad", "sap"}
OTHERS = {
    "ape-gan",
    "contractive-autoencoder",
    "magnet",
    "binarized",
    "k-bit",
    "mean-filter",
    "orthogonal",
    "permutation",
    "sign-flip",
    "trainable-quantization",
}


@pytest.fixture(autouse=True)
def key(monkeypatch):
    """Where defences with a secret look for it."""
    monkeypatch.setenv("TURTLENET_KEY", "5a" * 8192)


def defended(spec: str) -> keras.Model:
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Conv2D(2, 3, activation="relu"), keras.layers.Flatten(), keras.layers.Dense(3)]
    return models.wrap(keras.Sequential([keras.Input((8, 8, 1)), *layers]), [spec if ":" in spec else spec_of(spec)])


def test_none_is_left_out() -> None:
    assert {spec.partition(":")[0] for spec in MASKING | RANDOM | OTHERS} == set(defences.names())


@pytest.fixture(scope="module")
def said() -> dict[str, tuple[str, ...]]:
    """What each model's layers hide, by the specs of the defences."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TURTLENET_KEY", "5a" * 8192)
        return {spec: masking_of(defended(spec)) for spec in sorted(MASKING | RANDOM | OTHERS)}


def test_what_hides_its_gradient(said) -> None:
    assert {spec for spec, hidden in said.items() if hidden} == MASKING
    assert said["jpeg"] == ("jpeg (straight through)",)
    # Those that are put inside a model, too, go by the names that users write.
    for spec in ("bounded-relu", "quantized-activations", "sap", "thermometer"):
        assert said[spec][0].startswith(f"{spec} (")


@pytest.mark.parametrize("way", ["table", "cascade", "adaptive alone", "naive alone"])
def test_whoever_hides_its_gradient_is_doubted(way, said) -> None:
    """However the suite went: with the same accuracy both ways, in turns, or in one way alone."""
    specs = suites.find("quick").attacks
    if way == "naive alone":
        suite = [attacks.build(f"{spec},gradient=naive") for spec in specs if ":" in spec]
    else:
        suite = [attacks.build(spec) for spec in specs]
        suite += [attacks.build("pgd:gradient=naive")] * (way != "adaptive alone")
    right = np.ones((len(suite), 6), bool)
    per_image = SimpleNamespace(correct=right, right=right[0])
    names = [str(each) for each in suite]
    mode = "cascade" if way == "cascade" else "table"
    rest = {"labels": "true", "num_classes": 3, "curve": (), "widest": 1.0, "probe": Probe(), "probed": 6}
    for spec, hidden in said.items():
        evidence = Evidence(suite, names, mode, per_image=per_image, masking=hidden, doubled=("", 0, 0), **rest)
        found = naive_gradient(evidence)
        assert (found is not None and found.code in MASKED) == (spec in MASKING)


@pytest.mark.parametrize("spec", sorted(RANDOM | {"bit-depth", "mean-filter"}))
def test_whoever_draws_is_seen_to(spec) -> None:
    victim = models.classifier(defended(spec), draws=10)
    found = unsteady(victim, X, np.zeros(len(X), "int32"))
    assert found == (spec in RANDOM) == victim.stochastic


@pytest.mark.slow
@pytest.mark.parametrize("spec", sorted(MASKING | RANDOM | OTHERS))
def test_the_report_raises_the_doubt(spec) -> None:
    model = defended(spec)
    y = models.classifier(model).predict(X).argmax(axis=1).astype("int32")
    codes = [doubt.code for doubt in tn.evaluate(model, (X, y)).doubts]
    assert len(MASKED.intersection(codes)) == (spec in MASKING)
    assert ("random-outputs" in codes) == (spec in RANDOM)
