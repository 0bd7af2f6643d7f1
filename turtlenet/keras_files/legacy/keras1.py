"""Keras 1 in the words of Keras 2.2: layers and arguments by their new names, merges, the order of dimensions.

A container meets these rules before its layers do: what it knows about them is lost once they are rewritten. Numbers
that only training needs (dropout of an embedding, speed settings) go; what Keras 2 cannot say stays as it was, under
its old name, for the loader to refuse.
"""

import copy
from collections.abc import Callable, Iterator
from typing import Any

from turtlenet.errors import ModelError
from turtlenet.keras_files.legacy.keras_version import KerasVersion
from turtlenet.keras_files.legacy.rules import Json, rule

_ORDERS = {"th": "channels_first", "tf": "channels_last"}
# These depend on the order of the dimensions, and Keras 1 did not write it down.
_UNTOLD = tuple(f"{kind}{n}D" for kind in ("UpSampling", "ZeroPadding", "Cropping", "SpatialDropout") for n in (2, 3))
_BOXES = ("Sequential", "Model", "Functional")

_WEIGHTS = {
    "init": "kernel_initializer",
    "W_regularizer": "kernel_regularizer",
    "b_regularizer": "bias_regularizer",
    "W_constraint": "kernel_constraint",
    "b_constraint": "bias_constraint",
    "bias": "use_bias",
}
_RECURRENT = _WEIGHTS | {
    "output_dim": "units",
    "inner_init": "recurrent_initializer",
    "inner_activation": "recurrent_activation",
    "U_regularizer": "recurrent_regularizer",
    "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
}
_CONVOLUTION = _WEIGHTS | {
    "nb_filter": "filters",
    "filter_length": "kernel_size",
    "subsample_length": "strides",
    "subsample": "strides",
    "atrous_rate": "dilation_rate",
    "border_mode": "padding",
}
_SEPARABLE = {key: value for key, value in _CONVOLUTION.items() if not key.startswith("W_")} | {
    "depthwise_init": "depthwise_initializer",
    "pointwise_init": "pointwise_initializer",
}
_CONVOLUTIONS = {
    "Convolution1D": "Conv1D",
    "AtrousConvolution1D": "Conv1D",
    "AtrousConv1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "AtrousConvolution2D": "Conv2D",
    "AtrousConv2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "SeparableConvolution2D": "SeparableConv2D",
    "Deconvolution2D": "Conv2DTranspose",
    "Deconv2D": "Conv2DTranspose",
} | {
    name: name
    for name in ("Conv1D", "Conv2D", "Conv3D", "SeparableConv2D", "LocallyConnected1D", "LocallyConnected2D")
}
_SIZES = (("nb_row", "nb_col"), ("kernel_dim1", "kernel_dim2", "kernel_dim3"))
_MERGES = {"sum": "Add", "mul": "Multiply", "ave": "Average", "max": "Maximum", "concat": "Concatenate"}
_INITIALIZERS: Json = {
    "zero": "zeros",
    "one": "ones",
    "uniform": {"class_name": "RandomUniform", "config": {"minval": -0.05, "maxval": 0.05}},
    "normal": {"class_name": "RandomNormal", "config": {"mean": 0.0, "stddev": 0.05}},
    "orthogonal": {"class_name": "Orthogonal", "config": {"gain": 1.1}},
}
_CONSTRAINTS = {
    "maxnorm": ("MaxNorm", {"m": "max_value"}),
    "nonneg": ("NonNeg", {}),
    "unitnorm": ("UnitNorm", {}),
    "minmaxnorm": ("MinMaxNorm", {"low": "min_value", "high": "max_value"}),
}

Edit = Callable[[Json, Json, KerasVersion], bool | None]


def data_format(config: Json, era: KerasVersion) -> str:
    """The order of a Keras 1 layer's dimensions, as Keras 2 names it; the backend decides where the layer does not."""
    told = config.get("dim_ordering")
    return _ORDERS.get(told if isinstance(told, str) else "") or (
        "channels_first" if era.backend == "theano" else "channels_last"
    )


