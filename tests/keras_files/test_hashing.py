"""A twin of a model has nothing in common with it but values."""

import keras
import numpy as np

from turtlenet.models import copy


def test_training_a_twin_leaves_the_model_whole(trained, images):
    before = [keras.ops.convert_to_numpy(each) for each in (*trained.variables, *trained.optimizer.variables)]
    twin = copy(trained)
    for mine, theirs in zip(twin.optimizer.variables, trained.optimizer.variables, strict=True):
        assert np.array_equal(mine, theirs)
    twin.fit(*images, verbose=0)
    after = [keras.ops.convert_to_numpy(each) for each in (*trained.variables, *trained.optimizer.variables)]
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))
    trained.fit(*images, verbose=0)
