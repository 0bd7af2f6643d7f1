"""A hardening run: the best weights, the collapse that is noticed, and the kill that changes nothing."""

import keras
import numpy as np
import pytest

from turtlenet import attacks, backend, balls, data
from turtlenet.classifier import Classifier
from turtlenet.data.prepare import split
from turtlenet.errors import ModelError, OutputError, SettingError, TurtlenetError
from turtlenet.training import Madry, Schedule, Trainer, harden, objectives
from turtlenet.training.data.stream import Stream
from turtlenet.training.run.callbacks import BestRobust, CollapseWatch
from turtlenet.training.run.checkpoint import read_notes
from turtlenet.workflows import train

RNG = np.random.default_rng(0)
X = RNG.uniform(size=(60, 8, 8, 1)).astype("float32")
Y = (X.reshape(60, 4, 16).mean(axis=2).argmax(axis=1)).astype("int32")
EXAMPLES = data.from_arrays(X, Y, num_classes=4)
QUIET = {"tell": lambda line: None}


def victim() -> Classifier:
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(3, 3),
        keras.layers.BatchNormalization(),
        keras.layers.ReLU(),
        keras.layers.Dropout(0.3),
        keras.layers.Flatten(),
        keras.layers.Dense(4),
    ]
    return Classifier(keras.Sequential(layers))


def objective(**settings) -> Madry:
    return Madry(attack=attacks.build("pgd:steps=2,keep=last"), ball=balls.get("linf", 0.05), **settings)


def run(model: Classifier, **settings):
    plan = Schedule(epochs=4, batch_size=16, learning_rate=0.01, seed=7)
    rest, held_out = split(EXAMPLES, 10, 0)
    return harden(model, rest, objective(), settings.pop("schedule", plan), validation=held_out, **QUIET, **settings)


class Kill(keras.callbacks.Callback):
    """Stops a run as a signal would, before the step's state is saved."""

    def __init__(self, step: int):
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch, logs=None):
        # Counted here: asking for `self.model` would settle its variables for the checkpoint under JAX.
        self.step -= 1
        if self.step == 0:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def unbroken():
    """What a run that nothing stops says of itself, and its weights."""
    whole = victim()
    return run(whole), whole.model.get_weights()


def judged(found) -> list[dict[str, float]]:
    """What was validated after each epoch."""
    return [{name: value for name, value in each.items() if "val_" in name} for each in found.history]


# The first step, the first of an epoch, one within, and the last.
@pytest.mark.parametrize("step", [4, *(pytest.param(step, marks=pytest.mark.slow) for step in (1, 8, 12))])
def test_a_killed_run_ends_with_the_same_weights(step, unbroken, tmp_path) -> None:
    expected, weights = unbroken
    broken = victim()
    path = tmp_path / "state"
    with pytest.raises(KeyboardInterrupt):
        run(broken, checkpoint=path, seconds=0.0, callbacks=[Kill(step)])
    # Else the run that continues would start anew, and end with the same weights as well.
    assert (read_notes(path)["step"] if path.exists() else 0) == step - 1
    again = victim()
    found = run(again, checkpoint=path, seconds=0.0, resume=True)
    assert found == expected and judged(found) == judged(expected)
    assert [each["epoch"] for each in found.history] == [1, 2, 3, 4]
    for one, other in zip(weights, again.model.get_weights(), strict=True):
        assert np.array_equal(one, other)


