"""What every registered constraint keeps. Registering a constraint puts it here."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from keras import ops

from turtlenet.balls import Rule, Space
from turtlenet.constraints import Constraint, build, constraints
from turtlenet.errors import DataError, SpecError

NAMES = [*constraints.names(), "sum:whole=true"]
SIZE = 5
ALL = tuple(range(SIZE))
CATEGORIES = np.eye(SIZE, dtype="float32")
WHOLE = {"integer", "sum:whole=true"}
NUMBERS = st.floats(-50, 50, width=32, allow_subnormal=False)


def originals(name: str, numbers: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Inputs that keep a rule themselves."""
    if name == "one-hot":
        return CATEGORIES[at]
    return np.rint(numbers) if name in WHOLE else numbers


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15, deadline=None)
@given(
    numbers=arrays("float32", (4, SIZE), elements=NUMBERS),
    at=arrays("int32", (4,), elements=st.integers(0, SIZE - 1)),
    point=arrays("float32", (4, SIZE), elements=st.floats(-100, 100, width=32, allow_subnormal=False)),
    reach=arrays("float32", (SIZE,), elements=st.floats(0, 30, width=32, allow_subnormal=False)),
)
def test_what_comes_out_keeps_the_rule_and_the_limits(name, numbers, at, point, reach) -> None:
    x, rule = originals(name, numbers, at), build(name)
    space = Space((SIZE,), np.full(SIZE, -50.0), np.full(SIZE, 50.0), np.ones(SIZE), (Rule(rule, ALL),))
    tensor = ops.convert_to_tensor(x)
    low, high = space.limits(tensor, ops.convert_to_tensor(reach))
    found = np.asarray(space.feasible(ops.convert_to_tensor(point), tensor, low, high))
    assert rule.holds(found.astype("float64"), x.astype("float64")).all()
    assert space.holds(found, x).all()
    assert (np.abs(found.astype("float64") - x) <= reach).all()
    # Where nothing may move, nothing does; what keeps the rule already stays.
    none = space.limits(tensor, ops.zeros((SIZE,)))
    assert np.array_equal(np.asarray(space.feasible(ops.convert_to_tensor(point), tensor, *none)), x)
    assert np.array_equal(np.asarray(space.feasible(tensor, tensor, low, high)), x)


@pytest.mark.parametrize("name", NAMES)
def test_it_prints_as_its_spec_and_goes_to_json_and_back(name) -> None:
    rule = build(f"{name}{',' if ':' in name else ':'}features=(a;b)")
    assert build(str(rule)) == rule and hash(rule) == hash(build(str(rule)))
    assert Constraint.from_dict(json.loads(json.dumps(rule.to_dict()))) == rule
    assert rule.places(("b", "c", "a"), 3) == (2, 0)


def test_rules_of_the_same_features_hold_together() -> None:
    rules = Rule(build("integer"), ALL), Rule(build("grow:features=0"), (0,)), Rule(build("fixed:features=4"), (4,))
    space = Space((SIZE,), np.zeros(SIZE), np.full(SIZE, 9.0), np.ones(SIZE), rules)
    x = np.array([[3, 4, 5, 6, 7]], "float32")
    point = ops.convert_to_tensor(np.array([[1.2, 20.0, 5.6, -1.0, 0.0]], "float32"))
    found = np.asarray(space.feasible(point, ops.convert_to_tensor(x), *space.limits(ops.convert_to_tensor(x))))
    assert found.tolist() == [[3, 9, 6, 0, 7]] and space.held.tolist() == [False] * 4 + [True]


def test_a_category_changes_only_where_both_of_its_features_may_move_by_one() -> None:
    space = Space((3,), np.zeros(3), np.ones(3), np.ones(3), (Rule(build("one-hot"), (0, 1, 2)),))
    x, point = np.array([[1, 0, 0]], "float32"), ops.convert_to_tensor(np.array([[0.2, 0.3, 0.9]], "float32"))

    def found(*reach: float) -> list[float]:
        limits = space.limits(ops.convert_to_tensor(x), ops.convert_to_tensor(np.array(reach, "float32")))
        return np.asarray(space.feasible(point, ops.convert_to_tensor(x), *limits))[0].tolist()

    assert found(1, 1, 1) == [0, 0, 1]
    assert found(1, 1, 0.9) == [0, 1, 0]
    assert found(0.9, 1, 1) == [1, 0, 0]


def test_a_sum_of_whole_numbers_is_rounded_to_that_very_sum() -> None:
    space = Space((3,), np.zeros(3), np.full(3, 100.0), np.ones(3), (Rule(build("sum:whole=true"), (0, 1, 2)),))
    x = ops.convert_to_tensor(np.array([[10, 20, 30]], "float32"))
    found = np.asarray(space.feasible(ops.convert_to_tensor([[13.3, 21.4, 27.3]]), x, *space.limits(x)))
    assert found.sum() == 60 and found.tolist() == [[13, 21, 26]]


@dataclass(frozen=True, kw_only=True)
class TcpRules(Constraint):
    """A user's own: the second feature is never below the first."""

    def project(self, x, original, low, high):
        return ops.concatenate([x[:, :1], ops.maximum(x[:, :1], x[:, 1:])], axis=1)

    def holds(self, x, original):
        return x[:, 1] >= x[:, 0]


def test_a_rule_of_ones_own_is_a_rule() -> None:
    path = f"{__name__}:TcpRules"
    rule = build(f"{path}:features=(a;b)")
    assert isinstance(rule, TcpRules) and rule.to_dict()["name"] == path
    # A file's word imports nothing.
    with pytest.raises(SpecError, match="Expected --constraint .*TcpRules"):
        Constraint.from_dict(rule.to_dict())


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("intger", "Unknown constraint 'intger'. Did you mean 'integer'?"),
        ("integer:feature=a", "Did you mean 'features'?"),
        ("integer:features=c", "Unknown feature 'c' in integer:features=c. Known: a, b."),
        ("integer:features=(a;a)", "Expected each feature once"),
        ("one-hot:features=a", "Expected two features or more"),
        ("sum:features=b", "Expected two features or more"),
        ("os.path:join", "Expected a class derived from Constraint"),
    ],
)
def test_bad_rules(spec, words) -> None:
    with pytest.raises(SpecError) as caught:
        build(spec).places(("a", "b"), 2)
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "row", "words"),
    [
        ("integer", (1.0, 2.5, 0.0), "got b = 2.5 in row 1"),
        ("one-hot", (0.0, 0.0, 0.0), "got a = 0, b = 0, c = 0 in row 1"),
        ("one-hot", (1.0, 0.0, 3.0), "got c = 3 in row 1"),
        ("sum:whole=true", (1.0, 0.5, 0.0), "got b = 0.5 in row 1"),
    ],
)
def test_data_that_break_a_rule_are_refused_by_feature_and_row(spec, row, words) -> None:
    good = np.array([1.0, 0.0, 0.0])
    with pytest.raises(DataError) as caught:
        build(spec).check(np.stack([good, np.array(row)]), ("a", "b", "c"))
    assert words in str(caught.value)
    build(spec).check(good[None], ("a", "b", "c"))
