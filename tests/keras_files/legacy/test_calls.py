"""Calls of TensorFlow functions give what TensorFlow gives: each of the tables, and whole graphs of tf_keras."""

import functools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import json_format
from keras import ops

from tests.conftest import marked
from turtlenet import backend
from turtlenet.errors import ModelError
from turtlenet.keras_files.legacy.calls import TensorFlowCall, call_of, known
from turtlenet.keras_files.legacy.calls.constants import words
from turtlenet.keras_files.legacy.calls.layer import TABLE
from turtlenet.keras_files.legacy.calls.raw import _PLAIN, RAW

tf_keras = pytest.importorskip("tf_keras")

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(2, 4, 6, 4)).astype("float32")
Y = DRAW.normal(size=(2, 4, 6, 4)).astype("float32")
POSITIVE = np.abs(X) + 0.1
UNIT = np.tanh(X)
SMALL = X[0, 0]
RGB = DRAW.uniform(size=(2, 8, 8, 3)).astype("float32")
BYTES = DRAW.integers(0, 255, (2, 3, 3, 3)).astype("uint8")
WHOLE = DRAW.integers(-9, 9, (3, 4)).astype("int32")
TRUE, ALSO = X > 0, Y > 0
KERNEL = DRAW.normal(size=(3, 3, 4, 5)).astype("float32")
ALL = {"start": None, "stop": None, "step": None}

ELEMENTS = """
abs asinh atan ceil conj cos cosh erf erfc exp expm1 floor imag is_finite is_inf is_nan log_sigmoid
negative real reciprocal rint round sigmoid sign sin sinh softplus square tan tanh
"""

