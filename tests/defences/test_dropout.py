"""Dropout at inference: one draw, the mean of many, and an attacker who averages."""

import keras
import numpy as np
import pytest
from keras import ops

from turtlenet import attacks, backend, balls, data, gradient_mode, losses, models, random
from turtlenet.defences import InferenceDropout, MonteCarloDropout, defences
from turtlenet.errors import ModelError, SettingError
from turtlenet.evaluation.cascade import Cascade
from turtlenet.evaluation.per_image_results import PerImageResults

X = np.random.default_rng(3).uniform(size=(6, 5)).astype("float32")
KERNEL = np.random.default_rng(4).normal(size=(5, 3)).astype("float32")


def net(rate: float = 0.4) -> keras.Model:
    layers = [keras.Input((5,)), keras.layers.Dropout(rate, name="drop"), keras.layers.Dense(3, name="out")]
    model = keras.Sequential(layers)
    model.layers[-1].set_weights([KERNEL, np.zeros(3, "float32")])
    return model


def converted(rate: float = 0.4, **settings) -> keras.Model:
    return MonteCarloDropout(**settings).convert(net(rate))


def test_it_stays_on_whoever_calls() -> None:
    model = converted()
    answers = [ops.convert_to_numpy(model(X, training=False)) for _ in range(3)]
    assert not np.array_equal(answers[0], answers[1])
    assert not np.array_equal(model.predict(X, verbose=0), model.predict(X, verbose=0))
    assert np.array_equal(*(ops.convert_to_numpy(net()(X, training=False)) for _ in range(2)))


def test_one_draw_drops_its_share_and_scales_the_rest() -> None:
    wide = np.ones((40, 500), "float32")
    model = keras.Sequential([keras.Input((500,)), InferenceDropout(0.3)])
    kept = models.classifier(model, head="logits").predict(wide)
    assert set(np.unique(np.round(kept, 4))) == {0.0, np.float32(np.round(1 / 0.7, 4))}
    assert abs((kept == 0).mean() - 0.3) < 0.02
    # Equal inputs have equal draws: they belong to the pixels, not to the place in a batch.
    assert (kept == kept[0]).all()


def test_many_draws_are_the_mean_of_the_probabilities() -> None:
    victim = models.classifier(converted(), head="logits", draws=4)
    singles = []
    for number in range(4):
        mask = np.array(_mask(victim, number), "float64")
        scores = (X * mask / 0.6) @ KERNEL
        raised = np.exp(scores)
        singles.append(raised / raised.sum(axis=1, keepdims=True))
    expected = np.mean(singles, axis=0)
    found = np.exp(victim.predict(X))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-5)


def _mask(victim, number: int) -> np.ndarray:
    """What one draw keeps, by the rule that the layer and the classifier state."""
    import zlib

    from turtlenet import random

    keys = random.fold_in(random.keys(victim.seed, victim._digest(ops.convert_to_tensor(X))), number)
    key = random.fold_in(keys, zlib.crc32(b"drop"))
    return ops.convert_to_numpy(random.uniform(key, (5,))) >= 0.4


def test_the_gradient_is_that_of_the_mean() -> None:
    victim = models.classifier(converted(), head="logits", draws=8)
    y = ops.zeros(len(X), "int32")

    def look(point):
        logits = victim(point)
        return losses.cross_entropy(y, logits), logits

    graph = backend.compiled(lambda x: backend.input_gradient(look, x)[2], lambda: victim.model.variables)
    slope = ops.convert_to_numpy(graph(ops.convert_to_tensor(X)))
    masks = np.stack([_mask(victim, number) for number in range(8)]) / 0.6
    scores = (X * masks) @ KERNEL
    chance = np.exp(scores) / np.exp(scores).sum(axis=2, keepdims=True)
    first = chance[:, :, :1]
    # d/dx of -log(mean p_0), with d p_0 / dx = p_0 (k_0 - sum_c p_c k_c) * mask.
    slopes = first * (KERNEL[:, 0] - chance @ KERNEL.T) * masks
    expected = -slopes.mean(axis=0) / first.mean(axis=0)
    np.testing.assert_allclose(slope, expected, atol=1e-4)


def test_success_is_judged_on_fresh_draws() -> None:
    x = np.random.default_rng(8).uniform(size=(60, 5)).astype("float32")
    victim = models.classifier(converted(0.6), head="logits", draws=1)
    y = (x @ KERNEL).argmax(axis=1).astype("int32")
    cascade = Cascade(attacks=[attacks.build("noise:draws=20")], ball=balls.get("linf", 0.02))
    per_image = PerImageResults.empty(y, 1)
    cascade.run(victim, data.from_arrays(x, y, num_classes=3), per_image)
    attacked, reached = per_image.attacked[0], per_image.reached[0]
    # Twenty tries find a lucky draw for nearly every image; noise of this size does nothing else.
    lucky = attacks.build("noise:draws=20").run(victim, x[attacked], y[attacked], ball=balls.get("linf", 0.02))
    assert ops.convert_to_numpy(lucky.reached).mean() > reached[attacked].mean() + 0.2


