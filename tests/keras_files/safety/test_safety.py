"""Files that mean harm: nothing of them runs, no other file is read, no memory or time is spent, one line says why.

Every attack that could run code would leave a mark on the disk if it did.
"""

import base64
import json
import marshal
import os
import resource
import time
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from turtlenet import models
from turtlenet.errors import ModelError, TurtlenetError
from turtlenet.keras_files.safety.findings import findings
from turtlenet.models import inspect, load, save

IDENTITY = ["I", 0, 0]


def forge(path, config, arrays=None, *, version="2.15.0", training=None):
    """Writes an HDF5 file by hand: any description, and arrays by layer and name."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = config if isinstance(config, str) else json.dumps(config)
        file.attrs["keras_version"], file.attrs["backend"] = version, "tensorflow"
        if training is not None:
            file.attrs["training_config"] = json.dumps(training)
        root = file.create_group("model_weights")
        root.attrs["layer_names"] = [name.encode() for name in arrays or {}]
        for layer, held in (arrays or {}).items():
            group = root.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name in held]
            for name, array in held.items():
                group[name] = array
    return path


def archive(path, config, weights=None, **parts):
    """Writes a .keras archive by hand."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("config.json", config if isinstance(config, str) else json.dumps(config))
        file.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
        if weights is None:
            weights = path.parent / "empty.h5"
            h5py.File(weights, "w").close()
            weights = weights.read_bytes()
        file.writestr("model.weights.h5", weights)
        for name, part in parts.items():
            file.writestr(name, part)
    return path


def sequential(*described, shape=(None, 6), name="model"):
    first = {"class_name": "InputLayer", "module": "keras.layers", "config": {"name": "i", "batch_shape": list(shape)}}
    return {"class_name": "Sequential", "module": "keras", "config": {"name": name, "layers": [first, *described]}}


def layer(kind, module="keras.layers", **config):
    return {"class_name": kind, "module": module, "config": {"name": kind.lower().strip("_"), **config}}


def node(described, source, **kwargs):
    """A layer of a functional model that is called on another."""
    tensor = {
        "class_name": "__keras_tensor__",
        "config": {"shape": [None, 6], "dtype": "float32", "keras_history": [source, 0, 0]},
    }
    name = described["config"]["name"]
    return described | {"name": name, "inbound_nodes": [{"args": [tensor], "kwargs": kwargs}]}


def functional(*nodes, inputs=None, outputs=None):
    first = sequential()["config"]["layers"][0] | {"name": "i", "inbound_nodes": []}
    config = {"name": "model", "layers": [first, *nodes]}
    config["input_layers"] = [["i", 0, 0]] if inputs is None else inputs
    config["output_layers"] = [[nodes[-1]["name"], 0, 0]] if outputs is None else outputs
    return {"class_name": "Functional", "module": "keras.src.models.functional", "config": config}


def refused(path):
    """The line with which a file is refused, after `inspect` had its turn too."""
    started = time.monotonic()
    with pytest.raises(TurtlenetError) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    try:
        described = inspect(path)
    except ModelError as error:
        assert "\n" not in str(error)
    else:
        assert not described.attackable
    assert time.monotonic() - started < 20, "it took its time"
    return str(caught.value)


def both(tmp_path, config, version="2.15.0"):
    """The same description in a file of Keras 2 and in one of Keras 3."""
    return forge(tmp_path / "m.h5", config, version=version), archive(tmp_path / "m.keras", config)


@pytest.fixture
def mark(tmp_path):
    """A file that is there once an attack has worked."""
    yield tmp_path / "pwned"
    assert not (tmp_path / "pwned").exists(), "the attack worked"


def code_of(mark):
    """Bytecode that makes the mark, as Keras 1 and 2 wrote it, and as Keras 3 does."""
    made = compile(f"lambda *x, **y: (open({str(mark)!r}, 'w').close(), x)[1]", "evil", "eval").co_consts[0]
    text = base64.b64encode(marshal.dumps(made)).decode()
    return [text, None, None], {
        "class_name": "__lambda__",
        "config": {"code": text, "defaults": None, "closure": None},
    }


def test_the_code_of_the_attacks_works(mark):
    text = code_of(mark)[0][0]
    keras.src.utils.python_utils.func_load(text)()
    assert mark.exists()
    mark.unlink()


