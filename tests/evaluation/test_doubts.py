"""Models that deceive attacks in known ways raise the doubt that names it; an honest one raises none of these."""

import dataclasses
import re
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import ops

import turtlenet as tn
from turtlenet import attacks, balls, data
from turtlenet.attacks import Attack, SearchResult
from turtlenet.classifier import Classifier
from turtlenet.constraints import Constraint
from turtlenet.evaluation.cascade import Cascade
from turtlenet.evaluation.convergence import twice
from turtlenet.evaluation.doubts import Evidence
from turtlenet.evaluation.doubts.suite_coverage import few, levels, single_loss
from turtlenet.evaluation.evaluate import evaluate_classifier
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


NOTHING = Evidence(
    attacks=[attacks.build("autoattack")],
    names=["autoattack"],
    mode="table",
    labels="true",
    per_image=None,  # type: ignore[arg-type]
    num_classes=10,
    curve=(),
    widest=1.0,
    probe=Probe(),
    probed=0,
    doubled=("", 0, 0),
)


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
        model, examples, suite, balls.get("linf", eps), about=ABOUT, **{"curve": 0, **settings}
    )
    return {doubt.code: f"{doubt.finding} {doubt.advice}" for doubt in report.doubts}


def test_an_honest_model_raises_only_the_doubts_of_a_small_run() -> None:
    assert set(codes(victim(), curve=60)) <= {"few-rows", "upper-bound"}


def test_zero_gradients() -> None:
    found = codes(victim(Steps()), curve=60)
    assert "100.0%" in found["zero-gradients"]
    assert "accuracy-stays-up" in found


def test_a_slope_that_leads_the_wrong_way() -> None:
    found = codes(victim(Flip()), eps=0.45, curve=60)
    assert "noise-beats-attack" in found or "accuracy-stays-up" in found


def test_noise_that_finds_what_attacks_miss() -> None:
    found = codes(victim(Flip()), "noise:draws=60", "pgd:steps=20,keep=last", eps=0.45)
    assert "that no gradient attack broke" in found["noise-beats-attack"]


def test_saturated_outputs() -> None:
    assert "saturated-outputs" in codes(victim(scale=400.0))