# Name: calls, each of arguments and keyword arguments as a node of a file has them.
CALLS = {
    **{f"math.{name}": [((X,), {})] for name in ELEMENTS.split()},
    **{f"math.{name}": [((POSITIVE,), {"name": None})] for name in ("log", "log1p", "sqrt", "rsqrt")},
    **{f"math.{name}": [((UNIT,), {})] for name in ("acos", "asin", "atanh")},
    "math.acosh": [((POSITIVE + 1,), {})],
    "math.logical_not": [((TRUE,), {})],
    "math.reciprocal_no_nan": [((np.float32([0, 2, 4]),), {})],
    **{
        f"math.{name}": [
            ((X, Y), {}),
            ((X,), {"y": 0.5, "name": None}),
            ((2.0,), {"y": X}),
            ((X,), {"y": [1.0, 2.0, 3.0, 4.0]}),
        ]
        for name in ("add", "subtract", "multiply", "maximum", "minimum", "greater", "less", "truediv", "divide")
    },
    **{
        f"math.{name}": [((WHOLE, WHOLE[:1]), {}), ((WHOLE,), {"y": 3})]
        for name in ("equal", "not_equal", "greater_equal", "less_equal", "floordiv", "floormod", "squared_difference")
    },
    **{f"math.{name}": [((TRUE, ALSO), {})] for name in ("logical_and", "logical_or", "logical_xor")},
    "math.pow": [((POSITIVE,), {"y": 2}), ((POSITIVE, Y), {})],
    "math.atan2": [((X, Y), {})],
    "math.divide_no_nan": [((X,), {"y": [0.0, 1.0, 2.0, 0.0]})],
    "math.multiply_no_nan": [((X,), {"y": [0.0, 1.0, 2.0, 0.0]})],
    "math.scalar_mul": [((2.5, X), {})],
    "math.add_n": [(([X, Y, X],), {})],
    "math.accumulate_n": [(([X, Y],), {})],
    "__operators__.add": [((X,), {"y": 1, "name": None})],
    "__operators__.eq": [((WHOLE,), {"other": 3})],
    "__operators__.ne": [((WHOLE,), {"other": 3})],
    **{
        f"math.reduce_{name}": [((X,), {}), ((X,), {"axis": [1, 2], "keepdims": True}), ((SMALL,), {"axis": -1})]
        for name in ("sum", "mean", "max", "min", "prod", "std", "variance", "logsumexp", "euclidean_norm")
    },
    **{f"math.reduce_{name}": [((TRUE,), {"axis": 1}), ((TRUE,), {})] for name in ("all", "any")},
    **{f"math.{name}": [((X,), {}), ((X,), {"axis": -1, "output_type": "int32"})] for name in ("argmax", "argmin")},
    "math.cumsum": [((X,), {"axis": 1}), ((X,), {"exclusive": True, "reverse": True})],
    "math.cumprod": [((X,), {"axis": 1})],
    "math.top_k": [((X,), {"k": 2})],
    "math.l2_normalize": [((X,), {"axis": -1}), ((X,), {"axis": [1, 2], "epsilon": 3.0}), ((X,), {})],
    "linalg.normalize": [((X,), {"axis": -1})],
    "norm": [((X,), {"ord": each, "axis": 1, "keepdims": None}) for each in ("euclidean", 1, 2, 3, float("inf"))]
    + [((X,), {}), ((X,), {"axis": [1, 2], "keepdims": True})],
    "linalg.matmul": [((X, Y), {"transpose_b": True}), ((X,), {"b": Y, "adjoint_a": True})],
    "linalg.matrix_transpose": [((X,), {})],
    "tensordot": [((X,), {"b": SMALL, "axes": [[3], [1]]}), ((X,), {"b": [[1.0], [2.0], [3.0], [4.0]], "axes": 1})],
    "einsum": [(("bhwc,bhwd->bcd", X, Y), {})],
    **{f"nn.{name}": [((4 * X,), {})] for name in ("relu", "relu6", "elu", "selu", "softsign", "crelu")},
    "nn.silu": [((X,), {}), ((X,), {"beta": 1.5})],
    "nn.gelu": [((X,), {}), ((X,), {"approximate": True})],
    "nn.leaky_relu": [((X,), {}), ((X,), {"alpha": 0.3})],
    "nn.softmax": [((X,), {}), ((X,), {"axis": 1})],
    "nn.log_softmax": [((X,), {}), ((X,), {"axis": 1})],
    "__operators__.getitem": [
        ((X,), {"slice_spec": [{"class_name": "__ellipsis__"}, {**ALL, "step": -1}]}),
        ((X,), {"slice_spec": [ALL, {**ALL, "start": 1, "stop": 3}, None, 0]}),
        ((X,), {"slice_spec": 1}),
    ],
    "strided_slice": [
        ((X,), {"begin": [0, 1, 0, 0], "end": [2, 3, 4, 4], "strides": [1, 1, 2, 1]}),
        ((X,), {"begin": [0, 1, 0], "end": [0, 2, 2], "begin_mask": 4, "ellipsis_mask": 1, "shrink_axis_mask": 2}),
        ((X,), {"begin": [0, 0, 1], "end": [1, 0, 0], "new_axis_mask": 2, "end_mask": 4}),
    ],
    "slice": [((X,), {"begin": [0, 1, 0, 0], "size": [-1, 2, 3, -1]})],
    "concat": [(([X, Y],), {"axis": -1}), (([X, Y],), {"axis": 1})],
    "stack": [(([X, Y],), {"axis": 1}), (([X, Y],), {})],
    "unstack": [((X,), {"axis": 1})],
    "split": [((X,), {"num_or_size_splits": 2, "axis": -1}), ((X,), {"num_or_size_splits": [1, -1, 2], "axis": 2})],
    "reshape": [((X,), {"shape": [-1, 24, 4]}), ((X,), {"shape": [-1]})],
    "transpose": [((X,), {"perm": [0, 3, 1, 2]}), ((SMALL,), {})],
    "expand_dims": [((X,), {"axis": 1})],
    "squeeze": [((X[:1, :, :1],), {"axis": 0}), ((X[:1, :, :1],), {"axis": [0, 2]}), ((X[:1],), {})],
    "tile": [((X,), {"multiples": [1, 2, 1, 3]})],
    "repeat": [((X,), {"repeats": 2, "axis": 1})],
    "pad": [
        ((X,), {"paddings": [[0, 0], [1, 2], [0, 1], [0, 0]]}),
        ((X,), {"paddings": [[0, 0], [1, 1], [0, 1], [0, 0]], "mode": "REFLECT"}),
        ((X,), {"paddings": [[0, 0], [1, 1], [0, 1], [0, 0]], "mode": "SYMMETRIC"}),
        ((X,), {"paddings": [[0, 0], [1, 1], [0, 1], [0, 0]], "mode": "CONSTANT", "constant_values": 7}),
    ],
    "reverse": [((X,), {"axis": [-1, 1]})],
    "roll": [((X,), {"shift": 1, "axis": 2}), ((X,), {"shift": [1, -1], "axis": [1, 2]})],
    "broadcast_to": [((SMALL,), {"shape": [3, 6, 4]})],
    "gather": [
        ((X,), {"indices": [2, 0], "axis": 1, "batch_dims": 0}),
        ((X,), {"indices": [1]}),
        ((X, np.int32([[0, 1], [3, 3]])), {"batch_dims": 1}),
    ],
    "nn.embedding_lookup": [((SMALL, WHOLE % 6), {})],
    "where": [((TRUE,), {"x": X, "y": Y}), ((TRUE,), {"x": X, "y": 0.0})],
    "one_hot": [((WHOLE,), {"depth": 4}), ((WHOLE,), {"depth": 3, "on_value": 2, "off_value": -1, "axis": 0})],
    "cast": [((X,), {"dtype": "float16"}), ((TRUE,), {"dtype": "float32"}), ((BYTES,), {"dtype": "float32"})],
    "convert_to_tensor": [((X,), {})],
    "identity": [((X,), {})],
    "ensure_shape": [((X,), {"shape": [None, 4, 6, 4]})],
    "stop_gradient": [((X,), {})],
    "zeros_like": [((X,), {}), ((X,), {"dtype": "int32"})],
    "ones_like": [((X,), {})],
    "zeros": [(([2, 3],), {})],
    "ones": [(([2, 3],), {"dtype": "int32"})],
    "fill": [(([2, 3],), {"value": 2.5})],
    "range": [((5,), {}), ((2,), {"limit": 9, "delta": 3})],
    "shape": [((X,), {}), ((X,), {"out_type": "int64"})],
    "size": [((X,), {})],
    "rank": [((X,), {})],
    "sort": [((X,), {}), ((X,), {"axis": 1, "direction": "DESCENDING"})],
    "argsort": [((X,), {}), ((X,), {"axis": 1, "direction": "DESCENDING"})],
    "clip_by_value": [((X,), {"clip_value_min": 0, "clip_value_max": 1})],
    "clip_by_norm": [((X,), {"clip_norm": 1.0}), ((X,), {"clip_norm": 1.0, "axes": [-1]})],
    "nn.conv1d": [((X[0],), {"filters": KERNEL[0], "stride": 1, "padding": "SAME"})],
    "nn.conv2d": [
        ((X,), {"filters": KERNEL, "strides": 1, "padding": "SAME"}),
        ((X,), {"filters": KERNEL.tolist(), "strides": [1, 2, 2, 1], "padding": "VALID", "data_format": "NHWC"}),
        (
            (X,),
            {"filters": KERNEL, "strides": 1, "padding": [[0, 0], [1, 2], [0, 1], [0, 0]], "dilations": [1, 2, 2, 1]},
        ),
    ],
    "nn.conv3d": [((X[None],), {"filters": KERNEL[None], "strides": [1] * 5, "padding": "VALID"})],
    "nn.convolution": [((X,), {"filters": KERNEL, "padding": "SAME"})],
    "nn.depthwise_conv2d": [((X,), {"filter": KERNEL[..., :2], "strides": [1, 1, 1, 1], "padding": "SAME"})],
    **{
        f"nn.{kind}_pool{rank}": [
            ((x,), {"ksize": 2, "strides": 2, "padding": "VALID"}),
            ((x,), {"ksize": 3, "strides": [2], "padding": "SAME"}),
        ]
        for kind in ("max", "avg")
        for rank, x in {"1d": X[0], "2d": X, "3d": X[None], "": X}.items()
    },
    "nn.bias_add": [((X,), {"bias": [1.0, 2.0, 3.0, 4.0]}), ((X,), {"bias": [1.0, 2.0, 3, 4], "data_format": "NCHW"})],
    "nn.batch_normalization": [
        ((X,), {"mean": 0.5, "variance": 2.0, "offset": None, "scale": None, "variance_epsilon": 1e-3}),
        ((X, X[0, 0, 0], POSITIVE[0, 0, 0], SMALL[0], SMALL[1]), {"variance_epsilon": 0.1}),
    ],
    "nn.moments": [((X,), {"axes": [1, 2]}), ((X,), {"axes": [0], "keepdims": True})],
    "nn.depth_to_space": [((X,), {"block_size": 2})],
    "nn.space_to_depth": [((X,), {"block_size": 2})],
    "nn.local_response_normalization": [
        ((X,), {}),
        ((X,), {"depth_radius": 1, "bias": 2.0, "alpha": 0.3, "beta": 0.75}),
    ],
    "image.resize": [
        *[((RGB,), {"size": [5, 11], "method": each}) for each in ("bilinear", "nearest", "bicubic", "lanczos3")],
        ((BYTES,), {"size": [5, 5]}),
        ((RGB,), {"size": [3, 3], "antialias": True}),
    ],
    **{
        f"image.{name}": [((RGB,), {})]
        for name in ("flip_left_right", "flip_up_down", "rgb_to_grayscale", "per_image_standardization")
    },
    "image.grayscale_to_rgb": [((RGB[..., :1],), {})],
    "image.convert_image_dtype": [((BYTES,), {"dtype": "float32"}), ((RGB,), {"dtype": "float16"})],
    **{
        f"image.{name}_bounding_box": [
            ((RGB,), {"offset_height": 1, "offset_width": 2, "target_height": size, "target_width": size})
        ]
        for name, size in {"crop_to": 4, "pad_to": 12}.items()
    },
    "image.extract_patches": [
        ((RGB,), {"sizes": [1, 3, 3, 1], "strides": [1, 2, 2, 1], "rates": [1, 1, 1, 1], "padding": "VALID"})
    ],
    "image.adjust_brightness": [((RGB,), {"delta": 0.2})],
    "image.adjust_contrast": [((RGB,), {"contrast_factor": 0.5})],
    "keras.backend.dot": [((X, SMALL.T), {}), ((X, Y[..., 0:1, :].swapaxes(-1, -2)), {})],
    "keras.backend.batch_flatten": [((X,), {})],
    "keras.backend.batch_dot": [
        ((X[0], Y[0].swapaxes(1, 2)), {}),
        ((X[0], Y[0]), {"axes": [1, 1]}),
        ((SMALL, SMALL), {"axes": 1}),
    ],
    "keras.backend.permute_dimensions": [((X,), {"pattern": [0, 2, 1, 3]})],
    "keras.backend.repeat": [((SMALL,), {"n": 3})],
    "keras.backend.repeat_elements": [((X,), {"rep": 2, "axis": 1})],
    "keras.backend.concatenate": [(([X, Y],), {})],
    "keras.backend.flatten": [((X,), {})],
    "keras.activations.relu": [((4 * X,), {"alpha": 0.1, "max_value": 3.0, "threshold": 0.5}), ((X,), {})],
    "keras.activations.hard_sigmoid": [((4 * X,), {})],
    "keras.activations.linear": [((X,), {})],
    "keras.activations.elu": [((X,), {"alpha": 0.5})],
    # The same by other names, with other names of their arguments.
    "compat.v1.transpose": [((X,), {"perm": [0, 2, 1, 3], "name": "transpose", "conjugate": False})],
    "compat.v1.reduce_mean": [((X,), {"reduction_indices": [1], "keep_dims": True})],
    "compat.v1.nn.conv2d": [((X,), {"filter": KERNEL, "strides": [1, 1, 1, 1], "padding": "SAME"})],
    "compat.v1.nn.max_pool": [
        ((X,), {"ksize": [1, 2, 2, 1], "strides": [1, 1, 1, 1], "padding": "VALID", "data_format": "NHWC"})
    ],
    "compat.v1.squeeze": [((X[:1],), {"squeeze_dims": [0]})],
    "compat.v1.gather": [((X,), {"indices": [0, 1], "validate_indices": None, "axis": 1})],
    "nn.swish": [((X,), {})],
    "keras.backend.mean": [((X,), {"axis": 1})],
    "keras.backend.var": [((X,), {"axis": 1})],
    "keras.backend.clip": [((X,), {"min_value": 0.0, "max_value": 0.5})],
    "keras.backend.tile": [((X,), {"n": [1, 1, 1, 2]})],
    "keras.backend.l2_normalize": [((X,), {"axis": 1})],
    "keras.activations.softmax": [((X,), {"axis": 1})],
    "keras.activations.swish": [((X,), {})],
}