def test_settings_and_models_that_do_not_fit() -> None:
    assert converted(rate=0.2).layers[0].rate == 0.2
    assert not models.classifier(converted(rate=0.0), head="logits").stochastic
    with pytest.raises(SettingError, match="Expected rate < 1; got 1.0."):
        MonteCarloDropout(rate=1.0)
    bare = keras.Sequential([keras.Input((5,)), keras.layers.Flatten()], name="bare")
    with pytest.raises(ModelError, match="Expected a model with weights for mc-dropout; 'bare' has none."):
        MonteCarloDropout().convert(bare)


L = keras.layers


def plain() -> list:
    """A convolutional net without dropout, as Guan's LeNet before it."""
    layers = [L.Conv2D(3, 3, activation="relu", name="c1"), L.MaxPooling2D(name="p1"), L.Flatten()]
    return [*layers, L.Dense(6, activation="relu", name="d1"), L.Dense(5, name="d2"), L.Dense(4, name="out")]


def sequential() -> keras.Model:
    return keras.Sequential([keras.Input((8, 8, 1)), *plain()])


def functional() -> keras.Model:
    source = keras.Input((8, 8, 1))
    conv, pool, flat, first, second, last = plain()
    x = first(flat(pool(conv(source))))
    return keras.Model(source, last(L.Add(name="sum")([x, L.Dense(6, name="side")(second(x))])))


def nested() -> keras.Model:
    front, back = plain()[:3], plain()[3:]
    return keras.Sequential([keras.Input((8, 8, 1)), keras.Sequential(front, name="front"), *back])


PICTURES = np.random.default_rng(5).uniform(size=(5, 8, 8, 1)).astype("float32")
DEFAULT = ["p1_dropout", "d1_dropout", "d2_dropout"]


def dropouts(model: keras.Model) -> list[str]:
    return [each.name for each in models.defences_of(model)]


@pytest.mark.parametrize(("make", "suffix"), [(sequential, ".h5"), (functional, ".keras"), (nested, ".h5")])
def test_any_model_gets_dropout(make, suffix, tmp_path) -> None:
    model = make()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = [np.array(value) for value in model.get_weights()]
    wrapped = models.wrap(model, ["mc-dropout:rate=0.3"])
    side = ["side_dropout"] if make is functional else []
    assert sorted(dropouts(wrapped)) == sorted(DEFAULT + side)
    assert all(each.rate == 0.3 for each in models.defences_of(wrapped))
    for old, now in zip(before, wrapped.get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)
    still = models.wrap(model, ["mc-dropout:rate=0"])
    np.testing.assert_allclose(ops.convert_to_numpy(still(PICTURES)), ops.convert_to_numpy(model(PICTURES)), atol=1e-6)
    models.save(wrapped, tmp_path / f"m{suffix}")
    loaded = models.load(tmp_path / f"m{suffix}")
    answers = models.classifier(wrapped, draws=3).predict(PICTURES)
    np.testing.assert_array_equal(models.classifier(loaded, draws=3).predict(PICTURES), answers)
    assert np.abs(answers - ops.convert_to_numpy(model(PICTURES))).max() > 1e-3


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("pool", ["p1_dropout"]),
        ("conv", ["c1_dropout"]),
        ("dense", ["d1_dropout", "d2_dropout"]),
        ("all", ["c1_dropout", *DEFAULT]),
        ("last", ["out_dropout"]),
        ("d1+c1", ["c1_dropout", "d1_dropout"]),
        ("pool;last", ["p1_dropout", "out_dropout"]),
    ],
)
@pytest.mark.parametrize("make", [sequential, nested])
def test_it_goes_where_it_is_told_to(where, expected, make) -> None:
    wrapped = MonteCarloDropout(rate=0.1, where=where).convert(make())
    assert dropouts(wrapped) == expected
    if where == "last":
        names = [layer.name for layer in wrapped.layers]
        assert names.index("out_dropout") == names.index("out") - 1


def test_dropout_that_a_model_has_stays_as_it_is_where_another_place_is_told() -> None:
    model = keras.Sequential([keras.Input((5,)), L.Dense(4, name="d"), L.Dropout(0.5), L.Dense(3)])
    assert dropouts(MonteCarloDropout(where="dense").convert(model)) == ["d_dropout"]
    kept = MonteCarloDropout().convert(model)
    assert [type(layer) for layer in kept.layers] == [L.Dense, InferenceDropout, L.Dense]


def test_the_rate_is_that_of_the_paper() -> None:
    assert {each.rate for each in models.defences_of(MonteCarloDropout().convert(sequential()))} == {0.5}


