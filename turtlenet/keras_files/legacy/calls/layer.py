"""The layer that stands in for a call of a TensorFlow function."""

import inspect
import json
from collections.abc import Callable
from typing import Any

import keras

from turtlenet.errors import ModelError, did_you_mean
from turtlenet.keras_files.legacy.calls.arithmetic import ARITHMETIC
from turtlenet.keras_files.legacy.calls.arrays import ARRAYS
from turtlenet.keras_files.legacy.calls.constants import attributes, plain, portable
from turtlenet.keras_files.legacy.calls.images import IMAGES
from turtlenet.keras_files.legacy.calls.raw import RAW

Json = dict[str, Any]

TABLE: dict[str, Callable] = {**ARITHMETIC, **ARRAYS, **IMAGES}
# Other names of the same, without `math.` and the like, as versions of TensorFlow and of `keras.backend` have them.
_ALIASES = {
    **{name.removeprefix("math."): name for name in TABLE if name.startswith("math.")},
    **{f"keras.backend.{name.split('.')[-1]}": name for name in TABLE if not name.startswith("keras.")},
    **{f"keras.activations.{name.split('.')[-1]}": name for name in TABLE if name.startswith(("nn.", "math."))},
    **{f"keras.backend.{name}": f"math.reduce_{name}" for name in ("sum", "mean", "max", "min", "prod", "std")},
    **{f"keras.backend.{name}": f"math.reduce_{name}" for name in ("all", "any")},
    "keras.backend.var": "math.reduce_variance",
    "keras.backend.logsumexp": "math.reduce_logsumexp",
    "keras.backend.clip": "clip_by_value",
    "keras.backend.relu": "keras.activations.relu",
    "keras.backend.elu": "keras.activations.elu",
    "keras.backend.hard_sigmoid": "keras.activations.hard_sigmoid",
    "keras.activations.swish": "nn.silu",
    "keras.activations.exponential": "math.exp",
    "nn.swish": "nn.silu",
    "nn.sigmoid": "math.sigmoid",
    "nn.tanh": "math.tanh",
    "nn.softplus": "math.softplus",
    "nn.lrn": "nn.local_response_normalization",
    "nn.l2_normalize": "math.l2_normalize",
    "linalg.l2_normalize": "math.l2_normalize",
    "linalg.norm": "norm",
    "linalg.einsum": "einsum",
    "linalg.tensordot": "tensordot",
    "matmul": "linalg.matmul",
    "math.reduce_euclidean": "math.reduce_euclidean_norm",
    "__operators__.sub": "math.subtract",
    "__operators__.mul": "math.multiply",
    "__operators__.truediv": "math.truediv",
}
# Of versions and of `keras.backend`: another name of an argument, where the function has the first and not the second.
_RENAMED = (
    ("axis", ("dim", "axes", "squeeze_dims", "reduction_indices", "dimension")),
    ("keepdims", ("keep_dims",)),
    ("y", ("other",)),
    ("filters", ("filter", "kernel")),
    ("input", ("value", "x", "features", "tensor", "images", "params")),
    ("x", ("features", "input", "tensor", "value", "logits")),
    ("features", ("x", "input")),
    ("logits", ("x", "input")),
    ("input_tensor", ("x", "input")),
    ("tensor", ("input", "x")),
    ("image", ("images",)),
    ("images", ("image",)),
    ("t", ("x", "value")),
    ("clip_value_min", ("min_value",)),
    ("clip_value_max", ("max_value",)),
    ("multiples", ("n",)),
    ("values", ("tensors", "x")),
    ("params", ("reference",)),
    ("strides", ("stride",)),
    ("value", ("x", "input")),
    ("block_size", ("block_shape",)),
)
# These say nothing about the result.
_IDLE = {"name", "validate_indices", "use_cudnn_on_gpu", "optimize", "conjugate", "stable"}


def known(function: str) -> bool:
    """Whether `TensorFlowCall` can stand in for the function of that name."""
    return function.removeprefix("raw_ops.") in RAW if function.startswith("raw_ops.") else _find(function) is not None


def _find(function: str) -> Callable | None:
    name = function.removeprefix("compat.v1.")
    # The table goes first: a function of its own is no alias.
    return TABLE.get(name) or TABLE.get(_ALIASES.get(name, ""))


