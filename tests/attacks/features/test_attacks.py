"""What every registered attack keeps where features have bounds, radii and rules of their own."""

import functools
import tempfile
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from tests.attacks import test_contract as usual
from turtlenet import attacks
from turtlenet.attacks import Attack
from turtlenet.attacks.features.view import FeatureView, host_view, repeated
from turtlenet.attacks.run.runner import attack_all
from turtlenet.balls import BALLS, FeatureBall, Linf, Rule, Space
from turtlenet.classifier import Classifier
from turtlenet.constraints import Constraint, build
from turtlenet.models import save

# What takes images alone, or a file that was made for one radius.
NAMES = [name for name in usual.NAMES if name not in ("advgan", "spatial")]
# Every graph takes seconds to build: some of each kind; all others are for `make test-slow`.
SOME = {"cw", "jsma", "pgd", "square"}
EACH = [pytest.param(name, marks=[pytest.mark.slow] * (name not in SOME)) for name in NAMES]
RADII = {"linf": 1.0, "l2": 1.5, "l1": 2.5, "l0": 3.0}
# A table of eight: two reals, a category, two counts of which one only grows, and a feature of radius 0.
LOW = np.array([0.0, -1.0, 0, 0, 0, 0, 0, -5.0])
HIGH = np.array([100.0, 1.0, 1, 1, 1, 20, 20, 5.0])
UNIT = np.array([5.0, 0.2, 1, 1, 1, 2, 3, 0.0])
RULES = tuple(
    Rule(build(f"{name}:features=({';'.join(map(str, places))})"), places)
    for name, places in (("one-hot", (2, 3, 4)), ("integer", (5, 6)), ("grow", (5,)))
)


def ball(norm: str, unit=UNIT, rules=RULES) -> FeatureBall:
    unit = np.where(unit > 0, 1.0, 0.0) if norm == "l0" else unit
    return FeatureBall(RADII[norm], -5.0, 100.0, BALLS[norm], Space((8,), LOW, HIGH, unit, rules))


