"""Objectives of certificates: their statistics, their schedules, what they refuse, and what a step costs."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy.special import log_softmax

from turtlenet import attacks, balls, data, models, random
from turtlenet.certification import margins
from turtlenet.classifier import Classifier
from turtlenet.errors import ModelError, SettingError, SpecError
from turtlenet.models.usage import Usage
from turtlenet.training import Certified, Trainer, objectives
from turtlenet.training.data.stream import Stream
from turtlenet.training.objective.bounded import Bounded
from turtlenet.training.run.batch_statistics import recalibrate
from turtlenet.training.run.callbacks import BestRobust
from turtlenet.training.wrappers import AWP, EMA, EpsSchedule, Plan

RNG = np.random.default_rng(5)
X = RNG.uniform(0.2, 0.8, size=(16, 6)).astype("float32")
Y = (X.argmax(axis=1) % 3).astype("int32")
KEY = random.keys(0, np.arange(16))
BALL = balls.get("linf", 0.1)
NAMES = [name for name in objectives.names() if issubclass(objectives.factory(name), Certified)]


def net(*middle: keras.layers.Layer, policy: str = "float32") -> Classifier:
    keras.utils.set_random_seed(3)
    layers = [keras.Input((6,)), keras.layers.Dense(8, dtype=policy), *middle, keras.layers.Dense(3, dtype=policy)]
    return Classifier(keras.Sequential(layers))


def normalized() -> Classifier:
    return net(keras.layers.BatchNormalization(momentum=0.9), keras.layers.ReLU())


def build(spec: str, ball: balls.Ball = BALL, **settings):
    return objectives.build(spec, settings, attack=attacks.build("pgd:steps=1,keep=last"), ball=ball)


def layered(model: Classifier, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """The worst logits by hand, with statistics of X, and the box that the ReLU is given."""
    kernel, bias, gamma, beta, last, shift = (np.asarray(each, "float64") for each in model.model.trainable_variables)
    points = X @ kernel + bias
    mean, scale = points.mean(axis=0), gamma / np.sqrt(points.var(axis=0) + 1e-3)
    middle = ((low + high) / 2 @ kernel + bias - mean) * scale + beta
    radius = (high - low) / 2 @ np.abs(kernel) * np.abs(scale)
    box = [middle - radius, middle + radius]
    low, high = (np.maximum(each, 0) for each in box)
    differences = last[:, Y].T[:, :, None] - last[None]
    margin = np.einsum("bi,bij->bj", (low + high) / 2, differences) + shift[Y][:, None] - shift
    return np.einsum("bi,bij->bj", (high - low) / 2, np.abs(differences)) - margin, box


def looseness(eps: float, low: np.ndarray, high: np.ndarray) -> float:
    """The regularizers of Shi et al. (2021) for a net of one ReLU, in NumPy."""
    middle, tightness = (low + high) / 2, eps / ((high - low) / 2).mean()
    on, off = low > 0, high < 0
    spread = (middle - middle.mean()) ** 2
    pairs = [((middle * on).mean(), -(middle * off).mean()), ((spread * on).sum(), (spread * off).sum())]
    ratios = [tightness, *(min(above / below, below / above) for above, below in pairs)]
    return sum(max(0.0, 0.5 - ratio) / 0.5 for ratio in ratios)


def entropy(logits: np.ndarray) -> np.ndarray:
    return -log_softmax(logits, axis=1)[np.arange(len(Y)), Y]


def test_bounds_have_the_statistics_of_the_batch_as_it_is() -> None:
    model, twin = normalized(), normalized()
    losses, _ = build("ibp:kappa=0").loss(model, X, X, Y)
    worst, _ = layered(model, X.astype("float64") - 0.1, X.astype("float64") + 0.1)
    np.testing.assert_allclose(losses, entropy(worst), rtol=1e-3)
    twin.model(X, training=True)
    for mine, theirs in zip(model.model.non_trainable_variables, twin.model.non_trainable_variables, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)


def test_statistics_are_computed_anew_from_the_batch_as_it_is() -> None:
    model, twin = normalized(), normalized()
    trainer = Trainer(model, build("mtl-ibp"), seed=3)
    trainer.compile("sgd")
    recalibrate(trainer, Stream(data.from_arrays(X, Y, num_classes=3), 16, 0), 1)
    twin.model.layers[1].momentum = 0.0
    twin.model(X, training=True)
    for mine, theirs in zip(model.model.non_trainable_variables, twin.model.non_trainable_variables, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["sabr", "mtl-ibp", "cc-ibp"])
def test_what_is_attacked_has_them_too(name) -> None:
    model, twin = normalized(), normalized()
    _, logits = build(name).loss(model, X, np.clip(X + 0.1, 0, 1), Y)
    bounded = Bounded(twin, X)
    np.testing.assert_allclose(logits, bounded.logits(np.clip(X + 0.1, 0, 1)), rtol=1e-4, atol=1e-5)


def test_kappa_and_the_regularizers_follow_the_radius() -> None:
    """At step 4 of a warm-up of 10 the radius is half of the ball's."""
    model = normalized()
    objective = build("ibp:kappa=0.2,regularizer=0.4", warmup_steps=10).at(4)
    losses, logits = objective.loss(model, X, X, Y)
    worst, box = layered(model, X.astype("float64") - 0.05, X.astype("float64") + 0.05)
    expected = 0.6 * entropy(np.asarray(logits, "float64")) + 0.4 * entropy(worst) + 0.2 * looseness(0.05, *box)
    np.testing.assert_allclose(losses, expected, rtol=1e-3)
    assert looseness(0.05, *box) > 0.1
    assert float(np.asarray(build("ibp", warmup_steps=10).at(99).ball.eps)) == pytest.approx(0.1)
    assert build("ibp").at(3).ramp == 1.0


