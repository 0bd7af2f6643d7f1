"""Operations of TensorFlow's graphs, as TensorFlow 2.0 to 2.3 saved them: inputs by place, attributes by name."""

from collections.abc import Callable
from typing import Any

from keras import ops

from turtlenet.keras_files.legacy.calls.arithmetic import ARITHMETIC
from turtlenet.keras_files.legacy.calls.arrays import ARRAYS
from turtlenet.keras_files.legacy.calls.constants import words
from turtlenet.keras_files.legacy.calls.images import IMAGES, resized

_TABLE = {**ARITHMETIC, **ARRAYS, **IMAGES}


def _as(name: str, **attributes: str) -> Callable:
    """The function of that name: the inputs by place, and of the attributes those that are listed, renamed."""
    function = _TABLE[name]

    def run(inputs: list[Any], given: dict[str, Any]) -> Any:
        return function(*inputs, **{new: given[old] for old, new in attributes.items() if given.get(old) is not None})

    return run


def _reduce(name: str) -> Callable:
    return _as(name, keep_dims="keepdims")


def _joined(inputs: list[Any], _: dict[str, Any]) -> Any:
    *values, axis = inputs
    return _TABLE["concat"](values, axis)


def _resizing(method: str) -> Callable:
    def run(inputs: list[Any], given: dict[str, Any]) -> Any:
        x, size = inputs
        return resized(x, size, method, given.get("align_corners", False), given.get("half_pixel_centers", False))

    return run


def _local(inputs: list[Any], given: dict[str, Any]) -> Any:
    return _TABLE["nn.local_response_normalization"](
        *inputs, **{name: given[name] for name in ("depth_radius", "bias", "alpha", "beta") if name in given}
    )


_WINDOW = {"strides": "strides", "padding": "padding", "data_format": "data_format"}
_MASKS = {f"{name}_mask": f"{name}_mask" for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}

_PLAIN = """
Abs=math.abs Add=math.add AddV2=math.add BroadcastTo=broadcast_to Ceil=math.ceil ClipByValue=clip_by_value Cos=math.cos
Div=math.truediv DivNoNan=math.divide_no_nan Elu=nn.elu Equal=math.equal Erf=math.erf Exp=math.exp Expm1=math.expm1
ExpandDims=expand_dims Fill=fill Floor=math.floor FloorDiv=math.floordiv FloorMod=math.floormod GatherV2=gather
Greater=math.greater GreaterEqual=math.greater_equal Identity=identity Inv=math.reciprocal Less=math.less
LessEqual=math.less_equal Log=math.log Log1p=math.log1p LogSoftmax=nn.log_softmax LogicalAnd=math.logical_and
LogicalNot=math.logical_not LogicalOr=math.logical_or Maximum=math.maximum Minimum=math.minimum Mul=math.multiply
Neg=math.negative NotEqual=math.not_equal OnesLike=ones_like Pad=pad Pow=math.pow Range=range Rank=rank
RealDiv=math.truediv Reciprocal=math.reciprocal Relu=nn.relu Relu6=nn.relu6 Reshape=reshape ReverseV2=reverse
Rint=math.rint Round=math.round Rsqrt=math.rsqrt SelectV2=where Selu=nn.selu Sigmoid=math.sigmoid Sign=math.sign
Sin=math.sin Slice=slice Softmax=nn.softmax Softplus=math.softplus Softsign=nn.softsign SplitV=split Sqrt=math.sqrt
Square=math.square SquaredDifference=math.squared_difference StopGradient=stop_gradient Sub=math.subtract Tan=math.tan
Tanh=math.tanh Tile=tile Transpose=transpose ZerosLike=zeros_like
"""

RAW: dict[str, Callable] = {
    **{op: _as(name) for op, name in words(_PLAIN).items()},
    "Sum": _reduce("math.reduce_sum"),
    "Mean": _reduce("math.reduce_mean"),
    "Max": _reduce("math.reduce_max"),
    "Min": _reduce("math.reduce_min"),
    "Prod": _reduce("math.reduce_prod"),
    "All": _reduce("math.reduce_all"),
    "Any": _reduce("math.reduce_any"),
    "ArgMax": _as("math.argmax", output_type="output_type"),
    "ArgMin": _as("math.argmin", output_type="output_type"),
    "Cumsum": _as("math.cumsum", exclusive="exclusive", reverse="reverse"),
    "MatMul": _as("linalg.matmul", transpose_a="transpose_a", transpose_b="transpose_b"),
    "BatchMatMul": _as("linalg.matmul", adj_x="adjoint_a", adj_y="adjoint_b"),
    "BatchMatMulV2": _as("linalg.matmul", adj_x="adjoint_a", adj_y="adjoint_b"),
    "AddN": lambda inputs, _: _TABLE["math.add_n"](inputs),
    "Einsum": lambda inputs, given: ops.einsum(given["equation"], *inputs),
    "LeakyRelu": _as("nn.leaky_relu", alpha="alpha"),
    "BiasAdd": _as("nn.bias_add", data_format="data_format"),
    "Cast": _as("cast", DstT="dtype"),
    "Shape": _as("shape", out_type="out_type"),
    "Size": _as("size", out_type="out_type"),
    "Squeeze": _as("squeeze", squeeze_dims="axis"),
    "ConcatV2": _joined,
    "Pack": lambda inputs, given: _TABLE["stack"](inputs, given.get("axis", 0)),
    "Unpack": _as("unstack", num="num", axis="axis"),
    "Split": lambda inputs, given: _TABLE["split"](inputs[1], given["num_split"], inputs[0]),
    "PadV2": lambda inputs, _: _TABLE["pad"](inputs[0], inputs[1], constant_values=inputs[2]),
    "MirrorPad": _as("pad", mode="mode"),
    "StridedSlice": _as("strided_slice", **_MASKS),
    "OneHot": lambda inputs, given: _TABLE["one_hot"](*inputs, axis=given.get("axis", -1), dtype=given.get("T")),
    "TopKV2": _as("math.top_k", sorted="sorted"),
    "Conv2D": _as("nn.conv2d", **_WINDOW, dilations="dilations"),
    "DepthwiseConv2dNative": _as("nn.depthwise_conv2d", **_WINDOW, dilations="dilations"),
    "MaxPool": _as("nn.max_pool", ksize="ksize", **_WINDOW),
    "AvgPool": _as("nn.avg_pool", ksize="ksize", **_WINDOW),
    "DepthToSpace": _as("nn.depth_to_space", block_size="block_size", data_format="data_format"),
    "SpaceToDepth": _as("nn.space_to_depth", block_size="block_size", data_format="data_format"),
    "LRN": _local,
    "ResizeBilinear": _resizing("bilinear"),
    "ResizeNearestNeighbor": _resizing("nearest"),
}
