"""Damages model files at random, and says whether `load` kept its promise with what came out."""

import copy
import json
import random
import warnings
import zipfile

import h5py
import keras
import numpy as np
import tf_keras
from keras import layers

from turtlenet.errors import ModelError, TurtlenetError
from turtlenet.models import inspect, load

__all__ = ["BrokenError", "broken", "damaged", "judge", "mutated", "seeds"]

# What stands in the place of anything.
VALUES = (
    *(None, True, False, 0, 1, -1, 2, 3, 7, 1.5, -0.0, 1e308, float("nan"), float("inf"), 10**6, 2**31, 2**62, 10**25),
    *("", "x", "relu", "same", "valid", "float32", "int8", "string", "Dense", "Lambda", "Functional", "InputLayer"),
    *("channels_first", "../..", "a/b", "\x00", "\ud800", "\n", "é" * 50, "turtlenet>TensorFlowCall", "keras.layers"),
    *([], {}, [[]], [None], [1, 2, 3], {"class_name": "Dense", "config": {}}, {"class_name": "Lambda", "config": {}}),
    *({"class_name": "__tensor__", "config": {"value": [1], "dtype": "float32"}}, {"class_name": "function"}),
    *(["i", 0, 0], [["dense", 0, 0, {}]], {"args": [], "kwargs": {}}, {"type": "ndarray", "value": 3}),
)


class BrokenError(AssertionError):
    """A promise that was not kept."""


def judge(path, weights=None):
    """Loads and inspects a file.

    Args:
        path: Any bytes.
        weights: Checksums of all arrays that the file has, if it is known to be whole.

    Raises:
        BrokenError: Another exception than ours, a message of several lines, or a model with other numbers than its
            file.
    """
    loaded = None
    try:
        loaded = load(path)
    except TurtlenetError as error:
        _one_line(str(error))
    except BaseException as error:
        raise BrokenError(f"load: {type(error).__name__}: {str(error)[:300]}") from error
    try:
        inspect(path).to_text()
    except ModelError as error:
        _one_line(str(error))
    except BaseException as error:
        raise BrokenError(f"inspect: {type(error).__name__}: {str(error)[:300]}") from error
    if loaded is not None and not isinstance(loaded, keras.Model):
        raise BrokenError(f"no model: {loaded}")
    if loaded is not None and weights is not None and (found := sums(loaded)) != weights:
        raise BrokenError(f"half built: {found} for {weights}")
    return loaded


def _one_line(text):
    if not text.isprintable() or len(text) > 2000:
        raise BrokenError(f"no line: {text!r}")


def sums(model):
    """One number for each weight, sorted; that of a random generator is its own."""
    return sorted(
        round(float(np.sum(np.asarray(each, "float64"))), 3)
        for each in model.weights
        if "seed_generator" not in each.path
    )


def mutated(config, draw):
    """A description with one to four things replaced, taken out, doubled or moved."""
    config = copy.deepcopy(config)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        places = list(_places(config))
        if not places:
            return config
        holder, key = draw.choice(places)
        kind = draw.randrange(8)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        elif kind == 2:
            other, its = draw.choice(places)
            holder[key] = copy.deepcopy(other[its])
        elif kind == 3 and isinstance(holder, dict):
            holder[draw.choice(("name", "class_name", "config", "module", "layer", "extra"))] = holder.pop(key)
        elif kind == 4 and isinstance(holder[key], int):
            holder[key] = draw.choice((holder[key] + 1, -holder[key], float(holder[key]), str(holder[key]), 10**9))
        elif kind == 5 and isinstance(holder, list):
            draw.shuffle(holder)
        else:
            holder[key] = copy.deepcopy(draw.choice(VALUES))
    return config


def _places(config):
    waiting = [config]
    while waiting:
        holder = waiting.pop()
        items = holder.items() if isinstance(holder, dict) else enumerate(holder)
        for key, value in items:
            yield holder, key
            if isinstance(value, (dict, list)):
                waiting.append(value)