def test_a_layer_of_one_kind_is_balanced_and_has_a_gradient() -> None:
    model = normalized()
    model.model.layers[1].beta.assign(np.full(8, 50.0))
    bounded = Bounded(model, X)
    bounded.margins(X - np.float32(0.1), X + np.float32(0.1), Y)
    found = float(np.asarray(bounded.looseness()))
    width = np.asarray(bounded.boxes[2].high - bounded.boxes[2].low).mean() / 2
    assert found == pytest.approx(max(0.0, 0.5 - 0.1 / width) / 0.5, rel=1e-3)


@pytest.mark.parametrize("shape", ["linear", "cosine", "smooth"])
def test_the_schedule_tells_how_far_the_radius_has_grown(shape) -> None:
    wrapper, plan = EpsSchedule(shape=shape, start=0.1, end=0.6, last=1.5), Plan(steps=1000)
    at = [wrapper.objective(build("ibp"), plan, step=step, stage=0) for step in range(0, 1000, 25)]
    ramp = np.array([float(np.asarray(each.ramp)) for each in at])
    eps = np.array([float(np.asarray(each.ball.eps)) for each in at])
    np.testing.assert_allclose(ramp, eps / 0.15, atol=1e-6)
    assert ramp[0] == 0 and ramp[-1] == 1 and (np.diff(ramp) >= 0).all()
    if shape == "smooth":
        # Slower than a line at first; from a quarter of the way on a line.
        assert (ramp[5:24] < np.linspace(0, 1, 21)[1:20] + 1e-6).all()
        np.testing.assert_allclose(np.diff(ramp[10:24], 2), 0, atol=1e-4)


def test_certified_is_what_the_margins_say() -> None:
    model, objective = normalized(), build("mtl-ibp", balls.get("linf", 0.01))
    model.in_training = False
    found = np.asarray(objective.certified(model, X, Y))
    low, high = X - np.float32(0.01), X + np.float32(0.01)
    expected = np.asarray(margins(model.model, low, high, Y))
    assert found.tolist() == [(np.delete(row, label) > 0).all() for row, label in zip(expected, Y, strict=True)]


def test_training_makes_certificates_and_validation_counts_them() -> None:
    model = normalized()
    attack = attacks.build("pgd:steps=1")
    trainer = Trainer(model, build("ibp", balls.get("linf", 0.03), kappa=0.2), validation_attack=attack)
    trainer.compile(keras.optimizers.Adam(0.05))
    logs = trainer.fit(X, Y, validation_data=(X, Y), batch_size=16, epochs=40, verbose=0).history
    certified, robust = logs["val_certified_accuracy"], logs["val_robust_accuracy"]
    assert certified[0] < 0.5 < certified[-1]
    # By the definition of a certificate, in every epoch.
    assert all(low <= high + 1e-6 for low, high in zip(certified, robust, strict=True))
    last = {name: values[-1] for name, values in logs.items()}
    assert BestRobust({}).rank(last) == [
        round(last[f"val_{each}_accuracy"], 6) for each in ("certified", "robust")
    ] + [round(last["val_accuracy"], 6)]


