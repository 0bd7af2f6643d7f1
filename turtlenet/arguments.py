"""Checks what a user gives against the types that a function or a dataclass states, in one line where it does not fit.

Numbers of NumPy, and arrays of one number, are numbers; booleans and texts are not. A lone spec or model stands for a
list of one.
"""

import dataclasses
import functools
import inspect
import numbers
import os
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

import numpy as np

from turtlenet.errors import DataError, ModelError, OutputError, SettingError, SpecError, TurtlenetError

__all__ = ["READ_ELSEWHERE", "check_fields", "fitted", "hints_of"]

P = ParamSpec("P")
R = TypeVar("R")

_KINDS: dict[str, type[TurtlenetError]] = {
    "model": ModelError,
    "classifier": ModelError,
    "sources": ModelError,
    "pool": ModelError,
    "spec": SpecError,
    "attack": SpecError,
    "attacks": SpecError,
    "objective": SpecError,
    "defences": SpecError,
    "detector": SpecError,
    "data": DataError,
}
# Their own readers say what they take: arrays of any framework, streams, and a radius in several units.
READ_ELSEWHERE = frozenset(("data", "extra", "validation_data", "x", "y", "target"))
_WORDS: dict[Any, str] = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "a text",
    type(None): "None",
    os.PathLike: "a path",
}
_ENTRIES = 4
"""Of a list that does not fit, so many entries are shown."""


class _MisfitError(Exception):
    """A value of another type; carries what was expected, in words."""


def check_fields(settings: Any) -> None:
    """Brings the fields of a frozen dataclass to the types that they state; called first in `__post_init__`.

    Raises:
        TurtlenetError: A field of another type.
    """
    kind: Any = type(settings)
    hints = hints_of(kind)
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        fit = fitted(value, hints.get(field.name, Any), field.name)
        if fit is not value:
            object.__setattr__(settings, field.name, fit)


def fitted(value: Any, hint: Any, name: str) -> Any:
    """A value as an annotation has it.

    Args:
        value: What was given.
        hint: The annotation.
        name: The argument's name, which also tells the kind of error.

    Raises:
        TurtlenetError: A value of another type.
    """
    try:
        return _fit(value, hint)
    except _MisfitError as wanted:
        kind = OutputError if name == "path" and "save" in str(wanted) else _KINDS.get(name, SettingError)
        raise kind(f"Expected {name} as {wanted}; got {_shown(value)}.") from None


@functools.cache
def hints_of(of: Any) -> dict[str, Any]:
    """The annotations of a function or a class; none where one of them cannot be read."""
    try:
        return typing.get_type_hints(of)
    except Exception:  # Somebody's annotations may name what is not there: then nothing is known of them.
        return {}


def _fit(value: Any, hint: Any) -> Any:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or isinstance(hint, TypeVar):
        return value
    if origin in (typing.Union, types.UnionType):
        return _fit_one_of(value, inner)
    if hint is type(None) or hint is None:
        if value is None:
            return None
        raise _MisfitError("None")
    if hint in (bool, int, float, str):
        return _fit_plain(value, hint)
    if origin is tuple and inner and inner[-1] is not Ellipsis:
        if isinstance(value, list | tuple | np.ndarray) and len(value) == len(inner):
            return tuple(_fit(each, kind) for each, kind in zip(value, inner, strict=True))
        raise _MisfitError(f"{len(inner)} values, {' and '.join(_words(kind) for kind in inner)}")
    if origin in (tuple, list, Sequence):
        return _fit_several(value, inner[0])
    if origin is Callable or hint is Callable:
        if callable(value):
            return value
        raise _MisfitError("a function")
    if origin in (Mapping, dict) or hint in (Mapping, dict):
        if isinstance(value, Mapping):
            return value
        raise _MisfitError("a mapping")
    kind = origin or hint
    if not inspect.isclass(kind) or isinstance(value, kind):
        return value
    raise _MisfitError(_words(hint))


def _fit_plain(value: Any, hint: type) -> Any:
    if hint is str:
        if isinstance(value, str):
            return value
        raise _MisfitError(_WORDS[str])
    if not isinstance(value, numbers.Number | bool | np.bool_ | str | bytes) and getattr(value, "shape", None) == ():
        # An array of one number, of whatever framework.
        try:
            value = np.asarray(value).item()
        except Exception:
            raise _MisfitError(_WORDS[hint]) from None
    kind: Any = type(value)
    truth = isinstance(value, bool | np.bool_)
    if hint is bool and truth:
        return bool(value)
    if hint is int and isinstance(value, numbers.Integral) and not truth:
        return value if kind is int else int(value)
    if hint is float and isinstance(value, numbers.Real) and not truth:
        # A whole number stays one, as it is written into reports.
        return value if kind in (int, float) else float(value)
    raise _MisfitError(_WORDS[hint])


def _fit_one_of(value: Any, hints: Sequence[Any]) -> Any:
    # What fits as it is comes before what would be made a list of one, or another kind of number.
    for hint in hints:
        if inspect.isclass(hint) and type(value) is hint:
            return value
    misfits = []
    for hint in sorted(hints, key=_is_several):
        try:
            return _fit(value, hint)
        except _MisfitError as error:
            misfits.append(str(error))
    if float in hints:
        misfits = [words for words in misfits if words != _WORDS[int]]
    raise _MisfitError(" or ".join(dict.fromkeys(misfits)))


def _is_several(hint: Any) -> bool:
    return typing.get_origin(hint) in (Sequence, list, tuple)


def _fit_several(value: Any, hint: Any) -> Any:
    if isinstance(value, np.ndarray) and value.ndim == 1:
        value = list(value)
    if isinstance(value, list | tuple):
        fit = [_fit(each, hint) for each in value]
        return value if all(one is other for one, other in zip(fit, value, strict=True)) else type(value)(fit)
    try:
        return (_fit(value, hint),)
    except _MisfitError as error:
        raise _MisfitError(f"a list of {error}") from None


def _words(hint: Any) -> str:
    kind = typing.get_origin(hint) or hint
    if kind in _WORDS:
        return _WORDS[kind]
    name = getattr(kind, "__name__", str(kind))
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"


def _shown(value: Any) -> str:
    """A value in a few words, whatever it is."""
    kind = type(value).__name__
    if isinstance(value, bool | int | float | str | bytes | None.__class__):
        text = repr(value)
        return f"{text[:60] + '...' if len(text) > 60 else text} ({kind})"
    if isinstance(value, list | tuple) and value:
        entries = ", ".join(_shown(each) for each in value[:_ENTRIES])
        return f"a {kind} of {entries}{', ...' if len(value) > _ENTRIES else ''}"
    if getattr(value, "shape", None) is not None:
        return f"{kind} of shape {tuple(value.shape)}" if isinstance(value.shape, tuple) else kind
    return f"a value of type {kind}"
