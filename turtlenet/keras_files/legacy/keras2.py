"""What changed between Keras 2 (also tf.keras) and Keras 3, a rule each."""

from typing import Any

from turtlenet.errors import ModelError
from turtlenet.keras_files.legacy.keras_version import KerasVersion
from turtlenet.keras_files.legacy.removed_layers.bias import CHANNELS_FIRST
from turtlenet.keras_files.legacy.removed_layers.masks import ATTENDING, DROPPING, MERGING
from turtlenet.keras_files.legacy.rules import Json, rule

HARD_SIGMOID = {
    "module": "builtins",
    "class_name": "function",
    "config": "turtlenet>keras2_hard_sigmoid",
    "registered_name": "function",
}

_RENAMED = {
    "Model": "Functional",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "UnifiedLSTM": "LSTM",
    "UnifiedGRU": "GRU",
    "LSTMV1": "LSTM",
    "LSTMV2": "LSTM",
    "GRUV1": "GRU",
    "GRUV2": "GRU",
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "SeparableConvolution1D": "SeparableConv1D",
    "SeparableConvolution2D": "SeparableConv2D",
    "Convolution2DTranspose": "Conv2DTranspose",
    "Convolution3DTranspose": "Conv3DTranspose",
    "Deconvolution2D": "Conv2DTranspose",
    "Deconvolution3D": "Conv3DTranspose",
    "GlobalAvgPool1D": "GlobalAveragePooling1D",
    "GlobalAvgPool2D": "GlobalAveragePooling2D",
    "GlobalAvgPool3D": "GlobalAveragePooling3D",
    "GlobalMaxPool1D": "GlobalMaxPooling1D",
    "GlobalMaxPool2D": "GlobalMaxPooling2D",
    "GlobalMaxPool3D": "GlobalMaxPooling3D",
    "AvgPool1D": "AveragePooling1D",
    "AvgPool2D": "AveragePooling2D",
    "AvgPool3D": "AveragePooling3D",
    "MaxPool1D": "MaxPooling1D",
    "MaxPool2D": "MaxPooling2D",
    "MaxPool3D": "MaxPooling3D",
}
# An argument that Keras 3 does not take, and the values with which it said nothing.
_EMPTY: tuple[Any, ...] = (None, False)
_SILENT: dict[str, tuple[Any, ...]] = {
    "dynamic": _EMPTY,
    "time_major": _EMPTY,
    "num_constants": _EMPTY,
    "ragged": _EMPTY,
    "sparse": _EMPTY,
    "optional": _EMPTY,
    "robust_masking": (None, False, True),
    "softmax_robust_masking": (None, False, True),
    "type_spec": _EMPTY,
    "causal": _EMPTY,
}
_CONVOLUTIONS = (
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "SeparableConv1D",
    "SeparableConv2D",
    "Conv1DTranspose",
    "Conv2DTranspose",
    "Conv3DTranspose",
)
_OF_THE_BASE = ("kernel_initializer", "kernel_regularizer", "kernel_constraint")
_CUDNN = {"CuDNNLSTM": "LSTM", "CuDNNGRU": "GRU"}
_PADDED = ("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D")
_STAND_INS = (
    "LocallyConnected1D",
    "LocallyConnected2D",
    "MaxoutDense",
    "Highway",
    "SReLU",
    "ParametricSoftplus",
    "RandomFourierFeatures",
)
_AUGMENTING = ("RandomHeight", "RandomWidth")


@rule("class-name", "the class went by another name", classes=tuple(_RENAMED))
def _class_name(layer: Json, _: KerasVersion) -> Json | None:
    return _renamed(layer, _RENAMED[layer["class_name"]])


@rule("hard-sigmoid", "hard_sigmoid(x) was clip(0.2 x + 0.5, 0, 1); Keras 3 has relu6(x + 3) / 6")
def _hard_sigmoid(layer: Json, _: KerasVersion) -> Json | None:
    config, changed = layer["config"], False
    for key in ("activation", "recurrent_activation", "transform_activation"):
        value = config.get(key)
        if isinstance(value, dict) and value.get("class_name") == "function":
            value = value.get("config")
        if value in ("hard_sigmoid", "keras.activations.hard_sigmoid"):
            config[key], changed = dict(HARD_SIGMOID), True
    return layer if changed else None