def lambdas(old, new):
    """Every place in which a description can carry code."""
    plain = {"function": new, "arguments": {}}
    known = {"class_name": "function", "module": "builtins", "config": "relu", "registered_name": "function"}
    evil = layer("Lambda", **plain)
    yield sequential(evil)
    yield sequential(layer("Lambda", function=old, function_type="lambda"))
    yield sequential(layer("Lambda", function="evil", function_type="function", module="os"))
    yield sequential(layer("Lambda", function=known, output_shape=new))
    yield sequential(layer("Lambda", function=known, output_shape=old, output_shape_type="lambda"))
    yield sequential(layer("Lambda", function=known, mask=new))
    yield sequential(layer("Lambda", function=known, mask=old, mask_type="lambda"))
    yield sequential(layer("Lambda", function=known, arguments={"x": new}))
    yield sequential(layer("Lambda", module="keras.src.layers.core.lambda_layer", **plain))
    yield sequential(layer("Lambda", **plain) | {"registered_name": "Dense"})
    yield sequential(sequential(sequential(evil, name="c"), name="b"))
    yield sequential(layer("TimeDistributed", layer=evil))
    yield sequential(layer("Bidirectional", layer=evil))
    yield sequential(layer("Bidirectional", layer=layer("LSTM", units=2), backward_layer=evil))
    yield sequential(layer("Wrapper", layer=evil))
    yield sequential(layer("SpectralNormalization", layer=evil))
    yield sequential(layer("RNN", cell=evil))
    yield sequential(layer("RNN", cell=layer("StackedRNNCells", cells=[evil])))
    yield sequential(layer("Pipeline", layers=[evil]))
    for where in ("activation", "kernel_initializer", "bias_regularizer", "kernel_constraint", "dtype", "units"):
        yield sequential(layer("Dense", **{"units": 3, where: new}))
        yield sequential(layer("Dense", **{"units": 3, where: evil}))
    yield sequential(layer("Activation", activation=new))
    yield sequential(layer("LSTM", units=2, recurrent_activation=new))
    yield sequential(layer("MultiHeadAttention", num_heads=1, key_dim=1, bias_initializer=new))
    bad_input = sequential()
    bad_input["config"]["layers"][0]["config"]["dtype"] = new
    yield bad_input
    yield sequential() | {"compile_config": {"loss": new}, "build_config": {"input_shape": new}}
    yield sequential(layer("Dense", units=2) | {"build_config": {"input_shape": new}})
    yield functional(node(layer("Dense", units=2), "i", training=new))
    yield functional(node(layer("Dense", units=2), "i", training=evil))
    yield functional(node(layer("Dense", units=2), "i") | {"inbound_nodes": [{"args": [new], "kwargs": {}}]})
    yield functional(node(evil, "i"))
    yield functional(node(layer("TFOpLambda", function=new), "i"))
    yield functional(
        layer("TFOpLambda", function="math.add") | {"name": "t", "inbound_nodes": [["i", 0, 0, {"y": new}]]}
    )
    yield functional(node(layer("Map", module="keras.src.ops.core", function=new), "i"))


def test_no_lambda_runs_wherever_it_hides(mark, tmp_path):
    for number, config in enumerate(lambdas(*code_of(mark))):
        for path in both(tmp_path, config):
            line = refused(path)
            assert not mark.exists(), (number, path)
            assert "carries Python code" in line or "Expected" in line


def test_no_code_in_a_compiled_state_runs(trained, images, mark, tmp_path):
    path = save(trained, tmp_path / "m.h5") or tmp_path / "m.h5"
    old, new = code_of(mark)
    evil = layer("Lambda", function=new)
    states = [
        {"optimizer": new, "loss": "mse"},
        {"optimizer": layer("Adam", "keras.optimizers", learning_rate=new), "loss": "mse"},
        {"optimizer": "adam", "loss": new},
        {"optimizer": "adam", "loss": layer("LossFunctionWrapper", "keras.losses", fn=new)},
        {"optimizer": "adam", "loss": {"out": evil}},
        {"optimizer": "adam", "loss": "mse", "metrics": [[new]]},
        {"optimizer": "adam", "loss": "mse", "metrics": [layer("MeanMetricWrapper", "keras.metrics", fn=new)]},
        {"optimizer": "adam", "loss": "mse", "weighted_metrics": [evil]},
        {"optimizer": {"class_name": "get_file", "module": "keras.utils", "config": {}}, "loss": "mse"},
    ]
    for state in states:
        with h5py.File(path, "a") as file:
            file.attrs["training_config"] = json.dumps(state)
        assert not load(path).compiled
        assert inspect(path).optimizer
        assert not mark.exists()


