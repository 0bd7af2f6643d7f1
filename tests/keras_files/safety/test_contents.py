"""What lies in a file beside its model keeps `inspect` from calling it safe; the model itself loads."""

import io
import json
import pickle
import shutil
import zipfile

import h5py
import keras
import numpy as np
import pytest

from tests.keras_files.safety.test_safety import FUNCTION, archive, forge, layer, node, sequential
from turtlenet.keras_files.protobuf import MalformedError
from turtlenet.keras_files.safety.graph import harmful_operations
from turtlenet.models import Loading, inspect, load, loading, save


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A small classifier as an archive, and in an HDF5 file."""
    folder = tmp_path_factory.mktemp("plain")
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, activation="softmax", name="dense")])
    for name in ("m.keras", "m.h5"):
        save(model, folder / name)
    return folder


def packed(name, data):
    """An archive with one part."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr(name, data)
    return stream.getvalue()


def array(value):
    stream = io.BytesIO()
    np.save(stream, value, allow_pickle=True)
    return stream.getvalue()


PICKLE = pickle.dumps({"a": np.ones(2)})
PARTS = {
    "assets/model.pkl": (PICKLE, "pickle"),
    "assets/no_name": (PICKLE, "pickle"),
    "assets/oldest": (b"cposix\nsystem\n(S'true'\ntR.", "pickle"),
    "assets/scaler.joblib": (b"\x78\x9c" + b"a" * 20, "pickle"),
    "assets/objects.npy": (array(np.array([{}, 1], object)), "which is a pickle"),
    "assets/objects.npz": (packed("x.npy", array(np.array([{}], object))), "archive with a pickle"),
    "assets/torch": (packed("model/data.pkl", PICKLE), "archive with a pickle"),
    "assets/numbers.npy": (array(np.ones(3)), "not looked at"),
    "assets/words.txt": (b"one\ntwo\n", "not looked at"),
    "setup.py": (b"import os\n", "not looked at"),
    "model.weights.npz": (packed("x.npy", array(np.ones(2))), "not looked at"),
    "../escaped": (b"x", "not looked at"),
    "CONFIG.JSON": (b"{}", "not looked at"),
}