@rule("activation-name", "an activation went by another name")
def _activation_name(layer: Json, _: KerasVersion) -> Json | None:
    names = {"softmax_v2": "softmax", "log_softmax_v2": "log_softmax", "relu_v2": "relu", "swish_v2": "swish"}
    config, changed = layer["config"], False
    for key in ("activation", "recurrent_activation"):
        if isinstance(config.get(key), str) and config[key] in names:
            config[key], changed = names[config[key]], True
    return layer if changed else None


@rule("input-layer", "an input's shape was called batch_input_shape", classes=("InputLayer",))
def _input_layer(layer: Json, _: KerasVersion) -> Json | None:
    config = layer["config"]
    if "batch_shape" in config:
        return None
    shape = config.pop("batch_input_shape", None)
    kept = {key: config[key] for key in ("name", "dtype") if config.get(key) is not None}
    for key in ("ragged", "sparse"):
        if config.get(key):
            raise ModelError(f"Expected dense inputs; {kept.get('name')!r} takes {key} ones.")
    if config.get("input_dtype"):
        kept["dtype"] = config["input_dtype"]
    return layer | {"config": kept | {"batch_shape": shape}}


@rule("number", "a number was written as an array of one")
def _number(layer: Json, _: KerasVersion) -> Json | None:
    config, changed = layer["config"], False
    for key, value in config.items():
        if isinstance(value, dict) and value.get("type") == "ndarray" and "value" in value:
            config[key], changed = value["value"], True
    return layer if changed else None


@rule("initializer-dtype", "initializers, regularizers and constraints named a dtype, which Keras 3 does not take")
def _initializer_dtype(layer: Json, _: KerasVersion) -> Json | None:
    changed = False
    for key, value in layer["config"].items():
        if key.endswith(("_initializer", "_regularizer", "_constraint")) and isinstance(value, dict):
            inner = value.get("config")
            if isinstance(inner, dict) and "dtype" in inner:
                del inner["dtype"]
                changed = True
    return layer if changed else None


@rule("radial-constraint", "the RadialConstraint acts in training only; Keras 3 has none")
def _radial_constraint(layer: Json, _: KerasVersion) -> Json | None:
    config, changed = layer["config"], False
    for key, value in config.items():
        if isinstance(value, dict) and value.get("class_name") in ("RadialConstraint", "radial_constraint"):
            config[key], changed = None, True
    return layer if changed else None


@rule("policy", "a dtype policy was described in another way")
def _policy(layer: Json, _: KerasVersion) -> Json | None:
    dtype = layer["config"].get("dtype")
    if not isinstance(dtype, dict) or dtype.get("class_name") not in ("Policy", "PolicyV1", "DTypePolicy"):
        return None
    name = (dtype.get("config") or {}).get("name")
    layer["config"]["dtype"] = None if name in (None, "infer", "_infer") else name
    return layer


@rule("own-shape", "a layer that is not the first carried the shape of an input")
def _own_shape(layer: Json, _: KerasVersion) -> Json | None:
    # The model's rule has put the first layer's shape into an input layer by now.
    if layer["class_name"] == "InputLayer":
        return None
    unused = [key for key in ("batch_input_shape", "input_dtype", "input_shape") if key in layer["config"]]
    for key in unused:
        del layer["config"][key]
    return layer if unused else None


@rule("silent-argument", "an argument that said nothing is gone")
def _silent_argument(layer: Json, _: KerasVersion) -> Json | None:
    config = layer["config"]
    for key in ("time_major", "ragged"):
        if config.get(key) is True:
            raise ModelError(f"Expected {key}=False in {_name(layer)}; Keras 3 has no other.")
    unused = [key for key, values in _SILENT.items() if key in config and any(config[key] is each for each in values)]
    if layer["class_name"] == "InputLayer":
        unused = []
    for key in unused:
        del config[key]
    return layer if unused else None