def tensors(value, kind=tf.constant):
    """Arrays as tensors, TensorFlow's or those of Keras, all else as it is."""
    if isinstance(value, (list, tuple)):
        return [tensors(each, kind) for each in value]
    return kind(value) if isinstance(value, np.ndarray) else value


def own(value):
    """Arrays as tensors of Keras."""
    return tensors(value, ops.convert_to_tensor)


def of_tensorflow(name):
    """TensorFlow's function of that name, or that of tf_keras."""
    if name == "math.erfc":
        return tf.math.erfc
    if name == "__operators__.getitem":
        return lambda x, slice_spec: x[tf.nest.map_structure(lambda each: each, pythonic(slice_spec))]
    root, path = (tf_keras, name.removeprefix("keras.")) if name.startswith("keras.") else (tf, name)
    return functools.reduce(getattr, path.split("."), root)


def pythonic(spec):
    if isinstance(spec, list):
        return tuple(pythonic(each) for each in spec)
    if isinstance(spec, dict):
        return Ellipsis if "class_name" in spec else slice(spec["start"], spec["stop"], spec["step"])
    return spec


def check_same(given, expected):
    given, expected = tf.nest.flatten(given), tf.nest.flatten(expected)
    assert len(given) == len(expected)
    for one, other in zip(given, expected, strict=True):
        assert keras.backend.standardize_dtype(one.dtype) == known_type(other.dtype.name)
        assert one.shape == other.shape
        one, other = ops.convert_to_numpy(one), other.numpy()
        np.testing.assert_allclose(one.astype("float64"), other.astype("float64"), 1e-5, 1e-5)