def _edits(name: str, reason: str, *classes: str, before: int = 2) -> Callable[[Edit], Edit]:
    """Makes a rule of a function that changes a layer and its config in place; False leaves the layer as it was."""

    def register(edit: Edit) -> Edit:
        @rule(name, reason, before=before, classes=classes)
        def apply(layer: Json, era: KerasVersion) -> Json | None:
            if not isinstance(layer.get("config"), dict):
                return None
            kept = copy.deepcopy(layer)
            return None if edit(layer, layer["config"], era) is False or layer == kept else layer

        return edit

    return register


def _rename(config: Json, names: dict[str, str], *drop: str) -> None:
    for old, new in names.items():
        if old in config:
            config[new] = config.pop(old)
    for key in drop:
        config.pop(key, None)


def _order(config: Json, era: KerasVersion, *, flat: bool = False) -> None:
    """Sets `data_format`; a `flat` layer, with one dimension in space, always had its channels last."""
    order = "channels_last" if flat else data_format(config, era)
    config.pop("dim_ordering", None)
    config.setdefault("data_format", order)


# Containers.


@rule(
    "keras1-untold-order",
    "the order of dimensions was not written down for padding, cropping and upsampling",
    before=2,
    classes=_BOXES,
)
def _untold_order(layer: Json, era: KerasVersion) -> Json | None:
    """Gives these layers the order in which the rest of their model works: it was one setting for all."""
    configs = [(item["class_name"], item["config"]) for item in _descriptions(layer)]
    told = {config.get("dim_ordering") for _, config in configs if config.get("dim_ordering") in ("th", "tf")}
    untold = [
        config
        for name, config in configs
        if name in _UNTOLD and config.get("dim_ordering", "default") == "default" and "data_format" not in config
    ]
    if len(told) != 1 or not untold:
        return None
    order = told.pop()
    for config in untold:
        config["dim_ordering"] = order
    return layer


def _descriptions(node: Any) -> Iterator[Json]:
    waiting = [node]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if isinstance(item.get("class_name"), str) and isinstance(item.get("config"), dict):
                yield item
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


@rule(
    "keras1-merged-branches",
    "a Sequential could begin with a Merge of whole models",
    before=3,
    classes=("Sequential",),
)
def _merged_branches(layer: Json, era: KerasVersion) -> Json | None:
    listed = _listed(layer)
    if not listed or listed[0]["class_name"] != "Merge" or not isinstance(listed[0]["config"], dict):
        return None
    merge = listed[0]["config"]
    branches = merge.pop("layers", None)
    if not isinstance(branches, list) or not all(_entries(branch) for branch in branches):
        return None
    inputs: list[Json] = []
    nodes: list[Json] = []
    joined = []
    for index, branch in enumerate(branches):
        entered, reference = _branch(branch, f"{merge.get('name') or 'merge'}_branch_{index + 1}")
        inputs += entered
        nodes += [branch] if branch["class_name"] != "InputLayer" else []
        joined.append(reference)
    for index, item in enumerate(listed):
        joined = [_called(item, joined, f"layer_{index + 1}")]
        nodes.append(item)
    names = [item["name"] for item in inputs + nodes]
    if len(set(names)) < len(names):
        return None
    held = layer["config"] if isinstance(layer["config"], dict) else {}
    layer["class_name"] = "Model"
    layer["config"] = {
        "name": layer.get("name") or held.get("name") or "sequential",
        "layers": inputs + nodes,
        "input_layers": [[item["name"], 0, 0] for item in inputs],
        "output_layers": [joined[0][:3]],
    }
    return layer


