"""Constants as the JSON of a file has them, and tensors made of them."""

import base64
from collections.abc import Callable
from typing import Any

import keras
from keras import KerasTensor, ops


def plain(value: Any) -> Any:
    """Reads the wrappings that `tf.keras` puts around tuples, arrays, slices and the ellipsis."""
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    kind, inner = value.get("class_name"), value.get("config", value)
    if kind == "__ellipsis__":
        return Ellipsis
    if kind in ("__numpy__", "__tensor__"):
        return ops.convert_to_tensor(inner["value"], inner.get("dtype"))
    if kind in ("__tuple__", "TensorShape"):
        return plain(inner.get("items", inner.get("value")))
    if kind == "__slice__" or {*value} == {"start", "stop", "step"}:
        return slice(plain(inner["start"]), plain(inner["stop"]), plain(inner["step"]))
    return {key: plain(each) for key, each in value.items()}


def portable(value: Any) -> Any:
    """A constant in the only spelling that Keras 3 saves and loads in both of its formats: no ellipsis, no arrays."""
    value = plain(value)
    if isinstance(value, list):
        return [portable(each) for each in value]
    if isinstance(value, dict):
        return {key: portable(each) for key, each in value.items()}
    if isinstance(value, slice):
        return {"start": value.start, "stop": value.stop, "step": value.step}
    if value is Ellipsis:
        return "..."
    is_constant = hasattr(value, "dtype") and not isinstance(value, KerasTensor)
    return ops.convert_to_numpy(value).tolist() if is_constant else value


def attributes(node: dict[str, Any]) -> dict[str, Any]:
    """The attributes of a `NodeDef` in JSON as numbers, strings and lists."""
    return {name: _attribute(value) for name, value in node.get("attr", {}).items() if not name.startswith("_")}


def _attribute(value: dict[str, Any]) -> Any:
    kind: str
    inner: Any
    kind, inner = next(iter(value.items()), ("list", {}))
    if kind == "list":
        return [_attribute({part: each}) for part, many in inner.items() for each in many]
    if kind == "shape":
        return None if inner.get("unknownRank") else [int(each.get("size", 0)) for each in inner.get("dim", [])]
    readers: dict[str, Callable] = {
        "i": int,
        "f": float,
        "b": bool,
        "s": lambda text: base64.b64decode(text).decode("utf-8", "replace"),
        "type": lambda name: {"float": "float32", "double": "float64", "half": "float16"}.get(name, name),
    }
    if kind == "type":
        inner = str(inner).removeprefix("DT_").lower()
    return readers[kind](inner) if kind in readers else inner


def tensor(value: Any, like: Any = None) -> Any:
    """A tensor of a constant, of the type of the tensor `like` where that is one; tensors stay."""
    return value if hasattr(value, "dtype") else ops.convert_to_tensor(value, getattr(like, "dtype", None))


def alike(x: Any, y: Any) -> tuple[Any, Any]:
    """Two tensors of one type, where one or none of both is a constant."""
    return tensor(x, y), tensor(y, x)


def name_of(dtype: Any) -> str:
    """The name of a type, on any framework."""
    return str(keras.backend.standardize_dtype(dtype))


def is_integer(x: Any) -> bool:
    """Whether a tensor holds integers."""
    return "int" in name_of(x.dtype)


def sizes(value: Any) -> Any:
    """A shape, as a tuple where it is a list and as a number where it is one."""
    return tuple(value) if isinstance(value, (list, tuple)) else value


def words(text: str) -> dict[str, str]:
    """Reads a table of names: `a b=c` maps a to itself and b to c."""
    return {name: called or name for name, _, called in (word.partition("=") for word in text.split())}