def known_type(name):
    """A type as the backend has it: JAX counts in 32 bits."""
    return name if keras.backend.backend() == "tensorflow" else name.replace("64", "32")


# On JAX, what counts or divides in 64 bits does so in 32, with a warning of JAX, and Keras resizes by other weights.
TENSORFLOW_ONLY = {"math.argmax", "math.argmin", "shape", "image.resize", "ArgMin", "Shape"}


@pytest.mark.parametrize("name", marked(CALLS, TENSORFLOW_ONLY))
def test_function(name):
    for args, kwargs in CALLS[name]:
        expected = of_tensorflow(name)(*tensors(args), **{key: tensors(value) for key, value in kwargs.items()})
        check_same(TensorFlowCall(name)(*own(args), **{k: own(v) for k, v in kwargs.items()}), expected)


def test_every_function_is_tested():
    assert set(TABLE) - set(CALLS) == {"dtypes.cast"}


@pytest.mark.tensorflow
def test_small_integers_divide_as_in_tensorflow():
    for kind in ("uint8", "int16", "int32", "int64"):
        x = np.array([1, 2, 3], kind)
        check_same(TensorFlowCall("math.truediv")(own(x), y=2), tf.math.truediv(x, 2))


OPERATIONS = {
    "AddV2": lambda x, y: x + y,
    "Mul": lambda x, y: x * 2.5,
    "Sub": lambda x, y: 1.0 - x,
    "RealDiv": lambda x, y: x / [1.0, 2.0, 3.0, 4.0],
    "Mean": lambda x, y: tf.reduce_mean(x, [1, 2], keepdims=True),
    "Sum": lambda x, y: tf.reduce_sum(x, 1),
    "Max": lambda x, y: tf.reduce_max(x, -1),
    "Min": lambda x, y: tf.reduce_min(x),
    "Prod": lambda x, y: tf.reduce_prod(x, 1),
    "Relu": lambda x, y: tf.nn.relu(x),
    "All": lambda x, y: tf.raw_ops.All(input=tf.raw_ops.Placeholder(dtype="bool", shape=[2, 3]), axis=[1]),
    "Any": lambda x, y: tf.raw_ops.Any(input=tf.raw_ops.Placeholder(dtype="bool", shape=[2, 3]), axis=[1]),
    "ArgMin": lambda x, y: tf.argmin(x, 1),
    "MatMul": lambda x, y: tf.raw_ops.MatMul(
        a=tf.ones([3, 2]), b=tf.raw_ops.Placeholder(dtype="float32", shape=[4, 3]), transpose_a=True, transpose_b=True
    ),
    "BatchMatMul": lambda x, y: tf.raw_ops.BatchMatMul(x=x, y=y, adj_x=True),
    "Size": lambda x, y: tf.raw_ops.Size(input=x),
    "LeakyRelu": lambda x, y: tf.nn.leaky_relu(x, 0.3),
    "Reshape": lambda x, y: tf.reshape(x, [-1, 24, 4]),
    "Transpose": lambda x, y: tf.transpose(x, [0, 3, 1, 2]),
    "ConcatV2": lambda x, y: tf.concat([x, y], -1),
    "ExpandDims": lambda x, y: tf.expand_dims(x, 1),
    "Squeeze": lambda x, y: tf.squeeze(tf.raw_ops.Placeholder(dtype="float32", shape=[2, 1, 1, 3]), [1, 2]),
    "StridedSlice": lambda x, y: x[:, 1, ..., ::-1],
    "Pad": lambda x, y: tf.pad(x, [[0, 0], [1, 1], [2, 0], [0, 0]]),
    "PadV2": lambda x, y: tf.pad(x, [[0, 0], [1, 1], [2, 0], [0, 0]], constant_values=3.0),
    "MirrorPad": lambda x, y: tf.pad(x, [[0, 0], [1, 1], [2, 0], [0, 0]], "REFLECT"),
    "Cast": lambda x, y: tf.cast(x, tf.float16),
    "BatchMatMulV2": lambda x, y: tf.matmul(x, y, transpose_b=True),
    "BiasAdd": lambda x, y: tf.nn.bias_add(x, [1.0, 2.0, 3.0, 4.0]),
    "Softmax": lambda x, y: tf.nn.softmax(x),
    "Sigmoid": lambda x, y: tf.sigmoid(x),
    "Tanh": lambda x, y: tf.tanh(x),
    "Rsqrt": lambda x, y: tf.math.rsqrt(x),
    "Square": lambda x, y: tf.square(x),
    "Pow": lambda x, y: x**2.0,
    "Maximum": lambda x, y: tf.maximum(x, y),
    "Neg": lambda x, y: -x,
    "Tile": lambda x, y: tf.tile(x, [1, 2, 1, 1]),
    "Pack": lambda x, y: tf.stack([x, y], 1),
    "Unpack": lambda x, y: tf.unstack(x, axis=1),
    "Split": lambda x, y: tf.split(x, 2, axis=3),
    "SplitV": lambda x, y: tf.split(x, [1, 3], axis=3),
    "Shape": lambda x, y: tf.raw_ops.Shape(input=x, out_type="int64"),
    "ArgMax": lambda x, y: tf.argmax(x, -1, output_type="int32"),
    "SelectV2": lambda x, y: tf.where(tf.raw_ops.Placeholder(dtype="bool", shape=[2, 4, 6, 4]), x, y),
    "Conv2D": lambda x, y: tf.nn.conv2d(x, KERNEL, 2, "SAME"),
    "DepthwiseConv2dNative": lambda x, y: tf.nn.depthwise_conv2d(x, KERNEL, [1, 1, 1, 1], "SAME"),
    "MaxPool": lambda x, y: tf.nn.max_pool2d(x, 2, 2, "VALID"),
    "AvgPool": lambda x, y: tf.nn.avg_pool2d(x, 3, 1, "SAME"),
    "DepthToSpace": lambda x, y: tf.nn.depth_to_space(x, 2),
    "SpaceToDepth": lambda x, y: tf.nn.space_to_depth(x, 2),
    "LRN": lambda x, y: tf.nn.lrn(x, 2, alpha=0.5),
    "GatherV2": lambda x, y: tf.gather(x, [2, 0], axis=1),
    "ReverseV2": lambda x, y: tf.reverse(x, [1]),
    "Cumsum": lambda x, y: tf.cumsum(x, 1, exclusive=True),
    "TopKV2": lambda x, y: tf.math.top_k(x, 2),
    "OneHot": lambda x, y: tf.one_hot(tf.raw_ops.Placeholder(dtype="int32", shape=[3, 4]), 5),
    "AddN": lambda x, y: tf.add_n([x, y]),
    "Einsum": lambda x, y: tf.einsum("bhwc,bhwd->bcd", x, y),
    "Slice": lambda x, y: tf.slice(x, [0, 1, 0, 0], [-1, 2, 3, 4]),
    "BroadcastTo": lambda x, y: tf.broadcast_to(x, [3, 2, 4, 6, 4]),
    **{
        f"ResizeBilinear {corners} {half}": functools.partial(
            lambda corners, half, x, y: tf.raw_ops.ResizeBilinear(
                images=x, size=[7, 5], align_corners=corners, half_pixel_centers=half
            ),
            corners,
            half,
        )
        for corners, half in [(False, False), (True, False), (False, True)]
    },
    **{
        f"ResizeNearestNeighbor {corners} {half}": functools.partial(
            lambda corners, half, x, y: tf.raw_ops.ResizeNearestNeighbor(
                images=x, size=[9, 5], align_corners=corners, half_pixel_centers=half
            ),
            corners,
            half,
        )
        for corners, half in [(False, False), (True, False), (False, True)]
    },
}


