"""An attacker who can only ask: the questions are counted, the augmentation is the paper's, the substitute learns."""

import keras
import numpy as np
import pytest

import turtlenet as tn
from tests.gan.conftest import drawn, network
from turtlenet import models
from turtlenet.attacks.features.resolve import resolve
from turtlenet.attacks.features.said import Said
from turtlenet.classifier import Classifier
from turtlenet.errors import DataError, ModelError, SettingError, SpecError
from turtlenet.evaluation import Report
from turtlenet.evaluation.threat_models.black_box import evaluate_black_box
from turtlenet.features import Features
from turtlenet.models.normalize import standardized
from turtlenet.training.surrogates.oracle import Oracle
from turtlenet.training.surrogates.substitute import Substitution, fresh_network, substitution, train_substitute


@pytest.fixture(scope="module")
def quarters() -> Classifier:
    return Classifier(network())


def linear(seed: int = 0) -> keras.Model:
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(4)])
    draw = np.random.default_rng(seed)
    model.set_weights([draw.normal(0, 0.1, each.shape) for each in model.weights])
    return model


def test_an_oracle_answers_and_counts(quarters) -> None:
    x, _ = drawn(10, 3)
    logits = quarters.predict(x)
    labels, scores = Oracle(quarters), Oracle(quarters, "scores")
    assert np.array_equal(labels.ask(x), np.eye(4, dtype="float32")[logits.argmax(axis=1)])
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    assert np.allclose(scores.ask(x), raised / raised.sum(axis=1, keepdims=True), atol=1e-6)
    labels.ask(x[:3])
    assert (labels.queries, scores.queries) == (13, 10)
    with pytest.raises(SpecError, match="Did you mean 'labels'"):
        Oracle(quarters, "label")


class Roots(keras.layers.Layer):
    """The inputs, and NaN in place of those below 0.15."""

    def call(self, x):
        return x + 0 * keras.ops.sqrt(x - 0.15)


def test_a_model_that_answers_nan_is_refused_before_anything_is_trained() -> None:
    victim = Classifier(keras.Sequential([keras.Input((8, 8, 1)), Roots(), *network().layers]))
    x, y = drawn(40, 3)
    x[31] = 0.1
    with pytest.raises(ModelError, match="answers in numbers; got NaN for 1 of 40 inputs"):
        Oracle(victim).ask(x)
    # The attacker's own 24 are answered.
    whole, fgsm, ball = tn.data.from_arrays(x, y), [tn.attacks.build("fgsm")], tn.balls.get("linf", 0.1)
    told: list[str] = []
    with pytest.raises(ModelError, match="answers in numbers; got NaN for 1 of 16 images"):
        evaluate_black_box(victim, whole, None, fgsm, ball, Substitution(holdout=24), specs=["fgsm"], tell=told.append)
    assert told == []


def test_twins_are_a_step_up_the_jacobian_of_the_oracles_class(quarters) -> None:
    """Of a linear substitute that does not learn, the twins can be worked out by hand."""
    x, _ = drawn(6, 4)
    model, asked = linear(), []
    oracle = Oracle(quarters)
    ask, oracle.ask = oracle.ask, lambda given: asked.append(given) or ask(given)
    how = Substitution(rounds=2, epochs=1, step=0.05, learning_rate=1e-30)
    train_substitute(oracle, model, x, how, tell=lambda line: None)
    labels = quarters.predict(x).argmax(axis=1)
    slope = model.layers[-1].kernel.numpy().T[labels].reshape(x.shape)
    assert np.array_equal(asked[0], x)
    assert np.allclose(asked[1], np.clip(x + 0.05 * np.sign(slope), 0, 1), atol=1e-6)