def _branch(branch: Json, fallback: str) -> tuple[list[Json], list]:
    """Turns a branch into a node; gives the inputs that it needs and the reference to its output."""
    if branch["class_name"] == "InputLayer":
        branch |= {"name": branch["config"].get("name") or fallback, "inbound_nodes": []}
        return [branch], [branch["name"], 0, 0, {}]
    entries = _entries(branch) or []
    reference = _called(branch, [], fallback)
    if branch["class_name"] not in _BOXES:
        branch["config"].pop("batch_input_shape", None)
    names = (
        [f"{reference[0]}_input"]
        if len(entries) == 1
        else [f"{reference[0]}_input_{i + 1}" for i in range(len(entries))]
    )
    branch["inbound_nodes"] = [[[name, 0, 0, {}] for name in names]]
    return [_input(name, *entry) for name, entry in zip(names, entries, strict=True)], reference


def _called(item: Json, inputs: list, fallback: str) -> list:
    """Makes a node of a layer that is called on inputs; gives the reference to its output."""
    if isinstance(item["config"], list):
        item["config"] = {"layers": item["config"]}
    name = item.get("name") or item["config"].get("name") or fallback
    item["config"]["name"] = name
    item |= {"name": name, "inbound_nodes": [inputs]}
    # In the files of Keras 1 and 2, the first call of a whole model is its second node: the first is its own making.
    return [name, 1 if item["class_name"] in _BOXES else 0, 0, {}]


def _input(name: str, shape: list, dtype: str) -> Json:
    config = {"batch_input_shape": shape, "dtype": dtype, "sparse": False, "name": name}
    return {"class_name": "InputLayer", "config": config, "name": name, "inbound_nodes": []}


def _listed(item: Json) -> list[Json] | None:
    """The layers of a container; None where one of them is no layer."""
    config = item.get("config")
    listed = config.get("layers") if isinstance(config, dict) else config
    whole = isinstance(listed, list) and all(
        isinstance(part, dict) and "class_name" in part and isinstance(part.get("config"), (dict, list))
        for part in listed
    )
    return listed if whole else None


def _entries(item: Any) -> list[tuple[list, str]] | None:
    """Shapes and dtypes of the inputs that a branch needs; None where it does not say."""
    if not isinstance(item, dict) or not isinstance(item.get("config"), (dict, list)):
        return None
    config, kind = item["config"], item.get("class_name")
    if kind in _BOXES:
        listed = _listed(item)
        if not listed:
            return None
        firsts: Any = listed[:1]
        if kind != "Sequential":
            config = config if isinstance(config, dict) else {}
            names = [entry[0] for entry in config.get("input_layers") or [] if isinstance(entry, list) and entry]
            firsts = [part for name in names for part in listed if part.get("name") == name]
        elif firsts[0]["class_name"] == "Merge":
            firsts = firsts[0]["config"].get("layers") if isinstance(firsts[0]["config"], dict) else None
        found = [_entries(first) for first in firsts or []]
        return [entry for entries in found for entry in entries or []] if found and all(found) else None
    shape = config.get("batch_input_shape") if isinstance(config, dict) else None
    return [(shape, config.get("input_dtype") or config.get("dtype") or "float32")] if shape else None


@_edits("keras1-merge", "one Merge layer had a mode for what are layers of their own now", "Merge", before=3)
def _merge(layer: Json, config: Json, era: KerasVersion) -> bool | None:
    mode = config.get("mode")
    if config.get("mode_type", "raw") != "raw" or not isinstance(mode, str) or config.get("layers"):
        return False
    new: Json = {"name": config["name"]} if "name" in config else {}
    if mode in ("dot", "cos"):
        axes = config.get("dot_axes", -1)
        # Along any other axes, Keras 1 divided by something else than the lengths of the vectors.
        if mode == "cos" and axes not in (-1, 1, [-1, -1], [1, 1]):
            return False
        if mode == "cos" and era.major == 1:
            # Its output had an axis more, which Keras 2 did not tell the next layer.
            layer |= {"class_name": "turtlenet>Cosine", "config": new}
        else:
            layer |= {"class_name": "Dot", "config": new | {"axes": axes, "normalize": mode == "cos"}}
    elif mode in _MERGES:
        axis = {"axis": config.get("concat_axis", -1)} if mode == "concat" else {}
        layer |= {"class_name": _MERGES[mode], "config": new | axis}
    return None


