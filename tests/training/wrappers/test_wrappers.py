"""What every wrapper keeps, the equations of each against NumPy, and the run that is killed."""

import dataclasses
import json
from typing import Any

import keras
import numpy as np
import pytest

from tests.training.objective.trades import Trades
from turtlenet import attacks, backend, balls, data
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError, SpecError
from turtlenet.training import Madry, Natural, Plan, Schedule, Trainer, harden, objectives, wrappers
from turtlenet.training.data.stream import Extra, Stream
from turtlenet.training.run.batch_statistics import recalibrate
from turtlenet.training.run.callbacks import CollapseWatch, Stages, halved
from turtlenet.training.wrappers import (
    AWP,
    EMA,
    SWA,
    EpsSchedule,
    Orthogonality,
    Parseval,
    StepsSchedule,
    make_wrappers,
)

RNG = np.random.default_rng(0)
X = RNG.uniform(0.3, 0.7, size=(40, 6)).astype("float32")
Y = (X[:, :3].argmax(axis=1)).astype("int32")
EXAMPLES, HELD_OUT = (data.from_arrays(X[part], Y[part], num_classes=3) for part in (slice(32), slice(32, 40)))
BALL = balls.get("linf", 0.05)
NAMES = wrappers.names()
ALL = [
    "awp:start=0.3",
    "eps-schedule:shape=cosine,last=1.5",
    "steps-schedule:end=0.6,count=2",
    "early-stop:patience=9",
    "orthogonality:beta=0.01",
    "parseval:beta=0.02",
]


def victim(normalized: bool = False) -> Classifier:
    layers = [keras.Input((6,)), keras.layers.Dense(5), keras.layers.BatchNormalization(), keras.layers.Dense(3)]
    model = keras.Sequential(layers if normalized else [layers[0], layers[3]])
    draw = np.random.default_rng(1)
    model.set_weights([value if value.ndim < 2 else draw.normal(size=value.shape) for value in model.get_weights()])
    return Classifier(model)


def madry(spec: str = "fgsm:keep=last", **settings: Any) -> Madry:
    return Madry(attack=attacks.build(spec), ball=BALL, **settings)


def run(model: Classifier, specs: Any, objective: Any = None, epochs: int = 3, **settings: Any) -> Any:
    plan = Schedule(epochs=epochs, batch_size=8, learning_rate=0.05, seed=7)
    objective = objective or madry("pgd:steps=2,keep=last")
    settings = {"validation": HELD_OUT, "tell": lambda line: None, **settings}
    attack = attacks.build("pgd:steps=2")
    return harden(model, EXAMPLES, objective, plan, wrappers=specs, validation_attack=attack, **settings)


class Kill(keras.callbacks.Callback):
    """Stops a run as a signal would."""

    def __init__(self, step: int):
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.step -= 1
        if self.step == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("name", NAMES)
def test_settings_are_frozen_and_come_back(name) -> None:
    made = wrappers.build(name)
    assert make_wrappers([json.loads(json.dumps(made.to_dict()))]) == [made]
    assert make_wrappers(str(made)) == [made] and type(made).__doc__
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.anything = 1


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("ema:decay=1", "Expected decay from 0 to less than 1; got 1"),
        ("ema:decay=-0.1", "Expected decay from 0 to less than 1"),
        ("awp:gamma=0", "Expected gamma > 0"),
        ("awp:gamma=nan", "Expected gamma > 0"),
        ("awp:start=1.5", "Expected start from 0 to 1"),
        ("swa:start=-1", "Expected start from 0 to 1"),
        ("swa:every=0", "Expected every >= 1"),
        ("emma", "Unknown wrapper 'emma'. Did you mean 'ema'?"),
        ("ema:decai=0.9", "Did you mean 'decay'?"),
        ("early-stop:patience=0", "Expected patience >= 1"),
        ("eps-schedule:shape=linaer", "Did you mean 'linear'?"),
        ("eps-schedule:start=0.5,end=0.2", "Expected start <= end"),
        ("eps-schedule:last=0", "Expected last > 0"),
        ("orthogonality:beta=-0.1", "Expected beta >= 0; got -0.1."),
        ("orthogonality:beta=inf", "Expected beta >= 0; got inf."),
        ("parseval:beta=-1", "Expected beta in [0, 1); got -1."),
        ("parseval:beta=1", "Expected beta in [0, 1); got 1."),
        ("steps-schedule:first=0", "Expected first >= 1"),
        ("steps-schedule:count=1", "Expected count >= 2"),
    ],
)
def test_bad_settings(spec, words) -> None:
    with pytest.raises((SpecError, SettingError)) as caught:
        wrappers.build(spec)
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("specs", "settings", "words"),
    [
        (["ema", "swa"], {}, "Expected one average of the weights; got ema and swa."),
        (["awp", "awp"], {}, "Expected each wrapper once; got awp twice."),
        (["early-stop"], {"validation": None}, "Expected validation data for early-stop"),
        (["steps-schedule:first=2"], {}, "Expected an attack of more than 2 steps"),
        ([], {"on_collapse": "recovr"}, "Did you mean 'recover'?"),
        ([], {"on_collapse": "stop", "validation": None}, "Expected validation data for on_collapse=stop"),
        ([], {"on_collapse": "recover", "objective": madry("noise")}, "Expected an attack with a step_size"),
    ],
)
def test_what_does_not_fit_a_run(specs, settings, words) -> None:
    with pytest.raises(SettingError, match=words):
        run(victim(), specs, **settings)