@pytest.mark.parametrize("name", NAMES)
def test_another_norm_and_a_layer_without_a_rule_are_one_line(name) -> None:
    with pytest.raises(SettingError, match=f"Expected norm linf for objective {name}; got l2"):
        Trainer(normalized(), build(name, balls.get("l2", 0.1)))
    with pytest.raises(ModelError, match="Expected layers with a rule to bound them; 'odd' .* has none"):
        Trainer(net(keras.layers.LayerNormalization(name="odd")), build(name))


def test_another_task_than_single_labels_is_one_line() -> None:
    asked = models.classifier(normalized().model, usage=Usage(task="multi-label"))
    with pytest.raises(SettingError, match="Expected single labels of one input for objective ibp; got .*label"):
        build("ibp", minimize="binary_cross_entropy").check(asked, ())


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("ibp:kappa=1.5", "Expected kappa from 0 to 1; got 1.5"),
        ("sabr:tau=0", r"Expected tau in \(0, 1\]; got 0"),
        ("mtl-ibp:alpha=-1", "Expected alpha from 0 to 1; got -1"),
        ("cc-ibp:reach=0", "Expected reach > 0; got 0"),
        ("ibp:l1=-1", "Expected l1 >= 0; got -1"),
        ("ibp:regularizer=nan", "Expected regularizer >= 0; got nan"),
        ("ibpp", "Did you mean 'ibp'"),
    ],
)
def test_bad_settings_are_one_line(spec, words) -> None:
    with pytest.raises((SettingError, SpecError), match=words):
        build(spec)


def test_behind_hard_levels_the_box_is_the_image_of_the_ball() -> None:
    model = models.classifier(models.wrap(normalized().model, ["constant-quantization:levels=2,hard=true"]))
    bounded = Bounded(model, X)
    bounded.margins(X - np.float32(0.1), X + np.float32(0.1), Y)
    levels = bounded.boxes[1]
    np.testing.assert_array_equal(levels.low, (X - np.float32(0.1) >= 0.5).astype("float32"))
    np.testing.assert_array_equal(levels.high, (X + np.float32(0.1) >= 0.5).astype("float32"))


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_it_trains_with_wrappers_in_mixed_precision(policy) -> None:
    model = net(keras.layers.BatchNormalization(), keras.layers.ReLU(), policy=policy)
    wrappers = [EpsSchedule(shape="smooth", end=0.5), AWP(), EMA()]
    trainer = Trainer(model, build("mtl-ibp"), wrappers=wrappers, plan=Plan(steps=4))
    trainer.compile(keras.optimizers.Adam(0.01, global_clipnorm=1.0))
    before = model.model.get_weights()
    trainer.fit(X, Y, batch_size=8, epochs=2, verbose=0)
    after = model.model.get_weights()
    assert all(np.isfinite(each).all() for each in after) and not np.array_equal(before[0], after[0])


def flops(spec: str) -> int:
    """Multiplications and additions of what a step's gradients need on a convolutional net, as TensorFlow counts."""
    import tensorflow as tf
    from tensorflow.python.framework.ops import get_stats_for_node_def

    from turtlenet import backend

    keras.utils.set_random_seed(0)
    model = models.classifier(models.build("cnn7:width=4", (12, 12, 1)))
    objective, weights = build(spec), model.model.trainable_variables
    y = tf.zeros(8, "int32")

    def step(x):
        def loss():
            losses, _ = objective.total(model, x, x + 0.1, y, key=random.keys(0, np.arange(8)))
            return ops.sum(losses), ()

        return backend.weight_gradients(loss, weights)[2]

    graph = tf.function(step, autograph=False).get_concrete_function(tf.zeros((8, 12, 12, 1)))
    waiting, needed = [each.op for each in graph.outputs], {}
    while waiting:
        operation = waiting.pop()
        if operation.name not in needed:
            needed[operation.name] = operation
            waiting += [each.op for each in operation.inputs]
    counts = [get_stats_for_node_def(graph.graph, each.node_def, "flops").value for each in needed.values()]
    return sum(filter(None, counts))


@pytest.mark.slow
@pytest.mark.tensorflow  # Its profiler counts.
def test_a_step_costs_as_many_passes_as_it_says() -> None:
    one = flops("madry")
    for spec in ("ibp", "sabr", "mtl-ibp"):
        assert flops(spec) / one == pytest.approx(build(spec).passes, rel=0.15), spec


@pytest.mark.slow
@pytest.mark.tensorflow  # The same.
def test_linear_bounds_cost_some_passes_for_each_class() -> None:
    objective = build("crown-ibp:beta=0.5")
    expected = objective.passes + 10 * objective.class_passes
    assert flops("crown-ibp:beta=0.5") / flops("madry") == pytest.approx(expected, rel=0.15)
