"""Small models that every file of this folder uses."""

import keras
import numpy as np
import pytest
from keras import layers


@pytest.fixture
def images():
    """Eight images (8, 6, 6, 1) and their one-hot labels (8, 3)."""
    draw = np.random.default_rng(0)
    return draw.uniform(size=(8, 6, 6, 1)).astype("float32"), np.eye(3, dtype="float32")[np.arange(8) % 3]


@pytest.fixture
def trained():
    """A compiled classifier whose optimizer has a state worth keeping."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(2, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(3, activation="softmax"),
        ]
    )
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    # Two steps by hand: `fit` would trace a graph for every test.
    draw = np.random.default_rng(1)
    model.optimizer.build(model.trainable_variables)
    for _ in range(2):
        slopes = [keras.ops.convert_to_tensor(draw.normal(size=v.shape), "float32") for v in model.trainable_variables]
        model.optimizer.apply(slopes, model.trainable_variables)
    model.layers[1].moving_mean.assign([0.1, 0.2])
    return model


@pytest.fixture
def lambda_model(tmp_path):
    """A model whose `Lambda` writes the file `tmp_path/ran` when it is built or called."""
    mark = str(tmp_path / "ran")
    # Code that needs nothing around it, as an attacker would write it.
    evil = eval(f"lambda x: (open({mark!r}, 'w').close(), x)[1]")
    inputs = keras.Input((6, 6, 1))
    outputs = layers.Dense(3, activation="softmax")(layers.Flatten()(layers.Lambda(evil, name="evil")(inputs)))
    model = keras.Model(inputs, outputs)
    assert (tmp_path / "ran").exists(), "the code has to work, or the test says nothing"
    (tmp_path / "ran").unlink()
    return model