def test_a_substitute_learns_to_answer_alike(quarters) -> None:
    lines = []
    x, _ = drawn(24, 5)
    oracle = Oracle(quarters)
    how = Substitution(rounds=3, epochs=15, holdout=24, learning_rate=0.01, batch_size=16)
    student = train_substitute(oracle, linear(), x, how, tell=lines.append)
    fresh, _ = drawn(40, 6)
    agreed = (student.predict(fresh).argmax(axis=1) == quarters.predict(fresh).argmax(axis=1)).mean()
    assert agreed > 0.9 and oracle.queries == how.queries == 96
    assert len(lines) == 3 and "96 queries" in lines[-1]


def test_settings_of_a_spec() -> None:
    assert substitution("") == Substitution()
    assert substitution("substitute=lenet,rounds=2,step=0.2,answers=scores") == Substitution(
        substitute="lenet", rounds=2, step=0.2, answers="scores"
    )
    for text, words in [
        ("round=2", "Did you mean 'rounds'"),
        ("rounds=0", "Expected rounds from 1 to 12; got 0"),
        ("rounds=2.5", "Expected rounds from 1"),
        ("step=0", "Expected step > 0"),
        ("answers=score", "Did you mean 'scores'"),
        ("holdout=many", "Expected holdout from 1"),
    ]:
        with pytest.raises((SpecError, SettingError), match=words):
            substitution(text)


def test_a_fresh_network_has_the_layers_and_not_the_weights(quarters, tmp_path) -> None:
    models.save(linear(), tmp_path / "like.h5")
    found = fresh_network(str(tmp_path / "like.h5"), quarters, seed=3)
    assert not np.array_equal(np.asarray(found.weights[0]), np.asarray(linear().weights[0]))
    other = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(5)])
    models.save(other, tmp_path / "other.h5")
    with pytest.raises(ModelError, match="Expected a substitute for inputs .* and 4 classes"):
        fresh_network(str(tmp_path / "other.h5"), quarters)
    with pytest.raises(ModelError, match="Expected a substitute's architecture"):
        fresh_network("lenett", quarters)


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Report:
    folder = tmp_path_factory.mktemp("box")
    models.save(linear(), folder / "like.h5")
    spec = f"black-box:substitute={folder / 'like.h5'},holdout=24,rounds=2,epochs=10,learning_rate=0.01"
    return tn.evaluate(
        network(), drawn(80, 7), attacks=["fgsm"], eps=0.2, access=spec, limit=50, curve=0, tell=lambda line: None
    )


def test_a_black_box_evaluation_has_both_numbers_and_the_queries(report) -> None:
    assert report.threat["access"] == "black-box" and report.threat["queries"] == 48
    assert [row.attacker for row in report.attacks] == ["substitute", "with the model"]
    assert report.data["count"] == 50
    assert report.beside_accuracy <= report.robust_accuracy
    codes = {doubt.code for doubt in report.doubts}
    assert "only-answers" in codes and "secret-key" not in codes
    assert Report.from_json(report.to_json()) == report
    assert "48 queries" in report.threat["surrogate_training"]


def test_who_can_only_ask_trains_no_generator_on_the_model() -> None:
    with pytest.raises(SettingError, match="Expected advgan:generator=FILE.h5 for access black-box; got none"):
        tn.evaluate(network(), drawn(80, 7), attacks=["advgan"], access="black-box:holdout=24", curve=0)


TABLE = Features(
    names=("size", "count", "a", "b", "c", "port"),
    low=(0, 0, 0, 0, 0, 0),
    high=(1000, 20, 1, 1, 1, 9),
    eps=(100, 2, 1, 1, 1, 1),
    type=("real", "integer", "one-hot", "one-hot", "one-hot", "real"),
    groups=("", "", "kind", "kind", "kind", ""),
    movable=("up", "yes", "yes", "yes", "yes", "no"),
)