# What carries a state of its own from batch to batch, and one with regularizers; the rest goes the same way.
@pytest.mark.parametrize(
    "spec", ["free:replays=2", pytest.param("trades:gradalign=0.2,logit_pairing=0.1", marks=pytest.mark.slow)]
)
def test_a_killed_run_of_any_objective_ends_with_the_same_weights(spec, tmp_path) -> None:
    plan = objectives.build(spec, attack=attacks.build("pgd:steps=2,keep=last"), ball=balls.get("linf", 0.05))

    def short(model: Classifier, **settings) -> None:
        schedule = Schedule(epochs=2, batch_size=10, learning_rate=0.01, seed=7)
        harden(model, EXAMPLES, plan, schedule, sources=[victim()] * plan.helpers, **QUIET, **settings)

    whole, broken, again = victim(), victim(), victim()
    short(whole)
    with pytest.raises(KeyboardInterrupt):
        short(broken, checkpoint=tmp_path / "state", seconds=0.0, callbacks=[Kill(4)])
    short(again, checkpoint=tmp_path / "state", seconds=0.0, resume=True)
    for one, other in zip(whole.model.get_weights(), again.model.get_weights(), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.slow
def test_the_seed_decides(unbroken) -> None:
    again, other = victim(), victim()
    run(again)
    run(other, schedule=Schedule(epochs=4, batch_size=16, learning_rate=0.01, seed=8))
    pairs = list(zip(unbroken[1], again.model.get_weights(), other.model.get_weights(), strict=True))
    assert all(np.array_equal(one, two) for one, two, _ in pairs)
    assert not all(np.array_equal(one, three) for one, _, three in pairs)


def test_another_runs_state_is_refused(tmp_path) -> None:
    path = tmp_path / "state"
    run(victim(), checkpoint=path)
    with pytest.raises(SettingError, match="got other values of epochs"):
        run(
            victim(),
            checkpoint=path,
            resume=True,
            schedule=Schedule(epochs=5, batch_size=16, learning_rate=0.01, seed=7),
        )
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(OutputError, match="Expected a training state") as caught:
        run(victim(), checkpoint=path, resume=True)
    assert "\n" not in str(caught.value)


def test_the_best_weights_are_kept() -> None:
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    holder = type("Holder", (), {"network": network})()
    notes: dict = {}
    best = BestRobust(notes)
    best.set_model(holder)
    for epoch, (robust, clean) in enumerate([(0.5, 0.9), (0.7, 0.9), (0.7, 0.95), (0.6, 0.99)]):
        network.layers[0].kernel.assign([[float(epoch)]])
        best.on_epoch_end(epoch, {"val_robust_accuracy": robust, "val_accuracy": clean})
    best.restore(network)
    assert float(network.layers[0].kernel[0, 0]) == 2.0
    assert notes["best"] == [0.7, 0.95] and notes["best_epoch"] == 3


@pytest.mark.parametrize(
    ("epochs", "word"),
    [
        ([(0.8, 0.7, 0.9), (0.85, 0.1, 0.9), (0.85, 0.1, 0.9)], "catastrophic overfitting"),
        ([(0.95, 0.8, 0.9), (0.95, 0.8, 0.9)], "label leaking"),
        ([(0.8, 0.7, 0.9), (0.85, 0.72, 0.9), (0.9, 0.65, 0.9)], None),
    ],
)
def test_a_collapse_is_noticed_once(epochs, word) -> None:
    told: list[str] = []
    watch = CollapseWatch(told.append, {})
    for epoch, (crafted, robust, clean) in enumerate(epochs):
        logs = {"val_crafted_accuracy": crafted, "val_robust_accuracy": robust, "val_accuracy": clean}
        watch.on_epoch_end(epoch, logs)
    assert len(told) == (word is not None)
    assert word is None or (word in told[0] and "Train with" in told[0])


def test_many_steps_are_not_watched() -> None:
    told: list[str] = []
    CollapseWatch(told.append, {}).on_epoch_end(0, {"val_robust_accuracy": 0.1, "val_accuracy": 0.9})
    assert not told


def test_the_stream_is_a_function_of_the_step() -> None:
    whole, later = Stream(EXAMPLES, 16, 3), Stream(EXAMPLES, 16, 3, first_step=5)
    for step in range(4):
        assert np.array_equal(whole[5 + step][0], later[step][0])
    passes = [np.concatenate([whole[3 * turn + step][1] for step in range(3)]) for turn in range(2)]
    assert len(passes[0]) == 48 and not np.array_equal(*passes)


def test_held_out_examples_are_not_trained_on() -> None:
    rest, held_out = split(EXAMPLES, 10, 0)
    seen = {image.tobytes() for image in rest.batch(slice(None))[0]}
    assert len(seen) == 50 and not seen & {image.tobytes() for image in held_out.batch(slice(None))[0]}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"epochs": 0}, "Expected epochs >= 1; got 0."),
        ({"batch_size": 0}, "Expected batch_size >= 1"),
        ({"learning_rate": 0.0}, "Expected learning_rate > 0"),
        ({"learning_rate": float("nan")}, "Expected learning_rate > 0"),
        ({"optimizer": "adm"}, "Did you mean 'adam'?"),
        ({"seed": -1}, "Expected seed >= 0"),
    ],
)
def test_bad_schedules(settings, words) -> None:
    with pytest.raises(TurtlenetError) as caught:
        Schedule(**settings)
    assert words in str(caught.value)


def test_the_models_own_optimizer_must_be_there() -> None:
    with pytest.raises(SettingError, match="Expected a compiled model"):
        run(victim(), schedule=Schedule(optimizer="compiled"))


class Short(Trainer):
    """Training for which memory is short: parts of more than so many images do not fit."""

    most = 4
    tried: list[int] = []

    def learn(self, data):
        size = 16 // self.accumulate
        self.tried.append(size)
        if size > self.most:
            raise MemoryError
        return super().learn(data)


