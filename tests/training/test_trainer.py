"""The Trainer is a Keras model: one step by hand, and the rest of Keras around it."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from turtlenet import attacks, balls
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError
from turtlenet.training import Free, Madry, Natural, Trainer

X = np.random.default_rng(0).uniform(0.3, 0.7, size=(8, 6)).astype("float32")
Y = (np.arange(8) % 3).astype("int32")


def classifier(dtype: str = "float32") -> Classifier:
    keras.utils.set_random_seed(3)
    return Classifier(keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, dtype=dtype)]))


def objective(**settings) -> Madry:
    return Madry(attack=attacks.build("fgsm:keep=last"), ball=balls.get("linf", 0.1), **settings)


def test_one_step_by_hand() -> None:
    victim = classifier()
    kernel, bias = victim.model.get_weights()
    trainer = Trainer(victim, objective())
    trainer.compile(keras.optimizers.SGD(0.5))
    logs = trainer.train_on_batch(X, Y, return_dict=True)

    def share(x):
        raised = np.exp(x @ kernel + bias)
        return raised / raised.sum(axis=1, keepdims=True)

    truth = np.eye(3)[Y]
    moved = X + 0.1 * np.sign((share(X) - truth) @ kernel.T)
    error = (share(moved) - truth) / 8
    assert np.allclose(victim.model.get_weights()[0], kernel - 0.5 * moved.T @ error, atol=1e-6)
    assert np.allclose(victim.model.get_weights()[1], bias - 0.5 * error.sum(axis=0), atol=1e-6)
    assert np.isclose(logs["loss"], -np.log(share(moved)[np.arange(8), Y]).mean(), atol=1e-5)
    assert np.isclose(logs["robust_accuracy"], (share(moved).argmax(1) == Y).mean())
    assert "accuracy" not in logs, "no clean example was in the batch"


def test_the_clean_share_is_told_apart() -> None:
    trainer = Trainer(classifier(), objective(clean_share=0.5))
    trainer.compile(keras.optimizers.SGD(0.0))
    logs = trainer.train_on_batch(X, Y, return_dict=True)
    clean = trainer.classifier.predict(X).argmax(axis=1) == Y
    assert np.isclose(logs["accuracy"], clean[:4].mean())
    assert logs["robust_accuracy"] <= clean[4:].mean()


def test_validation_reports_clean_and_robust_accuracy_of_the_same_images() -> None:
    victim = classifier()
    trainer = Trainer(victim, objective())
    trainer.compile(keras.optimizers.SGD(0.1))
    logs = trainer.evaluate(X, Y, return_dict=True, verbose=0)
    found = attacks.build("pgd:steps=20")(victim, X, Y, ball=balls.get("linf", 0.1))
    assert np.isclose(logs["accuracy"], (victim.predict(X).argmax(1) == Y).mean())
    assert np.isclose(logs["robust_accuracy"], (victim.predict(found).argmax(1) == Y).mean())
    assert logs["robust_accuracy"] < logs["accuracy"]


def test_fit_with_all_of_keras() -> None:
    trainer = Trainer(classifier(), objective(), seed=4)
    rate = keras.optimizers.schedules.CosineDecay(0.1, 20)
    trainer.compile(keras.optimizers.Adam(rate), metrics=["sparse_top_k_categorical_accuracy"])
    seen = []
    history = trainer.fit(
        X,
        np.eye(3)[Y],
        epochs=5,
        batch_size=4,
        verbose=0,
        validation_data=(X, Y),
        callbacks=[
            keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs)),
            keras.callbacks.EarlyStopping("val_robust_accuracy", mode="max", patience=5),
            keras.callbacks.TerminateOnNaN(),
        ],
    ).history
    assert {"loss", "robust_accuracy", "val_accuracy", "val_robust_accuracy", "val_loss"} <= set(history)
    assert "sparse_top_k_categorical_accuracy" in history
    assert history["loss"][-1] < history["loss"][0] and len(seen) == 5


def test_tf_data_and_sample_weights() -> None:
    import tensorflow as tf

    victim, twin = classifier(), classifier()
    rows = tf.data.Dataset.from_tensor_slices((X, Y, np.array([1.0] * 4 + [0.0] * 4, "float32"))).batch(8)
    for one, data in ((victim, rows), (twin, tf.data.Dataset.from_tensor_slices((X[:4], Y[:4])).batch(4))):
        trainer = Trainer(one, objective())
        trainer.compile(keras.optimizers.SGD(0.1))
        trainer.fit(data, epochs=2, shuffle=False, verbose=0)
    assert np.allclose(victim.model.get_weights()[0], twin.model.get_weights()[0], atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy) -> None:
    victim = classifier(policy)
    trainer = Trainer(victim, objective())
    trainer.compile(keras.optimizers.Adam(0.05))
    history = trainer.fit(X, Y, epochs=8, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert victim(X).dtype == "float32"
    assert isinstance(trainer.optimizer, keras.optimizers.LossScaleOptimizer) == (policy == "mixed_float16")


def deep() -> Classifier:
    keras.utils.set_random_seed(11)
    layers = [keras.Input((6,)), keras.layers.Dense(8, activation="relu"), keras.layers.Dense(3)]
    return Classifier(keras.Sequential(layers))


@pytest.mark.parametrize("weight", [None, np.array([1, 2, 0, 1, 3, 1, 1, 0], "float32")])
@pytest.mark.parametrize(("share", "attack"), [(0.0, "pgd:steps=3,keep=last"), (0.5, "fgsm:keep=last")])
def test_a_batch_in_parts_is_the_same_step(weight, share, attack) -> None:
    found = []
    for parts in (1, 4):
        goal = Madry(attack=attacks.build(attack), ball=balls.get("linf", 0.1), clean_share=share)
        trainer = Trainer(deep(), goal, accumulate=parts)
        trainer.compile(keras.optimizers.SGD(0.5), weighted_metrics=["sparse_categorical_accuracy"])
        # Where half of a part is clean, it is the first: so the same examples are clean whatever the parts.
        order = np.arange(8) if share == 0 else np.arange(8).reshape(2, parts, -1).swapaxes(0, 1).reshape(-1)
        rows = None if weight is None else weight[order]
        logs = [trainer.train_on_batch(X[order], Y[order], sample_weight=rows, return_dict=True) for _ in range(2)]
        found.append((trainer.network.get_weights(), logs[-1]))
    for weights, logs in found[1:]:
        for one, other in zip(weights, found[0][0], strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)
        assert logs.keys() == found[0][1].keys()
        for name, value in logs.items():
            assert np.isclose(value, found[0][1][name], atol=1e-5), name


def test_statistics_of_parts_are_kept() -> None:
    layers = [keras.Input((6,)), keras.layers.BatchNormalization(momentum=0.5), keras.layers.Dense(3)]
    victim = Classifier(keras.Sequential(layers))
    trainer = Trainer(victim, Natural(attack=attacks.build("fgsm"), ball=balls.get("linf", 0.1)), accumulate=2)
    trainer.compile(keras.optimizers.SGD(0.0))
    trainer.train_on_batch(X, Y)
    expected = 0.5 * (0.5 * X[:4].mean(axis=0)) + 0.5 * X[4:].mean(axis=0)
    found = keras.ops.convert_to_numpy(victim.model.layers[0].moving_mean)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_batch_statistics_are_those_of_the_crafted_batch_alone() -> None:
    # One update from one batch: were crafting done in training mode, there would be one more for every step of it.
    layers = [keras.Input((6,)), keras.layers.BatchNormalization(momentum=0.5), keras.layers.Dense(3)]
    victim = Classifier(keras.Sequential(layers))
    trainer = Trainer(victim, Natural(attack=attacks.build("fgsm"), ball=balls.get("linf", 0.1)))
    trainer.compile(keras.optimizers.SGD(0.0))
    trainer.train_on_batch(X, Y)
    assert np.allclose(victim.model.layers[0].moving_mean.numpy(), 0.5 * X.mean(axis=0), atol=1e-5)
    robust = Trainer(victim, objective())
    robust.compile(keras.optimizers.SGD(0.0))
    before = victim.model.layers[0].moving_mean.numpy()
    robust.train_on_batch(X, Y)
    after = victim.model.layers[0].moving_mean.numpy()
    assert np.abs(after - 0.5 * before).max() <= 0.5 * (X.mean(axis=0).max() + 0.1)
    robust.evaluate(X, Y, verbose=0)
    assert np.array_equal(after, victim.model.layers[0].moving_mean.numpy())


def test_regularizers_count() -> None:
    layer = keras.layers.Dense(3, kernel_regularizer=keras.regularizers.L2(0.5))
    victim = Classifier(keras.Sequential([keras.Input((6,)), layer]))
    trainer = Trainer(victim, objective())
    trainer.compile(keras.optimizers.SGD(1.0))
    kernel = layer.kernel.numpy()
    trainer.train_on_batch(np.zeros_like(X), Y)
    # Inputs of about 0 leave next to no gradient but the regularizer's, which halves nothing less than all weights.
    assert np.linalg.norm(layer.kernel.numpy()) < 0.5 * np.linalg.norm(kernel)


def test_a_step_is_the_same_eagerly() -> None:
    found = []
    for eagerly in (False, True):
        victim = classifier()
        trainer = Trainer(victim, Madry(attack=attacks.build("pgd:steps=3,keep=last"), ball=balls.get("linf", 0.1)))
        trainer.compile(keras.optimizers.SGD(0.5), run_eagerly=eagerly)
        logs = trainer.fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0, validation_data=(X, Y)).history
        found.append((victim.model.get_weights(), logs["val_robust_accuracy"]))
    (compiled, one), (eager, other) = found
    assert one == other
    assert all(np.allclose(mine, theirs, atol=1e-5) for mine, theirs in zip(compiled, eager, strict=True))


def test_a_callback_sees_the_weights_of_its_step() -> None:
    victim = classifier()
    trainer = Trainer(victim, objective())
    trainer.compile(keras.optimizers.SGD(0.5))
    seen: list[np.ndarray] = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None) -> None:
            # Under JAX, Keras puts the values of the step into the variables when a callback asks for `self.model`.
            seen.append(self.model.network.get_weights()[0])

    trainer.fit(X, Y, batch_size=4, verbose=0, callbacks=[Look()])
    assert len(seen) == 2 and not np.array_equal(*seen)
    assert np.array_equal(seen[-1], victim.model.get_weights()[0])


MIRRORED = """
import keras, numpy as np, tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
from turtlenet import attacks, balls
from turtlenet.classifier import Classifier
from turtlenet.training import Madry, Trainer