def rows(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A table with integers and categories, and the answers of `scorer`."""
    draw = np.random.default_rng(seed)
    kinds = np.eye(3)[draw.integers(0, 3, count)]
    numbers = draw.uniform(0, 900, count), draw.integers(0, 20, count)
    x = np.column_stack([*numbers, kinds, draw.integers(0, 9, count)]).astype("float32")
    return x, scorer()(x).numpy().argmax(axis=1)


def scorer() -> keras.Model:
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)])
    weights = np.array([0.002, 0.1, -1, 0, 1, 0.01])
    model.set_weights([np.column_stack([-weights, weights]), np.array([2.0, -2.0])])
    return model


def test_twins_of_rows_keep_bounds_masks_and_rules() -> None:
    x, _ = rows(24, 1)
    threat = resolve(Said.by_user(features=TABLE), (6,), "linf", (0.0, 1000.0))
    victim, asked = Classifier(scorer(), bounds=(0.0, 1000.0)), []
    oracle = Oracle(victim)
    ask, oracle.ask = oracle.ask, lambda given: asked.append(given) or ask(given)
    network = standardized(fresh_network("auto", victim), x)
    how = Substitution(rounds=2, epochs=1, holdout=24)
    train_substitute(oracle, network, x, how, ball=threat.ball, tell=lambda line: None)
    twins = asked[1]
    assert threat.ball.space.holds(twins, x).all()
    move = twins - x
    assert (move[:, 5] == 0).all() and (move[:, 0] >= 0).all() and move[:, 0].max() == pytest.approx(100)
    # A tenth of 0 to 20, but for the edges; and some rows change their category.
    assert set(np.abs(move[:, 1])) <= {0, 1, 2} and (np.abs(move[:, 1]) == 2).any()
    assert (twins[:, 2:5] != x[:, 2:5]).any()


@pytest.mark.slow
def test_a_black_box_of_a_table_is_counted_by_the_rules_of_its_features() -> None:
    found = tn.evaluate(
        scorer(),
        rows(60, 2),
        features=TABLE,
        attacks=["pgd:steps=2,step_size=1"],
        access="black-box:holdout=30,rounds=1,epochs=6,learning_rate=0.02,batch_size=10",
        curve=0,
        tell=lambda line: None,
    )
    assert [row.attacker for row in found.attacks] == ["substitute", "with the model"]
    assert found.data["count"] == 30 and found.threat["queries"] == 30
    assert found.threat["surrogates"][0]["name"] == "substitute (mlp)" and found.threat["agreement"] > 0.5
    assert "augmentation of 30 rows, 1 rounds" in found.threat["surrogate_training"]
    assert found.threat["features"]["names"][-1] == "port" and found.robust_accuracy < found.clean_accuracy
    # What may not move is not among what moved.
    moved = {each.feature: each.mean for each in found.moves.features}
    assert moved["port"] == 0 and moved["size"] > 0


def test_a_fresh_network_normalizes_by_the_attackers_own_rows() -> None:
    x, _ = rows(40, 3)
    like = Classifier(scorer(), bounds=(0.0, 1000.0))
    network = standardized(fresh_network("auto", like), x)
    assert isinstance(network.layers[1], keras.layers.Normalization)
    assert np.allclose(np.asarray(network.layers[1](x)).mean(axis=0), 0, atol=1e-4)
    own = keras.Sequential([keras.Input((6,)), keras.layers.Normalization(), keras.layers.Dense(2)])
    assert standardized(own, x) is own
    assert np.allclose(own.layers[0].mean, x.mean(axis=0), rtol=1e-4)


def test_what_a_black_box_cannot_be_is_one_line() -> None:
    for access, words in [
        ("black-box:holdout=80", "Expected more than the attacker's 80 images"),
        ("black-boxes", "Did you mean 'black-box'"),
        ("white-box:rounds=2", "Expected settings for access black-box only"),
    ]:
        with pytest.raises((SettingError, SpecError, DataError), match=words):
            tn.evaluate(network(), drawn(80, 7), attacks=["fgsm"], access=access, curve=0)
