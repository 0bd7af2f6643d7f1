"""A layer in front of a model that normalizes inputs, so that eps and bounds are in their units."""

import keras
import numpy as np
import pytest

from turtlenet.data.prepare import normalized_for
from turtlenet.errors import DataError, ModelError, SettingError
from turtlenet.models import load, save
from turtlenet.models.normalize import RECIPES, normalized, parsed, statistics, statistics_of
from turtlenet.models.usage import Usage
from turtlenet.workflows.models import wrap

DRAW = np.random.default_rng(0)


def net(shape, *first):
    return keras.Sequential([keras.Input(shape), *first, keras.layers.Flatten(), keras.layers.Dense(2)])


@pytest.mark.parametrize("spec", ["cifar10", "mean=0.5,0.4,0.3,std=0.2,0.25,0.3", "mean=0.5,std=0.25"])
@pytest.mark.parametrize("shape", [(4, 4, 3), (3, 4, 5)])
def test_the_layer_does_what_was_done_outside(spec, shape):
    model, x = net(shape), DRAW.uniform(size=(5, *shape)).astype("float32")
    found = statistics(spec, (0.0, 1.0))
    form = (3, 1, 1) if shape[0] == 3 else (3,)
    mean, std = (np.broadcast_to(each, 3).reshape(form) for each in (found.mean, found.std))
    outside = model(((x - mean) / std).astype("float32"))
    np.testing.assert_allclose(normalized(model, found)(x), outside, rtol=1e-5, atol=1e-5)


def test_recipes_are_of_the_range_of_pixels():
    assert parsed("imagenet") == parsed("torchvision")
    wide = statistics("cifar10", (0.0, 255.0))
    assert np.allclose(wide.mean, 255 * np.array(RECIPES["cifar10"][0]))
    assert np.allclose(wide.std, 255 * np.array(RECIPES["cifar10"][1]))
    assert parsed({"mean": [0.5], "std": [0.25]}) == parsed("mean=0.5, std=0.25")


def test_the_file_has_it_and_plain_keras_loads_it(tmp_path):
    model, x = net((6,)), DRAW.uniform(size=(3, 6)).astype("float32")
    save(wrap(model, normalize="mean=0.5,std=0.25"), tmp_path / "m.h5")
    for loaded in (load(tmp_path / "m.h5"), keras.models.load_model(tmp_path / "m.h5")):
        np.testing.assert_allclose(loaded(x), model((x - 0.5) / 0.25), rtol=1e-5, atol=1e-5)
    with pytest.raises(ModelError, match="does not normalize its inputs, for --normalize; .* begins with Normaliz"):
        wrap(tmp_path / "m.h5", normalize="imagenet")


def test_data_tell_mean_and_deviation_of_each_feature():
    x = (DRAW.normal(size=(400, 3)) * [1, 20, 0] + [1e4, -5, 7]).astype("float32")
    found = statistics_of([x[:150], x[150:]], (3,))
    np.testing.assert_allclose(found.mean, x.mean(axis=0, dtype="float64"), rtol=1e-9)
    np.testing.assert_allclose(found.std, [x[:, 0].std(dtype="float64"), x[:, 1].std(dtype="float64"), 1], rtol=1e-6)
    y = DRAW.integers(0, 2, 400)
    model = net((3,))
    wrapped = wrap(model, normalize="data", data=(x, y))
    np.testing.assert_allclose(
        wrapped(x), model(((x - found.mean) / found.std).astype("float32")), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize(
    ("spec", "kind", "words"),
    [
        ("imagnet", SettingError, "Did you mean 'imagenet'?"),
        ("mean=0.5,std=0", SettingError, "standard deviations above 0"),
        ("mean=0.5,0.5,std=0.2", SettingError, "as many means as standard deviations to normalize by; got 2 and 1"),
        ("mean=a,std=b", SettingError, "Expected normalize as cifar10, imagenet,"),
        (3, SettingError, "Expected normalize as cifar10, imagenet,"),
        (
            "mean=123.7,std=58",
            SettingError,
            "Expected means within the bounds [0, 1] to normalize by; got 123.7: pass",
        ),
        ("imagenet", SettingError, "Expected 1 means and standard deviations to normalize inputs of 4x4x1; got 3."),
    ],
)
def test_what_cannot_be_meant_is_refused(spec, kind, words):
    with pytest.raises(kind) as caught:
        wrap(net((4, 4, 1)), normalize=spec)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_model_that_scales_its_inputs_is_refused():
    with pytest.raises(ModelError, match="begins with Rescaling"):
        wrap(net((4, 4, 3), keras.layers.Rescaling(1 / 255)), normalize="imagenet")
    with pytest.raises((DataError, SettingError)):
        wrap(net((4, 4, 3)))


@pytest.mark.parametrize(
    ("shape", "how"),
    [((4, 4, 1), {"task": "multi-label"}), ((None, None, 1), {"size": "4x4"}), ((4, 4, 1), {"output": "answer"})],
)
def test_the_task_is_known_where_the_data_tell_what_to_normalize_by(shape, how):
    x, rows = np.random.default_rng(0).random((4, 4, 4, 1)).astype("float32"), np.eye(2)[[0, 1, 0, 1]]
    image = keras.Input(shape)
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    answer = keras.layers.Dense(2, activation="sigmoid" if "task" in how else "softmax", name="answer")(pooled)
    model = keras.Model(image, [answer, keras.layers.Dense(3)(pooled)] if "output" in how else answer)
    y = rows if "task" in how else rows.argmax(axis=1)
    usage = Usage(how.get("task", "auto"), how.get("output"), None, how.get("size"))
    found, _ = normalized_for(model, "data", (x, y), bounds=None, head="auto", usage=usage)
    assert np.allclose(found.layers[1].mean, x.mean(), atol=1e-6)