@pytest.mark.slow
def test_randomness() -> None:
    assert "random-outputs" in codes(victim(Jitter()), "fgsm")
    inputs = keras.Input((6,))
    dropped = tn.wrap(
        keras.Model(inputs, victim().model(keras.layers.Dropout(0.5, name="dropped")(inputs))), "mc-dropout"
    )
    # Its draws belong to the seed: asked twice in the same way it answers the same.
    assert "means of 2 draws" in codes(Classifier(dropped, draws=2), "fgsm")["random-outputs"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Weak(attacks.GradientAscent):
    """Many steps that lead nowhere."""

    def search(self, model, x, goal, *, ball, key):
        return SearchResult(x)


def test_one_step_that_beats_many() -> None:
    found = codes(victim(), "fgsm", Weak(steps=20), eps=0.3)
    assert "one-step-beats-iterative" in found
    assert "fgsm leaves accuracy" in found["one-step-beats-iterative"]


def test_weak_suites_and_naive_labels() -> None:
    found = codes(victim(), "fgsm", "bim:steps=5", labels="predicted")
    assert {"weak-attacks", "predicted-labels", "few-rows"} <= set(found)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1", "l0"])
def test_a_stronger_evaluation_is_of_attacks_in_the_norm(norm) -> None:
    withstood = SimpleNamespace(robust=np.ones(60, bool))
    found = dataclasses.replace(NOTHING, attacks=[attacks.build("fmn")], norm=norm, per_image=withstood)
    named = re.findall(r"pgd|fmn|sigma-zero", single_loss(found).advice)
    assert named and all(norm in attacks.build(name).norms for name in named)


def test_a_broken_model_asks_for_no_stronger_attack() -> None:
    found = codes(victim(), "fgsm", eps=0.5)
    assert not {"weak-attacks", "upper-bound", "not-converged"} & set(found)
    # An interval from 0 is narrow with few examples already.
    for count, doubted in ((60, True), (100, False)):
        per_image = SimpleNamespace(robust=np.zeros(count, bool), labels=np.zeros(count, int))
        assert (few(dataclasses.replace(NOTHING, per_image=per_image)) is not None) is doubted
    per_image = SimpleNamespace(robust=np.ones(100, bool), labels=np.zeros(100, int))
    assert few(dataclasses.replace(NOTHING, per_image=per_image)) is not None


@pytest.mark.parametrize("norm", ["l2", pytest.param("l1", marks=pytest.mark.slow)])
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


def test_a_black_box_that_comes_last_in_a_cascade() -> None:
    found = codes(victim(Flip()), "pgd:steps=20,keep=last", Blind(draws=60), eps=0.45, mode="cascade")
    assert "that no attack with it broke" in found["black-box-beats-white-box"]
    before = codes(victim(Flip()), Blind(draws=60), "pgd:steps=20,keep=last", eps=0.45, mode="cascade")
    assert "black-box-beats-white-box" not in before


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["table", "cascade"])
def test_a_black_box_at_the_end_of_an_ensemble(mode) -> None:
    """As AutoAttack's own flag for Square."""
    parts = "pgd:steps=20,keep=last", "simba:queries=200,step=0.4"
    assert codes(victim(Flip()), *parts, eps=0.45).keys() >= {"black-box-beats-white-box"}
    found = codes(victim(Flip()), f"worst-of:attacks=({';'.join(parts)})", eps=0.45, mode=mode)
    assert "(simba in worst-of" in found["black-box-beats-white-box"]
    other = codes(victim(Flip()), f"worst-of:attacks=({';'.join(parts[::-1])})", eps=0.45, mode=mode)
    assert "black-box-beats-white-box" not in other


@pytest.mark.parametrize(
    ("specs", "expected"),
    [
        (["pgd:steps=100,restarts=50"], "pgd:steps=200,start=uniform,restarts=100,early_stop=true"),
        (["restarts:attack=(pgd:start=uniform),count=20"], "pgd:steps=80,start=uniform,restarts=40,early_stop=true"),
        (["autoattack:steps=30"], "apgd:target=top9,steps=60,restarts=2,loss=dlr"),
        (["apgd-ce:steps=50", "square"], "apgd-ce:steps=100,restarts=2"),
        (["transfer:source=m.h5,attack=(pgd:steps=70)"], "pgd:steps=80,start=uniform,restarts=2,early_stop=true"),
        (["fgsm"], "pgd:steps=80,start=uniform,restarts=2,early_stop=true"),
        (
            ["pgd:steps=30", "pgd:steps=90,target=1", "iterative-least-likely"],
            "pgd:steps=60,restarts=2,early_stop=true",
        ),
        (["averaged:attack=(pgd:steps=7),draws=30"], "averaged:attack=(pgd:steps=14,restarts=2),draws=30"),
    ],
)
def test_convergence_is_tried_with_twice_of_what_ran(specs, expected) -> None:
    suite = [attacks.build(spec) for spec in specs]
    doubled = twice(Cascade(attacks=suite, ball=balls.get("linf", 0.3)), num_classes=10)
    assert doubled == attacks.build(expected).under("linf")


@pytest.mark.slow
def test_an_ensemble_is_not_weak() -> None:
    found = codes(victim(), "autoattack:steps=20,queries=50", eps=0.01)
    assert not {"weak-attacks", "saturated-outputs"} & set(found)


def test_a_threat_that_gradient_ascent_cannot_serve() -> None:
    examples, suite = data.from_arrays(X, Y), [attacks.build("jsma:gamma=1"), attacks.build("pointwise")]
    report = evaluate_classifier(victim(), examples, suite, balls.get("l0", 3), about=ABOUT, curve=60)
    left = [point.accuracy for point in report.curve]
    assert report.curve_attack == "fmn:steps=100"
    assert left[0] == 1 and left[-1] == 0 and left == sorted(left, reverse=True)
    assert report.robust_accuracy < 1 and "not-converged" in {doubt.code for doubt in report.doubts}


