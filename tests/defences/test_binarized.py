"""Binarized networks: values, gradients, draws, files and training."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from turtlenet import attacks, backend, balls, gradient_mode, random
from turtlenet.defences import (
    Binarize,
    BinarizedConv1D,
    BinarizedConv2D,
    BinarizedDense,
    LowBitDense,
    Sign,
    TrainableQuantization,
    defences,
)
from turtlenet.errors import ModelError, SettingError
from turtlenet.models import classifier, copy, defences_of, load, save, wrap

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(3, 9, 4)).astype("float32")
IMAGES = DRAW.uniform(size=(6, 8, 8, 2)).astype("float32")


def filled(model: keras.Model, seed: int = 1) -> keras.Model:
    """Weights that no initializer of Keras drew."""
    draw = np.random.default_rng(seed)
    model.set_weights([draw.normal(0, 0.5, value.shape) for value in model.get_weights()])
    return model


def network() -> keras.Model:
    """A convolution and two dense layers, the last of which ends in a softmax."""
    parts = [
        keras.Input((8, 8, 2)),
        layers.Conv2D(3, 3, strides=2, activation="relu", name="conv"),
        layers.Flatten(),
        layers.Dense(5, activation="tanh", name="middle"),
        layers.Dense(4, activation="softmax", name="scores"),
    ]
    return filled(keras.Sequential(parts, name="net"))


def signs(value: np.ndarray) -> np.ndarray:
    return np.where(value >= 0, 1.0, -1.0).astype("float32")


def binary(model: keras.Model) -> keras.Model:
    """The same network of Keras's own layers with the signs of the kernels as its weights."""
    twin = copy(model)
    twin.set_weights([signs(value) if value.ndim > 1 else value for value in model.get_weights()])
    return twin


def keyed(model, x, seed: int = 7, index=None):
    index = np.arange(len(x)) if index is None else index
    with gradient_mode.taken("adaptive", random.keys(seed, index)):
        return ops.convert_to_numpy(model(x))


def slope(fn, x) -> np.ndarray:
    """The gradient at the input of a sum."""
    loss = lambda x: (ops.sum(ops.reshape(fn(x), (len(x), -1)), axis=1), ())  # noqa: E731
    return ops.convert_to_numpy(backend.input_gradient(loss, ops.convert_to_tensor(x))[2])


def kernel_slope(layer, x, upstream) -> np.ndarray:
    """The gradient at a layer's real kernel of the sum of its output times `upstream`."""

    def loss():
        return ops.sum(layer(x) * upstream), ()

    (found,) = backend.weight_gradients(loss, [layer.kernel])[2]
    return ops.convert_to_numpy(found)


def test_the_network_is_that_of_the_signs() -> None:
    model = network()
    made = Binarize().convert(model)
    assert np.allclose(made(IMAGES), binary(model)(IMAGES), atol=1e-6)
    assert not np.allclose(made(IMAGES), model(IMAGES), atol=1e-2)
    assert all(np.array_equal(a, b) for a, b in zip(made.get_weights(), model.get_weights(), strict=True))
    assert [type(each).__name__ for each in made.layers] == [
        "BinarizedConv2D",
        "Flatten",
        "BinarizedDense",
        "BinarizedDense",
    ]
    assert [each.name for each in made.layers] == [each.name for each in model.layers]
    assert not any(each.masks or each.stochastic for each in defences_of(made))


def test_a_weight_of_zero_is_one() -> None:
    layer = BinarizedDense(2, use_bias=False)
    layer.build((None, 3))
    layer.kernel.assign([[0.0, -0.0], [1e-3, -1e-3], [-7.0, 7.0]])
    assert ops.convert_to_numpy(layer(np.eye(3, dtype="float32"))).tolist() == [[1, 1], [1, -1], [-1, 1]]


@pytest.mark.parametrize("stochastic", [False, True])
def test_real_weights_have_the_slope_of_their_signs_up_to_one(stochastic) -> None:
    layer = BinarizedDense(3, stochastic=stochastic)
    layer.build((None, 2))
    layer.kernel.assign([[0.3, 1.0, 1.1], [-1.0, -0.2, -1.5]])
    x, upstream = DRAW.normal(size=(4, 2)).astype("float32"), DRAW.normal(size=(4, 3)).astype("float32")
    expected = x.T @ upstream * (np.abs(ops.convert_to_numpy(layer.kernel)) <= 1)
    assert np.allclose(kernel_slope(layer, x, upstream), expected, atol=1e-5)
    assert (expected == 0).sum() == 2