x = np.random.default_rng(0).uniform(size=(16, 6)).astype("float32")
y = (np.arange(16) % 3).astype("int32")

def run():
    keras.utils.set_random_seed(3)
    victim = Classifier(keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)]))
    goal = Madry(attack=attacks.build("pgd:steps=3,keep=last"), ball=balls.get("linf", 0.1))
    trainer = Trainer(victim, goal)
    trainer.compile(keras.optimizers.SGD(0.5))
    trainer.fit(x, y, batch_size=16, epochs=3, shuffle=False, verbose=0)
    return victim.model.get_weights()[0]

one = run()
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    two = run()
print("apart", float(np.abs(one - two).max()))
assert np.allclose(one, two, atol=1e-5)
"""


# Several devices ask for a process of their own.
@pytest.mark.slow
@pytest.mark.tensorflow
def test_mirrored_strategy_gives_the_weights_of_one_device() -> None:
    done = subprocess.run([sys.executable, "-c", MIRRORED], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0 and "apart" in done.stdout, done.stderr[-2000:]


def test_a_column_of_weights_is_taken_as_keras_takes_it() -> None:
    found = []
    for shape in ((8,), (8, 1)):
        victim = classifier()
        trainer = Trainer(victim, Natural(attack=attacks.build("fgsm:keep=last"), ball=balls.get("linf", 0.1)))
        trainer.compile(keras.optimizers.SGD(0.5))
        trainer.fit(X, Y, sample_weight=np.linspace(0, 1, 8).reshape(shape), batch_size=8, verbose=0)
        found.append(victim.model.get_weights())
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("kind", "settings", "count"),
    [(Madry, {"accumulate": 2}, 7), (Free, {"batch_size": 4}, 5), (Free, {"batch_size": 8}, 8)],
)
def test_a_rest_that_cannot_be_worked_on_is_refused(kind, settings, count: int) -> None:
    own = {"replays": 2} if kind is Free else {}
    goal = kind(attack=attacks.build("fgsm:keep=last"), ball=balls.get("linf", 0.1), **own)
    trainer = Trainer(classifier(), goal, **settings)
    trainer.compile(keras.optimizers.SGD(0.5))
    with pytest.raises(SettingError, match=f"got {count} examples in batches of 4"):
        trainer.fit(X[:count], Y[:count], batch_size=4, verbose=0)