# Any layer.


@_edits("keras1-values", "initializers, regularizers and constraints were written another way")
def _values(layer: Json, config: Json, era: KerasVersion) -> None:
    if layer.get("class_name") in (*_BOXES, "Lambda", "Merge"):
        return
    for key, value in config.items():
        if key.endswith("_regularizer"):
            config[key] = _regularizer(value)
        elif key.endswith("_constraint"):
            config[key] = _constraint(value)
        elif (key == "init" or key.endswith("_init")) and key != "forget_bias_init" and isinstance(value, str):
            config[key] = copy.deepcopy(_INITIALIZERS.get(value, value))


def _regularizer(value: Any) -> Any:
    held = {"name": value} if isinstance(value, str) else value
    if not isinstance(held, dict) or not isinstance(held.get("name"), str):
        return value
    name = held["name"].removeprefix("activity_")
    if name in ("l1", "l2", "l1l2"):
        found = {key: held.get(key, held.get("l", 0.01)) for key in ("l1", "l2") if key in name}
    elif name in ("WeightRegularizer", "ActivityRegularizer", "L1L2Regularizer"):
        found = {key: held[key] for key in ("l1", "l2") if key in held}
    else:
        return {"class_name": name, "config": {key: item for key, item in held.items() if key != "name"}}
    return {"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.0} | found}


def _constraint(value: Any) -> Any:
    held = {"name": value} if isinstance(value, str) else value
    if not isinstance(held, dict) or not isinstance(held.get("name"), str):
        return value
    name, names = _CONSTRAINTS.get(held["name"].lower(), (held["name"], {}))
    return {"class_name": name, "config": {names.get(key, key): item for key, item in held.items() if key != "name"}}


@_edits("keras1-input", "the dtype of the input was an argument of the first layer")
def _input_dtype(layer: Json, config: Json, era: KerasVersion) -> None:
    dtype = config.pop("input_dtype", None)
    # On another layer than this, `dtype` would be that of its weights.
    if dtype and layer.get("class_name") == "InputLayer":
        config["dtype"] = dtype
    if layer.get("class_name") != "Lambda":
        _rename(config, {}, "create_input_layer", "weights")


# Families of layers.


@_edits("keras1-dense", "Dense had output_dim, init, bias, W_ and b_ arguments", "Dense", "TimeDistributedDense")
def _dense(layer: Json, config: Json, era: KerasVersion) -> None:
    layer["class_name"] = "Dense"
    # Keras 1 wrote the width of the input into every Dense; only `batch_input_shape` makes it the first layer.
    _rename(config, _WEIGHTS | {"output_dim": "units"}, "input_dim", "input_length")


@_edits("keras1-maxout", "they had output_dim, nb_feature, init, W_ arguments", "MaxoutDense", "Highway", before=3)
def _maxout(layer: Json, config: Json, era: KerasVersion) -> None:
    # Keras 2 had them for a while, as Keras 1 wrote them.
    _rename(config, _WEIGHTS | {"output_dim": "units", "nb_feature": "num_features"}, "input_dim")


@_edits("keras1-softplus", "SReLU had t_left_init, ParametricSoftplus alpha_init", "SReLU", "ParametricSoftplus")
def _learned(layer: Json, config: Json, era: KerasVersion) -> None:
    _rename(
        config, {f"{side}_{part}_init": f"{side}_{part}_initializer" for side in "ta" for part in ("left", "right")}
    )
    for name in ("alpha", "beta"):
        if f"{name}_init" in config:
            value = config.pop(f"{name}_init")
            config[f"{name}s_initializer"] = {"class_name": "Constant", "config": {"value": value}}
    _shared(config)


@_edits(
    "keras1-convolution", "convolutions had nb_filter, nb_row, subsample, border_mode, dim_ordering", *_CONVOLUTIONS
)
def _convolution(layer: Json, config: Json, era: KerasVersion) -> bool | None:
    _check_padding(layer, config)
    name = _CONVOLUTIONS[layer["class_name"]]
    _size(config)
    if name == "Conv2DTranspose" and _output_padding(config, era) is False:
        return False
    if name == "SeparableConv2D" and "init" in config:
        init = config.pop("init")
        config |= {"depthwise_initializer": init, "pointwise_initializer": copy.deepcopy(init)}
    _rename(config, _SEPARABLE if name == "SeparableConv2D" else _CONVOLUTION, "input_dim", "input_length")
    if name.endswith("1D"):
        for key in ("kernel_size", "strides", "dilation_rate"):
            if isinstance(config.get(key), int):
                config[key] = [config[key]]
    _order(config, era, flat=name.endswith("1D"))
    layer["class_name"] = name
    return None


def _size(config: Json) -> None:
    for keys in _SIZES:
        if all(key in config for key in keys):
            config["kernel_size"] = [config.pop(key) for key in keys]


def _output_padding(config: Json, era: KerasVersion) -> bool | None:
    """Says a transposed convolution's `output_shape` as `output_padding`, which Keras 2 wants where strides allow more
    than one shape; False where that cannot say it.
    """
    shape, kernel = config.pop("output_shape", None), config.get("kernel_size")
    if not isinstance(shape, list) or len(shape) != 4 or not isinstance(kernel, list):
        return None
    sides = shape[2:] if data_format(config, era) == "channels_first" else shape[1:3]
    strides = config.get("subsample") or [1, 1]
    if None in sides:
        return None
    if config.get("border_mode") == "same":
        if era.version < (1, 1, 2) and any(step > 1 for step in strides):
            # It wrote a shape that it worked out, whatever was asked for and computed.
            raise ModelError(f"Expected stride 1 in Deconvolution2D {config.get('name')!r} of {era}; got {strides}.")
        usual = [side % stride == 0 for side, stride in zip(sides, strides, strict=True)]
        # The shape is (input - 1) * stride + padding, one more for an odd kernel.
        padding = [(side - size % 2) % step for side, size, step in zip(sides, kernel, strides, strict=True)]
        if all(usual):
            return None
        # An even kernel would need a whole stride of padding for the usual shape.
        if any(normal and size % 2 == 0 for normal, size in zip(usual, kernel, strict=True)):
            return False
    else:
        padding = [(side - size) % step for side, size, step in zip(sides, kernel, strides, strict=True)]
        if padding == [max(step - size, 0) for size, step in zip(kernel, strides, strict=True)]:
            return None
    config["output_padding"] = padding
    return None


@_edits("keras1-recurrent", "recurrent layers had output_dim, inner_init, U_ arguments", "SimpleRNN", "GRU", "LSTM")
def _recurrent(layer: Json, config: Json, era: KerasVersion) -> None:
    _rename(config, _RECURRENT, "consume_less", "input_dim", "input_length")
    _forget_bias(config)
    if layer["class_name"] == "GRU":
        config.setdefault("reset_after", False)


@_edits("keras1-conv-lstm", "ConvLSTM2D had nb_filter, inner_init, dim_ordering", "ConvLSTM2D")
def _conv_lstm(layer: Json, config: Json, era: KerasVersion) -> None:
    _check_padding(layer, config)
    _size(config)
    _rename(config, _CONVOLUTION | _RECURRENT, "consume_less", "input_dim", "input_length")
    _forget_bias(config)
    _order(config, era)


def _check_padding(layer: Json, config: Json) -> None:
    mode = config.get("border_mode", "valid")
    if mode not in ("valid", "same"):
        raise ModelError(
            f"Expected valid or same padding in {layer['class_name']} {config.get('name')!r}; got {mode}."
        )


def _forget_bias(config: Json) -> None:
    if "forget_bias_init" in config:
        config["unit_forget_bias"] = config.pop("forget_bias_init") in ("one", "ones")


@_edits("keras1-embedding", "Embedding had init, W_ arguments and a dropout", "Embedding")
def _embedding(layer: Json, config: Json, era: KerasVersion) -> None:
    names = {"init": "embeddings_initializer"}
    names |= {f"W_{kind}": f"embeddings_{kind}" for kind in ("regularizer", "constraint")}
    _rename(config, names, "dropout")


@_edits("keras1-normalization", "BatchNormalization had modes, of which 0 is left", "BatchNormalization")
def _normalization(layer: Json, config: Json, era: KerasVersion) -> None:
    if config.get("mode", 0) != 0:
        # Left as it is, it would lose its mode to a later rule and compute something else.
        raise ModelError(f"Expected mode 0 in BatchNormalization {config.get('name')!r}; got {config['mode']}.")
    _rename(config, {"beta_init": "beta_initializer", "gamma_init": "gamma_initializer"}, "mode")


@_edits(
    "keras1-pooling",
    "pooling had pool_length, stride, border_mode, dim_ordering",
    *(f"{reach}{kind}Pooling{n}D" for reach in ("", "Global") for kind in ("Max", "Average") for n in (1, 2, 3)),
)
def _pooling(layer: Json, config: Json, era: KerasVersion) -> None:
    _rename(config, {"pool_length": "pool_size", "stride": "strides", "border_mode": "padding"})
    _order(config, era, flat=layer["class_name"].endswith("1D"))


@_edits("keras1-upsampling", "upsampling had length and dim_ordering", *(f"UpSampling{n}D" for n in (1, 2, 3)))
def _upsampling(layer: Json, config: Json, era: KerasVersion) -> None:
    if layer["class_name"] == "UpSampling1D":
        _rename(config, {"length": "size"})
    else:
        _order(config, era)


@_edits(
    "keras1-padding",
    "padding and cropping had dim_ordering, and named their sides",
    *(f"{kind}{n}D" for kind in ("ZeroPadding", "Cropping") for n in (1, 2, 3)),
)
def _padding(layer: Json, config: Json, era: KerasVersion) -> bool | None:
    padding = config.get("padding")
    if isinstance(padding, dict):
        names = ["left_pad", "right_pad"] if layer["class_name"] == "ZeroPadding1D" else list(_SIDES)
        if not set(padding) <= set(names):
            return False
        padding = [padding.get(name, 0) for name in names]
    if layer["class_name"] == "ZeroPadding2D" and isinstance(padding, list) and len(padding) == 4:
        padding = [padding[:2], padding[2:]]
    if padding is not None:
        config["padding"] = padding
    if not layer["class_name"].endswith("1D"):
        _order(config, era)
    return None


_SIDES = ("top_pad", "bottom_pad", "left_pad", "right_pad")


@_edits(
    "keras1-noise",
    "dropout had p, noise had sigma",
    *("Dropout", "GaussianDropout", "GaussianNoise", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"),
)
def _noise(layer: Json, config: Json, era: KerasVersion) -> None:
    _rename(config, {"p": "rate", "sigma": "stddev"})
    if layer["class_name"] in _UNTOLD:
        _order(config, era)


@_edits("keras1-prelu", "PReLU had init", "PReLU")
def _prelu(layer: Json, config: Json, era: KerasVersion) -> None:
    _rename(config, {"init": "alpha_initializer"})
    _shared(config)


def _shared(config: Json) -> None:
    if config.get("shared_axes") == [None]:
        config["shared_axes"] = None


@_edits("keras1-flatten", "Flatten took the numbers as they lay, wherever the channels were", "Flatten")
def _flatten(layer: Json, config: Json, era: KerasVersion) -> None:
    # With `channels_first`, later Kerases bring the channels to the end first.
    config.setdefault("data_format", "channels_last")