@pytest.mark.slow
def test_a_batch_that_does_not_fit_is_worked_on_in_parts(monkeypatch, tmp_path) -> None:
    plain, short = victim(), victim()
    # Batch statistics are those of a part: without them the steps are the same.
    for model in (plain, short):
        model.model.layers[1].trainable = False
    expected = run(plain, accumulate=4)
    monkeypatch.setitem(harden.__globals__, "Trainer", Short)
    monkeypatch.setattr(Short, "tried", [])
    assert run(short, accumulate=None) == expected
    assert Short.tried[0] == 16 and Short.tried[-1] == 4
    for one, other in zip(plain.model.get_weights(), short.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_memory_that_is_short_is_one_line(monkeypatch) -> None:
    monkeypatch.setitem(harden.__globals__, "Trainer", Short)
    with pytest.raises(SettingError, match="Expected memory for a training batch of 16 in 1 parts; got none"):
        run(victim())
    monkeypatch.setattr(Short, "most", 0)
    with pytest.raises(SettingError, match="Expected memory for a part of 1 in training; got none left"):
        run(victim(), accumulate=None)


def test_parts_and_devices_share_a_batch_evenly(monkeypatch) -> None:
    with pytest.raises(SettingError, match="Expected a batch size that can be worked on in 3 parts; got 16."):
        run(victim(), accumulate=3)
    monkeypatch.setattr(backend, "shares", lambda: 3)
    with pytest.raises(SettingError, match="Expected a batch size that 3 devices share evenly; got 16."):
        run(victim())
    with pytest.raises(SettingError, match="Expected a batch size that 3 devices share evenly in 4 parts; got 16."):
        run(victim(), accumulate=4)


def test_mixed_precision_is_for_the_run_only(tmp_path) -> None:
    model = victim().model
    kept, notes = train.harden_model(
        model, (X, Y), eps=0.05, epochs=1, batch_size=16, precision="bfloat16", tell=lambda line: None
    )
    assert notes.recipe["precision"] == "bfloat16, float32"
    assert {layer.compute_dtype for layer in kept.layers} == {"float32"}
    assert not np.array_equal(kept.get_weights()[0], model.get_weights()[0])


def test_an_attack_with_a_ball_of_its_own_is_refused() -> None:
    for spec in ("pgd:eps=0.1", "pgd:norm=l2"):
        with pytest.raises(SettingError, match="Expected norm and eps of the threat, not of the attack"):
            train.harden_model(victim().model, (X, Y), attack=spec, eps=0.1, epochs=1, **QUIET)


@pytest.mark.parametrize("name", ["adam", "rmsprop", "sgd"])
def test_gradients_are_limited_where_asked(name) -> None:
    assert Schedule(optimizer=name, clip_norm=2.0).make(10, None).global_clipnorm == 2.0
    assert Schedule(optimizer=name).make(10, None).global_clipnorm is None


def test_a_limit_beside_the_models_own_optimizer_is_one_line() -> None:
    with pytest.raises(SettingError, match=r"Expected no clip_norm for optimizer=compiled; got 1\.0"):
        Schedule(optimizer="compiled", clip_norm=1.0).make(10, keras.optimizers.Adam())


def test_a_run_that_diverges_ends_and_leaves_no_model() -> None:
    lines: list[str] = []
    rest, held_out = split(EXAMPLES, 10, 0)
    plan = Schedule(epochs=3, batch_size=16, learning_rate=1e38, optimizer="sgd", seed=7)
    with pytest.raises(ModelError, match=r"Expected weights that are numbers; got NaN .* Training diverged: a lower"):
        harden(victim(), rest, objective(), plan, validation=held_out, tell=lines.append)
    assert [line for line in lines if line.startswith("! The loss of epoch 1 is no number.")]


def test_the_best_epoch_before_it_diverged_is_kept() -> None:
    class Spoil(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                for variable in self.model.network.trainable_variables:
                    variable.assign(variable * float("nan"))

    model, lines = victim(), []
    rest, held_out = split(EXAMPLES, 10, 0)
    plan = Schedule(epochs=3, batch_size=16, learning_rate=0.01, seed=7)
    found = harden(model, rest, objective(), plan, validation=held_out, callbacks=[Spoil()], tell=lines.append)
    assert found.best_epoch == 1 and found.steps == 6
    assert all(np.isfinite(value).all() for value in model.model.get_weights())
    assert any("The weights of epoch 1 are kept." in line for line in lines)


def test_a_model_without_weights_to_train_is_refused() -> None:
    model = victim()
    model.model.trainable = False
    with pytest.raises(ModelError, match=r"^Expected weights to train; all \d+ of the model are frozen"):
        run(model)