def drawn(value, dtype):
    return value > 1 if dtype == tf.bool else (3 * value).astype(dtype.as_numpy_dtype)


@pytest.mark.parametrize("name", marked(OPERATIONS, TENSORFLOW_ONLY))
def test_operation_of_a_graph(name):
    with tf.Graph().as_default():
        outputs = OPERATIONS[name](*(tf.raw_ops.Placeholder(dtype="float32", shape=X.shape) for _ in range(2)))
        operation = tf.nest.flatten(outputs)[0].op
        assert operation.type == name.split()[0]
        constants = {at: tf.get_static_value(each) for at, each in enumerate(operation.inputs)}
        # As tf.keras 2.1 wrote it: arrays as lists, places as text.
        constants = {str(at): np.asarray(value).tolist() for at, value in constants.items() if value is not None}
        inputs = [each for at, each in enumerate(operation.inputs) if str(at) not in constants]
        draw = np.random.default_rng(1)
        values = [drawn(draw.uniform(0.1, 2, each.shape), each.dtype) for each in inputs]
        # The operation alone: what comes before it are other layers.
        with tf.compat.v1.Session() as session:
            fed = dict(zip((each.ref() for each in inputs), values, strict=True))
            expected = session.run(list(operation.outputs), {ref.deref(): value for ref, value in fed.items()})
    node = json.loads(json.dumps(json_format.MessageToDict(operation.node_def)))
    layer = {
        "class_name": "TensorFlowOpLayer",
        "name": "tf_op_layer_it",
        "config": {"name": "it", "trainable": True, "dtype": "float32", "node_def": node, "constants": constants},
    }
    made = built(call_of(layer))
    assert made.name == "tf_op_layer_it"
    values = own(values)
    given = made(values if len(values) > 1 else values[0])
    check_same(given, [tf.constant(each) for each in expected])


