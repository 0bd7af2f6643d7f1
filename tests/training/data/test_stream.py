"""Training batches: a function of the step, with extra examples at an exact share."""

import keras
import numpy as np
import pytest

from turtlenet import attacks, backend, balls, data
from turtlenet.errors import DataError, SettingError
from turtlenet.training import Natural, Schedule, harden
from turtlenet.training.data.augmentation import build
from turtlenet.training.data.stream import Extra, Stream

COUNT, MORE = 60, 90


def examples(count: int, first: int, **settings) -> data.Examples:
    """Images that tell which they are: all pixels of image n are n / 200."""
    x = np.broadcast_to(np.arange(first, first + count, dtype="float32")[:, None, None, None] / 200, (count, 8, 8, 1))
    return data.from_arrays(np.ascontiguousarray(x), np.arange(count) % 4, **{"num_classes": 4, **settings})


OWN = examples(COUNT, 0)
FURTHER = examples(MORE, 100)


def numbers(batch) -> np.ndarray:
    return np.rint(batch[0][:, 0, 0, 0] * 200).astype(int)


def test_each_batch_holds_the_share() -> None:
    stream = Stream(OWN, 16, 3, extra=Extra(FURTHER, 0.7))
    assert stream.steps_per_pass == 60 // 5
    drawn = [numbers(stream[step]) for step in range(24)]
    assert {(batch >= 100).sum() for batch in drawn} == {11}
    own = np.concatenate([batch[batch < 100] for batch in drawn])
    more = np.concatenate([batch[batch >= 100] for batch in drawn])
    # Each pass is a permutation: of 60 in 12 steps, and of 90 in 8.
    assert all(sorted(own[start : start + 60]) == list(range(60)) for start in (0, 60))
    assert all(len(set(more[start : start + 88])) == 88 for start in (0, 88, 176))
    assert not np.array_equal(own[:60], own[60:])
    # Extra images lie between the others, and not in the same places.
    assert len({tuple(batch >= 100) for batch in drawn}) > 20
    for step in range(3):
        x, y = stream[step]
        assert np.array_equal(y, numbers((x, y)) % 100 % 4)


def test_it_is_a_function_of_the_step() -> None:
    stream = Stream(OWN, 16, 3, extra=Extra(FURTHER, 0.5))
    later = stream.at(17)
    for step in (4, 0, 2):
        assert all(np.array_equal(one, two) for one, two in zip(stream[17 + step], later[step], strict=True))
    other = Stream(OWN, 16, 4, extra=Extra(FURTHER, 0.5))
    assert not np.array_equal(numbers(stream[0]), numbers(other[0]))


def test_processes_read_their_parts(monkeypatch) -> None:
    stream = Stream(OWN, 16, 3, extra=Extra(FURTHER, 0.25))
    whole = stream[5]
    parts = []
    for number in range(4):
        monkeypatch.setattr(backend, "own", lambda count, number=number: slice(4 * number, 4 * number + 4))
        parts.append(stream[5])
    for column, expected in enumerate(whole):
        assert np.array_equal(np.concatenate([part[column] for part in parts]), expected)


def test_weights_of_one_kind_are_ones_of_the_other() -> None:
    weighted = OWN.weighted(np.full(COUNT, 3.0))
    x, y, weight = Stream(weighted, 16, 3, extra=Extra(FURTHER, 0.5))[0]
    assert np.array_equal(weight, np.where(numbers((x, y)) < 100, 3, 1))


@pytest.mark.parametrize(
    ("further", "share", "kind", "words"),
    [
        (FURTHER, 0.0, SettingError, "Expected extra_share above 0 and below 1; got 0.0."),
        (FURTHER, 1.0, SettingError, "Expected extra_share above 0 and below 1; got 1.0."),
        (FURTHER, 0.01, SettingError, "got 0.01, which gives 0 extra ones."),
        (FURTHER, 0.99, SettingError, "got 0.99, which gives 16 extra ones."),
        (FURTHER.take(5), 0.5, DataError, "Expected at least the 8 extra images of a batch; got 5 in arrays."),
        (examples(20, 0, num_classes=7), 0.5, DataError, "Expected extra images of 4 classes; got 7 in arrays."),
        (
            data.from_arrays(np.zeros((20, 6, 6, 1), "float32"), np.arange(20) % 4, name="small.npz"),
            0.5,
            DataError,
            "Expected extra images of shape 8x8x1 within [0.0, 1.0]; got 6x6x1 within [0.0, 1.0] in small.npz.",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(further, share, kind, words) -> None:
    with pytest.raises(kind) as caught:
        Stream(OWN, 16, 3, extra=Extra(further, share))
    assert words in str(caught.value)


def test_a_killed_run_with_both_ends_with_the_same_weights(small, tmp_path) -> None:
    class Killer(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 3:
                raise KeyboardInterrupt

    values = small.model.get_weights()
    goal = Natural(attack=attacks.build("fgsm"), ball=balls.get("linf", 0.1))

    def run(**settings) -> list[np.ndarray]:
        small.model.set_weights(values)
        more = {"augment": build(["shift", "flip"]), "extra": Extra(FURTHER, 0.5), "seconds": 0.0, **settings}
        schedule = Schedule(epochs=2, batch_size=16, learning_rate=0.05, optimizer="sgd")
        harden(small, OWN, goal, schedule, tell=lambda line: None, **more)
        return small.model.get_weights()

    try:
        expected = run()
        path = tmp_path / "state"
        with pytest.raises(KeyboardInterrupt):
            run(checkpoint=path, callbacks=[Killer()])
        found = run(checkpoint=path, resume=True)
        with pytest.raises(SettingError, match="got other values of augment, extra_count, extra_share"):
            run(checkpoint=path, resume=True, augment=(), extra=None)
        plain = run(augment=())
    finally:
        small.model.set_weights(values)
    assert all(np.array_equal(one, two) for one, two in zip(expected, found, strict=True))
    assert not all(np.array_equal(one, two) for one, two in zip(expected, plain, strict=True))