@pytest.mark.parametrize(
    ("kind", "plain", "shape", "settings"),
    [
        (BinarizedDense, layers.Dense, (7,), {"units": 3}),
        (BinarizedDense, layers.Dense, (5, 7), {"units": 3, "use_bias": False, "activation": "relu"}),
        (BinarizedConv1D, layers.Conv1D, (9, 4), {"filters": 6, "kernel_size": 3, "padding": "causal"}),
        (BinarizedConv1D, layers.Conv1D, (9, 4), {"filters": 6, "kernel_size": 3, "strides": 2, "groups": 2}),
        (BinarizedConv2D, layers.Conv2D, (8, 7, 2), {"filters": 3, "kernel_size": (3, 2), "strides": 2}),
        (BinarizedConv2D, layers.Conv2D, (8, 7, 2), {"filters": 3, "kernel_size": 3, "dilation_rate": 2}),
        (BinarizedConv2D, layers.Conv2D, (8, 7, 2), {"filters": 3, "kernel_size": 3, "padding": "same"}),
    ],
)
def test_a_kernel_for_each_example_is_what_keras_computes_one_by_one(kind, plain, shape, settings) -> None:
    layer, other = kind(stochastic=True, name="drawn", **settings), plain(**settings)
    x = DRAW.normal(size=(4, *shape)).astype("float32")
    layer.build(x.shape), other.build(x.shape)
    layer.kernel.assign(DRAW.uniform(-1.2, 1.2, layer.kernel.shape))
    keys = random.keys(5, np.arange(4))
    with gradient_mode.taken("adaptive", keys):
        result = ops.convert_to_numpy(layer(x))
        draws = ops.convert_to_numpy(random.uniform(layer.key(), tuple(layer.kernel.shape)))
    chance = np.clip((ops.convert_to_numpy(layer.kernel) + 1) / 2, 0, 1)
    for number in range(4):
        other.kernel.assign(np.where(draws[number] < chance, 1.0, -1.0))
        assert np.allclose(result[number], other(x[number : number + 1])[0], atol=1e-5)


def test_channels_come_first_where_they_should() -> None:
    settings = {"filters": 3, "kernel_size": 3, "stochastic": True, "name": "drawn"}
    last, first = BinarizedConv2D(**settings), BinarizedConv2D(**settings, data_format="channels_first")
    x = IMAGES[:4]
    last.build(x.shape), first.build(x.transpose(0, 3, 1, 2).shape)
    for layer in (last, first):
        layer.set_weights([np.random.default_rng(0).normal(0, 0.5, value.shape) for value in last.get_weights()])
    assert np.allclose(keyed(first, x.transpose(0, 3, 1, 2)), keyed(last, x).transpose(0, 3, 1, 2), atol=1e-5)


def test_the_chance_of_plus_one_is_the_hard_sigmoid() -> None:
    layer = BinarizedDense(5, stochastic=True, use_bias=False)
    layer.build((None, 1))
    layer.kernel.assign([[-1.5, -1.0, -0.5, 0.2, 1.0]])
    count = 4000
    mean = keyed(layer, np.ones((count, 1), "float32")).mean(axis=0)
    plain = np.mean([ops.convert_to_numpy(layer(np.ones((1, 1), "float32"))) for _ in range(400)], axis=0)[0]
    # The mean of signs of chance (w + 1) / 2 is w, clipped; four standard errors are at most 4 / sqrt(count).
    assert np.allclose(mean, [-1, -1, -0.5, 0.2, 1], atol=4 / np.sqrt(count))
    assert np.allclose(plain, [-1, -1, -0.5, 0.2, 1], atol=4 / np.sqrt(400))
    assert mean[0] == mean[1] == -1 and mean[4] == 1