def built(description):
    return keras.saving.deserialize_keras_object(json.loads(json.dumps(description)))


def graphs():
    """Models as people write them with TensorFlow's functions, in tf_keras."""
    layers, net = tf_keras.layers, tf_keras.applications
    x, y = layers.Input((8, 8, 4)), layers.Input((8, 8, 4))
    yield "operators", [x, y], [(2 - x) / 3 + y * x - abs(y), -(x**2), x[..., ::-1] @ y[:, :, :4], x > y]
    shape = tf.shape(x)
    flat = tf.reshape(x, [shape[0], 64, 4])
    yield "shapes", [x], [flat, tf.concat([flat, flat], -1), *tf.split(x, 2, axis=-1), tf.pad(x, [[0, 0]] * 4)]
    mean, variance = tf.nn.moments(x, [1, 2], keepdims=True)
    yield "normalization", [x], [(x - mean) * tf.math.rsqrt(variance + 1e-5), tf.math.l2_normalize(x, -1)]
    k = tf_keras.backend
    squeezed = k.mean(x, axis=[1, 2])
    gate = k.hard_sigmoid(squeezed) * k.sigmoid(squeezed)
    yield "backend", [x, y], [k.expand_dims(gate), k.batch_flatten(x), k.concatenate([x, k.relu(y)]), k.max(x, axis=1)]
    yield (
        "activations",
        [x],
        [getattr(tf_keras.activations, name)(x) for name in ("swish", "gelu", "elu", "selu", "relu")],
    )
    image = layers.Input((8, 8, 3))
    yield "preparation", [image], [net.resnet50.preprocess_input(image), net.densenet.preprocess_input(image)]
    shuffled = tf.transpose(tf.reshape(x, [-1, 8, 8, 2, 2]), [0, 1, 2, 4, 3])
    yield "shuffle", [x], [tf.reshape(shuffled, [-1, 8, 8, 4]), tf.image.resize(x, [4, 4]), tf.nn.depth_to_space(x, 2)]