def trained(made: list[Any], steps: int, plan: Plan, **settings: Any) -> tuple[Trainer, list[list[np.ndarray]]]:
    """A trainer after some steps, and the weights after each."""
    trainer = Trainer(victim(), madry(**settings), wrappers=made, plan=plan)
    trainer.compile(keras.optimizers.SGD(0.5))
    weights = [trainer.network.get_weights()]
    for _ in range(steps):
        trainer.train_on_batch(X[:8], Y[:8])
        weights.append(trainer.network.get_weights())
    return trainer, weights


def test_the_exponential_average() -> None:
    trainer, weights = trained([EMA(decay=0.3)], 4, Plan(steps=4))
    for place, value in enumerate(trainer.judged()):
        average = weights[0][place]
        for number in range(4):
            decay = min(0.3, (1 + number) / (10 + number))
            average = decay * average + (1 - decay) * weights[number + 1][place]
        np.testing.assert_allclose(value, average, atol=1e-6)
        assert np.abs(value - weights[4][place]).max() > 1e-4


def test_the_equal_average() -> None:
    trainer, weights = trained([SWA(start=0.5, every=2)], 6, Plan(steps=6))
    # The weights after steps 4 and 6 of 6, counted from 1.
    for place, value in enumerate(trainer.judged()):
        np.testing.assert_allclose(value, (weights[4][place] + weights[6][place]) / 2, atol=1e-6)
    early, weights = trained([SWA(start=0.9)], 2, Plan(steps=100))
    assert all(map(np.array_equal, early.judged(), weights[2]))