def test_draws_belong_to_an_example() -> None:
    made = Binarize(stochastic=True).convert(network())
    assert all(each.stochastic for each in defences_of(made))
    whole, order = keyed(made, IMAGES), np.array([4, 1, 5])
    assert np.allclose(keyed(made, IMAGES[order], index=order), whole[order], atol=1e-6)
    assert np.array_equal(keyed(made, IMAGES), whole)
    assert not np.allclose(keyed(made, IMAGES, seed=8), whole, atol=1e-3)
    same = np.repeat(IMAGES[:1], 6, axis=0)
    assert len(np.unique(keyed(made, same), axis=0)) > 1


def test_without_keys_each_call_draws_once_for_the_batch() -> None:
    layer = BinarizedDense(6, stochastic=True, seed=3)
    again = BinarizedDense(6, stochastic=True, seed=3)
    x = np.ones((3, 40), "float32")
    for each in (layer, again):
        each.build(x.shape)
        each.kernel.assign(np.zeros((40, 6)))
    first, second = (ops.convert_to_numpy(layer(x)) for _ in range(2))
    assert np.array_equal(first[0], first[2]) and not np.array_equal(first, second)
    assert np.array_equal(first, again(x))


def test_the_gradient_at_the_input_is_exact() -> None:
    made = Binarize().convert(network())
    twin = binary(network())
    for taken in gradient_mode.GRADIENTS:
        with gradient_mode.taken(taken):
            found = slope(lambda x: made(x)[:, 0], IMAGES)
        assert np.allclose(found, slope(lambda x: twin(x)[:, 0], IMAGES), atol=1e-6) and np.abs(found).max() > 1e-4


def test_signs_of_activations() -> None:
    x = np.array([[-3.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 3.0]], "float32")
    layer = Sign()
    assert ops.convert_to_numpy(layer(x))[0].tolist() == [-1, -1, -1, 1, 1, 1, 1, 1]
    assert slope(layer, x)[0].tolist() == [0, 1, 1, 1, 1, 1, 1, 0]
    with gradient_mode.taken("naive"):
        assert not slope(layer, x).any()
    with gradient_mode.taken("adaptive"):
        assert np.allclose(slope(layer, x), 1 / (1 + np.abs(x)) ** 2)
    assert layer.masks and not BinarizedDense(2).masks and BinarizedDense(2, sign=True).masks


def test_hidden_activations_become_signs_and_the_last_one_stays(tmp_path) -> None:
    parts = [
        keras.Input((8, 8, 2)),
        layers.Conv2D(3, 3, name="conv"),
        layers.BatchNormalization(),
        layers.ReLU(name="relu"),
        layers.Flatten(),
        layers.Dense(5, activation="tanh", name="middle"),
        layers.Dense(4, name="scores"),
        layers.Activation("sigmoid", name="end"),
    ]
    model = keras.Sequential(parts)
    made = Binarize(activations=True).convert(model)
    kinds = {each.name: type(each) for each in made.layers}
    assert kinds["relu"] is Sign and kinds["end"] is layers.Activation
    assert not made.get_layer("conv").sign and made.get_layer("middle").sign and not made.get_layer("scores").sign
    inner = keras.Model(made.inputs[0], [made.get_layer("relu").output, made.get_layer("middle").output])
    assert all(set(np.unique(value)) <= {-1.0, 1.0} for value in inner(IMAGES))
    assert type(Binarize().convert(model).get_layer("relu")) is layers.ReLU
    save(made, tmp_path / "model.keras")
    assert np.array_equal(load(tmp_path / "model.keras")(IMAGES), made(IMAGES))
    assert classifier(made).head.startswith("sigmoid")


@pytest.mark.parametrize(
    ("spec", "real"),
    [("binarized:first=false", {"conv"}), ("binarized:last=false", {"scores"}), ("binarized", set())],
)
def test_the_first_and_the_last_layer_may_stay_real(spec, real) -> None:
    conversion = defences.build(spec)
    made = conversion.convert(network())
    names = {each.name for each in made.layers if each.weights and not hasattr(each, "stochastic")}
    assert names == real and str(conversion) == spec.replace("false", "False")


