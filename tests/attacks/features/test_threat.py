"""From what is said of features to the ball."""

import keras
import numpy as np
import pytest

import turtlenet as tn
from turtlenet import balls
from turtlenet.attacks import PGD
from turtlenet.attacks.features.defaults import spread_of
from turtlenet.attacks.features.resolve import resolve
from turtlenet.attacks.features.said import Said
from turtlenet.attacks.features.threat import FeatureThreat
from turtlenet.balls import FeatureBall
from turtlenet.constraints import Constraint
from turtlenet.data import from_arrays
from turtlenet.errors import DataError, SettingError, SpecError
from turtlenet.features import Features

UNIT_BOUNDS = (0.0, 1.0)


def threat(shape=(3,), norm="linf", train=None, **said) -> FeatureThreat:
    return resolve(Said.by_user(**said), shape, norm, UNIT_BOUNDS, train)


def table(count: int = 200) -> np.ndarray:
    draw = np.random.default_rng(0)
    columns = draw.normal(5, 2, count), draw.integers(0, 9, count), np.full(count, 4.0)
    return np.stack(columns, axis=1).astype("float32")


def examples(x: np.ndarray):
    return from_arrays(x, np.zeros(len(x), int), num_classes=2, bounds=(-1e30, 1e30))


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_one_radius_for_all_is_the_plain_ball(norm) -> None:
    for said in ({"eps": 0.1}, {"eps": [0.1] * 3}, {"eps": np.full(3, 0.1)}, {"eps": "0.1,0.1,0.1"}, {"eps": "10%"}):
        assert threat(norm=norm, **said).ball == balls.get(norm, 0.1)
    assert threat(eps=0.1, bounds=(np.zeros(3), np.ones(3)), movable=[True] * 3).ball == balls.get("linf", 0.1)


def test_the_verdicts_of_equal_radii_are_those_of_one_to_the_last_bit() -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    x, y = np.random.default_rng(0).uniform(size=(16, 3)).astype("float32"), np.arange(16) % 2
    one = tn.attack(model, x, y, "pgd:steps=3", eps=0.1)
    assert np.array_equal(one, tn.attack(model, x, y, "pgd:steps=3", eps=np.full(3, 0.1), bounds=(0, [1.0] * 3)))