def of_node(part, values):
    """A tensor of the graph where an entry of a node names one, else the constant itself."""
    if isinstance(part, list) and len(part) == 3 and isinstance(part[0], str):
        return values[part[0], part[1]][part[2]]
    if isinstance(part, list):
        return [of_node(each, values) for each in part]
    return part


def evaluated(description, x):
    """Goes through a saved graph of calls, as a loader will."""
    values = {}
    inputs = iter(x)
    for layer in description["layers"]:
        if layer["class_name"] == "InputLayer":
            values[layer["name"], 0] = [next(inputs)]
            continue
        call = built(call_of(layer))
        for at, node in enumerate(layer["inbound_nodes"]):
            many = isinstance(node[0], list)
            parts = node if many else [node]
            first = [each[2] if each[0] == "_CONSTANT_VALUE" else of_node(each[:3], values) for each in parts]
            kwargs = {key: of_node(each, values) for key, each in parts[0][3].items()}
            result = call(first if many else first[0], **kwargs)
            values[layer["name"], at] = list(result) if isinstance(result, (list, tuple)) else [result]
    return [of_node(each, values) for each in description["output_layers"]]


def test_graphs_of_tf_keras():
    for _, inputs, outputs in graphs():
        model = tf_keras.Model(inputs, outputs)
        x = [np.random.default_rng(3).normal(size=(2, *each.shape[1:])).astype("float32") for each in inputs]
        check_same(evaluated(json.loads(model.to_json())["config"], own(x)), model(x))


def test_application_of_tf_keras():
    """The hard swish of MobileNetV3, the normalization of EfficientNet and ConvNeXt: layers and calls together."""
    for build in ("MobileNetV3Small", "EfficientNetB0", "ConvNeXtTiny"):
        model = getattr(tf_keras.applications, build)(weights=None, input_shape=(64, 64, 3))
        calls = [each for each in json.loads(model.to_json())["config"]["layers"] if "Lambda" in each["class_name"]]
        assert all(known(each["config"]["function"]) for each in calls)