@rule(
    "implementation",
    "how a recurrent layer computes was an argument of every one",
    classes=("SimpleRNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "RNN", "SimpleRNNCell", "LSTMCell", "GRUCell"),
)
def _implementation(layer: Json, _: KerasVersion) -> Json | None:
    return layer if layer["config"].pop("implementation", None) is not None else None


@rule("gru-reset-before", "a GRU without reset_after reset its state before the product", classes=("GRU", "GRUCell"))
def _gru(layer: Json, _: KerasVersion) -> Json | None:
    if "reset_after" in layer["config"]:
        return None
    layer["config"]["reset_after"] = False
    return layer


@rule("cudnn", "layers for cuDNN had a class and an order of weights of their own", classes=tuple(_CUDNN))
def _cudnn(layer: Json, _: KerasVersion) -> Json | None:
    extra: Json = {"activation": "tanh", "recurrent_activation": "sigmoid"}
    if layer["class_name"] == "CuDNNGRU":
        extra["reset_after"] = True
    return _renamed(layer, _CUDNN[layer["class_name"]], layer["config"] | extra)


@rule("base-arguments", "a convolution carried the arguments of its base class", classes=_CONVOLUTIONS)
def _base_arguments(layer: Json, _: KerasVersion) -> Json | None:
    config = layer["config"]
    groups = config.get("groups")
    if groups not in (None, 1):
        raise ModelError(f"Expected one group in {_name(layer)}; got {groups}.")
    gone = ["groups"]
    if layer["class_name"].startswith(("Depthwise", "Separable")):
        gone += _OF_THE_BASE
    if layer["class_name"].startswith("Depthwise"):
        gone.append("filters")
    unused = [key for key in gone if key in config]
    for key in unused:
        del config[key]
    return layer if unused else None


@rule(
    "batch-normalization",
    "its axis could be a list, and it had ways of TensorFlow 1",
    classes=("BatchNormalization", "SyncBatchNormalization"),
)
def _batch_normalization(layer: Json, _: KerasVersion) -> Json | None:
    config, before = layer["config"], dict(layer["config"])
    if isinstance(config.get("axis"), list):
        if len(config["axis"]) != 1:
            raise ModelError(f"Expected one axis in {_name(layer)}; got {config['axis']}.")
        config["axis"] = config["axis"][0]
    for key in ("renorm", "virtual_batch_size", "adjustment"):
        if config.pop(key, None):
            raise ModelError(f"Expected no {key} in {_name(layer)}; Keras 3 has none.")
    for key in ("fused", "renorm_clipping", "renorm_momentum", "mode"):
        config.pop(key, None)
    if layer["class_name"] == "SyncBatchNormalization":
        return _renamed(layer, "BatchNormalization", config | {"synchronized": True})
    return layer if config != before else None


@rule("leaky-relu", "the slope of a LeakyReLU was called alpha", classes=("LeakyReLU",))
def _leaky_relu(layer: Json, _: KerasVersion) -> Json | None:
    if "alpha" not in layer["config"]:
        return None
    layer["config"]["negative_slope"] = layer["config"].pop("alpha")
    return layer


@rule("thresholded-relu", "ThresholdedReLU is ReLU with a threshold", classes=("ThresholdedReLU",))
def _thresholded_relu(layer: Json, _: KerasVersion) -> Json | None:
    config = layer["config"]
    return _renamed(layer, "ReLU", config | {"threshold": config.pop("theta", 1.0)})


@rule("spatial-dropout", "arguments of Dropout that it does not use", classes=_PADDED)
def _spatial_dropout(layer: Json, _: KerasVersion) -> Json | None:
    config = layer["config"]
    unused = [key for key in ("noise_shape", "trainable") if key in config]
    for key in unused:
        del config[key]
    return layer if unused else None


@rule("embedding", "an Embedding told the length of its sequences", classes=("Embedding",))
def _embedding(layer: Json, _: KerasVersion) -> Json | None:
    unused = [key for key in ("input_length", "activity_regularizer", "dropout") if key in layer["config"]]
    for key in unused:
        if layer["config"].pop(key) and key == "dropout":
            raise ModelError(f"Expected no dropout in {_name(layer)}; Keras 3 has none there.")
    return layer if unused else None


@rule("attention-shapes", "it wrote the shapes of its inputs down", classes=("MultiHeadAttention",))
def _attention_shapes(layer: Json, _: KerasVersion) -> Json | None:
    unused = [key for key in ("query_shape", "key_shape", "value_shape") if key in layer["config"]]
    for key in unused:
        del layer["config"][key]
    return layer if unused else None


@rule("causal", "causal attention was asked for at its making", classes=("Attention", "AdditiveAttention"))
def _causal(layer: Json, _: KerasVersion) -> Json | None:
    if not layer["config"].pop("causal", False):
        return None
    for node in layer.get("inbound_nodes") or []:
        for part in node[-1:] if isinstance(node, list) else []:
            if isinstance(part, list) and len(part) == 4:
                part[3]["use_causal_mask"] = True
    return layer


@rule("random-generator", "the way to draw random numbers was an argument")
def _random_generator(layer: Json, _: KerasVersion) -> Json | None:
    return layer if "rng_type" in layer["config"] and (layer["config"].pop("rng_type"), True) else None


@rule("augmentation", "it acted in training only, and Keras 3 has none", classes=_AUGMENTING)
def _augmentation(layer: Json, _: KerasVersion) -> Json | None:
    return _renamed(layer, "Identity", {"name": layer["config"].get("name")})


@rule("random-crop", "a RandomCrop resized and cut the middle out, outside training", classes=("RandomCrop",))
def _random_crop(layer: Json, _: KerasVersion) -> Json | None:
    kept = {key: layer["config"][key] for key in ("name", "dtype", "height", "width") if key in layer["config"]}
    return _renamed(layer, "Resizing", kept | {"crop_to_aspect_ratio": True})


@rule("interpolation", "images could be resized in ways that Keras 3 lacks", classes=("Resizing", "UpSampling2D"))
def _interpolation(layer: Json, _: KerasVersion) -> Json | None:
    if layer["config"].get("interpolation") in ("gaussian", "mitchellcubic"):
        raise ModelError(f"Expected another interpolation in {_name(layer)}; Keras 3 has none of that name.")
    return None


@rule("discretization", "every layer said whether it is trained", classes=("Discretization",))
def _discretization(layer: Json, _: KerasVersion) -> Json | None:
    return layer if layer["config"].pop("trainable", None) is not None else None


@rule("backward-layer", "a layer that runs backward was turned around by Bidirectional", classes=("Bidirectional",))
def _backward_layer(layer: Json, _: KerasVersion) -> Json | None:
    config = layer["config"]
    inner = config.get("layer")
    if not isinstance(inner, dict) or config.get("backward_layer") or not inner["config"].get("go_backwards"):
        return None
    turned = {"go_backwards": False, "name": f"backward_{inner['config'].get('name')}"}
    config["backward_layer"] = inner | {"config": inner["config"] | turned}
    return layer


@rule(
    "channels-first-bias",
    "a bias went to the channels; Keras 3 takes the last axis for them where that is as long",
    classes=tuple(CHANNELS_FIRST),
)
def _channels_first_bias(layer: Json, _: KerasVersion) -> Json | None:
    config = layer["config"]
    if config.get("data_format") != "channels_first" or config.get("use_bias") is False:
        return None
    return _renamed(layer, CHANNELS_FIRST[layer["class_name"]])


@rule("merged-masks", "masks were merged by a logical and, and values stayed as they are", classes=tuple(MERGING))
def _merged_masks(layer: Json, _: KerasVersion) -> Json | None:
    return _renamed(layer, MERGING[layer["class_name"]]) if layer.get("masks") else None


@rule("dropped-mask", "a layer dropped the mask that Keras 3 passes on", classes=tuple(DROPPING))
def _dropped_mask(layer: Json, _: KerasVersion) -> Json | None:
    return _renamed(layer, DROPPING[layer["class_name"]]) if layer.get("masks") else None


@rule("attention-masks", "multi-head attention ignored masks before TensorFlow 2.10", classes=("MultiHeadAttention",))
def _attention_masks(layer: Json, era: KerasVersion) -> Json | None:
    if not layer.get("masks"):
        return None
    ignores = era.told and era.version < (2, 10, 0)
    return _renamed(layer, ATTENDING["UnmaskedMultiHeadAttention" if ignores else "MultiHeadAttention"])


@rule(
    "vocabulary",
    "the words lie in a file beside the description",
    before=4,
    classes=("StringLookup", "IntegerLookup", "TextVectorization"),
)
def _vocabulary(layer: Json, _: KerasVersion) -> Json | None:
    if layer["config"].get("vocabulary") is None:
        raise ModelError(f"Expected the vocabulary of {_name(layer)} in the model's description; it is not there.")
    return None


@rule("stand-in", "Keras 3 has no such layer; turtlenet has one that computes the same", classes=_STAND_INS)
def _stand_in(layer: Json, _: KerasVersion) -> Json | None:
    return _renamed(layer, f"turtlenet>{layer['class_name']}")


def _renamed(layer: Json, class_name: str, config: Json | None = None) -> Json:
    return layer | {"class_name": class_name, "config": layer["config"] if config is None else config}


def _name(layer: Json) -> str:
    return f"{layer['class_name']} {layer['config'].get('name')!r}"