def test_the_guide_explains_every_doubt_of_an_evaluation() -> None:
    root = Path(__file__).parents[2]
    rooms = ("evaluation", "data")
    sources = "".join(path.read_text() for room in rooms for path in (root / "turtlenet" / room).rglob("*.py"))
    found = set(re.findall(r'code="([a-z-]+)"', sources))
    guide = (root / "docs" / "guide.md").read_text()
    assert len(found) > 20 and not [code for code in found if f"`{code}`" not in guide]


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
    # A layer draws by its name, which Keras would number by the layers made before.
    dropped = keras.layers.Dropout(0.5, name="dropped")(inputs)
    model = tn.wrap(keras.Model(inputs, victim().model(dropped)), "mc-dropout")
    once = Classifier(model, draws=1)
    found = codes(once, "noise:draws=30", eps=0.05, curve=60)
    assert "success-on-one-draw" in found and "those of one draw" in found["random-outputs"]


@pytest.mark.slow
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


def test_levels_that_nobody_searched() -> None:
    per_image = SimpleNamespace(robust=np.ones(4, bool))
    seen = dataclasses.replace(NOTHING, attacks=[attacks.build("pgd")], per_image=per_image, entrance="two-levels")
    found = levels(seen)
    assert found is not None and found.code == "levels-not-attacked" and found.finding.startswith("two-levels at the")
    searched = [attacks.build("pgd"), attacks.build("worst-of:attacks=(noise;quantizer-pgd)")]
    for other in ({"attacks": searched}, {"entrance": ""}, {"norm": "l2"}):
        assert levels(dataclasses.replace(seen, **other)) is None
    # Where features have radii of their own, that attack does not search among the levels.
    blind = dataclasses.replace(seen, attacks=[attacks.build("quantizer-pgd")], by_feature=True)
    assert levels(blind).advice.startswith("Add square")


def test_attacks_that_all_have_balls_of_their_own() -> None:
    found = codes(victim(), "pgd:steps=20,eps=0.5")
    assert "counts only what happened to be found within it" in found["no-attack-counts"]


def test_what_an_ensemble_consists_of_depends_on_the_norm() -> None:
    """In L1 AutoAttack begins five times, which a doubt about restarts must know."""
    assert all(search.restarts == 1 for search in NOTHING.searches(0))
    assert any(search.restarts == 5 for search in dataclasses.replace(NOTHING, norm="l1").searches(0))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Even(Constraint):
    """The first two features stay equally far apart, which its projection forgets."""

    def project(self, x, original, low, high):
        return x

    def holds(self, x, original):
        return np.abs((x - original)[:, 0] - (x - original)[:, 1]) < 1e-9


def test_what_rules_took_away() -> None:
    space = balls.Space((6,), np.zeros(6), np.ones(6), np.array([1.0, 0.5, 1, 1, 1, 1]))
    plain = balls.FeatureBall(0.6, 0.0, 1.0, balls.Linf, space)
    ruled = dataclasses.replace(plain, space=dataclasses.replace(space, rules=(balls.Rule(Even(), (0, 1)),)))
    suite, examples = [attacks.build("pgd:steps=5")], data.from_arrays(X, Y)
    free, kept = (
        evaluate_classifier(victim(), examples, suite, ball, about=ABOUT, curve=0) for ball in (plain, ruled)
    )
    assert free.robust_accuracy < 0.5 < kept.robust_accuracy
    assert "undone-by-rules" not in {doubt.code for doubt in free.doubts}
    (doubt,) = (each for each in kept.doubts if each.code == "undone-by-rules")
    fallen = round(60 * (free.clean_accuracy - free.attacks[0].accuracy))
    assert f"On {fallen} rows that count as robust" in doubt.finding