def damaged(data, draw):
    """Bytes with some of them flipped, cut out, repeated, set to 0 or 255, or only the beginning."""
    data = bytearray(data)
    kind = draw.randrange(6)
    if kind == 0:
        return bytes(data[: draw.randrange(len(data))])
    # HDF5 has what matters in the first bytes, a zip archive in the last ones.
    spread = draw.choice((100, 2000, len(data)))
    for _ in range(draw.choice((1, 1, 3, 10, 100))):
        at = draw.randrange(min(spread, len(data)))
        at = at if draw.random() < 0.7 else len(data) - 1 - at
        if kind == 1:
            data[at] ^= 1 << draw.randrange(8)
        elif kind == 2:
            data[at] = draw.randrange(256)
        elif kind == 3:
            data[at : at + draw.randrange(1, 9)] = draw.choice((b"\0", b"\xff")) * 8
        elif kind == 4:
            del data[at : at + draw.randrange(1, 64)]
        else:
            data[at:at] = data[at : at + draw.randrange(1, 64)]
        if not data:
            return b""
    return bytes(data)


def broken(path, text, draw, kind):
    """Writes a copy of a file with one of its descriptions, or its bytes, damaged."""
    target = path.with_name(f"broken{path.suffix}")
    if kind == "bytes":
        target.write_bytes(damaged(path.read_bytes(), draw))
        return target
    changed = json.dumps(mutated(text[kind], draw))
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as new:
            for name in source.namelist():
                state = text["config"] | {"compile_config": json.loads(changed)}
                whole = changed if kind == "config" else json.dumps(state)
                new.writestr(name, whole if name == "config.json" else source.read(name))
        return target
    target.write_bytes(path.read_bytes())
    with h5py.File(target, "a") as file:
        file.attrs["model_config" if kind == "config" else "training_config"] = changed
    return target


def described(path):
    """The descriptions in a file, by name."""
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as file:
            config = json.loads(file.read("config.json"))
        return {"config": config, "training": config.get("compile_config") or {}}
    with h5py.File(path, "r") as file:
        return {
            "config": json.loads(file.attrs["model_config"]),
            "training": json.loads(file.attrs.get("training_config", "{}")),
        }


def seeds(folder):
    """Genuine small files of three Kerases: paths, descriptions, checksums of their weights."""
    made = {**_modern(), **_older()}
    found = []
    for name, model in made.items():
        for suffix in (".h5", ".keras") if isinstance(model, keras.Model) else (".h5",):
            path = folder / f"{name}{suffix}"
            path.parent.mkdir(exist_ok=True)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.save(path)
            found.append((path, described(path), sums(load(path))))
    found.append(_keras1(folder))
    return found


def _modern():
    keras.utils.set_random_seed(0)
    plain = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(2, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(3, activation="softmax", kernel_regularizer="l2"),
        ]
    )
    plain.compile(keras.optimizers.Adam(0.01), keras.losses.CategoricalCrossentropy(), metrics=["accuracy"])
    inputs = keras.Input((6,))
    x = layers.Dense(4, name="first")(inputs)
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4)], name="inner")
    y = layers.Add()([inner(x) * 2.0, inner(x)])
    graph = keras.Model(inputs, [layers.Dense(2)(keras.ops.concatenate([x, y], axis=-1)), y])
    graph.compile("sgd", ["mse", "mae"])
    words = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Embedding(7, 3, mask_zero=True),
            layers.Bidirectional(layers.LSTM(2, return_sequences=True)),
            layers.TimeDistributed(layers.Dense(2)),
            layers.RNN([layers.GRUCell(2), layers.SimpleRNNCell(2)]),
        ]
    )
    attention = keras.Input((4, 4))
    attended = keras.Model(attention, layers.MultiHeadAttention(2, 2)(attention, attention))
    return {"plain": plain, "graph": graph, "words": words, "attended": attended}


