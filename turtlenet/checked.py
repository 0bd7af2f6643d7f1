"""Checks a function's arguments against its annotations before it is called."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from turtlenet import backend
from turtlenet.arguments import _READ_ELSEWHERE, P, R, _hints, fitted
from turtlenet.errors import SettingError, did_you_mean

__all__ = ["checked"]


def checked(*, within_graphs: bool = False) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorates a public function so that each argument is of the type that its annotation states.

    Args:
        within_graphs: Whether the function may be called while a framework traces the caller's function.

    Raises:
        TurtlenetError: An argument of another type, or an unknown one; a call within `tf.function` or `jax.jit`.
    """

    def around(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)
        open_ended = any(each.kind is each.VAR_KEYWORD for each in signature.parameters.values())

        @functools.wraps(function)
        def call(*args: P.args, **settings: P.kwargs) -> R:
            if not open_ended and (unknown := [name for name in settings if name not in signature.parameters]):
                known = signature.parameters
                raise SettingError(
                    f"Unknown setting {unknown[0]!r} of turtlenet.{function.__name__}."
                    f"{did_you_mean(unknown[0], known)}"
                )
            bound = signature.bind(*args, **settings)
            if not within_graphs and backend.in_graph(bound.arguments.values()):
                raise SettingError(
                    f"Expected turtlenet.{function.__name__} outside of tf.function and jax.jit, as it compiles by "
                    "itself; got a call inside one."
                )
            hints = _hints(function)
            for name, value in bound.arguments.items():
                hint = hints.get(name, Any)
                kind = signature.parameters[name].kind
                if name in _READ_ELSEWHERE or kind is inspect.Parameter.VAR_KEYWORD:
                    continue
                if kind is inspect.Parameter.VAR_POSITIONAL:
                    bound.arguments[name] = tuple(fitted(each, hint, name) for each in value)
                elif not (name == "eps" and isinstance(value, str)):
                    bound.arguments[name] = fitted(value, hint, name)
            return function(*bound.args, **bound.kwargs)

        return call

    return around