@pytest.mark.parametrize("name", PARTS)
def test_a_part_that_is_no_models(name, plain, tmp_path):
    data, told = PARTS[name]
    shutil.copy(plain / "m.keras", tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras", "a") as file:
        file.writestr(name, data)
    found = inspect(tmp_path / "m.keras")
    assert len(found.unsafe) == 1 and name in found.unsafe[0] and told in found.unsafe[0]
    assert "safe: no: " in found.to_text() and "safe: yes" not in found.to_text()
    assert found.attackable and load(tmp_path / "m.keras").built
    if ".." not in name and name != "CONFIG.JSON":
        with zipfile.ZipFile(tmp_path / "m.keras") as file:
            file.extractall(tmp_path / "folder")
        assert inspect(tmp_path / "folder").unsafe == found.unsafe


def test_what_hides_in_an_archive(plain, tmp_path):
    shutil.copy(plain / "m.keras", tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as file:
        config = file.read("config.json")
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(tmp_path / "m.keras", "a") as file:
        file.comment = b"hello"
        link = zipfile.ZipInfo("assets/passwd")
        link.external_attr = 0o120777 << 16
        file.writestr(link, "/etc/passwd")
        file.writestr("config.json", config)
    text = " ".join(inspect(tmp_path / "m.keras").unsafe)
    assert "a comment" in text and "a link to another file" in text and "'config.json' 2 times" in text


def test_no_more_is_named_than_a_person_reads(plain, tmp_path):
    shutil.copy(plain / "m.keras", tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras", "a") as file:
        for number in range(40):
            file.writestr(f"assets/{number}", "x")
    found = inspect(tmp_path / "m.keras").unsafe
    assert len(found) == 6 and found[-1] == "35 more such parts"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("notes", np.frombuffer(PICKLE, "uint8"), "a pickle"),
        ("notes", np.void(PICKLE), "no numbers"),
        ("model_weights/notes", "text", "no numbers"),
        ("images", np.ones(3), "not looked at"),
    ],
)
def test_arrays_beside_the_model(name, value, told, plain, tmp_path):
    shutil.copy(plain / "m.h5", tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "a") as file:
        file[name] = value
    found = inspect(tmp_path / "m.h5")
    assert told in " ".join(found.unsafe) and "safe: yes" not in found.to_text()
    assert found.attackable


def test_arrays_beside_the_weights_of_an_archive(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["layers/dense/vars/0"], file["layers/dense/vars/1"] = np.ones((6, 2), "float32"), np.ones(2, "float32")
        file["notes"] = np.frombuffer(PICKLE, "uint8")
    path = archive(tmp_path / "m.keras", sequential(layer("Dense", units=2)), (tmp_path / "w.h5").read_bytes())
    assert inspect(path).unsafe == ("the array 'notes', a pickle, which is Python code for who unpickles it",)


def test_code_in_a_compiled_state_is_left_out_and_told(plain, tmp_path):
    shutil.copy(plain / "m.h5", tmp_path / "m.h5")
    for loss, unsafe in (
        ({**FUNCTION, "module": "os", "config": "system"}, True),
        ({"class_name": "__lambda__", "config": {"code": "x", "defaults": None, "closure": None}}, True),
        # A loss of the writer's own harms nobody: no Keras finds it.
        ({**FUNCTION, "module": "my.losses", "config": "own_loss"}, False),
        ("mse", False),
    ):
        with h5py.File(tmp_path / "m.h5", "a") as file:
            file.attrs["training_config"] = json.dumps({"optimizer": "sgd", "loss": loss})
        found = inspect(tmp_path / "m.h5")
        assert bool(found.unsafe) == unsafe == ("safe: no" in found.to_text()), loss
        assert found.attackable


def test_what_the_user_supplied_or_trusts_is_no_safer_elsewhere(lambda_model, tmp_path):
    save(lambda_model, tmp_path / "m.keras")
    with loading(Loading(custom_objects={"evil": lambda x: x})):
        found = inspect(tmp_path / "m.keras")
    assert found.attackable and not found.unsafe
    assert found.elsewhere == ("Lambda 'evil', which carries Python code",)
    assert "safe: yes, with what you supplied; elsewhere no: Lambda 'evil'" in found.to_text()
    with loading(Loading(trust=True)):
        found = inspect(tmp_path / "m.keras")
    assert found.attackable and "safe: no: Lambda 'evil'" in found.to_text()


@pytest.mark.parametrize(
    ("described", "offered"),
    [
        (layer("Lambda", function={"class_name": "__lambda__", "config": {}}), {"custom", "trust"}),
        (layer("Lambda", function={**FUNCTION, "module": "mine", "config": "halve"}), {"custom", "trust"}),
        (layer("Mine"), {"custom"}),
        (layer("Activation", activation={**FUNCTION, "module": "mine", "config": "halve"}), {"custom"}),
        (layer("StringLookup", vocabulary="/etc/passwd"), {"trust"}),
        (layer("get_file", "keras.utils"), set()),
        (layer("Activation", activation={**FUNCTION, "module": "keras.utils", "config": "get_file"}), set()),
    ],
)
def test_only_what_could_help_is_offered(described, offered, tmp_path):
    with pytest.raises(Exception, match="Nothing of it was executed") as caught:
        load(forge(tmp_path / "m.h5", sequential(described)))
    assert {word for word in ("custom", "trust") if f"--{word} " in str(caught.value)} == offered


@pytest.mark.tensorflow
def test_the_file_of_a_model_ran_the_graph_of_another(tmp_path):
    """A `Lambda` of `TFSMLayer`, called on a path: it was known by a registered name that says nothing of it."""
    import tensorflow as tf

    mark = tmp_path / "pwned"

    class Evil(tf.saved_model.experimental.TrackableResource):
        def _create_resource(self):
            return tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[], shared_name="evil")

        def _initialize(self):
            tf.io.write_file(str(mark), "x")

    class Holder(tf.Module):
        def __init__(self):
            super().__init__()
            self.evil = Evil()

        @tf.function(input_signature=[tf.TensorSpec([], tf.float32)])
        def serve(self, x):
            return x

    holder = Holder()
    assert holder.evil.resource_handle is not None
    tf.saved_model.save(holder, tmp_path / "graph", signatures={"serve": holder.serve})
    mark.unlink(missing_ok=True)
    keras.layers.TFSMLayer(str(tmp_path / "graph"), call_endpoint="serve")
    assert mark.exists(), "the attack has to work, or the test says nothing"
    mark.unlink()
    assert harmful_operations(tmp_path / "graph") == ["WriteFile"]

    function = {**FUNCTION, "module": "keras._tf_keras.keras.layers", "config": "TFSMLayer"}
    evil = layer("Lambda", function=function | {"registered_name": "turtlenet>UnitClip"})
    evil["config"]["arguments"] = {"call_endpoint": "serve"}
    called = node(evil, "i") | {"inbound_nodes": [{"args": [], "kwargs": {"inputs": str(tmp_path / "graph")}}]}
    config = {
        "class_name": "Functional",
        "module": "keras.src.models.functional",
        "config": {
            "name": "model",
            "layers": [
                sequential()["config"]["layers"][0] | {"name": "i", "inbound_nodes": []},
                node(layer("Dense", units=2, use_bias=False), "i"),
                called,
            ],
            "input_layers": [["i", 0, 0]],
            "output_layers": [["dense", 0, 0]],
        },
    }
    path = forge(tmp_path / "m.h5", config, {"dense": {"kernel:0": np.ones((6, 2))}}, version=keras.version())
    found = inspect(path)
    assert not mark.exists()
    assert found.unsafe == ("Lambda 'lambda', which calls 'TFSMLayer' of Keras, as no model does",)


@pytest.mark.tensorflow
def test_a_graph_of_keras_is_none_that_reaches_out(tmp_path):
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, activation="softmax")])
    model.export(tmp_path / "graph", verbose=False)
    assert harmful_operations(tmp_path / "graph") == []
    path = tmp_path / "graph" / "saved_model.pb"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(MalformedError):
        harmful_operations(tmp_path / "graph")
