"""A generator against a substitute that learns on: one run, whose optimizer goes on from turn to turn."""

import keras
import numpy as np
import pytest

from tests.gan.conftest import players
from turtlenet.classifier import Classifier
from turtlenet.gan.distillation import distill
from turtlenet.training import Schedule
from turtlenet.training.surrogates.oracle import Oracle

PLAN = Schedule(epochs=3, batch_size=16, learning_rate=0.01, seed=3)


class Watch(keras.callbacks.Callback):
    """Writes down, at the end of each epoch, the optimizer's steps and rate, and the weights of both networks."""

    def __init__(self, student: Classifier):
        super().__init__()
        self.student = student
        self.steps, self.rates, self.moments, self.substitutes, self.generators = [], [], [], [], []

    def on_epoch_begin(self, epoch, logs=None):
        optimizer = self.model.optimizer
        self.moments.append(max(float(np.abs(each).max()) for each in map(np.asarray, optimizer.variables[2:])))

    def on_epoch_end(self, epoch, logs=None):
        optimizer = self.model.optimizer
        self.steps.append(int(optimizer.iterations))
        self.rates.append(float(optimizer.learning_rate))
        self.substitutes.append(np.asarray(self.student.model.trainable_variables[0]).copy())
        self.generators.append([np.asarray(each).copy() for each in self.model.network.weights])


@pytest.fixture(scope="module")
def student() -> Classifier:
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(4)])
    draw = np.random.default_rng(5)
    model.set_weights([draw.normal(0, 0.1, each.shape) for each in model.weights])
    return Classifier(model)


def test_a_substitute_learns_between_the_epochs_of_one_run(quarters, pictures, unseen, student) -> None:
    game, oracle, told, watch = players(), Oracle(quarters, "scores"), [], Watch(student)
    how = {"dynamic": True, "passes": 1, "tell": told.append, "state": {}, "validation": unseen}
    run = distill(game, oracle, student, [], pictures, PLAN, callbacks=[watch], **how)
    # Six steps an epoch: neither Adam's count nor its moments begin anew, and the rate falls over the whole run.
    assert watch.steps == [6, 12, 18] and run.steps == 18
    assert watch.moments[0] == 0 and min(watch.moments[1:]) > 0
    assert watch.rates[0] > watch.rates[1] > watch.rates[2] and watch.rates[0] > 0.5 * PLAN.learning_rate
    # Asked about the images once, and after all epochs but the last about the generator's own examples.
    assert oracle.queries == 3 * len(pictures)
    assert told == ["substitute: trained on 96 answers", "turn 1 of 3: 192 queries", "turn 2 of 3: 288 queries"]
    first, second, third = watch.substitutes
    assert not np.array_equal(first, second) and np.array_equal(second, third)
    # The last generator is kept, whatever the success of others.
    assert run.best_epoch == 3 and run.val_success == run.epochs[-1].val_success and len(run.epochs) == 3
    kept = [np.asarray(each) for each in game.generator.weights]
    assert all(np.array_equal(one, other) for one, other in zip(kept, watch.generators[-1], strict=True))
