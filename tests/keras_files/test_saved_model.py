"""SavedModel folders say the same about a model as the HDF5 file that the same Keras writes beside them."""

import json
import shutil
import warnings
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.protobuf import saved_model_pb2
from tf_keras import layers
from tf_keras.protobuf import saved_metadata_pb2

from turtlenet import backend
from turtlenet.errors import ModelError
from turtlenet.keras_files.saved_model import arrays, describe
from turtlenet.keras_files.weights.hdf5_arrays import layer_arrays

# Keras writes these into an HDF5 file only, or numbers them by the file.
_ELSEWHERE = {"module", "registered_name", "build_config", "shared_object_id"}


def _functional():
    inner = tf_keras.Sequential(
        [layers.Dense(3, input_shape=(4,), name="squeeze"), layers.BatchNormalization(name="norm")], name="inner"
    )
    inner.layers[0].trainable = False
    inputs = tf_keras.Input((5, 4))
    x = layers.Bidirectional(layers.LSTM(2, return_sequences=True))(inputs)
    x = layers.TimeDistributed(inner)(x)
    x = layers.BatchNormalization()(layers.Concatenate()([x, inputs]))
    x = layers.RNN([layers.LSTMCell(2), layers.GRUCell(3)])(x)
    x = layers.Dense(4, trainable=False)(x)
    return tf_keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.Dropout(0.5)(x)))


