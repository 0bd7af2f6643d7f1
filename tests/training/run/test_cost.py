"""What a run costs, how long it takes, and what fits into a time."""

import dataclasses

import keras
import numpy as np
import pytest

from turtlenet import attacks, balls, data
from turtlenet.classifier import Classifier
from turtlenet.errors import SettingError
from turtlenet.training import IBP, Free, Madry, Natural, Schedule, harden
from turtlenet.training.data.stream import Stream
from turtlenet.training.run.cost import Clock, Cost, cost_of, duration, few_updates, input_gradients
from turtlenet.training.run.time_limit import Choice, choose, pace_of, parsed_time, with_steps

BALL = balls.get("linf", 0.1)
PGD = attacks.build("pgd:steps=10,step_size=0.25,keep=last")


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        ("fgsm", 1),
        ("pgd:steps=3,restarts=2", 6),
        ("pgd:steps=3,start=odi,odi_steps=2", 5),
        ("apgd:steps=5", 5),
        ("square:queries=20", 0),
        ("noise", 0),
        # Three other classes have a gradient each.
        ("fab:steps=4", 12),
        ("deepfool:steps=4", 12),
        ("cw:steps=4,searches=3", 12),
    ],
)
def test_it_counts_what_an_attack_computes(spec, count, small, images) -> None:
    attack = attacks.build(spec)
    assert input_gradients(attack, "linf", 4) == count
    if not any(each in spec for each in ("restarts", "apgd", "cw", "deepfool")):
        gradients = np.asarray(attack.run(small, images[0], images[1], ball=BALL).gradients)
        assert gradients.max() == count


def test_of_a_pool_it_counts_the_mean_or_the_sum() -> None:
    pool = attacks.Mixed(attacks="pgd:steps=10;fgsm", weights="1;2", drawn="batch")
    assert input_gradients(pool, "linf", 4) == pytest.approx(4)
    assert input_gradients(dataclasses.replace(pool, drawn="example"), "linf", 4) == 11


def test_a_run_in_words() -> None:
    cost = cost_of(Madry(attack=PGD, ball=BALL), 10, (70, 1400), 128, 1000, attacks.build("pgd:steps=20"))
    words = "1,400 steps, 14,000 input gradients of 128 images, 1,400 weight gradients of 128, 20 validations on 1,000"
    assert str(cost) == words
    half = cost_of(Madry(attack=PGD, ball=BALL, clean_share=0.5), 10, (70, 1400), 128)
    assert str(half) == "1,400 steps, 14,000 input gradients of 64 images, 1,400 weight gradients of 128"
    plain = cost_of(Natural(attack=PGD, ball=BALL), 10, (70, 1400), 128)
    one = cost_of(Natural(attack=PGD, ball=BALL), 1, (1, 1), 128)
    assert str(one) == "1 step, 1 weight gradient of 128"
    assert str(plain) == "1,400 steps, 1,400 weight gradients of 128"
    # 1,000 images with 21 passes take as long as 21,000 / (128 * 11) steps.
    assert cost.validation_steps == pytest.approx(21000 / 1408)
    assert cost.seconds(0.1) == pytest.approx(20 * (70 + 21000 / 1408) * 0.1)


def test_an_objective_tells_its_passes() -> None:
    class Twice(Madry):
        passes = 2

    assert cost_of(Twice(attack=PGD, ball=BALL), 10, (5, 10), 16).weight_gradients == 2


@pytest.mark.parametrize(
    ("kind", "steps", "how", "words"),
    [
        (Madry, (5, 20), {}, "20 times in all; fewer than 100 updates harden hardly any model -> Raise --epochs"),
        (Madry, (5, 20), {}, "to 20 or more, or lower --batch-size."),
        (Madry, (1, 1), {}, "weights 1 time in all"),
        # What is bounded is hardened as well, though nothing is attacked.
        (IBP, (33, 99), {}, "weights 99 times in all"),
        # Each batch is replayed 8 times.
        (Free, (6, 12), {}, "weights 96 times in all"),
        (Madry, (5, 20), {"fixed": True}, "-> Raise --epochs to 20 or more."),
        (Madry, (5, 20), {"timed": True}, "-> Give more --time, or lower --batch-size."),
        (Madry, (5, 100), {}, ""),
        (Free, (6, 18), {}, ""),
        (Natural, (1, 1), {}, ""),
    ],
)
def test_a_run_with_few_updates_is_warned_of(kind, steps, how, words) -> None:
    objective = kind(attack=PGD, ball=BALL)
    told = few_updates(cost_of(objective, 10, steps, 128), objective, **{"timed": False, "fixed": False, **how})
    assert len(told) == bool(words) and all(line.startswith("! ") and words in line for line in told)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "1 second"), (40, "40 seconds"), (1560, "26 minutes"), (12240, "3.4 hours"), (259200, "3.0 days")],
)
def test_times_for_people(seconds, words) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("text", "seconds"), [("2h", 7200), ("90m", 5400), ("45s", 45), ("1.5h", 5400), ("1h30m", 5400)]
)
def test_times_are_read(text, seconds) -> None:
    assert parsed_time(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "2 days", "0s", "-1h", "2h!", "nan"])