def test_nested_and_shared_layers() -> None:
    shared = layers.Dense(3, activation="relu", name="shared")
    source = keras.Input((8, 8, 2))
    part = keras.Sequential([keras.Input((8, 8, 2)), layers.Conv2D(3, 3, name="conv"), layers.Flatten()], name="part")
    flat = part(source)
    both = layers.Add()([shared(flat), shared(layers.Rescaling(2.0)(flat))])
    model = filled(keras.Model(source, layers.Dense(4, name="scores")(both)))
    made = Binarize().convert(model)
    assert type(made.get_layer("part").get_layer("conv")) is BinarizedConv2D
    assert np.allclose(made(IMAGES), binary(model)(IMAGES), atol=1e-5)
    assert len(made.weights) == len(model.weights)


def test_what_a_layer_was_told_stays() -> None:
    settings = {"kernel_regularizer": "l2", "kernel_constraint": keras.constraints.MaxNorm(3), "use_bias": False}
    parts = [
        keras.Input((8, 8, 2)),
        layers.Conv2D(3, 3, padding="same", dilation_rate=2, **settings),
        layers.Flatten(),
        layers.Dense(2, trainable=False),
    ]
    made = Binarize().convert(keras.Sequential(parts))
    conv, dense = made.layers[0], made.layers[-1]
    assert (conv.padding, conv.dilation_rate, conv.use_bias) == ("same", (2, 2), False) and not dense.trainable
    assert isinstance(conv.kernel_constraint, keras.constraints.MaxNorm)
    assert isinstance(conv.kernel_regularizer, keras.regularizers.L2)


def test_the_model_given_stays_as_it_is() -> None:
    model = network()
    model.compile("adam", "sparse_categorical_crossentropy")
    before = model.get_weights()
    made = Binarize().convert(model)
    assert not made.compiled and model.compiled and type(model.layers[0]) is layers.Conv2D
    made.set_weights([value + 1 for value in before])
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert wrap(model, ["binarized"]).compiled


@pytest.mark.parametrize(
    ("model", "spec", "words"),
    [
        ([layers.Flatten()], "binarized", "for `binarized`; 'net' has none."),
        ([layers.Flatten()], "k-bit", "for `k-bit`; 'net' has none."),
        ([layers.Flatten(), layers.Dense(2)], "binarized:last=false", "'net' has none but those that stay real."),
        ([layers.Flatten(), LowBitDense(2)], "binarized", "'net' has none."),
    ],
)
def test_a_model_without_such_layers(model, spec, words) -> None:
    with pytest.raises(ModelError) as caught:
        defences.build(spec).convert(keras.Sequential([keras.Input((3, 2)), *model], name="net"))
    assert str(caught.value).startswith("Expected a model with Dense or Conv layers for `")
    assert str(caught.value).endswith(words)


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize(
    "spec", ["binarized:activations=true", "binarized:stochastic=true,first=false", "k-bit:bits=3"]
)
def test_files(spec, suffix, tmp_path) -> None:
    made = defences.build(spec).convert(network())
    save(made, tmp_path / f"model{suffix}")
    loaded = load(tmp_path / f"model{suffix}")
    assert np.array_equal(keyed(loaded, IMAGES), keyed(made, IMAGES))
    assert all(np.array_equal(a, b) for a, b in zip(loaded.get_weights(), made.get_weights(), strict=True))
    assert [each.get_config() for each in loaded.layers] == [each.get_config() for each in made.layers]


def test_weights_may_start_sure_of_their_signs() -> None:
    model = network()
    made = Binarize(stochastic=True, start=0.75).convert(model)
    for old, new in zip(model.get_weights(), made.get_weights(), strict=True):
        wanted = np.where(old >= 0, 0.75, -0.75) if old.ndim > 1 else old
        assert np.allclose(new, wanted)
    for start in (-0.1, 1.5):
        with pytest.raises(SettingError, match="Expected start from 0 to 1"):
            Binarize(start=start)