def _sequential():
    return tf_keras.Sequential(
        [
            layers.Rescaling(1 / 255, input_shape=(6, 6, 1)),
            layers.Normalization(),
            layers.Conv2D(2, 3, activation="relu", kernel_regularizer="l2"),
            layers.BatchNormalization(trainable=False),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )


def _nested():
    inputs = tf_keras.Input((6, 6, 1))
    x = layers.BatchNormalization(name="first")(layers.SeparableConv2D(3, 3, name="separable")(inputs))
    deep = tf_keras.Sequential([layers.Dense(2, name="low"), layers.BatchNormalization(name="deep_norm")], name="deep")
    body = tf_keras.Model(inputs, deep(layers.Conv2D(2, 3, name="conv")(x)), name="body")
    body.trainable = False
    return tf_keras.Sequential([body, layers.Flatten(), layers.Dense(3)])


MODELS = {"functional": _functional, "sequential": _sequential, "nested": _nested}


def _write(model, folder: Path, **options) -> Path:
    with warnings.catch_warnings():
        # Keras 2 says of each format that another is better.
        warnings.simplefilter("ignore")
        model.save(folder, save_format="tf", **options)
        model.save(folder.with_suffix(".h5"))
    return folder


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> dict[str, Path]:
    """Each model as a folder, with an HDF5 file beside it; weights that differ, one model compiled."""
    root, draw, found = tmp_path_factory.mktemp("saved"), np.random.default_rng(0), {}
    for name, make in MODELS.items():
        tf_keras.backend.clear_session()
        model = make()
        for weight in model.weights:
            weight.assign(draw.normal(size=weight.shape))
        if name == "functional":
            model.compile("adam", tf_keras.losses.CategoricalCrossentropy(label_smoothing=0.1), metrics=["accuracy"])
        found[name] = _write(model, root / name)
        found[f"{name} without functions"] = _write(model, root / f"{name}_plain", save_traces=False)
    return found


KINDS = [f"{name}{how}" for name in MODELS for how in ("", " without functions")]


@pytest.fixture(scope="module")
def small(written, tmp_path_factory) -> Path:
    """A folder without a graph, for tests that read it hundreds of times."""
    folder = tmp_path_factory.mktemp("small") / "model"
    shutil.copytree(written["sequential"], folder)
    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    saved.meta_graphs[0].ClearField("graph_def")
    saved.meta_graphs[0].object_graph_def.ClearField("concrete_functions")
    (folder / "saved_model.pb").write_bytes(saved.SerializeToString())
    return folder


def _age(folder: Path, target: Path) -> Path:
    """The folder as TensorFlow 2.0 to 2.4 wrote it: what Keras notes stands in the tree of objects."""
    shutil.copytree(folder, target)
    notes = saved_metadata_pb2.SavedMetadata.FromString((target / "keras_metadata.pb").read_bytes())
    saved = saved_model_pb2.SavedModel.FromString((target / "saved_model.pb").read_bytes())
    for note in notes.nodes:
        user = saved.meta_graphs[0].object_graph_def.nodes[note.node_id].user_object
        user.identifier, user.metadata = note.identifier, note.metadata
    (target / "saved_model.pb").write_bytes(saved.SerializeToString())
    (target / "keras_metadata.pb").unlink()
    return target


def _common(config):
    """What both formats say."""
    if isinstance(config, dict):
        return {key: _common(value) for key, value in config.items() if key not in _ELSEWHERE}
    return [_common(item) for item in config] if isinstance(config, list) else config


def _hdf5_attribute(path: Path, name: str):
    with h5py.File(path) as file:
        return file.attrs.get(name)


def _assert_equal_weights(folder: Path, file: Path) -> None:
    found = arrays(folder)
    with layer_arrays(file) as expected:
        assert list(found) == list(expected)
        for layer, entries in expected.items():
            assert [name for name, _ in found[layer]] == [name for name, _ in entries]
            for (name, value), (_, array) in zip(found[layer], entries, strict=True):
                assert value.dtype == array.dtype
                np.testing.assert_array_equal(value, array[()], err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_the_description_is_that_of_the_hdf5_file(written, kind):
    folder = written[kind]
    found = describe(folder)
    assert _common(found.config) == _common(json.loads(_hdf5_attribute(folder.with_suffix(".h5"), "model_config")))
    training = _hdf5_attribute(folder.with_suffix(".h5"), "training_config")
    assert (found.training is None) == (training is None) == (not kind.startswith("functional"))
    assert training is None or _common(found.training) == _common(json.loads(training))
    assert (found.keras_version, found.backend) == (tf_keras.__version__, "tensorflow")


@pytest.mark.parametrize("kind", KINDS)
def test_the_weights_are_those_of_the_hdf5_file(written, kind):
    _assert_equal_weights(written[kind], written[kind].with_suffix(".h5"))


@pytest.mark.parametrize("kind", ["functional", "nested without functions"])
def test_the_form_of_tensorflow_2_0_to_2_4(written, kind, tmp_path):
    old = _age(written[kind], tmp_path / "old")
    assert describe(old) == describe(written[kind])
    _assert_equal_weights(old, written[kind].with_suffix(".h5"))


@pytest.mark.parametrize("thaw", [(), ("inner",), ("layers",), ("inner", "layers")], ids="+".join)
@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("traces", [True, False])
def test_the_order_of_frozen_models(tmp_path, thaw, wrapped, traces):
    inner = tf_keras.Sequential([layers.BatchNormalization(input_shape=(4,)), layers.Dense(3), layers.Dense(2)])
    outer = layers.TimeDistributed(inner, input_shape=(5, 4)) if wrapped else tf_keras.Sequential([inner])
    model = tf_keras.Sequential([outer, layers.Dense(3)])
    outer.trainable = False
    if "inner" in thaw:
        inner.trainable = True
    for layer in inner.layers:
        layer.trainable = "layers" in thaw
    folder = _write(model, tmp_path / "frozen", save_traces=traces)
    _assert_equal_weights(folder, folder.with_suffix(".h5"))


def test_the_lists_of_keras_go_before_its_rules(broken):
    saved = saved_model_pb2.SavedModel.FromString((broken / "saved_model.pb").read_bytes())
    nodes = saved.meta_graphs[0].object_graph_def.nodes

    def child(node, name):
        return nodes[next(each.node_id for each in node.children if each.local_name == name)]

    first, second = child(child(child(nodes[0], "layer-5"), "keras_api"), "trainable_variables").children
    first.local_name, second.local_name = "1", "0"
    (broken / "saved_model.pb").write_bytes(saved.SerializeToString())
    names = [name.partition("/")[2] for name, _ in list(arrays(broken).values())[-1]]
    assert names == ["bias:0", "kernel:0"]


def test_weights_of_the_model_itself_come_last(tmp_path):
    model = tf_keras.Sequential([layers.Dense(2, input_shape=(3,))])
    model.temperature = tf.Variable([2.0], name="temperature")
    folder = _write(model, tmp_path / "own")
    assert list(arrays(folder))[-1] == "top_level_model_weights"
    _assert_equal_weights(folder, folder.with_suffix(".h5"))


def test_a_mixed_model_keeps_its_types(tmp_path):
    model = tf_keras.Sequential([layers.Dense(2, input_shape=(3,), dtype="float64"), layers.Dense(2, dtype="float16")])
    folder = _write(model, tmp_path / "mixed")
    _assert_equal_weights(folder, folder.with_suffix(".h5"))


def _graph(folder):
    module = tf.Module()
    module.weight = tf.Variable(1.0)
    tf.saved_model.save(module, folder)


def _keras_2_without_notes(folder):
    tf.saved_model.save(tf_keras.Sequential([layers.Dense(2, input_shape=(3,))]), folder)


def _keras_3_export(folder):
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).export(folder, verbose=False)


@pytest.mark.parametrize("export", [_graph, _keras_2_without_notes, _keras_3_export])
def test_a_graph_without_a_keras_model(tmp_path, export):
    folder = tmp_path / "graph"
    export(str(folder))
    words = f"Expected a Keras model; {folder} holds a graph without one: save the model from Keras as .h5 or .keras."
    for read in (describe, arrays):
        with pytest.raises(ModelError) as caught:
            read(folder)
        assert str(caught.value) == words


class Subclassed(tf_keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


def test_a_subclassed_model(tmp_path):
    model = Subclassed()
    model(tf.zeros((1, 3)))
    model.save(tmp_path / "model", save_format="tf")
    with pytest.raises(
        ModelError, match="functional or sequential model; .* the graph of 'Subclassed' without its lay"
    ):
        describe(tmp_path / "model")


def test_no_saved_model(tmp_path):
    for read in (describe, arrays):
        with pytest.raises(ModelError, match=r"Expected a SavedModel; .* has no saved_model.pb\."):
            read(tmp_path)


@pytest.fixture
def broken(small, tmp_path) -> Path:
    """A folder to damage."""
    shutil.copytree(small, tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("name", ["variables.index", "variables.data-00000-of-00001"])
@pytest.mark.parametrize("damage", ["missing", "empty", "short", "noise"])
def test_damaged_variables(broken, name, damage):
    file = broken / "variables" / name
    held = file.read_bytes()
    file.unlink()
    if damage != "missing":
        noise = np.random.default_rng(0).bytes(len(held))
        file.write_bytes({"empty": b"", "short": held[: len(held) // 2], "noise": noise}[damage])
    assert describe(broken).config["class_name"] == "Sequential"
    with pytest.raises(ModelError) as caught:
        arrays(broken)
    assert "\n" not in str(caught.value)


def test_an_index_that_asks_for_more_than_there_is(broken):
    tf.raw_ops.SaveV2(
        prefix=str(broken / "big"), tensor_names=["a"], shape_and_slices=[""], tensors=[tf.zeros((1000,))]
    )
    data = broken / "big.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(ModelError, match="its data are cut short"):
        backend.checkpoint_arrays(str(broken / "big"))


def test_a_checkpoint_by_its_keys(small):
    prefix = str(small / "variables" / "variables")
    every = backend.checkpoint_arrays(prefix)
    assert all(isinstance(value, np.ndarray) for value in every.values()), "texts only when asked for"
    key = next(key for key in every if key.endswith("kernel/.ATTRIBUTES/VARIABLE_VALUE"))
    some = backend.checkpoint_arrays(prefix, [key, "_CHECKPOINTABLE_OBJECT_GRAPH"])
    np.testing.assert_array_equal(some[key], every[key])
    assert isinstance(some["_CHECKPOINTABLE_OBJECT_GRAPH"], bytes)
    with pytest.raises(ModelError, match="Expected the weights nowhere in .*; the checkpoint has no such key"):
        backend.checkpoint_arrays(prefix, ["nowhere"])


def test_a_layer_may_not_be_its_own_part(broken):
    saved = saved_model_pb2.SavedModel.FromString((broken / "saved_model.pb").read_bytes())
    nodes = saved.meta_graphs[0].object_graph_def.nodes
    # Without their lists, Keras's rules look into the layers.
    for node in nodes:
        for child in node.children:
            child.local_name = "keras_aip" if child.local_name == "keras_api" else child.local_name
    layer = next(child.node_id for child in nodes[0].children if child.local_name == "layer-1")
    nodes[layer].children.add(local_name="itself", node_id=layer)
    nodes[layer].children.add(local_name="model", node_id=0)
    (broken / "saved_model.pb").write_bytes(saved.SerializeToString())
    assert len(arrays(broken)) == 4


@pytest.mark.parametrize("name", ["keras_metadata.pb", "saved_model.pb"])
def test_a_last_byte_that_is_missing(broken, name):
    (broken / name).write_bytes((broken / name).read_bytes()[:-1])
    with pytest.raises(ModelError, match="Expected a whole SavedModel; .* is damaged or cut short: a part is longer"):
        arrays(broken)


def test_tuples_and_shapes_are_lists(broken):
    config = {"layers": [{"class_name": "TensorShape", "items": [None, {"class_name": "__tuple__", "items": [1]}]}]}
    notes = saved_metadata_pb2.SavedMetadata()
    metadata = json.dumps({"class_name": "Sequential", "config": config})
    notes.nodes.add(node_id=0, node_path="root", identifier="_tf_keras_sequential", metadata=metadata)
    (broken / "keras_metadata.pb").write_bytes(notes.SerializeToString())
    assert describe(broken).config == {"class_name": "Sequential", "config": {"layers": [[None, [1]]]}}


@pytest.mark.parametrize("metadata", ["", "[]", '{"a":', "[" * 100_000, '{"class_name": "__tuple__", "items": 3}'])
def test_notes_that_are_no_json_object(broken, metadata):
    notes = saved_metadata_pb2.SavedMetadata()
    notes.nodes.add(node_id=0, node_path="root", identifier="_tf_keras_sequential", metadata=metadata)
    (broken / "keras_metadata.pb").write_bytes(notes.SerializeToString())
    with pytest.raises(ModelError) as caught:
        describe(broken)
    assert "\n" not in str(caught.value)


def _read_damaged(small, folder, name, data):
    """Reads a copy with one file's bytes replaced: it works or is a `ModelError` of one line."""
    target = folder / "model"
    if not target.exists():
        shutil.copytree(small, target)
    held = (small / name).read_bytes()
    (target / name).write_bytes(data(held))
    try:
        for read in (describe, arrays):
            try:
                read(target)
            except ModelError as error:
                assert "\n" not in str(error)
    finally:
        (target / name).write_bytes(held)


FILES = ["keras_metadata.pb", "saved_model.pb"]


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(FILES), noise=st.binary(max_size=300))
def test_noise_is_no_saved_model(small, tmp_path_factory, name, noise):
    _read_damaged(small, _place(tmp_path_factory), name, lambda _: noise)


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(FILES), cut=st.floats(0, 1))
def test_a_file_cut_short(small, tmp_path_factory, name, cut):
    _read_damaged(small, _place(tmp_path_factory), name, lambda held: held[: int(cut * len(held))])


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(FILES), at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), more=st.booleans())
def test_a_flipped_bit(small, tmp_path_factory, name, at, bit, more):
    def flip(held: bytes) -> bytes:
        flipped = bytearray(held)
        flipped[int(at * len(held))] ^= 1 << bit
        if more:
            flipped[int(at * len(held) / 2)] = 255
        return bytes(flipped)

    _read_damaged(small, _place(tmp_path_factory), name, flip)


def _place(factory) -> Path:
    place = factory.getbasetemp() / "damaged"
    place.mkdir(exist_ok=True)
    return place