def test_bad_times(text) -> None:
    with pytest.raises(SettingError, match="Expected time as 2h, 90m, 45s or 1h30m; got "):
        parsed_time(text)


def test_fewer_steps_go_as_far() -> None:
    assert with_steps(PGD, 5) == dataclasses.replace(PGD, steps=5, step_size=0.5)
    assert with_steps(PGD, 1).step_size == 1.25
    assert with_steps(dataclasses.replace(PGD, step=0.01), 5).step == 0.02


def cost(steps: int) -> Cost:
    """An epoch of 100 steps without validation."""
    return cost_of(Madry(attack=with_steps(PGD, steps), ball=BALL), 10, (100, 100), 128)


@pytest.mark.parametrize(
    ("seconds", "most", "choice"),
    [
        # A step takes a tenth of a second for each gradient: an epoch of ten steps 110 s, of two 30 s.
        (111 * 30, 200, Choice(epochs=30)),
        (111 * 300, 200, Choice(epochs=200)),
        (111 * 300, 40, Choice(epochs=40)),
        (111 * 5, 5, Choice(epochs=5)),
        (111 * 5, 200, Choice(epochs=11, steps=4)),
        (65, 200, Choice(epochs=2, steps=2)),
    ],
)
def test_what_fits_into_a_time(seconds, most, choice) -> None:
    assert choose(seconds, cost, lambda steps: (steps + 1) / 10, PGD, most) == choice


def test_a_time_too_short_for_one_epoch_is_one_line() -> None:
    with pytest.raises(SettingError) as caught:
        choose(20, cost, lambda steps: (steps + 1) / 10, PGD)
    assert str(caught.value) == (
        "Expected time for one epoch with 2 steps of the attack, about 30 seconds; 20 seconds are left."
    )
    with pytest.raises(SettingError, match="Expected time for one epoch, about 2 minutes; 20 seconds"):
        choose(20, cost, lambda steps: 1.1, attacks.build("fgsm"))


X = np.random.default_rng(0).uniform(size=(48, 8, 8, 1)).astype("float32")
EXAMPLES = data.from_arrays(X, np.arange(48) % 4, num_classes=4)


def victim() -> Classifier:
    """A model with all that a step changes: weights, statistics and the state of a random layer."""
    keras.utils.set_random_seed(0)
    layers = [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.BatchNormalization()]
    return Classifier(keras.Sequential([*layers, keras.layers.Dropout(0.3), keras.layers.Dense(4)]))


@pytest.mark.slow
def test_timing_changes_nothing_and_the_clock_tells_once() -> None:
    goal = Madry(attack=attacks.build("pgd:steps=3,keep=last"), ball=BALL)
    schedule = Schedule(epochs=2, batch_size=8, learning_rate=0.05)
    plain, timed = victim(), victim()
    step = pace_of(timed, goal, schedule, Stream(EXAMPLES, 8, 0), None)
    assert 0 < step(2) <= step(3) <= step(10)
    for one, other in zip(plain.model.variables, timed.model.variables, strict=True):
        assert np.array_equal(one, other)
    told: list[str] = []
    clock = Clock(cost_of(goal, 4, schedule.steps(48), 8), told.append)
    harden(plain, EXAMPLES, goal, schedule, tell=told.append)
    harden(timed, EXAMPLES, goal, schedule, tell=told.append, callbacks=[clock])
    for one, other in zip(plain.model.get_weights(), timed.model.get_weights(), strict=True):
        assert np.array_equal(one, other)
    assert len(told) == 1 and told[0].startswith("time: about ") and told[0].endswith(" s a step")
    assert clock.step > 0


@pytest.mark.parametrize(
    ("validation", "words"),
    [
        # 48 steps of the second epoch and 50 of the third, of two seconds each.
        (0, "time: about 3 minutes on this machine, 2 s a step"),
        # Two validations of 500 steps' worth each, whose graph takes 28 s longer to build than a step to run.
        (4000, "time: about 37 minutes on this machine, 2 s a step"),
    ],
)
def test_the_clock_counts_steps_and_what_is_left(validation, words, monkeypatch) -> None:
    """The first step builds a graph, and an hour passes between two epochs."""
    now = [0.0]
    monkeypatch.setattr("turtlenet.training.run.cost.time.perf_counter", lambda: now[0])
    told: list[str] = []
    clock = Clock(cost_of(Natural(attack=PGD, ball=BALL), 4, (50, 150), 8, validation), told.append)
    clock.set_params({"steps": 50})
    for epoch, batches, validated in ((0, (48, 49), False), (1, range(20), False)):
        clock.on_epoch_begin(epoch)
        for batch in batches:
            clock.on_train_batch_begin(0 if batch == 48 else batch)
            now[0] += 30.0 if (epoch, batch) == (0, 48) else 2.0
            clock.on_train_batch_end(batch, {"loss": 1.0})
        now[0] += 3600.0 * (not validated)
    assert told == [words]
    assert clock.step == 2.0