@pytest.mark.parametrize("spec", ["binarized", "binarized:activations=true", "binarized:stochastic=true", "k-bit"])
def test_training_moves_the_real_weights_within_their_limits(spec) -> None:
    made = defences.build(spec).convert(network())
    middle = made.get_layer("middle").kernel
    middle.assign(0.99 * signs(ops.convert_to_numpy(middle)))
    before = [ops.convert_to_numpy(each.kernel) for each in made.layers if hasattr(each, "kernel")]
    made.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy")
    # Small inputs, which do not saturate what comes after a sum of weights of 1.
    made.fit(IMAGES * 0.1, np.arange(6) % 4, epochs=5, batch_size=3, verbose=0)
    after = [ops.convert_to_numpy(each.kernel) for each in made.layers if hasattr(each, "kernel")]
    assert all(np.abs(value).max() <= 1 for value in after)
    assert all(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert any(np.abs(value).max() == 1 for value in after), "no weight came to the limit: this shows nothing"


@pytest.mark.parametrize("stochastic", [False, True])
def test_the_softmax_of_a_binarized_last_layer_is_found(stochastic) -> None:
    made = Binarize(stochastic=stochastic, activations=True).convert(network())
    seen = classifier(made)
    assert seen.head.startswith("softmax")
    scores = keyed(seen.model, IMAGES)
    assert np.allclose(ops.convert_to_numpy(ops.softmax(scores)), keyed(made, IMAGES), atol=1e-5)
    assert np.abs(scores.sum(axis=1)).max() > 0.1


def test_an_attack_goes_straight_through_signs_and_not_naively() -> None:
    made = Binarize(activations=True).convert(network())
    y = ops.convert_to_numpy(made(IMAGES)).argmax(axis=1).astype("int32")
    attack, ball = attacks.build("pgd:steps=8,start=none"), balls.get("linf", 0.3)
    found = attack.run(classifier(made), IMAGES, y, ball=ball)
    assert np.asarray(found.reached).any()
    naive = attack.run(classifier(made, gradient="naive"), IMAGES, y, ball=ball)
    assert np.array_equal(np.asarray(naive.x), IMAGES)


def test_an_attack_on_random_weights_runs() -> None:
    made = Binarize(stochastic=True).convert(network())
    y = ops.convert_to_numpy(made(IMAGES)).argmax(axis=1).astype("int32")
    found = attacks.build("pgd:steps=3")(classifier(made), IMAGES, y, ball=balls.get("linf", 0.3))
    assert np.isfinite(np.asarray(found)).all()


def test_the_gradient_through_random_weights_is_that_of_the_draw() -> None:
    made = classifier(Binarize(stochastic=True).convert(network())).model
    with gradient_mode.taken("adaptive", random.keys(7, np.arange(6))):
        found = slope(lambda x: made(x)[:, 0], IMAGES)
    step = np.zeros_like(IMAGES)
    step[:, 3, 3, 1] = 1e-2
    rise = (keyed(made, IMAGES + step) - keyed(made, IMAGES - step))[:, 0] / 2e-2
    assert np.allclose(found[:, 3, 3, 1], rise, atol=2e-2) and np.abs(rise).max() > 0.05


@pytest.mark.parametrize("spec", ["binarized:activations=true", "binarized:stochastic=true", "k-bit"])
def test_in_half_precision(spec) -> None:
    half = keras.Sequential.from_config(network().get_config())
    for layer in half.layers:
        layer.dtype_policy = "mixed_bfloat16"
    half.set_weights(network().get_weights())
    made, exact = (defences.build(spec).convert(each) for each in (half, network()))
    assert made.layers[0].compute_dtype == "bfloat16" and made.layers[0].variable_dtype == "float32"
    assert keras.backend.standardize_dtype(made(IMAGES).dtype) == "bfloat16"
    narrow, wide = keyed(made, IMAGES).astype("float32"), keyed(exact, IMAGES)
    assert np.isfinite(narrow).all() and np.median(np.abs(narrow - wide)) < 0.05


@pytest.mark.parametrize("spec", ["binarized", "k-bit:bits=4"])
def test_the_demo_model(spec, demo_path, digits) -> None:
    model = load(demo_path)
    made = defences.build(spec).convert(model)
    x, _ = digits.test.batch(slice(0, 8))
    assert ops.convert_to_numpy(made(x)).shape == (8, 10) and made.count_params() == model.count_params()
    assert classifier(made).head.partition(":")[0] == classifier(model).head.partition(":")[0]
    assert len(defences_of(made)) == 4


def test_a_layer_in_front_and_another_conversion() -> None:
    made = wrap(network(), [TrainableQuantization(), "binarized"], bounds=(0.0, 1.0))
    kinds = [type(each) for each in defences_of(made)]
    assert kinds[0] is TrainableQuantization and set(kinds[1:]) == {BinarizedConv2D, BinarizedDense}