def _older():
    tf_keras.utils.set_random_seed(0)
    old = tf_keras.layers
    inputs = tf_keras.Input((6, 6, 2))
    x = old.Conv2D(2, 3, name="conv")(inputs)
    x = tf_keras.backend.relu(x * 2.0 + 1.0, max_value=3.0)
    x = old.LeakyReLU()(old.BatchNormalization()(x))
    inner = tf_keras.Sequential([old.Flatten(input_shape=(4, 4, 2)), old.Dense(4, activation="hard_sigmoid")])
    y = old.add([inner(x), inner(x + 1.0)])
    graph = tf_keras.Model(inputs, old.Dense(3, activation="softmax")(y[:, 1:]))
    graph.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    words = tf_keras.Sequential(
        [
            old.Embedding(7, 3, input_length=5),
            old.Bidirectional(old.GRU(2, return_sequences=True)),
            old.LSTM(2),
            old.Dense(2),
        ]
    )
    words.compile(tf_keras.optimizers.SGD(0.1, momentum=0.9), tf_keras.losses.MeanSquaredError())
    return {"old-graph": graph, "old-words": words}


def _keras1(folder):
    """A description in the words of Keras 1, whose files this Keras cannot write."""
    draw = np.random.default_rng(0)
    config = {
        "class_name": "Sequential",
        "config": [
            {
                "class_name": "Convolution2D",
                "config": {
                    "name": "conv",
                    "nb_filter": 2,
                    "nb_row": 3,
                    "nb_col": 3,
                    "border_mode": "same",
                    "bias": True,
                    "batch_input_shape": [None, 1, 6, 6],
                    "dim_ordering": "th",
                    "subsample": [1, 1],
                    "init": "glorot_uniform",
                    "activation": "relu",
                    "W_regularizer": {"name": "WeightRegularizer"},
                    "trainable": True,
                    "input_dtype": "float32",
                },
            },
            {"class_name": "MaxPooling2D", "config": {"name": "pool", "pool_size": [2, 2], "dim_ordering": "th"}},
            {"class_name": "Flatten", "config": {"name": "flat", "trainable": True}},
            {"class_name": "Dropout", "config": {"name": "drop", "p": 0.5, "trainable": True}},
            {
                "class_name": "Dense",
                "config": {"name": "dense", "output_dim": 3, "init": "uniform", "input_dim": None},
            },
        ],
    }
    path = folder / "oldest.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"], file.attrs["keras_version"] = json.dumps(config), "1.2.2"
        root = file.create_group("model_weights")
        root.attrs["layer_names"] = [b"conv", b"pool", b"flat", b"drop", b"dense"]
        for layer, shapes in {"conv": [(2, 1, 3, 3), (2,)], "dense": [(18, 3), (3,)]}.items():
            group = root.create_group(layer)
            group.attrs["weight_names"] = [f"{layer}_{kind}".encode() for kind in "Wb"]
            for kind, shape in zip("Wb", shapes, strict=True):
                group[f"{layer}_{kind}"] = draw.normal(size=shape).astype("float32")
        for empty in ("pool", "flat", "drop"):
            root.create_group(empty).attrs["weight_names"] = np.array([], "S1")
    return path, described(path), sums(load(path))


def hunt(folder, seconds, first):
    """Damages files with ever new numbers; prints finds: `python -m tests.keras_files.fuzz SECONDS FIRST`."""
    import collections
    import time
    import traceback

    files, begun, count = seeds(folder), time.monotonic(), 0
    ends = collections.Counter()
    while time.monotonic() - begun < seconds:
        number = first + count
        draw = random.Random(number)
        path, text, weights = draw.choice(files)
        kind = draw.choice(("config", "config", "config", "training", "bytes"))
        started = time.monotonic()
        try:
            loaded = judge(broken(path, text, draw, kind), weights if kind != "bytes" else None)
            ends[kind, "loaded" if loaded else "refused"] += 1
        except BrokenError as error:
            ends[kind, "BROKEN"] += 1
            last = traceback.extract_tb((error.__cause__ or error).__traceback__)[-3:]
            print(
                number, path.name, kind, error, [f"{each.filename[-40:]}:{each.lineno}" for each in last], flush=True
            )
        if (spent := time.monotonic() - started) > 10:
            print(number, path.name, kind, f"SLOW {spent:.0f} s", flush=True)
        count += 1
        if count % 200 == 0:
            keras.backend.clear_session()
    print(count, dict(ends), flush=True)


if __name__ == "__main__":
    import sys
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as place:
        hunt(Path(place), float(sys.argv[1]), int(sys.argv[2]))