FUNCTION = {"class_name": "function", "registered_name": "function"}


@pytest.mark.parametrize(
    "described",
    [
        layer("system", "os", command="touch pwned"),
        layer("Popen", "subprocess", args=["touch", "pwned"]),
        layer("get_file", "keras.utils", origin="http://127.0.0.1:9/x"),
        layer("load_model", "keras.saving", filepath="/etc/passwd"),
        layer("load_img", "keras.utils", path="/etc/passwd"),
        layer("deserialize_keras_object", "keras.saving", config={}),
        layer("deserialize", "keras.layers"),
        layer("get_file", "keras.src.utils.file_utils", fname="x", origin="http://127.0.0.1:9/x"),
        layer("extract_archive", "keras.src.utils.file_utils"),
        layer("func_load", "keras.src.utils.python_utils", code="x"),
        layer("DiskIOStore", "keras.src.saving.saving_lib", root_path="/etc"),
        layer("H5IOStore", "keras.src.saving.saving_lib", path_or_io="/etc/passwd"),
        layer("FileEditor", "keras.saving"),
        layer("ModelCheckpoint", "keras.callbacks", filepath="pwned"),
        layer("CSVLogger", "keras.callbacks", filename="pwned"),
        layer("BackupAndRestore", "keras.callbacks", backup_dir="pwned"),
        layer("FeatureSpace", "keras.utils", features={}),
        layer("ExportArchive", "keras.export"),
        layer("Layer>Dense", "builtins"),
        layer("os.system", "keras"),
        layer("Custom>Lambda"),
        layer("TFSMLayer", filepath="/etc"),
        layer("TFSMLayer", "keras.src.export.tfsm_layer", filepath="/etc"),
        layer("TorchModuleWrapper", module="x"),
        layer("JaxLayer", "keras.layers", call_fn="x"),
        layer("FlaxLayer", "keras.src.utils.jax_layer"),
        layer("StringLookup", vocabulary="/etc/passwd"),
        layer("IntegerLookup", vocabulary="/etc/passwd"),
        layer("TextVectorization", vocabulary="/etc/passwd"),
        layer("StringLookup", "keras.src.layers.preprocessing.string_lookup", vocabulary="/etc/passwd"),
        layer("Dense", "no.such.module", units=3),
        layer("Dense", units=3) | {"registered_name": "os>system"},
        layer("Dense", units=3, activation={**FUNCTION, "module": "os", "config": "system"}),
        layer("Dense", units=3, activation={**FUNCTION, "module": "keras.layers", "config": "deserialize"}),
        layer("Dense", units=3, activation={**FUNCTION, "module": "keras.utils", "config": "get_file"}),
        layer("Lambda", function={**FUNCTION, "module": "keras.optimizers", "config": "get"}),
        layer("Lambda", function={**FUNCTION, "module": "keras.saving", "config": "load_model"}),
        layer("Lambda", function={**FUNCTION, "module": "builtins", "config": "eval"}),
        layer("Dense", units=3, kernel_initializer={"class_name": "__typespec__", "spec_name": "x", "config": []}),
    ],
    ids=lambda each: each["class_name"],
)
def test_nothing_is_looked_up_outside_of_what_models_are_made_of(described, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in both(tmp_path, sequential(described)):
        before = {each.name for each in tmp_path.iterdir()}
        refused(path)
        assert {each.name for each in tmp_path.iterdir()} == before


def test_a_function_by_name_is_no_way_around(tmp_path):
    """Keras has functions that make objects of descriptions beside its activations."""
    for name in ("deserialize", "get", "serialize"):
        described = {**FUNCTION, "module": "keras.activations", "config": name}
        assert "function" in refused(
            archive(tmp_path / "m.keras", sequential(layer("Dense", units=3, activation=described)))
        )


def hostile_arrays(tmp_path):
    """Names of HDF5 trickery, and what does it to the group of a layer whose kernel is `k`."""
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["secret"] = np.ones((6, 2), "float32")
        file.create_group("layer")["k"] = np.ones((6, 2), "float32")
    (tmp_path / "passwd").write_bytes(b"root:x:0:0:root:/root:/bin/bash\n" * 4)

    def virtual(group):
        layout = h5py.VirtualLayout((6, 2), "float32")
        layout[:] = h5py.VirtualSource(other, "secret", (6, 2))
        group.create_virtual_dataset("k", layout)

    return {
        "external link": lambda group: group.__setitem__("k", h5py.ExternalLink(str(other), "/secret")),
        "soft link": lambda group: group.__setitem__("k", h5py.SoftLink("/elsewhere")),
        "virtual": virtual,
        "external storage": lambda group: group.create_dataset(
            "k", (6, 2), "float32", external=[(str(tmp_path / "passwd"), 0, 48)]
        ),
        "bomb": lambda group: group.create_dataset("k", (2**34, 2**4), "float32", chunks=(2**20, 2**4)),
        "empty": lambda group: group.create_dataset("k", data=h5py.Empty("f")),
        "text": lambda group: group.create_dataset("k", data=np.full((6, 2), b"x")),
        "objects": lambda group: group.create_dataset("k", (6, 2), h5py.string_dtype()),
        "references": lambda group: group.create_dataset("k", (6, 2), h5py.ref_dtype),
        "compound": lambda group: group.create_dataset("k", (6, 2), [("a", "f4"), ("b", "f4")]),
        "complex": lambda group: group.create_dataset("k", (6, 2), "complex64"),
        "enum": lambda group: group.create_dataset("k", (6, 2), "S3"),
        "group": lambda group: group.create_group("k"),
        "nothing": lambda group: None,
    }


ARRAYS = (
    *("external link", "soft link", "virtual", "external storage", "bomb", "empty", "text", "objects", "references"),
    *("compound", "complex", "enum", "group", "nothing"),
)


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_are_numbers_in_the_file_itself(kind, tmp_path):
    config = sequential(layer("Dense", units=2, use_bias=False))
    path = forge(tmp_path / "m.h5", config, {"dense": {}})
    with h5py.File(path, "a") as file:
        group = file["model_weights/dense"]
        group.attrs["weight_names"] = [b"k"]
        hostile_arrays(tmp_path)[kind](group)
    refused(path)
    weights = tmp_path / "w.h5"
    with h5py.File(weights, "w") as file:
        hostile_arrays(tmp_path)[kind](file.create_group("layers/dense/vars"))
        if "k" in file["layers/dense/vars"]:
            file.move("layers/dense/vars/k", "layers/dense/vars/0")
    refused(archive(tmp_path / "m.keras", config, weights.read_bytes()))


def test_a_layer_in_another_file(tmp_path):
    hostile_arrays(tmp_path)
    path = forge(tmp_path / "m.h5", sequential(layer("Dense", units=2, use_bias=False)))
    with h5py.File(path, "a") as file:
        file["model_weights"].attrs["layer_names"] = [b"dense"]
        file["model_weights/dense"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/layer")
    assert "ExternalLink" in refused(path)
    with h5py.File(path, "a") as file:
        del file["model_weights"]
        file["model_weights"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/")
    assert "ExternalLink" in refused(path)


def test_numbers_of_a_kind_that_the_variable_cannot_hold(tmp_path):
    config = sequential(layer("Dense", units=2, use_bias=False))
    fits = {"dense": {"kernel:0": np.ones((6, 2))}}
    assert load(forge(tmp_path / "fits.h5", config, fits)).layers[0].kernel.numpy().sum() == 12
    for name, arrays in {
        "shape": {"dense": {"kernel:0": np.ones((2, 6))}},
        "more": {"dense": {"kernel:0": np.ones((6, 2)), "bias:0": np.ones(2)}},
        "fewer": {"dense": {}},
        "other": {"dense_1": {"kernel:0": np.ones((6, 2))}},
        "both": {"dense": {"kernel:0": np.ones((6, 2))}, "dense_1": {"kernel:0": np.ones((6, 2))}},
    }.items():
        refused(forge(tmp_path / f"{name}.h5", config, arrays))


def test_a_small_file_that_unpacks_to_a_huge_one(tmp_path):
    config = sequential(layer("Dense", units=2))
    bomb = bytes(700 << 20)
    assert "claims" in refused(archive(tmp_path / "weights.keras", config, bomb))
    assert "at most" in refused(archive(tmp_path / "config.keras", '{"a": "' + "a" * (60 << 20) + '"}'))
    path = forge(tmp_path / "m.h5", sequential(layer("Dense", units=2**28, use_bias=False)), {"dense": {}})
    with h5py.File(path, "a") as file:
        group = file["model_weights/dense"]
        group.attrs["weight_names"] = [b"kernel:0"]
        # It fits the model, and none of it is in the file.
        group.create_dataset("kernel:0", (6, 2**28), "float32", chunks=(1, 2**20), compression="gzip")
    assert "claims" in refused(path)


def test_one_array_in_the_place_of_thousands(tmp_path):
    units = 1 << 20
    described = [layer("Dense", units=units, use_bias=False)]
    path = forge(tmp_path / "m.h5", sequential(*described), {"dense": {"k": np.zeros((6, 8), "float32")}})
    with h5py.File(path, "a") as file:
        group = file["model_weights/dense"]
        group.create_dataset("z", (6, units), "float32", chunks=(1, 2**16), compression="gzip")
        group.attrs["weight_names"] = [b"z"] * 1000
    assert "claims" in refused(path)


def test_names_in_an_archive_lead_nowhere(trained, images, tmp_path):
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "m.keras"
    save(trained, path)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("../escaped", "x")
        file.writestr("/tmp/escaped-from-turtlenet", "x")
        file.writestr("assets/../../escaped", "x")
        file.writestr("assets/layers/string_lookup/vocabulary.txt", "x")
    model = load(path)
    np.testing.assert_array_equal(model.predict(images[0], verbose=0), trained.predict(images[0], verbose=0))
    assert [each.name for each in tmp_path.iterdir()] == ["in"]
    assert [each.name for each in (tmp_path / "in").iterdir()] == ["m.keras"]


def test_a_folder_whose_parts_are_links(tmp_path):
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "config.json").symlink_to("/etc/passwd")
    (folder / "model.weights.h5").symlink_to("/etc/passwd")
    assert "root:" not in refused(folder)
    (folder / "config.json").unlink()
    (folder / "config.json").write_text(json.dumps(sequential(layer("Dense", units=2))))
    assert "root:" not in refused(folder)
    (folder / "model.weights.h5").unlink()
    (folder / "model.weights.h5").symlink_to("/dev/zero")
    refused(folder)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "m.h5")
    assert "neither a file nor a folder" in refused(tmp_path / "m.h5")


def deep(depth, within=None):
    config = within or layer("Dense", units=2)
    for number in range(depth):
        config = sequential(config, name=f"s{number}")
    return config


def laughs(depth):
    """Each model calls the one within ten times: a small file, and more calls than can ever be made."""
    inner = layer("Activation", activation="relu") | {"name": "a"}
    inner |= {"inbound_nodes": node(inner, "i")["inbound_nodes"]}
    for number in range(depth):
        model = functional(inner)
        model["config"]["name"] = f"m{number}"
        inner = node(model, "i")
        inner["inbound_nodes"] = inner["inbound_nodes"] * 10
    return functional(inner)


def chain(length, reverse=False):
    nodes = [node(layer("Activation", activation="relu") | {}, "i")]
    for number in range(length):
        made = layer("Activation", activation="relu")
        made["config"]["name"] = f"a{number}"
        nodes.append(node(made, f"a{number - 1}" if number else "activation"))
    config = functional(*nodes)
    config["config"]["layers"][1:] = reversed(nodes) if reverse else nodes
    return config


BIG = 10**12
SIZES = {
    "dense": sequential(layer("Dense", units=BIG)),
    "dense twice": sequential(layer("Dense", units=2**40), layer("Dense", units=2**40)),
    "beyond 64 bits": sequential(layer("Dense", units=2**70)),
    "embedding": sequential(layer("Embedding", input_dim=BIG, output_dim=BIG)),
    "convolution": sequential(
        layer("Conv2D", filters=3, kernel_size=[10**6] * 2, padding="same"), shape=(None, 8, 8, 1)
    ),
    "repeat": sequential(layer("RepeatVector", n=10**9), layer("Dense", units=10**9)),
    "reshape": sequential(layer("Reshape", target_shape=[2**40, 2**40, -1])),
    "reshape 2": sequential(layer("Reshape", target_shape=[10**9] * 9)),
    "padding": sequential(layer("ZeroPadding2D", padding=[[10**9] * 2] * 2), layer("Flatten"), shape=(None, 8, 8, 1)),
    "upsampling": sequential(layer("UpSampling2D", size=[10**6] * 2), layer("UpSampling2D", size=[10**6] * 2),
                             layer("Flatten"), layer("Dense", units=2), shape=(None, 8, 8, 1)),
    "deep": deep(100),
    "nested": json.dumps(sequential()).replace('"i"', "[" * 5000 + "]" * 5000),
    "many": sequential(*[layer("ReLU")] * 25_000),
    "million": '{"class_name": "Sequential", "config": {"layers": [' + "{}," * 10**6 + "{}]}}",
    "unrolled": sequential(layer("LSTM", units=3, unroll=True), shape=(None, 10**6, 2)),
    "unrolled less": sequential(layer("LSTM", units=3, unroll=True), shape=(None, 10**4, 2)),
    "cells": sequential(layer("RNN", cell=layer("StackedRNNCells", cells=[layer("LSTMCell", units=2)] * 25_000)),
                        shape=(None, 4, 2)),
    "calls of calls": laughs(12),
    "chain": chain(500, reverse=True),
    "input": sequential(layer("Dense", units=3), shape=(None, BIG)),
    "batch": sequential(layer("Dense", units=3), shape=(BIG, BIG, BIG, BIG)),
    "rank": sequential(layer("Dense", units=3), shape=(None, *[2] * 3000)),
    "ngrams": sequential(layer("TextVectorization", ngrams=2**31)),
    "heads": sequential(layer("GroupedQueryAttention", head_dim=BIG, num_query_heads=BIG, num_key_value_heads=BIG)),
    "text": sequential(layer("Rescaling", scale={"class_name": "__numpy__",
                                                 "config": {"value": ["a"] * 9, "dtype": "U500000000"}})),
    "tensor": sequential(layer("Rescaling", scale={"class_name": "__tensor__",
                                                   "config": {"value": [[1.0]], "dtype": "no"}})),
    "split": functional(node(layer("Split", "keras.src.ops.numpy", indices_or_sections=2**31), "i")),
    "unstack": functional(layer("TFOpLambda", function="unstack") | {
        "name": "tfoplambda", "inbound_nodes": [["i", 0, 0, {"num": 2**31, "axis": 0}]]}),
}  # fmt: skip


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name == "million" else ()) for name in SIZES]
)
def test_what_asks_for_too_much_is_refused_before_anything_is_spent(name, tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for path in both(tmp_path, SIZES[name]):
        refused(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_500_000, "it took memory"


def test_an_architecture_is_held_against_the_weights(trained, tmp_path):
    trained.save_weights(tmp_path / "m.weights.h5")
    for units in (BIG, 10**9, 4):
        (tmp_path / "a.json").write_text(json.dumps(sequential(layer("Dense", units=units))))
        with pytest.raises(ModelError, match="Expected"):
            load(tmp_path / "m.weights.h5", architecture=str(tmp_path / "a.json"))


def test_metrics_that_count_in_more_than_fits(trained, tmp_path):
    save(trained, tmp_path / "m.h5")
    for metric in (
        layer("MeanIoU", "keras.metrics", num_classes=90_000),
        layer("AUC", "keras.metrics", num_thresholds=90_000, multi_label=True, num_labels=90_000),
    ):
        with h5py.File(tmp_path / "m.h5", "a") as file:
            file.attrs["training_config"] = json.dumps({"optimizer": "sgd", "loss": "mse", "metrics": [metric]})
        assert len(load(tmp_path / "m.h5").metrics) <= 1


NUMBERS = [
    -1,
    0,
    1.5,
    1e300,
    float("nan"),
    float("inf"),
    "3",
    "",
    None,
    True,
    [],
    [3],
    {},
    {"a": 1},
    [None],
    2**63,
    10**400,
]


@pytest.mark.parametrize("value", NUMBERS, ids=str)
def test_what_is_no_size_where_a_size_belongs(value, tmp_path):
    for described in (
        layer("Dense", units=value),
        layer("Dense", units=3, rate=value),
        layer("Dense", units=3, name=value) if value != "" else layer("Dense", units=value),
        layer("Embedding", input_dim=value, output_dim=3),
        layer("Reshape", target_shape=value),
        layer("LSTM", units=value),
        layer("Conv1D", filters=3, kernel_size=value),
        layer("BatchNormalization", axis=value),
    ):
        refused(forge(tmp_path / "m.h5", sequential(described), {"other": {"k": np.ones(3)}}))


def loops():
    a, b = layer("Activation", activation="relu"), layer("Activation", activation="relu")
    a["config"]["name"], b["config"]["name"] = "a", "b"
    yield functional(node(a, "b"), node(b, "a"))
    yield functional(node(a, "a"))
    yield functional(node(a, "nowhere"))
    yield functional(node(b, "a"), node(a, "i"), outputs=[["nowhere", 0, 0]])
    yield functional(node(a, "i"), node(a, "i"), outputs=[["a", 5, 0]])
    yield functional(node(a, "i"), outputs=[["a", 0, 5]])
    yield functional(node(a, "i"), outputs=[["a", -7, 0]])
    yield functional(node(a, "i"), outputs=[])
    yield functional(node(a, "i"), outputs={})
    yield functional(node(a, "i"), outputs="a")
    yield functional(node(a, "i"), inputs=[])
    yield functional(node(a, "i"), inputs=[["a", 0, 0]], outputs=[["i", 0, 0]])
    yield functional(node(a, "i"), inputs=[["nowhere", 0, 0]])
    yield functional(node(a, "i") | {"inbound_nodes": 3})
    yield functional(node(a, "i") | {"inbound_nodes": [[]]})
    yield functional(node(a, "i") | {"inbound_nodes": [[["i", "0", "0", {}]]]})
    yield functional(node(a, "i") | {"inbound_nodes": [{"args": 3, "kwargs": 4}]})
    yield functional(node(a, "i") | {"name": None})
    yield {"class_name": "Functional", "config": {"layers": []}}
    yield {"class_name": "Functional", "config": {"name": "m", "layers": [], "input_layers": [], "output_layers": []}}
    yield {"class_name": "Sequential", "config": {"name": "m", "layers": []}}
    yield {"class_name": "Sequential", "config": {}}
    yield {"class_name": "Sequential", "config": [3]}
    yield {"class_name": "Sequential"}
    yield {"class_name": None, "config": None}
    yield layer("Dense", units=3)
    yield {}


def test_graphs_that_are_none(tmp_path):
    for config in loops():
        for path in both(tmp_path, config):
            refused(path)


def test_a_graph_in_any_order_is_fine(tmp_path):
    """Keras itself takes the layers in any order; what is refused is only what would take forever."""
    assert len(load(forge(tmp_path / "m.h5", chain(20, reverse=True))).layers) == 22


def test_two_layers_of_one_name(tmp_path):
    described = [layer("Dense", units=2), layer("Dense", units=2)]
    refused(
        forge(
            tmp_path / "m.h5", sequential(*described), {"dense": {"kernel:0": np.ones((6, 2)), "bias:0": np.ones(2)}}
        )
    )


def test_a_message_steers_no_terminal(tmp_path):
    for text in ("\x1b]0;owned\x07", "two\nlines", "\ud800", "‮evil"):
        for path in both(tmp_path, sequential(layer(text, units=3))):
            assert refused(path).isprintable()
        path = forge(tmp_path / "m.h5", sequential(), version=text.encode("utf-8", "replace"))
        try:
            assert all(each.isprintable() for each in inspect(path).to_text().splitlines())
        except ModelError as error:
            assert str(error).isprintable()


def test_an_initializer_that_fails_leaves_nothing_behind(trained, images, tmp_path):
    config = sequential(layer("Dense", units=2, use_bias=False, kernel_initializer={
        "class_name": "Constant", "module": "keras.initializers", "config": {"value": [1, 2, 3, 4, 5]}}))  # fmt: skip
    path = forge(tmp_path / "bad.h5", config, {"dense": {"kernel:0": np.ones((6, 2), "float32")}})
    try:
        assert load(path).layers[0].kernel.numpy().sum() == 12
    except ModelError as error:
        assert "\n" not in str(error)
    save(trained, tmp_path / "good.h5")
    np.testing.assert_array_equal(
        load(tmp_path / "good.h5").predict(images[0], verbose=0), trained.predict(images[0], verbose=0)
    )


def test_trust_is_asked_for_each_file(lambda_model, tmp_path):
    save(lambda_model, tmp_path / "m.keras")
    assert models.load(tmp_path / "m.keras", trust=True).built
    assert (tmp_path / "ran").exists()
    (tmp_path / "ran").unlink()
    assert "Nothing of it was executed" in refused(tmp_path / "m.keras")
    assert not (tmp_path / "ran").exists()


def test_layers_that_only_say_something(tmp_path):
    """Code that is not asked for stays text: a name that looks like code is a name."""
    assert load(forge(tmp_path / "m.h5", sequential(layer("ReLU") | {"comment": "__import__('os')"}))).built
    assert isinstance(load(tmp_path / "m.h5").layers[0], layers.ReLU)


def shapes(function):
    """A function in every form and place in which a description can name one."""
    name, module = function["config"], function["module"]
    yield {**function, "extra": 1}
    yield {**function, "registered_name": None}
    yield {**function, "registered_name": "turtlenet>UnitClip"}
    yield {**function, "registered_name": "Dense", "shared_object_id": 1}
    yield {**function, "config": f"{module.removeprefix('keras.')}.{name}", "module": "keras"}
    yield {**function, "config": [module, name]}
    yield {**function, "config": {"name": name}}
    yield {**function, "class_name": name}
    yield {**function, "class_name": name, "config": {}}
    yield {**function, "class_name": f"Custom>{name}", "config": {}}
    yield {**function, "class_name": [name]}
    yield {**function, "module": [module]}
    yield {**function, "registered_name": {"a": 1}}
    yield {"class_name": "__typespec__", "spec_name": name, "module": module, "registered_name": None, "config": []}
    yield {"class_name": "__slice__", "config": {"start": function, "stop": None, "step": None}}


GADGETS = [
    ("keras._tf_keras.keras.layers", "TFSMLayer"),
    ("keras.layers", "TorchModuleWrapper"),
    ("keras.utils", "get_file"),
    ("keras.models", "load_model"),
    ("keras.saving", "deserialize_keras_object"),
    ("keras.config", "enable_unsafe_deserialization"),
    ("keras.src.utils.python_utils", "func_load"),
    ("keras.ops", "map"),
    ("keras.ops", "while_loop"),
    ("os", "system"),
    ("builtins", "eval"),
    ("tensorflow.io", "write_file"),
    ("\N{FULLWIDTH LATIN SMALL LETTER O}s", "system"),
    ("keras.utils", "get_f\N{CYRILLIC SMALL LETTER BYELORUSSIAN-UKRAINIAN I}le"),
]


@pytest.mark.parametrize(("module", "name"), GADGETS, ids=str)
def test_no_function_passes_in_any_form_or_place(module, name):
    function = {**FUNCTION, "module": module, "config": name, "registered_name": name}
    for form in shapes(function):
        for config in lambdas(["code", None, None], form):
            assert findings(config), config
        assert findings({"optimizer": "sgd", "loss": "mse", "metrics": [[{"class_name": "Mean", "config": form}]]})


def test_a_name_given_twice_is_judged_as_it_is_read(mark, tmp_path):
    """JSON takes the last; so do both, who judge and who build."""
    described = json.dumps(sequential(layer("Dense", units=2)))
    twice = described.replace('"class_name": "Dense"', '"class_name": "Dense", "class_name": "TFSMLayer"')
    assert twice != described
    for path in both(tmp_path, json.dumps(sequential(layer("Dense", units=2)))):
        assert "TFSMLayer" not in refused(path)
    for path in both(tmp_path, twice):
        assert "TFSMLayer" in refused(path)


def test_texts_that_name_functions(tmp_path):
    """A text where a function belongs: Keras knows its own few, and none of these is one."""
    for text in ("os:system", "os.system", "keras>utils>get_file", "custom>os.system", "keras.utils.get_file", "eval"):
        for path in both(tmp_path, sequential(layer("Dense", units=2, activation=text))):
            refused(path)
    # The loader of HDF5 files takes this for the function that makes layers of descriptions.
    evil = {"class_name": "Activation", "config": {"name": "a", "activation": "deserialize"}}
    assert "makes objects" in findings(evil)[0]
    assert not findings({**evil, "config": {"name": "serialize", "activation": "relu"}})


def test_what_the_program_supplies_is_its_own_affair(tmp_path):
    """By identity: whatever a program hands in under any name may be named, and nothing beside it."""
    evil = layer("Activation", activation={**FUNCTION, "module": "keras.layers", "config": "add"})
    assert findings(sequential(evil))
    with keras.saving.custom_object_scope({"add": keras.layers.add}):
        assert not findings(sequential(evil))
    with keras.saving.custom_object_scope({"other": keras.layers.subtract}):
        assert findings(sequential(evil))


def test_a_guard_that_was_switched_off_stays_on_here(mark, tmp_path):
    """`keras.config.enable_unsafe_deserialization` is the program's for its own loading, not for a stranger's file."""
    path = archive(tmp_path / "m.keras", sequential(layer("Lambda", function=code_of(mark)[1])))
    with keras.src.saving.serialization_lib.SafeModeScope(False):
        refused(path)
    assert not mark.exists()