def test_a_shared_layer_drops_at_each_call() -> None:
    shared, source = L.Dense(5, name="shared"), keras.Input((5,))
    model = keras.Model(source, L.Dense(3)(shared(shared(source))))
    wrapped = MonteCarloDropout().convert(model)
    assert dropouts(wrapped) == ["shared_dropout", "shared_dropout_2"]
    assert len(wrapped.trainable_variables) == 4


def test_places_that_there_are_not() -> None:
    with pytest.raises(ModelError, match="Expected pool layers before the last one for mc-dropout; 'flat' has none."):
        MonteCarloDropout(where="pool").convert(keras.Sequential([keras.Input((5,)), L.Dense(3)], name="flat"))
    with pytest.raises(SettingError, match="Did you mean 'd2'"):
        MonteCarloDropout(where="d3x2").convert(sequential())
    with pytest.raises(SettingError, match="Expected where=all, conv, dense, last, pool or names of layers"):
        MonteCarloDropout(where="pool++dense")


def test_pixels_are_dropped_in_front() -> None:
    model = models.wrap(sequential(), ["input-dropout:rate=0.4"], bounds=(-1.0, 3.0))
    layer = model.layers[1]
    with gradient_mode.taken("adaptive", random.keys(0, np.arange(2))):
        kept = ops.convert_to_numpy(layer(np.full((2, 40, 40, 1), 2.0, "float32")))
    # In units of the bounds 2 is 0.75; what is dropped is at the lower bound.
    assert set(np.round(np.unique(kept), 4)) == {-1.0, 4.0}
    assert abs((kept == -1.0).mean() - 0.4) < 0.03 and not np.array_equal(kept[0], kept[1])
    assert not models.classifier(models.wrap(sequential(), ["input-dropout:rate=0"])).stochastic
    with pytest.raises(SettingError, match="Expected rate from 0 up to below 1; got 1.0."):
        models.wrap(sequential(), ["input-dropout:rate=1"])


def test_layers_inside_layers() -> None:
    inner = net()
    outer = keras.Sequential([keras.Input((5,)), keras.layers.Rescaling(1.0), inner])
    found = models.defences_of(MonteCarloDropout().convert(outer))
    assert [type(each) for each in found] == [InferenceDropout]


def answers_of(model: keras.Model, x: np.ndarray) -> np.ndarray:
    return np.asarray(model.predict(x, verbose=0))


@pytest.mark.parametrize("copied", [False, True], ids=["as built", "copied"])
def test_weights_stay_whatever_the_layers_are_called(copied: bool) -> None:
    """A copy of a sequential model has its name in the paths of variables."""
    layers = [keras.layers.Dense(4, activation="relu"), keras.layers.Dropout(0.5), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input((5,)), *layers])
    model = models.copy(model) if copied else model
    kept_on = MonteCarloDropout(rate=0.0).convert(model)
    np.testing.assert_array_equal(answers_of(kept_on, X), answers_of(model, X))
    assert isinstance(kept_on.layers[1], InferenceDropout)


@pytest.mark.parametrize(
    "spec", ["mc-dropout:rate=0", "mc-dropout:rate=0,where=dense", "k-bit:bits=24", "sap:share=9999"]
)
def test_what_normalization_was_adapted_to_stays(spec: str) -> None:
    normal = keras.layers.Normalization()
    normal.adapt(50 + 20 * X)
    layers = [keras.layers.Dense(4, activation="relu"), keras.layers.Dropout(0.5), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input((5,)), normal, *layers])
    found = models.wrap(model, [spec])
    np.testing.assert_allclose(answers_of(found, 50 + 20 * X), answers_of(model, 50 + 20 * X), atol=1e-4)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_spatial_dropout_drops_whole_maps(size: int) -> None:
    kind = getattr(keras.layers, f"SpatialDropout{size}D")
    model = keras.Sequential([keras.Input((*[3] * size, 40)), kind(0.5), keras.layers.Flatten()])
    kept_on = MonteCarloDropout().convert(model)
    ones = np.ones((2, *[3] * size, 40), "float32")
    for found in (answers_of(kept_on, ones), models.classifier(kept_on, head="logits").predict(ones)):
        maps = found.reshape(2, -1, 40)
        assert (maps == maps[:, :1]).all() and set(np.unique(maps)) == {0, 2}


def test_a_shape_of_the_noise_holds_for_who_attacks_too() -> None:
    model = keras.Sequential([keras.Input((4, 30)), keras.layers.Dropout(0.5, noise_shape=(None, 1, 30))])
    model.add(keras.layers.Flatten())
    kept_on = models.classifier(MonteCarloDropout().convert(model), head="logits")
    rows = kept_on.predict(np.ones((2, 4, 30), "float32")).reshape(2, 4, 30)
    assert (rows == rows[:, :1]).all() and set(np.unique(rows)) == {0, 2}


def test_a_spec_reads_back_whatever_a_layer_is_called() -> None:
    for where in ("conv;dense", "one,two", "last", "12"):
        made = MonteCarloDropout(where=where, rate=0.25)
        assert defences.build(str(made)) == made
