"""The compiled state of a model in hand: what it was compiled with, and the state of its optimizer."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers, optimizers

from turtlenet.errors import OutputError
from turtlenet.models import NoTwinError, check_writable, copy, load, save, wrap

MAKERS = {
    "accumulated": lambda: optimizers.Adam(gradient_accumulation_steps=2),
    "adafactor": lambda: optimizers.Adafactor(),
    "averaged": lambda: optimizers.SGD(momentum=0.9, use_ema=True),
    "lamb": lambda: optimizers.Lamb(),
    "nadam": lambda: optimizers.Nadam(),
    "scaled": lambda: optimizers.LossScaleOptimizer(optimizers.Adam(), dynamic_growth_steps=7),
    "several": lambda: optimizers.MultiOptimizer(
        optimizers.OptimizerMap(optimizers.Adam(name="a"), {".*bias": optimizers.SGD(momentum=0.5, name="a")})
    ),
}


def stepped(optimizer, loss="sparse_categorical_crossentropy"):
    """A compiled model after two steps by hand: `fit` would trace a graph."""
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(3, activation="softmax")])
    model.compile(optimizer, loss, metrics=["accuracy"], steps_per_execution=2)
    draw = np.random.default_rng(0)
    model.optimizer.build(model.trainable_variables)
    for _ in range(2):
        slopes = [keras.ops.convert_to_tensor(draw.normal(size=w.shape), "float32") for w in model.trainable_variables]
        # Outside a step of training JAX cannot choose between the two ways of an optimizer that scales.
        getattr(model.optimizer, "inner_optimizer", model.optimizer).apply(slopes, model.trainable_variables)
    return model


def state(model):
    return [keras.ops.convert_to_numpy(each) for each in model.optimizer.variables]


def assert_same(one, other):
    assert type(one.optimizer) is type(other.optimizer)
    for mine, theirs in zip(state(one), state(other), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("name", MAKERS)
def test_an_optimizer_goes_through_every_copy_and_file(name, tmp_path) -> None:
    model = stepped(MAKERS[name]())
    twin = copy(model)
    assert_same(model, twin)
    assert twin.steps_per_execution == 2 and not {id(v) for v in twin.variables} & {id(v) for v in model.variables}
    for file in ("m.h5", "m.keras"):
        check_writable(tmp_path / file, twin)
        save(twin, tmp_path / file)
        assert_same(model, load(tmp_path / file))


def test_a_twin_after_plain_keras_wrote_hdf5(tmp_path) -> None:
    model = stepped(optimizers.SGD(0.05, momentum=0.9))
    # What Keras 3.15 leaves behind when it writes HDF5.
    model._compile_config.config.pop("optimizer")
    for twin in (copy(model), wrap(model, ["constant-quantization:levels=4"])):
        assert type(twin.optimizer) is optimizers.SGD and twin.optimizer.momentum == 0.9
        for mine, theirs in zip(state(model), state(twin), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    save(model, tmp_path / "m.keras")
    assert type(load(tmp_path / "m.keras").optimizer) is optimizers.SGD
    assert type(model._compile_config.config["optimizer"]) is optimizers.SGD


def test_losses_and_rates_that_no_file_holds() -> None:
    def own_loss(y, scores):
        return keras.losses.sparse_categorical_crossentropy(y, scores)

    model = stepped(optimizers.Adam(lambda: 0.25), own_loss)
    model.optimizer.exclude_from_weight_decay(var_names=["bias"])
    twin = copy(model)
    assert twin.loss is own_loss and twin.optimizer.learning_rate == 0.25
    assert twin.optimizer._exclude_from_weight_decay_pattern.pattern == "bias"
    assert_same(model, twin)


def test_plain_keras_trains_an_hdf5_file_on(tmp_path) -> None:
    """Keras 3.15 itself cannot train any compiled HDF5 file that it loaded: the optimizer starts anew there."""
    save(stepped(optimizers.Adam(0.25)), tmp_path / "m.h5")
    code = (
        "import sys, keras, numpy as np\n"
        f"model = keras.models.load_model({str(tmp_path / 'm.h5')!r})\n"
        "model.fit(np.zeros((2, 4), 'float32'), np.zeros(2), verbose=0)\n"
        "assert 'turtlenet' not in sys.modules and abs(float(model.optimizer.learning_rate) - 0.25) < 1e-6\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=tmp_path)


def test_what_cannot_be_saved_is_known_before(tmp_path, monkeypatch) -> None:
    model = stepped(optimizers.SGD())
    monkeypatch.setattr(model, "get_config", lambda: 1 / 0)
    with pytest.raises(OutputError, match=r"Expected a model that can be saved to .*m\.h5; division by zero"):
        check_writable(tmp_path / "m.h5", model)
    assert not list(tmp_path.iterdir())


class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.inner = layers.Dense(3)

    def call(self, x):
        return self.inner(x)


def test_a_subclass_has_a_twin_where_keras_can_make_it() -> None:
    model = Own()
    model(np.zeros((1, 4), "float32"))
    model.compile(optimizers.SGD(), "mse")
    twin = copy(model)
    np.testing.assert_array_equal(twin.get_weights()[0], model.get_weights()[0])
    model.get_config = lambda: 1 / 0
    with pytest.raises(NoTwinError, match="Expected a model that Keras can rebuild from its config; got: division"):
        copy(model)