def test_a_report_of_equal_radii_is_that_of_one() -> None:
    model = keras.Sequential([keras.Input((6, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    data = np.random.default_rng(0).uniform(size=(16, 6, 6, 1)).astype("float32"), np.arange(16) % 3
    how = {"attacks": ["fgsm"], "curve": 0, "tell": lambda line: None}
    one, each = (tn.evaluate(model, data, eps=eps, **how).to_dict() for eps in (0.1, np.full((6, 6, 1), 0.1)))
    assert each["threat"].pop("bounds_from") == "those of the model"
    for report in (one, each):
        for name in ("created", "seconds"):
            report.pop(name)
        for attack in report["attacks"]:
            attack.pop("seconds")
    assert one == each


def test_a_generator_is_trained_for_the_one_radius_of_all(monkeypatch) -> None:
    radii = []

    def ready(attack, *_, eps, **__):
        radii.append(eps)
        return PGD(steps=1)

    monkeypatch.setattr("turtlenet.workflows.attack.ready", ready)
    monkeypatch.setattr("turtlenet.workflows.evaluate.ready", ready)
    model = keras.Sequential([keras.Input((6, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    x, y, eps = np.full((4, 6, 6, 1), 0.5, "float32"), np.arange(4) % 3, np.full((6, 6, 1), 0.1)
    tn.attack(model, x, y, "advgan", eps=eps)
    tn.evaluate(model, (x, y), attacks=["advgan"], eps=eps, curve=0, tell=lambda line: None)
    assert radii == [0.1, 0.1]


def test_percents_are_shares_of_each_features_own_range() -> None:
    found = threat(eps="10%", bounds=(0, [1.0, 10.0, 100.0]))
    assert np.allclose(found.eps, [0.1, 1, 10]) and isinstance(found.ball, FeatureBall) and found.ball.eps == 1.0
    mixed = threat(eps=["10%", 0.5, "0.25"], bounds=([0, 0, 0], [1, 10, 100]))
    assert np.allclose(mixed.eps, [0.1, 0.5, 0.25])


def test_one_for_each_channel() -> None:
    found = threat(shape=(2, 2, 3), eps=[0.1, 0.2, 0.3], bounds=([-1, -2, -3], 4))
    assert found.eps.reshape(2, 2, 3)[1, 0].tolist() == [0.1, 0.2, 0.3]
    assert found.low.reshape(2, 2, 3)[0, 1].tolist() == [-1, -2, -3] and (found.high == 4).all()
    told = found.to_dict()
    assert told["eps"] == [0.1, 0.2, 0.3] and told["low"] == [-1, -2, -3]
    assert resolve(Said.by_user().else_of(told), (2, 2, 3), "linf", UNIT_BOUNDS).ball == found.ball
    corner = np.zeros((2, 2, 1), bool)
    corner[0, 0] = True
    masked = threat(shape=(2, 2, 3), eps=0.1, movable=corner).ball
    assert masked.space.held.sum() == 9 and masked.eps == 0.1


def test_the_defaults_of_a_table_come_from_the_spread_of_the_training_data() -> None:
    x = table()
    found = threat(train=examples(x), features=Features(("a", "b", "c"), type=("real", "integer", "real")))
    spread = spread_of(examples(x))
    assert np.allclose(spread.deviation, x.astype("float64").std(axis=0), atol=1e-6)
    assert np.isclose(found.eps[0], 0.25 * x[:, 0].std()) and found.eps[1] == 1.0 and found.eps[2] == 0
    wide = x[:, 0].max() - x[:, 0].min()
    assert np.isclose(found.high[0], x[:, 0].max() + 0.05 * wide) and found.low[1] == 0 and found.high[1] == 9
    assert found.ball.space.held.tolist() == [False, False, True] and "training data" in found.why_bounds
    assert "quarter of each feature's standard deviation" in found.describe()
    # Data in the model's own bounds leave these as they are.
    assert threat(train=examples(np.clip(x / 20, 0, 1))).why_bounds == "those of the model"


def test_a_file_says_the_same_again_and_the_user_comes_first() -> None:
    features = Features(("a", "b", "c"), type=("real", "integer", "real"), movable=("up", "yes", "no"))
    first = threat(eps=[0.1, 1, 2], bounds=([0] * 3, [1, 9, 5]), features=features)
    told = first.to_dict()
    again = resolve(Said.by_user().else_of(told), (3,), "linf", UNIT_BOUNDS)
    assert again.ball == first.ball and again.why_eps == again.why_bounds == "those of the model's training"
    assert not again.given and again.features.names == ("a", "b", "c")
    mine = resolve(Said.by_user(eps=[0.2, 2, 3], movable=["b", "c"]).else_of(told), (3,), "linf", UNIT_BOUNDS)
    assert mine.eps.tolist() == [0.2, 2, 3] and mine.ball.space.held.tolist() == [True, False, False]
    assert "integer" in [constraint["name"] for constraint in mine.to_dict()["constraints"]]


@pytest.mark.parametrize(
    "change", [{"low": ["x"] * 3}, {"eps": [float("nan")] * 3}, {"constraints": 5}, {"eps": None}, {"low": [0.0] * 7}]
)
def test_a_file_that_says_something_else_is_refused(change) -> None:
    told = {**threat(eps=[0.1, 1, 2]).to_dict(), **change}
    with pytest.raises(SettingError):
        resolve(Said.by_user().else_of(told), (3,), "linf", UNIT_BOUNDS)


def test_a_file_imports_nothing() -> None:
    told = {**threat(eps=[0.1, 1, 2]).to_dict(), "constraints": [{"name": "os.path:join", "features": ""}]}
    with pytest.raises(SpecError, match="nothing is imported for a file"):
        Said.by_user().else_of(told)
    # What the user gives again stands for it, and the file's other rules stay.
    path = "tests.constraints.test_constraints:TcpRules"
    rules = [{"name": path, "features": "0;1"}, {"name": "fixed", "features": "2"}]
    found = Said.by_user(constraints=f"{path}:features=(0;1)").else_of({**told, "constraints": rules})
    assert [type(each).__name__ for each in found.constraints] == ["TcpRules", "Fixed"]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"bounds": ([0, 0, 2], [1, 1, 1])}, "Expected bounds low < high for feature 2; got 2 and 1."),
        (
            {"bounds": ([0, 0], 1)},
            "Expected the low bounds as one number, or as numbers that broadcast to 3; got shape",
        ),
        ({"bounds": ("a", "b")}, "Expected bounds as two numbers, or as two arrays of such; got ('a', 'b')."),
        ({"bounds": 5}, "Expected bounds as two numbers"),
        ({"features": 5}, "Expected features as a path, or as Features; got int."),
        ({"bounds": "0,1;0"}, "Expected bounds as low,high, as low,high;low,high;..."),
        ({"bounds": (float("nan"), 1)}, "Expected finite bounds; got nan in the low bounds."),
        ({"eps": [0.1, 0.2]}, "Expected eps as one number, or as numbers that broadcast to 3; got shape (2,)."),
        ({"eps": [0.1, -1, 0.2]}, "Expected eps >= 0"),
        ({"eps": [0.1, np.nan, 0.2]}, "Expected eps >= 0"),
        ({"eps": [0.1, "much", 0.2]}, "Expected eps in input units"),
        ({"eps": [1, 2, 3], "norm": "l0"}, "Expected eps of l0 as a number of values"),
        ({"movable": [False] * 3}, "Expected at least one feature that may move; got a mask that allows none."),
        ({"movable": [True, False]}, "Expected movable as one number"),
        ({"movable": ["d"]}, "Expected features from 0 to 2"),
        ({"movable": [0.5, 1, 1]}, "Expected movable as booleans, or as names of features; got float64."),
        ({"constraints": "one-hot:features=0"}, "Expected two features or more"),
        ({"features": Features(("a", "b"))}, "Expected 3 features, as many as the model takes; got 2."),
        ({"movable": ["0"], "eps": [0, 1, 1]}, "got a mask and radii that allow none"),
    ],
)
def test_what_makes_no_sense_is_one_line(said, words) -> None:
    with pytest.raises((SettingError, SpecError)) as caught:
        threat(**{"eps": 0.1, **said})
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_data_outside_are_refused_by_feature_and_row() -> None:
    x = table()
    x[7, 1] = 12
    names = Features(("a", "b", "c"))
    with pytest.raises(DataError, match=r"Expected b within \[0, 9\]; got 12 in row 7 of arrays"):
        threat(eps=0.1, bounds=([-50, 0, 0], [50, 9, 9]), features=names).check(examples(x))
    with pytest.raises(DataError, match="Expected data that keep constraint integer:features=a; got a = .* in row 0"):
        threat(eps=0.1, bounds=(-50, 50), features=names, constraints="integer:features=a").check(examples(x))
    known = resolve(
        Said.by_user().else_of(threat(eps=0.1, bounds=([-50, 0, 0], [50, 9, 9])).to_dict()), (3,), "linf", UNIT_BOUNDS
    )
    assert known.check(examples(x)) == [
        "1 of 200 rows lie outside the bounds (those of the model's training) in some feature, which may only come "
        "nearer to them"
    ]


def test_constraints_are_given_as_they_are_too() -> None:
    assert isinstance(Said.by_user(constraints=["integer:features=0"]).constraints[0], Constraint)
    with pytest.raises(SpecError, match="Expected a constraint, or its spec; got int"):
        Said.by_user(constraints=[3])


def test_a_whole_number_out_of_reach_is_not_followed() -> None:
    # At 2 of the first feature the other has no slope; but a radius of 1.9 lets nobody get there.
    hidden, out = keras.layers.Dense(2, "relu"), keras.layers.Dense(2)
    model = keras.Sequential([keras.Input((2,)), hidden, out])
    hidden.set_weights([np.array([[-10, 1], [5, 0]], "float32"), np.array([10.1, 0.1], "float32")])
    out.set_weights([np.array([[0, 1], [0, 12]], "float32"), np.array([17.9, 0], "float32")])
    x, y = np.zeros((1, 2), "float32"), np.zeros(1, "int32")
    rule = {"constraints": ["integer:features=0"], "bounds": (0, 9), "head": "logits"}
    found = tn.attack(model, x, y, "pgd:steps=20,step_size=0.1,start=none", eps=[1.9, 1.0], **rule)
    assert found.tolist() == [[1, 1]] and model.predict(found, verbose=0).argmax() == 1


def test_a_group_of_channels_has_one_category_at_each_step_of_a_series() -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((5, 4)), keras.layers.Flatten(), keras.layers.Dense(2)])
    x = np.zeros((8, 5, 4), "float32")
    x[:, :, 0], x[:, :, 1] = 0.5, 1.0
    y = np.asarray(model.predict(x, verbose=0)).argmax(axis=1)
    kinds, groups = ("real", *["one-hot"] * 3), ("", "g", "g", "g")
    features = Features(
        ("a", "r", "s", "t"), low=(0,) * 4, high=(1,) * 4, eps=(0.1, 1, 1, 1), type=kinds, groups=groups
    )
    found = np.asarray(tn.attack(model, x, y, "pgd:steps=20", features=features, norm="linf"))
    assert set(np.unique(found[..., 1:])) == {0, 1} and (found[..., 1:].sum(axis=-1) == 1).all()
    assert (found[..., 1] == 0).any(axis=0).sum() > 1, "the category changes at more than one step"