def test_in_a_model(tmp_path):
    """In a graph of Keras 3: shapes, both file formats, a compiled function, a gradient."""
    image = keras.Input((6, 6, 4))
    x = TensorFlowCall("__operators__.getitem")(
        image, slice_spec=[{"class_name": "__ellipsis__"}, {**ALL, "step": -1}]
    )
    x = TensorFlowCall("math.truediv", name="tf.math.truediv")(x, y=127.5)
    x = TensorFlowCall("nn.bias_add")(x, bias=[1.0, 2.0, 3.0, 4.0], data_format="NHWC")
    one, two = TensorFlowCall("split")(x, num_or_size_splits=2, axis=-1)
    x = TensorFlowCall("concat")([two, one], axis=-1)
    batch = TensorFlowCall("__operators__.getitem")(TensorFlowCall("shape")(x), slice_spec=0)
    x = TensorFlowCall("math.subtract")(1.0, y=x)
    x = TensorFlowCall("reshape")(x, shape=[batch, 36, 4])
    x = TensorFlowCall("raw_ops.Mean", attributes={"keep_dims": False}, constants={"1": [1]})(x)
    assert x.shape == (None, 4)
    model = keras.Model(image, keras.layers.Dense(2)(x))
    values = np.random.default_rng(0).normal(size=(3, 6, 6, 4)).astype("float32")
    prepared = values[..., ::-1] / 127.5 + np.float32([1, 2, 3, 4])
    prepared = 1 - np.concatenate([prepared[..., 2:], prepared[..., :2]], -1).reshape(3, 36, 4).mean(1)
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(model(values), prepared @ kernel + bias, atol=1e-5)
    for name in ("model.keras", "model.h5"):
        from turtlenet.keras_files.quiet import quiet

        with quiet():
            model.save(tmp_path / name)
            again = keras.saving.load_model(tmp_path / name)
        np.testing.assert_allclose(again.predict(values, verbose=0), prepared @ kernel + bias, atol=1e-5)
    loss = lambda x: (keras.ops.sum(keras.ops.square(again(x)), axis=1), ())  # noqa: E731
    *_, slope = backend.input_gradient(loss, keras.ops.convert_to_tensor(values))
    assert np.abs(slope).min() > 0


@pytest.mark.parametrize("name", ["os.system", "py_function", "random.normal", "raw_ops.PyFunc", "nn.dropout", ""])
def test_an_unknown_function_is_refused_at_once(name):
    assert not known(name)
    with pytest.raises(ModelError, match=f"{name.removeprefix('raw_ops.')!r} is not known"):
        TensorFlowCall(name)


def test_names():
    assert known("math.add") and known("raw_ops.AddV2") and known("compat.v1.transpose")
    with pytest.raises(ModelError, match="Did you mean 'math.add'"):
        TensorFlowCall("math.ad")
    with pytest.raises(ModelError, match="'5' is not known"):
        TensorFlowCall(5)


def test_other_kinds_are_refused_by_name():
    kinds = {
        "ClassMethod": ({"cls_symbol": "RaggedTensor", "method_name": "from_tensor"}, "RaggedTensor.from_tensor"),
        "InstanceMethod": ({"attr_name": "to_tensor"}, "InstanceMethod.to_tensor"),
        "InstanceProperty": ({"attr_name": "values"}, "InstanceProperty.values"),
    }
    for kind, (config, name) in kinds.items():
        call = call_of({"class_name": kind, "config": {"name": "it", **config}})
        assert call["config"] == {"name": "it", "function": name} and not known(name)


def test_arguments_that_are_not_known_are_refused():
    for name, kwargs in {"nn.relu": {"slope": 2}, "image.resize": {"size": [4, 4], "method": "area"}}.items():
        with pytest.raises(ModelError, match=f"Expected a call of '{name}' that turtlenet knows"):
            TensorFlowCall(name)(own(RGB), **kwargs)


def test_bytes_of_tensorflow_2_0_are_refused():
    config = {"name": "it", "node_def": "\n\x03add\x12\x05AddV2", "constants": {}}
    with pytest.raises(ModelError, match="as JSON"):
        call_of({"class_name": "TensorFlowOpLayer", "config": config})


def test_wrappings():
    spec = [{"class_name": "__ellipsis__", "config": {}}, {"class_name": "__slice__", "config": {**ALL, "stop": 2}}]
    got = TensorFlowCall("__operators__.getitem")(own(X), slice_spec={"class_name": "__tuple__", "items": spec})
    np.testing.assert_array_equal(got, X[..., :2])
    array = {"class_name": "__numpy__", "config": {"value": [1.0, 2.0, 3.0, 4.0], "dtype": "float32"}}
    np.testing.assert_allclose(TensorFlowCall("math.add")(own(X), y=array), X + np.float32([1, 2, 3, 4]))
    shape = {"class_name": "TensorShape", "items": [2, -1]}
    assert TensorFlowCall("reshape")(own(X), shape=shape).shape == (2, 96)


def test_every_operation_is_tested():
    """Those that are a function of the other tables by another name, inputs only, are tested as that."""
    told = {name.split()[0] for name in OPERATIONS} | set(words(_PLAIN))
    assert set(RAW) - told == set()