@pytest.fixture(scope="module")
def table() -> tuple[Classifier, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    network = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    network.layers[0].set_weights([draw.normal(size=(8, 4)) / (HIGH - LOW)[:, None] * 4, np.zeros(4)])
    reals = draw.uniform(0, 100, 8), draw.uniform(-1, 1, 8)
    counts = draw.integers(0, 20, 8), draw.integers(0, 20, 8)
    columns = *reals, *np.eye(3)[draw.integers(0, 3, 8)].T, *counts, draw.uniform(-5, 5, 8)
    model, x = Classifier(network, bounds=(-5.0, 100.0)), np.stack(columns, axis=1).astype("float32")
    return model, x, model.predict(x).argmax(axis=1).astype("int32")


@functools.cache
def elsewhere() -> str:
    path = Path(tempfile.mkdtemp()) / "elsewhere.h5"
    other = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    other.set_weights([np.random.default_rng(2).normal(size=each.shape) for each in other.weights])
    save(other, path)
    return str(path)


def check(moved: np.ndarray, x: np.ndarray, threat: FeatureBall) -> None:
    """Looks at what came out as a user would, without our own code."""
    wide = moved.astype("float64")
    assert moved.dtype == np.float32 and (wide >= LOW).all() and (wide <= HIGH).all()
    assert np.array_equal(moved[:, 7], x[:, 7])
    assert (np.sort(moved[:, 2:5]) == [0, 0, 1]).all() and (moved[:, 5:7] == np.rint(moved[:, 5:7])).all()
    assert (moved[:, 5] >= x[:, 5]).all()
    move = np.abs(wide - x)[:, :7] / threat.space.width[:7]
    order = {"linf": np.inf, "l2": 2, "l1": 1, "l0": 0}[threat.norm]
    # Products of a radius with a unit are exact here; sums are not.
    slack = 0 if threat.norm in ("linf", "l0") else 1e-5
    assert (np.linalg.norm(move, ord=order, axis=1) <= threat.eps * (1 + slack)).all()
    assert threat.holds(moved, x).all()


@pytest.mark.parametrize("name", EACH)
def test_radii_bounds_and_rules_hold(name, table) -> None:
    model, x, y = table
    attack = usual.build(name, **({"source": elsewhere()} if name == "transfer" else {}))
    threat = ball("linf" if name in usual.COMBINED else attack.norms[0])
    found = attack_all(attack, model, x, y, ball=threat, seed=1, batch_size=8)
    check(found.x, x, threat)
    logits = model.predict(found.x)
    assert np.allclose(logits, found.logits, atol=1e-4)
    assert attack.targeted or np.array_equal(found.reached, logits.argmax(axis=1) != y)
    assert attack.minimal or (found.x != x).any()
    # The same graph: the radius is its argument.
    assert np.array_equal(attack_all(attack, model, x, y, ball=threat.with_eps(0.0), seed=1, batch_size=8).x, x)


def test_the_loop_itself_searches_among_what_is_allowed(table) -> None:
    """An attack that forgot the rules, and was put right afterwards, would find less."""
    model, x, y = table
    threat = ball("linf")
    attack = usual.build("pgd", steps=20)
    inside = attack_all(attack, model, x, y, ball=threat, batch_size=8)
    plain = FeatureBall(1.0, -5.0, 100.0, Linf, Space((8,), LOW, HIGH, UNIT))
    outside = attack_all(attack, model, x, y, ball=plain, batch_size=8)
    mended = np.asarray(threat.land(outside.x, x))
    fooled = (model.predict(mended).argmax(axis=1) != y).sum()
    check(mended, x, threat)
    assert inside.reached.sum() >= fooled and inside.reached.any()


def test_nothing_that_may_move_is_the_identity(table) -> None:
    model, x, y = table
    held = ball("linf", rules=(Rule(build("fixed"), tuple(range(8))),))
    assert np.array_equal(np.asarray(usual.build("fgsm")(model, x, y, ball=held)), x)
    assert held.widest((8,)) == 0.0


@dataclass(frozen=True, kw_only=True)
class Unruly(Constraint):
    """A rule whose projection does not keep it."""

    def project(self, x, original, low, high):
        return x

    def holds(self, x, original):
        return (x == original).all(axis=1) | (x[:, 0] > 1e6)


def test_the_host_has_the_last_word(table) -> None:
    model, x, y = table
    threat = ball("linf", rules=(*RULES, Rule(Unruly(), (0,))))
    wrong = (y + 1) % 4
    for labels in (y, wrong):
        found = usual.build("fgsm").run(model, x, labels, ball=threat)
        assert np.array_equal(np.asarray(found.x), x)
        assert np.array_equal(np.asarray(found.reached), labels != y)
        assert np.allclose(found.logits, model.predict(x), atol=1e-5)


@pytest.mark.slow
def test_what_rules_took_away_is_told(table) -> None:
    model, x, y = table
    attack = usual.build("pgd", steps=20, random_start=False)
    free = attack_all(attack, model, x, y, ball=ball("linf"), batch_size=8)
    assert free.reached.any() and not free.undone.any()
    # The host gives back what a rule does not keep itself.
    unruly = attack_all(attack, model, x, y, ball=ball("linf", rules=(*RULES, Rule(Unruly(), (0,)))), batch_size=8)
    assert not unruly.reached.any() and np.array_equal(unruly.undone, free.reached)
    # Whole numbers round to points beyond a ball of the sum of all moves, from which the way leads back.
    few = FeatureBall(2.5, -5.0, 100.0, BALLS["l1"], Space((8,), LOW, HIGH, UNIT, RULES))
    near = attack_all(attack, model, x, y, ball=few, batch_size=8)
    assert near.undone.any() and near.reached.any() and not (near.undone & near.reached).any()


@dataclass(frozen=True, kw_only=True)
class Wild(Attack):
    """A third-party search that keeps no promise and knows of one radius alone."""

    def search(self, model, x, goal, *, ball, key):
        return ops.where(ops.arange(8) < 2, float("nan"), x + 3.0 * ball.eps)


def test_the_promise_holds_for_a_wild_search(table) -> None:
    model, x, y = table
    threat = ball("l2")
    check(np.asarray(Wild()(model, x, y, ball=threat)), x, threat)


def test_the_host_is_shown_what_the_radius_lets_out(table) -> None:
    model, x, _ = table
    # Counts may move by half their unit: no whole number is in reach of those of a unit of 1.
    unit = np.where(np.arange(8) == 5, 0.8, UNIT)
    threat = ball("linf", unit=unit)
    view = host_view(model, threat)
    assert view.one_by_one and host_view(model, threat) is view and host_view(model, threat.with_eps(2.0)) is not view
    view.of(x[:1])
    far = np.asarray(threat.encode(x[:1])) + np.linspace(-3, 3, 7)[:, None].astype("float32")
    shown = np.asarray(view.shown(far))
    assert (shown[:, 5] == x[0, 5]).all() and (shown[:, 6] != x[0, 6]).any()
    assert threat.holds(shown, np.repeat(x[:1], 7, axis=0)).all()
    wide = host_view(model, threat.with_eps(2.0))
    wide.of(x[:1])
    assert (np.asarray(wide.shown(far))[:, 5] != x[0, 5]).any()


def test_several_rows_of_an_input_are_shown_with_its_own_features(table) -> None:
    model, x, _ = table
    threat = ball("linf")
    view = FeatureView(model, threat, x)
    rows = np.asarray(repeated(threat.encode(x), np.zeros((16, 8))))
    shown = np.asarray(view.shown(rows + 0.3))
    assert np.array_equal(shown[:, 7], np.repeat(x[:, 7], 2))
    check(shown, np.repeat(x, 2, axis=0), threat)
    with pytest.raises(Exception, match="Expected rows of 8 inputs"):
        view.shown(np.zeros((12, 8), "float32"))


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "spec",
    [
        "cleverhans:projected_gradient_descent:nb_iter=3",
        "foolbox:LinfPGD:steps=5",
        "art:HopSkipJump:max_iter=2,max_eval=20,init_eval=10",
    ],
)
def test_attacks_of_other_libraries_keep_them_too(spec, table) -> None:
    pytest.importorskip(spec.partition(":")[0])
    from turtlenet import attacks

    model, x, y = table
    threat = ball("linf")
    found = attack_all(attacks.build(spec), model, x[:3], y[:3], ball=threat, batch_size=3)
    check(found.x, x[:3], threat)


@pytest.mark.parametrize(("norm", "name"), [("l1", "pgd:steps=30"), ("linf", "fab:steps=10")])
def test_a_step_goes_where_a_rule_lets_it(norm: str, name: str) -> None:
    """The steepest feature may only grow, and the attack wants it to fall: the others suffice."""
    weights = np.full((10, 2), 0.0, "float32")
    weights[:, 0] = [5.0, 4.0, *[0.3] * 8]
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(2)])
    model.set_weights([weights, np.array([-4.0, 0.0], "float32")])
    grow = (Rule(build("grow:features=0"), (0,)),)
    space = Space((10,), np.zeros(10), np.ones(10), np.ones(10), grow)
    around = FeatureBall({"l1": 0.5, "linf": 0.3}[norm], 0.0, 1.0, BALLS[norm], space)
    x, y = np.full((2, 10), 0.5, "float32"), np.zeros(2, "int32")
    outcome = attack_all(attacks.build(name), Classifier(model), x, y, ball=around)
    assert (outcome.logits.argmax(axis=1) == 1).all()
    assert (outcome.x[:, 0] >= 0.5).all()