def share(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    raised = np.exp(x @ kernel + bias)
    return raised / raised.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_perturbed_weights(accumulate) -> None:
    model, x, y = victim(), X[:8], Y[:8]
    kernel, bias = model.model.get_weights()
    trainer = Trainer(model, madry(), wrappers=[AWP(gamma=0.1)], plan=Plan(), accumulate=accumulate)
    trainer.compile(keras.optimizers.SGD(0.5))
    trainer.train_on_batch(x, y)
    slopes = []
    # Each part of a batch has a perturbation of its own.
    for part, labels in zip(np.split(x, accumulate), np.split(y, accumulate), strict=True):
        truth = np.eye(3)[labels]
        moved = part + 0.05 * np.sign((share(part, kernel, bias) - truth) @ kernel.T)
        uphill = moved.T @ (share(moved, kernel, bias) - truth)
        v = 0.1 * np.linalg.norm(kernel) * uphill / np.linalg.norm(uphill)
        np.testing.assert_allclose(AWP(gamma=0.1)._moved(kernel, uphill) - kernel, v, atol=1e-5)
        error = (share(moved, kernel + v, bias) - truth) / 8
        slopes.append((moved.T @ error, error.sum(axis=0)))
    for old, new, slope in zip((kernel, bias), model.model.get_weights(), zip(*slopes, strict=True), strict=True):
        np.testing.assert_allclose(new, old - 0.5 * sum(slope), atol=1e-5)


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("around", [[], ["awp:gamma=0.1"]])
def test_the_penalty_of_kernels(accumulate, around) -> None:
    """beta / 2 ||W'W - I||^2 has the gradient 2 beta W (W'W - I), at the moved weights where they are moved."""

    def step(beta: float) -> list[np.ndarray]:
        made = [*make_wrappers(around), *([Orthogonality(beta=beta)] if beta else [])]
        trainer = Trainer(victim(), madry(), wrappers=made, plan=Plan(), accumulate=accumulate)
        trainer.compile(keras.optimizers.SGD(0.5))
        trainer.train_on_batch(X[:8], Y[:8])
        return trainer.network.get_weights()

    model = victim().model
    kernel = model.get_weights()[0].astype("float64")
    products = kernel.T @ kernel - np.eye(3)
    assert float(Orthogonality(beta=0.2).penalty(model)) == pytest.approx(0.1 * (products**2).sum(), rel=1e-5)
    (plain, bias), (pulled, same) = step(0), step(0.01)
    np.testing.assert_allclose(bias, same, atol=1e-6)
    slope = 2 * 0.01 * kernel @ products
    # AWP moves kernels by a tenth of their length, and what the penalty is differentiated at with them.
    np.testing.assert_allclose(plain - pulled, 0.5 * slope, atol=0.2 * np.abs(slope).max() if around else 1e-5)
    assert np.abs(slope).max() > 0.05


def test_the_retraction_of_kernels() -> None:
    plan = Plan(steps=2)
    (_, (bare, bias)) = trained([], 1, plan)[1]
    (_, (kernel, same)) = trained([Parseval(beta=0.05)], 1, plan)[1]
    np.testing.assert_allclose(kernel, 1.05 * bare - 0.05 * bare @ bare.T @ bare, atol=1e-5)
    np.testing.assert_allclose(bias, same, atol=1e-6)


def test_kernels_become_orthogonal() -> None:
    """Of a convolution, too, with more units than inputs and with fewer; depthwise kernels stay as they are."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Conv2D(20, 2), keras.layers.DepthwiseConv2D(2), keras.layers.Conv2D(3, 1)]
    network = keras.Sequential([keras.Input((4, 4, 2)), *layers])
    kept = np.asarray(layers[1].kernel)
    for _ in range(200):
        Parseval(beta=0.2).update([], network, Plan())
    for layer in layers[::2]:
        matrix = np.asarray(layer.kernel).reshape(-1, layer.filters)
        products = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
        np.testing.assert_allclose(products, np.eye(len(products)), atol=1e-4)
    assert np.array_equal(kept, np.asarray(layers[1].kernel))
    assert float(Orthogonality().penalty(network)) < 1e-6


def test_a_penalty_of_replayed_batches() -> None:
    objective = objectives.build("free:replays=2", attack=attacks.build("fgsm"), ball=BALL)
    weights = []
    for made in ([], [Orthogonality(beta=0.1)]):
        trainer = Trainer(victim(), objective, wrappers=made, plan=Plan(), batch_size=8)
        trainer.compile(keras.optimizers.SGD(0.01))
        trainer.train_on_batch(X[:8], Y[:8])
        weights.append(float(Orthogonality().penalty(trainer.network)))
    assert weights[1] < weights[0]


def test_what_has_no_kernel_or_too_large_a_step() -> None:
    bare = Classifier(keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, trainable=False)]))
    for made in (Orthogonality(), Parseval()):
        with pytest.raises(SettingError, match="Expected a dense layer or a convolution to train for"):
            Trainer(bare, madry(), wrappers=[made])
    large = victim()
    large.model.layers[-1].kernel.assign(9 * np.eye(6, 3))
    with pytest.raises(SettingError, match=r"Expected beta below 0.025 for parseval on kernels with singular values"):
        Trainer(large, madry(), wrappers=[Parseval(beta=0.03)])


def test_gradients_elsewhere_leave_the_variables_alone() -> None:
    model = victim(normalized=True).model
    weights, before = model.trainable_variables, model.get_weights()
    elsewhere = [np.asarray(weight) + 0.1 for weight in weights]

    def compute(keep: bool, at: Any = None) -> Any:
        def loss() -> Any:
            return keras.ops.sum(keras.ops.square(model(X, training=True))), ()

        trace = backend.compiled(lambda: backend.weight_gradients(loss, weights, at, keep)[2], lambda: model.variables)
        return [np.asarray(each) for each in trace()]

    probed = compute(keep=False, at=elsewhere)
    assert all(map(np.array_equal, before, model.get_weights()))
    kept = compute(keep=True, at=elsewhere)
    # Sums of 40 terms of up to 100 that cancel out, in float32.
    for one, two in zip(probed, kept, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=5e-3)
    now = model.get_weights()
    assert [np.array_equal(old, new) for old, new in zip(before, now, strict=True)].count(False) == 2
    model.set_weights(before)
    for weight, value in zip(weights, elsewhere, strict=True):
        weight.assign(value)
    for one, two in zip(probed, compute(keep=False), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=5e-3)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"end": 1.0}, [0.1, 0.5, 1.0, 1.0]),
        ({"end": 1.0, "shape": "cosine"}, [0.0245, 0.5, 1.0, 1.0]),
        ({"start": 0.5, "end": 0.7, "first": 0.2, "last": 2.0}, [0.2, 0.2, 2.0, 2.0]),
    ],
)
def test_the_radius(settings, expected) -> None:
    wrapper, plan = EpsSchedule(**settings), Plan(steps=10)
    shaped = [wrapper.objective(madry(warmup_steps=5), plan, step=step, stage=0) for step in (0, 4, 9, 30)]
    found = [float(each.ball.eps) / 0.05 for each in shaped]
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert not any(each.warmup_steps for each in shaped)


def test_the_steps_and_their_stages() -> None:
    wrapper, plan, objective = StepsSchedule(first=2, end=0.5), Plan(steps=40), madry("pgd:steps=10")
    assert wrapper.stages(objective, plan) == [0, 10, 20]
    taken = [wrapper.objective(objective, plan, step=0, stage=stage).attack.steps for stage in (0, 10, 20)]
    assert taken == [2, 6, 10] and objective.attack.steps == 10

    class Holder:
        stage, made = -1, 0

        def make_train_function(self, force: bool) -> None:
            self.made += 1

    holder = Holder()
    watch = Stages(holder, [0, 10, 20], done=9)
    seen = []
    for batch in range(12):
        watch.on_train_batch_begin(batch)
        seen.append(holder.stage)
    assert seen == [0] + [10] * 10 + [20] and holder.made == 2 and watch.step == 21


@pytest.fixture(scope="module")
def unbroken() -> Any:
    """A run with everything around TRADES that nothing stops, with its weights."""
    model = victim(normalized=True)
    objective = Trades(attack=attacks.build("pgd:steps=2,loss=kl,keep=last"), ball=BALL)
    return run(model, [*ALL, "swa:start=0.4,batches=2"], objective), model.model.get_weights(), objective


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_weights(unbroken, tmp_path) -> None:
    expected, weights, objective = unbroken
    settings = {"checkpoint": tmp_path / "state", "seconds": 0.0}
    specs = [*ALL, "swa:start=0.4,batches=2"]
    with pytest.raises(KeyboardInterrupt):
        run(victim(normalized=True), specs, objective, callbacks=[Kill(7)], **settings)
    with pytest.raises(SettingError, match="other values of wrappers"):
        run(victim(normalized=True), ALL, objective, resume=True, **settings)
    again = victim(normalized=True)
    assert run(again, specs, objective, resume=True, **settings) == expected
    assert all(map(np.array_equal, weights, again.model.get_weights()))


def test_what_is_judged_is_kept() -> None:
    model, seen = victim(), []

    class See(keras.callbacks.Callback):
        def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(self.model.network.get_weights())

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            trained.append(self.model.network.get_weights())

    trained: list[Any] = []
    done = run(model, ["ema:decay=0.9"], epochs=2, callbacks=[See()])
    kept = model.model.get_weights()
    assert all(map(np.array_equal, kept, seen[done.best_epoch - 1]))
    assert not any(all(map(np.array_equal, kept, each)) for each in trained)
    alone = victim()
    run(alone, ["ema:decay=0.9"], epochs=2, validation=None)
    # Validation changes no step: its last average is that of a run without.
    assert all(map(np.array_equal, alone.model.get_weights(), seen[-1]))


def test_statistics_of_batches() -> None:
    trainer = Trainer(victim(normalized=True), madry(clean_share=1.0))
    trainer.compile(keras.optimizers.SGD(0.1))
    trainer.optimizer.build(trainer.network.trainable_variables)
    before = trainer.network.get_weights()
    recalibrate(trainer, Stream(EXAMPLES, 8, 0), 99)
    dense, norm = trainer.network.layers[:2]
    hidden = X[:32] @ np.asarray(dense.kernel) + np.asarray(dense.bias)
    np.testing.assert_allclose(np.asarray(norm.moving_mean), hidden.mean(axis=0), atol=1e-4)
    assert norm.momentum == 0.99
    changed = [not np.array_equal(old, new) for old, new in zip(before, trainer.network.get_weights(), strict=True)]
    assert changed.count(True) == 2


def test_an_early_stop() -> None:
    told = run(victim(), ["early-stop:patience=1"], epochs=9, objective=madry("fgsm:keep=last", clean_share=1.0))
    assert told.steps < 36 and told.steps == 4 * (told.best_epoch + 1)


def test_a_collapse_stops() -> None:
    notes: dict[str, Any] = {}
    told: list[str] = []
    watch = CollapseWatch(told.append, notes, "stop")
    watch.set_model(type("Holder", (), {"stop_training": False})())
    watch.on_epoch_end(0, {"val_crafted_accuracy": 0.9, "val_robust_accuracy": 0.1, "val_accuracy": 0.9})
    assert watch.model.stop_training and notes["stopped"] and "The run stops" in told[0]


class Lengths(keras.callbacks.Callback):
    """Writes down how long the attack's step is in each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[float] = []

    def on_test_end(self, logs: Any = None) -> None:
        self.steps.append(self.model.objective.attack.step_size)


@pytest.mark.slow
@pytest.mark.parametrize("killed", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_collapse_is_recovered_from(killed, monkeypatch, tmp_path) -> None:
    watched = CollapseWatch.on_epoch_end
    goods, told = [], []

    def bad(self: Any, epoch: int, logs: Any = None) -> None:
        low = {"val_robust_accuracy": 0.1} if epoch in (1, 2, 3, 4) else {"val_robust_accuracy": 0.9}
        watched(self, epoch, {**logs, "val_crafted_accuracy": 0.9, "val_accuracy": 0.9, **low})
        goods.append(all(map(np.array_equal, self.good[:2], self.model.network.get_weights())))

    monkeypatch.setattr(CollapseWatch, "on_epoch_end", bad)
    steps = Lengths()
    settings = {"on_collapse": "recover", "objective": madry(), "epochs": 6, "tell": told.append}
    settings |= {"checkpoint": tmp_path / "state", "seconds": 0.0}
    if killed:
        with pytest.raises(KeyboardInterrupt):
            run(victim(), [], callbacks=[steps, Kill(10)], **settings)
    done = run(victim(), [], callbacks=[steps], resume=killed, **settings)
    assert done.steps == 20 and [round(each, 4) for each in steps.steps] == [1.0, 1.0, 0.5, 0.25, 0.125]
    assert len(done.findings) == 4 and "halved (3 of at most 3 times)" in done.findings[2]
    assert "The run stops" in done.findings[3] and all(goods[:4])


def test_what_is_halved() -> None:
    assert halved(madry("pgd:step_size=0.2"), 2).attack.step_size == pytest.approx(0.05)
    assert halved(madry("pgd:step=0.2")).attack.step == pytest.approx(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_narrow_numbers(precision) -> None:
    model = victim(normalized=True).model
    for layer in model.layers:
        layer.dtype_policy = keras.DTypePolicy(precision)
    run(Classifier(model), ["awp:gamma=0.01", "ema:decay=0.9"])
    assert all(np.isfinite(value).all() for value in model.get_weights())


def test_new_statistics_are_of_augmented_batches_with_their_extra_examples() -> None:
    layers = [keras.Input((6, 6, 1)), keras.layers.Flatten(), keras.layers.BatchNormalization(), keras.layers.Dense(3)]
    model = keras.Sequential(layers)
    pixels = np.full((24, 6, 6, 1), 0.25, "float32")
    trainer = Trainer(
        Classifier(model), Natural(attack=attacks.build("fgsm"), ball=BALL), augment=["gaussian:sigma=0.5"]
    )
    trainer.compile(keras.optimizers.SGD(0.1))
    trainer.optimizer.build(model.trainable_variables)
    examples = data.from_arrays(pixels, Y[:24], num_classes=3)
    extra = Extra(data.from_arrays(pixels + 0.5, Y[:24], num_classes=3), 0.75)
    recalibrate(trainer, Stream(examples, 8, seed=0, extra=extra), 100)
    moving = {each.name: np.asarray(each).mean() for each in model.layers[1].non_trainable_variables}
    # Noise of 0.5 around 0.25 and 0.75 that is cut to the bounds.
    assert 0.55 < moving["moving_mean"] < 0.65 and moving["moving_variance"] > 0.12