@keras.saving.register_keras_serializable(package="turtlenet")
class TensorFlowCall(keras.layers.Layer):
    """Evaluates a TensorFlow function with `keras.ops`, on the arguments of the node that calls it.

    Args:
        function: Its name as `tf.keras` 2.4 and later save it, such as `math.add`, or `raw_ops.AddV2` for an
            operation of a graph as 2.0 to 2.3 saved it.
        attributes: Of a graph's operation, as numbers, strings and lists.
        constants: Of a graph's operation: its inputs that are no tensors of the model, by their place.
    """

    def __init__(
        self, function: str, attributes: Json | None = None, constants: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        if not isinstance(function, str) or not known(function):
            short = str(function).removeprefix("raw_ops.")
            near = did_you_mean(short, RAW if function != short else TABLE) if isinstance(function, str) else ""
            hint = near if near.startswith(" Did") else ""
            raise ModelError(f"Expected a TensorFlow function that turtlenet knows; {short!r} is not known.{hint}")
        super().__init__(**{"autocast": False, **kwargs})
        self.function = function
        self.attributes = attributes or {}
        self.constants = constants or {}
        self.built = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls as an operation is called: a layer of Keras 3 takes no numbers in first place or among tensors."""
        # Models tell every layer whether they train; no function of the tables asks.
        kwargs.pop("training", None)
        if any(isinstance(each, keras.KerasTensor) for each in keras.tree.flatten((args, kwargs))):
            return keras.Operation.symbolic_call(self, *map(portable, args), **portable(kwargs))
        return self.call(*args, **kwargs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Asks with the tensors alone: JAX would trace the numbers in lists as well, and fail on strings."""
        parts = keras.tree.flatten((args, kwargs))
        places = [place for place, part in enumerate(parts) if isinstance(part, keras.KerasTensor)]

        def call(*tensors: Any) -> Any:
            filled = dict(zip(places, tensors, strict=True))
            whole = [filled.get(place, part) for place, part in enumerate(parts)]
            again, named = keras.tree.pack_sequence_as((args, kwargs), whole)
            return self.call(*again, **named)

        return keras.src.backend.compute_output_spec(call, *(parts[place] for place in places))

    def call(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if self.function.startswith("raw_ops."):
                return RAW[self.function.removeprefix("raw_ops.")](self._inputs(*args), dict(self.attributes))
            function = _find(self.function)
            return function(*self._bound(function, args, kwargs)) if function else None
        except NotImplementedError as lack:
            raise ModelError(f"Expected a call of {self.function!r} that turtlenet knows; got {lack}.") from None

    def get_config(self) -> Json:
        own = {"function": self.function, "attributes": dict(self.attributes), "constants": dict(self.constants)}
        return {**super().get_config(), **{name: value for name, value in own.items() if value}}

    def _inputs(self, first: Any) -> list[Any]:
        inputs = list(first) if isinstance(first, (list, tuple)) else [first]
        for place, constant in sorted((int(place), constant) for place, constant in self.constants.items()):
            inputs.insert(place, plain(constant))
        return inputs

    def _bound(self, function: Callable, args: Any, kwargs: Json) -> Any:
        """The arguments by place; those that are None take their default, which is what None means in TensorFlow."""
        signature = inspect.signature(function)
        wanted = set(signature.parameters)
        given = {
            name: plain(value)
            for name, value in kwargs.items()
            if value is not None and (name in wanted or name not in _IDLE)
        }
        for new, olds in _RENAMED:
            for old in olds:
                if old in given and old not in wanted and new in wanted and new not in given:
                    given[new] = given.pop(old)
        try:
            bound = signature.bind(*(plain(each) for each in args), **given)
        except TypeError as mismatch:
            raise ModelError(f"Expected a call of {self.function!r} that turtlenet knows; {mismatch}.") from None
        bound.apply_defaults()
        return [*bound.args, *bound.kwargs.values()]


def call_of(layer: Json) -> Json:
    """Maps a `TFOpLambda`, `TensorFlowOpLayer` or their kin to a `TensorFlowCall`; nodes stay as they are."""
    old = layer["config"]
    # No more than the name: a call has no weights, and computes in the type of what it is given.
    config = {"name": old["name"]} if "name" in old else {}
    kind = layer["class_name"]
    if kind == "TensorFlowOpLayer":
        node = old["node_def"]
        try:
            node = json.loads(node) if isinstance(node, str) else node
        except json.JSONDecodeError:
            raise ModelError(
                f"Expected the operation of layer {old.get('name')!r} as JSON; got TensorFlow 2.0's bytes."
            ) from None
        config["name"] = layer.get("name") or f"tf_op_layer_{old['name']}"
        constants = {str(place): value for place, value in (old.get("constants") or {}).items()}
        config |= {"function": f"raw_ops.{node['op']}", "attributes": attributes(node), "constants": constants}
    elif kind == "ClassMethod":
        config["function"] = f"{old['cls_symbol']}.{old['method_name']}"
    elif kind in ("InstanceMethod", "InstanceProperty"):
        config["function"] = f"{kind}.{old['attr_name']}"
    else:
        config["function"] = old["function"]
    return {
        **{key: value for key, value in layer.items() if key in ("name", "inbound_nodes")},
        "class_name": TensorFlowCall.__name__,
        "module": TensorFlowCall.__module__,
        "registered_name": f"turtlenet>{TensorFlowCall.__name__}",
        "config": config,
    }
