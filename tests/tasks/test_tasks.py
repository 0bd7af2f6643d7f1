"""What every task promises, and each in closed form."""

import numpy as np
import pytest
from keras import ops

from turtlenet import losses
from turtlenet.errors import DataError, SettingError, SpecError
from turtlenet.tasks import Classification, MultiLabel, Regression, tasks

SETTINGS = {"regression": {"tolerance": 0.5}}
RNG = np.random.default_rng(0)
OUTPUTS = RNG.normal(size=(40, 3)).astype("float32")
ANSWERS = {
    "classification": RNG.integers(0, 3, (40, 1)).astype("float32"),
    "multi-label": RNG.integers(0, 2, (40, 3)).astype("float32"),
    "regression": RNG.normal(size=(40, 3)).astype("float32"),
}


def holds(name: str, outputs: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Whether the answers hold, as a user would say it."""
    if name == "classification":
        return outputs.argmax(axis=1) == answers[:, 0]
    if name == "multi-label":
        return ((outputs > 0) == (answers > 0)).all(axis=1)
    return (np.abs(outputs - answers) <= 0.5).all(axis=1)


@pytest.mark.parametrize("name", tasks.names())
def test_an_answer_holds_where_the_class_that_is_right_has_the_largest_logit(name):
    task, answers = tasks.factory(name)(**SETTINGS.get(name, {})), ANSWERS[name]
    outputs = np.where(RNG.random((40, 1)) < 0.5, OUTPUTS, 0.3 * OUTPUTS + (answers if answers.shape[1] > 1 else 0))
    logits = ops.convert_to_numpy(task.counted(task.logits(outputs, answers)))
    assert logits.shape == (40, task.num_classes(3))
    classes = task.classes(answers)
    assert classes.dtype == np.int32
    np.testing.assert_array_equal(ops.convert_to_numpy(task.classes(ops.convert_to_tensor(answers))), classes)
    right = logits.argmax(axis=1) == classes
    np.testing.assert_array_equal(right, holds(name, outputs, answers))
    assert 0 < right.sum() < 40
    np.testing.assert_array_equal(task.read(task.read(answers, 3, "it"), 3, "it"), answers)
    assert len(task.class_names(3)) in (0, task.num_classes(3))
    assert set(task.minimize) <= set(losses.TRAINING)


def test_the_margin_of_several_labels_is_the_smallest_signed_log_odds():
    logits = MultiLabel().logits(OUTPUTS, ANSWERS["multi-label"])
    signed = (2 * ANSWERS["multi-label"] - 1) * OUTPUTS
    zeros = np.zeros(40, "int32")
    np.testing.assert_allclose(losses.margin(zeros, logits), -signed.min(axis=1), rtol=1e-6)
    whole = np.log1p(np.exp(-signed)).mean(axis=1)
    np.testing.assert_allclose(losses.binary_cross_entropy(zeros, logits), whole, rtol=1e-5)


def test_one_label_alone_counts():
    one = MultiLabel(label=1)
    logits = ops.convert_to_numpy(one.counted(one.logits(OUTPUTS, ANSWERS["multi-label"])))
    np.testing.assert_array_equal(
        logits.argmax(axis=1) == 0, (OUTPUTS[:, 1] > 0) == (ANSWERS["multi-label"][:, 1] > 0)
    )
    with pytest.raises(SettingError, match=r"Expected label from 0 to 2 of a model with 3; got 3\."):
        MultiLabel(label=3).check(3)


def test_the_margin_of_a_regression_is_in_units_of_the_tolerance():
    logits = Regression(tolerance=0.5).logits(OUTPUTS, ANSWERS["regression"])
    far = np.abs(OUTPUTS - ANSWERS["regression"]) / 0.5
    zeros = np.zeros(40, "int32")
    np.testing.assert_allclose(losses.margin(zeros, logits), far.max(axis=1) - 1, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(losses.squared_deviation(zeros, logits), (far**2).mean(axis=1), rtol=1e-4)


def test_chance():
    answers = np.array([[0, 1], [0, 1], [1, 1], [0, 0]], "float32")
    assert MultiLabel().chance(answers)[0] == 0.5
    assert MultiLabel(label=1).chance(answers)[0] == 0.75
    assert Regression(tolerance=1.0).chance(np.array([[0.0], [1.0], [2.0], [9.0]]))[0] == 0.5
    assert Classification().chance(answers) is None


@pytest.mark.parametrize(
    ("task", "y", "words"),
    [
        (MultiLabel(), [[0, 2, 1]], "Expected labels of 0 or 1; got 2 at example 0 of it."),
        (MultiLabel(), [[0, np.nan, 1]], "Expected labels of 0 or 1; got nan at example 0 of it."),
        (
            MultiLabel(),
            [[0, 1]],
            "Expected label rows (N, 3) of 0 and 1 for a multi-label model; got float64 of shape",
        ),
        (MultiLabel(), [1, 2], "pass --task classification if one class is true of each example."),
        (Regression(tolerance=1), [[0, 1]], "Expected 3 true values of each example; got float64 of shape (1, 2)"),
        (Regression(tolerance=1), [[0, np.inf, 1]], "Expected finite true values; got [0.0, inf, 1.0] at example 0"),
        (
            Classification(),
            [[3]],
            "Expected labels from 0 to 2, or rows of 3; got numbers of shape (1, 1) from 3 to 3",
        ),
        (Classification(), [[0.5]], "Expected labels from 0 to 2"),
    ],
)
def test_bad_answers_are_refused(task, y, words):
    with pytest.raises(DataError) as caught:
        task.read(np.array(y, "float64"), 3, "it")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("regression", "--task regression:tolerance=0.5; got tolerance=0."),
        ("regression:tolerance=-1", "tolerance"),
        ("multi-label:label=-1", "label"),
        ("multilabel", "Did you mean 'multi-label'?"),
    ],
)
def test_bad_tasks_are_refused(spec, words):
    with pytest.raises((SettingError, SpecError)) as caught:
        tasks.build(spec)
    assert words in str(caught.value)
