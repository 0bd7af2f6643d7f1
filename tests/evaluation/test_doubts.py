"""Models that deceive attacks in known ways raise the doubt that names it; an honest one raises none of these."""

import dataclasses

import keras
import numpy as np
import pytest
from keras import ops

import turtlenet as tn
from turtlenet import attacks, balls, data
from turtlenet.attacks import Attack, Found
from turtlenet.classifier import Classifier
from turtlenet.evaluation import evaluate_classifier
from turtlenet.evaluation.doubts import Evidence
from turtlenet.evaluation.probe import Probe

RNG = np.random.default_rng(0)
X = np.concatenate([RNG.uniform(0.1, 0.35, (30, 6)), RNG.uniform(0.65, 0.9, (30, 6))]).astype("float32")
Y = np.repeat([0, 1], 30).astype("int32")
ABOUT = {"name": "m", "path": None, "sha256": "0", "parameters": 1}


@keras.saving.register_keras_serializable("turtlenet-tests")
class Steps(keras.layers.Layer):
    """Rounds to steps: its gradient is 0 everywhere."""

    def call(self, x):
        return ops.round(x * 4) / 4


@keras.saving.register_keras_serializable("turtlenet-tests")
class Flip(keras.layers.Layer):
    """The right value with the wrong slope: gradients lead downhill."""

    def call(self, x):
        return 2 * ops.stop_gradient(x) - x


@keras.saving.register_keras_serializable("turtlenet-tests")
class Jitter(keras.layers.Layer):
    """Noise that does not repeat."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.seeds = keras.random.SeedGenerator(0)

    def call(self, x):
        return x + 0.01 * keras.random.normal(ops.shape(x), seed=self.seeds)


def victim(*front, scale: float = 4.0) -> Classifier:
    """Two classes by the sum of six values, behind some layers."""
    head = keras.layers.Dense(2)
    model = keras.Sequential([keras.Input((6,)), *front, head])
    column = np.full((6, 1), scale, "float32")
    head.set_weights([np.hstack([-column, column]), np.array([3 * scale, -3 * scale], "float32")])
    return Classifier(model)


def codes(model: Classifier, *specs: str | Attack, eps: float = 0.1, **settings) -> dict[str, str]:
    examples = data.from_arrays(X, Y)
    suite = [attacks.build(spec) for spec in specs or ("noise", "fgsm", "pgd:steps=20,restarts=2")]
    report = evaluate_classifier(
        model, examples, suite, balls.get("linf", eps), about=ABOUT, **{"curve": 60, **settings}
    )
    return {doubt.code: f"{doubt.finding} {doubt.advice}" for doubt in report.doubts}


def test_an_honest_model_raises_only_the_doubts_of_a_small_run() -> None:
    assert set(codes(victim())) <= {"few-images", "upper-bound"}


def test_zero_gradients() -> None:
    found = codes(victim(Steps()))
    assert "100.0%" in found["zero-gradients"]
    assert "accuracy-stays-up" in found


def test_a_slope_that_leads_the_wrong_way() -> None:
    found = codes(victim(Flip()), eps=0.45)
    assert "noise-beats-attack" in found or "accuracy-stays-up" in found


def test_noise_that_finds_what_attacks_miss() -> None:
    found = codes(victim(Flip()), "noise:draws=60", "pgd:steps=20,keep=last", eps=0.45)
    assert "that no gradient attack broke" in found["noise-beats-attack"]


def test_saturated_outputs() -> None:
    assert "saturated-outputs" in codes(victim(scale=400.0))


def test_randomness() -> None:
    assert "random-outputs" in codes(victim(Jitter()))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Weak(attacks.Ascent):
    """Many steps that lead nowhere."""

    def search(self, model, x, goal, *, ball, key):
        return Found(x)


def test_one_step_that_beats_many() -> None:
    found = codes(victim(), "fgsm", Weak(steps=20), eps=0.3)
    assert "one-step-beats-iterative" in found
    assert "fgsm leaves accuracy" in found["one-step-beats-iterative"]


def test_weak_suites_and_naive_labels() -> None:
    found = codes(victim(), "fgsm", "bim:steps=5", labels="predicted")
    assert {"weak-attacks", "predicted-labels", "few-images"} <= set(found)


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_other_norms_reach_the_widest_ball(norm) -> None:
    examples = data.from_arrays(X, Y)
    report = evaluate_classifier(
        victim(), examples, [attacks.build("pgd:steps=20,restarts=2")], balls.get(norm, 0.2), about=ABOUT, curve=60
    )
    assert report.curve[-1].accuracy == 0 and report.curve[0].accuracy == 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Blind(attacks.Noise):
    """Asks for scores only."""

    @property
    def family(self):
        return "query"


def test_a_black_box_that_finds_what_gradients_miss() -> None:
    found = codes(victim(Flip()), Blind(draws=60), "pgd:steps=20,keep=last", eps=0.45)
    assert "that no attack with it broke" in found["black-box-beats-white-box"]
    assert "black-box-beats-white-box" not in codes(victim(), Blind(draws=60), "pgd:steps=20", eps=0.45)


def test_an_attack_that_has_not_converged() -> None:
    short = "pgd:steps=2,step_size=0.25,start_size=0.01"
    found = codes(victim(), short, eps=0.4)
    assert "twice the steps and restarts" in found["not-converged"]
    assert "not-converged" not in codes(victim(), "pgd:steps=20,restarts=2", eps=0.4)


def test_a_loss_that_does_not_rise() -> None:
    assert "flat-loss" in codes(victim(Flip()))
    assert "flat-loss" not in codes(victim())


def test_luck_of_a_draw() -> None:
    inputs = keras.Input((6,))
    dropped = keras.layers.Dropout(0.5)(inputs)
    model = tn.wrap(keras.Model(inputs, victim().model(dropped)), "mc-dropout")
    once = Classifier(model, draws=1)
    assert "success-on-one-draw" in codes(once, "noise:draws=30", eps=0.05)


def test_a_random_model_is_climbed_to_the_end() -> None:
    inputs = keras.Input((6,))
    model = tn.wrap(keras.Model(inputs, victim().model(keras.layers.Dropout(0.3)(inputs))), "mc-dropout")
    examples, ball = data.from_arrays(X, Y), balls.get("linf", 0.3)
    suite = [attacks.build("pgd:steps=20")]
    table, cascade = (
        evaluate_classifier(Classifier(model, draws=10), examples, suite, ball, about=ABOUT, mode=mode, curve=0)
        for mode in ("table", "cascade")
    )
    # A cascade stops at an image's success; were the first draw's enough, other draws would take it back.
    assert cascade.robust_accuracy == table.robust_accuracy


def test_attacks_that_all_have_balls_of_their_own() -> None:
    found = codes(victim(), "pgd:steps=20,eps=0.5")
    assert "the robust accuracy is the clean one" in found["no-attack-counts"]


def test_what_an_ensemble_consists_of_depends_on_the_norm() -> None:
    """In L1 AutoAttack begins five times, which a doubt about restarts must know."""
    nothing = Evidence(
        attacks=[attacks.build("autoattack")],
        names=["autoattack"],
        mode="table",
        labels="true",
        ledger=None,  # type: ignore[arg-type]
        num_classes=10,
        curve=(),
        widest=1.0,
        probe=Probe(),
        probed=0,
        doubled=("", 0, 0),
    )
    assert not any(again for _, again in nothing.searches(0))
    assert any(again for _, again in dataclasses.replace(nothing, norm="l1").searches(0))
