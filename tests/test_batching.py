"""Batches that fit into memory: another size changes no verdict."""

import numpy as np
import pytest
from keras import ops

from turtlenet import attacks, backend, balls
from turtlenet.attacks.run.runner import attack_all
from turtlenet.batching import bucket, check_agreement, check_answers, filled, in_batches, predict
from turtlenet.classifier import Classifier
from turtlenet.errors import ModelError, SettingError

HUGE = (1 << 30, 1 << 20)


class Tight(Classifier):
    """A classifier on a device that holds so many images and no more."""

    def __init__(self, whole: Classifier, most: int, error: Exception):
        super().__init__(whole.model, bounds=whole.bounds)
        self.most, self.error = most, error
        self.met: list[int] = []

    def compiled(self, name, fn, *settings):
        graph = super().compiled(name, fn, *settings)

        def call(x, *others):
            self.met.append(len(x))
            if len(x) > self.most:
                raise self.error
            return graph(x, *others)

        return call


@pytest.fixture(scope="module")
def error() -> Exception:
    """What the framework itself raises."""
    with pytest.raises(Exception) as found:
        ops.convert_to_numpy(ops.ones(HUGE))
    return found.value


@pytest.fixture()
def many(small) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(1).uniform(size=(70, 8, 8, 1)).astype("float32")
    return x, small.predict(x).argmax(axis=1).astype("int32")


def test_memory_that_there_is_not_is_recognized(error) -> None:
    assert backend.out_of_memory(error)
    assert backend.out_of_memory(MemoryError())
    assert not backend.out_of_memory(ValueError("RESOURCE_EXHAUSTED"))


def test_a_batch_that_does_not_fit_is_halved(small, many, error) -> None:
    attack, ball = attacks.build("pgd:steps=4,restarts=2"), balls.get("linf", 0.05)
    expected = attack_all(attack, small, *many, ball=ball, seed=3, batch_size=70)
    tight = Tight(small, 20, error)
    found = attack_all(attack, tight, *many, ball=ball, seed=3, batch_size=None)
    assert max(tight.met) > 20 and tight.fitting is not None and tight.fitting <= 20
    # It is tried out once, not for every batch or attack.
    tried = len([size for size in tight.met if size > 20])
    again = attack_all(attack, tight, *many, ball=ball, seed=3, batch_size=None)
    assert len([size for size in tight.met if size > 20]) == tried
    for other in (found, again):
        assert np.array_equal(other.reached, expected.reached)
        np.testing.assert_allclose(other.x, expected.x, atol=1e-6)
    np.testing.assert_allclose(predict(tight, many[0], None), small.predict(many[0]), atol=1e-5)


def test_a_batch_size_that_was_asked_for_is_not_changed(small, many, error) -> None:
    tight = Tight(small, 20, error)
    with pytest.raises(SettingError, match="Expected memory for a batch of 64; got none left: lower --batch"):
        predict(tight, many[0], 64)
    with pytest.raises(SettingError, match="a batch of 1; got none left: there is none smaller"):
        predict(Tight(small, 0, error), many[0], None)


def test_other_errors_are_not_taken_for_lack_of_memory(small, many) -> None:
    def work(rows: np.ndarray) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(in_batches(small, np.arange(5), None, work))


def test_every_row_comes_once_in_few_sizes(small) -> None:
    sizes = []
    rows = [rows for rows, _ in in_batches(small, np.arange(3, 203), 64, lambda rows: sizes.append(len(rows)))]
    assert np.array_equal(np.concatenate(rows), np.arange(3, 203))
    assert sizes == [64, 64, 64, 8]


def test_a_batch_is_filled_up_to_few_sizes_where_each_is_compiled(monkeypatch) -> None:
    monkeypatch.setattr("turtlenet.backend.uses_xla", lambda: True)
    assert [filled(count, 256) for count in (1, 9, 129, 195, 256)] == [8, 16, 256, 256, 256]
    monkeypatch.setattr("turtlenet.backend.uses_xla", lambda: False)
    monkeypatch.setattr("turtlenet.backend.shares", lambda: 1)
    assert [filled(count, 256) for count in (1, 9, 129, 195, 256)] == [8, 16, 136, 200, 256]
    assert filled(6, 7) == 7
    monkeypatch.setattr("turtlenet.backend.shares", lambda: 2)
    assert filled(129, 256) == 256


def test_buckets_are_halves_of_the_batch_size() -> None:
    assert [bucket(count, 256) for count in (1, 8, 9, 100, 129, 256)] == [8, 8, 16, 128, 256, 256]


def test_one_process_agrees_with_itself() -> None:
    check_agreement("a", "b")


def test_a_model_that_answers_nan_is_refused() -> None:
    check_answers(np.array([[np.inf, 0.0], [1.0, 2.0]], "float32"))
    with pytest.raises(ModelError, match="answers in numbers; got NaN for 2 of 3 rows"):
        check_answers(np.array([[np.nan, 0.0], [1.0, np.nan], [1.0, 2.0]], "float32"), "rows")
